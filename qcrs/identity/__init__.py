"""Post-quantum identity: keys that outlive the elliptic curve, and the state that keeps them safe."""

from qcrs.identity.xmss import KEY_BYTES, LAST_LEAF, LEAVES, SIGNATURE_BYTES, XmssKey, index_of, verify

__all__ = ["KEY_BYTES", "LAST_LEAF", "LEAVES", "SIGNATURE_BYTES", "XmssKey", "index_of", "verify"]
