"""Random numbers of the simulated hardware: one counter-based stream per thing that is random.

Philox (Salmon et al., SC 2011) keyed by a hash of the seed and the stream's name. Only its raw words are
used, which numpy keeps the same across versions. Since each link, node and choice has a stream of its own,
what one of them draws does not depend on the order in which others draw.
"""

from __future__ import annotations

import hashlib
from array import array

__all__ = ["Stream"]

_FIRST, _MOST = 32, 256
"""Numbers drawn at once, few at first: a network has hundreds of streams and should fit in a cache."""


class Stream:
    """Uniform numbers in (0, 1], multiples of 2⁻⁵³, from a seed and a name."""

    __slots__ = ("_block", "_philox", "_size")

    def __init__(self, seed: int, name: str) -> None:
        import numpy as np  # processes that hold no hardware start without it

        digest = hashlib.sha256(f"qcrs/qnp/{seed}/{name}".encode()).digest()
        key = np.frombuffer(digest[:16], dtype="<u8").astype(np.uint64)
        self._philox = np.random.Philox(key=key)
        self._block = iter(array("d"))
        self._size = _FIRST

    def uniform(self) -> float:
        """The next number."""
        value = next(self._block, None)
        return self._refilled() if value is None else value

    def _refilled(self) -> float:
        words = self._philox.random_raw(self._size)
        self._block = iter(array("d", (((words >> 11) + 1) * 2.0**-53).tobytes()))
        self._size = min(_MOST, 4 * self._size)
        return next(self._block)

    def below(self, bound: int) -> int:
        """The next integer in [0, bound)."""
        value = int(self.uniform() * bound)
        return value if value < bound else bound - 1
