"""What both end nodes of a circuit do: bind pairs to requests, track them, deliver or drop.

An end binds every pair that its link makes to the current request and sends a TRACK along the circuit; the
TRACK of the other end completes the pair here. Both must have bound the same request. The head decides
whose turn it is: each turn is an *epoch*, and a TRACK of the head with a newer epoch activates it at the
tail. Turns of test rounds are measured in Z, X or Y by epoch, and the TRACK carries the bit.
Pairs of a request that is purified are used up two at a time: the head says which two, both ends do
their part, and each keeps the first if the bits agree (see `physical.purification`).
There is no cutoff at ends: each pair is ended by a TRACK, an EXPIRE, or the end of its request.
What only one of them does is in `head` and `tail`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qcrs.qnp.network.actions import (
    DELIVER,
    FREE,
    LINK_START,
    LINK_STOP,
    PURIFY,
    SEND,
    STATUS,
    Action,
    Reason,
    RoutingEntry,
    Status,
)
from qcrs.qnp.network.frames import (
    COMPLETE,
    EARLY,
    EXPIRE,
    FORWARD,
    MEASURE,
    NO_STATE,
    TEST_REQUEST,
    TRACK,
    Frame,
)
from qcrs.qnp.network.frames import PURIFY as PURIFY_FRAME
from qcrs.qnp.network.rounds import TestRounds
from qcrs.qnp.network.served import Purification, Served
from qcrs.qnp.physical.hardware import BASIS_SETS
from qcrs.qnp.physical.hardware import KEEP as KEEP_QUBIT
from qcrs.qnp.physical.purification import turns_of

__all__ = ["End"]

NOTHING: list[Action] = []


class End:
    """What head and tail have in common. `side` is where the circuit lies: 1 at the head, 0 at the tail."""

    __slots__ = (
        "_circuit",
        "_discards",
        "_discards_old",
        "_ends",
        "_mode",
        "_parked",
        "_pending",
        "_rotate_at",
        "_seen",
        "_test",
        "_working",
        "closed",
        "current",
        "entry",
        "epoch",
        "expired",
        "mismatched",
        "requests",
        "tests",
        "unbound",
        "unsuccessful",
    )
    side = 1

    def __init__(self, entry: RoutingEntry) -> None:
        self.entry = entry
        self.closed = Reason.NONE
        self.requests: dict[int, Served] = {}
        self.current: Served | None = None
        self.epoch = 0
        self.tests = TestRounds()
        self.mismatched = self.expired = self.unbound = self.unsuccessful = 0
        self._working: dict[int, Purification] = {}
        self._circuit = entry.circuit
        self._ends = entry.ends
        self._test = Served(TEST_REQUEST, MEASURE, 2, 0, 0, NO_STATE)
        self._mode: int | None = None
        self._seen = 0
        self._pending: dict[int, tuple[Served, int, int, int]] = {}
        self._discards: dict[int, None] = {}
        self._discards_old: dict[int, None] = {}
        self._rotate_at = entry.horizon_ns
        self._parked: dict[int, Frame] = {}

    # ------------------------------------------------------------------ pairs

    def on_pair(
        self, now: int, side: int, sequence: int, handle: int, bell: int, outcome: int = -1
    ) -> list[Action]:
        """A link made a pair: bind it to the current request and track it, or free it."""
        if self.closed:
            return [(FREE, handle)]
        missed: list[Action] = []
        if sequence != self._seen + 1:
            for lost in range(self._seen + 1, sequence):
                missed += self._discard(now, lost)
        self._seen = sequence
        request = self.current
        if request is None or request.room <= 0 or not self._suits(request.mode, outcome):
            self.unbound += 1
            return [*missed, (FREE, handle), *self._discard(now, sequence)]
        epoch = self.epoch
        self._pending[sequence] = (request, handle, epoch, outcome)
        state = bell
        if request.id == TEST_REQUEST:
            state |= 4 | (outcome & 1) << 3
        actions = [
            *missed,
            (SEND, side, (TRACK, self._circuit, request.id, self._ends, sequence, sequence, state, epoch)),
        ]
        if request.form == EARLY:
            actions.append((DELIVER, request.id, handle, -1, sequence, 0, -1, 0))
        request.room -= 1
        self._bound(request, actions)
        if self._parked:
            parked = self._parked.pop(sequence, None)
            if parked is not None:
                actions += self.on_frame(now, side, parked)
        return actions

    @staticmethod
    def _suits(mode: int, outcome: int) -> bool:
        """Whether a pair came as its request wants it: kept, or measured along one of its axes."""
        if outcome < 0:
            return mode == KEEP_QUBIT
        return mode >= 0 and outcome >> 1 in BASIS_SETS[mode]

    def _bound(self, request: Served, actions: list[Action]) -> None:
        """A pair was bound; the head decides whose turn is next."""

    def _discard(self, now: int, sequence: int) -> list[Action]:
        """Remember that a pair was not bound, so that its TRACK is answered."""
        if now >= self._rotate_at:
            self._discards_old, self._discards = self._discards, {}
            self._rotate_at = now + self.entry.horizon_ns
        parked = self._parked.pop(sequence, None)
        if parked is not None:
            return [(SEND, self.side, (EXPIRE, self._circuit, parked[4]))]
        self._discards[sequence] = None
        return NOTHING

    # ------------------------------------------------------------------ frames

    def on_frame(self, now: int, side: int, frame: Frame) -> list[Action]:
        """A frame that ends here."""
        if self.closed:
            return NOTHING
        kind = frame[0]
        if kind == TRACK:
            return self._track(now, side, frame)
        if kind == EXPIRE:
            return self._expire(frame[2])
        if kind == FORWARD:
            return self._forward(now, frame)
        if kind == PURIFY_FRAME:
            return self._on_purify(now, frame)
        return self._complete(now, frame)

    def _track(self, now: int, side: int, frame: Frame) -> list[Action]:
        actions = self._activate(frame)
        _, _, wanted, _, origin, link, state, epoch = frame
        entry = self._pending.pop(link, None)
        if entry is None:
            return actions + self._unknown(side, link, frame)
        request, handle, own_epoch, outcome = entry
        if request.id != wanted or (wanted == TEST_REQUEST and epoch != own_epoch):
            self.mismatched += 1
            actions.append((FREE, handle))
            self._returned(request, actions)
            return actions
        bell = state & 3
        if wanted == TEST_REQUEST:
            self.tests.add(outcome >> 1, bell, outcome & 1, state >> 3)
            if self.tests.kept is not None:
                self.tests.kept.append((link, origin, outcome >> 1, bell, outcome & 1, state >> 3))
            actions.append((FREE, handle))
            self._tested(now, actions)
            return actions
        pauli = 0
        if request.final != NO_STATE and not request.purify:
            pauli, bell = bell ^ request.final, request.final
        self._confirm(
            now, request, (DELIVER, request.id, handle, bell, link, origin, outcome, pauli), actions
        )
        return actions

    def _unknown(self, side: int, link: int, frame: Frame) -> list[Action]:
        """No such pair is pending: it is not here yet, was freed unbound, or was answered before."""
        if link in self._discards or link in self._discards_old:
            self._discards.pop(link, None)
            self._discards_old.pop(link, None)
            return [(SEND, side, (EXPIRE, self._circuit, frame[4]))]
        if link > self._seen:
            self._parked[link] = frame
        return NOTHING

    def _expire(self, sequence: int) -> list[Action]:
        entry = self._pending.pop(sequence, None)
        actions: list[Action] = []
        if entry is not None:
            self.expired += 1
            actions.append((FREE, entry[1]))
            self._returned(entry[0], actions)
        return actions

    def _activate(self, frame: Frame) -> list[Action]:
        """At the tail, the epoch of the head's TRACK."""
        del frame
        return []

    def _forward(self, now: int, frame: Frame) -> list[Action]:
        del now, frame
        return NOTHING

    def _complete(self, now: int, frame: Frame) -> list[Action]:
        del now, frame
        return NOTHING

    def _returned(self, request: Served, actions: list[Action]) -> None:
        """A bound pair came to nothing."""

    def _tested(self, now: int, actions: list[Action]) -> None:
        """A test round was counted: too many errors close the circuit."""
        if self.entry.max_error >= 1.0:
            return
        for axis in range(3):
            n, wrong = self.tests.count[axis], self.tests.wrong[axis]
            bound = self.entry.max_error
            if n >= 16 and wrong - n * bound > 3 * (n * bound * (1 - bound)) ** 0.5:
                actions += self.on_lost(now, 1 - self.side, Reason.QUALITY_TOO_LOW)
                return

    def _confirm(self, now: int, request: Served, delivery: Action, actions: list[Action]) -> None:
        raise NotImplementedError

    # ------------------------------------------------------------------ purification

    def _purify(
        self, request: Served, kept: Action, sacrificed: Action, actions: list[Action]
    ) -> Purification:
        """Do this end's part on two pairs, given as they would be delivered."""
        own = 4 if self.side else 5
        turns = turns_of(request.purify, kept[own], sacrificed[own])
        work = self._working[kept[4]] = Purification(request, kept, sacrificed, turns)
        actions.append((PURIFY, kept[4], kept[2], sacrificed[2], *turns))
        return work

    def on_purified(self, now: int, kept: int, handle: int, bit: int) -> list[Action]:
        """The hardware did this end's part; `kept` is the pair's own sequence number."""
        work = self._working.get(kept)
        if work is None or work.bit >= 0 or work.kept[2] != handle:  # its request ended meanwhile
            return [(FREE, handle)]
        work.bit = bit
        return self._purified(now, work)

    def _purified(self, now: int, work: Purification) -> list[Action]:
        raise NotImplementedError

    def _on_purify(self, now: int, frame: Frame) -> list[Action]:
        raise NotImplementedError

    def _tell_purify(self, work: Purification) -> Action:
        """The own bit, for the other end."""
        names = (work.kept[5], work.sacrificed[5], work.kept[4])
        frame = (PURIFY_FRAME, self._circuit, work.request.id, self._ends, *names, 2 | work.bit)
        return (SEND, self.side, frame)

    def _abandon(self, request: Served | None, actions: list[Action]) -> None:
        """Give up purifications of a request (of all without); those at the hardware are freed after it."""
        for kept, work in list(self._working.items()):
            if request is None or work.request is request:
                del self._working[kept]
                if work.bit >= 0:
                    actions.append((FREE, work.kept[2]))

    # ------------------------------------------------------------------ streams, ends, failure

    def _stream(self, mode: int, actions: list[Action]) -> None:
        """Open the link's stream, or change how its qubits are wanted."""
        if mode != self._mode:
            self._mode = mode
            actions.append((LINK_START, self.side, mode))

    def _halt(self, actions: list[Action]) -> None:
        if self._mode is not None:
            self._mode = None
            actions.append((LINK_STOP, self.side))

    def _drop(self, now: int, request: Served, actions: list[Action]) -> None:
        """Free what is bound to a request that ends."""
        for sequence in [s for s, entry in self._pending.items() if entry[0] is request]:
            actions.append((FREE, self._pending.pop(sequence)[1]))
            actions += self._discard(now, sequence)
        actions += [(FREE, delivery[2]) for _, delivery in request.held.values()]
        request.held.clear()
        self._abandon(request, actions)

    def on_timer(self, now: int, tag: int) -> list[Action]:
        """Ends without timers have nothing to do."""
        del now, tag
        return NOTHING

    def on_lost(self, now: int, side: int, reason: Reason = Reason.KEEPALIVE_LOST) -> list[Action]:
        """The circuit broke: abort every request with the reason, free everything."""
        del now
        if self.closed:
            return NOTHING
        actions: list[Action] = []
        if side != self.side:  # found here, so the circuit does not know yet
            abort: Frame = (COMPLETE, self._circuit, 0, self._ends, int(reason), 0, 0, self.tests.total)
            actions.append((SEND, self.side, abort))
        self._close(reason, actions)
        return actions

    def _close(self, reason: Reason, actions: list[Action]) -> None:
        self._halt(actions)
        self.closed = reason
        actions += [(FREE, entry[1]) for entry in self._pending.values()]
        self._pending.clear()
        self._abandon(None, actions)
        for request in self._open_requests():
            actions += [(FREE, delivery[2]) for _, delivery in request.held.values()]
            actions.append((STATUS, request.id, Status.ABORTED, reason, request.delivered))
        self.requests.clear()
        self.current = None
        for table in (self._discards, self._discards_old, self._parked):
            table.clear()

    def _open_requests(self) -> Iterable[Served]:
        return list(self.requests.values())

    @property
    def pending(self) -> int:
        """Pairs bound and not yet tracked."""
        return len(self._pending)

    def as_dict(self) -> dict[str, Any]:
        """Counters, for reports."""
        return {
            "mismatched": self.mismatched,
            "expired": self.expired,
            "unbound": self.unbound,
            "unsuccessful": self.unsuccessful,
            "tests": list(self.tests.count),
            "wrong": list(self.tests.wrong),
        }
