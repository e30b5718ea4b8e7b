"""Rules of a circuit's end nodes: bind pairs to requests, track them, deliver or drop.

An end binds every pair that its link makes to the current request and sends a TRACK along the circuit; the
TRACK of the other end completes the pair here. Both must have bound the same request. The head decides
whose turn it is: each turn is an *epoch*, and a TRACK of the head with a newer epoch activates it at the
tail. Turns of test rounds are measured in Z, X or Y by epoch, and the TRACK carries the bit.
Pairs of a request that is purified are used up two at a time: the head says which two, both ends do
their part, and each keeps the first if the bits agree (see `physical.purification`).
There is no cutoff at ends: each pair is ended by a TRACK, an EXPIRE, or the end of its request.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
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
from qcrs.qnp.network.repeater import CLOSING
from qcrs.qnp.physical.hardware import BASIS_SETS
from qcrs.qnp.physical.hardware import KEEP as KEEP_QUBIT
from qcrs.qnp.physical.purification import joined, turns_of

__all__ = ["ENDLESS", "End", "Served", "TestRounds"]

ENDLESS = 1 << 60
TEST_AXES = (2, 0, 1)
"""Z, X, Y: what a turn of test rounds measures, by epoch."""

IN_FLIGHT = 64
"""Test rounds that one end may have counted before the other."""

NOTHING: list[Action] = []


@dataclass(slots=True)
class TestRounds:
    """Test rounds by axis: how many, and how many bits were wrong for the Bell state found."""

    __test__ = False  # not a test of this project, whatever its name looks like

    count: list[int] = field(default_factory=lambda: [0, 0, 0])
    wrong: list[int] = field(default_factory=lambda: [0, 0, 0])
    kept: list[tuple[int, int, int, int, int, int]] | None = None
    """Own and other sequence, axis, Bell index, own and other bit of each; None where nobody asks."""

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.count)

    def add(self, axis: int, bell: int, own: int, other: int) -> None:
        """One round: equal bits are expected where the Bell state correlates them."""
        x, z = bell >> 1 & 1, bell & 1
        expected = (z, x ^ z ^ 1, x)[axis]
        self.count[axis] += 1
        self.wrong[axis] += own ^ other ^ expected

    def error(self, axis: int) -> float | None:
        """Share of wrong bits on an axis, None without rounds."""
        return self.wrong[axis] / self.count[axis] if self.count[axis] else None


class Served:
    """A request while an end serves it. `room` is how many pairs may still be bound to it."""

    __slots__ = (
        "armed",
        "delivered",
        "final",
        "form",
        "held",
        "id",
        "mode",
        "number",
        "paused",
        "purify",
        "rate",
        "room",
        "window_ns",
    )

    def __init__(
        self, request: int, form: int, mode: int, number: int, rate: int, final: int, purify: int = 0
    ) -> None:
        self.id = request
        self.form = form
        self.mode = mode
        self.number = number
        self.rate = rate
        self.final = final
        self.purify = purify
        self.room = (2 * number if purify else number) or ENDLESS
        self.delivered = 0
        self.window_ns = 0
        self.armed = self.paused = False
        self.held: dict[int, tuple[int, Action]] = {}
        """Pairs that wait for others, by own sequence: when confirmed, how to deliver them."""


class Purification:
    """One at work at an end: both pairs as they would be delivered, their turns, and the bits known."""

    __slots__ = ("bit", "kept", "other_bit", "request", "sacrificed", "turns")

    def __init__(self, request: Served, kept: Action, sacrificed: Action, turns: tuple[int, int]) -> None:
        self.request = request
        self.kept = kept
        self.sacrificed = sacrificed
        self.turns = turns
        self.bit = self.other_bit = -1

    def outcome(self) -> tuple[bool, int]:
        """Whether it succeeded, and the Bell index of what is kept."""
        bell, expected = joined(self.kept[3], self.sacrificed[3], self.turns)
        return self.bit ^ self.other_bit == expected, bell


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


class Tail(End):
    """The end that follows: learns of requests by FORWARD and of epochs by TRACK."""

    __slots__ = ()
    side = 0

    def _activate(self, frame: Frame) -> list[Action]:
        epoch = frame[7]
        if epoch <= self.epoch:
            return []
        self.epoch = epoch
        request = frame[2]
        actions: list[Action] = []
        if request == TEST_REQUEST:
            self._test.mode = TEST_AXES[epoch % 3]
            self.current = self._test
        else:
            self.current = self.requests.get(request)
        if self.current is not None:
            self._stream(self.current.mode, actions)
        return actions

    def _forward(self, now: int, frame: Frame) -> list[Action]:
        del now
        _, _, number_of, _, form, _, basis, final, number, rate, window, purify = frame
        mode = basis if form == MEASURE else KEEP_QUBIT
        request = Served(number_of, form, mode, number, rate, final, purify)
        request.room = ENDLESS
        request.window_ns = window * 1_000_000
        self.requests[number_of] = request
        actions: list[Action] = []
        if self.current is None:
            self.current = request
            self._stream(mode, actions)
        return actions

    def _confirm(self, now: int, request: Served, delivery: Action, actions: list[Action]) -> None:
        if request.purify:
            request.held[delivery[4]] = (now, delivery)
            return
        request.delivered += 1
        delivery = (*delivery[:7], 0)  # the head corrects
        if request.window_ns:
            request.held[delivery[4]] = (now, delivery)
        else:
            actions.append(delivery)

    def _on_purify(self, now: int, frame: Frame) -> list[Action]:
        """The head did its part on two pairs: do the same, if both are here."""
        del now
        _, circuit, number_of, ends, kept, sacrificed, origin, word = frame
        request = self.requests.get(number_of)
        found = [] if request is None else [request.held.pop(s, None) for s in (kept, sacrificed)]
        actions: list[Action] = []
        if request is None or None in found:
            actions += [(FREE, one[1][2]) for one in found if one is not None]
            actions.append((SEND, 0, (PURIFY_FRAME, circuit, number_of, ends, origin, 0, kept, 0)))
            return actions
        deliveries = [one[1] for one in found if one is not None]
        self._purify(request, deliveries[0], deliveries[1], actions).other_bit = word & 1
        return actions

    def _purified(self, now: int, work: Purification) -> list[Action]:
        del now
        del self._working[work.kept[4]]
        request = work.request
        success, bell = work.outcome()
        actions = [self._tell_purify(work)]
        if success:
            request.delivered += 1
            if request.final != NO_STATE:
                bell = request.final
            actions.append((*work.kept[:3], bell, *work.kept[4:7], 0))
        else:
            self.unsuccessful += 1
            actions.append((FREE, work.kept[2]))
        return actions

    def _expire(self, sequence: int) -> list[Action]:
        for request in self.requests.values():  # the head gave up a confirmed pair of a window
            if sequence in request.held:
                _, delivery = request.held.pop(sequence)
                return [(FREE, delivery[2])]
        return super()._expire(sequence)

    def _complete(self, now: int, frame: Frame) -> list[Action]:
        _, _, number_of, _, reason, rate, delivered, tests = frame
        actions: list[Action] = []
        if reason in CLOSING:
            self._close(Reason(reason), actions)
            return actions
        own = self.tests.total
        request = self.requests.pop(number_of, None)
        short = request is not None and not request.window_ns and delivered > request.delivered
        if short or not own - IN_FLIGHT <= tests <= own:
            if request is not None:
                self.requests[number_of] = request
            return self.on_lost(now, 1, Reason.COUNTS_DIFFER)
        if request is not None:
            if request.window_ns and reason == Reason.NONE:
                actions += [d for _, d in request.held.values()]
                request.delivered = len(request.held)
                request.held.clear()
            self._drop(now, request, actions)
            status = Status.COMPLETED if reason in (Reason.NONE, Reason.CANCELLED) else Status.ABORTED
            actions.append((STATUS, request.id, status, reason, request.delivered))
            if self.current is request:
                self.current = None
        if rate == 0:
            self.current = None
            self._halt(actions)
        elif self.current is None and self.requests:
            self.current = next(iter(self.requests.values()))
            self._stream(self.current.mode, actions)
        return actions
