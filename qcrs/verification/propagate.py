"""Pauli strings carried through Clifford circuits of `u` and `cz`: exact, vectorised over the strings.

A circuit U takes the stabiliser Z_i of |0…0⟩ to U Z_i U†, so n strings, one for each qubit, carried forward
together hold everything that a noiseless Clifford circuit says of its outcomes. On the way each string
counts the gates after which it acts on one of the gate's qubits: a depolarising error there flips its sign,
one elsewhere does not. What a measured parity looks like when it is taken back through the circuit, moment
by moment, is the same string, so these are the gates of its light cone.

A Pauli is two bits, x + 2 z: I 0, X 1, Z 2, Y 3.

Source: Aaronson and Gottesman, Phys. Rev. A 70, 052328 (2004), table of gate actions (signs included).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from qcrs.circuits.document import TURN

__all__ = ["CLIFFORDS", "TO_Z", "Bools", "Codes", "Strings", "clifford_of"]

Codes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Angles = tuple[int, int, int]

_QUARTER = TURN // 4


def _images(quarters: Angles) -> tuple[tuple[int, bool], ...]:
    """What U(θ, φ, λ) = RZ(φ) RY(θ) RZ(λ), in quarter turns, makes of I, X, Z, Y: codes and signs."""
    theta, phi, lam = quarters
    out = []
    for x, z in ((0, 0), (1, 0), (0, 1), (1, 1)):
        sign = 0
        for step in "s" * lam + "zh" * theta + "s" * phi:
            if step == "z":
                sign ^= x
                continue
            sign ^= x & z
            x, z = (x, z ^ x) if step == "s" else (z, x)
        out.append((x + 2 * z, bool(sign)))
    return tuple(out)


def _table() -> dict[tuple[tuple[int, bool], ...], Angles]:
    found: dict[tuple[tuple[int, bool], ...], Angles] = {}
    for quarters in product(range(3), range(4), range(4)):
        found.setdefault(_images(quarters), quarters)
    return found


_FOUND = _table()
_NUMBER = {images: number for number, images in enumerate(_FOUND)}
CLIFFORDS: tuple[Angles, ...] = tuple(
    (a * _QUARTER, b * _QUARTER, c * _QUARTER) for a, b, c in _FOUND.values()
)
"""Angles, in 2⁻³² turn, of the 24 one-qubit Cliffords."""
_IMAGE: Codes = np.array([[code for code, _ in images] for images in _FOUND], dtype=np.uint8)
_SIGN: Bools = np.array([[sign for _, sign in images] for images in _FOUND], dtype=bool)
TO_Z: tuple[tuple[int, ...], ...] = tuple(
    tuple(c for c in range(len(CLIFFORDS)) if not pauli or _IMAGE[c, pauli] == 2) for pauli in range(4)
)
"""The Cliffords that take each Pauli to Z or −Z (for the identity: all)."""


def clifford_of(params: tuple[int, ...]) -> int | None:
    """The number of the Clifford that a `u` is; None where an angle is no multiple of a quarter turn."""
    if any(angle % _QUARTER for angle in params):
        return None
    theta, phi, lam = (angle // _QUARTER % 4 for angle in params)
    return _NUMBER[_images((theta, phi, lam))]


@dataclass(slots=True)
class Strings:
    """Pauli strings with signs: `codes` is [qubit, string], everything else [string].

    `one_qubit` and `two_qubit` count the gates after which a string acted on one of the gate's qubits.
    """

    codes: Codes
    sign: Bools
    one_qubit: npt.NDArray[np.int64]
    two_qubit: npt.NDArray[np.int64]

    @classmethod
    def stabilizers(cls, qubits: int) -> Strings:
        """Z on each of `qubits` qubits: the stabilisers of |0…0⟩."""
        codes = 2 * np.eye(qubits, dtype=np.uint8)
        zeros = np.zeros(qubits, dtype=np.int64)
        return cls(codes, np.zeros(qubits, dtype=bool), zeros, zeros.copy())

    def u(self, qubit: int, clifford: int) -> None:
        """A one-qubit Clifford by its number."""
        old = self.codes[qubit]
        self.sign ^= _SIGN[clifford][old]
        self.one_qubit += old != 0
        self.codes[qubit] = _IMAGE[clifford][old]

    def cz(self, first: int, second: int) -> None:
        """A controlled phase flip."""
        a, b = self.codes[first], self.codes[second]
        self.sign ^= (a & b & 1 & ((a ^ b) >> 1)).astype(bool)
        a, b = a ^ ((b & 1) << 1), b ^ ((a & 1) << 1)
        self.two_qubit += (a | b) != 0
        self.codes[first], self.codes[second] = a, b
