"""Binary randomised benchmarking against planted errors, from one region to 1,000 qubits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcrs.benchmarks import binary_rb, readout
from qcrs.benchmarks.ideal import probabilities
from qcrs.benchmarks.readout import ReadoutResult
from qcrs.benchmarks.topology import Coupling
from qcrs.benchmarks.units import BenchmarkUnit, Reading, read

SEED = b"\x31" * 32
LINE = Coupling.of(6, [(i, i + 1) for i in range(5)])


def readings(units: list[BenchmarkUnit], counts: list[dict[int, int]]) -> list[Reading]:
    return [read(u, c, i) for i, (u, c) in enumerate(zip(units, counts, strict=True))]


def flawless(qubits: int) -> ReadoutResult:
    return ReadoutResult(np.zeros(qubits), np.zeros(qubits), 1000)


def planted_error(units: list[BenchmarkUnit], p2: float, layers: int) -> float:
    """Of one average layer: 1 - Π(1 - p) over its gates, from the circuits themselves."""
    (unit,) = {u.detail.length: u for u in units if u.detail.length == layers}.values()
    pairs = np.mean([u.circuit.count("cz") / layers for u in units if u.detail.length == layers])
    width = sum(len(area) for area in unit.detail.regions)
    return float(1 - (1 - p2) ** pairs * (1 - p2 / 10) ** width)


@given(st.integers(2, 40), st.sampled_from(["line", "grid", "star", "full"]), st.integers(2, 10))
def test_regions_are_disjoint_connected_and_small(qubits: int, shape: str, width: int) -> None:
    pairs = {
        "line": [(i, i + 1) for i in range(qubits - 1)],
        "grid": [(q, q + 1) for q in range(qubits - 1) if (q + 1) % 5]
        + [(q, q + 5) for q in range(qubits - 5)],
        "star": [(0, q) for q in range(1, qubits)],
        "full": None,
    }[shape]
    coupling = Coupling.of(qubits, pairs)
    areas = binary_rb.regions(coupling, width)
    seen = [q for area in areas for q in area]
    assert len(seen) == len(set(seen))
    for area in areas:
        assert 2 <= len(area) <= width
        assert set(coupling.within(area).distances(area[0])) == set(area)
    if shape == "line":
        assert len(seen) >= qubits - 1


@pytest.mark.parametrize("width", [2, 3, 6])
def test_every_parity_is_certain_without_noise(width: int) -> None:
    units = binary_rb.circuits(LINE, [1, 4, 9], 6, 10, SEED, width)
    for unit in units:
        p = probabilities(unit.circuit)
        keys = np.flatnonzero(p > 1e-12)
        reading = Reading(np.array([int(k) for k in keys], dtype=object), p[keys])
        for bits, sign in unit.detail.parities:
            assert bits
            assert sign * (reading.parity(bits) * reading.counts).sum() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("p2", "r"), [(1e-3, 0.01), (1e-2, 0.02), (5e-2, 0.05)])
def test_the_planted_error_of_a_layer_is_found(
    p2: float, r: float, clifford_device: Callable[..., object]
) -> None:
    run = clifford_device(p2, r)
    calibration = readout.circuits(6, 4, 4000, SEED)
    contrast = readout.score(calibration, readings(calibration, run(calibration)))
    longest = max(6, min(150, round(0.25 / p2)))
    units = binary_rb.circuits(LINE, [2, longest // 2, longest], 14, 400, SEED, 6)
    result = binary_rb.score(units, readings(units, run(units)), contrast)
    planted = planted_error(units, p2, longest)
    assert len(result.regions) == 1
    assert result.regions[0].region == tuple(range(6))
    assert abs(result.error_per_layer - planted) < 4 * result.regions[0].standard_error
    assert result.error_per_layer == pytest.approx(planted, rel=0.2)
    assert result.error_per_qubit == pytest.approx(1 - (1 - result.error_per_layer) ** (1 / 6))
    assert [point[0] for point in result.curve] == [2, longest // 2, longest]


def test_intervals_cover_the_planted_error(clifford_device: Callable[..., object]) -> None:
    """Forty regions at once are forty trials: their scores are those of honest intervals."""
    p2, n = 1e-2, 320
    coupling = Coupling.of(n, [(q, q + 1) for q in range(n - 1)])
    units = binary_rb.circuits(coupling, [2, 10, 24], 6, 300, SEED)
    result = binary_rb.score(units, readings(units, clifford_device(p2, 0.0)(units)), flawless(n))
    assert len(result.regions) == 40
    planted = planted_error(units, p2, 24)  # of all regions together
    each = 1 - (1 - planted) ** (1 / 40)
    scores = [(found.error - each) / found.standard_error for found in result.regions]
    assert np.mean(np.abs(scores) < 2) > 0.85
    assert 0.5 < np.std(scores) < 1.4
    assert result.error_per_layer == pytest.approx(planted, rel=0.06)


def test_a_thousand_qubits_take_one_circuit_a_sample(clifford_device: Callable[..., object]) -> None:
    n, p2 = 1000, 1e-3
    pairs = [(q, q + 1) for q in range(n - 1) if (q + 1) % 40] + [(q, q + 40) for q in range(n - 40)]
    coupling = Coupling.of(n, pairs)
    units = binary_rb.circuits(coupling, [1, 12], 2, 200, SEED)
    result = binary_rb.score(units, readings(units, clifford_device(p2, 0.0)(units)), flawless(n))
    assert result.qubits > 980
    planted = -np.log1p(-planted_error(units, p2, 12))
    found = -np.log1p(-result.error_per_layer)
    assert found == pytest.approx(planted, rel=0.25)


def test_a_device_that_answers_at_random_has_no_good_layers() -> None:
    units = binary_rb.circuits(LINE, [1, 4, 12], 5, 200, SEED, 6)
    rng = np.random.default_rng(3)
    counts = []
    for unit in units:
        keys, n = np.unique(rng.integers(0, 64, unit.shots), return_counts=True)
        counts.append({int(k): int(c) for k, c in zip(keys, n, strict=True)})
    result = binary_rb.score(units, readings(units, counts), flawless(6))
    assert result.error_per_layer > 0.4
