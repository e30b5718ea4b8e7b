"""Circuits that are shared among processors in these tests."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.random import random_circuit


def qft(n: int) -> QuantumCircuit:
    circuit = QuantumCircuit(n)
    for j in reversed(range(n)):
        circuit.h(j)
        for k in reversed(range(j)):
            circuit.cp(math.pi / 2 ** (j - k), k, j)
    return circuit


def ghz(n: int) -> QuantumCircuit:
    circuit = QuantumCircuit(n)
    circuit.h(0)
    for qubit in range(n - 1):
        circuit.cx(qubit, qubit + 1)
    return circuit


def adder(n: int) -> QuantumCircuit:
    """Cuccaro's ripple adder of two n-bit numbers (quant-ph/0410184)."""
    circuit = QuantumCircuit(2 * n + 2)
    a, b = [2 + 2 * i for i in range(n)], [1 + 2 * i for i in range(n)]
    carry = [0, *a[:-1]]
    for i in range(n):
        circuit.cx(a[i], b[i])
        circuit.cx(a[i], carry[i])
        circuit.ccx(carry[i], b[i], a[i])
    circuit.cx(a[-1], 2 * n + 1)
    for i in reversed(range(n)):
        circuit.ccx(carry[i], b[i], a[i])
        circuit.cx(a[i], carry[i])
        circuit.cx(carry[i], b[i])
    return circuit


def qaoa(n: int, layers: int) -> QuantumCircuit:
    dice = random.Random(n)
    edges = [(q, (q + 1) % n) for q in range(n)] + [tuple(dice.sample(range(n), 2)) for _ in range(n // 2)]
    circuit = QuantumCircuit(n)
    circuit.h(range(n))
    for layer in range(layers):
        for a, b in edges:
            circuit.rzz(0.3 + 0.1 * layer, a, b)
        circuit.rx(0.4 + 0.1 * layer, range(n))
    return circuit


@pytest.fixture(scope="session")
def circuits() -> dict[str, QuantumCircuit]:
    """Without measurements, at most eight qubits; each begins in a random product state."""
    found = {
        "qft": qft(8),
        "ghz": ghz(8),
        "adder": adder(3),
        "qaoa": qaoa(8, 2),
        "random": random_circuit(6, 8, max_operands=3, seed=4),
    }
    return {name: prepared(circuit) for name, circuit in found.items()}


def prepared(circuit: QuantumCircuit) -> QuantumCircuit:
    dice = random.Random(1)
    first = QuantumCircuit(circuit.num_qubits)
    for qubit in range(circuit.num_qubits):
        first.u(3 * dice.random(), 3 * dice.random(), 3 * dice.random(), qubit)
    return first.compose(circuit)


@pytest.fixture(scope="session")
def family() -> dict[str, Callable[..., QuantumCircuit]]:
    """Circuits of any size by name."""
    return {"qft": qft, "ghz": ghz, "adder": adder, "qaoa": qaoa}
