"""Random operations on the fair queue, done twice: on the reference model and on the real contract.

`replay` draws operations that mostly make sense (and some that must be refused), gives each to a `Ledger`
with the time at which it has to happen, repeats it on the model and compares: the same jobs handed out, the
same refusals, the same virtual time, finish tags and lanes. The first difference raises `VerificationError`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from qcrs.errors import VerificationError
from qcrs.scheduling.model import FairQueue
from qcrs.scheduling.words import DIRECT, ExecutionState, JobState, Outcome, QueueRefusal, Reason, Request

__all__ = ["Ledger", "ReplayReport", "Snapshot", "replay"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What both sides must agree on after an operation."""

    time: int
    finish: tuple[int, ...]
    lanes: tuple[int, ...]
    free: tuple[int, ...]


class Ledger(Protocol):
    """The real queue. Each operation happens at the given time and raises `QueueRefusal` if it reverts."""

    def submit(self, request: Request, client: int, now: int) -> int:
        """The job's id."""

    def cancel(self, job: int, client: int, now: int) -> None:
        """By its client."""

    def allocate(self, processor: int, now: int) -> tuple[int, int]:
        """Job and number of the execution."""

    def commit(self, job: int, execution: int, now: int) -> None:
        """By the processor that runs it."""

    def judge(self, job: int, execution: int, outcome: Outcome, now: int) -> None:
        """A report of the quorum."""

    def expire_execution(self, job: int, execution: int, now: int) -> None:
        """By anyone."""

    def expire(self, job: int, now: int) -> None:
        """By anyone."""

    def skim(self, queue: int, most: int, now: int) -> None:
        """By anyone."""

    def next_for(self, processor: int) -> tuple[int, Reason]:
        """The view, at the time of the last operation."""

    def odds(self, processor: int) -> int:
        """Log2-odds at the time of the last operation."""

    def snapshot(self) -> Snapshot:
        """The state to compare."""


@dataclass(slots=True)
class ReplayReport:
    """How often each operation was done and refused, alike on both sides."""

    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def operations(self) -> int:
        """All of them."""
        return self.done.total() + self.refused.total()


def model_snapshot(model: FairQueue) -> Snapshot:
    """The model's side of the comparison; lanes packed as on chain."""
    return Snapshot(
        model.time,
        tuple(flow.finish for flow in model.flows),
        tuple(0 if f.lane is None else f.lane[0] << 24 | f.lane[1] << 12 | f.lane[2] for f in model.flows),
        tuple(model.processors[number].free for number in sorted(model.processors)),
    )


@dataclass(slots=True)
class _Driver:
    model: FairQueue
    ledger: Ledger
    rng: np.random.Generator
    clients: int
    now: int
    report: ReplayReport = field(default_factory=ReplayReport)

    def both(self, name: str, on_ledger: Callable[[], object], on_model: Callable[[], object]) -> None:
        """Do one operation on both sides; the contract first, since the model asks it for odds."""
        answers = []
        for act in (on_ledger, on_model):
            try:
                answers.append(("done", act()))
            except QueueRefusal as refusal:
                answers.append(("refused", refusal.name))
        (kind, found), (model_kind, expected) = answers
        if kind != model_kind or (kind == "done" and found != expected):
            raise VerificationError(
                "the contract and the reference model disagree",
                field=f"operation {self.report.operations}: {name} at {self.now}",
                value={"contract": answers[0], "model": answers[1]},
            )
        (self.report.done if kind == "done" else self.report.refused)[name] += 1

    def compare_state(self) -> None:
        """Virtual time, finish tags, lanes and free qubits."""
        real, modelled = self.ledger.snapshot(), model_snapshot(self.model)
        if real != modelled:
            raise VerificationError(
                "the contract and the reference model are in different states",
                field=f"operation {self.report.operations}",
                value={"contract": real, "model": modelled},
            )

    def compare_next(self) -> None:
        """What `allocate` would do for one processor."""
        processor = int(self.rng.choice(sorted(self.model.processors)))
        shown, named = self.ledger.next_for(processor), self.model.next_for(processor, self.now)
        if shown != named:
            raise VerificationError(
                "the contract names another job than the reference model",
                field=f"operation {self.report.operations}, processor {processor}",
                value={"contract": shown, "model": named},
            )
        self.report.reasons[named[1].name] += 1

    # ------------------------------ what to do ------------------------------

    def request(self) -> Request:
        """A job that usually is acceptable; widths and times of very different sizes."""
        rng, redundancy = self.rng, int(self.rng.choice([1, 1, 1, 2, 3]))
        target = int(rng.choice(sorted(self.model.processors))) if rng.random() < 0.15 else 0
        declared = int(rng.integers(1, 200))
        quality = int(rng.choice([0, 1000, 2000, 3000], p=[0.6, 0.2, 0.17, 0.03]))
        slack = int(rng.choice([0, 20, 400, 5000]))
        p = self.model.parameters
        late = p.grace + p.margin - (1 if rng.random() < 0.02 else 0)
        return Request(
            flow=int(rng.integers(len(self.model.flows) + (rng.random() < 0.02))),
            qubits=int(
                rng.choice(
                    [1, 3, 10, 27, 60, 120, 133, 140], p=[0.2, 0.25, 0.25, 0.12, 0.07, 0.06, 0.03, 0.02]
                )
            ),
            declared=declared,
            deadline=self.now + declared + late + slack,
            target=target,
            quality=quality if not target or rng.random() < 0.02 else 0,
            klass=int(rng.choice([0, 0, 1, 2])),
            redundancy=1 if target else redundancy,
            executions=1 if target else min(5, redundancy + int(rng.integers(0, 3))),
            trust=int(rng.choice([2, 2, 2, 3, 5])),
        )

    def executions(self, *states: ExecutionState) -> list[tuple[int, int]]:
        """Executions of open jobs in these states."""
        return [
            (identity, number)
            for identity, job in self.model.jobs.items()
            for number, execution in enumerate(job.executions)
            if execution.state in states
        ]

    def overdue(self, identity: int, number: int) -> bool:
        """Whether a running execution is past its deadline."""
        job = self.model.jobs[identity]
        execution = job.executions[number]
        limit = job.request.declared + self.model.parameters.grace
        return execution.state == ExecutionState.ALLOCATED and self.now > execution.since + limit

    def some(self, options: Sequence[tuple[int, int]]) -> tuple[int, int]:
        """One of them; an impossible one if there is none."""
        return options[int(self.rng.integers(len(options)))] if options else (1, 0)

    def submit(self) -> None:
        request, client = self.request(), int(self.rng.integers(self.clients))
        self.both(
            "submit",
            lambda: self.ledger.submit(request, client, self.now),
            lambda: self.model.submit(request, client, self.now),
        )

    def allocate(self) -> None:
        processor = int(self.rng.choice(sorted(self.model.processors)))
        self.both(
            "allocate",
            lambda: self.ledger.allocate(processor, self.now),
            lambda: self.model.allocate(processor, self.now),
        )

    def commit(self) -> None:
        running = self.executions(ExecutionState.ALLOCATED)
        if self.rng.random() < 0.9:
            running = [(j, n) for j, n in running if not self.overdue(j, n)]
        job, number = self.some(running)
        self.both(
            "commit",
            lambda: self.ledger.commit(job, number, self.now),
            lambda: self.model.commit(job, number, self.now),
        )

    def judge(self) -> None:
        judged = (ExecutionState.COMMITTED, ExecutionState.UNDECIDED)
        if self.rng.random() < 0.1:
            judged = (ExecutionState.REJECTED, ExecutionState.ACCEPTED)
        job, number = self.some(self.executions(*judged))
        outcome = Outcome(int(self.rng.choice([1, 1, 1, 2, 2, 3, 4])))
        self.both(
            "judge",
            lambda: self.ledger.judge(job, number, outcome, self.now),
            lambda: self.model.judge(job, number, outcome, self.now, self.ledger.odds),
        )

    def cancel(self) -> None:
        queued = [(i, j.client) for i, j in self.model.jobs.items() if j.state == JobState.QUEUED]
        job, client = self.some(queued)
        self.both(
            "cancel",
            lambda: self.ledger.cancel(job, client, self.now),
            lambda: self.model.cancel(job, client, self.now),
        )

    def expire_execution(self) -> None:
        pending = self.executions(ExecutionState.ALLOCATED, ExecutionState.COMMITTED)
        job, number = self.some([p for p in pending if self.overdue(*p)] or pending)
        self.both(
            "expire_execution",
            lambda: self.ledger.expire_execution(job, number, self.now),
            lambda: self.model.expire_execution(job, number, self.now, self.ledger.odds),
        )

    def expire(self) -> None:
        late = [
            (identity, 0)
            for identity, job in self.model.jobs.items()
            if job.is_open and (job.request.deadline < self.now or self.rng.random() < 0.02)
        ]
        job, _ = self.some(late)
        self.both(
            "expire",
            lambda: self.ledger.expire(job, self.now),
            lambda: self.model.expire(job, self.now),
        )

    def skim(self) -> None:
        places = [*range(len(self.model.flows)), *(DIRECT | p for p in self.model.processors)]
        place, most = int(self.rng.choice(places)), int(self.rng.integers(1, 40))

        def modelled() -> None:
            self.model.skim(place, most, self.now)

        self.both("skim", lambda: self.ledger.skim(place, most, self.now), modelled)


_WEIGHTS = {
    "submit": 22,
    "allocate": 26,
    "commit": 20,
    "judge": 20,
    "cancel": 1,
    "expire_execution": 6,
    "expire": 4,
    "skim": 1,
}


def replay(
    model: FairQueue,
    ledger: Ledger,
    operations: int,
    seed: int,
    *,
    start: int,
    clients: int,
    compare_every: int = 1,
    progress: Callable[[int], None] | None = None,
) -> ReplayReport:
    """Do `operations` on both sides from the time `start`; both must begin in the same state.

    Answers are compared at every operation; state and view every `compare_every` of them and at the end.
    Raises `VerificationError` at the first difference.
    """
    driver = _Driver(model, ledger, np.random.default_rng(seed), clients, start)
    names = list(_WEIGHTS)
    chances = np.array([_WEIGHTS[name] for name in names]) / sum(_WEIGHTS.values())
    for step in range(operations):
        driver.now += int(driver.rng.choice([1, 1, 1, 2, 3, 12]))
        getattr(driver, names[int(driver.rng.choice(len(names), p=chances))])()
        if (step + 1) % compare_every == 0 or step + 1 == operations:
            driver.compare_next()
            driver.compare_state()
        if progress is not None:
            progress(step + 1)
    return driver.report
