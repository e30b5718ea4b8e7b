"""Reconciliation corrects, and counts what it tells; hashing is the matrix product it claims to be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcrs.errors import InputError
from qcrs.qnp.apps import cascade, coins, privacy
from qcrs.qnp.apps.keyrate import entropy


def reconcile(a: np.ndarray, b: np.ndarray, qber: float, seed: bytes = b"s") -> tuple[np.ndarray, int, int]:
    """The corrected bits, parities told, and parities asked for in all."""
    layout = cascade.Layout(len(a), qber, seed)
    reference = cascade.Reference(a, layout)
    search = cascade.correct(b, layout)
    asked = 0
    try:
        queries = next(search)
        while True:
            asked += len(queries)
            back = cascade.decode_queries(cascade.encode_queries(queries))
            assert back == queries
            queries = search.send(reference.answer(back))
    except StopIteration as end:
        return end.value, reference.leaked_bits, asked


@pytest.mark.parametrize(("qber", "limit"), [(0.01, 1.13), (0.02, 1.12), (0.05, 1.12), (0.1, 1.13)])
def test_errors_are_corrected_near_shannons_limit(qber: float, limit: float) -> None:
    rng = np.random.default_rng(7)
    n = 20_000
    a = rng.integers(0, 2, n).astype(np.uint8)
    b = a ^ (rng.random(n) < qber).astype(np.uint8)
    found, leaked, asked = reconcile(a, b, qber)
    assert np.array_equal(found, a)
    assert leaked == asked
    assert 1.0 < leaked / (n * entropy(float(np.mean(a ^ b)))) < limit


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 600), st.floats(0, 0.15), st.integers(0, 2**32 - 1))
def test_short_keys_of_any_length_come_out_equal_but_for_rare_double_errors(
    n: int, qber: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 2, n).astype(np.uint8)
    b = a ^ (rng.random(n) < qber).astype(np.uint8)
    found, _, _ = reconcile(a, b, max(qber, 0.01), seed.to_bytes(4, "big"))
    left = int(np.sum(found ^ a))
    assert left % 2 == 0  # what all passes miss is an even number, and the verification hash finds it
    assert left <= 2


def test_equal_keys_leak_their_block_parities_alone() -> None:
    a = np.zeros(4096, np.uint8)
    layout = cascade.Layout(4096, 0.01, b"s")
    _, leaked, _ = reconcile(a, a, 0.01)
    blocks = [-(-4096 // size) for size in layout.sizes]
    assert leaked == blocks[0] + sum(n - 1 for n in blocks[1:])


def test_ranges_that_are_none_are_refused() -> None:
    reference = cascade.Reference(np.zeros(8, np.uint8), cascade.Layout(8, 0.1, b""))
    for bad in ((0, 3, 3), (99, 0, 1), (0, 0, 9)):
        with pytest.raises(InputError):
            reference.answer([bad])
    with pytest.raises(InputError):
        cascade.decode_queries(bytes(13))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 80), st.integers(1, 80), st.integers(0, 2**32 - 1))
def test_toeplitz_is_the_product_with_its_matrix(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, s = (rng.integers(0, 2, k).astype(np.uint8) for k in (n, privacy.seed_bits(n, m)))
    matrix = np.array([[s[i - j + n - 1] for j in range(n)] for i in range(m)], dtype=np.int64)
    assert np.array_equal(privacy.toeplitz(x, s, m), matrix @ x % 2)


def test_toeplitz_of_a_million_bits_is_exact() -> None:
    """Against integer arithmetic: the rows of a few output bits by popcount."""
    rng = np.random.default_rng(3)
    n, m = 1_000_000, 555_868
    x, s = rng.integers(0, 2, n).astype(np.uint8), rng.integers(0, 2, n + m - 1).astype(np.uint8)
    found = privacy.toeplitz(x, s, m)
    for i in (0, 1, 12_345, m // 2, m - 1):
        row = s[i : i + n][::-1]
        assert found[i] == int(np.sum(row & x)) % 2


def test_public_coins_are_the_same_for_the_same_seed() -> None:
    a, b = (coins.permutation(b"x", "p", 1000) for _ in range(2))
    assert np.array_equal(a, b)
    assert sorted(a) == list(range(1000))
    assert not np.array_equal(a, coins.permutation(b"x", "q", 1000))
    chosen = coins.choice(b"x", "c", 1000, 100)
    assert len(set(chosen.tolist())) == 100
