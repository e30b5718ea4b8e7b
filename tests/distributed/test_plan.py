"""A shared circuit is the circuit, whatever the processors, their links and their channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from qiskit import QuantumCircuit, transpile
from qiskit.quantum_info import Statevector
from qiskit_aer import AerSimulator

from qcrs.distributed import Effort, Network, joint_circuit, plan
from qcrs.distributed.plan import Plan
from qcrs.distributed.schedule import Apply, Close, Move, Open
from qcrs.distributed.sharing import pairs
from qcrs.errors import CircuitError, InputError

QUICK = Effort(tries=4, kept=2, moves=3000)
NETWORKS: dict[str, Any] = {
    "two, full": (2, 0, (), ()),
    "two, a spare place": (2, 1, (), ()),
    "four, a spare place": (4, 1, (), ()),
    "four, two links": (4, 0, (2, 2, 2, 2), ()),
    "three, one link": (3, 2, (1, 1, 1), ()),
    "four in a row": (4, 1, (4, 4, 4, 4), ((0, 1), (1, 2), (2, 3))),
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
@pytest.mark.parametrize("program", ["qft", "ghz", "adder", "qaoa", "random"])
def test_the_shared_circuit_gives_the_same_state(circuits: Any, program: str, name: str) -> None:
    circuit: QuantumCircuit = circuits[program]
    wanted = np.asarray(Statevector(circuit))
    measured = circuit.copy()
    measured.measure_all()
    made = plan(measured, network_of(name, circuit.num_qubits), QUICK)
    for seed in (1, 2):
        assert abs(np.vdot(wanted, final_state(made, seed))) ** 2 == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_schedule_keeps_the_limits_and_uses_what_it_says(circuits: Any, name: str) -> None:
    for circuit in circuits.values():
        net = network_of(name, circuit.num_qubits)
        made = plan(circuit, net, QUICK)
        holds = [made.schedule.start.count(p) for p in range(net.size)]
        hosted = [0] * net.size
        used = 0
        for act in made.schedule.acts:
            if isinstance(act, Open):
                used += net.distance(act.source, act.target)
                hosted[act.target] += 1
            elif isinstance(act, Close):
                hosted[act.at] -= 1
            elif isinstance(act, Move):
                hosted[act.to] -= 1
                holds[act.source] -= 1
                holds[act.to] += 1
            beyond = [max(0, have - room) for have, room in zip(holds, net.capacity, strict=True)]
            assert max(beyond) <= net.guests
            if net.links:
                busy = [copies + more for copies, more in zip(hosted, beyond, strict=True)]
                assert all(have <= limit for have, limit in zip(busy, net.links, strict=True))
        assert used == made.pairs == made.schedule.total
        assert not any(hosted)
        assert sum(isinstance(act, Apply) for act in made.schedule.acts) == len(made.form.gates)
        if not net.links:  # without limits the hypergraph's cost is the price
            assert made.pairs == pairs(made.form, net, made.sharing)


@pytest.mark.parametrize(
    ("program", "size", "spare", "most"),
    [("ghz", 2, 0, 1), ("ghz", 4, 0, 3), ("qft", 2, 0, 8), ("qft", 2, 1, 7), ("qft", 4, 0, 18)],
)
def test_known_circuits_take_few_pairs(family: Any, program: str, size: int, spare: int, most: int) -> None:
    circuit = family[program](16)
    made = plan(circuit, Network.of([16 // size + spare] * size), Effort(tries=10, kept=2, moves=5000))
    assert made.pairs <= most


def test_the_same_arguments_give_the_same_plan(circuits: Any) -> None:
    net = network_of("four, a spare place", 8)
    first, second = (plan(circuits["qaoa"], net, QUICK) for _ in range(2))
    assert first.sharing == second.sharing


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
