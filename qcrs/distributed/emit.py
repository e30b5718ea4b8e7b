"""A schedule as one dynamic Qiskit circuit over all processors.

Every processor has its data qubits and its communication qubits. Outcomes travel between processors in
classical bits, and corrections follow them (`if_test`). One bit is used again for every outcome, or, where
the outcomes have to be kept, each has one of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Clbit, Instruction, Qubit
from qiskit.circuit.library import UnitaryGate

from qcrs.distributed.normal_form import NormalForm
from qcrs.distributed.schedule import Act, Apply, Close, Follow, Move, Open, Rotate, Schedule

__all__ = ["PAIR", "Message", "joint_circuit"]

PAIR = "pair"
"""Label of the identity that stands after each pair, for a noise model to hold on to."""


@dataclass(frozen=True, slots=True)
class Message:
    """One outcome of a teleported gate or qubit: measured on a processor, obeyed on another by X or Z."""

    source: int
    target: int
    pauli: str


@dataclass(slots=True)
class _Slots:
    """Physical qubits of one processor: which are free, and which hold what."""

    data: list[Qubit]
    links: list[Qubit]

    def take(self, *, link: bool) -> Qubit:
        return (self.links if link else self.data).pop(0)

    def give(self, qubit: Qubit, *, link: bool) -> None:
        (self.links if link else self.data).insert(0, qubit)


def joint_circuit(
    form: NormalForm, plan: Schedule, *, measure: bool = True, keep: bool = False
) -> QuantumCircuit:
    """All processors in one circuit; the program's classical bits come first.

    With `keep` bit i after them is the outcome `circuit.metadata["messages"][i]`.

    Without `measure` the program's qubits are left in their state: qubit i of the program is then found by
    `circuit.metadata["holders"][i]`, an index into `circuit.qubits`; all others are in |0⟩.
    """
    return _Emitter(form, plan, keep=keep).joint(measure=measure)


class _Emitter:
    def __init__(self, form: NormalForm, plan: Schedule, *, keep: bool) -> None:
        self.form, self.plan, self.keep = form, plan, keep
        self.messages: list[Message] = []
        self.data = [QuantumRegister(n, f"data{p}") if n else None for p, n in enumerate(plan.data)]
        self.link = [QuantumRegister(n, f"link{p}") if n else None for p, n in enumerate(plan.links)]
        self.slots = [_Slots(list(d or ()), list(c or ())) for d, c in zip(self.data, self.link, strict=True)]
        self.where: dict[tuple[int, int], tuple[Qubit, bool]] = {}
        """(qubit of the program, processor) → physical qubit, and whether it is a communication qubit."""
        for qubit, home in enumerate(plan.start):
            link = not self.slots[home].data
            self.where[qubit, home] = (self.slots[home].take(link=link), link)
        self.holder = list(plan.start)
        self.program = ClassicalRegister(form.clbits, "program")
        opened = sum(isinstance(act, Open) for act in plan.acts)
        self.outcome = ClassicalRegister(2 * opened if keep else 1, "outcome")
        registers = [r for r in (*self.data, *self.link) if r is not None]
        self.circuit = QuantumCircuit(*registers, *([self.program] if form.clbits else []), self.outcome)

    def joint(self, *, measure: bool) -> QuantumCircuit:
        for act in self.plan.acts:
            self._act(act)
        if measure:
            for qubit, clbit in self.form.measures:
                self.circuit.measure(self._held(qubit), self.program[clbit])
        index = {bit: number for number, bit in enumerate(self.circuit.qubits)}
        holders = [index[self._held(qubit)] for qubit in range(self.form.qubits)]
        self.circuit.metadata = {"holders": holders, "messages": self.messages}
        return self.circuit

    def _held(self, qubit: int) -> Qubit:
        return self.where[qubit, self.holder[qubit]][0]

    def _act(self, act: Act) -> None:
        if isinstance(act, Rotate):
            self.circuit.append(UnitaryGate(act.turn.matrix), [self._held(act.turn.qubit)])
        elif isinstance(act, Apply):
            pair = [self.where[qubit, act.at][0] for qubit in act.gate.qubits]
            self.circuit.cp(act.gate.angle, *pair)
        elif isinstance(act, Open):
            self._open(act)
        elif isinstance(act, Follow):
            copy, control = self.where[act.qubit, act.at][0], act.control
            if control is None:
                self.circuit.x(copy)
            else:
                self.circuit.cx(self.where[control, act.at][0], copy)
        elif isinstance(act, Close):
            self._away(act.qubit, act.at)
        else:
            self._move(act)

    def _open(self, act: Open) -> None:
        near = self.slots[act.source].take(link=True)
        far = self.slots[act.target].take(link=True)
        self.circuit.h(near)
        self.circuit.cx(near, far)
        self.circuit.append(Instruction("id", 1, 0, [], label=f"{PAIR}{act.number}"), [far])
        self.circuit.cx(self.where[act.qubit, act.source][0], near)
        bit = self._measured(near, Message(act.source, act.target, "x"))
        with self.circuit.if_test((bit, 1)):
            self.circuit.x(far)
        self.slots[act.source].give(near, link=True)
        self.where[act.qubit, act.target] = (far, True)

    def _measured(self, qubit: Qubit, message: Message) -> Clbit:
        bit = self.outcome[len(self.messages) if self.keep else 0]
        self.messages.append(message)
        self.circuit.measure(qubit, bit)
        self.circuit.reset(qubit)
        return bit

    def _away(self, qubit: int, at: int) -> None:
        """Measures the part at a processor in X and corrects the holder."""
        gone, link = self.where.pop((qubit, at))
        self.circuit.h(gone)
        bit = self._measured(gone, Message(at, self.holder[qubit], "z"))
        with self.circuit.if_test((bit, 1)):
            self.circuit.z(self._held(qubit))
        self.slots[at].give(gone, link=link)

    def _move(self, act: Move) -> None:
        """The copy becomes the qubit and takes a data qubit, if one is free; else it stays where it is."""
        self.holder[act.qubit] = act.to
        self._away(act.qubit, act.source)
        for p in (act.source, act.to):
            self._seat(p)

    def _seat(self, p: int) -> None:
        """Qubits in communication qubits go to free data qubits."""
        for (qubit, at), (physical, link) in list(self.where.items()):
            if at == p and link and self.holder[qubit] == p and self.slots[p].data:
                place = self.slots[p].take(link=False)
                self.circuit.swap(physical, place)
                self.slots[p].give(physical, link=True)
                self.where[qubit, p] = (place, False)
