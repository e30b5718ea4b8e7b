"""The client's part: what it prepares, which angle it names, how it reads the answers.

A qubit is |+_θ⟩ with a secret θ. To have it measured at φ the client names δ = φ' + θ + πr, where φ' is φ
corrected by earlier answers and r a secret bit that flips the answer: θ makes δ uniform, r the answers.
A *test round* is a round of the same form whose qubits are traps and dummies in turn like a chessboard's
fields: dummies are |0⟩ or |1⟩, so every trap stands alone and its answer is known.
(Broadbent, Fitzsimons and Kashefi 2009, protocol 1; test rounds: Leichtle, Music, Kashefi and Ollivier,
PRX Quantum 2, 040302, 2021.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qcrs.circuits.drbg import Drbg
from qcrs.distributed.blind.pattern import Brickwork, Pattern, Place

__all__ = ["Client", "Computing", "Keys", "Trapping"]


@dataclass(frozen=True, slots=True)
class Keys:
    """One round's secrets by qubit; never used twice."""

    thetas: Mapping[Place, int]
    """0 to 7 eighths of a turn."""
    flips: Mapping[Place, int]
    """r: whether the answer is read the other way."""

    @classmethod
    def drawn(cls, graph: Brickwork, dice: Drbg) -> Keys:
        """Uniform keys for every qubit."""
        places = graph.places
        thetas, flips = dice.integers(8, len(places)), dice.bits(len(places))
        return cls(
            dict(zip(places, map(int, thetas), strict=True)), dict(zip(places, map(int, flips), strict=True))
        )


class Client:
    """One round as the client sees it: keys, angles, answers."""

    def __init__(self, graph: Brickwork, keys: Keys) -> None:
        self.graph = graph
        self._theta = dict(keys.thetas)
        self._flip = dict(keys.flips)
        self._answers: dict[Place, int] = {}

    def basis(self, place: Place) -> int | None:
        """How the client's half of a pair is measured: an angle in the equator, or None for Z."""
        return self._theta[place]

    def prepared(self, place: Place, outcome: int) -> None:
        """What the client found on its half: outcome 1 means that the other half is turned by π."""
        self._theta[place] = (self._theta[place] + 4 * outcome) % 8

    def delta(self, place: Place) -> int:
        """The angle that the server is told, in eighths of a turn."""
        return (self._angle(place) + self._theta[place] + 4 * self._flip[place]) % 8

    def answered(self, place: Place, bit: int) -> None:
        """Takes the server's answer."""
        self._answers[place] = bit ^ self._flip[place]

    def _angle(self, place: Place) -> int:
        raise NotImplementedError


class Computing(Client):
    """A round that computes."""

    def __init__(self, pattern: Pattern, keys: Keys) -> None:
        super().__init__(pattern.graph, keys)
        self._angles = pattern.angles

    def _angle(self, place: Place) -> int:
        """φ' = (−1)^x φ + πz: X and Z corrections by the flow (wire, column) → (wire, column + 1)."""
        wire, column = place
        angle = self._angles[wire][column]
        if column and self._answers[wire, column - 1]:
            angle = -angle
        before = [(wire, column - 2)] if column > 1 else []
        beside = self.graph.beside(place)
        before += [] if beside is None else [(beside[0], column - 1)]
        return angle + 4 * sum(self._answers[one] for one in before)

    def result(self) -> int:
        """The outcome: bit i is wire i."""
        last = self.graph.columns - 1
        return sum(self._answers[wire, last] << wire for wire in range(self.graph.wires))


class Trapping(Client):
    """A round of traps; `odd` chooses which fields of the board they stand on."""

    def __init__(self, graph: Brickwork, keys: Keys, odd: int) -> None:
        super().__init__(graph, keys)
        self._odd = odd
        self._value: dict[Place, int] = {}

    def trap(self, place: Place) -> bool:
        """Whether this qubit is a trap."""
        return sum(place) % 2 == self._odd

    def basis(self, place: Place) -> int | None:
        """Dummies are made by measuring Z."""
        return super().basis(place) if self.trap(place) else None

    def prepared(self, place: Place, outcome: int) -> None:
        """A dummy is |outcome⟩."""
        if self.trap(place):
            super().prepared(place, outcome)
        else:
            self._value[place] = outcome

    def _angle(self, place: Place) -> int:
        if not self.trap(place):
            return 0  # θ hides that nothing depends on this angle
        return 4 * sum(self._value[other] for other in self.graph.neighbours(place))

    def passed(self) -> bool:
        """Whether every trap gave the one answer that an honest server without noise gives."""
        return not any(bit for place, bit in self._answers.items() if self.trap(place))
