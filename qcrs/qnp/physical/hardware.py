"""What the protocol asks of quantum hardware, and the description of a pair source.

A *handle* names one qubit of one pair. Who holds handles need not know states: the simulated backends
(`belldiag`, `dm`, `qiskit`) keep those, and a real device would have no such thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from qcrs.errors import InputError
from qcrs.qnp.physical.bell import BellPair

__all__ = ["BASIS_SETS", "KEEP", "Hardware", "NodeNoise", "Source", "Teleporting"]

KEEP = -1
"""In place of a basis: the qubit is kept, not measured."""

BASIS_SETS: dict[int, tuple[int, ...]] = {
    0: (0,),
    1: (1,),
    2: (2,),
    3: (3,),
    4: (4,),
    16: (0, 2),
    17: (0, 1, 2),
    18: (2, 3, 0),
    19: (3, 0, 4),
    20: (2, 0),
    21: (3, 4),
}
"""Basis codes: 0–4 an axis; 16 BB84 (X, Z); 17 six-state; 18 and 19 the two ends of E91; 20 and 21 of CHSH.

The axes are those of `bell.AXES`; a set with several is drawn from anew for each pair.
"""


@dataclass(frozen=True, slots=True)
class NodeNoise:
    """Errors of one node: memory rates per ns of one qubit, two-qubit gate and readout."""

    dephasing_per_ns: float = 0.0
    depolarising_per_ns: float = 0.0
    gate_error: float = 0.0
    readout_error: float = 0.0


@dataclass(frozen=True, slots=True)
class Source:
    """One setting of a link's pair source: success per attempt, attempt time, and the pairs it makes.

    `bright` is None where the pairs are Bell-diagonal with the given correlators; for single-click
    heralding it is their fidelity F: F|Ψ±⟩⟨Ψ±| + (1−F)|11⟩⟨11|. `bells` are the Bell indices it heralds,
    equally likely.
    """

    p: float
    attempt_ns: int
    xyz: tuple[float, float, float]
    bells: tuple[int, ...] = (2, 3)
    bright: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.p <= 1.0:
            raise InputError("a source succeeds with a probability in (0, 1]", field="p", value=self.p)
        if self.attempt_ns < 1:
            raise InputError("an attempt takes at least 1 ns", field="attempt_ns", value=self.attempt_ns)
        x, y, z = self.xyz
        worst = min(1 + x + y + z, 1 - x - y + z, 1 + x - y - z, 1 - x + y - z)
        if worst < -1e-9 or not self.bells or not set(self.bells) <= {0, 1, 2, 3}:
            raise InputError("these correlators or Bell states are not a state", field="xyz", value=self.xyz)

    @property
    def fidelity(self) -> float:
        """Fidelity of a fresh pair."""
        return (1 + sum(self.xyz)) / 4


class Teleporting(Protocol):
    """Hardware that can also teleport, and tell what pairs and qubits are; the simulated backends do."""

    def teleport(self, now: int, node: int, handle: int, vector: tuple[float, float, float]) -> int:
        """Bell measurement of a qubit with this Bloch vector and a handle, which ends: the outcome."""

    def vector(self, now: int, handle: int) -> tuple[float, float, float]:
        """Bloch vector of a qubit that was teleported."""

    def pair(self, now: int, handle: int) -> BellPair:
        """The Bell-diagonal part of the handle's pair."""

    def correct(self, handle: int, pauli: int) -> None:
        """Apply XˣZᶻ, with pauli = 2·x + z, to a qubit."""


class Hardware(Protocol):
    """Pairs, by the handles of their qubits. Times are nanoseconds and never run backwards for a pair."""

    def create(self, now: int, source: Source, first: int, second: int, bell: int) -> tuple[int, int]:
        """A fresh pair in Bell state `bell` between nodes `first` and `second`: its two handles."""

    def swap(self, now: int, node: int, left: int, right: int) -> int:
        """Bell measurement of two qubits at a node: the 2-bit outcome; both handles end."""

    def measure(self, now: int, node: int, handle: int, axis: int) -> int:
        """Measure a qubit along an axis: the bit. The handle stays until freed."""

    def purify(self, now: int, node: int, kept: int, sacrificed: int, turns: tuple[int, int]) -> int:
        """One end's part of a purification (`physical.purification`): its bit. Both handles stay."""

    def correct(self, handle: int, pauli: int) -> None:
        """Apply XˣZᶻ, with pauli = 2·x + z, to a qubit."""

    def free(self, handle: int) -> None:
        """Give up a qubit."""

    def held(self) -> int:
        """Number of handles in use."""

    def fidelity(self, now: int, handle: int, bell: int) -> float | None:
        """Overlap of the handle's pair with a Bell state, or None once one of its qubits was measured."""

    def frame(self, handle: int) -> int:
        """The Bell index that the reported outcomes imply for the handle's pair."""
