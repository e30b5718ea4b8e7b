"""A chain with certified processors, the agents of their owners and a client: all of it in this process."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit

from qcrs.chain.bindings import (
    Capability,
    Certification,
    ComputationAllocator,
    EntanglementCoordinator,
    OracleQuorum,
    Parameters,
    ProcessorRegistry,
    ProcessorSpec,
    ResourceCredit,
)
from qcrs.chain.deploy import deploy
from qcrs.chain.networks import Chain
from qcrs.chain.sender import Sender
from qcrs.circuits.drbg import keccak
from qcrs.client.coordinator import Coordinator, of_sender
from qcrs.client.quantum import QuantumIdentity, identity_path
from qcrs.config.home import Home, NetworkFile
from qcrs.identity import IdentitySecret
from qcrs.qnp import CircuitSpec, ControlSpec, HardwareSpec, LinkSpec, NodeSpec, Topology
from qcrs.store import ContentStore
from qcrs.together.agent import Agent
from qcrs.together.conductor import Conductor
from qcrs.types import canonical_json, cid_to_digest

CREDIT = 10**6
T2_NS = 4_000_000_000
NAMES = ("ada", "bea", "cy", "dan")


def star(fidelity: float = 0.98, *, nodes: tuple[str, ...] = NAMES, dephasing: float = 0.0) -> Topology:
    """Every node joined to a hub; a circuit between every two of them."""
    link = {"kind": "heralded", "p": 0.2, "attempt_ns": 20_000, "dephasing": dephasing}
    circuits = [
        CircuitSpec(f"{a}-{b}", a, b, 0.6, cutoff="none") for i, a in enumerate(nodes) for b in nodes[i + 1 :]
    ]
    return Topology(
        nodes=tuple(NodeSpec(n, HardwareSpec(qubits_per_link=8)) for n in (*nodes, "hub")),
        links=tuple(LinkSpec(n, "hub", fidelity=fidelity, **link) for n in nodes),  # type: ignore[arg-type]
        circuits=tuple(circuits),
        control=ControlSpec(test_every=40, test_count=12),
    )


@dataclass
class World:
    """Everything that a test of channels and sessions needs."""

    root: Path
    chain: Chain
    travel: Callable[[int], None]
    deployer: Sender
    network: NetworkFile
    senders: dict[str, Sender] = field(default_factory=dict)
    processors: dict[str, int] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    client: Sender = None  # type: ignore[assignment] # set by `world`
    heard: list[tuple[str, str]] = field(default_factory=list)

    @property
    def home(self) -> Home:
        return Home(self.root)

    @property
    def store(self) -> ContentStore:
        return ContentStore(self.network.store)

    def coordinator(self, sender: Sender, name: str = "client") -> Coordinator:
        return Coordinator(self.chain, self.network, self.home, of_sender(sender), name=name)

    def bind(self, kind: type[Any], name: str) -> Any:
        return kind(self.chain, self.network.contracts[name])

    def add(self, name: str, account: Any) -> None:
        """A provider with a certified processor, and its agent."""
        sender = self.senders[name] = Sender(self.chain, account)
        number = self.processors[name] = len(self.processors) + 1

        def say(words: str, **fields: object) -> None:
            self.heard.append((name, f"{words} {fields}"))

        self.agents[name] = Agent(self.coordinator(sender, name), self.store, account, number, say=say)

    def register(self, name: str) -> None:
        """Money, a processor, a certificate."""
        sender = self.senders[name]
        allocator = self.bind(ComputationAllocator, "ComputationAllocator")
        credit = self.bind(ResourceCredit, "ResourceCredit")
        registry = self.bind(ProcessorRegistry, "ProcessorRegistry")
        self.deployer.transact(credit.mint(self.deployer.address, 10 * CREDIT))
        self.deployer.transact(credit.approve(allocator.address, 10 * CREDIT))
        self.deployer.transact(allocator.deposit(sender.address, 10 * CREDIT))
        self.deployer.transact(credit.mint(sender.address, 10 * CREDIT))
        spec = ProcessorSpec(20, bytes(32), bytes(32), "0x" + "0" * 40, bytes(32), 1000, 10 * CREDIT)
        sender.transact(registry.register(spec))
        self._certify(self.processors[name])

    def _certify(self, number: int) -> None:
        registry = self.bind(ProcessorRegistry, "ProcessorRegistry")
        capability = Capability(20, 10, 3_000_000, 2_500, 10_000_000, 100_000, T2_NS, 10, 2_000)
        word = Certification(number, 1, 1, self.chain.now() + 86_400 * 20, capability, b"\x01" * 32)
        digest = registry.certification_digest(word)
        signatures = b""
        for sender in self.oracles[:3]:
            signed = sender.account.unsafe_sign_hash(digest)
            signatures += signed.r.to_bytes(32, "big")
            signatures += (signed.s | (signed.v - 27) << 255).to_bytes(32, "big")
        self.deployer.transact(registry.certify(word, 0b111, signatures))

    oracles: list[Sender] = field(default_factory=list)

    def parameters(self, **changes: int) -> None:
        """Change the coordinator's parameters as STANDARDS."""
        contract = self.bind(EntanglementCoordinator, "EntanglementCoordinator")
        now = contract.current_parameters()
        fields = {name: getattr(now, name) for name in Parameters.__slots__}
        self.deployer.transact(contract.set_parameters(Parameters(**(fields | changes))))

    def tick(self) -> None:
        for agent in self.agents.values():
            agent.tick()

    def conductor(self, topology: Topology, **fields: Any) -> Conductor:
        account = self.client.account
        return Conductor(
            self.coordinator(self.client), self.store, account, topology, self.processors,
            between=self.tick, **fields,
        )  # fmt: skip

    def money(self) -> dict[str, int]:
        """What everybody owns: credit, and balances in both contracts."""
        credit = self.bind(ResourceCredit, "ResourceCredit")
        allocator = self.bind(ComputationAllocator, "ComputationAllocator")
        contract = self.bind(EntanglementCoordinator, "EntanglementCoordinator")
        senders = {"client": self.client, **self.senders}
        return {
            name: credit.balance_of(s.address)
            + allocator.balance_of(s.address)
            + contract.balance_of(s.address)
            for name, s in senders.items()
        }


def give_key(world: World, name: str) -> QuantumIdentity:
    """A post-quantum key for a processor, its description published; the identity that signs with it."""
    sender, number = world.senders[name], world.processors[name]
    registry = world.bind(ProcessorRegistry, "ProcessorRegistry")
    IdentitySecret.create(identity_path(world.home, name), None)
    own = QuantumIdentity.open(world.home, name, registry, world.chain.chain_id, str)
    described = canonical_json(own.described({}, name))
    sender.transact(registry.set_metadata(number, cid_to_digest(world.store.put(described))))
    sender.transact(registry.set_identity(number, own.off_chain.identity))
    sender.transact(own.adopt(number, name))
    return own


def people(
    root: Path, chain: Chain, accounts: list[Any], at: dict[str, str], travel: Callable[[int], None]
) -> World:
    """The world on a chain where everything is laid out."""
    network = NetworkFile("http://127.0.0.1:1", chain.chain_id, str(root / "store"), at)
    world = World(root, chain, travel, Sender(chain, accounts[0]), network)
    world.oracles = [Sender(chain, account) for account in accounts[1:5]]
    world.client = Sender(chain, accounts[5])
    for name, account in zip(NAMES, accounts[6:], strict=False):
        world.add(name, account)
    return world


def lay_out(root: Path, chain: Chain, accounts: list[Any]) -> dict[str, str]:
    """Deploy, certify, fund; where the contracts are."""
    at = deploy(chain, accounts[0]).addresses
    world = people(root, chain, accounts, at, lambda _seconds: None)
    quorum = world.bind(OracleQuorum, "OracleQuorum")
    credit = world.bind(ResourceCredit, "ResourceCredit")
    least = quorum.least_bond()
    for oracle in world.oracles:
        world.deployer.transact(credit.mint(oracle.address, least))
        oracle.transact(credit.approve(quorum.address, least))
        oracle.transact(quorum.bond(least))
    world.deployer.transact(quorum.rotate(tuple(s.address for s in world.oracles), keccak(b"identities")))
    world.deployer.transact(credit.mint(world.client.address, 100 * CREDIT))
    for name in NAMES:
        world.register(name)
    return at


def ghz(n: int) -> QuantumCircuit:
    circuit = QuantumCircuit(n)
    circuit.h(0)
    for qubit in range(n - 1):
        circuit.cx(qubit, qubit + 1)
    return circuit


def qft(n: int) -> QuantumCircuit:
    """On a product state, so that its outcomes are not all alike."""
    circuit = QuantumCircuit(n)
    for qubit in range(n):
        circuit.ry(0.3 + 0.4 * qubit, qubit)
    for j in reversed(range(n)):
        circuit.h(j)
        for k in reversed(range(j)):
            circuit.cp(math.pi / 2 ** (j - k), k, j)
    return circuit


def adder() -> QuantumCircuit:
    """Cuccaro's ripple adder of two 3-bit numbers in superposition (quant-ph/0410184): eight qubits."""
    circuit = QuantumCircuit(8)
    a, b = [2, 4, 6], [1, 3, 5]
    carry = [0, 2, 4]
    for qubit in (*a, *b):
        circuit.ry(0.5 + 0.3 * qubit, qubit)
    for i in range(3):
        circuit.cx(a[i], b[i])
        circuit.cx(a[i], carry[i])
        circuit.ccx(carry[i], b[i], a[i])
    circuit.cx(6, 7)
    for i in reversed(range(3)):
        circuit.ccx(carry[i], b[i], a[i])
        circuit.cx(a[i], carry[i])
        circuit.cx(carry[i], b[i])
    return circuit


def qaoa() -> QuantumCircuit:
    """Two layers on a 3-regular graph of eight vertices."""
    edges = [(q, (q + 1) % 8) for q in range(8)] + [(q, q + 4) for q in range(4)]
    circuit = QuantumCircuit(8)
    circuit.h(range(8))
    for layer in range(2):
        for p, q in edges:
            circuit.rzz(0.5 + 0.2 * layer, p, q)
        circuit.rx(0.7 - 0.2 * layer, range(8))
    return circuit


PROGRAMS = {"qft": qft(8), "ghz": ghz(8), "adder": adder(), "qaoa": qaoa()}


def measured(circuit: QuantumCircuit) -> QuantumCircuit:
    found = circuit.copy()
    found.measure_all()
    return found
