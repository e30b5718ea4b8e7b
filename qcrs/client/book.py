"""Everything that happened to channels and sessions, folded from the coordinator's events.

`Book.apply` takes events in chain order and is pure: the same events give the same book on any machine.
Source: NatSpec of `IEntanglementBase`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from qcrs.chain.abi import Event
from qcrs.chain.bindings import (
    AbortCode,
    Attestation,
    ChannelState,
    ChannelTerms,
    CorrectionRecord,
    EpochRecord,
    QuarantineReason,
    SessionRequest,
    SessionState,
    TestRound,
)
from qcrs.chain.bindings import EntanglementCoordinator as Log
from qcrs.client.history import History, Logged
from qcrs.client.sealed import Place
from qcrs.errors import InputError

__all__ = ["Book", "Channel", "Dispute", "Session", "Settled"]

PLAN, READY, FIRST_GO = 0, 1, 2
"""Barriers by number; computing epoch e (from 0) ends with barrier e + 2."""


@dataclass(frozen=True, slots=True)
class Settled:
    """An epoch that both ends attested: pairs paid, the worse fidelity in ppm, what can be disputed."""

    pairs: int
    fidelity: int
    record: EpochRecord


@dataclass(slots=True)
class Dispute:
    """One test round that somebody wants to see."""

    epoch: int
    index: int
    disputer: str
    deadline: int
    opened: dict[int, TestRound] = field(default_factory=dict)
    upheld: bool | None = None
    """None while it is open."""


@dataclass(slots=True)
class Channel:
    """A channel. `accepted` are processors; attestations go by (epoch, processor)."""

    id: int
    opener: str
    terms: ChannelTerms
    penalty: int
    state: ChannelState = ChannelState.PROPOSED
    accepted: set[int] = field(default_factory=set)
    epoch: int = 1
    """The next to be settled."""
    attested: dict[tuple[int, int], Attestation] = field(default_factory=dict)
    identities: dict[int, dict[int, bytes]] = field(default_factory=dict)
    """Epoch → what each end's processor was bound to when it began, empty for one without a key."""
    settled: dict[int, Settled] = field(default_factory=dict)
    lapsed: dict[int, int] = field(default_factory=dict)
    """Epoch → the end that was silent."""
    disputes: dict[tuple[int, int], Dispute] = field(default_factory=dict)
    quarantined: QuarantineReason | None = None
    returned: int = 0
    """What came back when it was closed: deposit and bonds."""

    @property
    def ends(self) -> tuple[int, int]:
        """Processors of end 0 and end 1."""
        return self.terms.processor_a, self.terms.processor_b

    @property
    def fidelity(self) -> int:
        """Last settled fidelity in ppm, 0 before the first."""
        return self.settled[max(self.settled)].fidelity if self.settled else 0


@dataclass(slots=True)
class Session:
    """A session. Arrivals go by (barrier, processor)."""

    id: int
    client: str
    request: SessionRequest
    digest: bytes
    deadline: int
    barrier_seconds: int
    penalty: int
    opened_at: int
    state: SessionState = SessionState.PLAN
    barrier: int = PLAN
    arrivals: dict[tuple[int, int], bytes] = field(default_factory=dict)
    code: AbortCode = AbortCode.NONE
    blamed: tuple[int, ...] = ()
    paid: int = 0
    """What each of the blamed lost."""
    trail: bytes = b""
    ended_at: int = 0
    corrections: dict[int, CorrectionRecord] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether a barrier is filling."""
        return self.state in (SessionState.PLAN, SessionState.READY, SessionState.GO)

    @property
    def missing(self) -> list[int]:
        """Parties that have not reached the barrier that is filling."""
        return [p for p in self.request.parties if (self.barrier, p) not in self.arrivals]


class Book:
    """Channels and sessions by number."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.registry = History()
        """Of the registry's events alone: who the ends are."""
        self.channels: dict[int, Channel] = {}
        self.sessions: dict[int, Session] = {}

    def channel(self, number: int) -> Channel:
        """`InputError` where there is none of this number."""
        found = self.channels.get(number)
        if found is None:
            raise InputError(
                "no such channel", field="channel", value=number, solution="`qcrs channel list` shows them"
            )
        return found

    def session(self, number: int) -> Session:
        """`InputError` where there is none of this number."""
        found = self.sessions.get(number)
        if found is None:
            raise InputError(
                "no such session", field="session", value=number, solution="`qcrs session list` shows them"
            )
        return found

    def apply(self, logged: Logged) -> None:
        """The next event."""
        event = logged.event
        if type(event).CONTRACT == "ProcessorRegistry":
            self.registry.apply(logged)
        elif isinstance(event, Log.SessionOpened):
            self.sessions[event.session] = Session(
                event.session, event.client, event.request, event.digest, event.deadline,
                event.barrier_seconds, event.penalty, logged.time,
            )  # fmt: skip
        elif isinstance(event, Log.ChannelOpened):
            self.channels[event.channel] = Channel(event.channel, event.opener, event.terms, event.penalty)
        elif hasattr(event, "session"):
            self._of_session(self.sessions[event.session], event, logged.time)
        elif hasattr(event, "channel"):
            channel = self.channels[event.channel]
            before = channel.state, channel.epoch
            self._of_channel(channel, event)
            if channel.state is ChannelState.LIVE and before != (channel.state, channel.epoch):
                channel.identities[channel.epoch] = {end: self._binding(end) for end in channel.ends}

    def _binding(self, processor: int) -> bytes:
        known = self.registry.processors.get(processor)
        return b"" if known is None else known.binding

    def _of_session(self, session: Session, event: Event, time: int) -> None:
        if isinstance(event, Log.PartyArrived):
            session.arrivals[event.barrier, event.processor] = event.commitment
        elif isinstance(event, Log.BarrierPassed):
            session.state, session.barrier = SessionState(event.state), event.barrier
            session.deadline = event.deadline
        elif isinstance(event, Log.SessionCompleted):
            session.state, session.trail, session.ended_at = SessionState.DONE, event.trail, time
        elif isinstance(event, Log.SessionAborted):
            session.state, session.code, session.ended_at = SessionState.ABORTED, AbortCode(event.code), time
            session.blamed, session.paid = tuple(event.blamed), event.penalty
        elif isinstance(event, Log.CorrectionAttested):
            session.corrections[event.processor] = event.record

    def _of_channel(self, channel: Channel, event: Event) -> None:
        if isinstance(event, Log.ChannelAccepted):
            channel.accepted.add(event.processor)
            if len(channel.accepted) == 2:
                channel.state = ChannelState.LIVE
        elif isinstance(event, Log.EpochAttested):
            channel.attested[event.attestation.epoch, event.processor] = event.attestation
        elif isinstance(event, Log.EpochSettled):
            epoch = event.record.epoch
            channel.settled[epoch] = Settled(event.pairs, event.fidelity, event.record)
            channel.epoch = epoch + 1
        elif isinstance(event, Log.EpochLapsed):
            channel.lapsed[event.epoch], channel.epoch = event.silent, event.epoch + 1
        elif isinstance(event, Log.ChannelQuarantined):
            channel.state = ChannelState.QUARANTINED
            channel.quarantined = QuarantineReason(event.reason)
        elif isinstance(event, Log.ChannelClosed):
            channel.state = ChannelState.CLOSED
            channel.returned = event.refund + event.bond_a + event.bond_b
        else:
            _disputed(channel, event)


def _disputed(channel: Channel, event: Event) -> None:
    if isinstance(event, Log.DisputeOpened):
        key = event.epoch, event.index
        channel.disputes[key] = Dispute(event.epoch, event.index, event.disputer, event.deadline)
    elif isinstance(event, Log.LeafOpened):
        channel.disputes[event.epoch, event.round.index].opened[event.end] = event.round
    elif isinstance(event, Log.DisputeResolved):
        channel.disputes[event.epoch, event.index].upheld = event.upheld
