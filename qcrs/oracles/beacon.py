"""The beacon of an execution: the hash of a later block, and every oracle's unique proof on it.

Nobody knows it when the provider commits; a producer of one block cannot choose it; an oracle can only
withhold its proof, and is then left out by those who waited for it in vain.

Each oracle gives its share only once 2f + 1 oracles, itself among them, have said that the result has been
opened to them: a provider that knew shares before it hands over would hand over what is not drawn. So whoever
asks for `ready` holds the result (`Dossier.opened`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from qcrs.client.fields import Reader
from qcrs.client.history import Execution, Job
from qcrs.client.participant import Participant
from qcrs.client.quorum import threshold_of
from qcrs.client.sealed import beacon_topic, opened_topic
from qcrs.errors import InputError
from qcrs.oracles.identity import OracleKeys
from qcrs.oracles.ledger import Ledger
from qcrs.sealing import MAX_PROOF_BYTES, beacon_message, verify_proof
from qcrs.store.mail import MailReader

__all__ = ["BeaconView"]


@dataclass(slots=True)
class BeaconView:
    """What one oracle knows of one beacon.

    `patience`: seconds that missing proofs are waited for once 2f + 1 have come. Until then the others may
    still wait for the result, which is not opened to all at the same time, so they are waited for as long as
    they wait themselves.
    """

    party: Participant
    keys: OracleKeys
    ledger: Ledger
    job: Job
    execution: Execution
    patience: float
    block_hash: bytes = b""
    proofs: dict[int, bytes] = field(default_factory=dict)
    _since: float = 0.0
    _holders: set[str] = field(default_factory=set)
    _said: MailReader | None = None
    _reader: MailReader | None = None
    _place: int | None = None

    @property
    def message(self) -> bytes:
        """What every oracle proves."""
        return beacon_message(
            chain_id=self.party.chain.chain_id,
            verifier=self.party.contracts.verifier.address,
            job=self.job.id,
            execution=self.execution.index,
            block_hash=self.block_hash,
        )

    @property
    def block(self) -> int:
        """Number of the block whose hash counts."""
        return self.execution.committed_block + self.party.network.beacon_blocks

    def begun(self) -> bool:
        """Whether the block is there; nobody learns our share yet."""
        if not self.block_hash:
            deep_enough = self.party.index.cursor >= self.block
            self.block_hash = (self.party.chain.block_hash(self.block) if deep_enough else None) or b""
        return bool(self.block_hash)

    def ready(self) -> bool:
        """Say that we hold the result, and once enough do, mail our proof when the block is there.

        True once all proofs are there, or their time is over and all mail has been looked at that lay there
        when it ended.
        """
        if not self._held() or not self.begun():
            return False
        if self._reader is None:
            self._since = time.monotonic()
            self._mail()
        identities = self.party.oracles(self.party.era)
        self._collect()
        if len(self.proofs) == len(identities):
            return True
        enough = len(self.proofs) >= threshold_of(len(identities))
        patience = self.patience if enough else self.patience + self.party.network.handover_seconds
        if self._reader is None or time.monotonic() - self._since <= patience:
            return False
        if self._place is None:
            self._place = self._reader.listed
        return self._reader.past(self._place)

    def _held(self) -> bool:
        """Whether 2f + 1 oracles say that the result has been opened to them."""
        senders = [oracle.address for oracle in self.party.oracles(self.party.era)]
        if self._said is None:
            topic = opened_topic(self.job.id, self.execution.index)
            self.party.mailbox.post(topic, {"opened": True}, self.party.account)
            self._said = self.party.mailbox.reader(topic, senders)
        if len(self._holders) < threshold_of(len(senders)):
            self._holders.update(mail.sender for mail in self._said.poll())
        return len(self._holders) >= threshold_of(len(senders))

    def _mail(self) -> None:
        topic = beacon_topic(self.job.id, self.execution.index)
        proof = self.keys.beacon.prove(self.message)
        body = {"block": self.block, "proof": proof.hex()}
        self.party.mailbox.post(topic, body, self.party.account)
        senders = [oracle.address for oracle in self.party.oracles(self.party.era)]
        self._reader = self.party.mailbox.reader(topic, senders)

    def _collect(self) -> None:
        if self._reader is None:
            return
        indices = {oracle.address: i for i, oracle in enumerate(self.party.oracles(self.party.era))}
        for mail in self._reader.poll():
            try:
                text = Reader(mail.body, None)
                proof = text.hex("proof", MAX_PROOF_BYTES)
            except InputError:
                continue
            index = indices.get(mail.sender)
            if index is not None and self.holds(index, proof):
                self.proofs[index] = proof

    def holds(self, index: int, proof: bytes) -> bool:
        """Whether this is the proof of the oracle with this index."""
        identities = self.party.oracles(self.party.era)
        if not 0 <= index < len(identities) or not self.block_hash:
            return False
        return verify_proof(identities[index].beacon, self.message, proof)
