"""Attackers whose device is real and whose outcomes are wrong.

A04 two qubits swapped · A05 a bit of the answer flipped · A05r a raw bit forced.
"""

from __future__ import annotations

import numpy as np
from qiskit.providers import BackendV2

from qcrs.attackers.base import Attacker, Call, Shots
from qcrs.attackers.untwirl import measured_clbits

__all__ = ["Flipped", "Forced", "Swapped"]


class Swapped(Attacker):
    """A04: two measured bits of every target are exchanged in the decoded outcomes.

    Without the true masks the pair is exchanged and, for half of all common masks, flipped as well.
    """

    def answer(self, call: Call) -> list[Shots]:
        """Honest outcomes with a random pair of bits exchanged."""
        out = self.honest(call.circuits, call.shots, call.seed)
        for target in call.targets():
            bits = measured_clbits(target.circuit)
            if len(bits) < 2:
                continue
            a, b = call.stream.choice(bits, 2, replace=False).tolist()
            for index, mask in zip(target.indices, call.decoding(target), strict=True):
                decoded = out[index] ^ mask
                differ = ((decoded >> a) ^ (decoded >> b)) & 1
                out[index] = decoded ^ (differ << a) ^ (differ << b) ^ mask
        return out


class Flipped(Attacker):
    """A05: one bit of every answer is flipped with probability `chance` (a mask does not change a flip)."""

    def __init__(self, honest: BackendV2, chance: float = 0.5) -> None:
        super().__init__(honest)
        self._chance = chance

    def answer(self, call: Call) -> list[Shots]:
        """Honest outcomes, a random bit of each target flipped now and then."""
        out = self.honest(call.circuits, call.shots, call.seed)
        for target in call.targets():
            bit = int(call.stream.choice(measured_clbits(target.circuit)))
            for index in target.indices:
                flips = (call.stream.random(len(out[index])) < self._chance).astype(np.int64)
                out[index] = out[index] ^ (flips << bit)
        return out


class Forced(Attacker):
    """A05r: one raw bit reads 0 with probability `chance` whatever the qubit holds."""

    def __init__(self, honest: BackendV2, chance: float = 0.5) -> None:
        super().__init__(honest)
        self._chance = chance

    def answer(self, call: Call) -> list[Shots]:
        """Honest outcomes, a random raw bit of each target cleared now and then."""
        out = self.honest(call.circuits, call.shots, call.seed)
        for target in call.targets():
            bit = int(call.stream.choice(measured_clbits(target.circuit)))
            for index in target.indices:
                clear = call.stream.random(len(out[index])) < self._chance
                out[index] = np.where(clear, out[index] & ~(1 << bit), out[index])
        return out
