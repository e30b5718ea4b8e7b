"""Fixed-width parts of hashed and signed messages: no two contexts share their bytes."""

from __future__ import annotations

import re

from qcrs.errors import InputError

__all__ = ["address", "keccak256", "unsigned"]


def keccak256(data: bytes) -> bytes:
    """Keccak-256 as in the contracts, 32 bytes."""
    from eth_hash.auto import keccak

    return bytes(keccak(data))


def address(text: str, field: str) -> bytes:
    """The 20 bytes of a 0x… address in any letter case; `InputError` otherwise."""
    if re.fullmatch(r"0x[0-9a-fA-F]{40}", text) is None:
        raise InputError("not an address", field=field, value=text, solution="write 0x and 40 hex digits")
    return bytes.fromhex(text[2:])


def unsigned(value: int, width: int, field: str) -> bytes:
    """`value` as `width` big-endian bytes; `InputError` where it does not fit."""
    if not 0 <= value < 1 << 8 * width:
        raise InputError(f"must be between 0 and 2^{8 * width} - 1", field=field, value=value)
    return value.to_bytes(width, "big")
