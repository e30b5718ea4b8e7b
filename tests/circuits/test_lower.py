from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Gate, Parameter
from qiskit.circuit.library import quantum_volume
from qiskit.quantum_info import Operator, Statevector

from qcrs.circuits import CircuitDocument, from_qiskit, lower, snap, to_qiskit
from qcrs.errors import CircuitError
from qcrs.verification.simulate import ideal

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(data=st.data())
def test_lowering_keeps_the_unitary_up_to_global_phase(data, unitaries) -> None:
    circuit = data.draw(unitaries)
    doc = lower(circuit, measure=False).document
    assert {ins.name for ins in doc.instructions} <= {"u", "cz", "barrier"}
    a, b = Operator(circuit).data, Operator(to_qiskit(doc)).data
    overlap = abs(np.trace(a.conj().T @ b)) / len(a)
    assert overlap == pytest.approx(1, abs=1e-12)


@quick
@given(data=st.data())
def test_runs_of_one_qubit_gates_are_merged(data, unitaries) -> None:
    doc = lower(data.draw(unitaries), measure=False).document
    last: dict[int, str] = {}
    for ins in doc.instructions:
        for qubit in ins.qubits:
            assert not (ins.name == "u" and last.get(qubit) == "u")
            last[qubit] = ins.name


def test_snapping_is_exact_to_half_a_unit() -> None:
    assert snap(math.pi) == 1 << 31
    assert snap(2 * math.pi) == 0
    assert snap(-math.pi / 2) == 3 << 30
    assert snap(2 * math.pi * (1 - 1e-12)) == 0


def test_an_unmeasured_circuit_is_measured_with_a_note() -> None:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    lowered = lower(circuit)
    assert lowered.document.measured_clbits() == (0, 1, 2)
    assert [r.name for r in lowered.document.registers] == ["meas"]
    assert "meas" in lowered.notes[0]
    measured = QuantumCircuit(1, 1)
    measured.measure(0, 0)
    assert lower(measured).notes == ()


def test_a_measurement_inside_control_flow_counts() -> None:
    circuit = QuantumCircuit(1, 1)
    with circuit.if_test((circuit.clbits[0], 0)):
        circuit.measure(0, 0)
    assert lower(circuit).notes == ()


def test_registers_come_back_in_order() -> None:
    a, b = ClassicalRegister(2, "zeta"), ClassicalRegister(3, "alpha")
    circuit = QuantumCircuit(QuantumRegister(5, "zeta_q"), a, b)
    circuit.h(range(5))
    circuit.measure(range(5), range(5))
    doc = lower(circuit).document
    back = to_qiskit(doc)
    assert [(r.name, r.size) for r in back.cregs] == [("zeta", 2), ("alpha", 3)]
    assert from_qiskit(back) == doc


def test_initialize_delay_and_midcircuit_measurement_survive() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.initialize([1 / math.sqrt(2), 0, 0, 1j / math.sqrt(2)], [0, 1])
    circuit.delay(100, 0, unit="ns")
    circuit.delay(2, 1, unit="us")
    circuit.measure(0, 0)
    circuit.x(0)
    circuit.reset(1)
    circuit.measure(0, 1)
    doc = lower(circuit).document
    delays = [
        (ins.params, ins.control.unit) for ins in doc.instructions if ins.name == "delay" and ins.control
    ]
    assert delays == [((100_000,), "ps"), ((2_000_000,), "ps")]
    assert ideal(doc).probabilities == pytest.approx([0, 0.5, 0.5, 0], abs=1e-12)
    assert from_qiskit(to_qiskit(doc)) == doc


def test_a_delay_in_device_units_stays_in_them() -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.delay(16, 0)
    doc = lower(circuit).document
    (delay,) = (ins for ins in doc.instructions if ins.name == "delay")
    assert delay.params == (16,)
    assert delay.control
    assert delay.control.unit == "dt"
    assert from_qiskit(to_qiskit(doc)) == doc


def test_control_flow_round_trips_through_qiskit_and_json(dynamic_circuit) -> None:
    doc = lower(dynamic_circuit).document
    names = {ins.name for ins in doc.walk()}
    assert {"if_else", "switch", "for_loop", "while_loop", "break_loop"} <= names
    assert from_qiskit(to_qiskit(doc)) == doc
    assert CircuitDocument.from_json(doc.as_json()) == doc


def test_boxes_are_opened_and_loops_unrolled() -> None:
    circuit = QuantumCircuit(2)
    with circuit.box():
        circuit.h(0)
        with circuit.for_loop(range(3)) as i:
            circuit.rx(i * 0.25, 1)
    doc = lower(circuit, measure=False).document
    plain = QuantumCircuit(2)
    plain.h(0)
    plain.rx(0.75, 1)
    assert {ins.name for ins in doc.instructions} == {"u"}
    assert Statevector(to_qiskit(doc)).equiv(Statevector(plain), atol=1e-9)


def test_twenty_wide_qubits_lower_fast_enough() -> None:
    doc = lower(quantum_volume(20, 6, seed=3)).document
    assert doc.qubits == 20
    assert doc.count("cz") == 180


def _loop_with_variable_and_break() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    with circuit.for_loop(range(3)) as i:
        circuit.rx(i, 0)
        circuit.measure(0, 0)
        with circuit.if_test((circuit.clbits[0], 1)):
            circuit.break_loop()
    return circuit


def _free() -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.rx(Parameter("t"), 0)
    return circuit


def _opaque() -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.append(Gate("mystery", 1, []), [0])
    return circuit


def _variable() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    circuit.add_var("x", True)
    return circuit


def _scattered() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 3)
    circuit.add_register(ClassicalRegister(name="odd", bits=[circuit.clbits[0], circuit.clbits[2]]))
    circuit.measure(0, 0)
    return circuit


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_loop_with_variable_and_break, "break"),
        (_free, "free parameters"),
        (_opaque, "basis"),
        (_variable, "variable"),
        (_scattered, "scattered"),
        (lambda: QuantumCircuit(0), "no qubits"),
    ],
)
def test_what_cannot_be_lowered_says_why_and_what_to_do(make, words) -> None:
    with pytest.raises(CircuitError, match=words) as caught:
        lower(make())
    assert caught.value.solution


def test_free_parameters_are_named() -> None:
    with pytest.raises(CircuitError) as caught:
        lower(_free())
    assert (caught.value.field, caught.value.value) == ("parameters", "t")
