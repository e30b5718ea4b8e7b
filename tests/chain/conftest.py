"""The probe contract, compiled once, and a way to call it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from qcrs.chain.abi import Call, Parameter, encode_values, parameters_of, selector_of, topic_of
from qcrs.chain.accounts import development_accounts
from qcrs.chain.anvil import Anvil
from qcrs.chain.compile import Artifact, compile_sources
from qcrs.chain.networks import Chain, connect
from qcrs.chain.sender import Sender
from qcrs.config import load_config

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def probe_artifact() -> Artifact:
    return compile_sources(
        ROOT, ["tests/chain/fixtures/Probe.sol"], load_config(ROOT / "brownie-config.yaml").compiler
    )["Probe"]


@dataclass(frozen=True)
class Probe:
    """The probe at an address; `call("submit", …)` prepares a call."""

    artifact: Artifact
    address: str

    def call(self, function: str, *arguments: Any) -> Call:
        entry = next(e for e in self.artifact.abi if e["type"] == "function" and e["name"] == function)
        data = selector_of(entry) + encode_values(parameters_of(entry["inputs"]), arguments)
        return Call(self.address, data, 0, f"Probe.{function}", parameters_of(entry["outputs"]))

    def topic(self, event: str) -> bytes:
        return topic_of(next(e for e in self.artifact.abi if e["type"] == "event" and e["name"] == event))


@pytest.fixture
def accounts() -> list[LocalAccount]:
    return development_accounts(10)


@pytest.fixture
def sender(chain: Chain, accounts: list[LocalAccount]) -> Sender:
    return Sender(chain, accounts[0])


@pytest.fixture
def make_probe(probe_artifact: Artifact) -> Callable[[Sender], Probe]:
    """Deploys a probe of one's own."""

    def make(sender: Sender) -> Probe:
        sender.chain.decoder.learn(probe_artifact.abi)
        receipt = sender.deploy(probe_artifact)
        assert receipt.contract is not None
        return Probe(probe_artifact, receipt.contract)

    return make


@pytest.fixture
def probe(sender: Sender, make_probe: Callable[[Sender], Probe]) -> Probe:
    return make_probe(sender)


@pytest.fixture(scope="session")
def probe_events(probe_artifact: Artifact) -> dict[str, dict[bytes, tuple[str, tuple[Parameter, ...]]]]:
    """The probe's events in the form the index takes them."""
    events = [entry for entry in probe_artifact.abi if entry["type"] == "event"]
    return {"Probe": {topic_of(entry): (entry["name"], parameters_of(entry["inputs"])) for entry in events}}


@pytest.fixture
def anvil_chain(anvil_server: Anvil) -> Iterator[Chain]:
    with connect(anvil_server.url) as found:
        yield found
