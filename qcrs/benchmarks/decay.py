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


@dataclass(frozen=True, slots=True)
class Decay:
    """A fitted decay: α a step with its standard error, the start A, χ² over its degrees of freedom."""

    alpha: float
    alpha_se: float
    start: float
    scatter: float


def fit_decay(lengths: Numbers, means: Numbers, variances: Numbers) -> Decay:
    """Fit means = A α^lengths, all arrays of one shape; lengths need not be whole numbers."""
    m = np.append(lengths, 0.0)
    y = np.append(means, 1.0)
    w = 1 / np.append(variances, START_SPREAD**2)

    def start(shape: Numbers) -> float:
        return float((w * shape * y).sum() / (w * shape * shape).sum())

    def loss(alpha: float) -> float:
        shape = np.power(alpha, m)
        return float((w * (y - start(shape) * shape) ** 2).sum())

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
    scale = start(shape)
    freedom = max(1, len(lengths) - 1)
    scatter = loss(alpha) / freedom
    slope = np.where(m > 0, scale * m * np.power(alpha, np.maximum(m - 1, 0)), 0.0)
    a, b, c = ((w * left * right).sum() for left, right in ((shape, shape), (shape, slope), (slope, slope)))
    determinant = float(a * c - b * b)
    if determinant <= 1e-12 * a * max(c, 1e-300):
        return Decay(alpha, 1.0, scale, scatter)
    return Decay(alpha, min(1.0, math.sqrt(a / determinant * max(1.0, scatter))), scale, scatter)
