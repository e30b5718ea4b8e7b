"""ML-DSA-65 (FIPS 204): signatures of messages that no contract has to check.

The context string `qcrs/message/1` keeps them apart from other uses of the key; `purpose` is bound in front
of the message with its length, so that no two purposes share a message.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey

from qcrs.errors import InputError

__all__ = ["ML_DSA_PUBLIC_BYTES", "ML_DSA_SIGNATURE_BYTES", "MlDsaKey", "verify_message"]

ML_DSA_PUBLIC_BYTES = 1952
"""Length of a public key."""

ML_DSA_SIGNATURE_BYTES = 3309
"""Length of a signature."""

_CONTEXT = b"qcrs/message/1"


def _bound(purpose: str, message: bytes) -> bytes:
    label = purpose.encode()
    if not 0 < len(label) < 256:
        raise InputError(
            "a purpose has 1 to 255 bytes", field="purpose", value=purpose[:40], solution="shorten it"
        )
    return bytes([len(label)]) + label + message


class MlDsaKey:
    """A private key."""

    def __init__(self, seed: bytes) -> None:
        """`seed`: the 32 bytes that FIPS 204 calls ξ."""
        if len(seed) != 32:
            raise InputError(
                "an ML-DSA seed has 32 bytes",
                field="seed length",
                value=len(seed),
                solution="derive it from an identity's secret",
            )
        self._key = MLDSA65PrivateKey.from_seed_bytes(seed)

    def __repr__(self) -> str:
        return "MlDsaKey(hidden)"

    @property
    def public(self) -> bytes:
        """The public key, `ML_DSA_PUBLIC_BYTES` long."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, purpose: str, message: bytes) -> bytes:
        """A signature, `ML_DSA_SIGNATURE_BYTES` long, of a message for one purpose."""
        return self._key.sign(_bound(purpose, message), _CONTEXT)


def verify_message(public: bytes, purpose: str, message: bytes, signature: bytes) -> bool:
    """Whether a signature is one of the message, for this purpose, by this public key."""
    try:
        key = MLDSA65PublicKey.from_public_bytes(public)
        key.verify(signature, _bound(purpose, message), _CONTEXT)
    except (InvalidSignature, ValueError):
        return False
    return True
