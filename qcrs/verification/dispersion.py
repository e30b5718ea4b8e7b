"""Contingency statistics: excess dispersion between two samples, and agreement too good to be chance.

*Dispersion* φ = χ²/df after the stronger side is deflated by the magnitude m (white noise only scales
p − 1/D). Its excess over 1 grows with the shots, so it is stated as it would be between two samples of
4,000 shots; against an exact reference the same excess shows at half as many.
*Copy*: two independent samples differ by at least their own noise; a χ² far in the lower tail, or far more
coinciding outcomes than two samples can have, means that one was made from the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, poisson

from qcrs.verification.samples import Floats, Sample

__all__ = [
    "ChiSquare",
    "chi_square_exact",
    "chi_square_peer",
    "coloured_excess",
    "copy_p_value",
    "dispersion",
]

LEAST_EXPECTED = 5.0
LEAST_DF = 50
COPY_DF = 30
STATED_SHOTS = 4000
LEAST_FLAT = 1.0
"""κ = D·Σ(s − 1/D)² up to which the noise part of an honest device may differ from uniform."""
MOST_PEAKED = 50.0
"""Largest D·Σp² for which a dispersion is meaningful."""


@dataclass(frozen=True, slots=True)
class ChiSquare:
    """A χ² with its degrees of freedom; they add over independent units."""

    statistic: float
    df: int
    shots: int
    """Shots of each of two samples that would show as much: twice those against an exact reference."""

    def __add__(self, other: ChiSquare) -> ChiSquare:
        """Both together."""
        return ChiSquare(self.statistic + other.statistic, self.df + other.df, max(self.shots, other.shots))


NONE = ChiSquare(0.0, 0, 0)


def chi_square_exact(a: Sample, p: Floats, magnitude: float) -> ChiSquare:
    """χ² of a sample against a (blurred) distribution deflated to magnitude ≤ 1."""
    size = len(p)
    if size * float((p**2).sum()) >= MOST_PEAKED:
        return NONE
    m = min(1.0, max(0.0, magnitude))
    expected = a.shots * (m * p + (1 - m) / size)
    observed = a.dense() if size <= 1 << 20 else np.bincount(a.keys.astype(np.int64), a.counts, size)
    often = expected >= LEAST_EXPECTED
    rest = a.shots - float(expected[often].sum())
    statistic = float(((observed[often] - expected[often]) ** 2 / expected[often]).sum())
    df = int(often.sum()) - 2
    if rest >= LEAST_EXPECTED:
        statistic += (a.shots - float(observed[often].sum()) - rest) ** 2 / rest
        df += 1
    return ChiSquare(statistic, df, 2 * a.shots) if df > 0 else NONE


def chi_square_peer(a: Sample, b: Sample, magnitude: float) -> ChiSquare:
    """χ² between two samples, the stronger deflated by the magnitude of a relative to b."""
    size = 2.0**a.width
    keys = np.unique(np.concatenate([a.keys, b.keys]))
    na, nb = float(a.shots), float(b.shots)
    fa, fb = a.lookup(keys) / na, b.lookup(keys) / nb
    if size * float(np.minimum((fa**2).sum(), (fb**2).sum())) >= MOST_PEAKED:
        return NONE
    down_a, down_b = (1.0, magnitude) if magnitude <= 1 else (1 / magnitude, 1.0)
    often = (fa + fb) * min(na, nb) / 2 >= LEAST_EXPECTED
    pa = down_a * fa[often] + (1 - down_a) / size
    pb = down_b * fb[often] + (1 - down_b) / size
    pooled = (na * fa[often] + nb * fb[often]) / (na + nb)
    variance = down_a**2 * pooled / na + down_b**2 * pooled / nb
    statistic = float(((pa - pb) ** 2 / variance).sum())
    df = int(often.sum()) - 2
    return ChiSquare(statistic, df, int(min(na, nb))) if df > 0 else NONE


def dispersion(total: ChiSquare) -> tuple[float, float] | None:
    """φ at 4,000 shots and its standard error; None under 50 degrees of freedom."""
    if total.df < LEAST_DF:
        return None
    scale = min(1.0, STATED_SHOTS / max(1, total.shots))
    phi = total.statistic / total.df
    return 1 + (phi - 1) * scale, scale * phi * math.sqrt(2 / total.df)


def coloured_excess(total: ChiSquare, magnitude: float) -> float:
    """How much φ an honest device may exceed the limit because its lost part 1 − m is not uniform.

    Where noise leaves m·p + (1 − m)·s with D·Σ(s − 1/D)² = κ, N shots add N(1 − m)²κ to χ². For circuits of
    few qubits s is far from flat (a QFT of 6 qubits at m = 0.61: κ ≈ 0.5). At m near 1 nothing is added.
    """
    if not total.df:
        return 0.0
    lost = 1.0 - min(1.0, max(0.0, magnitude))
    return min(STATED_SHOTS, total.shots) / 2 * lost**2 * LEAST_FLAT / total.df


def copy_p_value(pairs: Sequence[tuple[Sample, Sample]]) -> float | None:
    """Chance that independent samples agree this well; None where there is too little to compare."""
    statistic, df, coinciding, expected = 0.0, 0, 0.0, 0.0
    for a, b in pairs:
        keys = np.unique(np.concatenate([a.keys, b.keys]))
        ca, cb = a.lookup(keys).astype(np.float64), b.lookup(keys).astype(np.float64)
        na, nb = ca.sum(), cb.sum()
        often = ca + cb >= 2 * LEAST_EXPECTED
        ratio = math.sqrt(nb / na)
        parts = (ca * ratio - cb / ratio) ** 2 / np.maximum(ca + cb, 1)
        statistic += float(parts[often].sum())
        df += max(0, int(often.sum()) - 1)
        # Pairs among the rare outcomes: at most √(pairs within a · pairs within b) are expected.
        rare_a, rare_b = ca[~often], cb[~often]
        within_a = float((rare_a * (rare_a - 1)).sum()) * nb / na
        within_b = float((rare_b * (rare_b - 1)).sum()) * na / nb
        coinciding += float((rare_a * rare_b).sum())
        expected += max(within_a, within_b) + na * nb / 2.0**a.width
    values = []
    if df >= COPY_DF:
        values.append(float(chi2.cdf(statistic, df)))
    if coinciding > 0:
        # Within-pair counts are themselves noisy: allow six of their standard deviations.
        allowed = expected + 6 * math.sqrt(2 * expected + 1)
        values.append(float(poisson.sf(coinciding - 1, allowed)))
    return min(1.0, min(values) * len(values)) if values else None
