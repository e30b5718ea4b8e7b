"""The signature scheme: known answers of an independent implementation, and what must not verify."""

from __future__ import annotations

import random
from typing import Any

import pytest
import xmss_reference as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from qcrs.errors import InputError
from qcrs.identity.xmss import (
    KEY_BYTES,
    LAST_LEAF,
    LEAVES,
    SECRET_BYTES,
    SIGNATURE_BYTES,
    TREE_BYTES,
    N,
    XmssKey,
    index_of,
    verify,
)


def test_known_answers(key: XmssKey, vectors: dict[str, Any]) -> None:
    assert key.public.hex() == vectors["key"]
    assert len(key.tree) == TREE_BYTES == N * vectors["nodes"]
    assert [case["index"] for case in vectors["signatures"]] == [0, 1, 511, 512, 1022, LAST_LEAF]
    for case in vectors["signatures"]:
        message = bytes.fromhex(case["message"])
        signature = key.sign(message, case["index"])
        assert signature.hex() == case["signature"]
        assert verify(key.public, message, signature)
        assert reference.verify(key.public, message, signature)
        assert index_of(signature) == case["index"]


@pytest.mark.slow
def test_the_vectors_are_what_the_reference_gives(vectors: dict[str, Any]) -> None:
    assert reference.vectors(bytes.fromhex(vectors["secret"])) == vectors


def test_leaves_and_nodes_are_those_of_the_reference(key: XmssKey) -> None:
    for leaf in (0, 77, LAST_LEAF):
        assert key.tree[N * leaf : N * leaf + N] == reference.leaf_of(key.secret, leaf)
    seed, place, below = key.secret[32:], 0, LEAVES
    left, right = key.tree[:N], key.tree[N : 2 * N]
    assert key.tree[N * below : N * below + N] == reference.f(seed, 3, place, 0, 1, 0, left + right)


@settings(max_examples=25, deadline=None)
@given(message=st.binary(min_size=32, max_size=32), index=st.integers(0, LAST_LEAF))
def test_both_implementations_accept_each_others_signatures(key: XmssKey, message: bytes, index: int) -> None:
    signature = key.sign(message, index)
    assert signature == key.sign(message, index), "the same message and leaf give the same bytes"
    assert len(signature) == SIGNATURE_BYTES
    assert reference.verify(key.public, message, signature)


@pytest.fixture(scope="session")
def signed(key: XmssKey) -> tuple[bytes, bytes]:
    message = bytes(range(32))
    return message, key.sign(message, 300)


@settings(max_examples=400, deadline=None)
@given(bit=st.integers(0, 8 * SIGNATURE_BYTES - 1))
def test_any_flipped_bit_of_a_signature_is_refused(
    key: XmssKey, signed: tuple[bytes, bytes], bit: int
) -> None:
    message, signature = signed
    changed = bytearray(signature)
    changed[bit // 8] ^= 1 << bit % 8
    assert not verify(key.public, message, bytes(changed))


def test_every_bit_of_header_message_and_key_counts(key: XmssKey, signed: tuple[bytes, bytes]) -> None:
    message, signature = signed
    for name, original, bits in (
        ("message", message, 256),
        ("header", signature, 256),
        ("key", key.public, 8 * KEY_BYTES),
    ):
        for bit in range(bits):
            changed = bytearray(original)
            changed[bit // 8] ^= 1 << bit % 8
            parts = {"message": message, "header": signature, "key": key.public} | {name: bytes(changed)}
            assert not verify(parts["key"], parts["message"], parts["header"]), (name, bit)


def test_forgeries_by_rearrangement_are_refused(key: XmssKey, signed: tuple[bytes, bytes]) -> None:
    """What an attacker can make of a signature: longer, shorter, walked on, with its values exchanged."""
    message, signature = signed
    assert verify(key.public, message, signature)
    for changed in (b"", signature[:-1], signature + b"\0", signature[:-N], bytes(SIGNATURE_BYTES)):
        assert not verify(key.public, message, changed)
    first, second = signature[32:56], signature[56:80]
    assert not verify(key.public, message, signature[:32] + second + first + signature[80:])
    path = signature[32 + 48 * N :]
    assert not verify(key.public, message, signature[: 32 + 48 * N] + path[N:] + path[:N])
    digits = reference.message_digits(
        key.secret[32:], 300, int.from_bytes(signature[4:8], "big"), signature[8:32], message
    )
    low = next(i for i, digit in enumerate(digits) if digit < 15)
    at = 32 + N * low
    walked = reference.chain(key.secret[32:], 300, low, digits[low], digits[low] + 1, signature[at : at + N])
    assert not verify(key.public, message, signature[:at] + walked + signature[at + N :])
    for leaf in (0, 299, 301, LEAVES, 2**32 - 1):
        assert not verify(key.public, message, leaf.to_bytes(4, "big") + signature[4:])
    other = XmssKey(key.secret, key.tree).sign(bytes(32), 301)
    assert not verify(key.public, message, other)
    assert not verify(key.public, message, signature[:4] + other[4:])


@pytest.mark.slow
def test_ten_thousand_mutated_signatures_are_refused(key: XmssKey) -> None:
    draw = random.Random(20240601)
    message, signature = bytes(32), key.sign(bytes(32), 5)
    for _ in range(10_000):
        changed = bytearray(signature)
        for _ in range(draw.randint(1, 8)):
            changed[draw.randrange(SIGNATURE_BYTES)] ^= draw.randrange(1, 256)
        assert bytes(changed) == signature or not verify(key.public, message, bytes(changed))


def test_what_is_no_key_or_message_is_named(key: XmssKey) -> None:
    with pytest.raises(InputError, match="32 bytes"):
        key.sign(b"text", 0)
    with pytest.raises(InputError, match="leaves 0 to 1023"):
        key.sign(bytes(32), LEAVES)
    with pytest.raises(InputError, match=f"{SECRET_BYTES} bytes"):
        XmssKey.generate(bytes(32))
    with pytest.raises(InputError, match="tree"):
        XmssKey(key.secret, key.tree[1:])
    assert key.secret.hex() not in repr(key)
