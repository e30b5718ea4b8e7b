"""Everything the exchange did, folded from its events: jobs, executions, balances, trails.

`History.apply` takes events in chain order and is pure: the same events give the same history on any
machine. Clients show jobs from it; `qcrs audit` compares it with the contracts' state word by word.

Source: NatSpec of `IComputationAllocator`, `IProcessorRegistry` and `IResultVerifier`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from eth_utils.address import to_checksum_address

from qcrs.chain.abi import Event
from qcrs.chain.bindings import (
    Capability,
    ChallengeState,
    ComputationAllocator,
    ExecutionState,
    JobRequest,
    JobState,
    Outcome,
    ProcessorRegistry,
    ResultVerifier,
)
from qcrs.client.trail import StepKind, chain_step, report_struct_hash, start, submitted_data, word

__all__ = ["Execution", "History", "Job", "Logged", "Processor", "Step", "Verdict", "stake_of"]

_OWED = (ExecutionState.COMMITTED, ExecutionState.UNDECIDED)
"""States of an execution whose result was handed over and may still be paid."""
_MOVES = (StepKind.ALLOCATED, StepKind.COMMITTED, StepKind.JUDGED, StepKind.ENDED, StepKind.RULED)
"""Steps that change an execution."""
_STATE_OF = {
    Outcome.ACCEPT: ExecutionState.ACCEPTED,
    Outcome.UNDECIDED: ExecutionState.UNDECIDED,
    Outcome.REJECT: ExecutionState.REJECTED,
    Outcome.FRAUD: ExecutionState.FRAUDULENT,
}
_ADDRESS, _TWELVE = (1 << 160) - 1, (1 << 12) - 1
"""Fields of a dispatch word, lowest bits first: operator 160, qubits 12, free qubits 12, quality 12."""


def stake_of(bond: int, releasing: int) -> int:
    """What of a bond answers for new work: what is on its way out may be gone before the verdict.

    A slash still takes it while it is there, so for work committed before it was announced all of it answers.
    """
    return bond - min(bond, releasing)


@dataclass(frozen=True, slots=True)
class Logged:
    """One event with its place on the chain; `time` is the block's timestamp in seconds."""

    event: Event
    block: int
    time: int
    index: int
    transaction: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One quorum report; score and threshold in 1e-6, `evidence` a content digest, `signers` a bitmap."""

    round: int
    outcome: Outcome
    weak: bool
    score: int
    threshold: int
    evidence: bytes
    era: int
    signers: int
    transaction: str
    time: int


@dataclass(slots=True)
class Execution:
    """One run of a job by one processor. Times in seconds of `block.timestamp`, money in base units."""

    index: int
    processor: int
    deadline: int
    allocated_at: int
    state: ExecutionState = ExecutionState.ALLOCATED
    commitment: bytes = b""
    committed_at: int = 0
    committed_block: int = 0
    verdicts: list[Verdict] = field(default_factory=list)
    paid: int = 0
    penalty: int = 0
    identity: bytes = b""
    """The processor's when it committed, empty if it had no post-quantum key then."""


@dataclass(frozen=True, slots=True)
class Step:
    """One link of a job's trail and the transaction that made it."""

    kind: StepKind
    execution: int
    time: int
    block: int
    transaction: str
    data: bytes


@dataclass(slots=True)
class Job:
    """A job as its events tell it. Times in seconds of `block.timestamp`, money in base units."""

    id: int
    client: str
    request: JobRequest
    fee: int
    tag: int
    boosted: bool
    submitted_at: int
    escrow: int
    trail: bytes
    state: JobState = JobState.QUEUED
    executions: list[Execution] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    paid: int = 0
    refunded: int = 0
    closed_at: int = 0

    @property
    def final(self) -> bool:
        """Whether nothing more can happen to its money."""
        return self.state not in (JobState.QUEUED, JobState.ACTIVE)

    @property
    def waits_for_verdict(self) -> bool:
        """Whether a committed or undecided execution may still be paid."""
        return any(run.state in _OWED for run in self.executions)

    def open_until(self, verdict_window: int) -> int:
        """The last second at which nobody may close it: its deadline, and while it waits for a verdict,
        `verdict_window` seconds after the last change of any execution."""
        if not self.waits_for_verdict:
            return self.request.deadline
        last = max(step.time for step in self.steps if step.kind in _MOVES)
        return max(self.request.deadline, last + verdict_window)

    def extend(self, logged: Logged, kind: StepKind, execution: int, data: bytes) -> None:
        """Chain one step onto the trail."""
        self.trail = chain_step(self.trail, kind, execution, logged.time, data)
        self.steps.append(Step(kind, execution, logged.time, logged.block, logged.transaction, data))


@dataclass(slots=True)
class Processor:
    """A processor as its events tell it."""

    id: int
    provider: str
    operator: str
    qubits: int
    claimed_quality: int
    metadata: bytes
    bond: int
    releasing: int = 0
    """What its owner asked back last and did not take yet; slashes may have left less of the bond."""
    identity: bytes = b""
    """Hash of its off-chain keys (`qcrs.client.cosigned`)."""
    keyed: bool = False
    """Whether it has a post-quantum key; then that key alone can change its identity."""
    descriptions: list[bytes] = field(default_factory=list)
    """Every `metadata` so far, in order."""
    offered: list[bytes] = field(default_factory=list)
    """Those since the certificate, or since the registration: what clients could build on."""
    operators: list[str] = field(default_factory=list)
    """Every `operator` so far, in order."""
    capability: Capability | None = None
    epoch: int = 0
    certified_until: int = 0
    report: bytes = b""
    barred: bool = False
    """Stopped by the Certification Authority."""
    short: bool = False
    """Stopped since less than the least bond is at stake."""
    retired: bool = False
    slashed: int = 0

    @property
    def suspended(self) -> bool:
        """Whether something stops it for now."""
        return self.barred or self.short

    @property
    def remedies(self) -> tuple[str, ...]:
        """What each that stops it asks for, in words; nothing helps who has retired."""
        if self.retired:
            return ()
        bond = f"less than the least bond is at stake: top up with `qcrs account bond {self.id} CREDITS`"
        ask = (
            "the Certification Authority barred it, and no bond helps: "
            f"ask it for `qcrs gov propose readmit processor {self.id}`"
        )
        return (bond,) * self.short + (ask,) * self.barred

    @property
    def binding(self) -> bytes:
        """The identity that no account key can change; empty before it has a post-quantum key."""
        return self.identity if self.keyed else b""

    @property
    def senders(self) -> tuple[str, ...]:
        """Whose mail may hand over its results: its provider, and every operator that it ever had."""
        return self.provider, *self.operators


class History:
    """The fold of all events so far."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.processors: dict[int, Processor] = {}
        self.balances: Counter[str] = Counter()
        self.bonds = 0
        """Bonds of processors and challenges together."""
        self.deposited = 0
        self.withdrawn = 0
        self._challenges: dict[int, tuple[int, int]] = {}
        self.by_client: defaultdict[str, list[int]] = defaultdict(list)

    def apply_all(self, events: Iterable[Logged]) -> None:
        """Apply events in chain order."""
        for logged in events:
            self.apply(logged)

    def apply(self, logged: Logged) -> None:
        """Apply one event; those that change nothing kept here are passed over."""
        event = logged.event
        if isinstance(
            event,
            (
                ComputationAllocator.Deposited,
                ComputationAllocator.Withdrawn,
                ComputationAllocator.BondTaken,
                ComputationAllocator.BondGiven,
            ),
        ):
            self._money(logged)
        elif type(event).CONTRACT == "ProcessorRegistry":
            self._registry(logged)
        elif type(event).CONTRACT == "ResultVerifier":
            self._verifier(logged)
        elif type(event).CONTRACT == "ComputationAllocator":
            self._allocator(logged)

    # ----------------------------------------------------------------- money

    def _money(self, logged: Logged) -> None:
        event = logged.event
        match event:
            case ComputationAllocator.Deposited():
                self.balances[event.account] += event.amount
                self.deposited += event.amount
            case ComputationAllocator.Withdrawn():
                self.balances[event.account] -= event.amount
                self.withdrawn += event.amount
            case ComputationAllocator.BondTaken():
                self.balances[event.account] -= event.amount
                self.bonds += event.amount
            case ComputationAllocator.BondGiven():
                self.balances[event.account] += event.amount
                self.bonds -= event.amount

    # ----------------------------------------------------------------- jobs

    def _allocator(self, logged: Logged) -> None:
        event = logged.event
        match event:
            case ComputationAllocator.JobSubmitted():
                self._submitted(logged, event)
            case ComputationAllocator.JobAllocated():
                job = self.jobs[event.job]
                job.executions.append(
                    Execution(event.execution, event.processor, event.deadline, logged.time)
                )
                job.state, job.tag = JobState.ACTIVE, event.tag
                job.extend(logged, StepKind.ALLOCATED, event.execution, word(event.processor))
            case ComputationAllocator.ResultCommitted():
                job = self.jobs[event.job]
                run = job.executions[event.execution]
                run.state, run.commitment = ExecutionState.COMMITTED, event.commitment
                run.committed_at, run.committed_block = logged.time, logged.block
                run.identity = self.processors[run.processor].binding
                job.extend(logged, StepKind.COMMITTED, event.execution, event.commitment)
            case ComputationAllocator.ExecutionEnded():
                job = self.jobs[event.job]
                run = job.executions[event.execution]
                run.state, run.penalty = ExecutionState.ENDED, event.penalty
                job.extend(logged, StepKind.ENDED, event.execution, word(event.penalty))
            case ComputationAllocator.JobRequeued():
                job = self.jobs[event.job]
                job.state = JobState.QUEUED
                job.extend(logged, StepKind.REQUEUED, event.executions, bytes(32))
            case ComputationAllocator.JobClosed():
                job = self.jobs[event.job]
                job.state, job.closed_at = event.state, logged.time
                job.refunded += event.refund
                job.escrow -= event.refund
                self.balances[job.client] += event.refund
                data = word(int(event.state) << 248 | event.refund)
                job.extend(logged, StepKind.CLOSED, len(job.executions), data)

    def _submitted(self, logged: Logged, event: ComputationAllocator.JobSubmitted) -> None:
        request = event.request
        escrow = event.fee_per_execution * request.max_executions
        job = Job(
            id=event.job,
            client=event.client,
            request=request,
            fee=event.fee_per_execution,
            tag=event.tag,
            boosted=event.boosted,
            submitted_at=logged.time,
            escrow=escrow,
            trail=start(event.job),
        )
        data = submitted_data(event.client, job.fee, job.tag, job.boosted, request.to_abi())
        job.extend(logged, StepKind.SUBMITTED, 0, data)
        self.jobs[job.id] = job
        self.by_client[job.client].append(job.id)
        self.balances[job.client] -= escrow

    def _pay(self, job: Job, run: Execution) -> None:
        """An accepted execution moves one fee from the escrow to its processor's provider."""
        run.paid = job.fee
        job.paid += job.fee
        job.escrow -= job.fee
        self.balances[self.processors[run.processor].provider] += job.fee

    # ----------------------------------------------------------------- verdicts

    def _verifier(self, logged: Logged) -> None:
        event = logged.event
        match event:
            case ResultVerifier.VerdictReported():
                job = self.jobs[event.job]
                run = job.executions[event.execution]
                outcome = Outcome(event.outcome)
                run.state = _STATE_OF[outcome]
                run.verdicts.append(
                    Verdict(
                        event.round,
                        outcome,
                        bool(event.flags & 1),
                        event.score,
                        event.threshold,
                        event.evidence,
                        event.era,
                        event.signers,
                        logged.transaction,
                        logged.time,
                    )
                )
                data = report_struct_hash(
                    job=event.job,
                    execution=event.execution,
                    report_round=event.round,
                    outcome=event.outcome,
                    flags=event.flags,
                    score=event.score,
                    threshold=event.threshold,
                    evidence=event.evidence,
                    era=event.era,
                )
                job.extend(logged, StepKind.JUDGED, event.execution, data)
                if outcome is Outcome.ACCEPT:
                    self._pay(job, run)
            case ResultVerifier.ChallengeOpened():
                self._challenges[event.challenge] = (event.job, event.execution)
                job = self.jobs[event.job]
                job.extend(logged, StepKind.CHALLENGED, event.execution, word(event.challenge))
            case ResultVerifier.ChallengeRuled():
                number, index = self._challenges[event.challenge]
                job = self.jobs[number]
                run = job.executions[index]
                if event.ruling == ChallengeState.OVERTURNED and run.state == ExecutionState.ACCEPTED:
                    run.state = ExecutionState.FRAUDULENT
                data = word(event.challenge << 8 | int(event.ruling))
                job.extend(logged, StepKind.RULED, index, data)

    # ----------------------------------------------------------------- processors

    def _registry(self, logged: Logged) -> None:
        event = logged.event
        match event:
            case ProcessorRegistry.ProcessorRegistered():
                operator = to_checksum_address((event.dispatch & _ADDRESS).to_bytes(20))
                self.processors[event.processor] = Processor(
                    event.processor,
                    event.provider,
                    operator,
                    event.dispatch >> 160 & _TWELVE,
                    event.dispatch >> 184 & _TWELVE,
                    event.metadata,
                    event.bond,
                    identity=event.identity,
                    descriptions=[event.metadata],
                    offered=[event.metadata],
                    operators=[operator],
                )
                self.balances[event.provider] -= event.bond
                self.bonds += event.bond
            case ProcessorRegistry.ProcessorCertified():
                processor = self.processors[event.processor]
                processor.capability, processor.epoch = event.capability, event.epoch
                processor.certified_until, processor.report = event.valid_until, event.report
                processor.offered = [processor.metadata]
            case ProcessorRegistry.OperatorSet():
                processor = self.processors[event.processor]
                processor.operator = event.operator
                processor.operators.append(event.operator)
            case ProcessorRegistry.MetadataSet():
                processor = self.processors[event.processor]
                processor.metadata = event.metadata
                processor.descriptions.append(event.metadata)
                processor.offered.append(event.metadata)
            case ProcessorRegistry.IdentitySet():
                self.processors[event.processor].identity = event.identity
            case ProcessorRegistry.KeySet():
                self.processors[event.processor].keyed = True
            case ProcessorRegistry.BondAdded():
                self.processors[event.processor].bond += event.amount
            case ProcessorRegistry.BondReleaseStarted():
                self.processors[event.processor].releasing = event.amount
            case ProcessorRegistry.BondReleased():
                self.processors[event.processor].bond -= event.amount
                self.processors[event.processor].releasing = 0
            case ProcessorRegistry.Slashed():
                self.processors[event.processor].bond -= event.amount
                self.balances[event.beneficiary] += event.amount
                self.bonds -= event.amount
                self.processors[event.processor].slashed += event.amount
            case ProcessorRegistry.SuspensionSet():
                processor = self.processors[event.processor]
                processor.barred, processor.short = event.barred, event.short
            case ProcessorRegistry.ProcessorRetired():
                self.processors[event.processor].retired = True
