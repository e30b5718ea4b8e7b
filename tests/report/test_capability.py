"""Pictures of a capability report: well formed, inside their frame, and with the numbers they stand for."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from qcrs.benchmarks import BenchmarkUnit, Coupling, ProcessorModel, Timing, evaluate, plan
from qcrs.benchmarks.ideal import probabilities
from qcrs.report import capability
from qcrs.report.graph import positions
from qcrs.types import Json, canonical_json, cid_of

SVG = "{http://www.w3.org/2000/svg}"


def counts(unit: BenchmarkUnit, rng: np.random.Generator) -> dict[int, int]:
    """A processor whose answers are right nine times in ten and uniform else; it keeps no time."""
    kept = [ins for ins in unit.circuit.instructions if ins.name != "delay"]
    p = probabilities(type(unit.circuit)(unit.circuit.qubits, unit.circuit.clbits, (), tuple(kept)))
    p = 0.9 * p / p.sum() + 0.1 / len(p)
    return {k: int(n) for k, n in enumerate(rng.multinomial(unit.shots, p / p.sum())) if n}


@pytest.fixture(scope="module")
def report() -> Json:
    model = ProcessorModel(5, Coupling.of(5, [(0, 1), (1, 2), (1, 3), (3, 4)]))
    suite = plan(model, b"\x09" * 32, "quick")
    rng = np.random.default_rng(1)
    found = evaluate(
        suite, [counts(u, rng) for u in suite.units], [Timing(tuple(range(len(suite.units))), 900)]
    )
    return json.loads(found.document)


@pytest.mark.parametrize("name", list(capability.PICTURES))
def test_every_picture_is_wellformed_and_inside_its_frame(report: Json, name: str) -> None:
    drawn = capability.PICTURES[name][1](report)
    assert drawn is not None
    root = ElementTree.fromstring(drawn)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    shapes = 0
    for shape in root.iter():
        for x, y in (("x", "y"), ("x1", "y1"), ("x2", "y2"), ("cx", "cy")):
            if x in shape.attrib:
                shapes += 1
                assert -1 <= float(shape.attrib[x]) <= width + 1
                assert -1 <= float(shape.attrib[y]) <= height + 1
    assert shapes > 10


@pytest.mark.parametrize("name", list(capability.PICTURES))
def test_what_did_not_run_is_not_drawn(report: Json, name: str) -> None:
    bare = {
        key: report[key]
        for key in ("qubits", "coupling", "level", "confidence", "circuits", "shots", "speed")
    }
    assert capability.PICTURES[name][1](bare) is None
    assert "<svg" not in capability.page(bare)


def test_pictures_show_the_findings(report: Json) -> None:
    stairs = capability.staircase(report)
    heavy = capability.heavy_outputs(report)
    drawn = capability.error_map(report)
    assert stairs is not None
    assert heavy is not None
    assert drawn is not None
    for row in report["ghz"]:
        assert f"{row['width']} qubits: F = {row['fidelity_nano'] * 1e-9:.3f}" in stairs
    for row in report["quantum_volume"]:
        assert f"2σ bound {row['lower_bound_nano'] * 1e-9:.3f}" in heavy
    assert drawn.count("<circle") == 5
    for a, b in report["coupling"]:
        assert f"{a}-{b}: " in drawn
    assert "not measured" not in drawn
    assert "over" in (capability.times(report) or "")


def test_a_page_and_its_report_are_written(report: Json, tmp_path: Path) -> None:
    page, kept = capability.write(report, tmp_path / "out", "Capability of <b>")
    assert kept.read_bytes() == canonical_json(report)
    assert kept.name == f"{cid_of(kept.read_bytes())}.json"
    text = page.read_text()
    assert "Capability of &lt;b&gt;" in text
    assert kept.stem in text
    assert {f.name for f in page.parent.glob("*.svg")} == {f"{name}.svg" for name in capability.PICTURES}


@pytest.mark.parametrize(
    ("qubits", "edges"),
    [
        (2, [(0, 1)]),
        (7, None),
        (30, [(q, q + 1) for q in range(29)]),
        (500, [(q, q + 1) for q in range(499)]),
        (6, [(q, (q + 1) % 6) for q in range(6)]),
        (25, [(q, q + 1) for q in range(24) if (q + 1) % 5] + [(q, q + 5) for q in range(20)]),
        (6, [(0, 1), (1, 2), (3, 4), (4, 5), (3, 5)]),
        (5, []),
    ],
)
def test_no_two_qubits_share_a_place_and_neighbours_are_near(
    qubits: int, edges: list[tuple[int, int]] | None
) -> None:
    places = positions(qubits, edges)
    assert places.shape == (qubits, 2)
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2) + 9 * np.eye(qubits)
    assert gaps.min() > 0.3
    for a, b in edges or []:
        assert gaps[a, b] < 1.6
    assert np.array_equal(places, positions(qubits, edges))
