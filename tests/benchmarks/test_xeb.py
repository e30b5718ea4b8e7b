"""Cross-entropy: planted mixtures, intervals, and a spoofer whom the shape gives away."""

from __future__ import annotations

import numpy as np
import pytest

from qcrs.benchmarks import xeb
from qcrs.benchmarks.ideal import probabilities
from qcrs.benchmarks.topology import Coupling
from qcrs.benchmarks.units import BenchmarkUnit, Reading, read
from qcrs.errors import InputError

SEED = b"\x41" * 32
GRID = Coupling.of(9, [(0, 1), (1, 2), (3, 4), (4, 5), (6, 7), (7, 8), *((q, q + 3) for q in range(6))])
LINE = Coupling.of(21, [(q, q + 1) for q in range(20)])


def mixed(units: list[BenchmarkUnit], strength: float, rng: np.random.Generator) -> list[Reading]:
    found = []
    for index, unit in enumerate(units):
        p = probabilities(unit.circuit)
        drawn = rng.multinomial(unit.shots, strength * p / p.sum() + (1 - strength) / len(p))
        found.append(read(unit, {k: int(n) for k, n in enumerate(drawn) if n}, index))
    return found


@pytest.mark.parametrize("strength", [1.0, 0.6, 0.1])
@pytest.mark.parametrize("depth", [2, 8])
def test_the_weight_of_the_ideal_part_is_found(strength: float, depth: int) -> None:
    """Shallow circuits are far from Porter-Thomas; the normalised estimator does not mind."""
    units = xeb.circuits(GRID, tuple(range(9)), depth, 10, 2000, SEED)
    result = xeb.score(units, mixed(units, strength, np.random.default_rng(1)))
    assert result.fidelity == pytest.approx(strength, abs=4 * result.standard_error)
    assert result.standard_error < 0.05
    assert result.width == 9
    assert len(result.each) == result.circuits == 10
    if result.shape is not None:
        assert result.shape == pytest.approx(1, abs=0.1)


def test_intervals_cover_the_truth() -> None:
    rng, scores = np.random.default_rng(2), []
    for trial in range(60):
        units = xeb.circuits(GRID, tuple(range(6)), 6, 5, 400, bytes([trial]) * 32)
        result = xeb.score(units, mixed(units, 0.5, rng))
        scores.append((result.fidelity - 0.5) / result.standard_error)
    assert np.mean(np.abs(scores) < 2) > 0.88
    assert 0.5 < np.std(scores) < 1.4


def test_always_the_heaviest_outcome_scores_high_but_has_the_wrong_shape() -> None:
    units = xeb.circuits(GRID, tuple(range(9)), 9, 10, 2000, SEED)
    spoofed = []
    for index, unit in enumerate(units):
        heavy = np.argsort(probabilities(unit.circuit))[-20:]
        spoofed.append(read(unit, {int(k): unit.shots // 20 for k in heavy}, index))
    result = xeb.score(units, spoofed)
    assert result.fidelity > 1
    assert result.shape is not None
    assert result.shape < 0.9


def test_circuits_keep_to_the_region_and_its_coupling() -> None:
    units = xeb.circuits(GRID, (0, 1, 3, 4), 5, 3, 100, SEED)
    for unit in units:
        used = {q for ins in unit.circuit.instructions for q in ins.qubits}
        assert used == {0, 1, 3, 4}
        for ins in unit.circuit.instructions:
            assert ins.name != "cz" or tuple(sorted(ins.qubits)) in GRID.edges
    again = xeb.circuits(GRID, (0, 1, 3, 4), 5, 3, 100, SEED)
    assert [u.circuit.canonical() for u in units] == [u.circuit.canonical() for u in again]


@pytest.mark.parametrize("width", [1, 21])
def test_what_has_no_exact_answer_is_refused(width: int) -> None:
    with pytest.raises(InputError, match="exact distributions"):
        xeb.circuits(LINE, tuple(range(width)), 4, 2, 100, SEED)
