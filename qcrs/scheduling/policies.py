"""Scheduling rules to compare: the exchange's own, and three that users of shared machines know.

Each rule keeps its own queue. `pick` names the job that a processor with some free qubits takes now, or none.
The rivals are our reading of public descriptions, with processors shared by qubits as everywhere here:
first come first served with the first that fits; IBM's fair share (per processor, the group with the least
used of its share, then arrival); Slurm's classic fair share (2^(-usage/share), usage with a half-life,
plus age).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from qcrs.scheduling.model import FairQueue
from qcrs.scheduling.words import Outcome, Parameters, QueueRefusal, Request

__all__ = ["FairShare", "Fifo", "HalfLife", "Policy", "Task", "UsageRank"]

DAY_S = 86_400
_FOREVER = 365 * DAY_S - 1


@dataclass(frozen=True, slots=True)
class Task:
    """A job of the simulation. Times are whole seconds; `used` is what it really takes."""

    number: int
    flow: int
    qubits: int
    declared: int
    used: int
    arrival: int


class Policy(Protocol):
    """A queue with a rule."""

    def enqueue(self, task: Task) -> None:
        """A task arrives."""

    def pick(self, processor: int, free: int, now: int) -> Task | None:
        """Take a task out for a processor, if the rule names one."""

    def finish(self, task: Task, now: int) -> None:
        """A task that was picked is done."""


class Fifo:
    """In order of arrival, the first that fits the free qubits."""

    def __init__(self) -> None:
        self._line: list[Task] = []

    def enqueue(self, task: Task) -> None:
        """A task arrives."""
        self._line.append(task)

    def pick(self, processor: int, free: int, now: int) -> Task | None:  # noqa: ARG002 - the rule's signature
        """The oldest that fits."""
        for index, task in enumerate(self._line):
            if task.qubits <= free:
                return self._line.pop(index)
        return None

    def finish(self, task: Task, now: int) -> None:
        """Nothing to account for."""


class _Ranked:
    """Flows in FIFO order inside, ranked against each other by `rank`; the best front that fits wins."""

    def __init__(self, weights: list[int]) -> None:
        self._weights = weights
        self._lines: list[deque[Task]] = [deque() for _ in weights]

    def rank(self, flow: int, processor: int, now: int) -> float:
        """Lower goes first."""
        raise NotImplementedError

    def charge(self, task: Task, processor: int, now: int) -> None:
        """Account for a task that starts."""
        raise NotImplementedError

    def enqueue(self, task: Task) -> None:
        """A task arrives."""
        self._lines[task.flow].append(task)

    def pick(self, processor: int, free: int, now: int) -> Task | None:
        """The front of the best-ranked flow whose front fits."""
        fitting = [f for f, line in enumerate(self._lines) if line and line[0].qubits <= free]
        if not fitting:
            return None
        best = min(fitting, key=lambda f: (self.rank(f, processor, now), self._lines[f][0].arrival, f))
        task = self._lines[best].popleft()
        self.charge(task, processor, now)
        return task

    def finish(self, task: Task, now: int) -> None:
        """Usage is charged at the start."""


class UsageRank(_Ranked):
    """IBM's rule: on each processor, the group that used least of its share in the last 28 days."""

    _MEMORY_S = 28 * DAY_S

    def __init__(self, weights: list[int]) -> None:
        super().__init__(weights)
        self._used: dict[tuple[int, int], deque[tuple[int, int]]] = {}
        self._sum: dict[tuple[int, int], int] = {}

    def rank(self, flow: int, processor: int, now: int) -> float:
        """Share used on this processor."""
        key = (processor, flow)
        history = self._used.get(key)
        while history and history[0][0] < now - self._MEMORY_S:
            self._sum[key] -= history.popleft()[1]
        return self._sum.get(key, 0) / self._weights[flow]

    def charge(self, task: Task, processor: int, now: int) -> None:
        """Remember the cost with its time."""
        key = (processor, task.flow)
        cost = task.qubits * task.used
        self._used.setdefault(key, deque()).append((now, cost))
        self._sum[key] = self._sum.get(key, 0) + cost


class HalfLife(_Ranked):
    """Slurm's classic rule: fair-share factor 2^(-usage/share) with decaying usage, plus an age factor."""

    def __init__(self, weights: list[int], half_life_s: float = 7 * DAY_S, age_weight: float = 0.1) -> None:
        super().__init__(weights)
        self._half_life_s = half_life_s
        self._age_weight = age_weight
        self._usage = [0.0] * len(weights)
        self._since = 0

    def _decay(self, now: int) -> None:
        factor = 2.0 ** (-(now - self._since) / self._half_life_s)
        self._usage = [u * factor for u in self._usage]
        self._since = now

    def rank(self, flow: int, processor: int, now: int) -> float:  # noqa: ARG002 - one usage for all processors
        """Negative priority of the flow's front."""
        self._decay(now)
        total = sum(self._usage)
        share = self._weights[flow] / sum(self._weights)
        normal = self._usage[flow] / total if total else 0.0
        age = min(1.0, (now - self._lines[flow][0].arrival) / (7 * DAY_S))
        return -(math.pow(2.0, -normal / share) + self._age_weight * age)

    def charge(self, task: Task, processor: int, now: int) -> None:  # noqa: ARG002 - as above
        """Add the cost to the flow's usage."""
        self._decay(now)
        self._usage[task.flow] += task.qubits * task.used


class FairShare:
    """The exchange's rule: the reference model of its contract, fed with the simulation's tasks."""

    _QUALITY = 4095

    def __init__(self, weights: list[int], processors: list[int], drain: int) -> None:
        self.queue = FairQueue(Parameters(drain=drain, most_seconds=DAY_S))
        for weight in weights:
            self.queue.open_flow(weight)
        for number, qubits in enumerate(processors, start=1):
            self.queue.enroll(number, number, qubits)
            self.queue.certify(number, self._QUALITY, 1 << 39)
        self._tasks: dict[int, Task] = {}
        self._running: dict[int, tuple[int, int]] = {}

    def enqueue(self, task: Task) -> None:
        """Submit it."""
        request = Request(task.flow, task.qubits, task.declared, task.arrival + _FOREVER)
        self._tasks[self.queue.submit(request, 0, task.arrival)] = task

    def pick(self, processor: int, free: int, now: int) -> Task | None:
        """Allocate, unless the queue refuses."""
        if self.queue.processors[processor + 1].free != free:
            raise QueueRefusal("free qubits differ")
        try:
            job, execution = self.queue.allocate(processor + 1, now)
        except QueueRefusal:
            return None
        task = self._tasks.pop(job)
        self._running[task.number] = (job, execution)
        return task

    def finish(self, task: Task, now: int) -> None:
        """Commit, and have it accepted."""
        job, execution = self._running.pop(task.number)
        self.queue.commit(job, execution, now)
        self.queue.judge(job, execution, Outcome.ACCEPT, now, lambda _: 256)
        del self.queue.jobs[job]
