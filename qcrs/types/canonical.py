"""Canonical bytes: the one form in which documents are hashed, signed and stored.

Identity is the hash of canonical bytes. Floats are refused: their text differs between machines
and languages, so real numbers are integers with their unit in the key.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, NewType

from qcrs.errors import InputError

__all__ = ["ContentId", "Json", "canonical_json", "cid_of", "cid_to_digest", "digest_to_cid"]

Json = Any
"""A JSON value without floats."""

ContentId = NewType("ContentId", str)
"""CIDv1, base32 lower case, raw codec, sha2-256: `bafkrei…`."""

_CID_PREFIX = bytes.fromhex("01551220")  # version 1, raw, sha2-256, 32 bytes


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_LEAVES = frozenset({int, str, bool, type(None)})


def _is_plain(value: Json) -> bool:
    """Whether a value holds no floats and text keys alone; most of the time of a document goes by here."""
    if type(value) in _LEAVES:
        return True
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return not isinstance(value, float)


def _refuse_floats(value: Json, path: str) -> None:
    """`InputError` naming the place of the first float."""
    if isinstance(value, float):
        raise InputError(
            "canonical documents hold no floats",
            field=path,
            value=value,
            solution="store an integer and put its unit into the key, as in error_nano",
        )
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InputError("canonical documents have text keys", field=path, value=key)
            _refuse_floats(item, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _refuse_floats(item, f"{path}[{index}]")


def canonical_json(value: Json) -> bytes:
    """UTF-8 JSON with sorted keys and no white space; `InputError` on floats or non-text keys."""
    if not _is_plain(value):
        _refuse_floats(value, "$")
    return spelled(value)


def spelled(value: Json) -> bytes:
    """The canonical bytes of a value that is known to hold no floats."""
    return _ENCODER.encode(value).encode()


def digest_to_cid(digest: bytes) -> ContentId:
    """The content id of a 32-byte sha2-256 digest."""
    if len(digest) != 32:
        raise InputError("a content digest has 32 bytes", field="digest", value=digest.hex())
    return ContentId("b" + base64.b32encode(_CID_PREFIX + digest).decode().lower().rstrip("="))


def cid_to_digest(cid: str) -> bytes:
    """The 32 digest bytes of a content id; `InputError` where it is not one of ours."""
    try:
        raw = base64.b32decode(cid[1:].upper() + "=" * (-(len(cid) - 1) % 8))
    except ValueError as error:
        raise InputError("not a content id", field="cid", value=cid) from error
    if (
        not cid.startswith("b")
        or not raw.startswith(_CID_PREFIX)
        or len(raw) != 36
        or digest_to_cid(raw[4:]) != cid
    ):
        raise InputError(
            "not a content id of this store",
            field="cid",
            value=cid,
            solution="expected CIDv1, raw, sha2-256: bafkrei…",
        )
    return raw[4:]


def cid_of(data: bytes) -> ContentId:
    """The content id of bytes."""
    return digest_to_cid(hashlib.sha256(data).digest())
