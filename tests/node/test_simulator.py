"""The simulated device: feed-forward under noise, and branching where it is allowed against no branching."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit_aer import AerSimulator

from qcrs.node.devices import open_device
from qcrs.node.simulator import PauliNoiseSimulator


def teleport(angle: float) -> QuantumCircuit:
    circuit = QuantumCircuit(3, 3)
    circuit.ry(angle, 0)
    circuit.h(1)
    circuit.cx(1, 2)
    circuit.cx(0, 1)
    circuit.h(0)
    circuit.measure([0, 1], [0, 1])
    with circuit.if_test((1, 1)):
        circuit.x(2)
    with circuit.if_test((0, 1)):
        circuit.z(2)
    circuit.ry(-angle, 2)
    circuit.measure(2, 2)
    return circuit


def test_feed_forward_never_mixes_up_its_bits() -> None:
    # A wrong bit shows as one Bell outcome whose correction is missed in (nearly) every shot.
    device = open_device("aer:noisy-b?qubits=4").backend
    circuits = transpile([teleport(0.1 * k + 0.35) for k in range(24)], device, seed_transpiler=7)
    result = device.run(circuits, shots=400, seed_simulator=11).result()
    for index in range(len(circuits)):
        counts = result.get_counts(index)
        for bell in ("00", "01", "10", "11"):
            right, wrong = counts.get(f"0{bell}", 0), counts.get(f"1{bell}", 0)
            assert right > 40
            assert wrong < 0.3 * right, (index, bell, counts)


@pytest.mark.parametrize("qubits", [9])
def test_branching_samples_the_same_noise_as_one_state_a_shot(qubits: int) -> None:
    device = open_device(f"aer:noisy-b?qubits={qubits}").backend
    assert isinstance(device, PauliNoiseSimulator)
    circuit = QuantumCircuit(qubits, qubits)
    for q in range(qubits):
        circuit.u(0.3, 0.2, 0.1, q)
    for q in range(qubits - 1):
        circuit.cz(q, q + 1)
    for q in range(qubits):
        circuit.u(-0.3, -0.1, -0.2, q)
    circuit.measure(range(qubits), range(qubits))
    shots = 4000
    ours = device.run(circuit, shots=shots, seed_simulator=5).result().get_counts()
    plain = AerSimulator(noise_model=device._noise, method="statevector")
    theirs = plain.run(circuit, shots=shots, seed_simulator=6).result().get_counts()
    zeros = np.array([ours.get("0" * qubits, 0), theirs.get("0" * qubits, 0)]) / shots
    sigma = np.sqrt(2 * zeros.mean() * (1 - zeros.mean()) / shots)
    assert abs(zeros[0] - zeros[1]) < 5 * sigma
    ones = [sum(bits.count("1") * n for bits, n in counts.items()) / shots for counts in (ours, theirs)]
    assert ones[0] == pytest.approx(ones[1], rel=0.08)
