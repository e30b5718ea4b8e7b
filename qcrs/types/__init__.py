"""Values every layer shares: canonical bytes, content ids, amounts of credit."""

from qcrs.types.canonical import ContentId, Json, canonical_json, cid_of, cid_to_digest, digest_to_cid
from qcrs.types.credit import CREDIT, DECIMALS, credits_text
from qcrs.types.reading import parse_canonical, parse_json, whole

__all__ = [
    "CREDIT",
    "DECIMALS",
    "ContentId",
    "Json",
    "canonical_json",
    "cid_of",
    "cid_to_digest",
    "credits_text",
    "digest_to_cid",
    "parse_canonical",
    "parse_json",
    "whole",
]
