"""Certification: one oracle measures a processor by an ordinary job, the others recompute, all sign.

The oracle of rank 0 for (processor, epoch) starts; the next ranks take over when nothing comes of it. Its
job comes from a fresh account that is derived from its key, pays the usual price and names the processor as
target. Mail in `certify/<processor>/<epoch>`:

    {"kind": "plan", "payload"}              before the job is submitted: a job with this payload is ours
    {"kind": "certificate", "job", "block", "proof", "level", "valid_until", "signature"}
                                             afterwards; co-signers mail the same with their own signature

The circuits' seed is keccak(block hash ‖ the certifier's beacon proof on it): the block is younger than the
registration, and the proof is not public before the result is committed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from qcrs.chain.bindings import Capability, Certification
from qcrs.client.fields import Reader
from qcrs.client.history import Execution, Job, Processor
from qcrs.client.journal import Journal
from qcrs.client.participant import Participant
from qcrs.client.quorum import recover
from qcrs.client.sealed import certify_topic
from qcrs.errors import ContractError, InputError, QCRSError, VerificationError
from qcrs.oracles.campaign import Campaign, plan_fields, proof_message, suite_seed
from qcrs.oracles.dossier import Dossier, Missing
from qcrs.oracles.identity import OracleKeys
from qcrs.oracles.ledger import Ledger
from qcrs.oracles.signing import certification_digest, quorum_of, sign_digest
from qcrs.sandbox import GIB, Limits, Sandbox
from qcrs.sealing import MAX_PROOF_BYTES, verify_proof
from qcrs.store.mail import Mail, MailReader
from qcrs.types import Json, canonical_json, cid_of, cid_to_digest, parse_canonical

__all__ = ["Certifier"]

CERTIFY_GAS = 500_000
LOOK_EVERY_S = 0.5
TAKE_OVER_S = 120.0
RETRY_S = 30.0
_LIMITS = Limits(4 * GIB, cpu_seconds=300, wall_seconds=900)


@dataclass(frozen=True, slots=True)
class _Claim:
    """The body of a `certificate` mail: what is signed, and what it follows from."""

    job: int
    block: int
    proof: bytes
    level: str
    certifier: str
    valid_until: int

    @classmethod
    def read(cls, body: dict[str, Json]) -> tuple[_Claim, bytes]:
        """From mail; `InputError` for anything malformed."""
        read = Reader(body, None)
        if read.text("kind") != "certificate":
            raise InputError("not a certificate", field="kind")
        claim = cls(
            job=read.decimal("job", 2**64 - 1),
            block=read.integer("block", 0, 2**62),
            proof=read.hex("proof", MAX_PROOF_BYTES),
            level=read.choice("level", ("quick", "full")),
            certifier=read.text("certifier"),
            valid_until=read.integer("valid_until", 0, 2**40 - 1),
        )
        signature = read.hex("signature", 64, 64)
        read.close()
        return claim, signature

    def body(self, signature: bytes) -> dict[str, Json]:
        """For mail."""
        return {
            "kind": "certificate",
            "job": str(self.job),
            "block": self.block,
            "proof": self.proof.hex(),
            "level": self.level,
            "certifier": self.certifier,
            "valid_until": self.valid_until,
            "signature": signature.hex(),
        }


@dataclass(slots=True)
class _Epoch:
    """What we know of one processor's next certificate."""

    processor: int
    epoch: int
    noticed: float
    reader: MailReader | None = None
    campaign: Campaign | None = None
    retry_at: float = 0.0
    dossiers: dict[int, Dossier] = field(default_factory=dict)
    certifications: dict[_Claim, Certification] = field(default_factory=dict)
    pending: dict[_Claim, dict[str, bytes]] = field(default_factory=dict)
    signatures: dict[_Claim, dict[int, bytes]] = field(default_factory=dict)
    complete_since: float | None = None
    refused: set[_Claim] = field(default_factory=set)


class Certifier:
    """Keeps every processor's certificate alive, together with the other oracles."""

    def __init__(
        self,
        party: Participant,
        keys: OracleKeys,
        ledger: Ledger,
        sandbox: Sandbox,
        level: str,
        journal: Journal,
    ) -> None:
        self._party = party
        self._keys = keys
        self._ledger = ledger
        self._sandbox = sandbox
        self._level = level
        self._journal = journal
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="suite")
        self._asked: dict[bytes, Future[Json]] = {}
        self._epochs: dict[int, _Epoch] = {}
        self._plans: dict[bytes, str] = {}
        self._life = int(party.contracts.registry.certificate_life())
        self._looked = 0.0

    # ----------------------------------------------------------------- what judges ask

    def announced(self, job: int) -> bool:
        """Whether an oracle announced this job as a certification of its target."""
        entry = self._party.history.jobs[job]
        processor = entry.request.target
        if not processor:
            return False
        if entry.request.payload not in self._plans:
            epoch = self._epochs.get(processor)
            for number in {epoch.epoch if epoch else 0, self._party.history.processors[processor].epoch}:
                topic = certify_topic(processor, number)
                self._read_plans(self._party.mailbox.read(topic, self._signers))
        return entry.request.payload in self._plans

    def _read_plans(self, mails: Iterable[Mail]) -> None:
        for mail in mails:
            payload = mail.body.get("payload")
            if mail.body.get("kind") == "plan" and isinstance(payload, str):
                try:
                    self._plans.setdefault(bytes.fromhex(payload), mail.sender)
                except ValueError:
                    continue

    @property
    def _signers(self) -> list[str]:
        return [oracle.address for oracle in self._party.oracles(self._party.era)]

    # ----------------------------------------------------------------- the loop

    def tick(self) -> None:
        """Look at every processor whose certificate is missing or ends soon."""
        if time.monotonic() - self._looked < LOOK_EVERY_S:
            return
        self._looked = time.monotonic()
        now = self._party.chain.now()
        for processor in list(self._party.history.processors.values()):
            due = processor.certified_until - now < self._life // 4
            if not due or processor.suspended or processor.retired:
                self._drop(processor.id)
                continue
            self._guarded(processor, now)

    def _guarded(self, processor: Processor, now: int) -> None:
        state = self._epoch_of(processor)
        try:
            self._attend(processor, state, now)
        except QCRSError as error:
            self._journal.error("certification failed", error, processor=processor.id)
            state.retry_at = time.monotonic() + RETRY_S / 10

    def _epoch_of(self, processor: Processor) -> _Epoch:
        wanted = processor.epoch + 1
        state = self._epochs.get(processor.id)
        if state is None or state.epoch != wanted:
            self._drop(processor.id)
            state = self._epochs[processor.id] = _Epoch(processor.id, wanted, time.monotonic())
            topic = certify_topic(processor.id, wanted)
            state.reader = self._party.mailbox.reader(topic, self._signers)
        return state

    def _drop(self, processor: int) -> None:
        state = self._epochs.pop(processor, None)
        if state is not None and state.campaign is not None:
            state.campaign.close()

    def _attend(self, processor: Processor, state: _Epoch, now: int) -> None:
        if time.monotonic() < state.retry_at:
            return
        self._collect(state)
        for claim in list(state.pending):
            self._consider(processor, state, claim, now)
        if self._my_turn(state):
            self._certify(processor, state, now)
        self._relay(state)

    def _my_turn(self, state: _Epoch) -> bool:
        if state.campaign is not None:
            return True
        rank = (state.processor + state.epoch + self._signers.index(self._party.address)) % len(self._signers)
        return time.monotonic() - state.noticed >= rank * TAKE_OVER_S

    def _ask(self, function: str, value: Json) -> Json | None:
        """Ask the sandbox; the answer to a question is kept until it was fetched."""
        payload = canonical_json(value)
        key = function.encode() + payload
        if key not in self._asked:
            self._asked[key] = self._pool.submit(
                lambda: parse_canonical(self._sandbox.call(function, payload, _LIMITS))
            )
        future = self._asked[key]
        if not future.done():
            return None
        del self._asked[key]
        return future.result()

    # ----------------------------------------------------------------- our own campaigns

    def _certify(self, processor: Processor, state: _Epoch, now: int) -> None:
        if state.campaign is None:
            attempt = int(self._ledger.note(self._attempts(state)) or b"0")
            state.campaign = Campaign(
                self._party, self._keys, self._ledger, processor, state.epoch, self._level, attempt, self._ask
            )
        campaign = state.campaign
        campaign.processor = processor
        job = campaign.advance()
        kept = campaign.kept
        if job is None or kept is None:
            if kept is not None and now > kept["deadline"]:
                self._again(state, "it was never submitted")
            return
        mine = next((c for c in state.certifications if c.certifier == self._party.address), None)
        if mine is not None:
            return
        run = self._finished(job)
        if run is None:
            if job.final or now > job.request.deadline:
                self._again(state, f"job {job.id} ended without a result")
            return
        claim = _Claim(
            job.id,
            kept["block"],
            bytes.fromhex(kept["proof"]),
            self._level,
            self._party.address,
            now + self._life - 60,
        )
        body = self._ledger.note(f"{self._attempts(state)}/claim/{campaign.attempt}")
        if body is not None:
            claim, _signature = _Claim.read(parse_canonical(body))
        certification = self._scored(processor, state, claim)
        if certification is not None:
            self._sign(state, claim, certification)
            signed = state.signatures[claim][self._signers.index(self._party.address)]
            self._ledger.keep(
                f"{self._attempts(state)}/claim/{campaign.attempt}", canonical_json(claim.body(signed))
            )
            self._journal.write(
                "certified",
                processor=processor.id,
                epoch=state.epoch,
                quality=certification.capability.quality,
            )

    def _attempts(self, state: _Epoch) -> str:
        return f"certify/{state.processor}/{state.epoch}"

    def _again(self, state: _Epoch, reason: str) -> None:
        """Give this attempt up; the next one has a new seed."""
        campaign = state.campaign
        if campaign is None:
            return
        self._journal.write("certification again", processor=state.processor, reason=reason)
        self._ledger.replace(self._attempts(state), str(campaign.attempt + 1).encode())
        campaign.close()
        state.campaign = None
        state.retry_at = time.monotonic() + RETRY_S

    def _finished(self, job: Job) -> Execution | None:
        """The job's execution once it is committed."""
        return next((run for run in job.executions if run.commitment), None)

    # ----------------------------------------------------------------- scoring

    def _scored(self, processor: Processor, state: _Epoch, claim: _Claim) -> Certification | None:
        """The certificate that this claim's job gives; None while something is missing.

        `VerificationError` where the claim does not follow from chain, documents and seed.
        """
        job = self._party.history.jobs.get(claim.job)
        run = None if job is None else self._finished(job)
        if job is None or run is None:
            return None
        if job.request.target != processor.id or self._plans.get(job.request.payload) != claim.certifier:
            raise VerificationError("the job was not announced by this certifier", field="job", value=job.id)
        block_hash = self._party.chain.block_hash(claim.block)
        if block_hash is None:
            return None
        signers = self._party.oracles(self._party.era)
        key = next((one.beacon for one in signers if one.address == claim.certifier), None)
        message = proof_message(self._party, processor.id, state.epoch, block_hash)
        if key is None or not verify_proof(key, message, claim.proof):
            raise VerificationError("the seed's proof is not the certifier's", field="proof")
        dossier = state.dossiers.setdefault(job.id, Dossier(self._party, job, 60.0))
        try:
            documents = dossier.open_documents()
        except Missing:
            return None
        handed = dossier.handed(run)
        if documents is None:
            raise VerificationError(f"the job's documents are void: {dossier.void}", field="job")
        if handed is None or handed.document is None:
            return None
        asked = {
            **plan_fields(self._party, processor, suite_seed(block_hash, claim.proof), claim.level),
            "secret": documents[1].as_json(),
            "result": handed.document.as_json(),
            "milliseconds": 1000 * max(1, run.committed_at - run.allocated_at),
        }
        found = self._ask("qcrs.oracles.capability:score", asked)
        if found is None:
            return None
        report = canonical_json(found["report"])
        self._party.store.put(report)
        return Certification(
            processor=processor.id,
            era=self._party.era,
            epoch=state.epoch,
            valid_until=claim.valid_until,
            capability=Capability(**found["capability"]),
            report=cid_to_digest(cid_of(report)),
        )

    # ----------------------------------------------------------------- signatures

    def _digest(self, certification: Certification) -> bytes:
        return certification_digest(
            certification,
            chain_id=self._party.chain.chain_id,
            registry=self._party.contracts.registry.address,
        )

    def _sign(self, state: _Epoch, claim: _Claim, certification: Certification) -> None:
        state.certifications[claim] = certification
        signature = sign_digest(self._party.account, self._digest(certification))
        index = self._signers.index(self._party.address)
        state.signatures.setdefault(claim, {})[index] = signature
        topic = certify_topic(state.processor, state.epoch)
        self._party.mailbox.post(topic, claim.body(signature), self._party.account)

    def _collect(self, state: _Epoch) -> None:
        """Read new mail: plans, and signatures under claims."""
        mails = state.reader.poll() if state.reader is not None else []
        self._read_plans(mails)
        for mail in mails:
            try:
                claim, signature = _Claim.read(mail.body)
            except InputError:
                continue
            if claim not in state.refused and mail.sender != self._party.address:
                state.pending.setdefault(claim, {})[mail.sender] = signature

    def _consider(self, processor: Processor, state: _Epoch, claim: _Claim, now: int) -> None:
        """Recompute a claim; sign it if it holds, then count the signatures under it."""
        certification = state.certifications.get(claim)
        if certification is None:
            try:
                if claim.level != "full" and claim.level != self._level:
                    raise VerificationError("another suite than ours", field="level", value=claim.level)
                if not now < claim.valid_until <= now + self._life:
                    raise VerificationError("a certificate's end is out of bounds", field="valid_until")
                certification = self._scored(processor, state, claim)
            except (VerificationError, InputError) as error:
                state.refused.add(claim)
                del state.pending[claim]
                self._journal.error("refused a certificate", error, processor=processor.id)
                return
            if certification is None:
                return
            self._sign(state, claim, certification)
        digest = self._digest(certification)
        for sender, signature in state.pending.pop(claim).items():
            if recover(digest, signature) == sender:
                state.signatures[claim][self._signers.index(sender)] = signature

    def _relay(self, state: _Epoch) -> None:
        signers = self._signers
        for claim, signatures in state.signatures.items():
            quorum = quorum_of(signatures, len(signers))
            if quorum is None:
                continue
            state.complete_since = state.complete_since or time.monotonic()
            rank = (state.processor + state.epoch + signers.index(self._party.address)) % len(signers)
            if time.monotonic() - state.complete_since < 2.0 * rank:
                return
            call = self._party.contracts.registry.certify(state.certifications[claim], *quorum)
            try:
                self._party.post(f"certify/{state.processor}/{state.epoch}/{claim.job}", call, CERTIFY_GAS)
            except ContractError as error:
                if error.name != "ProcessorRegistryStaleEpoch":
                    raise
            return

    def close(self) -> None:
        """Start nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for processor in list(self._epochs):
            self._drop(processor)
