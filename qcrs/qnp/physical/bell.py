"""Bell-diagonal pairs as values: three correlators and a 2-bit Pauli frame, and all that happens to them.

A Bell state has the index `2·x + z` for (XˣZᶻ ⊗ 1)|Φ⁺⟩: Φ⁺ 0, Φ⁻ 1, Ψ⁺ 2, Ψ⁻ 3. Indices add by XOR. The
correlators are those of the state brought back to Φ⁺, with yy = −⟨YY⟩, so that a perfect pair has (1, 1, 1)
and the fidelity is (1 + xx + yy + zz)/4. On Bell-diagonal states a swap multiplies correlators exactly;
dephasing, depolarising and readout errors are multipliers too. Nothing here assumes Werner states.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["AXES", "BELL_NAMES", "BellPair", "frame_signs", "readout_factors"]

BELL_NAMES = ("Φ+", "Φ-", "Ψ+", "Ψ-")

_R = math.sqrt(0.5)
AXES: tuple[tuple[float, float, float], ...] = (
    (1.0, 0.0, 0.0),
    (0.0, 1.0, 0.0),
    (0.0, 0.0, 1.0),
    (_R, 0.0, _R),
    (-_R, 0.0, _R),
)
"""Measurement axes by number: X, Y, Z, (Z+X)/√2, (Z−X)/√2."""


def frame_signs(frame: int) -> tuple[float, float, float]:
    """Signs (sx, sy, sz) with ⟨AA⟩ = s·correlator for a pair of this Bell index."""
    x, z = frame >> 1 & 1, frame & 1
    return 1.0 - 2 * z, -(1.0 - 2 * (x ^ z)), 1.0 - 2 * x


def readout_factors(error: float) -> tuple[float, float, float]:
    """What a Bell measurement whose two readouts err with this probability does to (xx, yy, zz)."""
    k = 1 - 2 * error
    return k, k * k, k


@dataclass(frozen=True, slots=True)
class BellPair:
    """A Bell-diagonal pair: correlators relative to its Bell state, and the state's index."""

    xx: float
    yy: float
    zz: float
    frame: int = 0

    @classmethod
    def werner(cls, fidelity: float, frame: int = 0) -> BellPair:
        """The Werner state of this fidelity: all correlators (4F−1)/3."""
        w = (4 * fidelity - 1) / 3
        return cls(w, w, w, frame)

    @property
    def fidelity(self) -> float:
        """Overlap with its own Bell state."""
        return (1 + self.xx + self.yy + self.zz) / 4

    @property
    def qber_z(self) -> float:
        """Error rate when both ends measure Z."""
        return (1 - self.zz) / 2

    @property
    def qber_x(self) -> float:
        """Error rate when both ends measure X."""
        return (1 - self.xx) / 2

    def weights(self) -> tuple[float, float, float, float]:
        """Probabilities of the errors 1, Z, X, XZ: the state's overlaps with frame ^ 0, 1, 2, 3."""
        x, y, z = self.xx, self.yy, self.zz
        return (1 + x + y + z) / 4, (1 - x - y + z) / 4, (1 + x - y - z) / 4, (1 - x + y - z) / 4

    def dephased(self, time_ns: float, t2_ns: float) -> BellPair:
        """After one of its qubits waited: xx and yy fall by exp(−t/T2)."""
        k = math.exp(-time_ns / t2_ns)
        return BellPair(self.xx * k, self.yy * k, self.zz, self.frame)

    def depolarised(self, probability: float) -> BellPair:
        """After one of its qubits was replaced by noise with this probability."""
        k = 1 - probability
        return BellPair(self.xx * k, self.yy * k, self.zz * k, self.frame)

    def swapped(
        self, other: BellPair, outcome: int, *, gate_error: float = 0.0, readout_error: float = 0.0
    ) -> BellPair:
        """Two pairs made one by a Bell measurement with this outcome and these errors."""
        k = 1 - gate_error
        rx, ry, rz = readout_factors(readout_error)
        return BellPair(
            self.xx * other.xx * k * rx,
            self.yy * other.yy * k * ry,
            self.zz * other.zz * k * rz,
            self.frame ^ other.frame ^ outcome,
        )

    def correlation(self, a: tuple[float, float, float], b: tuple[float, float, float]) -> float:
        """⟨(a·σ) ⊗ (b·σ)⟩ for unit vectors a and b."""
        sx, sy, sz = frame_signs(self.frame)
        return sx * self.xx * a[0] * b[0] + sy * self.yy * a[1] * b[1] + sz * self.zz * a[2] * b[2]
