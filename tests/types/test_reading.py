"""Strangers' JSON: one spelling, bounded nesting, linear time, never a crash."""

from __future__ import annotations

import json
import time

import py_ecc  # raises the recursion limit to 100,000, as in every process with web3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcrs.errors import InputError
from qcrs.types import canonical_json, parse_canonical
from qcrs.types.reading import MAX_DEPTH, json_depth

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


@given(VALUES)
def test_canonical_bytes_come_back(value: object) -> None:
    try:
        data = canonical_json(value)
    except UnicodeEncodeError:
        return  # lone surrogates have no UTF-8
    assert parse_canonical(data) == value
    assert json_depth(data) == depth_of(value)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        value = parse_canonical(data)
    except InputError:
        return
    assert canonical_json(value) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" 1",
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b"[1, 2]",
        b"1.0",
        b"1e3",
        b"NaN",
        b'"\\u0041"',
        b"\xff",
    ],
)
def test_other_spellings_are_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_canonical(data)


def test_nesting_is_bounded_where_the_recursion_limit_is_not() -> None:
    assert py_ecc.__name__ == "py_ecc"
    allowed = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert canonical_json(parse_canonical(allowed)) == allowed
    for opening in (b"[", b'{"a":', b'["\\"",[', b'{"a":"]]]","b":'):
        with pytest.raises(InputError, match="deeper"):
            parse_canonical(opening * 200_000)
    flat = canonical_json([[] for _ in range(5000)])
    assert len(parse_canonical(flat)) == 5000
    brackets = canonical_json({"text": "[" * 1000})
    assert parse_canonical(brackets) == json.loads(brackets)


def test_time_is_linear_in_hostile_texts() -> None:
    start = time.perf_counter()
    for hostile in (b"[" * 300 + b'"' + b'\\"' * 500_000, b"[" * 300 + b'"' * 1_000_000):
        with pytest.raises(InputError):
            parse_canonical(hostile)
    assert time.perf_counter() - start < 5  # quadratic would take hours; measured: 0.1 s
