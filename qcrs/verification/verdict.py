"""What the judge decides and by which numbers: tests, findings, policy, verdict. Integers of 10⁻⁶.

Every number is quantised once, here, and decided on as it is shown, so that all oracles build the same bytes
of evidence and anyone can check a decision by its numbers. Machines differ by some 10⁻¹⁵ in what comes before
(vector units, libm); a number moves by 10⁻⁶ only if that straddles a half, once in some 10⁸ verdicts.

Every test has one direction: a value at or above its threshold is good. What is small when all is well (a
distance, an excess, the improbability of an accident) is turned first (`turned`, `inverted`, `plausibility`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from qcrs.verification.statistics import Estimate

__all__ = [
    "PPM",
    "Finding",
    "Outcome",
    "Policy",
    "Test",
    "Verdict",
    "inverted",
    "plausibility",
    "ppm",
    "quantised",
    "rounded",
    "test_of",
    "turned",
    "verdict_of",
]

PPM = 1_000_000
_LARGEST = 10**15


def ppm(value: float) -> int:
    """A number in units of 10⁻⁶; not a number and infinities become ±10¹⁵."""
    if math.isnan(value):
        return _LARGEST
    return int(max(-_LARGEST, min(_LARGEST, round(max(-1e12, min(1e12, value)) * PPM))))


def rounded(value: float) -> float:
    """The number that `ppm` stands for."""
    return ppm(value) / PPM


def quantised(estimate: Estimate) -> Estimate:
    """The estimate as it is shown: what decisions are made on."""
    return Estimate(rounded(estimate.value), rounded(estimate.se))


class Outcome(IntEnum):
    """Outcomes of a report, numbered as in the contracts."""

    ACCEPT = 1
    UNDECIDED = 2
    REJECT = 3
    FRAUD = 4


@dataclass(frozen=True, slots=True)
class Test:
    """One test: its name ("shape:ideal", "bit 3:peer 0"), value, standard error, threshold and result.

    A value at or above the threshold is good, whatever the test. A lower one fails only where its error,
    and how much it matters, leave no doubt.
    """

    __test__: ClassVar[bool] = False  # a name that test runners would collect

    name: str
    value_ppm: int
    se_ppm: int
    threshold_ppm: int
    passed: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """A test and what follows from it.

    `fails` rejects; `condemns` is the same at one in a million, which with a second reference is fraud;
    `accepts` is true where the number is known well enough to accept on it; `least_ppm` is the value, given
    its error, from which this test lets an execution pass: what an acceptance shows as its threshold.
    """

    test: Test
    fails: bool
    condemns: bool
    accepts: bool
    least_ppm: int | None = None

    @property
    def kind(self) -> str:
        """The test without its reference: what two references must agree on."""
        return self.test.name.split(":")[0]


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds and choices of the judge; the defaults are measured (test_campaign.py)."""

    shape_reject: float = 0.92
    shape_accept: float = 0.8
    shape_clique: float = 0.9
    """ρ, within two standard errors, from which executions are one voice of a consensus."""
    magnitude_reject: float = 0.8
    magnitude_accept: float = 0.6
    magnitude_most: float = 1.25
    """Upper end of the band, relative to the predicted magnitude, inside which a weak accept is given."""
    slack_ideal: float = 1.1
    """How far the true error rate of the qubits used may exceed the certificate's mean, against the ideal."""
    slack_peer: float = 1.25
    """The same against a peer, whose error may also be that much smaller than its certificate's."""
    bit_reject: float = 0.85
    bit_behind: float = 0.9
    """A bit that lags behind the others fails only where it also misses this share of what is predicted."""
    flip_factor: float = 1.6
    flip_allowed: float = 0.05
    """A bit may be flipped this many times more often than its share of the damage, and this much besides."""
    damage_reject: tuple[tuple[float, float], ...] = ((2.5, 0.02), (1.5, 0.25))
    damage_accept: tuple[tuple[float, float], ...] = ((2.5, 0.02), (1.25, 0.1))
    """Most damage: the least of these factors × (gates × error) + constants."""
    damage_least: float = 0.5
    """Damage over gates × error that every device has (a reference's is taken off the limit)."""
    misfit_colour: float = 0.35
    misfit_peaked: float = 64.0
    """What honest noise leaves unexplained, per shot, damage² and colour: this + D·Σq² / that (at most 1).

    Measured: at most 0.25 for the outputs of general circuits, 0.6 to 1.25 for peaked ones.
    """
    answer_share: float = 0.25
    """Share of a named other answer that is let pass."""
    least_df: int = 3
    dispersion_reject: float = 3.0
    flat_reject: float = 0.15
    flat_accept: float = 0.3
    flat_below: float = 0.05
    """D·Σp² − 1 under which a distribution counts as nearly uniform."""
    marginal_reject: float = 0.15
    least_magnitude: float = 0.3
    """Predicted magnitude under which noise can no longer be taken as white: no rejection by shape."""
    z_reject: float = 3.0
    z_bit: float = 4.0
    z_bit_open: float = 2.5
    """From here on a flipped bit keeps a result from being accepted by these shots alone."""
    z_misfit: float = 4.27
    """One in 10⁵ at the edge of what is allowed."""
    z_misfit_fraud: float = 6.0
    z_misfit_open: float = 2.33
    """One in a hundred: from here on a result is not accepted by these shots alone."""
    z_open: float = 1.0
    """Standard errors beyond the limit of damage from which a result is not accepted by these shots alone."""
    damage_blind: float = 0.2
    """Standard error of the damage above which the fitted model is not asked."""
    z_fraud: float = 5.0
    z_accept: float = 2.0
    p_copy: float = 1e-6
    simulate_qubits: int = 20
    """Widths up to which every execution is simulated."""
    simulate_drawn_qubits: int = 24
    """Widths up to which a drawn execution is simulated."""
    exact_tolerance_pico: int = 1000
    execution_cost: float = 0.25
    """What another execution costs besides its shots, as a share of them (a bond is held, time passes)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is reported of one execution; the score is that of the deciding test: the higher the better."""

    outcome: Outcome
    score_ppm: int
    threshold_ppm: int
    interval_ppm: tuple[int, int]
    tests: tuple[Test, ...]
    decided_by: str
    weak: bool
    needed_shots: int | None
    reason: str
    """One sentence for people."""


def test_of(name: str, estimate: Estimate, threshold: float, *, passed: bool) -> Test:
    """A test from an estimate."""
    return Test(name, ppm(estimate.value), ppm(estimate.se), ppm(threshold), passed)


def turned(estimate: Estimate) -> Estimate:
    """1 − x: a distance as a likeness, an excess as an agreement."""
    return Estimate(1.0 - estimate.value, estimate.se)


def inverted(estimate: Estimate) -> Estimate:
    """1/x of a positive number, with its standard error by the derivative."""
    value = max(estimate.value, 1e-6)
    return Estimate(1.0 / value, estimate.se / value**2)


def plausibility(surprise: float, limit: float) -> float:
    """−log₁₀ p on a scale from 1 (p = 1) over ½ (p at the limit) down to 0 (p at its square or below)."""
    return max(0.0, 1.0 - max(0.0, surprise) / (2 * limit))


def verdict_of(
    tests: Sequence[Test], outcome: Outcome, by: str, reason: str, test: Test, weak: bool, needed: int | None
) -> Verdict:
    """A verdict that shows this test, with the interval of two standard errors around its value."""
    interval = (test.value_ppm - 2 * test.se_ppm, test.value_ppm + 2 * test.se_ppm)
    return Verdict(
        outcome, test.value_ppm, test.threshold_ppm, interval, tuple(tests), by, weak, needed, reason
    )
