"""A chain with the coordinator on it, and the least that is needed to call it.

One chain per test run; each test starts from a snapshot of the fresh deployment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32
from eth_utils.crypto import keccak
from web3.utils.address import get_create_address

from qcrs.chain.abi import selector_of
from qcrs.chain.compile import ARTIFACTS_VARIABLE, Artifact, artifacts_folder, compile_sources
from qcrs.chain.compile import artifacts as committed
from qcrs.config import load_config
from qcrs.errors import ContractError

sys.path.append(str(Path(__file__).parent))  # the tests import the reference model beside them
sys.path.append(str(Path(__file__).parents[1] / "contracts"))  # and what all contracts are called by
from contract_stage import GAS, Contract, ContractStage
from coordinator_play import Play

ROOT = Path(__file__).parents[2]
OWN = ("EntanglementCoordinator", "coordination/EntanglementChannels")
HOLDER_KEY = b"\x07" * 32
"""Of an account that signs permits."""
LIFE_S = 365 * 86_400
SECURITY, STANDARDS = 3, 4
T2_NS = (80_000, 120_000, 4_000_000_000, 60_000)
"""Certified coherence times of processors 1 to 4, in nanoseconds."""


def _compact(oracle: LocalAccount, digest: bytes) -> bytes:
    """A signature of 64 bytes: r, then s with the parity in its highest bit."""
    signed = oracle.unsafe_sign_hash(Hash32(digest))
    return signed.r.to_bytes(32, "big") + (signed.s | (signed.v - 27) << 255).to_bytes(32, "big")


class Called(Contract):
    """A contract that tells with which error a call would be refused."""

    def refusal(self, name: str, *args: Any, by: str) -> ContractError | None:
        """The error with which the call would be refused, or None if it would succeed."""
        try:
            self.stage.probe({"from": by, "to": self.address, "data": self.data(name, args), "gas": GAS})
        except ContractError as error:
            return error
        return None

    def refuses(self, error: str, name: str, *args: Any, by: str) -> dict[str, Any]:
        """Asserts that the call is refused with the error; gives the error's arguments."""
        found = self.refusal(name, *args, by=by)
        assert found is not None, f"{name}{args} goes through"
        assert found.name == error, str(found)
        return dict(found.arguments)


class Stage(ContractStage):
    """The chain, the contracts on it and named accounts."""

    kind = Called

    def __init__(self, artifacts: Mapping[str, Artifact]) -> None:
        super().__init__(artifacts)
        self.holder = Account.from_key(HOLDER_KEY)
        self.tester.add_account("0x" + HOLDER_KEY.hex())
        self.client, self.stranger, self.security, self.standards = self.accounts[1:5]
        self.providers, self.operator = self.accounts[5:9], self.accounts[9]
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
        nonce = self.tester.get_nonce(self.admin)
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
    with deployed.undone():
        yield deployed


@pytest.fixture
def play(stage: Stage) -> Play:
    """Funded accounts and the usual moves."""
    return Play(stage)
