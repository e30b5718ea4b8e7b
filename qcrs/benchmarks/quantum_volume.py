"""C5: quantum volume (Cross et al. 2019), generated natively for the processor's coupling.

A model circuit of width n has n layers; each pairs the qubits at random and applies a Haar-random
two-qubit unitary to every pair. Such a unitary is (A ⊗ B) exp(i/2 Σ c σσ) (C ⊗ D) with Haar-random local
A…D and c drawn with density |Π sin(cᵢ + cⱼ) sin(cᵢ - cⱼ)| (Watts, O'Connor and Vala 2013, eq. 13); the middle
takes three `cz` (Vatan and Williams 2004, fig. 6). Local rotations that meet on a qubit are one Haar
rotation, so each is drawn once. Since the ensemble is invariant under exchanging a pair's outputs, the
router may exchange them for free.

A width passes if the mean probability of heavy outcomes exceeds 2/3 at two standard errors. The
standard error of a full suite (100 circuits and more) is that of the paper, √(h(1-h)/circuits);
a quick one takes the spread between its circuits with Student's quantile of the same level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from qcrs.benchmarks.builder import HALF, QUARTER, Builder, H, haar_angles
from qcrs.benchmarks.ideal import probabilities
from qcrs.benchmarks.topology import Coupling
from qcrs.benchmarks.units import BenchmarkUnit, Reading
from qcrs.circuits import TURN, CircuitDocument, Drbg

__all__ = [
    "FULL_CIRCUITS",
    "PROTOCOL",
    "VolumeResult",
    "circuits",
    "heavy_output",
    "largest",
    "model_circuit",
    "score",
]

PROTOCOL = "quantum_volume"

FULL_CIRCUITS = 100
"""From this many circuits on, the paper's own criterion applies."""
_LEVEL = 0.9772498680518208  # of a normal deviate at two standard errors


@dataclass(frozen=True, slots=True)
class VolumeResult:
    """Heavy outputs of one width: mean, standard error, and the bound that must exceed 2/3."""

    width: int
    circuits: int
    heavy: float
    standard_error: float
    deviations: float
    each: tuple[float, ...] = ()
    """The heavy output of every circuit by itself."""

    @property
    def lower_bound(self) -> float:
        """Mean less two standard errors, or their small-sample equivalent."""
        return self.heavy - self.deviations * self.standard_error

    @property
    def passed(self) -> bool:
        """More than two thirds of the outputs are heavy, at the level of two standard errors."""
        return self.lower_bound > 2 / 3


def _interaction(draws: Drbg) -> tuple[int, int, int]:
    """The three angles c of a Haar-random two-qubit unitary's middle, by rejection."""
    while True:
        c = draws.integers(TURN, 3)
        x = np.cos(4 * math.pi * c / TURN)
        density = abs(float((x[0] - x[1]) * (x[0] - x[2]) * (x[1] - x[2]))) / 2
        if float(draws.uniform(1)[0]) < density:
            return int(c[0]), int(c[1]), int(c[2])


def _block(builder: Builder, a: int, b: int, draws: Drbg) -> None:
    c1, c2, c3 = _interaction(draws)
    for qubit, angles in zip((a, b), haar_angles(draws, 2), strict=True):
        builder.u(qubit, angles)
    builder.cz(a, b)
    builder.u(a, (QUARTER, QUARTER - c3, HALF))
    builder.u(b, (HALF - c1, 0, HALF))
    builder.cz(a, b)
    builder.u(a, H)
    builder.u(b, (HALF - c2, 0, HALF))
    builder.cz(a, b)


def _swap(builder: Builder, a: int, b: int, draws: Drbg) -> None:
    """Exchange two qubits; the local gates around it melt into the neighbours' Haar rotations."""
    for qubit, angles in zip((a, b), haar_angles(draws, 2), strict=True):
        builder.u(qubit, angles)
    builder.cz(a, b)
    for _ in range(2):
        builder.u(a, H)
        builder.u(b, H)
        builder.cz(a, b)


class _Router:
    """Where each logical qubit sits, and the way to bring two of them together."""

    def __init__(self, coupling: Coupling, region: Sequence[int]) -> None:
        inside = coupling.within(region)
        self.graph = inside
        self.distance = {q: inside.distances(q) for q in region}
        self.seat = list(region)

    def apart(self, pair: tuple[int, int]) -> int:
        return self.distance[self.seat[pair[0]]][self.seat[pair[1]]]

    def exchange(self, a: int, b: int) -> None:
        """Whoever sits on physical a now sits on b, and the other way round."""
        self.seat = [b if s == a else a if s == b else s for s in self.seat]

    def best_swap(self, pending: Sequence[tuple[int, int]]) -> tuple[int, int]:
        """The swap towards the closest pending pair that leaves all pending pairs closest together."""
        i, j = min(pending, key=lambda p: (self.apart(p), p))
        options = []
        for here, there in ((self.seat[i], self.seat[j]), (self.seat[j], self.seat[i])):
            for step in self.graph.near(here):
                if self.distance[step][there] < self.distance[here][there]:
                    self.exchange(here, step)
                    options.append((sum(self.apart(p) for p in pending), here, step))
                    self.exchange(here, step)
        _, here, step = min(options)
        return here, step


def model_circuit(qubits: int, coupling: Coupling, region: Sequence[int], draws: Drbg) -> CircuitDocument:
    """One model circuit on a connected region of the coupling, as wide and as deep as the region."""
    width = len(region)
    router, builder = _Router(coupling, region), Builder(qubits)
    orders = [[int(q) for q in draws.permutation(width)] for _ in range(width)]
    layers = [[(o[2 * k], o[2 * k + 1]) for k in range(width // 2)] for o in orders]
    for index, layer in enumerate(layers):
        pending = list(layer)
        later = layers[index + 1] if index + 1 < width else []
        while pending:
            ready = [pair for pair in pending if router.apart(pair) == 1]
            for pair in ready:
                a, b = (router.seat[q] for q in pair)
                _block(builder, a, b, draws)
                pending.remove(pair)
                as_is = sum(router.apart(p) for p in later)
                router.exchange(a, b)
                if sum(router.apart(p) for p in later) >= as_is:
                    router.exchange(a, b)
            if pending and not ready:
                a, b = router.best_swap(pending)
                _swap(builder, a, b, draws)
                router.exchange(a, b)
    for qubit, angles in zip(region, haar_angles(draws, width), strict=True):
        builder.u(qubit, angles)
    return builder.measured(region)


def circuits(
    qubits: int, coupling: Coupling, regions: Sequence[Sequence[int]], count: int, shots: int, seed: bytes
) -> list[BenchmarkUnit]:
    """`count` model circuits of `shots` for every region (whose size is the width)."""
    draws = Drbg(seed, b"capability/quantum_volume")
    return [
        BenchmarkUnit(PROTOCOL, model_circuit(qubits, coupling, region, draws), shots, len(region))
        for region in regions
        for _ in range(count)
    ]


def heavy_output(unit: BenchmarkUnit, reading: Reading) -> float:
    """Share of the shots that fell on outcomes more likely than the median of the exact distribution."""
    p = probabilities(unit.circuit)
    heavy = p > np.median(p)
    return (
        float(sum(n for o, n in zip(reading.outcomes, reading.counts, strict=True) if heavy[int(o)]))
        / reading.shots
    )


def score(units: Sequence[BenchmarkUnit], readings: Sequence[Reading]) -> list[VolumeResult]:
    """Mean heavy output of every width, narrowest first."""
    found: dict[int, list[float]] = {}
    shots: dict[int, int] = {}
    for unit, reading in zip(units, readings, strict=True):
        found.setdefault(unit.detail, []).append(heavy_output(unit, reading))
        shots[unit.detail] = reading.shots
    results = []
    for width, values in sorted(found.items()):
        n, mean = len(values), float(np.mean(values))
        if n >= FULL_CIRCUITS:
            error, deviations = math.sqrt(max(mean * (1 - mean), 1e-12) / n), 2.0
        else:
            binomial = mean * (1 - mean) / shots[width]
            error = math.sqrt(max(float(np.var(values, ddof=1)) if n > 1 else 0.25, binomial) / n)
            deviations = float(stdtrit(max(n - 1, 1), _LEVEL))
        results.append(VolumeResult(width, n, mean, error, deviations, tuple(values)))
    return results


def largest(results: Sequence[VolumeResult]) -> int:
    """log2 of the quantum volume: the widest that passed; 0 if none did."""
    return max((r.width for r in results if r.passed), default=0)
