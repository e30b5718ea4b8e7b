"""Worlds for tests of channels and sessions, on the embedded chain and on anvil."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcrs.chain.accounts import development_accounts
from qcrs.chain.anvil import Anvil, anvil_binary
from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.networks import connect, of_embedded

sys.path.append(str(Path(__file__).parent))  # the tests import the world beside them

from together_world import World, lay_out, people


@pytest.fixture(scope="session")
def laid_out(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[EmbeddedChain, dict[str, str], bytes]]:
    """An embedded chain with everything on it, and the snapshot that each test starts from."""
    chain = EmbeddedChain(idle_blocks=0)
    at = lay_out(tmp_path_factory.mktemp("layout"), of_embedded(chain), list(chain.accounts))
    yield chain, at, chain.snapshot()
    chain.close()


@pytest.fixture(scope="session")
def anvil_server() -> Iterator[Anvil]:
    if anvil_binary() is None:
        pytest.fail("anvil is missing: run `npm ci`")
    with Anvil(accounts=20) as server:
        yield server


@pytest.fixture
def world(laid_out: tuple[EmbeddedChain, dict[str, str], bytes], tmp_path: Path) -> Iterator[World]:
    """On the embedded chain."""
    chain, at, snapshot = laid_out

    def travel(seconds: int) -> None:
        chain.travel(seconds)
        chain.mine()

    yield people(tmp_path, of_embedded(chain), list(chain.accounts), at, travel)
    chain.revert(snapshot)


@pytest.fixture(params=["embedded", "anvil"])
def any_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """On both chains."""
    if request.param == "embedded":
        yield request.getfixturevalue("world")
        return
    server: Anvil = request.getfixturevalue("anvil_server")
    with connect(server.url) as chain:
        accounts = development_accounts(12)

        def travel(seconds: int) -> None:
            chain.request("evm_increaseTime", seconds)
            chain.request("evm_mine")

        at = lay_out(tmp_path, chain, accounts)
        yield people(tmp_path, chain, accounts, at, travel)
