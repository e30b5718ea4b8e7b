"""Canonical bytes: one form per value, content ids as other CIDv1 libraries write them."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcrs.errors import InputError
from qcrs.types import canonical_json, cid_of, cid_to_digest, digest_to_cid

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@given(JSON)
def test_round_trip_is_a_fixpoint(value: object) -> None:
    data = canonical_json(value)
    assert json.loads(data) == value
    assert canonical_json(json.loads(data)) == data


def test_key_order_does_not_matter() -> None:
    assert canonical_json({"b": 1, "a": [2]}) == canonical_json({"a": [2], "b": 1}) == b'{"a":[2],"b":1}'


@pytest.mark.parametrize("value", [1.0, {"a": [0, {"b": 0.5}]}, (1, 2.5)])
def test_floats_are_refused_with_their_path(value: object) -> None:
    with pytest.raises(InputError) as caught:
        canonical_json(value)
    assert caught.value.solution
    assert caught.value.field is not None


def test_keys_must_be_text() -> None:
    with pytest.raises(InputError):
        canonical_json({1: "a"})


def test_content_id_of_known_bytes() -> None:
    # The id that IPFS gives the five bytes "hello" as a raw block.
    assert cid_of(b"hello") == "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"


@given(st.binary(max_size=64))
def test_content_id_and_digest_are_inverse(data: bytes) -> None:
    digest = hashlib.sha256(data).digest()
    assert cid_to_digest(cid_of(data)) == digest
    assert digest_to_cid(digest) == cid_of(data)


@pytest.mark.parametrize(
    "bad", ["", "b", "../etc/passwd", "bafkrei", "Qm" + "a" * 44, cid_of(b"x").upper(), cid_of(b"x") + "a"]
)
def test_anything_else_is_not_a_content_id(bad: str) -> None:
    with pytest.raises(InputError):
        cid_to_digest(bad)


def test_digest_has_32_bytes() -> None:
    with pytest.raises(InputError):
        digest_to_cid(b"short")
