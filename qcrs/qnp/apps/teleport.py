"""Teleportation over a delivered pair: what is left of a state, and who tells whom what to correct.

Bennett et al., PRL 70, 1895 (1993). A Bell measurement on the state's qubit and the head's half leaves the
tail with the state turned by a Pauli: the outcome plus the pair's Bell index, both two bits. On a
Bell-diagonal pair each component of the state's Bloch vector is multiplied by the pair's correlator, exactly
as in a swap.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from qcrs.errors import InputError
from qcrs.qnp.physical.bell import BellPair, readout_factors
from qcrs.qnp.physical.hardware import NodeNoise

__all__ = [
    "STATES",
    "Receiver",
    "Vector",
    "average_fidelity",
    "correction",
    "overlap",
    "teleported",
    "waited",
]

Vector = tuple[float, float, float]
"""A qubit's state as a Bloch vector."""

STATES: dict[str, Vector] = {
    "0": (0.0, 0.0, 1.0),
    "1": (0.0, 0.0, -1.0),
    "+": (1.0, 0.0, 0.0),
    "-": (-1.0, 0.0, 0.0),
    "i": (0.0, 1.0, 0.0),
    "-i": (0.0, -1.0, 0.0),
}

_MESSAGE = struct.Struct(">IIB")


def teleported(pair: BellPair, vector: Vector, noise: NodeNoise | None = None) -> Vector:
    """The state after its correction; `noise` is that of the node that measures."""
    noise = noise or NodeNoise()
    factors = readout_factors(noise.readout_error)
    k = 1 - noise.gate_error
    x, y, z = (v * c * k * f for v, c, f in zip(vector, (pair.xx, pair.yy, pair.zz), factors, strict=True))
    return x, y, z


def waited(vector: Vector, time_ns: float, noise: NodeNoise) -> Vector:
    """A state after some time in a node's memory."""
    fade = math.exp(-(noise.dephasing_per_ns + noise.depolarising_per_ns) * time_ns)
    return vector[0] * fade, vector[1] * fade, vector[2] * math.exp(-noise.depolarising_per_ns * time_ns)


def overlap(one: Vector, pure: Vector) -> float:
    """Fidelity of a state with a pure one."""
    return (1 + sum(a * b for a, b in zip(one, pure, strict=True))) / 2


def average_fidelity(pair_fidelity: float) -> float:
    """Mean over all pure states: (2F + 1)/3 (Horodecki et al., PRA 60, 1888 (1999))."""
    return (2 * pair_fidelity + 1) / 3


def correction(sequence: tuple[int, int], bell: int, outcome: int) -> bytes:
    """What the head tells the tail: the pair's sequence numbers, and which Pauli brings the state back."""
    return _MESSAGE.pack(*sequence, bell ^ outcome)


@dataclass(slots=True)
class Receiver:
    """The tail's rule: corrects each pair once, whatever comes twice or of pairs it does not hold."""

    waiting: dict[tuple[int, int], int]
    """Handles of pairs by sequence numbers."""

    ignored: int = 0

    def receive(self, data: bytes) -> tuple[int, int] | None:
        """Handle and Pauli to apply now, or None."""
        try:
            head, tail, pauli = _MESSAGE.unpack(data)
        except struct.error as error:
            raise InputError("a correction has nine bytes", field="length", value=len(data)) from error
        handle = self.waiting.pop((head, tail), None)
        if handle is None or pauli > 3:
            self.ignored += 1
            return None
        return handle, pauli
