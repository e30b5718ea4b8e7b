"""Keys and signatures that follow from an account: frame seeds and token permits.

A job's frames come from a 32-byte seed. It is HKDF-SHA256 of the account key, so nothing but the key
file has to be kept; the info is the job's random nonce. Where the caller fixes the simulator's seed it
asks for the same numbers again: then the info is the program itself, and the frames repeat too. A
provider that kept the opened first run could answer the repetition from memory, with what a simulator
would give anyway.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from eth_abi.abi import encode
from eth_typing import Hash32

from qcrs.client.program import Unit
from qcrs.sealing import keccak256
from qcrs.types import canonical_json

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = ["job_seed", "program_hash", "sign_permit"]

_PERMIT = keccak256(b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")


def program_hash(units: Sequence[Unit]) -> bytes:
    """sha2-256 over the canonical bytes of all units."""
    digest = hashlib.sha256()
    for unit in units:
        part = canonical_json([unit.circuit.as_json(), unit.shots, list(unit.paulis)])
        digest.update(hashlib.sha256(part).digest())
    return digest.digest()


def job_seed(
    account: LocalAccount, nonce: str, units: Sequence[Unit], simulator_seed: int | None = None
) -> bytes:
    """The 32-byte seed of a job's frames."""
    info = b"nonce" + bytes.fromhex(nonce)
    if simulator_seed is not None:
        info = b"program" + simulator_seed.to_bytes(8, "big") + program_hash(units)
    return HKDF(SHA256(), 32, b"qcrs/seed/1", info).derive(bytes(account.key))


def sign_permit(
    account: LocalAccount, *, domain: bytes, spender: str, value: int, nonce: int, deadline: int
) -> tuple[int, bytes, bytes]:
    """An ERC-2612 permit: (v, r, s) over the token's domain separator."""
    struct = encode(
        ["bytes32", "address", "address", "uint256", "uint256", "uint256"],
        [_PERMIT, account.address, spender, value, nonce, deadline],
    )
    digest = Hash32(keccak256(b"\x19\x01" + domain + keccak256(struct)))
    signed = account.unsafe_sign_hash(digest)
    return signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")
