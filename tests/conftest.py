"""Chains for tests: the embedded one, reached through eth-tester, and anvil, both by the same class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from qcrs.chain.anvil import Anvil, anvil_binary
from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.networks import Chain, connect, of_embedded

ROOT = Path(__file__).parents[1]
# How long an example takes is the machine's business; more of them are tried where a test asks for it.
settings.register_profile("qcrs", deadline=None, max_examples=50)
settings.load_profile("qcrs")

LONG = (
    "tests/network",
    "tests/assurance/test_forge.py",
    "tests/oracles/test_exchange.py",
    "tests/oracles/test_rounds.py",
    "tests/cli",
    "tests/client/test_cli.py",
    "tests/contracts_coordinator/test_stateful.py",
)
"""What takes longest, though it counts few tests: begun last it would keep one worker alone.

The two that run networks of processes are kept apart in time.
"""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files go to workers one by one, but all that shares a network of processes goes to one of them."""
    from xdist.scheduler import LoadFileScheduling

    class ByNetwork(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            folder = file.rpartition("/")[0]
            return folder if folder in LONG else file

        def _assign_work_unit(self, node: Any) -> None:
            for scope in reversed(LONG):
                if scope in self.workqueue:
                    self.workqueue.move_to_end(scope, last=False)
            super()._assign_work_unit(node)

    return ByNetwork(config, log)


@pytest.fixture(scope="session")
def anvil_server() -> Iterator[Anvil]:
    if anvil_binary() is None:
        pytest.fail("anvil is missing: run `npm ci`")
    with Anvil(accounts=20) as server:
        yield server


@pytest.fixture
def embedded() -> Iterator[EmbeddedChain]:
    """A fresh embedded chain in memory, without blocks of its own accord."""
    chain = EmbeddedChain()
    yield chain
    chain.close()


@pytest.fixture
def embedded_chain(embedded: EmbeddedChain) -> Chain:
    return of_embedded(embedded)


@pytest.fixture(params=["embedded", "anvil"])
def chain(request: pytest.FixtureRequest) -> Iterator[Chain]:
    """Any chain: what holds on it has to hold on both."""
    if request.param == "embedded":
        with of_embedded(EmbeddedChain()) as found:
            yield found
    else:
        server: Anvil = request.getfixturevalue("anvil_server")
        with connect(server.url) as found:
            yield found
