"""Between Qiskit's circuits and circuit documents.

`to_qiskit` restores registers in their order; `from_qiskit` reads circuits that are already in the
basis (`qcrs.circuits.lower` brings any other there). Angles are snapped to the nearest 2⁻³² turn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qiskit.circuit import (
    CASE_DEFAULT,
    Bit,
    BreakLoopOp,
    CircuitInstruction,
    ClassicalRegister,
    Clbit,
    ContinueLoopOp,
    Delay,
    ForLoopOp,
    IfElseOp,
    ParameterExpression,
    QuantumCircuit,
    QuantumRegister,
    SwitchCaseOp,
    WhileLoopOp,
)
from qiskit.circuit import Instruction as QiskitInstruction
from qiskit.circuit.classical import expr, types

from qcrs.circuits.conditions import Condition, clbits_of
from qcrs.circuits.document import TURN, CircuitDocument, Control, Instruction, Register
from qcrs.errors import CircuitError

__all__ = ["from_qiskit", "snap", "to_qiskit"]

_PICOSECONDS = {"s": 1e12, "ms": 1e9, "us": 1e6, "µs": 1e6, "ns": 1e3, "ps": 1.0}
_PLAIN = frozenset({"u", "cz", "measure", "reset", "barrier", "break_loop", "continue_loop"})


def snap(angle: float) -> int:
    """An angle in radians as the nearest multiple of 2⁻³² turn, in [0, 2³²)."""
    return round(angle / (2 * math.pi) * TURN) % TURN


def _unsupported(what: str, value: object, solution: str) -> CircuitError:
    return CircuitError(f"{what} is not supported", field="circuit", value=value, solution=solution)


class _Reader:
    """Reads the blocks of one circuit; knows the document's registers."""

    def __init__(self, registers: Mapping[str, tuple[int, int]]) -> None:
        self._registers = registers
        self._by_span = {span: name for name, span in reversed(list(registers.items()))}

    def block(
        self, circuit: QuantumCircuit, qubits: Sequence[int], clbits: Sequence[int]
    ) -> tuple[Instruction, ...]:
        """The instructions of a block whose bits stand for these bits of the document."""
        q: dict[Bit, int] = dict(zip(circuit.qubits, qubits, strict=True))
        c: dict[Bit, int] = dict(zip(circuit.clbits, clbits, strict=True))
        return tuple(self._instruction(item, q, c) for item in circuit.data)

    def _instruction(
        self, item: CircuitInstruction, q: Mapping[Bit, int], c: Mapping[Bit, int]
    ) -> Instruction:
        op = item.operation
        qubits = tuple(q[bit] for bit in item.qubits)
        clbits = tuple(c[bit] for bit in item.clbits)
        if op.name in ("break_loop", "continue_loop"):
            return Instruction(op.name, ())
        if op.name in _PLAIN:
            return Instruction(op.name, qubits, clbits, tuple(_angle(p) for p in op.params))
        if op.name == "delay":
            return _delay(op, qubits)
        if isinstance(op, (IfElseOp, WhileLoopOp, ForLoopOp, SwitchCaseOp)):
            return self._control(op, qubits, clbits, c)
        raise _unsupported(
            f"the operation {op.name!r}",
            op.name,
            "lower the circuit first: qcrs.circuits.lower.lower(circuit)",
        )

    def _control(
        self, op: Any, qubits: Sequence[int], clbits: Sequence[int], c: Mapping[Bit, int]
    ) -> Instruction:
        condition: Condition | None = None
        values: tuple[int, ...] = ()
        cases: tuple[tuple[int | str, ...], ...] = ()
        if isinstance(op, ForLoopOp):
            indices, parameter, body = op.params
            if parameter is not None and parameter in body.parameters:
                raise _unsupported("a loop that uses its variable", parameter, "unroll the loop")
            values, name, blocks = tuple(int(i) for i in indices), "for_loop", [body]
        elif isinstance(op, SwitchCaseOp):
            specifier = list(op.cases_specifier())
            condition, name = self._target(op.target, c), "switch"
            cases = tuple(
                tuple("default" if label is CASE_DEFAULT else int(label) for label in labels)
                for labels, _ in specifier
            )
            blocks = [body for _, body in specifier]
        else:
            condition, name = self._condition(op.condition, c), op.name
            blocks = list(op.blocks)
        bodies = tuple(self.block(body, qubits, clbits) for body in blocks)
        used = {bit for body in bodies for ins in body for bit in ins.clbits}
        if condition is not None:
            used |= set(clbits_of(condition, self._registers))
        touched = {bit for body in bodies for ins in body for bit in ins.qubits}
        control = Control(condition, bodies, values, cases)
        return Instruction(name, tuple(sorted(touched)), tuple(sorted(used)), (), control)

    def _register(self, register: ClassicalRegister, c: Mapping[Bit, int]) -> str:
        bits = [c[bit] for bit in register]
        span = (bits[0], len(bits)) if bits else (0, 0)
        if self._registers.get(register.name) == span:
            return str(register.name)
        if bits != list(range(span[0], span[0] + span[1])) or span not in self._by_span:
            raise _unsupported(
                "a condition on a register that the circuit does not declare",
                register.name,
                "add the register to the circuit",
            )
        return str(self._by_span[span])

    def _target(self, target: Any, c: Mapping[Bit, int]) -> Condition:
        if isinstance(target, Clbit):
            return ("bit", c[target])
        if isinstance(target, ClassicalRegister):
            return ("register", self._register(target, c))
        return ("expr", self._node(target, c))

    def _condition(self, condition: Any, c: Mapping[Bit, int]) -> Condition:
        if isinstance(condition, expr.Expr):
            return ("expr", self._node(condition, c))
        left, value = condition
        return (*self._target(left, c), int(value))

    def _node(self, node: expr.Expr, c: Mapping[Bit, int]) -> Condition:
        match node:
            case expr.Var() if isinstance(node.var, Clbit):
                return ("bit", c[node.var])
            case expr.Var() if isinstance(node.var, ClassicalRegister):
                return ("register", self._register(node.var, c))
            case expr.Value():
                return ("value", _type(node.type), int(node.value))
            case expr.Unary():
                return ("unary", node.op.name.lower(), self._node(node.operand, c), _type(node.type))
            case expr.Binary():
                left, right = self._node(node.left, c), self._node(node.right, c)
                return ("binary", node.op.name.lower(), left, right, _type(node.type))
            case expr.Cast():
                return ("cast", self._node(node.operand, c), _type(node.type))
            case expr.Index():
                return ("index", self._node(node.target, c), self._node(node.index, c))
        raise _unsupported(
            "a classical variable", repr(node), "use classical registers and measured bits in conditions"
        )


def _type(kind: types.Type) -> int | str:
    if isinstance(kind, types.Bool):
        return "bool"
    if isinstance(kind, types.Uint):
        return int(kind.width)
    raise _unsupported("a classical expression of this type", str(kind), "use bits and unsigned numbers")


def _angle(value: Any) -> int:
    if isinstance(value, ParameterExpression):
        if value.parameters:
            raise _unsupported("a circuit with free parameters", str(value), "bind every parameter first")
        value = value.numeric()
    if not math.isfinite(float(value)):
        raise _unsupported("an infinite angle", value, "bind every parameter to a finite number")
    return snap(float(value))


def _delay(op: Delay, qubits: tuple[int, ...]) -> Instruction:
    amount, unit = op.params[0], op.unit
    if isinstance(amount, ParameterExpression) and not amount.parameters:
        amount = amount.numeric()
    if (unit != "dt" and unit not in _PICOSECONDS) or isinstance(amount, (ParameterExpression, expr.Expr)):
        raise _unsupported("a delay without a fixed duration", str(amount), "give a number in s, ns or dt")
    scale, unit = (1.0, "dt") if unit == "dt" else (_PICOSECONDS[unit], "ps")
    return Instruction("delay", qubits, (), (round(float(amount) * scale),), Control(unit=unit))


def from_qiskit(circuit: QuantumCircuit) -> CircuitDocument:
    """The document of a circuit that is in the basis; `CircuitError` names what is not."""
    registers = []
    for creg in circuit.cregs:
        bits = [circuit.find_bit(bit).index for bit in creg]
        first = bits[0] if bits else 0
        if bits != list(range(first, first + len(bits))):
            raise _unsupported(
                "a register of scattered bits",
                creg.name,
                "declare its bits together, in order, in one register",
            )
        registers.append(Register(creg.name, first, len(bits)))
    if circuit.num_vars or circuit.num_stretches:
        raise _unsupported("a classical variable", circuit.num_vars, "use classical registers instead")
    reader = _Reader({r.name: (r.first, r.size) for r in registers})
    instructions = reader.block(circuit, range(circuit.num_qubits), range(circuit.num_clbits))
    return CircuitDocument(circuit.num_qubits, circuit.num_clbits, tuple(registers), instructions)


class _Writer:
    """Builds the Qiskit circuit of one document."""

    def __init__(self, doc: CircuitDocument) -> None:
        self._doc = doc
        name = "q"
        while any(register.name == name for register in doc.registers):
            name += "q"
        self.circuit = QuantumCircuit(QuantumRegister(doc.qubits, name))
        self._clbits = [Clbit() for _ in range(doc.clbits)]
        self.circuit.add_bits(self._clbits)
        self._cregs = {
            r.name: ClassicalRegister(name=r.name, bits=self._clbits[r.first : r.first + r.size])
            for r in doc.registers
        }
        self.circuit.add_register(*self._cregs.values())

    def fill(self, circuit: QuantumCircuit, instructions: Iterable[Instruction]) -> QuantumCircuit:
        """Append instructions to the circuit or to a block that shares its bits."""
        qubits, clbits = self.circuit.qubits, self._clbits
        for ins in instructions:
            q = [qubits[i] for i in ins.qubits]
            match ins.name:
                case "u":
                    theta, phi, lam = (angle * (2 * math.pi / TURN) for angle in ins.params)
                    circuit.u(theta, phi, lam, q[0])
                case "cz":
                    circuit.cz(q[0], q[1])
                case "measure":
                    circuit.measure(q[0], clbits[ins.clbits[0]])
                case "reset":
                    circuit.reset(q[0])
                case "barrier":
                    circuit.barrier(q) if q else None
                case "delay":
                    unit = ins.control.unit if ins.control else "dt"
                    circuit.delay(ins.params[0], q[0], unit or "dt")
                case _:
                    self._append(circuit, ins)
        return circuit

    def _block(
        self, body: Iterable[Instruction], qubits: Sequence[Bit], clbits: Sequence[Bit]
    ) -> QuantumCircuit:
        block = QuantumCircuit(list(qubits), list(clbits))
        held = {self.circuit.find_bit(bit).index for bit in clbits}
        for name, (first, size) in self._doc.spans.items():
            if size and held.issuperset(range(first, first + size)):
                block.add_register(self._cregs[name])
        return self.fill(block, body)

    def _append(self, circuit: QuantumCircuit, ins: Instruction) -> None:
        """Append control flow; what may leave a loop spans the whole body, so nothing moves past it."""
        control = ins.control
        if control is None:
            kind = BreakLoopOp if ins.name == "break_loop" else ContinueLoopOp
            circuit.append(kind(circuit.num_qubits, circuit.num_clbits), circuit.qubits, circuit.clbits)
            return
        qubits: Sequence[Bit] = [self.circuit.qubits[i] for i in ins.qubits]
        clbits: Sequence[Bit] = [self._clbits[i] for i in ins.clbits]
        if ins.name in ("if_else", "switch") and _jumps(ins):
            qubits, clbits = circuit.qubits, circuit.clbits
        blocks = [self._block(body, qubits, clbits) for body in control.blocks]
        circuit.append(self._operation(ins.name, control, blocks), qubits, clbits)

    def _operation(self, name: str, control: Control, blocks: list[QuantumCircuit]) -> QiskitInstruction:
        if name == "for_loop":
            return ForLoopOp(control.values, None, blocks[0])
        if name == "switch":
            labels = [tuple(CASE_DEFAULT if v == "default" else v for v in case) for case in control.cases]
            return SwitchCaseOp(self._read(control.condition), list(zip(labels, blocks, strict=True)))
        condition = self._read(control.condition)
        if name == "while_loop":
            return WhileLoopOp(condition, blocks[0])
        return IfElseOp(condition, blocks[0], blocks[1] if len(blocks) > 1 else None)

    def _read(self, condition: Condition | None) -> Any:
        match condition:
            case ("expr", node):
                return self._node(node)
            case ("bit", bit):
                return self._clbits[bit]
            case ("register", name):
                return self._cregs[name]
            case ("bit", bit, value):
                return (self._clbits[bit], value)
            case ("register", name, value):
                return (self._cregs[name], value)
        raise CircuitError("not a condition", field="condition", value=condition)

    def _node(self, node: Condition) -> expr.Expr:
        match node:
            case ("bit", bit):
                return expr.Var(self._clbits[bit], types.Bool())
            case ("register", name):
                return expr.Var(self._cregs[name], types.Uint(len(self._cregs[name])))
            case ("value", kind, number):
                return expr.Value(bool(number) if kind == "bool" else number, _qiskit_type(kind))
            case ("unary", op, inner, kind):
                return expr.Unary(expr.Unary.Op[op.upper()], self._node(inner), _qiskit_type(kind))
            case ("binary", op, left, right, kind):
                operation = expr.Binary.Op[op.upper()]
                return expr.Binary(operation, self._node(left), self._node(right), _qiskit_type(kind))
            case ("cast", inner, kind):
                return expr.Cast(self._node(inner), _qiskit_type(kind))
            case ("index", inner, position):
                return expr.Index(self._node(inner), self._node(position), types.Bool())
        raise CircuitError("not an expression", field="condition", value=node)


def _jumps(ins: Instruction) -> bool:
    """Whether a break or continue in these blocks leaves the loop around them."""
    if ins.control is None:
        return ins.name in ("break_loop", "continue_loop")
    if ins.name not in ("if_else", "switch"):
        return False
    return any(_jumps(inner) for block in ins.control.blocks for inner in block)


def _qiskit_type(kind: int | str) -> types.Type:
    return types.Bool() if kind == "bool" else types.Uint(int(kind))


def to_qiskit(doc: CircuitDocument) -> QuantumCircuit:
    """The document as a Qiskit circuit: same qubits, registers in the same order, control flow restored."""
    writer = _Writer(doc)
    return writer.fill(writer.circuit, doc.instructions)
