"""What oracles sign for the contracts: the digest of certificates, compact ERC-2098 signatures.

The digest of reports is in `qcrs.client.quorum`. Source: NatSpec of `IProcessorRegistry`; EIP-712; ERC-2098.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from eth_abi.abi import encode

from qcrs.chain.bindings import Certification
from qcrs.client.quorum import threshold_of, typed_digest
from qcrs.sealing import keccak256

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = ["bitmap_of", "certification_digest", "quorum_of", "sign_digest"]

_CAPABILITY_TEXT = (
    b"Capability(uint16 widthTested,uint16 log2QuantumVolume,uint32 errorPerLayeredGate,"
    b"uint32 layersPerSecond,uint32 readoutError,uint32 t1Nanoseconds,uint32 t2Nanoseconds,"
    b"uint16 ghzWidth,uint16 quality)"
)
_CAPABILITY = keccak256(_CAPABILITY_TEXT)
_CERTIFICATION = keccak256(
    b"Certification(uint32 processor,uint32 era,uint32 epoch,uint40 validUntil,Capability capability,"
    b"bytes32 report)" + _CAPABILITY_TEXT
)


def certification_digest(certification: Certification, *, chain_id: int, registry: str) -> bytes:
    """What an oracle signs for a certificate."""
    inner = encode(
        ["bytes32", "uint16", "uint16", "uint32", "uint32", "uint32", "uint32", "uint32", "uint16", "uint16"],
        [_CAPABILITY, *certification.capability.to_abi()],
    )
    outer = encode(
        ["bytes32", "uint32", "uint32", "uint32", "uint40", "bytes32", "bytes32"],
        [
            _CERTIFICATION,
            certification.processor,
            certification.era,
            certification.epoch,
            certification.valid_until,
            keccak256(inner),
            certification.report,
        ],
    )
    return typed_digest(b"QCRS ProcessorRegistry", chain_id, registry, keccak256(outer))


def sign_digest(account: LocalAccount, digest: bytes) -> bytes:
    """The 64-byte compact signature: r, then s with the parity in its top bit."""
    from eth_typing import Hash32

    signed = account.unsafe_sign_hash(Hash32(digest))
    return signed.r.to_bytes(32, "big") + (signed.s | (signed.v - 27) << 255).to_bytes(32, "big")


def bitmap_of(signatures: Mapping[int, bytes]) -> tuple[int, bytes]:
    """Bitmap and signature bytes, ordered by the signers' indices, as the contracts take them."""
    return sum(1 << index for index in signatures), b"".join(signatures[i] for i in sorted(signatures))


def quorum_of(signatures: Mapping[int, bytes], signers: int) -> tuple[int, bytes] | None:
    """Bitmap and bytes of the first 2f + 1 signatures of 3f + 1 signers; None while there are fewer."""
    needed = threshold_of(signers)
    return None if len(signatures) < needed else bitmap_of(dict(sorted(signatures.items())[:needed]))
