"""Values every layer shares: canonical bytes and content ids."""

from qcrs.types.canonical import ContentId, Json, canonical_json, cid_of, cid_to_digest, digest_to_cid
from qcrs.types.reading import parse_canonical

__all__ = [
    "ContentId",
    "Json",
    "canonical_json",
    "cid_of",
    "cid_to_digest",
    "digest_to_cid",
    "parse_canonical",
]
