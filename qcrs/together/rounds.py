"""What one end of a channel knows of an epoch, and what it attests of it: rates, counts, a Merkle root.

Both ends remember every test round with both bits (the bit of the other end rides in its TRACK) and every
pair that they delivered. Before they attest they tell each other which rounds they counted, so that position
i of both trees is the same round; what was measured in it each end takes from its own record. A leaf is that
of `IEntanglementBase.leafHash`, the tree that of `IndexedMerkle`.

Of a Bell-diagonal state the error rates by axis are all: F = 1 − (e_x + e_y + e_z) / 2.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from qcrs.chain.bindings import Attestation, TestRound
from qcrs.circuits.drbg import keccak
from qcrs.circuits.merkle import MerkleTree
from qcrs.errors import InputError
from qcrs.types import Json, whole

__all__ = ["PPM", "EndRecord", "Round", "agreed", "attestation", "leaf_of", "opened", "rates", "tree"]

PPM = 1_000_000
KIND = "rounds/1"
Ids = tuple[int, int]
"""Sequences that the first and the last link of a channel gave to a pair: (head's, tail's)."""


@dataclass(frozen=True, slots=True, order=True)
class Round:
    """A test round as one end saw it: who it was, the axis (0 X, 1 Y, 2 Z), both bits.

    The tail's bit is turned where the pair's Bell state asks for it, so equal bits are right on every axis.
    """

    ids: Ids
    axis: int
    head: int
    tail: int

    @classmethod
    def seen(cls, ids: Ids, axis: int, bell: int, head: int, tail: int) -> Round:
        """From raw bits and the pair's Bell index 2·x + z."""
        x, z = bell >> 1 & 1, bell & 1
        return cls(ids, axis, head, tail ^ (z, x ^ z ^ 1, x)[axis])


@dataclass(frozen=True, slots=True)
class EndRecord:
    """Test rounds and delivered pairs of one end in one epoch, in the order of their identities."""

    end: int
    """0 head, 1 tail: the ends of the channel on chain."""
    rounds: tuple[Round, ...]
    pairs: tuple[Ids, ...]

    def __post_init__(self) -> None:
        if self.end not in (0, 1):
            raise InputError("a channel has the ends 0 and 1", field="end", value=self.end)
        if list(self.rounds) != sorted(set(self.rounds)) or list(self.pairs) != sorted(set(self.pairs)):
            raise InputError("rounds and pairs are sorted and each is there once", field="rounds")

    @property
    def round_ids(self) -> frozenset[Ids]:
        """Which rounds it counted."""
        return frozenset(one.ids for one in self.rounds)

    def as_json(self) -> Json:
        """For the content store."""
        return {
            "qcrs": KIND,
            "end": self.end,
            "rounds": [[*one.ids, one.axis, one.head, one.tail] for one in self.rounds],
            "pairs": [list(one) for one in self.pairs],
        }

    @classmethod
    def from_json(cls, raw: Json) -> EndRecord:
        """`InputError` where the document is none."""
        try:
            if raw["qcrs"] != KIND:
                raise ValueError(raw["qcrs"])
            if set(raw) != {"qcrs", "end", "rounds", "pairs"}:
                raise ValueError("its fields are qcrs, end, rounds and pairs")
            rows = [tuple(map(whole, row)) for row in raw["rounds"]]
            rounds = tuple(Round((a, b), x, h, t) for a, b, x, h, t in rows)
            pairs = tuple((whole(a), whole(b)) for a, b in raw["pairs"])
            end = whole(raw["end"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError("not a record of test rounds", field="record", value=str(error)) from error
        if any(r.axis not in (0, 1, 2) or not {r.head, r.tail} <= {0, 1} for r in rounds):
            raise InputError("an axis is 0, 1 or 2 and a bit 0 or 1", field="rounds")
        found = cls(end, rounds, pairs)
        if found.as_json() != raw:
            raise InputError("not a record of test rounds in its one form", field="record")
        return found


def agreed(own: EndRecord, other: Collection[Ids]) -> tuple[Round, ...]:
    """The end's own rounds, less those that the other end did not count."""
    return tuple(one for one in own.rounds if one.ids in other)


def rates(rounds: Sequence[Round]) -> tuple[float, float, float]:
    """Error rates on X, Y and Z; `InputError` where an axis was never measured."""
    found = []
    for axis, name in enumerate("XYZ"):
        bits = [one.head ^ one.tail for one in rounds if one.axis == axis]
        if not bits:
            raise InputError(
                "an axis was never measured",
                field="rounds",
                value=name,
                solution="run more test rounds (control.test_every and test_count of the topology)",
            )
        found.append(sum(bits) / len(bits))
    return found[0], found[1], found[2]


def leaf_of(channel: int, epoch: int, index: int, one: Round) -> bytes:
    """`IEntanglementBase.leafHash`."""
    packed = channel.to_bytes(4, "big") + epoch.to_bytes(4, "big") + index.to_bytes(4, "big")
    return keccak(packed + bytes((one.axis, one.head, one.tail)))


def tree(channel: int, epoch: int, rounds: Sequence[Round]) -> MerkleTree:
    """The tree over an epoch's rounds."""
    return MerkleTree([leaf_of(channel, epoch, index, one) for index, one in enumerate(rounds)])


def attestation(channel: int, epoch: int, rounds: Sequence[Round], pairs: int) -> Attestation:
    """What an end signs. Without rounds it says that it has nothing of this epoch."""
    if not rounds:
        return Attestation(epoch, bytes(32), 0, 0, 0, 0, 0)
    x, y, z = rates(rounds)
    fidelity = max(0.0, 1 - (x + y + z) / 2)
    return Attestation(
        epoch=epoch,
        root=tree(channel, epoch, rounds).root,
        test_rounds=len(rounds),
        qber_x=round(x * PPM),
        qber_z=round(z * PPM),
        fidelity=int(fidelity * PPM),
        pairs=pairs,
    )


def opened(
    channel: int, epoch: int, rounds: Sequence[Round], index: int
) -> tuple[TestRound, tuple[bytes, ...]]:
    """A round and its proof, as a dispute asks for them."""
    proof = tuple(tree(channel, epoch, rounds).proof(index))
    one = rounds[index]
    return TestRound(index, one.axis, one.head, one.tail), proof
