"""The reference model of the fair queue: each rule by example, and what must hold whatever happens."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queues import FAR, ask, finish, odds, queue

from qcrs.scheduling import Outcome, QueueRefusal, Reason, Request
from qcrs.scheduling.words import DIRECT, ExecutionState, JobState, required_odds


def test_an_idle_flow_starts_at_virtual_time_less_its_credit() -> None:
    model = queue(credit=100)
    model.time = 1000
    assert model.jobs[model.submit(ask(), 0, 0)].tag == 900
    model.time = 50
    other = model.submit(ask(1), 0, 0)
    assert model.jobs[other].tag == 0


def test_the_least_key_that_fits_goes_first() -> None:
    model = queue()
    model.submit(ask(0, qubits=20), 0, 0)
    wide = model.submit(ask(0, qubits=100), 0, 0)
    small = model.submit(ask(1, qubits=5), 0, 0)
    assert model.allocate(2, 1)[0] == 1  # flow 0, tag 0, before flow 1 with the same tag
    assert model.allocate(1, 2)[0] == small
    assert model.next_for(1, 3) == (0, Reason.UNSUITABLE)
    assert model.allocate(2, 3)[0] == wide
    assert model.next_for(2, 4) == (0, Reason.EMPTY)


def test_qubits_are_shared_and_returned_at_the_commitment() -> None:
    model = queue()
    jobs = [model.submit(ask(qubits=q), 0, 0) for q in (20, 7, 1)]
    assert [model.allocate(1, 1)[0] for _ in range(2)] == jobs[:2]
    assert model.processors[1].free == 0
    assert model.next_for(1, 1) == (0, Reason.BUSY)
    model.commit(jobs[0], 0, 5)
    assert model.processors[1].free == 20
    assert model.allocate(1, 6)[0] == jobs[2]


def test_a_processor_drains_for_a_front_that_waited_too_long() -> None:
    model = queue(weights=(100, 100), sizes=(100,), drain=100)
    running = model.submit(ask(0, qubits=60, declared=10), 0, 0)
    model.allocate(1, 0)
    wide = model.submit(ask(1, qubits=90, declared=10), 0, 0)
    others = [model.submit(ask(0, qubits=30, declared=10), 0, 0) for _ in range(3)]
    assert model.allocate(1, 1)[0] == others[0]
    model.time = model.jobs[wide].tag + 100
    assert model.next_for(1, 2) == (0, Reason.BUSY)
    model.time += 1
    assert model.next_for(1, 2) == (wide, Reason.DRAINING)
    with pytest.raises(QueueRefusal, match="DRAINING"):
        model.allocate(1, 2)
    model.commit(running, 0, 3)
    assert model.next_for(1, 3)[1] == Reason.DRAINING
    model.commit(others[0], 0, 4)
    assert model.allocate(1, 4)[0] == wide


def test_a_boost_spends_its_bucket_and_then_counts_for_nothing() -> None:
    model = queue(boosts=(0, 400, 900))  # type: ignore[arg-type] - a tuple among the integers
    model.set_quota(0, 2, capacity=1500, per_day=86_400, now=0)
    model.submit(ask(qubits=10, declared=100), 0, 0)
    boosted = model.submit(ask(qubits=10, declared=100, klass=2), 0, 0)
    plain = model.submit(ask(qubits=10, declared=100, klass=2), 0, 0)
    assert (model.jobs[boosted].klass, model.jobs[plain].klass) == (2, 0)
    assert model.quotas[0, 2].available(0) == 500
    assert model.quotas[0, 2].available(600) == 1100
    assert model.quotas[0, 2].available(FAR) == 1500
    model.allocate(1, 1)
    assert model.flows[0].lane == (max(0, 640 - 900), 10, 0)


def test_a_quota_is_spent_when_a_job_comes_and_not_saved_in_jobs_that_go() -> None:
    model = queue()
    model.set_quota(0, 1, capacity=3000, per_day=0, now=0)
    early = model.submit(ask(klass=1), 0, 0)
    late = model.submit(ask(klass=1, deadline=500), 0, 0)
    model.cancel(early, 0, 1)
    model.expire(late, 501)
    assert model.quotas[0, 1].tokens == 1000


def test_eight_flows_at_a_time_are_looked_into() -> None:
    """Four by their turn, four by their key: behind a crowd in another one something is seen later."""
    model = queue(weights=(100,) * 20, sizes=(27,))
    for flow in range(20):
        model.submit(ask(flow, quality=4000), 0, 0)
    hidden = {flow: model.submit(ask(flow, qubits=1, declared=1), 0, 0) for flow in (9, 19)}
    seen = [model.next_for(1, now)[0] for now in range(0, 80, 16)]
    assert seen == [0, 0, hidden[9], 0, hidden[19]]


@pytest.mark.parametrize("flows", [9, 64])
def test_a_processor_drains_for_a_late_job_behind_one_that_it_cannot_run(flows: int) -> None:
    """However many flows there are: flows that are late are the first by their keys."""
    model = queue(weights=(100,) * flows, sizes=(10,), drain=100)
    late = flows - 1
    for n in range(200):
        model.submit(ask(0, qubits=5, declared=90 + 31 * (n % 2)), 1, 0)
    model.submit(ask(late, qubits=1, declared=1, quality=4095), 9, 0)
    wide = model.submit(ask(late), 9, 0)
    running: list[tuple[int, int, int]] = []
    for now in range(4000):
        for entry in [entry for entry in running if entry[0] <= now]:
            running.remove(entry)
            finish(model, entry[1], entry[2], now)
        while model.next_for(1, now)[1] == Reason.NONE:
            job, number = model.allocate(1, now)
            running.append((now + model.jobs[job].request.declared, job, number))
    assert model.jobs[wide].state == JobState.SETTLED
    assert model.jobs[wide].executions[0].since < 1000


def test_dead_jobs_behind_a_live_one_that_is_passed_over_are_skimmed() -> None:
    model = queue(sizes=(27,))
    model.submit(ask(quality=4000), 0, 0)
    for _ in range(30):
        model.cancel(model.submit(ask(), 0, 0), 0, 0)
    last = model.submit(ask(), 0, 0)
    assert model.next_for(1, 0) == (0, Reason.UNSUITABLE)
    assert [model.skim(0, 20, 0), model.skim(0, 20, 0)] == [20, 10]
    assert model.next_for(1, 0) == (last, Reason.NONE)
    assert model.skim(0, 20, 0) == 0


def test_a_processor_is_told_that_dead_jobs_stand_in_its_own_queue() -> None:
    model = queue(sizes=(27,))
    for _ in range(24):
        model.submit(ask(target=1, deadline=200), 0, 0)
    test = model.submit(ask(target=1), 0, 0)
    assert model.next_for(1, 150) == (0, Reason.BACKLOG)
    assert model.skim(DIRECT | 1, 100, 150) == 24
    assert model.next_for(1, 150) == (test, Reason.NONE)


def test_a_job_that_a_processor_cannot_run_is_passed_over_and_keeps_its_place() -> None:
    model = queue(sizes=(27, 27, 27))
    model.certify(3, 4000, FAR)
    never = model.submit(ask(quality=4000, qubits=1, declared=1), 0, 0)
    jobs = [model.submit(ask(), 0, 0) for _ in range(3)]
    assert [model.allocate(1, 1)[0] for _ in range(2)] == jobs[:2]
    assert (model.jobs[never].following, model.queues[0].removed) == (4, 0)
    assert model.allocate(3, 2)[0] == never
    assert model.queues[0].removed == 3
    assert model.allocate(2, 3)[0] == jobs[2]


def test_targeted_jobs_wait_apart_and_need_no_certificate() -> None:
    model = queue(sizes=(27, 127))
    mine = model.submit(ask(target=1), 0, 0)
    other = model.submit(ask(qubits=100), 0, 0)
    assert mine >> 40 == DIRECT | 1
    assert model.allocate(1, 1)[0] == mine
    assert model.flows[0].finish == 640  # it is charged to its flow, whose front comes later for it
    assert model.flows[0].lane == (640, 100, 0)
    assert model.allocate(2, 3)[0] == other
    model.certify(1, 0, 0)
    again = model.submit(ask(target=1), 0, 3)
    assert model.allocate(1, 4)[0] == again
    assert model.next_for(1, 4) == (0, Reason.NO_CERTIFICATE)
    assert model.next_for(2, 4) == (0, Reason.EMPTY)


def test_quality_and_certificates_are_respected() -> None:
    model = queue(sizes=(27, 27))
    job = model.submit(ask(quality=2501), 0, 0)
    assert model.next_for(1, 1) == (0, Reason.UNSUITABLE)
    model.certify(1, 2501, 50)
    assert model.next_for(1, 49) == (job, Reason.NONE)
    assert model.next_for(1, 50) == (0, Reason.NO_CERTIFICATE)
    model.processors[1].blocked = True
    assert model.next_for(1, 1)[1] == Reason.SUSPENDED


def test_redundant_executions_go_to_distinct_providers() -> None:
    model = queue(sizes=(27, 27, 27))
    model.processors[2].provider = 1
    job = model.submit(ask(redundancy=2, executions=3), 0, 0)
    later = model.submit(ask(), 0, 0)
    assert model.allocate(1, 1) == (job, 0)
    assert model.jobs[job].state == JobState.QUEUED
    assert model.allocate(2, 2) == (later, 0)  # the same provider: the flow offers its next job
    assert model.allocate(3, 3) == (job, 1)
    assert model.jobs[job].state == JobState.ACTIVE
    finish(model, job, 0, 10)
    assert model.jobs[job].state == JobState.ACTIVE
    finish(model, job, 1, 11)
    assert model.jobs[job].state == JobState.SETTLED


@pytest.mark.parametrize("outcome", [Outcome.REJECT, Outcome.UNDECIDED, Outcome.FRAUD])
def test_a_failed_execution_returns_to_the_front_of_its_flow(outcome: Outcome) -> None:
    """And the flow to where it was, as soon as the execution ended; undecided it may still be paid."""
    model = queue(sizes=(27, 27))
    first = model.submit(ask(executions=2), 0, 0)
    second = model.submit(ask(), 0, 0)
    model.allocate(1, 1)
    finish(model, first, 0, 10, outcome)
    undecided = outcome == Outcome.UNDECIDED
    assert model.flows[0].lane == (640 if undecided else 0, 10, 0)
    assert model.next_for(2, 11) == (first, Reason.NONE)
    assert model.next_for(1, 11) == (second, Reason.NONE)
    assert model.allocate(2, 12) == (first, 1)
    finish(model, first, 1, 13)
    assert model.jobs[first].state == (JobState.ACTIVE if undecided else JobState.SETTLED)


def test_an_undecided_execution_can_still_be_decided() -> None:
    model = queue()
    job = model.submit(ask(executions=2), 0, 0)
    model.allocate(1, 1)
    finish(model, job, 0, 2, Outcome.UNDECIDED)
    assert model.jobs[job].state == JobState.QUEUED
    model.judge(job, 0, Outcome.ACCEPT, 3, odds)
    assert model.jobs[job].state == JobState.SETTLED
    assert model.next_for(2, 4) == (0, Reason.EMPTY)


def test_executions_run_out() -> None:
    model = queue()
    job = model.submit(ask(), 0, 0)
    model.allocate(1, 1)
    finish(model, job, 0, 2, Outcome.REJECT)
    assert model.jobs[job].state == JobState.FAILED
    model.judge(job, 0, Outcome.FRAUD, 3, odds)
    assert model.jobs[job].executions[0].state == ExecutionState.FRAUDULENT
    with pytest.raises(QueueRefusal, match="BadOutcome"):
        model.judge(job, 0, Outcome.ACCEPT, 4, odds)


def test_short_confidence_asks_for_another_execution() -> None:
    model = queue(sizes=(27, 27))
    job = model.submit(ask(executions=2, trust=5), 0, 0)
    model.allocate(1, 1)
    finish(model, job, 0, 2)
    assert model.jobs[job].state == JobState.QUEUED  # 256 of 512 needed
    model.allocate(2, 3)
    finish(model, job, 1, 4)
    assert model.jobs[job].state == JobState.SETTLED


def test_a_queued_job_is_cancelled_by_its_client() -> None:
    model = queue()
    job = model.submit(ask(qubits=7, declared=11), 3, 0)
    other = model.submit(ask(), 4, 0)
    with pytest.raises(QueueRefusal, match="NotClient"):
        model.cancel(job, 4, 0)
    model.cancel(job, 3, 0)
    assert model.next_for(1, 1) == (other, Reason.NONE)
    model.allocate(1, 1)
    with pytest.raises(QueueRefusal, match="BadJobState"):
        model.cancel(other, 4, 2)


def test_overdue_executions_free_the_processor_and_requeue() -> None:
    model = queue(sizes=(27, 27))
    job = model.submit(ask(executions=2), 0, 0)
    model.allocate(1, 10)
    with pytest.raises(QueueRefusal, match="TooEarly"):
        model.expire_execution(job, 0, 140, odds)
    with pytest.raises(QueueRefusal, match="TooLate"):
        model.commit(job, 0, 141)
    model.expire_execution(job, 0, 141, odds)
    assert model.processors[1].free == 27
    assert model.next_for(1, 142) == (0, Reason.EMPTY)
    assert model.allocate(2, 142) == (job, 1)
    model.commit(job, 1, 150)
    model.expire_execution(job, 1, 150 + 3601, odds)
    assert model.jobs[job].state == JobState.FAILED


def test_a_job_ends_at_its_deadline() -> None:
    model = queue()
    job = model.submit(ask(deadline=500), 0, 0)
    late = model.submit(ask(deadline=500), 0, 0)
    model.allocate(1, 10)
    assert model.next_for(2, 310) == (late, Reason.NONE)
    assert model.next_for(2, 311) == (0, Reason.BACKLOG)  # too late to be run in time
    model.expire(job, 501)
    assert model.jobs[job].state == JobState.EXPIRED
    assert model.jobs[job].executions[0].state == ExecutionState.ENDED
    assert model.processors[1].free == 27
    assert model.queues[0].removed == 2  # the dead entry went with it


def test_requests_outside_their_ranges_are_refused() -> None:
    model = queue()
    for request, name in (
        (ask(7), "UnknownFlow"),
        (ask(qubits=0), "BadRequest"),
        (ask(redundancy=2, executions=1), "BadRequest"),
        (ask(target=1, executions=2), "BadRequest"),
        (ask(target=1, quality=1), "BadRequest"),
        (ask(trust=1), "BadRequest"),
        (ask(deadline=189), "BadDeadline"),
        (ask(target=9), "BadTarget"),
        (ask(target=1, qubits=28), "BadTarget"),
    ):
        with pytest.raises(QueueRefusal, match=name):
            model.submit(request, 0, 0)
    assert model.submit(ask(deadline=190), 0, 0) == 1


def test_required_odds_are_the_logarithm_rounded_up() -> None:
    assert required_odds(2) == 0
    for power in range(1, 8):
        assert required_odds(2**power + 1) == 256 * power
    for trust in range(3, 256):
        need = required_odds(trust)
        # 2^(need/256) >= trust - 1 > 2^((need - 1)/256), exactly.
        assert Fraction(2) ** need >= Fraction(trust - 1) ** 256 > Fraction(2) ** (need - 1)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_invariants_hold_under_any_sequence(data: st.DataObject) -> None:
    model = queue(weights=(50, 100, 400), sizes=(5, 9, 20), drain=200)
    now, clock = 0, 0
    for _ in range(data.draw(st.integers(1, 60))):
        now += data.draw(st.integers(0, 40))
        act = data.draw(st.sampled_from(["submit", "allocate", "commit", "judge", "expire", "overdue"]))
        running = [
            (identity, number, execution)
            for identity, job in model.jobs.items()
            for number, execution in enumerate(job.executions)
        ]
        try:
            if act == "submit":
                redundancy = data.draw(st.integers(1, 2))
                request = Request(
                    data.draw(st.integers(0, 2)),
                    data.draw(st.integers(1, 20)),
                    data.draw(st.integers(1, 50)),
                    now + 140 + data.draw(st.integers(0, 300)),
                    redundancy=redundancy,
                    executions=redundancy + data.draw(st.integers(0, 2)),
                )
                model.submit(request, 0, now)
            elif act == "allocate":
                model.allocate(data.draw(st.integers(1, 3)), now)
            elif act == "expire" and model.jobs:
                model.expire(data.draw(st.sampled_from(sorted(model.jobs))), now)
            elif running:
                identity, number, _ = data.draw(st.sampled_from(running))
                if act == "commit":
                    model.commit(identity, number, now)
                elif act == "judge":
                    model.judge(identity, number, data.draw(st.sampled_from(list(Outcome))), now, odds)
                else:
                    model.expire_execution(identity, number, now, odds)
        except QueueRefusal:
            pass
        assert model.time >= clock  # virtual time is monotone
        clock = model.time
        for number, processor in model.processors.items():
            held = sum(
                job.request.qubits
                for job in model.jobs.values()
                for e in job.executions
                if e.processor == number and e.state == ExecutionState.ALLOCATED
            )
            assert processor.free + held == processor.qubits
        for job in model.jobs.values():
            assert len({e.processor for e in job.executions}) == len(job.executions)
            assert len(job.executions) <= job.request.executions
            accepted, running_now, undecided = job.tally()
            if job.state in (JobState.SETTLED, JobState.FAILED, JobState.EXPIRED):
                assert running_now + undecided == 0
            if job.state == JobState.SETTLED:
                assert accepted >= job.request.redundancy
    live = [j for j in model.jobs.values() if j.state == JobState.QUEUED]
    tags = sorted(j.tag for j in live)
    assert all(tag >= 0 for tag in tags)


def test_two_saturated_flows_stay_within_the_bound_of_start_time_fair_queueing() -> None:
    # |W_f / w_f - W_g / w_g| <= l_f / w_f + l_g / w_g while both are backlogged (one server at a time).
    weights = (100, 300)
    model = queue(weights=weights, sizes=(30,), drain=1 << 36)
    costs = (30 * 90, 30 * 20)
    for flow, declared in ((0, 90), (1, 20)):
        for _ in range(120):
            model.submit(Request(flow, 30, declared, 10_000_000), 0, 0)
    served, now = [0, 0], 0
    bound = costs[0] / weights[0] + costs[1] / weights[1]
    for _ in range(60):
        job, number = model.allocate(1, now)
        now += model.jobs[job].request.declared
        finish(model, job, number, now)
        flow = model.jobs[job].request.flow
        served[flow] += costs[flow]
        assert abs(served[0] / weights[0] - served[1] / weights[1]) <= bound
