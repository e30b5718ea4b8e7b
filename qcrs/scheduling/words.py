"""The values of the queue's reference model: parameters, requests, jobs, executions, processors.

They mirror `contracts/libraries/Types.sol` and `QueueWords.sol`; enumerations have the contract's numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

__all__ = [
    "DIRECT",
    "MOST_DEBT",
    "PENDING",
    "TAG_SCALE",
    "USED_STEPS",
    "Execution",
    "ExecutionState",
    "Flow",
    "Job",
    "JobState",
    "Outcome",
    "Parameters",
    "Processor",
    "Queue",
    "QueueRefusal",
    "Quota",
    "Reason",
    "Request",
    "required_odds",
]

TAG_SCALE = 64
"""Virtual time units per qubit-second and unit of weight."""
MOST_DEBT = (1 << 34) - 1
"""Most of a flow's debt that is known."""
USED_STEPS = 31
"""Used time is counted in this many parts of the declared time."""
DIRECT = 1 << 23
"""Queue ids from here on belong to one processor each."""


class JobState(IntEnum):
    """Life of a job."""

    QUEUED = 1
    ACTIVE = 2
    SETTLED = 3
    FAILED = 4
    CANCELLED = 5
    EXPIRED = 6


class ExecutionState(IntEnum):
    """Life of an execution."""

    ALLOCATED = 1
    COMMITTED = 2
    UNDECIDED = 3
    ACCEPTED = 4
    REJECTED = 5
    FRAUDULENT = 6
    ENDED = 7


PENDING = (ExecutionState.ALLOCATED, ExecutionState.COMMITTED, ExecutionState.UNDECIDED)
"""States in which an execution may still be paid."""


class Outcome(IntEnum):
    """What a quorum report says of an execution."""

    ACCEPT = 1
    UNDECIDED = 2
    REJECT = 3
    FRAUD = 4


class Reason(IntEnum):
    """Why a processor gets nothing."""

    NONE = 0
    EMPTY = 1
    UNSUITABLE = 2
    BUSY = 3
    DRAINING = 4
    NO_CERTIFICATE = 5
    SUSPENDED = 6
    PAUSED = 7
    BACKLOG = 8


class QueueRefusal(Exception):  # noqa: N818 - not an error of the product: the model's answer to a refused call
    """An operation that the contract reverts."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


@dataclass(slots=True)
class Parameters:
    """What the bodies set; the defaults are those of a fresh deployment. Times are seconds."""

    drain: int = 2000
    credit: int = 0
    boosts: tuple[int, int, int] = (0, 0, 0)
    grace: int = 30
    margin: int = 60
    verdict_window: int = 3600
    least_trust: int = 2
    most_redundancy: int = 5
    most_seconds: int = 21_600
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A job as its client asks for it; the fields of the contract's `JobRequest` that the queue sees."""

    flow: int
    qubits: int
    declared: int
    deadline: int
    target: int = 0
    quality: int = 0
    klass: int = 0
    redundancy: int = 1
    executions: int = 1
    trust: int = 2

    @property
    def units(self) -> int:
        """Qubit-seconds of all wanted executions."""
        return self.qubits * self.declared * self.redundancy


@dataclass(slots=True)
class Execution:
    """One run of a job by one processor. `mark`: what its flow had been charged in all once this was, in
    virtual time; -1 if it was not."""

    processor: int
    state: ExecutionState
    since: int
    mark: int = -1
    reports: int = 0
    used: int = 0


@dataclass(slots=True)
class Job:
    """A job in the queue's books. `tag`: the least start tag that it may get, and once it was handed out the
    one with which its turn came last. `following` links returned entries, 0 ends the list; one that was
    never dispatched it leads to the next that is still there, 0 meaning the next index."""

    request: Request
    client: int
    tag: int
    klass: int
    state: JobState = JobState.QUEUED
    executions: list[Execution] = field(default_factory=list)
    following: int = 0
    paid: int = 0

    @property
    def is_open(self) -> bool:
        """Not closed."""
        return self.state in (JobState.QUEUED, JobState.ACTIVE)

    def tally(self) -> tuple[int, int, int]:
        """Accepted, running and undecided executions."""
        states = [e.state for e in self.executions]
        running = sum(s in (ExecutionState.ALLOCATED, ExecutionState.COMMITTED) for s in states)
        return states.count(ExecutionState.ACCEPTED), running, states.count(ExecutionState.UNDECIDED)


@dataclass(slots=True)
class Queue:
    """Entries never dispatched are removed + 1 … added; returned ones are a linked list of indices."""

    removed: int = 0
    added: int = 0
    returned_head: int = 0
    returned_tail: int = 0


@dataclass(slots=True)
class Flow:
    """A share: weight, finish tag, the lane (key, qubits, quality) that shows its first entry, the debt, that
    is what of its charges is neither forgiven nor given back, and all that it was ever charged."""

    weight: int
    finish: int = 0
    lane: tuple[int, int, int] | None = None
    debt: int = 0
    charged: int = 0


@dataclass(slots=True)
class Quota:
    """A token bucket of qubit-seconds for one class of one flow."""

    capacity: int
    per_day: int
    tokens: int
    updated: int

    def available(self, now: int) -> int:
        """What is in it now."""
        return min(self.capacity, self.tokens + self.per_day * (now - self.updated) // 86_400)


@dataclass(slots=True)
class Processor:
    """A processor's dispatch word. `direct` says that something may wait in its own queue."""

    provider: int
    qubits: int
    free: int
    quality: int
    certified_until: int = 0
    blocked: bool = False
    direct: bool = False


def required_odds(trust: int) -> int:
    """Least sum of log2-odds that `trust` asks for, in 1/256 bit: 256 log2(trust - 1), rounded up."""
    value = trust - 1
    result = value.bit_length() - 1
    mantissa = (value << 128) >> result
    for _ in range(8):
        mantissa = (mantissa >> 64) ** 2
        result <<= 1
        if mantissa >= 2 << 128:
            mantissa >>= 1
            result |= 1
    return result + (mantissa != 1 << 128)
