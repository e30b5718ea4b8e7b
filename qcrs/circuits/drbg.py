"""A deterministic generator of random bits: keccak-256 in counter mode.

Block i is keccak(seed ‖ label ‖ i as 8 big-endian bytes). Frames, audit draws, benchmark circuits
and reshuffled shots all come from it, so everyone who holds the seed draws the same on any machine
and in any version of any library. Different labels give independent streams of one seed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import sha3

from qcrs.errors import InputError

__all__ = ["Drbg", "keccak"]

_BLOCK_BYTES = 32


def keccak(data: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it (not NIST's SHA3-256)."""
    return bytes(sha3.keccak_256(data).digest())


class Drbg:
    """A stream of pseudorandom bits; each call continues where the last one ended."""

    __slots__ = ("_buffer", "_counter", "_prefix")

    def __init__(self, seed: bytes, label: bytes = b"") -> None:
        if len(seed) != 32:
            raise InputError("a seed has 32 bytes", field="seed", value=len(seed))
        self._prefix = seed + label
        self._counter = 0
        self._buffer = b""

    def bytes(self, count: int) -> bytes:
        """The next `count` bytes."""
        missing = count - len(self._buffer)
        if missing > 0:
            blocks = -(-missing // _BLOCK_BYTES)
            first, prefix, hashed = self._counter, self._prefix, sha3.keccak_256
            self._buffer += b"".join(
                hashed(prefix + index.to_bytes(8, "big")).digest() for index in range(first, first + blocks)
            )
            self._counter += blocks
        out, self._buffer = self._buffer[:count], self._buffer[count:]
        return out

    def words(self, count: int) -> npt.NDArray[np.uint64]:
        """`count` uniform 64-bit words."""
        return np.frombuffer(self.bytes(8 * count), dtype=">u8").astype(np.uint64)

    def bits(self, count: int) -> npt.NDArray[np.uint8]:
        """`count` fair bits as 0 or 1."""
        return np.unpackbits(np.frombuffer(self.bytes(-(-count // 8)), dtype=np.uint8))[:count]

    def integers(self, bound: int, count: int) -> npt.NDArray[np.int64]:
        """`count` uniform integers in [0, bound), bound ≤ 2⁶²; without bias, by rejection."""
        if not 1 <= bound <= 1 << 62:
            raise InputError("a bound lies between 1 and 2^62", field="bound", value=bound)
        limit = (1 << 64) - (1 << 64) % bound
        out = np.empty(0, dtype=np.uint64)
        while len(out) < count:
            words = self.words(count - len(out))
            out = np.concatenate([out, words if limit == 1 << 64 else words[words < np.uint64(limit)]])
        return (out % np.uint64(bound)).astype(np.int64)

    def uint(self, bound: int) -> int:
        """One uniform integer in [0, bound); without bias."""
        return int(self.integers(bound, 1)[0])

    def uniform(self, count: int) -> npt.NDArray[np.float64]:
        """`count` numbers in [0, 1), multiples of 2⁻⁵³."""
        return (self.words(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def permutation(self, count: int) -> npt.NDArray[np.int64]:
        """A uniform permutation of 0 … count − 1 (ranks of 64-bit words, stable on ties)."""
        return np.argsort(self.words(count), kind="stable").astype(np.int64)
