"""`qcrs qnp`: the command as a user meets it, its report, and how light the package is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from qcrs.cli import main
from qcrs.qnp import Network
from qcrs.qnp.drivers.summary import qber, summarise, wilson
from qcrs.qnp.drivers.timeline import timeline
from qcrs.qnp.drivers.trace import Trace
from qcrs.qnp.topology.reader import load_topology
from qcrs.report.qnp import pictures

EXAMPLES = Path(__file__).parents[2] / "examples" / "qnp"


def _qcrs(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["qcrs", *words])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize(
    ("words", "tells"),
    [
        (("bench", "peers", "--nodes", "3,x"), "3,5,9,17"),
        (("bench", "peers", "--nodes", "2"), "from 3 to 100"),
        (("bench", "nothing"), "paper, peers, scale or tcp"),
        (("app", "ghz", str(EXAMPLES / "star.yaml"), "--hub", "nope"), "known: centre, lab01"),
        (("app", "bb84", str(EXAMPLES / "metro.yaml"), "--intercept", "nope-nowhere:0.5"), "known: "),
    ],
)
def test_what_cannot_be_run_is_told_with_what_can(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], tells: str
) -> None:
    assert _qcrs(monkeypatch, "qnp", *words) == 2
    said = capsys.readouterr().err
    assert tells in said
    assert "an error of this program" not in said


def test_run_writes_trace_and_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["qnp", "run", str(EXAMPLES / "chain.yaml"), "--seed", "3", "--json"]
    files = ["--trace", str(tmp_path / "t"), "--out", str(tmp_path)]
    assert _qcrs(monkeypatch, *words, *files) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["completed"] == 3
    assert found["leaked_qubits"] == 0
    value, low, high = found["circuits"][0]["fidelity"]
    assert low < value < high
    assert (tmp_path / "t").read_text(encoding="utf-8").startswith("1 0 ")
    html = Path(found["report"]).read_text(encoding="utf-8")
    assert html.count("<svg") == 4
    assert "<script" not in html
    for name in ("map", "throughput", "waiting", "pair"):
        ElementTree.fromstring((tmp_path / f"qnp-{name}.svg").read_text(encoding="utf-8"))


def test_lint_predicts_and_wrong_files_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert _qcrs(monkeypatch, "qnp", "lint", str(EXAMPLES / "dumbbell.yaml"), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    link = found["circuits"][0]["links"][0]
    assert link["mean_ns"] == pytest.approx(21.8e6, rel=0.01)
    assert found["circuits"][0]["cutoff_ns"] == link["short_cutoff_ns"]
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\nnodes: [a]\nlinks: []\nfoo: 1\n", encoding="utf-8")
    assert _qcrs(monkeypatch, "qnp", "lint", str(bad)) == 2
    error = capsys.readouterr().err
    assert "bad.yaml:4" in error
    assert "foo" in error
    assert _qcrs(monkeypatch, "qnp", "run", str(bad)) == 2


def test_the_timeline_of_a_pair_is_in_order() -> None:
    network = Network(load_topology(EXAMPLES / "chain.yaml"), 2, trace=Trace())
    network.run()
    plan = network.plans[1]
    pairs = [p for p in network.deliveries if p.circuit == 1][:20]
    assert network.trace is not None
    for pair in pairs:
        life = timeline(network.trace.lines, plan, pair)
        assert life is not None
        made = dict(life.heralds)
        assert len(made) == 4
        assert len(life.swaps) == 3
        for place, time, _ in life.swaps:
            assert time >= max(made[place - 1], made[place])
        assert len(life.tracks) == 8
        assert max(life.delivered) == pair.time_ns


def test_summary_figures_have_intervals() -> None:
    assert wilson(0, 0) is None
    share, low, high = wilson(5, 100) or (0, 0, 0)
    assert (share, low, high) == pytest.approx((0.05, 0.0215, 0.1118), abs=1e-4)
    network = Network(load_topology(EXAMPLES / "dumbbell.yaml"), 2)
    network.run()
    found = summarise(network)
    rate, low, high = found["circuits"][0]["rate_hz"]
    assert low < rate < high
    rates = qber([p for p in network.deliveries if p.circuit == 2])
    assert rates["y"] is None
    assert rates["z"] is not None
    assert rates["z"][0] < 0.2
    assert set(pictures(network)) == {"map", "throughput", "waiting"}


def test_import_is_light() -> None:
    """The standard library and numpy alone, and not even that until hardware draws a number."""
    code = (
        "import sys; before = set(sys.modules); import qcrs.qnp; "
        "new = {m.split('.')[0] for m in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names) - {'qcrs', 'numpy'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
