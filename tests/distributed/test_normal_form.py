"""The normal form is the circuit, and its segments and gates refer to each other."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import Statevector

from qcrs.distributed.normal_form import Gate, normal_form


@pytest.mark.parametrize("seed", range(30))
def test_random_circuits_keep_their_state(seed: int) -> None:
    circuit = random_circuit(4, 6, max_operands=3, seed=seed)
    measured = circuit.copy()
    measured.measure_all()
    form = normal_form(measured)
    unmeasured = form.circuit().remove_final_measurements(inplace=False)
    state = np.asarray(Statevector(unmeasured)).reshape([2] * 4)
    wire = [qubit for qubit, _ in form.measures]
    found = state.transpose([3 - wire[3 - axis] for axis in range(4)]).reshape(-1)
    assert abs(np.vdot(np.asarray(Statevector(circuit)), found)) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(10))
def test_segments_and_gates_agree(seed: int) -> None:
    form = normal_form(random_circuit(5, 8, max_operands=3, seed=seed))
    for segment in form.segments:
        for number in segment.gates:
            gate = form.gates[number]
            assert segment.qubit == gate.qubits[gate.segments.index(segment.number)]
            assert form.steps.index(gate) >= segment.start
        if segment.next is not None:
            after = form.segments[segment.next]
            assert after.qubit == segment.qubit
            assert after.start > max((form.steps.index(form.gates[g]) for g in segment.gates), default=-1)
    assert [step.number for step in form.steps if isinstance(step, Gate)] == list(range(len(form.gates)))


def test_phases_on_one_pair_add_and_flips_pass() -> None:
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    circuit.cp(0.3, 0, 1)
    circuit.x(0)
    circuit.cp(0.3, 0, 1)
    circuit.cz(0, 1)
    assert [gate.angle for gate in normal_form(circuit).gates] == [pytest.approx(-np.pi)]


def test_swaps_are_free() -> None:
    circuit = QuantumCircuit(3, 3)
    circuit.h(0)
    circuit.swap(0, 2)
    circuit.measure(range(3), range(3))
    form = normal_form(circuit)
    assert not form.gates
    assert form.measures == ((2, 0), (1, 1), (0, 2))
