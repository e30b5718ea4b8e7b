"""Small jobs for attackers: circuits, their frames in a device's gates, and devices to run them on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from qcrs.attackers.bench.lab import Compiled, Lab
from qcrs.circuits import frame, lower
from qcrs.node.compiling import compile_frames, measured_on
from qcrs.node.devices import open_device

Framed = Callable[..., Compiled]


def random_circuit(n: int, seed: int, layers: int = 4) -> QuantumCircuit:
    """Random gates between layers of cz."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(n, n)
    for layer in range(layers):
        for q in range(n):
            circuit.u(*rng.uniform(0, 2 * np.pi, 3), q)
        for q in range(layer % 2, n - 1, 2):
            circuit.cz(q, q + 1)
    for q in range(n):
        circuit.u(*rng.uniform(0, 2 * np.pi, 3), q)
    circuit.measure(range(n), range(n))
    return circuit


@pytest.fixture(scope="session")
def scrambled() -> Callable[..., QuantumCircuit]:
    """`random_circuit`."""
    return random_circuit


@pytest.fixture(scope="session")
def framed() -> Framed:
    """Ten frames of a circuit under a seed, compiled for a device or a target."""

    def made(circuit: QuantumCircuit, spec: str | Target, seed: int = 0, count: int = 10) -> Compiled:
        document = lower(circuit).document
        frames = [frame(document, seed.to_bytes(32, "big"), 0, b) for b in range(count)]
        target = open_device(spec).backend.target if isinstance(spec, str) else spec
        circuits = compile_frames([f.circuit for f in frames], target, physical=False)
        return Compiled(tuple(circuits), tuple(f.mask for f in frames), measured_on(circuits[0]))

    return made


@pytest.fixture(scope="session")
def labs() -> Callable[..., Lab]:
    """Jobs of the bench, made once for all tests."""
    known: dict[tuple[object, ...], Lab] = {}

    def lab(family: str, n: int = 8, shots: int = 4000, device: str = "A", instance: int = 0) -> Lab:
        key = family, n, shots, device, instance
        if key not in known:
            known[key] = Lab(family, n, shots, device, instance)
        return known[key]

    return lab
