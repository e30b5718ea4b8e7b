from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from qcrs.circuits import Drbg, keccak
from qcrs.errors import InputError

SEED = bytes(range(32))


def test_keccak_is_ethereums() -> None:
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


def test_the_stream_is_keccak_of_seed_label_and_counter() -> None:
    stream = Drbg(SEED, b"x")
    want = b"".join(keccak(SEED + b"x" + i.to_bytes(8, "big")) for i in range(3))
    assert stream.bytes(5) + stream.bytes(60) + stream.bytes(31) == want


def test_labels_and_seeds_give_different_streams() -> None:
    streams = [Drbg(SEED), Drbg(SEED, b"a"), Drbg(bytes(32))]
    assert len({stream.bytes(16) for stream in streams}) == 3


@pytest.mark.parametrize("bound", [2, 3, 10, 1000, (1 << 62) - 1])
def test_integers_are_in_range_and_uniform(bound: int) -> None:
    values = Drbg(SEED, b"u").integers(bound, 20_000)
    assert values.min() >= 0
    assert values.max() < bound
    bins = min(bound, 16)
    counts = np.bincount((values.astype(object) * bins // bound).astype(int), minlength=bins)
    expected = np.diff([-(-i * bound // bins) for i in range(bins + 1)]).astype(float)
    assert chisquare(counts, expected / expected.sum() * counts.sum()).pvalue > 1e-6


def test_the_only_integer_below_one_is_zero() -> None:
    assert Drbg(SEED).integers(1, 5).tolist() == [0] * 5


def test_bits_uniforms_and_permutations() -> None:
    stream = Drbg(SEED, b"p")
    bits = stream.bits(10_001)
    assert len(bits) == 10_001
    assert abs(bits.mean() - 0.5) < 0.03
    numbers = stream.uniform(10_000)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 0.02
    order = stream.permutation(100_000)
    assert np.array_equal(np.sort(order), np.arange(100_000))
    assert abs(np.corrcoef(order, np.arange(100_000))[0, 1]) < 0.02


def test_bad_seeds_and_bounds_are_refused() -> None:
    with pytest.raises(InputError, match="32 bytes"):
        Drbg(b"short")
    with pytest.raises(InputError, match="bound"):
        Drbg(SEED).integers(0, 1)
