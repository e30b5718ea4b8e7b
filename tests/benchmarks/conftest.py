"""Simulated processors with planted noise, to hold the protocols against."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

from qcrs.benchmarks import BenchmarkUnit
from qcrs.circuits import to_qiskit
from qcrs.node.clifford import sample_clifford
from qcrs.node.devices import Noise

Device = Callable[[Sequence[BenchmarkUnit]], list[dict[int, int]]]


@pytest.fixture
def clifford_device() -> Callable[..., Device]:
    """A factory like `device`, for Clifford circuits of any width."""

    def build(p2: float, r: float, seed: int = 11) -> Device:
        stream = np.random.default_rng(seed)

        def run(units: Sequence[BenchmarkUnit]) -> list[dict[int, int]]:
            return [sample_clifford(to_qiskit(u.circuit), u.shots, Noise(p2, r), stream) for u in units]

        return run

    return build


@pytest.fixture
def device() -> Callable[..., Device]:
    """A factory: two-qubit Pauli error p2 (one-qubit p2 / 10) and symmetric readout error r."""

    def build(p2: float = 0.0, r: float = 0.0, seed: int = 11) -> Device:
        model = NoiseModel()
        if p2:
            model.add_all_qubit_quantum_error(depolarizing_error(p2 * 16 / 15, 2), ["cz"])
            model.add_all_qubit_quantum_error(depolarizing_error(p2 / 10 * 4 / 3, 1), ["u"])
        if r:
            model.add_all_qubit_readout_error(ReadoutError([[1 - r, r], [r, 1 - r]]))
        wide = AerSimulator(method="matrix_product_state", noise_model=model, seed_simulator=seed)
        small = AerSimulator(method="density_matrix", noise_model=model, seed_simulator=seed)

        def run(units: Sequence[BenchmarkUnit]) -> list[dict[int, int]]:
            found = []
            for unit in units:
                active = {q for ins in unit.circuit.instructions for q in ins.qubits}
                simulator = small if len(active) <= 6 else wide
                result = simulator.run(to_qiskit(unit.circuit), shots=unit.shots).result()
                found.append({int(key, 2): n for key, n in result.get_counts().items()})
            return found

        return run

    return build
