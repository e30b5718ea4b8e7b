"""Builds benchmark circuits as documents: native gates on physical qubits, angles in 2⁻³² turn.

Random one-qubit Cliffords are the 24 rotations of the octahedron; all their Euler angles are quarter
turns. A random rotation of Haar measure has θ drawn with density sin θ and φ, λ uniform. Everything is
drawn as integers from a seed, so a plan is the same bytes on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product

import numpy as np
import numpy.typing as npt

from qcrs.circuits import TURN, CircuitDocument, Control, Drbg, Instruction, Register

__all__ = [
    "CLIFFORDS",
    "HALF",
    "QUARTER",
    "Builder",
    "H",
    "X",
    "conjugate",
    "conjugate_cz",
    "haar_angles",
    "rotate_to_z",
]

QUARTER, HALF = TURN // 4, TURN // 2
Angles = tuple[int, int, int]

H: Angles = (QUARTER, 0, HALF)
"""Hadamard."""
X: Angles = (HALF, 0, HALF)
"""Bit flip."""
Y_TO_Z: Angles = (QUARTER, 0, QUARTER)
"""Phase gate undone, then Hadamard: takes Y to Z."""

_PAULI = (
    np.eye(2, dtype=complex),
    np.array([[0, 1], [1, 0]], dtype=complex),
    np.array([[0, -1j], [1j, 0]]),
    np.diag([1, -1]).astype(complex),
)
_CZ = np.diag([1, 1, 1, -1]).astype(complex)


def matrix(angles: Angles) -> npt.NDArray[np.complex128]:
    """The 2 x 2 matrix of U(θ, φ, λ), angles in 2⁻³² turn."""
    theta, phi, lam = (2 * math.pi * angle / TURN for angle in angles)
    c, s = math.cos(theta / 2), math.sin(theta / 2)
    return np.array(
        [
            [c, -np.exp(1j * lam) * s],
            [np.exp(1j * phi) * s, np.exp(1j * (phi + lam)) * c],
        ]
    )


def _image(unitary: npt.NDArray[np.complex128], pauli: npt.NDArray[np.complex128]) -> tuple[int, int]:
    """Code and sign of U P U†, a Pauli of as many qubits as U has; codes are base 4, first qubit first."""
    moved = unitary @ pauli @ unitary.conj().T
    if len(moved) == 2:
        table = {p: _PAULI[p] for p in range(4)}
    else:
        table = {4 * a + b: np.kron(_PAULI[a], _PAULI[b]) for a, b in product(range(4), repeat=2)}
    overlaps = {code: float(np.trace(moved @ other).real) / len(moved) for code, other in table.items()}
    code = max(overlaps, key=lambda key: abs(overlaps[key]))
    return code, 1 if overlaps[code] > 0 else -1


def _one_qubit() -> tuple[tuple[Angles, tuple[tuple[int, int], ...]], ...]:
    """The 24 Cliffords with what each makes of I, X, Y and Z (codes 0 to 3)."""
    found: dict[tuple[tuple[int, int], ...], Angles] = {}
    for theta, phi, lam in product(range(3), range(4), range(4)):
        angles = (theta * QUARTER, phi * QUARTER, lam * QUARTER)
        images = tuple(_image(matrix(angles), p) for p in _PAULI)
        found.setdefault(images, angles)
    return tuple((angles, images) for images, angles in found.items())


_TABLE = _one_qubit()
CLIFFORDS: tuple[Angles, ...] = tuple(angles for angles, _ in _TABLE)
"""Euler angles of the 24 one-qubit Cliffords."""
_CZ_TABLE = tuple(_image(_CZ, np.kron(_PAULI[a], _PAULI[b])) for a, b in product(range(4), repeat=2))


def conjugate(clifford: int, pauli: int) -> tuple[int, int]:
    """Code and sign of C P C† for the Clifford of that number; codes 0 to 3 are I, X, Y, Z."""
    return _TABLE[clifford][1][pauli]


def conjugate_cz(first: int, second: int) -> tuple[int, int, int]:
    """Both codes and the sign of a two-qubit Pauli after a CZ."""
    code, sign = _CZ_TABLE[4 * first + second]
    return code >> 2, code & 3, sign


def rotate_to_z(pauli: int) -> Angles | None:
    """The rotation after which a measurement reads the Pauli; none for I and Z."""
    return {1: H, 2: Y_TO_Z}.get(pauli)


def haar_angles(draws: Drbg, count: int) -> list[Angles]:
    """Euler angles of `count` one-qubit rotations of Haar measure (θ by rejection against sin θ)."""
    thetas: list[int] = []
    while len(thetas) < count:
        need = 2 * (count - len(thetas)) + 4
        proposed = draws.integers(HALF, need)
        accept = draws.uniform(need) < np.sin(2 * math.pi * proposed / TURN)
        thetas += [int(theta) for theta in proposed[accept]]
    others = draws.integers(TURN, 2 * count)
    return [(thetas[i], int(others[2 * i]), int(others[2 * i + 1])) for i in range(count)]


class Builder:
    """Collects instructions of one circuit on a processor's own qubit numbers."""

    def __init__(self, qubits: int) -> None:
        self._qubits = qubits
        self._instructions: list[Instruction] = []

    def u(self, qubit: int, angles: Angles) -> None:
        """A one-qubit gate; angles are taken modulo a turn."""
        theta, phi, lam = angles
        self._instructions.append(Instruction("u", (qubit,), (), (theta % TURN, phi % TURN, lam % TURN)))

    def cz(self, a: int, b: int) -> None:
        """A controlled phase flip."""
        self._instructions.append(Instruction("cz", (a, b)))

    def delay(self, qubit: int, picoseconds: int) -> None:
        """Nothing happens for this long."""
        self._instructions.append(Instruction("delay", (qubit,), (), (picoseconds,), Control(unit="ps")))

    def barrier(self, qubits: Iterable[int]) -> None:
        """Nothing moves across it."""
        self._instructions.append(Instruction("barrier", tuple(qubits)))

    def measured(self, qubits: Iterable[int]) -> CircuitDocument:
        """The circuit with these qubits measured: bit i of an outcome is the i-th of them."""
        order = tuple(qubits)
        measures = [Instruction("measure", (q,), (i,)) for i, q in enumerate(order)]
        return CircuitDocument(
            self._qubits,
            len(order),
            (Register("c", 0, len(order)),),
            (*self._instructions, Instruction("barrier", order), *measures),
        )
