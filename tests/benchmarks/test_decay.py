"""The decay estimator on planted curves: no bias worth naming, intervals that cover the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcrs.benchmarks.decay import fit_decay


@pytest.mark.parametrize("alpha", [0.5, 0.9, 0.99, 0.9999])
def test_an_exact_curve_is_recovered(alpha: float) -> None:
    lengths = np.array([2.0, 10.0, 40.0])
    found = fit_decay(lengths, 0.97 * alpha**lengths, np.full(3, 1e-8))
    assert found.alpha == pytest.approx(alpha, abs=1e-3)
    assert found.start == pytest.approx(0.97, abs=0.01)
    assert 0 < found.alpha_se < 0.01


@pytest.mark.parametrize(("alpha", "start"), [(0.98, 1.0), (0.9, 0.95), (0.7, 1.02)])
def test_intervals_cover_the_truth(alpha: float, start: float) -> None:
    """±1 readings of 300 shots: 95 % of the intervals of two standard errors hold the planted value."""
    rng, trials = np.random.default_rng(8), 300
    lengths = np.repeat(np.array([1.0, 4.0, 10.0, 20.0]), 3)
    truth = np.clip(start * alpha**lengths, -1, 1)
    scores = []
    for _ in range(trials):
        means = 2 * rng.binomial(300, (1 + truth) / 2) / 300 - 1
        found = fit_decay(lengths, means, np.maximum(1 - means**2, 2 / 301) / 300)
        scores.append((found.alpha - alpha) / found.alpha_se)
    covered = np.mean(np.abs(scores) < 2)
    assert covered > 0.93
    assert np.std(scores) > 0.6  # nor are they absurdly wide
    assert abs(np.mean(scores)) < 0.35


def test_scatter_beyond_the_shots_widens_the_interval() -> None:
    lengths = np.repeat(np.array([2.0, 10.0, 30.0]), 4)
    rng = np.random.default_rng(4)
    smooth = 0.97**lengths
    quiet = fit_decay(lengths, smooth, np.full(12, 1e-6))
    rough = fit_decay(lengths, smooth + rng.normal(0, 0.02, 12), np.full(12, 1e-6))
    assert rough.scatter > 100
    assert rough.alpha_se > 5 * quiet.alpha_se
    assert abs(rough.alpha - 0.97) < 4 * rough.alpha_se


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_readings_give_a_finding(values: list[float]) -> None:
    lengths = np.arange(1, len(values) + 1, dtype=np.float64)
    found = fit_decay(lengths, np.array(values), np.full(len(values), 1e-3))
    assert 0 <= found.alpha <= 1.05
    assert 0 < found.alpha_se <= 1.05
    assert np.isfinite([found.start, found.scatter]).all()


def test_nothing_left_at_the_first_length_leaves_the_rate_open_towards_zero() -> None:
    found = fit_decay(np.array([5.0, 10.0, 20.0]), np.array([0.01, -0.01, 0.0]), np.full(3, 1e-3))
    assert found.alpha < 0.5
    assert 0.2 < found.alpha_se < 0.3
