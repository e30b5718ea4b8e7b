"""Inside the limited child: bytes of a program → circuit documents.

Never imported by a caller; `qcrs.sandbox.programs` has it run in a child. Everything a parser throws
becomes one `CircuitError` with one line of its words; memory that runs out ends the child.
"""

from __future__ import annotations

import io
import json
import re
import warnings
from typing import Any

from qiskit import QuantumCircuit, qasm2, qasm3, qpy

from qcrs.circuits import lower
from qcrs.errors import CircuitError
from qcrs.types import canonical_json

__all__ = ["parse_program", "warm_up"]

_LONGEST_REASON = 300
_DRAWING = re.compile(
    r"\x1b\[[0-9;]*[A-Za-z]"  # colours of a terminal
    r"|[\u2500-\u257f]+(?: Backtrace [\u2500-\u257f]+)?"  # the frame around a backtrace of a Rust library
    r"|\bat crates/\S+"  # and its places
)


def warm_up() -> None:
    """Once in the zygote: load what parsers and transpiler load on first use."""
    circuit = qasm2.loads(
        'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;'
    )
    lower(circuit)
    qasm3.loads('OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c; h q[0]; c = measure q;')
    with io.BytesIO() as file:
        qpy.dump(circuit, file)
        file.seek(0)
        qpy.load(file)


def _load(data: bytes, version: str) -> list[QuantumCircuit]:
    """Parse with the reader of the format; raises whatever that raises."""
    if version == "QPY":
        return list(qpy.load(io.BytesIO(data)))
    text = data.decode("utf-8-sig")
    if version == "OpenQASM 2":
        return [
            qasm2.loads(
                text,
                include_path=(),
                custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS,
                custom_classical=qasm2.LEGACY_CUSTOM_CLASSICAL,
            )
        ]
    return [qasm3.loads(text)]


def _words(error: BaseException) -> str:
    """What a parser says, in one printable line: no file names of its own, no walls of text."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    text = _DRAWING.sub(" ", str(text)[: 10 * _LONGEST_REASON])
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if (
        len(line) > 1 and line[0] == line[-1] and line[0] in "'\""
    ):  # a text that was shown as Python shows texts
        line = line[1:-1]
    line = re.sub(r"^(?:<input>:)?(\d+),(\d+): ", r"line \1, column \2: ", line)
    return line[:_LONGEST_REASON] or type(error).__name__


def _name_of(circuit: QuantumCircuit) -> str:
    """The circuit's own name, if it is fit to print."""
    name = str(circuit.name or "")
    return name if name.isprintable() and len(name) <= 100 else ""


def _lowered(circuit: QuantumCircuit, request: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(circuit, QuantumCircuit):
        raise CircuitError(
            f"{request['name']} holds a {type(circuit).__name__}, not a circuit",
            solution="save circuits only",
        )
    limit = request["max_qubits"]
    if circuit.num_qubits > limit:
        raise CircuitError(
            f"{request['name']} has {circuit.num_qubits} qubits, more than the {limit} allowed",
            field="qubits",
            value=circuit.num_qubits,
            solution=f"use at most {limit} qubits, or a processor that has more",
        )
    lowered = lower(circuit, measure=request["measure"])
    return {
        "name": _name_of(circuit),
        "document": lowered.document.as_json(),
        "notes": list(lowered.notes),
    }


def parse_program(payload: bytes) -> bytes:
    """`<header JSON>\\n<program>` → canonical JSON `{"circuits": [{"name", "document", "notes"}…]}`.

    The header holds `name`, `format`, `max_qubits` and `measure`. Raises `CircuitError`.
    """
    head, _, data = payload.partition(b"\n")
    request = json.loads(head)
    doing = f"is not valid {request['format']}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they speak of versions; the caller sees errors only
            circuits = _load(data, request["format"])
            doing = "cannot be lowered to the basis u, cz"
            done = [_lowered(circuit, request) for circuit in circuits]
    except (CircuitError, MemoryError):
        raise
    except BaseException as error:  # PanicException of Rust libraries is no Exception
        raise CircuitError(
            f"{request['name']} {doing}: {_words(error)}",
            solution="check the file with the tool that made it, or export it again with a current Qiskit",
        ) from error
    return canonical_json({"circuits": done})
