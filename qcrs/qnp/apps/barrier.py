"""A barrier: either all nodes are told to go on before a deadline, or nobody is and the missing are named.

Members say READY until they hear GO or ABORT. When all are ready the coordinator says GO, again and again,
until each has said ACK. If the deadline comes before all were ready, or a grace later before all have said
ACK, it says ABORT and names who is missing; a member that hears nothing until then aborts too. So nobody
goes on unless all were ready. That all who went on know of each other cannot be had over a line that may
break (two generals): a member whose ACK was lost may have gone on while the others abort, and is among those
named.

``on_* (…, now) -> [Say | Timer | Ended]``; no clock here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from qcrs.errors import InputError

__all__ = ["Coordinator", "Ended", "Member", "Say", "State", "Timer", "decode", "encode"]

READY, GO, ACK, ABORT = 1, 2, 3, 4
_HEAD = struct.Struct(">BQIH")
_MOST = 4096


class State(Enum):
    """Where a party is."""

    WAITING = "waits"
    READY = "ready"
    GOING = "all were ready"
    PASSED = "passed"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Say:
    """Send a message to a party."""

    to: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Timer:
    """Call `on_timer` then."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Ended:
    """It is over for this party: passed, or aborted because of these."""

    passed: bool
    missing: tuple[int, ...] = ()


Action = Say | Timer | Ended


def encode(kind: int, session: int, sender: int, missing: Iterable[int] = ()) -> bytes:
    """The bytes of a message."""
    names = list(missing)
    return _HEAD.pack(kind, session, sender, len(names)) + b"".join(n.to_bytes(4, "big") for n in names)


def decode(data: bytes) -> tuple[int, int, int, tuple[int, ...]]:
    """Kind, session, sender, missing; `InputError` where the bytes are no message."""
    try:
        kind, session, sender, count = _HEAD.unpack_from(data)
    except struct.error as error:
        raise InputError("these bytes are no barrier message", field="message", value=data.hex()) from error
    if kind not in (READY, GO, ACK, ABORT) or count > _MOST or len(data) != _HEAD.size + 4 * count:
        raise InputError("these bytes are no barrier message", field="message", value=data[:32].hex())
    rest = data[_HEAD.size :]
    return kind, session, sender, tuple(int.from_bytes(rest[4 * i : 4 * i + 4], "big") for i in range(count))


class _Party:
    """What both have in common: a session, a deadline, a grace, and how often things are said again."""

    def __init__(self, me: int, session: int, deadline_ns: int, grace_ns: int, again_ns: int) -> None:
        if grace_ns < 0 or again_ns < 1:
            raise InputError("a grace is not negative, an interval is", field="again_ns", value=again_ns)
        self.me = me
        self.state = State.WAITING
        self._session = session
        self._deadline = deadline_ns
        self._end = deadline_ns + grace_ns
        self._again = again_ns

    @property
    def ended(self) -> bool:
        """Whether it is over here."""
        return self.state in (State.PASSED, State.ABORTED)

    def _say(self, to: int, kind: int, missing: Iterable[int] = ()) -> Say:
        return Say(to, encode(kind, self._session, self.me, missing))

    def _heard(self, data: bytes) -> tuple[int, int, tuple[int, ...]] | None:
        kind, session, sender, missing = decode(data)
        return (kind, sender, missing) if session == self._session else None


class Coordinator(_Party):
    """The party that counts; it is ready when told so by `on_ready`."""

    def __init__(
        self, me: int, members: Iterable[int], session: int, deadline_ns: int, grace_ns: int, again_ns: int
    ) -> None:
        super().__init__(me, session, deadline_ns, grace_ns, again_ns)
        self.members = tuple(sorted(set(members) - {me}))
        self.missing = {me, *self.members}
        self.all_ready = False

    def start(self, now: int) -> list[Action]:
        """Begin to wait."""
        del now
        return [Timer(self._deadline)]

    def on_ready(self, now: int) -> list[Action]:
        """The coordinator itself is ready."""
        self.missing.discard(self.me)
        return self._check(now)

    def on_message(self, now: int, data: bytes) -> list[Action]:
        """READY or ACK of a member; anything that does not belong here changes nothing."""
        heard = self._heard(data)
        if heard is None or heard[1] not in self.members:
            return []
        kind, sender, _ = heard
        if self.state is State.WAITING and kind == READY and now <= self._deadline:
            self.missing.discard(sender)
            return self._check(now)
        if self.state is State.GOING and kind == ACK:
            self.missing.discard(sender)
            if not self.missing:
                self.state = State.PASSED
                return [Ended(True)]
        if self.state is State.ABORTED and kind == READY:
            return [self._say(sender, ABORT, sorted(self.missing))]
        if self.state is State.PASSED and kind == READY:
            return [self._say(sender, GO)]
        return []

    def _check(self, now: int) -> list[Action]:
        if self.missing or self.state is not State.WAITING:
            return []
        self.state, self.all_ready = State.GOING, True
        self.missing = set(self.members)
        if not self.missing:
            self.state = State.PASSED
            return [Ended(True)]
        return [*self._going(now)]

    def _going(self, now: int) -> list[Action]:
        says: list[Action] = [self._say(member, GO) for member in sorted(self.missing)]
        return [*says, Timer(min(now + self._again, self._end))]

    def on_timer(self, now: int) -> list[Action]:
        """Say GO again, or give up."""
        if (self.state is State.WAITING and now >= self._deadline) or (
            self.state is State.GOING and now >= self._end
        ):
            self.state = State.ABORTED
            names = tuple(sorted(self.missing))
            return [*(self._say(member, ABORT, names) for member in self.members), Ended(False, names)]
        return self._going(now) if self.state is State.GOING else []


class Member(_Party):
    """Everybody else."""

    def __init__(
        self, me: int, coordinator: int, session: int, deadline_ns: int, grace_ns: int, again_ns: int
    ) -> None:
        super().__init__(me, session, deadline_ns, grace_ns, again_ns)
        self.coordinator = coordinator

    def start(self, now: int) -> list[Action]:
        """Begin; a member that hears nothing aborts a message's way after the coordinator would have."""
        del now
        return [Timer(self._end + self._again)]

    def on_ready(self, now: int) -> list[Action]:
        """This node is ready."""
        if self.state is not State.WAITING:
            return []
        self.state = State.READY
        return [self._say(self.coordinator, READY), Timer(now + self._again)]

    def on_message(self, now: int, data: bytes) -> list[Action]:
        """GO or ABORT of the coordinator."""
        del now
        heard = self._heard(data)
        if heard is None or heard[1] != self.coordinator:
            return []
        kind, _, missing = heard
        if kind == GO and self.state in (State.READY, State.PASSED):
            first, self.state = self.state is State.READY, State.PASSED
            return [self._say(self.coordinator, ACK), *([Ended(True)] if first else [])]
        if kind == ABORT and self.state is not State.ABORTED:
            self.state = State.ABORTED
            return [Ended(False, missing)]
        return []

    def on_timer(self, now: int) -> list[Action]:
        """Say READY again, or give up."""
        if self.ended:
            return []
        if now >= self._end + self._again:
            self.state = State.ABORTED
            return [Ended(False, (self.coordinator,))]
        if self.state is State.READY:
            return [self._say(self.coordinator, READY), Timer(now + self._again)]
        return []
