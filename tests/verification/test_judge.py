"""Verdicts on real noisy devices: the honest are accepted, attackers are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import quantum_volume

from qcrs.circuits import CircuitDocument, Instruction, frame, lower
from qcrs.errors import VerificationError
from qcrs.verification import (
    DeviceErrors,
    Execution,
    JudgeInput,
    JudgeUnit,
    Outcome,
    Policy,
    frames_match,
    judge,
)

N, SHOTS = 6, 4000


@pytest.fixture(scope="module")
def case(lab):
    """A job of each family, honest on both devices."""
    out = {}
    for name in lab.families:
        job = lab.job([lab.family(name, N, 11)], SHOTS, 3)
        out[name] = (job, lab.run(job, lab.A, 1), lab.run(job, lab.B, 2))
    return out


def by_peer(lab, job, tested, *peers):
    return lab.judge(job, tested, *peers, policy=lab.NO_SIMULATION)


@pytest.mark.parametrize("family", ["random", "qaoa", "ising", "ansatz"])
def test_honest_devices_are_accepted_against_the_ideal_and_each_other(lab, case, family) -> None:
    job, a, b = case[family]
    for tested in (a, b):
        verdict = lab.judge(job, tested)
        assert verdict.outcome is Outcome.ACCEPT, verdict
        assert verdict.decided_by == "V3 simulate"
        assert not verdict.weak
    for tested, peer in ((a, b), (b, a)):
        verdict = by_peer(lab, job, tested, peer)
        assert verdict.outcome is Outcome.ACCEPT, verdict
        assert verdict.decided_by == "V4 peer"


@pytest.mark.parametrize("family", ["random", "qaoa", "ising", "ansatz"])
@pytest.mark.parametrize("device", ["A", "B"])
def test_uniform_noise_is_rejected(lab, case, family, device) -> None:
    job, a, _ = case[family]
    noise = lab.uniform(job, getattr(lab, device), 5)
    assert lab.judge(job, noise).outcome is Outcome.REJECT
    assert by_peer(lab, job, noise, a).outcome is Outcome.REJECT


@pytest.mark.parametrize("family", ["random", "qaoa", "ising", "ansatz"])
def test_stale_counts_of_another_job_are_rejected(lab, case, family) -> None:
    job, a, _ = case[family]
    other = lab.ideal(lab.family(family, N, 999))
    stale = lab.from_distribution(job, other, lab.A, 4)
    assert lab.judge(job, stale).outcome is Outcome.REJECT
    assert by_peer(lab, job, stale, a).outcome is Outcome.REJECT


@pytest.mark.parametrize("family", ["random", "ansatz"])
def test_swapped_qubits_are_rejected(lab, case, family) -> None:
    job, a, _ = case[family]

    def swap(outcome: int, rng: np.random.Generator) -> int:
        return (outcome & ~0b10001) | (outcome & 1) << 4 | (outcome >> 4 & 1)

    swapped = lab.decoded(a, swap, 1, job)
    assert lab.judge(job, swapped).outcome is Outcome.REJECT


@pytest.mark.parametrize("chance", [0.3, 0.5])
def test_a_flipped_answer_bit_is_rejected(lab, case, chance) -> None:
    job, a, _ = case["random"]
    flipped = lab.decoded(a, lambda o, rng: o ^ (int(rng.random() < chance) << 2), 1, job)
    assert lab.judge(job, flipped).outcome is Outcome.REJECT


def test_a_forced_raw_bit_follows_the_mask_and_is_rejected_without_any_reference(lab, case) -> None:
    job, a, _ = case["random"]
    forced = lab.shots(a, lambda o, m, b, rng: o & ~4 if rng.random() < 0.5 else o, 1, job)
    verdict = lab.judge(job, forced, policy=lab.NO_SIMULATION)
    assert verdict.outcome is Outcome.REJECT
    assert verdict.decided_by == "V2 frame"


@pytest.mark.parametrize("frames", [3, 5])
def test_fabricated_frames_are_rejected_without_any_reference(lab, case, frames) -> None:
    job, a, _ = case["random"]
    made_up = lab.shots(a, lambda o, m, b, rng: int(rng.integers(1 << N)) if b < frames else o, 1, job)
    verdict = lab.judge(job, made_up, policy=lab.NO_SIMULATION)
    assert verdict.outcome is Outcome.REJECT
    assert verdict.decided_by == "V2 frame"


def test_a_much_worse_device_than_registered_is_rejected(lab, case) -> None:
    job, _, _ = case["random"]
    worse = lab.run(job, lab.Device(0.1, 0.05), 3, claims=lab.B)
    assert lab.judge(job, worse).outcome is Outcome.REJECT


def test_half_diluted_counts_are_rejected(lab, case) -> None:
    job, a, _ = case["random"]
    half = lab.shots(a, lambda o, m, b, rng: int(rng.integers(1 << N)) if rng.random() < 0.5 else o, 1, job)
    assert lab.judge(job, half).outcome is Outcome.REJECT
    assert by_peer(lab, job, half, lab.run(job, lab.A, 9)).outcome is Outcome.REJECT


def test_few_shots_sold_as_many_are_rejected(lab, case) -> None:
    job, _, _ = case["random"]
    few = replace(job, units=(replace(job.units[0], shots=100),))
    sold = lab.run(few, lab.A, 1)
    scaled = replace(
        sold, counts=tuple(tuple({k: 40 * v for k, v in f.items()} for f in unit) for unit in sold.counts)
    )
    verdict = lab.judge(job, scaled)
    assert (verdict.outcome, verdict.decided_by) == (Outcome.REJECT, "V0 form")
    assert "multiples of 40" in verdict.reason
    rng = np.random.default_rng(1)
    resampled = []
    for counts in sold.counts[0]:
        keys = np.repeat(list(counts), list(counts.values()))
        drawn = rng.choice(keys, 400).tolist()
        resampled.append({key: drawn.count(key) for key in set(drawn)})
    verdict = lab.judge(job, replace(sold, counts=(tuple(resampled),)))
    assert verdict.outcome is Outcome.REJECT


def test_raw_counts_copied_into_another_jobs_frames_are_rejected(lab, case) -> None:
    job, a, _ = case["random"]
    other = replace(job, seed=bytes(31) + b"\x77")
    assert lab.judge(other, a).outcome is Outcome.REJECT


def test_a_copy_of_an_earlier_execution_is_rejected(lab) -> None:
    job = lab.job([lab.family("random", 8, 3)], SHOTS, 3)
    a = lab.run(job, lab.A, 1)
    verdict = by_peer(lab, job, a, a)
    assert verdict.outcome is Outcome.REJECT
    assert "copy" in verdict.reason
    assert by_peer(lab, job, a, replace(a, committed_first=False)).outcome is Outcome.UNDECIDED
    seeded = replace(a, deterministic=True)
    assert by_peer(lab, job, seeded, seeded).outcome is Outcome.ACCEPT


@pytest.fixture(scope="module")
def wide(lab):
    """Outcomes enough to tell copies by: a job of eight qubits and two honest executions of it."""
    job = lab.job([lab.family("random", 8, 11)], SHOTS, 3)
    return job, lab.run(job, lab.A, 1), lab.run(job, lab.B, 2)


def test_fraud_needs_two_references_that_condemn_by_one_test(lab, wide) -> None:
    job, a, b = wide
    noise = lab.uniform(job, lab.A, 5)
    assert by_peer(lab, job, noise, a).outcome is Outcome.REJECT
    assert by_peer(lab, job, noise, a, b).outcome is Outcome.FRAUD
    assert lab.judge(job, noise, a).outcome is Outcome.FRAUD


def test_an_honest_device_survives_a_cheating_peer(lab, wide) -> None:
    job, a, b = wide
    noise = lab.from_distribution(job, lab.ideal(lab.family("random", 8, 5)), lab.A, 4)
    assert lab.judge(job, a, noise).outcome is Outcome.ACCEPT
    assert by_peer(lab, job, a, b, noise).outcome is Outcome.ACCEPT
    assert by_peer(lab, job, noise, a, b).outcome is Outcome.FRAUD


def test_a_drawn_job_waits_for_a_second_execution(lab, case) -> None:
    job, a, b = case["random"]
    verdict = lab.judge(job, a, drawn=True)
    assert (verdict.outcome, verdict.decided_by) == (Outcome.UNDECIDED, "audit draw")
    assert lab.judge(job, a, b, drawn=True).outcome is Outcome.ACCEPT
    assert lab.judge(job, a, drawn=True, targeted=True).outcome is Outcome.ACCEPT
    malformed = replace(b, counts=())
    assert lab.judge(job, a, malformed, drawn=True).outcome is Outcome.UNDECIDED
    noise = lab.uniform(job, lab.A, 5)
    assert lab.judge(job, noise, drawn=True).outcome is Outcome.REJECT


def test_without_any_reference_an_undrawn_execution_is_weakly_accepted(lab, case) -> None:
    job, a, _ = case["random"]
    verdict = by_peer(lab, job, a)
    assert (verdict.outcome, verdict.weak, verdict.decided_by) == (Outcome.ACCEPT, True, "V2 frame")


def test_wide_outputs_with_few_shots_are_weakly_verified_or_rejected_never_wrongly(lab) -> None:
    circuit = quantum_volume(18, 8, seed=3)
    job = lab.job([circuit], SHOTS, 1)
    p = lab.ideal(circuit)
    honest = lab.from_distribution(job, 0.7 * p + 0.3 / len(p), lab.A, 1)
    verdict = lab.judge(job, honest)
    assert (verdict.outcome, verdict.weak) == (Outcome.ACCEPT, True)
    assert verdict.needed_shots is not None
    assert verdict.needed_shots >= 5 * 2**9
    assert lab.judge(job, lab.uniform(job, lab.A, 1)).outcome is Outcome.REJECT


@pytest.mark.parametrize("shots", [1, 3, 20, 100])
def test_honest_devices_are_never_rejected_for_too_few_shots(lab, shots) -> None:
    for number in range(6):
        job = lab.job([lab.family("random", 4, number)], shots, number)
        a, b = lab.run(job, lab.B, number), lab.run(job, lab.B, number + 50)
        assert lab.judge(job, a).outcome in (Outcome.ACCEPT, Outcome.UNDECIDED)
        assert by_peer(lab, job, a, b).outcome in (Outcome.ACCEPT, Outcome.UNDECIDED)


def _flat(n: int) -> QuantumCircuit:
    circuit = QuantumCircuit(n)
    circuit.h(range(n))
    for q in range(n - 1):
        circuit.cz(q, q + 1)
    return circuit


def test_flat_targets_have_their_own_rule(lab) -> None:
    job = lab.job([_flat(5)], SHOTS, 1)
    honest = lab.run(job, lab.B, 1)
    verdict = lab.judge(job, honest)
    assert verdict.outcome is Outcome.ACCEPT
    assert [t.name for t in verdict.tests if "likeness" in t.name] == ["likeness:ideal"]
    assert verdict.score_ppm >= verdict.threshold_ppm
    stale = lab.from_distribution(job, lab.ideal(lab.family("random", 5, 1)), lab.A, 1)
    rejected = lab.judge(job, stale)
    assert rejected.outcome is Outcome.REJECT
    assert rejected.interval_ppm[1] < rejected.threshold_ppm


def test_peaked_outputs(lab) -> None:
    circuit = QuantumCircuit(6)
    circuit.h(0)
    for q in range(5):
        circuit.cx(q, q + 1)
    job = lab.job([circuit], SHOTS, 1)
    a, b = lab.run(job, lab.A, 1), lab.run(job, lab.B, 2)
    for tested in (a, b):
        assert lab.judge(job, tested).outcome is Outcome.ACCEPT
    assert by_peer(lab, job, b, a).outcome is Outcome.ACCEPT
    assert lab.judge(job, lab.uniform(job, lab.A, 1)).outcome is Outcome.REJECT
    one_sided = lab.decoded(a, lambda o, rng: 0, 1, job)
    assert lab.judge(job, one_sided).outcome is Outcome.REJECT


def test_noise_that_is_not_quite_white_is_no_dispersion(lab) -> None:
    job = lab.job([lab.family("qaoa", 8, 2)], SHOTS, 3)
    verdict = lab.judge(job, lab.run(job, lab.B, 16))
    assert verdict.outcome is Outcome.ACCEPT, verdict


def test_a_noiseless_deterministic_output_is_accepted(lab) -> None:
    circuit = QuantumCircuit(3)
    circuit.x(1)
    job = lab.job([circuit], 1000, 1)
    exact = lab.from_distribution(job, lab.ideal(circuit), lab.Device(0.0, 0.0), 1)
    assert lab.judge(job, exact).outcome is Outcome.ACCEPT


def test_many_units_are_pooled_and_the_worst_is_looked_at(lab) -> None:
    circuits = [lab.family("ansatz", 3, seed) for seed in range(30)]
    job = lab.job(circuits, 300, 1)
    honest = lab.run(job, lab.A, 1)
    verdict = lab.judge(job, honest)
    assert verdict.outcome is Outcome.ACCEPT, verdict
    assert not verdict.weak
    noise = lab.uniform(job, lab.A, 1)
    one_bad = replace(honest, counts=(*honest.counts[:7], noise.counts[7], *honest.counts[8:]))
    verdict = lab.judge(job, one_bad)
    assert verdict.outcome is Outcome.REJECT
    assert lab.judge(job, noise).outcome is Outcome.REJECT


def test_dynamic_circuits_are_judged(lab) -> None:
    circuit = QuantumCircuit(3, 3)
    circuit.ry(1.1, 0)
    circuit.cx(0, 1)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.ry(0.7, 2)
    circuit.cx(1, 2)
    circuit.measure([1, 2], [1, 2])
    job = lab.job([circuit], SHOTS, 1)
    assert lab.judge(job, lab.run(job, lab.A, 1)).outcome is Outcome.ACCEPT
    assert lab.judge(job, lab.uniform(job, lab.A, 1)).outcome is Outcome.REJECT


def test_bad_form_is_rejected_with_words(lab, case) -> None:
    job, a, _ = case["random"]
    frames = a.counts[0]
    first = dict(frames[0])
    key = next(iter(first))
    for change, words in (
        ({**first, key: first[key] + 1}, "401 shots"),
        ({**first, 1 << 40: 1}, "outside the measured bits"),
        ({**first, key: 0}, "positive"),
    ):
        verdict = lab.judge(job, replace(a, counts=((change, *frames[1:]),)))
        assert (verdict.outcome, verdict.decided_by) == (Outcome.REJECT, "V0 form")
        assert words in verdict.reason
    assert lab.judge(job, replace(a, counts=())).outcome is Outcome.REJECT
    assert lab.judge(job, replace(a, counts=(frames[1:],))).outcome is Outcome.REJECT
    verdict = lab.judge(job, a, hashes=(("root", b"\1" * 32, b"\2" * 32),))
    assert "root" in verdict.reason
    assert verdict.outcome is Outcome.REJECT


def test_a_client_that_voids_its_own_check_loses_it(lab, case) -> None:
    job, _, _ = case["random"]
    made = [[frame(job.units[0].circuit, job.seed, 0, b).circuit for b in range(10)]]
    assert frames_match(job.units, job.seed, made)
    assert not frames_match(job.units, bytes(32), made)
    assert not frames_match(job.units, job.seed, [made[0][:9]])
    verdict = lab.judge(job, lab.uniform(job, lab.A, 1), client_void=True)
    assert verdict.outcome is Outcome.ACCEPT


def test_a_predicate_rejects_wrong_answers(lab) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.measure([0, 1], [0, 1])
    job = lab.job([circuit], 500, 1)
    predicate = {"condition": ["register", "c", 1], "least_ppm": 600_000}
    asked = replace(job, units=(replace(job.units[0], predicate=predicate),))
    good = lab.run(asked, lab.B, 1)
    assert lab.judge(asked, good).outcome is Outcome.ACCEPT
    wrong = lab.decoded(good, lambda o, rng: o ^ int(rng.random() < 0.6), 1, asked)
    verdict = lab.judge(asked, wrong)
    assert (verdict.outcome, verdict.decided_by) == (Outcome.REJECT, "V1 predicate")


def test_exact_values_are_compared_to_one_in_a_billion() -> None:
    circuit = lower(quantum_volume(4, 4, seed=1), measure=False).document
    unit = JudgeUnit(circuit, observables=(("ZZII", 10**9, 0), ("XIIX", 5 * 10**8, 0)))
    from qcrs.verification import expectations

    values = expectations(circuit, [[("ZZII", 1)], [("XIIX", 1)]])
    pico = tuple(round(value * 10**12) for value in values)
    job = JudgeInput((unit,), bytes(32), Execution(values_pico=(pico,)), exact=True)
    assert judge(job).outcome is Outcome.ACCEPT
    off = replace(job, tested=Execution(values_pico=((pico[0] + 1100, pico[1]),)))
    assert judge(off).outcome is Outcome.REJECT
    short = replace(job, tested=Execution(values_pico=((pico[0],),)))
    assert judge(short).decided_by == "V0 form"


def test_verdicts_are_integers_and_repeatable(lab, case) -> None:
    job, a, b = case["ansatz"]
    first, second = lab.judge(job, a, b), lab.judge(job, a, b)
    assert first == second
    for test in first.tests:
        assert all(type(v) is int for v in (test.value_ppm, test.se_ppm, test.threshold_ppm))
    low, high = first.interval_ppm
    assert low <= first.score_ppm <= high


def test_impossible_inputs_are_errors() -> None:
    with pytest.raises(VerificationError, match="at least one unit"):
        judge(JudgeInput((), bytes(32), Execution()))
    with pytest.raises(VerificationError, match="between 0 and 1"):
        DeviceErrors(eplg_nano=2 * 10**9)


def test_circuits_that_measure_nothing_are_accepted_on_form() -> None:
    doc = CircuitDocument(1, 0, (), (Instruction("u", (0,), (), (0, 0, 0)),))
    job = JudgeInput((JudgeUnit(doc, 10),), bytes(32), Execution(counts=(tuple({0: 1} for _ in range(10)),)))
    verdict = judge(job, Policy())
    assert (verdict.outcome, verdict.weak) == (Outcome.ACCEPT, False)


def test_units_too_wide_to_simulate_make_an_acceptance_weak(lab) -> None:
    job = lab.job([lab.family("random", 3, 1), lab.family("random", 5, 1)], 1000, 1)
    policy = Policy(simulate_qubits=4)
    verdict = lab.judge(job, lab.run(job, lab.A, 1), policy=policy)
    assert (verdict.outcome, verdict.weak) == (Outcome.ACCEPT, True)
    assert "too wide" in verdict.reason


def test_idle_qubits_of_a_large_processor_do_not_hinder_simulation(lab) -> None:
    circuit = QuantumCircuit(60, 2)
    circuit.ry(1.0, 17)
    circuit.cx(17, 43)
    circuit.measure([17, 43], [0, 1])
    job = lab.job([circuit], 1000, 1)
    p = np.array([np.cos(0.5) ** 2, 0, 0, np.sin(0.5) ** 2])
    verdict = lab.judge(job, lab.from_distribution(job, p, lab.A, 1))
    assert (verdict.outcome, verdict.decided_by) == (Outcome.ACCEPT, "V3 simulate")
