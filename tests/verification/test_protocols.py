"""V0, V1 and V2 and the contingency tests, each alone."""

from __future__ import annotations

import numpy as np
import pytest

from qcrs.circuits import CircuitDocument, Instruction, Register
from qcrs.errors import CircuitError, VerificationError
from qcrs.verification.dispersion import chi_square_exact, chi_square_peer, copy_p_value, dispersion
from qcrs.verification.form import form_problem, parse_counts, scaled_counts
from qcrs.verification.frame_test import FrameUnit, mask_test, score_test
from qcrs.verification.predicate import check_predicate, predicate_share
from qcrs.verification.routing import routed_cz_count
from qcrs.verification.samples import Sample


def draw(p: np.ndarray, shots: int, rng: np.random.Generator) -> Sample:
    counts = rng.multinomial(shots, p / p.sum())
    keys = np.flatnonzero(counts)
    return Sample(int(np.log2(len(p))), keys, counts[keys])


@pytest.fixture
def p() -> np.ndarray:
    values = np.random.default_rng(0).exponential(size=256)
    return values / values.sum()


def test_form_accepts_what_was_asked_for() -> None:
    assert (
        form_problem([[{0: 3, 5: 2}, {2: 5}]], [[5, 5]], [[0, 2]])
        == "unit 0 frame 1 has an outcome outside the measured bits"
    )
    assert form_problem([[{0: 3, 5: 2}, {4: 5}]], [[5, 5]], [[0, 2]]) is None
    assert "frames" in (form_problem([[{0: 5}]], [[5, 5]], [[0]]) or "")
    assert "units" in (form_problem([], [[5]], [[0]]) or "")
    assert "True" not in (form_problem([[{0: True}]], [[1]], [[0]]) or "")
    assert form_problem([[{True: 1}]], [[1]], [[0]]) is not None


def test_a_common_factor_needs_enough_free_counts_to_mean_anything() -> None:
    many = [{key: 40 * (key + 1) for key in range(30)}]
    assert scaled_counts(many) == 40
    assert scaled_counts([{0: 400} for _ in range(100)]) == 1
    assert scaled_counts([{0: 200, 1: 200}]) == 1
    assert scaled_counts([{**many[0], 99: 1}]) == 1


def test_honest_frames_pass_and_made_up_ones_do_not(p: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    masks = tuple(int(m) for m in rng.integers(0, 256, 10))
    honest = tuple(draw(p, 400, rng) for _ in range(10))
    fake = tuple(draw(np.full(256, 1 / 256), 400, rng) for _ in range(3)) + honest[3:]
    for reference in (None, p):
        good = FrameUnit(honest, masks, tuple(range(8)), (0.0,) * 8, reference)
        bad = FrameUnit(fake, masks, tuple(range(8)), (0.0,) * 8, reference)
        assert not score_test([good]).fails
        assert score_test([bad]).fails


def test_honest_frames_rarely_surprise(p: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    surprises = []
    for _ in range(150):
        frames = tuple(draw(p, 100, rng) for _ in range(10))
        masks = tuple(int(m) for m in rng.integers(0, 256, 10))
        unit = FrameUnit(frames, masks, tuple(range(8)), (0.0,) * 8, p)
        surprises.append((score_test([unit]).surprise, mask_test([unit]).surprise))
    assert np.mean(np.array(surprises) > 2, axis=0) == pytest.approx([0.01, 0.01], abs=0.03)
    assert np.max(surprises) < 5


def test_a_slow_drift_never_fails_however_many_shots(p: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    frames = tuple(draw((1 - 0.02 * k) * p + 0.02 * k / 256, 100_000, rng) for k in range(10))
    unit = FrameUnit(frames, tuple(range(10)), tuple(range(8)), (0.0,) * 8, p)
    finding = score_test([unit])
    assert finding.surprise > 6
    assert not finding.fails


def test_readout_asymmetry_within_the_certificate_passes_the_mask_test() -> None:
    rng = np.random.default_rng(4)

    def unit(readout: float) -> FrameUnit:
        frames, masks = [], []
        for b in range(10):
            mask = b & 1
            raw = (rng.random(2000) < 0.5).astype(int) ^ mask
            raw = raw & (rng.random(2000) > 0.2)  # a raw 1 decays with 20 %
            ones = int((raw ^ mask).sum())
            frames.append(Sample(1, np.array([0, 1]), np.array([2000 - ones, ones])))
            masks.append(mask)
        return FrameUnit(tuple(frames), tuple(masks), (0,), (readout,))

    assert not mask_test([unit(0.1)]).fails
    assert mask_test([unit(0.01)]).fails


def test_dispersion_of_equals_is_one_and_grows_with_difference(p: np.ndarray) -> None:
    rng = np.random.default_rng(5)
    half = 0.5 * p + 0.5 / 256
    same = dispersion(chi_square_exact(draw(half, 4000, rng), p, 0.5))
    assert same is not None
    assert same[0] == pytest.approx(1, abs=5 * same[1])
    peers = dispersion(chi_square_peer(draw(half, 4000, rng), draw(p, 4000, rng), 0.5))
    assert peers is not None
    assert peers[0] == pytest.approx(1, abs=0.35)
    other = dispersion(chi_square_exact(draw(np.roll(p, 1), 4000, rng), p, 1.0))
    assert other is not None
    assert other[0] - 3 * other[1] > 3
    many = dispersion(chi_square_exact(draw(0.97 * p + 0.03 * np.roll(p, 1), 400_000, rng), p, 1.0))
    assert many is not None
    assert many[0] < 2
    assert dispersion(chi_square_exact(draw(np.array([1.0, 0]), 100, rng), np.array([1.0, 0]), 1.0)) is None


def test_copies_are_found_in_narrow_and_in_wide_outputs(p: np.ndarray) -> None:
    rng = np.random.default_rng(6)
    a, b = draw(p, 4000, rng), draw(p, 4000, rng)
    honest, copied = copy_p_value([(a, b)]), copy_p_value([(a, a)])
    assert honest is not None
    assert honest > 1e-4
    assert copied is not None
    assert copied < 1e-12
    wide = np.sort(rng.integers(0, 1 << 40, 4000))
    sample = Sample(40, wide, np.ones(4000, dtype=np.int64))
    half = Sample(
        40, np.sort(np.where(rng.random(4000) < 0.5, wide, rng.integers(0, 1 << 40, 4000))), sample.counts
    )
    found = copy_p_value([(sample, half)])
    assert found is not None
    assert found < 1e-12
    other = Sample(40, np.sort(rng.integers(0, 1 << 40, 4000)), sample.counts)
    assert copy_p_value([(sample, other)]) is None


def test_honest_peers_are_never_taken_for_copies() -> None:
    rng = np.random.default_rng(7)
    for width in (4, 8, 14):
        values = rng.exponential(size=1 << width)
        pairs = [(draw(values, 2000, rng), draw(values, 2000, rng)) for _ in range(60)]
        found = [copy_p_value([pair]) for pair in pairs]
        assert min((value for value in found if value is not None), default=1) > 1e-5


def test_predicates_count_outcomes_and_are_checked() -> None:
    doc = CircuitDocument(
        2,
        4,
        (Register("x", 0, 2), Register("y", 2, 2)),
        (Instruction("measure", (0,), (0,)),),
    )
    product = ("binary", "mul", ("cast", ("register", "x"), 4), ("cast", ("register", "y"), 4), 4)
    predicate = {
        "condition": ["expr", ["binary", "equal", product, ["value", 4, 6], "bool"]],
        "least_ppm": 400_000,
    }
    assert check_predicate(predicate, doc) == pytest.approx(0.4)
    share = predicate_share(predicate, doc, {0b1110: 3, 0b1011: 2, 0b0000: 5})
    assert share.value == pytest.approx(0.5)
    for bad in (
        None,
        {"condition": ["bit", 0, 1]},
        {**predicate, "least_ppm": 2_000_000},
        {**predicate, "condition": ["bit", 9, 1]},
    ):
        with pytest.raises(CircuitError):
            check_predicate(bad, doc)


def test_counts_on_the_wire_have_one_form() -> None:
    assert parse_counts({"0x1f": 3, "0x0": 1}) == {31: 3, 0: 1}
    for bad in ([], {"1f": 1}, {"0x1F": 1}, {"0x01": 1}, {"0x1": 0}, {"0x1": True}, {"0x1": 1.0}, {1: 1}):
        with pytest.raises(VerificationError):
            parse_counts(bad)


def test_routing_counts_the_swaps_of_a_sparse_processor() -> None:
    pairs = [(a, b) for a in range(5) for b in range(a)]
    gates = tuple(Instruction("cz", pair) for pair in pairs)
    doc = CircuitDocument(5, 0, (), gates)
    line = [(i, i + 1) for i in range(6)]
    assert routed_cz_count(doc, [], 7) == 10
    assert routed_cz_count(doc, pairs, 5) == 10
    assert 10 + 3 * 3 <= routed_cz_count(doc, line, 7) <= 10 + 3 * 20
    assert routed_cz_count(doc, [(0, 1)], 2) == 40
