"""Fake devices: the density matrix and Aer's own choice give the same distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit_aer import AerSimulator

from qcrs.node import calibrated
from qcrs.node.devices import open_device


def test_exact_evolution_and_shots_agree() -> None:
    device = open_device("fake:FakeManilaV2")
    circuit = QuantumCircuit(3, 3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.ry(0.7, 2)
    circuit.cx(1, 2)
    circuit.measure(range(3), range(3))
    compiled = transpile(circuit, device.backend, seed_transpiler=1)
    shots = 20_000
    exact = device.backend.run(compiled, shots=shots, seed_simulator=3).result().get_counts()
    engine = device.backend._engine
    assert isinstance(engine, AerSimulator)
    single = engine.run(compiled, shots=shots, seed_simulator=5, method="statevector").result().get_counts()
    for key in (format(k, "03b") for k in range(8)):
        a, b = exact.get(key, 0), single.get(key, 0)
        assert abs(a - b) < 5 * np.sqrt(a + b + 1), (key, a, b)


def test_feed_forward_and_later_gates_are_left_to_single_shots() -> None:
    later = QuantumCircuit(1, 1)
    later.measure(0, 0)
    later.x(0)
    wide = QuantumCircuit(calibrated.DENSITY_MATRIX_QUBITS + 1)
    wide.x(range(wide.num_qubits))
    plain = QuantumCircuit(20, 1)
    plain.x(3)
    plain.measure(3, 0)
    assert [calibrated._exactly(c) for c in (later, wide, plain)] == [False, False, True]


@pytest.mark.parametrize("name", ["FakeManilaV2", "FakeLagosV2"])
def test_pauli_rates_keep_the_size_of_the_devices_errors(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeated entangler: its survival by frames is that of the density matrix with relaxation."""
    device = open_device(f"fake:{name}")
    circuit = QuantumCircuit(2, 2)
    for _ in range(10):
        circuit.sx([0, 1])
        circuit.cx(0, 1)
        circuit.rz(math.pi / 2, [0, 1])
    for _ in range(10):
        circuit.rz(-math.pi / 2, [0, 1])
        circuit.cx(0, 1)
        circuit.rz(math.pi, [0, 1])
        circuit.sx([0, 1])
        circuit.rz(math.pi, [0, 1])
    circuit.measure([0, 1], [0, 1])
    shots = 20_000
    exact = device.backend.run(circuit, shots=shots, seed_simulator=3).result().get_counts()["00"] / shots
    monkeypatch.setattr(calibrated, "DENSITY_MATRIX_QUBITS", 1)
    frames = device.backend.run(circuit, shots=shots, seed_simulator=3).result().get_counts()["00"] / shots
    assert 0.5 < exact < 0.9
    assert frames == pytest.approx(exact, abs=0.25 * (1 - exact))


@pytest.mark.parametrize(("name", "qubits"), [("FakeBrisbane", 127), ("FakeTorino", 133)])
def test_a_whole_device_runs_clifford_circuits(name: str, qubits: int) -> None:
    device = open_device(f"fake:{name}")
    assert device.qubits == qubits
    circuit = QuantumCircuit(qubits, qubits)
    circuit.x(range(0, qubits, 2))
    circuit.measure(range(qubits), range(qubits))
    shots = 2000
    counts = device.backend.run(circuit, shots=shots, seed_simulator=1).result().get_counts()
    for qubit in range(qubits):
        ones = sum(n for key, n in counts.items() if key[qubits - 1 - qubit] == "1") / shots
        up, down = device.backend._rates.flips(qubit)
        error = device.backend._rates.gate("x", (qubit,)) * 2 / 3  # X and Y flip the bit
        expected = up if qubit % 2 else 1 - (down + error - error * (up + down))
        assert abs(ones - expected) < 5 * math.sqrt(expected * (1 - expected) / shots) + 1 / shots
