"""Exponential decay A α^m: the one estimator behind layer fidelity, binary randomised benchmarking and T1/T2.

Weighted least squares with A near 1, since readings are corrected for readout errors first. A is eliminated
in closed form; α in [0, 1.05] is found by a grid and golden sections, which gives the same on all machines.
Where points scatter more than their variances say (circuits differ among themselves, not only shots), the
standard error grows with the scatter (Birge ratio; Birge, Phys. Rev. 40, 207 (1932)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["START_SPREAD", "Decay", "fit_decay"]

START_SPREAD = 0.1
"""Allowed spread of A about 1: readings are corrected, so only preparation and last gates move it."""

Numbers = npt.NDArray[np.float64]


_GRID: Numbers = np.concatenate(
    [np.linspace(0.01, 0.9, 90), 1 - np.geomspace(0.1, 1e-5, 60), np.linspace(1, 1.05, 21)]
)
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class Decay:
    """A fitted decay: α a step with its standard error, the start A, χ² over its degrees of freedom."""

    alpha: float
    alpha_se: float
    start: float
    scatter: float


class _Loss:
    """χ² of the best A for every α."""

    def __init__(self, lengths: Numbers, means: Numbers, variances: Numbers) -> None:
        self.m = np.append(lengths, 0.0)
        self.y = np.append(means, 1.0)
        shared = [variances[lengths == length].mean() for length in lengths]
        self.w = 1 / np.append(shared, START_SPREAD**2)

    def start(self, alpha: Numbers) -> Numbers:
        shape = np.power(alpha[:, None], self.m)
        return np.asarray((shape * self.w * self.y).sum(axis=1) / (shape * shape * self.w).sum(axis=1))

    def __call__(self, alpha: Numbers) -> Numbers:
        shape = np.power(alpha[:, None], self.m)
        misses = self.y - self.start(alpha)[:, None] * shape
        return np.asarray((self.w * misses * misses).sum(axis=1))

    def at(self, alpha: float) -> float:
        return float(self(np.array([alpha]))[0])


def fit_decay(lengths: Numbers, means: Numbers, variances: Numbers) -> Decay:
    """Fit means = A α^lengths, all arrays of one shape; lengths need not be whole numbers.

    Points of one length share their mean variance: a reading that came out high by chance has a small
    variance of its own, and would pull the mean up. The standard error is half the interval in which χ² is at
    most one above its minimum.
    """
    loss = _Loss(lengths, means, variances)
    best = int(np.argmin(loss(_GRID)))
    low, high = float(_GRID[max(best - 1, 0)]), float(_GRID[min(best + 1, len(_GRID) - 1)])
    while high - low > 1e-9:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if loss.at(left) < loss.at(right):
            high = right
        else:
            low = left
    alpha = (low + high) / 2
    least = loss.at(alpha)
    scatter = least / max(1, len(lengths) - 1)
    level = least + max(1.0, scatter)
    width = _crossing(loss, alpha, float(_GRID[-1]), level) - _crossing(loss, alpha, 0.0, level)
    return Decay(alpha, width / 2, float(loss.start(np.array([alpha]))[0]), scatter)


def _crossing(loss: _Loss, inside: float, outside: float, level: float) -> float:
    """Where χ² reaches a level between a point below it and an end of the range; the end if it does not."""
    if loss.at(outside) <= level:
        return outside
    while abs(outside - inside) > 1e-9:
        middle = (inside + outside) / 2
        if loss.at(middle) <= level:
            inside = middle
        else:
            outside = middle
    return (inside + outside) / 2
