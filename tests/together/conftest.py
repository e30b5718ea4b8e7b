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

from together_world import World, build


@pytest.fixture(params=["embedded", "anvil"])
def any_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """On both chains."""
    if request.param == "embedded":
        yield from _embedded(tmp_path)
    else:
        if anvil_binary() is None:
            pytest.fail("anvil is missing: run `npm ci`")
        with Anvil(accounts=20) as server, connect(server.url) as chain:

            def travel(seconds: int) -> None:
                chain.request("evm_increaseTime", seconds)
                chain.request("evm_mine")

            yield build(tmp_path, chain, development_accounts(12), travel)


def _embedded(root: Path) -> Iterator[World]:
    chain = EmbeddedChain(idle_blocks=0)
    with of_embedded(chain) as found:
        yield build(root, found, list(chain.accounts), lambda s: (chain.travel(s), chain.mine())[1])
    chain.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield from _embedded(tmp_path)
