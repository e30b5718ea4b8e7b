"""What the coordinator's reference model is about: states, records of channels and sessions, refusals."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class ChannelState(IntEnum):
    NONE, PROPOSED, LIVE, QUARANTINED, CLOSED = range(5)


class SessionState(IntEnum):
    NONE, PLAN, READY, GO, DONE, ABORTED = range(6)


class AbortCode(IntEnum):
    NONE, TIMEOUT, LINK_LOST, PEER_SILENT, FIDELITY_LOW, CANCELLED = range(6)


RUNNING = (SessionState.PLAN, SessionState.READY, SessionState.GO)


class Refused(Exception):  # noqa: N818 - a refusal is an outcome here, not an error
    """The contract's error of the same name, without its prefix."""


def require(condition: bool, error: str) -> None:
    if not condition:
        raise Refused(error)


@dataclass(frozen=True, slots=True)
class Parameters:
    max_qber: int = 110_000
    min_test_rounds: int = 100
    attest_window: int = 3_600
    dispute_window: int = 86_400
    answer_window: int = 21_600
    grace: int = 60
    penalty_bps: int = 1_000
    max_attempts: int = 3


@dataclass(frozen=True, slots=True)
class Processor:
    provider: str
    operator: str
    t2_ns: int
    certified_until: int


@dataclass(frozen=True, slots=True)
class Figures:
    """One end's attestation."""

    rounds: int
    qber_x: int
    qber_z: int
    fidelity: int
    pairs: int
    root: str


@dataclass(frozen=True, slots=True)
class Record:
    """A paid epoch; `paid` per end shrinks to nothing by restitution."""

    roots: tuple[str, str]
    rounds: tuple[int, int]
    paid: tuple[int, int]
    disputable_until: int


@dataclass(slots=True)
class Dispute:
    disputer: str
    deadline: int
    opened: dict[int, object] = field(default_factory=dict)


@dataclass(slots=True)
class Channel:
    opener: str
    ends: tuple[int, int]
    min_fidelity: int
    pair_rate: int
    pair_price: int
    deadline: int
    deposit: int
    end_bond: int
    penalty: int
    state: ChannelState = ChannelState.PROPOSED
    bonds: dict[int, int] = field(default_factory=dict)
    epoch: int = 1
    fidelity: int = 0
    locked_until: int = 0
    pending: tuple[int, Figures, int] | None = None
    records: dict[int, Record] = field(default_factory=dict)
    disputes: dict[tuple[int, int], Dispute] = field(default_factory=dict)
    sessions: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Session:
    client: str
    job: int
    attempt: int
    parties: tuple[int, ...]
    channels: tuple[int, ...]
    fee: int
    stake: int
    penalty: int
    last_barrier: int
    barrier_s: int
    deadline: int
    state: SessionState = SessionState.PLAN
    code: AbortCode = AbortCode.NONE
    barrier: int = 0
    arrived: set[int] = field(default_factory=set)
    blamed: tuple[int, ...] = ()
    corrected: set[int] = field(default_factory=set)
    correction: object = None
