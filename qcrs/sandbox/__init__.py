"""Limited child processes: everything a stranger wrote is parsed, transpiled and run in one of these."""

from qcrs.sandbox.limits import GIB, Isolation, Limits, Outcome
from qcrs.sandbox.process import Sandbox
from qcrs.sandbox.programs import MAX_QUBITS, Program, program_sandbox, read_program, read_programs

__all__ = [
    "GIB",
    "MAX_QUBITS",
    "Isolation",
    "Limits",
    "Outcome",
    "Program",
    "Sandbox",
    "program_sandbox",
    "read_program",
    "read_programs",
]
