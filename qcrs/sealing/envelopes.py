"""Envelopes: a content key for one recipient, by hybrid public-key encryption.

HPKE (RFC 9180) in base mode with the hybrid KEM MLKEM768_X25519 (draft-ietf-hpke-pq: ML-KEM-768 of FIPS
203 with X25519), HKDF-SHA256 and ChaCha20-Poly1305. It stays closed while either ML-KEM or X25519
holds. `info` binds an envelope to its purpose, chain, allocator, job, recipient and era: moved anywhere
else it does not open. Base mode says nothing of the sender; that comes from the chain (a payload's
hash) or from the mail's signature.

An account's HPKE key is derived from its account key, so a key file alone finds old jobs again. The
price: who one day computes an account key from its public signatures (a quantum computer could)
opens the envelopes of that account. An account that keeps another secret beside the key derives from
that instead (`HpkeKey.from_secret`).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from functools import cached_property
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from qcrs.errors import InputError, VerificationError
from qcrs.sealing.packing import address, keccak256, unsigned

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = [
    "PUBLIC_KEY_BYTES",
    "HpkeKey",
    "envelope_info",
    "public_from_text",
    "public_text",
    "submission_tag",
    "wrap",
]

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_MLKEM_PUBLIC = 1184
_MLKEM_SEED = 64

PUBLIC_KEY_BYTES = _MLKEM_PUBLIC + 32
"""A public key: ML-KEM-768's 1,184 bytes, then X25519's 32."""


def _public_key(public: bytes) -> MLKEM768X25519PublicKey:
    if len(public) != PUBLIC_KEY_BYTES:
        raise InputError(
            f"an HPKE public key has {PUBLIC_KEY_BYTES} bytes", field="public key length", value=len(public)
        )
    try:
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC]),
            X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC:]),
        )
    except ValueError as error:
        raise InputError(f"not an HPKE public key: {error}", field="public key") from error


def public_text(public: bytes) -> str:
    """A public key as base64, the form in metadata and identity documents."""
    return b64encode(public).decode()


def public_from_text(text: str) -> bytes:
    """The inverse of `public_text`; `InputError` unless it is a usable key."""
    try:
        public = b64decode(text, validate=True)
    except ValueError as error:
        raise InputError("an HPKE public key is base64 text", field="hpke", value=text[:40]) from error
    _public_key(public)
    return public


class HpkeKey:
    """A private key for envelopes."""

    def __init__(self, seed: bytes) -> None:
        """`seed`: ML-KEM-768's 64 bytes (d ‖ z of FIPS 203), then X25519's 32."""
        if len(seed) != _MLKEM_SEED + 32:
            raise InputError("an HPKE seed has 96 bytes", field="seed length", value=len(seed))
        self._mlkem = MLKEM768PrivateKey.from_seed_bytes(seed[:_MLKEM_SEED])
        self._x25519 = X25519PrivateKey.from_private_bytes(seed[_MLKEM_SEED:])
        self._key = MLKEM768X25519PrivateKey(self._mlkem, self._x25519)

    def __repr__(self) -> str:
        return "HpkeKey(hidden)"

    @classmethod
    def from_secret(cls, secret: bytes) -> HpkeKey:
        """The key of a secret of at least 32 random bytes: HKDF-SHA256, salt `qcrs/hpke/1`."""
        if len(secret) < 32:
            raise InputError("a secret needs 32 bytes at least", field="secret length", value=len(secret))
        return cls(HKDF(SHA256(), _MLKEM_SEED + 32, b"qcrs/hpke/1", b"MLKEM768_X25519").derive(secret))

    @classmethod
    def from_account(cls, account: LocalAccount) -> HpkeKey:
        """The key of an account: `from_secret` of its 32-byte private key."""
        return cls.from_secret(bytes(account.key))

    @cached_property
    def public(self) -> bytes:
        """The public key, `PUBLIC_KEY_BYTES` long."""
        return self._mlkem.public_key().public_bytes_raw() + self._x25519.public_key().public_bytes_raw()

    def open(self, envelope: bytes, info: bytes) -> bytes:
        """The content in an envelope; `VerificationError` unless key, `info` and bytes all fit."""
        try:
            return _SUITE.decrypt(envelope, self._key, info)
        except (InvalidTag, ValueError):
            raise VerificationError(
                "an envelope does not open: it was made for another recipient, job, chain or era, or changed",
                field="envelope",
                solution="ask its sender to seal the key again, for this account's registered HPKE key",
            ) from None


def wrap(public: bytes, content: bytes, info: bytes) -> bytes:
    """Put `content` (a key) into an envelope for the holder of `public`; `InputError` for a bad key."""
    return _SUITE.encrypt(content, _public_key(public), info)


def envelope_info(
    purpose: str, *, chain_id: int, allocator: str, job: int | bytes, recipient: str, era: int
) -> bytes:
    """`keccak(purpose ‖ chain id ‖ allocator ‖ job ‖ recipient ‖ era)`, 32 bytes.

    Everything after the purpose has a fixed width (32, 20, 32, 20, 8 bytes), so two different contexts never
    share bytes. `job` is the job's number, or, while there is none yet, `submission_tag`'s 32 bytes.
    """
    tag = unsigned(job, 32, "job") if isinstance(job, int) else job
    if len(tag) != 32:
        raise InputError("a submission tag has 32 bytes", field="job", value=tag.hex())
    return keccak256(
        purpose.encode()
        + unsigned(chain_id, 32, "chain_id")
        + address(allocator, "allocator")
        + tag
        + address(recipient, "recipient")
        + unsigned(era, 8, "era")
    )


def submission_tag(client: str, frames: bytes, secret: bytes) -> bytes:
    """What stands for the job in envelopes that are made before the job has its number.

    `keccak("qcrs/submission/1" ‖ client ‖ frames digest ‖ secret digest)`, the digests being those of the two
    content ids. The client's address is in it so that a stranger cannot submit another's documents as its
    own and have the oracles release the keys to a processor of its choice: an opener must take the address
    from the chain, never from the document.
    """
    if len(frames) != 32 or len(secret) != 32:
        raise InputError("content digests have 32 bytes", field="digest", value=(frames.hex(), secret.hex()))
    return keccak256(b"qcrs/submission/1" + address(client, "client") + frames + secret)
