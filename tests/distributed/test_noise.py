"""Predicted noise of pairs against what Aer samples of the joint circuit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.quantum_info import Statevector
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, pauli_error

from qcrs.distributed import Effort, Network, joint_circuit, plan
from qcrs.distributed.emit import PAIR
from qcrs.distributed.noise import BellDiagonal, predicted, sampled
from qcrs.errors import InputError

SHOTS = 4000
QUBITS = 4
QUICK = Effort(tries=4, kept=1, moves=2000)


def bare(family: Any) -> QuantumCircuit:
    circuit = QuantumCircuit(QUBITS)
    for qubit in range(QUBITS):
        circuit.ry(0.4 + 0.5 * qubit, qubit)
    found: QuantumCircuit = circuit.compose(family["qft"](QUBITS)).compose(family["qaoa"](QUBITS, 1))
    return found


def small(family: Any) -> QuantumCircuit:
    circuit = bare(family)
    circuit.measure_all()
    return circuit


def everywhere(network: Network, pair: BellDiagonal) -> dict[tuple[int, int], BellDiagonal]:
    return {(p, q): pair for p in range(network.size) for q in range(p + 1, network.size)}


@pytest.mark.parametrize("spare", [0, 1])
def test_without_errors_it_is_the_circuit(family: Any, spare: int) -> None:
    network = Network.of([2 + spare] * 2)
    made = plan(small(family), network, QUICK)
    perfect = everywhere(network, BellDiagonal.werner(1.0))
    ideal = Statevector(bare(family)).probabilities()
    assert np.allclose(predicted(made, perfect), ideal, atol=1e-9)
    mean, error = sampled(made, perfect, 1)
    assert np.allclose(mean, ideal, atol=1e-9)
    assert not error.any()


@pytest.mark.parametrize("pair", [BellDiagonal(0.8, 0.12, 0.05, 0.03), BellDiagonal.werner(0.9)])
@pytest.mark.parametrize(("capacity", "links"), [((2, 2), ()), ((1, 1, 2), (2, 2, 2))])
def test_aer_samples_what_is_predicted(
    family: Any, pair: BellDiagonal, capacity: tuple[int, ...], links: tuple[int, ...]
) -> None:
    network = Network.of(capacity, links)
    made = plan(small(family), network, QUICK)
    assert made.pairs > 1
    noise = NoiseModel()
    error = pauli_error([("I", pair.i), ("X", pair.x), ("Y", pair.y), ("Z", pair.z)])
    noise.add_all_qubit_quantum_error(error, [f"{PAIR}{number}" for number in range(made.pairs)])
    simulator = AerSimulator(noise_model=noise, seed_simulator=5)
    joint = transpile(joint_circuit(made.form, made.schedule), simulator, optimization_level=0)
    counts = simulator.run(joint, shots=SHOTS).result().get_counts()
    observed = np.zeros(2**QUBITS)
    for bits, count in counts.items():
        observed[int(bits.split()[-1], 2)] += count
    wanted = predicted(made, everywhere(network, pair))
    assert wanted.sum() == pytest.approx(1)
    often = wanted * SHOTS >= 5
    chi = ((observed - wanted * SHOTS)[often] ** 2 / (wanted * SHOTS)[often]).sum()
    assert chi < often.sum() + 5 * np.sqrt(2 * often.sum())
    ideal = Statevector(bare(family)).probabilities()
    unlike = ((observed - ideal * SHOTS)[often] ** 2 / np.maximum(ideal * SHOTS, 1)[often]).sum()
    assert unlike > 2 * chi  # the comparison sees the noise


def test_drawn_errors_average_to_the_exact_ones(family: Any) -> None:
    network = Network.of([3, 3])
    made = plan(small(family), network, QUICK)
    channels = everywhere(network, BellDiagonal(0.8, 0.1, 0.06, 0.04))
    mean, error = sampled(made, channels, 1500, seed=3)
    far = np.abs(mean - predicted(made, channels)) / np.maximum(error, 1e-6)
    assert far.max() < 5


def test_swapped_pairs_multiply_their_correlators() -> None:
    a, b = BellDiagonal(0.8, 0.1, 0.06, 0.04), BellDiagonal(0.9, 0.02, 0.03, 0.05)

    def correlators(pair: BellDiagonal) -> tuple[float, float, float]:
        return (
            pair.i + pair.x - pair.y - pair.z,
            pair.i - pair.x + pair.y - pair.z,
            pair.i - pair.x - pair.y + pair.z,
        )

    both = correlators(a.then(b))
    assert both == pytest.approx([p * q for p, q in zip(correlators(a), correlators(b), strict=True)])
    again = BellDiagonal.from_correlators(*both)
    assert (again.i, again.x, again.y, again.z) == pytest.approx(
        (a.then(b).i, a.then(b).x, a.then(b).y, a.then(b).z)
    )


def test_bad_input_is_said(family: Any) -> None:
    made = plan(small(family), Network.of([2, 2]), QUICK)
    with pytest.raises(InputError, match="nothing is known"):
        predicted(made, {})
    with pytest.raises(InputError, match="sum to one"):
        BellDiagonal(0.5, 0.1, 0.1, 0.1)
