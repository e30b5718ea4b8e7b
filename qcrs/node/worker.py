"""The life of a node: ask for jobs, run them in the sandbox, commit, hand over.

Chain and ledger say what is to be done next, so a node that was killed at any moment goes on from there:

    execution on chain   record in the ledger   what the node does
    Allocated            no                     wait for the key; fetch, check, run; write the record
    Allocated            yes                    send the commitment (the outbox sends it once)
    Committed            yes, not handed over   mail the hand-over
    anything else                               nothing more

A document that cannot be had, cannot be opened or asks for more than was paid for is answered with a
result without units that says why (`refused`): oracles open the same document and see the same.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from qcrs.chain.bindings import ExecutionState, Reason
from qcrs.client.cosigned import Cosign, cosigner, witness_of
from qcrs.client.documents import JobDocument, Release, ResultDocument
from qcrs.client.history import Execution, Job, Logged
from qcrs.client.journal import SURVIVED, Journal
from qcrs.client.participant import Participant
from qcrs.client.sealed import (
    SealedResult,
    commitment_of,
    open_frames,
    open_release,
    release_topic,
    result_topic,
    seal_result,
)
from qcrs.errors import (
    AccountError,
    ContractError,
    InputError,
    IntegrityError,
    NetworkError,
    SandboxError,
    StoreError,
    VerificationError,
)
from qcrs.node.ledger import Ledger, RunRecord
from qcrs.node.shared import Runner, runner_of
from qcrs.node.skimming import Skimmer
from qcrs.sandbox import GIB, Limits, Sandbox
from qcrs.store.mail import MailReader
from qcrs.together.agent import Agent
from qcrs.types import parse_canonical

__all__ = ["NodeSettings", "Worker"]

ALLOCATE_GAS = 5_000_000
"""The dearest call that crowds in 64 flows can make costs 3.9 million; an ordinary one 0.08."""
COMMIT_GAS = 200_000
TO_COMMIT_S = 5.0
"""What is kept of the time until the deadline for sealing and committing."""
WITHDRAW_GAS = 150_000

Key = tuple[int, int]
"""Job and execution."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """How a node works. Times in seconds of the wall clock.

    `parallel` runs go on side by side; `ask_every` is the pause between two questions for work when nothing
    happens on the chain; `withdraw_every` between two withdrawals of earnings (0: never).
    """

    spec: str
    parallel: int = 2
    poll: float = 0.25
    ask_every: float = 2.0
    withdraw_every: float = 3600.0
    memory_bytes: int = 4 * GIB


class Worker:
    """One processor's node."""

    def __init__(
        self,
        party: Participant,
        ledger: Ledger,
        sandbox: Sandbox,
        processor: int,
        settings: NodeSettings,
        journal: Journal,
        runner: Runner | None = None,
        agent: Agent | None = None,
    ) -> None:
        """`runner` runs jobs where the sandbox alone does not; `agent` acts in channels and sessions."""
        self.agent = agent
        self._run_words = runner or runner_of(party, sandbox, settings.spec, journal)
        self.party = party
        self.ledger = ledger
        self.sandbox = sandbox
        self.processor = processor
        self.settings = settings
        self.journal = journal
        self.stop = threading.Event()
        self._skimmer = Skimmer(party, ledger, processor, journal)
        self._pool = ThreadPoolExecutor(settings.parallel, thread_name_prefix="run")
        self._running: dict[Key, Future[None]] = {}
        self._live: set[Key] = set()
        self._failed: dict[Key, tuple[int, float]] = {}
        self._readers: dict[Key, MailReader] = {}
        self._unsigned: set[Key] = set()
        self._asked = 0.0
        self._withdrawn = time.monotonic()
        self._look_at(party.history.jobs.values())

    # ----------------------------------------------------------------- the loop

    def run(self) -> None:
        """Work until `stop` is set. Errors of network and chain are logged and survived."""
        while not self.stop.is_set():
            try:
                self.tick()
            except SURVIVED as error:
                self.journal.error("tick failed", error)
                self.stop.wait(1.0)
            self.stop.wait(self.settings.poll)

    def close(self) -> None:
        """Start no further run; one that goes on ends with the sandbox."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def tick(self) -> None:
        """One look at the chain, and one step of everything that can take one."""
        events = self.party.refresh()
        self._notice(events)
        if self._open_transactions():
            self._guarded("transactions", self.party.outbox.pump)
        for key in sorted(self._live):
            self._guarded(f"job {key[0]}/{key[1]}", partial(self._step, key))
        if self._may_ask(bool(events)):
            self._guarded("ask", self._ask)
        self._guarded("withdraw", self._withdraw)
        if self.agent is not None:
            self._guarded("together", self.agent.tick)

    def _guarded(self, what: str, action: Callable[[], object]) -> None:
        try:
            action()
        except SURVIVED as error:
            self.journal.error(f"{what} failed", error)

    def _open_transactions(self) -> bool:
        return any(not entry.done for entry in self.party.outbox.entries()[-16:])

    def _notice(self, events: Iterable[Logged]) -> None:
        """Keep the set of executions of this processor that are not over."""
        touched = {getattr(logged.event, "job", None) for logged in events}
        jobs = self.party.history.jobs
        self._look_at(jobs[number] for number in touched if number in jobs)

    def _look_at(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            for execution in job.executions:
                key = (job.id, execution.index)
                if execution.processor == self.processor and self._pending(job, execution):
                    self._live.add(key)
                elif key in self._live:
                    self._live.discard(key)
                    self._readers.pop(key, None)

    def _pending(self, job: Job, execution: Execution) -> bool:
        if job.final:
            return False
        if execution.state == ExecutionState.ALLOCATED:
            return True
        if execution.state != ExecutionState.COMMITTED:
            return False
        record = self.ledger.find(job.id, execution.index)
        return record is not None and not record.handed

    # ----------------------------------------------------------------- asking for work

    def _may_ask(self, news: bool) -> bool:
        if len(self._allocated()) >= self.settings.parallel:
            return False
        return news or time.monotonic() - self._asked >= self.settings.ask_every

    def _allocated(self) -> list[Key]:
        jobs = self.party.history.jobs
        return [
            key for key in self._live if jobs[key[0]].executions[key[1]].state == ExecutionState.ALLOCATED
        ]

    def _ask(self) -> None:
        """Take the job that the queue names, if there is one; one allocation is on its way at a time.

        What dead entries may hide is brought to light for the next look.
        """
        self._asked = time.monotonic()
        allocator = self.party.contracts.allocator
        number = self.ledger.counter("allocations")
        key = f"allocate/{self.processor}/{number}"
        known = self.party.outbox.entry(key)
        if known is not None:
            if not known.done:
                return
            key = f"allocate/{self.processor}/{self.ledger.advance('allocations')}"
        job, reason = allocator.next_for(self.processor)
        self._skimmer.look(reason)
        if reason != Reason.NONE or job == 0:
            return
        try:
            entry = self.party.post(key, allocator.allocate(self.processor), ALLOCATE_GAS)
        except ContractError as error:
            if error.name == "ComputationAllocatorNothingEligible":
                return
            raise
        self._asked = 0.0
        self.journal.write("asked", job=job, transaction="0x" + entry.hash.hex())

    # ----------------------------------------------------------------- one execution

    def _step(self, key: Key) -> None:
        job = self.party.history.jobs[key[0]]
        execution = job.executions[key[1]]
        if not self._pending(job, execution):
            self._live.discard(key)
            return
        record = self.ledger.find(*key)
        if execution.state == ExecutionState.COMMITTED and record is not None:
            self._hand_over(job, execution, record)
        elif record is not None:
            self._commit(job, execution, record)
        elif key not in self._running:
            self._begin(job, execution)
        elif self._running[key].done():
            self._ended(key, self._running.pop(key))

    def _begin(self, job: Job, execution: Execution) -> None:
        key = (job.id, execution.index)
        attempts, again_at = self._failed.get(key, (0, 0.0))
        if time.monotonic() < again_at:
            return
        left = execution.deadline - self.party.chain.now()
        if left < 1:
            return
        try:
            document = self.party.job_document(job)
        except (InputError, IntegrityError) as error:
            self._refuse(job, execution, f"the job document cannot be read: {error.reason}")
            return
        frames_key = self._released(job, execution, document)
        if frames_key is None:
            return
        self.journal.write("run", job=job.id, execution=execution.index, seconds_left=left)
        self._failed[key] = (attempts + 1, time.monotonic() + 2.0 * 2**attempts)
        self._running[key] = self._pool.submit(
            self._execute, job, execution, document, frames_key, float(left)
        )

    def _released(self, job: Job, execution: Execution, document: JobDocument) -> bytes | None:
        """The frames key from the first oracle's mail that opens; None while there is none."""
        key = (job.id, execution.index)
        if key not in self._readers:
            senders = [oracle.address for oracle in self.party.oracles(document.era)]
            topic = release_topic(job.id, execution.index)
            self._readers[key] = self.party.mailbox.reader(topic, senders)
        for mail in self._readers[key].poll():
            try:
                return self._frames_key(job, execution, Release.from_json(mail.body), document.era)
            except (InputError, VerificationError) as error:
                self.journal.error("a release does not open", error, job=job.id, oracle=mail.sender)
        return None

    def _frames_key(self, job: Job, execution: Execution, release: Release, era: int) -> bytes:
        """From a release; `VerificationError` where none of our envelope keys opens it."""
        refusal = VerificationError("no envelope key", field="hpke")
        for own in self.party.hpke_keys:
            try:
                return open_release(
                    release,
                    place=self.party.place,
                    job=job.id,
                    execution=execution.index,
                    provider=self._provider,
                    key=own,
                    era=era,
                )
            except VerificationError as error:
                refusal = error
        raise refusal

    @property
    def _provider(self) -> str:
        return self.party.history.processors[self.processor].provider

    def _execute(
        self, job: Job, execution: Execution, document: JobDocument, frames_key: bytes, left: float
    ) -> None:
        """Fetch, check, run, seal and record; in a thread of its own."""
        started = time.monotonic()
        try:
            frames = open_frames(self.party.store.get(document.frames), frames_key)
        except (InputError, VerificationError, IntegrityError) as error:
            self._refuse(job, execution, error.reason)
            return
        words = {
            "spec": self.settings.spec,
            "job": job.id,
            "execution": execution.index,
            "processor": self.processor,
            "qubits": job.request.qubits,
            "frames": frames.as_json(),
        }
        seconds = max(1.0, left - TO_COMMIT_S)
        limits = Limits(
            address_space_bytes=self.settings.memory_bytes, cpu_seconds=seconds + 1, wall_seconds=seconds
        )
        try:
            answer = self._run_words(words, limits)
        except InputError as error:
            self._refuse(job, execution, error.reason)
            return
        except SandboxError as error:
            if time.monotonic() - started < seconds:
                raise
            # Better said in time than missed: a deadline costs a part of the bond.
            self._refuse(job, execution, f"it did not end within {seconds:.0f} s: {error.reason}")
            return
        self._record(job, execution, ResultDocument.from_json(parse_canonical(answer)))
        self.journal.write(
            "ran", job=job.id, execution=execution.index, seconds=round(time.monotonic() - started, 3)
        )

    def _refuse(self, job: Job, execution: Execution, reason: str) -> None:
        """Commit to a result that says why nothing was run."""
        self.journal.write("refused", job=job.id, execution=execution.index, reason=reason)
        self._record(
            job,
            execution,
            ResultDocument(job.id, execution.index, self.processor, (), {"refused": reason[:500]}),
        )

    def _record(self, job: Job, execution: Execution, result: ResultDocument) -> None:
        """Make result and salt durable; only then may the commitment leave."""
        sealed = seal_result(result)
        cid = self.party.store.put(sealed.blob)
        self.ledger.keep(
            RunRecord(job.id, execution.index, secrets.token_bytes(32), sealed.root, cid, sealed.key)
        )

    def _ended(self, key: Key, future: Future[None]) -> None:
        error = future.exception()
        if error is None:
            self._failed.pop(key, None)
        elif isinstance(error, SURVIVED):
            self.journal.error("run failed", error, job=key[0], execution=key[1])
            self._readers.pop(key, None)  # the next attempt needs the released key again
        else:
            raise error

    # ----------------------------------------------------------------- committing and handing over

    def _commit(self, job: Job, execution: Execution, record: RunRecord) -> None:
        allocator = self.party.contracts.allocator
        commitment = commitment_of(record.salt, self._provider, job.id, record.root)
        key = f"commit/{job.id}/{execution.index}"
        if self.party.outbox.entry(key) is not None:
            return
        try:
            self.party.post(key, allocator.commit_result(job.id, execution.index, commitment), COMMIT_GAS)
        except ContractError as error:
            self.journal.error("commitment refused", error, job=job.id, execution=execution.index)
            self._live.discard((job.id, execution.index))
            return
        self.journal.write("committed", job=job.id, execution=execution.index)

    def _hand_over(self, job: Job, execution: Execution, record: RunRecord) -> None:
        key = (job.id, execution.index)
        try:
            cosign = self._cosigner(execution)
        except (AccountError, StoreError) as error:  # said once, and tried until it can be signed
            if key not in self._unsigned:
                self._unsigned.add(key)
                self.journal.error("a result cannot be signed", error, job=job.id, execution=execution.index)
            return
        try:
            document = self.party.job_document(job)
            recipients = {oracle.address: oracle.hpke for oracle in self.party.oracles(document.era)}
            recipients[job.client] = document.client_key
            era = document.era
        except (InputError, IntegrityError):
            era = self.party.era
            recipients = {oracle.address: oracle.hpke for oracle in self.party.oracles(era)}
        sealed = SealedResult(self.party.store.get(record.cid), record.key, record.root)
        try:
            mail = sealed.hand_over(
                record.salt,
                recipients,
                place=self.party.place,
                job=job.id,
                execution=execution.index,
                era=era,
            )
        except InputError:  # the client's own key is unusable: that is the client's loss
            recipients.pop(job.client, None)
            mail = sealed.hand_over(
                record.salt,
                recipients,
                place=self.party.place,
                job=job.id,
                execution=execution.index,
                era=era,
            )
        topic = result_topic(job.id, execution.index)
        self.party.mailbox.post(topic, mail.as_json(), self.party.account, cosign)
        self.ledger.mark_handed(job.id, execution.index)
        self._live.discard(key)
        self.journal.write("handed over", job=job.id, execution=execution.index)

    def _cosigner(self, execution: Execution) -> Cosign | None:
        """What makes the second signature of an execution's hand-over; None where it needs none."""
        own = self.party.identity
        witness = witness_of(self.party, self.party.history, execution)
        return cosigner(witness, None if own is None else own.cosigner)

    # ----------------------------------------------------------------- earnings

    def _withdraw(self) -> None:
        """Move earnings from the exchange to the account, where it is the provider's own."""
        every = self.settings.withdraw_every
        if not every or time.monotonic() - self._withdrawn < every or self._provider != self.party.address:
            return
        self._withdrawn = time.monotonic()
        allocator = self.party.contracts.allocator
        amount = allocator.balance_of(self.party.address)
        if amount:
            key = f"withdraw/{self.ledger.advance('withdrawals')}"
            try:
                self.party.post(key, allocator.withdraw(self.party.address, amount), WITHDRAW_GAS)
            except NetworkError as error:
                self.journal.error("withdrawal failed", error)
                return
            self.journal.write("withdrew", amount=amount)
