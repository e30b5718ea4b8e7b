"""`qcrs demo --quick`: the run holds every claim that it makes, and leaves its report and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qcrs.config.home import Home
from qcrs.network.demo import QUICK, run_demo
from qcrs.network.plan import demo_plan
from qcrs.network.processes import Processes

PAID_AT_MOST = 3
"""Executions that the escrow of a demonstration's job covers."""


@pytest.mark.network
@pytest.mark.timeout(1200)
def test_the_demonstration_holds_its_claims(tmp_path: Path) -> None:
    said: list[str] = []
    home = tmp_path / "home"
    summary, report = run_demo(home, tmp_path / "out", quick=True, keep=False, say=said.append)

    failed = [(claim, figures) for claim, ok, figures in summary.checks if not ok]
    assert failed == [], "\n".join(said)
    assert summary.ok
    assert {job.name for job in summary.jobs} == set(QUICK)
    assert {job.status for job in summary.jobs} == {"settled"}
    for job in summary.jobs:
        accepted = [run for run in job.executions if run.outcome == "accepted"]
        assert accepted, "a second one is there where an audit was drawn"
        assert {run.fee_paid for run in accepted} == {job.escrow // PAID_AT_MOST}
        assert job.fee_paid + job.fee_refunded == job.escrow
    assert {processor.name for processor in summary.processors} == {n.name for n in demo_plan().nodes}
    cheat = next(one for one in summary.processors if one.name == "mallory")
    assert cheat.slashed > 0
    assert cheat.bond + cheat.slashed == next(n.bond for n in demo_plan().nodes if n.name == "mallory")
    assert any("killed" in line for line in said)

    text = report.read_text()
    for name in (*QUICK, "mallory", "dave"):
        assert name in text
    assert "<svg" in text
    assert json.loads(json.dumps(summary.as_json()))["jobs"]
    assert Processes(Home.find(home).root).all() == {}, "nothing is left running"
