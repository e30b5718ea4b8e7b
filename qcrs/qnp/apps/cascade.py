"""Reconciliation by Cascade: one end asks for parities of the other's bits and corrects its own.

Brassard, Salvail, EUROCRYPT 1993, with the block sizes that Martinez-Mateo et al., *Demystifying the
information reconciliation protocol Cascade* (arXiv 1407.3257), found best: 2^⌈log2 1/Q⌉, then the geometric
mean of that and 4096, 4096, and halves of the whole in the remaining passes. Each pass has a random order. An
error found in one pass makes the parities of its blocks in all others odd, and these are searched again.
Parities that follow from known ones are not asked for. Every parity told is counted as leaked.

There is no kept library of it: cascade-cpp is not on PyPI, cascade-python is superseded by it, and
the packages that are there are for continuous variables or demonstrations.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from qcrs.errors import InputError
from qcrs.qnp.apps import coins

__all__ = ["PASSES", "Layout", "Reference", "block_sizes", "correct", "decode_queries", "encode_queries"]

Bits = npt.NDArray[np.uint8]
Range = tuple[int, int, int]
"""Pass, first and one past the last position in that pass's order."""

PASSES = 14


def block_sizes(n: int, qber: float) -> tuple[int, ...]:
    """Block size of each pass for n bits at an error rate."""
    if n < 1:
        raise InputError("there are no bits to reconcile", field="n", value=n)
    first = math.log2(1 / min(0.5, max(qber, 1 / n)))
    wanted = [2 ** math.ceil(first), 2 ** math.ceil((first + 12) / 2), 4096] + [n] * (PASSES - 3)
    return tuple(max(1, min(size, -(-n // 2))) for size in wanted)


class Layout:
    """Orders and blocks of all passes, the same at both ends: from a public seed."""

    __slots__ = ("_inverse", "_orders", "n", "seed", "sizes")

    def __init__(self, n: int, qber: float, seed: bytes) -> None:
        self.n = n
        self.seed = seed
        self.sizes = block_sizes(n, qber)
        self._orders: dict[int, npt.NDArray[np.int64]] = {}
        self._inverse: dict[int, npt.NDArray[np.int64]] = {}

    def order(self, one: int) -> npt.NDArray[np.int64]:
        """Which bit lies at each position of a pass; the first pass leaves them as they are."""
        if one not in self._orders:
            plain = np.arange(self.n, dtype=np.int64)
            order = coins.permutation(self.seed, f"cascade/{one}", self.n) if one else plain
            self._orders[one] = order
            inverse = np.empty(self.n, dtype=np.int64)
            inverse[order] = plain
            self._inverse[one] = inverse
        return self._orders[one]

    def block_of(self, one: int, bit: int) -> int:
        """The block of a pass in which a bit lies."""
        return int(self._inverse[one][bit]) // self.sizes[one]

    def blocks(self, one: int) -> list[Range]:
        """The ranges of a pass."""
        size = self.sizes[one]
        return [(one, low, min(low + size, self.n)) for low in range(0, self.n, size)]


class Reference:
    """The end whose bits count: answers parities, counts what it told."""

    __slots__ = ("_layout", "_running", "_told", "_values")

    def __init__(self, values: Bits, layout: Layout) -> None:
        self._values = values
        self._layout = layout
        self._running: dict[int, Bits] = {}
        self._told: set[Range] = set()

    @property
    def leaked_bits(self) -> int:
        """Different parities told."""
        return len(self._told)

    def answer(self, queries: Sequence[Range]) -> Bits:
        """Parities of ranges, shape (len(queries),); `InputError` for a range that is none."""
        found = np.empty(len(queries), dtype=np.uint8)
        for i, (one, low, high) in enumerate(queries):
            if not (0 <= one < PASSES and 0 <= low < high <= self._layout.n):
                raise InputError("no such range of bits", field="query", value=(one, low, high))
            if one not in self._running:
                ordered = self._values[self._layout.order(one)]
                self._running[one] = np.concatenate(
                    [np.zeros(1, np.uint8), np.bitwise_xor.accumulate(ordered)]
                )
            running = self._running[one]
            found[i] = running[high] ^ running[low]
        self._told.update(queries)
        return found


@dataclass(slots=True)
class _Search:
    """State of the correcting end: its bits, the parities it knows, the blocks that are odd."""

    bits: Bits
    layout: Layout
    known: dict[Range, int] = field(default_factory=dict)
    odd: list[set[int]] = field(default_factory=list)

    def parity(self, where: Range) -> int:
        one, low, high = where
        return int(np.bitwise_xor.reduce(self.bits[self.layout.order(one)[low:high]]))

    def flip(self, bit: int) -> None:
        """Correct a bit: in every pass so far its block changes between odd and even."""
        self.bits[bit] ^= 1
        for one, odd in enumerate(self.odd):
            odd.symmetric_difference_update((self.layout.block_of(one, bit),))


def correct(values: Bits, layout: Layout) -> Generator[list[Range], Bits, Bits]:
    """Yields ranges to ask for, is sent their parities, returns the corrected bits, shape (n,)."""
    state = _Search(values.copy(), layout)
    total = 0
    for one in range(PASSES):
        blocks = layout.blocks(one)
        asked = blocks[:-1] if one else blocks  # the last follows from the parity of all
        answers = (yield asked) if asked else np.empty(0, np.uint8)
        state.known.update(zip(asked, map(int, answers), strict=True))
        sum_asked = int(np.bitwise_xor.reduce(answers)) if len(answers) else 0
        if one:
            state.known[blocks[-1]] = sum_asked ^ total
        else:
            total = sum_asked
        state.odd.append({i for i, where in enumerate(blocks) if state.known[where] != state.parity(where)})
        while any(state.odd):
            smallest = min((p for p, odd in enumerate(state.odd) if odd), key=lambda p: layout.sizes[p])
            yield from _bisect(state, smallest)
    return state.bits


def _bisect(state: _Search, one: int) -> Generator[list[Range], Bits, None]:
    """Halve all odd blocks of a pass in step until each shows one wrong bit, and correct these."""
    size, n = state.layout.sizes[one], state.layout.n
    open_ = [(one, i * size, min((i + 1) * size, n)) for i in sorted(state.odd[one])]
    found: list[int] = []
    order = state.layout.order(one)
    while open_:
        halves = [(p, low, (low + high) // 2) for p, low, high in open_ if high - low > 1]
        asked = [half for half in halves if half not in state.known]
        if asked:
            answers = yield asked
            state.known.update(zip(asked, map(int, answers), strict=True))
        narrower: list[Range] = []
        for where in open_:
            _, low, high = where
            if high - low == 1:
                found.append(int(order[low]))
                continue
            left, right = (one, low, (low + high) // 2), (one, (low + high) // 2, high)
            state.known.setdefault(right, state.known[where] ^ state.known[left])
            narrower.append(left if state.parity(left) != state.known[left] else right)
        open_ = narrower
    for bit in found:
        state.flip(bit)


def encode_queries(queries: Sequence[Range]) -> bytes:
    """Ranges as bytes: pass, first, last + 1, four bytes each."""
    return np.asarray(queries, dtype=">u4").reshape(-1, 3).tobytes()


def decode_queries(data: bytes) -> list[Range]:
    """The ranges in these bytes."""
    if len(data) % 12:
        raise InputError("ranges have twelve bytes each", field="length", value=len(data))
    rows = np.frombuffer(data, dtype=">u4").reshape(-1, 3).tolist()
    return [(int(a), int(b), int(c)) for a, b, c in rows]
