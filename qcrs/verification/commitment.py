"""What a provider binds itself to before anyone can know whether it will be audited.

commitment = keccak(salt32 ‖ provider20 ‖ job8 ‖ root32); the salt keeps low-entropy results from being
guessed, the address keeps a commitment from being copied. The contract stores it as it comes.
"""

from __future__ import annotations

import hashlib

from qcrs.circuits.drbg import keccak
from qcrs.errors import InputError
from qcrs.types import Json, canonical_json

__all__ = ["commitment", "result_root"]


def commitment(salt: bytes, provider: str, job: int, root: bytes) -> bytes:
    """The 32 bytes that go on chain; `provider` is a hex address, `root` the result's sha2-256."""
    try:
        address = bytes.fromhex(provider.removeprefix("0x"))
    except ValueError:
        address = b""
    for name, value, size in (("salt", salt, 32), ("provider", address, 20), ("root", root, 32)):
        if len(value) != size:
            raise InputError(f"the {name} has {size} bytes", field=name, value=value.hex())
    if not 0 <= job < 1 << 64:
        raise InputError("a job id has 64 bits", field="job", value=job)
    return keccak(salt + address + job.to_bytes(8, "big") + root)


def result_root(result: Json) -> bytes:
    """sha2-256 of the canonical bytes of a result document."""
    return hashlib.sha256(canonical_json(result)).digest()
