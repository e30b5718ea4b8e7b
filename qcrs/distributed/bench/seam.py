"""A campaign over patches with a seam: suppression far below threshold, crossings at it, speed.

sinter samples and decodes on all cores, keeps what it has in a CSV file, and goes on from it. Rates are per d
rounds (`Estimate.per_round` saturates above threshold, and curves of several distances then cross too late).
The crossing of two distances is where log-linear interpolations of their rates meet; its spread is that of
the crossings under binomial resampling.
(Method: Ramette, Sinclair, Breuckmann and Vuletić, npj Quantum Information 10, 58, 2024.)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from qcrs.distributed.bench.goal import Goal
from qcrs.distributed.seam import Estimate, Seam, estimate, memory_circuit
from qcrs.types import Json

__all__ = [
    "KINDS",
    "LINK",
    "LOW",
    "Campaign",
    "Crossing",
    "Kind",
    "campaign",
    "crossing_of",
    "per_distance",
    "speeds",
    "sweep",
]

LINK = 10.0
"""How much worse a CX across the link is."""
LOW = 0.002
ROUNDS = 3
"""Rounds of a memory, in distances."""
GRID = (0.0045, 0.005, 0.0055, 0.006, 0.0065, 0.007, 0.0075, 0.008)
DISTANCES = (3, 5, 7, 9)
RESAMPLED = 400
Kind = Literal["seam", "whole"]
KINDS: tuple[Kind, ...] = ("whole", "seam")


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where two neighbouring distances have one logical error rate."""

    kind: Kind
    distances: tuple[int, int]
    p: float
    low: float
    high: float
    """95 % of resampled crossings."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """Everything that a sweep found; `speed` is shots per second of processor time by distance."""

    estimates: tuple[Estimate, ...]
    speed: dict[int, float]

    def at(self, kind: Kind, distance: int, p: float, basis: str = "z") -> Estimate:
        """One estimate."""
        link = LINK * p if kind == "seam" else p
        return next(
            e
            for e in self.estimates
            if (e.seam.distance, e.seam.basis) == (distance, basis)
            and math.isclose(e.seam.p, p)
            and math.isclose(e.seam.p_link, link)
        )

    def curve(self, kind: Kind, distance: int) -> list[Estimate]:
        """Estimates of one distance by p, in the basis that suffers most from a vertical seam."""
        grid = sorted({e.seam.p for e in self.estimates})
        found = []
        for p in grid:
            try:
                found.append(self.at(kind, distance, p))
            except StopIteration:
                continue
        return found

    @property
    def distances(self) -> list[int]:
        """Distances that were run."""
        return sorted({e.seam.distance for e in self.estimates})

    def suppression(self, kind: Kind, basis: str = "z") -> list[tuple[int, float]]:
        """Λ of each step of distance at p = 0.2 %: error per round at d over that at d + 2."""
        rates = [(d, self.at(kind, d, LOW, basis).per_round()) for d in self.distances]
        return [(d, a / b) for (d, a), (_, b) in pairwise(rates) if b > 0]

    def crossings(self, kind: Kind) -> list[Crossing]:
        """Of neighbouring distances, from 5 on: with d = 3 a seam is half of the patch."""
        steps = [d for d in self.distances if d >= 5]
        found = []
        for near, far in pairwise(steps):
            one = crossing_of(self.curve(kind, near), self.curve(kind, far))
            if one is not None:
                found.append(Crossing(kind, (near, far), *one))
        return found

    def goals(self) -> list[Goal]:
        """What *error correction across the link* has to show."""
        worst = min((value for _, value in self.suppression("seam")), default=0.0)
        found = [Goal("least Λ with links ten times worse at p = 0.2 %", worst, 3.0, None)]
        for one in self.crossings("seam"):
            name = f"crossing of d = {one.distances[0]} and {one.distances[1]}, links ten times worse (%)"
            found.append(Goal(name, 100 * one.p, 0.55, 0.75))
        if 5 in self.speed:
            found.append(Goal("shots per second at d = 5, sampled and decoded", self.speed[5], 500_000, None))
        return found

    def as_json(self) -> dict[str, Json]:
        """For scripts."""
        rows: list[Json] = [
            {
                "distance": e.seam.distance,
                "rounds": e.seam.rounds,
                "basis": e.seam.basis,
                "p": e.seam.p,
                "p_link": e.seam.p_link,
                "shots": e.shots,
                "failures": e.failures,
                "per_round": e.per_round(),
                "share_interval": list(e.interval()),
                "detector_fraction": e.fraction,
            }
            for e in self.estimates
        ]
        crossings: list[Json] = [
            {"kind": c.kind, "distances": list(c.distances), "p": c.p, "low": c.low, "high": c.high}
            for kind in KINDS
            for c in self.crossings(kind)
        ]
        return {
            "estimates": rows,
            "crossings": crossings,
            "shots_per_cpu_second": {str(d): s for d, s in self.speed.items()},
            "goals": [goal.as_json() for goal in self.goals()],
        }


def sweep(*, quick: bool) -> list[Seam]:
    """Memories of a campaign: the low rate in both bases, the crossing region in the worse one."""
    distances = DISTANCES[:3] if quick else DISTANCES
    found = [
        Seam(d, ROUNDS * d, LOW, LOW * ratio, basis)
        for ratio in (1.0, LINK)
        for basis in ("z", "x")
        for d in distances
    ]
    grid = GRID[1::2] if quick else GRID
    return found + [
        Seam(d, ROUNDS * d, p, p * ratio) for ratio in (1.0, LINK) for p in grid for d in distances if d >= 5
    ]


def campaign(
    seams: Sequence[Seam],
    *,
    failures: int,
    shots: int,
    resume: Path | None = None,
    workers: int = 1,
    progress: Callable[[str], None] | None = None,
) -> Campaign:
    """Runs memories until each has so many failures or shots; `resume` is the CSV file to go on from."""
    import sinter

    seam_of = {_key(seam): seam for seam in seams}
    tasks = [
        sinter.Task(circuit=memory_circuit(seam), decoder="pymatching", json_metadata=_metadata(seam))
        for seam in seams
    ]

    said = ""

    def told(news: Any) -> None:
        """sinter tells its state many times a minute; what is new of it is how many memories are left."""
        nonlocal said
        line = (news.status_message or "").partition("\n")[0].rstrip(":.")
        if progress is not None and line and line != said:
            progress(line)
            said = line

    stats = sinter.collect(
        num_workers=workers,
        tasks=tasks,
        save_resume_filepath=resume,
        progress_callback=told,
        max_shots=shots,
        max_errors=failures,
        count_detection_events=True,
        max_batch_seconds=10,
    )
    found = []
    for one in stats:
        seam = seam_of.get(_key_of(one.json_metadata))
        if seam is not None and one.shots:
            events = one.custom_counts
            detectors = memory_circuit(seam).num_detectors
            found.append(Estimate(seam, one.shots, one.errors, detectors, int(events["detection_events"])))
    return Campaign(tuple(found), {})


def speeds(distances: Iterable[int], seconds: float = 1.0) -> dict[int, float]:
    """Shots per second of processor time on one core, sampled and decoded: d rounds, 0.2 % and 2 %."""
    found = {}
    for distance in distances:
        seam, shots = Seam(distance, distance, LOW, LINK * LOW), 250_000
        estimate(seam, 1000, 0)
        done, spent = 0, 0.0
        while spent < seconds:
            begun = time.process_time()
            estimate(seam, shots, done)
            spent += time.process_time() - begun
            done += shots
        found[distance] = done / spent
    return found


def _metadata(seam: Seam) -> dict[str, Any]:
    return {"d": seam.distance, "r": seam.rounds, "p": seam.p, "link": seam.p_link, "basis": seam.basis}


def _key(seam: Seam) -> tuple[Any, ...]:
    return _key_of(_metadata(seam))


def _key_of(metadata: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(round(v, 9) if isinstance(v, float) else v for _, v in sorted(metadata.items()))


def per_distance(one: Estimate, failures: float | None = None) -> float:
    """Logical error of d rounds."""
    rate = min(one.per_round(failures), 0.4999)
    return (1 - (1 - 2 * rate) ** one.seam.distance) / 2


def crossing_of(near: Sequence[Estimate], far: Sequence[Estimate]) -> tuple[float, float, float] | None:
    """Crossing of two curves over the same p, with its 95 % interval; None if they do not cross."""
    pairs = [(a, b) for a in near for b in far if a.seam.p == b.seam.p]
    dice = np.random.default_rng(1)
    first = _meet([(a.seam.p, per_distance(a, a.failures), per_distance(b, b.failures)) for a, b in pairs])
    if first is None:
        return None
    found = []
    for _ in range(RESAMPLED):
        points = []
        for a, b in pairs:
            drawn = [float(dice.binomial(e.shots, e.failures / e.shots)) for e in (a, b)]
            points.append((a.seam.p, per_distance(a, drawn[0]), per_distance(b, drawn[1])))
        one = _meet(points)
        if one is not None:
            found.append(one)
    low, high = np.quantile(found or [first], (0.025, 0.975))
    return first, float(low), float(high)


def _meet(points: Sequence[tuple[float, float, float]]) -> float | None:
    """p at which the second rate overtakes the first: the zero of a line through the sign change."""
    logs = [(math.log(p), math.log(b / a)) for p, a, b in sorted(points) if a > 0 and b > 0]
    for (x0, y0), (x1, y1) in pairwise(logs):
        if y0 < 0 <= y1:
            return math.exp(x0 - y0 * (x1 - x0) / (y1 - y0))
    return None
