"""One certification job from start to hand-over: seed, documents, a funded fresh account, submission.

Every step is taken again until it holds: the payload is kept before anything is sent, transactions go through
outboxes, the job is found by its client's address. So a kill at any moment costs time, not money.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qcrs.chain.abi import Call
from qcrs.chain.bindings import JobRequest
from qcrs.chain.outbox import Outbox
from qcrs.client.documents import FramesDocument, SecretDocument
from qcrs.client.history import Job, Processor
from qcrs.client.participant import Participant
from qcrs.client.sealed import certify_topic, seal_job
from qcrs.errors import AccountError
from qcrs.oracles.identity import OracleKeys
from qcrs.oracles.ledger import Ledger
from qcrs.sealing import beacon_message, keccak256
from qcrs.types import Json, canonical_json, parse_canonical

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = ["Campaign", "plan_fields", "suite_seed"]

FRESH_WEI = 5 * 10**16
"""Given to the fresh account for its one transaction."""

SUBMIT_GAS = 500_000
Ask = Callable[[str, Json], Json | None]
"""A question to the sandbox: function and value; None while it is being answered."""


def suite_seed(block_hash: bytes, proof: bytes) -> bytes:
    """The seed of a certification's circuits."""
    return keccak256(b"qcrs/certify/1" + block_hash + proof)


def proof_message(party: Participant, processor: int, epoch: int, block_hash: bytes) -> bytes:
    """What the certifier's beacon key proves."""
    return beacon_message(
        chain_id=party.chain.chain_id,
        verifier=party.contracts.registry.address,
        job=processor,
        execution=epoch,
        block_hash=block_hash,
    )


def plan_fields(party: Participant, processor: Processor, seed: bytes, level: str) -> dict[str, Json]:
    """What a plan follows from, for the child."""
    return {
        "metadata": party.metadata_of(processor.id),
        "claimed_quality": processor.claimed_quality,
        "seed": seed.hex(),
        "level": level,
    }


@dataclass(slots=True)
class Campaign:
    """Our certification of one processor for one epoch."""

    party: Participant
    keys: OracleKeys
    ledger: Ledger
    processor: Processor
    epoch: int
    level: str
    attempt: int
    ask: Ask
    _outbox: Outbox | None = None

    @property
    def _base(self) -> str:
        return f"certify/{self.processor.id}/{self.epoch}/{self.attempt}"

    @property
    def account(self) -> LocalAccount:
        """The client of this campaign's jobs: derived from the oracle's key, used for nothing else."""
        from eth_account import Account

        label = f"qcrs/certify/1/{self.processor.id}/{self.epoch}".encode()
        found: LocalAccount = Account.from_key(keccak256(label + bytes(self.party.account.key)))
        return found

    @property
    def kept(self) -> Json | None:
        """Block, proof and request of this attempt, once they are decided."""
        note = self.ledger.note(self._base)
        return None if note is None else parse_canonical(note)

    def job(self) -> Job | None:
        """The job on chain."""
        kept = self.kept
        if kept is None:
            return None
        jobs = (
            self.party.history.jobs[number] for number in self.party.history.by_client[self.account.address]
        )
        return next((job for job in jobs if job.request.payload.hex() == kept["payload"]), None)

    def advance(self) -> Job | None:
        """Take the next step; the job once it is on chain."""
        found = self.job()
        if found is not None:
            return found
        kept = self.kept or self._prepare()
        if kept is None:
            return None
        request = self._request(kept)
        if self._funded(request):
            self._submit(request)
        return None

    # ----------------------------------------------------------------- documents

    def _prepare(self) -> Json | None:
        """Draw the seed, make and seal the documents, announce and keep the payload."""
        started = self.ledger.note(f"{self._base}/block")
        if started is None:
            started = self.ledger.keep(f"{self._base}/block", str(self.party.index.cursor).encode())
        block = int(started)
        block_hash = self.party.chain.block_hash(block)
        if block_hash is None:
            return None
        proof = self.keys.beacon.prove(proof_message(self.party, self.processor.id, self.epoch, block_hash))
        asked = {
            **plan_fields(self.party, self.processor, suite_seed(block_hash, proof), self.level),
            "frame_seed": keccak256(b"frames" + proof + bytes(self.party.account.key)).hex(),
            "nonce": keccak256(b"nonce" + proof).hex(),
        }
        made = self.ask("qcrs.oracles.capability:documents", asked)
        if made is None:
            return None
        era = self.party.era
        sealed = seal_job(
            FramesDocument.from_json(made["frames"]),
            SecretDocument.from_json(made["secret"]),
            place=self.party.place,
            client=self.account,
            oracles={oracle.address: oracle.hpke for oracle in self.party.oracles(era)},
            era=era,
        )
        for blob in (sealed.frames, sealed.secret, sealed.job):
            self.party.store.put(blob)
        body = {"kind": "plan", "payload": sealed.payload.hex()}
        self.party.mailbox.post(certify_topic(self.processor.id, self.epoch), body, self.party.account)
        grace, margin, _window = self.party.contracts.allocator.times()
        seconds = min(made["seconds"], int(self.party.contracts.allocator.request_bounds()[2]))
        deadline = self.party.chain.now() + 2 * (seconds + grace) + margin + 60
        kept = {
            "block": block,
            "proof": proof.hex(),
            "payload": sealed.payload.hex(),
            "seconds": seconds,
            "deadline": deadline,
        }
        return parse_canonical(self.ledger.keep(self._base, canonical_json(kept)))

    # ----------------------------------------------------------------- money and submission

    def _request(self, kept: Json) -> JobRequest:
        return JobRequest(
            flow=0,
            target=self.processor.id,
            qubits=self.processor.qubits,
            quality=0,
            class_=0,
            redundancy=1,
            max_executions=1,
            trust=int(self.party.contracts.allocator.request_bounds()[0]),
            declared_seconds=kept["seconds"],
            deadline=kept["deadline"],
            payload=bytes.fromhex(kept["payload"]),
        )

    def _funded(self, request: JobRequest) -> bool:
        """Give the fresh account gas money and the escrow, from the oracle's own."""
        allocator, credit = self.party.contracts.allocator, self.party.contracts.credit
        fresh = self.account.address
        if self.party.chain.balance(fresh) < FRESH_WEI // 2:
            gas_money = Call(fresh, b"", FRESH_WEI, "gas money of a certification")
            return self._posted(f"{self._base}/gas", gas_money, 21_000)
        missing = int(allocator.quote(request)[1]) - allocator.balance_of(fresh)
        if missing <= 0:
            return True
        owned = credit.balance_of(self.party.address)
        if owned < missing:
            raise AccountError(
                "the oracle has too little credit to certify a processor",
                field="account",
                value=self.party.address,
                solution=f"it needs {missing} base units and owns {owned}",
            )
        if credit.allowance(self.party.address, allocator.address) < missing:
            # Only the exchange's own ledger may draw, and only when the oracle calls it.
            return self._posted("approve-ledger", credit.approve(allocator.address, 2**255), 100_000)
        return self._posted(f"{self._base}/deposit/{missing}", allocator.deposit(fresh, missing), 250_000)

    def _posted(self, key: str, call: Call, gas: int) -> bool:
        """Send once; always False: the next look sees what came of it."""
        self.party.post(key, call, gas)
        return False

    def _submit(self, request: JobRequest) -> None:
        if self._outbox is None:
            path = self.party.home.path(
                "state", f"{self.party.name}.certify-{self.processor.id}-{self.epoch}.db"
            )
            self._outbox = Outbox(path, self.party.chain, self.account, self.party.network.confirmations)
        self._outbox.pump()
        call = self.party.contracts.allocator.submit(request)
        key = f"submit/{request.payload.hex()}"
        if self._outbox.entry(key) is None:
            self.party.chain.call(call, sender=self.account.address)
        self._outbox.post(key, call, gas=SUBMIT_GAS)

    def close(self) -> None:
        """Release the fresh account's outbox."""
        if self._outbox is not None:
            self._outbox.close()
            self._outbox = None
