"""What the package offers is what its readers may rely on: a change here is a change for them."""

from __future__ import annotations

import qcrs.identity


def test_exports() -> None:
    assert sorted(qcrs.identity.__all__) == [
        "IdentitySecret",
        "KEY_BYTES",
        "LAST_LEAF",
        "LEAVES",
        "ML_DSA_PUBLIC_BYTES",
        "ML_DSA_SIGNATURE_BYTES",
        "MlDsaKey",
        "SIGNATURE_BYTES",
        "SignerState",
        "XmssKey",
        "XmssSigner",
        "index_of",
        "verify",
        "verify_message",
    ]
    assert all(hasattr(qcrs.identity, name) for name in qcrs.identity.__all__)
