"""The exchange's contracts on a chain; each test starts from a snapshot of the fresh deployment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from qcrs.chain.compile import ARTIFACTS_VARIABLE, LIBRARY_CONTRACTS, Artifact, compile_sources
from qcrs.chain.compile import artifacts as compiled
from qcrs.config import load_config
from qcrs.identity import XmssKey

sys.path.append(str(Path(__file__).parent))  # the tests import the stage and the model beside them
sys.path.append(str(Path(__file__).parents[1] / "untrusted"))  # and what strangers change
from exchange_stage import ALLOCATION, Stage
from key_owner import two_keys

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def artifacts() -> Mapping[str, Artifact]:
    """Compiled here and now, or already by whoever tries these tests on changed contracts."""
    if ARTIFACTS_VARIABLE in os.environ:
        return compiled()
    config = load_config(ROOT / "brownie-config.yaml")
    domains = (
        "ComputationAllocator",
        "EpochSettlement",
        "OracleQuorum",
        "ProcessorRegistry",
        "ResourceCredit",
        "ResultVerifier",
    )
    names = [f"contracts/{name}.sol" for name in domains]
    names += [f"contracts/governance/{name}.sol" for name in ("Council", "DisputeCourt")]
    names += ["contracts/identity/XmssVerifier.sol", "tests/contracts/fixtures/Parts.sol"]
    return compile_sources(ROOT, names, config.compiler, LIBRARY_CONTRACTS)


@pytest.fixture(scope="session")
def deployed(artifacts: Mapping[str, Artifact]) -> Stage:
    return Stage(artifacts)


@pytest.fixture
def stage(deployed: Stage) -> Iterator[Stage]:
    with deployed.undone():
        yield deployed


@pytest.fixture
def flows(stage: Stage) -> Stage:
    """Four open flows of equal weight."""
    for _ in range(3):
        stage.allocator.send("openFlow", stage.admin, 100, True, by=stage.who.committee[ALLOCATION])
    return stage


@pytest.fixture(scope="session")
def keys() -> tuple[XmssKey, XmssKey]:
    """Two post-quantum keys; the first is that of the known answers."""
    return two_keys()
