"""`qcrs bench schedule`: the rules side by side, with the goals that the exchange's own has to meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qcrs.scheduling.policies import FairShare, Fifo, HalfLife, Policy, UsageRank
from qcrs.scheduling.simulate import PROCESSORS, WEIGHT, Load, Measures, flooded, saturated, simulate
from qcrs.scheduling.words import Parameters
from qcrs.types import Json

__all__ = ["FLOWS", "OURS", "Goal", "Row", "Table", "policies", "run"]

FLOWS = 8
OURS = "start-time fair queue with drain (this exchange)"
_FIFO = "first come, first served"
_NO_DRAIN = 1 << 36


def policies(drain: int | None = None) -> Mapping[str, Callable[[], Policy]]:
    """Every rule by name; the drain threshold defaults to the contract's."""
    weights = [WEIGHT] * FLOWS
    threshold = Parameters().drain if drain is None else drain
    return {
        OURS: lambda: FairShare(weights, PROCESSORS, threshold),
        "the same without drain": lambda: FairShare(weights, PROCESSORS, _NO_DRAIN),
        _FIFO: Fifo,
        "usage-ranked fair share (IBM's rule)": lambda: UsageRank(weights),
        "half-life priority (Slurm's rule)": lambda: HalfLife(weights),
    }


@dataclass(frozen=True, slots=True)
class Row:
    """One rule: means over the seeds; the pause is the worst seed's. Waits and pauses are seconds."""

    policy: str
    jain_saturated: float
    jain_flooded: float
    utilisation_saturated: float
    utilisation_flooded: float
    wide_wait_saturated: float
    wide_wait_flooded: float
    longest_pause: float
    """Longest time that a flow with tasks waiting saw none of them start, under either load."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that the exchange's rule must keep."""

    name: str
    value: float
    bound: float
    at_least: bool

    @property
    def met(self) -> bool:
        """Whether the bound is kept."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound


@dataclass(frozen=True, slots=True)
class Table:
    """All rules under the same loads."""

    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    jobs: int
    horizon: int
    """Length of the shorter load in seconds, the least over the seeds."""

    def row(self, policy: str) -> Row:
        """The row of a rule."""
        return next(row for row in self.rows if row.policy == policy)

    @property
    def goals(self) -> tuple[Goal, ...]:
        """What the exchange's own rule has to show against the others."""
        ours, fifo = self.row(OURS), self.row(_FIFO)
        return (
            Goal("Jain index, all flows saturated", ours.jain_saturated, 0.97, at_least=True),
            Goal("Jain index, one flow floods six shares", ours.jain_flooded, 0.93, at_least=True),
            Goal(
                "mean wait of the widest jobs / first come first served, flooded",
                ours.wide_wait_flooded / fifo.wide_wait_flooded,
                0.40,
                at_least=False,
            ),
            Goal(
                "longest pause of a waiting flow / run",
                ours.longest_pause / self.horizon,
                0.25,
                at_least=False,
            ),
        )

    def as_json(self) -> Json:
        """Integers only: indices and shares in 1e-6, times in ms."""
        return {
            "seeds": list(self.seeds),
            "jobs": self.jobs,
            "rows": [
                {
                    "policy": row.policy,
                    "jain_saturated_ppm": round(row.jain_saturated * 1e6),
                    "jain_flooded_ppm": round(row.jain_flooded * 1e6),
                    "utilisation_saturated_ppm": round(row.utilisation_saturated * 1e6),
                    "utilisation_flooded_ppm": round(row.utilisation_flooded * 1e6),
                    "wide_wait_saturated_ms": round(row.wide_wait_saturated * 1e3),
                    "wide_wait_flooded_ms": round(row.wide_wait_flooded * 1e3),
                    "longest_pause_ms": round(row.longest_pause * 1e3),
                }
                for row in self.rows
            ],
            "goals": [
                {
                    "name": goal.name,
                    "value_ppm": round(goal.value * 1e6),
                    "bound_ppm": round(goal.bound * 1e6),
                    "at_least": goal.at_least,
                    "met": goal.met,
                }
                for goal in self.goals
            ],
        }


def _row(name: str, under: Sequence[tuple[Measures, Measures]]) -> Row:
    full, flood = [pair[0] for pair in under], [pair[1] for pair in under]
    return Row(
        policy=name,
        jain_saturated=float(np.mean([m.jain for m in full])),
        jain_flooded=float(np.nanmean([m.jain for m in flood])),
        utilisation_saturated=float(np.mean([m.utilisation for m in full])),
        utilisation_flooded=float(np.mean([m.utilisation for m in flood])),
        wide_wait_saturated=float(np.mean([m.wide_wait for m in full])),
        wide_wait_flooded=float(np.mean([m.wide_wait for m in flood])),
        longest_pause=max(m.longest_pause for pair in under for m in pair),
    )


def run(
    seeds: Sequence[int] = (1, 2, 3, 4),
    jobs: int = 3000,
    progress: Callable[[str], None] | None = None,
    drain: int | None = None,
) -> Table:
    """Every rule under both loads, for every seed; about `jobs` jobs in each run."""
    rows = []
    horizon = min(load.horizon for seed in seeds for load in (saturated(seed, jobs), flooded(seed, jobs)))
    for name, make in policies(drain).items():
        if progress is not None:
            progress(name)
        loads: list[tuple[Load, Load]] = [(saturated(seed, jobs), flooded(seed, jobs)) for seed in seeds]
        rows.append(_row(name, [(simulate(make(), full), simulate(make(), flood)) for full, flood in loads]))
    return Table(tuple(rows), tuple(seeds), jobs, horizon)
