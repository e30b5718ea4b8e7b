"""Rules of a node in the middle of a circuit: swap at once, discard in silence, answer TRACK from a log.

Swaps wait for no message. Of each swap two records are kept, one for the TRACK that comes from either side;
of a discarded pair one, that turns its TRACK into an EXPIRE back to where it came from. A TRACK that
arrives before there is a record is parked. Records that no TRACK has asked for after two horizons are
dropped: the pair's other half was discarded too.
"""

from __future__ import annotations

from qcrs.qnp.network.actions import (
    FREE,
    LINK_START,
    LINK_STOP,
    SEND,
    SET_TIMER,
    SWAP,
    Action,
    Reason,
    RoutingEntry,
)
from qcrs.qnp.network.frames import COMPLETE, EXPIRE, FORWARD, PURIFY, TRACK, Frame
from qcrs.qnp.physical.hardware import KEEP as KEEP_QUBIT

__all__ = ["CLOSING", "Repeater"]

Record = tuple[int, int]
DISCARDED: Record = (0, -1)
SWEEP = 2
"""Timer tag of old parked frames; tags 0 and 1 are the cutoffs of the two queues."""

NOTHING: list[Action] = []


class _Side:
    """What a repeater knows of one of its two links. In one place, as a large network outgrows caches."""

    __slots__ = ("armed", "busy", "evicted", "old", "parked", "queue", "records", "seen")

    def __init__(self) -> None:
        self.seen = 0
        self.armed = False
        self.evicted = 0
        self.queue: list[tuple[int, int, int, int]] = []
        """Pairs that wait: sequence, handle, Bell index, deadline; oldest first."""
        self.records: dict[int, Record] = {}
        self.old: dict[int, Record] = {}
        self.busy: set[int] = set()
        self.parked: dict[int, tuple[int, Frame]] = {}

    def waits(self, sequence: int) -> bool:
        """Whether a pair is queued here, or in a swap that is under way."""
        for entry in self.queue:
            if entry[0] == sequence:
                return True
        return sequence in self.busy


class Repeater:
    """State of one circuit at a node between its ends; methods are the node's rules."""

    __slots__ = (
        "_circuit",
        "_cutoff",
        "_rotate_at",
        "_sides",
        "_slow",
        "_streaming",
        "_sweeping",
        "closed",
        "discards",
        "entry",
    )

    def __init__(self, entry: RoutingEntry) -> None:
        self.entry = entry
        self.closed = Reason.NONE
        self.discards = 0
        self._circuit = entry.circuit
        self._cutoff = entry.cutoff_ns
        self._slow = entry.swap_ns > 0
        self._sides = (_Side(), _Side())
        self._rotate_at = entry.horizon_ns
        self._streaming = False
        self._sweeping = False

    # ------------------------------------------------------------------ pairs

    def on_pair(
        self, now: int, side: int, sequence: int, handle: int, bell: int, outcome: int = -1
    ) -> list[Action]:
        """A link made a pair: swap it with the oldest one of the other side, or queue it under a cutoff."""
        if self.closed:
            return [(FREE, handle)]
        here = self._sides[side]
        if not self._streaming or outcome >= 0:
            here.seen = max(sequence, here.seen)
            return [(FREE, handle), *self._discard(now, side, sequence)]
        actions: list[Action] = []
        if sequence != here.seen + 1:
            for lost in range(here.seen + 1, sequence):
                actions += self._discard(now, side, lost)
        here.seen = sequence
        there = self._sides[1 - side]
        waiting = there.queue
        while waiting:
            other, other_handle, other_bell, deadline = waiting.pop(0)
            if deadline <= now:
                actions.append((FREE, other_handle))
                actions += self._discard(now, 1 - side, other)
                continue
            if self._slow:
                here.busy.add(sequence)
                there.busy.add(other)
            if side:
                actions.append((SWAP, other, other_handle, other_bell, sequence, handle, bell))
            else:
                actions.append((SWAP, sequence, handle, bell, other, other_handle, other_bell))
            return actions
        deadline = now + self._cutoff
        here.queue.append((sequence, handle, bell, deadline))
        if not here.armed:
            here.armed = True
            actions.append((SET_TIMER, deadline, side))
        return actions

    def on_swap(
        self, now: int, left: int, left_bell: int, right: int, right_bell: int, outcome: int
    ) -> list[Action]:
        """A swap was made: log its outcome for both directions and answer frames that waited for it."""
        if self.closed:
            return NOTHING
        if now >= self._rotate_at:
            self._rotate(now)
        before, after = self._sides
        before.records[left] = (right, outcome ^ right_bell)
        after.records[right] = (left, outcome ^ left_bell)
        if self._slow:
            before.busy.discard(left)
            after.busy.discard(right)
        if before.parked or after.parked:
            return self._release(now, 0, left) + self._release(now, 1, right)
        return NOTHING

    def _discard(self, now: int, side: int, sequence: int) -> list[Action]:
        if now >= self._rotate_at:
            self._rotate(now)
        self.discards += 1
        here = self._sides[side]
        here.records[sequence] = DISCARDED
        return self._release(now, side, sequence) if here.parked else NOTHING

    def _release(self, now: int, side: int, sequence: int) -> list[Action]:
        parked = self._sides[side].parked.pop(sequence, None)
        return NOTHING if parked is None else self.on_frame(now, side, parked[1])

    def _rotate(self, now: int) -> None:
        """Forget records that are older than a horizon; those younger get one more."""
        for one in self._sides:
            if one.old:
                one.evicted = max(one.evicted, max(one.old))
            one.old, one.records = one.records, {}
        self._rotate_at = now + self.entry.horizon_ns

    # ------------------------------------------------------------------ frames

    def on_frame(self, now: int, side: int, frame: Frame) -> list[Action]:
        """A frame from the neighbour on `side`."""
        if frame[0] == TRACK:
            link = frame[5]
            here = self._sides[side]
            record = here.records.pop(link, None)
            if record is None:
                record = here.old.pop(link, None)
                if record is None:
                    return self._unknown(now, side, link, frame)
            target, change = record
            if change < 0:
                return [(SEND, side, (EXPIRE, self._circuit, frame[4]))]
            _, circuit, request, ends, origin, _, state, epoch = frame
            return [(SEND, 1 - side, (TRACK, circuit, request, ends, origin, target, state ^ change, epoch))]
        if self.closed:
            return NOTHING
        if frame[0] == EXPIRE or frame[0] == PURIFY:
            return [(SEND, 1 - side, frame)]
        if frame[0] == FORWARD:
            actions: list[Action] = []
            if not self._streaming:
                self._streaming = True
                actions = [(LINK_START, 0, KEEP_QUBIT), (LINK_START, 1, KEEP_QUBIT)]
            return [*actions, (SEND, 1 - side, frame)]
        return self._complete(now, side, frame)

    def _unknown(self, now: int, side: int, link: int, frame: Frame) -> list[Action]:
        """No record: park the frame while the pair may still be swapped, refuse it if its record is gone."""
        if self.closed:
            return NOTHING
        here = self._sides[side]
        if link > here.seen or here.waits(link):
            here.parked[link] = (now, frame)
            if self._sweeping:
                return NOTHING
            self._sweeping = True
            return [(SET_TIMER, now + self.entry.horizon_ns, SWEEP)]
        if link <= here.evicted:
            return [(SEND, side, (EXPIRE, self._circuit, frame[4]))]
        return NOTHING  # answered before: a repeated frame

    def _complete(self, now: int, side: int, frame: Frame) -> list[Action]:
        """COMPLETE with a rate only passes; without, streams stop; as an abort it closes the circuit here."""
        onward: Action = (SEND, 1 - side, frame)
        _, _, _, _, reason, rate, _, _ = frame
        if reason in CLOSING:
            return [*self._close(Reason(reason)), onward]
        if rate == 0 and self._streaming:
            self._streaming = False
            return [(LINK_STOP, 0), (LINK_STOP, 1), *self._drain(now), onward]
        return [onward]

    def _drain(self, now: int) -> list[Action]:
        actions: list[Action] = []
        for side in (0, 1):
            queue = self._sides[side].queue
            while queue:
                sequence, handle, _, _ = queue.pop(0)
                actions.append((FREE, handle))
                actions += self._discard(now, side, sequence)
        return actions

    # ------------------------------------------------------------------ time and failure

    def on_timer(self, now: int, tag: int) -> list[Action]:
        """The cutoff of a queue, or the sweep of frames that waited in vain."""
        if self.closed:
            return NOTHING
        if tag == SWEEP:
            return self._sweep(now)
        queue = self._sides[tag].queue
        actions: list[Action] = []
        while queue and queue[0][3] <= now:
            sequence, handle, _, _ = queue.pop(0)
            actions.append((FREE, handle))
            actions += self._discard(now, tag, sequence)
        if queue:
            actions.append((SET_TIMER, queue[0][3], tag))
        else:
            self._sides[tag].armed = False
        return actions

    def _sweep(self, now: int) -> list[Action]:
        actions: list[Action] = []
        oldest = now - self.entry.horizon_ns
        for side in (0, 1):
            parked = self._sides[side].parked
            for link, (since, frame) in list(parked.items()):
                if since <= oldest:
                    del parked[link]
                    actions.append((SEND, side, (EXPIRE, self._circuit, frame[4])))
        self._sweeping = any(one.parked for one in self._sides)
        if self._sweeping:
            actions.append((SET_TIMER, now + self.entry.horizon_ns, SWEEP))
        return actions

    def on_lost(self, now: int, side: int, reason: Reason = Reason.KEEPALIVE_LOST) -> list[Action]:
        """The neighbour on `side` is gone: free everything, tell the other neighbour, close."""
        del now
        if self.closed:
            return NOTHING
        entry = self.entry
        abort = (COMPLETE, self._circuit, 0, entry.ends, int(reason), 0, 0, 0)
        return [*self._close(reason), (SEND, 1 - side, abort)]

    def _close(self, reason: Reason) -> list[Action]:
        actions: list[Action] = []
        if self._streaming:
            actions = [(LINK_STOP, 0), (LINK_STOP, 1)]
        self._streaming = False
        self.closed = reason
        for one in self._sides:
            actions += [(FREE, handle) for _, handle, _, _ in one.queue]
            for table in (one.queue, one.records, one.old, one.parked):
                table.clear()
        return actions

    @property
    def waiting(self) -> tuple[int, int]:
        """Pairs that wait on either side."""
        return len(self._sides[0].queue), len(self._sides[1].queue)

    @property
    def records(self) -> int:
        """Records and parked frames held."""
        return sum(len(one.records) + len(one.old) + len(one.parked) for one in self._sides)


CLOSING = {
    Reason.KEEPALIVE_LOST,
    Reason.COUNTS_DIFFER,
    Reason.CIRCUIT_DOWN,
    Reason.NODE_CRASHED,
    Reason.QUALITY_TOO_LOW,
}
"""Reasons in a COMPLETE that close the whole circuit, not one request."""
