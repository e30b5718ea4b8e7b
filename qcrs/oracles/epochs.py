"""Epochs of work that is settled off the chain: propose a document, check others', sign, post its root.

Once `every` seconds, if clients have approved anything new, the oracle whose rank it is stores the epoch's
document and mails its content id with a signature. Every oracle signs what follows from the last epoch by
approvals that it holds itself (`qcrs.client.debts.check_debts`). Whoever sees 2f + 1 signatures posts, by
rank. Where nothing new was approved there is no epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from qcrs.chain.bindings import Epoch
from qcrs.client.debts import Debt, EpochDocument, Purse, check_debts, epoch_digest, epoch_topic, fold_debts
from qcrs.client.fields import Reader
from qcrs.client.participant import Participant
from qcrs.client.quorum import recover
from qcrs.client.settlement import NAME, Settlement
from qcrs.errors import ContractError, InputError, QCRSError
from qcrs.oracles.reports import Waits
from qcrs.oracles.signing import quorum_of, sign_digest
from qcrs.store.mail import MailReader
from qcrs.types import ContentId, Json, cid_to_digest

__all__ = ["EpochPolicy", "Epochs"]

EPOCH_GAS = 600_000
_PASSED_OVER = ("EpochSettlementBadNumber", "OracleQuorumStaleEra")


@dataclass(frozen=True, slots=True)
class EpochPolicy:
    """Seconds of the wall clock: between two epochs, between two looks, and until a proposal is given up."""

    every: float = 60.0
    look: float = 2.0
    patience: float = 20.0


@dataclass(slots=True)
class _Proposal:
    epoch: Epoch
    cid: ContentId
    signatures: dict[int, bytes] = field(default_factory=dict)
    signed_at: float = 0.0
    complete_since: float | None = None
    refused: str = ""


class Epochs:
    """One oracle's side; does nothing where the network has no such contract."""

    def __init__(
        self, party: Participant, policy: EpochPolicy, waits: Waits, note: Callable[..., None]
    ) -> None:
        self._party, self._policy, self._waits, self._note = party, policy, waits, note
        self._settlement: Settlement | None = None
        if NAME in party.network.contracts:
            file = party.home.path("state", f"{party.name}.epochs.db")
            self._settlement = Settlement(party.chain, party.network, party.store, file)
        self._looked = self._since = 0.0
        self._number = 0
        self._reader: MailReader | None = None
        self._proposals: dict[bytes, _Proposal] = {}

    def close(self) -> None:
        """Release the index."""
        if self._settlement is not None:
            self._settlement.close()

    def tick(self) -> None:
        """Every step that can be taken now, once in `look` seconds."""
        now = time.monotonic()
        if self._settlement is None or now - self._looked < self._policy.look:
            return
        self._looked = now + self._policy.patience  # where this fails, it is not tried again at once
        self._settlement.refresh()
        last = self._settlement.last()
        number, debts = (0, ()) if last is None else (last.number, last.debts)
        if number + 1 != self._number:
            self._number, self._since, self._reader, self._proposals = number + 1, now, None, {}
        self._collect()
        for proposal in self._proposals.values():
            if self._index not in proposal.signatures and not proposal.refused:
                self._consider(self._settlement, proposal, debts)
        self._propose(self._settlement, debts)
        self._relay(self._settlement)
        self._looked = now

    @property
    def _signers(self) -> list[str]:
        return [oracle.address for oracle in self._party.oracles(self._party.era)]

    @property
    def _index(self) -> int:
        return self._signers.index(self._party.address)

    @property
    def _rank(self) -> int:
        return (self._number + self._index) % len(self._signers)

    # ----------------------------------------------------------------- mail

    def _collect(self) -> None:
        signers = self._signers
        if self._reader is None:
            self._reader = self._party.mailbox.reader(epoch_topic(self._number), signers)
        for mail in self._reader.poll():
            try:
                epoch, document, signature = _read(self._number, mail.body)
            except InputError:
                continue
            if epoch.era == self._party.era:
                self._add(epoch, document, signers.index(mail.sender), signature)

    def _add(self, epoch: Epoch, document: ContentId, signer: int, signature: bytes) -> _Proposal | None:
        digest = self._digest(epoch)
        if recover(digest, signature) != self._signers[signer]:
            return None
        proposal = self._proposals.setdefault(digest, _Proposal(epoch, document))
        proposal.signatures[signer] = signature
        return proposal

    def _digest(self, epoch: Epoch) -> bytes:
        settlement = self._party.network.contracts[NAME]
        return epoch_digest(epoch, chain_id=self._party.chain.chain_id, settlement=settlement)

    # ----------------------------------------------------------------- steps

    def _purses(self, settlement: Settlement, debts: set[Debt]) -> Callable[[str], Purse]:
        known: dict[str, Purse] = {}

        def purse_of(client: str) -> Purse:
            if client not in known:
                owed = {debt.provider for debt in debts if debt.client == client}
                known[client] = settlement.purse(client, owed)
            return known[client]

        return purse_of

    def _consider(self, settlement: Settlement, proposal: _Proposal, previous: tuple[Debt, ...]) -> None:
        """Sign what follows from the last epoch by approvals that we hold."""
        try:
            document = EpochDocument.from_bytes(self._party.store.get(proposal.cid))
            wanted = (settlement.chain.chain_id, settlement.address, self._number, proposal.epoch.root)
            found = (document.chain_id, document.settlement, document.number, document.tree().root)
            if wanted != found:
                raise InputError("the document is not of this epoch", field="document", value=proposal.cid)
            approvals = set[Debt]().union(
                *(settlement.approvals(client) for client in {debt.client for debt in document.debts})
            )
            purse_of = self._purses(settlement, set(document.debts))
            check_debts(previous, document.debts, approvals, purse_of)
        except QCRSError as error:
            # A blob or mail that is not there yet may come: refuse when its time is over.
            if time.monotonic() - self._since > self._policy.every + self._policy.patience:
                proposal.refused = error.reason
                self._note("refused an epoch", epoch=self._number, reason=error.reason)
            return
        self._sign(proposal.epoch, proposal.cid)

    def _sign(self, epoch: Epoch, document: ContentId) -> None:
        signature = sign_digest(self._party.account, self._digest(epoch))
        body = _body(epoch, document, signature)
        self._party.mailbox.post(epoch_topic(epoch.number), body, self._party.account)
        proposal = self._add(epoch, document, self._index, signature)
        if proposal is not None:
            proposal.signed_at = time.monotonic()

    def _propose(self, settlement: Settlement, previous: tuple[Debt, ...]) -> None:
        now = time.monotonic()
        if now - self._since < self._policy.every + self._rank * self._waits.propose:
            return
        if any(now - one.signed_at < self._policy.patience for one in self._proposals.values()):
            return
        approvals = set[Debt]().union(*(settlement.approvals(client) for client in settlement.clients()))
        debts = fold_debts(previous, approvals, self._purses(settlement, {*approvals, *previous}))
        if debts == previous:
            return
        document = EpochDocument(settlement.chain.chain_id, settlement.address, self._number, debts)
        cid = self._party.store.put(document.as_bytes())
        epoch = Epoch(self._number, self._party.era, document.tree().root, cid_to_digest(cid))
        self._sign(epoch, cid)
        self._note("proposed an epoch", epoch=self._number, debts=len(debts))

    def _relay(self, settlement: Settlement) -> None:
        now, count = time.monotonic(), len(self._signers)
        for proposal in self._proposals.values():
            epoch, quorum = proposal.epoch, quorum_of(proposal.signatures, count)
            if quorum is None or epoch.era != self._party.era:
                continue
            proposal.complete_since = proposal.complete_since or now
            if now - proposal.complete_since < self._rank * self._waits.relay:
                continue
            call = settlement.contract.commit_epoch(epoch, (), *quorum)
            key = f"epoch/{epoch.number}/{epoch.era}/{epoch.root.hex()}"
            if self._party.outbox.entry(key) is not None:
                continue
            try:
                self._party.post(key, call, EPOCH_GAS)
            except ContractError as error:
                if error.name not in _PASSED_OVER:  # somebody else's was first, or the era is over
                    raise
                continue
            self._note("posted an epoch", epoch=epoch.number)
            return


def _body(epoch: Epoch, document: ContentId, signature: bytes) -> dict[str, Json]:
    return {
        "era": epoch.era,
        "root": epoch.root.hex(),
        "document": document,
        "signature": signature.hex(),
    }


def _read(number: int, body: dict[str, Json]) -> tuple[Epoch, ContentId, bytes]:
    """What a mail in the topic of this epoch proposes; `InputError` where it is malformed."""
    read = Reader(body, None)
    era, root = read.integer("era", 1, 2**32 - 1), read.hex("root", 32, 32)
    document, signature = ContentId(read.text("document")), read.hex("signature", 64, 64)
    read.close()
    return Epoch(number, era, root, cid_to_digest(document)), document, signature
