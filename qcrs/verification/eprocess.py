"""V8 LEDGER: what many jobs of one provider say together, where each alone says too little.

A provider that answers a tenth of its shots with noise passes every single job: the magnitude m that a job
shows, relative to the m* that is registered, is 0.9 where a job's tests reject at 0.8. Over jobs it
shows. With x = m/m* and σ its standard error a job pays a bettor

    e_b = max(0, 1 + b (c₀ − x)),        b = κ · 4 (r₀ − c₀)/σ²,   κ ≤ 1,

and M is the mean, over bets κ and over the job at which the bettor starts, of the products of e_b over jobs.
Whatever the distribution of x, if its mean is at least r₀ and its standard deviation at most σ, E[e_b] ≤ 1:
by Scarf's bound E(x − h)⁺ ≤ ½ (√(σ² + (μ − h)²) + μ − h), with h = c₀ + 1/b, at μ = r₀. So M is an e-process
under honesty and, by Ville's inequality, exceeds 1/α with probability at most α over any number of jobs,
looked at as often as one likes.

Starts: weight 1/(k (k + 1)) on starting at job k, so a provider that was honest for a thousand jobs is found
nearly as fast as a new one; the product from the first job alone would have to lose what it lost before.

Between c₀ and r₀ nothing is promised to either side; below c₀ M grows, above it shrinks, and a flag ends when
M falls below 1/α again. The consequence is an audit of every job, not a slash: a client that picks circuits
which suit a device badly can lower x a little.

Products, sums and maxima of doubles only, which IEEE 754 fixes to the bit: everyone gets the same M.

Source: Ville 1939; Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting",
J. R. Stat. Soc. B 86, 1 (2024) (grids of bets); Shin, Ramdas and Rinaldo, "E-detectors",
arXiv 2203.03532 (starts); Scarf 1958 (the bound).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from qcrs.errors import VerificationError
from qcrs.types import Json
from qcrs.verification.verdict import Policy

__all__ = ["ALPHA", "BETS", "EProcess", "Measured", "first_flag", "measured_in", "replay"]

ALPHA = 1e-6
"""Chance that an honest provider is ever flagged."""
SLACKING = 0.97
"""c₀: the ratio of found to registered magnitude below which M grows."""
HONEST = 1.0
"""r₀: the ratio that an honest provider keeps on average. The judge's slack for the errors of the qubits used
(`Policy.slack_ideal`) is in m* already, and errors that no outcome shows work for the provider too."""
BETS = (1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)
"""κ. Where x is known well a fraction of the largest bet grows fastest and is never ruined."""
SE_MARGIN = 1.25
"""σ is this times the standard error that the judge found in the same shots."""
LEAST_SE = 0.01
"""No ratio counts as known better: certificates and calibrations drift."""
LARGEST = 1e300
IDEAL = "magnitude:ideal"


@dataclass(frozen=True, slots=True)
class Measured:
    """A job's magnitude against the exact distribution, its standard error, and m*; in 10⁻⁶."""

    value_ppm: int
    se_ppm: int
    expected_ppm: int

    def __post_init__(self) -> None:
        if self.expected_ppm <= 0 or self.se_ppm < 0:
            raise VerificationError(
                "a magnitude is expected to be positive", field="expected_ppm", value=self.expected_ppm
            )

    @property
    def ratio(self) -> float:
        """x = m/m*."""
        return self.value_ppm / self.expected_ppm

    @property
    def deviation(self) -> float:
        """σ."""
        return max(LEAST_SE, SE_MARGIN * self.se_ppm / self.expected_ppm)


def measured_in(evidence: Mapping[str, Json], policy: Policy | None = None) -> Measured | None:
    """The magnitude that a verdict's evidence states against the exact distribution; None if there is none.

    Magnitudes against peers do not count: a peer that answers better, or too sharply, would lower them.
    """
    tests = evidence.get("tests")
    if not isinstance(tests, list) or evidence.get("capability"):
        return None
    share = (policy or Policy()).magnitude_reject
    for test in tests:
        if isinstance(test, dict) and test.get("name") == IDEAL:
            value, se, limit = (test.get(key) for key in ("value_ppm", "se_ppm", "threshold_ppm"))
            if type(value) is not int or type(se) is not int or type(limit) is not int:
                return None
            return Measured(value, se, round(limit / share)) if limit > 0 and se >= 0 else None
    return None


@dataclass(frozen=True, slots=True)
class EProcess:
    """A provider's e-process after `jobs` jobs; `sums` holds, for each bet, all starts so far together."""

    jobs: int = 0
    sums: tuple[float, ...] = (0.0,) * len(BETS)

    @property
    def value(self) -> float:
        """M. Bettors that start later still hold what they began with: together 1/(jobs + 1)."""
        total = 0.0
        for held in self.sums:  # `sum` rounds differently from one Python to the next
            total += held
        return total / len(self.sums) + 1.0 / (self.jobs + 1)

    def flagged(self, alpha: float = ALPHA) -> bool:
        """Whether M ≥ 1/α."""
        return self.value * alpha >= 1.0

    def after(self, job: Measured) -> EProcess:
        """With one more job."""
        jobs = self.jobs + 1
        start = 1.0 / (jobs * (jobs + 1))
        deviation = job.deviation
        largest = 4.0 * (HONEST - SLACKING) / (deviation * deviation)
        short = SLACKING - job.ratio
        return EProcess(
            jobs,
            tuple(
                min(LARGEST, (held + start) * max(0.0, 1.0 + bet * largest * short))
                for held, bet in zip(self.sums, BETS, strict=True)
            ),
        )


def replay(jobs: Iterable[Measured]) -> EProcess:
    """The process after these jobs, in the order of their verdicts."""
    process = EProcess()
    for job in jobs:
        process = process.after(job)
    return process


def first_flag(jobs: Iterable[Measured], alpha: float = ALPHA) -> int | None:
    """How many jobs it took to flag the provider; None if they never do."""
    process = EProcess()
    for job in jobs:
        process = process.after(job)
        if process.flagged(alpha):
            return process.jobs
    return None
