"""The small exchange for tests of clients."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HARNESS = Path(__file__).with_name("harness.py")


def load_harness() -> Any:
    """The harness as a module, whichever folder's tests ask first."""
    known = sys.modules.get("qcrs_test_harness")
    if known is None:
        spec = importlib.util.spec_from_file_location("qcrs_test_harness", HARNESS)
        assert spec is not None
        assert spec.loader is not None
        known = importlib.util.module_from_spec(spec)
        sys.modules["qcrs_test_harness"] = known
        spec.loader.exec_module(known)
    return known


@pytest.fixture(scope="session")
def harness() -> Any:
    return load_harness()


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
