"""What a client sees: processors, quotes, jobs and results, as plain values.

Money is in the credit token's base units unless a name ends in `_credits`; times are seconds of
`block.timestamp`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from qcrs.chain.bindings import Capability
from qcrs.client.program import Outcome
from qcrs.errors import InputError
from qcrs.types import Json, credits_text

__all__ = [
    "ExecutionInfo",
    "Follow",
    "JobInfo",
    "JobOptions",
    "JobResult",
    "KeyInfo",
    "ProcessorInfo",
    "Quote",
    "Status",
    "VerdictInfo",
]


class Status(Enum):
    """Status words as in Qiskit's `JobStatus`."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    VALIDATING = "VALIDATING"
    DONE = "DONE"
    CANCELLED = "CANCELLED"
    ERROR = "ERROR"

    @property
    def final(self) -> bool:
        """Whether it is the last word."""
        return self in (Status.DONE, Status.CANCELLED, Status.ERROR)


WORDS = {
    "target": 2**32 - 1,
    "flow": 2**16 - 1,
    "quality": 2**16 - 1,
    "class_": 2**8 - 1,
    "trust": 2**8 - 1,
    "deadline_seconds": 2**31 - 1,
}
"""The largest number that each of these options can be in a request on chain."""


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What a client may ask for besides the circuits.

    `target` 0 means any certified processor. `max_executions`, `declared_seconds` and `deadline_seconds`
    (from submission) are estimated when None. `quality` is the least certified quality word (that of a target
    is compared before submission: on chain a job for one processor asks for none), `trust` the odds that the
    accepted executions must reach, `class_` the priority class. `value` is what a wrong answer may be worth
    to somebody, in base units: it raises the audit rate and, where one bond is less, the number of
    executions; beyond what bonds can hold it is refused.
    """

    target: int = 0
    flow: int = 0
    quality: int = 0
    class_: int = 0
    redundancy: int = 1
    max_executions: int | None = None
    trust: int = 2
    declared_seconds: int | None = None
    deadline_seconds: int | None = None
    physical: bool = False
    simulator_seed: int | None = None
    value: int = 0

    def __post_init__(self) -> None:
        """`InputError` for what no request on chain can say; its bounds are the contract's to judge."""
        for name, most in WORDS.items():
            value = getattr(self, name)
            if value is not None and not 0 <= value <= most:
                label = name.rstrip("_").removesuffix("_seconds")
                raise InputError(
                    f"{label} is out of range",
                    field=label,
                    value=value,
                    solution=f"give a number from 0 to {most:,}",
                )


@dataclass(frozen=True, slots=True)
class Quote:
    """What a job would cost. `queued` jobs wait before it; `seconds` is the time that is declared."""

    fee: int
    escrow: int
    executions: int
    qubits: int
    seconds: int
    deadline_seconds: int
    queued: int
    processors: int
    balance: int

    @property
    def affordable(self) -> bool:
        """Whether the account's balance covers the escrow."""
        return self.balance >= self.escrow

    def as_json(self) -> Json:
        """For scripts."""
        return {
            "fee": self.fee,
            "escrow": self.escrow,
            "fee_credits": credits_text(self.fee),
            "escrow_credits": credits_text(self.escrow),
            "executions": self.executions,
            "qubits": self.qubits,
            "declared_seconds": self.seconds,
            "deadline_seconds": self.deadline_seconds,
            "queued": self.queued,
            "processors": self.processors,
            "balance": self.balance,
            "affordable": self.affordable,
        }


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A processor's post-quantum key: what the registry keeps of it (`IProcessorKeys.keyOf`).

    `commitment` is 24 bytes of a hash in hex, `era` how many keys there were with this one, `leaves_left` how
    many of its `leaves` the registry would still take; the last signs nothing but the change to the next key.
    """

    commitment: str
    era: int
    leaves_left: int
    leaves: int

    @property
    def text(self) -> str:
        """In a table's cell."""
        return f"{self.era}, {self.leaves_left:,} left"


@dataclass(frozen=True, slots=True)
class ProcessorInfo:
    """A processor with its certificate, reputation, queue and public description."""

    id: int
    name: str
    provider: str
    operator: str
    qubits: int
    free_qubits: int
    quality: int
    certified_until: int
    certified: bool
    epoch: int
    capability: Capability | None
    report: str | None
    suspended: bool
    barred: bool
    """By the Certification Authority."""
    short: bool
    """Of the least bond."""
    remedies: tuple[str, ...]
    """What each of the two asks for, in words."""
    retired: bool
    bond: int
    releasing: int
    """Of the bond, what is on its way out."""
    stake: int
    """What answers for new work: the bond without that."""
    reputation: float
    direct_queue: int
    metadata: Mapping[str, Any]
    metadata_cid: str
    identity: str
    """Hash of its off-chain keys, in hex (`qcrs.client.cosigned`)."""
    key: KeyInfo | None
    """Its post-quantum key; None where it has none."""

    @property
    def operational(self) -> bool:
        """Whether it may be given jobs of its direct queue."""
        return not (self.suspended or self.retired)

    def as_json(self) -> Json:
        """For scripts."""
        capability = self.capability
        return {
            "id": self.id,
            "name": self.name,
            "provider": self.provider,
            "operator": self.operator,
            "qubits": self.qubits,
            "free_qubits": self.free_qubits,
            "certified": self.certified,
            "certified_until": self.certified_until,
            "epoch": self.epoch,
            "quality": self.quality,
            "capability": None
            if capability is None
            else {item.name: getattr(capability, item.name) for item in capability.FIELDS},
            "report": self.report,
            "suspended": self.suspended,
            "barred": self.barred,
            "short": self.short,
            "remedies": list(self.remedies),
            "retired": self.retired,
            "bond": self.bond,
            "releasing": self.releasing,
            "stake": self.stake,
            "reputation": round(self.reputation, 6),
            "direct_queue": self.direct_queue,
            "metadata": self.metadata_cid,
            "simulator": bool(self.metadata.get("simulator")),
            "exact": bool(self.metadata.get("exact")),
            "identity": self.identity,
            "key": None if self.key is None else asdict(self.key),
        }


@dataclass(frozen=True, slots=True)
class VerdictInfo:
    """One quorum report; score and threshold in the deciding statistic's unit, interval from its evidence."""

    round: int
    outcome: str
    weak: bool
    score: float
    threshold: float
    interval: tuple[float, float] | None
    decided_by: str | None
    reason: str | None
    """What its evidence says of it, in words."""
    evidence: str
    era: int
    signers: int
    transaction: str
    time: int

    def as_json(self) -> Json:
        """For scripts."""
        return {
            "round": self.round,
            "outcome": self.outcome,
            "weak": self.weak,
            "score": self.score,
            "threshold": self.threshold,
            "interval": None if self.interval is None else list(self.interval),
            "decided_by": self.decided_by,
            "reason": self.reason,
            "evidence": self.evidence,
            "era": self.era,
            "signers": self.signers,
            "transaction": self.transaction,
            "time": self.time,
        }


@dataclass(frozen=True, slots=True)
class ExecutionInfo:
    """One run of a job."""

    index: int
    processor: int
    processor_name: str
    state: str
    allocated_at: int
    deadline: int
    committed_at: int | None
    verdicts: tuple[VerdictInfo, ...]
    paid: int
    penalty: int

    @property
    def verdict(self) -> VerdictInfo | None:
        """The last report."""
        return self.verdicts[-1] if self.verdicts else None

    def as_json(self) -> Json:
        """For scripts."""
        return {
            "index": self.index,
            "processor": self.processor,
            "processor_name": self.processor_name,
            "state": self.state,
            "allocated_at": self.allocated_at,
            "deadline": self.deadline,
            "committed_at": self.committed_at,
            "paid": self.paid,
            "penalty": self.penalty,
            "verdicts": [verdict.as_json() for verdict in self.verdicts],
        }


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A job: where it stands, what it cost, who ran it, and what anyone needs to check it.

    `error` and `solution` say why a job ended without a result and what to do. `gas` maps each kind of
    step to the gas of its transactions.
    """

    id: int
    client: str
    status: Status
    state: str
    queue_position: int | None
    qubits: int
    target: int
    flow: int
    class_: int
    redundancy: int
    max_executions: int
    declared_seconds: int
    submitted_at: int
    closed_at: int | None
    deadline: int
    fee: int
    paid: int
    refunded: int
    escrow: int
    executions: tuple[ExecutionInfo, ...]
    trail: str
    payload: str
    gas: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None
    solution: str | None = None

    @property
    def accepted(self) -> tuple[ExecutionInfo, ...]:
        """Executions that the oracles accepted, best score first."""
        good = [run for run in self.executions if run.state == "ACCEPTED"]
        return tuple(sorted(good, key=lambda run: -(run.verdict.score if run.verdict else 0.0)))

    @property
    def verdict(self) -> VerdictInfo | None:
        """The verdict on the best accepted execution, else the last verdict of any."""
        if self.accepted:
            return self.accepted[0].verdict
        verdicts = [run.verdict for run in self.executions if run.verdict is not None]
        return verdicts[-1] if verdicts else None

    def certificate(self) -> Json:
        """What a result carries with it: verdict, score with interval, threshold, executions, trail, ids."""
        verdict = self.verdict
        return {
            "job": self.id,
            "state": self.state,
            "verdict": None if verdict is None else verdict.outcome,
            "weak": None if verdict is None else verdict.weak,
            "score": None if verdict is None else verdict.score,
            "interval": None if verdict is None or verdict.interval is None else list(verdict.interval),
            "threshold": None if verdict is None else verdict.threshold,
            "decided_by": None if verdict is None else verdict.decided_by,
            "evidence": None if verdict is None else verdict.evidence,
            "executions": [run.as_json() for run in self.executions],
            "trail": self.trail,
            "payload": self.payload,
        }

    def as_json(self) -> Json:
        """For scripts."""
        verdict = self.verdict
        return {
            "job": self.id,
            "client": self.client,
            "status": self.status.value,
            "state": self.state,
            "queue_position": self.queue_position,
            "qubits": self.qubits,
            "target": self.target,
            "flow": self.flow,
            "class": self.class_,
            "redundancy": self.redundancy,
            "max_executions": self.max_executions,
            "declared_seconds": self.declared_seconds,
            "submitted_at": self.submitted_at,
            "closed_at": self.closed_at,
            "deadline": self.deadline,
            "fee": self.fee,
            "paid": self.paid,
            "refunded": self.refunded,
            "escrow": self.escrow,
            "paid_credits": credits_text(self.paid),
            "refunded_credits": credits_text(self.refunded),
            "verdict": None if verdict is None else verdict.outcome,
            "score": None if verdict is None else verdict.score,
            "threshold": None if verdict is None else verdict.threshold,
            "executions": [run.as_json() for run in self.executions],
            "trail": self.trail,
            "payload": self.payload,
            "gas": dict(self.gas),
            "error": self.error,
            "solution": self.solution,
        }


@dataclass(frozen=True, slots=True)
class JobResult:
    """The decoded outcomes of a job's units with the certificate they came with.

    `verified` is true only when the chain says that the execution was accepted. `note` is the text that
    was submitted with the job.
    """

    job: JobInfo
    execution: int
    outcomes: tuple[Outcome, ...]
    verified: bool
    note: str
    clbits: tuple[int, ...]
    backend: Mapping[str, Any]
    seconds: float
    layouts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Follow:
    """One step of a job as it happens."""

    kind: str
    text: str
    time: int
    status: Status
    queue_position: int | None = None
