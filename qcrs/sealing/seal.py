"""Sealing a document: canonical JSON → zlib → Padmé padding → ChaCha20-Poly1305.

A sealed document is a public blob; only who has its content key reads it. Its layout:

    salt (32) ‖ key commitment (32) ‖ ChaCha20-Poly1305 of the padded document

From the content key and a fresh salt, HKDF-SHA256 derives the cipher key and the commitment; the
purpose is bound into that derivation and again as associated data. The commitment is there because
ChaCha20-Poly1305 alone lets one ciphertext open under two keys to two documents (Len, Grubbs,
Ristenpart, "Partitioning Oracle Attacks", 2021): a client could show its oracles other circuits than
the processor that runs them. With it, a blob has one meaning.

Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files", PETS 2019) rounds lengths up
by at most 12 %, so a blob's size tells O(log log L) bits of the document's. Lengths below 256 bytes
are all alike. The compressed stream ends itself, so the padding needs no length field; it is zeros,
and checked. The size still depends on how well a document compresses.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from qcrs.errors import InputError, VerificationError
from qcrs.types import Json, canonical_json, parse_canonical

__all__ = ["KEY_BYTES", "MAX_DOCUMENT_BYTES", "Sealed", "new_key", "open_sealed", "padded_length", "seal"]

KEY_BYTES = 32
"""Length of a content key."""

MAX_DOCUMENT_BYTES = 64 * 2**20
"""Largest document after decompression, in bytes."""

_SALT = 32
_COMMITMENT = 32
_TAG = 16
_SMALLEST = 256
_NONCE = bytes(12)  # every cipher key is used once: its salt is fresh


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed document and the content key that opens it."""

    blob: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"Sealed({len(self.blob)} bytes, key hidden)"


def new_key() -> bytes:
    """A fresh content key."""
    return os.urandom(KEY_BYTES)


def padded_length(length: int) -> int:
    """Padmé: the least allowed size, in bytes, that holds `length` bytes; at least 256."""
    if length <= _SMALLEST:
        return _SMALLEST
    exponent = length.bit_length() - 1
    free = exponent - exponent.bit_length()
    mask = (1 << free) - 1
    return (length + mask) & ~mask


def _derive(key: bytes, salt: bytes, purpose: str) -> tuple[bytes, bytes, bytes]:
    """Cipher key, commitment and associated data."""
    if len(key) != KEY_BYTES:
        raise InputError("a content key has 32 bytes", field="key length", value=len(key))
    label = b"qcrs/seal/1/" + purpose.encode()
    material = HKDF(SHA256(), 32 + _COMMITMENT, salt, label).derive(key)
    return material[:32], material[32:], label


def seal(document: Json, purpose: str, *, key: bytes | None = None) -> Sealed:
    """Seal `document` for `purpose` (a word such as `frames`) under `key`, by default a fresh one."""
    key = new_key() if key is None else key
    salt = os.urandom(_SALT)
    cipher_key, commitment, label = _derive(key, salt, purpose)
    plain = canonical_json(document)
    if len(plain) > MAX_DOCUMENT_BYTES:
        raise InputError(
            f"a document may have {MAX_DOCUMENT_BYTES} bytes at most",
            field="bytes",
            value=len(plain),
            solution="split the job: fewer circuits or parameter bindings in one submission",
        )
    packed = zlib.compress(plain, 6)
    packed = packed.ljust(padded_length(len(packed)), b"\0")
    return Sealed(salt + commitment + ChaCha20Poly1305(cipher_key).encrypt(_NONCE, packed, label), key)


def _unpack(packed: bytes, limit: int) -> bytes:
    """Undo padding and compression; never makes more than `limit` + 1 bytes."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(packed, limit + 1)
    except zlib.error as error:
        raise VerificationError(
            f"a sealed document does not decompress: {error}",
            field="sealed document",
            solution="whoever sealed it did not follow the protocol; treat it as not handed over",
        ) from error
    if len(plain) > limit:
        raise VerificationError(
            f"a sealed document is larger than {limit} bytes when decompressed",
            field="sealed document",
            solution="whoever sealed it did not follow the protocol; treat it as not handed over",
        )
    padding = stream.unused_data
    if not stream.eof or padding.strip(b"\0") or len(packed) != padded_length(len(packed) - len(padding)):
        raise VerificationError(
            "a sealed document is cut off or wrongly padded",
            field="sealed document",
            solution="whoever sealed it did not follow the protocol; treat it as not handed over",
        )
    return plain


def open_sealed(blob: bytes, key: bytes, purpose: str, *, limit: int = MAX_DOCUMENT_BYTES) -> Json:
    """The document in a sealed blob.

    Raises `VerificationError` where blob, key and purpose do not belong together or the content breaks
    the rules above (including documents above `limit` bytes), `InputError` for a key of wrong length.
    """
    if len(blob) < _SALT + _COMMITMENT + _TAG + _SMALLEST:
        raise VerificationError(
            "a sealed document is too short", field="bytes", value=len(blob), solution="fetch its blob again"
        )
    cipher_key, commitment, label = _derive(key, blob[:_SALT], purpose)
    if not bytes_eq(commitment, blob[_SALT : _SALT + _COMMITMENT]):
        raise VerificationError(
            f"a sealed document was not sealed under this key for {purpose!r}",
            field="key commitment",
            solution="use the content key that belongs to this blob; if it does, the blob's head was changed",
        )
    try:
        packed = ChaCha20Poly1305(cipher_key).decrypt(_NONCE, blob[_SALT + _COMMITMENT :], label)
    except InvalidTag:
        raise VerificationError(
            "a sealed document was changed: its authentication tag is wrong",
            field="sealed document",
            solution="the key fits but the bytes do not: fetch the blob from another copy of the store",
        ) from None
    try:
        return parse_canonical(_unpack(packed, limit))
    except InputError as error:
        raise VerificationError(
            f"a sealed blob does not hold a canonical document: {error.reason}",
            field="sealed document",
            solution="whoever sealed it did not follow the protocol; treat it as not handed over",
        ) from error
