"""The processors that share a circuit, and what a copy of a qubit on several of them costs in pairs.

A qubit that is shared by a set of processors needs one entangled pair per edge of a tree that joins them.
Where every two processors have a channel that is |set| − 1; on a sparse network it is a smallest Steiner tree
(Dreyfus and Wagner, Networks 1, 195, 1971), tabulated once for every set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from qcrs.errors import InputError

__all__ = ["MOST_PROCESSORS", "Network"]

MOST_PROCESSORS = 12
"""The table has 2^k rows."""


@dataclass(frozen=True)
class Network:
    """Data and communication qubits of each processor (`capacity`, `links`), and which of them are joined."""

    capacity: tuple[int, ...]
    links: tuple[int, ...] = ()
    """Empty: as many as are asked for."""
    channels: frozenset[tuple[int, int]] = frozenset()
    """Pairs (p, q) with p < q; empty: every two processors have one."""
    guests: int = 0
    """Qubits beyond its capacity that a processor may hold for a time, in communication qubits."""
    _trees: list[int] = field(init=False, repr=False, compare=False)
    _next: dict[tuple[int, int], int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        size = len(self.capacity)
        if not 1 <= size <= MOST_PROCESSORS:
            raise InputError(
                f"a plan takes 1 to {MOST_PROCESSORS} processors",
                field="processors",
                value=size,
                solution="choose fewer processors",
            )
        if self.links and len(self.links) != size:
            raise InputError("one number of links per processor", field="links", value=self.links)
        if self.links and size > 1 and min(self.links) < 1:
            raise InputError(
                "a processor without a communication qubit cannot share a circuit",
                field="links",
                value=self.links,
            )
        for p, q in self.channels:
            if not 0 <= p < q < size:
                raise InputError("a channel joins two known processors", field="channels", value=(p, q))
        object.__setattr__(self, "_next", self._routes())
        object.__setattr__(self, "_trees", self._steiner())

    @classmethod
    def of(
        cls,
        capacity: Sequence[int],
        links: Sequence[int] = (),
        channels: Iterable[tuple[int, int]] = (),
        guests: int = 0,
    ) -> Network:
        """A network from plain sequences."""
        ordered = frozenset((min(pair), max(pair)) for pair in channels)
        return cls(tuple(capacity), tuple(links), ordered, guests)

    @property
    def size(self) -> int:
        """Number of processors."""
        return len(self.capacity)

    @property
    def trees(self) -> list[int]:
        """Pairs that join each set of processors, by its bit mask."""
        return self._trees

    def joined(self, p: int, q: int) -> bool:
        """Whether p and q have a channel."""
        return p != q and (not self.channels or (min(p, q), max(p, q)) in self.channels)

    def path(self, p: int, q: int) -> list[int]:
        """Processors of a shortest way from p to q, both included."""
        way = [p]
        while way[-1] != q:
            way.append(self._next[way[-1], q])
        return way

    def distance(self, p: int, q: int) -> int:
        """Channels between p and q."""
        return len(self.path(p, q)) - 1

    def _routes(self) -> dict[tuple[int, int], int]:
        routes: dict[tuple[int, int], int] = {}
        for goal in range(self.size):
            found, edge = {goal}, [goal]
            while edge:
                reached = []
                for q in edge:
                    for p in range(self.size):
                        if p not in found and self.joined(p, q):
                            routes[p, goal] = q
                            found.add(p)
                            reached.append(p)
                edge = reached
            if len(found) < self.size:
                missing = sorted(set(range(self.size)) - found)
                raise InputError(
                    "some processors cannot be reached over channels",
                    field="channels",
                    value=missing,
                    solution="open a channel to them or leave them out",
                )
        return routes

    def _steiner(self) -> list[int]:
        size, full = self.size, 1 << self.size
        if not self.channels:
            return [max(0, mask.bit_count() - 1) for mask in range(full)]
        far = size * size
        rooted = [[far] * size for _ in range(full)]  # cheapest tree over a set that also touches a processor
        for p in range(size):
            for q in range(size):
                rooted[1 << p][q] = self.distance(p, q)
        for mask in range(1, full):
            row = rooted[mask]
            part = (mask - 1) & mask
            while part > 0:
                if part < mask ^ part:
                    break
                other = mask ^ part
                for q in range(size):
                    row[q] = min(row[q], rooted[part][q] + rooted[other][q])
                part = (part - 1) & mask
            if mask & (mask - 1):
                best = list(row)
                for q in range(size):
                    row[q] = min(best[p] + self.distance(p, q) for p in range(size))
        return [0] + [min(rooted[mask]) for mask in range(1, full)]
