"""Envelopes: fixed keys, every part of the context, tampering, damaged keys."""

from __future__ import annotations

import hashlib

import pytest
from eth_account import Account
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from qcrs.errors import InputError, VerificationError
from qcrs.sealing import (
    PUBLIC_KEY_BYTES,
    HpkeKey,
    envelope_info,
    new_key,
    public_from_text,
    public_text,
    submission_tag,
    wrap,
)

KEY = HpkeKey.from_account(Account.from_key("0x" + "11" * 32))
ALLOCATOR, RECIPIENT = "0x" + "ab" * 20, "0x" + "cd" * 20
INFO = envelope_info("frames", chain_id=1337, allocator=ALLOCATOR, job=7, recipient=RECIPIENT, era=1)


def test_an_account_key_always_gives_the_same_envelope_key() -> None:
    again = HpkeKey.from_account(Account.from_key("0x" + "11" * 32))
    assert again.public == KEY.public == HpkeKey.from_secret(b"\x11" * 32).public
    assert len(KEY.public) == PUBLIC_KEY_BYTES
    assert HpkeKey.from_account(Account.from_key("0x" + "12" * 32)).public != KEY.public
    known = "7b32c49bdb0dcd70a955ae819e22d7721d3c81739aabbaf0736216b0acfcee62"
    assert hashlib.sha256(KEY.public).hexdigest() == known  # a change would lock everybody out


def test_round_trip_and_size() -> None:
    content = new_key()
    envelope = wrap(KEY.public, content, INFO)
    assert KEY.open(envelope, INFO) == content
    assert len(envelope) == 1168
    assert wrap(KEY.public, content, INFO) != envelope
    assert KEY.open(wrap(public_from_text(public_text(KEY.public)), content, INFO), INFO) == content


def test_info_is_the_published_hash() -> None:
    assert (
        keccak(
            b"frames"
            + (1337).to_bytes(32, "big")
            + bytes.fromhex("ab" * 20)
            + (7).to_bytes(32, "big")
            + bytes.fromhex("cd" * 20)
            + (1).to_bytes(8, "big")
        )
        == INFO
    )


@pytest.mark.parametrize(
    "other",
    [
        {"purpose": "secret"},
        {"chain_id": 1},
        {"allocator": RECIPIENT},
        {"job": 8},
        {"job": b"\0" * 31 + b"\x08"},
        {"recipient": ALLOCATOR},
        {"era": 2},
    ],
)
def test_moved_to_another_context_it_does_not_open(other: dict[str, object]) -> None:
    context: dict[str, object] = {
        "purpose": "frames", "chain_id": 1337, "allocator": ALLOCATOR, "job": 7,
        "recipient": RECIPIENT, "era": 1,
    }  # fmt: skip
    moved = context | other
    info = envelope_info(str(moved.pop("purpose")), **moved)  # type: ignore[arg-type]  # mixed test values
    assert info != INFO
    with pytest.raises(VerificationError, match="does not open"):
        KEY.open(wrap(KEY.public, b"k" * 32, INFO), info)


def test_another_recipient_cannot_open() -> None:
    with pytest.raises(VerificationError):
        HpkeKey.from_secret(b"2" * 32).open(wrap(KEY.public, b"k" * 32, INFO), INFO)


@given(st.data())
def test_no_flipped_bit_survives(draw: st.DataObject) -> None:
    envelope = bytearray(wrap(KEY.public, b"k" * 32, INFO))
    bit = draw.draw(st.integers(0, 8 * len(envelope) - 1))
    envelope[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VerificationError):
        KEY.open(bytes(envelope), INFO)


@given(st.binary(max_size=1300))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(VerificationError):
        KEY.open(data, INFO)


@pytest.mark.parametrize("text", ["", "not base64!", "QUJD", public_text(b"\xff" * PUBLIC_KEY_BYTES)])
def test_bad_public_keys_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        public_from_text(text)


def test_bad_parts_of_a_context_are_refused() -> None:
    good = {"chain_id": 1, "allocator": ALLOCATOR, "job": 1, "recipient": RECIPIENT, "era": 0}
    for bad in (
        {"chain_id": -1},
        {"allocator": "0x12"},
        {"recipient": "x" * 42},
        {"job": b"1"},
        {"era": 2**64},
    ):
        with pytest.raises(InputError):
            envelope_info("frames", **(good | bad))  # type: ignore[arg-type]  # mixed test values


def test_a_submission_belongs_to_its_client() -> None:
    frames, secret = b"f" * 32, b"s" * 32
    tag = submission_tag(ALLOCATOR, frames, secret)
    assert len(tag) == 32
    others = {
        submission_tag(RECIPIENT, frames, secret),
        submission_tag(ALLOCATOR, secret, frames),
        submission_tag(ALLOCATOR, frames, frames),
    }
    assert len(others | {tag}) == 4
    with pytest.raises(InputError):
        submission_tag(ALLOCATOR, b"short", secret)


def test_keys_do_not_show_themselves() -> None:
    assert repr(KEY) == "HpkeKey(hidden)"
    with pytest.raises(InputError):
        HpkeKey.from_secret(b"short")
    with pytest.raises(InputError):
        HpkeKey(b"x" * 95)
