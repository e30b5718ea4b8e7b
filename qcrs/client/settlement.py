"""Settling off the chain, as clients, providers and oracles see it: escrows, epochs, claims.

Source: NatSpec of `IEpochSettlement`; `docs/protocol.md`, "Settling off the chain".
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qcrs.chain.bindings import EpochSettlement
from qcrs.chain.index import EventIndex
from qcrs.client.debts import (
    Debt,
    EpochDocument,
    Purse,
    approval_body,
    approval_topic,
    read_approval,
)
from qcrs.errors import AccountError, ConfigError, InputError, VerificationError
from qcrs.store.mail import Mailbox, MailReader
from qcrs.types import credits_text, digest_to_cid

if TYPE_CHECKING:
    from qcrs.chain.networks import Chain, Receipt
    from qcrs.client.ledger import Ledger
    from qcrs.config.home import NetworkFile
    from qcrs.store.content import ContentStore

__all__ = ["Claimable", "Payer", "Settlement"]

NAME = "EpochSettlement"


@dataclass(frozen=True, slots=True)
class Claimable:
    """One debt to a provider with its place and proof: what was claimed of it, collected of that, and what a
    claim would move now, in base units."""

    epoch: int
    debt: Debt
    index: int
    proof: tuple[bytes, ...]
    claimed: int
    collected: int
    due: int


class Settlement:
    """The contract and what was mailed around it. Not thread-safe."""

    def __init__(self, chain: Chain, network: NetworkFile, store: ContentStore, index: Path) -> None:
        """`index` is a file of this reader's own."""
        if NAME not in network.contracts:
            raise ConfigError(
                "the network names no address of a contract",
                field="contracts",
                value=NAME,
                solution="it was deployed before off-chain settlement was there; deploy anew to use it",
            )
        self.chain, self.store = chain, store
        self.address = network.contracts[NAME]
        self.contract = EpochSettlement(chain, self.address)
        self.mailbox = Mailbox(store)
        self._index = EventIndex(index, chain, {NAME: self.address}, confirmations=network.confirmations)
        self._last: EpochDocument | None = None
        self._readers: dict[str, MailReader] = {}
        self._approvals: dict[str, set[Debt]] = {}

    def close(self) -> None:
        """Release the index."""
        self._index.close()

    # ----------------------------------------------------------------- epochs

    def refresh(self) -> None:
        """Read new blocks."""
        self._index.advance()

    def clients(self) -> list[str]:
        """Everybody who was ever given an escrow, in order."""
        return sorted({str(row.args["client"]) for row in self._index.events(name="Funded")})

    def last(self) -> EpochDocument | None:
        """The last epoch's document; `VerificationError` where it is not what was signed."""
        rows = self._index.events(name="EpochCommitted")
        if not rows:
            return None
        number = int(rows[-1].args["epoch"])
        root, results = (bytes.fromhex(rows[-1].args[name][2:]) for name in ("root", "results"))
        known = self._last
        if known is not None and known.number == number and known.tree().root == root:
            return known
        document = EpochDocument.from_bytes(self.store.get(digest_to_cid(results)))
        place = (document.chain_id, document.settlement, document.number)
        if place != (self.chain.chain_id, self.address, number) or document.tree().root != root:
            raise VerificationError("an epoch's document is not what was signed", field="epoch", value=number)
        self._last = document
        return document

    def approvals(self, client: str) -> set[Debt]:
        """All debts that a client has approved so far."""
        topic = approval_topic(client)
        reader = self._readers.setdefault(client, self.mailbox.reader(topic, [client]))
        found = self._approvals.setdefault(client, set())
        for mail in reader.poll():
            try:
                found.add(
                    read_approval(
                        client, mail.body, mail.cid, chain_id=self.chain.chain_id, settlement=self.address
                    )
                )
            except InputError:
                continue
        return found

    def purse(self, client: str, providers: set[str]) -> Purse:
        """What a client can pay, given whom it owes."""
        escrow, leaves = self.contract.escrow_of(client)
        claimed = {provider: self.contract.claimed_of(client, provider)[0] for provider in providers}
        return Purse(escrow, bool(leaves), claimed)

    def claimable(self, provider: str) -> list[Claimable]:
        """What the last epoch says is owed to a provider."""
        document = self.last()
        if document is None:
            return []
        tree, found = document.tree(), []
        for index, debt in enumerate(document.debts):
            if debt.provider == provider:
                claimed, collected = self.contract.claimed_of(debt.client, provider)
                escrow = self.contract.escrow_of(debt.client)[0]
                due = max(0, min(debt.cumulative - claimed, escrow))
                proof = tuple(tree.proof(index))
                found.append(Claimable(document.number, debt, index, proof, claimed, collected, due))
        return found


class Payer:
    """One account's side: it funds, approves, leaves, claims. Every transaction goes through its outbox."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        genesis = (ledger.chain.block_hash(0) or b"").hex()[:8]
        file = ledger.home.path("client", "epochs", f"{ledger.chain.chain_id}-{genesis}.sqlite")
        self.settlement = Settlement(ledger.chain, ledger.network, ledger.store, file)
        self.settlement.refresh()

    def close(self) -> None:
        """Release the index."""
        self.settlement.close()

    def owed(self) -> dict[str, int]:
        """What this client has approved so far, by provider."""
        best: dict[str, int] = {}
        for debt in self.settlement.approvals(self._ledger.address):
            best[debt.provider] = max(best.get(debt.provider, 0), debt.cumulative)
        return best

    def fund(self, amount: int) -> Receipt:
        """Move credit tokens into this account's escrow."""
        held = self._ledger.credit()
        if amount <= 0 or amount > held:
            raise AccountError(
                f"{credits_text(held)} credits can be moved at most",
                field="amount",
                value=credits_text(amount),
                solution="give a positive amount, or withdraw credit from the ledger first",
            )
        key, contract = secrets.token_hex(8), self.settlement.contract
        self._ledger.post(f"escrow/{key}/a", self._ledger.contracts.credit.approve(contract.address, amount))
        return self._ledger.post(f"escrow/{key}/b", contract.fund(self._ledger.address, amount))

    def approve(self, provider: str, amount: int) -> int:
        """Owe a provider that much more; the sum owed to it in all. `AccountError` above the escrow."""
        settlement, client = self.settlement, self._ledger.address
        owed = self.owed()
        wanted = {**owed, provider: owed.get(provider, 0) + amount}
        purse = settlement.purse(client, set(wanted))
        left = purse.escrow - sum(max(0, sum_ - purse.claimed.get(who, 0)) for who, sum_ in owed.items())
        if amount <= 0 or purse.leaving or amount > left:
            raise AccountError(
                "this account is leaving" if purse.leaving else f"{credits_text(left)} credits are free",
                field="amount",
                value=credits_text(amount),
                solution="give a positive amount, and move more credit into the escrow first if it is short",
            )
        body = approval_body(
            provider, wanted[provider], chain_id=settlement.chain.chain_id, settlement=settlement.address
        )
        settlement.mailbox.post(approval_topic(client), body, self._ledger.account)
        return wanted[provider]

    def start_exit(self) -> Receipt:
        """Announce that this account leaves."""
        return self._ledger.post(
            f"escrow/leave/{secrets.token_hex(8)}", self.settlement.contract.start_exit()
        )

    def exit(self) -> Receipt:
        """Take the rest of the escrow, after the delay."""
        return self._ledger.post(f"escrow/exit/{secrets.token_hex(8)}", self.settlement.contract.exit())

    def claim(self) -> int:
        """Claim all that the last epoch says is due, and collect it; base units that came in."""
        contract, provider = self.settlement.contract, self._ledger.address
        clients = []
        for one in self.settlement.claimable(provider):
            debt = one.debt
            if one.due:
                call = contract.claim(one.epoch, debt.client, provider, debt.cumulative, one.index, one.proof)
                self._ledger.post(f"claim/{one.epoch}/{debt.client}/{one.claimed}", call)
            if one.due or one.claimed > one.collected:
                clients.append(debt.client)
        if not clients:
            return 0
        before = self._ledger.credit()
        call = contract.collect(tuple(clients), provider)
        self._ledger.post(f"collect/{secrets.token_hex(8)}", call)
        return self._ledger.credit() - before
