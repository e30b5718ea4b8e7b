"""The campaigns' arithmetic, on small campaigns that really run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from qcrs.distributed.bench.blind import study
from qcrs.distributed.bench.goal import Goal
from qcrs.distributed.bench.page import write_between
from qcrs.distributed.bench.seam import LINK, LOW, campaign, crossing_of, speeds
from qcrs.distributed.bench.tables import seam_table
from qcrs.distributed.seam import Estimate, Seam
from qcrs.errors import ConfigError
from qcrs.report.together import pairs_by_limit, seam_curves


def made_up(distance: int, p: float, threshold: float) -> Estimate:
    """Failures as the fit 0.1·(p/threshold)^((d + 1)/2) of one round would give them."""
    share = 0.1 * (p / threshold) ** ((distance + 1) / 2) / distance
    seam = Seam(distance, distance, p, LINK * p)
    per_shot = (1 - (1 - 2 * share) ** distance) / 2
    return Estimate(seam, 1_000_000, round(1e6 * per_shot), 100, 1000)


def test_the_crossing_is_where_curves_meet() -> None:
    grid = (0.004, 0.005, 0.006, 0.007, 0.008)
    near, far = ([made_up(d, p, 0.0064) for p in grid] for d in (5, 7))
    found = crossing_of(near, far)
    assert found is not None
    assert found[0] == pytest.approx(0.0064, rel=0.01)
    assert found[1] < found[0] < found[2]
    assert crossing_of(near[:2], far[:2]) is None


def test_a_campaign_runs_goes_on_and_is_shown(tmp_path: Path) -> None:
    seams = [
        Seam(d, 3 * d, p, p * ratio, basis)
        for d in (3, 5)
        for p, ratio, basis in [(LOW, r, b) for r in (1.0, LINK) for b in ("x", "z")] + [(0.008, LINK, "z")]
    ]
    samples = tmp_path / "samples.csv"
    said: list[str] = []
    found = campaign(seams, failures=60, shots=20_000, resume=samples, progress=said.append)
    assert len(set(said)) == len(said) > 1, "only what is new is told"
    assert {e.seam for e in found.estimates} == set(seams)
    worse, bare = found.at("seam", 3, LOW), found.at("whole", 3, LOW)
    assert worse.per_round() > 1.5 * bare.per_round()
    assert 0.02 < worse.fraction < 0.1
    again = campaign(seams, failures=60, shots=20_000, resume=samples)
    assert {(e.seam, e.shots) for e in again.estimates} == {(e.seam, e.shots) for e in found.estimates}
    assert [d for d, _ in found.suppression("seam")] == [3]
    text = seam_table(replace(found, speed={3: 1e6}))
    assert "links ten times worse | z" in text
    assert "1,000,000 at d = 3" in text
    assert seam_curves(found).count("<circle") >= 6


def test_speed_is_counted_in_processor_seconds() -> None:
    assert speeds((3,), seconds=0.05)[3] > 10_000


def test_pairs_are_drawn_by_limit() -> None:
    picture = pairs_by_limit([("qft-16", [(2, 40), (4, 20)]), ("ghz-8", [(2, 1)])], "pairs", "links")
    assert picture.count("<circle") == 3
    assert "qft-16: 40 pairs at 2" in picture


def test_blind_computing_meets_its_goals() -> None:
    found = study(150, 30, 0.998, say=lambda text: None)
    assert [goal.name for goal in found.goals() if not goal.met] == []
    assert found.servers[1].name == "honest, pairs of fidelity 0.998"


def test_goals_have_sides() -> None:
    assert Goal("x", 1.0, 0.5, None).met
    assert not Goal("x", 1.0, None, 0.5).met
    assert Goal("x", 1.0, 0.5, 2.0).text() == "✓ x: 1 (≥ 0.5, ≤ 2)"
    assert Goal("x", 1.0, 3.0, None).text().startswith("✗")


def test_tables_go_between_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- t -->\nold\n<!-- /t -->\nb\n")
    write_between(page, "t", "new")
    assert page.read_text() == "a\n<!-- t -->\nnew\n<!-- /t -->\nb\n"
    with pytest.raises(ConfigError, match="no marks"):
        write_between(page, "u", "new")
