"""What forge runs on every change: 10,000 inputs a property, 131,072 acts on the whole exchange."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

LEAST_PROPERTIES = 30
ROOT = Path(__file__).parents[2]
NEEDED = ("brownie-config.yaml", "contracts", "qcrs", "tests")


@pytest.mark.timeout(1200)
def test_properties_hold_for_ten_thousand_inputs_each(assure: ModuleType) -> None:
    done = assure.fuzz()
    assert done.code == 0, done.output[-4000:]
    runs = [int(found) for found in re.findall(r"\[PASS\] testFuzz_\w+\([^)]*\) \(runs: (\d+),", done.output)]
    assert len(runs) >= LEAST_PROPERTIES
    assert min(runs) == 10_000


@pytest.mark.timeout(1200)
def test_the_invariants_hold_while_everybody_acts(assure: ModuleType) -> None:
    done, campaigns = assure.invariants()
    assert done.code == 0, done.output[-4000:]
    (campaign,) = campaigns
    assert campaign.passed
    assert campaign.calls >= 131_072
    assert campaign.reverts <= campaign.calls / 2


def test_without_the_toolchain_each_tool_says_what_to_install(tmp_path: Path) -> None:
    """Before it asks a compiler, records for minutes, or installs a tool of its own."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for name in NEEDED:
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "records").mkdir()
    commands = (
        ["fuzz"], ["invariants"], ["coverage"], ["coverage", "--records", "records"], ["proofs"], ["slither"],
        ["nightly"],
    )  # fmt: skip
    for words in commands:
        done = subprocess.run(
            [sys.executable, "scripts/assure.py", *words],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 1, words
        assert done.stderr == "forge is not installed: run `python3 scripts/up.py toolchain`\n", words
