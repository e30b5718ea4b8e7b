"""A priority queue of events whose heap stays small: what lies further ahead waits in unsorted buckets.

Timers far in the future would make one heap deep, and every pop walks its depth through cold memory. Here
only the events of the current bucket of time are on the heap; the others are appended to the bucket of their
time and sorted when it comes. The width of buckets follows the density of events. Order is that of a heap.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Any

__all__ = ["Agenda", "Event"]

Event = tuple[int, int, int, Any, Any, Any]
"""Time, number, kind, three arguments; no two have the same number."""

_FULL = 128
_SPARSE = 12


class Agenda:
    """`heap` holds the events before `edge`, smallest first; `advance` fills it when it is empty."""

    __slots__ = ("_ahead", "_buckets", "_loads", "_shift", "_taken", "edge", "heap")

    def __init__(self) -> None:
        self.heap: list[Event] = []
        self.edge = 0
        self._buckets: dict[int, list[Event]] = {}
        self._ahead: list[int] = []
        self._shift = 20
        self._loads = self._taken = 0

    def push(self, event: Event) -> None:
        """Add an event."""
        time = event[0]
        if time < self.edge:
            heappush(self.heap, event)
            return
        key = time >> self._shift
        bucket = self._buckets.get(key)
        if bucket is None:
            self._buckets[key] = [event]
            heappush(self._ahead, key)
        else:
            bucket.append(event)

    def advance(self) -> bool:
        """Put the next bucket on the empty heap; False if there is none."""
        if not self._ahead:
            return False
        key = heappop(self._ahead)
        bucket = self._buckets.pop(key)
        if len(bucket) > _FULL and self._shift > 0:
            self._buckets[key] = bucket
            self._resize(self._shift - max(1, (len(bucket) // _FULL).bit_length()))
            return self.advance()
        self._loads += 1
        self._taken += len(bucket)
        self.heap[:] = bucket
        heapify(self.heap)
        self.edge = (key + 1) << self._shift
        if self._loads == 256:
            if self._taken < _SPARSE * self._loads and self._shift < 40:
                self._resize(self._shift + 1)
            self._loads = self._taken = 0
        return True

    def _resize(self, shift: int) -> None:
        """Buckets of another width. None may reach before `edge`, where the heap rules."""
        self._shift = max(0, shift)
        events = [event for bucket in self._buckets.values() for event in bucket]
        self._buckets.clear()
        self._ahead.clear()
        for event in events:
            self.push(event)

    def __len__(self) -> int:
        return len(self.heap) + sum(map(len, self._buckets.values()))
