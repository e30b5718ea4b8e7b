"""Annealing of a sharing: gates change their processor, qubits move or trade places for a while or for good.

Every step keeps the number of qubits on each processor within its capacity at every moment. The cost and its
change by a move are exact (`sharing.pairs`). With few communication qubits a weight on the time for which
copies are open joins the cost: copies that do not fit are closed and opened again, for a pair each.
The same form, network, start and seed give the same result.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from qcrs.distributed.network import Network
from qcrs.distributed.normal_form import Gate, NormalForm
from qcrs.distributed.sharing import Sharing, residency

__all__ = ["refine"]

COLD = 0.1
"""Temperature at the end, in pairs."""


def refine(
    form: NormalForm,
    network: Network,
    start: Sharing,
    *,
    moves: int,
    hot: float = 0.45,
    seed: int = 0,
    crowding: float = 0.0,
    progress: Callable[[float], None] | None = None,
) -> Sharing:
    """The best sharing found in `moves` proposals, cooled from the temperature `hot` (in pairs).

    `crowding` is what a copy costs that stays open from beginning to end, in pairs.
    """
    if network.size == 1 or not form.gates:
        return start
    state = _Crowded(form, network, start, seed, crowding) if crowding else _State(form, network, start, seed)
    ratio = COLD / hot
    for done in range(moves):
        if not done & 1023:
            state.temperature = hot * ratio ** (done / moves)
            if progress is not None:
                progress(done / moves)
        state.propose()
    return state.best


class _State:
    """A sharing with the counts that make a change cheap to weigh."""

    def __init__(self, form: NormalForm, network: Network, start: Sharing, seed: int) -> None:
        self.k = network.size
        self.trees = network.trees
        self.capacity = [room + network.guests for room in network.capacity]
        self.random = random.Random(seed)  # noqa: S311  # a search, not a secret
        self.homes, self.places = list(start.homes), list(start.places)
        self.idle = list(start.idle)
        self.gate_edges: list[tuple[int, ...]] = [gate.segments for gate in form.gates]
        self.gates_of = [segment.gates for segment in form.segments]
        self.edges_of: list[tuple[int, ...]] = [(segment.number,) for segment in form.segments]
        for segment in form.segments:
            if segment.next is not None:
                self.edges_of[segment.next] = (segment.next, segment.number)
        self.segments_of: list[list[int]] = [[] for _ in range(form.qubits)]
        for segment in form.segments:
            self.segments_of[segment.qubit].append(segment.number)
        self.busy = [qubit for qubit, own in enumerate(self.segments_of) if own]
        _, self.spans = residency(form)
        self.moments = max((last for _, last in self.spans), default=1)
        self._count()
        self.temperature = COLD
        self.cost: float = sum(self.trees[mask] for mask in self.mask)
        self.least = self.cost
        self.best = start

    def _count(self) -> None:
        self.mask = [0] * len(self.homes)
        self.pins = [0] * (len(self.homes) * self.k)
        for gate, edges in enumerate(self.gate_edges):
            for edge in edges:
                self.pins[edge * self.k + self.places[gate]] += 1
        for segment, edges in enumerate(self.edges_of):
            for edge in edges:
                self.pins[edge * self.k + self.homes[segment]] += 1
        for edge in range(len(self.homes)):
            for p in range(self.k):
                if self.pins[edge * self.k + p]:
                    self.mask[edge] |= 1 << p
        self.used = [[0] * self.moments for _ in range(self.k)]
        for qubit, own in enumerate(self.segments_of):
            if not own:
                for moment in range(self.moments):
                    self.used[self.idle[qubit]][moment] += 1
            for segment in own:
                for moment in range(*self.spans[segment]):
                    self.used[self.homes[segment]][moment] += 1

    def propose(self) -> None:
        """One move, kept or not."""
        dice = self.random.random()
        if dice < 0.80:
            self._gate_move()
        elif dice < 0.85:
            self._block_move()
        elif dice < 0.93:
            self._qubit_move()
        else:
            self._trade()

    def _allowed(self, change: float) -> bool:
        return change <= 0 or self.random.random() < math.exp(-change / self.temperature)

    def _keep(self, change: float) -> None:
        self.cost += change
        if self.cost < self.least - 1e-9:
            self.least = self.cost
            self.best = Sharing(tuple(self.homes), tuple(self.places), tuple(self.idle))

    def _gate_change(self, gate: int, to: int) -> float:
        at, change = self.places[gate], 0
        for edge in self.gate_edges[gate]:
            old = self.mask[edge]
            new = old | 1 << to
            if self.pins[edge * self.k + at] == 1:
                new &= ~(1 << at)
            if new != old:
                change += self.trees[new] - self.trees[old]
        return change

    def _shift(self, edge: int, at: int, to: int) -> None:
        place = edge * self.k + at
        self.pins[place] -= 1
        if not self.pins[place]:
            self.mask[edge] &= ~(1 << at)
        place += to - at
        self.pins[place] += 1
        self.mask[edge] |= 1 << to

    def _put_gate(self, gate: int, to: int) -> None:
        at = self.places[gate]
        for edge in self.gate_edges[gate]:
            self._shift(edge, at, to)
        self.places[gate] = to

    def _gate_move(self) -> None:
        gate = int(self.random.random() * len(self.places))
        first, second = self.gate_edges[gate]
        dice = self.random.random()
        if dice < 0.4:
            to = self.homes[first]
        elif dice < 0.8:
            to = self.homes[second]
        else:
            to = int(self.random.random() * self.k)
        if to == self.places[gate]:
            return
        change = self._gate_change(gate, to)
        if self._allowed(change):
            self._put_gate(gate, to)
            self._keep(change)

    def _block_move(self) -> None:
        """All gates of a segment that run on one processor go to another one."""
        segment = int(self.random.random() * len(self.homes))
        gates = self.gates_of[segment]
        if not gates:
            return
        at = self.places[gates[int(self.random.random() * len(gates))]]
        to = int(self.random.random() * self.k)
        if at == to:
            return
        moved = [gate for gate in gates if self.places[gate] == at]
        change = 0.0
        for gate in moved:
            change += self._gate_change(gate, to)
            self._put_gate(gate, to)
        if self._allowed(change):
            self._keep(change)
            return
        for gate in moved:
            self._put_gate(gate, at)

    def _run(self, qubit: int) -> list[int]:
        """Some consecutive segments of a qubit that have one home."""
        own = self.segments_of[qubit]
        if self.random.random() < 0.3:
            return own
        first = last = int(self.random.random() * len(own))
        home = self.homes[own[first]]
        while last + 1 < len(own) and self.homes[own[last + 1]] == home and self.random.random() < 0.7:
            last += 1
        while first > 0 and self.homes[own[first - 1]] == home and self.random.random() < 0.7:
            first -= 1
        return own[first : last + 1]

    def _qubit_move(self) -> None:
        qubit = self.busy[int(self.random.random() * len(self.busy))]
        run = self._run(qubit)
        to = int(self.random.random() * self.k)
        olds = [self.homes[segment] for segment in run]
        if all(old == to for old in olds):
            return
        room, use = self.capacity[to], self.used[to]
        for segment, old in zip(run, olds, strict=True):
            if old != to and any(use[moment] >= room for moment in range(*self.spans[segment])):
                return
        self._try([(segment, to) for segment in run], trade=False)

    def _trade(self) -> None:
        """Two qubits trade their places for the whole computation; an idle one may be the second."""
        a = self.busy[int(self.random.random() * len(self.busy))]
        b = int(self.random.random() * len(self.segments_of))
        at = self.homes[self.segments_of[a][0]]
        to = self.homes[self.segments_of[b][0]] if self.segments_of[b] else self.idle[b]
        if at == to:
            return
        if any(self.homes[segment] != at for segment in self.segments_of[a]):
            return
        if any(self.homes[segment] != to for segment in self.segments_of[b]):
            return
        goals = [(segment, to) for segment in self.segments_of[a]]
        goals += [(segment, at) for segment in self.segments_of[b]]
        if self._try(goals, trade=True) and not self.segments_of[b]:
            self.idle[b] = at

    def _try(self, goals: list[tuple[int, int]], *, trade: bool) -> bool:
        """Moves segments and lets their gates follow; takes all back if that costs too much."""
        change = 0.0
        journal: list[tuple[int, int]] = []
        olds = [(segment, self.homes[segment]) for segment, _ in goals]
        for segment, to in goals:
            change += self._put_home(segment, to)
        for segment, to in goals:
            for gate in self.gates_of[segment]:
                first, second = self.gate_edges[gate]
                at = self.places[gate]
                best, gain = at, 0.0
                for place in {to, self.homes[first], self.homes[second]} - {at}:
                    this = self._gate_change(gate, place)
                    if this < gain or (this == gain and best == at and self.random.random() < 0.5):
                        best, gain = place, this
                if best != at:
                    journal.append((gate, at))
                    self._put_gate(gate, best)
                    change += gain
        if not self._allowed(change):
            for gate, at in reversed(journal):
                self._put_gate(gate, at)
            for segment, old in olds:
                self._put_home(segment, old)
            return False
        if not trade:  # a trade leaves every processor as full as it was
            for (segment, old), (_, to) in zip(olds, goals, strict=True):
                for moment in range(*self.spans[segment]):
                    self.used[old][moment] -= 1
                    self.used[to][moment] += 1
        self._keep(change)
        return True

    def _put_home(self, segment: int, to: int) -> float:
        at, change = self.homes[segment], 0
        if at == to:
            return 0
        for edge in self.edges_of[segment]:
            change -= self.trees[self.mask[edge]]
            self._shift(edge, at, to)
            change += self.trees[self.mask[edge]]
        self.homes[segment] = to
        return change


class _Crowded(_State):
    """Counts also for how long copies are open, in the order of the form's steps."""

    def __init__(
        self, form: NormalForm, network: Network, start: Sharing, seed: int, crowding: float
    ) -> None:
        super().__init__(form, network, start, seed)
        self.each = crowding / max(1, len(form.steps))
        when = {step.number: i for i, step in enumerate(form.steps) if isinstance(step, Gate)}
        self.times = [[when[gate] for gate in segment.gates] for segment in form.segments]
        """Steps of each segment's gates, ascending."""
        self.ends: list[int | None] = [
            None if segment.next is None else form.segments[segment.next].start for segment in form.segments
        ]
        self.nexts = [segment.next for segment in form.segments]
        self.bit = [
            tuple(1 << self.gates_of[edge].index(gate) for edge in edges)
            for gate, edges in enumerate(self.gate_edges)
        ]
        self.here = [0] * (len(self.homes) * self.k)
        """Gates of a segment at a processor, as a bit mask over the segment's gates."""
        for gate, edges in enumerate(self.gate_edges):
            for edge, bit in zip(edges, self.bit[gate], strict=True):
                self.here[edge * self.k + self.places[gate]] |= bit
        self.cost += sum(self._open(edge, p) for edge in range(len(self.homes)) for p in range(self.k))
        self.least = self.cost

    def _open(self, edge: int, p: int) -> float:
        """Cost of the time for which the segment has a copy at p."""
        if self.homes[edge] == p:
            return 0.0
        here, times, after = self.here[edge * self.k + p], self.times[edge], self.nexts[edge]
        leads = after is not None and self.homes[after] == p
        if not here and not leads:
            return 0.0
        end = self.ends[edge] if leads else None
        last = times[here.bit_length() - 1] if end is None else end
        first = times[(here & -here).bit_length() - 1] if here else last
        return self.each * (last - first + 1)

    def _gate_change(self, gate: int, to: int) -> float:
        at, change = self.places[gate], super()._gate_change(gate, to)
        for edge, bit in zip(self.gate_edges[gate], self.bit[gate], strict=True):
            old, new = edge * self.k + at, edge * self.k + to
            change -= self._open(edge, at) + self._open(edge, to)
            self.here[old] ^= bit
            self.here[new] ^= bit
            change += self._open(edge, at) + self._open(edge, to)
            self.here[old] ^= bit
            self.here[new] ^= bit
        return change

    def _put_gate(self, gate: int, to: int) -> None:
        at = self.places[gate]
        for edge, bit in zip(self.gate_edges[gate], self.bit[gate], strict=True):
            self.here[edge * self.k + at] ^= bit
            self.here[edge * self.k + to] ^= bit
        super()._put_gate(gate, to)

    def _put_home(self, segment: int, to: int) -> float:
        edges, every = self.edges_of[segment], range(self.k)
        before = sum(self._open(edge, p) for edge in edges for p in every)
        change = super()._put_home(segment, to)
        return change - before + sum(self._open(edge, p) for edge in edges for p in every)
