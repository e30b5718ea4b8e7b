"""Reading users' programs: OpenQASM 2, OpenQASM 3 or QPY in, checked circuit documents out.

A first look (`qcrs.sandbox.lex`) refuses what is known to do harm; the parsers themselves run in a limited
child, whose answer is checked again here. Whatever is wrong with a program is one `CircuitError`; a
`SandboxError` means that this machine cannot run children.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qcrs.errors import CircuitError, InputError, SandboxError
from qcrs.sandbox.lex import look
from qcrs.sandbox.limits import Limits
from qcrs.sandbox.process import Sandbox
from qcrs.types import canonical_json, parse_canonical

if TYPE_CHECKING:
    from qcrs.circuits import CircuitDocument

__all__ = ["MAX_QUBITS", "Program", "program_sandbox", "read_program", "read_programs"]

MAX_QUBITS = 1024
"""Most qubits of a program, unless the caller knows of a smaller processor."""

_PRELOAD = ("qiskit_qasm3_import", "qcrs.sandbox.parse", "qcrs.sandbox.parse:warm_up")

_TROUBLE = {
    "address_space_bytes": (
        "needs too much memory to read",
        "declare fewer qubits, and flatten gate definitions that multiply each other",
    ),
    "cpu_seconds": (
        "takes too long to read and lower",
        "flatten gate definitions that multiply each other, or split the program",
    ),
    "wall_seconds": (
        "takes too long to read and lower",
        "split the program, or try again on an idle machine",
    ),
    "result_bytes": (
        "becomes too large when it is lowered",
        "split the program: it has too many gates for one job",
    ),
    "signal": (
        "makes its parser crash",
        "the file is damaged: save it again with a current Qiskit, or export it as OpenQASM 3",
    ),
    "exception": (
        "cannot be read",
        "the file is damaged: save it again with a current Qiskit, or export it as OpenQASM 3",
    ),
}


@dataclass(frozen=True, slots=True)
class Program:
    """One circuit of a file: its own name (may be empty), its document, and what lowering added, in words."""

    name: str
    document: CircuitDocument
    notes: tuple[str, ...]


def program_sandbox(limits: Limits | None = None) -> Sandbox:
    """A sandbox for `read_programs`, with parsers and transpiler preloaded on first use (about a second)."""
    return Sandbox(preload=_PRELOAD, limits=limits, name="the reader of programs")


def read_programs(
    data: bytes,
    *,
    sandbox: Sandbox,
    max_qubits: int = MAX_QUBITS,
    name: str = "the program",
    measure: bool = True,
    limits: Limits | None = None,
) -> list[Program]:
    """The circuits in a file's bytes, lowered; `name` is used in messages.

    A circuit that measures nothing gets a measurement of every qubit, with a note, unless `measure` is
    false. Raises `CircuitError` with one line and a remedy for whatever is wrong with the program.
    """
    from qcrs.circuits import CircuitDocument

    request = {
        "name": name,
        "format": look(data, name, max_qubits),
        "max_qubits": max_qubits,
        "measure": measure,
    }
    try:
        answer = sandbox.call(
            "qcrs.sandbox.parse:parse_program", canonical_json(request) + b"\n" + data, limits
        )
    except SandboxError as error:
        if error.field not in _TROUBLE:
            raise
        trouble, solution = _TROUBLE[error.field]
        raise CircuitError(
            f"{name} {trouble}", field=error.field, value=error.value, solution=solution
        ) from error
    try:
        return [
            Program(
                str(item["name"]), CircuitDocument.from_json(item["document"]), tuple(map(str, item["notes"]))
            )
            for item in parse_canonical(answer)["circuits"]
        ]
    except (InputError, KeyError, TypeError) as error:
        raise CircuitError(
            f"{name} was read into something that is not a circuit: {error}",
            solution="the file made its parser answer wrongly: do not trust where it comes from",
        ) from error


def read_program(
    data: bytes,
    *,
    sandbox: Sandbox,
    max_qubits: int = MAX_QUBITS,
    name: str = "the program",
    limits: Limits | None = None,
) -> list[CircuitDocument]:
    """As `read_programs`, the documents alone."""
    programs = read_programs(data, sandbox=sandbox, max_qubits=max_qubits, name=name, limits=limits)
    return [program.document for program in programs]
