"""V8: slack riders are flagged within few jobs, honest providers with probability α at most, ever."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from qiskit_aer import AerSimulator

from qcrs.circuits import lower, to_qiskit
from qcrs.errors import VerificationError
from qcrs.verification import eprocess
from qcrs.verification.eprocess import ALPHA, BETS, EProcess, Measured, first_flag, measured_in, replay
from qcrs.verification.verdict import Verdict

NONE = np.inf


def jobs(ratios: Sequence[float] | np.ndarray[Any, Any], se: float) -> list[Measured]:
    return [Measured(round(x * 1e6), round(se * 1e6), 1_000_000) for x in ratios]


def flags(ratio: float, se: float, trials: int, *, honest: int = 0, alpha: float = ALPHA) -> list[float]:
    """Jobs to the flag, counted from the first dishonest one."""
    out = []
    for trial in range(trials):
        draws = np.random.default_rng([trial, honest])
        ratios = [*draws.normal(1.0, se, honest), *draws.normal(ratio, se, 150)]
        found = first_flag(jobs(ratios, se), alpha)
        out.append(NONE if found is None else found - honest)
    return out


def test_ten_percent_of_noise_is_flagged_after_about_eight_jobs() -> None:
    """Standard error 0.02: 4,000 shots at eight qubits. 0.03 and α = 1e-4 is the case in the literature."""
    assert np.median(flags(0.9, 0.02, 40)) <= 8
    assert np.median(flags(0.9, 0.03, 40, alpha=1e-4)) <= 8
    assert np.median(flags(0.85, 0.03, 40)) <= 7
    assert max(flags(0.9, 0.02, 40)) < 20


def test_a_provider_that_was_honest_for_a_thousand_jobs_is_flagged_nearly_as_fast() -> None:
    assert np.median(flags(0.9, 0.02, 5, honest=1000)) <= 16


def honest_ratios(kind: str, draws: np.random.Generator, se: float, count: int) -> np.ndarray[Any, Any]:
    """Honest providers at their worst: mean exactly r₀, standard deviation exactly what is stated."""
    sigma = eprocess.SE_MARGIN * se
    if kind == "normal":
        return draws.normal(eprocess.HONEST, sigma, count)
    if kind == "skewed":
        return eprocess.HONEST + sigma * (1 - draws.exponential(1.0, count))
    # Scarf's worst case for a bet: two points, of which the upper one pays nothing.
    edge = eprocess.SLACKING + sigma**2 / (4 * (eprocess.HONEST - eprocess.SLACKING)) - eprocess.HONEST
    width = math.hypot(sigma, edge)
    low, high = edge - width, edge + width
    return eprocess.HONEST + np.where(draws.random(count) < high / (high - low), low, high)


@pytest.mark.parametrize("kind", ["normal", "skewed", "two points"])
@pytest.mark.parametrize("se", [0.015, 0.04])
def test_honest_providers_are_flagged_with_probability_alpha_at_most_ever(kind: str, se: float) -> None:
    """Ville: P(sup M ≥ 1/α) ≤ α, at r₀ itself. Looked at after every job, with an α that can be counted."""
    trials, alpha = 150, 0.1
    count = sum(
        first_flag(jobs(honest_ratios(kind, np.random.default_rng([trial]), se, 300), se), alpha) is not None
        for trial in range(trials)
    )
    assert count <= trials * alpha + 3 * math.sqrt(trials * alpha * (1 - alpha))


def test_an_honest_provider_is_not_flagged_in_ten_thousand_jobs() -> None:
    for trial in range(5):
        ratios = np.random.default_rng(trial).normal(1.0, 0.02, 10_000)
        assert first_flag(jobs(ratios, 0.02)) is None


def test_no_bet_gains_against_any_honest_distribution() -> None:
    """E[e] ≤ 1 for every bet at Scarf's two points, with equality for the largest: the bound is sharp."""
    for se in (0.01, 0.03, 0.2):
        sigma = max(eprocess.LEAST_SE, eprocess.SE_MARGIN * se)
        margin = eprocess.HONEST - eprocess.SLACKING
        for kappa in BETS:
            bet = kappa * 4 * margin / sigma**2
            edge = eprocess.SLACKING + 1 / bet - eprocess.HONEST
            width = math.hypot(sigma, edge)
            low, high = edge - width, edge + width
            share = high / (high - low)  # probability of the low point: mean zero, deviation sigma
            pays = [max(0.0, 1 + bet * (-margin - x)) for x in (low, high)]
            expected = share * pays[0] + (1 - share) * pays[1]
            assert expected <= 1 + 1e-9
            if kappa == 1:
                assert expected == pytest.approx(1)


def test_m_is_the_mean_over_bets_and_starts_of_the_products() -> None:
    """Against the definition, written out."""
    measured = jobs(np.random.default_rng(3).normal(0.93, 0.05, 12), 0.05)

    def pay(job: Measured, kappa: float) -> float:
        largest = 4 * (eprocess.HONEST - eprocess.SLACKING) / job.deviation**2
        return max(0.0, 1 + kappa * largest * (eprocess.SLACKING - job.ratio))

    total = 0.0
    for kappa in BETS:
        for start in range(1, 13):
            product = math.prod(pay(job, kappa) for job in measured[start - 1 :])
            total += product / (start * (start + 1)) / len(BETS)
    total += 1 - sum(1 / (k * (k + 1)) for k in range(1, 13))
    assert replay(measured).value == pytest.approx(total)
    assert EProcess().value == 1
    assert not EProcess().flagged()


def test_a_flag_ends_when_the_provider_is_honest_again() -> None:
    draws = np.random.default_rng(1)
    process = replay(jobs(draws.normal(0.9, 0.02, 12), 0.02))
    assert process.flagged()
    for job in jobs(draws.normal(1.0, 0.02, 200), 0.02):
        process = process.after(job)
    assert not process.flagged()


def test_extremes_stay_finite_and_deterministic() -> None:
    process = replay([Measured(-(10**9), 1, 10**6)] * 400)
    assert process.flagged()
    assert math.isfinite(process.value)
    assert process == replay([Measured(-(10**9), 1, 10**6)] * 400)
    assert replay([Measured(10**9, 1, 10**6)] * 5).value == pytest.approx(1 / 6)
    for wrong in ((1, 1, 0), (1, -1, 10**6)):
        with pytest.raises(VerificationError):
            Measured(*wrong)


# --------------------------------------------------------------------------- real jobs


def evidence(verdict: Verdict, **more: Any) -> dict[str, Any]:
    """The part of a verdict's evidence that the ledger reads."""
    return {"tests": [asdict(test) for test in verdict.tests], "capability": False, **more}


def noisy_distribution(lab: Any, circuit: Any, device: Any) -> np.ndarray[Any, Any]:
    """What a device's gates make of a circuit; readout errors are added where shots are drawn."""
    measured = to_qiskit(lower(circuit).document).remove_final_measurements(inplace=False)
    measured.save_probabilities()
    backend = AerSimulator(method="density_matrix", noise_model=lab.Device(device.two_qubit, 0.0).model())
    return np.asarray(backend.run(measured).result().data(0)["probabilities"])


def measured_jobs(lab: Any, device: Any, share: float, count: int) -> Iterator[Measured]:
    """Jobs of a provider registered with noise A that answers `share` of its shots with noise."""
    for number in range(count):
        circuit = lab.family(lab.families[number % 4], 8, 100 + number)
        job = lab.job([circuit], 4000, number)
        answer = (1 - share) * noisy_distribution(lab, circuit, device) + share / 256
        tested = lab.from_distribution(job, answer, lab.A, number)
        found = measured_in(evidence(lab.judge(job, tested)))
        assert found is not None
        yield found


def test_ten_percent_of_noise_in_real_jobs_is_flagged(lab: Any) -> None:
    """At n = 8, 4,000 shots, noise A, four families in turn."""
    flagged = first_flag(measured_jobs(lab, lab.A, 0.1, 12))
    assert flagged is not None
    assert flagged <= 11


def test_a_device_ten_times_worse_than_registered_is_flagged_within_ten_jobs(lab: Any) -> None:
    flagged = first_flag(measured_jobs(lab, lab.Device(1e-2, 0.01), 0.0, 8))
    assert flagged is not None
    assert flagged <= 8


def test_an_honest_provider_s_jobs_speak_for_it(lab: Any) -> None:
    process = replay(measured_jobs(lab, lab.A, 0.0, 8))
    assert process.jobs == 8
    assert process.value < 0.5


def test_only_magnitudes_against_the_exact_distribution_count(lab: Any) -> None:
    job = lab.job([lab.family("random", 4, 1)], 1000)
    honest = lab.run(job, lab.A, 1)
    assert measured_in(evidence(lab.judge(job, honest))) is not None
    assert measured_in(evidence(lab.judge(job, honest), capability=True)) is None
    by_peer = lab.judge(job, honest, lab.run(job, lab.A, 2), policy=lab.NO_SIMULATION)
    assert any(test.name == "magnitude:peer 0" for test in by_peer.tests)
    assert measured_in(evidence(by_peer)) is None
    test = {"name": "magnitude:ideal", "value_ppm": 720_000, "se_ppm": 8_000, "threshold_ppm": 640_000}
    assert measured_in({"tests": [test]}) == Measured(720_000, 8_000, 800_000)
    for broken in (
        {"tests": 1},
        {},
        {"tests": [{**test, "se_ppm": "8"}]},
        {"tests": [{**test, "threshold_ppm": 0}]},
    ):
        assert measured_in(broken) is None
