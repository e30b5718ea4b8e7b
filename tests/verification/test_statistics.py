"""Collision statistics: unbiased, with honest standard errors, blind to white noise and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from qiskit.circuit.library import quantum_volume

from qcrs.circuits import Drbg, lower
from qcrs.verification.samples import Sample, blur_density, compact, flip_sample, merged, sample_of
from qcrs.verification.simulate import ideal
from qcrs.verification.statistics import Estimate, ExactUnit, PairStatistics, PeerUnit, exact_unit, peer_unit

SEED = bytes(range(32))


def draw(p: np.ndarray, shots: int, rng: np.random.Generator) -> Sample:
    counts = rng.multinomial(shots, p / p.sum())
    keys = np.flatnonzero(counts)
    return Sample(int(np.log2(len(p))), keys, counts[keys])


def noisy(p: np.ndarray, fidelity: float, readout: float = 0.0) -> np.ndarray:
    width = int(np.log2(len(p)))
    return blur_density(fidelity * p + (1 - fidelity) / len(p), [readout] * width)


@pytest.fixture(scope="module")
def target() -> np.ndarray:
    return ideal(lower(quantum_volume(7, 7, seed=1)).document).probabilities


Make = Callable[[np.random.Generator, int], ExactUnit | PeerUnit]


def spread(
    make: Make, of: Callable[[PairStatistics], Estimate | None], trials: int = 120
) -> tuple[float, float, float]:
    """Mean, spread and mean standard error of a statistic over trials."""
    rng = np.random.default_rng(5)
    found = [of(PairStatistics([make(rng, trial)])) for trial in range(trials)]
    estimates = [estimate for estimate in found if estimate is not None]
    assert len(estimates) == trials
    values = np.array([estimate.value for estimate in estimates])
    return float(values.mean()), float(values.std()), float(np.mean([e.se for e in estimates]))


STATISTICS = {
    "shape": (lambda s: s.shape(), 1.0),
    "magnitude": (lambda s: s.magnitude(), 0.6),
    "bit": (lambda s: s.bit_ratio(2), 1.0),
}


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("reference", ["exact", "peer", "blurred peer"])
def test_values_and_standard_errors_are_right(target: np.ndarray, name: str, reference: str) -> None:
    def make(rng: np.random.Generator, trial: int) -> ExactUnit | PeerUnit:
        a = draw(noisy(target, 0.6, 0.02), 3000, rng)
        if reference == "exact":
            return exact_unit(a, target, [0.02] * 7)
        if reference == "peer":
            return peer_unit(a, draw(noisy(target, 1.0, 0.02), 3000, rng), [0.02] * 7, [0.02] * 7)
        b = draw(noisy(target, 1.0, 0.06), 3000, rng)
        return peer_unit(a, b, [0.02] * 7, [0.06] * 7, Drbg(trial.to_bytes(32, "big")))

    of, want = STATISTICS[name]
    mean, deviation, se = spread(make, of)
    assert mean == pytest.approx(want, abs=4 * deviation / np.sqrt(120) + 0.01)
    assert 0.8 * deviation < se < 1.7 * deviation


def test_wide_samples_are_blurred_shot_by_shot() -> None:
    wide = ideal(lower(quantum_volume(15, 3, seed=1)).document).probabilities

    def make(rng: np.random.Generator, trial: int) -> PeerUnit:
        a, b = draw(noisy(wide, 0.9, 0.01), 6000, rng), draw(noisy(wide, 0.9, 0.02), 6000, rng)
        return peer_unit(a, b, [0.01] * 15, [0.02] * 15, Drbg(trial.to_bytes(32, "big")))

    mean, deviation, se = spread(make, lambda s: s.shape(), 25)
    assert mean == pytest.approx(1, abs=deviation)
    assert 0.5 * deviation < se < 2 * deviation


def test_readout_errors_spoil_the_shape_unless_they_are_blurred_away(target: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    errors = [0.0, 0.2, 0.0, 0.15, 0.0, 0.0, 0.2]
    a = draw(blur_density(target, errors), 20_000, rng)
    b = draw(target, 20_000, rng)
    raw = PairStatistics([peer_unit(a, b, [0.0] * 7, [0.0] * 7)]).shape()
    mended = PairStatistics([peer_unit(a, b, errors, [0.0] * 7)]).shape()
    assert raw.below(0.95, 3)
    assert mended.value == pytest.approx(1, abs=4 * mended.se)


def test_a_flipped_bit_shows_in_that_bit_alone(target: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    flipped = draw(blur_density(target, [0, 0, 0.2]), 8000, rng)
    pair = PairStatistics([exact_unit(flipped, target)])
    ratios = [pair.bit_ratio(bit) for bit in range(7)]
    assert all(ratio is not None for ratio in ratios)
    assert min(range(7), key=lambda bit: ratios[bit].value) == 2  # type: ignore[union-attr] # asserted above


def test_uniform_samples_have_no_mass_and_no_magnitude(target: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    pair = PairStatistics([exact_unit(draw(np.full(128, 1 / 128), 4000, rng), target)])
    tested, magnitude = pair.tested_mass(), pair.magnitude()
    assert abs(tested.value) < 4 * tested.se
    assert abs(magnitude.value) < 4 * magnitude.se < 0.2


def test_distance_is_zero_between_equals_and_its_value_is_known() -> None:
    rng = np.random.default_rng(4)
    flat = np.full(64, 1 / 64)
    tilted = flat * (1 + 0.5 * np.where(np.arange(64) & 1, 1, -1))
    same = PairStatistics([exact_unit(draw(flat, 4000, rng), flat)]).distance()
    other = PairStatistics([exact_unit(draw(tilted, 4000, rng), flat)]).distance()
    assert abs(same.value) < 4 * same.se
    assert other.value == pytest.approx(0.25, abs=4 * other.se)


def test_one_bit_outputs_work() -> None:
    rng = np.random.default_rng(6)
    p = np.array([0.9, 0.1])
    pair = PairStatistics([exact_unit(draw(noisy(p, 0.8), 4000, rng), p)])
    assert pair.shape().value == pytest.approx(1, abs=0.05)
    assert pair.magnitude().value == pytest.approx(0.8, abs=5 * pair.magnitude().se)


def test_outputs_wider_than_a_word_work() -> None:
    rng = np.random.default_rng(7)
    ghz = {0: 450, (1 << 100) - 1: 430}
    for _ in range(120):
        ghz[int.from_bytes(rng.bytes(12), "big")] = 1
    a = sample_of(ghz, range(100))
    b = sample_of({0: 500, (1 << 100) - 1: 500}, range(100))
    pair = PairStatistics([peer_unit(a, b, [0.0] * 100, [0.0] * 100)])
    assert pair.shape().value == pytest.approx(1, abs=0.01)
    assert pair.magnitude().value == pytest.approx(0.88, abs=0.02)
    assert pair.bit_ratio(99) is not None


def test_four_hundred_units_pool_into_one_precise_statistic() -> None:
    rng = np.random.default_rng(8)
    units = []
    for _ in range(400):
        p = rng.exponential(size=16)
        p /= p.sum()
        units.append(exact_unit(draw(noisy(p, 0.7), 50, rng), p))
    pair = PairStatistics(units)
    assert pair.magnitude().value == pytest.approx(0.7, abs=5 * pair.magnitude().se)
    assert pair.magnitude().se < 0.03
    assert pair.shape().value == pytest.approx(1, abs=5 * pair.shape().se)
    assert pair.bit_ratio(0) is not None


def test_a_single_shot_knows_nothing_and_says_so(target: np.ndarray) -> None:
    pair = PairStatistics([exact_unit(Sample(7, np.array([3]), np.array([1])), target)])
    assert not pair.shape().below(0.92, 3)
    assert pair.tested_mass().se > 1e6


def test_samples_are_decoded_projected_and_merged() -> None:
    sample = sample_of({0b10010: 5, 0b00010: 2}, (1, 4), mask=0b10000)
    assert dict(zip(sample.keys.tolist(), sample.counts.tolist(), strict=True)) == {0b01: 5, 0b11: 2}
    assert compact(0b10010, (1, 4)) == 0b11
    both = merged([sample, sample])
    assert both.shots == 14
    assert both.lookup(np.array([0b01, 0b00])).tolist() == [10, 0]


def test_blur_is_the_readout_channel_and_flips_have_its_rate() -> None:
    p = np.array([1.0, 0, 0, 0])
    assert blur_density(p, [0.1, 0.2]) == pytest.approx([0.72, 0.08, 0.18, 0.02])
    flips = flip_sample(Sample(2, np.array([0]), np.array([40_000])), [0.1, 0.2], Drbg(SEED))
    assert flips.dense() / 40_000 == pytest.approx([0.72, 0.08, 0.18, 0.02], abs=0.01)
