"""What measured pairs say: which make key, how many are wrong, what the CHSH value is.

Bits of the two ends are compared as if every pair were Φ⁺: the tail's bit is turned where the pair's Bell
state, which TRACK told both, says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qcrs.errors import InputError

__all__ = [
    "BB84",
    "BBM92",
    "CHSH",
    "E91",
    "SCHEMES",
    "Records",
    "Scheme",
    "chsh",
    "common",
    "flips",
    "key_mask",
]

Array = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]

_R = math.sqrt(0.5)


@dataclass(frozen=True, slots=True)
class Scheme:
    """A way to make key from pairs: basis codes of both ends (`physical.BASIS_SETS`), axes that give key.

    With `chsh`, rounds in which the head measured Z or X and the tail a tilted axis give the CHSH value, and
    the length of the key follows from that; without, from the error rate of a sample.
    """

    name: str
    head_basis: int
    tail_basis: int
    key_axes: tuple[int, ...]
    chsh: bool = False


BB84 = Scheme("bb84", 16, 16, (0, 2))
BBM92 = Scheme("bbm92", 16, 16, (0, 2))
E91 = Scheme("e91", 18, 19, (0, 3), chsh=True)
SCHEMES = {one.name: one for one in (BB84, BBM92, E91)}


@dataclass(frozen=True, slots=True)
class Records:
    """One end's measured pairs, sorted by id, each once.

    `ids` are the sequence numbers at head and tail, shape (n, 2); axes, bits and Bell indices, shape (n,).
    """

    ids: Ids
    axes: Array
    bits: Array
    bells: Array

    def __post_init__(self) -> None:
        n = len(self.ids)
        if self.ids.shape != (n, 2) or any(len(a) != n for a in (self.axes, self.bits, self.bells)):
            raise InputError(
                "records have an id, an axis, a bit and a Bell index each", field="records", value=n
            )

    @classmethod
    def of(cls, rows: list[tuple[int, int, int, int, int]]) -> Records:
        """From (head sequence, tail sequence, axis, bit, Bell index) in any order."""
        data = np.array(sorted(set(rows)), dtype=np.int64).reshape(-1, 5)
        small = data[:, 2:].astype(np.uint8)
        return cls(data[:, :2].astype(np.uint32), small[:, 0], small[:, 1], small[:, 2])

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, where: Mask | npt.NDArray[np.int64]) -> Records:
        """Some of them."""
        return Records(self.ids[where], self.axes[where], self.bits[where], self.bells[where])


def common(own: Ids, other: Ids) -> Mask:
    """Which of the own pairs the other end has too, shape (len(own),)."""
    keys = [(i[:, 0].astype(np.uint64) << np.uint64(32)) | i[:, 1] for i in (own, other)]
    return np.isin(keys[0], keys[1])


def key_mask(scheme: Scheme, head: Array, tail: Array, bells: Array) -> Mask:
    """Pairs that give key: equal axes, along which the Bell state correlates the bits fully."""
    same = (head == tail) & np.isin(head, scheme.key_axes)
    tilted = head > 2  # (Z ± X)/√2: the signs of xx and zz have to agree
    return np.asarray(same & (~tilted | (bells == 0) | (bells == 3)))


def flips(axes: Array, bells: Array) -> Array:
    """Whether the tail's bit is turned, shape (n,): tilted axes by the sign of X."""
    x, z = bells >> 1, bells & 1
    return np.asarray(np.select([axes == 0, axes == 1, axes == 2], [z, x ^ z ^ 1, x], z), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class CHSH:
    """S = E(Z,a) + E(Z,b) + E(X,a) − E(X,b) with a, b = (Z ± X)/√2, its standard error, number of rounds.

    `win` is the share of rounds that fit, (4 + S)/8 when settings are equally likely.
    """

    value: float
    error: float
    rounds: int
    win: float

    def lower(self, eps: float) -> float:
        """What S is at least, but for a probability eps (Hoeffding's bound on the share of wins)."""
        return 8 * (self.win - math.sqrt(math.log(1 / eps) / (2 * self.rounds))) - 4


def chsh_mask(head: Array, tail: Array) -> Mask:
    """Rounds of the CHSH test."""
    return np.asarray(np.isin(head, (0, 2)) & np.isin(tail, (3, 4)))


def chsh(head: Records, tail_axes: Array, tail_bits: Array) -> CHSH | None:
    """The CHSH value of rounds chosen by `chsh_mask`; None where a setting has no round."""
    products = 1 - 2.0 * (head.bits ^ tail_bits ^ flips(head.axes, head.bells))
    value = variance = 0.0
    wins = 0
    for a in (2, 0):
        for b in (3, 4):
            found = products[(head.axes == a) & (tail_axes == b)]
            if not len(found):
                return None
            sign = -1.0 if (a, b) == (0, 4) else 1.0
            mean = float(np.mean(found))
            value += sign * mean
            variance += (1 - mean * mean) / len(found)
            wins += int(np.sum(found == sign))
    return CHSH(value, math.sqrt(variance), len(products), wins / len(products))
