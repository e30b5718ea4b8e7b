"""The circuit document: the one form in which circuits are hashed, framed, sent and judged.

A program is lowered to the basis {u, cz} with angles in 2⁻³² turn, so every later step is integer
arithmetic and gives the same bytes on every machine. The form is described in `docs/protocol.md`;
nothing here needs Qiskit. Classical bit i is bit i of an outcome.

    u        params (θ, φ, λ)                  delay    params (duration,), control unit "dt" or "ps"
    cz, measure, reset, barrier                if_else, while_loop   condition and blocks
    for_loop values and one block              switch   target, cases (labels or "default"), blocks
    break_loop, continue_loop                  inside loops only
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qcrs.circuits.conditions import Condition, check_condition, clbits_of, frozen
from qcrs.errors import CircuitError
from qcrs.types import Json, canonical_json

__all__ = ["TURN", "CircuitDocument", "Control", "Instruction", "Register"]

TURN = 1 << 32
"""One full turn in units of an angle."""

MAX_QUBITS = 4096
MAX_CLBITS = 4096
MAX_INSTRUCTIONS = 500_000
MAX_NESTING = 16
MAX_LOOP_VALUES = 100_000
MAX_DELAY = 1 << 53

_SHAPES: Mapping[str, tuple[int | None, int | None, int]] = {
    # name: qubits, clbits (None: any number), params
    "u": (1, 0, 3),
    "cz": (2, 0, 0),
    "measure": (1, 1, 0),
    "reset": (1, 0, 0),
    "barrier": (None, 0, 0),
    "delay": (1, 0, 1),
    "if_else": (None, None, 0),
    "while_loop": (None, None, 0),
    "for_loop": (None, None, 0),
    "switch": (None, None, 0),
    "break_loop": (None, None, 0),
    "continue_loop": (None, None, 0),
}
BLOCKS_OF = {"if_else": (1, 2), "while_loop": (1, 1), "for_loop": (1, 1), "switch": (1, MAX_INSTRUCTIONS)}
_LOOPS = ("while_loop", "for_loop")


@dataclass(frozen=True, slots=True)
class Register:
    """A named run of classical bits."""

    name: str
    first: int
    size: int


@dataclass(frozen=True, slots=True)
class Control:
    """What control flow and delays carry besides qubits and clbits."""

    condition: Condition | None = None
    """Condition of if_else and while_loop, target of switch."""
    blocks: tuple[tuple[Instruction, ...], ...] = ()
    values: tuple[int, ...] = ()
    """Iterations of a for_loop."""
    cases: tuple[tuple[int | str, ...], ...] = ()
    """Labels of each block of a switch; "default" matches everything."""
    unit: str | None = None
    """Unit of a delay: "dt" (the device's own) or "ps"."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One operation on qubits and classical bits, by their numbers in the document."""

    name: str
    qubits: tuple[int, ...]
    clbits: tuple[int, ...] = ()
    params: tuple[int, ...] = ()
    control: Control | None = None

    def as_json(self) -> Json:
        """The list form of the wire."""
        out: list[Any] = [self.name, list(self.qubits), list(self.clbits), list(self.params)]
        if self.control is not None:
            out.append(_control_json(self.name, self.control))
        return out


def _thawed(value: Any) -> Any:
    return [_thawed(item) for item in value] if isinstance(value, tuple) else value


def _control_json(name: str, control: Control) -> Json:
    if name == "delay":
        return {"unit": control.unit}
    out: dict[str, Any] = {"blocks": [[inner.as_json() for inner in block] for block in control.blocks]}
    if name == "for_loop":
        out["values"] = list(control.values)
    elif name == "switch":
        out["target"] = _thawed(control.condition)
        out["cases"] = _thawed(control.cases)
    else:
        out["condition"] = _thawed(control.condition)
    return out


_CONTROL_KEYS = {
    "delay": {"unit"},
    "for_loop": {"blocks", "values"},
    "switch": {"blocks", "target", "cases"},
    "if_else": {"blocks", "condition"},
    "while_loop": {"blocks", "condition"},
}


def _bad(reason: str, name: str, value: object) -> CircuitError:
    return CircuitError(
        reason,
        field=name,
        value=value,
        solution="the form is described in docs/protocol.md; make one with qcrs.circuits.lower",
    )


def _ints(value: object, name: str) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)) or not all(type(item) is int for item in value):
        raise _bad("expected a list of integers", name, value)
    return tuple(value)


def _instruction_from(value: object, depth: int = 0) -> Instruction:
    if depth > MAX_NESTING:
        raise _bad(f"control flow is nested deeper than {MAX_NESTING}", "instructions", depth)
    if not isinstance(value, (list, tuple)) or len(value) not in (4, 5) or not isinstance(value[0], str):
        raise _bad(
            "an instruction is [name, qubits, clbits, params] or has a fifth part", "instructions", value
        )
    name = value[0]
    control = None
    if (name in _CONTROL_KEYS) != (len(value) == 5):
        raise _bad("only control flow and delays have a fifth part", "instructions", name)
    if len(value) == 5:
        raw = value[4]
        if not isinstance(raw, dict) or set(raw) != _CONTROL_KEYS[name]:
            raise _bad(f"{name} needs exactly {sorted(_CONTROL_KEYS[name])}", "instructions", raw)
        blocks = raw.get("blocks", [])
        cases = raw.get("cases", [])
        if not isinstance(blocks, list) or not all(isinstance(block, list) for block in blocks):
            raise _bad("blocks is a list of lists", "blocks", name)
        if not isinstance(cases, list) or not all(isinstance(case, list) for case in cases):
            raise _bad("cases is a list of lists", "cases", name)
        control = Control(
            condition=frozen(raw.get("condition", raw.get("target"))),
            blocks=tuple(tuple(_instruction_from(inner, depth + 1) for inner in block) for block in blocks),
            values=_ints(raw.get("values", []), "values"),
            cases=frozen(cases),
            unit=raw.get("unit"),
        )
    return Instruction(
        name, _ints(value[1], "qubits"), _ints(value[2], "clbits"), _ints(value[3], "params"), control
    )


@dataclass(frozen=True, slots=True)
class CircuitDocument:
    """A circuit in the basis {u, cz} with measurement, reset and control flow; checked when made."""

    qubits: int
    clbits: int
    registers: tuple[Register, ...]
    instructions: tuple[Instruction, ...]
    _spans: dict[str, tuple[int, int]] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        _check_int("qubits", self.qubits, 1, MAX_QUBITS)
        _check_int("clbits", self.clbits, 0, MAX_CLBITS)
        spans: dict[str, tuple[int, int]] = {}
        for register in self.registers:
            if not isinstance(register.name, str) or not 0 < len(register.name) <= 64:
                raise _bad("a register has a name of 1 to 64 characters", "registers", register.name)
            if register.name in spans:
                raise _bad("two registers have the same name", "registers", register.name)
            _check_int("registers", register.size, 0, self.clbits)
            _check_int("registers", register.first, 0, self.clbits - register.size)
            spans[register.name] = (register.first, register.size)
        object.__setattr__(self, "_spans", spans)
        total = _check_block(self, self.instructions, 0, in_loop=False)
        if total > MAX_INSTRUCTIONS:
            raise _bad(f"more than {MAX_INSTRUCTIONS} instructions", "instructions", total)

    @property
    def spans(self) -> Mapping[str, tuple[int, int]]:
        """First bit and size of each register, by name."""
        return self._spans

    def as_json(self) -> Json:
        """The document as plain JSON values."""
        return {
            "qubits": self.qubits,
            "clbits": self.clbits,
            "registers": [[r.name, r.first, r.size] for r in self.registers],
            "instructions": [instruction.as_json() for instruction in self.instructions],
        }

    @classmethod
    def from_json(cls, value: Json) -> CircuitDocument:
        """Read and check a document; `CircuitError` says what is wrong with it."""
        if not isinstance(value, dict) or set(value) != {"qubits", "clbits", "registers", "instructions"}:
            raise _bad(
                "a circuit document has qubits, clbits, registers, instructions", "circuit", type(value)
            )
        registers = value["registers"]
        if not isinstance(registers, list) or not all(isinstance(r, list) and len(r) == 3 for r in registers):
            raise _bad("registers is a list of [name, first, size]", "registers", registers)
        if not isinstance(value["instructions"], list):
            raise _bad("instructions is a list", "instructions", type(value["instructions"]))
        if len(value["instructions"]) > MAX_INSTRUCTIONS:
            raise _bad(
                f"more than {MAX_INSTRUCTIONS} instructions", "instructions", len(value["instructions"])
            )
        return cls(
            value["qubits"],
            value["clbits"],
            tuple(Register(*r) for r in registers),
            tuple(_instruction_from(item) for item in value["instructions"]),
        )

    def canonical(self) -> bytes:
        """Canonical bytes; their sha2-256 is the circuit's identity."""
        return canonical_json(self.as_json())

    def walk(self) -> Iterator[Instruction]:
        """Every instruction, those inside control flow after their owner."""
        return _walk(self.instructions)

    def measured_clbits(self) -> tuple[int, ...]:
        """The classical bits that some measurement writes, in order; all others are always 0."""
        return tuple(sorted({ins.clbits[0] for ins in self.walk() if ins.name == "measure"}))

    def read_clbits(self) -> frozenset[int]:
        """The classical bits that control flow reads."""
        return frozenset(
            bit
            for ins in self.walk()
            if ins.control is not None and ins.control.condition is not None
            for bit in clbits_of(ins.control.condition, self._spans)
        )

    def count(self, name: str) -> int:
        """How many instructions have this name, those inside control flow included once."""
        return sum(ins.name == name for ins in self.walk())


def _check_int(name: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise _bad(f"{name} lies between {low} and {high}", name, value)


def _walk(block: Iterable[Instruction]) -> Iterator[Instruction]:
    for ins in block:
        yield ins
        if ins.control is not None:
            for inner in ins.control.blocks:
                yield from _walk(inner)


def _check_block(doc: CircuitDocument, block: Sequence[Instruction], depth: int, *, in_loop: bool) -> int:
    """Check every instruction; returns how many there are."""
    if depth > MAX_NESTING:
        raise _bad(f"control flow is nested deeper than {MAX_NESTING}", "instructions", depth)
    total = len(block)
    for ins in block:
        shape = _SHAPES.get(ins.name)
        if shape is None:
            raise _bad("an instruction is outside the basis", "instructions", ins.name)
        qubits, clbits, params = shape
        if (
            (qubits is not None and len(ins.qubits) != qubits)
            or (clbits is not None and len(ins.clbits) != clbits)
            or len(ins.params) != params
        ):
            raise _bad(
                f"{ins.name} has the wrong number of qubits, clbits or params", "instructions", ins.name
            )
        if len(set(ins.qubits)) != len(ins.qubits) or not all(0 <= q < doc.qubits for q in ins.qubits):
            raise _bad(f"{ins.name} names a qubit twice or one that does not exist", "qubits", ins.qubits)
        if not all(0 <= c < doc.clbits for c in ins.clbits):
            raise _bad(f"{ins.name} names a classical bit that does not exist", "clbits", ins.clbits)
        if not all(0 <= p < (MAX_DELAY if ins.name == "delay" else TURN) for p in ins.params):
            raise _bad("an angle is a number of 32 bits", "params", ins.params)
        if ins.name in ("break_loop", "continue_loop") and not in_loop:
            raise _bad(f"{ins.name} outside a loop", "instructions", ins.name)
        if ins.name in _CONTROL_KEYS:
            total += _check_control(doc, ins, depth, in_loop=in_loop)
    return total


def _check_control(doc: CircuitDocument, ins: Instruction, depth: int, *, in_loop: bool) -> int:
    control = ins.control
    if control is None:
        raise _bad(f"{ins.name} lacks its fifth part", "instructions", ins.name)
    if ins.name == "delay":
        if control.unit not in ("dt", "ps"):
            raise _bad("the unit of a delay is dt or ps", "unit", control.unit)
        return 0
    low, high = BLOCKS_OF[ins.name]
    if not low <= len(control.blocks) <= high:
        raise _bad(f"{ins.name} has the wrong number of blocks", "blocks", len(control.blocks))
    if ins.name == "for_loop":
        if len(control.values) > MAX_LOOP_VALUES:
            raise _bad(f"a loop has more than {MAX_LOOP_VALUES} iterations", "values", len(control.values))
    else:
        if control.condition is None:
            raise _bad(f"{ins.name} lacks its condition", "condition", ins.name)
        check_condition(control.condition, doc.clbits, doc.spans, target=ins.name == "switch")
    if ins.name == "switch":
        _check_cases(control)
    loop = in_loop or ins.name in _LOOPS
    total = sum(_check_block(doc, block, depth + 1, in_loop=loop) for block in control.blocks)
    inner = [item for block in control.blocks for item in _walk(block)]
    read = set() if control.condition is None else set(clbits_of(control.condition, doc.spans))
    if ins.qubits != tuple(sorted({q for item in inner for q in item.qubits})):
        raise _bad(f"{ins.name} must list exactly the qubits of its blocks, in order", "qubits", ins.qubits)
    if ins.clbits != tuple(sorted(read | {c for item in inner for c in item.clbits})):
        raise _bad(
            f"{ins.name} must list exactly the clbits it reads or writes, in order", "clbits", ins.clbits
        )
    return total


def _check_cases(control: Control) -> None:
    labels = [label for case in control.cases for label in case]
    if len(control.cases) != len(control.blocks) or not all(control.cases):
        raise _bad("a switch has one list of labels for each block", "cases", len(control.cases))
    for label in labels:
        if label != "default" and (type(label) is not int or label < 0):
            raise _bad("a label of a switch is a number or 'default'", "cases", label)
    if len(set(labels)) != len(labels):
        raise _bad("a switch has a label twice", "cases", labels)
    if "default" in labels and "default" not in control.cases[-1]:
        raise _bad("the default of a switch comes last", "cases", labels)
