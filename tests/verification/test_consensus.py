"""V5: cliques of executions, voices that are copies, and who may condemn whom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qcrs.verification import Outcome
from qcrs.verification.consensus import majority_clique

N, SHOTS = 8, 4000


@pytest.fixture(scope="module")
def case(lab):
    """One job, five honest executions, and a fabricated distribution that several agree to answer with."""
    job = lab.job([lab.family("random", N, 11)], SHOTS, 3)
    honest = [lab.run(job, lab.A if k % 2 else lab.B, 50 + k) for k in range(4)]
    other = lab.ideal(lab.family("random", N, 999))
    lies = [lab.from_distribution(job, other, lab.A, 70 + k) for k in range(3)]
    return job, honest, lies


def judged(lab, job, tested, *peers):
    return lab.judge(job, tested, *peers, policy=lab.NO_SIMULATION)


def test_a_majority_clique_is_more_than_half_and_all_of_one_size() -> None:
    links = {(0, 1), (0, 2), (1, 2), (2, 3), (3, 4)}
    found = majority_clique(range(5), lambda a, b: (min(a, b), max(a, b)) in links)
    assert found == [(0, 1, 2)]
    assert majority_clique(range(4), lambda a, b: {a, b} == {0, 1}) == []
    assert majority_clique(range(3), lambda a, b: 1 in (a, b)) == [(0, 1), (1, 2)]


@pytest.mark.parametrize("count", [3, 5])
def test_honest_executions_are_accepted_by_consensus(lab, case, count) -> None:
    job, honest, lies = case
    peers = honest[1:count] if count == 3 else [*honest[1:3], *lies[:2]]
    verdict = judged(lab, job, honest[0], *peers)
    assert (verdict.outcome, verdict.decided_by) == (Outcome.ACCEPT, "V5 consensus")


def test_minority_colluders_are_rejected_for_fraud_and_do_not_harm_the_honest(lab, case) -> None:
    job, honest, lies = case
    verdict = judged(lab, job, lies[0], lies[1], *honest[:3])
    assert (verdict.outcome, verdict.decided_by) == (Outcome.FRAUD, "V5 consensus")
    assert judged(lab, job, honest[0], *honest[1:3], *lies[:2]).outcome is Outcome.ACCEPT


@pytest.mark.parametrize("width", [3, 4, 6])
def test_of_few_outcomes_nobody_is_condemned_on_the_word_of_others(lab, width) -> None:
    """Colluders that draw from one pool leave no trace there, so they are no two witnesses."""
    job = lab.job([lab.family("random", width, 11)], SHOTS, 3)
    other = lab.ideal(lab.family("random", width, 999))
    lies = [lab.from_distribution(job, other, lab.A, 70 + k) for k in range(2)]
    verdict = judged(lab, job, lab.run(job, lab.A, 5), *lies)
    assert verdict.outcome in (Outcome.REJECT, Outcome.UNDECIDED)


def test_two_that_contradict_each_other_condemn_nobody(lab, case) -> None:
    job, honest, lies = case
    verdict = judged(lab, job, lab.uniform(job, lab.A, 8), honest[0], lies[0])
    assert verdict.outcome in (Outcome.UNDECIDED, Outcome.REJECT)
    verdict = judged(lab, job, honest[0], lies[0], lab.uniform(job, lab.A, 8))
    assert verdict.outcome is Outcome.UNDECIDED
    assert verdict.decided_by == "V5 consensus"
    assert "another execution is needed" in verdict.reason
    assert verdict.needed_shots is None


def test_a_lie_and_its_copy_are_one_voice_and_cannot_condemn_a_third(lab) -> None:
    wide = lab.job([lab.family("random", 8, 11)], SHOTS, 3)
    honest = lab.run(wide, lab.A, 5)
    lie = lab.from_distribution(wide, lab.ideal(lab.family("random", 8, 999)), lab.A, 6)
    copy = replace(lie, committed_first=False)
    verdict = judged(lab, wide, honest, lie, copy)
    assert verdict.outcome is Outcome.UNDECIDED
    independent = lab.from_distribution(wide, lab.ideal(lab.family("random", 8, 999)), lab.A, 7)
    # A majority of colluders wins, as everywhere: two independent samples of one lie are a majority.
    assert judged(lab, wide, honest, lie, independent).outcome in (Outcome.REJECT, Outcome.FRAUD)
    # With the ideal at hand it does not.
    assert lab.judge(wide, honest, lie, independent).outcome is Outcome.ACCEPT


def test_noise_agrees_with_nobody(lab, case) -> None:
    job, honest, _ = case
    noise = [lab.uniform(job, lab.A, 20 + k) for k in range(3)]
    assert judged(lab, job, noise[0], honest[0], honest[1]).outcome is Outcome.FRAUD
    assert judged(lab, job, noise[0], noise[1], honest[0]).outcome is not Outcome.ACCEPT
    assert judged(lab, job, honest[0], noise[1], noise[2]).outcome in (Outcome.UNDECIDED, Outcome.REJECT)
    # Where nobody shows any structure, all that can be said is that they agree.
    everybody = judged(lab, job, noise[0], noise[1], noise[2])
    assert everybody.outcome is not Outcome.ACCEPT or everybody.weak


def test_undecided_says_what_is_cheaper(lab) -> None:
    job = lab.job([lab.family("random", 8, 3)], 400, 5)
    circuit = lab.family("random", 8, 3)
    p = lab.ideal(circuit)
    slightly = lab.from_distribution(job, 0.8 * p + 0.2 * np.roll(p, 1), lab.A, 3)
    verdict = lab.judge(job, slightly)
    if verdict.outcome is Outcome.UNDECIDED:
        assert "more are needed" in verdict.reason
        assert verdict.needed_shots is not None
        assert verdict.needed_shots > 400
    else:
        assert verdict.outcome is Outcome.REJECT
