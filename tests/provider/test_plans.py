"""Pubs become units and come back with the shapes and values that Qiskit's own primitives give."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from qiskit.circuit import ClassicalRegister, Parameter, QuantumCircuit, QuantumRegister
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.quantum_info import Pauli, SparsePauliOp

from qcrs.client.program import Outcome, Unit
from qcrs.provider.plans import plan_estimator, plan_sampler, read_estimator, read_sampler

Ideal = Callable[[Sequence[Unit]], list[Outcome]]


def parametric() -> QuantumCircuit:
    qubits = QuantumRegister(3)
    circuit = QuantumCircuit(qubits, ClassicalRegister(2, "alpha"), ClassicalRegister(1, "beta"))
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.ry(Parameter("a"), 0)
    circuit.rz(Parameter("b"), 0)
    circuit.cx(1, 2)
    circuit.h(0)
    circuit.measure([0, 1], [0, 1])
    circuit.measure(2, 2)
    circuit.metadata = {"name": "sweep"}
    return circuit


def sample(ideal: Ideal, pubs: list[Any], shots: int = 2000) -> Any:
    plan = plan_sampler([SamplerPub.coerce(pub, shots) for pub in pubs])
    return read_sampler(plan.note, ideal(plan.units) if plan.units else [], {})


def estimate(ideal: Ideal, pubs: list[Any], precision: float) -> Any:
    plan = plan_estimator([EstimatorPub.coerce(pub, precision) for pub in pubs], exact=precision == 0)
    return read_estimator(plan.note, ideal(plan.units), {})


def test_sampler_shapes_registers_and_distributions_agree_with_the_statevector_sampler(ideal: Ideal) -> None:
    values = np.linspace(0, 3, 12).reshape(2, 3, 2)
    pubs = [(parametric(), values), (parametric(), [0.3, 0.4], 500)]
    ours, theirs = sample(ideal, pubs), StatevectorSampler(seed=3).run(pubs, shots=2000).result()
    assert len(ours) == len(theirs) == 2
    for mine, yours in zip(ours, theirs, strict=True):
        assert mine.metadata == yours.metadata
        assert mine.data.shape == yours.data.shape
        assert list(mine.data) == list(yours.data)
        for name in ("alpha", "beta"):
            a, b = mine.data[name], yours.data[name]
            assert (a.shape, a.num_bits, a.num_shots) == (b.shape, b.num_bits, b.num_shots)
            assert a.array.dtype == b.array.dtype
            assert a.array.shape == b.array.shape
            for index in np.ndindex(a.shape):
                p, q = a.get_counts(index), b.get_counts(index)
                distance = sum(abs(p.get(k, 0) - q.get(k, 0)) for k in {*p, *q}) / (2 * a.num_shots)
                assert distance < 0.08
    joined = ours[1].join_data().get_counts()
    assert sum(joined.values()) == 500


def test_correlations_between_registers_survive_shot_by_shot(ideal: Ideal) -> None:
    circuit = QuantumCircuit(QuantumRegister(2), ClassicalRegister(1, "x"), ClassicalRegister(1, "y"))
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    data = sample(ideal, [circuit])[0].data
    assert np.array_equal(data.x.array, data.y.array)
    assert 800 < int(data.x.array.sum(dtype=int)) < 1200


def test_slices_of_the_shots_are_fair_samples(ideal: Ideal) -> None:
    circuit = QuantumCircuit(1)
    circuit.h(0)
    circuit.measure_all()
    bits = sample(ideal, [circuit], shots=4000)[0].data.meas.array[:, 0]
    assert abs(float(bits[:2000].mean()) - 0.5) < 0.06
    assert abs(float(bits[::2].mean()) - 0.5) < 0.06


def test_registers_that_share_or_skip_bits(ideal: Ideal) -> None:
    circuit = QuantumCircuit(3, 12)
    circuit.add_register(ClassicalRegister(name="alias", bits=[circuit.clbits[11], circuit.clbits[2]]))
    circuit.x([0, 2])
    circuit.measure([0, 1, 2], [2, 5, 11])
    result = sample(ideal, [circuit], shots=10)
    assert result[0].data.c.get_int_counts() == {(1 << 2) | (1 << 11): 10}
    assert result[0].data.alias.get_counts() == {"11": 10}


def test_circuits_without_measurement_or_registers(ideal: Ideal) -> None:
    silent = QuantumCircuit(1, 2)
    silent.x(0)
    result = sample(ideal, [silent, QuantumCircuit(1)], shots=7)
    assert result[0].data.c.get_counts() == {"00": 7}
    assert len(list(result[1].data)) == 0


def test_idle_qubits_of_a_wide_layout_are_not_asked_for() -> None:
    circuit = QuantumCircuit(100, 2)
    circuit.h(17)
    circuit.cx(17, 80)
    circuit.barrier()
    circuit.measure([17, 80], [0, 1])
    pubs = [SamplerPub.coerce(circuit, 10)]
    assert plan_sampler(pubs).units[0].circuit.qubits == 2
    assert plan_sampler(pubs, physical=True).units[0].circuit.qubits == 100


def estimator_pubs() -> list[Any]:
    circuit = parametric().remove_final_measurements(inplace=False)
    assert circuit is not None
    observables = [
        [SparsePauliOp(["XXI", "IYZ", "III"], [0.5, 0.5, -2.0])],
        [Pauli("ZXX")],
        [SparsePauliOp(["III"])],
    ]
    return [(circuit, observables, np.linspace(0, 3, 8).reshape(4, 2)), (circuit, "ZZI", [0.1, 0.2])]


def test_exact_estimates_equal_the_statevector_estimator(ideal: Ideal) -> None:
    ours = estimate(ideal, estimator_pubs(), 0.0)
    theirs = StatevectorEstimator().run(estimator_pubs(), precision=0.0).result()
    for mine, yours in zip(ours, theirs, strict=True):
        assert mine.data.shape == yours.data.shape
        assert mine.data.evs.shape == yours.data.evs.shape
        np.testing.assert_allclose(mine.data.evs, yours.data.evs, atol=1e-8)
        assert not mine.data.stds.any()


def test_sampled_estimates_lie_within_their_error_bars(ideal: Ideal) -> None:
    ours = estimate(ideal, estimator_pubs(), 0.02)
    theirs = StatevectorEstimator().run(estimator_pubs(), precision=0.0).result()
    assert ours[0].data.evs.shape == (3, 4)
    for mine, yours in zip(ours, theirs, strict=True):
        assert mine.metadata["shots"] == 2500
        assert mine.metadata["target_precision"] == 0.02
        assert np.all(np.abs(mine.data.evs - yours.data.evs) <= 5 * mine.data.stds + 1e-9)
        assert np.all(mine.data.stds <= 3 / 50)


def test_projectors_are_measured(ideal: Ideal) -> None:
    circuit = QuantumCircuit(2)
    circuit.x(0)
    assert estimate(ideal, [(circuit, {"01": 1.0})], 0.0)[0].data.evs == pytest.approx(1.0)
    assert estimate(ideal, [(circuit, {"11": 1.0, "+1": 0.5})], 0.0)[0].data.evs == pytest.approx(0.25)


def test_commuting_words_share_a_circuit() -> None:
    circuit = QuantumCircuit(2)
    pub = EstimatorPub.coerce((circuit, SparsePauliOp(["ZZ", "ZI", "IZ", "XX", "YY", "II"])), 0.1)
    assert len(plan_estimator([pub], exact=False).units) == 3
    assert len(plan_estimator([pub], exact=True).units) == 1


def test_exact_requests_leave_idle_qubits_out(ideal: Ideal) -> None:
    circuit = QuantumCircuit(60)
    circuit.h(7)
    circuit.cx(7, 33)
    words = {7: "X", 33: "X", 50: "Z"}
    word = "".join(words.get(qubit, "I") for qubit in reversed(range(60)))
    result = estimate(ideal, [(circuit, [word, word.replace("Z", "X")])], 0.0)
    np.testing.assert_allclose(result[0].data.evs, [1.0, 0.0], atol=1e-9)
