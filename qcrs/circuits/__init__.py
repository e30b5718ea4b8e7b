"""Circuit documents, lowering, frames and the generator that all randomness here comes from.

What needs Qiskit (`convert`, `lower`) is imported at first use: processes that only pass documents on, draw
or decode never load it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from qcrs.circuits.document import TURN, CircuitDocument, Control, Instruction, Register
from qcrs.circuits.drbg import Drbg, keccak
from qcrs.circuits.frames import Frame, decode, frame, frame_mask, frames_per_unit, shots_per_frame

if TYPE_CHECKING:
    from qcrs.circuits.convert import from_qiskit, snap, to_qiskit
    from qcrs.circuits.lower import Lowered, lower

__all__ = [
    "TURN",
    "CircuitDocument",
    "Control",
    "Drbg",
    "Frame",
    "Instruction",
    "Lowered",
    "Register",
    "decode",
    "frame",
    "frame_mask",
    "frames_per_unit",
    "from_qiskit",
    "keccak",
    "lower",
    "shots_per_frame",
    "snap",
    "to_qiskit",
]

_HOME = {"from_qiskit": "convert", "snap": "convert", "to_qiskit": "convert", "Lowered": "lower"}


class _Package(ModuleType):
    """The package; `lower` is its function, also after the submodule of that name was imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "lower" and isinstance(value, ModuleType):
            value = value.lower
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name == "lower":
        import_module("qcrs.circuits.lower")
        return globals()["lower"]
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"qcrs.circuits.{_HOME[name]}"), name)
    globals()[name] = value
    return value
