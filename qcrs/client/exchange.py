"""The exchange as a client uses it: deposit, quote, submit, follow, result, cancel, withdraw.

Every change goes through the account's outbox, so a crash at any moment loses nothing and sends nothing
twice. A client that keeps only its key finds its jobs (the chain names its address), opens their secret
documents (its HPKE key follows from the account key) and reads their results.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from qcrs.chain.bindings import ComputationAllocator, JobRequest, JobState
from qcrs.client.history import Step
from qcrs.client.identities import read_identities
from qcrs.client.keys import job_seed
from qcrs.client.ledger import Ledger
from qcrs.client.program import Unit, build_documents, check_units, estimate_seconds, least_seconds, width_of
from qcrs.client.results import ResultReader
from qcrs.client.sealed import SealedJob, seal_job
from qcrs.client.trail import StepKind
from qcrs.client.views import (
    Follow,
    JobInfo,
    JobOptions,
    JobResult,
    ProcessorInfo,
    Quote,
    Status,
)
from qcrs.config.home import Home, NetworkFile
from qcrs.errors import AccountError, ChainError, InputError, JobError, JobTimeoutError
from qcrs.store import ContentStore
from qcrs.types import credits_text, digest_to_cid
from qcrs.verification.audit import majority, slashable, value_cap

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from qcrs.chain.networks import Chain

__all__ = ["Exchange"]

_POLL_S = (0.2, 1.5, 5.0)
"""First pause between two looks at a job, its growth, its cap."""


class Exchange(Ledger):
    """Typed operations of one account on one exchange. Thread-safe."""

    def __init__(
        self,
        chain: Chain,
        network: NetworkFile,
        store: ContentStore,
        home: Home,
        account: LocalAccount | str | None = None,
    ) -> None:
        super().__init__(chain, network, store, home, account)
        self.results = ResultReader(self)

    @classmethod
    def connect(
        cls,
        home: Home | str | os.PathLike[str] | None = None,
        *,
        network: NetworkFile | None = None,
        account: LocalAccount | str | None = None,
        chain: Chain | None = None,
    ) -> Exchange:
        """Connect to the network of a home folder (`--home`, `$QCRS_HOME`, `.qcrs`).

        `account` is a key or the name of one in the home; without it the wallet chooses when a key is first
        needed, so reading needs none. `chain` is given where it runs in this process.
        """
        return cls(*cls.reach(home, network, chain), account)

    # ----------------------------------------------------------------- submitting

    def request(self, units: Sequence[Unit], options: JobOptions, payload: bytes = bytes(32)) -> JobRequest:
        """The contract's request for these units; `InputError` where no processor could take it."""
        check_units(units)
        qubits = width_of(units)
        found = self.candidates(units, options)
        if options.value:
            options = replace(options, redundancy=self._insured(units, options, found))
        most = options.max_executions
        if most is None:
            most = 1 if options.target else min(5, options.redundancy + 2)
        if not 1 <= options.redundancy <= most <= 5:
            raise InputError(
                f"{most} executions cannot hold {options.redundancy} accepted ones",
                field="redundancy",
                value=options.redundancy,
                solution="redundancy is 1 to 5 and at most the number of executions, which is at most 5",
            )
        if options.target and (options.redundancy, most) != (1, 1):
            raise InputError(
                "a job for one named processor has one execution",
                field="redundancy",
                value=options.redundancy,
                solution="leave the processor open for redundancy above 1",
            )
        grace, margin, _window = self.contracts.allocator.times()
        longest = self.contracts.allocator.request_bounds()[2]
        seconds = options.declared_seconds or min(estimate_seconds(units), longest)
        if not 1 <= seconds <= longest:
            raise InputError(
                "the time limit of one execution is out of range",
                field="seconds",
                value=seconds,
                solution=f"ask for 1 to {longest} seconds, or for none: then they are estimated",
            )
        simulators = any(one.metadata.get("simulator") for one in found)
        work = ((unit.circuit, max(1, unit.shots)) for unit in units)
        least = least_seconds(work, simulator=simulators)
        if seconds < least:
            raise InputError(
                f"{seconds} s are too little for one execution",
                field="seconds",
                value=seconds,
                solution=f"allow at least {least} s; {estimate_seconds(units)} s are estimated",
            )
        deadline_s = options.deadline_seconds
        if deadline_s is None:
            deadline_s = max(600, 2 * most * (seconds + grace) + 2 * margin)
        return JobRequest(
            flow=options.flow,
            target=options.target,
            qubits=qubits,
            quality=0 if options.target else options.quality,  # a target's certificate was looked at here
            class_=options.class_,
            redundancy=options.redundancy,
            max_executions=most,
            trust=options.trust,
            declared_seconds=seconds,
            deadline=self.chain.now() + deadline_s,
            payload=payload,
        )

    def _insured(self, units: Sequence[Unit], options: JobOptions, found: Sequence[ProcessorInfo]) -> int:
        """Accepted executions at which a bribe of the job's value does not pay; `InputError` if none do."""
        one = replace(options, value=0, redundancy=1, max_executions=None)
        fee, _escrow = self.contracts.allocator.quote(self.request(units, one))
        _deadline, multiple = self.contracts.allocator.penalties()
        cap = min(value_cap(fee, slashable(info.stake, fee, multiple)) for info in found)
        most = 1 if options.target else self.contracts.allocator.request_bounds()[1]
        for redundancy in range(options.redundancy, most + 1):
            if majority(redundancy) * cap >= options.value:
                return redundancy
        raise InputError(
            "a job's value is capped by the bonds that answer for it: "
            f"{majority(most) * cap} base units with {most} executions at this fee",
            field="value",
            value=options.value,
            solution="state at most that, raise the fee with --seconds (a fraud costs "
            f"{multiple} fees), ask for a higher --quality, or split the work into several jobs",
        )

    def candidates(self, units: Sequence[Unit], options: JobOptions) -> list[ProcessorInfo]:
        """Processors that could run the units; `InputError` naming the reason when there is none."""
        qubits = max(unit.circuit.qubits for unit in units) if options.physical else width_of(units)
        exact = units[0].exact
        if options.physical and not options.target:
            raise InputError(
                "physical qubit numbers are those of one processor",
                field="physical",
                value=True,
                solution="choose the processor that the circuit was laid out for",
            )
        known = [one for one in self.processors() if one.operational]
        if options.target:
            chosen = [one for one in known if one.id == options.target]
            if not chosen:
                raise InputError(
                    "the chosen processor does not take jobs",
                    field="processor",
                    value=options.target,
                    solution="choose one of `qcrs processor list`, or none",
                )
            named = chosen[0]
            if options.quality > (named.quality if named.certified else 0):
                live = f"a certificate of quality {named.quality}"
                has = live if named.certified else "no live certificate"
                raise InputError(
                    f"the chosen processor has {has}, less than was asked for",
                    field="quality",
                    value=options.quality,
                    solution="ask for less, or choose another processor of `qcrs processor list`, or none",
                )
        else:
            chosen = [one for one in known if one.certified and one.quality >= options.quality]
            best = max((one.quality for one in known if one.certified), default=options.quality)
            if best < options.quality:
                raise InputError(
                    f"no processor has the quality asked for: the best certified one is {best}",
                    field="quality",
                    value=options.quality,
                    solution="ask for less, or look at `qcrs processor list`",
                )
        fit = [one for one in chosen if one.qubits >= qubits]
        if not fit:
            widest = max((one.qubits for one in chosen), default=0)
            raise InputError(
                f"the circuit needs {qubits} qubits; "
                + (f"the widest processor has {widest}" if chosen else "no certified processor is there"),
                field="qubits",
                value=qubits,
                solution="use a smaller circuit, lower the least quality, or wait until a processor is "
                "certified (`qcrs processor list`)",
            )
        if exact:
            fit = [one for one in fit if one.metadata.get("exact")]
            if not fit:
                raise InputError(
                    "no fitting processor offers exact values",
                    field="precision",
                    value=0,
                    solution="ask for a precision above 0, or choose a simulator",
                )
        return fit

    def quote(self, units: Sequence[Unit], options: JobOptions | None = None) -> Quote:
        """What these units would cost, exactly, and how much waits before them. Needs no password."""
        chosen = options or JobOptions()
        request = self.request(units, chosen)
        self.contracts.allocator.flow(chosen.flow)  # the fee does not depend on it, so nothing else would say
        fee, escrow = self.contracts.allocator.quote(request)
        queued = sum(
            job.state == JobState.QUEUED and job.request.target in (0, chosen.target)
            for job in self.history().jobs.values()
        )
        return Quote(
            fee=fee,
            escrow=escrow,
            executions=request.max_executions,
            qubits=request.qubits,
            seconds=request.declared_seconds,
            deadline_seconds=request.deadline - self.chain.now(),
            queued=queued,
            processors=len(self.candidates(units, chosen)),
            balance=self.balance() if self.has_account() else 0,
        )

    def submit(self, units: Sequence[Unit], options: JobOptions | None = None, *, note: str = "") -> int:
        """Store the documents, pay the escrow, enter the queue; gives the job's number.

        Everything that can be refused is refused before anything is written.
        """
        return self.submit_many([(units, options or JobOptions(), note)])[0]

    def submit_many(self, jobs: Sequence[tuple[Sequence[Unit], JobOptions, str]]) -> list[int]:
        """Submit a set of jobs in one transaction, all or none; gives their numbers in order."""
        if not jobs:
            raise InputError("there is no job to submit", field="jobs", value=0)
        requests = [self.request(units, options) for units, options, _note in jobs]
        self._afford(requests)
        nonces = [secrets.token_hex(32) for _ in jobs]
        oracles, era = self.oracles()
        sealed = [
            self._seal(units, options, note, nonce, oracles, era)
            for (units, options, note), nonce in zip(jobs, nonces, strict=True)
        ]
        filled = tuple(
            replace(request, payload=one.payload) for request, one in zip(requests, sealed, strict=True)
        )
        allocator = self.contracts.allocator
        call = allocator.submit(filled[0]) if len(filled) == 1 else allocator.submit_many(filled)
        self.chain.call(call, sender=self.address)  # what the contract refuses leaves nothing in the store
        for one in sealed:
            for blob in (one.frames, one.secret, one.job):
                self.store.put(blob)
        receipt = self._post(f"submit/{filled[0].payload.hex()}", call)
        topic = ComputationAllocator.JobSubmitted.TOPIC
        submitted = [
            ComputationAllocator.JobSubmitted.from_log(log.topics, log.data)
            for log in receipt.logs
            if log.topics and log.topics[0] == topic and log.address.lower() == allocator.address.lower()
        ]
        by_payload = {event.request.payload: int(event.job) for event in submitted}
        return [by_payload[request.payload] for request in filled]

    def _afford(self, requests: Sequence[JobRequest]) -> None:
        needed = sum(self.contracts.allocator.quote(request)[1] for request in requests)
        free = self.balance()
        if free >= needed:
            return
        held = self.credit()
        raise AccountError(
            f"the escrow is {credits_text(needed)} credits and the account's balance is {credits_text(free)}",
            field="account",
            value=self.address,
            solution=f"deposit the rest with `qcrs account deposit {credits_text(needed - free)}`"
            if held >= needed - free
            else f"get at least {credits_text(needed - free - held)} more credits, then deposit them with "
            "`qcrs account deposit`; or ask for fewer shots, qubits or executions",
        )

    def oracles(self) -> tuple[dict[str, bytes], int]:
        """HPKE keys of the current era's oracles by address, and the era."""
        quorum = self.contracts.quorum
        era = quorum.era()
        if era == 0:
            raise ChainError(
                "the exchange has no oracles yet",
                field="era",
                value=0,
                solution="wait until the network's operator has started the first era",
            )
        data = self.store.get(digest_to_cid(quorum.identities()))
        return {one.address: one.hpke for one in read_identities(data, quorum.signers())}, era

    def _seal(
        self,
        units: Sequence[Unit],
        options: JobOptions,
        note: str,
        nonce: str,
        oracles: dict[str, bytes],
        era: int,
    ) -> SealedJob:
        seed = job_seed(self.account, nonce, units, options.simulator_seed)
        frames, secret = build_documents(
            units,
            seed=seed,
            job_nonce=nonce,
            physical=options.physical,
            simulator_seed=options.simulator_seed,
            note=note,
            value=options.value,
        )
        return seal_job(frames, secret, place=self.place, client=self.account, oracles=oracles, era=era)

    # ----------------------------------------------------------------- following

    def follow(self, job: int | str, *, timeout: float | None = None) -> Iterator[Follow]:
        """Yield every step of a job as it happens, and its place in the queue, until it is over.

        Raises `JobTimeoutError` when the caller's patience (seconds) ends first; the job goes on.
        """
        until = None if timeout is None else time.monotonic() + timeout
        shown, place, pause = 0, -1, _POLL_S[0]
        while True:
            info, steps = self._look(job)
            moved = len(steps) > shown or (info.queue_position or -1) != place
            for number in range(shown, len(steps)):
                step = steps[number]
                yield Follow(step.kind.name, _words(step.kind, step.execution, info), step.time, info.status)
            shown = len(steps)
            if info.queue_position is not None and info.queue_position != place:
                text = f"waiting, number {info.queue_position} in line"
                yield Follow("QUEUE", text, self.chain.now(), info.status, info.queue_position)
            place = info.queue_position or -1
            if info.status.final:
                return
            if until is not None and time.monotonic() >= until:
                raise JobTimeoutError(
                    f"job {info.id} is still {info.status.value.lower()} after {timeout:g} s",
                    field="timeout",
                    value=timeout,
                    solution=f"it goes on: look at it again with `qcrs job watch {info.id}`",
                )
            pause = _POLL_S[0] if moved else min(pause * _POLL_S[1], _POLL_S[2])
            time.sleep(pause if until is None else max(0.0, min(pause, until - time.monotonic())))

    def _look(self, job: int | str) -> tuple[JobInfo, list[Step]]:
        """A job and its steps, of one and the same moment."""
        history = self.history()
        entry = self.entry(job, history)
        with self._lock:
            return self._job(history, entry, self.chain.now()), list(entry.steps)

    def wait(self, job: int | str, *, timeout: float | None = None) -> JobInfo:
        """Wait until a job is over, whatever its end."""
        for _step in self.follow(job, timeout=timeout):
            pass
        return self.job(job)

    def result(
        self,
        job: int | str,
        *,
        timeout: float | None = None,
        verified: bool = True,
        execution: int | None = None,
    ) -> JobResult:
        """Wait for the job's result and open it.

        Only an execution that the chain says was accepted, unless `verified` is false: then the latest that
        was handed over (or `execution`). A job without a result raises `JobError` or `JobTimeoutError` with
        the reason; one past its deadline is expired first, so that the escrow is back.
        """
        if not verified:
            return self.results.unverified(self.entry(job).id, execution)
        info = self.wait(job, timeout=timeout)
        if info.status is Status.DONE:
            return self.results.accepted(info, execution)
        if info.state in ("QUEUED", "ACTIVE"):
            info = self.expire(job)
        late = info.state == "EXPIRED"
        kind = JobTimeoutError if late else JobError
        if info.status is Status.CANCELLED:
            raise JobError(
                f"job {info.id} was cancelled",
                field="job",
                value=info.id,
                solution="submit it again; its escrow is back in the balance",
            )
        raise kind(
            f"job {info.id} has no result: {info.error}", field="job", value=info.id, solution=info.solution
        )

    # ----------------------------------------------------------------- ending

    def cancel(self, job: int | str) -> JobInfo:
        """Take a waiting job back; its escrow returns. The contract refuses once it runs."""
        number = self.entry(job).id
        self._post(f"cancel/{number}", self.contracts.allocator.cancel(number))
        return self.job(number)

    def expire(self, job: int | str) -> JobInfo:
        """Close a job whose deadline has passed; what was not paid returns to its client."""
        entry = self.entry(job)
        if not entry.final:
            try:
                self._post(f"expire/{entry.id}", self.contracts.allocator.expire(entry.id))
            except ChainError:
                if not self.entry(job).final:  # somebody else may have been faster
                    raise
        return self.job(entry.id)

    def open_payload(self, job: int | str) -> bytes:
        """The public job document's bytes."""
        return self.store.get(digest_to_cid(self.entry(job).request.payload))


def _words(kind: StepKind, execution: int, info: JobInfo) -> str:
    """One step in words."""
    run = info.executions[execution] if execution < len(info.executions) else None
    name = run.processor_name if run is not None else "a processor"
    match kind:
        case StepKind.SUBMITTED:
            return f"submitted; {credits_text(info.fee * info.max_executions)} credits in escrow"
        case StepKind.ALLOCATED:
            return f"execution {execution} runs on {name}"
        case StepKind.COMMITTED:
            return f"{name} committed to a result"
        case StepKind.JUDGED:
            verdict = run.verdict if run is not None else None
            if verdict is None:
                return f"a verdict on execution {execution}"
            return (
                f"{verdict.outcome.lower()}: {name}, score {verdict.score:.3f} "
                f"against {verdict.threshold:.3f}"
            )
        case StepKind.REQUEUED:
            return "waits for another processor, at the front of its flow"
        case StepKind.ENDED:
            return f"{name} ran out of time"
        case StepKind.CLOSED:
            return f"{info.state.lower()}; paid {credits_text(info.paid)}, back {credits_text(info.refunded)}"
        case StepKind.CHALLENGED:
            return f"the verdict on execution {execution} is challenged"
        case StepKind.RULED:
            return f"the challenge of execution {execution} was ruled on"
