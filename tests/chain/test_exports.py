"""What the package offers, and that naming it loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import qcrs.chain

ROOT = Path(__file__).parents[2]


def test_the_public_names() -> None:
    assert qcrs.chain.__all__ == [
        "Chain",
        "Deployment",
        "EmbeddedChain",
        "EventIndex",
        "Outbox",
        "Sender",
        "connect",
        "deploy",
    ]
    for name in qcrs.chain.__all__:
        assert getattr(qcrs.chain, name) is not None
    assert set(qcrs.chain.__all__) <= set(dir(qcrs.chain))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        qcrs.chain.nothing  # noqa: B018 - the access is the test


def test_the_package_loads_without_its_libraries() -> None:
    program = (
        "import sys, qcrs.chain; print(sorted({'web3', 'eth', 'solcx', 'eth_account'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert found.stdout.strip() == "[]"
