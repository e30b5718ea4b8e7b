"""Key lengths and thresholds: the published numbers, and what has to hold for any."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcrs.errors import InputError
from qcrs.qnp.apps import keyrate
from qcrs.qnp.apps.keyrate import Security, best_sample, key_length


@pytest.mark.parametrize(
    ("total", "in_percents", "best"), [(10**4, 1922, 1922), (10**5, 42155, 42156), (10**6, 555868, 555987)]
)
def test_finite_keys_at_two_percent(total: int, in_percents: int, best: int) -> None:
    """The design's row has k in whole percents of N; the best k of all gives a little more."""
    percents = range(total // 100, total, total // 100)
    assert best_sample(total, 0.02, choices=percents)[1] == in_percents
    k, length = best_sample(total, 0.02)
    assert length == best
    assert key_length(total - k, k, 0.02, 1.16 * (total - k) * keyrate.entropy(0.02)) == best


def test_finite_keys_at_five_percent() -> None:
    found = [best_sample(n, 0.05, choices=range(n // 100, n, n // 100))[1] for n in (10**4, 10**6)]
    assert found == [239, 284789]


def test_the_search_for_the_sample_finds_the_best_of_all() -> None:
    for total, qber in ((3000, 0.01), (7000, 0.03), (20_000, 0.05)):
        assert best_sample(total, qber)[1] == best_sample(total, qber, choices=range(1, total))[1]


def test_thresholds() -> None:
    bb84, six = (keyrate.threshold(f) for f in (keyrate.asymptotic_bb84, keyrate.asymptotic_six_state))
    assert bb84 == pytest.approx(0.1100278644, abs=1e-10)
    assert six == pytest.approx(0.1261930833, abs=1e-10)
    assert (f"{bb84:.2%}", f"{six:.2%}") == ("11.00%", "12.62%")
    assert keyrate.asymptotic_bb84(bb84) == pytest.approx(0, abs=1e-12)
    assert keyrate.asymptotic_six_state(six) == pytest.approx(0, abs=1e-12)


@given(st.integers(2000, 10**6), st.floats(0, 0.12), st.floats(0.05, 0.95))
def test_more_errors_more_leak_or_stricter_demands_never_give_more(
    total: int, qber: float, share: float
) -> None:
    k = max(1, min(total - 1, int(total * share)))
    n = total - k
    length = key_length(n, k, qber, 0)
    assert 0 <= length <= n
    assert key_length(n, k, qber + 0.01, 0) <= length
    assert key_length(n, k, qber, 50) <= length
    assert key_length(n, k, qber, 0, Security(1e-12, 1e-15)) <= length


def test_chsh_bounds_what_others_know() -> None:
    assert keyrate.chsh_entropy(2 * math.sqrt(2)) == pytest.approx(0, abs=1e-12)
    assert keyrate.chsh_entropy(2.0) == keyrate.chsh_entropy(1.0) == 1.0
    assert keyrate.chsh_length(10_000, 1.9, 0) == 0
    assert keyrate.chsh_length(10_000, 2.7, 0) > keyrate.chsh_length(10_000, 2.5, 0) > 0


@pytest.mark.parametrize("call", [(0, 5, 0.1, 0), (5, 0, 0.1, 0), (5, 5, 1.1, 0), (5, 5, 0.1, -1)])
def test_nonsense_is_refused(call: tuple[int, int, float, float]) -> None:
    with pytest.raises(InputError):
        key_length(*call)
    with pytest.raises(InputError):
        Security(secret=0)
