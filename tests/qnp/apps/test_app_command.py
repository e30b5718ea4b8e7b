"""`qcrs qnp app`: every application as a user meets it, its page, its exit code."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from qcrs.cli import main

EXAMPLES = Path(__file__).parents[3] / "examples" / "qnp"
METRO, STAR, CHAIN = (str(EXAMPLES / f"{name}.yaml") for name in ("metro", "star", "chain"))


class Run:
    """Calls the command and keeps its JSON."""

    def __init__(self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str], folder: Path) -> None:
        self._patch, self._capture, self.folder = patch, capture, folder

    def __call__(self, *words: str, page: bool = True) -> tuple[int, Any]:
        out = ["--out", str(self.folder)] if page else []
        self._patch.setattr(sys, "argv", ["qcrs", "qnp", "app", *words, "--json", *out])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        value = json.loads(self._capture.readouterr().out)
        if page and "report" in value:
            text = Path(value["report"]).read_text(encoding="utf-8")
            assert "<script" not in text
            for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
                ElementTree.fromstring(svg)
        return code, value


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    return Run(monkeypatch, capsys, tmp_path)


def test_keys_and_an_eavesdropper(app: Run) -> None:
    code, found = app("bbm92", METRO, "--pairs", "8000", "--blocks", "1")
    assert code == 0
    assert found["key_bits"] > 0
    assert 0.005 < found["blocks"][0]["qber"] < 0.04
    assert "key" not in found["blocks"][0]
    code, found = app("bb84", METRO, "--pairs", "4000", "--blocks", "1", "--intercept", "north-middle:1")
    assert code == 1
    assert found["key_bits"] == 0
    assert "listens" in found["blocks"][0]["reason"]
    assert {p.name for p in app.folder.iterdir()} == {
        "qnp-keys.html",
        "qnp-keys-qber.svg",
        "qnp-keys-rate.svg",
    }


def test_e91_tells_the_chsh_value(app: Run) -> None:
    code, found = app("e91", METRO, "--pairs", "9000", "--blocks", "1")
    value, error = found["blocks"][0]["chsh"]
    assert abs(value - 2.7) < 4 * error
    assert code == (0 if found["key_bits"] else 1)


@pytest.mark.network
def test_over_tcp_keys_come_out_as_on_the_event_heap(app: Run) -> None:
    words = ("bbm92", METRO, "--pairs", "150", "--blocks", "1", "--expected-qber", "0.02")
    heap, tcp = app(*words), app(*words, "--driver", "tcp")
    assert heap == tcp


def test_teleport_and_purify(app: Run) -> None:
    code, found = app("teleport", CHAIN, "--states", "30")
    assert code == 0
    assert found["largest_difference"] < 1e-12
    assert found["states"] == 30
    code, found = app("purify", CHAIN, "--pairs", "100", "--circuit", "middle")
    assert code == 0
    assert found["fidelity_after"][0] > found["fidelity_before"][0]
    assert found["rounds"] > 100


def test_ghz_and_who_is_missing(app: Run) -> None:
    code, found = app("ghz", STAR, "--hub", "centre", "--nodes", "lab01,lab02,lab03", "--runs", "2")
    assert code == 0
    assert [s["size"] for s in found["sizes"]] == [2, 3, 4]
    assert all(abs(s["fidelity"] - s["sampled"]) < 0.02 for s in found["sizes"])
    words = (
        "--hub",
        "centre",
        "--nodes",
        "lab01,lab18",
        "--runs",
        "1",
        "--deadline",
        "250us",
        "--shots",
        "0",
    )
    code, found = app("ghz", STAR, *words)
    assert code == 1
    assert found["sizes"][1]["missing"]


def test_barrier(app: Run) -> None:
    code, found = app("barrier", STAR, "--coordinator", "centre", "--deadline", "50ms")
    assert code == 0
    assert found["passed"]
    assert len(found["ended"]) == 32
    code, found = app("barrier", STAR, "--coordinator", "centre", "--deadline", "1ms")
    assert code == 1
    assert found["missing"]
    assert found["reason"].startswith("not ready in time: lab")


@pytest.mark.parametrize(
    "words",
    [
        ("bbm92", STAR),
        ("bbm92", METRO, "--circuit", "nope"),
        ("bbm92", METRO, "--driver", "pigeon"),
        ("bbm92", METRO, "--intercept", "north-middle"),
        ("bbm92", METRO, "--intercept", "north-south:0.5"),
        ("purify", METRO, "--method", "none"),
        ("teleport", METRO, "--purify", "much"),
        ("ghz", METRO, "--hub", "nowhere"),
        ("ghz", METRO, "--hub", "north", "--nodes", "north"),
        ("barrier", METRO, "--coordinator", "north", "--deadline", "soon"),
    ],
    ids=lambda words: " ".join(w for w in words if not w.endswith(".yaml")),
)
def test_what_cannot_be_is_told_in_one_message(app: Run, words: tuple[str, ...]) -> None:
    code, found = app(*words, page=False)
    assert code == 2
    assert found["reason"]
    assert found["field"]
