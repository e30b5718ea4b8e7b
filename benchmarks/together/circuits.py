"""The circuits that planners are compared on."""

from __future__ import annotations

import math
import random

from qiskit import QuantumCircuit


def qft(n: int) -> QuantumCircuit:
    circuit = QuantumCircuit(n, name=f"qft-{n}")
    for j in reversed(range(n)):
        circuit.h(j)
        for k in reversed(range(j)):
            circuit.cp(math.pi / 2 ** (j - k), k, j)
    return circuit


def qaoa(n: int, layers: int, seed: int) -> QuantumCircuit:
    """MaxCut on a random 3-regular graph."""
    edges = cubic_graph(n, random.Random(seed))
    circuit = QuantumCircuit(n, name=f"qaoa-{n}x{layers}-s{seed}")
    circuit.h(range(n))
    for layer in range(layers):
        for a, b in edges:
            circuit.rzz(0.3 + 0.1 * layer, a, b)
        circuit.rx(0.4 + 0.1 * layer, range(n))
    return circuit


def cubic_graph(n: int, dice: random.Random) -> list[tuple[int, int]]:
    """A 3-regular graph by the configuration model, drawn again until it is simple."""
    while True:
        stubs = [v for v in range(n) for _ in range(3)]
        dice.shuffle(stubs)
        pairs = {tuple(sorted(pair)) for pair in zip(stubs[::2], stubs[1::2], strict=True)}
        if len(pairs) == 3 * n // 2 and all(a != b for a, b in pairs):
            return sorted((a, b) for a, b in pairs)


def adder(n: int) -> QuantumCircuit:
    """Cuccaro's ripple adder of two n-bit numbers (quant-ph/0410184), 2n + 2 qubits."""
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


def ansatz(n: int, layers: int, seed: int) -> QuantumCircuit:
    """Hardware-efficient, fully entangled."""
    dice = random.Random(seed)
    circuit = QuantumCircuit(n, name=f"ansatz-{n}x{layers}-s{seed}")
    for _ in range(layers):
        for qubit in range(n):
            circuit.ry(6 * dice.random(), qubit)
        for a in range(n):
            for b in range(a + 1, n):
                circuit.cx(a, b)
    for qubit in range(n):
        circuit.ry(6 * dice.random(), qubit)
    return circuit


def brickwork(n: int, depth: int, seed: int) -> QuantumCircuit:
    """Layers of random one-qubit gates and CZ on random pairs."""
    dice = random.Random(seed)
    circuit = QuantumCircuit(n, name=f"random-{n}x{depth}-s{seed}")
    for _ in range(depth):
        order = dice.sample(range(n), n)
        for qubit in range(n):
            circuit.u(3 * dice.random(), 3 * dice.random(), 3 * dice.random(), qubit)
        for a, b in zip(order[::2], order[1::2], strict=False):
            circuit.cz(a, b)
    return circuit


def ghz(n: int) -> QuantumCircuit:
    circuit = QuantumCircuit(n, name=f"ghz-{n}")
    circuit.h(0)
    for qubit in range(n - 1):
        circuit.cx(qubit, qubit + 1)
    return circuit


def suite(fresh: int) -> list[QuantumCircuit]:
    """The fixed rows, with random graphs and gates from the seed `fresh`."""
    return [
        qft(16),
        qft(32),
        qaoa(32, 1, fresh),
        qaoa(32, 3, fresh),
        adder(16),
        ansatz(16, 3, fresh),
        brickwork(16, 16, fresh),
        ghz(64),
    ]
