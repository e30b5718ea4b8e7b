"""Universal hashing by Toeplitz matrices: privacy amplification, and the hash that verifies equal keys.

Over GF(2) y_i = sum_j s[i − j + n − 1] x_j, with n + m − 1 random bits s: a convolution. It is computed with
real FFTs and rounded to integers; their error is below 1e-7 for a million bits, and checked. Carter, Wegman
(1979); Krawczyk, CRYPTO 1994: two different inputs collide with probability 2^−m.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qcrs.errors import InputError

__all__ = ["seed_bits", "toeplitz"]

Bits = npt.NDArray[np.uint8]


def seed_bits(n: int, m: int) -> int:
    """How many random bits make an m × n Toeplitz matrix."""
    return n + m - 1


def toeplitz(values: Bits, seed: Bits, m: int) -> Bits:
    """The m-bit hash of n bits, shape (m,); `seed` has n + m − 1 bits."""
    n = len(values)
    if n < 1 or m < 1 or len(seed) != seed_bits(n, m):
        raise InputError(
            "an m × n Toeplitz matrix needs n + m − 1 bits", field="seed", value=(n, m, len(seed))
        )
    size = 1 << (len(seed) - 1).bit_length()
    product = np.fft.irfft(
        np.fft.rfft(seed.astype(np.float64), size) * np.fft.rfft(values.astype(np.float64), size), size
    )[n - 1 : n - 1 + m]
    whole = np.rint(product)
    if float(np.max(np.abs(product - whole))) > 0.1:  # then the numbers are too many for double precision
        raise InputError("too many bits to hash exactly at once", field="n", value=n)
    return np.asarray(whole.astype(np.int64) & 1, dtype=np.uint8)
