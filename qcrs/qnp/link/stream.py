"""The link layer's choice: one continuous stream of pairs for each label, and whose turn it is.

A label is open while both ends of the link have asked for it (CREATE) and neither has stopped it. Turns go
round by weight. With *coordinated* labels every link goes through its open labels in the same order, so
that pairs of one circuit appear on neighbouring links together; with *independent* labels each link draws
at random, which fills memories with pairs that find no partner.
"""

from __future__ import annotations

from typing import Any

from qcrs.errors import InputError
from qcrs.qnp.physical.hardware import KEEP

__all__ = ["LinkLayer", "Stream"]


CLOSED: tuple[int | None, int | None] = (None, None)
KEPT: tuple[int | None, int | None] = (KEEP, KEEP)


def _with(modes: tuple[int | None, int | None], end: int, mode: int | None) -> tuple[int | None, int | None]:
    """Modes with one end's changed; the two most frequent are one object each, which stays in a cache."""
    changed = (modes[0], mode) if end else (mode, modes[1])
    return KEPT if changed == KEPT else CLOSED if changed == CLOSED else changed


class Stream:
    """One label of a link: who asked for it, how each end wants its qubit, the last sequence number."""

    __slots__ = ("hops", "inverse", "label", "modes", "sequence", "source", "weight")

    def __init__(self, label: int, weight: int) -> None:
        self.label = label
        self.weight = weight
        self.sequence = 0
        self.modes: tuple[int | None, int | None] = CLOSED
        """Basis code of each end, KEEP to keep the qubit, None while that end has not asked."""
        self.source: Any = None
        self.inverse = 0.0
        self.hops: Any = None
        """The pair source's setting, 1/ln(1 − p), and whom pairs are for (a port and its side, for each end).

        Set by the driver.
        """


class LinkLayer:
    """The labels of one link. `turn` is O(1); a label that opens or closes starts the round anew."""

    __slots__ = ("_open", "_streams", "coordinated", "order", "position")

    def __init__(self, *, coordinated: bool = True) -> None:
        self.coordinated = coordinated
        self._streams: dict[int, Stream] = {}
        self._open: list[Stream] = []
        self.order: list[Stream] = []
        self.position = 0

    def install(self, label: int, weight: int = 1) -> Stream:
        """Make a label known; its weight is its share of turns."""
        if weight < 1:
            raise InputError("a label's weight is at least 1", field="weight", value=weight)
        if label not in self._streams:
            self._streams[label] = Stream(label, weight)
        return self._streams[label]

    def create(self, label: int, end: int, mode: int) -> bool:
        """One end asks for a stream, or changes how it wants its qubits; whether the label is open now."""
        stream = self._streams[label]
        stream.modes = _with(stream.modes, end, mode)
        return self._refresh(stream)

    def stop(self, label: int, end: int) -> None:
        """One end has enough."""
        stream = self._streams[label]
        stream.modes = _with(stream.modes, end, None)
        self._refresh(stream)

    def _refresh(self, stream: Stream) -> bool:
        is_open = None not in stream.modes
        if is_open and stream not in self._open:
            self._open.append(stream)
            self._open.sort(key=lambda s: s.label)
        elif not is_open and stream in self._open:
            self._open.remove(stream)
        else:
            return is_open
        self.order, self.position = [], 0
        return is_open

    @property
    def open_labels(self) -> tuple[int, ...]:
        """Labels that pairs are made for."""
        return tuple(s.label for s in self._open)

    @property
    def is_open(self) -> bool:
        """Whether pairs are wanted at all."""
        return bool(self._open)

    def wants_draw(self) -> bool:
        """Whether `turn` needs a random number."""
        return not self.coordinated and len(self._open) > 1

    def turn(self, draw: float = 0.0) -> Stream | None:
        """Whose pair is attempted next, or None. `draw` in (0, 1] decides among independent labels."""
        order = self.order
        if not order:
            if not self._open:
                return None
            order = self.order = _round(self._open)
        if not self.coordinated:
            return order[min(int(draw * len(order)), len(order) - 1)]
        position = self.position
        if position >= len(order):
            position = 0
        self.position = position + 1
        return order[position]


def _round(streams: list[Stream]) -> list[Stream]:
    """A round of turns, each label as often as it weighs, evenly spread (smooth weighted round robin)."""
    total = sum(stream.weight for stream in streams)
    credit = [0] * len(streams)
    order = []
    for _ in range(total):
        for i, stream in enumerate(streams):
            credit[i] += stream.weight
        best = max(range(len(streams)), key=lambda i: (credit[i], -i))
        credit[best] -= total
        order.append(streams[best])
    return order
