"""A sharing as a list of acts: which pair opens when, which copy closes, which qubit moves.

Acts follow the order of the normal form. A copy opens at its first use and closes after its last one, so
communication qubits are free as early as can be. Where a processor has too few of them the copy that is
needed last is closed and opened again later (Belady's rule), for one more pair. What this module counts is
what a run consumes: `Schedule.pairs` is the plan's price.

With few communication qubits the steps are also tried in the order of `order`, and the cheaper list is taken.

Open is the cat-entangler and Close the cat-disentangler of Yimsiriwattana and Lomonaco (quant-ph/0402148);
Move is teleportation along an open copy. Follow keeps a copy a copy while its qubit is the target of CX
(`embedding`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from itertools import pairwise

from qcrs.distributed.embedding import bridges
from qcrs.distributed.network import Network
from qcrs.distributed.normal_form import Gate, NormalForm, Segment, Turn
from qcrs.distributed.order import reordered
from qcrs.distributed.sharing import Sharing
from qcrs.errors import InputError

__all__ = ["Act", "Apply", "Close", "Follow", "Move", "Open", "Rotate", "Schedule", "schedule"]


@dataclass(frozen=True, slots=True)
class Open:
    """One pair from `source`, which holds the qubit or a copy, to `target`, which gets a copy."""

    qubit: int
    source: int
    target: int
    number: int
    """Count of pairs so far, from 0; a pair over several channels is one here."""


@dataclass(frozen=True, slots=True)
class Close:
    """The copy at `at` is measured away; the holder is corrected."""

    qubit: int
    at: int


@dataclass(frozen=True, slots=True)
class Move:
    """The copy at `to` becomes the qubit; the old holder's part is measured away."""

    qubit: int
    source: int
    to: int


@dataclass(frozen=True, slots=True)
class Apply:
    """A controlled phase on processor `at`."""

    gate: Gate
    at: int


@dataclass(frozen=True, slots=True, eq=False)
class Rotate:
    """A turn of a qubit where it is held."""

    turn: Turn
    at: int


@dataclass(frozen=True, slots=True)
class Follow:
    """A copy at `at` of `qubit` is flipped as the qubit is.

    By CX from the gate's other qubit, which is at `at` too, or, without a gate, by X.
    """

    qubit: int
    at: int
    gate: Gate | None
    source: int
    """Processor on which the gate itself ran."""

    @property
    def control(self) -> int | None:
        """The gate's other qubit."""
        if self.gate is None:
            return None
        first, second = self.gate.qubits
        return second if first == self.qubit else first


Act = Open | Close | Move | Apply | Rotate | Follow


@dataclass(frozen=True, slots=True)
class Schedule:
    """Acts in order, with what they use."""

    acts: tuple[Act, ...]
    start: tuple[int, ...]
    """Home of each qubit at the beginning."""
    end: tuple[int, ...]
    """Home of each qubit at the end, where it is measured."""
    pairs: dict[tuple[int, int], int]
    """Pairs per channel (p < q); a pair over several channels counts on each."""
    data: tuple[int, ...]
    """Most data qubits in use on each processor at one time."""
    links: tuple[int, ...]
    """Most communication qubits in use on each processor at one time."""

    @property
    def total(self) -> int:
        """Pairs of all channels."""
        return sum(self.pairs.values())


def schedule(form: NormalForm, network: Network, sharing: Sharing) -> Schedule:
    """The acts of a sharing; `InputError` where a processor's communication qubits cannot do."""
    if not network.links:
        return _Scheduler(form, network, sharing).run()
    found, problem = [], None
    for ordered in (form, reordered(form, sharing)):
        try:
            found.append(_Scheduler(ordered, network, sharing).run())
        except InputError as error:
            problem = error
    if problem is not None and not found:
        raise problem
    return min(found, key=lambda made: made.total)


class _Scheduler:
    def __init__(self, form: NormalForm, network: Network, sharing: Sharing) -> None:
        self.form, self.network, self.sharing = form, network, sharing
        self.acts: list[Act] = []
        self.copies: list[set[int]] = [set() for _ in range(form.qubits)]
        """Processors that have a copy of each qubit besides its holder."""
        self.relays: list[set[int]] = [set() for _ in range(form.qubits)]
        """Copies that were opened only for others to be opened from them."""
        self.holder = list(sharing.idle)
        self.current: list[Segment | None] = [None] * form.qubits
        self.begins: dict[tuple[int, int], Segment] = {}
        for segment in form.segments:
            if not any(other.next == segment.number for other in form.segments[: segment.number]):
                self.holder[segment.qubit] = sharing.homes[segment.number]
                self.current[segment.qubit] = segment
            else:
                self.begins[segment.start, segment.qubit] = segment
        self.start = tuple(self.holder)
        self.limits = network.links or (2 * form.qubits,) * network.size
        self.hosted = [0] * network.size
        """Copies on each processor."""
        self.residents = [self.holder.count(p) for p in range(network.size)]
        self.data = [0] * network.size
        self.peak = [0] * network.size
        self._note()
        self.count: Counter[tuple[int, int]] = Counter()
        self.opened = 0
        self.places = [self._place(gate) for gate in form.gates]
        self.kept: dict[int, set[int]] = {}
        """Processors at which copies are kept through each segment."""
        for number, at in sharing.kept:
            self.kept.setdefault(number, set()).add(at)
        self.bridges = bridges(form) if self.kept else {}
        self.crossing: set[int] = set()
        """Qubits whose copies are kept just now."""
        self.uses: dict[tuple[int, int], list[int]] = {}
        """Steps, latest first, at which each (segment, processor) is used."""
        for index in range(len(form.steps) - 1, -1, -1):
            step = form.steps[index]
            if isinstance(step, Gate):
                for part, at in self._used_by(step):
                    self.uses.setdefault((part, at), []).append(index)

    def _place(self, gate: Gate) -> int:
        """Where a gate runs: a third processor needs two communication qubits."""
        place = self.sharing.places[gate.number]
        homes = [self.sharing.homes[part] for part in gate.segments]
        if place in homes or self.limits[place] >= 2:
            return place
        return homes[0]

    def _used_by(self, gate: Gate) -> list[tuple[int, int]]:
        """(Segment, processor) that a gate needs; where it is followed, the other qubit has to be, too."""
        found = {(part, self.places[gate.number]) for part in gate.segments}
        for part in gate.segments:
            found |= {(gate.other(part), at) for at in self.kept.get(part, ())}
        return sorted(found)

    def run(self) -> Schedule:
        """Walks the normal form once."""
        for index, step in enumerate(self.form.steps):
            if isinstance(step, Turn):
                self._turn(index, step)
            else:
                self._gate(index, step)
        for qubit in range(self.form.qubits):
            self._settle(qubit)
        return Schedule(
            tuple(self.acts),
            self.start,
            tuple(self.holder),
            dict(sorted(self.count.items())),
            tuple(self.data),
            tuple(self.peak),
        )

    def _turn(self, index: int, turn: Turn) -> None:
        qubit = turn.qubit
        segment, left = self.begins.get((index, qubit)), self.current[qubit]
        stay: set[int] = set()
        if segment is not None:
            stay = self.kept.get(segment.number, set())
            if left is not None and left.number in self.kept:
                stay = stay | self.kept[left.number]
            to = self.sharing.homes[segment.number]
            if to != self.holder[qubit]:
                self._copy(qubit, to, index, set())
                self._move(qubit, to)
                self.relays[qubit].discard(to)
            self.current[qubit] = segment
        self._settle(qubit, stay)
        self.acts.append(Rotate(turn, self.holder[qubit]))
        if segment is not None and left is not None and left.number in self.kept:
            self.crossing.discard(qubit)
            if self.bridges[left.number].flips:
                self.acts += [Follow(qubit, at, None, at) for at in sorted(self.copies[qubit])]
        if segment is not None and segment.number in self.kept:
            self.crossing.add(qubit)

    def _move(self, qubit: int, to: int) -> None:
        self.copies[qubit].discard(to)
        self.hosted[to] -= 1
        self.acts.append(Move(qubit, self.holder[qubit], to))
        self.residents[self.holder[qubit]] -= 1
        self.residents[to] += 1
        self.holder[qubit] = to
        self._note()

    def _used(self, at: int) -> int:
        """Communication qubits in use: by copies, and by qubits that find no place among the data qubits."""
        return self.hosted[at] + max(0, self.residents[at] - self.network.capacity[at])

    def _note(self) -> None:
        for p, room in enumerate(self.network.capacity):
            self.data[p] = max(self.data[p], min(self.residents[p], room))
            self.peak[p] = max(self.peak[p], self._used(p))

    def _settle(self, qubit: int, stay: Container[int] = ()) -> None:
        for at in sorted(at for at in self.copies[qubit] if at not in stay):
            self._close(qubit, at)

    def _close(self, qubit: int, at: int) -> None:
        self.copies[qubit].discard(at)
        self.relays[qubit].discard(at)
        self.hosted[at] -= 1
        self.acts.append(Close(qubit, at))

    def _gate(self, index: int, gate: Gate) -> None:
        at = self.places[gate.number]
        needed = {(qubit, at) for qubit in gate.qubits}
        for qubit in gate.qubits:
            if self.holder[qubit] != at:
                self._copy(qubit, at, index, needed)
        self.acts.append(Apply(gate, at))
        for part, qubit, other in zip(gate.segments, gate.qubits, gate.qubits[::-1], strict=True):
            if part in self.kept:
                self._follow(index, gate, qubit, other)
        for part, place in self._used_by(gate):
            qubit = self.form.segments[part].qubit
            uses = self.uses[part, place]
            uses.pop()
            after = self.form.segments[part].next
            stays = after is not None and (
                self.sharing.homes[after] == place or place in self.kept.get(after, ())
            )
            if uses or place not in self.copies[qubit] or stays or qubit in self.crossing:
                continue
            if self._branches(qubit, place, place):
                self.relays[qubit].add(place)
            else:
                self._close(qubit, place)

    def _follow(self, index: int, gate: Gate, qubit: int, other: int) -> None:
        """The qubit's copies are flipped as it was by the gate."""
        for place in sorted(self.copies[qubit]):
            if self.holder[other] != place:
                self._copy(other, place, index, {(qubit, place)})
            self.acts.append(Follow(qubit, place, gate, self.places[gate.number]))

    def _copy(self, qubit: int, to: int, index: int, needed: set[tuple[int, int]]) -> None:
        """Opens a copy at `to` from the nearest one, and on its way where ways to others will branch off."""
        if to in self.copies[qubit]:
            return
        having = {self.holder[qubit], *self.copies[qubit]}
        source = min(having, key=lambda p: (self.network.distance(p, to), p != self.holder[qubit], p))
        for p in self.network.path(source, to)[1:-1]:
            if self._wanted(qubit, p) or self._branches(qubit, p, to):
                self._pair(qubit, source, p, index, needed | {(qubit, source)})
                self.relays[qubit].add(p)
                source = p
        self._pair(qubit, source, to, index, needed | {(qubit, source)})
        for p in sorted(self.relays[qubit]):
            if not self._branches(qubit, p, p):
                self.relays[qubit].discard(p)
                if p in self.copies[qubit] and p != to and not self._wanted(qubit, p):
                    self._close(qubit, p)

    def _wanted(self, qubit: int, at: int) -> bool:
        """Whether the qubit's segment needs to be at a processor later."""
        segment = self.current[qubit]
        if segment is None:
            return False
        leads = segment.next is not None and self.sharing.homes[segment.next] == at
        return leads or bool(self.uses.get((segment.number, at)))

    def _branches(self, qubit: int, at: int, to: int) -> bool:
        """Whether a processor that is needed later is nearer to `at` than to `to` and all copies."""
        having = ({self.holder[qubit], to} | self.copies[qubit]) - {at}
        distance = self.network.distance
        return bool(self.network.channels) and any(
            self._wanted(qubit, p) and distance(at, p) < min(distance(q, p) for q in having)
            for p in range(self.network.size)
            if p not in having and p != at
        )

    def _pair(self, qubit: int, source: int, to: int, index: int, needed: set[tuple[int, int]]) -> None:
        way = self.network.path(source, to)
        # The pair's near half needs a communication qubit for a moment; those on the way swap, with two.
        self._room(source, 1, index, needed)
        self._room(to, 1, index, needed)
        for p in (source, to):
            self.peak[p] = max(self.peak[p], self._used(p) + 1)
        for p in way[1:-1]:
            self._room(p, 2, index, needed)
            self.peak[p] = max(self.peak[p], self._used(p) + 2)
        for p, q in pairwise(way):
            self.count[min(p, q), max(p, q)] += 1
        self.acts.append(Open(qubit, source, to, self.opened))
        self.opened += 1
        self.copies[qubit].add(to)
        self.hosted[to] += 1

    def _room(self, at: int, wanted: int, index: int, needed: set[tuple[int, int]]) -> None:
        """Closes copies at a processor, that of the latest next use first, until `wanted` links are free."""
        while self.limits[at] - self._used(at) < wanted:
            found = [
                (self._next_use(qubit, at, index), qubit)
                for qubit in range(self.form.qubits)
                if at in self.copies[qubit] and (qubit, at) not in needed and qubit not in self.crossing
            ]
            if not found:
                raise InputError(
                    f"processor {at} has {self.limits[at]} communication qubits and needs more at once",
                    field="links",
                    value=self.limits[at],
                    solution="give it at least three, or share among fewer processors",
                )
            self._close(max(found)[1], at)

    def _next_use(self, qubit: int, at: int, index: int) -> int:
        segment = self.current[qubit]
        uses = self.uses.get((segment.number, at)) if segment is not None else None
        return uses[-1] if uses else len(self.form.steps) + index
