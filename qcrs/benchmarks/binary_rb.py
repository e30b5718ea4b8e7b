"""C3: binary randomised benchmarking, the error of whole random layers without undoing them.

A random Pauli string is prepared in a product eigenstate, followed through random layers (a random one-qubit
Clifford on every qubit, then `cz` on random disjoint pairs), and measured in the bases it has become: each
shot says +1 or -1. Over random circuits the mean decays as A α^m, and r = (1 - α)(4ʷ - 1)/4ʷ is the error
of a layer on w qubits. (Hines, Hothem, Blume-Kohout, Whaley and Proctor, PRX Quantum 5, 030334 (2024).)

A string over hundreds of qubits is lost in readout errors before the first layer. So a wide processor is
divided into connected regions of up to `WIDTH` qubits, each with a string of its own, all in the same
circuits at the same time; pairs between regions are idle here and are measured by layer fidelity. Readings
are corrected by the measured readout contrast. Any number of qubits: one circuit serves all regions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qcrs.benchmarks.builder import CLIFFORDS, Builder, conjugate, conjugate_cz, rotate_to_z
from qcrs.benchmarks.decay import Decay, fit_decay
from qcrs.benchmarks.readout import ReadoutResult
from qcrs.benchmarks.topology import Coupling, Edge
from qcrs.benchmarks.units import BenchmarkUnit, Reading
from qcrs.circuits import Drbg

__all__ = [
    "PROTOCOL",
    "WIDTH",
    "BinaryResult",
    "BinarySample",
    "RegionDecay",
    "circuits",
    "layer_error",
    "regions",
    "score",
]

PROTOCOL = "binary_rb"

WIDTH = 8
"""Qubits of a region, at most."""

_LEAST_CONTRAST = 0.05


@dataclass(frozen=True, slots=True)
class BinarySample:
    """One circuit: its length, its regions (classical bits follow them), and the parity of each.

    A parity is ((classical bits), sign).
    """

    length: int
    regions: tuple[tuple[int, ...], ...]
    parities: tuple[tuple[tuple[int, ...], int], ...]


@dataclass(frozen=True, slots=True)
class RegionDecay:
    """One region: decay of its parity a layer."""

    region: tuple[int, ...]
    decay: Decay

    @property
    def _share(self) -> float:
        return 1 - 4.0 ** -len(self.region)

    @property
    def error(self) -> float:
        """Probability that a layer puts some Pauli error on the region; below zero only by sampling noise."""
        return (1 - self.decay.alpha) * self._share

    @property
    def standard_error(self) -> float:
        """Of `error`."""
        return self.decay.alpha_se * self._share


@dataclass(frozen=True, slots=True)
class BinaryResult:
    """All regions, the mean reading at every length (mean, standard error), and what follows."""

    regions: tuple[RegionDecay, ...]
    curve: tuple[tuple[int, float, float], ...]

    @property
    def qubits(self) -> int:
        """In regions."""
        return sum(len(r.region) for r in self.regions)

    @property
    def error_per_layer(self) -> float:
        """Probability of an error anywhere in the regions, in one layer: 1 - Π(1 - r)."""
        return 1 - math.prod(max(1 - r.error, 1e-9) for r in self.regions)

    @property
    def error_per_qubit(self) -> float:
        """The same spread evenly: 1 - Π(1 - r)^(1/qubits)."""
        logs = sum(math.log(max(1 - r.error, 1e-9)) for r in self.regions)
        return -math.expm1(logs / self.qubits)

    @property
    def standard_error(self) -> float:
        """Of `error_per_qubit`."""
        total = math.sqrt(sum((r.standard_error / max(1 - r.error, 1e-9)) ** 2 for r in self.regions))
        return (1 - self.error_per_qubit) * total / self.qubits


def regions(coupling: Coupling, width: int = WIDTH) -> tuple[tuple[int, ...], ...]:
    """Disjoint connected regions of two to `width` qubits; a qubit that is left alone is in none."""
    free = set(range(coupling.qubits))
    found = []
    for start in range(coupling.qubits):
        if start not in free:
            continue
        region = [start]
        free.discard(start)
        for qubit in region:  # grows while it is walked
            for other in coupling.near(qubit):
                if other in free and len(region) < width:
                    free.discard(other)
                    region.append(other)
        if len(region) > 1:
            found.append(tuple(region))
    return tuple(found)


def layer_error(error_per_gate: float, width: int) -> float:
    """What to expect of a layer on a line of `width`, from the error per layered gate (one `cz`, two `u`)."""
    pairs = 0.43 * width / 2  # a random maximal matching covers 86 % of a line; half of it is kept
    return -math.expm1(math.log1p(-min(error_per_gate, 0.5)) * (pairs + width / 12))


def _pairs(edges: Sequence[Edge], draws: Drbg) -> list[Edge]:
    """A random maximal set of disjoint pairs, each then kept with probability one half."""
    busy: set[int] = set()
    chosen = []
    for index in draws.permutation(len(edges)):
        pair = edges[int(index)]
        if busy.isdisjoint(pair):
            busy.update(pair)
            chosen.append(pair)
    kept = draws.bits(len(chosen))
    return [pair for pair, keep in zip(chosen, kept, strict=True) if keep]


class _Strings:
    """One Pauli string over all qubits (a factor per region), with the signs of its regions."""

    def __init__(self, areas: Sequence[tuple[int, ...]], draws: Drbg) -> None:
        self.region = {q: number for number, area in enumerate(areas) for q in area}
        self.signs = [1] * len(areas)
        self.paulis: dict[int, int] = {}
        for area in areas:
            codes = np.zeros(len(area), dtype=np.int64)
            while not codes.any():  # a random Pauli is the identity on a quarter of the qubits
                codes = draws.integers(4, len(area))
            self.paulis.update({q: 3 if code else 0 for q, code in zip(area, codes, strict=True)})

    def clifford(self, qubit: int, number: int) -> None:
        self.paulis[qubit], sign = conjugate(number, self.paulis[qubit])
        self.signs[self.region[qubit]] *= sign

    def cz(self, a: int, b: int) -> None:
        self.paulis[a], self.paulis[b], sign = conjugate_cz(self.paulis[a], self.paulis[b])
        self.signs[self.region[a]] *= sign


def _sample(
    coupling: Coupling,
    areas: tuple[tuple[int, ...], ...],
    edges: Sequence[Sequence[Edge]],
    length: int,
    draws: Drbg,
) -> tuple[Builder, BinarySample, tuple[int, ...]]:
    touched = tuple(q for area in areas for q in area)
    builder, strings = Builder(coupling.qubits), _Strings(areas, draws)
    for layer in range(length + 1):  # the first one, without pairs, prepares
        for qubit, number in zip(touched, draws.integers(len(CLIFFORDS), len(touched)), strict=True):
            builder.u(qubit, CLIFFORDS[int(number)])
            strings.clifford(qubit, int(number))
        if layer:
            for inside in edges:
                for a, b in _pairs(inside, draws):
                    builder.cz(a, b)
                    strings.cz(a, b)
        builder.barrier(touched)
    for qubit in touched:
        rotation = rotate_to_z(strings.paulis[qubit])
        if rotation is not None:
            builder.u(qubit, rotation)
    bit = {q: i for i, q in enumerate(touched)}
    parities = tuple(
        (tuple(bit[q] for q in area if strings.paulis[q]), sign)
        for area, sign in zip(areas, strings.signs, strict=True)
    )
    return builder, BinarySample(length, areas, parities), touched


def circuits(
    coupling: Coupling, lengths: Sequence[int], samples: int, shots: int, seed: bytes, width: int = WIDTH
) -> list[BenchmarkUnit]:
    """`samples` circuits of `shots` for every length, over all regions at once."""
    draws = Drbg(seed, b"capability/binary_rb")
    areas = regions(coupling, width)
    edges = [coupling.within(area).edges for area in areas]
    units = []
    for length in lengths:
        for _ in range(samples):
            builder, detail, touched = _sample(coupling, areas, edges, length, draws)
            units.append(BenchmarkUnit(PROTOCOL, builder.measured(touched), shots, detail))
    return units


def score(
    units: Sequence[BenchmarkUnit], readings: Sequence[Reading], readout: ReadoutResult
) -> BinaryResult:
    """Fit every region."""
    points: dict[tuple[int, ...], list[tuple[int, float, float]]] = {}
    for unit, reading in zip(units, readings, strict=True):
        detail: BinarySample = unit.detail
        order = [q for area in detail.regions for q in area]
        for area, (bits, sign) in zip(detail.regions, detail.parities, strict=True):
            contrast = max(float(np.prod([readout.contrast[order[b]] for b in bits])), _LEAST_CONTRAST)
            n = reading.shots
            raw = sign * float((reading.parity(bits) * reading.counts).sum()) / n
            smooth = (n * (1 + raw) / 2 + 1) / (n + 2)
            variance = 4 * smooth * (1 - smooth) / n / contrast**2
            points.setdefault(area, []).append((detail.length, raw / contrast, variance))
    decays = []
    for area, found in points.items():
        columns = (np.array(column, dtype=np.float64) for column in zip(*found, strict=True))
        decays.append(RegionDecay(area, fit_decay(*columns)))
    return BinaryResult(tuple(decays), _curve([point for found in points.values() for point in found]))


def _curve(points: Sequence[tuple[int, float, float]]) -> tuple[tuple[int, float, float], ...]:
    """Mean reading at every length, over circuits and regions, with its standard error."""
    curve = []
    for length in sorted({m for m, _, _ in points}):
        values = [value for m, value, _ in points if m == length]
        within = sum(variance for m, _, variance in points if m == length) / len(values) ** 2
        between = float(np.var(values, ddof=1)) / len(values) if len(values) > 1 else 0.0
        curve.append((length, float(np.mean(values)), math.sqrt(max(within, between))))
    return tuple(curve)
