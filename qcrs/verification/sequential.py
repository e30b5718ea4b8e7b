"""Sequential tests: look after every check, stop as soon as it is clear, keep both error rates.

A check of a trap (V6) is a ±1 whose mean is λ for what is registered. Wald's test between the means
0.85 λ (good enough) and 0.5 λ (not the device that is registered) adds, for each check, the logarithm of the
ratio of the two probabilities of what was seen, and stops where the sum leaves (log β/(1 − α),
log (1 − β)/α). With α = β = 1e-3 and λ = 0.82 an honest device is through after 65 checks where a test of a
fixed number needs 308; a device that answers noise is out after 30.

Checks come shot by shot from all traps in turn, so that a run that stops early has seen all of them: one
that stops inside the first trap misses what this trap does not check. It may not stop before every bit has
been in some check.

The same bounds serve any sum of log-likelihood ratios. For a comparison that was left inconclusive the
magnitude is nearly normal, so the shots of further executions add (x − (μ₀ + μ₁)/2)(μ₁ − μ₀)/σ².

Source: Wald, "Sequential tests of statistical hypotheses", Ann. Math. Stat. 16, 117 (1945): the
bounds; Wald and Wolfowitz 1948: no test with the same error rates needs fewer checks on average.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from qcrs.circuits.drbg import Drbg
from qcrs.errors import VerificationError
from qcrs.verification.statistics import Estimate
from qcrs.verification.trap import GateErrors, Trap, parities, predicted_parities

__all__ = [
    "Decision",
    "Sprt",
    "TrapRun",
    "fixed_checks",
    "normal_step",
    "parity_steps",
    "run_length",
    "sequential_traps",
]

GOOD = 0.85
BAD = 0.5
RISK = 1e-3

Floats = npt.NDArray[np.float64]


class Decision(Enum):
    """What a sequential test says so far."""

    OPEN = "open"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Sprt:
    """A running sum of log-likelihood ratios, bad over good, between Wald's bounds.

    `risk_good` bounds the chance to call a good device bad, `risk_bad` to call a bad one good.
    """

    total: float = 0.0
    steps: int = 0
    risk_good: float = RISK
    risk_bad: float = RISK

    def __post_init__(self) -> None:
        if not 0 < self.risk_good < 0.5 or not 0 < self.risk_bad < 0.5:
            raise VerificationError(
                "a risk lies between 0 and 0.5", field="risk", value=(self.risk_good, self.risk_bad)
            )

    @property
    def bounds(self) -> tuple[float, float]:
        """Good at or below the first, bad at or above the second."""
        low = math.log(self.risk_bad / (1 - self.risk_good))
        return low, math.log((1 - self.risk_bad) / self.risk_good)

    @property
    def decision(self) -> Decision:
        """By the sum so far."""
        low, high = self.bounds
        if self.total <= low:
            return Decision.GOOD
        return Decision.BAD if self.total >= high else Decision.OPEN

    def after(self, step: float) -> Sprt:
        """With one more step. The caller stops where the decision is no longer open."""
        return Sprt(self.total + step, self.steps + 1, self.risk_good, self.risk_bad)


def parity_steps(honest: float, good: float = GOOD, bad: float = BAD) -> tuple[float, float]:
    """Steps of a check that holds and of one that fails; `honest` is its mean for what is registered."""
    if not 0 < honest <= 1 or not 0 <= bad < good <= 1:
        raise VerificationError("a parity's mean lies between 0 and 1", field="honest", value=honest)
    mean_good, mean_bad = good * honest, bad * honest
    fails = math.log1p(-mean_bad) - math.log1p(-mean_good) if mean_good < 1 else math.inf
    return math.log1p(mean_bad) - math.log1p(mean_good), fails


def normal_step(found: Estimate, good: float, bad: float) -> float:
    """The step of an estimate with a known error between two means; independent ones add."""
    if not found.se > 0 or not math.isfinite(found.se):
        raise VerificationError("a step needs a standard error", field="se", value=found.se)
    return (found.value - (good + bad) / 2) * (bad - good) / found.se**2


# --------------------------------------------------------------------------- how many checks


def fixed_checks(
    honest: float, *, good: float = GOOD, bad: float = BAD, risk_good: float = RISK, risk_bad: float = RISK
) -> int:
    """Checks of a test of fixed size with the same two error rates (normal approximation)."""
    means = (good * honest, bad * honest)
    spread = [
        float(norm.isf(risk)) * math.sqrt(1 - mean * mean)
        for risk, mean in zip((risk_good, risk_bad), means, strict=True)
    ]
    return math.ceil((sum(spread) / (means[0] - means[1])) ** 2)


def run_length(
    honest: float, truth: float, test: Sprt | None = None, *, most: int = 100_000
) -> tuple[float, float]:
    """(mean number of checks, chance to call the device good) of a device whose checks have mean `truth`.

    Exact up to 1e-12, by the distribution of the number of failed checks over those runs that go on.
    """
    test = test or Sprt()
    holds, fails = parity_steps(honest)
    low, high = test.bounds
    chance = (1 - truth) / 2
    alive: Floats = np.ones(1)
    first = 0  # failed checks of the first entry of `alive`
    mean = accepted = 0.0
    for count in range(1, most + 1):
        mean += float(alive.sum())
        alive = np.append(alive * (1 - chance), 0.0) + np.append(0.0, alive * chance)
        failed = first + np.arange(len(alive))
        totals = holds * (count - failed) + fails * failed
        accepted += float(alive[totals <= low].sum())
        on = np.flatnonzero((totals > low) & (totals < high) & (alive > 0))
        if not len(on) or alive[on].sum() < 1e-12:
            return mean, accepted
        first, alive = first + int(on[0]), alive[on[0] : on[-1] + 1]
    raise VerificationError("the test does not end in time", field="honest", value=honest)


# --------------------------------------------------------------------------- traps in turn


@dataclass(frozen=True, slots=True)
class TrapRun:
    """How a sequential test on traps ended: by which sum, after how many checks and shots."""

    test: Sprt
    shots: int
    covered: bool

    @property
    def decision(self) -> Decision:
        """OPEN where the shots did not suffice, or did not reach every bit."""
        return self.test.decision if self.covered else Decision.OPEN


def _in_turn(
    traps: Sequence[Trap], counts: Sequence[Mapping[int, int]], seed: bytes
) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """(trap, its checks' ±1) shot by shot, one of each trap in turn.

    Counts have no order; the seed gives one.
    """
    rows = []
    for index, (trap, found) in enumerate(zip(traps, counts, strict=True)):
        signs, times = parities(trap, found)
        order = Drbg(seed, b"qcrs/sequential/1" + index.to_bytes(4, "big")).permutation(int(times.sum()))
        rows.append(np.repeat(signs, times, axis=0)[order])
    for shot in range(max(len(row) for row in rows)):
        for index, row in enumerate(rows):
            if shot < len(row):
                yield index, row[shot]


def sequential_traps(
    traps: Sequence[Trap],
    counts: Sequence[Mapping[int, int]],
    errors: GateErrors,
    seed: bytes,
    test: Sprt | None = None,
) -> TrapRun:
    """Wald's test over the checks of decoded shots, one shot of each trap in turn, until it is decided.

    Checks of one shot whose light cones share gates fail together more often than independent ones; the
    error rates that hold in spite of it are measured in the tests.
    """
    if len(traps) != len(counts) or not traps:
        raise VerificationError("counts do not match the traps", field="counts", value=len(counts))
    test = test or Sprt()
    steps = [[parity_steps(float(honest)) for honest in predicted_parities(trap, errors)] for trap in traps]
    missing = set(range(traps[0].circuit.clbits))
    shots = 0
    for index, signs in _in_turn(traps, counts, seed):
        shots += 1
        for check, sign, (holds, fails) in zip(traps[index].checks, signs, steps[index], strict=True):
            missing.difference_update(check.bits)
            test = test.after(holds if sign > 0 else fails)
            if test.decision is not Decision.OPEN and not missing:
                return TrapRun(test, shots, True)
    return TrapRun(test, shots, not missing)
