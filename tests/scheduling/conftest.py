"""The exchange's contracts on the embedded chain, as the queue that the reference model is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from eth.exceptions import Revert
from eth_account.signers.local import LocalAccount
from eth_keys import keys
from eth_utils import keccak, to_checksum_address
from rlp import encode as rlp_encode

from qcrs.chain.abi import Call
from qcrs.chain.bindings import (
    Capability,
    Certification,
    ComputationAllocator,
    JobRequest,
    OracleQuorum,
    ProcessorRegistry,
    ProcessorSpec,
    Report,
    ResourceCredit,
    ResultVerifier,
)
from qcrs.chain.compile import Artifact, artifacts
from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.networks import Chain, of_embedded
from qcrs.chain.sender import Sender, deployment_call
from qcrs.errors import ContractError
from qcrs.scheduling import FairQueue, Outcome, Parameters, QueueRefusal, Reason, Request
from qcrs.scheduling.replay import Snapshot

GAS = 3_000_000
RICH = 10**15
PROCESSORS = ((0, 27, 1500), (1, 27, 2600), (2, 127, 2600), (2, 133, 3200))
"""Index of the provider, qubits, certified quality."""
WEIGHTS = (100, 100, 300, 50)
DRAIN, CREDIT, BOOSTS = 600, 40, (0, 100, 300)
QUOTAS = ((0, 1, 40_000, 500_000), (2, 1, 60_000, 900_000), (2, 2, 20_000, 100_000))
GRACE, MARGIN, VERDICT_WINDOW = 30, 60, 600
CLIENTS = 4
CERTIFICATE_S = 6000
"""Life of the first processor's certificate; the others outlast the replay."""


class AtHead:
    """Reads with the last block's own time, where a chain's `latest` would use the clock's."""

    def __init__(self, chain: EmbeddedChain) -> None:
        self.chain = chain

    def call(self, call: Call, *, sender: str | None = None, block: int | str = "latest") -> Any:
        evm = self.chain.evm
        state = evm.state_at(evm.head)
        transaction = evm.spoof(
            state,
            sender=bytes.fromhex((sender or "0x" + "11" * 20)[2:]),
            to=bytes.fromhex(call.to[2:]),
            gas=10_000_000,
            value=0,
            data=call.data,
        )
        done = evm.call(state, transaction)
        done.raise_if_error()
        return call.decode(bytes(done.output))


class Exchange:
    """The contracts with four flows, four processors of three providers, and a quorum of four oracles."""

    def __init__(self, built: dict[str, Artifact], start: int) -> None:
        self.embedded = EmbeddedChain()
        self.chain: Chain = of_embedded(self.embedded)
        accounts = self.embedded.accounts
        self.senders = [Sender(self.chain, account) for account in accounts[:12]]
        self.admin, self.clients = self.senders[0], self.senders[1 : 1 + CLIENTS]
        self.providers, self.anyone = self.senders[6:9], self.senders[9]
        self.oracles: Sequence[LocalAccount] = accounts[12:16]
        for artifact in built.values():
            self.chain.decoder.learn(artifact.abi)
        self.now = start
        self._deploy(built)
        self._open()

    def send(self, sender: Sender, call: Call, gas: int = GAS) -> Any:
        """In a block at the exchange's time."""
        self.embedded.travel_to(self.now)
        return sender.transact(call, gas=gas)

    def _deploy(self, built: dict[str, Artifact]) -> None:
        head = AtHead(self.embedded)

        def create(name: str, *arguments: Any) -> str:
            receipt = self.send(self.admin, deployment_call(built[name], arguments), 25_000_000)
            assert receipt.contract is not None
            return str(receipt.contract)

        authority = create("AccessManager", self.admin.address)
        credit = create("ResourceCredit", authority, self.admin.address, RICH * 100, RICH * 1000)
        nonce = self.chain.nonce(self.admin.address)
        at = [
            to_checksum_address(keccak(rlp_encode([bytes.fromhex(self.admin.address[2:]), nonce + i]))[12:])
            for i in range(4)
        ]
        treasury = self.senders[11].address
        made = [
            create("OracleQuorum", authority, credit, at[3], treasury),
            create("ProcessorRegistry", authority, at[2], at[0], at[3], treasury, 1),
            create("ComputationAllocator", authority, credit, at[1], at[3], 1),
            create("ResultVerifier", authority, at[2], at[1], at[0]),
        ]
        assert made == at
        self.credit = ResourceCredit(head, credit)
        self.quorum, self.registry = OracleQuorum(head, at[0]), ProcessorRegistry(head, at[1])
        self.allocator, self.verifier = ComputationAllocator(head, at[2]), ResultVerifier(head, at[3])

    def _open(self) -> None:
        allocator = self.allocator
        for sender in (*self.clients, *self.providers):
            self.send(self.admin, self.credit.transfer(sender.address, RICH))
            self.send(sender, self.credit.approve(allocator.address, RICH))
            self.send(sender, allocator.deposit(sender.address, RICH))
        self.send(self.admin, self.quorum.rotate([o.address for o in self.oracles], keccak(text="keys")))
        self.send(self.admin, allocator.set_queueing(DRAIN, CREDIT))
        self.send(self.admin, allocator.set_times(GRACE, MARGIN, VERDICT_WINDOW))
        for klass in (1, 2):
            self.send(self.admin, allocator.set_class(klass, 1000 * (klass + 1), BOOSTS[klass]))
        for weight in WEIGHTS[1:]:
            self.send(self.admin, allocator.open_flow(self.admin.address, weight, True))
        for flow, klass, capacity, per_day in QUOTAS:
            self.send(self.admin, allocator.set_quota(flow, klass, capacity, per_day))
        for number, (provider, qubits, quality) in enumerate(PROCESSORS, start=1):
            nothing = bytes(32)
            owner = self.providers[provider]
            spec = ProcessorSpec(qubits, nothing, nothing, owner.address, nothing, quality, 10**12)
            self.send(owner, self.registry.register(spec))
            life = CERTIFICATE_S if number == 1 else 20 * 86_400
            capability = Capability(qubits, 4, 10**6, 1000, 10**7, 0, 0, 4, quality)
            certificate = Certification(number, 1, 1, self.now + life, capability, nothing)
            bitmap, signatures = self.sign(self.registry.certification_digest(certificate))
            self.send(self.anyone, self.registry.certify(certificate, bitmap, signatures))

    def sign(self, digest: bytes) -> tuple[int, bytes]:
        """Three of the four oracles."""
        signed = b""
        for oracle in self.oracles[:3]:
            signature = keys.PrivateKey(bytes(oracle.key)).sign_msg_hash(digest)
            signed += signature.r.to_bytes(32, "big") + (signature.s | signature.v << 255).to_bytes(32, "big")
        return 0b111, signed

    def close(self) -> None:
        self.chain.close()
        self.embedded.close()


class ContractLedger:
    """The replay's operations, each one transaction in a block at its time."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.rounds: dict[tuple[int, int], int] = {}
        self.providers = {
            number: exchange.providers[provider] for number, (provider, *_) in enumerate(PROCESSORS, start=1)
        }

    def act(self, sender: Sender, call: Call, now: int) -> Any:
        self.exchange.now = now
        try:
            return self.exchange.send(sender, call)
        except ContractError as error:
            raise QueueRefusal(error.name) from error

    def submit(self, request: Request, client: int, now: int) -> int:
        asked = JobRequest(
            request.flow, request.target, request.qubits, request.quality, request.klass, request.redundancy,
            request.executions, request.trust, request.declared, request.deadline, bytes(32),
        )  # fmt: skip
        receipt = self.act(self.exchange.clients[client], self.exchange.allocator.submit(asked), now)
        event = ComputationAllocator.JobSubmitted
        return int(next(log.topics[1] for log in receipt.logs if log.topics[0] == event.TOPIC).hex(), 16)

    def cancel(self, job: int, client: int, now: int) -> None:
        self.act(self.exchange.clients[client], self.exchange.allocator.cancel(job), now)

    def allocate(self, processor: int, now: int) -> tuple[int, int]:
        receipt = self.act(self.providers[processor], self.exchange.allocator.allocate(processor), now)
        kind = ComputationAllocator.JobAllocated
        log = next(log for log in receipt.logs if log.topics[0] == kind.TOPIC)
        event = kind.from_log(log.topics, log.data)
        return event.job, event.execution

    def commit(self, job: int, execution: int, now: int) -> None:
        try:
            processor = self.exchange.allocator.execution(job, execution).processor
        except Revert:  # no such execution: anyone's attempt will do
            processor = 1
        self.act(
            self.providers[processor], self.exchange.allocator.commit_result(job, execution, bytes(32)), now
        )

    def judge(self, job: int, execution: int, outcome: Outcome, now: int) -> None:
        number = self.rounds.get((job, execution), 0)
        report = Report(job, execution, number, int(outcome), 0, 0, 0, bytes(32), 1)
        bitmap, signatures = self.exchange.sign(self.exchange.verifier.report_digest(report))
        call = self.exchange.verifier.report_verdict(report, bitmap, signatures)
        self.act(self.exchange.anyone, call, now)
        self.rounds[job, execution] = number + 1

    def expire_execution(self, job: int, execution: int, now: int) -> None:
        self.act(self.exchange.anyone, self.exchange.allocator.expire_execution(job, execution), now)

    def expire(self, job: int, now: int) -> None:
        self.act(self.exchange.anyone, self.exchange.allocator.expire(job), now)

    def skim(self, queue: int, most: int, now: int) -> None:
        self.act(self.exchange.anyone, self.exchange.allocator.skim(queue, most), now)

    def next_for(self, processor: int) -> tuple[int, Reason]:
        job, reason = self.exchange.allocator.next_for(processor)
        return job, Reason(reason)

    def odds(self, processor: int) -> int:
        return int(self.exchange.registry.log2_odds(processor))

    def snapshot(self) -> Snapshot:
        allocator = self.exchange.allocator
        return Snapshot(
            allocator.virtual_time(),
            tuple(allocator.flow(f)[3] for f in range(len(WEIGHTS))),
            tuple(allocator.lane(f) for f in range(len(WEIGHTS))),
            tuple(allocator.dispatch(p)[2] for p in self.providers),
        )


@pytest.fixture
def contract_ledger() -> Iterator[Callable[[], tuple[ContractLedger, FairQueue, int]]]:
    """A factory: the contracts, a model in the same state, and the time at which both begin."""
    opened: list[Exchange] = []

    def build() -> tuple[ContractLedger, FairQueue, int]:
        exchange = Exchange(artifacts(), 2_000_000_000)
        opened.append(exchange)
        start = exchange.now
        model = FairQueue(
            Parameters(
                drain=DRAIN,
                credit=CREDIT,
                boosts=BOOSTS,
                grace=GRACE,
                margin=MARGIN,
                verdict_window=VERDICT_WINDOW,
            )
        )
        for weight in WEIGHTS:
            model.open_flow(weight)
        for quota in QUOTAS:
            model.set_quota(*quota, start)
        for number, (provider, qubits, quality) in enumerate(PROCESSORS, start=1):
            model.enroll(number, provider, qubits)
            model.certify(number, quality, start + (CERTIFICATE_S if number == 1 else 20 * 86_400))
        return ContractLedger(exchange), model, start

    yield build
    for exchange in opened:
        exchange.close()
