"""Circuits that are shared among processors in these tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.random import random_circuit

from qcrs.circuits import families


@pytest.fixture(scope="session")
def circuits() -> dict[str, QuantumCircuit]:
    """Without measurements, at most eight qubits; each begins in a random product state."""
    found = {
        "qft": families.qft(8),
        "ghz": families.ghz(8),
        "adder": families.adder(3),
        "qaoa": families.qaoa(8, 2, 8),
        "random": random_circuit(6, 8, max_operands=3, seed=4),
    }
    return {name: prepared(circuit) for name, circuit in found.items()}


def prepared(circuit: QuantumCircuit) -> QuantumCircuit:
    dice = np.random.default_rng(1)
    first = QuantumCircuit(circuit.num_qubits)
    for qubit in range(circuit.num_qubits):
        first.u(*dice.uniform(0, 3, 3), qubit)
    return first.compose(circuit)


@pytest.fixture(scope="session")
def family() -> dict[str, Callable[..., QuantumCircuit]]:
    """Circuits of any size by name."""
    return {
        "qft": families.qft,
        "ghz": families.ghz,
        "adder": families.adder,
        "qaoa": lambda n, layers: families.qaoa(n, layers, n),
    }
