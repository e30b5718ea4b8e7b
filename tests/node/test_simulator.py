"""The simulated device: feed-forward under noise, and trajectories against the exact noisy distribution."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit_aer import AerSimulator
from scipy.stats import chisquare

from qcrs.node import trajectories
from qcrs.node.devices import open_device
from qcrs.node.simulator import PauliNoiseSimulator
from qcrs.node.trajectories import sample_trajectories


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


def dense(qubits: int, layers: int, seed: int) -> QuantumCircuit:
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(qubits, qubits)
    for layer in range(layers):
        for q in range(qubits):
            circuit.u(*(rng.random(3) * 6), q)
        for q in range(layer % 2, qubits - 1, 2):
            circuit.cz(q + 1, q) if layer % 3 else circuit.cz(q, q + 1)
    circuit.measure(range(qubits), rng.permutation(qubits).tolist())
    return circuit


def exact(circuit: QuantumCircuit, device: PauliNoiseSimulator) -> np.ndarray:
    """Outcome probabilities by Aer's density matrix, without sampling."""
    bare = circuit.remove_final_measurements(inplace=False)
    wires = [0] * circuit.num_qubits
    for item in circuit.data:
        if item.operation.name == "measure":
            wires[circuit.find_bit(item.clbits[0]).index] = circuit.find_bit(item.qubits[0]).index
    bare.save_probabilities(wires)
    engine = AerSimulator(noise_model=device._noise, method="density_matrix")
    found = np.asarray(engine.run(bare).result().data(0)["probabilities"])
    flip = device._rates.readout
    for bit in range(circuit.num_qubits):
        view = found.reshape(-1, 2, 1 << bit)
        found = ((1 - flip) * view + flip * view[:, ::-1]).reshape(-1)
    return found


@pytest.mark.parametrize(
    ("noise", "qubits", "layers"), [("noisy-a", 4, 6), ("noisy-b", 5, 9), ("noisy-b", 3, 20)]
)
def test_trajectories_sample_the_exact_noisy_distribution(noise: str, qubits: int, layers: int) -> None:
    device = open_device(f"aer:{noise}?qubits={qubits}").backend
    assert isinstance(device, PauliNoiseSimulator)
    circuit = dense(qubits, layers, seed=qubits)
    shots = 60_000
    counts = sample_trajectories(circuit, shots, device._rates, np.random.default_rng(9))
    expected = exact(circuit, device) * shots
    observed = np.array([counts.get(outcome, 0) for outcome in range(1 << qubits)])
    assert observed.sum() == shots
    assert chisquare(observed, expected * shots / expected.sum()).pvalue > 1e-4
    # The test has power: without noise the same circuit is far away.
    clean = open_device(f"aer:ideal?qubits={qubits}").backend
    ideal = exact(circuit, clean) * shots
    assert chisquare(observed, ideal * shots / ideal.sum()).pvalue < 1e-9


def test_rows_in_several_chunks_sample_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    device = open_device("aer:noisy-b?qubits=5").backend
    assert isinstance(device, PauliNoiseSimulator)
    circuit = dense(5, 9, seed=5)
    monkeypatch.setattr(trajectories, "CHUNK_BYTES", 8 << 9)
    shots = 20_000
    counts = sample_trajectories(circuit, shots, device._rates, np.random.default_rng(3))
    expected = exact(circuit, device) * shots
    observed = np.array([counts.get(outcome, 0) for outcome in range(32)])
    assert chisquare(observed, expected * shots / expected.sum()).pvalue > 1e-4


def test_seeded_runs_repeat_and_others_differ() -> None:
    device = open_device("aer:noisy-a?qubits=5").backend
    circuits = [dense(5, 5, seed=1), teleport(0.4)]
    circuits[1] = transpile(circuits[1], device, seed_transpiler=1)

    def counts(seed: int) -> list[dict[str, int]]:
        result = device.run(circuits, shots=500, seed_simulator=seed).result()
        return [result.get_counts(index) for index in range(2)]

    assert counts(5) == counts(5)
    assert all(a != b for a, b in zip(counts(5), counts(6), strict=True))
