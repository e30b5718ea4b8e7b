"""An exchange in the hands of its bodies, on any chain; each test starts from a snapshot of the hand-over."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from qcrs.chain.anvil import Anvil, anvil_binary
from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.networks import connect, of_embedded

sys.path.append(str(Path(__file__).parent))  # the tests import the republic beside them
from republic import Republic

from qcrs.governance import Commons


@pytest.fixture(scope="session")
def anvil_server() -> Iterator[Anvil]:
    """One of these tests' own, since they send its clock weeks ahead."""
    if anvil_binary() is None:
        pytest.fail("anvil is missing: run `npm ci`")
    with Anvil(accounts=20) as server:
        yield server


@pytest.fixture(scope="session")
def on_embedded() -> Iterator[Republic]:
    with of_embedded(EmbeddedChain()) as chain:
        yield Republic(chain)


@pytest.fixture(scope="session")
def on_anvil(anvil_server: Anvil) -> Iterator[Republic]:
    with connect(anvil_server.url) as chain:
        yield Republic(chain)


@contextmanager
def undone(republic: Republic) -> Iterator[Republic]:
    """What happens inside is taken back."""
    snapshot = republic.chain.request("evm_snapshot")
    yield republic
    assert republic.chain.request("evm_revert", snapshot)
    republic.senders.clear()


@pytest.fixture(params=["on_embedded", "on_anvil"])
def republic(request: pytest.FixtureRequest) -> Iterator[Republic]:
    """On the embedded chain and on anvil."""
    with undone(request.getfixturevalue(request.param)) as found:
        yield found


@pytest.fixture
def embedded_republic(on_embedded: Republic) -> Iterator[Republic]:
    with undone(on_embedded) as found:
        yield found


@pytest.fixture
def commons(republic: Republic) -> Iterator[Commons]:
    found = republic.commons()
    yield found
    found.close()


@pytest.fixture
def embedded_commons(embedded_republic: Republic) -> Iterator[Commons]:
    found = embedded_republic.commons()
    yield found
    found.close()
