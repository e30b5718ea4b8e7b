"""The noise model: its estimates are right, honest noise fits it, and small lies do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qiskit.circuit.library import quantum_volume
from qiskit.quantum_info import Statevector

from qcrs.circuits import lower
from qcrs.verification import Outcome
from qcrs.verification.fit import Alternative, Fit, fit_exact, fit_peer
from qcrs.verification.noise_tests import deviations
from qcrs.verification.peer import DeviceErrors, Execution, predicted_damage, predicted_flips
from qcrs.verification.samples import Sample, blur_density
from qcrs.verification.simulate import ideal, truncated

N, SHOTS = 6, 4000
READOUT = [0.02] * N


def draw(p: np.ndarray, shots: int, rng: np.random.Generator) -> Sample:
    counts = rng.multinomial(shots, p / p.sum())
    keys = np.flatnonzero(counts)
    return Sample(int(np.log2(len(p))), keys, counts[keys])


def noisy(p: np.ndarray, lost: float, flips: list[float]) -> np.ndarray:
    return (1 - lost) * blur_density(p, flips) + lost / len(p)


@pytest.fixture(scope="module")
def p() -> np.ndarray:
    """A random circuit's distribution with readout errors."""
    return blur_density(ideal(lower(quantum_volume(N, N, seed=2)).document).probabilities, READOUT)


def fits(p: np.ndarray, q: np.ndarray, kind: str, trials: int) -> list[Fit]:
    rng = np.random.default_rng(3)
    out = []
    for _ in range(trials):
        a = draw(q, SHOTS, rng)
        fit = fit_exact(a, p, READOUT) if kind == "exact" else fit_peer(a, draw(p, SHOTS, rng))
        assert fit is not None
        out.append(fit)
    return out


@pytest.mark.parametrize("kind", ["exact", "peer"])
def test_estimates_and_their_errors_are_right(p: np.ndarray, kind: str) -> None:
    flips = [0.0, 0.03, 0.0, 0.08, 0.0, 0.0]
    found = fits(p, noisy(p, 0.1, flips), kind, 60)
    for estimates, truth in (
        ([fit.lost for fit in found], 0.1),
        ([fit.flips[3] for fit in found], 0.08),
        ([fit.flips[0] for fit in found], 0.0),
        ([fit.damage for fit in found], 0.1 + sum(flips)),
    ):
        values = np.array([e.value for e in estimates])
        assert values.mean() == pytest.approx(truth, abs=4 * values.std() / np.sqrt(60) + 0.01)
        assert 0.7 * values.std() < np.mean([e.se for e in estimates]) < 1.5 * values.std()
    left = np.array([fit.misfit.statistic - fit.misfit.df for fit in found if fit.misfit])
    assert len(left) == 60
    assert abs(left.mean()) < 4 * left.std() / np.sqrt(60) + 3


def test_what_cannot_be_told_has_an_error_of_about_one() -> None:
    rng = np.random.default_rng(1)
    flat = np.full(16, 1 / 16)
    fit = fit_exact(draw(flat, SHOTS, rng), flat, [0.0] * 4)
    assert fit is not None
    assert min(fit.lost.se, *(flip.se for flip in fit.flips)) > 0.9
    one = fit_exact(draw(np.array([0.9, 0.1]), SHOTS, rng), np.array([1.0, 0.0]), [0.0])
    assert one is not None
    assert one.damage.se > 0.3  # lost and flipped look alike on one bit
    assert fit_exact(draw(flat, 50, rng), flat, [0.0] * 4) is None
    assert fit_peer(draw(np.full(1 << 14, 1.0), SHOTS, rng), draw(np.full(1 << 14, 1.0), SHOTS, rng)) is None


def test_other_answers_show_by_their_share(p: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    index = np.arange(1 << N)
    bits = (index >> 1 ^ index >> 4) & 1
    swapped = p[index ^ (bits << 1 | bits << 4)]
    state = truncated(Statevector(quantum_volume(N, N, seed=2)).data, 2)
    cut = blur_density(np.abs(state) ** 2, READOUT)
    for name, other in (("swap 1 4", swapped), ("bond 2", cut)):
        for share in (0.0, 0.5, 1.0):
            a = draw((1 - share) * p + share * other, SHOTS, rng)
            fit = fit_exact(a, p, READOUT, [Alternative("bond 2", cut)])
            assert fit is not None
            weight = dict(fit.weights)[name]
            if share:  # to first order only: much of it seems even more
                assert weight.below(2.5 * share, 0)
                assert weight.above(0.5 * share, 3)
            else:
                assert abs(weight.value) < 5 * weight.se < 1


def test_deviations_are_those_of_a_noncentral_chi_square() -> None:
    rng = np.random.default_rng(4)
    for df, noncentrality in ((5, 0.0), (60, 0.0), (60, 90.0)):
        sample = rng.noncentral_chisquare(df, max(noncentrality, 1e-9), 20_000)
        z = np.array([deviations(float(x), df, noncentrality) for x in sample[:4000]])
        assert z.mean() == pytest.approx(0, abs=0.08)
        assert z.std() == pytest.approx(1, abs=0.05)
        assert (z > 3).mean() < 0.006


def test_a_state_of_full_bond_dimension_is_not_truncated() -> None:
    psi = Statevector(quantum_volume(5, 5, seed=1)).data
    assert np.abs(np.vdot(truncated(psi, 8), psi)) == pytest.approx(1)
    assert np.abs(np.vdot(truncated(psi, 1), psi)) < 0.9
    assert np.linalg.norm(truncated(psi, 2)) == pytest.approx(1)


def test_predictions_follow_the_gates_and_their_routing() -> None:
    circuit = lower(quantum_volume(4, 4, seed=1)).document
    gates = circuit.count("cz")
    run = Execution(errors=DeviceErrors(10_000_000, (), 20_000_000))
    assert predicted_damage(run, 0, circuit) == pytest.approx(gates * 0.01005, rel=1e-3)
    flips = predicted_flips(run, 0, circuit, (0, 1, 2, 3))
    assert sum(flips) == pytest.approx(2 * gates * 0.01005 * 8 / 15, rel=1e-3)
    routed = replace(run, cz_counts=(3 * gates,))
    assert predicted_flips(routed, 0, circuit, (0,))[0] == pytest.approx(3 * flips[0])


@pytest.fixture(scope="module")
def case(lab):
    """Jobs of 8 qubits with an honest run and a peer, and a run of a device ten times worse."""
    out = {}
    for name in ("random", "ising", "qaoa"):
        job = lab.job([lab.family(name, 8, 4)], SHOTS, 9)
        p, worse = (lab.noisy(job, lab.Device(error, lab.A.readout)) for error in (1e-3, 1e-2))
        runs = [lab.from_distribution(job, q, lab.A, 1 + k) for k, q in enumerate((p, p, worse))]
        out[name] = job, *runs
    return out


@pytest.mark.parametrize("family", ["random", "ising", "qaoa"])
def test_lies_that_collision_statistics_miss_are_rejected(lab, case, family) -> None:
    job, honest, peer, worse = case[family]
    fifth = lab.decoded(honest, lambda o, rng: o ^ (int(rng.random() < 0.2) << 2), 1, job)
    verdict = lab.judge(job, fifth)
    assert (verdict.outcome, verdict.reason.split()[2]) in {
        (Outcome.REJECT, "bit"),
        (Outcome.REJECT, "fidelity:ideal"),
    }, verdict
    assert lab.judge(job, fifth, peer, policy=lab.NO_SIMULATION).outcome is not Outcome.ACCEPT
    assert lab.judge(job, worse).outcome is Outcome.REJECT
    assert lab.judge(job, worse, peer, policy=lab.NO_SIMULATION).outcome is not Outcome.ACCEPT
    for run, other in ((honest, peer), (peer, honest)):
        assert lab.judge(job, run).outcome is Outcome.ACCEPT
        assert lab.judge(job, run, other, policy=lab.NO_SIMULATION).outcome is Outcome.ACCEPT


@pytest.mark.parametrize("bond", [2, 4])
def test_a_truncated_state_is_rejected(lab, case, bond) -> None:
    job, _, _, _ = case["random"]
    state = truncated(Statevector(lab.family("random", 8, 4)).data, bond)
    cut = lab.from_distribution(job, np.abs(state) ** 2, lab.A, 5)
    verdict = lab.judge(job, cut)
    assert verdict.outcome is Outcome.REJECT
    assert any(test.name.startswith("bond") and not test.passed for test in verdict.tests)
