"""C4: the largest GHZ state with F - 2σ > 1/2, by random stabilisers.

The fidelity with (|0…0> + |1…1>)/√2 is the mean over its 2ⁿ stabilisers. Half of them are parities of an
even number of Zs; their mean is the population P(0…0) + P(1…1) of one circuit read in Z. The others
read X or Y on every qubit with k Ys, k even, and have the sign (-1)^(k/2); they are drawn at random.
F > 1/2 proves entanglement of all qubits. Preparation and readout errors are included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qcrs.benchmarks.builder import Y_TO_Z, Builder, H
from qcrs.benchmarks.topology import Spread
from qcrs.benchmarks.units import BenchmarkUnit, Reading
from qcrs.circuits import CircuitDocument, Drbg

__all__ = ["PROTOCOL", "GhzResult", "GhzSetting", "circuits", "largest", "score"]

PROTOCOL = "ghz"


@dataclass(frozen=True, slots=True)
class GhzSetting:
    """Width of the state, and the number of Ys read; None for the circuit read in Z."""

    width: int
    ys: int | None


@dataclass(frozen=True, slots=True)
class GhzResult:
    """Fidelity of one width with its standard error."""

    width: int
    fidelity: float
    standard_error: float

    @property
    def passed(self) -> bool:
        """All qubits are entangled, at two standard errors."""
        return self.fidelity - 2 * self.standard_error > 0.5


def _prepare(qubits: int, spread: Spread, width: int, ys: Sequence[int] | None) -> CircuitDocument:
    """The state on the first `width` qubits of the tree, then X or Y (where `ys` is 1) or Z bases."""
    region = spread.region(width)
    builder = Builder(qubits)
    builder.u(spread.root, H)
    for parent, child in spread.steps[: width - 1]:
        builder.u(child, H)
        builder.cz(parent, child)
        builder.u(child, H)
    builder.barrier(region)
    for qubit, y in zip(region, ys or (), strict=ys is not None):
        builder.u(qubit, Y_TO_Z if y else H)
    return builder.measured(region)


def circuits(
    qubits: int, spread: Spread, widths: Sequence[int], settings: int, shots: int, seed: bytes
) -> list[BenchmarkUnit]:
    """For every width one circuit read in Z (twice the shots) and `settings` random ones in X and Y."""
    draws = Drbg(seed, b"capability/ghz")
    units = []
    for width in widths:
        units.append(
            BenchmarkUnit(PROTOCOL, _prepare(qubits, spread, width, None), 2 * shots, GhzSetting(width, None))
        )
        for _ in range(settings):
            ys = [int(bit) for bit in draws.bits(width - 1)]
            ys.append(sum(ys) % 2)
            document = _prepare(qubits, spread, width, ys)
            units.append(BenchmarkUnit(PROTOCOL, document, shots, GhzSetting(width, sum(ys))))
    return units


def _one_width(width: int, units: Sequence[BenchmarkUnit], readings: Sequence[Reading]) -> GhzResult:
    population, population_variance = 0.0, 0.0
    values: list[float] = []
    within = 0.0
    for unit, reading in zip(units, readings, strict=True):
        ys, n = unit.detail.ys, reading.shots
        if ys is None:
            ends = [o in (0, (1 << width) - 1) for o in reading.outcomes]
            population = float(reading.counts[ends].sum()) / n
            smooth = (population * n + 1) / (n + 2)
            population_variance = smooth * (1 - smooth) / n
        else:
            parity = float((reading.parity(range(width)) * reading.counts).sum()) / n
            values.append((-1) ** (ys // 2) * parity)
            smooth = (n * (1 + parity) / 2 + 1) / (n + 2)
            within += 4 * smooth * (1 - smooth) / n
    k = len(values)
    between = float(np.var(values, ddof=1)) if k > 1 else 0.0
    variance = max(within / k**2, between / k)
    return GhzResult(
        width, (population + float(np.mean(values))) / 2, math.sqrt(population_variance + variance) / 2
    )


def score(units: Sequence[BenchmarkUnit], readings: Sequence[Reading]) -> list[GhzResult]:
    """The fidelity of every width, narrowest first."""
    results = []
    for width in sorted({unit.detail.width for unit in units}):
        chosen = [(u, r) for u, r in zip(units, readings, strict=True) if u.detail.width == width]
        results.append(_one_width(width, [u for u, _ in chosen], [r for _, r in chosen]))
    return results


def largest(results: Sequence[GhzResult]) -> int:
    """Width of the widest state that passed; 0 if none did."""
    return max((r.width for r in results if r.passed), default=0)
