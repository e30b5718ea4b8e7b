"""Steps in an order that keeps few copies open: what a plan with few communication qubits needs.

Controlled phases of one run commute, and steps on different qubits do too. So whatever can run on copies that
are there runs first; a turn ends its run as soon as it can; and the next copy to open is the one that most of
its remaining uses wait for. Turns that move a qubit keep their order, so no processor holds more qubits at
any time than before.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from qcrs.distributed.normal_form import Gate, NormalForm, Turn
from qcrs.distributed.sharing import Sharing

__all__ = ["reordered"]


def reordered(form: NormalForm, sharing: Sharing) -> NormalForm:
    """The same computation with its steps in another order."""
    order = _Orderer(form, sharing).run()
    place = {old: new for new, old in enumerate(order)}
    first = {segment.number for segment in form.segments} - {segment.next for segment in form.segments}
    segments = tuple(
        segment if segment.number in first else replace(segment, start=place[segment.start])
        for segment in form.segments
    )
    return replace(form, steps=tuple(form.steps[old] for old in order), segments=segments)


class _Orderer:
    def __init__(self, form: NormalForm, sharing: Sharing) -> None:
        self.form, self.places = form, sharing.places
        self.index = {step.number: i for i, step in enumerate(form.steps) if isinstance(step, Gate)}
        self.queue: list[deque[int | set[int]]] = [deque() for _ in range(form.qubits)]
        """Per qubit: turns (indices of steps) and the runs of gates (numbers) between them."""
        for i, step in enumerate(form.steps):
            if isinstance(step, Turn):
                self.queue[step.qubit].append(i)
                continue
            for qubit in step.qubits:
                if not self.queue[qubit] or not isinstance(self.queue[qubit][-1], set):
                    self.queue[qubit].append(set())
                run = self.queue[qubit][-1]
                assert isinstance(run, set)  # noqa: S101  # appended above
                run.add(step.number)
        self.have: list[set[int]] = [{home} for home in sharing.idle]
        """Processors that hold each qubit or a copy."""
        self.arrives: dict[int, int] = {}
        """Home of the segment that begins at a turn."""
        followed = {segment.next: sharing.homes[segment.number] for segment in form.segments}
        moves = []
        for segment in form.segments:
            home = sharing.homes[segment.number]
            if segment.number not in followed:
                self.have[segment.qubit] = {home}
            else:
                self.arrives[segment.start] = home
                if followed[segment.number] != home:
                    moves.append(segment.start)
        self.moves = deque(sorted(moves))
        self.home = [min(have) for have in self.have]
        self.left: dict[tuple[int, int], int] = {}
        """Uses of (segment, processor) to come."""
        for gate in form.gates:
            for part in gate.segments:
                key = part, self.places[gate.number]
                self.left[key] = self.left.get(key, 0) + 1
        self.ready: set[int] = set()
        self.out: list[int] = []

    def run(self) -> list[int]:
        for qubit in range(self.form.qubits):
            self._turns(qubit)
        while len(self.out) < len(self.form.steps):
            if not self._free():
                self._open()
        return self.out

    def _turns(self, qubit: int) -> None:
        """Runs the qubit's turns that are next, then sees which of its gates are ready."""
        queue = self.queue[qubit]
        while queue and not isinstance(queue[0], set):
            turn = queue[0]
            if self.moves and turn in self.moves and turn != self.moves[0]:
                return
            queue.popleft()
            self.out.append(turn)
            self.home[qubit] = self.arrives.get(turn, self.home[qubit])
            self.have[qubit] = {self.home[qubit]}
            if self.moves and turn == self.moves[0]:
                self.moves.popleft()
                if self.moves:  # the next one may have waited for this one
                    step = self.form.steps[self.moves[0]]
                    assert isinstance(step, Turn)  # noqa: S101  # moves are turns
                    if step.qubit != qubit:
                        self._turns(step.qubit)
        if queue:
            self.ready |= {gate for gate in queue[0] if self._is_ready(gate)}  # type: ignore[union-attr]

    def _is_ready(self, number: int) -> bool:
        for qubit in self.form.gates[number].qubits:
            front = self.queue[qubit][0] if self.queue[qubit] else None
            if not isinstance(front, set) or number not in front:
                return False
        return True

    def _free(self) -> bool:
        """Runs every ready gate whose qubits are there."""
        found = [
            number
            for number in sorted(self.ready)
            if all(self.places[number] in self.have[q] for q in self.form.gates[number].qubits)
        ]
        for number in found:
            self._apply(number)
        return bool(found)

    def _apply(self, number: int) -> None:
        gate, at = self.form.gates[number], self.places[number]
        self.ready.discard(number)
        self.out.append(self.index[number])
        for part, qubit in zip(gate.segments, gate.qubits, strict=True):
            self.left[part, at] -= 1
            if not self.left[part, at] and at != self.home[qubit]:
                self.have[qubit].discard(at)
            run = self.queue[qubit][0]
            assert isinstance(run, set)  # noqa: S101  # the gate was ready
            run.discard(number)
            if not run:
                self.queue[qubit].popleft()
                self._turns(qubit)

    def _open(self) -> None:
        """Opens the copy for which most of its uses wait."""
        waiting: dict[tuple[int, int], float] = {}
        share: dict[tuple[int, int], float] = {}
        for number in sorted(self.ready):
            gate, at = self.form.gates[number], self.places[number]
            lacking = [
                (part, q)
                for part, q in zip(gate.segments, gate.qubits, strict=True)
                if at not in self.have[q]
            ]
            for part, qubit in lacking:
                key = qubit, at
                waiting[key] = waiting.get(key, 0.0) + 1 / len(lacking) ** 2
                share[key] = waiting[key] / self.left[part, at]
        qubit, at = max(waiting, key=lambda key: (round(share[key], 6), waiting[key], (-key[0], -key[1])))
        self.have[qubit].add(at)
