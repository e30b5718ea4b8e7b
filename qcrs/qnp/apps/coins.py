"""Public coins: what both ends draw alike from a seed that one of them has told the other.

SHAKE-256 of the seed and a purpose. The seed is secret until all bits are measured, public afterwards.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

__all__ = ["bits", "choice", "permutation"]


def _bytes(seed: bytes, purpose: str, count: int) -> bytes:
    return hashlib.shake_256(len(seed).to_bytes(2, "big") + seed + purpose.encode()).digest(count)


def permutation(seed: bytes, purpose: str, n: int) -> npt.NDArray[np.int64]:
    """A permutation of 0 … n − 1, shape (n,): the order of n 64-bit words."""
    words = np.frombuffer(_bytes(seed, purpose, 8 * n), dtype="<u8")
    return np.argsort(words, kind="stable").astype(np.int64)


def choice(seed: bytes, purpose: str, n: int, k: int) -> npt.NDArray[np.int64]:
    """k of n positions without repetition, in order, shape (k,)."""
    return np.sort(permutation(seed, purpose, n)[:k])


def bits(seed: bytes, purpose: str, n: int) -> npt.NDArray[np.uint8]:
    """n bits, shape (n,)."""
    data = np.frombuffer(_bytes(seed, purpose, (n + 7) // 8), dtype=np.uint8)
    return np.unpackbits(data, count=n)
