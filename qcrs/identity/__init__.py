"""Post-quantum identity: keys that outlive the elliptic curve, and the state that keeps them safe."""

from qcrs.identity.mldsa import ML_DSA_PUBLIC_BYTES, ML_DSA_SIGNATURE_BYTES, MlDsaKey, verify_message
from qcrs.identity.secret import IdentitySecret
from qcrs.identity.state import SignerState, XmssSigner
from qcrs.identity.xmss import KEY_BYTES, LAST_LEAF, LEAVES, SIGNATURE_BYTES, XmssKey, index_of, verify

__all__ = [
    "KEY_BYTES",
    "LAST_LEAF",
    "LEAVES",
    "ML_DSA_PUBLIC_BYTES",
    "ML_DSA_SIGNATURE_BYTES",
    "SIGNATURE_BYTES",
    "IdentitySecret",
    "MlDsaKey",
    "SignerState",
    "XmssKey",
    "XmssSigner",
    "index_of",
    "verify",
    "verify_message",
]
