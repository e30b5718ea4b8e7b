"""What the package offers is what its readers may rely on: a change here is a change for them."""

from __future__ import annotations

import qcrs.sealing


def test_exports() -> None:
    assert sorted(qcrs.sealing.__all__) == [
        "BeaconKey",
        "HpkeKey",
        "MAX_DOCUMENT_BYTES",
        "MAX_PROOF_BYTES",
        "PUBLIC_KEY_BYTES",
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
    assert all(hasattr(qcrs.sealing, name) for name in qcrs.sealing.__all__)
