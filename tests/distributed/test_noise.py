"""Predicted noise of pairs against what Aer samples of the joint circuit."""

from __future__ import annotations

from collections import Counter
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
from qcrs.distributed.normal_form import normal_form
from qcrs.distributed.plan import Plan
from qcrs.distributed.schedule import schedule
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


def measured(circuit: QuantumCircuit) -> QuantumCircuit:
    found = circuit.copy()
    found.measure_all()
    return found


def prepared(circuit: QuantumCircuit) -> QuantumCircuit:
    first = QuantumCircuit(circuit.num_qubits)
    for qubit in range(circuit.num_qubits):
        first.u(0.4 + 0.5 * qubit, 0.3, 0.1, qubit)
    return first.compose(circuit)


def with_sharing(circuit: QuantumCircuit, made: Plan) -> Plan:
    form = normal_form(circuit)
    return Plan(form, made.network, made.sharing, schedule(form, made.network, made.sharing))


def aer_counts(made: Plan, pair: BellDiagonal, shots: int) -> dict[int, int]:
    """What Aer samples of the joint dynamic circuit, by the program's outcome."""
    noise = NoiseModel()
    error = pauli_error([("I", pair.i), ("X", pair.x), ("Y", pair.y), ("Z", pair.z)])
    noise.add_all_qubit_quantum_error(error, [f"{PAIR}{number}" for number in range(made.pairs)])
    simulator = AerSimulator(noise_model=noise, seed_simulator=5)
    joint = transpile(joint_circuit(made.form, made.schedule), simulator, optimization_level=0)
    counts = simulator.run(joint, shots=shots).result().get_counts()
    found = Counter[int]()
    for bits, count in counts.items():
        found[int(bits.split()[-1], 2)] += count
    return found


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
    counts = aer_counts(made, pair, SHOTS)
    observed = np.array([counts.get(i, 0) for i in range(2**QUBITS)], dtype=float)
    wanted = predicted(made, everywhere(network, pair))
    assert wanted.sum() == pytest.approx(1)
    often = wanted * SHOTS >= 5
    chi = ((observed - wanted * SHOTS)[often] ** 2 / (wanted * SHOTS)[often]).sum()
    assert chi < often.sum() + 5 * np.sqrt(2 * often.sum())
    ideal = Statevector(bare(family)).probabilities()
    unlike = ((observed - ideal * SHOTS)[often] ** 2 / np.maximum(ideal * SHOTS, 1)[often]).sum()
    assert unlike > 2 * chi  # the comparison sees the noise


@pytest.mark.parametrize(
    ("program", "capacity", "links"),
    [("bridged", (2, 2), (2, 2)), ("mixed", (2, 2), (1, 1)), ("ghz", (2, 1, 1), (1, 1, 1))],
)
@pytest.mark.parametrize(
    "pair", [BellDiagonal.werner(1.0), BellDiagonal.werner(0.9), BellDiagonal(0.8, 0.12, 0.05, 0.03)]
)
def test_every_history_is_enumerated(
    family: Any,
    exactly: Any,
    program: str,
    capacity: tuple[int, ...],
    links: tuple[int, ...],
    pair: BellDiagonal,
) -> None:
    """The prediction is the joint circuit's own distribution over all outcomes and errors, to 1e-9."""
    programs = {"bridged": family["bridged"](), "ghz": family["ghz"](QUBITS), "mixed": bare(family)}
    circuit = prepared(programs[program])
    circuit.ry(0.7, range(QUBITS))
    network = Network.of(capacity, links)
    made = plan(circuit, network, QUICK)
    assert made.pairs > 1
    exact = exactly(made, pair)
    assert np.abs(predicted(made, everywhere(network, pair)) - exact).max() < 1e-9
    ideal = Statevector(circuit).probabilities()
    assert (np.abs(exact - ideal).max() < 1e-9) == (pair.i == 1.0)


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("program", ["qft", "ghz", "adder", "qaoa"])
def test_the_predicted_loss_is_met(circuits: Any, program: str, size: int) -> None:
    """Eight qubits with pairs of F = 0.9: the mean ideal probability of what Aer samples, within 3 sigma."""
    network = Network.of([-(-8 // size)] * size, [1] * size)  # few qubits: Aer draws every shot anew
    circuit = circuits[program]
    made = plan(circuit, network, QUICK)
    pair = BellDiagonal.werner(0.9)
    wanted = predicted(made, everywhere(network, pair))
    ideal = Statevector(circuit).probabilities()
    counts = aer_counts(with_sharing(measured(circuit), made), pair, shots=300)
    observed = np.array([counts.get(i, 0) for i in range(256)])
    mean, spread = wanted @ ideal, np.sqrt(wanted @ ideal**2 - (wanted @ ideal) ** 2)
    off = (observed @ ideal / observed.sum() - mean) / (spread / np.sqrt(observed.sum()))
    assert abs(off) < 3
    assert 0.01 < np.abs(wanted - ideal).sum() / 2 < 0.9  # there is a loss


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
