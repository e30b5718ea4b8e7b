"""The campaign: it goes on where it stopped, refuses to mix judges, and writes its report into a page."""

from __future__ import annotations

import json
from math import comb

import numpy as np
import pytest

from qcrs.attackers.bench import campaign, report
from qcrs.attackers.bench.attacks import ATTACKS
from qcrs.attackers.bench.cells import Cell, run_cell
from qcrs.attackers.bench.families import FAMILIES, MQT_FAMILIES, circuit, mqt_installed
from qcrs.attackers.bench.tally import Rate, Tally, operating_curve
from qcrs.errors import ConfigError, InputError, IntegrityError

CELLS = [
    Cell("main", "random", 4, 1000, "A", instance, 1, 2, ("A01", "A05/0.3", "A10")) for instance in range(3)
]


def worked(out, *, resume: bool = False) -> list[dict]:
    seen: list[int] = []
    lines = campaign.run(
        CELLS, out, resume=resume, workers=1, progress=lambda done, total, last: seen.append(done)
    )
    assert seen[-1] == len(CELLS)
    return lines


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a finished campaign."""
    out = tmp_path_factory.mktemp("campaign")
    worked(out)
    return out


def without_time(lines) -> list[dict]:
    return sorted(({**line, "seconds": 0} for line in lines), key=lambda line: line["key"])


def test_a_killed_campaign_goes_on_and_ends_the_same(finished, tmp_path) -> None:
    whole = (finished / campaign.CELLS).read_text().splitlines()
    # Killed in the middle of its second line.
    (tmp_path / campaign.CELLS).write_text("\n".join(whole[:2]) + "\n" + whole[2][:50])
    again = worked(tmp_path, resume=True)
    assert without_time(again) == without_time(campaign.read(finished / campaign.CELLS)[1])
    assert again[0] == json.loads(whole[1])


def test_verdicts_have_a_name_that_neither_order_nor_time_changes(finished) -> None:
    lines = campaign.read(finished / campaign.CELLS)[1]
    name = campaign.verdicts_hash(lines)
    assert campaign.verdicts_hash([{**line, "seconds": 0} for line in reversed(lines)]) == name
    other = json.loads(json.dumps(lines))
    letters = other[0]["rows"][0]["outcomes"]
    letters["ideal"] = letters["ideal"].translate(str.maketrans("AWIRF", "RRRAA"))
    assert campaign.verdicts_hash(other) != name


def test_campaigns_do_not_mix(finished, tmp_path) -> None:
    with pytest.raises(ConfigError, match="already"):
        worked(finished)
    path = tmp_path / campaign.CELLS
    head = {**campaign.read(finished / campaign.CELLS)[0], "judge": "0" * 16}
    path.write_text(json.dumps(head) + "\n")
    with pytest.raises(ConfigError, match="another judge"):
        worked(tmp_path, resume=True)
    path.write_text("not json\n{}\n")
    with pytest.raises(IntegrityError, match="not JSON"):
        worked(tmp_path, resume=True)


def test_the_report_goes_between_the_marks(finished, tmp_path) -> None:
    head, lines = campaign.read(finished / campaign.CELLS)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    assert report.write(lines, head, finished, page) == page
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "\nold\n" not in text
    assert "| A05/0.3 | an answer bit flipped with 0.3 |" in text
    table = text[text.index("| ideal distance | trials |") :].split("\n\n")[0].splitlines()[2:]
    assert sum(int(row.split(" | ")[1]) for row in table) == len(CELLS)  # those of A05/0.3
    for name in ("roc.svg", "verdicts.svg"):
        assert (tmp_path / "images" / "verification" / name).read_text().startswith("<svg")
    report.write(lines, head, finished, page)
    assert page.read_text() == text
    page.write_text("nothing\n")
    with pytest.raises(ConfigError, match="no place"):
        report.write(lines, head, finished, page)


def test_the_summary_counts_what_the_cells_say(finished) -> None:
    _head, lines = campaign.read(finished / campaign.CELLS)
    rows = [row for line in lines for row in line["rows"] if row["attack"] == "A01"]
    rejected = sum(code in "RF" for row in rows for code in row["outcomes"]["ideal"])
    found = report.summary(lines)["A"]["A01"]["ideal"]["rejected"]
    assert found["count"] == rejected
    assert found["trials"] == len(CELLS)


def test_plans_name_every_cell_once() -> None:
    for quick in (True, False):
        cells = campaign.plan(quick=quick)
        assert len({cell.key for cell in cells}) == len(cells)
    full = campaign.plan(quick=False)
    assert sum(cell.honest for cell in full if cell.group != "mqt") >= 10_000
    headline = [c for c in full if (c.group, c.device, c.n, c.shots) == ("main", "A", 8, 4000)]
    for name in ATTACKS:
        assert sum(cell.trials for cell in headline if name in cell.attacks) >= 1000
    assert {cell.n for cell in full} == {4, 8, 12, 16, 20}
    other = campaign.plan(quick=False, seed=1)
    assert len(other) == len(full)
    assert not {cell.key for cell in other} & {cell.key for cell in full}
    assert {cell.device for cell in full} == {"A", "B", "Nairobi", "Guadalupe", "Brisbane"}


def test_a_cell_is_the_same_every_time() -> None:
    assert {**run_cell(CELLS[0]), "seconds": 0} == {**run_cell(CELLS[0]), "seconds": 0}


@pytest.mark.parametrize(("count", "trials"), [(0, 20), (3, 40), (40, 40)])
def test_intervals_are_exact(count, trials) -> None:
    low, high = Rate(count, trials).interval

    def tail(p: float, wanted: range) -> float:
        return sum(comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in wanted)

    if count:
        assert tail(low, range(count, trials + 1)) == pytest.approx(0.025)
    else:
        assert low == 0
    if count < trials:
        assert tail(high, range(count + 1)) == pytest.approx(0.025)
    else:
        assert high == 1


def test_curves_rise_from_nothing_to_everything() -> None:
    honest, cheats = np.array([0.8, 0.9, 1.0]), np.array([0.1, 0.2, 0.9])
    false, found = operating_curve(honest, cheats)
    assert false.tolist() == pytest.approx([0, 0, 0, 1 / 3, 2 / 3, 1])
    assert found.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 1, 1])


def test_right_distributions_are_counted_apart() -> None:
    tally = Tally()
    tally.add(
        {
            "outcomes": {"ideal": "RAAR"},
            "deciders": {"ideal": {"shape": 2}},
            "distance": [0.2, 0.01, 0.3, 0.4],
        }
    )
    assert tally.accepted("ideal") == Rate(2, 4)
    assert tally.accepted("ideal", wrong_only=True) == Rate(1, 3)
    assert tally.between("ideal", 0.2, 0.4) == "RA"
    assert tally.between("ideal", 0.4, np.inf) == "R"


def test_families_are_as_wide_as_asked() -> None:
    for family in FAMILIES:
        assert circuit(family, 6, 1).num_qubits == 6
        assert circuit(family, 6, 1) != circuit(family, 6, 2)
    if mqt_installed():
        for family in MQT_FAMILIES:
            assert circuit(family, 6, 1).num_qubits == 6
            assert not circuit(family, 6, 1).parameters
    with pytest.raises(InputError, match="no such family"):
        circuit("none", 6, 1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_quick_campaign_keeps_its_promises(tmp_path) -> None:
    lines = campaign.run(
        campaign.plan(quick=True), tmp_path, resume=False, workers=2, progress=lambda *_: None
    )
    missed = [name for name, _value, _bound, met in report.goals(lines) if not met]
    assert not missed
