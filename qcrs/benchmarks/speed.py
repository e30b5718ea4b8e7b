"""C7: layers per second, from dispatch to commitment.

Every circuit of the suite counts its two-qubit layers times its shots; the time is what the client of a
job would wait, from the job's allocation to the commitment on chain, compiling and transfer included.
Akin to CLOPS_h, with real circuits in place of a fixed template.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qcrs.benchmarks.units import BenchmarkUnit
from qcrs.errors import VerificationError

__all__ = ["SpeedResult", "Timing", "score"]


@dataclass(frozen=True, slots=True)
class Timing:
    """One job of the suite: the units it held and the milliseconds from allocation to commitment."""

    units: tuple[int, ...]
    milliseconds: int


@dataclass(frozen=True, slots=True)
class SpeedResult:
    """Layers times shots, and the time they took."""

    layer_shots: int
    milliseconds: int

    @property
    def layers_per_second(self) -> int:
        """Rounded down; at most what 32 bits hold."""
        return min(2**32 - 1, 1000 * self.layer_shots // max(1, self.milliseconds))


def score(units: Sequence[BenchmarkUnit], timings: Sequence[Timing]) -> SpeedResult:
    """All units must be timed exactly once; `VerificationError` otherwise."""
    timed = sorted(index for timing in timings for index in timing.units)
    if timed != list(range(len(units))):
        raise VerificationError("every unit is timed once", field="timings", value=timed)
    return SpeedResult(sum(u.layers * u.shots for u in units), sum(max(1, t.milliseconds) for t in timings))
