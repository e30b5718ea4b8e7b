"""Families of circuits by size: what planners, tests and benches are judged on. None of them measures.

A seed gives the same circuit for ever: recorded campaigns refer to circuits by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from qiskit import QuantumCircuit

__all__ = ["adder", "ansatz", "brickwork", "cubic_graph", "ghz", "ising", "maxcut", "qaoa", "qft"]


def qft(n: int) -> QuantumCircuit:
    """The quantum Fourier transform without its final swaps."""
    circuit = QuantumCircuit(n, name=f"qft-{n}")
    for j in reversed(range(n)):
        circuit.h(j)
        for k in reversed(range(j)):
            circuit.cp(math.pi / 2 ** (j - k), k, j)
    return circuit


def ghz(n: int) -> QuantumCircuit:
    """|0…0⟩ + |1…1⟩ by a ladder of CX."""
    circuit = QuantumCircuit(n, name=f"ghz-{n}")
    circuit.h(0)
    for qubit in range(n - 1):
        circuit.cx(qubit, qubit + 1)
    return circuit


def adder(n: int) -> QuantumCircuit:
    """Cuccaro's ripple adder of two n-bit numbers (quant-ph/0410184), 2n + 2 qubits.

    Carry in at 0, bits of b at 1, 3, …, bits of a at 2, 4, …, carry out last: b becomes a + b.
    """
    circuit = QuantumCircuit(2 * n + 2, name=f"adder-{2 * n + 2}")
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


def cubic_graph(n: int, seed: int) -> list[tuple[int, int]]:
    """A random 3-regular graph: the configuration model, drawn again until it is simple."""
    dice = np.random.default_rng(seed)
    while True:
        stubs = dice.permutation(np.repeat(np.arange(n), 3)).tolist()
        edges = {(min(a, b), max(a, b)) for a, b in zip(stubs[::2], stubs[1::2], strict=True) if a != b}
        if len(edges) == 3 * n // 2:
            return sorted(edges)


def maxcut(
    n: int, edges: Sequence[tuple[int, int]], angles: Iterable[tuple[float, float]], name: str | None = None
) -> QuantumCircuit:
    """QAOA for MaxCut on a graph; `angles` are those of RZZ and RX, layer by layer."""
    circuit = QuantumCircuit(n, name=name)
    circuit.h(range(n))
    for phase, mixing in angles:
        for a, b in edges:
            circuit.rzz(phase, a, b)
        circuit.rx(mixing, range(n))
    return circuit


def qaoa(n: int, layers: int, seed: int) -> QuantumCircuit:
    """MaxCut on a random 3-regular graph; n is even."""
    angles = [(0.3 + 0.1 * layer, 0.4 + 0.1 * layer) for layer in range(layers)]
    return maxcut(n, cubic_graph(n, seed), angles, f"qaoa-{n}x{layers}-s{seed}")


def ansatz(n: int, layers: int, seed: int, *, reach: int | None = None) -> QuantumCircuit:
    """Hardware-efficient: RY on every qubit, CX from each to the `reach` qubits after it, or to all."""
    angles = np.random.default_rng(seed).uniform(0, 2 * math.pi, (layers + 1, n))
    circuit = QuantumCircuit(n, name=f"ansatz-{n}x{layers}-s{seed}")
    for layer in range(layers + 1):
        for qubit in range(n):
            circuit.ry(angles[layer, qubit], qubit)
        for a in range(n if layer < layers else 0):
            for b in range(a + 1, n if reach is None else min(n, a + 1 + reach)):
                circuit.cx(a, b)
    return circuit


def ising(n: int, steps: int, seed: int) -> QuantumCircuit:
    """Trotter steps of a kicked Ising chain with random couplings, from a random product state."""
    dice = np.random.default_rng(seed)
    circuit = QuantumCircuit(n, name=f"ising-{n}x{steps}-s{seed}")
    for qubit in range(n):
        if dice.random() < 0.5:
            circuit.x(qubit)
    for _ in range(steps):
        for first in (0, 1):
            for qubit in range(first, n - 1, 2):
                circuit.rzz(float(dice.uniform(0.4, 0.9)), qubit, qubit + 1)
        circuit.rx(float(dice.uniform(0.4, 1.0)), range(n))
    return circuit


def brickwork(n: int, depth: int, seed: int) -> QuantumCircuit:
    """Layers of random one-qubit gates and CZ on random pairs."""
    dice = np.random.default_rng(seed)
    circuit = QuantumCircuit(n, name=f"random-{n}x{depth}-s{seed}")
    for _ in range(depth):
        order = dice.permutation(n).tolist()
        for qubit in range(n):
            circuit.u(*dice.uniform(0, math.pi, 3), qubit)
        for a, b in zip(order[: n - n % 2 : 2], order[1::2], strict=True):
            circuit.cz(a, b)
    return circuit
