"""Classical conditions of dynamic circuits, as data.

Control flow reads classical bits. In a circuit document a condition is a nested tuple (a JSON list
on the wire), so that it has one canonical form, can be checked without Qiskit, and can be evaluated
by any simulator:

    ("bit", clbit, value)            one bit equals value
    ("register", name, value)        a register, read as an unsigned number, equals value
    ("expr", node)                   any classical expression of Qiskit's `classical.expr`

The target of a `switch` is ("bit", clbit), ("register", name) or ("expr", node). Nodes are

    ("value", type, number)  ("bit", clbit)  ("register", name)
    ("unary", op, node, type)  ("binary", op, left, right, type)
    ("cast", node, type)  ("index", node, node)

where a type is "bool" or the width of an unsigned number in bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from qcrs.errors import CircuitError

__all__ = ["Condition", "Registers", "check_condition", "clbits_of", "evaluate", "frozen"]

Condition: TypeAlias = tuple[Any, ...]
"""A condition, switch target or expression node: nested tuples of text and integers."""

Registers: TypeAlias = Mapping[str, tuple[int, int]]
"""First classical bit and size of each register, by name."""

MAX_EXPRESSION_DEPTH = 64
MAX_WIDTH_BITS = 4096

UNARY = ("bit_not", "logic_not", "negate")
BINARY = (
    "bit_and", "bit_or", "bit_xor", "logic_and", "logic_or", "equal", "not_equal", "less", "less_equal",
    "greater", "greater_equal", "shift_left", "shift_right", "add", "sub", "mul", "div",
)  # fmt: skip


def frozen(value: Any) -> Any:
    """Lists turned into tuples, all the way down."""
    return tuple(frozen(item) for item in value) if isinstance(value, (list, tuple)) else value


def _bad(reason: str, value: object) -> CircuitError:
    return CircuitError(
        reason,
        field="condition",
        value=value,
        solution="see the module qcrs.circuits.conditions for the forms a condition can take",
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _check_type(kind: object) -> None:
    if kind != "bool" and not (_is_number(kind) and 1 <= int(str(kind)) <= MAX_WIDTH_BITS):
        raise _bad("an expression type is 'bool' or a width in bits", kind)


def _check_node(node: Any, clbits: int, registers: Registers, depth: int = 0) -> None:
    if depth > MAX_EXPRESSION_DEPTH:
        raise _bad(f"an expression is nested deeper than {MAX_EXPRESSION_DEPTH}", depth)
    match node:
        case ("value", kind, number) if _is_number(number):
            _check_type(kind)
            if number >> (1 if kind == "bool" else kind):
                raise _bad("a value does not fit its type", node)
        case ("bit", bit):
            if not (_is_number(bit) and bit < clbits):
                raise _bad("a condition reads a classical bit that does not exist", bit)
        case ("register", str() as name):
            if name not in registers:
                raise _bad("a condition reads a register that does not exist", name)
        case ("unary", str() as op, inner, kind) if op in UNARY:
            _check_type(kind)
            _check_node(inner, clbits, registers, depth + 1)
        case ("binary", str() as op, left, right, kind) if op in BINARY:
            _check_type(kind)
            _check_node(left, clbits, registers, depth + 1)
            _check_node(right, clbits, registers, depth + 1)
        case ("cast", inner, kind):
            _check_type(kind)
            _check_node(inner, clbits, registers, depth + 1)
        case ("index", inner, position):
            _check_node(inner, clbits, registers, depth + 1)
            _check_node(position, clbits, registers, depth + 1)
        case _:
            raise _bad("not an expression", node)


def check_condition(condition: Condition, clbits: int, registers: Registers, *, target: bool = False) -> None:
    """Raise `CircuitError` unless this is a condition (or a switch target) over these bits."""
    match condition:
        case ("expr", node):
            _check_node(node, clbits, registers)
        case ("bit", bit, value) if not target and value in (0, 1) and not isinstance(value, bool):
            _check_node(("bit", bit), clbits, registers)
        case ("register", str() as name, value) if not target and _is_number(value):
            _check_node(("register", name), clbits, registers)
            if value >> registers[name][1]:
                raise _bad("a register is compared with a number it cannot hold", condition)
        case ("bit", _) | ("register", _) if target:
            _check_node(condition, clbits, registers)
        case _:
            raise _bad("not a condition" if not target else "not a switch target", condition)


def clbits_of(condition: Condition, registers: Registers) -> Iterator[int]:
    """Every classical bit that a condition, target or node reads."""
    match condition:
        case ("bit", bit, *_):
            yield bit
        case ("register", name, *_):
            first, size = registers[name]
            yield from range(first, first + size)
        case ("value", *_):
            return
        case _:
            for part in condition[1:]:
                if isinstance(part, tuple):
                    yield from clbits_of(part, registers)


_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "bit_and": lambda a, b: a & b,
    "bit_or": lambda a, b: a | b,
    "bit_xor": lambda a, b: a ^ b,
    "logic_and": lambda a, b: int(bool(a) and bool(b)),
    "logic_or": lambda a, b: int(bool(a) or bool(b)),
    "equal": lambda a, b: int(a == b),
    "not_equal": lambda a, b: int(a != b),
    "less": lambda a, b: int(a < b),
    "less_equal": lambda a, b: int(a <= b),
    "greater": lambda a, b: int(a > b),
    "greater_equal": lambda a, b: int(a >= b),
    "shift_left": lambda a, b: a << min(b, MAX_WIDTH_BITS),
    "shift_right": lambda a, b: a >> min(b, MAX_WIDTH_BITS),
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
}


def _node_value(node: Condition, registers: Registers, bits: int) -> int:
    match node:
        case ("value", _, number):
            return int(number)
        case ("bit", bit):
            return bits >> int(bit) & 1
        case ("register", name):
            first, size = registers[name]
            return bits >> first & ((1 << size) - 1)
        case ("cast", inner, "bool"):
            return int(_node_value(inner, registers, bits) != 0)
        case ("cast", inner, width):
            return _node_value(inner, registers, bits) & ((1 << int(width)) - 1)
        case ("index", inner, position):
            return _node_value(inner, registers, bits) >> _node_value(position, registers, bits) & 1
        case ("unary", "logic_not", inner, _):
            return int(not _node_value(inner, registers, bits))
        case ("unary", op, inner, kind):
            mask = (1 << (1 if kind == "bool" else int(kind))) - 1
            value = _node_value(inner, registers, bits)
            return (~value if op == "bit_not" else -value) & mask
        case ("binary", op, left, right, kind):
            mask = (1 << (1 if kind == "bool" else int(kind))) - 1
            a, b = _node_value(left, registers, bits), _node_value(right, registers, bits)
            if op == "div":
                if b == 0:
                    raise _bad("an expression divides by zero", node)
                return a // b
            return _ARITHMETIC[op](a, b) & mask
    raise _bad("not an expression", node)


def evaluate(condition: Condition, registers: Registers, bits: int) -> int:
    """Value of a condition (0 or 1) or of a switch target, with classical bit i in bit i of `bits`."""
    match condition:
        case ("expr", node):
            return _node_value(node, registers, bits)
        case ("bit", bit, value):
            return int((bits >> int(bit) & 1) == value)
        case ("register", name, value):
            return int(_node_value(("register", name), registers, bits) == value)
    return _node_value(condition, registers, bits)
