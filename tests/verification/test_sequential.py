"""Wald's test: as few checks as the theory says, both error rates kept, every bit looked at first."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from qcrs.circuits import CircuitDocument, Instruction, to_qiskit
from qcrs.errors import VerificationError
from qcrs.node.clifford import sample_clifford
from qcrs.node.devices import Noise
from qcrs.verification.sequential import (
    BAD,
    GOOD,
    RISK,
    Decision,
    Sprt,
    fixed_checks,
    normal_step,
    parity_steps,
    run_length,
    sequential_traps,
)
from qcrs.verification.statistics import Estimate
from qcrs.verification.trap import GateErrors, Trap, make_traps, predicted_parities

ERRORS = GateErrors(1e-4, 1e-3, 0.01)
SEED = b"q" * 32


@pytest.mark.parametrize(
    ("honest", "checks", "noise", "fixed"),
    [(0.82, 65, 30, 308), (0.5, 219, 105, 1095), (0.2, 1499, 721, 7644)],
)
def test_an_honest_device_is_through_with_a_fifth_of_the_checks(
    honest: float, checks: int, noise: int, fixed: int
) -> None:
    mean, good = run_length(honest, honest)
    assert math.ceil(mean) == checks
    assert good > 0.99999
    mean, good = run_length(honest, 0.0)
    assert math.ceil(mean) == noise
    assert good < 1e-9
    assert fixed_checks(honest) == fixed


@pytest.mark.parametrize("honest", [0.9, 0.5, 0.2])
def test_both_risks_are_kept_at_the_two_hypotheses(honest: float) -> None:
    assert 1 - run_length(honest, GOOD * honest)[1] <= RISK / (1 - RISK)
    assert run_length(honest, BAD * honest)[1] <= RISK / (1 - RISK)


def test_the_exact_run_length_is_that_of_simulated_runs() -> None:
    draws = np.random.default_rng(1)
    holds, fails = parity_steps(0.6)
    lengths, goods = [], 0
    for _ in range(400):
        test = Sprt(risk_good=0.05, risk_bad=0.1)
        while test.decision is Decision.OPEN:
            test = test.after(holds if draws.random() < (1 + 0.42) / 2 else fails)
        lengths.append(test.steps)
        goods += test.decision is Decision.GOOD
    mean, good = run_length(0.6, 0.42, Sprt(risk_good=0.05, risk_bad=0.1))
    assert np.mean(lengths) == pytest.approx(mean, abs=4 * float(np.std(lengths)) / 20)
    assert goods / 400 == pytest.approx(good, abs=4 * math.sqrt(good * (1 - good) / 400))


def test_a_fixed_test_of_that_size_has_these_risks() -> None:
    """By the exact binomial: 308 checks at λ = 0.82 are needed, not one tenth less."""
    from scipy.stats import binom

    def risk(size: int) -> float:
        """The smallest possible larger one of the two risks."""
        cut = np.arange(size + 1)
        wrong = binom.cdf(cut, size, (1 + GOOD * 0.82) / 2), binom.sf(cut, size, (1 + BAD * 0.82) / 2)
        return float(np.maximum(*wrong).min())

    assert risk(308) < 1.3 * RISK
    assert risk(277) > 1.5 * RISK


def test_normal_steps_are_log_likelihood_ratios_and_add() -> None:
    found = Estimate(0.7, 0.05)

    def density(mean: float) -> float:
        return math.exp(-(((found.value - mean) / found.se) ** 2) / 2)

    assert normal_step(found, 1.0, 0.6) == pytest.approx(math.log(density(0.6) / density(1.0)))
    test = Sprt()
    while test.decision is Decision.OPEN:
        test = test.after(normal_step(Estimate(0.95, 0.2), 0.95, 0.6))
    assert (test.decision, test.steps) == (Decision.GOOD, 5)
    for se in (0.0, math.inf, math.nan):
        with pytest.raises(VerificationError):
            normal_step(Estimate(0.5, se), 1.0, 0.5)


def target(qubits: int, depth: int) -> CircuitDocument:
    out = []
    for layer in range(depth):
        out += [Instruction("u", (q,), (), (1, 2, 3)) for q in range(qubits)]
        out += [Instruction("cz", (q, q + 1)) for q in range(layer % 2, qubits - 1, 2)]
    return CircuitDocument(qubits, 0, (), tuple(out))


def sampled(traps: tuple[Trap, ...], shots: int, noise: Noise, seed: int) -> list[Counter[int]]:
    stream = np.random.default_rng(seed)
    return [sample_clifford(to_qiskit(trap.circuit), shots, noise, stream) for trap in traps]


@pytest.fixture(scope="module")
def traps() -> tuple[Trap, ...]:
    return make_traps(target(20, 10), SEED)


def test_traps_in_turn_decide_early_and_only_after_every_bit(traps: tuple[Trap, ...]) -> None:
    honest = sampled(traps, 40, Noise(1e-3, 0.01), 1)
    for trial in range(20):
        seed = trial.to_bytes(32, "big")
        run = sequential_traps(traps, honest, ERRORS, seed)
        assert (run.decision, run.covered) == (Decision.GOOD, True)
        assert run.shots < 60  # of 1,400
        rng = np.random.default_rng(trial)
        noise = [Counter(rng.integers(1 << 20, size=20).tolist()) for _ in traps]
        run = sequential_traps(traps, noise, ERRORS, seed)
        assert run.decision is Decision.BAD
        assert run.shots < 60


def test_checks_of_one_shot_that_share_gates_keep_the_stated_risk(traps: tuple[Trap, ...]) -> None:
    """A device whose readout damps checks to 0.85 λ on average is called bad in ten percent at most."""
    counts = sampled(traps, 200, Noise(1e-3, 0.0235), 5)
    ratio = (
        [predicted_parities(trap, GateErrors(1e-4, 1e-3, 0.0235)).sum() for trap in traps],
        [predicted_parities(trap, ERRORS).sum() for trap in traps],
    )
    assert sum(ratio[0]) / sum(ratio[1]) == pytest.approx(0.85, abs=0.01)
    test = Sprt(risk_good=0.1, risk_bad=0.1)
    runs = [sequential_traps(traps, counts, ERRORS, k.to_bytes(32, "big"), test) for k in range(100)]
    wrong = sum(run.decision is Decision.BAD for run in runs)
    assert wrong <= 100 * 0.1 + 3 * math.sqrt(9)


def test_nothing_is_decided_before_every_bit_was_checked(traps: tuple[Trap, ...]) -> None:
    first = traps[:1]
    seen = {bit for check in first[0].checks for bit in check.bits}
    assert len(seen) < 20
    run = sequential_traps(first, sampled(first, 500, Noise(0, 0), 1), ERRORS, SEED)
    assert run.test.decision is Decision.GOOD
    assert (run.covered, run.decision) == (False, Decision.OPEN)


def test_what_makes_no_sense_is_refused(traps: tuple[Trap, ...]) -> None:
    with pytest.raises(VerificationError):
        sequential_traps(traps, [], ERRORS, SEED)
    for bad in ((0.0, 0.1), (0.1, 0.5)):
        with pytest.raises(VerificationError):
            Sprt(risk_good=bad[0], risk_bad=bad[1])
    with pytest.raises(VerificationError):
        parity_steps(0.0)
    with pytest.raises(VerificationError):
        run_length(0.1, 0.07, most=50)
