"""Each protocol alone, against what was planted."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from qcrs.benchmarks import ghz, layer_fidelity, quantum_volume, readout, speed
from qcrs.benchmarks.ideal import probabilities
from qcrs.benchmarks.topology import Coupling
from qcrs.benchmarks.units import BenchmarkUnit, Reading, read
from qcrs.circuits import Drbg
from qcrs.errors import VerificationError

SEED = b"\x21" * 32
LINE = Coupling.of(6, [(i, i + 1) for i in range(5)])


def readings(units: list[BenchmarkUnit], counts: list[dict[int, int]]) -> list[Reading]:
    return [read(u, c, i) for i, (u, c) in enumerate(zip(units, counts, strict=True))]


def perfect(units: list[BenchmarkUnit]) -> list[Reading]:
    """Readings without any sampling: the exact distribution times a large number."""
    found = []
    for unit in units:
        p = probabilities(unit.circuit)
        keys = np.flatnonzero(p > 1e-12)
        found.append(Reading(np.array([int(k) for k in keys], dtype=object), p[keys] * 1e6))
    return found


def test_readout_finds_each_qubits_own_rates() -> None:
    units = readout.circuits(4, 4, 20_000, SEED)
    rng = np.random.default_rng(3)
    up, down = np.array([0.01, 0.02, 0.0, 0.08]), np.array([0.03, 0.02, 0.0, 0.01])
    counts = []
    for unit in units:
        bits = np.array(unit.detail)
        flips = rng.random((unit.shots, 4)) < np.where(bits == 1, down, up)
        outcomes = (bits ^ flips) @ (1 << np.arange(4))
        keys, times = np.unique(outcomes, return_counts=True)
        counts.append({int(k): int(n) for k, n in zip(keys, times, strict=True)})
    result = readout.score(units, readings(units, counts))
    assert result.shots == 80_000
    assert np.allclose(result.p_one_given_zero, up, atol=4e-3)
    assert np.allclose(result.p_zero_given_one, down, atol=4e-3)
    assert result.p_one_given_zero[2] == 0
    assert np.allclose(result.contrast, 1 - up - down, atol=6e-3)


def test_every_parity_of_a_layer_is_plus_one_without_noise() -> None:
    # The followed stabilisers, signs and bases are right only if each parity is certain.
    units = layer_fidelity.circuits(6, LINE.layers(), [1, 2, 7, 20], 6, 1, SEED)
    assert len(units) == 48
    seen = set()
    for unit, reading in zip(units, perfect(units), strict=True):
        for parities in unit.detail.parities:
            seen.add(len(parities))
            for bits, sign in parities:
                value = (reading.parity(bits) * reading.counts).sum() / reading.counts.sum()
                assert sign * value == pytest.approx(1, abs=1e-9)
    assert seen == {1, 3}


@pytest.mark.parametrize(("p2", "r"), [(1e-3, 0.01), (1e-2, 0.02), (6e-2, 0.05)])
def test_layer_fidelity_finds_the_planted_error(p2: float, r: float, device: Callable[..., object]) -> None:
    run = device(p2, r)
    calibration = readout.circuits(6, 3, 2000, SEED)
    longest = max(12, min(80, round(0.6 / p2)))
    units = layer_fidelity.circuits(6, LINE.layers(), [2, longest // 3, longest], 3, 500, SEED)
    contrast = readout.score(calibration, readings(calibration, run(calibration)))
    result = layer_fidelity.score(units, readings(units, run(units)), contrast)
    planted = 1 - (1 - p2) * (1 - p2 / 10) ** 2
    assert abs(result.error_per_layered_gate - planted) < 4 * result.standard_error + 0.05 * planted
    assert result.standard_error < 0.25 * planted
    assert len(result.pairs) == 5


def test_a_layer_of_pure_noise_is_certified_as_useless() -> None:
    units = layer_fidelity.circuits(6, LINE.layers(), [2, 4, 12], 2, 300, SEED)
    calibration = readout.circuits(6, 3, 400, SEED)
    rng = np.random.default_rng(1)

    def uniform(unit: BenchmarkUnit) -> Reading:
        keys, n = np.unique(rng.integers(0, 1 << unit.circuit.clbits, unit.shots), return_counts=True)
        return Reading(np.array([int(k) for k in keys], dtype=object), n.astype(float))

    contrast = readout.score(calibration, [uniform(u) for u in calibration])
    assert contrast.error == pytest.approx(np.full(6, 0.5), abs=0.06)
    result = layer_fidelity.score(units, [uniform(u) for u in units], contrast)
    assert result.certified_error > 0.3


def test_ghz_stabilisers_have_the_right_signs() -> None:
    for coupling in (LINE, Coupling.of(6, None), Coupling.of(7, [(3, q) for q in range(7) if q != 3])):
        spread = coupling.spread()
        units = ghz.circuits(coupling.qubits, spread, [2, 3, coupling.qubits], 8, 50, SEED)
        for result in ghz.score(units, perfect(units)):
            assert result.fidelity == pytest.approx(1, abs=1e-6)
            assert result.passed


def test_ghz_fidelity_is_the_planted_one(device: Callable[..., object]) -> None:
    p2, r, width = 1e-2, 0.02, 6
    units = ghz.circuits(6, LINE.spread(), [2, width], 20, 400, SEED)
    result = ghz.score(units, readings(units, device(p2, r)(units)))[-1]
    # A Pauli error before a random stabiliser keeps it with probability near one half in the long run.
    survival = ((1 - p2) * (1 - p2 / 10) ** 2) ** (width - 1) * (1 - r) ** width
    assert result.fidelity == pytest.approx(survival, abs=0.05)
    assert result.passed


def test_a_mixture_of_both_ends_is_not_a_ghz_state() -> None:
    # |000> or |111> at random has the population but no coherence: F = 1/2.
    units = ghz.circuits(3, Coupling.of(3, None).spread(), [3], 10, 400, SEED)
    rng = np.random.default_rng(5)
    counts = []
    for unit in units:
        if unit.detail.ys is None:
            half = unit.shots // 2
            counts.append({0: half, 7: unit.shots - half})
        else:
            keys, n = np.unique(rng.integers(0, 8, unit.shots), return_counts=True)
            counts.append({int(k): int(c) for k, c in zip(keys, n, strict=True)})
    (result,) = ghz.score(units, readings(units, counts))
    assert result.fidelity == pytest.approx(0.5, abs=0.03)
    assert not result.passed
    assert ghz.largest([result]) == 0


def test_volume_blocks_are_haar_random() -> None:
    # Moments of |tr U|² over the unitary group are 1, 2, 6 (dimension 4); of a coarser ensemble they are not.
    from qcrs.benchmarks.builder import Builder, haar_angles, matrix
    from qcrs.benchmarks.quantum_volume import _block

    draws = Drbg(SEED)
    traces = []
    for _ in range(3000):
        builder = Builder(2)
        _block(builder, 0, 1, draws)
        for qubit, angles in enumerate(haar_angles(draws, 2)):
            builder.u(qubit, angles)
        total = np.eye(4, dtype=complex)
        for ins in builder.measured((0, 1)).instructions:
            if ins.name == "u":
                gate = matrix((ins.params[0], ins.params[1], ins.params[2]))
                total = (np.kron(gate, np.eye(2)) if ins.qubits == (0,) else np.kron(np.eye(2), gate)) @ total
            elif ins.name == "cz":
                total = np.diag([1, 1, 1, -1]) @ total
        traces.append(abs(np.trace(total)) ** 2)
    t = np.array(traces)
    for power, expected, next_moment in ((1, 1, 2), (2, 2, 24), (3, 6, 720)):
        error = math.sqrt((next_moment - expected**2) / len(t))
        assert abs((t**power).mean() - expected) < 4 * error


@pytest.mark.parametrize("pairs", [None, [(i, i + 1) for i in range(4)], [(0, q) for q in range(1, 5)]])
def test_volume_circuits_respect_the_coupling_and_have_heavy_outputs(
    pairs: list[tuple[int, int]] | None,
) -> None:
    coupling = Coupling.of(5, pairs)
    units = quantum_volume.circuits(5, coupling, [coupling.spread().region(5)], 40, 100, SEED)
    for unit in units:
        edges = {tuple(sorted(ins.qubits)) for ins in unit.circuit.instructions if ins.name == "cz"}
        assert edges <= set(coupling.edges)
    (result,) = quantum_volume.score(units, perfect(units))
    # Ideal heavy output tends to (1 + ln 2) / 2 = 0.847.
    assert result.heavy == pytest.approx(0.847, abs=0.03)
    assert result.passed


def test_quantum_volume_needs_two_thirds() -> None:
    units = quantum_volume.circuits(3, Coupling.of(3, None), [(0, 1, 2)], 100, 400, SEED)
    rng = np.random.default_rng(2)
    for strength, passes in ((0.9, True), (0.2, False)):
        counts = []
        for unit in units:
            p = strength * probabilities(unit.circuit) + (1 - strength) / 8
            n = rng.multinomial(unit.shots, p / p.sum())
            counts.append({k: int(c) for k, c in enumerate(n) if c})
        (result,) = quantum_volume.score(units, readings(units, counts))
        assert result.deviations == 2
        assert result.standard_error == pytest.approx(math.sqrt(result.heavy * (1 - result.heavy) / 100))
        assert result.passed is passes
        assert quantum_volume.largest([result]) == (3 if passes else 0)


def test_speed_counts_layers_times_shots() -> None:
    units = ghz.circuits(4, Coupling.of(4, None).spread(), [4], 2, 50, SEED)
    assert [u.layers for u in units] == [2, 2, 2]
    result = speed.score(units, [speed.Timing((0, 2), 1500), speed.Timing((1,), 500)])
    assert result.layer_shots == 2 * (100 + 50 + 50)
    assert result.layers_per_second == 200
    with pytest.raises(VerificationError, match="timed once"):
        speed.score(units, [speed.Timing((0, 1), 10)])


def test_readings_are_checked() -> None:
    (unit, *_) = readout.circuits(2, 1, 10, SEED)
    assert read(unit, {"0x1": 4, 2: 6}, 0).shots == 10
    for wrong in ({0: 9}, {0: 11}, {4: 10}, {-1: 10}, {0: 12, 1: -2}):
        with pytest.raises(VerificationError):
            read(unit, wrong, 0)
