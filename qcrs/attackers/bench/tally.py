"""Counting: trials of many cells as rates with exact binomial intervals, and curves of the plain checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from qcrs.verification.eprocess import Measured, first_flag

__all__ = ["RIGHT", "Rate", "Tally", "operating_curve", "tally"]

RIGHT = 0.05
"""Ideal distance under which a wrong way leads to the right distribution: nothing is there to be found."""
CONFIDENCE = 0.95

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many, with the interval of Clopper and Pearson (Biometrika 26, 404 (1934)) at 95 %."""

    count: int
    trials: int

    @property
    def value(self) -> float:
        """The share; 0 of none."""
        return self.count / self.trials if self.trials else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the interval."""
        tail = (1 - CONFIDENCE) / 2
        k, n = self.count, self.trials
        low = float(beta.ppf(tail, k, n - k + 1)) if k else 0.0
        high = float(beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
        return low, high

    def text(self, digits: int = 3) -> str:
        """Value and interval, or a dash."""
        if not self.trials:
            return "–"
        low, high = self.interval
        return f"{self.value:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"

    def as_json(self) -> dict[str, float]:
        """All numbers of it."""
        low, high = self.interval
        return {
            "count": self.count,
            "trials": self.trials,
            "rate": round(self.value, 6),
            "low": round(low, 6),
            "high": round(high, 6),
        }


@dataclass(slots=True)
class Tally:
    """All trials of one attacker in one table."""

    codes: dict[str, str] = field(default_factory=dict)
    """Letters of the outcomes by reference."""
    deciders: dict[str, Counter[str]] = field(default_factory=dict)
    distances: list[float | None] = field(default_factory=list)
    scores: dict[str, list[float | None]] = field(default_factory=dict)
    magnitudes: list[Measured] = field(default_factory=list)
    """What each job told the ledger (V8)."""

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in the trials of one cell."""
        for name, codes in row["outcomes"].items():
            self.codes[name] = self.codes.get(name, "") + codes
        for name, by in row["deciders"].items():
            self.deciders.setdefault(name, Counter()).update(by)
        self.distances += row["distance"]
        for name, values in row.get("scores", {}).items():
            self.scores.setdefault(name, []).extend(values)
        self.magnitudes += [Measured(*known) for known in row.get("magnitudes", []) if known is not None]

    def flags(self, providers: int = 400, jobs: int = 60) -> list[int | None]:
        """Jobs until V8 flags each of so many providers, whose jobs are drawn from these trials."""
        stream = np.random.default_rng(1)
        out = []
        for _provider in range(providers if self.magnitudes else 0):
            drawn = stream.integers(0, len(self.magnitudes), jobs).tolist()
            out.append(first_flag(self.magnitudes[place] for place in drawn))
        return out

    def rate(self, reference: str, letters: str, *, wrong_only: bool = False) -> Rate:
        """How often the verdict was one of these letters; `wrong_only` leaves out right distributions."""
        codes = self.codes.get(reference, "")
        if wrong_only:
            pairs = zip(codes, self.distances, strict=True)
            codes = "".join(code for code, d in pairs if d is None or d >= RIGHT)
        return Rate(sum(code in letters for code in codes), len(codes))

    def between(self, reference: str, low: float, high: float) -> str:
        """Letters of the outcomes whose ideal distance is known and in [low, high)."""
        pairs = zip(self.codes.get(reference, ""), self.distances, strict=True)
        return "".join(code for code, d in pairs if d is not None and low <= d < high)

    def rejected(self, reference: str, *, wrong_only: bool = False) -> Rate:
        """Rejections, fraud included."""
        return self.rate(reference, "RF", wrong_only=wrong_only)

    def accepted(self, reference: str, *, wrong_only: bool = False) -> Rate:
        """Acceptances, weak ones included."""
        return self.rate(reference, "AW", wrong_only=wrong_only)

    def weak(self, reference: str) -> Rate:
        """Acceptances that say themselves that they are weakly verified."""
        return self.rate(reference, "W")

    @property
    def known_distances(self) -> list[float]:
        """Ideal distances, where they were measured."""
        return [d for d in self.distances if d is not None]


def tally(
    lines: Iterable[Mapping[str, Any]], chosen: Callable[[Mapping[str, Any]], bool]
) -> dict[str, Tally]:
    """Tallies by attacker over the cells that are chosen."""
    out: dict[str, Tally] = {}
    for line in lines:
        if chosen(line["cell"]):
            for row in line["rows"]:
                out.setdefault(row["attack"], Tally()).add(row)
    return out


def operating_curve(honest: Floats, cheats: Floats) -> tuple[Floats, Floats]:
    """False-reject and detection rates as the threshold moves; scores are the worse the lower.

    Shapes (k,): both rise from 0 to 1.
    """
    limits = np.unique(np.concatenate([honest, cheats, [np.inf]]))
    false = np.searchsorted(np.sort(honest), limits, side="left") / max(1, len(honest))
    found = np.searchsorted(np.sort(cheats), limits, side="left") / max(1, len(cheats))
    return false, found
