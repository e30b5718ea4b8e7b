"""The trail: one word per job that binds every step of its life.

`trail₀ = bytes32(job)`, and each step makes it `keccak(trail ‖ step ‖ data)` with
`step = kind << 248 | execution << 240 | time`. Anyone who holds the events can chain it again and
compare with the word on chain.

Source: NatSpec of `IComputationAllocator`, "The trail", and of `IResultVerifier`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from eth_abi.abi import encode

from qcrs.circuits.drbg import keccak

__all__ = [
    "StepKind",
    "batch_struct_hash",
    "chain_step",
    "report_struct_hash",
    "start",
    "submitted_data",
    "word",
]

_REPORT_TEXT = (
    b"Report(uint64 job,uint8 execution,uint8 round,uint8 outcome,uint8 flags,int64 score,int64 threshold,"
    b"bytes32 evidence,uint32 era)"
)
_REPORT_TYPE = keccak(_REPORT_TEXT)
_BATCH_TYPE = keccak(b"Batch(Report[] reports)" + _REPORT_TEXT)
_REQUEST_TYPE = "(uint16,uint32,uint16,uint16,uint8,uint8,uint8,uint8,uint32,uint40,bytes32)"


class StepKind(IntEnum):
    """What happened to a job."""

    SUBMITTED = 1
    ALLOCATED = 2
    COMMITTED = 3
    JUDGED = 4
    REQUEUED = 5
    ENDED = 6
    CLOSED = 7
    CHALLENGED = 8
    RULED = 9


def word(value: int) -> bytes:
    """A number as 32 big-endian bytes."""
    return value.to_bytes(32, "big")


def start(job: int) -> bytes:
    """The trail before the first step."""
    return word(job)


def chain_step(trail: bytes, kind: StepKind, execution: int, time: int, data: bytes) -> bytes:
    """The trail after one step; `time` is the block's timestamp, `data` has 32 bytes."""
    return keccak(trail + word(kind << 248 | execution << 240 | time) + data)


def submitted_data(client: str, fee: int, tag: int, boosted: bool, request: tuple[int | bytes, ...]) -> bytes:
    """`keccak256(abi.encode(client, feePerExecution, tag, boosted, request))`."""
    return keccak(
        encode(["address", "uint256", "uint40", "bool", _REQUEST_TYPE], [client, fee, tag, boosted, request])
    )


def report_struct_hash(
    *,
    job: int,
    execution: int,
    report_round: int,
    outcome: int,
    flags: int,
    score: int,
    threshold: int,
    evidence: bytes,
    era: int,
) -> bytes:
    """The EIP-712 struct hash of a report, as it enters the trail and as oracles sign it."""
    types = ["bytes32", "uint64", "uint8", "uint8", "uint8", "uint8", "int64", "int64", "bytes32", "uint32"]
    values = [
        _REPORT_TYPE, job, execution, report_round, outcome, flags, score, threshold, evidence, era,
    ]  # fmt: skip
    return keccak(encode(types, values))


def batch_struct_hash(reports: Sequence[bytes]) -> bytes:
    """The EIP-712 struct hash of a batch, from those of its reports in order."""
    return keccak(_BATCH_TYPE + keccak(b"".join(reports)))
