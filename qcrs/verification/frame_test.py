"""V2 FRAME: do all frames of a circuit tell the same story once decoded?

The frames differ only by twirls and masks that the provider does not know, so honest frames have one
distribution. Made-up or copied raw answers do not: fabricating some frames lowers the score of exactly
those, and forcing a raw bit makes the decoded bit follow the mask. Scores are compared by analysis of
variance, mean bits between mask values by a z test. Both must be significant (10⁻⁶) *and* material, so
that a slow drift of an honest device never fails however many shots there are.

Without a reference the score of a shot is the frequency of its outcome in the other frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import f as f_distribution
from scipy.stats import norm

from qcrs.verification.samples import Floats, Sample, compact, merged

__all__ = ["FrameFinding", "FrameUnit", "mask_test", "score_test"]

P_REJECT = 1e-6
LEAST_EFFECTIVE = 30.0
"""Fewest effective contributions to a frame's mean score."""
HIGHEST_SCORE = 8.0
"""Scores are capped here, or at an eighth of the number of outcomes."""
MATERIAL_SPREAD = 0.25
"""Spread of the frames' scores, relative to their excess over chance, below which nothing is made of it."""
MATERIAL_BIT = 0.1
"""Dependence of a decoded bit on its mask that is allowed beyond twice its readout error."""


@dataclass(frozen=True, slots=True)
class FrameUnit:
    """Decoded frames of one circuit, their masks over all classical bits, and readout errors by bit."""

    frames: tuple[Sample, ...]
    masks: tuple[int, ...]
    bits: tuple[int, ...]
    readout: tuple[float, ...]
    reference: Floats | None = None
    """Exact (blurred) distribution, where there is one."""


@dataclass(frozen=True, slots=True)
class FrameFinding:
    """−log₁₀ of the p value, and whether that is significant and material."""

    surprise: float
    fails: bool


NOTHING = FrameFinding(0.0, False)


def _surprise(log_p: float, tests: int) -> float:
    """−log₁₀ p after Bonferroni's correction; at least 0."""
    surprise = -(log_p / math.log(10)) - math.log10(max(1, tests))
    return max(0.0, round(surprise, 6) if math.isfinite(surprise) else surprise)


def _scores(unit: FrameUnit) -> list[tuple[Floats, Floats]]:
    """Score and count of each distinct outcome, for every frame; 1 is what chance gives."""
    size = 2.0 ** unit.frames[0].width
    out = []
    whole = merged(unit.frames)
    for frame in unit.frames:
        if unit.reference is not None:
            score = unit.reference[frame.keys.astype(np.int64)]
        else:
            others = whole.shots - frame.shots
            score = (whole.lookup(frame.keys) - frame.counts) / max(1, others)
        # A few outcomes of high probability must not carry the variance of a frame.
        capped = np.minimum(size * score, max(HIGHEST_SCORE, size / 8))
        out.append((capped, frame.counts.astype(np.float64)))
    return out


def score_test(units: Sequence[FrameUnit]) -> FrameFinding:
    """One-way analysis of variance of the score over the frames of each unit; the worst unit counts."""
    tried = [finding for finding in map(_score_unit, units) if finding is not None]
    if not tried:
        return NOTHING
    log_p, material = min(tried, key=lambda item: (not item[1], item[0]))
    surprise = _surprise(log_p, len(tried))
    return FrameFinding(surprise, material and surprise > -math.log10(P_REJECT))


def _score_unit(unit: FrameUnit) -> tuple[float, bool] | None:
    """log p and materiality of one unit; None where there is too little to compare."""
    if len(unit.frames) < 2 or unit.frames[0].width == 0:
        return None
    scored = _scores(unit)
    n = np.array([float(c.sum()) for _, c in scored])
    sums = np.array([float((s * c).sum()) for s, c in scored])
    squares = np.array([float((s * s * c).sum()) for s, c in scored])
    mean = sums.sum() / n.sum()
    effective = n * mean**2 / max(squares.sum() / n.sum(), 1e-300)
    if effective.min() < LEAST_EFFECTIVE:
        return None
    means = sums / n
    between = float((n * (means - mean) ** 2).sum()) / (len(n) - 1)
    within = float((squares - n * means**2).sum()) / (n.sum() - len(n))
    excess = mean - 1
    spread = float(means.max() - means.min())
    material = excess > 0 and spread > MATERIAL_SPREAD * excess
    if within <= 1e-12 * mean**2:
        # Every shot has the same score within its frame: any difference between frames is certain.
        return (-math.inf if between > 1e-9 * mean**2 else 0.0), material
    return float(f_distribution.logsf(between / within, len(n) - 1, n.sum() - len(n))), material


def mask_test(units: Sequence[FrameUnit]) -> FrameFinding:
    """Whether a decoded bit depends on its mask: the mean over frames with mask 0 against mask 1."""
    worst, fails, tests = 0.0, False, sum(len(unit.bits) for unit in units)
    for unit in units:
        masks = [compact(mask, unit.bits) for mask in unit.masks]
        for k in range(len(unit.bits)):
            shots, ones = [0.0, 0.0], [0.0, 0.0]
            for frame, mask in zip(unit.frames, masks, strict=True):
                side = mask >> k & 1
                shots[side] += frame.shots
                ones[side] += float(frame.counts[(frame.keys >> k & 1).astype(bool)].sum())
            if min(shots) == 0:
                continue
            difference = abs(ones[0] / shots[0] - ones[1] / shots[1])
            pooled = sum(ones) / sum(shots)
            error = math.sqrt(max(pooled * (1 - pooled), 1 / sum(shots)) * (1 / shots[0] + 1 / shots[1]))
            surprise = _surprise(math.log(2) + float(norm.logsf(difference / error)), tests)
            worst = max(worst, surprise)
            allowed = 2 * unit.readout[k] + MATERIAL_BIT
            fails = fails or (surprise > -math.log10(P_REJECT) and difference > allowed)
    return FrameFinding(worst, fails)
