"""ML-DSA-65 (FIPS 204) for the classical lines of applications, from `cryptography`."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey

__all__ = ["PublicKey", "SecretKey"]

CONTEXT = b"qcrs/qnp/line"


class PublicKey:
    """Verifies one end's signatures."""

    def __init__(self, key: MLDSA65PublicKey) -> None:
        self._key = key

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the end signed this."""
        try:
            self._key.verify(signature, message, CONTEXT)
        except InvalidSignature:
            return False
        return True


class SecretKey:
    """Signs as one end; a fresh key, or the one of a 32-byte seed."""

    def __init__(self, seed: bytes | None = None) -> None:
        self._key = MLDSA65PrivateKey.generate() if seed is None else MLDSA65PrivateKey.from_seed_bytes(seed)
        self.public = PublicKey(self._key.public_key())

    def sign(self, message: bytes) -> bytes:
        """The signature of a message."""
        return self._key.sign(message, CONTEXT)
