"""Many verdicts in one transaction: each as if it had come alone, none in the way of another."""

from __future__ import annotations

from typing import Any

import pytest
from contract_stage import refuses
from exchange_machine import Exchange
from exchange_stage import ACCEPT, CREDIT, FRAUD, REJECT, UNDECIDED, Oracle, Processor, Stage
from test_trail import check

REPORTS = "settleBatch"


def committed(stage: Stage, count: int, index: int = 0) -> tuple[Processor, list[int]]:
    """A processor and jobs whose results it has committed to."""
    p = stage.register(index)
    stage.certify(p.id)
    jobs = []
    for _ in range(count):
        stage.submit(client=index)
        job = stage.allocate(p).one("JobAllocated")["job"]
        stage.commit(p, job)
        jobs.append(job)
    return p, jobs


def skipped(stage: Stage, events: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(v["job"], stage.decoder.decode(v["reason"]).name) for v in events]


def test_a_batch_does_what_its_reports_do_alone(stage: Stage) -> None:
    """States, money, reputation and log, to the word; trail and times differ by the clock alone."""
    _, jobs = committed(stage, 3)
    second = stage.register(1)
    stage.certify(second.id)
    outcomes = (ACCEPT, UNDECIDED, REJECT)
    reports = [stage.report(job, 0, outcome) for job, outcome in zip(jobs, outcomes, strict=True)]

    def everything() -> list[Any]:
        accounts = (*stage.who.clients, *stage.who.providers, stage.who.treasury)
        found: list[Any] = [stage.balance(account) for account in accounts]
        found += [stage.job(job) for job in jobs]
        found += [stage.allocator.read("execution", job, 0) for job in jobs]
        found += [stage.allocator.read("standing", number) for number in (1, 2)]
        found.append(stage.allocator.read("nextFor", second.id))
        return found

    def timeless(value: Any) -> Any:
        clocked = ("since", "trail")
        return {k: v for k, v in value.items() if k not in clocked} if isinstance(value, dict) else value

    with stage.undone():
        done = stage.settle(reports)
        together, names = everything(), done.names
        assert done.of("BatchEntrySkipped") == []
        check(stage)
        stage.check_ledger(jobs)
    alone = [stage.judge(job, 0, outcome) for job, outcome in zip(jobs, outcomes, strict=True)]
    assert [name for one in alone for name in one.names] == names
    assert [timeless(v) for v in everything()] == [timeless(v) for v in together]
    check(stage)


def test_what_oracles_sign_for_a_batch_is_its_eip_712_digest(stage: Stage) -> None:
    reports = [stage.report(job, 0, ACCEPT) for job in (7, 8, 9)]
    assert stage.verifier.read("batchDigest", reports) == stage.batch_digest(reports)
    assert stage.verifier.read("batchDigest", []) == stage.batch_digest([])
    orders = {stage.batch_digest(chosen) for chosen in (reports, reports[::-1], reports[:2], [])}
    assert len(orders | {stage.report_digest(reports[0])}) == 5


def test_one_late_entry_blocks_nothing(stage: Stage) -> None:
    """Late, judged before, unknown, named twice, of a round that is not next, no outcome: skipped."""
    p, jobs = committed(stage, 4)
    stage.judge(jobs[0], 0, ACCEPT)
    late = stage.submit()
    stage.allocate(p)
    stage.wait(200)
    stage.allocator.send("expireExecution", late, 0, by=stage.who.stranger)
    bad = [
        stage.report(jobs[0], 0, ACCEPT),
        stage.report(late, 0, ACCEPT),
        stage.report(999, 0, ACCEPT),
        stage.report(jobs[1], 0, ACCEPT, round=1),
        stage.report(jobs[1], 1, ACCEPT),
        stage.report(jobs[1], 0, 5),
        stage.report(jobs[1], 0, 0),
    ]
    good = [stage.report(job, 0, ACCEPT) for job in jobs[2:]]
    before = stage.balance(p.provider)
    done = stage.settle([*bad, *good, good[0]])
    assert skipped(stage, done.of("BatchEntrySkipped")) == [
        (jobs[0], "ComputationAllocatorBadRound"),
        (late, "ComputationAllocatorBadOutcome"),
        (999, "ComputationAllocatorBadExecutionState"),
        (jobs[1], "ComputationAllocatorBadRound"),
        (jobs[1], "ComputationAllocatorBadExecutionState"),
        (jobs[1], "ResultVerifierBadOutcome"),
        (jobs[1], "ResultVerifierBadOutcome"),
        (good[0][0], "ComputationAllocatorBadRound"),
    ]
    assert [v["job"] for v in done.of("VerdictReported")] == jobs[2:]
    assert stage.balance(p.provider) == before + 2 * stage.job(jobs[2])["feePerExecution"]
    assert stage.allocator.read("execution", jobs[1], 0)["reports"] == 0
    check(stage)
    stage.check_ledger([*jobs, late])


def test_a_batch_cannot_be_replayed(stage: Stage) -> None:
    p, jobs = committed(stage, 2)
    reports = [stage.report(job, 0, ACCEPT) for job in jobs]
    stage.settle(reports)
    paid = stage.balance(p.provider)
    with refuses("ResultVerifierNothingSettled", reports=2):
        stage.settle(reports)
    bitmap, signatures = stage.sign(stage.batch_digest(reports))
    with refuses("OracleQuorumBadSignature"):
        stage.verifier.send(REPORTS, reports[:1], bitmap, signatures, by=stage.who.stranger)
    assert stage.balance(p.provider) == paid
    with refuses("ResultVerifierNothingSettled", reports=0):
        stage.settle([])


def test_signatures_of_a_report_are_none_of_a_batch(stage: Stage) -> None:
    _, (job, _) = committed(stage, 2)
    report = stage.report(job, 0, ACCEPT)
    alone = stage.sign(stage.report_digest(report))
    together = stage.sign(stage.batch_digest([report]))
    for name, argument, signed in ((REPORTS, [report], alone), ("reportVerdict", report, together)):
        with refuses("OracleQuorumBadSignature"):
            stage.verifier.send(name, argument, *signed, by=stage.who.stranger)


def test_changed_reordered_or_lengthened_batches_are_not_signed(stage: Stage) -> None:
    _, jobs = committed(stage, 3)
    reports = [stage.report(job, 0, ACCEPT) for job in jobs]
    bitmap, signatures = stage.sign(stage.batch_digest(reports[:2]))
    fraud = stage.report(jobs[1], 0, FRAUD)
    for forged in (reports, reports[1::-1], [reports[0], fraud], reports[:1]):
        with refuses("OracleQuorumBadSignature"):
            stage.verifier.send(REPORTS, forged, bitmap, signatures, by=stage.who.stranger)


def test_a_batch_needs_a_quorum_of_its_era(stage: Stage) -> None:
    _, jobs = committed(stage, 2)
    reports = [stage.report(job, 0, ACCEPT) for job in jobs]
    digest = stage.batch_digest(reports)
    for chosen, error in (((0, 1, 2, 3), "OracleQuorumNotReached"), ((), "OracleQuorumNotReached")):
        bitmap, signatures = stage.sign(digest, chosen)
        with refuses(error):
            stage.verifier.send(REPORTS, reports, bitmap, signatures, by=stage.who.stranger)
    strangers = [Oracle.number(n) for n in range(50, 55)]
    forged = b"".join(oracle.sign(digest) for oracle in strangers)
    with refuses("OracleQuorumBadSignature"):
        stage.verifier.send(REPORTS, reports, 0b11111, forged, by=stage.who.stranger)
    old = stage.sign(digest)
    stage.rotate(stage.oracles)
    with refuses("ResultVerifierStaleEra", era=1, current=2):
        stage.verifier.send(REPORTS, reports, *old, by=stage.who.stranger)
    renewed = [stage.report(job, 0, ACCEPT) for job in jobs]
    for mixed in ([renewed[0], reports[1]], [reports[0], renewed[1]]):
        with refuses("ResultVerifierStaleEra", era=1, current=2):
            stage.settle(mixed)
    assert len(stage.settle(renewed).of("JobClosed")) == 2


def test_a_signer_settles_no_execution_of_its_own(stage: Stage) -> None:
    """I8: that entry is skipped and leaves nothing behind; the others go on."""
    p, (own, _) = committed(stage, 2)
    _, (other, _) = committed(stage, 2, index=1)
    key = stage.tester.backend.account_keys[5]
    assert key.public_key.to_checksum_address() == p.provider
    before, stage.oracles = stage.oracles, [Oracle(key, p.provider), *stage.oracles[1:]]
    try:
        stage.rotate(stage.oracles)
        reports = [stage.report(job, 0, ACCEPT) for job in (own, other)]
        paid = stage.balance(p.provider)
        done = stage.settle(reports)
        assert skipped(stage, done.of("BatchEntrySkipped")) == [(own, "ResultVerifierConflict")]
        assert [v["job"] for v in done.of("VerdictReported")] == [other]
        assert stage.balance(p.provider) == paid
        bitmap, signatures = stage.sign(stage.batch_digest(reports), range(1, 6))
        stage.verifier.send(REPORTS, reports, bitmap, signatures, by=stage.who.stranger)
        assert stage.balance(p.provider) > paid
    finally:
        stage.oracles = before
    check(stage)


def test_an_entry_is_the_verifiers_own_call(stage: Stage) -> None:
    _, (job,) = committed(stage, 1)
    report = stage.report(job, 0, ACCEPT)
    with refuses("ResultVerifierUnauthorized", caller=stage.who.stranger):
        stage.verifier.send("settleEntry", report, bytes(32), 0b11111, by=stage.who.stranger)


def test_a_relay_without_gas_loses_nothing(stage: Stage) -> None:
    """Entries that the gas did not reach are skipped; the same batch brings them later."""
    _, jobs = committed(stage, 4)
    reports = [stage.report(job, 0, ACCEPT) for job in jobs]
    bitmap, signatures = stage.sign(stage.batch_digest(reports))
    data = stage.verifier.data(REPORTS, (reports, bitmap, signatures))
    for gas in range(70_000, 220_000, 15_000):
        call = {"from": stage.who.stranger, "to": stage.verifier.address, "data": data, "gas": gas}
        stage.tester.get_transaction_receipt(stage.tester.send_transaction(call))
    states = [stage.job(job)["state"] for job in jobs]
    assert set(states) <= {2, 3}
    if 2 in states:
        stage.settle(reports)
    assert {stage.job(job)["state"] for job in jobs} == {3}
    stage.check_ledger(jobs)


def test_two_outcomes_are_an_equivocation_in_a_batch_too(stage: Stage) -> None:
    """A signature of a batch proves what it says about each report in it."""
    _, (job, other) = committed(stage, 2)
    accepted = [stage.report(job, 0, ACCEPT), stage.report(other, 0, ACCEPT)]
    rejected = [stage.report(other, 0, ACCEPT), stage.report(job, 0, REJECT)]
    oracle = stage.oracles[2]

    def proof(batch: list[tuple[Any, ...]]) -> bytes:
        return oracle.sign(stage.batch_digest(batch)) + b"".join(stage.report_hash(r) for r in batch)

    alone = oracle.sign(stage.report_digest(rejected[1]))
    for first, second in ((proof(accepted), proof(rejected)), (proof(accepted), alone)):
        for pair in ((accepted[0], first, rejected[1], second), (rejected[1], second, accepted[0], first)):
            with stage.undone():
                done = stage.verifier.send("proveEquivocation", *pair, by=stage.who.stranger)
                assert done.one("EquivocationProven")["oracle"] == oracle.address
                with refuses("ResultVerifierProofUsed"):
                    stage.verifier.send("proveEquivocation", *pair, by=stage.who.stranger)


def test_what_a_batch_does_not_prove(stage: Stage) -> None:
    _, (job, other) = committed(stage, 2)
    a, b, c = stage.report(job, 0, ACCEPT), stage.report(job, 0, REJECT), stage.report(other, 0, ACCEPT)
    oracle = stage.oracles[0]
    hashes = {r: stage.report_hash(r) for r in (a, b, c)}
    good = oracle.sign(stage.report_digest(a))
    without = oracle.sign(stage.batch_digest([c])) + hashes[c]
    slipped = oracle.sign(stage.batch_digest([c])) + hashes[c] + hashes[b]
    swapped = oracle.sign(stage.batch_digest([b, c])) + hashes[c] + hashes[b]
    ragged = oracle.sign(stage.batch_digest([b])) + hashes[b][:31]
    empty = oracle.sign(stage.batch_digest([]))
    for bad in (without, slipped, swapped, ragged, empty, bytes(64) + hashes[b]):
        with refuses("ResultVerifierBadSignature"):
            stage.verifier.send("proveEquivocation", a, good, b, bad, by=stage.who.stranger)


def test_batches_follow_the_model(stage: Stage) -> None:
    """One of each fate, done to the contracts and the model."""
    pair = Exchange(stage)
    try:
        pair.prepare((9, 9, 9, 9))
        for client in stage.who.clients[:3]:
            pair.submit(client)
        jobs = [job for which in (1, 2, 3) if (job := pair.allocate(which))]
        for job in jobs:
            pair.commit(job, 0)
        first, second, third = jobs
        pair.judge_batch([(first, 0, ACCEPT, 0, False), (first, 0, ACCEPT, 0, False)])
        pair.judge_batch([(second, 0, UNDECIDED, 0, False), (third, 0, REJECT, 0, False)])
        pair.judge_batch([(second, 0, UNDECIDED, 1, False), (third, 0, FRAUD, 1, False)])
        pair.judge_batch([(first, 0, ACCEPT, 0, True), (third, 0, FRAUD, 1, False)])
        assert pair.reached["refused ResultVerifierNothingSettled"] == 1
        assert pair.reached["skipped ComputationAllocatorBadRound"] == 1
        pair.settle_everything()
    finally:
        pair.close()


@pytest.mark.parametrize("size", [2, 8])
def test_a_further_job_costs_less_than_half_of_one_alone(stage: Stage, size: int) -> None:
    _, jobs = committed(stage, size + 1)
    alone = stage.judge(jobs[0], 0, ACCEPT).gas
    batch = stage.settle([stage.report(job, 0, ACCEPT) for job in jobs[1:]]).gas
    assert batch < alone + (size - 1) * alone // 2
    assert stage.balance(stage.who.providers[0]) > 10**11 - 50 * CREDIT
