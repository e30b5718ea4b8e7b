"""The report: well-formed pictures, every value also in a table, text escaped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from qcrs.report import Execution, Flow, Job, Processor, Summary, charts, page, write
from qcrs.report.svg import Drawing, Scale, ticks


@pytest.fixture
def run() -> Summary:
    """Two processors, one of which cheated, and a job that moved."""
    good = Processor(1, "alice <a>", 20, 2500, 1_100_000, 11_000_000, 6, 12, 900, 812_000, 500, 0, 100)
    bad = Processor(
        2, "mallory", 20, 2600, 1_000_000, 10_000_000, 6, 12, 900, 300_000, 300, 200, 0, "slashed"
    )
    rejected = Execution(
        0, 2, "mallory", "fraud", 20_000, (0, 60_000), 920_000, "V3.shape", 100, 104, 108, 0, 200
    )
    accepted = Execution(
        1, 1, "alice <a>", "accepted", 990_000, (970_000, 1_010_000), 800_000, "V3.shape", 108, 112, 118, 100
    )
    job = Job(
        7, "qft_8", 8, 4000, "settled", "accepted", 990_000, 300, 100, 200, 400_000, 98, 118,
        (rejected, accepted), "0xabc", "bafy", ("bafz",), (("00", 2000),),
    )  # fmt: skip
    flows = (Flow("client", "alice <a>", "fee", 100), Flow("client", "client", "refund", 200))
    return Summary(
        "a run", 1337, 12.5, 900_000, (good, bad), (job,), flows, (("paid to the unit", True, "100"),)
    )


@pytest.mark.parametrize("name", charts.__all__)
def test_picture_is_wellformed_and_inside_its_frame(run: Summary, name: str) -> None:
    root = ElementTree.fromstring(getattr(charts, name)(run))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for shape in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert -1 <= float(shape.attrib["x"]) <= width
        assert -1 <= float(shape.attrib["y"]) <= height
        assert float(shape.attrib["x"]) + float(shape.attrib["width"]) <= width + 1


def words(picture: str) -> list[str]:
    """The texts of a picture, without tool tips."""
    return [
        text.text or "" for text in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")
    ]


def bars(picture: str) -> dict[str, tuple[float, float, float]]:
    """(left, right, top) of each bar of a timeline, by its tool tip."""
    found = {}
    for shape in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}rect"):
        tip = shape.find("{http://www.w3.org/2000/svg}title")
        left, width, top = (float(shape.attrib[name]) for name in ("x", "width", "y"))
        if tip is not None and tip.text:
            found[tip.text] = (left, left + width, top)
    return found


def test_executions_that_overlap_are_drawn_in_lanes(run: Summary) -> None:
    """A fraud may be proven long after the next execution has ended."""
    late, accepted = run.jobs[0].executions
    job = replace(run.jobs[0], executions=(replace(late, judged_at=130), accepted), ended_at=130)
    found = bars(charts.timeline(replace(run, jobs=(job,))))
    proven, ran = found["qft_8: judged: fraud, 26 s"], found["qft_8: ran on alice <a>, 4 s"]
    assert proven[0] < ran[0] < ran[1] < proven[1]
    assert proven[2] < ran[2]


def test_a_job_without_a_result_is_shown_to_its_end(run: Summary) -> None:
    failed = replace(
        run.jobs[0], executions=run.jobs[0].executions[:1], ended_at=178, verdict="failed", status="queued"
    )
    picture = charts.timeline(replace(run, jobs=(failed,)))
    assert "qft_8: waited for another processor, 70 s" in bars(picture)
    assert "failed (queued)" in words(picture)
    over = replace(failed, status="failed")
    assert "failed" in words(charts.timeline(replace(run, jobs=(over,))))


def test_amounts_are_in_credits_and_a_slash_hides_nothing(run: Summary) -> None:
    slashed = words(charts.processors(run))
    assert slashed.count("20 qubits, QV 2^6, GHZ 12") == 2
    new = replace(run.processors[0], error_per_layered_gate_nano=0, log2_quantum_volume=0, ghz_width=0)
    assert "20 qubits, no certificate" in words(charts.processors(replace(run, processors=(new,))))
    assert {"0.0003", "0.0002", "bond kept | slashed, in credits"} <= set(slashed)
    assert {"alice <a> 0.0001", "client 0.0002", "all amounts in credits"} <= set(words(charts.money(run)))


def test_page_shows_every_number_as_text_and_escapes_names(run: Summary) -> None:
    text = page(run)
    for needle in ("alice &lt;a&gt;", "0xabc", "bafz", "0.990", "400,000", "V3.shape", "✓"):
        assert needle in text
    assert "<a>" not in text


def test_page_says_when_a_check_fails(run: Summary) -> None:
    failed = replace(run, checks=(("nothing is stuck", False, "3 units"),))
    assert not failed.ok
    assert "✗" in page(failed)
    assert failed.as_json()["ok"] is False


def test_empty_run_still_draws(run: Summary) -> None:
    empty = replace(run, processors=(), jobs=(), flows=())
    for name in charts.__all__:
        ElementTree.fromstring(getattr(charts, name)(empty))


def test_write_leaves_page_and_pictures(run: Summary, tmp_path: Path) -> None:
    path = write(run, tmp_path / "out", governance="<svg>bodies</svg>")
    assert path.read_text().startswith("<!doctype html>")
    assert "<svg>bodies</svg>" in path.read_text()
    names = sorted([*charts.__all__, "governance"])
    assert sorted(p.name for p in path.parent.glob("*.svg")) == [f"{n}.svg" for n in names]


def test_ticks_are_round_and_cover() -> None:
    assert ticks(0, 10) == [0, 2, 4, 6, 8, 10]
    assert ticks(0.13, 0.61, 5) == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6])
    assert ticks(3, 3) == [3]


def test_scale_holds_values_at_its_ends() -> None:
    scale = Scale(0, 10, 100, 200)
    assert (scale(-5), scale(5), scale(15)) == (100, 150, 200)
    assert Scale(1, 1, 0, 10)(1) == 5


def test_drawing_escapes_attributes() -> None:
    draw = Drawing(10, 10, 'a "b" <c>')
    draw.rect(0, 0, 5, 5, "red", tip="<x>")
    ElementTree.fromstring(draw.svg())
