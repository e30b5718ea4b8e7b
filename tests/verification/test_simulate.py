from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import quantum_volume
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_aer import AerSimulator
from scipy.stats import chi2

from qcrs.circuits import CircuitDocument, Control, Instruction, Register, lower, to_qiskit
from qcrs.errors import VerificationError
from qcrs.verification import simulate
from qcrs.verification.simulate import expectation, ideal


def test_static_circuits_agree_with_qiskits_state_vector() -> None:
    circuit = quantum_volume(6, 6, seed=2)
    want = Statevector(circuit).probabilities()
    assert ideal(lower(circuit).document).probabilities == pytest.approx(want, abs=1e-9)


def test_numpy_and_aer_give_the_same_state(monkeypatch) -> None:
    doc = lower(quantum_volume(12, 4, seed=2)).document
    with_aer = ideal(doc).probabilities
    monkeypatch.setattr(simulate, "_AER_FROM_QUBITS", 99)
    assert ideal(doc).probabilities == pytest.approx(with_aer, abs=1e-13)


def test_marginals_permutations_and_bits_measured_twice() -> None:
    circuit = QuantumCircuit(4, 5)
    circuit.ry(0.6, 0)
    circuit.x(3)
    circuit.measure(3, 1)
    circuit.measure(0, 4)
    circuit.measure(0, 0)
    result = ideal(lower(circuit).document)
    assert result.bits == (0, 1, 4)
    one = np.sin(0.3) ** 2
    want = np.zeros(8)
    want[0b010], want[0b111] = 1 - one, one
    assert result.probabilities == pytest.approx(want, abs=1e-9)


def _agrees(doc: CircuitDocument, shots: int = 20_000) -> bool:
    """Aer's samples against the exact distribution, by χ² at 1e-6."""
    circuit = to_qiskit(doc)
    counts = AerSimulator(seed_simulator=5).run(circuit, shots=shots).result().data(0)["counts"]
    result = ideal(doc)
    got = np.zeros(len(result.probabilities))
    for key, count in counts.items():
        got[sum((int(key, 16) >> bit & 1) << k for k, bit in enumerate(result.bits))] += count
    expected = shots * result.probabilities
    assert got[expected < 1e-9].sum() == 0
    often = expected >= 5
    statistic = ((got - expected)[often] ** 2 / expected[often]).sum()
    return bool(chi2.sf(statistic, max(1, often.sum() - 1)) > 1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_random_dynamic_circuits_agree_with_aer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(4, 4)
    for _ in range(12):
        a, b = rng.permutation(4)[:2].tolist()
        circuit.ry(float(rng.uniform(0, 6)), a)
        circuit.cx(a, b)
        kind = rng.integers(4)
        if kind == 0:
            circuit.measure(a, b)
        elif kind == 1:
            circuit.reset(a)
        elif kind == 2:
            with circuit.if_test((circuit.clbits[b], 1)) as otherwise:
                circuit.ry(1.0, a)
            with otherwise:
                circuit.h(b)
                circuit.measure(b, a)
        else:
            with circuit.switch(circuit.cregs[0]) as case:
                with case(0, 3, 5):
                    circuit.x(a)
                with case(case.DEFAULT):
                    circuit.ry(0.4, b)
    circuit.measure([0, 1], [0, 1])
    assert _agrees(lower(circuit).document)


def test_loops_with_breaks_agree_with_aer() -> None:
    circuit = QuantumCircuit(2, 3)
    with circuit.for_loop(range(3)):
        circuit.ry(0.8, 0)
        circuit.measure(0, 0)
        with circuit.if_test((circuit.clbits[0], 1)):
            circuit.ry(0.3, 1)
            circuit.continue_loop()
        circuit.ry(0.9, 1)
        circuit.measure(1, 1)
        with circuit.if_test((circuit.clbits[1], 1)):
            circuit.break_loop()
    with circuit.while_loop((circuit.clbits[0], 1)):
        circuit.h(0)
        circuit.measure(0, 0)
    circuit.measure(1, 2)
    assert _agrees(lower(circuit).document)


def _resets(rounds: int) -> CircuitDocument:
    """One entangled reset a round: twice as many branches each time."""
    quarter = (1 << 30, 0, 0)
    body: list[Instruction] = []
    for k in range(rounds):
        body += [
            Instruction("u", (0,), (), quarter),
            Instruction("measure", (0,), (k,)),
        ]
    body.append(Instruction("measure", (1,), (rounds,)))
    return CircuitDocument(2, rounds + 1, (Register("c", 0, rounds + 1),), tuple(body))


def test_past_the_branch_limit_the_reference_is_sampled_and_deterministic() -> None:
    few, many = ideal(_resets(5)), ideal(_resets(14), samples=3000)
    assert few.shots == 0
    assert few.probabilities.sum() == pytest.approx(1)
    assert many.shots == 3000
    assert np.array_equal(many.probabilities, ideal(_resets(14), samples=3000).probabilities)
    assert abs(many.probabilities[1::2].sum() - 0.5) < 0.05


def test_an_endless_loop_is_refused() -> None:
    body = (Instruction("u", (0,), (), (0, 0, 0)),)
    loop = Instruction("while_loop", (0,), (0,), (), Control(("bit", 0, 0), (body,)))
    doc = CircuitDocument(1, 1, (), (loop, Instruction("measure", (0,), (0,))))
    with pytest.raises(VerificationError, match="iterations"):
        ideal(doc)


def test_too_wide_is_refused() -> None:
    turned = tuple(Instruction("u", (q,), (), (1, 2, 3)) for q in range(30))
    doc = CircuitDocument(30, 1, (), (*turned, Instruction("measure", (0,), (0,))))
    with pytest.raises(VerificationError, match="too large"):
        ideal(doc)


def test_expectation_values_agree_with_qiskit() -> None:
    circuit = quantum_volume(4, 4, seed=7)
    doc = lower(circuit, measure=False).document
    terms = [("XXYZ", 0.5), ("IIIZ", -1.25), ("YIYX", 2.0)]
    want = Statevector(circuit).expectation_value(SparsePauliOp.from_list(terms)).real
    assert expectation(doc, terms) == pytest.approx(want, abs=1e-8)
    p = Statevector(circuit).probabilities([0, 3])
    assert expectation(doc, [("1II0", 1)]) == pytest.approx(p[0b10], abs=1e-8)
    plus = (1 + Statevector(circuit).expectation_value(SparsePauliOp("IIXI")).real) / 2
    assert expectation(doc, [("II+I", 1)]) == pytest.approx(plus, abs=1e-8)


def test_expectation_of_a_dynamic_circuit_averages_its_branches() -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.ry(1.0, 0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    doc = lower(circuit).document
    assert expectation(doc, [("ZI", 1)]) == pytest.approx(np.cos(1.0), abs=1e-9)


def test_idle_qubits_are_left_out_of_observables() -> None:
    circuit = QuantumCircuit(40)
    circuit.ry(1.0, 5)
    circuit.cx(5, 30)
    doc = lower(circuit, measure=False).document

    def label(**letters: str) -> str:
        by_qubit = {int(key[1:]): letter for key, letter in letters.items()}
        return "".join(by_qubit.get(q, "I") for q in reversed(range(40)))

    assert expectation(doc, [(label(q5="Z"), 1)]) == pytest.approx(np.cos(1.0), abs=1e-9)
    assert expectation(doc, [(label(q5="X", q30="X", q0="Z"), 1)]) == pytest.approx(np.sin(1.0), abs=1e-9)
    assert expectation(doc, [(label(q5="X", q30="X", q0="X"), 1)]) == 0
    assert expectation(doc, [(label(q0="0", q5="Z", q30="Z"), 2)]) == pytest.approx(2, abs=1e-9)
