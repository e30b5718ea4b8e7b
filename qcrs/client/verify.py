"""`qcrs verify`: a job's verdicts made again from chain and content store alone.

Nothing is taken from whoever ran or judged the job but what they bound themselves to on chain: documents
by their hashes, results by their commitments, judgements by 2f + 1 signatures. Every document is opened with
the published keys, every frame is drawn again from the seed, every statistic is computed again in a limited
child process, and each word is compared. What does not agree is named: which document, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from copy import copy
from dataclasses import dataclass, field

from qcrs.circuits.document import CircuitDocument
from qcrs.circuits.frames import frame, shots_per_frame
from qcrs.client.checks import Check, Notes, Subject, Unseen, VerifyReport, WatchedStore
from qcrs.client.documents import (
    FramesDocument,
    HandOver,
    JobDocument,
    Opening,
    ResultDocument,
    SampleUnit,
    SecretDocument,
)
from qcrs.client.history import Execution, Job
from qcrs.client.reader import Reader
from qcrs.client.recheck import Recheck
from qcrs.client.rejudge import Rejudge, judging_sandbox
from qcrs.client.results import find_hand_overs, find_openings
from qcrs.client.sealed import open_frames, open_result, open_secret, parse_job_document
from qcrs.errors import InputError, JobError, QCRSError, StoreError, VerificationError
from qcrs.sandbox import Sandbox
from qcrs.types import Json, digest_to_cid

__all__ = ["Check", "VerifyReport", "verify_job"]

Say = Callable[[str], None]


def verify_job(
    reader: Reader, job: int | str, *, progress: Say | None = None, sandbox: Sandbox | None = None
) -> VerifyReport:
    """Recompute everything that the chain says of a job; `sandbox` is one of `judging_sandbox`.

    `JobError` while the job is open: its keys are published when it is over.
    """
    entry = reader.entry(job)
    if not entry.final:
        raise JobError(
            f"job {entry.id} is not over yet, so its documents are still sealed",
            field="job",
            value=entry.id,
            solution=f"wait for it with `qcrs job watch {entry.id}`",
        )
    report = VerifyReport(entry.id, entry.state.name)
    reader = copy(reader)
    reader.store = watched = WatchedStore(reader.store)
    say = progress or (lambda _text: None)
    _trail(reader, entry, report)
    if not any(run.commitment for run in entry.executions):
        return report
    case = _Case(reader, entry, report)
    if not case.open():
        return report
    say("· drawing every frame again from the seed")
    case.frames()
    for run in entry.executions:
        if run.commitment:
            case.result(run)
    notes = Notes(report, watched)
    with nullcontext(sandbox) if sandbox else judging_sandbox() as children:
        rejudge = Rejudge(entry, reader.network.handover_seconds, notes, case, children)
        again = Recheck(reader, entry, notes, case, rejudge)
        for run in entry.executions:
            for verdict in run.verdicts:
                say(f"· judging execution {run.index} again (round {verdict.round})")
                again.verdict(run, verdict)
    return report


def _trail(reader: Reader, job: Job, report: VerifyReport) -> None:
    """Trail and money of the job by its events, against the contract's words."""
    view = reader.contracts.allocator.job(job.id)
    report.add(
        Subject("trail"),
        f"{len(job.steps)} steps chained",
        job.trail == view.trail,
        f"the events give 0x{job.trail.hex()}, the chain holds 0x{view.trail.hex()}",
        unseen="events",
    )
    report.add(
        Subject("trail"),
        "state",
        job.state == view.state,
        f"the events give {job.state.name}, the chain {view.state.name}",
        unseen="events",
    )
    escrow = job.fee * job.request.max_executions
    report.add(
        Subject("money"),
        "paid and refunded add up to the escrow",
        job.paid + job.refunded == escrow and view.escrow == 0,
        f"{job.paid} + {job.refunded} of {escrow}, {view.escrow} still held",
    )


@dataclass(slots=True)
class _Case:
    """A closed job's documents, opened with the published keys."""

    reader: Reader
    job: Job
    report: VerifyReport
    document: JobDocument | None = None
    frames_document: FramesDocument | None = None
    secret: SecretDocument | None = None
    openings: list[Opening] = field(default_factory=list)
    results: dict[int, ResultDocument] = field(default_factory=dict)
    roots: dict[int, bytes] = field(default_factory=dict)
    result_cids: dict[int, str] = field(default_factory=dict)
    unseen: set[int] = field(default_factory=set)
    """Executions whose results were handed over, for all that anybody knows, and cannot be looked at here."""

    def open(self) -> bool:
        """Open job, frames and secret documents; False where nothing more can be checked."""
        payload = digest_to_cid(self.job.request.payload)
        try:
            self.document = parse_job_document(self.reader.store.get(payload))
        except QCRSError as error:
            subject = Subject("job document")
            return self.report.add(subject, f"blob {payload}", False, error.reason, unseen="document")
        self.report.add(Subject("job document"), "hash", True)
        eras = {self.document.era, self.reader.contracts.quorum.era()}
        eras |= {verdict.era for run in self.job.executions for verdict in run.verdicts}
        self.openings = find_openings(self.reader, self.job, eras)
        if not self.openings:
            return self.report.add(
                Subject("opening"),
                "published keys",
                False,
                "no oracle has published the keys yet: try again in a moment",
                unseen="key",
            )
        frames = self._opened(Subject("frames document"), self.document.frames, "frames", open_frames)
        secret = self._opened(Subject("secret document"), self.document.secret, "secret", open_secret)
        self.frames_document = frames if isinstance(frames, FramesDocument) else None
        self.secret = secret if isinstance(secret, SecretDocument) else None
        return self.frames_document is not None and self.secret is not None

    def _opened(
        self, subject: Subject, cid: str, name: str, read: Callable[[bytes, bytes], object]
    ) -> object | None:
        """A sealed document through whichever opening fits; notes why where none does."""
        try:
            blob = self.reader.store.get(cid)
        except QCRSError as error:
            self.report.add(subject, f"blob {cid}", False, error.reason, unseen="document")
            return None
        self.report.add(subject, "hash", True)
        reason = ""
        for opening in self.openings:
            try:
                found = read(blob, opening.frames if name == "frames" else opening.secret)
            except QCRSError as error:
                reason = error.reason
                continue
            self.report.add(subject, "opens and has its form", True)
            return found
        self.report.add(subject, "opens and has its form", False, reason, unseen="key")
        return None

    def frames(self) -> None:
        """Every frame drawn again from the seed, instruction by instruction."""
        assert self.frames_document is not None  # noqa: S101  (open() gave True)
        assert self.secret is not None  # noqa: S101
        detail = _frame_difference(self.frames_document, self.secret)
        count = sum(len(u.frames) for u in self.frames_document.units if isinstance(u, SampleUnit))
        void = any(
            _void(self.reader, verdict.evidence) for run in self.job.executions for verdict in run.verdicts
        )
        name = f"{count} frames follow from the seed"
        if detail and void:
            name = "the client's frames are not its own seed's, as was judged"
            self.report.add(Subject("frames"), name, True)
        else:
            self.report.add(Subject("frames"), name, not detail, detail)

    def result(self, run: Execution) -> None:
        """A result against its commitment: hand-over, blob, key, root."""
        subject = Subject(f"result of execution {run.index}", run.index)
        mails, reason = [], "no hand-over in the store opens the commitment"
        if run.identity:
            reason += " and has its processor's ML-DSA signature"
        try:
            mails = find_hand_overs(self.reader, self.job, run)
        except StoreError as error:
            reason = error.reason
        if not mails:
            withheld = any(_withheld(self.reader, verdict.evidence) for verdict in run.verdicts)
            ended = not run.verdicts
            name = "withheld, as was judged" if withheld or ended else "handed over"
            if not self.report.add(subject, name, withheld or ended, reason, unseen="document"):
                self.unseen.add(run.index)
            return
        self.report.add(subject, "salt and root open the commitment", True)
        if run.identity:
            self.report.add(subject, "signed by every key that its processor had", True)
        refusals = []
        for mail in mails:
            self.roots[run.index], self.result_cids[run.index] = mail.root, mail.result
            refusal = self._opens(run, mail)
            if refusal is None:
                self.report.add(subject, "hash", True)
                self.report.add(subject, "opens to the root", True)
                self.report.opened.add(run.index)
                return
            refusals.append(refusal)
        self.result_cids[run.index] = mails[0].result
        unseen, reason = refusals[0]
        if unseen == "document":
            self.unseen.add(run.index)
            self.report.add(subject, f"blob {mails[0].result}", False, reason, unseen=unseen)
            return
        self.report.add(subject, "hash", True)
        judged = any(_withheld(self.reader, verdict.evidence) for verdict in run.verdicts)
        if not self.report.add(subject, "opens to the root", judged, reason, unseen=unseen) and unseen:
            self.unseen.add(run.index)

    def _opens(self, run: Execution, mail: HandOver) -> tuple[Unseen, str] | None:
        """Keep the result of a hand-over; else what of it cannot be seen, if so, and why it does not open."""
        try:
            blob = self.reader.store.get(mail.result)
        except QCRSError as error:
            return "document", error.reason
        unseen: Unseen = "key"
        reason = "no opening holds its key"
        for opening in self.openings:
            key = opening.results.get(run.index)
            if key is None:
                continue
            try:
                self.results[run.index] = open_result(blob, key, root=mail.root)
            except QCRSError as error:
                # What a key opens is what was handed over, and no false key opens it to something else.
                unseen = "" if isinstance(error, VerificationError) and error.field == "root" else unseen
                reason = error.reason
                continue
            return None
        return unseen, reason


def _void(reader: Reader, evidence: bytes) -> bool:
    return reader.document(evidence).get("decided_by") == "client void"


def _withheld(reader: Reader, evidence: bytes) -> bool:
    """Whether a verdict rejected because there was no usable result."""
    inputs = reader.document(evidence).get("inputs")
    return isinstance(inputs, Mapping) and inputs.get("result") is None


def _frame_difference(sent: FramesDocument, secret: SecretDocument) -> str:
    """Where the provider's frames first differ from those of the seed; empty when they do not."""
    if sent.job_nonce != secret.job_nonce or sent.mode != secret.mode or sent.physical != secret.physical:
        return "frames and secret documents are of different jobs"
    if len(sent.units) != len(secret.units):
        return f"{len(sent.units)} units were sent, {len(secret.units)} were meant"
    for number, (unit, meant) in enumerate(zip(sent.units, secret.units, strict=True)):
        if not isinstance(unit, SampleUnit):
            if unit.circuit != meant.circuit or unit.observables != meant.observables:
                return f"unit {number}: another circuit or other observables were sent"
            continue
        if unit.shots != tuple(shots_per_frame(meant.shots, len(secret.units))):
            return f"unit {number}: shots {list(unit.shots)} are not those of the rule"
        try:
            circuit = CircuitDocument.from_json(meant.circuit)
        except InputError as error:
            return f"unit {number}: {error.reason}"
        for index, given in enumerate(unit.frames):
            wanted = frame(circuit, secret.seed, number, index).circuit.as_json()
            if given != wanted:
                return f"unit {number}, frame {index}: {_first_difference(given, wanted)}"
    return ""


def _first_difference(given: Json, wanted: Json, where: str = "circuit") -> str:
    """The first place where two JSON values differ."""
    if isinstance(given, dict) and isinstance(wanted, dict):
        for key in sorted({*given, *wanted}):
            if given.get(key) != wanted.get(key):
                return _first_difference(given.get(key), wanted.get(key), f"{where}.{key}")
    if isinstance(given, list) and isinstance(wanted, list) and len(given) == len(wanted):
        for index, (a, b) in enumerate(zip(given, wanted, strict=True)):
            if a != b:
                return _first_difference(a, b, f"{where}[{index}]")
    return f"{where} is {str(given)[:80]}, expected {str(wanted)[:80]}"
