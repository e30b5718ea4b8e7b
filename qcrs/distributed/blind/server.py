"""The server's part, and the physics between the two: pairs, CZ, measurements.

`Lab` is nature. A client reaches it by measuring its halves of pairs, a server by gates and measurements on
handles; neither sees a state. A round needs two columns of qubits at a time, since what is measured is gone.
"""

from __future__ import annotations

import cmath
import math

import numpy as np
from numpy.typing import NDArray

from qcrs.distributed.blind.pattern import EIGHTH, Brickwork, Place
from qcrs.distributed.noise import BellDiagonal

__all__ = ["Lab", "Server"]


class Lab:
    """Live qubits of one round as one state vector, an axis for each."""

    def __init__(self, pair: BellDiagonal, dice: np.random.Generator) -> None:
        self._errors = (pair.i, pair.x, pair.y, pair.z)
        self._dice = dice
        self._state: NDArray[np.complex128] = np.ones((), dtype=np.complex128)
        self._live: list[Place] = []

    def half(self, place: Place, basis: int | None) -> int:
        """A pair arrives and the client measures its half: its outcome.

        Of Φ⁺, measured at −θ in the equator, the other half becomes |+_θ⟩ or |−_θ⟩; measured in Z,
        |0⟩ or |1⟩. A pair's Pauli error acts on the server's half.
        """
        outcome = int(self._dice.integers(2))
        if basis is None:
            qubit = np.array([1 - outcome, outcome], dtype=np.complex128)
        else:
            phase = cmath.exp(1j * (EIGHTH * basis + math.pi * outcome))
            qubit = np.array([1, phase], dtype=np.complex128) / math.sqrt(2)
        error = int(self._dice.choice(4, p=self._errors))
        if error in (2, 3):
            qubit = qubit * np.array([1, -1])
        if error in (1, 2):
            qubit = qubit[::-1]
        self._state = np.multiply.outer(self._state, qubit)
        self._live.append(place)
        return outcome

    def cz(self, a: Place, b: Place) -> None:
        """CZ between two live qubits."""
        index: list[int | slice] = [slice(None)] * len(self._live)
        index[self._live.index(a)] = index[self._live.index(b)] = 1
        self._state[tuple(index)] *= -1

    def measure(self, place: Place, angle: int) -> int:
        """Measures in {|+_φ⟩, |−_φ⟩}; the qubit is gone."""
        axis = self._live.index(place)
        zero, one = np.moveaxis(self._state, axis, 0)
        one = one * cmath.exp(-1j * EIGHTH * angle)
        plus = (zero + one) / math.sqrt(2)
        chance = float(np.vdot(plus, plus).real)
        bit = int(self._dice.random() >= chance)
        left = (zero - one) / math.sqrt(2) if bit else plus
        self._state = left / math.sqrt(1 - chance if bit else chance)
        self._live.pop(axis)
        return bit


class Server:
    """An honest server: it knows the graph and is told angles. Cheats override `measure`."""

    def __init__(self, lab: Lab, graph: Brickwork) -> None:
        self.lab, self.graph = lab, graph

    def received(self, place: Place) -> None:
        """A qubit came: joins it to those of its neighbours that came before."""
        arrived = (place[1], place[0])
        for wire, column in self.graph.neighbours(place):
            if (column, wire) < arrived:
                self.lab.cz(place, (wire, column))

    def measure(self, place: Place, delta: int) -> int:
        """Measures at the angle that the client names; the answer."""
        return self.lab.measure(place, delta)
