"""Closed forms, density matrices, Qiskit's gates and sampling agree; the published numbers come out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcrs.qnp import BellPair
from qcrs.qnp.physical import AXES, BellDiagonalHardware, NodeNoise, Source, Stream, single_click
from qcrs.qnp.physical.dm import DensityMatrixHardware, bell_vector, decohere, source_state, swap_states
from qcrs.qnp.physical.qiskit_backend import swap_by_circuit


def _click(alpha: float) -> Source:
    p = single_click.success_probability(alpha)
    return Source(p, 10_120, single_click.correlators(alpha), (2, 3), single_click.herald_fidelity(alpha))


@pytest.mark.parametrize(
    ("alpha", "cycle", "cutoff"), [(0.03, 171235, 313720), (0.1, 53263, 91080), (0.3, 19843, 20240)]
)
def test_cycle_times_and_short_cutoffs_of_the_paper(alpha: float, cycle: int, cutoff: int) -> None:
    p = single_click.success_probability(alpha)
    assert p == pytest.approx(alpha**2 + 2 * alpha * (1 - alpha), abs=1e-15)
    assert single_click.cycle_time_ns(p) == cycle
    assert single_click.short_cutoff_ns(p) == cutoff


@pytest.mark.parametrize("eta", [1.0, 0.3, 0.0101])
@pytest.mark.parametrize("fidelity", [0.6, 0.9, 0.977])
def test_alpha_gives_the_fidelity_that_was_asked(fidelity: float, eta: float) -> None:
    alpha = single_click.alpha_for_fidelity(fidelity, eta)
    assert single_click.herald_fidelity(alpha, eta) == pytest.approx(fidelity, abs=1e-12)
    assert sum(single_click.correlators(alpha, eta)) == pytest.approx(4 * fidelity - 1, abs=1e-12)


def test_the_link_of_the_evaluation_takes_ten_milliseconds_at_095() -> None:
    alpha = single_click.alpha_for_fidelity(0.95, 0.0101)
    mean = single_click.cycle_time_ns(single_click.success_probability(alpha, 0.0101))
    assert mean == pytest.approx(10e6, rel=0.01)
    alpha = single_click.alpha_for_fidelity(0.977, 0.0101)
    mean = single_click.cycle_time_ns(single_click.success_probability(alpha, 0.0101))
    assert mean == pytest.approx(21.8e6, rel=0.01)


def test_the_long_cutoff_costs_one_and_a_half_percent() -> None:
    xyz = (0.977, 0.977, 0.954)
    rate = 2 / 60e9
    cutoff = single_click.long_cutoff_ns(xyz, rate)
    pair = BellPair(*xyz)
    assert pair.dephased(cutoff, 1 / rate).fidelity == pytest.approx(0.985 * pair.fidelity, rel=1e-9)


def test_swap_of_single_click_pairs_by_outcome() -> None:
    """α = 0.03, F = 0.985: the authors' simulation gives these fidelities for Φ and Ψ outcomes."""
    source = _click(0.03)
    left = right = source_state(source, 2)
    weights, states = swap_states(left, right, NodeNoise())
    fidelity = [
        float(np.real(v.conj() @ rho @ v))
        for v, rho in ((bell_vector(outcome), states[outcome]) for outcome in range(4))
    ]
    assert fidelity[0] == pytest.approx(0.9697820598691327, abs=1e-12)
    assert fidelity[1] == pytest.approx(0.9697820598691327, abs=1e-12)
    assert fidelity[2] == pytest.approx(0.97, abs=1e-12)
    assert fidelity[3] == pytest.approx(0.97, abs=1e-12)
    pair = BellPair(*source.xyz, 2)
    average = float(np.dot(weights, fidelity))
    assert pair.swapped(pair, 0).fidelity == pytest.approx(average, abs=1e-12)
    werner = BellPair.werner(pair.fidelity)
    assert abs(werner.swapped(werner, 0).fidelity - average) > 3e-5


weights4 = st.lists(st.floats(0.01, 1), min_size=4, max_size=4)
small = st.floats(0, 0.2)


def _pair(weights: list[float], frame: int) -> tuple[BellPair, Source]:
    w = np.array(weights) / sum(weights)
    xyz = (w[0] + w[2] - w[1] - w[3], w[0] + w[3] - w[1] - w[2], w[0] + w[1] - w[2] - w[3])
    return BellPair(*map(float, xyz), frame), Source(0.5, 1, tuple(map(float, xyz)), (frame,))


@settings(max_examples=25, deadline=None)
@given(weights4, weights4, st.integers(0, 3), st.integers(0, 3), small, small)
def test_closed_form_density_matrix_and_circuit_agree(
    first: list[float], second: list[float], f1: int, f2: int, gate: float, readout: float
) -> None:
    noise = NodeNoise(gate_error=gate, readout_error=readout)
    (p, sp), (q, sq) = _pair(first, f1), _pair(second, f2)
    left, right = source_state(sp, f1), source_state(sq, f2)
    dm = swap_states(left, right, noise)
    circuit = swap_by_circuit(left, right, noise)
    np.testing.assert_allclose(dm[0], circuit[0], atol=1e-12)
    for outcome in range(4):
        np.testing.assert_allclose(dm[1][outcome], circuit[1][outcome], atol=1e-12)
        joined = p.swapped(q, outcome, gate_error=gate, readout_error=readout)
        v = bell_vector(joined.frame)
        exact = float(np.real(v.conj() @ dm[1][outcome] @ v))
        assert joined.fidelity == pytest.approx(exact, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(weights4, st.integers(0, 3), st.floats(0, 2e9), st.floats(0, 2e9))
def test_memory_of_both_backends_is_the_same(weights: list[float], frame: int, a: float, b: float) -> None:
    noise = [NodeNoise(1e-9, 3e-10), NodeNoise(2e-9, 1e-10)]
    _, source = _pair(weights, frame)
    fast, exact = BellDiagonalHardware(noise, 1), DensityMatrixHardware(noise, 1)
    for hardware in (fast, exact):
        handle, _ = hardware.create(0, source, 0, 1, frame)
        hardware.fidelity(int(a), handle, frame)
    for bell in range(4):
        now = int(a) + int(b)
        assert fast.fidelity(now, handle, bell) == pytest.approx(exact.fidelity(now, handle, bell), abs=1e-12)


def test_random_chains_of_swaps_agree_between_backends() -> None:
    rng = np.random.default_rng(5)
    noise = [NodeNoise(1e-9, 2e-10, 0.01, 0.02)] * 6
    for _ in range(10):
        fast, exact = BellDiagonalHardware(noise, 3), DensityMatrixHardware(noise, 3)
        frames = rng.integers(0, 4, 5)
        sources = [_pair(list(rng.random(4) + 0.05), int(f))[1] for f in frames]
        handles = [
            [hw.create(0, s, i, i + 1, int(f)) for i, (s, f) in enumerate(zip(sources, frames, strict=True))]
            for hw in (fast, exact)
        ]
        assert handles[0] == handles[1]
        outcomes = [0, 0]
        for step, node in enumerate(rng.permutation(4) + 1):
            now = int(1e8 * (step + 1))
            for i, hw in enumerate((fast, exact)):
                outcomes[i] ^= hw.swap(now, int(node), handles[0][node - 1][1], handles[0][node][0])
        ends = handles[0][0][0]
        for i, hw in enumerate((fast, exact)):
            assert hw.frame(ends) == outcomes[i] ^ int(np.bitwise_xor.reduce(frames))
        f = [hw.fidelity(10**9, ends, hw.frame(ends)) for hw in (fast, exact)]
        assert f[0] == pytest.approx(f[1], abs=1e-12)


@pytest.mark.parametrize("backend", [BellDiagonalHardware, DensityMatrixHardware])
@pytest.mark.parametrize("order", ["before", "after", "one"])
@pytest.mark.parametrize(("a", "b"), [(0, 0), (2, 2), (1, 1), (2, 3), (0, 4), (0, 2)])
def test_measuring_before_or_after_the_swap_gives_the_same_correlation(
    backend: type[BellDiagonalHardware], order: str, a: int, b: int
) -> None:
    n = 700
    noise = NodeNoise(readout_error=0.03)
    hardware = backend([noise] * 3, 17)
    source = Source(0.5, 1, (0.9, 0.84, 0.86), (1,))
    total = 0.0
    k = 1 - 2 * 0.03
    xx, yy, zz = 0.9**2 * k, 0.84**2 * k * k, 0.86**2 * k
    for _ in range(n):
        h1, m1 = hardware.create(0, source, 0, 1, 1)
        m2, h2 = hardware.create(0, source, 1, 2, 1)
        if order == "before":
            x, y = hardware.measure(1, 0, h1, a), hardware.measure(1, 2, h2, b)
            hardware.swap(1, 1, m1, m2)
        elif order == "one":
            x = hardware.measure(1, 0, h1, a)
            hardware.swap(1, 1, m1, m2)
            y = hardware.measure(1, 2, h2, b)
        else:
            hardware.swap(1, 1, m1, m2)
            x, y = hardware.measure(1, 0, h1, a), hardware.measure(1, 2, h2, b)
        frame = hardware.frame(h1)
        expected = BellPair(xx, yy, zz, frame).correlation(AXES[a], AXES[b]) * k * k
        total += (1 - 2 * (x ^ y)) - expected
        hardware.free(h1)
        hardware.free(h2)
    assert abs(total) < 3.5 * math.sqrt(n)
    assert hardware.held() == 0


def test_chsh_of_a_werner_pair() -> None:
    pair = BellPair.werner(0.9)
    r = math.sqrt(0.5)
    a, b = ((0, 0, 1), (1, 0, 0)), ((r, 0, r), (-r, 0, r))
    s = sum(
        sign * pair.correlation(a[i], b[j])
        for (i, j), sign in zip(itertools.product((0, 1), (0, 1)), (1, 1, 1, -1), strict=True)
    )
    assert s == pytest.approx(2 * math.sqrt(2) * (4 * 0.9 - 1) / 3, abs=1e-12)
    assert (pair.qber_x, pair.qber_z) == pytest.approx((0.2 / 3, 0.2 / 3))
    assert BellPair.werner(0.8).qber_z == pytest.approx(0.4 / 3)


def test_dephasing_touches_coherence_alone() -> None:
    rho = source_state(Source(0.5, 1, (1, 1, 1), (0,)), 0)
    later = decohere(rho, 1, 1e9, NodeNoise(dephasing_per_ns=1e-9))
    assert np.diag(later) == pytest.approx(np.diag(rho))
    assert later[0, 3] == pytest.approx(rho[0, 3] * math.exp(-1))
    assert BellPair(1, 1, 1).dephased(1e9, 1e9).xx == pytest.approx(math.exp(-1))


def test_streams_are_uniform_reproducible_and_independent() -> None:
    one, same, other = Stream(1, "a"), Stream(1, "a"), Stream(1, "b")
    values = [one.uniform() for _ in range(20_000)]
    assert values[:100] == [same.uniform() for _ in range(100)]
    assert values[:100] != [other.uniform() for _ in range(100)]
    assert all(0 < v <= 1 for v in values)
    assert abs(np.mean(values) - 0.5) < 3 / math.sqrt(12 * 20_000)
    draws = [Stream(2, str(i)).below(3) for i in range(600)]
    assert {draws.count(k) > 140 for k in range(3)} == {True}
