"""Two pairs made one: the closed form, the matrices, Qiskit's gates, and requests that ask for it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcrs.errors import InputError
from qcrs.qnp import (
    BellPair,
    CircuitSpec,
    FaultSpec,
    HardwareSpec,
    LinkSpec,
    Network,
    Reason,
    Status,
    Topology,
)
from qcrs.qnp.drivers.faults import FaultyNetwork
from qcrs.qnp.drivers.tcp.broker import RemoteNetwork
from qcrs.qnp.drivers.trace import Trace
from qcrs.qnp.physical import NodeNoise, Source
from qcrs.qnp.physical.belldiag import BellDiagonalHardware
from qcrs.qnp.physical.dm import TURN_GATES, DensityMatrixHardware, bell_vector
from qcrs.qnp.physical.purification import BBPSSW, DEJMPS, TURNS, joined, purified, turns_of

Chain = Callable[..., Topology]
MS = 1_000_000


@pytest.mark.parametrize("method", [BBPSSW, DEJMPS])
def test_two_werner_pairs_of_08(method: int) -> None:
    pair = BellPair.werner(0.8)
    found = purified(pair, pair, method)
    assert found.success == pytest.approx(0.64 + 2 * 0.8 * 0.2 / 3 + 5 * (0.2 / 3) ** 2, abs=1e-12)
    assert found.pair.fidelity == pytest.approx((0.64 + (0.2 / 3) ** 2) / found.success, abs=1e-12)
    assert f"{found.success:.5f} {found.pair.fidelity:.5f}" == "0.76889 0.83815"


def test_the_ways_differ_on_what_they_leave() -> None:
    """DEJMPS of its own output again is better than BBPSSW of a Werner pair with the same fidelity."""
    pair = BellPair.werner(0.8)
    first, werner = purified(pair, pair, DEJMPS).pair, purified(pair, pair, BBPSSW).pair
    twice = purified(first, first, DEJMPS)
    again = purified(werner, werner, BBPSSW)
    assert twice.pair.fidelity > again.pair.fidelity
    averaged = BellPair.werner(werner.fidelity)
    assert again.success == pytest.approx(purified(averaged, averaged, BBPSSW).success, abs=1e-12)
    assert purified(BellPair.werner(0.5), BellPair.werner(0.5), DEJMPS).pair.fidelity == pytest.approx(0.5)


@pytest.mark.parametrize("turn", range(4))
def test_turns_are_what_their_gates_do(turn: int) -> None:
    gate = np.kron(TURN_GATES[turn], TURN_GATES[turn].conj())
    for bell in range(4):
        overlap = [abs(np.vdot(bell_vector(k), gate @ bell_vector(bell))) for k in range(4)]
        assert overlap[TURNS[turn][bell]] == pytest.approx(1, abs=1e-12)


def test_bbpssw_turns_are_equally_frequent() -> None:
    drawn = [turns_of(BBPSSW, n, n + 1) for n in range(9000)]
    for choice in ((a, b) for a in (0, 2, 3) for b in (0, 2, 3)):
        assert abs(drawn.count(choice) - 1000) < 120


weights4 = st.lists(st.floats(0.02, 1), min_size=4, max_size=4)
turn = st.integers(0, 3)


def _source(weights: list[float], frame: int) -> Source:
    w = np.array(weights) / sum(weights)
    xyz = (w[0] + w[2] - w[1] - w[3], w[0] + w[3] - w[1] - w[2], w[0] + w[1] - w[2] - w[3])
    return Source(0.5, 1, tuple(map(float, xyz)), (frame,))


@settings(max_examples=40, deadline=None)
@given(
    weights4, weights4, st.integers(0, 3), st.integers(0, 3), turn, turn, st.booleans(), st.integers(0, 10**6)
)
def test_correlators_and_matrices_agree_through_noise_waiting_and_either_order(
    first: list[float], second: list[float], f1: int, f2: int, a: int, b: int, swapped: bool, seed: int
) -> None:
    """Both ends at different times, noisy gates, readout and memories; what is kept is compared to 1e-12."""
    noise = [NodeNoise(1e-9, 3e-10, 0.02, 0.03), NodeNoise(2e-9, 1e-10, 0.05, 0.01)]
    fast, exact = BellDiagonalHardware(noise, seed), DensityMatrixHardware(noise, seed)
    left = []
    for hardware in (fast, exact):
        one = hardware.create(0, _source(first, f1), 0, 1, f1)
        two = hardware.create(10**7, _source(second, f2), 1, 0, f2)[::-1]
        order = (1, 0) if swapped else (0, 1)
        bits = [
            hardware.purify(10**8 * (2 + k), node, one[node], two[node], (a, b))
            for k, node in enumerate(order)
        ]
        bell, expected = joined(f1, f2, (a, b))
        assert hardware.frame(one[0]) == bell
        good = bits[0] ^ bits[1] == expected
        left.append((good, [hardware.fidelity(4 * 10**8, one[0], k) for k in range(4)]))
        hardware.free(two[0])
        hardware.free(two[1])
        hardware.free(one[0])
        hardware.free(one[1])
        assert hardware.held() == 0
    if left[0][0] == left[1][0]:
        assert left[0][1] == pytest.approx(left[1][1], abs=1e-12)


@pytest.mark.parametrize("method", [BBPSSW, DEJMPS])
def test_qiskits_gates_give_the_closed_form(method: int) -> None:
    """The whole circuit on four qubits in Qiskit, projected on equal bits."""
    from qiskit import QuantumCircuit
    from qiskit.circuit.library import UnitaryGate
    from qiskit.quantum_info import DensityMatrix

    from qcrs.qnp.physical.dm import source_state

    first, second = _source([0.7, 0.1, 0.15, 0.05], 0), _source([0.8, 0.02, 0.08, 0.1], 0)
    total, fidelity = 0.0, 0.0
    choices = [(1, 1)] if method == DEJMPS else [(a, b) for a in (0, 2, 3) for b in (0, 2, 3)]
    for turns in choices:
        circuit = QuantumCircuit(4)  # qubits: kept at head 3, at tail 2; sacrificed at head 1, at tail 0
        for gate, head, tail in ((TURN_GATES[turns[0]], 3, 2), (TURN_GATES[turns[1]], 1, 0)):
            circuit.append(UnitaryGate(gate), [head])
            circuit.append(UnitaryGate(gate.conj()), [tail])
        circuit.cx(3, 1)
        circuit.cx(2, 0)
        state = DensityMatrix(np.kron(source_state(first, 0), source_state(second, 0))).evolve(circuit).data
        parts = state.reshape(4, 4, 4, 4)
        kept = parts[:, 0, :, 0] + parts[:, 3, :, 3]
        total += float(np.real(np.trace(kept))) / len(choices)
        phi = bell_vector(0)
        fidelity += float(np.real(phi.conj() @ kept @ phi)) / len(choices)
    found = purified(BellPair(*first.xyz), BellPair(*second.xyz), method)
    assert found.success == pytest.approx(total, abs=1e-12)
    assert found.pair.fidelity == pytest.approx(fidelity / total, abs=1e-12)


def _werner(fidelity: float, count: int = 2, **hardware: object) -> Topology:
    link = LinkSpec(
        "", "", kind="heralded", p=0.5, fidelity=fidelity, attempt_ns=10_000, frame_delay_ns=10_000
    )
    return Topology.chain(
        count, link, HardwareSpec(**hardware), circuits=(CircuitSpec("c", "n0", f"n{count - 1}", 0.25),)
    )


@pytest.mark.parametrize("method", [BBPSSW, DEJMPS])
@pytest.mark.parametrize("final", [0, 4])
def test_requests_for_purified_pairs_reach_the_closed_form(method: int, final: int) -> None:
    """Monte Carlo on the event heap, perfect memories: success and fidelity of F = 0.8 Werner pairs."""
    network = Network(_werner(0.8), 3)
    request = network.request("c", number=4000, purify=method, final=final)
    network.run()
    assert network.requests[request].status is Status.COMPLETED
    assert len(network.deliveries) == 4000
    share = 4000 / network.purifications
    assert abs(share - 0.768888888) < 3 * math.sqrt(0.77 * 0.23 / network.purifications)
    fidelities = {round(p.fidelity or 0, 12) for p in network.deliveries}
    assert fidelities == {round(0.64444444444444 / 0.76888888888889, 12)}
    assert network.stats[1].wrong_bell == 0
    assert network.leaked() == 0
    if final == 0:
        assert {p.bell for p in network.deliveries} == {0}
    else:
        assert {p.bell for p in network.deliveries} == {0, 1, 2, 3}


def test_measured_errors_after_purification_are_those_of_the_closed_form() -> None:
    """The pairs themselves, not what the simulator says of them: both ends measure along Z."""
    network = Network(_werner(0.8), 5, record=False)
    wrong = [0, 0]

    def measure(pair: object) -> None:
        bits = [network.hardware.measure(network.now, i, h, 2) for i, h in enumerate((pair.head, pair.tail))]  # type: ignore[attr-defined]
        wrong[bits[0] ^ bits[1]] += 1

    network.on_delivery = measure
    network.request("c", number=6000, purify=DEJMPS, final=0)
    network.run()
    expected = purified(BellPair.werner(0.8), BellPair.werner(0.8), DEJMPS).pair.qber_z
    assert abs(wrong[1] / 6000 - expected) < 3 * math.sqrt(expected * (1 - expected) / 6000)
    assert network.leaked() == 0


@pytest.mark.parametrize("backend", ["dm", "qiskit"])
def test_other_backends_purify_too(backend: str) -> None:
    network = Network(_werner(0.8, swap_ns=5000), 3, backend=backend)
    network.request("c", number=12, purify=DEJMPS)
    network.run()
    assert len(network.deliveries) == 12
    assert {round(p.fidelity or 0, 9) for p in network.deliveries} == {0.838150289}
    assert network.leaked() == 0


def test_failures_cost_pairs_and_never_hang() -> None:
    """At F = 0.3 most rounds fail or are useless; a counted request still ends, and a deadline ends any."""
    network = Network(_werner(0.3, count=3, swap_ns=5000), 3)
    network.request("c", number=50, purify=BBPSSW)
    endless = network.request("c", purify=DEJMPS, deadline_ns=60 * MS)
    network.run()
    assert network.requests[1].status is Status.COMPLETED
    assert network.requests[endless].status is Status.COMPLETED
    assert network.purifications > 1.5 * network.delivered
    assert network.leaked() == 0


def test_two_requests_that_share_a_memory_of_two_do_not_hold_each_other_up() -> None:
    link = LinkSpec("", "", kind="heralded", p=0.1, fidelity=0.9, attempt_ns=100_000, frame_delay_ns=50_000)
    circuits = tuple(CircuitSpec(f"c{i}", "n0", "n2", cutoff=20 * MS) for i in range(2))
    network = Network(Topology.chain(3, link, HardwareSpec(t2_ns=10**9), circuits=circuits), 1)
    for i in range(2):
        network.request(f"c{i}", number=40, purify=DEJMPS)
    network.run(until_ns=600 * 10**9)
    assert [log.status for log in network.requests.values()] == [Status.COMPLETED] * 2
    assert network.leaked() == 0


def test_what_cannot_be_is_refused() -> None:
    network = Network(_werner(0.8, qubits_per_link=1), 1)
    request = network.request("c", number=1, purify=DEJMPS)
    network.run()
    assert network.requests[request].reason is Reason.MORE_THAN_MEMORY
    for fields in ({"purify": 3}, {"purify": 1, "form": 2}, {"purify": 1, "number": 2, "window_ms": 5}):
        with pytest.raises(InputError):
            network.request("c", **fields)


@pytest.mark.parametrize(
    "fault",
    [
        FaultSpec("reply_loss", 20 * MS, link="n0-n1", node="n0", count=5),
        FaultSpec("reply_loss", 20 * MS, link="n2-n3", node="n3", count=5),
        FaultSpec("duplicate", 20 * MS, link="n1-n2", count=50),
        FaultSpec("late", 20 * MS, link="n1-n2", count=20, for_ns=30 * MS),
        FaultSpec("partition", 20 * MS, link="n1-n2", for_ns=30 * MS),
        FaultSpec("skew", 20 * MS, node="n0", skew_ns=7 * MS),
        FaultSpec("full_memory", 20 * MS, node="n3", for_ns=50 * MS),
        FaultSpec("crash", 40 * MS, node="n0", for_ns=20 * MS),
        FaultSpec("crash", 40 * MS, node="n3", for_ns=20 * MS),
        FaultSpec("flap", 40 * MS, link="n0-n1", for_ns=400 * MS),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.link or fault.node}",
)
@pytest.mark.parametrize("swap_ns", [0, 200_000])
def test_faults_leave_nothing_behind(chain: Chain, fault: FaultSpec, swap_ns: int) -> None:
    topology = chain(4, hardware=HardwareSpec(t2_ns=10**9, swap_ns=swap_ns))
    network = FaultyNetwork(topology.with_(faults=(fault,)), 3)
    network.request("c", number=150, purify=DEJMPS)
    network.run()
    log = network.requests[1]
    assert log.status is (
        Status.ABORTED if fault.for_ns >= 400 * MS or fault.kind == "crash" else Status.COMPLETED
    )
    assert bool(log.reason.words) is (log.status is Status.ABORTED)
    assert network.leaked() == 0
    assert sum(s.wrong_bell for s in network.stats.values()) == 0


@pytest.mark.network
def test_processes_give_the_same_trace(chain: Chain) -> None:
    topology = chain(3, hardware=HardwareSpec(t2_ns=10**9, swap_ns=100_000))
    heap = Network(topology, 3, trace=Trace())
    heap.request("c", number=20, purify=DEJMPS)
    heap.run()
    with RemoteNetwork(topology, 3) as remote:
        remote.request("c", number=20, purify=DEJMPS)
        remote.run()
        text = remote.trace_text()
    assert heap.trace is not None
    assert text == heap.trace.text()
    assert " purified " in text
    assert remote.deliveries == heap.deliveries
