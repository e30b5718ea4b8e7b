"""Pauli frames against state vectors and density matrices."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from qcrs.node.clifford import is_clifford, sample_clifford
from qcrs.node.devices import Noise, open_device

QUIET = Noise(0.0, 0.0)


def random_clifford(qubits: int, depth: int, stream: np.random.Generator) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits, qubits)
    for _ in range(depth):
        for q in range(qubits):
            circuit.u(*(stream.integers(-4, 5, size=3) * math.pi / 2), q)
        a, b = stream.permutation(qubits)[:2]
        circuit.cz(int(a), int(b))
    return circuit


@pytest.mark.parametrize("seed", range(25))
def test_noiseless_samples_have_the_support_and_weights_of_the_state(seed: int) -> None:
    stream = np.random.default_rng(seed)
    qubits = int(stream.integers(2, 6))
    circuit = random_clifford(qubits, 6, stream)
    ideal = Statevector(circuit).probabilities()
    circuit.measure(range(qubits), range(qubits))
    assert is_clifford(circuit)
    shots = 4000
    counts = sample_clifford(circuit, shots, QUIET, stream)
    seen = np.array([counts.get(k, 0) for k in range(2**qubits)])
    assert seen.sum() == shots
    assert not seen[ideal < 1e-9].any()
    support = ideal > 1e-9
    chi_square = ((seen[support] - shots * ideal[support]) ** 2 / (shots * ideal[support])).sum()
    freedom = support.sum() - 1
    assert chi_square < freedom + 6 * math.sqrt(2 * freedom) + 1


@pytest.mark.parametrize("seed", range(4))
def test_noisy_samples_agree_with_the_density_matrix(seed: int) -> None:
    """The same Clifford circuit, once as it is and once with a T and its inverse that forbid frames."""
    stream = np.random.default_rng(100 + seed)
    circuit = random_clifford(4, 8, stream)
    other = circuit.copy()
    for kind in (circuit, other):
        kind.measure(range(4), range(4))
    noise = Noise(0.03, 0.02)
    shots = 40_000
    frames = sample_clifford(circuit, shots, noise, stream)
    exact = _exact(other, noise)
    seen = np.array([frames.get(k, 0) for k in range(16)])
    chi_square = ((seen - shots * exact) ** 2 / (shots * exact)).sum()
    assert chi_square < 15 + 6 * math.sqrt(30)


def _exact(circuit: QuantumCircuit, noise: Noise) -> np.ndarray:
    """Outcome probabilities by Aer's density matrix and the device's own noise model."""
    from qiskit_aer import AerSimulator

    from qcrs.node.simulator import noise_model

    quiet = Noise(noise.p2, 0.0)
    bare = circuit.remove_final_measurements(inplace=False)
    bare.save_probabilities()
    engine = AerSimulator(method="density_matrix", noise_model=noise_model(quiet))
    found = np.asarray(engine.run(bare).result().data(0)["probabilities"]).reshape((2,) * 4)
    flip = np.array([[1 - noise.readout, noise.readout], [noise.readout, 1 - noise.readout]])
    for axis in range(4):
        found = np.moveaxis(np.tensordot(flip, found, axes=(1, axis)), 0, axis)
    return found.reshape(16)


def test_what_is_not_clifford_or_not_final_is_left_to_others() -> None:
    plain = QuantumCircuit(2, 2)
    plain.u(math.pi / 2, 0, math.pi, 0)
    plain.cz(0, 1)
    plain.measure([0, 1], [0, 1])
    assert is_clifford(plain)
    tilted = plain.copy_empty_like()
    tilted.u(0.3, 0, 0, 0)
    later = plain.copy()
    later.u(math.pi, 0, 0, 0)
    reset = QuantumCircuit(1, 1)
    reset.reset(0)
    branching = QuantumCircuit(1, 1)
    branching.measure(0, 0)
    with branching.if_test((branching.clbits[0], 1)):
        branching.u(math.pi, 0, 0, 0)
    assert not any(map(is_clifford, (tilted, later, reset, branching)))


@pytest.mark.parametrize("seed", range(12))
def test_the_gates_of_other_devices_are_known(seed: int) -> None:
    stream = np.random.default_rng(seed)
    circuit = QuantumCircuit(4, 4)
    for _ in range(12):
        for q in range(4):
            circuit.rz(int(stream.integers(-4, 5)) * math.pi / 2, q)
            getattr(circuit, str(stream.choice(["sx", "sxdg", "x", "id"])))(q)
        a, b = (int(q) for q in stream.permutation(4)[:2])
        getattr(circuit, str(stream.choice(["cx", "ecr", "cz"])))(a, b)
    ideal = Statevector(circuit).probabilities()
    circuit.measure(range(4), range(4))
    assert is_clifford(circuit)
    shots = 3000
    counts = sample_clifford(circuit, shots, QUIET, stream)
    seen = np.array([counts.get(k, 0) for k in range(16)])
    assert not seen[ideal < 1e-9].any()
    support = ideal > 1e-9
    chi_square = ((seen[support] - shots * ideal[support]) ** 2 / (shots * ideal[support])).sum()
    freedom = support.sum() - 1
    assert chi_square < freedom + 6 * math.sqrt(2 * freedom) + 1


@pytest.mark.parametrize("error", [0.004, 0.3])
def test_rare_and_frequent_errors_hit_as_often_as_they_should(error: float) -> None:
    """One gate on every qubit: X and Y, two of three errors, flip its bit."""
    qubits, shots = 200, 3000
    circuit = QuantumCircuit(qubits, qubits)
    circuit.u(0, 0, 0, range(qubits))
    circuit.measure(range(qubits), range(qubits))
    counts = sample_clifford(circuit, shots, Noise(error, 0.0), np.random.default_rng(3))
    flips = sum(key.bit_count() * n for key, n in counts.items())
    expected = qubits * shots * error / 10 * 2 / 3
    assert abs(flips - expected) < 5 * math.sqrt(expected)
    touching = {key for key in counts if key.bit_count() >= 2}
    assert touching  # errors fall together in some shot


def test_wide_circuits_are_quick_and_right() -> None:
    """A GHZ state on 60 qubits: two outcomes without noise, spread by noise."""
    circuit = QuantumCircuit(60, 60)
    circuit.u(math.pi / 2, 0, math.pi, 0)
    for q in range(59):
        circuit.u(math.pi / 2, 0, math.pi, q + 1)
        circuit.cz(q, q + 1)
        circuit.u(math.pi / 2, 0, math.pi, q + 1)
    circuit.measure(range(60), range(60))
    ends = {0, 2**60 - 1}
    backend = open_device("aer:ideal?qubits=60").backend
    data = backend.run(circuit, shots=2000, seed_simulator=1).result().data(0)["counts"]
    counts = Counter({int(key, 16): value for key, value in data.items()})
    assert set(counts) == ends
    assert abs(counts[0] - 1000) < 5 * math.sqrt(500)
    noisy = open_device("aer:noisy-a?qubits=60").backend
    found = noisy.run(circuit, shots=2000, seed_simulator=1).result().data(0)["counts"]
    assert len(found) > 100
