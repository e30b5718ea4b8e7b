"""GHZ states of up to 32 nodes: closed form and stabilizer simulation agree; who is missing is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qcrs.errors import ConfigError
from qcrs.qnp import BellPair, FaultSpec, HardwareSpec, LinkSpec, Network, NodeSpec, Topology
from qcrs.qnp.apps.ghz import Fuse, Hub, Joined, Tell, ghz_fidelity
from qcrs.qnp.drivers.apps.ghz import GhzRun, sampled_fidelity
from qcrs.qnp.drivers.faults import FaultyNetwork
from qcrs.qnp.physical import NodeNoise

MS = 1_000_000
NOISY = HardwareSpec(
    t2_ns=10**9, t_depolarising_ns=10**10, swap_ns=100_000, gate_error=0.002, readout_error=0.003
)


def star(nodes: int, hardware: HardwareSpec = NOISY, fidelity: float = 0.98, **fields: object) -> Topology:
    link = LinkSpec(
        "a", "b", kind="heralded", p=0.1, fidelity=fidelity, attempt_ns=100_000, frame_delay_ns=100_000
    )
    return Topology(
        tuple(NodeSpec(f"n{i}", hardware) for i in range(nodes)),
        tuple(replace(link, a="n0", b=f"n{i}") for i in range(1, nodes)),
        **fields,  # type: ignore[arg-type]
    )


def members(nodes: int) -> list[str]:
    return [f"n{i}" for i in range(1, nodes)]


@pytest.mark.parametrize("nodes", [2, 3, 8, 32])
def test_a_network_makes_it_and_stim_finds_the_same_fidelity(nodes: int) -> None:
    network = Network(star(nodes), 1)
    state = GhzRun(network, "n0", members(nodes)).run()
    assert sorted(state.nodes) == sorted(["n0", *members(nodes)])
    assert state.missing == ()
    assert state.fidelity is not None
    share, error = sampled_fidelity(state.members, state.noise, 100_000, 7)
    assert abs(state.fidelity - share) < 3 * error
    network.run()
    assert network.leaked() == 0


def test_perfect_pairs_make_a_perfect_state_of_32() -> None:
    state = GhzRun(Network(star(32, HardwareSpec(), 1.0), 2), "n0", members(32)).run()
    assert state.fidelity == pytest.approx(1, abs=1e-12)
    assert sampled_fidelity(state.members, state.noise, 1000, 1)[0] == 1.0


def test_werner_pairs_in_closed_form() -> None:
    for f in (0.8, 0.95):
        w = (4 * f - 1) / 3
        for n in (2, 5, 32):
            expected = (((1 + w) / 2) ** (n - 1) + w ** (n - 1)) / 2
            pairs = [Joined(BellPair.werner(f))] * (n - 1)
            assert ghz_fidelity(pairs) == pytest.approx(expected, abs=1e-12)
    assert ghz_fidelity([Joined(BellPair.werner(0.8))]) == pytest.approx(0.8, abs=1e-12)


def test_three_nodes_agree_with_the_density_matrix() -> None:
    """Two Bell-diagonal pairs, a noisy CNOT and readout, a root that waits: all by 16×16 matrices."""
    from qcrs.qnp.physical.dm import PAULIS, _decohered, _full, source_state
    from qcrs.qnp.physical.hardware import Source

    xyz = ((0.9, 0.82, 0.86), (0.95, 0.9, 0.88))
    noise = NodeNoise(2e-9, 1e-9, 0.05, 0.04)
    first, second = (source_state(Source(0.5, 1, one, (0,)), 0) for one in xyz)
    rho = np.kron(first, second)  # root, member 1, half, member 2
    rho = _decohered(rho, 0, 1e8, noise)
    cnot = _full(np.eye(4, dtype=complex)[[0, 1, 3, 2]], (0, 2), 4)
    rho = cnot @ rho @ cnot.conj().T
    both = [_full(np.kron(a, b), (0, 2), 4) for a in PAULIS for b in PAULIS]
    rho = (1 - noise.gate_error) * rho + noise.gate_error * sum(p @ rho @ p.conj().T for p in both) / 16
    flip = _full(np.array([[0, 1], [1, 0]], dtype=complex), (3,), 4)
    parts = []
    for bit in (0, 1):
        projector = np.zeros((2, 2), dtype=complex)
        projector[bit, bit] = 1
        parts.append(_full(projector, (2,), 4) @ rho @ _full(projector, (2,), 4))
    e = noise.readout_error
    zero = (1 - e) * parts[0] + e * parts[1]
    one = (1 - e) * parts[1] + e * parts[0]
    rho = zero + flip @ one @ flip.conj().T
    rho = _decohered(rho, 0, 3e7, noise)
    left = np.einsum("abcdijcl->abdijl", rho.reshape((2,) * 8)).reshape(8, 8)
    ghz = np.zeros(8)
    ghz[[0, 7]] = np.sqrt(0.5)
    closed = ghz_fidelity([Joined(BellPair(*xyz[0]), 10**8), Joined(BellPair(*xyz[1]), 3 * 10**7)], noise)
    assert closed == pytest.approx(float(np.real(ghz @ left @ ghz)), abs=1e-12)


def test_the_hub_needs_each_member_once() -> None:
    hub = Hub(frozenset({1, 2, 3}))
    assert hub.on_pair(9, 0) is None
    assert hub.on_pair(2, 10) == Tell(2, False)
    assert hub.on_pair(2, 11) is None
    assert hub.on_pair(1, 12) == Fuse(1, 12)
    assert hub.on_pair(1, 13) is None
    assert hub.on_fused(1, 1) == Tell(1, True)
    assert hub.missing == {3}


def test_over_repeaters_with_purified_pairs() -> None:
    link = LinkSpec("", "", kind="heralded", p=0.2, fidelity=0.95, attempt_ns=50_000, frame_delay_ns=20_000)
    line = Topology.chain(5, link, HardwareSpec(t2_ns=10**9, qubits_per_link=4))
    fidelities = []
    for purify in (0, 2):
        network = Network(line, 3)
        state = GhzRun(network, "n2", ["n0", "n1", "n3", "n4"], purify=purify).run()
        fidelities.append(state.fidelity or 0.0)
        network.run()
        assert network.leaked() == 0
    assert fidelities[1] > fidelities[0]


@pytest.mark.parametrize(
    "fault",
    [
        FaultSpec("crash", 100_000, node="n5", for_ns=900 * MS),
        FaultSpec("flap", 0, link="n0-n5", for_ns=900 * MS),
    ],
    ids=["crash", "flap"],
)
def test_who_is_missing_at_the_deadline_is_named_and_nothing_leaks(fault: FaultSpec) -> None:
    network = FaultyNetwork(star(8, faults=(fault,)), 1)
    state = GhzRun(network, "n0", members(8), deadline_ns=50 * MS).run()
    assert state.missing == ("n5",)
    assert state.fidelity is None
    network.run()
    assert network.leaked() == 0


def test_a_hub_that_crashes_leaves_no_state() -> None:
    network = FaultyNetwork(star(8, faults=(FaultSpec("crash", MS, node="n0", for_ns=5 * MS),)), 1)
    state = GhzRun(network, "n0", members(8), deadline_ns=30 * MS).run()
    assert state.fidelity is None
    assert state.missing
    network.run()
    assert network.leaked() == 0


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="each once"):
        GhzRun(Network(star(3), 1), "n0", ["n1", "n1"])
    with pytest.raises(ConfigError, match="belldiag"):
        GhzRun(Network(star(3), 1, backend="dm"), "n0", ["n1"])
