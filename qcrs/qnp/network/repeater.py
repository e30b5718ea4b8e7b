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


class Repeater:
    """State of one circuit at a node between its ends; methods are the node's rules."""

    __slots__ = (
        "_armed",
        "_busy",
        "_circuit",
        "_cutoff",
        "_evicted",
        "_parked",
        "_queues",
        "_records",
        "_records_old",
        "_rotate_at",
        "_seen",
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
        self._queues: tuple[list[tuple[int, int, int, int]], ...] = ([], [])
        self._armed = [False, False]
        self._seen = [0, 0]
        self._records: list[dict[int, Record]] = [{}, {}]
        self._records_old: list[dict[int, Record]] = [{}, {}]
        self._rotate_at = entry.horizon_ns
        self._evicted = [0, 0]
        self._busy: tuple[set[int], set[int]] = (set(), set())
        self._parked: tuple[dict[int, tuple[int, Frame]], ...] = ({}, {})
        self._streaming = False
        self._sweeping = False

    # ------------------------------------------------------------------ pairs

    def on_pair(
        self, now: int, side: int, sequence: int, handle: int, bell: int, outcome: int = -1
    ) -> list[Action]:
        """A link made a pair: swap it with the oldest one of the other side, or queue it under a cutoff."""
        if self.closed:
            return [(FREE, handle)]
        if not self._streaming or outcome >= 0:
            self._seen[side] = max(sequence, self._seen[side])
            return [(FREE, handle), *self._discard(now, side, sequence)]
        actions: list[Action] = []
        if sequence != self._seen[side] + 1:
            for lost in range(self._seen[side] + 1, sequence):
                actions += self._discard(now, side, lost)
        self._seen[side] = sequence
        waiting = self._queues[1 - side]
        while waiting:
            other, other_handle, other_bell, deadline = waiting.pop(0)
            if deadline <= now:
                actions.append((FREE, other_handle))
                actions += self._discard(now, 1 - side, other)
                continue
            if self._slow:
                self._busy[side].add(sequence)
                self._busy[1 - side].add(other)
            if side:
                actions.append((SWAP, other, other_handle, other_bell, sequence, handle, bell))
            else:
                actions.append((SWAP, sequence, handle, bell, other, other_handle, other_bell))
            return actions
        deadline = now + self._cutoff
        self._queues[side].append((sequence, handle, bell, deadline))
        if not self._armed[side]:
            self._armed[side] = True
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
        self._records[0][left] = (right, outcome ^ right_bell)
        self._records[1][right] = (left, outcome ^ left_bell)
        if self._slow:
            self._busy[0].discard(left)
            self._busy[1].discard(right)
        if self._parked[0] or self._parked[1]:
            return self._release(now, 0, left) + self._release(now, 1, right)
        return NOTHING

    def _discard(self, now: int, side: int, sequence: int) -> list[Action]:
        if now >= self._rotate_at:
            self._rotate(now)
        self.discards += 1
        self._records[side][sequence] = DISCARDED
        return self._release(now, side, sequence) if self._parked[side] else NOTHING

    def _release(self, now: int, side: int, sequence: int) -> list[Action]:
        parked = self._parked[side].pop(sequence, None)
        return NOTHING if parked is None else self.on_frame(now, side, parked[1])

    def _rotate(self, now: int) -> None:
        """Forget records that are older than a horizon; those younger get one more."""
        for side in (0, 1):
            old = self._records_old[side]
            if old:
                self._evicted[side] = max(self._evicted[side], max(old))
            self._records_old[side] = self._records[side]
            self._records[side] = {}
        self._rotate_at = now + self.entry.horizon_ns

    # ------------------------------------------------------------------ frames

    def on_frame(self, now: int, side: int, frame: Frame) -> list[Action]:
        """A frame from the neighbour on `side`."""
        if frame[0] == TRACK:
            link = frame[5]
            record = self._records[side].pop(link, None)
            if record is None:
                record = self._records_old[side].pop(link, None)
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
        waiting = any(entry[0] == link for entry in self._queues[side]) or link in self._busy[side]
        if waiting or link > self._seen[side]:
            self._parked[side][link] = (now, frame)
            if self._sweeping:
                return NOTHING
            self._sweeping = True
            return [(SET_TIMER, now + self.entry.horizon_ns, SWEEP)]
        if link <= self._evicted[side]:
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
            while self._queues[side]:
                sequence, handle, _, _ = self._queues[side].pop(0)
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
        queue = self._queues[tag]
        actions: list[Action] = []
        while queue and queue[0][3] <= now:
            sequence, handle, _, _ = queue.pop(0)
            actions.append((FREE, handle))
            actions += self._discard(now, tag, sequence)
        if queue:
            actions.append((SET_TIMER, queue[0][3], tag))
        else:
            self._armed[tag] = False
        return actions

    def _sweep(self, now: int) -> list[Action]:
        actions: list[Action] = []
        oldest = now - self.entry.horizon_ns
        for side in (0, 1):
            for link, (since, frame) in list(self._parked[side].items()):
                if since <= oldest:
                    del self._parked[side][link]
                    actions.append((SEND, side, (EXPIRE, self._circuit, frame[4])))
        self._sweeping = any(self._parked)
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
        for queue in self._queues:
            actions += [(FREE, handle) for _, handle, _, _ in queue]
            queue.clear()
        for records in (*self._records, *self._records_old):
            records.clear()
        for parked in self._parked:
            parked.clear()
        return actions

    @property
    def waiting(self) -> tuple[int, int]:
        """Pairs that wait on either side."""
        return len(self._queues[0]), len(self._queues[1])

    @property
    def records(self) -> int:
        """Records and parked frames held."""
        records = sum(len(table) for table in (*self._records, *self._records_old))
        return records + sum(len(parked) for parked in self._parked)


CLOSING = {
    Reason.KEEPALIVE_LOST,
    Reason.COUNTS_DIFFER,
    Reason.CIRCUIT_DOWN,
    Reason.NODE_CRASHED,
    Reason.QUALITY_TOO_LOW,
}
"""Reasons in a COMPLETE that close the whole circuit, not one request."""
