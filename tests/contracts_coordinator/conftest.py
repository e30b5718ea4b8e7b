"""A chain with the coordinator on it, and the least that is needed to call it.

One chain per test run; each test starts from a snapshot of the fresh deployment. The genesis lies in the
future, so block times, and with them the gas of calldata, do not depend on the wall clock.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import TransactionFailed
from eth_typing import Hash32
from eth_utils.crypto import keccak
from web3 import EthereumTesterProvider, Web3
from web3._utils.events import get_event_data
from web3.utils.address import get_create_address

from qcrs.chain.abi import canonical_type, selector_of, signature_of
from qcrs.chain.compile import ARTIFACTS_VARIABLE, Artifact, artifacts_folder, compile_sources
from qcrs.chain.compile import artifacts as committed
from qcrs.chain.errors import ErrorDecoder
from qcrs.config import load_config
from qcrs.errors import ContractError

ROOT = Path(__file__).parents[2]
sys.path.append(str(Path(__file__).parent))  # the tests import the reference model beside them

from coordinator_play import Play  # noqa: E402 - found through the line above

OWN = ("EntanglementCoordinator", "coordination/EntanglementChannels")
GENESIS_S = 2_000_000_000
GAS = 8_000_000
HOLDER_KEY = b"\x07" * 32
"""Of an account that signs permits."""
LIFE_S = 365 * 86_400
SECURITY, STANDARDS = 3, 4
T2_NS = (80_000, 120_000, 4_000_000_000, 60_000)
"""Certified coherence times of processors 1 to 4, in nanoseconds."""


class Contract:
    """One deployed contract: calls, transactions, decoded refusals and events.

    Straight to the chain, past the layers of web3, which take most of the time of a call.
    """

    def __init__(self, stage: Stage, address: str, abi: list[dict[str, Any]]) -> None:
        self.stage, self.address = stage, address
        functions = [entry for entry in abi if entry["type"] == "function"]
        self.selectors = {entry["name"]: selector_of(entry) for entry in functions}
        self.inputs = {entry["name"]: _types(entry["inputs"]) for entry in functions}
        self.outputs = {entry["name"]: _types(entry["outputs"]) for entry in functions}
        self.events = {keccak(text=signature_of(entry)): entry for entry in abi if entry["type"] == "event"}
        stage.decoder.learn(abi)
        stage.contracts[address] = self

    def data(self, name: str, args: Sequence[Any]) -> str:
        return "0x" + (self.selectors[name] + encode(self.inputs[name], args)).hex()

    def read(self, name: str, *args: Any) -> Any:
        """What a view returns; structs are tuples."""
        call = {"from": self.stage.admin, "to": self.address, "data": self.data(name, args), "gas": GAS}
        answer = bytes.fromhex(self.stage.tester.call(call, block_number="latest")[2:])
        types = self.outputs[name]
        values = [
            self.stage.w3.to_checksum_address(value) if kind == "address" else value
            for kind, value in zip(types, decode(types, answer), strict=True)
        ]
        return values[0] if len(values) == 1 else values

    def refusal(self, name: str, *args: Any, by: str) -> ContractError | None:
        """The error with which the call would be refused, or None if it would succeed."""
        call = {"from": by, "to": self.address, "data": self.data(name, args), "gas": GAS}
        try:
            self.stage.tester.call(call, block_number="pending")
        except TransactionFailed as failure:
            return self.stage.decode(failure)
        return None

    def refuses(self, error: str, name: str, *args: Any, by: str) -> dict[str, Any]:
        """Asserts that the call is refused with the error; gives the error's arguments."""
        found = self.refusal(name, *args, by=by)
        assert found is not None, f"{name}{args} goes through"
        assert found.name == error, str(found)
        return dict(found.arguments)

    def send(self, name: str, *args: Any, by: str) -> Done:
        """Sends the call in a block of its own, where it must succeed."""
        transaction = {"from": by, "to": self.address, "data": self.data(name, args), "gas": GAS}
        digest = self.stage.tester.send_transaction(transaction)
        receipt = self.stage.tester.get_transaction_receipt(digest)
        assert receipt["status"] == 1, f"{name}{args}: {self.refusal(name, *args, by=by)}"
        return Done(receipt["gas_used"], self.stage.events(receipt["logs"]))


def _types(items: list[dict[str, Any]]) -> list[str]:
    return [canonical_type(item) for item in items]


def _compact(oracle: LocalAccount, digest: bytes) -> bytes:
    """A signature of 64 bytes: r, then s with the parity in its highest bit."""
    signed = oracle.unsafe_sign_hash(Hash32(digest))
    return signed.r.to_bytes(32, "big") + (signed.s | (signed.v - 27) << 255).to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class Done:
    """What a transaction did: gas and decoded events in order."""

    gas: int
    events: tuple[tuple[str, dict[str, Any]], ...]

    def of(self, name: str) -> list[dict[str, Any]]:
        return [values for event, values in self.events if event == name]

    def one(self, name: str) -> dict[str, Any]:
        found = self.of(name)
        assert len(found) == 1, (name, [event for event, _ in self.events])
        return found[0]


class Stage:
    """The chain, the contracts on it and named accounts."""

    def __init__(self, artifacts: Mapping[str, Artifact]) -> None:
        genesis = PyEVMBackend.generate_genesis_params(overrides={"timestamp": GENESIS_S})
        self.tester = EthereumTester(PyEVMBackend(genesis_parameters=genesis))
        self.w3 = Web3(EthereumTesterProvider(self.tester))
        self.decoder = ErrorDecoder()
        self.contracts: dict[str, Contract] = {}
        self.artifacts = artifacts
        self.holder = Account.from_key(HOLDER_KEY)
        self.tester.add_account("0x" + HOLDER_KEY.hex())
        accounts = self.tester.get_accounts()
        self.admin, self.client, self.stranger, self.security, self.standards = accounts[:5]
        self.providers, self.operator = accounts[5:9], accounts[9]
        self.t2 = T2_NS

        self.manager = self.deploy("AccessManager", self.admin)
        self.token = self.deploy("ResourceCredit", self.manager.address, self.admin, 10**15, 10**15)
        self._deploy_exchange()
        for provider, t2 in zip(self.providers, T2_NS, strict=True):
            self._add_processor(provider, t2)
        self.registry.send("setOperator", 1, self.operator, by=self.providers[0])
        self.coordinator = self.deploy(
            "EntanglementCoordinator", self.manager.address, self.token.address, self.registry.address
        )
        self._grant(SECURITY, self.security, "quarantine", "setPaused")
        self._grant(STANDARDS, self.standards, "setParameters")
        for account in (self.client, *self.providers):
            self.token.send("transfer", account, 10**12, by=self.admin)
            self.token.send("approve", self.coordinator.address, 2**256 - 1, by=account)

    def _deploy_exchange(self) -> None:
        """Quorum, registry, verifier and allocator know each other: their addresses follow from the nonce."""
        nonce = self.w3.eth.get_transaction_count(self.admin)
        quorum, registry, verifier, allocator = (
            get_create_address(self.admin, nonce + place)  # type: ignore[arg-type] # an address in hex will do
            for place in range(4)
        )
        manager, token = self.manager.address, self.token.address
        self.quorum = self.deploy("OracleQuorum", manager, token, verifier, self.admin)
        self.registry = self.deploy("ProcessorRegistry", manager, allocator, quorum, verifier, self.admin, 1)
        self.verifier = self.deploy("ResultVerifier", manager, allocator, registry, quorum)
        self.allocator = self.deploy("ComputationAllocator", manager, token, registry, verifier, 1)
        assert (self.registry.address, self.allocator.address) == (registry, allocator)
        self.oracles = [Account.from_key(keccak(text=f"oracle {number}")) for number in range(4)]
        self.quorum.send("rotate", [oracle.address for oracle in self.oracles], bytes(32), by=self.admin)
        self.registry.send("setCertificateLife", LIFE_S, by=self.admin)
        self.token.send("approve", self.allocator.address, 2**256 - 1, by=self.admin)

    def _add_processor(self, provider: str, t2_ns: int) -> None:
        """Registers a processor of 20 qubits and has the quorum certify it."""
        self.allocator.send("deposit", provider, 1_000, by=self.admin)
        spec = (20, bytes(32), bytes(32), provider, bytes(32), 1_000, 1_000)
        number = self.registry.send("register", spec, by=provider).one("ProcessorRegistered")["processor"]
        self.certify(number, t2_ns, 1, self.now + LIFE_S)

    def certify(self, processor: int, t2_ns: int, epoch: int, until: int) -> None:
        """A certificate signed by three of the four oracles."""
        capability = (20, 10, 3_000_000, 2_500, 10_000_000, 100_000, t2_ns, 10, 2_000)
        certification = (processor, 1, epoch, until, capability, b"\x01" * 32)
        digest = self.registry.read("certificationDigest", certification)
        signatures = b"".join(_compact(oracle, digest) for oracle in self.oracles[:3])
        self.registry.send("certify", certification, 0b0111, signatures, by=self.admin)

    def _grant(self, role: int, account: str, *functions: str) -> None:
        selectors = [
            selector_of(entry)
            for entry in self.artifacts["EntanglementCoordinator"].abi
            if entry["type"] == "function" and entry["name"] in functions
        ]
        assert len(selectors) == len(functions)
        self.manager.send("setTargetFunctionRole", self.coordinator.address, selectors, role, by=self.admin)
        self.manager.send("grantRole", role, account, 0, by=self.admin)

    def deploy(self, name: str, *args: Any) -> Contract:
        artifact = self.artifacts[name]
        types: list[dict[str, Any]] = next(
            (e["inputs"] for e in artifact.abi if e["type"] == "constructor"), []
        )
        data = artifact.bytecode + encode([item["type"] for item in types], args).hex()
        digest = self.tester.send_transaction({"from": self.admin, "data": data, "gas": 20_000_000})
        address = self.w3.to_checksum_address(self.tester.get_transaction_receipt(digest)["contract_address"])
        return Contract(self, address, artifact.abi)

    def decode(self, failure: TransactionFailed) -> ContractError:
        """A refusal's bytes arrive as the text of a bytes literal."""
        raw = ast.literal_eval(str(failure.args[0]))
        assert isinstance(raw, bytes)
        return self.decoder.decode(raw)

    def events(self, logs: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, dict[str, Any]], ...]:
        found = []
        for log in logs:
            contract = self.contracts[self.w3.to_checksum_address(log["address"])]
            topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
            entry: dict[str, Any] = {
                "address": contract.address,
                "topics": topics,
                "data": bytes.fromhex(log["data"][2:]),
                "logIndex": 0,
                "transactionIndex": 0,
                "transactionHash": b"",
                "blockHash": b"",
                "blockNumber": 0,
            }
            event = get_event_data(self.w3.codec, contract.events[topics[0]], entry)
            found.append((str(event["event"]), dict(event["args"])))
        return tuple(found)

    def fields(self, view: str) -> list[str]:
        """Names of the members of the struct that a view of the coordinator returns."""
        entries = self.artifacts["EntanglementCoordinator"].abi
        entry = next(e for e in entries if e.get("name") == view)
        return [str(part["name"]) for part in entry["outputs"][0]["components"]]

    @property
    def now(self) -> int:
        """Time of the block that the next transaction is in."""
        return int(self.tester.get_block_by_number("pending")["timestamp"])

    def wait_until(self, when: int) -> None:
        """Let the next block be at `when`, which must not be past."""
        if when > self.now:
            self.tester.time_travel(when)
        assert self.now == when, (self.now, when)


@pytest.fixture(scope="session")
def artifacts() -> Mapping[str, Artifact]:
    """The committed artifacts; the coordinator is compiled where its sources are newer."""
    if ARTIFACTS_VARIABLE in os.environ:
        return committed()
    config = load_config(ROOT / "brownie-config.yaml")
    found = committed(artifacts_folder(config))
    stale = [f"contracts/{path}.sol" for path in OWN if not _is_current(found.get(Path(path).name))]
    fixtures = "tests/contracts_coordinator/fixtures/Stage.sol"
    return found | compile_sources(ROOT, [*stale, fixtures], config.compiler)


def _is_current(artifact: Artifact | None) -> bool:
    if artifact is None:
        return False
    for name, digest in artifact.sources.items():
        place = ROOT / (f"node_modules/{name}" if name.startswith("@") else name)
        if not place.is_file() or "0x" + keccak(place.read_bytes()).hex() != digest:
            return False
    return True


@pytest.fixture(scope="session")
def deployed(artifacts: Mapping[str, Artifact]) -> Stage:
    return Stage(artifacts)


@pytest.fixture
def stage(deployed: Stage) -> Iterator[Stage]:
    snapshot = deployed.tester.take_snapshot()
    yield deployed
    deployed.tester.revert_to_snapshot(snapshot)


@pytest.fixture
def play(stage: Stage) -> Play:
    """Funded accounts and the usual moves."""
    return Play(stage)
