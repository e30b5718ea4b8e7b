"""Teleported states have the fidelity that the pair, the gates and the memories allow, to 1e-12."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcrs.errors import InputError
from qcrs.qnp import BellPair, CircuitSpec, FaultSpec, HardwareSpec, LinkSpec, Network, Topology
from qcrs.qnp.apps import teleport
from qcrs.qnp.apps.teleport import STATES, Receiver
from qcrs.qnp.drivers.apps.post import Post
from qcrs.qnp.drivers.apps.teleport import TeleportRun
from qcrs.qnp.drivers.faults import FaultyNetwork
from qcrs.qnp.drivers.tcp.broker import RemoteNetwork
from qcrs.qnp.physical import NodeNoise
from qcrs.qnp.physical.dm import source_state, teleport_states
from qcrs.qnp.physical.hardware import Source
from qcrs.qnp.physical.qiskit_backend import teleport_by_circuit

MS = 1_000_000


def chain(nodes: int = 4, **fields: object) -> Topology:
    link = LinkSpec(
        "",
        "",
        kind="heralded",
        p=0.1,
        fidelity=0.97,
        dephasing=0.3,
        attempt_ns=100_000,
        frame_delay_ns=100_000,
    )
    hardware = HardwareSpec(
        t2_ns=10**9, t_depolarising_ns=10**10, gate_error=0.01, readout_error=0.02, swap_ns=100_000
    )
    return Topology.chain(
        nodes, link, hardware, circuits=(CircuitSpec("c", "n0", f"n{nodes - 1}"),), **fields
    )


@pytest.mark.parametrize("backend", ["belldiag", "dm", "qiskit"])
def test_all_backends_give_the_closed_form_of_the_delivered_pair(backend: str) -> None:
    vectors = [*STATES.values(), (0.6, 0.0, 0.8), (0.48, -0.6, 0.64)]
    network = Network(chain(), 3, backend=backend)
    done = TeleportRun(network, "c", vectors * (10 if backend == "belldiag" else 1)).run()
    assert [one.vector for one in done[:8]] == vectors
    for one in done:
        assert one.fidelity == pytest.approx(one.predicted, abs=1e-12)
        assert one.fidelity > 0.7
    network.run()
    assert network.leaked() == 0


weights4 = st.lists(st.floats(0.01, 1), min_size=4, max_size=4)


@settings(max_examples=25, deadline=None)
@given(
    weights4,
    st.integers(0, 3),
    st.floats(0, math.pi),
    st.floats(0, 6.3),
    st.floats(0, 0.2),
    st.floats(0, 0.2),
)
def test_matrices_and_qiskits_circuit_agree_with_it(
    weights: list[float], frame: int, theta: float, phi: float, gate: float, readout: float
) -> None:
    w = np.array(weights) / sum(weights)
    x, y, z = (w[0] + w[2] - w[1] - w[3], w[0] + w[3] - w[1] - w[2], w[0] + w[1] - w[2] - w[3])
    source = Source(0.5, 1, (float(x), float(y), float(z)), (frame,))
    noise = NodeNoise(gate_error=gate, readout_error=readout)
    vector = (math.sin(theta) * math.cos(phi), math.sin(theta) * math.sin(phi), math.cos(theta))
    paulis = [np.array(p) for p in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]])]
    data = (np.eye(2) + sum(v * p for v, p in zip(vector, paulis, strict=True))) / 2
    rho = source_state(source, frame)
    chances, states = teleport_states(data, rho, noise)
    by_circuit = teleport_by_circuit(data, rho, noise)
    np.testing.assert_allclose(chances, by_circuit[0], atol=1e-12)
    expected = teleport.teleported(BellPair(*source.xyz, frame), vector, noise)
    for outcome in range(4):
        np.testing.assert_allclose(states[outcome], by_circuit[1][outcome], atol=1e-12)
        cx, cz = (frame ^ outcome) >> 1, (frame ^ outcome) & 1
        undo = np.linalg.matrix_power(paulis[2], cz) @ np.linalg.matrix_power(paulis[0], cx)
        fixed = undo @ states[outcome] @ undo.conj().T
        found = [float(np.real(np.trace(fixed @ p))) for p in paulis]
        assert found == pytest.approx(expected, abs=1e-12)


def test_the_mean_over_all_states_is_two_thirds_f_and_a_third() -> None:
    pair = BellPair(0.9, 0.82, 0.86, 2)
    mean = sum(teleport.overlap(teleport.teleported(pair, v), v) for v in STATES.values()) / 6
    assert mean == pytest.approx(teleport.average_fidelity(pair.fidelity), abs=1e-12)


def test_purified_pairs_teleport_better() -> None:
    from dataclasses import replace

    good = chain(2)
    quiet = replace(good, nodes=tuple(replace(n, hardware=HardwareSpec(t2_ns=10**10)) for n in good.nodes))
    means = []
    for purify in (0, 2):
        done = TeleportRun(Network(quiet, 4), "c", list(STATES.values()) * 5, purify=purify).run()
        means.append(sum(one.fidelity for one in done) / len(done))
    assert means[1] > means[0] + 0.005


def test_corrections_that_come_twice_are_made_once() -> None:
    network = Network(chain(), 3)
    done = TeleportRun(network, "c", list(STATES.values()), post=Post(network, copies=3)).run()
    assert all(one.fidelity == pytest.approx(one.predicted, abs=1e-12) for one in done)
    receiver = Receiver({(1, 2): 7})
    message = teleport.correction((1, 2), 3, 1)
    assert receiver.receive(message) == (7, 2)
    assert receiver.receive(message) is None
    assert receiver.receive(teleport.correction((5, 5), 0, 0)) is None
    assert receiver.ignored == 2
    with pytest.raises(InputError):
        receiver.receive(b"")


def test_a_crash_ends_it_and_leaves_nothing() -> None:
    faults = (FaultSpec("crash", 30 * MS, node="n3", for_ns=10 * MS),)
    network = FaultyNetwork(chain(faults=faults), 3)
    run = TeleportRun(network, "c", list(STATES.values()) * 100)
    assert 0 < len(run.run()) < 600
    assert "restarted" in network.requests[run.request].reason.words
    network.run()
    assert network.leaked() == 0


@pytest.mark.network
def test_over_tcp_the_same_states_arrive() -> None:
    vectors = list(STATES.values())
    heap = TeleportRun(Network(chain(3), 5), "c", vectors).run()
    with RemoteNetwork(chain(3), 5) as remote:
        assert TeleportRun(remote, "c", vectors).run() == heap


def test_what_is_no_pure_state_is_refused() -> None:
    with pytest.raises(InputError):
        TeleportRun(Network(chain(), 3), "c", [(0.5, 0.0, 0.0)])
