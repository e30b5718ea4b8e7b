"""What others check, run beside the judge on the same shots.

- *trap*: an idle qubit with a random X is put beside the target and must read right (the check of DQPU,
  github.com/dakk/dqpu, `verifier/basictrapper.py`); the rest of the answer is believed
- *TVD*: total variation distance from the ideal distribution at most 0.1
- *χ²*: two-sample test against an honest peer, rejected at p < 10⁻³
- *XEB*: linear cross-entropy against the ideal distribution, at least two thirds of what the registered
  errors predict (Arute et al., Nature 574, 505 (2019)); rejected by its value alone
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from qcrs.attackers.bench.lab import Floats, Frames, Lab
from qcrs.verification import Execution, predicted_magnitude, readout_errors

__all__ = ["BASELINES", "Scores", "rejected", "scores"]

BASELINES = ("trap", "tvd", "chi2", "xeb")
TRAP_SHARE = 0.9
TVD_LIMIT = 0.1
CHI2_LOG_P = -3.0
XEB_SHARE = 2 / 3


@dataclass(frozen=True, slots=True)
class Scores:
    """The numbers that each check looks at; `trap` is None where none was inserted.

    `chi2` is log₁₀ of the p-value, `xeb` a share of what is predicted.
    """

    tvd: float
    chi2: float
    xeb: float
    trap: float | None


def scores(lab: Lab, tested: Execution, peer: Execution, trapped: tuple[Lab, Frames] | None) -> Scores:
    """All four for one execution against the ideal distribution and one honest peer."""
    p = lab.ideal.probabilities
    a, b = lab.frequencies(tested.counts[0]), lab.frequencies(peer.counts[0], "A")
    size = len(p)
    excess = size * float(p @ p) - 1
    readout = readout_errors(tested, 0, lab.bits)
    predicted = predicted_magnitude(tested, 0, lab.document) * float(np.prod(1 - np.array(readout)))
    xeb = (size * float(p @ a) - 1) / max(excess, 1e-9) / predicted
    return Scores(
        tvd=float(np.abs(a - p).sum() / 2),
        chi2=_two_sample_log_p(a * lab.shots, b * lab.shots),
        xeb=xeb,
        trap=None if trapped is None else _trap_share(*trapped),
    )


def _two_sample_log_p(a: Floats, b: Floats) -> float:
    """log₁₀ p of the two-sample χ² test over outcomes that were seen at least ten times."""
    both = a + b
    often = both >= 10
    statistic = float(((a - b)[often] ** 2 / both[often]).sum())
    return float(max(-300.0, chi2.logsf(statistic, max(1, int(often.sum()) - 1)) / np.log(10)))


def _trap_share(lab: Lab, counts: Frames) -> float:
    """Share of shots whose trap bit, the last one, is right."""
    right = lab.ideal.probabilities.reshape(2, -1).sum(axis=1).argmax()
    return float(lab.frequencies(counts).reshape(2, -1).sum(axis=1)[right])


def rejected(check: str, found: Scores) -> bool:
    """Whether this check by its usual threshold rejects; a trap that was not inserted rejects nothing."""
    if check == "trap":
        return found.trap is not None and found.trap < TRAP_SHARE
    if check == "tvd":
        return found.tvd > TVD_LIMIT
    if check == "chi2":
        return found.chi2 < CHI2_LOG_P
    return found.xeb < XEB_SHARE
