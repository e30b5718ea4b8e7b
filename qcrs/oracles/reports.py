"""One report round: propose, compare, sign, relay.

The oracle of rank 0 proposes at once; each next rank a while later, if nothing it could sign has come. An
oracle signs a proposal only if, on the inputs that its evidence names, it comes to the same report and to the
same evidence, byte for byte: judging gives integers, the same with the locked packages. It never signs
two outcomes for one (job, execution, round, era). Whoever sees 2f + 1 signatures under one report may relay
it; they do so by rank too, so that usually one transaction is sent. A report that waits for others to be
relayed together with it (`qcrs.oracles.batches`) is held back that long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from qcrs.chain.bindings import Report
from qcrs.client.fields import Reader
from qcrs.client.participant import Participant
from qcrs.client.quorum import recover, report_digest, threshold_of
from qcrs.client.sealed import report_topic
from qcrs.errors import ContractError, InputError, QCRSError
from qcrs.oracles.ledger import Ledger
from qcrs.oracles.signing import quorum_of, sign_digest
from qcrs.store.mail import MailReader
from qcrs.types import Json, cid_to_digest, digest_to_cid, parse_canonical
from qcrs.verification.evidence import differences

__all__ = ["Judgement", "Judging", "ReportRound", "Waits", "report_body", "report_from"]

REPORT_GAS = 700_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one oracle finds: the outcome in the contracts' numbering, and the evidence's canonical bytes."""

    outcome: int
    weak: bool
    score_ppm: int
    threshold_ppm: int
    evidence: bytes


class Judging(Protocol):
    """Where a round gets its judgements from."""

    def own(self) -> Judgement | None:
        """This oracle's judgement; None while it is being made."""

    def under(self, evidence: Json) -> Judgement | None:
        """The judgement on the inputs that a foreign evidence names; None while it is being made.

        `InputError` or `VerificationError` where the evidence names inputs that are not there or not true.
        """


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds a rank waits for the one before it: to propose, and to relay."""

    propose: float = 2.0
    relay: float = 1.5


@dataclass(slots=True)
class _Proposal:
    report: Report
    first_seen: float
    signatures: dict[int, bytes] = field(default_factory=dict)
    refused: bool = False
    complete_since: float | None = None


@dataclass(slots=True)
class ReportRound:
    """One oracle's side of one round of one execution."""

    party: Participant
    ledger: Ledger
    judging: Judging
    job: int
    execution: int
    round: int
    era: int
    waits: Waits
    note: Callable[..., None]
    held: Callable[[bytes], bool]
    """Whether the report of this digest waits for a batch."""
    _since: float = 0.0
    _reader: MailReader | None = None
    _proposals: dict[bytes, _Proposal] = field(default_factory=dict)

    @property
    def _scope(self) -> str:
        return f"report/{self.job}/{self.execution}/{self.round}/{self.era}"

    @property
    def _signers(self) -> list[str]:
        return [oracle.address for oracle in self.party.oracles(self.era)]

    @property
    def threshold(self) -> int:
        """2f + 1 of 3f + 1."""
        return threshold_of(len(self._signers))

    @property
    def rank(self) -> int:
        """Our place in line for this round."""
        signers = self._signers
        index = signers.index(self.party.address)
        return (self.job + self.execution + index) % len(signers)

    def advance(self) -> None:
        """Take every step that can be taken now."""
        own = self.judging.own()
        if own is None:
            return
        self._since = self._since or time.monotonic()
        self._relay()
        self._collect()
        for proposal in list(self._proposals.values()):
            if self._index not in proposal.signatures and not proposal.refused:
                self._consider(proposal)
        mine = any(self._index in proposal.signatures for proposal in self._proposals.values())
        waited = time.monotonic() - self._since
        if not mine and waited >= self.rank * self.waits.propose:
            self._propose(own)

    def signed(self) -> dict[bytes, Report]:
        """The reports that we have signed, by their digests."""
        found = self._proposals.items()
        return {digest: one.report for digest, one in found if self._index in one.signatures}

    def complete(self) -> bytes | None:
        """The digest of the report that we and a quorum have signed, if there is one."""
        for digest, proposal in self._proposals.items():
            if self._index in proposal.signatures and len(proposal.signatures) >= self.threshold:
                return digest
        return None

    @property
    def _index(self) -> int:
        return self._signers.index(self.party.address)

    # ----------------------------------------------------------------- mail

    def _collect(self) -> None:
        topic = report_topic(self.job, self.execution, self.round)
        if self._reader is None:
            self._reader = self.party.mailbox.reader(topic, self._signers)
        for mail in self._reader.poll():
            try:
                report, signature = _read(mail.body)
            except InputError:
                continue
            place = (report.job, report.execution, report.round, report.era)
            if place != (self.job, self.execution, self.round, self.era):
                continue
            self._add(report, mail.sender, signature)

    def _add(self, report: Report, sender: str, signature: bytes) -> None:
        digest = self._digest(report)
        if recover(digest, signature) != sender:
            return
        proposal = self._proposals.setdefault(digest, _Proposal(report, time.monotonic()))
        proposal.signatures[self._signers.index(sender)] = signature

    def _digest(self, report: Report) -> bytes:
        return report_digest(
            report.to_abi(),
            chain_id=self.party.chain.chain_id,
            verifier=self.party.contracts.verifier.address,
        )

    # ----------------------------------------------------------------- signing

    def _propose(self, own: Judgement) -> None:
        cid = self.party.store.put(own.evidence)
        report = Report(
            job=self.job,
            execution=self.execution,
            round=self.round,
            outcome=own.outcome,
            flags=int(own.weak),
            score=own.score_ppm,
            threshold=own.threshold_ppm,
            evidence=cid_to_digest(cid),
            era=self.era,
        )
        if self._sign(report):
            self.note(
                "proposed", job=self.job, execution=self.execution, round=self.round, outcome=own.outcome
            )

    def _sign(self, report: Report) -> bool:
        """Sign and mail, unless another outcome was signed before."""
        if not self.ledger.may_sign(self._scope, str(report.outcome)):
            return False
        digest = self._digest(report)
        signature = sign_digest(self.party.account, digest)
        topic = report_topic(self.job, self.execution, self.round)
        self.party.mailbox.post(topic, _body(report, signature), self.party.account)
        self._add(report, self.party.address, signature)
        return True

    def _consider(self, proposal: _Proposal) -> None:
        """Sign a foreign proposal that agrees with our own judgement on the same inputs."""
        report = proposal.report
        try:
            blob = self.party.store.get(digest_to_cid(report.evidence))
            evidence = parse_canonical(blob)
            found = self.judging.under(evidence)
        except QCRSError as error:
            # A blob that is not there yet, or a proof we have not seen, may come; refuse after a while.
            if time.monotonic() - proposal.first_seen > 2 * self.waits.propose:
                proposal.refused = True
                self.note("refused a proposal", job=self.job, execution=self.execution, reason=error.reason)
            return
        if found is None:
            return
        theirs = (report.outcome, report.flags, report.score, report.threshold)
        ours = (found.outcome, int(found.weak), found.score_ppm, found.threshold_ppm)
        if theirs != ours or blob != found.evidence or not self._sign(report):
            proposal.refused = True
            self.note(
                "disagrees",
                job=self.job,
                execution=self.execution,
                round=self.round,
                theirs=report.outcome,
                ours=found.outcome,
                differs="; ".join(differences(parse_canonical(found.evidence), evidence, 3))[:500],
            )

    # ----------------------------------------------------------------- relaying

    def _relay(self) -> None:
        for digest, proposal in self._proposals.items():
            quorum = quorum_of(proposal.signatures, len(self._signers))
            if quorum is None or self.held(digest):
                continue
            now = time.monotonic()
            proposal.complete_since = proposal.complete_since or now
            if now - proposal.complete_since < self.rank * self.waits.relay:
                continue
            call = self.party.contracts.verifier.report_verdict(proposal.report, *quorum)
            try:
                self.party.post(f"verdict/{self._scope}", call, REPORT_GAS)
            except ContractError as error:
                if error.name != "ComputationAllocatorBadRound":  # somebody else's relay was first
                    raise
                return
            self.note("relayed", job=self.job, execution=self.execution, round=self.round)
            return


def report_body(report: Report) -> dict[str, Json]:
    """A report as mail carries it."""
    return {
        "job": str(report.job),
        "execution": report.execution,
        "round": report.round,
        "outcome": report.outcome,
        "flags": report.flags,
        "score": report.score,
        "threshold": report.threshold,
        "evidence": report.evidence.hex(),
        "era": report.era,
    }


def report_from(read: Reader) -> Report:
    """The report in a mail's words; `InputError` where it is malformed."""
    return Report(
        job=read.decimal("job", 2**64 - 1),
        execution=read.integer("execution", 0, 255),
        round=read.integer("round", 0, 255),
        outcome=read.integer("outcome", 1, 4),
        flags=read.integer("flags", 0, 1),
        score=read.integer("score", -(2**63), 2**63 - 1),
        threshold=read.integer("threshold", -(2**63), 2**63 - 1),
        evidence=read.hex("evidence", 32, 32),
        era=read.integer("era", 1, 2**32 - 1),
    )


def _body(report: Report, signature: bytes) -> dict[str, Json]:
    return {**report_body(report), "signature": signature.hex()}


def _read(body: dict[str, Json]) -> tuple[Report, bytes]:
    read = Reader(body, None)
    report = report_from(read)
    signature = read.hex("signature", 64, 64)
    read.close()
    return report, signature
