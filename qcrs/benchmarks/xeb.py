"""C6: linear cross-entropy of random circuits against their exact distributions.

Layers of Haar-random one-qubit rotations and `cz` on one layer of the coupling after the other. With p the
exact distribution over D = 2ⁿ outcomes and x the outcomes seen, the normalised estimator

    f = Σ_circuits (D⟨p(x)⟩ - 1) / Σ_circuits (D Σ p² - 1)

is 1 for a perfect device, 0 for uniform noise, and the weight of p in any mixture of the two, whether or not
p is of Porter-Thomas form (Arute et al., Nature 574, 505 (2019), supplement IV; normalised as by Rinott,
Shoham and Kalai, Statist. Sci. 37, 322 (2022)). f alone can be spoofed by outcomes that are merely heavy; the
shape

    ρ = Σ(D⟨p(x)⟩ - 1) / √(Σ(D C - 1) Σ(D Σ p² - 1))

with C the rate of collisions among the shots is 1 for white noise of any strength and falls for a wrong
distribution. It is given where collisions resolve it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qcrs.benchmarks.builder import Builder, haar_angles
from qcrs.benchmarks.ideal import MOST_QUBITS, probabilities
from qcrs.benchmarks.topology import Coupling
from qcrs.benchmarks.units import BenchmarkUnit, Reading
from qcrs.circuits import CircuitDocument, Drbg
from qcrs.errors import InputError

__all__ = ["PROTOCOL", "XebResult", "circuits", "score"]

PROTOCOL = "xeb"


@dataclass(frozen=True, slots=True)
class XebResult:
    """Fidelity over all circuits with its standard error; the shape, None where collisions are too few."""

    width: int
    circuits: int
    fidelity: float
    standard_error: float
    shape: float | None
    each: tuple[float, ...]
    """The fidelity of every circuit by itself."""


def _circuit(
    qubits: int, coupling: Coupling, region: Sequence[int], depth: int, draws: Drbg
) -> CircuitDocument:
    layers = coupling.within(region).layers()
    builder = Builder(qubits)
    for layer in range(depth):
        for qubit, angles in zip(region, haar_angles(draws, len(region)), strict=True):
            builder.u(qubit, angles)
        for a, b in layers[layer % len(layers)]:
            builder.cz(a, b)
        builder.barrier(region)
    for qubit, angles in zip(region, haar_angles(draws, len(region)), strict=True):
        builder.u(qubit, angles)
    return builder.measured(region)


def circuits(
    coupling: Coupling, region: Sequence[int], depth: int, count: int, shots: int, seed: bytes
) -> list[BenchmarkUnit]:
    """`count` random circuits of `depth` layers on a connected region; `InputError` where it is too wide."""
    if not 2 <= len(region) <= MOST_QUBITS:
        raise InputError(
            f"cross-entropy needs exact distributions: 2 to {MOST_QUBITS} qubits",
            field="region",
            value=len(region),
        )
    draws = Drbg(seed, b"capability/xeb")
    return [
        BenchmarkUnit(PROTOCOL, _circuit(coupling.qubits, coupling, region, depth, draws), shots, len(region))
        for _ in range(count)
    ]


def score(units: Sequence[BenchmarkUnit], readings: Sequence[Reading]) -> XebResult:
    """Fidelity and shape over all circuits, which have one width."""
    width = units[0].detail
    size = float(2**width)
    overlaps, norms, within, collisions, resolution = [], [], [], [], []
    for unit, reading in zip(units, readings, strict=True):
        p, n = probabilities(unit.circuit), reading.shots
        seen = size * p[[int(o) for o in reading.outcomes]]
        mean = float((seen * reading.counts).sum() / n)
        overlaps.append(mean - 1)
        norms.append(size * float((p * p).sum()) - 1)
        within.append(float((seen * seen * reading.counts).sum() / n - mean * mean) / n)
        pairs = n * (n - 1) / 2
        equal = float((reading.counts * (reading.counts - 1)).sum()) / 2
        collisions.append(size * equal / pairs - 1)
        resolution.append(size * math.sqrt(max(equal, 1.0)) / pairs)
    x, y = np.array(overlaps), np.array(norms)
    fidelity = float(x.sum() / y.sum())
    count = len(x)
    between = float(((x - fidelity * y) ** 2).sum()) * count / max(1, count - 1)
    error = math.sqrt(max(between, sum(within))) / float(y.sum())
    shape = None
    if sum(collisions) > 3 * math.sqrt(sum(r * r for r in resolution)):
        shape = float(x.sum()) / math.sqrt(sum(collisions) * float(y.sum()))
    return XebResult(width, count, fidelity, error, shape, tuple(float(v) for v in x / y))
