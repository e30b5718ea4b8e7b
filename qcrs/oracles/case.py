"""One job as an oracle lives it: what each execution's state on chain asks of the oracle.

Allocated    release the frames key to the processor
Committed    beacon proof, judgement, report of round 0
Undecided    when another execution has its report, or none has come for a while: judge anew; still undecided
             while the job waits for nothing else: the execution ends unpaid
Rejected     when another execution has its report: fraud, if two references condemn
job final    open the documents to everyone
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from qcrs.chain.bindings import ExecutionState, JobState
from qcrs.client.cosigned import committed_keys
from qcrs.client.documents import Opening
from qcrs.client.history import Execution, Job, Processor
from qcrs.client.participant import Participant
from qcrs.client.references import RegistryAt, counting, names_a_result, stands_alone
from qcrs.client.sealed import opening_topic, release_topic, seal_release
from qcrs.errors import InputError, QCRSError
from qcrs.oracles.batches import Batches, BatchPolicy
from qcrs.oracles.beacon import BeaconView
from qcrs.oracles.dossier import Dossier, Missing
from qcrs.oracles.epochs import EpochPolicy
from qcrs.oracles.identity import OracleKeys
from qcrs.oracles.judging import Bench, CaseJudging
from qcrs.oracles.ledger import Ledger
from qcrs.oracles.reports import ReportRound, Waits
from qcrs.oracles.watch import Watch
from qcrs.sealing import public_from_text, public_text
from qcrs.types import digest_to_cid, parse_canonical

__all__ = ["Case", "OracleSettings"]

FRAUD = 4
MOST_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class OracleSettings:
    """How an oracle works; times in seconds of the wall clock.

    `proofs` is how long missing beacon proofs are waited for, `peer` how long an undecided execution waits
    for another one before it is judged by what there is, `blob` how long a missing blob is waited for.
    """

    suite: str = "quick"
    poll: float = 0.25
    proofs: float = 3.0
    peer: float = 60.0
    blob: float = 20.0
    waits: Waits = field(default_factory=Waits)
    batch: BatchPolicy = field(default_factory=BatchPolicy)
    epochs: EpochPolicy = field(default_factory=EpochPolicy)


@dataclass(slots=True)
class Desk:
    """What all cases of one oracle share."""

    party: Participant
    keys: OracleKeys
    ledger: Ledger
    bench: Bench
    settings: OracleSettings
    note: Callable[..., None]
    announced: Callable[[int], bool]
    """Whether certifying oracles announced a job as theirs."""
    watch: Watch = field(init=False)
    batches: Batches = field(init=False)
    registry: RegistryAt = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(self.party, self.ledger, self.note)
        self.registry = RegistryAt(self.party.index)
        self.batches = Batches(self.party, self.settings.batch, self.settings.waits, self.note)


class Case:
    """One job."""

    def __init__(self, desk: Desk, job: Job) -> None:
        self._desk = desk
        self.number = job.id
        self._dossier = Dossier(desk.party, job, desk.settings.blob)
        self._beacons: dict[int, BeaconView] = {}
        self._rounds: dict[tuple[int, int, tuple[int, ...], int], tuple[CaseJudging, ReportRound]] = {}
        self._undecided_since: dict[int, float] = {}
        self._alone: dict[tuple[int, int, int], bool] = {}
        self._counts: dict[bytes, bool] = {}

    @property
    def job(self) -> Job:
        """As the events tell it now."""
        return self._desk.party.history.jobs[self.number]

    def advance(self) -> None:
        """Every step that can be taken now."""
        self._dossier.job = self.job
        for execution in self.job.executions:
            if execution.state == ExecutionState.ALLOCATED:
                self._release(execution)
            elif self._to_judge(execution):
                self._judge(execution)

    def rounds(self) -> list[ReportRound]:
        """The rounds whose report is not on chain yet, as far as they have begun."""
        era = self._desk.party.era
        waiting = {(run.index, len(run.verdicts)) for run in self.job.executions if self._to_judge(run)}
        found = self._rounds.items()
        return [one for (index, number, _, of), (_, one) in found if of == era and (index, number) in waiting]

    # ----------------------------------------------------------------- release

    def _envelope_key(self, processor: Processor) -> bytes:
        """What a processor's releases are sealed to.

        Once it has a post-quantum key, the one that its identity commits to, whatever its description says.
        """
        party = self._desk.party
        if not processor.keyed:
            return public_from_text(party.metadata_of(processor.id)["hpke"])
        return public_from_text(public_text(committed_keys(party, processor, processor.identity).hpke))

    def _release(self, execution: Execution) -> None:
        """Mail the frames key to the processor, once."""
        desk, job = self._desk, self.job
        key = f"release/{job.id}/{execution.index}"
        if desk.ledger.is_done(key):
            return
        try:
            self._dossier.open_keys()
        except Missing:
            return
        processor = desk.party.history.processors[execution.processor]
        try:
            public = self._envelope_key(processor)
        except (InputError, KeyError, TypeError):
            desk.note("a processor has no usable key", processor=processor.id)
            desk.ledger.mark_done(key)
            return
        release = seal_release(
            self._dossier.release_key,
            place=desk.party.place,
            job=job.id,
            execution=execution.index,
            processor=processor.id,
            provider=processor.provider,
            public=public,
            era=self._dossier.era,
        )
        desk.party.mailbox.post(release_topic(job.id, execution.index), release.as_json(), desk.party.account)
        desk.ledger.mark_done(key)
        desk.note("released", job=job.id, execution=execution.index, void=self._dossier.void or None)

    # ----------------------------------------------------------------- judging

    def _to_judge(self, execution: Execution) -> bool:
        """Whether this execution could get a report now."""
        if self.job.state == JobState.CANCELLED or len(execution.verdicts) >= MOST_ROUNDS:
            return False
        if self.job.final:
            return execution.state == ExecutionState.REJECTED and bool(self._references(execution))
        if execution.state == ExecutionState.COMMITTED:
            return True
        if execution.state == ExecutionState.REJECTED:
            return bool(self._references(execution))
        if execution.state != ExecutionState.UNDECIDED:
            return False
        since = self._undecided_since.setdefault(execution.index, time.monotonic())
        waited = time.monotonic() - since > self._desk.settings.peer
        return bool(self._references(execution)) or (waited and not self._others_run(execution))

    def _others_run(self, execution: Execution) -> bool:
        running = (ExecutionState.ALLOCATED, ExecutionState.COMMITTED)
        return any(run.state in running for run in self.job.executions if run.index != execution.index)

    def _beacon_block(self, execution: Execution) -> int:
        return execution.committed_block + self._desk.party.network.beacon_blocks

    def _references(self, execution: Execution) -> tuple[int, ...] | None:
        """The executions that its next report is made with; None while an evidence of theirs is missing."""
        until = None if execution.verdicts else self._beacon_block(execution)
        try:
            return counting(self.job, execution, self._counted, until)
        except QCRSError:
            return None

    def _counted(self, digest: bytes) -> bool:
        if digest not in self._counts:
            evidence = parse_canonical(self._desk.party.store.get(digest_to_cid(digest)))
            self._counts[digest] = isinstance(evidence, dict) and names_a_result(evidence)
        return self._counts[digest]

    def _stands_alone(self, execution: Execution) -> bool:
        number, block = len(execution.verdicts), self._beacon_block(execution)
        key = execution.index, number, block
        if key not in self._alone:
            self._alone[key] = stands_alone(self.job, execution, number, block, self._desk.registry)
        return self._alone[key]

    def _judge(self, execution: Execution) -> None:
        desk = self._desk
        number, era = len(execution.verdicts), desk.party.era
        references = self._references(execution)
        if references is None or desk.party.index.cursor < self._beacon_block(execution):
            return
        alone = self._stands_alone(execution)
        key = (execution.index, number, references, era)
        if key not in self._rounds:
            beacon = self._beacons.get(execution.index)
            if beacon is None:
                beacon = self._beacons[execution.index] = BeaconView(
                    desk.party, desk.keys, desk.ledger, self.job, execution, desk.settings.proofs
                )
            judging = CaseJudging(
                desk.party,
                desk.bench,
                self._dossier,
                beacon,
                execution,
                number,
                era,
                references,
                alone,
                self._is_capability(),
                desk.watch,
            )
            report = ReportRound(
                desk.party,
                desk.ledger,
                judging,
                self.job.id,
                execution.index,
                number,
                era,
                desk.settings.waits,
                desk.note,
                desk.batches.holds,
            )
            self._rounds[key] = (judging, report)
        judging, report = self._rounds[key]
        judging.execution = execution
        if number > 0 and not self._worth_reporting(execution, judging):
            return
        report.advance()

    def _worth_reporting(self, execution: Execution, judging: CaseJudging) -> bool:
        """A second report must change something: undecided decided or given up, rejected become fraud."""
        own = judging.own()
        if own is None:
            return False
        if execution.state == ExecutionState.REJECTED:
            return own.outcome == FRAUD
        return own.outcome != int(execution.verdicts[-1].outcome) or self._waits_for_nothing_else(execution)

    def _waits_for_nothing_else(self, execution: Execution) -> bool:
        """Whether the job would close now but for this undecided execution: nobody can tell more of it."""
        if self._others_run(execution):
            return False
        request, runs = self.job.request, self.job.executions
        accepted = sum(run.state == ExecutionState.ACCEPTED for run in runs)
        return accepted >= request.redundancy or len(runs) >= request.max_executions

    def _is_capability(self) -> bool:
        try:
            documents = self._dossier.open_documents()
        except Missing:
            return False
        if documents is None or documents[1].purpose != "capability":
            return False
        return self._desk.announced(self.job.id)

    # ----------------------------------------------------------------- the end

    def close(self) -> bool:
        """Open the documents of a final job to everyone; True once there is nothing more to do."""
        desk, job = self._desk, self.job
        if not job.final:
            return False
        key = f"opening/{job.id}"
        if not desk.ledger.is_done(key):
            self._open(job)
            desk.ledger.mark_done(key)
        return not any(self._to_judge(run) and self._fraud_possible(run) for run in job.executions)

    def _fraud_possible(self, execution: Execution) -> bool:
        """Whether the fraud question about a rejected execution is still unanswered."""
        number, era = len(execution.verdicts), self._desk.party.era
        references = self._references(execution)
        if references is None:
            return True
        dossier = self._dossier
        for other in (self.job.executions[index] for index in references):
            if dossier.answered(other) and not dossier.opened(other):
                return False  # the others may tell; we never can
        known = self._rounds.get((execution.index, number, references, era))
        if known is None:
            return True
        own = known[0].own()
        return own is None or own.outcome == FRAUD

    def _open(self, job: Job) -> None:
        desk, dossier = self._desk, self._dossier
        try:
            dossier.open_keys()
        except Missing:
            dossier.void = dossier.void or "the job document is missing"
        if not dossier.frames_key or not dossier.secret_key:
            desk.note("nothing to open", job=job.id, reason=dossier.void)
            return
        results = {}
        for execution in job.executions:
            try:
                handed = dossier.handed(execution) if execution.commitment else None
            except QCRSError as error:
                desk.note("a result stays closed", job=job.id, reason=error.reason)
                continue
            if handed is not None and handed.key:
                results[execution.index] = handed.key
        opening = Opening(dossier.frames_key, dossier.secret_key, results)
        desk.party.mailbox.post(opening_topic(job.id), opening.as_json(), desk.party.account)
        desk.note("opened", job=job.id)
