"""A first look at a program without parsing it: what is it, and may a parser see it at all?

Runs in the caller, in linear time, with the standard library alone. It finds the format from the bytes and
refuses what is known to hurt Qiskit's parsers (qiskit 2.6.2: OpenQASM 2 opens any file that an `include`
names and quotes it in its error; `qreg q[2147483647]` exhausts memory; deep nesting ends the process;
QPY below version 13 ran code, CVE-2025-2000). What passes is still parsed only in a limited child.
"""

from __future__ import annotations

import re
import struct
from collections import deque
from collections.abc import Iterator
from itertools import islice

from qcrs.errors import CircuitError

__all__ = ["INCLUDES", "MAX_NESTING", "MAX_PROGRAMS", "MAX_PROGRAM_BYTES", "QPY_VERSIONS", "look"]

MAX_PROGRAM_BYTES = 2**20
"""Largest program, in bytes."""
MAX_NESTING = 64
"""Deepest nesting of brackets."""
MAX_CLBITS = 4096
"""Most classical bits one program may declare."""
MAX_PROGRAMS = 1000
"""Most circuits in one QPY file."""
INCLUDES = frozenset({"qelib1.inc", "stdgates.inc"})
"""Files a program may include; their content is built in."""
QPY_VERSIONS = range(13, 19)
"""QPY versions that are read."""

_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))
      |(?P<string>"[^"\n]*"|'[^'\n]*')
      |(?P<word>[^\W\d]\w*)
      |(?P<number>0[xX][\da-fA-F_]+|0[oObB][\d_]+|\d[\d_]*)
      |(?P<mark>[^\s\w])""",
    re.VERBOSE | re.DOTALL,
)
Token = tuple[str, str]
"""Kind and text."""

_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")
_QPY_HEAD = struct.Struct("!6sBBBBQ")
_QUANTUM, _CLASSICAL = frozenset({"qreg", "qubit"}), frozenset({"creg", "bit"})


def look(data: bytes, name: str, max_qubits: int) -> str:
    """The format of a program: `OpenQASM 2`, `OpenQASM 3` or `QPY`; `CircuitError` where it is refused."""
    if not data.strip():
        raise CircuitError(f"{name} is empty", solution="name a file that holds a program")
    if len(data) > MAX_PROGRAM_BYTES:
        raise CircuitError(
            f"{name} is larger than {MAX_PROGRAM_BYTES} bytes",
            field="bytes",
            value=len(data),
            solution="split the program, or use loops and gate definitions for what repeats",
        )
    if data.startswith(b"QISKIT"):
        _look_at_qpy(data, name)
        return "QPY"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if b"OPENQASM" in data.replace(b"\0", b""):
            raise CircuitError(
                f"{name} is not text in UTF-8",
                field="byte",
                value=error.start,
                solution="save it as UTF-8: comments and names may hold any letters then",
            ) from None
        text = "\0"
    if "\0" in text:
        raise _not_a_program(name)
    return _look_at_qasm(text, name, max_qubits)


def _not_a_program(name: str) -> CircuitError:
    return CircuitError(
        f"{name} is not a quantum program",
        solution="write OpenQASM 2 (`OPENQASM 2.0;` first), OpenQASM 3 (`OPENQASM 3.0;`) or a QPY file",
    )


def _look_at_qpy(data: bytes, name: str) -> None:
    if len(data) < _QPY_HEAD.size:
        raise CircuitError(f"{name} is a QPY file cut off in its head", solution="copy or save it again")
    _preface, version, _major, _minor, _patch, programs = _QPY_HEAD.unpack_from(data)
    if version not in QPY_VERSIONS:
        raise CircuitError(
            f"{name} is a QPY file of version {version}, not of {QPY_VERSIONS[0]} to {QPY_VERSIONS[-1]}",
            field="qpy version",
            value=version,
            solution="save it again with qiskit.qpy.dump of Qiskit 1.3 or later, or export OpenQASM 3",
        )
    if not 1 <= programs <= MAX_PROGRAMS:
        raise CircuitError(
            f"{name} says that it holds {programs} circuits; 1 to {MAX_PROGRAMS} are read",
            field="programs",
            value=programs,
            solution="save fewer circuits into one file; if it holds fewer, the file is damaged",
        )


def _tokens(text: str) -> Iterator[Token]:
    """Kind and text of each token but comments."""
    for match in _TOKEN.finditer(text):
        if match.lastgroup is not None and match.lastgroup != "comment":
            yield match.lastgroup, match.group()


def _windows(tokens: Iterator[Token]) -> Iterator[tuple[Token, tuple[Token, ...]]]:
    """Each token with up to four that follow it."""
    window: deque[Token] = deque(islice(tokens, 4))
    while window:
        window.extend(islice(tokens, 1))
        first = window.popleft()
        yield first, tuple(window)


def _format_of(text: str, name: str) -> str:
    """By the version statement; without one, by the words that only one version has."""
    tokens = _tokens(text)
    if next(tokens, None) == ("word", "OPENQASM"):
        _kind, major = next(tokens, ("", ""))
        if major not in ("2", "3"):
            raise CircuitError(
                f"{name} is of an OpenQASM version that is not read",
                field="version",
                value=major[:20],
                solution="OpenQASM 2.0, 3.0 and 3.1 are read",
            )
        return f"OpenQASM {major}"
    for kind, word in _tokens(text):
        if kind == "word" and word in ("qreg", "creg"):
            return "OpenQASM 2"
        if kind == "word" and word == "qubit":
            return "OpenQASM 3"
    raise _not_a_program(name)


def _look_at_qasm(text: str, name: str, max_qubits: int) -> str:
    version = _format_of(text, name)
    depth = 0
    declared = {"qubits": 0, "clbits": 0}
    for (kind, word), following in _windows(_tokens(text)):
        if word in _OPEN:
            depth += 1
            if depth > MAX_NESTING:
                raise CircuitError(
                    f"{name} nests brackets deeper than {MAX_NESTING}",
                    field="nesting",
                    value=depth,
                    solution="name intermediate steps: gate definitions instead of nested expressions",
                )
        elif word in _CLOSE:
            depth -= 1
        elif word == "include":
            _check_include(following, name)
        elif kind == "word" and (word in _QUANTUM or word in _CLASSICAL):
            declared["qubits" if word in _QUANTUM else "clbits"] += _declared_size(following)
    for what, limit in (("qubits", max_qubits), ("clbits", MAX_CLBITS)):
        if declared[what] > limit:
            raise _too_many(name, what, declared[what], limit)
    return version


def _too_many(name: str, what: str, count: int, limit: int) -> CircuitError:
    words = {"qubits": "qubits", "clbits": "classical bits"}[what]
    return CircuitError(
        f"{name} declares {count} {words}, more than the {limit} allowed",
        field=what,
        value=count,
        solution=f"use at most {limit} {words}"
        + (", or a processor that has more" if what == "qubits" else ""),
    )


def _check_include(following: tuple[Token, ...], name: str) -> None:
    """An include names one of the built-in files, whatever kind of quotes it uses."""
    kind, text = following[0] if following else ("", "")
    file = text[1:-1] if kind == "string" else text
    if kind != "string" or file not in INCLUDES:
        raise CircuitError(
            f"{name} includes a file that is not built in",
            field="include",
            value=file[:100],
            solution=f"only {' and '.join(sorted(INCLUDES))} can be included: copy the definitions you need",
        )


def _declared_size(following: tuple[Token, ...]) -> int:
    """Bits in a declaration, from the four tokens after its keyword: `name [ n ]` or `[ n ] name`.

    A size that is no literal counts as one; the child counts again after parsing.
    """
    texts = [text for _kind, text in following]
    for place, text in enumerate(texts[:-1]):
        if text == "[" and place < 2 and following[place + 1][0] == "number":
            return _number(texts[place + 1].replace("_", ""))
    return 1


def _number(digits: str) -> int:
    """A literal as a number; 10²⁰ where it is longer than any sensible one."""
    if len(digits) > 20:
        return 10**20
    try:
        return int(digits, 10 if digits.isdecimal() else 0)
    except ValueError:
        return 1  # no literal of the language: the parser will say so
