"""Commitments, deadlines, verdicts and what they do to job, money and reputation."""

from __future__ import annotations

from contract_stage import refuses
from exchange_stage import ACCEPT, CREDIT, FRAUD, REJECT, STANDARDS, UNDECIDED, Processor, Stage

FEE = 1000 * 5 * 60
SETTLED, FAILED, EXPIRED = 3, 4, 6
VERDICT_WINDOW = 3600


def ready(stage: Stage, index: int = 0, **spec: int) -> Processor:
    p = stage.register(index, **spec)
    stage.certify(p.id)
    return p


def committed(stage: Stage, p: Processor, **request: int) -> int:
    job = stage.submit(**request)
    assert stage.allocate(p).one("JobAllocated")["job"] == job
    stage.commit(p, job)
    return job


def test_commitment_needs_the_operator_and_the_time(stage: Stage) -> None:
    p = ready(stage)
    job = stage.submit()
    deadline = stage.allocate(p).one("JobAllocated")["deadline"]
    assert deadline == stage.time + 60 + 30
    with refuses("ComputationAllocatorNotOperator", caller=stage.who.stranger):
        stage.allocator.send("commitResult", job, 0, bytes(32), by=stage.who.stranger)
    with refuses("ComputationAllocatorBadExecutionState", execution=1, state=0):
        stage.commit(p, job, 1)
    stage.wait_until(deadline)
    stage.allocator.send("commitResult", job, 0, bytes(32), by=p.provider)
    with refuses("ComputationAllocatorBadExecutionState", execution=0, state=2):
        stage.commit(p, job)
    late = stage.submit()
    deadline = stage.allocate(p).one("JobAllocated")["deadline"]
    stage.wait_until(deadline + 1)
    with refuses("ComputationAllocatorTooLate", job=late, deadline=deadline):
        stage.commit(p, late)


def test_used_time_is_counted_in_steps_and_given_back(stage: Stage) -> None:
    p = ready(stage)
    job = stage.submit()
    stage.allocate(p)
    before = stage.allocator.read("flow", 0)[3]
    start = stage.time
    stage.wait_until(start + 20)
    stage.commit(p, job)
    used = -(-20 * 31 // 60)
    assert stage.allocator.read("execution", job, 0)["usedSteps"] == used
    stage.judge(job, 0, ACCEPT)
    assert stage.allocator.read("flow", 0)[3] == before - 5 * 60 * 64 * (31 - used) // (31 * 100)


def test_missed_deadline_costs_bond_and_reputation_and_moves_the_job_on(stage: Stage) -> None:
    p, q = ready(stage), ready(stage, 1)
    client = stage.who.clients[0]
    job = stage.submit()
    deadline = stage.allocate(p).one("JobAllocated")["deadline"]
    before, bond = stage.balance(client), stage.registry.read("bondOf", p.id)
    stage.wait_until(deadline)
    with refuses("ComputationAllocatorTooEarly", job=job):
        stage.allocator.send("expireExecution", job, 0, by=stage.who.stranger)
    stage.wait_until(deadline + 1)
    done = stage.allocator.send("expireExecution", job, 0, by=stage.who.stranger)
    assert done.one("ExecutionEnded") == {
        "job": job,
        "processor": p.id,
        "execution": 0,
        "from": 1,
        "penalty": FEE // 10,
    }
    assert done.one("Slashed")["amount"] == FEE // 10
    assert stage.balance(client) == before + FEE // 10
    assert stage.registry.read("bondOf", p.id) == bond - FEE // 10
    assert stage.registry.read("reputation", p.id) == (256, 512)
    assert stage.allocator.read("dispatch", p.id)[2] == 27
    with refuses("ComputationAllocatorBadExecutionState", state=7):
        stage.allocator.send("expireExecution", job, 0, by=stage.who.stranger)
    with refuses("ComputationAllocatorBadExecutionState", state=7):
        stage.commit(p, job)
    assert stage.allocate(q).one("JobAllocated") | {"deadline": 0} == {
        "job": job,
        "processor": q.id,
        "execution": 1,
        "deadline": 0,
        "tag": 0,
    }
    stage.check_ledger([job])


def test_penalty_never_exceeds_the_bond(stage: Stage) -> None:
    p = ready(stage, bond=FEE // 100)
    job = stage.submit()
    stage.allocate(p)
    stage.wait(100)
    done = stage.allocator.send("expireExecution", job, 0, by=stage.who.stranger)
    assert done.one("ExecutionEnded")["penalty"] == FEE // 100
    assert stage.registry.read("bondOf", p.id) == 0
    stage.check_ledger([job])


def test_silent_oracles_end_an_execution_without_a_slash(stage: Stage) -> None:
    p = ready(stage)
    job = committed(stage, p)
    with refuses("ComputationAllocatorTooEarly"):
        stage.allocator.send("expireExecution", job, 0, by=stage.who.stranger)
    stage.wait(3601)
    bond = stage.registry.read("bondOf", p.id)
    done = stage.allocator.send("expireExecution", job, 0, by=stage.who.stranger)
    assert done.one("ExecutionEnded")["penalty"] == 0
    assert done.names == ["ExecutionEnded", "JobRequeued"]
    assert stage.registry.read("bondOf", p.id) == bond
    assert stage.registry.read("reputation", p.id) == (256, 256)
    with refuses("ComputationAllocatorBadOutcome"):
        stage.judge(job, 0, ACCEPT)


def test_rejections_use_up_the_executions(stage: Stage) -> None:
    ps = [ready(stage, i) for i in range(2)]
    client = stage.who.clients[0]
    before = stage.balance(client)
    job = stage.submit(most=2)
    for index, p in enumerate(ps):
        stage.allocate(p)
        stage.commit(p, job, index)
        done = stage.judge(job, index, REJECT)
    assert done.one("JobClosed") == {"job": job, "state": FAILED, "refund": 2 * FEE}
    assert stage.balance(client) == before
    assert stage.registry.read("reputation", ps[0].id)[1] == 512
    with refuses("ComputationAllocatorBadOutcome", state=5, outcome=ACCEPT):
        stage.judge(job, 1, ACCEPT, round=1)


def test_undecided_waits_for_another_execution_and_is_paid_in_the_end(stage: Stage) -> None:
    p, q = ready(stage), ready(stage, 1)
    job = committed(stage, p)
    done = stage.judge(job, 0, UNDECIDED)
    assert done.names == ["VerdictReported", "JobRequeued"]
    assert stage.registry.read("reputation", p.id) == (256, 256)
    stage.allocate(q)
    stage.commit(q, job, 1)
    paid = stage.balance(q.provider), stage.balance(p.provider)
    assert stage.judge(job, 1, ACCEPT).names == ["VerdictReported"]
    assert (stage.balance(q.provider), stage.balance(p.provider)) == (paid[0] + FEE, paid[1])
    assert stage.job(job)["state"] == 2  # the first one is not decided yet
    done = stage.judge(job, 0, ACCEPT, round=1)
    assert done.one("JobClosed") == {"job": job, "state": SETTLED, "refund": FEE}
    assert (stage.balance(q.provider), stage.balance(p.provider)) == (paid[0] + FEE, paid[1] + FEE)
    stage.check_ledger([job])


def test_fraud_takes_a_multiple_of_the_fee_for_the_treasury(stage: Stage) -> None:
    p = ready(stage)
    job = committed(stage, p, most=1)
    bond = stage.registry.read("bondOf", p.id)
    done = stage.judge(job, 0, FRAUD)
    assert done.one("Slashed") == {
        "processor": p.id,
        "beneficiary": stage.who.treasury,
        "amount": 10 * FEE,
        "cause": job.to_bytes(32, "big"),
    }
    assert stage.balance(stage.who.treasury) == 10 * FEE
    assert stage.registry.read("bondOf", p.id) == bond - 10 * FEE
    assert stage.registry.read("reputation", p.id) == (256, 256 + 8 * 256)
    assert stage.job(job)["state"] == FAILED
    stage.check_ledger([job])


def test_rejection_becomes_fraud_only_inside_the_window(stage: Stage) -> None:
    p, q = ready(stage), ready(stage, 1)
    first, second = committed(stage, p), committed(stage, q)
    stage.judge(first, 0, REJECT)
    since = stage.time
    stage.judge(second, 0, REJECT)
    late = stage.time + 86_401
    stage.wait_until(since + 86_400)
    stage.judge(first, 0, FRAUD, round=1)
    assert stage.allocator.read("execution", first, 0)["state"] == 6
    stage.wait_until(late)
    with refuses("ResultVerifierNotChallengeable", job=second, execution=0):
        stage.judge(second, 0, FRAUD, round=1)
    with refuses("ComputationAllocatorBadOutcome", state=6):
        stage.judge(first, 0, FRAUD, round=2)


def test_rounds_count_the_reports(stage: Stage) -> None:
    p = ready(stage)
    job = committed(stage, p)
    with refuses("ComputationAllocatorBadRound", round=1, expected=0):
        stage.judge(job, 0, ACCEPT, round=1)
    for number, outcome in enumerate((UNDECIDED, REJECT, FRAUD)):
        stage.judge(job, 0, outcome, round=number)
    with refuses("ComputationAllocatorBadRound", round=3, expected=3):
        stage.judge(job, 0, ACCEPT, round=3)
    with refuses("ComputationAllocatorBadRound", round=2, expected=3):
        stage.judge(job, 0, ACCEPT, round=2)


def test_undecided_twice_ends_unpaid_and_holds_up_nobody(stage: Stage) -> None:
    p, q = ready(stage), ready(stage, 1)
    job = committed(stage, p)
    stage.judge(job, 0, UNDECIDED)
    stage.allocate(q)
    stage.commit(q, job, 1)
    stage.judge(job, 1, ACCEPT)
    before, bond = stage.balance(p.provider), stage.registry.read("bondOf", p.id)
    done = stage.judge(job, 0, UNDECIDED, round=1)
    assert done.names == ["VerdictReported", "ExecutionEnded", "JobClosed"]
    assert done.one("ExecutionEnded") == {
        "job": job,
        "processor": p.id,
        "execution": 0,
        "from": 3,
        "penalty": 0,
    }
    assert done.one("JobClosed") == {"job": job, "state": SETTLED, "refund": 2 * FEE}
    assert stage.balance(p.provider) == before
    assert (stage.registry.read("bondOf", p.id), stage.registry.read("reputation", p.id)) == (
        bond,
        (256, 256),
    )
    with refuses("ComputationAllocatorBadOutcome", state=7, outcome=ACCEPT):
        stage.judge(job, 0, ACCEPT, round=2)
    stage.check_ledger([job])


def test_undecided_twice_without_another_acceptance_goes_elsewhere_or_fails(stage: Stage) -> None:
    p = ready(stage)
    alone, job = committed(stage, p, most=1), committed(stage, p)
    assert stage.judge(alone, 0, UNDECIDED).names == ["VerdictReported"]
    stage.judge(alone, 0, UNDECIDED, round=1)
    assert stage.job(alone)["state"] == FAILED
    stage.judge(job, 0, UNDECIDED)
    stage.judge(job, 0, UNDECIDED, round=1)
    assert stage.job(job)["state"] == 1
    stage.check_ledger([alone, job])


def test_accepted_is_final(stage: Stage) -> None:
    """I2: an execution settles at most once."""
    p = ready(stage)
    job = committed(stage, p)
    stage.judge(job, 0, ACCEPT)
    balance = stage.balance(p.provider)
    for outcome in (ACCEPT, UNDECIDED, REJECT, FRAUD):
        with refuses("ComputationAllocatorBadOutcome", state=4, outcome=outcome):
            stage.judge(job, 0, outcome, round=1)
    assert stage.balance(p.provider) == balance


def test_trust_asks_for_more_than_one_newcomer(stage: Stage) -> None:
    """log2(3 - 1) = 1 bit. One accepted newcomer has log2(2 / 1) = 1 bit; with a failure it falls short."""
    p, q = ready(stage), ready(stage, 1)
    job = committed(stage, p, trust=3)
    stage.judge(job, 0, ACCEPT)
    assert stage.job(job)["state"] == SETTLED
    job = committed(stage, q, trust=5)
    stage.judge(job, 0, ACCEPT)
    assert stage.job(job)["state"] == 1
    assert stage.allocate(p).one("JobAllocated")["job"] == job
    stage.commit(p, job, 1)
    stage.judge(job, 1, ACCEPT)
    assert stage.registry.read("log2Odds", p.id) + stage.registry.read("log2Odds", q.id) >= 512
    assert stage.job(job)["state"] == SETTLED


def test_executions_for_confidence_are_charged_like_others(stage: Stage) -> None:
    p, q = ready(stage), ready(stage, 1)
    job = committed(stage, p, trust=5)
    stage.judge(job, 0, ACCEPT)
    before = stage.allocator.read("flow", 0)[3]
    assert stage.allocate(q).one("JobAllocated")["job"] == job
    assert stage.allocator.read("flow", 0)[3] == before + 192
    stage.commit(q, job, 1)
    stage.judge(job, 1, ACCEPT)
    assert before < stage.allocator.read("flow", 0)[3] < before + 192


def test_what_ends_unpaid_gives_back_all_of_its_time(stage: Stage) -> None:
    """Undecided for the second time, or without a verdict: else seconds of use, counted as a 31st, add up."""
    p = ready(stage)
    job = stage.submit(most=1)
    stage.allocate(p)
    stage.commit(p, job)
    stage.judge(job, 0, UNDECIDED)
    assert stage.allocator.read("flow", 0)[3] == 192
    stage.judge(job, 0, UNDECIDED, round=1)
    assert stage.allocator.read("flow", 0)[3] == 0
    silent = stage.submit(most=1)
    stage.allocate(p)
    stage.commit(p, silent)
    stage.wait(3601)
    assert stage.allocator.read("flow", 0)[3] == 192
    stage.allocator.send("expireExecution", silent, 0, by=stage.who.stranger)
    assert stage.allocator.read("flow", 0)[3] == 0


def test_distrust_takes_nothing_from_the_word_of_others(stage: Stage) -> None:
    """Two rejections and an acceptance have log2(2 / 3) < 0 bits, which do not lower a newcomer's 1 bit."""
    p, q = ready(stage), ready(stage, 1)
    for _ in range(2):
        stage.judge(committed(stage, p, most=1), 0, REJECT)
    job = committed(stage, p, trust=3)
    stage.judge(job, 0, ACCEPT)
    assert stage.registry.read("log2Odds", p.id) < 0
    assert stage.job(job)["state"] == 1
    assert stage.allocate(q).one("JobAllocated")["job"] == job
    stage.commit(q, job, 1)
    stage.judge(job, 1, ACCEPT)
    assert stage.job(job)["state"] == SETTLED


def test_short_of_trust_with_no_execution_left_fails_and_keeps_what_was_paid(stage: Stage) -> None:
    p = ready(stage)
    client = stage.who.clients[0]
    before = stage.balance(client)
    job = committed(stage, p, trust=100, most=1)
    done = stage.judge(job, 0, ACCEPT)
    assert done.one("JobClosed") == {"job": job, "state": FAILED, "refund": 0}
    assert stage.balance(client) == before - FEE


def test_weak_acceptance_weighs_a_tenth(stage: Stage) -> None:
    p = ready(stage)
    job = committed(stage, p)
    stage.judge(job, 0, ACCEPT, flags=1)
    assert stage.registry.read("reputation", p.id) == (256 + 26, 256)


def test_expiry_gives_everything_unpaid_back(stage: Stage) -> None:
    """I13: with every privileged role silent, in every state."""
    ps = [ready(stage, i) for i in range(3)]
    client = stage.who.clients[0]
    before = stage.balance(client)
    deadline = stage.now + 1000
    jobs = [stage.submit(redundancy=3, most=5, deadline=deadline)]
    for p in ps:
        stage.allocate(p)
    stage.commit(ps[1], jobs[0], 1)
    stage.commit(ps[2], jobs[0], 2)
    last = stage.judge(jobs[0], 2, UNDECIDED).time + VERDICT_WINDOW
    jobs.append(stage.submit(deadline=deadline))
    for until, job in ((deadline, jobs[1]), (last, jobs[0])):
        stage.wait_until(until)
        with refuses("ComputationAllocatorTooEarly", **{"job": job, "from": until}):
            stage.allocator.send("expire", job, by=stage.who.stranger)
        stage.wait_until(until + 1)
        done = stage.allocator.send("expire", job, by=stage.who.stranger)
    penalty = FEE // 10
    assert [v["from"] for v in done.of("ExecutionEnded")] == [1, 2, 3]
    assert stage.balance(client) == before + penalty
    assert [stage.job(job)["state"] for job in jobs] == [EXPIRED, EXPIRED]
    assert [stage.allocator.read("dispatch", p.id)[2] for p in ps] == [27, 27, 27]
    for index in (1, 2):
        with refuses("ComputationAllocatorBadOutcome"):
            stage.judge(jobs[0], index, ACCEPT, round=0 if index == 1 else 1)
    stage.check_ledger(jobs)


def test_no_deadline_is_so_tight_that_work_is_had_for_nothing(stage: Stage) -> None:
    """The least deadline that is taken, and a commitment at the last moment: the verdict has its window."""
    p, client = ready(stage), stage.who.clients[0]
    job = stage.submit(most=1, deadline=stage.now + 1 + 60 + 30 + 60)
    allocated = stage.allocate(p).time
    stage.wait_until(allocated + 60 + 30)
    committed = stage.commit(p, job).time
    before = stage.balance(p.provider)
    for time in (stage.job(job)["deadline"] + 1, committed + VERDICT_WINDOW):
        stage.wait_until(time)
        with refuses("ComputationAllocatorTooEarly", **{"job": job, "from": committed + VERDICT_WINDOW}):
            stage.allocator.send("expire", job, by=client)
    stage.judge(job, 0, ACCEPT)
    assert stage.balance(p.provider) == before + FEE
    assert stage.job(job)["state"] == SETTLED


def test_an_undecided_execution_has_its_second_look_before_its_job_is_closed(stage: Stage) -> None:
    """What another execution came to tells of the first one: a client cannot close the job in between."""
    first, second = ready(stage), ready(stage, 1)
    job = stage.submit(most=2, deadline=stage.now + 400)
    stage.allocate(first)
    stage.commit(first, job)
    stage.judge(job, 0, UNDECIDED)
    stage.allocate(second)
    stage.commit(second, job, 1)
    stage.wait_until(stage.job(job)["deadline"] + 3000)
    told = stage.judge(job, 1, ACCEPT).time
    stage.wait_until(told + VERDICT_WINDOW)
    with refuses("ComputationAllocatorTooEarly", **{"from": told + VERDICT_WINDOW}):
        stage.allocator.send("expire", job, by=stage.who.clients[0])
    stage.judge(job, 0, ACCEPT, round=1)
    assert (stage.job(job)["state"], stage.balance(first.provider)) == (
        SETTLED,
        stage.balance(second.provider),
    )


def test_windows_and_penalties_are_the_boards(stage: Stage) -> None:
    body = stage.who.committee[STANDARDS]
    stage.allocator.send("setTimes", 100, 5, 60, by=body)
    stage.allocator.send("setPenalties", 500, 10, by=body)
    p = ready(stage, bond=CREDIT * 100)
    job = stage.submit()
    assert stage.allocate(p).one("JobAllocated")["deadline"] == stage.time + 160
    stage.wait(162)
    done = stage.allocator.send("expireExecution", job, 0, by=stage.who.stranger)
    assert done.one("ExecutionEnded")["penalty"] == FEE // 2
    q = ready(stage, 1)
    assert stage.allocate(q).one("JobAllocated")["job"] == job
    stage.commit(q, job, 1)
    stage.wait(61)
    stage.allocator.send("expireExecution", job, 1, by=stage.who.stranger)
    r = ready(stage, 2, bond=CREDIT * 100)
    stage.allocate(r)
    stage.commit(r, job, 2)
    assert stage.judge(job, 2, FRAUD).one("Slashed")["amount"] == 10 * FEE


def test_grace_is_the_one_of_the_submission(stage: Stage) -> None:
    p = ready(stage)
    job = stage.submit()
    stage.allocator.send("setTimes", 3000, 60, 3600, by=stage.who.committee[STANDARDS])
    assert stage.allocate(p).one("JobAllocated")["deadline"] == stage.time + 90
    stage.commit(p, job)


def test_one_payee_cannot_block_another(stage: Stage) -> None:
    """I14: balances are pulled; a treasury or provider that takes nothing hinders nobody."""
    p, q = ready(stage), ready(stage, 1)
    stage.registry.send("setTreasury", stage.allocator.address, by=stage.admin)
    job = stage.submit(redundancy=2, most=2)
    stage.allocate(p)
    stage.allocate(q)
    stage.commit(p, job, 0)
    stage.commit(q, job, 1)
    stage.judge(job, 0, FRAUD)
    before = stage.balance(q.provider)
    stage.judge(job, 1, ACCEPT)
    assert stage.balance(q.provider) == before + FEE
    stage.allocator.send("withdraw", q.provider, FEE, by=q.provider)
