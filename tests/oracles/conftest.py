"""A whole exchange in this process: real contracts, nodes and oracles, advanced turn by turn.

Nothing runs by itself but the limited children, so a test decides who acts and when, and a crash is an
object that is dropped between two turns and made again from its files.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit

from qcrs.chain.bindings import ComputationAllocator, OracleQuorum, ResourceCredit
from qcrs.chain.deploy import deploy
from qcrs.chain.embedded import DEVELOPMENT_MNEMONIC, EmbeddedChain, accounts_of
from qcrs.chain.networks import of_embedded
from qcrs.chain.sender import Sender
from qcrs.circuits import lower
from qcrs.client.exchange import Exchange
from qcrs.client.history import Job
from qcrs.client.identities import write_identities
from qcrs.client.program import Unit
from qcrs.config.home import Home, NetworkFile
from qcrs.node.daemon import Node
from qcrs.node.registration import Registration, node_sandbox
from qcrs.node.worker import NodeSettings
from qcrs.oracles.case import OracleSettings
from qcrs.oracles.daemon import Oracle
from qcrs.oracles.identity import OracleKeys
from qcrs.oracles.judging import bench_sandbox
from qcrs.oracles.reports import Waits
from qcrs.sandbox import Sandbox
from qcrs.store import ContentStore
from qcrs.types import cid_to_digest

CREDIT = 10**6
PURSE = 100_000 * CREDIT
BOND = 500 * CREDIT
PATIENCE_S = 240.0


@pytest.fixture(scope="session")
def bench() -> Iterator[Sandbox]:
    """One parent of judging children for all oracles: they are separate in everything else."""
    with bench_sandbox() as sandbox:
        sandbox.start()
        yield sandbox


@pytest.fixture(scope="session")
def devices() -> Iterator[Callable[[str], Sandbox]]:
    """Parents of running children, one for each device."""
    made: dict[str, Sandbox] = {}

    def device(spec: str) -> Sandbox:
        if spec not in made:
            made[spec] = node_sandbox(spec)
            made[spec].start()
        return made[spec]

    yield device
    for sandbox in made.values():
        sandbox.close()


@dataclass
class Stage:
    """The exchange. Who is not in `oracles`, or not in `nodes` and `present`, does not act."""

    root: Path
    bench: Sandbox
    device: Callable[[str], Sandbox]
    handover_s: int = 1
    oracles: dict[str, Oracle] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    specs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home = Home(self.root)
        self.embedded = EmbeddedChain(accounts=24)
        self.chain = of_embedded(self.embedded)
        self.accounts = iter(accounts_of(DEVELOPMENT_MNEMONIC, 24))
        self.deployer = Sender(self.chain, next(self.accounts))
        deployment = deploy(self.chain, self.deployer.account)
        self.network = NetworkFile(
            rpc="http://127.0.0.1:1",
            chain_id=self.chain.chain_id,
            store=str(self.home.path("store", ".").parent),
            contracts=deployment.addresses,
            beacon_blocks=2,
            handover_seconds=self.handover_s,
        )
        self.home.save(self.network)
        self.allocator = ComputationAllocator(self.chain, deployment.addresses["ComputationAllocator"])
        self.credit = ResourceCredit(self.chain, deployment.addresses["ResourceCredit"])
        self.deployer.transact(self.allocator.set_times(60, 0, 3600))
        self.deployer.transact(self.allocator.open_flow(self.deployer.address, 100, True))
        self.keys = {f"oracle-{i}": next(self.accounts) for i in range(4)}
        self._first_era(deployment.addresses["OracleQuorum"])
        self.client = self.account("client")
        self.exchange = Exchange.connect(
            self.home, network=self.network, account=self.client, chain=self.chain
        )

    def account(self, name: str) -> Any:
        """An account with chain money, credit and a balance."""
        account = self.keys.setdefault(name, next(self.accounts))
        for amount_to in (self.deployer.address, account.address):
            self.deployer.transact(self.credit.mint(amount_to, PURSE))
        self.deployer.transact(self.credit.approve(self.allocator.address, PURSE))
        self.deployer.transact(self.allocator.deposit(account.address, PURSE))
        return account

    def _first_era(self, address: str) -> None:
        quorum = OracleQuorum(self.chain, address)
        identities = []
        for name, account in self.keys.items():
            self.deployer.transact(self.credit.mint(account.address, 2 * PURSE))
            sender = Sender(self.chain, account)
            sender.transact(self.credit.approve(quorum.address, 1_000 * CREDIT))
            sender.transact(quorum.bond(1_000 * CREDIT))
            identities.append(OracleKeys.open(self.home, name, account).identity)
        digest = cid_to_digest(ContentStore(self.network.store).put(write_identities(identities)))
        signers = tuple(account.address for account in self.keys.values())
        self.deployer.transact(quorum.rotate(signers, digest))

    # ----------------------------------------------------------------- who is there

    def oracle(self, name: str) -> Oracle:
        """Start an oracle, or start it again."""
        settings = OracleSettings(proofs=1.0, peer=5.0, blob=3.0, waits=Waits(0.4, 0.3))
        found = Oracle(self.home, name, self.keys[name], settings, chain=self.chain, sandbox=self.bench)
        self.oracles[name] = found
        return found

    def node(self, name: str, spec: str | None = None, kind: type[Node] = Node) -> Node:
        """Start a node, or start it again."""
        if name not in self.keys:
            self.account(name)
        self.specs[name] = spec or self.specs[name]
        registration = Registration(name, self.specs[name], BOND, 2000)
        found = kind(
            self.home,
            self.keys[name],
            registration,
            NodeSettings(self.specs[name], ask_every=0.0, withdraw_every=0.0),
            chain=self.chain,
            sandbox=self.device(self.specs[name]),
        )
        found.prepare()
        self.nodes[name] = found
        self.present.add(name)
        return found

    def certify(self, **specs: str) -> None:
        """These nodes, and no others, are there and certified."""
        self.present.clear()
        for name, spec in specs.items():
            if name in self.nodes:
                self.present.add(name)
            else:
                self.node(name, spec)
        self.until(lambda: self.certified(*specs), "certification")

    def reset(self) -> None:
        """As at first: all four oracles, no nodes present, generous times."""
        for i in range(4):
            if f"oracle-{i}" not in self.oracles:
                self.oracle(f"oracle-{i}")
        self.present.clear()
        if self.allocator.times()[0] != 60:
            self.deployer.transact(self.allocator.set_times(60, 0, 3600))

    def drop(self, name: str) -> None:
        """Gone between two turns, as by kill -9: nothing is finished, only what is on disk stays."""
        self.present.discard(name)
        (self.oracles.pop(name, None) or self.nodes.pop(name)).close()

    # ----------------------------------------------------------------- turns

    def turn(self) -> None:
        """Everybody acts once, then time passes on the chain."""
        for name in sorted(self.present):
            worker = self.nodes[name].worker
            assert worker is not None
            worker.tick()
        for oracle in self.oracles.values():
            oracle.tick()
        self.embedded.mine()

    def until(self, condition: Callable[[], Any], what: str = "") -> Any:
        """Turns until the condition holds; its value."""
        end = time.monotonic() + PATIENCE_S
        pause = threading.Event()
        while True:
            found = condition()
            if found:
                return found
            assert time.monotonic() < end, f"{what or condition}\n{self.tails()}"
            self.turn()
            pause.wait(0.01)  # children compute meanwhile

    def tails(self) -> str:
        """The ends of all journals."""
        return "\n".join(
            path.name + "\n" + "\n".join(path.read_text().splitlines()[-12:])
            for path in sorted((self.root / "logs").glob("*.jsonl"))
        )

    # ----------------------------------------------------------------- looking

    def job(self, number: int) -> Job:
        """As the events tell it now."""
        return self.exchange.history().jobs[number]

    def number_of(self, name: str) -> int:
        """A processor's number."""
        worker = self.nodes[name].worker
        assert worker is not None
        return worker.processor

    def certified(self, *names: str) -> bool:
        """Whether these processors hold certificates."""
        processors = self.exchange.history().processors
        return all(processors[self.number_of(name)].epoch > 0 for name in names)

    def said(self, who: str, what: str) -> int:
        """How often a journal has this line."""
        path = self.root / "logs" / f"{who}.jsonl"
        return sum(f'"what":"{what}"' in line for line in path.read_text().splitlines())

    def close(self) -> None:
        """Release everything."""
        for member in [*self.oracles.values(), *self.nodes.values()]:
            member.close()
        self.exchange.close()
        self.chain.close()


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, bench: Sandbox, devices: Callable[[str], Sandbox]
) -> Iterator[Stage]:
    """One exchange for a module's tests: certificates are worth keeping."""
    stage = Stage(tmp_path_factory.mktemp("exchange"), bench, devices)
    yield stage
    stage.close()


@pytest.fixture
def stage(whole: Stage) -> Stage:
    """The exchange with four oracles and no nodes present."""
    whole.reset()
    return whole


@pytest.fixture
def program() -> Unit:
    """A four-qubit circuit that is no Clifford circuit, 2,000 shots."""
    circuit = QuantumCircuit(4, 4)
    for q in range(4):
        circuit.ry(0.5 + 0.4 * q, q)
    for q in range(3):
        circuit.cx(q, q + 1)
    for q in range(4):
        circuit.rx(0.3 + 0.2 * q, q)
    circuit.measure(range(4), range(4))
    return Unit(lower(circuit).document, 2000)
