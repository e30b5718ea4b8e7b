"""The small exchange for tests of clients."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))  # the harness and its parts are modules there


@pytest.fixture(scope="session")
def harness() -> Any:
    return import_module("harness")


@pytest.fixture(scope="module")
def network(harness: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A chain with everything deployed, three certified processors, and a funded client."""
    found = harness.Network(tmp_path_factory.mktemp("network"))
    for name in ("alice", "bob", "carol"):
        found.processor(name)
    found.account("client", deposit=1_000_000 * harness.CREDIT, credit=1_000 * harness.CREDIT)
    yield found
    found.close()


@pytest.fixture(scope="module")
def desk(harness: Any, network: Any) -> Any:
    return harness.Desk(network)
