"""Copies, pools and resampling: calibrated under independence, found where they are, silent where blind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qcrs.verification.independence import (
    PoolUnit,
    asymmetry_p_value,
    overlap_p_value,
    pool_test,
    replay_surprise,
)
from qcrs.verification.samples import Floats, Sample, blur_density, merged, sample_of

SHOTS = 4000
LEVELS = (1e-1, 1e-2, 1e-3)


def drawn(q: Floats, shots: int, rng: np.random.Generator) -> Sample:
    counts = rng.multinomial(shots, q / q.sum())
    keys = np.nonzero(counts)[0]
    width = (len(q) - 1).bit_length()
    return Sample(width, keys.astype(np.int64), counts[keys].astype(np.int64))


def redrawn(pool: Sample, shots: int, rng: np.random.Generator, jitter: float = 0.0) -> Sample:
    """Shots drawn with replacement from a pool; a share of them uniform instead."""
    q = pool.dense() / pool.shots
    return drawn((1 - jitter) * q + jitter / len(q), shots, rng)


def kept(sample: Sample, shots: int, rng: np.random.Generator) -> Sample:
    """Some of the shots that were really run."""
    chosen = rng.permutation(np.repeat(sample.keys, sample.counts))[:shots]
    keys, counts = np.unique(chosen, return_counts=True)
    return Sample(sample.width, keys, counts.astype(np.int64))


def porter_thomas(width: int, rng: np.random.Generator) -> Floats:
    p = rng.exponential(size=1 << width)
    return np.asarray(p / p.sum())


@pytest.mark.parametrize("width", [6, 8, 10])
def test_p_values_are_calibrated_under_independence(width: int) -> None:
    """Tail counts stay within 4 standard deviations above the nominal level, and are not far below."""
    rng = np.random.default_rng(width)
    p = porter_thomas(width, rng)
    q = 0.8 * p + 0.2 / len(p)
    trials = {6: 800, 8: 600, 10: 100}[width]
    found: dict[str, list[float]] = {"alone": [], "pair": [], "overlap": []}
    for _ in range(trials):
        a, b = drawn(q, SHOTS, rng), drawn(q, SHOTS, rng)
        for name, unit in (("alone", PoolUnit(a, None, p, p)), ("pair", PoolUnit(a, b, p, p))):
            test = pool_test([unit], colour=0.0)
            assert test is not None
            found[name].append(test.p_value)
        overlap = overlap_p_value([(a, b)])
        assert overlap is not None
        found["overlap"].append(overlap)
    for name, values in found.items():
        for level in LEVELS:
            hits, mean = float((np.array(values) < level).sum()), level * trials
            assert hits <= mean + 4 * np.sqrt(mean) + 1, (name, level, hits)
        assert (np.array(values) < 0.1).sum() > 0.04 * trials, name


@pytest.fixture(scope="module")
def honest(lab: Any) -> Callable[..., tuple[Floats, list[Sample], float]]:
    """Ideal distribution with readout errors, decoded samples of fresh runs on Aer, certified magnitude."""

    def run(family: str, n: int, device: Any, runs: int) -> tuple[Floats, list[Sample], float]:
        circuit = lab.family(family, n, 3)
        job = lab.job([circuit], SHOTS, 11)
        bits = job.units[0].circuit.measured_clbits()
        samples = []
        for seed in range(runs):
            frames = zip(lab.run(job, device, 17 + seed).counts[0], lab.masks(job)[0], strict=True)
            samples.append(merged([sample_of(counts, bits, mask) for counts, mask in frames]))
        certified = (1 - device.errors.eplg_nano / 1e9) ** job.units[0].circuit.count("cz")
        return blur_density(lab.ideal(circuit), [device.readout] * n), samples, certified

    return run


@pytest.mark.parametrize("family", ["random", "qaoa", "ising", "ansatz"])
def test_honest_runs_on_noisy_devices_are_never_a_pool_and_pools_are_found(
    lab: Any, honest: Callable[..., Any], family: str
) -> None:
    """n = 8 on noise A and B; colluders draw 4,000 shots each from 2,000 that one of them ran."""
    rng = np.random.default_rng(5)
    for device in (lab.A, lab.B):
        p, (a, b), certified = honest(family, 8, device, 2)
        for other in (None, b):
            clean = pool_test([PoolUnit(a, other, p, p, certified, certified)])
            assert clean is not None
            assert clean.p_value > 1e-4, (family, device)
        overlap = overlap_p_value([(a, b)])
        assert overlap is not None
        assert overlap > 1e-4
        pool = kept(a, SHOTS // 2, rng)
        x, y = redrawn(pool, SHOTS, rng), redrawn(pool, SHOTS, rng)
        together = pool_test([PoolUnit(x, y, p, p, certified, certified)])
        assert together is not None
        if together.visible >= SHOTS // 2:
            assert together.p_value < 1e-6, (family, device)
            assert 1000 < together.found < 4000
        else:
            assert device is lab.B  # half of the shots is then below what colour may explain
        if device is lab.A:
            alone = pool_test([PoolUnit(redrawn(pool, SHOTS, rng, 0.1), None, p, p, certified, certified)])
            assert alone is not None
            assert alone.p_value < 1e-6, family


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("noise", ["A", "B"])
def test_twelve_qubits_leave_no_doubt(lab: Any, noise: str) -> None:
    rng = np.random.default_rng(6)
    device = getattr(lab, noise)
    circuit = lab.family("random", 12, 3)  # spread: no pool is looked for where outputs are peaked
    unit = lab.job([circuit], SHOTS).units[0]
    # Far apart: Aer seeds shot i with seed + i.
    raw = [device.counts(unit.circuit, SHOTS, 10**6 * (1 + run)) for run in range(2)]
    a, b = (sample_of(counts, unit.circuit.measured_clbits()) for counts in raw)
    p = blur_density(lab.ideal(circuit), [device.readout] * 12)
    certified = (1 - device.errors.eplg_nano / 1e9) ** unit.circuit.count("cz")
    clean = pool_test([PoolUnit(a, b, p, p, certified, certified)])
    assert clean is not None
    assert clean.p_value > 1e-4
    x = redrawn(kept(a, SHOTS // 2, rng), SHOTS, rng, 0.1)
    found = pool_test([PoolUnit(x, None, p, p, certified, certified)])
    assert found is not None
    assert found.p_value < 1e-12
    replay = overlap_p_value([(redrawn(a, SHOTS, rng, 0.1), a)])
    assert replay is not None
    assert replay < 1e-12


@pytest.mark.parametrize(("width", "share"), [(8, 1.0), (10, 0.5), (12, 0.5)])
def test_a_replay_is_found_even_drawn_again_with_jitter(width: int, share: float) -> None:
    """A whole replay at 8 qubits, half of one diluted with fresh shots at 10 and 12."""
    rng = np.random.default_rng(width)
    q = 0.8 * porter_thomas(width, rng) + 0.2 / (1 << width)
    past = drawn(q, SHOTS, rng)
    again = redrawn(past, round(SHOTS * share), rng, 0.1)
    mixed = again if share == 1.0 else merged([again, drawn(q, SHOTS - again.shots, rng)])
    p_value = overlap_p_value([(mixed, past)])
    assert p_value is not None
    assert p_value < 1e-6
    assert replay_surprise([past]) > 6


def test_narrow_and_peaked_outputs_have_no_power_and_say_so() -> None:
    rng = np.random.default_rng(1)
    ghz = np.zeros(1 << 8)
    ghz[0] = ghz[-1] = 0.5
    for q in (porter_thomas(3, rng), ghz):
        sample = drawn(q, SHOTS, rng)
        assert replay_surprise([sample]) < 6
        same = overlap_p_value([(sample, redrawn(sample, SHOTS, rng))])
        assert same is None or same > 1e-6


def test_asymmetry_against_a_third_party() -> None:
    """Where no ideal is to be had (16 qubits and more): two that drew from one pool, and a third that ran."""
    rng = np.random.default_rng(2)
    q = 0.7 * porter_thomas(16, rng) + 0.3 / (1 << 16)
    worse = 0.5 * q + 0.5 / (1 << 16)
    a, b, c = drawn(q, SHOTS, rng), drawn(q, SHOTS, rng), drawn(worse, SHOTS, rng)
    clean = asymmetry_p_value([(a, b, c)], [(0.7, 0.7, 0.35)])
    assert clean is not None
    assert clean > 1e-3
    pool = drawn(q, SHOTS // 2, rng)
    x, y = redrawn(pool, SHOTS, rng, 0.1), redrawn(pool, SHOTS, rng, 0.1)
    pooled = asymmetry_p_value([(x, y, c)], [(0.7, 0.7, 0.35)])
    assert pooled is not None
    assert pooled < 1e-6
    third = asymmetry_p_value([(x, c, y)], [(0.7, 0.35, 0.7)])
    assert third is not None
    assert third > 1e-3
