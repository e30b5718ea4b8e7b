"""Reading an exchange: contracts, event history and store behind one object, without any key.

Everything a reader shows comes from the chain's events (`qcrs.client.history`) and from blobs whose
hashes are on chain; nothing is asked of a server that would have to be trusted.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from qcrs.chain.bindings import (
    ComputationAllocator,
    ExecutionState,
    JobState,
    OracleQuorum,
    ProcessorRegistry,
    ResourceCredit,
    ResultVerifier,
)
from qcrs.client.failure import failure_of
from qcrs.client.history import Execution, History, Job, Processor, Verdict, stake_of
from qcrs.client.identities import OracleIdentity, read_identities
from qcrs.client.sealed import Place
from qcrs.client.source import EventSource
from qcrs.client.views import ExecutionInfo, JobInfo, KeyInfo, ProcessorInfo, Status, VerdictInfo
from qcrs.config.home import Home, NetworkFile
from qcrs.errors import BackendError, ChainError, ConfigError, InputError, JobNotFoundError, QCRSError
from qcrs.scheduling.words import TAG_SCALE
from qcrs.store import ContentStore, Mailbox
from qcrs.types import Json, cid_to_digest, digest_to_cid, parse_canonical

if TYPE_CHECKING:
    from qcrs.chain.networks import Chain
    from qcrs.client.audit import AuditReport
    from qcrs.client.verify import VerifyReport

__all__ = ["Contracts", "Reader", "parse_job_id"]

MICRO = 10**6

_STATUS = {
    JobState.SETTLED: Status.DONE,
    JobState.CANCELLED: Status.CANCELLED,
    JobState.FAILED: Status.ERROR,
    JobState.EXPIRED: Status.ERROR,
}


def parse_job_id(text: str | int) -> int:
    """A job's number from its text; `JobNotFoundError` where it cannot be one."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 0 < number < 2**64:
        raise JobNotFoundError(
            "not a job's number", field="job", value=text, solution="list jobs with `qcrs job list`"
        )
    return number


@dataclass(frozen=True, slots=True)
class Contracts:
    """The exchange's contracts on one chain."""

    allocator: ComputationAllocator
    registry: ProcessorRegistry
    verifier: ResultVerifier
    quorum: OracleQuorum
    credit: ResourceCredit

    @classmethod
    def of(cls, chain: Chain, addresses: Mapping[str, str]) -> Contracts:
        """Bind the addresses of `network.json`; `ConfigError` names a missing one."""

        def bound(name: str) -> str:
            if name not in addresses:
                raise ConfigError(
                    "the network names no address of a contract",
                    field="contracts",
                    value=name,
                    solution="deploy with `qcrs deploy`, or copy the network's network.json",
                )
            return addresses[name]

        return cls(
            ComputationAllocator(chain, bound("ComputationAllocator")),
            ProcessorRegistry(chain, bound("ProcessorRegistry")),
            ResultVerifier(chain, bound("ResultVerifier")),
            OracleQuorum(chain, bound("OracleQuorum")),
            ResourceCredit(chain, bound("ResourceCredit")),
        )


class Reader:
    """The typed, keyless side of an exchange. Thread-safe."""

    def __init__(self, chain: Chain, network: NetworkFile, store: ContentStore, home: Home) -> None:
        self.chain = chain
        self.network = network
        self.store = store
        self.mailbox = Mailbox(store)
        self.home = home
        self.contracts = Contracts.of(chain, network.contracts)
        self.place = Place(chain.chain_id, self.contracts.allocator.address)
        self._source = EventSource(chain, network, home.path("client", "index"))
        self._lock = threading.RLock()
        self._documents: dict[bytes, Mapping[str, Any]] = {}
        self._gas: dict[str, int] = {}
        self._eras: dict[int, tuple[OracleIdentity, ...]] = {}
        self._boosts: dict[int, int] = {}

    @staticmethod
    def reach(
        home: Home | str | os.PathLike[str] | None,
        network: NetworkFile | None = None,
        chain: Chain | None = None,
    ) -> tuple[Chain, NetworkFile, ContentStore, Home]:
        """Chain, settings, store and folder of the network that a home names; checks that they fit."""
        from qcrs.chain.networks import connect

        where = home if isinstance(home, Home) else Home.find(home)
        found = network or where.load()
        reached = chain or connect(found.rpc)
        if reached.chain_id != found.chain_id:
            raise ChainError(
                "the node serves another chain than network.json names",
                field="chain_id",
                value=reached.chain_id,
                solution=f"expected {found.chain_id}; correct rpc or chain_id in {where.network_file}",
            )
        return reached, found, ContentStore(found.store), where

    @classmethod
    def open(
        cls,
        home: Home | str | os.PathLike[str] | None = None,
        *,
        network: NetworkFile | None = None,
        chain: Chain | None = None,
    ) -> Reader:
        """A reader of the network that a home folder names; needs no key."""
        return Reader(*cls.reach(home, network, chain))

    def close(self) -> None:
        """Release the event index."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def history(self) -> History:
        """The fold of all events up to the chain's head."""
        with self._lock:
            return self._source.history()

    def history_at(self, block: int) -> History:
        """The fold of all events up to a block, that block included."""
        with self._lock:
            return self._source.history_at(block)

    def identities(self, era: int) -> tuple[OracleIdentity, ...]:
        """An era's oracles with their keys, in the order of its signers; keys are proven unique."""
        with self._lock:
            if era not in self._eras:
                started = [
                    row for row in self._source.named("EraStarted", "OracleQuorum") if row.args["era"] == era
                ]
                if not started:
                    raise ChainError("no such oracle era", field="era", value=era)
                digest = bytes.fromhex(started[-1].args["identities"][2:])
                data = self.store.get(digest_to_cid(digest))
                signers = list(self.contracts.quorum.signers_of(era))
                self._eras[era] = read_identities(data, signers, check_keys=True)
            return self._eras[era]

    # ----------------------------------------------------------------- processors

    def document(self, digest: bytes) -> Mapping[str, Any]:
        """A public JSON document by its content digest; empty where it is missing or not JSON."""
        found = self._documents.get(digest)
        if found is None:
            try:
                value = parse_canonical(self.store.get(digest_to_cid(digest)))
            except (QCRSError, ValueError):
                return {}
            found = value if isinstance(value, dict) else {}
            self._documents[digest] = found
        return found

    def linked(self, cid: object) -> Mapping[str, Any]:
        """A public document named by another one; empty where the name or the document is no good."""
        try:
            return self.document(cid_to_digest(cid)) if isinstance(cid, str) else {}
        except InputError:
            return {}

    def processors(self) -> list[ProcessorInfo]:
        """Every processor that has ever registered, in order of its number."""
        history = self.history()
        now = self.chain.now()
        return [self._processor(history, entry, now) for entry in history.processors.values()]

    def name_of(self, entry: Processor) -> str:
        """What a processor calls itself in its document."""
        return str(self.document(entry.metadata).get("name") or f"processor-{entry.id}")

    def number_of(self, name: str) -> int | None:
        """The number of the first processor of this name, None while none has registered."""
        processors = list(self.history().processors.values())
        return next((entry.id for entry in processors if self.name_of(entry) == name), None)

    def processor(self, number: int) -> ProcessorInfo:
        """One processor; `BackendError` when there is none of this number."""
        history = self.history()
        entry = history.processors.get(number)
        if entry is None:
            raise BackendError(
                "no such processor",
                field="processor",
                value=number,
                solution="list them with `qcrs processor list`",
            )
        return self._processor(history, entry, self.chain.now())

    def _processor(self, history: History, entry: Processor, now: int) -> ProcessorInfo:
        view = self.contracts.registry.processor(entry.id)
        metadata = self.document(entry.metadata)
        waiting = sum(
            job.state == JobState.QUEUED and job.request.target == entry.id for job in history.jobs.values()
        )
        return ProcessorInfo(
            id=entry.id,
            name=self.name_of(entry),
            provider=view.provider,
            operator=view.operator,
            qubits=view.qubits,
            free_qubits=view.free_qubits,
            quality=view.quality,
            certified_until=view.certified_until,
            certified=view.certified_until >= now,
            epoch=view.epoch,
            capability=view.capability if view.epoch else None,
            report=digest_to_cid(entry.report) if entry.report else None,
            suspended=view.suspended,
            barred=entry.barred,
            short=entry.short,
            remedies=entry.remedies,
            retired=view.retired,
            bond=view.bond,
            releasing=entry.releasing,
            stake=stake_of(view.bond, entry.releasing),
            reputation=view.alpha / (view.alpha + view.beta),
            direct_queue=waiting,
            metadata=metadata,
            metadata_cid=digest_to_cid(entry.metadata),
            identity="0x" + entry.identity.hex(),
            key=self._key_of(entry.id) if entry.keyed else None,
        )

    def _key_of(self, processor: int) -> KeyInfo:
        from qcrs.identity import LEAVES

        commitment, era, least = self.contracts.registry.key_of(processor)
        return KeyInfo("0x" + commitment.hex(), era, LEAVES - least, LEAVES)

    # ----------------------------------------------------------------- checking

    def verify(self, number: int | str) -> VerifyReport:
        """Make a closed job's verdicts again from chain and store alone."""
        from qcrs.client.verify import verify_job

        return verify_job(self, number)

    def audit(self) -> AuditReport:
        """Replay every trail and the whole ledger from events and compare with the contracts' state."""
        from qcrs.client.audit import audit_exchange

        return audit_exchange(self)

    # ----------------------------------------------------------------- jobs

    def jobs(
        self, *, client: str | None = None, limit: int | None = None, pending: bool | None = None
    ) -> list[JobInfo]:
        """Jobs, newest first; of one client, or only those that are (not) final."""
        history = self.history()
        now = self.chain.now()
        found = []
        for job in reversed(history.jobs.values()):  # as the log has them
            if client is not None and job.client.lower() != client.lower():
                continue
            info = self._job(history, job, now)
            if pending is None or pending is not info.status.final:
                found.append(info)
            if limit is not None and len(found) >= limit:
                break
        return found

    def job(self, number: int | str, *, gas: bool = True) -> JobInfo:
        """One job with all its steps; `JobNotFoundError` when the chain has none of this number."""
        history = self.history()
        return self._job(history, self.entry(number, history), self.chain.now(), gas=gas)

    def entry(self, number: int | str, history: History | None = None) -> Job:
        """A job as its events tell it."""
        job = (history or self.history()).jobs.get(parse_job_id(number))
        if job is None:
            raise JobNotFoundError(
                "no such job on this chain",
                field="job",
                value=number,
                solution="list jobs with `qcrs job list`, and check that --home names the right network",
            )
        return job

    def _job(self, history: History, job: Job, now: int, *, gas: bool = False) -> JobInfo:
        request = job.request
        status = self._status(job, now)
        error, solution = failure_of(job, self._verdict) if status is Status.ERROR else (None, None)
        return JobInfo(
            id=job.id,
            client=job.client,
            status=status,
            state=job.state.name,
            queue_position=self._position(history, job) if status is Status.QUEUED else None,
            qubits=request.qubits,
            target=request.target,
            flow=request.flow,
            class_=request.class_,
            redundancy=request.redundancy,
            max_executions=request.max_executions,
            declared_seconds=request.declared_seconds,
            submitted_at=job.submitted_at,
            closed_at=job.closed_at or None,
            deadline=request.deadline,
            fee=job.fee,
            paid=job.paid,
            refunded=job.refunded,
            escrow=job.escrow,
            executions=tuple(self._execution(history, run) for run in job.executions),
            trail="0x" + job.trail.hex(),
            payload=digest_to_cid(request.payload),
            gas=self._gas_of(job) if gas else {},
            error=error,
            solution=solution,
        )

    def _status(self, job: Job, now: int) -> Status:
        if job.final:
            return _STATUS[job.state]
        if now > job.request.deadline and (
            not job.waits_for_verdict or now > job.open_until(self.contracts.allocator.times()[2])
        ):
            return Status.ERROR
        states = {run.state for run in job.executions}
        if ExecutionState.ALLOCATED in states:
            return Status.RUNNING
        if job.state == JobState.QUEUED:
            return Status.QUEUED
        return Status.VALIDATING

    def _boost(self, job: Job) -> int:
        """By how much its class brings a job's turn forward, in virtual time."""
        if not job.boosted:
            return 0
        if job.request.class_ not in self._boosts:
            self._boosts[job.request.class_] = self.contracts.allocator.class_of(job.request.class_)[1]
        return self._boosts[job.request.class_]

    def _turns(self, waiting: Sequence[Job]) -> dict[int, tuple[int, int]]:
        """Key (start tag less boost) and place of each waiting job, as the fair queue orders them if nothing
        else comes: who was handed out before comes first in its flow, and each starts after what its flow has
        by then.
        """
        flows: dict[int, tuple[int, int]] = {}
        turns = {}
        order = sorted(waiting, key=lambda one: (not one.executions, one.submitted_at, one.id))
        for place, job in enumerate(order):
            request, wanted = job.request, 1 if job.executions else job.request.redundancy
            if request.flow not in flows:
                _, weight, _, finish = self.contracts.allocator.flow(request.flow)
                flows[request.flow] = weight, finish
            weight, finish = flows[request.flow]
            start = finish if job.executions else max(job.tag, finish)
            units = request.qubits * request.declared_seconds * wanted
            flows[request.flow] = weight, start - (-units * TAG_SCALE // weight)
            turns[job.id] = max(0, start - self._boost(job)), place
        return turns

    def _position(self, history: History, job: Job) -> int:
        """1 for the next one: jobs that wait for the same processors and come before it, plus one."""
        waiting = [other for other in history.jobs.values() if other.state == JobState.QUEUED]
        turns = self._turns(waiting)
        return 1 + sum(
            other.request.target in (0, job.request.target) and turns[other.id] < turns[job.id]
            for other in waiting
        )

    def _gas_of(self, job: Job) -> dict[str, int]:
        """The job's share of the gas of the transactions that made its steps, by the first step of each.

        Jobs that were submitted in one transaction share it evenly.
        """
        used: dict[str, int] = {}
        seen: set[str] = set()
        for step in job.steps:
            if step.transaction in seen:
                continue
            seen.add(step.transaction)
            if step.transaction not in self._gas:
                receipt = self.chain.receipt(bytes.fromhex(step.transaction.removeprefix("0x")))
                if receipt is None:
                    continue
                self._gas[step.transaction] = receipt.gas_used
            name = step.kind.name.lower()
            used[name] = used.get(name, 0) + self._gas[step.transaction] // self._sharing(step.transaction)
        return used

    def _sharing(self, transaction: str) -> int:
        """How many jobs were submitted in a transaction; 1 where none was."""
        jobs = self.history().jobs.values()
        return max(1, sum(job.steps[0].transaction == transaction for job in jobs))

    def _execution(self, history: History, run: Execution) -> ExecutionInfo:
        processor = history.processors.get(run.processor)
        metadata = self.document(processor.metadata) if processor else {}
        return ExecutionInfo(
            index=run.index,
            processor=run.processor,
            processor_name=str(metadata.get("name") or f"processor-{run.processor}"),
            state=run.state.name,
            allocated_at=run.allocated_at,
            deadline=run.deadline,
            committed_at=run.committed_at or None,
            verdicts=tuple(self._verdict(one) for one in run.verdicts),
            paid=run.paid,
            penalty=run.penalty,
        )

    def _verdict(self, verdict: Verdict) -> VerdictInfo:
        evidence = self.document(verdict.evidence)
        interval = _interval(evidence)
        decided, reason = evidence.get("decided_by"), evidence.get("reason")
        return VerdictInfo(
            round=verdict.round,
            outcome=verdict.outcome.name,
            weak=verdict.weak,
            score=verdict.score / MICRO,
            threshold=verdict.threshold / MICRO,
            interval=interval,
            decided_by=decided if isinstance(decided, str) else None,
            reason=reason if isinstance(reason, str) else None,
            evidence=digest_to_cid(verdict.evidence),
            era=verdict.era,
            signers=verdict.signers,
            transaction=verdict.transaction,
            time=verdict.time,
        )


def _interval(evidence: Mapping[str, Json]) -> tuple[float, float] | None:
    """The score's interval as the evidence states it, in the unit of the score."""
    found = evidence.get("interval_ppm")
    if isinstance(found, list) and len(found) == 2 and all(type(bound) is int for bound in found):
        return found[0] / MICRO, found[1] / MICRO
    return None
