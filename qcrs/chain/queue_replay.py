"""The real allocator as the queue that the reference model is compared with.

A fresh embedded chain gets all contracts, four flows of different weights, four processors of three
providers, and a quorum of four oracles. Then every operation of `qcrs.scheduling.replay` is a transaction
in a block at its own time: no contract is replaced, no caller impersonated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_keys.datatypes import PrivateKey

from qcrs.chain import bindings
from qcrs.chain.abi import Call
from qcrs.chain.bindings import (
    ComputationAllocator,
    OracleQuorum,
    ProcessorRegistry,
    ResourceCredit,
    ResultVerifier,
)
from qcrs.chain.deploy import DeployParameters, deploy
from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.networks import Receipt, of_embedded
from qcrs.chain.sender import Sender
from qcrs.errors import ContractError
from qcrs.scheduling.model import FairQueue
from qcrs.scheduling.replay import ReplayReport, Snapshot, replay
from qcrs.scheduling.words import Outcome, Parameters, QueueRefusal, Reason, Request

__all__ = ["ContractQueue", "open_contract_queue", "replay_on_contract"]

CLIENTS = 4
WEIGHTS = (100, 100, 300, 50)
"""Of the flows; the first is there from the deployment."""
PROCESSORS = ((0, 27, 1500), (1, 27, 2600), (2, 127, 2600), (2, 133, 3200))
"""Number of the provider, qubits, certified quality."""
SHORT_LIFE_S, LONG_LIFE_S = 6000, 25 * 86_400
"""Life of the first processor's certificate, which lapses on the way, and of the others'."""
PARAMETERS = Parameters(drain=600, credit=40, boosts=(0, 100, 300), grace=30, margin=60, verdict_window=600)
QUOTAS = ((0, 1, 40_000, 500_000), (2, 1, 60_000, 900_000), (2, 2, 20_000, 100_000))
"""Flow, class, capacity and refill a day, in qubit-seconds."""

_GAS = 3_000_000
_FUNDS = 10**15
_BOND = 10**12
_NOTHING = bytes(32)


class ContractQueue:
    """The contracts, driven one transaction a block. Refused calls raise `QueueRefusal`."""

    def __init__(self, embedded: EmbeddedChain) -> None:
        self.embedded = embedded
        self.chain = of_embedded(embedded)
        accounts = embedded.accounts
        self.admin, self.anyone = Sender(self.chain, accounts[0]), Sender(self.chain, accounts[1])
        self.clients = [Sender(self.chain, account) for account in accounts[2 : 2 + CLIENTS]]
        owners = [Sender(self.chain, account) for account in accounts[8:11]]
        self.owner = {number: owners[row[0]] for number, row in enumerate(PROCESSORS, start=1)}
        self.oracles: list[LocalAccount] = accounts[12:16]
        found = deploy(
            self.chain, accounts[0], parameters=DeployParameters(supply=_FUNDS * 10, cap=_FUNDS * 10)
        )
        at = found.addresses
        self.credit = ResourceCredit(self.chain, at["ResourceCredit"])
        self.quorum = OracleQuorum(self.chain, at["OracleQuorum"])
        self.registry = ProcessorRegistry(self.chain, at["ProcessorRegistry"])
        self.allocator = ComputationAllocator(self.chain, at["ComputationAllocator"])
        self.verifier = ResultVerifier(self.chain, at["ResultVerifier"])
        self.now = int(embedded.evm.head.timestamp)
        self.rounds: dict[tuple[int, int], int] = {}
        self.model = FairQueue(replace(PARAMETERS))
        self._fund(owners)
        self._set_up()

    # ------------------------------ setting up, on both sides ------------------------------

    def _next(self, sender: Sender, call: Call) -> Receipt:
        return self._send(sender, call, self.now + 1)

    def _fund(self, owners: list[Sender]) -> None:
        for sender in (*self.clients, *owners):
            self._next(self.admin, self.credit.transfer(sender.address, _FUNDS))
            self._next(sender, self.credit.approve(self.allocator.address, _FUNDS))
            self._next(sender, self.allocator.deposit(sender.address, _FUNDS))
        least = self.quorum.least_bond()
        for oracle in (Sender(self.chain, account) for account in self.oracles):
            self._next(self.admin, self.credit.transfer(oracle.address, least))
            self._next(oracle, self.credit.approve(self.quorum.address, least))
            self._next(oracle, self.quorum.bond(least))
        self._next(self.admin, self.quorum.rotate(tuple(o.address for o in self.oracles), _NOTHING))

    def _set_up(self) -> None:
        p = PARAMETERS
        self._next(self.admin, self.allocator.set_queueing(p.drain, p.credit))
        self._next(self.admin, self.allocator.set_times(p.grace, p.margin, p.verdict_window))
        for klass in (1, 2):
            self._next(self.admin, self.allocator.set_class(klass, 1000, p.boosts[klass]))
        for flow, weight in enumerate(WEIGHTS):
            if flow:
                self._next(self.admin, self.allocator.open_flow(self.admin.address, weight, True))
            self.model.open_flow(weight)
        for flow, klass, capacity, per_day in QUOTAS:
            self._next(self.admin, self.allocator.set_quota(flow, klass, capacity, per_day))
            self.model.set_quota(flow, klass, capacity, per_day, self.now)
        for number, (provider, qubits, quality) in enumerate(PROCESSORS, start=1):
            owner = self.owner[number]
            spec = bindings.ProcessorSpec(qubits, _NOTHING, _NOTHING, owner.address, _NOTHING, quality, _BOND)
            self._next(owner, self.registry.register(spec))
            until = self.now + (SHORT_LIFE_S if number == 1 else LONG_LIFE_S)
            capability = bindings.Capability(qubits, 4, 10**6, 1000, 10**7, 0, 0, 4, quality)
            certificate = bindings.Certification(number, 1, 1, until, capability, _NOTHING)
            bitmap, signatures = self._sign(self.registry.certification_digest(certificate))
            self._next(self.anyone, self.registry.certify(certificate, bitmap, signatures))
            self.model.enroll(number, provider, qubits)
            self.model.certify(number, quality, until)

    # ------------------------------ how ------------------------------

    def _send(self, sender: Sender, call: Call, now: int) -> Receipt:
        """In a block at that time; views after it see the same time."""
        self.now = now
        self.embedded.travel_to(now)
        try:
            return sender.transact(call, gas=_GAS)
        except ContractError as error:
            raise QueueRefusal(error.name) from error
        finally:
            self.embedded.travel_to(now)

    def _sign(self, digest: bytes) -> tuple[int, bytes]:
        """Three of the four oracles, as compact signatures."""
        signed = b""
        for oracle in self.oracles[:3]:
            signature = PrivateKey(bytes(oracle.key)).sign_msg_hash(digest)
            signed += signature.r.to_bytes(32, "big") + (signature.s | signature.v << 255).to_bytes(32, "big")
        return 0b111, signed

    @staticmethod
    def _event(receipt: Receipt, kind: Any) -> Any:
        log = next(log for log in receipt.logs if log.topics[0] == kind.TOPIC)
        return kind.from_log(log.topics, log.data)

    # ------------------------------ operations ------------------------------

    def submit(self, request: Request, client: int, now: int) -> int:
        """The job's id."""
        asked = bindings.JobRequest(
            request.flow,
            request.target,
            request.qubits,
            request.quality,
            request.klass,
            request.redundancy,
            request.executions,
            request.trust,
            request.declared,
            request.deadline,
            _NOTHING,
        )
        receipt = self._send(self.clients[client], self.allocator.submit(asked), now)
        return int(self._event(receipt, ComputationAllocator.JobSubmitted).job)

    def cancel(self, job: int, client: int, now: int) -> None:
        """By its client."""
        self._send(self.clients[client], self.allocator.cancel(job), now)

    def allocate(self, processor: int, now: int) -> tuple[int, int]:
        """Job and number of the execution."""
        receipt = self._send(self.owner[processor], self.allocator.allocate(processor), now)
        event = self._event(receipt, ComputationAllocator.JobAllocated)
        return int(event.job), int(event.execution)

    def commit(self, job: int, execution: int, now: int) -> None:
        """By the processor that runs it; anyone's attempt where there is no such execution."""
        try:
            sender = self.owner[self.allocator.execution(job, execution).processor]
        except ContractError:
            sender = self.anyone
        self._send(sender, self.allocator.commit_result(job, execution, _NOTHING), now)

    def judge(self, job: int, execution: int, outcome: Outcome, now: int) -> None:
        """A report of the quorum."""
        number = self.rounds.get((job, execution), 0)
        report = bindings.Report(job, execution, number, int(outcome), 0, 0, 0, _NOTHING, 1)
        bitmap, signatures = self._sign(self.verifier.report_digest(report))
        self._send(self.anyone, self.verifier.report_verdict(report, bitmap, signatures), now)
        self.rounds[job, execution] = number + 1

    def expire_execution(self, job: int, execution: int, now: int) -> None:
        """By anyone."""
        self._send(self.anyone, self.allocator.expire_execution(job, execution), now)

    def expire(self, job: int, now: int) -> None:
        """By anyone."""
        self._send(self.anyone, self.allocator.expire(job), now)

    def skim(self, queue: int, most: int, now: int) -> None:
        """By anyone."""
        self._send(self.anyone, self.allocator.skim(queue, most), now)

    # ------------------------------ views ------------------------------

    def next_for(self, processor: int) -> tuple[int, Reason]:
        """What `allocate` would do."""
        job, reason = self.allocator.next_for(processor)
        return job, Reason(reason)

    def odds(self, processor: int) -> int:
        """Log2-odds of a processor's reputation."""
        return int(self.registry.log2_odds(processor))

    def snapshot(self) -> Snapshot:
        """Virtual time, finish tags, lanes and free qubits."""
        return Snapshot(
            self.allocator.virtual_time(),
            tuple(self.allocator.flow(flow)[3] for flow in range(len(WEIGHTS))),
            tuple(self.allocator.lane(flow) for flow in range(len(WEIGHTS))),
            tuple(self.allocator.dispatch(processor)[2] for processor in self.owner),
        )


@contextmanager
def open_contract_queue() -> Iterator[ContractQueue]:
    """A fresh chain with the contracts, and a model in the same state; gone at the end."""
    embedded = EmbeddedChain()
    try:
        yield ContractQueue(embedded)
    finally:
        embedded.close()


def replay_on_contract(
    operations: int,
    *,
    seed: int = 1,
    compare_every: int = 5,
    progress: Callable[[str], None] | None = None,
) -> ReplayReport:
    """Random operations on contract and model; `VerificationError` at the first difference.

    `progress` gets a line after every tenth of them.
    """
    step = max(1, operations // 10)

    def tell(done: int) -> None:
        if progress is not None and done % step == 0:
            progress(f"  {done} of {operations} operations agree")

    with open_contract_queue() as queue:
        return replay(
            queue.model,
            queue,
            operations,
            seed,
            start=queue.now,
            clients=CLIENTS,
            compare_every=compare_every,
            progress=tell,
        )
