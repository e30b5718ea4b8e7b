"""A processor's coupling graph: layers of disjoint pairs, spreading trees, compact regions.

A processor without a coupling list couples every pair. All choices are deterministic, so that a plan
follows from metadata and seed alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from qcrs.errors import InputError

__all__ = ["Coupling", "Edge", "Spread"]

Edge = tuple[int, int]

_TRY_ROOTS = 32
"""Graphs of up to this many qubits try every root of a spreading tree; larger ones the busiest few."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How one excitation reaches qubit after qubit: `steps` holds (parent, child) in order of time."""

    root: int
    steps: tuple[Edge, ...]
    rounds: int

    def region(self, width: int) -> tuple[int, ...]:
        """The first `width` qubits reached; connected."""
        return (self.root, *(child for _, child in self.steps[: width - 1]))


@dataclass(frozen=True, slots=True)
class Coupling:
    """Which pairs of a processor's qubits share a two-qubit gate; each pair is listed once, smaller first."""

    qubits: int
    edges: tuple[Edge, ...]
    complete: bool = False
    _near: tuple[tuple[int, ...], ...] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        near: list[set[int]] = [set() for _ in range(self.qubits)]
        for a, b in self.edges:
            if not 0 <= a < b < self.qubits:
                raise InputError(
                    "a coupling names a qubit twice or one that does not exist", field="edge", value=(a, b)
                )
            near[a].add(b)
            near[b].add(a)
        object.__setattr__(self, "_near", tuple(tuple(sorted(s)) for s in near))

    @classmethod
    def of(cls, qubits: int, pairs: Iterable[Iterable[int]] | None) -> Coupling:
        """From a metadata list; none or an empty one couples every pair of qubits."""
        listed = sorted({(min(pair), max(pair)) for pair in (tuple(p) for p in pairs or ())})
        everything = [(a, b) for a in range(qubits) for b in range(a + 1, qubits)]
        return cls(qubits, tuple(listed or everything), not listed or listed == everything)

    def near(self, qubit: int) -> tuple[int, ...]:
        """Its neighbours, in order."""
        return self._near[qubit]

    def layers(self) -> tuple[tuple[Edge, ...], ...]:
        """Disjoint pairs, layer by layer, every pair in one layer."""
        return self._tournament() if self.complete else self._coloured()

    def _tournament(self) -> tuple[tuple[Edge, ...], ...]:
        """All pairs of a complete graph in rounds of disjoint ones (circle method)."""
        n = self.qubits + self.qubits % 2
        ring = list(range(1, n))
        rounds = []
        for _ in range(n - 1):
            seats = [0, *ring]
            pairs = [(seats[i], seats[n - 1 - i]) for i in range(n // 2)]
            rounds.append(tuple(sorted((min(p), max(p)) for p in pairs if max(p) < self.qubits)))
            ring = ring[-1:] + ring[:-1]
        return tuple(rounds)

    def _coloured(self) -> tuple[tuple[Edge, ...], ...]:
        """Greedy colouring of the edges, in breadth-first order with the busiest qubits first."""
        colour: dict[Edge, int] = {}
        used: list[set[int]] = [set() for _ in range(self.qubits)]
        for a in self._breadth_first():
            for b in self.near(a):
                edge = (min(a, b), max(a, b))
                if edge not in colour:
                    free = next(c for c in range(len(self.edges) + 1) if c not in used[a] | used[b])
                    colour[edge] = free
                    used[a].add(free)
                    used[b].add(free)
        count = 1 + max(colour.values(), default=-1)
        return tuple(tuple(sorted(e for e, c in colour.items() if c == k)) for k in range(count))

    def _breadth_first(self) -> list[int]:
        order: list[int] = []
        seen = [False] * self.qubits
        for start in sorted(range(self.qubits), key=lambda q: (-len(self.near(q)), q)):
            waiting = deque([start])
            while waiting:
                qubit = waiting.popleft()
                if not seen[qubit]:
                    seen[qubit] = True
                    order.append(qubit)
                    waiting.extend(self.near(qubit))
        return order

    def _spread_from(self, root: int) -> Spread:
        reached, steps, rounds = {root}, [], 0
        order = [root]
        while True:
            fresh: list[int] = []
            for parent in order:
                options = [q for q in self.near(parent) if q not in reached]
                if options:
                    child = max(options, key=lambda q: (sum(n not in reached for n in self.near(q)), -q))
                    reached.add(child)
                    steps.append((parent, child))
                    fresh.append(child)
            if not fresh:
                return Spread(root, tuple(steps), rounds)
            order += fresh
            rounds += 1

    def spread(self) -> Spread:
        """The tree that reaches most qubits in the fewest rounds, one new neighbour per qubit and round."""
        roots = sorted(range(self.qubits), key=lambda q: (-len(self.near(q)), q))
        if self.complete:
            roots = roots[:1]
        candidates = [self._spread_from(root) for root in roots[:_TRY_ROOTS]]
        return max(candidates, key=lambda s: (len(s.steps), -s.rounds, -s.root))

    def within(self, region: Iterable[int]) -> Coupling:
        """The same graph with only the pairs inside a region."""
        kept = set(region)
        return Coupling(self.qubits, tuple(e for e in self.edges if e[0] in kept and e[1] in kept))

    def distances(self, source: int) -> dict[int, int]:
        """Steps from `source` to every qubit that can be reached."""
        found, waiting = {source: 0}, deque([source])
        while waiting:
            qubit = waiting.popleft()
            for other in self.near(qubit):
                if other not in found:
                    found[other] = found[qubit] + 1
                    waiting.append(other)
        return found
