"""Fake devices: the density matrix and Aer's own choice give the same distribution."""

from __future__ import annotations

import numpy as np
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
