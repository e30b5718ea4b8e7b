"""Sealed documents: round trips, sizes, every kind of damage, hostile content."""

from __future__ import annotations

import os
import tracemalloc
import zlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from qcrs.errors import InputError, VerificationError
from qcrs.sealing import new_key, open_sealed, padded_length, seal

DOCUMENTS = st.dictionaries(
    st.text(st.characters(codec="utf-8")), st.integers() | st.text(st.characters(codec="utf-8")) | st.none()
)


def sealed_raw(packed: bytes, key: bytes, purpose: str = "frames") -> bytes:
    """Seal arbitrary packed bytes, as a sender who does not follow the protocol could."""
    salt = os.urandom(32)
    label = b"qcrs/seal/1/" + purpose.encode()
    material = HKDF(SHA256(), 64, salt, label).derive(key)
    return salt + material[32:] + ChaCha20Poly1305(material[:32]).encrypt(bytes(12), packed, label)


def padded(data: bytes) -> bytes:
    return data.ljust(padded_length(len(data)), b"\0")


@given(DOCUMENTS)
def test_round_trip(document: dict[str, object]) -> None:
    sealed = seal(document, "frames")
    assert open_sealed(sealed.blob, sealed.key, "frames") == document


def test_the_same_document_looks_different_each_time() -> None:
    key = new_key()
    first, second = seal({"a": 1}, "frames", key=key), seal({"a": 1}, "frames", key=key)
    assert first.blob != second.blob
    assert first.key == second.key == key
    assert seal({"a": 1}, "frames").key != key
    assert key.hex() not in repr(first)


def test_layout_is_the_published_one() -> None:
    """A second implementation, written from the module's text, opens and makes sealed documents."""
    sealed = seal({"n": 1}, "secret")
    label = b"qcrs/seal/1/secret"
    material = HKDF(SHA256(), 64, sealed.blob[:32], label).derive(sealed.key)
    assert sealed.blob[32:64] == material[32:]
    packed = ChaCha20Poly1305(material[:32]).decrypt(bytes(12), sealed.blob[64:], label)
    assert zlib.decompressobj().decompress(packed) == b'{"n":1}'
    assert open_sealed(sealed_raw(padded(zlib.compress(b'{"n":1}')), sealed.key), sealed.key, "frames") == {
        "n": 1
    }


def test_padme_sizes() -> None:
    assert [padded_length(n) for n in (0, 1, 256, 257, 264, 265, 1000, 4097)] == [
        256, 256, 256, 272, 272, 272, 1024, 4352,
    ]  # fmt: skip
    for length in range(1, 70_000, 7):
        size = padded_length(length)
        assert size >= length
        assert padded_length(size) == size
        if length >= 256:
            assert size <= length * 1.12
    assert len({padded_length(n) for n in range(256, 2**20 + 1)}) == 257  # background figure for Padmé


def test_sizes_hide_small_differences() -> None:
    sizes = {len(seal({"text": os.urandom(n).hex()}, "frames").blob) for n in range(40)}
    assert sizes == {32 + 32 + 256 + 16}


@given(st.data())
def test_no_flipped_bit_survives(draw: st.DataObject) -> None:
    sealed = seal({"a": [1, 2, 3]}, "frames", key=b"k" * 32)
    bad = bytearray(sealed.blob)
    bit = draw.draw(st.integers(0, 8 * len(bad) - 1))
    bad[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VerificationError):
        open_sealed(bytes(bad), sealed.key, "frames")


def test_wrong_key_purpose_length_each_say_what_is_wrong() -> None:
    sealed = seal({"a": 1}, "frames")
    with pytest.raises(VerificationError, match="not sealed under this key"):
        open_sealed(sealed.blob, new_key(), "frames")
    with pytest.raises(VerificationError, match="for 'secret'"):
        open_sealed(sealed.blob, sealed.key, "secret")
    with pytest.raises(VerificationError, match="authentication tag"):
        open_sealed(sealed.blob[:-1] + bytes([sealed.blob[-1] ^ 1]), sealed.key, "frames")
    with pytest.raises(VerificationError, match="authentication tag"):
        open_sealed(sealed.blob + b"\0", sealed.key, "frames")
    with pytest.raises(VerificationError, match="too short"):
        open_sealed(sealed.blob[:100], sealed.key, "frames")
    with pytest.raises(InputError, match="32 bytes"):
        open_sealed(sealed.blob, b"short", "frames")


def test_one_blob_has_one_key() -> None:
    """The commitment, not only the tag, refuses a second key."""
    sealed = seal({"a": 1}, "frames")
    other = new_key()
    material = HKDF(SHA256(), 64, sealed.blob[:32], b"qcrs/seal/1/frames").derive(other)
    swapped = sealed.blob[:32] + material[32:] + sealed.blob[64:]
    for key in (sealed.key, other):
        with pytest.raises(VerificationError):
            open_sealed(swapped, key, "frames")


def test_decompression_is_bounded() -> None:
    key = new_key()
    bomb = sealed_raw(padded(zlib.compress(b" " * 200_000_000, 9)), key)
    assert len(bomb) < 300_000
    tracemalloc.start()
    with pytest.raises(VerificationError, match="larger than 1000000 bytes"):
        open_sealed(bomb, key, "frames", limit=1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (b"\0" * 256, "does not decompress"),
        (padded(zlib.compress(b"[]")[:-1]), "does not decompress|cut off"),
        (zlib.compress(b"[]") + b"\0" * 600, "wrongly padded"),
        (zlib.compress(b"[]").ljust(255, b"\0") + b"\1", "wrongly padded"),
        (zlib.compress(os.urandom(5000))[:4000], "does not decompress|cut off"),
        (padded(zlib.compress(b"[ ]")), "canonical"),
        (padded(zlib.compress(b"\xff")), "canonical"),
        (padded(zlib.compress(b"[" * 100_000)), "nested deeper"),
    ],
)
def test_hostile_content_is_refused(packed: bytes, reason: str) -> None:
    key = new_key()
    with pytest.raises(VerificationError, match=reason):
        open_sealed(sealed_raw(packed, key), key, "frames")


def test_documents_without_canonical_bytes_are_refused() -> None:
    with pytest.raises(InputError, match="floats"):
        seal({"p": 0.5}, "frames")
