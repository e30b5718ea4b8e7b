"""Epochs of off-chain work: the contract, trees over what clients owe, and a model of who holds what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from contract_stage import Contract, Done
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from exchange_stage import Stage

from qcrs.circuits.merkle import MerkleTree

EPOCH = "Epoch(uint64 number,uint32 era,bytes32 root,bytes32 results)"
DEBT = "Debt(address client,address provider,uint128 cumulative)"
EXIT_DELAY_S = 7 * 86_400

Debt = tuple[str, str, int]
"""Client, provider, what the one owes the other in all."""


def leaf(debt: Debt) -> bytes:
    return keccak(encode(["bytes32", "address", "address", "uint128"], [keccak(text=DEBT), *debt]))


@dataclass
class Epochs:
    """The contract, and the trees that were posted."""

    stage: Stage
    contract: Contract
    posted: list[tuple[list[Debt], MerkleTree]] = field(default_factory=list)

    @classmethod
    def on(cls, stage: Stage) -> Epochs:
        contract = stage.deploy("EpochSettlement", stage.credit.address, stage.quorum.address)
        for client in stage.who.clients:
            stage.credit.send("approve", contract.address, 2**256 - 1, by=client)
        return cls(stage, contract)

    def digest(self, epoch: tuple[Any, ...]) -> bytes:
        domain = self.stage.domain(self.contract, "QCRS EpochSettlement")
        body = keccak(
            encode(["bytes32", "uint64", "uint32", "bytes32", "bytes32"], [keccak(text=EPOCH), *epoch])
        )
        return keccak(b"\x19\x01" + domain + body)

    def epoch(self, root: bytes, results: Sequence[bytes] = (), number: int | None = None) -> tuple[Any, ...]:
        expected = self.contract.read("epochCount") + 1
        return (number or expected, self.stage.era, root, keccak(b"".join(results)))

    def send(self, epoch: tuple[Any, ...], results: Sequence[bytes] = (), who: Any = None) -> Done:
        signed = self.stage.sign(self.digest(epoch), who)
        return self.contract.send("commitEpoch", epoch, list(results), *signed, by=self.stage.who.stranger)

    def post(self, debts: Sequence[Debt], results: Sequence[bytes] = ()) -> Done:
        tree = MerkleTree([leaf(debt) for debt in debts])
        done = self.send(self.epoch(tree.root, results), results)
        self.posted.append((list(debts), tree))
        return done

    def claim(self, index: int, epoch: int = 0, by: str | None = None) -> Done:
        """By place in an epoch's list; the last one's by default."""
        number = epoch or len(self.posted)
        debts, tree = self.posted[number - 1]
        arguments = (number, *debts[index], index, tree.proof(index))
        return self.contract.send("claim", *arguments, by=by or self.stage.who.stranger)


@dataclass
class Books:
    """Who holds what, as the interface has it."""

    escrows: Counter[str] = field(default_factory=Counter)
    claimed: Counter[tuple[str, str]] = field(default_factory=Counter)
    collected: Counter[tuple[str, str]] = field(default_factory=Counter)
    leaving: dict[str, int] = field(default_factory=dict)

    @property
    def held(self) -> int:
        return self.escrows.total() + self.claimed.total() - self.collected.total()

    def claim(self, debt: Debt) -> int:
        client, provider, cumulative = debt
        due = min(cumulative - self.claimed[client, provider], self.escrows[client])
        if due > 0:
            self.escrows[client] -= due
            self.claimed[client, provider] += due
        return max(due, 0)
