"""Replays, copies and pooled colluders as jobs: what is a fault, whose, and who remains a witness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qcrs.circuits import frame_mask, shots_per_frame
from qcrs.verification.freshness import Freshness, Past, PastUnit, freshness
from qcrs.verification.judge import JudgeInput
from qcrs.verification.peer import Execution
from qcrs.verification.simulate import ideal

SHOTS = 4000
Counts = tuple[Mapping[int, int], ...]


@pytest.fixture(scope="module")
def job(lab: Any) -> JudgeInput:
    job: JudgeInput = lab.job([lab.family("random", 8, 3)], SHOTS, 21)
    return job


@pytest.fixture(scope="module")
def runs(lab: Any, job: JudgeInput) -> list[Execution]:
    """Independent honest runs, the last on another device; Aer seeds shot i with seed + i."""
    devices = [lab.A, lab.A, lab.A, lab.B]
    return [
        replace(lab.run(job, device, 10**4 * (1 + i)), name=f"execution {i}")
        for i, device in enumerate(devices)
    ]


def decoded(job: JudgeInput, execution: Execution, unit: int = 0) -> np.ndarray[Any, Any]:
    """Every decoded shot."""
    circuit = job.units[unit].circuit
    shots = []
    for b, counts in enumerate(execution.counts[unit]):
        mask = frame_mask(circuit, job.seed, unit, b)
        shots += [outcome ^ mask for outcome, count in counts.items() for _ in range(count)]
    return np.array(shots)


def framed(job: JudgeInput, shots: np.ndarray[Any, Any], unit: int = 0) -> Counts:
    """Shots laid under the masks of a job's frames."""
    circuit, out, start = job.units[unit].circuit, [], 0
    for b, count in enumerate(shots_per_frame(job.units[unit].shots, len(job.units))):
        mask = frame_mask(circuit, job.seed, unit, b)
        keys, times = np.unique(shots[start : start + count] ^ mask, return_counts=True)
        out.append(dict(zip(keys.tolist(), times.tolist(), strict=True)))
        start += count
    return tuple(out)


def answer(job: JudgeInput, like: Execution, shots: np.ndarray[Any, Any]) -> Execution:
    return replace(like, counts=(framed(job, shots),))


def look(
    job: JudgeInput, tested: Execution, *peers: Execution, past: tuple[Past, ...] = (), exact: bool = True
) -> Freshness:
    ideals = {n: ideal(unit.circuit) for n, unit in enumerate(job.units)} if exact else {}
    return freshness(job.units, job.seed, tested, peers, past, ideals)


def past(job: JudgeInput, execution: Execution) -> Past:
    return Past("execution 0 of job 5", (PastUnit(0, job.seed, 0, execution.counts[0]),))


def test_honest_runs_are_fresh_and_all_are_witnesses(job: JudgeInput, runs: list[Execution]) -> None:
    for exact in (True, False):
        found = look(job, runs[0], *runs[1:], past=(past(job, runs[2]),), exact=exact)
        assert (found.fault, found.kept) == ("", (0, 1, 2)), exact
        assert all(test.passed for test in found.tests)


def test_a_replay_under_another_job_s_frames_is_found(
    lab: Any, job: JudgeInput, runs: list[Execution]
) -> None:
    """Shuffled, drawn again, with jitter: the frames differ, the sample does not."""
    rng = np.random.default_rng(1)
    later = replace(job, seed=bytes(31) + b"\x63")
    shots = rng.permutation(decoded(job, runs[0]))
    again = rng.choice(shots, SHOTS)
    jittered = np.where(rng.random(SHOTS) < 0.1, rng.integers(0, 256, SHOTS), shots)
    for replayed in (shots, again, jittered):
        found = look(later, answer(later, runs[0], replayed), past=(past(job, runs[0]),))
        assert "job 5" in found.fault
        assert found.failed is not None
        assert not found.failed.passed
    fresh = lab.run(later, lab.A, 99_000)
    assert look(later, fresh, past=(past(job, runs[0]),)).fault == ""


def test_seeded_simulators_may_agree_with_their_own_past(job: JudgeInput, runs: list[Execution]) -> None:
    same = replace(runs[0], deterministic=True)
    assert look(job, same, past=(replace(past(job, runs[0]), deterministic=True),)).fault == ""


def test_colluders_who_pool_half_of_the_shots_are_both_rejected(
    job: JudgeInput, runs: list[Execution]
) -> None:
    rng = np.random.default_rng(2)
    pool = rng.permutation(decoded(job, runs[0]))[: SHOTS // 2]
    for jitter in (0.0, 0.1):
        pair = []
        for run in runs[:2]:
            shots = rng.choice(pool, SHOTS)
            noise = rng.random(SHOTS) < jitter
            pair.append(answer(job, run, np.where(noise, rng.integers(0, 256, SHOTS), shots)))
        one, other = pair
        earlier, later = replace(other, committed_first=False), replace(one, committed_first=True)
        for tested, peer in ((one, earlier), (other, later)):
            found = look(job, tested, peer, runs[2])
            assert found.failed is not None
            assert found.kept == (1,)


def test_an_honest_third_hears_one_witness_from_two_colluders(job: JudgeInput, runs: list[Execution]) -> None:
    """With the ideal by the pool they share; the honest result stays without fault."""
    rng = np.random.default_rng(3)
    pool = decoded(job, runs[0])[: SHOTS // 2]
    a, b = (answer(job, run, rng.choice(pool, SHOTS)) for run in runs[:2])
    found = look(job, runs[2], a, b, runs[3])
    assert found.fault == ""
    assert found.kept == (0, 2)


def test_wide_colluders_are_one_witness_without_an_ideal(lab: Any) -> None:
    """16 qubits, no simulation: a third party shows that two draw from one pool; nobody is faulted by it."""
    job: JudgeInput = lab.job([lab.family("ansatz", 16, 1)], SHOTS, 5)
    rng = np.random.default_rng(4)
    p = rng.exponential(size=1 << 16)  # spread out; only the masks come from the circuit
    empty = Execution(errors=lab.A.errors)
    honest = [answer(job, empty, rng.choice(len(p), SHOTS, p=p / p.sum())) for _ in range(3)]
    pool = decoded(job, honest[0])[: SHOTS // 2]
    a, b = (answer(job, empty, rng.choice(pool, SHOTS)) for _ in range(2))
    assert look(job, honest[1], honest[2], honest[0], exact=False).kept == (0, 1)
    assert look(job, honest[1], a, b, exact=False).kept == (0,)
    found = look(job, a, b, honest[1], exact=False)
    assert (found.kept, found.fault) == ((1,), "")


def test_a_liar_does_not_make_two_honest_witnesses_one(
    lab: Any, job: JudgeInput, runs: list[Execution]
) -> None:
    """Without an ideal, noise and stale counts agree with neither: their parities contradict both."""
    for circuit, n in ((lab.family("random", 8, 3), 8), (lab.family("ising", 16, 1), 16)):
        wide: JudgeInput = lab.job([circuit], SHOTS, 21)
        p = lab.ideal(circuit)
        rng = np.random.default_rng(n)
        like = Execution(errors=lab.A.errors)
        a, b = (answer(wide, like, rng.choice(len(p), SHOTS, p=p / p.sum())) for _ in range(2))
        liar = answer(wide, like, rng.integers(0, 1 << n, SHOTS))
        assert look(wide, liar, a, b, exact=False).kept == (0, 1)
        assert look(wide, a, b, liar, exact=False).kept == (0, 1)


def test_a_copy_is_the_later_one_s_fault_and_no_witness_for_the_earlier(
    job: JudgeInput, runs: list[Execution]
) -> None:
    copy = answer(job, runs[1], np.random.default_rng(5).permutation(decoded(job, runs[0])))
    first = look(job, runs[0], replace(copy, committed_first=False), runs[1])
    assert (first.fault, first.kept) == ("", (1,))
    second = look(job, copy, replace(runs[0], committed_first=True), runs[1])
    assert "execution 0" in second.fault


def test_frames_and_equal_circuits_are_each_measured(lab: Any, job: JudgeInput) -> None:
    circuit = lab.family("random", 8, 3)
    double: JudgeInput = lab.job([circuit, circuit], SHOTS, 8)
    rng = np.random.default_rng(6)
    p = lab.ideal(circuit)
    once = rng.choice(len(p), SHOTS, p=p / p.sum())
    fresh = rng.choice(len(p), SHOTS, p=p / p.sum())
    sold = Execution((framed(double, once, 0), framed(double, rng.permutation(once), 1)), errors=lab.A.errors)
    honest = Execution((framed(double, once, 0), framed(double, fresh, 1)), errors=lab.A.errors)
    assert "equal circuits" in look(double, sold).fault
    assert look(double, honest).fault == ""
    frame = once[: SHOTS // 10]
    repeated = answer(job, Execution(errors=lab.A.errors), np.concatenate([rng.permutation(frame)] * 10))
    assert "made from each other" in look(job, repeated, exact=False).fault


def test_what_cannot_be_told_is_said(lab: Any) -> None:
    job: JudgeInput = lab.job([lab.family("random", 3, 1)], 400, 5)
    found = look(job, lab.run(job, lab.A, 5))
    assert found.fault == ""
    assert {test.name for test in found.tests} >= {"no power against replays", "no power against pools"}
