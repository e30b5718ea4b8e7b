"""A shared circuit is the circuit, whatever the processors, their links and their channels."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from qiskit import QuantumCircuit, transpile
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import Statevector
from qiskit_aer import AerSimulator

from qcrs.distributed import Effort, Network, joint_circuit, plan
from qcrs.distributed.embedding import bridges, embedded
from qcrs.distributed.emit import PAIR
from qcrs.distributed.normal_form import normal_form
from qcrs.distributed.order import reordered
from qcrs.distributed.plan import Plan
from qcrs.distributed.refine import _Crowded, refine
from qcrs.distributed.schedule import Apply, Close, Move, Open, schedule
from qcrs.distributed.seed import seeds
from qcrs.distributed.sharing import Sharing, pairs
from qcrs.errors import CircuitError, InputError

QUICK = Effort(tries=4, kept=2, moves=3000)
NETWORKS: dict[str, Any] = {
    "two, full": (2, 0, (), ()),
    "three, full": (3, 0, (), ()),
    "two, a spare place": (2, 1, (), ()),
    "four, a spare place": (4, 1, (), ()),
    "four, two links": (4, 0, (2, 2, 2, 2), ()),
    "three, one link": (3, 2, (1, 1, 1), ()),
    "four in a row": (4, 1, (4, 4, 4, 4), ((0, 1), (1, 2), (2, 3))),
    "four in a row, no limits": (4, 0, (), ((0, 1), (1, 2), (2, 3))),
    "a star": (4, 0, (), ((0, 1), (0, 2), (0, 3))),
    "a star, few links": (4, 1, (4, 2, 2, 2), ((0, 1), (0, 2), (0, 3))),
    "two, a guest": (2, 0, (3, 3), (), 1),
    "four, guests": (4, 0, (5, 5, 5, 5), (), 2),
}


def network_of(name: str, qubits: int) -> Network:
    size, spare, links, channels, *guests = NETWORKS[name]
    return Network.of([-(-qubits // size) + spare] * size, links, channels, *guests)


def final_state(made: Plan, seed: int) -> NDArray[np.complex128]:
    """The program's qubits after one run of the joint circuit, in the program's order."""
    joint = joint_circuit(made.form, made.schedule, measure=False)
    holders = joint.metadata["holders"]
    joint.save_statevector()
    simulator = AerSimulator(method="statevector", seed_simulator=seed)
    run = simulator.run(transpile(joint, simulator, optimization_level=0), shots=1)
    total, n = joint.num_qubits, made.form.qubits
    state = np.asarray(run.result().get_statevector()).reshape([2] * total)
    axes = [total - 1 - holders[made.form.measures[n - 1 - i][0]] for i in range(n)]
    others = [axis for axis in range(total) if axis not in axes]
    rows: NDArray[np.complex128] = state.transpose(others + axes).reshape(-1, 2**n)
    assert np.allclose(rows[1:], 0)  # every other qubit is back in |0⟩
    return rows[0]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("program", ["qft", "ghz", "adder", "qaoa", "random", "bridged"])
def test_the_shared_circuit_gives_the_same_state(circuits: Any, program: str, name: str) -> None:
    circuit: QuantumCircuit = circuits[program]
    wanted = np.asarray(Statevector(circuit))
    measured = circuit.copy()
    measured.measure_all()
    made = plan(measured, network_of(name, circuit.num_qubits), QUICK)
    state = final_state(made, seed=len(name))  # outcomes on the way are drawn: one history of many
    assert abs(np.vdot(wanted, state)) ** 2 == pytest.approx(1, abs=1e-9)
    assert np.abs(np.abs(state) ** 2 - np.abs(wanted) ** 2).max() < 1e-9


def keeps_limits(made: Plan) -> None:
    """Walks the acts: every limit holds at every moment, and what is used is what was planned."""
    net = made.network
    holds = [made.schedule.start.count(p) for p in range(net.size)]
    hosted = [0] * net.size
    used = Counter[tuple[int, int]]()
    for act in made.schedule.acts:
        if isinstance(act, Open):
            way = net.path(act.source, act.target)
            used.update((min(pair), max(pair)) for pair in pairwise(way))
            hosted[act.target] += 1
            near = 0 if act.source == act.target else 1
            if net.links:
                beyond = max(0, holds[act.source] - net.capacity[act.source])
                assert hosted[act.source] + beyond + near <= net.links[act.source]
                assert all(hosted[p] + 2 <= net.links[p] for p in way[1:-1])
        elif isinstance(act, Close):
            hosted[act.at] -= 1
        elif isinstance(act, Move):
            hosted[act.to] -= 1
            holds[act.source] -= 1
            holds[act.to] += 1
        beyond = [max(0, have - room) for have, room in zip(holds, net.capacity, strict=True)]
        assert max(beyond) <= net.guests
        busy = [copies + more for copies, more in zip(hosted, beyond, strict=True)]
        assert all(have <= peak for have, peak in zip(busy, made.schedule.links, strict=True))
        if net.links:
            assert all(have <= limit for have, limit in zip(busy, net.links, strict=True))
    assert not any(hosted)
    assert dict(used) == made.schedule.pairs
    assert used.total() == made.pairs == made.schedule.total
    assert sum(isinstance(act, Apply) for act in made.schedule.acts) == len(made.form.gates)
    joint = joint_circuit(made.form, made.schedule)
    emitted = [item for item in joint.data if str(item.operation.label or "").startswith(PAIR)]
    assert len(emitted) == sum(isinstance(act, Open) for act in made.schedule.acts)
    if not net.links:  # without limits the hypergraph's cost is the price
        assert made.pairs <= pairs(made.form, net, made.sharing)
        assert made.pairs == pairs(made.form, net, made.sharing) or made.sharing.kept


@pytest.mark.parametrize("name", NETWORKS)
def test_a_schedule_keeps_the_limits_and_uses_what_it_says(circuits: Any, name: str) -> None:
    for circuit in circuits.values():
        keeps_limits(plan(circuit, network_of(name, circuit.num_qubits), QUICK))


@pytest.mark.parametrize(
    ("program", "size", "spare", "most"),
    [("ghz", 2, 0, 1), ("ghz", 4, 0, 3), ("qft", 2, 0, 8), ("qft", 2, 1, 7), ("qft", 4, 0, 18)],
)
def test_known_circuits_take_few_pairs(family: Any, program: str, size: int, spare: int, most: int) -> None:
    circuit = family[program](16)
    made = plan(circuit, Network.of([16 // size + spare] * size), Effort(tries=10, kept=2, moves=5000))
    assert made.pairs <= most


@pytest.mark.parametrize("crowding", [0.0, 3.0])
def test_the_same_start_gives_the_same_sharing(circuits: Any, crowding: float) -> None:
    form, net = normal_form(circuits["qaoa"]), network_of("four, two links", 8)
    start = seeds(form, net)[0]
    first, second = (refine(form, net, start, moves=3000, crowding=crowding) for _ in range(2))
    assert first == second


def test_the_annealer_knows_what_it_has(circuits: Any) -> None:
    """Its running cost, with the time that copies are open, is that of the sharing it holds."""
    for name, form in ((name, normal_form(circuit)) for name, circuit in circuits.items()):
        net = network_of("four, a spare place", form.qubits)
        state = _Crowded(form, net, seeds(form, net)[0], 7, 2.5)
        for number in range(1500):
            state.temperature = 1.0 - number / 2000
            state.propose()
        now = Sharing(tuple(state.homes), tuple(state.places), tuple(state.idle))
        assert state.cost == pytest.approx(_Crowded(form, net, now, 0, 2.5).cost), name
        assert state.least <= state.cost + 1e-9


def test_copies_are_kept_through_cx(family: Any) -> None:
    """Pairs that embedding saves: 3 instead of 4 for a wide adder on two processors."""
    form = normal_form(family["bridged"]())
    assert sorted(bridge.flips for bridge in bridges(form).values()) == [False, True]
    net = Network.of([2, 2])
    bare = Sharing(tuple(s.qubit // 2 for s in form.segments), (1,) * len(form.gates), (0, 0, 1, 1))
    kept = embedded(form, net, bare)
    assert kept.kept
    assert pairs(form, net, kept) < pairs(form, net, replace(bare, places=kept.places))
    assert schedule(form, net, kept).total == pairs(form, net, kept)
    assert Sharing.from_json(kept.as_json()) == kept
    with pytest.raises(InputError, match="not a sharing"):
        Sharing.from_json([[0], [0], [0]])
    made = plan(family["adder"](16), Network.of([17, 17]), Effort(tries=20, kept=4, moves=20_000))
    assert made.pairs == 3


SHAPES = st.sampled_from(["all", "line", "star"])


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10**6), st.integers(2, 4), SHAPES, st.integers(3, 6), st.integers(0, 1))
def test_any_circuit_on_any_network_keeps_the_limits(
    seed: int, size: int, shape: str, links: int, spare: int
) -> None:
    """Property: communication qubits, capacities and the price; the order of steps may change."""
    qubits = 4 + seed % 4
    circuit = random_circuit(qubits, 6, max_operands=2, seed=seed)
    channels = {
        "all": (),
        "line": [(p, p + 1) for p in range(size - 1)],
        "star": [(0, p) for p in range(1, size)],
    }[shape]
    net = Network.of([-(-qubits // size) + spare] * size, [links] * size, channels)
    made = plan(circuit, net, Effort(tries=2, kept=3, moves=600))
    keeps_limits(made)
    free = plan(circuit, Network.of(net.capacity, (), channels), Effort(tries=2, kept=1, moves=600))
    keeps_limits(free)
    again = reordered(made.form, made.sharing)
    assert sorted(map(id, again.steps)) == sorted(map(id, made.form.steps))
    assert np.allclose(
        Statevector(again.circuit().remove_final_measurements(inplace=False)),
        Statevector(made.form.circuit().remove_final_measurements(inplace=False)),
    )


def test_what_cannot_be_shared_is_said() -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.measure(0, 0)
    circuit.x(0)
    with pytest.raises(CircuitError, match="follows a measurement"):
        plan(circuit, Network.of([1, 1]))
    reset = QuantumCircuit(2)
    reset.reset(0)
    with pytest.raises(CircuitError, match="cannot be shared"):
        plan(reset, Network.of([1, 1]))
    with pytest.raises(InputError, match="the processors together 2"):
        plan(QuantumCircuit(3), Network.of([1, 1]))
    with pytest.raises(InputError, match="cannot be reached"):
        Network.of([1, 1, 1], channels=[(0, 1)])


def test_kept_outcomes_have_a_bit_each_and_say_who_obeys(circuits: Any) -> None:
    made = plan(circuits["qft"], network_of("four in a row", 8), QUICK)
    joint = joint_circuit(made.form, made.schedule, keep=True)
    messages = joint.metadata["messages"]
    opened = [act for act in made.schedule.acts if isinstance(act, Open)]
    assert joint.num_clbits == made.form.clbits + len(messages) == made.form.clbits + 2 * len(opened)
    by_gate = [m for m in messages if m.pauli == "x"]
    assert [(m.source, m.target) for m in by_gate] == [(act.source, act.target) for act in opened]
    written = [
        joint.find_bit(item.clbits[0]).index for item in joint.data if item.operation.name == "measure"
    ]
    assert sorted(written) == sorted(set(written))
