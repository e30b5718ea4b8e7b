"""`qcrs demo --quick`: the run holds every claim that it makes, and leaves its report and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qcrs.config.home import Home
from qcrs.network.demo import ENTANGLED, EXECUTIONS, QUICK, run_demo
from qcrs.network.plan import demo_plan
from qcrs.network.processes import Processes

ROOT = Path(__file__).resolve().parents[2]

SHARED = f"{ENTANGLED} shared"
"""The job for the union, which goes to one processor by name: one execution."""


@pytest.mark.network
@pytest.mark.timeout(1200)
def test_the_demonstration_holds_its_claims(tmp_path: Path) -> None:
    said: list[str] = []
    home = tmp_path / "home"
    summary, report = run_demo(home, tmp_path / "out", quick=True, keep=False, say=said.append)

    failed = [(claim, figures) for claim, ok, figures in summary.checks if not ok]
    assert failed == [], "\n".join(said)
    assert summary.ok
    assert {job.name for job in summary.jobs} == {*QUICK, SHARED}
    assert {job.status for job in summary.jobs} == {"settled"}
    for job in summary.jobs:
        accepted = [run for run in job.executions if run.outcome == "accepted"]
        assert accepted, "a second one is there where an audit was drawn"
        most = 1 if job.name == SHARED else EXECUTIONS
        assert {run.fee_paid for run in accepted} == {job.escrow // most}
        assert job.fee_paid + job.fee_refunded == job.escrow
    assert {processor.name for processor in summary.processors} == {n.name for n in demo_plan().nodes}
    cheat = next(one for one in summary.processors if one.name == "mallory")
    assert cheat.slashed > 0
    assert cheat.bond + cheat.slashed == next(n.bond for n in demo_plan().nodes if n.name == "mallory")
    assert any("killed" in line for line in said)
    together = summary.entangled
    assert together is not None
    assert sorted(together.members) == ["alice", "bob"]
    assert together.pairs == together.pairs_per_shot * 1000
    assert together.fidelity_ppm > 900_000
    assert together.test_rounds >= 100
    assert together.problems == ()
    assert len(together.holds) > 10

    text = report.read_text()
    for name in (*QUICK, "mallory", "dave", "Computed together"):
        assert name in text
    assert "<svg" in text
    assert json.loads(json.dumps(summary.as_json()))["jobs"]
    assert Processes(Home.find(home).root).all() == {}, "nothing is left running"


@pytest.mark.network
@pytest.mark.timeout(300)
def test_an_interrupted_demonstration_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    words = [sys.executable, "-m", "qcrs", "demo", "--quick", "--out", str(tmp_path / "out")]
    environment = os.environ | {
        "TMPDIR": str(tmp_path / "tmp"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
    ) as child:
        assert child.stderr
        assert "chain at" in child.stderr.readline()
        (home,) = (tmp_path / "tmp").glob("qcrs-demo-*")
        running = Processes(home).all()
        assert [process.alive for process in running.values()] == [True]
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=120)
    assert child.returncode == 130
    assert (out, "Traceback" in err) == ("", False)
    assert not any(process.alive for process in running.values())
    assert list((tmp_path / "tmp").glob("qcrs-demo-*")) == []


def test_a_report_that_cannot_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        run_demo(tmp_path / "home", tmp_path / "file" / "out", quick=True, keep=False, say=print)
    assert not (tmp_path / "home").exists()
