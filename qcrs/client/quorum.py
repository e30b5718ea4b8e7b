"""Checking what a quorum signed: a report's signatures, alone or in a batch, read from its transaction.

Source: NatSpec of `IResultVerifier` and `IOracleQuorum`; EIP-712; ERC-2098.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from qcrs.client.trail import batch_struct_hash, report_struct_hash
from qcrs.sealing import keccak256

__all__ = [
    "ReportFields",
    "SignedReports",
    "batch_digest",
    "read_report_call",
    "recover",
    "report_digest",
    "signature_problems",
    "threshold_of",
    "typed_digest",
]

_DOMAIN = keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_VERIFIER = b"QCRS ResultVerifier"
_REPORT = "(uint64,uint8,uint8,uint8,uint8,int64,int64,bytes32,uint32)"
_ALONE = keccak256(f"reportVerdict({_REPORT},uint256,bytes)".encode())[:4]
_BATCH = keccak256(f"settleBatch({_REPORT}[],uint256,bytes)".encode())[:4]
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0

ReportFields = tuple[int | bytes, ...]
"""A report's nine fields in the contract's order."""


@dataclass(frozen=True, slots=True)
class SignedReports:
    """Reports as they were relayed, and who signed them: one alone, or a batch signed once."""

    reports: tuple[ReportFields, ...]
    batch: bool
    bitmap: int
    signatures: bytes

    def digest(self, *, chain_id: int, verifier: str) -> bytes:
        """What the signatures are over."""
        if self.batch:
            return batch_digest(self.reports, chain_id=chain_id, verifier=verifier)
        return report_digest(self.reports[0], chain_id=chain_id, verifier=verifier)


def read_report_call(data: bytes) -> SignedReports | None:
    """The reports in a transaction's input; None where it is another call."""
    batch = data[:4] == _BATCH
    if not batch and data[:4] != _ALONE:
        return None
    try:
        found, bitmap, signatures = decode([_REPORT + "[]" * batch, "uint256", "bytes"], data[4:])
    except (DecodingError, OverflowError, ValueError):  # lengths that no memory has
        return None
    reports = tuple(tuple(fields) for fields in (found if batch else (found,)))
    return SignedReports(reports, batch, bitmap, signatures)


def _struct_hash(fields: Sequence[int | bytes]) -> bytes:
    names = ("job", "execution", "report_round", "outcome", "flags", "score", "threshold", "evidence", "era")
    return report_struct_hash(**dict(zip(names, fields, strict=True)))  # type: ignore[arg-type]  # by position


def typed_digest(name: bytes, chain_id: int, contract: str, struct: bytes) -> bytes:
    """The EIP-712 digest of a struct's hash under a contract's domain, version 1."""
    domain = encode(
        ["bytes32", "bytes32", "bytes32", "uint256", "address"],
        [_DOMAIN, keccak256(name), keccak256(b"1"), chain_id, contract],
    )
    return keccak256(b"\x19\x01" + keccak256(domain) + struct)


def threshold_of(signers: int) -> int:
    """2f + 1 of 3f + 1."""
    return 2 * (signers - 1) // 3 + 1


def report_digest(fields: Sequence[int | bytes], *, chain_id: int, verifier: str) -> bytes:
    """What oracles sign for a report."""
    return typed_digest(_VERIFIER, chain_id, verifier, _struct_hash(fields))


def batch_digest(reports: Sequence[Sequence[int | bytes]], *, chain_id: int, verifier: str) -> bytes:
    """What oracles sign for a batch of reports, in this order."""
    struct = batch_struct_hash([_struct_hash(fields) for fields in reports])
    return typed_digest(_VERIFIER, chain_id, verifier, struct)


def recover(digest: bytes, signature: bytes) -> str | None:
    """The address that made a compact signature; None where it is malformed or has a high s."""
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    packed = int.from_bytes(signature[32:], "big")
    s = packed & ((1 << 255) - 1)
    if len(signature) != 64 or s > _HALF_ORDER:
        return None
    try:
        parsed = Signature(signature[:32] + s.to_bytes(32, "big") + bytes([packed >> 255]))
        return str(parsed.recover_public_key_from_msg_hash(digest).to_checksum_address())
    except (BadSignature, ValidationError, ValueError):
        return None


def signature_problems(found: SignedReports, digest: bytes, signers: Sequence[str]) -> list[str]:
    """What is wrong with the signatures; empty when 2f + 1 distinct signers of the era signed."""
    indices = [index for index in range(found.bitmap.bit_length()) if found.bitmap >> index & 1]
    needed = threshold_of(len(signers))
    problems = []
    if len(indices) < needed:
        problems.append(f"{len(indices)} signatures, {needed} are needed")
    if len(found.signatures) != 64 * len(indices) or any(index >= len(signers) for index in indices):
        return [*problems, "the signatures do not fit the bitmap"]
    for place, index in enumerate(indices):
        by = recover(digest, found.signatures[64 * place : 64 * place + 64])
        if by != signers[index]:
            problems.append(f"signature {index} is by {by or 'nobody'}, expected {signers[index]}")
    return problems
