"""Arguments of the coordinator's functions with good defaults, and the reference of its hashes and trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

ZERO = b"\x00" * 32
TERMS_TYPE = "(uint32,uint32,bytes32,uint24,uint32,uint40,uint96,uint96,uint96)"
REQUEST_TYPE = "(uint64,uint8,bytes32,uint32[],uint32[],uint16[],uint32,uint8,uint32,uint96,uint96)"
RECORD_TYPE = "(uint32,bytes32,bytes32,uint32,uint32,uint96,uint96,uint40)"
CORRECTION_TYPE = "(bytes32,uint16,uint32,bytes32,bytes32,uint64,uint64,uint64)"


@dataclass(frozen=True, slots=True)
class Terms:
    """`ChannelTerms`."""

    deadline: int
    processor_a: int = 1
    processor_b: int = 2
    path_hash: bytes = b"\x11" * 32
    min_fidelity: int = 900_000
    pair_rate: int = 27_000
    pair_price: int = 10
    deposit: int = 1_000_000
    end_bond: int = 100_000

    @property
    def word(self) -> tuple[Any, ...]:
        return (
            self.processor_a, self.processor_b, self.path_hash, self.min_fidelity, self.pair_rate,
            self.deadline, self.pair_price, self.deposit, self.end_bond,
        )  # fmt: skip

    def hash(self, opener: str) -> bytes:
        return keccak(encode([TERMS_TYPE, "address"], [self.word, opener]))


@dataclass(frozen=True, slots=True)
class Seen:
    """`Attestation`."""

    epoch: int = 1
    root: bytes = b"\x22" * 32
    rounds: int = 200
    qber_x: int = 20_000
    qber_z: int = 10_000
    fidelity: int = 960_000
    pairs: int = 1_000

    @property
    def word(self) -> tuple[Any, ...]:
        return (self.epoch, self.root, self.rounds, self.qber_x, self.qber_z, self.fidelity, self.pairs)


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """`EpochRecord`, as the event gives it."""

    epoch: int
    root_a: bytes
    root_b: bytes
    rounds_a: int
    rounds_b: int
    paid_a: int
    paid_b: int
    until: int

    @property
    def word(self) -> tuple[Any, ...]:
        return (
            self.epoch, self.root_a, self.root_b, self.rounds_a, self.rounds_b,
            self.paid_a, self.paid_b, self.until,
        )  # fmt: skip

    def hash(self) -> bytes:
        return keccak(encode([RECORD_TYPE], [self.word]))

    @classmethod
    def of(cls, event: Any) -> EpochRecord:
        r = event["record"]
        return cls(
            r["epoch"], r["rootA"], r["rootB"], r["testRoundsA"], r["testRoundsB"],
            r["paidA"], r["paidB"], r["disputableUntil"],
        )  # fmt: skip

    def after(self, *, a: bool, b: bool) -> EpochRecord:
        """The record when the named ends have given their pay back."""
        return replace(self, paid_a=0 if a else self.paid_a, paid_b=0 if b else self.paid_b)


@dataclass(frozen=True, slots=True)
class Request:
    """`SessionRequest`."""

    job: int = 7
    attempt: int = 0
    plan_hash: bytes = b"\x33" * 32
    parties: tuple[int, ...] = (1, 2)
    channels: tuple[int, ...] = (1,)
    ebits: tuple[int, ...] = (2,)
    shots: int = 1_000
    epochs: int = 1
    plan_s: int = 600
    fee: int = 5_000
    stake: int = 20_000

    @property
    def word(self) -> tuple[Any, ...]:
        return (
            self.job, self.attempt, self.plan_hash, list(self.parties), list(self.channels),
            list(self.ebits), self.shots, self.epochs, self.plan_s, self.fee, self.stake,
        )  # fmt: skip

    def digest(self, client: str) -> bytes:
        return keccak(encode([REQUEST_TYPE, "address"], [self.word, client]))


@dataclass(frozen=True, slots=True)
class Correction:
    """`CorrectionRecord`."""

    family: bytes = b"rotated_surface".ljust(32, b"\x00")
    distance: int = 5
    rounds: int = 5
    code_hash: bytes = b"\x44" * 32
    syndrome_root: bytes = b"\x55" * 32
    shots: int = 20_000
    failures: int = 113
    logical_error: int = 1_130_000_000

    @property
    def word(self) -> tuple[Any, ...]:
        return (
            self.family, self.distance, self.rounds, self.code_hash, self.syndrome_root,
            self.shots, self.failures, self.logical_error,
        )  # fmt: skip

    def hash(self) -> bytes:
        return keccak(encode([CORRECTION_TYPE], [self.word]))


def next_trail(trail: bytes, barrier: int, processor: int, commitment: bytes) -> bytes:
    """One step of a session's trail."""
    return keccak(encode(["bytes32", "uint8", "uint32", "bytes32"], [trail, barrier, processor, commitment]))


@dataclass(frozen=True, slots=True)
class Tree:
    """The Merkle tree of one end's test rounds: (basis, outcome of A, outcome of B) each."""

    channel: int
    epoch: int
    rounds: tuple[tuple[int, int, int], ...]

    def leaf(self, index: int) -> bytes:
        basis, a, b = self.rounds[index]
        head = b"".join(n.to_bytes(4, "big") for n in (self.channel, self.epoch, index))
        return keccak(head + bytes([basis, a, b]))

    def levels(self) -> list[list[bytes]]:
        level = [self.leaf(i) for i in range(len(self.rounds))]
        width = 1
        while width < len(level):
            width *= 2
        level += [ZERO] * (width - len(level))
        found = [level]
        while len(level) > 1:
            level = [keccak(level[i] + level[i + 1]) for i in range(0, len(level), 2)]
            found.append(level)
        return found

    @property
    def root(self) -> bytes:
        return self.levels()[-1][0]

    def proof(self, index: int) -> list[bytes]:
        return [level[(index >> depth) ^ 1] for depth, level in enumerate(self.levels()[:-1])]

    def round(self, index: int) -> tuple[int, int, int, int]:
        """`TestRound`."""
        return (index, *self.rounds[index])


def rounds_of(count: int, flips: Sequence[int] = ()) -> tuple[tuple[int, int, int], ...]:
    """`count` test rounds in alternating bases that agree but at `flips`."""
    return tuple((0 if i % 2 else 2, i % 3 % 2, i % 3 % 2 ^ (i in flips)) for i in range(count))
