"""ML-DSA-65 and the envelopes against pure Python implementations that share no code with ours."""

from __future__ import annotations

import hashlib
import hmac
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from dilithium_py.ml_dsa import ML_DSA_65
from kyber_py.ml_kem import ML_KEM_768

from qcrs.errors import VerificationError
from qcrs.identity import MlDsaKey, verify_message
from qcrs.sealing import HpkeKey, wrap

CONTEXT = b"qcrs/message/1"
XWING = 0x647A
"""KEM number and combiner of draft-connolly-cfrg-xwing-kem: ML-KEM-768 with X25519."""


def bound(purpose: bytes, message: bytes) -> bytes:
    return bytes([len(purpose)]) + purpose + message


def test_ml_dsa_keys_and_signatures_cross_over() -> None:
    for number in range(3):
        seed = bytes([number]) * 32
        ours = MlDsaKey(seed)
        public, secret = ML_DSA_65.key_derive(seed)
        assert ours.public == public
        message = hashlib.sha256(seed).digest() * number
        theirs = ML_DSA_65.sign(secret, bound(b"mail", message), ctx=CONTEXT)
        assert verify_message(public, "mail", message, theirs)
        assert not verify_message(public, "other", message, theirs)
        signature = ours.sign("mail", message)
        assert ML_DSA_65.verify(public, bound(b"mail", message), signature, ctx=CONTEXT)
        assert not ML_DSA_65.verify(public, bound(b"mail", message), signature, ctx=b"")


def extract(salt: bytes, label: bytes, suite: bytes, value: bytes) -> bytes:
    """LabeledExtract of RFC 9180, section 4."""
    return hmac.digest(salt, b"HPKE-v1" + suite + label + value, "sha256")


def expand(key: bytes, label: bytes, suite: bytes, info: bytes, length: int) -> bytes:
    """LabeledExpand of RFC 9180, section 4, of at most one block."""
    text = struct.pack(">H", length) + b"HPKE-v1" + suite + label + info
    return hmac.digest(key, text + b"\1", "sha256")[:length]


def cipher_of(shared: bytes, info: bytes) -> tuple[ChaCha20Poly1305, bytes]:
    """KeySchedule of RFC 9180, section 5.1, base mode, HKDF-SHA256 and ChaCha20-Poly1305."""
    suite = b"HPKE" + struct.pack(">HHH", XWING, 1, 3)
    context = b"\0" + extract(b"", b"psk_id_hash", suite, b"") + extract(b"", b"info_hash", suite, info)
    secret = extract(shared, b"secret", suite, b"")
    key = expand(secret, b"key", suite, context, 32)
    return ChaCha20Poly1305(key), expand(secret, b"base_nonce", suite, context, 12)


def combined(mlkem: bytes, x25519: bytes, encapsulated: bytes, public: bytes) -> bytes:
    return hashlib.sha3_256(mlkem + x25519 + encapsulated + public + bytes.fromhex("5c2e2f2f5e5c")).digest()


SEED = bytes(range(96))


def test_our_envelopes_open_with_the_other_implementation() -> None:
    public_kem, secret_kem = ML_KEM_768.key_derive(SEED[:64])
    x = X25519PrivateKey.from_private_bytes(SEED[64:])
    public_x = x.public_key().public_bytes_raw()
    key = HpkeKey(SEED)
    assert key.public == public_kem + public_x
    envelope = wrap(key.public, b"content key", b"info")
    encapsulated, point, sealed = envelope[:1088], envelope[1088:1120], envelope[1120:]
    shared = combined(
        ML_KEM_768.decaps(secret_kem, encapsulated),
        x.exchange(X25519PublicKey.from_public_bytes(point)),
        point,
        public_x,
    )
    cipher, nonce = cipher_of(shared, b"info")
    assert cipher.decrypt(nonce, sealed, b"") == b"content key"


def test_we_open_envelopes_of_the_other_implementation() -> None:
    key = HpkeKey(SEED)
    mlkem, encapsulated = ML_KEM_768.encaps(key.public[:1184])
    ephemeral = X25519PrivateKey.from_private_bytes(b"\5" * 32)
    point = ephemeral.public_key().public_bytes_raw()
    exchanged = ephemeral.exchange(X25519PublicKey.from_public_bytes(key.public[1184:]))
    cipher, nonce = cipher_of(combined(mlkem, exchanged, point, key.public[1184:]), b"info")
    envelope = encapsulated + point + cipher.encrypt(nonce, b"content key", b"")
    assert key.open(envelope, b"info") == b"content key"
    with pytest.raises(VerificationError):
        key.open(envelope, b"other")
