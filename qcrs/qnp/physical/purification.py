"""Two pairs made one better one: BBPSSW and DEJMPS on Bell-diagonal pairs, as values.

Bennett et al., PRL 76, 722 (1996); Deutsch et al., PRL 77, 2818 (1996). Both ends turn their qubits (one by
U, the other by U*), apply a CNOT from the pair that is kept to the other, and measure that one along Z. The
pair is kept if the bits agree with what the Bell states say. A *turn* permutes the errors Z, X, XZ of a pair
and is linear in its Bell index: DEJMPS exchanges Z and XZ, BBPSSW draws one of three cyclic turns for each
pair, which averages a Bell-diagonal pair to a Werner one.
"""

from __future__ import annotations

from dataclasses import dataclass

from qcrs.errors import InputError
from qcrs.qnp.physical.bell import BellPair

__all__ = ["BBPSSW", "DEJMPS", "METHODS", "TURNS", "Purified", "joined", "joint", "purified", "turns_of"]

BBPSSW, DEJMPS = 1, 2
METHODS = {"none": 0, "bbpssw": BBPSSW, "dejmps": DEJMPS}
"""Names of the ways to purify, by the number that a request and its FORWARD carry."""

TURNS: tuple[tuple[int, int, int, int], ...] = ((0, 1, 2, 3), (0, 3, 2, 1), (0, 2, 3, 1), (0, 3, 1, 2))
"""Bell index after a turn: nothing; a quarter about X; a third about X + Y + Z; the same backwards."""

_CYCLIC = (0, 2, 3)


def turns_of(method: int, kept: int, sacrificed: int) -> tuple[int, int]:
    """Turns of both pairs, known to both ends from the head's sequence numbers."""
    if method == DEJMPS:
        return 1, 1
    return _drawn(kept), _drawn(sacrificed)


def _drawn(sequence: int) -> int:
    word = sequence & 0xFFFFFFFF  # the finaliser of MurmurHash3: neighbours have nothing in common
    word = (word ^ word >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    word = (word ^ word >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return _CYCLIC[(word ^ word >> 16) % 3]


def joined(kept: int, sacrificed: int, turns: tuple[int, int]) -> tuple[int, int]:
    """Bell index of what is kept, and what the two bits should add up to."""
    c, t = TURNS[turns[0]][kept], TURNS[turns[1]][sacrificed]
    return c ^ (t & 1), (c ^ t) >> 1


Weights = tuple[float, float, float, float]


def joint(
    kept: Weights, sacrificed: Weights, turns: tuple[int, int], gates: float, readout: float
) -> tuple[list[float], list[float]]:
    """Weights of the kept pair's errors 1, Z, X, XZ with bits as they should be, and with bits that differ.

    `gates` is the chance that a CNOT of either end left its qubits mixed, `readout` that one bit is wrong.
    """
    found = ([0.0] * 4, [0.0] * 4)
    for c, wc in enumerate(kept):
        for t, wt in enumerate(sacrificed):
            error, parity = joined(c, t, turns)
            found[parity][error] += wc * wt
    good, bad = ([(1 - gates) * w + gates / 8 for w in side] for side in found)
    r = readout
    return (
        [(1 - r) * g + r * b for g, b in zip(good, bad, strict=True)],
        [(1 - r) * b + r * g for g, b in zip(good, bad, strict=True)],
    )


@dataclass(frozen=True, slots=True)
class Purified:
    """Chance of success, and the pair that is kept then."""

    success: float
    pair: BellPair


def purified(
    kept: BellPair,
    sacrificed: BellPair,
    method: int,
    *,
    gate_error: float = 0.0,
    readout_error: float = 0.0,
) -> Purified:
    """The closed form of one round, both ends with the same errors; BBPSSW averaged over its turns."""
    if method not in (BBPSSW, DEJMPS):
        raise InputError("purification is bbpssw (1) or dejmps (2)", field="method", value=method)
    gates = 1 - (1 - gate_error) ** 2
    readout = 2 * readout_error * (1 - readout_error)
    choices = [(1, 1)] if method == DEJMPS else [(a, b) for a in _CYCLIC for b in _CYCLIC]
    total = [0.0] * 4
    for turns in choices:
        good, _ = joint(kept.weights(), sacrificed.weights(), turns, gates, readout)
        total = [a + b / len(choices) for a, b in zip(total, good, strict=True)]
    success = sum(total)
    bell = joined(kept.frame, sacrificed.frame, choices[0])[0]
    return Purified(success, from_weights(total, bell))


def from_weights(weights: list[float], frame: int) -> BellPair:
    """A pair from the weights of its errors 1, Z, X, XZ (of any sum)."""
    i, z, x, y = (w / sum(weights) for w in weights)
    return BellPair(i + x - z - y, i + y - z - x, i + z - x - y, frame)
