"""Quantum volume as qiskit-experiments finds it, from a recording (benchmarks/quantum_volume_peer.py)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from qcrs.benchmarks import BenchmarkUnit, Coupling, quantum_volume
from qcrs.benchmarks.units import Reading, read
from qcrs.circuits import CircuitDocument

RECORD = json.loads((Path(__file__).parent / "data" / "quantum_volume_peer.json").read_text())


def name(part: dict[str, Any]) -> str:
    return f"{part['backend'].partition('?')[0]}, {part['width']} qubits"


def readings(units: list[BenchmarkUnit], counts: list[dict[str, int]]) -> list[Reading]:
    return [read(u, c, i) for i, (u, c) in enumerate(zip(units, counts, strict=True))]


def ours(part: dict[str, Any]) -> tuple[list[BenchmarkUnit], quantum_volume.VolumeResult]:
    width = part["width"]
    units = quantum_volume.circuits(
        width,
        Coupling.of(width, None),
        [tuple(range(width))],
        RECORD["circuits"],
        RECORD["shots"],
        bytes.fromhex(RECORD["seed"]),
    )
    (result,) = quantum_volume.score(units, readings(units, part["same_circuits"]["counts"]))
    return units, result


@pytest.mark.parametrize("part", RECORD["widths"], ids=name)
def test_the_same_circuits_and_counts_give_the_same_heavy_outputs(part: dict[str, Any]) -> None:
    _, result = ours(part)
    peer = part["same_circuits"]["peer"]
    assert list(result.each) == peer["each"]
    assert result.circuits == 100
    assert result.heavy == pytest.approx(peer["mean"], abs=1e-12)
    assert result.standard_error == pytest.approx(peer["sigma"], abs=1e-12)
    assert result.passed == peer["success"]
    assert peer["quantum_volume"] == (2 ** part["width"] if result.passed else 1)


@pytest.mark.parametrize("part", RECORD["widths"], ids=name)
def test_the_peers_own_circuits_give_the_same_heavy_outputs(part: dict[str, Any]) -> None:
    recorded = part["peer_circuits"]
    units = [
        BenchmarkUnit("quantum_volume", CircuitDocument.from_json(c), RECORD["shots"], part["width"])
        for c in recorded["circuits"]
    ]
    found = [
        quantum_volume.heavy_output(unit, reading)
        for unit, reading in zip(units, readings(units, recorded["counts"]), strict=True)
    ]
    assert found == recorded["peer"]["each"][: len(found)]
    assert len(found) == 10


@pytest.mark.parametrize("part", RECORD["widths"], ids=name)
def test_each_by_itself_finds_the_same_within_standard_errors(part: dict[str, Any]) -> None:
    """Own circuits, own shots, one backend: the spread between circuits is the yardstick."""
    _, result = ours(part)
    alone = part["peer_circuits"]["peer"]
    spread = [sum((v - m) ** 2 for v in each) / 99 / 100 for each, m in (
        (result.each, result.heavy), (alone["each"], alone["mean"]))]  # fmt: skip
    assert abs(result.heavy - alone["mean"]) < 3 * math.sqrt(sum(spread))
    assert abs(result.heavy - alone["mean"]) < result.standard_error + alone["sigma"]
