"""Who may read what: sealed documents, envelopes for their keys, and the oracles' beacon proofs."""

from qcrs.sealing.envelopes import (
    PUBLIC_KEY_BYTES,
    HpkeKey,
    envelope_info,
    public_from_text,
    public_text,
    submission_tag,
    wrap,
)
from qcrs.sealing.packing import keccak256
from qcrs.sealing.seal import MAX_DOCUMENT_BYTES, Sealed, new_key, open_sealed, padded_length, seal
from qcrs.sealing.vrf import MAX_PROOF_BYTES, BeaconKey, beacon_message, check_public_key, verify_proof

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "MAX_PROOF_BYTES",
    "PUBLIC_KEY_BYTES",
    "BeaconKey",
    "HpkeKey",
    "Sealed",
    "beacon_message",
    "check_public_key",
    "envelope_info",
    "keccak256",
    "new_key",
    "open_sealed",
    "padded_length",
    "public_from_text",
    "public_text",
    "seal",
    "submission_tag",
    "verify_proof",
    "wrap",
]
