"""Circuit documents, lowering, frames and the generator that all randomness here comes from."""

from qcrs.circuits.convert import from_qiskit, snap, to_qiskit
from qcrs.circuits.document import TURN, CircuitDocument, Control, Instruction, Register
from qcrs.circuits.drbg import Drbg, keccak
from qcrs.circuits.frames import Frame, decode, frame, frames_per_unit, shots_per_frame
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
    "frames_per_unit",
    "from_qiskit",
    "keccak",
    "lower",
    "shots_per_frame",
    "snap",
    "to_qiskit",
]
