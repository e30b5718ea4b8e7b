"""The README's quickstart runs as it is printed, on a real network, and is as short as it claims."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUICKSTART = re.search(r"```python\n(.*?)```", README, re.DOTALL)


def test_quickstart_has_at_most_twelve_lines() -> None:
    assert QUICKSTART
    assert len([line for line in QUICKSTART[1].splitlines() if line.strip()]) <= 12


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 15
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.network
def test_quickstart_runs_as_printed(running: Any) -> None:
    assert QUICKSTART
    done = subprocess.run(
        [sys.executable, "-c", QUICKSTART[1]],
        env=os.environ | {"PYTHONPATH": str(ROOT), "QCRS_HOME": str(running.home.root)},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = dict(re.findall(r"'([01]{2})': (\d+)", done.stdout))
    assert sum(map(int, counts.values())) == 1000
    assert int(counts["00"]) + int(counts["11"]) > 900
