"""A circuit as turns and controlled phases: the form in which work is shared among processors.

Every gate but the controlled phase CP(φ) = diag(1, 1, 1, e^{iφ}) acts on one qubit here, and what lies on one
qubit between two controlled phases is one matrix. Diagonal matrices commute with controlled phases, and
flips pass them (CP(φ)·X_a = X_a·P_b(φ)·CP(−φ)), so both wait; only a *turn*, which is neither, ends a run of
phases. Swaps are renamed wires. (Andrés-Martínez and Heunen, Phys. Rev. A 100, 032308, 2019; Wu et al.,
"Entanglement-efficient bipartite-distributed quantum computing", Quantum 7, 1196, 2023.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction
from qiskit.circuit.exceptions import CircuitError as QiskitCircuitError

from qcrs.errors import CircuitError

__all__ = ["Gate", "NormalForm", "Segment", "Turn", "is_diagonal", "is_flip", "normal_form"]

Matrix = NDArray[np.complex128]

H: Matrix = np.array([[1, 1], [1, -1]], dtype=np.complex128) / math.sqrt(2)
TOLERANCE = 1e-12
DEEPEST = 32
"""Nested definitions that are followed."""


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """A one-qubit matrix that is not diagonal, or the last one of a qubit."""

    qubit: int
    matrix: Matrix


@dataclass(frozen=True, slots=True)
class Gate:
    """A controlled phase between two segments; `angle` in radians."""

    number: int
    segments: tuple[int, int]
    qubits: tuple[int, int]
    angle: float

    def other(self, segment: int) -> int:
        """The gate's segment besides this one."""
        first, second = self.segments
        return second if segment == first else first


@dataclass(frozen=True, slots=True)
class Segment:
    """A maximal run of controlled phases of one qubit between two of its turns."""

    number: int
    qubit: int
    gates: tuple[int, ...]
    next: int | None
    """The qubit's next segment."""
    start: int
    """Index in `steps` at which it begins: the turn before its first gate, or 0."""


@dataclass(frozen=True, slots=True)
class NormalForm:
    """`steps` in an order that may be run; then `measures`: (qubit, classical bit)."""

    qubits: int
    clbits: int
    steps: tuple[Turn | Gate, ...]
    segments: tuple[Segment, ...]
    gates: tuple[Gate, ...]
    measures: tuple[tuple[int, int], ...]

    def circuit(self) -> QuantumCircuit:
        """The same computation on one processor."""
        out = QuantumCircuit(self.qubits, self.clbits)
        for step in self.steps:
            if isinstance(step, Turn):
                out.unitary(step.matrix, [step.qubit])
            else:
                out.cp(step.angle, *step.qubits)
        for qubit, clbit in self.measures:
            out.measure(qubit, clbit)
        return out


def normal_form(circuit: QuantumCircuit) -> NormalForm:
    """The normal form of a circuit whose measurements come last.

    Raises `CircuitError` for feed-forward, resets, gates after a measurement and free parameters: these
    belong on one processor.
    """
    if circuit.parameters:
        names = sorted(parameter.name for parameter in circuit.parameters)
        raise CircuitError(
            "parameters have no value",
            field="parameters",
            value=names,
            solution="bind them with `assign_parameters`",
        )
    reader = _Reader(circuit.num_qubits, circuit.num_clbits)
    place = {bit: index for index, bit in enumerate(circuit.qubits)}
    cplace = {bit: index for index, bit in enumerate(circuit.clbits)}
    for item in circuit.data:
        reader.instruction(item, [place[bit] for bit in item.qubits], [cplace[bit] for bit in item.clbits])
    return reader.finish()


def _p(angle: float) -> Matrix:
    """The phase gate P(angle)."""
    return np.diag([1.0, np.exp(1j * angle)])


def is_diagonal(matrix: Matrix) -> bool:
    """Whether a matrix is diagonal."""
    return bool(np.abs(matrix - np.diag(np.diag(matrix))).max() < TOLERANCE)


def is_flip(matrix: Matrix) -> bool:
    """Whether a 2×2 matrix has nothing on its diagonal."""
    return bool(abs(matrix[0, 0]) < TOLERANCE and abs(matrix[1, 1]) < TOLERANCE)


class _Reader:
    """Collects the form gate by gate."""

    def __init__(self, qubits: int, clbits: int) -> None:
        self.clbits = clbits
        self.wire = list(range(qubits))
        """Which qubit carries each wire of the program: swaps rename."""
        self.waiting: list[Matrix] = [np.eye(2, dtype=np.complex128) for _ in range(qubits)]
        self.current: list[int | None] = [None] * qubits
        self.ended = [False] * qubits
        """Whether the qubit was turned since its last gate."""
        self.steps: list[Turn | tuple[int, int, int]] = []
        """Gates stand in it as (number, segment, segment) until their angles are complete."""
        self.angles: list[float] = []
        self.pairs: list[tuple[int, int, int, int]] = []
        self.of: dict[tuple[int, int], int] = {}
        """Gate between two segments."""
        self.members: list[list[int]] = []
        self.owner: list[int] = []
        self.starts: list[int] = []
        self.turned_at = [0] * qubits
        self.measures: list[tuple[int, int]] = []
        self.measured: set[int] = set()

    def instruction(
        self, item: CircuitInstruction, qubits: list[int], clbits: list[int], depth: int = 0
    ) -> None:
        """Takes one instruction of the program, on its wires."""
        operation = item.operation
        name = operation.name
        if name == "barrier":
            return
        if name == "measure":
            self._measure(self.wire[qubits[0]], clbits[0])
            return
        if clbits or name in ("reset", "delay", "initialize"):
            raise CircuitError(
                f"`{name}` cannot be shared among processors",
                field="circuit",
                value=name,
                solution="run this program on one processor, or measure only at the end",
            )
        if any(self.wire[qubit] in self.measured for qubit in qubits):
            raise CircuitError(
                f"`{name}` follows a measurement of its qubit",
                field="circuit",
                value=name,
                solution="measure only at the end, or run this program on one processor",
            )
        if name == "swap":
            a, b = qubits
            self.wire[a], self.wire[b] = self.wire[b], self.wire[a]
        elif len(qubits) == 1:
            qubit = self.wire[qubits[0]]
            self.waiting[qubit] = np.asarray(operation.to_matrix(), dtype=np.complex128) @ self.waiting[qubit]
        elif name == "cx":
            self._cx(*(self.wire[qubit] for qubit in qubits))
        elif len(qubits) == 2 and self._two(operation, *(self.wire[qubit] for qubit in qubits)):
            return
        elif len(qubits) > 1:
            self._definition(operation, qubits, depth)

    def _definition(self, operation: object, qubits: list[int], depth: int) -> None:
        definition = getattr(operation, "definition", None)
        if definition is None or depth > DEEPEST:
            name = getattr(operation, "name", "?")
            raise CircuitError(
                f"`{name}` has no decomposition",
                field="circuit",
                value=name,
                solution="define it, or transpile to one- and two-qubit gates",
            )
        place = {bit: qubits[index] for index, bit in enumerate(definition.qubits)}
        for inner in definition.data:
            self.instruction(inner, [place[bit] for bit in inner.qubits], [], depth + 1)

    def _cx(self, control: int, target: int) -> None:
        self.waiting[target] = H @ self.waiting[target]
        self._phase(control, target, math.pi)
        self.waiting[target] = H @ self.waiting[target]

    def _two(self, operation: object, a: int, b: int) -> bool:
        """A diagonal two-qubit gate as phases; False if it is none."""
        to_matrix = getattr(operation, "to_matrix", None)
        if to_matrix is None:
            return False
        try:
            matrix = np.asarray(to_matrix(), dtype=np.complex128)
        except QiskitCircuitError:  # it has no matrix
            return False
        if not is_diagonal(matrix):
            return False
        f0, f1, f2, f3 = np.angle(np.diag(matrix))
        self._phase(a, b, float(f3 - f1 - f2 + f0))
        self.waiting[a] = _p(float(f1 - f0)) @ self.waiting[a]
        self.waiting[b] = _p(float(f2 - f0)) @ self.waiting[b]
        return True

    def _phase(self, a: int, b: int, angle: float) -> None:
        """CP(angle) after what waits on a and b."""
        for qubit in (a, b):
            if not is_diagonal(self.waiting[qubit]) and not is_flip(self.waiting[qubit]):
                self._turn(qubit)
        flips = is_flip(self.waiting[a]), is_flip(self.waiting[b])
        if flips[0]:  # CP(φ)·X_a = X_a·P_b(φ)·CP(−φ)
            self.waiting[b] = _p(angle) @ self.waiting[b]
            angle = -angle
        if flips[1]:  # the phase on a is met before the flip on a
            self.waiting[a] = self.waiting[a] @ _p(angle)
            angle = -angle
        angle = math.remainder(angle, 2 * math.pi)
        if abs(angle) < TOLERANCE:
            return
        first, second = self._segment(a), self._segment(b)
        key = (min(first, second), max(first, second))
        known = self.of.get(key)
        if known is not None:
            self.angles[known] = math.remainder(self.angles[known] + angle, 2 * math.pi)
            return
        number = len(self.angles)
        self.of[key] = number
        self.angles.append(angle)
        self.pairs.append((first, second, a, b))
        self.members[first].append(number)
        self.members[second].append(number)
        self.steps.append((number, first, second))

    def _turn(self, qubit: int) -> None:
        self.turned_at[qubit] = len(self.steps)
        self.steps.append(Turn(qubit, self.waiting[qubit]))
        self.waiting[qubit] = np.eye(2, dtype=np.complex128)
        self.ended[qubit] = True

    def _segment(self, qubit: int) -> int:
        now = self.current[qubit]
        if now is None or self.ended[qubit]:
            number = len(self.members)
            self.members.append([])
            self.owner.append(qubit)
            self.starts.append(0 if now is None else self.turned_at[qubit])
            self.current[qubit] = now = number
        self.ended[qubit] = False
        return now

    def _measure(self, qubit: int, clbit: int) -> None:
        self.measures.append((qubit, clbit))
        self.measured.add(qubit)

    def finish(self) -> NormalForm:
        """What was collected, with what still waits; phases that add to nothing are left out."""
        for qubit, matrix in enumerate(self.waiting):
            if not np.allclose(matrix, np.eye(2) * matrix[0, 0], atol=TOLERANCE):
                self._turn(qubit)
        kept = [n for n, angle in enumerate(self.angles) if abs(angle) >= TOLERANCE]
        renamed = {old: new for new, old in enumerate(kept)}
        gates = tuple(
            Gate(
                renamed[n],
                (self.pairs[n][0], self.pairs[n][1]),
                (self.pairs[n][2], self.pairs[n][3]),
                self.angles[n],
            )
            for n in kept
        )
        steps = tuple(
            step if isinstance(step, Turn) else gates[renamed[step[0]]]
            for step in self.steps
            if isinstance(step, Turn) or step[0] in renamed
        )
        return NormalForm(
            len(self.waiting), self.clbits, steps, self._segments(renamed), gates, tuple(self.measures)
        )

    def _segments(self, renamed: dict[int, int]) -> tuple[Segment, ...]:
        after: dict[int, int] = {}
        last: dict[int, int] = {}
        for number, qubit in enumerate(self.owner):
            if qubit in last:
                after[last[qubit]] = number
            last[qubit] = number
        dropped = [0]  # how many left-out gates stand before each step
        for step in self.steps:
            dropped.append(dropped[-1] + (not isinstance(step, Turn) and step[0] not in renamed))
        return tuple(
            Segment(
                number,
                self.owner[number],
                tuple(renamed[n] for n in members if n in renamed),
                after.get(number),
                self.starts[number] - dropped[self.starts[number]],
            )
            for number, members in enumerate(self.members)
        )
