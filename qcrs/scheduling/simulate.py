"""Discrete-event simulation of shared processors: how fair, how full, how patient is a rule?

Eight flows of equal weight and different habits (from two qubits for seconds to whole processors) share
processors of 27, 27, 127 and 133 qubits; jobs run side by side while their qubits fit. Two loads:

- *saturated*: every flow always has jobs waiting;
- *flooded*: flows ask for a good part of their fair share, and one for six times its own.

Fairness is Jain's index (Σx)² / (n Σx²) of the service (qubit-seconds per weight) that the flows which
waited throughout a window got in it, averaged over windows.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qcrs.scheduling.policies import Policy, Task

__all__ = ["PROCESSORS", "WIDE", "Load", "Measures", "flooded", "jain", "saturated", "simulate"]

PROCESSORS = [27, 27, 127, 133]
"""Qubits of each processor."""
WIDE = 120
"""A job of at least so many qubits counts among the widest."""
WINDOW_S = 1800
"""Length of a fairness window in seconds."""
WEIGHT = 100
"""Weight of every flow."""

_HABITS: list[tuple[int, int, float]] = [
    (2, 20, 40.0),
    (2, 27, 60.0),
    (5, 40, 60.0),
    (10, 60, 60.0),
    (20, 100, 60.0),
    (40, 127, 60.0),
    (100, 127, 60.0),
    (120, 133, 60.0),
]
"""Of each flow: least and most qubits (log-uniform between), mean seconds (exponential, 5 to 300)."""


@dataclass(frozen=True, slots=True)
class Load:
    """Arrivals in order of time; a flow gets its next task whenever fewer than `keep` wait."""

    horizon: int
    """When the run ends, in seconds; the same for every rule."""
    arrivals: list[Task]
    keep: int
    make: Callable[[int, int, int], Task]
    """Task of a flow: number, flow, arrival."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What one run showed. Waits are seconds; tasks that never started count until the end."""

    jain: float
    utilisation: float
    wide_wait: float
    longest_pause: float
    """Longest time that a flow with tasks waiting saw none of them start."""
    mean_wait: float
    started: int
    windows: int


def jain(service: npt.NDArray[np.float64]) -> float:
    """Jain's index: 1 if all are equal, 1/n if one has everything."""
    total = float((service**2).sum())
    return float(service.sum()) ** 2 / (len(service) * total) if total else 1.0


def _maker(rng: np.random.Generator) -> Callable[[int, int, int], Task]:
    def make(number: int, flow: int, arrival: int) -> Task:
        low, high, mean = _HABITS[flow]
        qubits = round(float(np.exp(rng.uniform(np.log(low), np.log(high)))))
        used = int(np.clip(rng.exponential(mean), 5, 300))
        declared = int(np.ceil(used * rng.uniform(1.0, 1.5)))
        return Task(number, flow, qubits, declared, used, arrival)

    return make


def _costs() -> npt.NDArray[np.float64]:
    """Mean qubit-seconds of a task of each flow, from a fixed sample."""
    pilot = _maker(np.random.default_rng(0))
    sample = [[pilot(0, flow, 0) for _ in range(400)] for flow in range(len(_HABITS))]
    return np.array([np.mean([task.qubits * task.used for task in tasks]) for tasks in sample])


def saturated(seed: int, jobs: int) -> Load:
    """Every flow keeps eight tasks waiting; long enough for about `jobs` tasks in equal shares."""
    fair = sum(PROCESSORS) / len(_HABITS)
    horizon = round(jobs / float((0.8 * fair / _costs()).sum()))
    return Load(horizon, [], 8, _maker(np.random.default_rng(seed)))


def flooded(seed: int, jobs: int, flooder: int = 4, share: float = 0.9, flood: float = 6.0) -> Load:
    """Poisson arrivals: each flow offers `share` of its fair share of all qubits, one `flood` times it."""
    rng = np.random.default_rng(seed)
    make = _maker(rng)
    fair = sum(PROCESSORS) / len(_HABITS)
    offered = np.array([flood if f == flooder else share for f in range(len(_HABITS))])
    rates = fair * offered / _costs()
    total = float(rates.sum())
    now, arrivals = 0.0, []
    for number in range(jobs):
        now += float(rng.exponential(1 / total))
        arrivals.append(make(number, int(rng.choice(len(rates), p=rates / total)), int(now)))
    return Load(int(now), arrivals, 0, make)


class _Windows:
    """Service of each flow in each window, and whether it had somebody waiting all the time."""

    def __init__(self, flows: int) -> None:
        self.flows = flows
        self.service: dict[int, npt.NDArray[np.float64]] = {}
        self.least: dict[int, list[int]] = {}
        self._window = 0
        self._waiting = [0] * flows
        self._unserved_since = [0] * flows
        self.longest_pause = 0

    def at(self, now: int) -> None:
        """Time has come to `now` with nobody coming or going since the last call."""
        while self._window < now // WINDOW_S:
            self._window += 1
            self.least[self._window] = list(self._waiting)

    def change(self, flow: int, by: int, now: int) -> None:
        if self._waiting[flow] == 0:
            self._unserved_since[flow] = now
        if by < 0:
            self.longest_pause = max(self.longest_pause, self.pause(flow, now))
            self._unserved_since[flow] = now
        self._waiting[flow] += by
        least = self.least.setdefault(self._window, [0] * self.flows)
        least[flow] = min(least[flow], self._waiting[flow])

    def pause(self, flow: int, now: int) -> int:
        """Seconds since a task of the flow started or its line began."""
        return now - self._unserved_since[flow] if self._waiting[flow] else 0

    def waiting(self, flow: int) -> int:
        return self._waiting[flow]

    def run(self, task: Task, start: int) -> None:
        end = start + task.used
        for window in range(start // WINDOW_S, (end - 1) // WINDOW_S + 1):
            overlap = min(end, (window + 1) * WINDOW_S) - max(start, window * WINDOW_S)
            row = self.service.setdefault(window, np.zeros(self.flows))
            row[task.flow] += overlap * task.qubits / WEIGHT

    def fairness(self, end: int) -> tuple[float, int]:
        """Mean index over whole windows after the first in which two flows or more waited throughout."""
        found = []
        for window in range(1, end // WINDOW_S):
            chosen = [f for f in range(self.flows) if self.least.get(window, [0] * self.flows)[f] > 0]
            if len(chosen) > 1:
                found.append(jain(self.service.get(window, np.zeros(self.flows))[chosen]))
        return (float(np.mean(found)) if found else math.nan), len(found)


class _Run:
    """One policy under one load."""

    def __init__(self, policy: Policy, load: Load) -> None:
        self.policy, self.load = policy, load
        self.windows = _Windows(len(_HABITS))
        self.free = list(PROCESSORS)
        self.home: dict[int, int] = {}
        self.waiting: dict[int, Task] = {}
        self.waits: list[tuple[Task, int]] = []
        self.events = [(task.arrival, 0, task.number, task) for task in load.arrivals]
        heapq.heapify(self.events)
        self.made = len(load.arrivals)
        self.now = 0

    def refill(self, flow: int) -> None:
        """Keep as many tasks of the flow waiting as the load asks for."""
        while self.windows.waiting(flow) < self.load.keep:
            self.arrive(self.load.make(self.made, flow, self.now))
            self.made += 1

    def arrive(self, task: Task) -> None:
        self.policy.enqueue(task)
        self.waiting[task.number] = task
        self.windows.change(task.flow, 1, self.now)

    def start(self, task: Task, processor: int) -> None:
        del self.waiting[task.number]
        self.windows.change(task.flow, -1, self.now)
        self.windows.run(task, self.now)
        self.free[processor] -= task.qubits
        self.home[task.number] = processor
        self.waits.append((task, self.now - task.arrival))
        heapq.heappush(self.events, (self.now + task.used, 1, task.number, task))
        self.refill(task.flow)

    def dispatch(self) -> None:
        """Let the processors ask in turn until none gets anything."""
        idle = 0
        while idle < len(self.free):
            for processor in range(len(self.free)):
                task = self.policy.pick(processor, self.free[processor], self.now)
                if task is None:
                    idle += 1
                else:
                    idle = 0
                    self.start(task, processor)

    def step(self) -> bool:
        """Go to the next moment at which something happens; false at the horizon."""
        self.now = min(self.load.horizon, self.events[0][0] if self.events else self.load.horizon)
        self.windows.at(self.now)
        if self.now == self.load.horizon:
            return False
        while self.events and self.events[0][0] == self.now:
            _, finished, _, task = heapq.heappop(self.events)
            if finished:
                self.free[self.home.pop(task.number)] += task.qubits
                self.policy.finish(task, self.now)
            else:
                self.arrive(task)
        return True

    def measures(self) -> Measures:
        fairness, counted = self.windows.fairness(self.now)
        everyone = self.waits + [(task, self.now - task.arrival) for task in self.waiting.values()]
        wide = [wait for task, wait in everyone if task.qubits >= WIDE]
        served = sum(
            min(task.used, self.now - task.arrival - wait) * task.qubits for task, wait in self.waits
        )
        pauses = [self.windows.pause(flow, self.now) for flow in range(len(_HABITS))]
        return Measures(
            jain=fairness,
            utilisation=served / (sum(PROCESSORS) * max(self.now, 1)),
            wide_wait=float(np.mean(wide)) if wide else math.nan,
            longest_pause=float(max(self.windows.longest_pause, *pauses)),
            mean_wait=float(np.mean([wait for _, wait in everyone])),
            started=len(self.waits),
            windows=counted,
        )


def simulate(policy: Policy, load: Load) -> Measures:
    """Run a load to its horizon."""
    run = _Run(policy, load)
    for flow in range(len(_HABITS)):
        run.refill(flow)
    run.dispatch()
    while run.step():
        run.dispatch()
    return run.measures()
