"""What clients owe providers for work off the chain: approvals by mail, one document an epoch, its tree.

An *approval* is a mail of the client: what it owes one provider in all, a sum that only grows. An epoch's
document lists one debt for each pair and names the mail that justifies it; its content id is what oracles
sign as `results`, so every claim follows from the chain and the store alone. All rules here are pure.

Source: NatSpec of `IEpochSettlement`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from eth_abi.abi import encode

from qcrs.chain.bindings import Epoch
from qcrs.circuits.merkle import MerkleTree
from qcrs.client.fields import Reader, address_text
from qcrs.client.quorum import typed_digest
from qcrs.errors import InputError, VerificationError
from qcrs.sealing import keccak256
from qcrs.types import ContentId, Json, canonical_json, cid_to_digest, parse_canonical

__all__ = [
    "MOST_DEBTS",
    "Debt",
    "EpochDocument",
    "Purse",
    "approval_body",
    "approval_topic",
    "check_debts",
    "epoch_digest",
    "epoch_topic",
    "fold_debts",
    "read_approval",
]

MOST_DEBTS = 4096
"""Pairs in one epoch's document."""

_MOST = (1 << 128) - 1
_EPOCH = keccak256(b"Epoch(uint64 number,uint32 era,bytes32 root,bytes32 results)")
_DEBT = keccak256(b"Debt(address client,address provider,uint128 cumulative)")


def approval_topic(client: str) -> str:
    """Where a client mails its approvals."""
    return f"debt/{client[2:].lower()}"


def epoch_topic(number: int) -> str:
    """Where oracles mail documents and signatures of an epoch."""
    return f"epoch/{number}"


@dataclass(frozen=True, slots=True, order=True)
class Debt:
    """What a client owes a provider in all, in base units, and the mail that says so."""

    client: str
    provider: str
    cumulative: int
    mail: ContentId

    def __post_init__(self) -> None:
        if not 0 < self.cumulative <= _MOST:
            raise InputError("a debt is a sum above 0", field="cumulative", value=self.cumulative)

    @property
    def pair(self) -> tuple[str, str]:
        """Client and provider."""
        return self.client, self.provider

    @property
    def leaf(self) -> bytes:
        """As the contract hashes it."""
        values = [_DEBT, self.client, self.provider, self.cumulative]
        return keccak256(encode(["bytes32", "address", "address", "uint128"], values))


@dataclass(frozen=True, slots=True)
class Purse:
    """What a client can pay: its escrow, whether it leaves, and what each provider has claimed."""

    escrow: int
    leaving: bool = False
    claimed: Mapping[str, int] = field(default_factory=dict)

    def affords(self, debts: Iterable[Debt]) -> bool:
        """Whether the escrow holds all that is not claimed yet."""
        return sum(max(0, d.cumulative - self.claimed.get(d.provider, 0)) for d in debts) <= self.escrow


# ----------------------------------------------------------------- approvals


def approval_body(provider: str, cumulative: int, *, chain_id: int, settlement: str) -> dict[str, Json]:
    """The mail's body; it holds for one contract of one chain."""
    return {
        "chain_id": chain_id,
        "settlement": settlement,
        "provider": provider,
        "cumulative": str(cumulative),
    }


def read_approval(
    client: str, body: dict[str, Json], mail: ContentId, *, chain_id: int, settlement: str
) -> Debt:
    """The debt that a client's mail states; `InputError` where it is malformed or for another contract."""
    read = Reader(body, None)
    place = (read.integer("chain_id", 0, 2**256), read.text("settlement"))
    provider, cumulative = address_text(read.text("provider"), "provider"), read.text("cumulative")
    read.close()
    if place != (chain_id, settlement):
        raise InputError("the approval is for another contract", field="settlement", value=place[1][:80])
    return Debt(client, provider, _number(cumulative), mail)


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 39 or str(int(text)) != text:
        raise InputError("a sum is decimal digits", field="cumulative", value=text[:80])
    return int(text)


# ----------------------------------------------------------------- the document of an epoch


@dataclass(frozen=True, slots=True)
class EpochDocument:
    """All debts of an epoch, in order of client and provider."""

    chain_id: int
    settlement: str
    number: int
    debts: tuple[Debt, ...]

    def __post_init__(self) -> None:
        pairs = [debt.pair for debt in self.debts]
        if not 1 <= len(pairs) <= MOST_DEBTS or pairs != sorted(set(pairs)):
            raise InputError(
                f"an epoch lists 1 to {MOST_DEBTS} pairs in order, each once", field="debts", value=len(pairs)
            )

    def as_bytes(self) -> bytes:
        """Its canonical bytes."""
        return canonical_json(
            {
                "qcrs": "epoch/1",
                "chain_id": self.chain_id,
                "settlement": self.settlement,
                "number": self.number,
                "debts": [
                    {
                        "client": d.client,
                        "provider": d.provider,
                        "cumulative": str(d.cumulative),
                        "mail": d.mail,
                    }
                    for d in self.debts
                ],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> EpochDocument:
        """From its bytes; `InputError` where they are malformed."""
        read = Reader(parse_canonical(data), "epoch/1")
        chain_id, settlement = read.integer("chain_id", 0, 2**256), read.text("settlement")
        number, debts = read.integer("number", 1, 2**64 - 1), []
        for item in read.tables("debts", MOST_DEBTS):
            one = Reader(item, None, "debts")
            client, provider = (address_text(one.text(name), name) for name in ("client", "provider"))
            cumulative, mail = _number(one.text("cumulative")), one.text("mail")
            one.close()
            cid_to_digest(mail)
            debts.append(Debt(client, provider, cumulative, ContentId(mail)))
        read.close()
        return cls(chain_id, settlement, number, tuple(debts))

    def tree(self) -> MerkleTree:
        """Over the debts' leaves in their order."""
        return MerkleTree([debt.leaf for debt in self.debts])


def epoch_digest(epoch: Epoch, *, chain_id: int, settlement: str) -> bytes:
    """What oracles sign for an epoch."""
    struct = encode(["bytes32", "uint64", "uint32", "bytes32", "bytes32"], [_EPOCH, *epoch.to_abi()])
    return typed_digest(b"QCRS EpochSettlement", chain_id, settlement, keccak256(struct))


# ----------------------------------------------------------------- the oracles' rule


def fold_debts(
    previous: Sequence[Debt], approvals: Iterable[Debt], purse_of: Callable[[str], Purse]
) -> tuple[Debt, ...]:
    """The debts of the next epoch: of each pair the largest sum that its client approved.

    A client that leaves, or has approved more than its escrow holds, owes what it owed before.
    """
    before = {debt.pair: debt for debt in previous}
    best = dict(before)
    for debt in sorted(approvals):
        if debt.pair not in best or debt.cumulative > best[debt.pair].cumulative:
            best[debt.pair] = debt
    debts: list[Debt] = []
    for client, group in groupby(sorted(best.values()), key=lambda debt: debt.client):
        owed = list(group)
        old = [before[debt.pair] for debt in owed if debt.pair in before]
        debts += owed if owed == old or _can_pay(purse_of(client), owed) else old
    return tuple(debts)


def _can_pay(purse: Purse, debts: Iterable[Debt]) -> bool:
    return not purse.leaving and purse.affords(debts)


def check_debts(
    previous: Sequence[Debt],
    proposed: Sequence[Debt],
    approvals: Collection[Debt],
    purse_of: Callable[[str], Purse],
) -> None:
    """That an oracle may sign these debts after the previous ones; `VerificationError` says why not."""
    before = {debt.pair: debt for debt in previous}
    after = {debt.pair: debt for debt in proposed}
    for pair, debt in before.items():
        if pair not in after or after[pair].cumulative < debt.cumulative:
            raise VerificationError("a debt was dropped or lowered", field="debts", value=pair)
    changed = {debt.client for debt in proposed if before.get(debt.pair) != debt}
    for debt in proposed:
        if before.get(debt.pair) != debt and debt not in approvals:
            raise VerificationError("a debt that its client did not approve", field="debts", value=debt.pair)
    for client in sorted(changed):
        if not _can_pay(purse_of(client), [debt for debt in proposed if debt.client == client]):
            raise VerificationError("a client that cannot pay", field="client", value=client)
