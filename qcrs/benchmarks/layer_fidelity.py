"""C2: layer fidelity and error per layered gate (EPLG), by the decay of pair parities.

Each layer of disjoint pairs is repeated m times: random one-qubit Cliffords on its qubits, then `cz` on
all its pairs at once. The stabilisers of |00> of every pair are followed through the circuit; those that
single-qubit readings can see are measured, corrected by the readout contrast, and averaged. Averaged over
the Cliffords their mean decays as A α^m, where α is the mean over the fifteen Paulis. Per pair
F = (1 + 15 α) / 16 is the process fidelity of a step (two one-qubit gates and a `cz`); the layer fidelity
is ΠF over all pairs of all layers and EPLG = 1 - LF^(1/pairs). (McKay et al. 2023, with direct
parities in place of full inversions.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qcrs.benchmarks.builder import CLIFFORDS, Builder, conjugate, conjugate_cz, rotate_to_z
from qcrs.benchmarks.readout import ReadoutResult
from qcrs.benchmarks.topology import Edge
from qcrs.benchmarks.units import BenchmarkUnit, Reading
from qcrs.circuits import CircuitDocument, Drbg

__all__ = ["PROTOCOL", "LayerFidelityResult", "LayerSample", "PairDecay", "circuits", "fit_decay", "score"]

PROTOCOL = "layer_fidelity"

START_SPREAD = 0.1
"""Allowed spread of A about 1: readings are corrected, so only preparation errors move it."""


@dataclass(frozen=True, slots=True)
class LayerSample:
    """One circuit of a layer: its pairs, its length, and for each pair the parities to read.

    A parity is ((classical bits), sign); classical bits 2i and 2i + 1 belong to pair i.
    """

    layer: int
    pairs: tuple[Edge, ...]
    length: int
    parities: tuple[tuple[tuple[tuple[int, ...], int], ...], ...]


@dataclass(frozen=True, slots=True)
class PairDecay:
    """One pair in one layer: decay per step and its standard error; process infidelity per step."""

    pair: Edge
    layer: int
    alpha: float
    alpha_se: float

    @property
    def fidelity(self) -> float:
        """Process fidelity of a step; sampling noise may lift it a little above 1."""
        return (1 + 15 * self.alpha) / 16


@dataclass(frozen=True, slots=True)
class LayerFidelityResult:
    """All pairs with the layer fidelity and the error per layered gate."""

    pairs: tuple[PairDecay, ...]

    @property
    def log_fidelity(self) -> float:
        """Natural logarithm of the layer fidelity over all layers."""
        return sum(math.log(max(p.fidelity, 1 / 16)) for p in self.pairs)

    @property
    def log_fidelity_se(self) -> float:
        """Standard error of `log_fidelity`."""
        return math.sqrt(sum((15 / 16 * p.alpha_se / max(p.fidelity, 1 / 16)) ** 2 for p in self.pairs))

    @property
    def error_per_layered_gate(self) -> float:
        """1 - LF^(1/pairs); below zero only by sampling noise."""
        return -math.expm1(self.log_fidelity / len(self.pairs))

    @property
    def standard_error(self) -> float:
        """Of `error_per_layered_gate`."""
        return (1 - self.error_per_layered_gate) * self.log_fidelity_se / len(self.pairs)

    @property
    def certified_error(self) -> float:
        """The error to certify: the estimate, but never less than what the sample could resolve."""
        return min(1.0, max(self.error_per_layered_gate, self.standard_error))


def _measurable(
    group: Sequence[tuple[int, int, int]], draws: Drbg
) -> tuple[tuple[int, int], list[tuple[tuple[int, ...], int]]]:
    """Local bases (a Pauli code per qubit) and the parities that they read, of three stabilisers.

    A product state shows all three stabilisers in one pair of bases; an entangled one shows the one drawn.
    """
    first = next(((p, s) for p, q, s in group if q == 0), None)
    second = next(((q, s) for p, q, s in group if p == 0), None)
    if first is not None and second is not None:
        bases = (first[0], second[0])
        return bases, [((0,), first[1]), ((1,), second[1]), ((0, 1), first[1] * second[1])]
    p, q, sign = group[draws.uint(3)]
    return (p, q), [((0, 1), sign)]


def _multiply(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
    """Product of two commuting two-qubit Paulis (codes and sign)."""
    phase = 0
    codes = []
    for x, y in zip(a[:2], b[:2], strict=True):
        if 0 in (x, y) or x == y:
            codes.append(x or y if x != y else 0)
        else:
            codes.append(6 - x - y)
            phase += 1 if (y - x) % 3 == 1 else -1
    return codes[0], codes[1], a[2] * b[2] * (1 if phase % 4 == 0 else -1)


def _sample(
    qubits: int, layer: int, pairs: tuple[Edge, ...], length: int, draws: Drbg
) -> tuple[CircuitDocument, LayerSample]:
    builder = Builder(qubits)
    touched = [q for pair in pairs for q in pair]
    chosen = draws.integers(len(CLIFFORDS), length * len(touched)).reshape(length, len(touched))
    tracked = [[(3, 0, 1), (0, 3, 1)] for _ in pairs]
    for step in range(length):
        for position, qubit in enumerate(touched):
            builder.u(qubit, CLIFFORDS[int(chosen[step, position])])
        for index, (a, b) in enumerate(pairs):
            builder.cz(a, b)
            left, right = int(chosen[step, 2 * index]), int(chosen[step, 2 * index + 1])
            tracked[index] = [_step(pauli, left, right) for pauli in tracked[index]]
        builder.barrier(touched)
    parities = []
    for index, pair in enumerate(pairs):
        one, two = tracked[index]
        bases, seen = _measurable((one, two, _multiply(one, two)), draws)
        for qubit, pauli in zip(pair, bases, strict=True):
            rotation = rotate_to_z(pauli)
            if rotation is not None:
                builder.u(qubit, rotation)
        parities.append(tuple((tuple(2 * index + bit for bit in bits), sign) for bits, sign in seen))
    return builder.measured(touched), LayerSample(layer, pairs, length, tuple(parities))


def _step(pauli: tuple[int, int, int], left: int, right: int) -> tuple[int, int, int]:
    p, sign_p = conjugate(left, pauli[0])
    q, sign_q = conjugate(right, pauli[1])
    p, q, sign = conjugate_cz(p, q)
    return p, q, pauli[2] * sign_p * sign_q * sign


def circuits(
    qubits: int,
    layers: Sequence[tuple[Edge, ...]],
    lengths: Sequence[int],
    samples: int,
    shots: int,
    seed: bytes,
) -> list[BenchmarkUnit]:
    """`samples` circuits of `shots` for every layer and length."""
    draws = Drbg(seed, b"capability/layer_fidelity")
    units = []
    for layer, pairs in enumerate(layers):
        for length in lengths:
            for _ in range(samples):
                document, detail = _sample(qubits, layer, pairs, length, draws)
                units.append(BenchmarkUnit(PROTOCOL, document, shots, detail))
    return units


def fit_decay(
    lengths: npt.NDArray[np.float64], means: npt.NDArray[np.float64], variances: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """α and its standard error of means = A α^m by weighted least squares, A near 1 (`START_SPREAD`).

    A is eliminated in closed form; α in [0, 1.05] by a grid and golden sections, the same on all machines.
    """
    m = np.append(lengths, 0.0)
    y = np.append(means, 1.0)
    w = 1 / np.append(variances, START_SPREAD**2)

    def loss(alpha: float) -> float:
        shape = np.power(alpha, m)
        scale = float((w * shape * y).sum() / (w * shape * shape).sum())
        return float((w * (y - scale * shape) ** 2).sum())

    grid = np.concatenate(
        [np.linspace(0.01, 0.9, 90), 1 - np.geomspace(0.1, 1e-5, 60), np.linspace(1, 1.05, 21)]
    )
    best = int(np.argmin([loss(float(a)) for a in grid]))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    alpha = (low + high) / 2
    shape = np.power(alpha, m)
    scale = float((w * shape * y).sum() / (w * shape * shape).sum())
    slope = np.where(m > 0, scale * m * np.power(alpha, np.maximum(m - 1, 0)), 0.0)
    information = np.array(
        [
            [(w * shape * shape).sum(), (w * shape * slope).sum()],
            [(w * shape * slope).sum(), (w * slope * slope).sum()],
        ]
    )
    determinant = float(np.linalg.det(information))
    if determinant <= 1e-12 * information[0, 0] * max(information[1, 1], 1e-300):
        return alpha, 1.0
    return alpha, min(1.0, math.sqrt(information[0, 0] / determinant))


def score(
    units: Sequence[BenchmarkUnit], readings: Sequence[Reading], readout: ReadoutResult
) -> LayerFidelityResult:
    """Fit every pair of every layer."""
    points: dict[tuple[int, Edge], list[tuple[int, float, float]]] = {}
    for unit, reading in zip(units, readings, strict=True):
        detail: LayerSample = unit.detail
        for pair, parities in zip(detail.pairs, detail.parities, strict=True):
            value = np.zeros(len(reading.counts))
            for bits, sign in parities:
                contrast = float(np.prod([readout.contrast[pair[b % 2]] for b in bits]))
                value += sign * reading.parity(bits) / contrast / len(parities)
            n = reading.shots
            mean = float((value * reading.counts).sum() / n)
            spread = float((value * value * reading.counts).sum() / n) - mean * mean
            points.setdefault((detail.layer, pair), []).append(
                (detail.length, mean, max(spread, 2 / (n + 1)) / n)
            )
    decays = []
    for (layer, pair), found in points.items():
        lengths, means, variances = (
            np.array(column, dtype=np.float64) for column in zip(*found, strict=True)
        )
        alpha, alpha_se = fit_decay(lengths, means, variances)
        decays.append(PairDecay(pair, layer, alpha, alpha_se))
    return LayerFidelityResult(tuple(decays))
