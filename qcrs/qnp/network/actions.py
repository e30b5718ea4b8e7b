"""What the protocol asks its surroundings to do, what it tells applications, and what it is asked.

Rules return lists of actions; an action is a tuple whose first field says which.

===========  ==================================================================================
SEND         side, frame: to the neighbour on that side (0 towards the head, 1 towards the tail)
SWAP         left sequence, handle, Bell index; right sequence, handle, Bell index
FREE         handle
DELIVER      request, handle, Bell index (−1: handed over before it is known), own correlator,
             the other end's correlator, outcome (2·axis + bit, or −1), Pauli to apply at the head
SET_TIMER    time, tag
LINK_START   side, mode: open the stream of this circuit's label, or change how qubits are wanted
LINK_STOP    side
STATUS       request, status, reason, count delivered: what becomes of a request
PURIFY       kept pair's own correlator, its handle, the sacrificed handle, turns of both: this
             end's part of a purification; the sacrificed qubit is free afterwards
===========  ==================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from qcrs.errors import InputError
from qcrs.qnp.network.frames import EARLY, KEEP, MEASURE, NO_STATE

__all__ = [
    "ACTION_NAMES",
    "DELIVER",
    "FREE",
    "LINK_START",
    "LINK_STOP",
    "PURIFY",
    "SEND",
    "SET_TIMER",
    "STATUS",
    "SWAP",
    "Action",
    "EndRequest",
    "Reason",
    "RoutingEntry",
    "Status",
]

Action = tuple[Any, ...]

SEND, SWAP, FREE, DELIVER, SET_TIMER, LINK_START, LINK_STOP, STATUS, PURIFY = range(9)
ACTION_NAMES = ("send", "swap", "free", "deliver", "timer", "start", "stop", "status", "purify")


class Status(IntEnum):
    """What becomes of a request."""

    ACCEPTED = 0
    DELAYED = 1
    COMPLETED = 2
    REFUSED = 3
    ABORTED = 4


class Reason(IntEnum):
    """Why a request was delayed, refused or aborted, or a circuit closed."""

    NONE = 0
    RATE_ABOVE_MAXIMUM = 1
    DEADLINE_PASSED = 2
    KEEPALIVE_LOST = 3
    COUNTS_DIFFER = 4
    CIRCUIT_DOWN = 5
    CANCELLED = 6
    TOO_LATE = 7
    MORE_THAN_MEMORY = 8
    RATE_NOT_REACHED = 9
    NODE_CRASHED = 10
    QUALITY_TOO_LOW = 11

    @property
    def words(self) -> str:
        """The reason in words, with what to do."""
        return _WORDS[self]


_WORDS = {
    Reason.NONE: "",
    Reason.RATE_ABOVE_MAXIMUM: "the rate is above the circuit's end-to-end maximum: ask for less, longer, "
    "or for a lower fidelity",
    Reason.DEADLINE_PASSED: "the deadline passed before all pairs were there",
    Reason.KEEPALIVE_LOST: "a neighbour on the circuit stopped answering",
    Reason.COUNTS_DIFFER: "the other end counts pairs or test rounds that were not shared",
    Reason.CIRCUIT_DOWN: "the circuit is down: open it again",
    Reason.CANCELLED: "cancelled by the application",
    Reason.TOO_LATE: "the deadline is past or cannot be kept with the capacity that is left",
    Reason.MORE_THAN_MEMORY: "more pairs at once than an end has memory for",
    Reason.RATE_NOT_REACHED: "the rate was not reached",
    Reason.NODE_CRASHED: "a node of the circuit restarted and lost its state",
    Reason.QUALITY_TOO_LOW: "test rounds show more errors than the circuit allows",
}


@dataclass(frozen=True, slots=True)
class RoutingEntry:
    """What signalling installs at one node for one circuit.

    `lpr` and `eer` are the maximum link-pair and end-to-end rates in thousandths of a pair per second;
    times are nanoseconds. `memory` is the number of qubits an end has for the circuit, `test_every` the
    pairs between two blocks of `test_count` test rounds (0: none), `slice_pairs` how many pairs one
    request gets before the next has its turn, and `max_error` the share of wrong test rounds that closes
    the circuit.
    """

    circuit: int
    head: int
    tail: int
    previous: int | None
    next: int | None
    min_fidelity: tuple[float, float] = (0.5, 0.5)
    lpr: tuple[int, int] = (0, 0)
    eer: int = 0
    cutoff_ns: int = 1 << 53
    horizon_ns: int = 1 << 53
    swap_ns: int = 0
    memory: int = 1 << 30
    test_every: int = 0
    test_count: int = 0
    slice_pairs: int = 64
    max_error: float = 1.0

    @property
    def ends(self) -> int:
        """Both end points as a frame carries them."""
        return self.head << 16 | self.tail


@dataclass(frozen=True, slots=True)
class EndRequest:
    """A request as the head end gets it. `number` 0 is as many as come until `deadline_ns` or a cancel.

    "N by T" has a number and a deadline, "rate R" a rate in thousandths, "N by T within Δt" also a window.
    Bases are codes of `physical.BASIS_SETS`, one for each end; they count for MEASURE alone. `purify` makes
    each pair from two (or more, as some fail): 1 BBPSSW, 2 DEJMPS.
    """

    id: int
    form: int = KEEP
    number: int = 0
    rate: int = 0
    deadline_ns: int = 0
    window_ms: int = 0
    head_basis: int = 2
    tail_basis: int = 2
    final: int = NO_STATE
    purify: int = 0

    def __post_init__(self) -> None:
        if self.form not in (KEEP, EARLY, MEASURE):
            raise InputError("a request is KEEP (0), EARLY (1) or MEASURE (2)", field="form", value=self.form)
        if not 0 <= self.id < 0xFFFFFFFF:
            raise InputError("a request's number has 32 bits, all ones excluded", field="id", value=self.id)
        if min(self.number, self.rate, self.deadline_ns, self.window_ms) < 0:
            raise InputError("counts, rates and times are not negative", field="request", value=self)
        if self.window_ms and (self.form != KEEP or not self.number):
            raise InputError(
                "only a counted KEEP request can have all its pairs within a time",
                field="window_ms",
                value=self.window_ms,
            )
        if self.purify not in (0, 1, 2):
            raise InputError(
                "purification is 0 (none), 1 (BBPSSW) or 2 (DEJMPS)", field="purify", value=self.purify
            )
        if self.purify and (self.form != KEEP or self.window_ms):
            raise InputError(
                "only KEEP requests without a window are purified", field="purify", value=self.purify
            )
        if not 0 <= self.final <= NO_STATE:
            raise InputError("a final state is a Bell index or 4 for any", field="final", value=self.final)
