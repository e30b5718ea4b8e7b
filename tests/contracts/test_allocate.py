"""Who gets what: the fair queue's rule on the contract."""

from __future__ import annotations

import pytest
from contract_stage import refuses
from exchange_stage import (
    ACCEPT,
    ALLOCATION,
    CERTIFICATION,
    REJECT,
    SECURITY,
    Processor,
    Stage,
)
from queue_stage import (
    BACKLOG,
    BUSY,
    DRAINING,
    EMPTY,
    NO_CERTIFICATE,
    PAUSED,
    SUSPENDED,
    UNSUITABLE,
    given,
    nothing,
    ready,
)

from qcrs.node.worker import ALLOCATE_GAS


def test_flows_take_turns_by_weight_of_their_work(flows: Stage) -> None:
    p = ready(flows, qubits=4095)
    heavy = [flows.submit(flow=0, qubits=10, seconds=60) for _ in range(3)]
    light = [flows.submit(flow=1, qubits=5, seconds=60) for _ in range(6)]
    order = [given(flows, p) for _ in range(9)]
    assert order == [heavy[0], light[0], light[1], heavy[1], light[2], light[3], heavy[2], light[4], light[5]]
    assert flows.allocator.read("virtualTime") == 960  # of light[5]: five jobs of 192 before it
    nothing(flows, p, EMPTY)


def test_only_operator_and_provider_ask(stage: Stage) -> None:
    p = ready(stage)
    stage.submit()
    with refuses("ComputationAllocatorNotOperator", processor=p.id, caller=stage.who.stranger):
        stage.allocator.send("allocate", p.id, by=stage.who.stranger)
    with refuses("ComputationAllocatorUnknownProcessor", processor=9):
        stage.allocator.send("allocate", 9, by=p.operator)
    with refuses("ComputationAllocatorUnknownProcessor", processor=9):
        stage.allocator.read("nextFor", 9)
    stage.allocator.send("allocate", p.id, by=p.provider)


def test_reasons_for_nothing(stage: Stage) -> None:
    p = stage.register()
    nothing(stage, p, NO_CERTIFICATE)
    stage.certify(p.id, quality=1000)
    nothing(stage, p, EMPTY)
    wide = stage.submit(qubits=28)
    nothing(stage, p, UNSUITABLE)
    stage.allocator.send("cancel", wide, by=stage.who.clients[0])
    better = stage.submit(quality=1001)
    nothing(stage, p, UNSUITABLE)
    stage.allocator.send("cancel", better, by=stage.who.clients[0])
    stage.submit(qubits=20, quality=1000)
    stage.submit(qubits=20)
    given(stage, p)
    nothing(stage, p, BUSY)
    stage.registry.send("setSuspended", p.id, True, by=stage.who.committee[CERTIFICATION])
    nothing(stage, p, SUSPENDED)
    stage.registry.send("setSuspended", p.id, False, by=stage.who.committee[CERTIFICATION])
    stage.allocator.send("setPaused", True, by=stage.who.committee[SECURITY])
    nothing(stage, p, PAUSED)
    stage.allocator.send("setPaused", False, by=stage.who.committee[SECURITY])
    stage.wait(30 * 86_400)
    nothing(stage, p, NO_CERTIFICATE)


def test_processors_share_their_qubits_and_never_more(stage: Stage) -> None:
    p = ready(stage, qubits=10)
    for _ in range(4):
        stage.submit(qubits=4)
    jobs = [given(stage, p), given(stage, p)]
    assert stage.allocator.read("dispatch", p.id)[1:3] == (10, 2)
    nothing(stage, p, BUSY)
    stage.commit(p, jobs[1])
    given(stage, p)
    nothing(stage, p, BUSY)


def test_direct_jobs_need_no_certificate_and_block_no_one(stage: Stage) -> None:
    p, q = stage.register(), ready(stage, 1)
    stage.submit(flow=0)
    direct = stage.submit(target=p.id, most=1)
    assert given(stage, p) == direct
    assert given(stage, q) == 1
    nothing(stage, p, NO_CERTIFICATE)


def test_no_targeted_job_keeps_a_processor_from_its_capability_test(stage: Stage) -> None:
    """A stranger cannot ask for what the processor has not, and what it can outlives no certificate."""
    p = ready(stage, qubits=10)
    year = {"target": p.id, "most": 1, "seconds": 1, "deadline": stage.now + 364 * 86_400}
    for quality in (1, 4095):
        with refuses("ComputationAllocatorBadRequest", value=quality, most=0):
            stage.submit(client=1, quality=quality, **year)
    with refuses("ComputationAllocatorBadTarget"):
        stage.submit(client=1, qubits=11, **year)
    widest = stage.submit(client=1, qubits=10, **year)
    stage.wait(21 * 86_400)  # the certificate ran out before the processor asked
    test = stage.submit(target=p.id, most=1)
    assert given(stage, p) == widest
    stage.commit(p, widest)
    assert given(stage, p) == test


def test_direct_jobs_compete_by_their_flows_tags(flows: Stage) -> None:
    p = ready(flows)
    flows.submit(flow=0, qubits=20, seconds=60)
    direct = flows.submit(flow=0, target=p.id, most=1, qubits=1)
    other = flows.submit(flow=1, qubits=1)
    assert [given(flows, p) for _ in range(3)] == [1, other, direct]


def test_drain_keeps_wide_jobs_from_starving(flows: Stage) -> None:
    flows.allocator.send("setQueueing", 300, 0, by=flows.who.committee[ALLOCATION])
    p = ready(flows, qubits=10)
    small = [flows.submit(flow=0, qubits=5, seconds=60) for _ in range(8)]
    running = given(flows, p)
    wide = flows.submit(flow=1, qubits=10, seconds=60)
    passed = 0
    while flows.allocator.read("nextFor", p.id)[1] != DRAINING:
        job = given(flows, p)
        flows.commit(p, job)
        passed += 1
    assert flows.allocator.read("virtualTime") - flows.job(wide)["tag"] > 300
    assert 0 < passed < len(small) - 1
    nothing(flows, p, DRAINING, wide)
    flows.commit(p, running)
    time = flows.allocator.read("virtualTime")
    assert given(flows, p) == wide
    assert flows.allocator.read("virtualTime") == time > flows.starts[wide]  # it never runs back


def test_a_boost_puts_a_wide_job_ahead_but_drains_no_sooner(flows: Stage) -> None:
    body, drain, boost = flows.who.committee[ALLOCATION], 1000, 500
    flows.allocator.send("setQueueing", drain, 0, by=body)
    flows.allocator.send("setClass", 2, 4000, boost, by=body)
    flows.allocator.send("setQuota", 1, 2, 10**6, 0, by=body)
    p = ready(flows, qubits=10)
    small = [flows.submit(flow=0, qubits=5, seconds=60) for _ in range(12)]
    given(flows, p)
    for _ in range(3):
        flows.commit(p, given(flows, p))
    wide = flows.submit(flow=1, qubits=10, seconds=60, **{"class": 2})
    tag = flows.job(wide)["tag"]
    assert flows.job(wide)["boosted"]
    assert tag > boost  # its key is not its tag
    times = []
    while flows.allocator.read("nextFor", p.id)[1] != DRAINING:  # narrow jobs fill what is free meanwhile
        flows.commit(p, given(flows, p))
        times.append(flows.allocator.read("virtualTime"))
    assert times[-1] > tag + drain >= times[-2] > tag + drain - boost  # its tag was late, not the boosted key
    assert len(times) < len(small) - 4
    nothing(flows, p, DRAINING, wide)


def test_returned_job_keeps_its_place_and_avoids_its_providers(stage: Stage) -> None:
    first, second = ready(stage), ready(stage, 1)
    job, later = stage.submit(), stage.submit()
    assert given(stage, first) == job
    stage.commit(first, job)
    stage.judge(job, 0, REJECT)
    assert stage.job(job)["state"] == 1
    assert stage.allocator.read("queue", 0) == (2, 3, 1, 1)
    assert given(stage, first) == later
    assert given(stage, second) == job
    assert stage.allocator.read("queue", 0) == (3, 3, 0, 0)
    nothing(stage, first, EMPTY)


def test_all_processors_of_a_provider_are_avoided(stage: Stage) -> None:
    first, other = ready(stage), ready(stage, 0)
    assert first.provider == other.provider
    job = stage.submit(redundancy=2)
    assert given(stage, first) == job
    nothing(stage, other, EMPTY)
    assert given(stage, ready(stage, 1)) == job


def test_redundant_jobs_run_side_by_side(stage: Stage) -> None:
    ps = [ready(stage, i) for i in range(3)]
    job = stage.submit(redundancy=2, most=2)
    assert stage.allocate(ps[0]).names == ["JobAllocated", "JobRequeued"]
    assert stage.job(job)["state"] == 1
    assert stage.allocate(ps[1]).names == ["JobAllocated"]
    assert stage.job(job)["state"] == 2
    nothing(stage, ps[2], EMPTY)


def test_returned_jobs_are_a_queue_of_their_own(stage: Stage) -> None:
    """Three return in another order than they came; another provider gets them in the order of return."""
    first, second = ready(stage, qubits=100), ready(stage, 1, qubits=100)
    jobs = [stage.submit() for _ in range(5)]
    for job in jobs[:3]:
        assert given(stage, first) == job
        stage.commit(first, job)
    order = [jobs[1], jobs[2], jobs[0]]
    for job in order:
        stage.judge(job, 0, REJECT)
    assert given(stage, first) == jobs[3]  # all three are passed over
    assert [given(stage, second) for _ in range(4)] == [*order, jobs[4]]


def test_unlinking_from_the_middle_keeps_the_list(stage: Stage) -> None:
    """The middle one of three returned jobs goes to a provider that had the others; the list still holds."""
    a, b, c = (ready(stage, i, qubits=100) for i in range(3))
    jobs = [stage.submit() for _ in range(3)]
    for p, job in zip((a, b, a), jobs, strict=True):
        assert given(stage, p) == job
        stage.commit(p, job)
    for job in jobs:
        stage.judge(job, 0, REJECT)
    assert given(stage, a) == jobs[1]
    assert stage.allocator.read("queue", 0)[2:] == (1, 3)
    assert given(stage, b) == jobs[0]
    assert stage.allocator.read("queue", 0)[2:] == (3, 3)
    assert given(stage, c) == jobs[2]
    assert stage.allocator.read("queue", 0)[2:] == (0, 0)


def test_dead_entries_are_skipped_and_skimmed(stage: Stage) -> None:
    p = ready(stage)
    client = stage.who.clients[0]
    jobs = [stage.submit() for _ in range(6)]
    for job in jobs[1:4]:
        stage.allocator.send("cancel", job, by=client)
    assert given(stage, p) == jobs[0]
    assert given(stage, p) == jobs[4]
    short = stage.submit(deadline=stage.now + 151)
    stage.allocator.send("cancel", jobs[5], by=client)
    stage.wait(10)
    nothing(stage, p, BACKLOG)
    assert stage.allocator.read("lane", 0) != 0
    stage.allocator.send("skim", 0, 10, by=stage.who.stranger)
    assert stage.allocator.read("lane", 0) == 0
    assert stage.allocator.read("queue", 0)[:2] == (8, 8)
    assert stage.job(short)["state"] == 1
    stage.wait(200)
    stage.allocator.send("expire", short, by=stage.who.stranger)


def test_a_dead_entry_too_wide_for_a_processor_hides_nothing(stage: Stage) -> None:
    p = ready(stage)
    wide = stage.submit(qubits=28, deadline=stage.now + 200)
    alive = stage.submit()
    lane = stage.allocator.read("lane", 0)
    stage.wait(200)
    assert stage.allocator.read("lane", 0) == lane
    assert given(stage, p) == alive
    stage.allocator.send("expire", wide, by=stage.who.stranger)


def test_what_no_processor_can_run_stops_nobody_behind_it(stage: Stage) -> None:
    """Each processor is offered the first job that it can run; who waits keeps its place."""
    p, strong = ready(stage), ready(stage, 1, qubits=100, quality=3000)
    year = stage.now + 364 * 86_400
    never = stage.submit(client=1, qubits=1, seconds=1, quality=4095, deadline=year)
    wide, good = stage.submit(qubits=50), stage.submit(quality=2500)
    jobs = [stage.submit() for _ in range(3)]
    assert [given(stage, p) for _ in jobs] == jobs
    nothing(stage, p, UNSUITABLE)
    assert [given(stage, strong) for _ in range(2)] == [wide, good]
    nothing(stage, strong, UNSUITABLE)
    stage.commit(strong, good)
    stage.judge(good, 0, REJECT)  # it returned, and nobody else is good enough
    later = stage.submit()
    assert given(stage, p) == later
    assert stage.allocator.read("queue", 0)[:2] == (never, later + 1)
    assert given(stage, ready(stage, 2, quality=4095)) == good
    assert given(stage, ready(stage, 3, quality=4095)) == never
    assert stage.allocator.read("queue", 0)[:2] == (later + 1, later + 1)
    assert stage.allocator.read("lane", 0) == 0


def test_who_stands_behind_an_unfit_job_is_ranked_by_its_own_tag(flows: Stage) -> None:
    p = ready(flows)
    flows.submit(flow=0, qubits=28, seconds=60)
    behind, next_ = (flows.submit(flow=0) for _ in range(2))
    first, second = (flows.submit(flow=1, seconds=200) for _ in range(2))
    assert [given(flows, p) for _ in range(4)] == [behind, first, next_, second]
    assert [flows.starts[job] for job in (behind, first, next_, second)] == [0, 0, 192, 640]


def test_unfit_jobs_are_passed_over_as_far_as_is_looked(stage: Stage) -> None:
    p, client = ready(stage), stage.who.clients[0]
    many = stage.allocator.send("submitMany", [stage.request(quality=2001, qubits=1)] * 24, by=client)
    job = stage.submit()
    nothing(stage, p, UNSUITABLE)
    stage.allocator.send("cancel", many.one("JobSetSubmitted")["jobs"][7], by=client)
    nothing(stage, p, UNSUITABLE)
    stage.allocator.send("cancel", many.one("JobSetSubmitted")["jobs"][0], by=client)
    assert given(stage, p) == job
    assert stage.allocator.read("queue", 0)[:2] == (2, 26)
    later = stage.submit()
    assert given(stage, p) == later  # what is gone is not looked at again


def test_a_long_run_of_dead_entries_is_a_backlog(stage: Stage) -> None:
    """More dead entries than one call looks at: named as such, and skimmed by anyone."""
    p = ready(stage)
    short = stage.now + 400
    stage.allocator.send(
        "submitMany", [stage.request(deadline=short, most=1) for _ in range(30)], by=stage.who.clients[0]
    )
    alive = stage.submit()
    stage.wait(400)
    nothing(stage, p, BACKLOG)
    assert stage.allocator.send("skim", 0, 20, by=stage.who.stranger).gas < 200_000
    assert given(stage, p) == alive


def test_a_job_that_cannot_end_in_time_is_not_handed_out(stage: Stage) -> None:
    p = ready(stage)
    job = stage.submit(deadline=stage.now + 160)
    assert given(stage, p) == job
    job = stage.submit(deadline=stage.now + 160)
    stage.wait_until(stage.job(job)["deadline"] - 149)
    nothing(stage, p, BACKLOG)


def test_settled_job_leaves_the_returned_list_dead(stage: Stage) -> None:
    p, q = ready(stage), ready(stage, 1)
    job = stage.submit()
    given(stage, p)
    stage.commit(p, job)
    stage.judge(job, 0, 2)
    assert stage.job(job)["state"] == 1
    stage.judge(job, 0, ACCEPT, round=1)
    assert stage.job(job)["state"] == 3
    nothing(stage, q, EMPTY)
    later = stage.submit()
    assert given(stage, q) == later


def test_credit_lets_idle_flows_start_earlier(flows: Stage) -> None:
    flows.allocator.send("setQueueing", 2000, 100, by=flows.who.committee[ALLOCATION])
    p = ready(flows, qubits=4095)
    for _ in range(3):
        flows.submit(flow=0)
    for _ in range(3):
        given(flows, p)
    v = flows.allocator.read("virtualTime")
    assert v == 2 * 192
    assert flows.job(flows.submit(flow=1))["tag"] == v - 100
    flows.submit(flow=0)
    assert [flows.allocate(p).one("JobAllocated")["tag"] for _ in range(2)] == [v - 100, 3 * 192]


@pytest.mark.parametrize(
    ("crowds", "most"), [(20, 1_000_000), pytest.param(63, 2_500_000, marks=pytest.mark.slow)]
)
def test_what_is_handed_out_in_one_call_costs_no_more_by_crowds_in_many_flows(
    stage: Stage, crowds: int, most: int
) -> None:
    """Eight flows are looked into, four by their key, others in their turn; and fronts count always."""
    a, body = stage.allocator, stage.who.committee[ALLOCATION]
    p = ready(stage)
    for _ in range(crowds):
        a.send("openFlow", stage.admin, 100, True, by=body)
    stage.submit()
    given(stage, p)  # so that the crowds' turn comes first
    for flow in range(1, crowds + 1):
        crowd = [stage.request(flow=flow, quality=4095, qubits=1, seconds=1)] * 24
        a.send("submitMany", crowd, by=stage.who.clients[flow % 4])
    job = stage.submit(seconds=600)
    done = stage.allocate(p)
    assert done.one("JobAllocated")["job"] == job
    assert done.gas < most < ALLOCATE_GAS
    behind = []
    for flow in (10, 20):
        a.send("cancel", flow << 40 | 1, by=stage.who.clients[flow % 4])
        behind.append(stage.submit(flow=flow))
    seen = set()
    for _ in range(crowds // 4 + 2):
        seen.add(a.read("nextFor", p.id)[0])
        stage.wait(16)
    assert seen == {0, *behind}


@pytest.mark.slow
def test_the_dearest_call_is_one_that_a_node_pays(stage: Stage) -> None:
    """64 flows: in eight each list has 24 entries that are read, returned ones that the provider had as
    the last of four; 55 others have one of each; 24 dead ones are in the processor's own queue."""
    a, owner = stage.allocator, stage.who.clients[1]
    victim, certified = ready(stage, qubits=4000), ready(stage, 4, qubits=4000, quality=4000)

    def take(p: Processor) -> None:
        while a.read("nextFor", p.id)[1] != 0:
            stage.wait(16)
        stage.allocate(p)

    def many(count: int, **request: int) -> None:
        a.send("submitMany", [stage.request(qubits=1, **request)] * count, by=owner)

    for weight in (10, 10, 10, 100_000):
        a.send("openFlow", owner, weight, False, by=stage.who.committee[ALLOCATION])
    for _ in range(7):
        a.send("splitFlow", 4, 10_000, owner, by=owner)
    far, soon = stage.now + 300 * 86_400, stage.now + 1500
    crowded = range(4, 12)
    for flow in crowded:
        many(16, flow=flow, quality=3000, seconds=1, redundancy=2, most=2, deadline=soon)
    for _ in range(16 * 8):
        stage.allocate(certified)
    for flow in crowded:
        many(8, flow=flow, seconds=1, redundancy=5, most=5, deadline=far)
    stage.wait(max(1, soon - stage.now))
    for index in (1, 2, 3):  # each execution by another processor: four providers to be read
        for _ in range(64):
            p = stage.register(index, qubits=100, bond=1)
            stage.certify(p.id)
            take(p)
    for _ in range(64):
        take(victim)
    for flow in crowded:
        many(24, flow=flow, quality=4095, seconds=1, most=1, deadline=far)
    for _ in range(2):  # so that the other flows' keys are later
        stage.submit(0, qubits=20, seconds=600)
        take(victim)
    for _ in range(52):
        a.send("splitFlow", 4, 10, owner, by=owner)
    for flow in (1, 2, 3, *range(12, 64)):
        many(1, flow=flow, seconds=1, redundancy=2, most=2, deadline=far)
        take(victim)
        many(1, flow=flow, quality=4095, seconds=1, most=1, deadline=far)
    many(24, target=victim.id, seconds=60, most=1, deadline=stage.now + 160)
    job = stage.submit(0, qubits=1, seconds=60, deadline=far)
    stage.wait(100)
    while stage.now // 16 % 16 != 1 or stage.now % 16 > 8:
        stage.wait(1)
    done = stage.allocate(victim)
    assert done.one("JobAllocated")["job"] == job
    assert 3_500_000 < done.gas < 4_000_000 < ALLOCATE_GAS


def test_what_is_late_is_looked_for_whatever_the_time(stage: Stage) -> None:
    """Of twelve flows four have their turn; the first by their keys are looked into as well."""
    p = ready(stage)
    for _ in range(11):
        stage.allocator.send("openFlow", stage.admin, 100, True, by=stage.who.committee[ALLOCATION])
    stage.submit(flow=11, quality=4095, qubits=1, seconds=1)
    hidden = stage.submit(flow=11)
    for _ in range(3):
        assert stage.allocator.read("nextFor", p.id) == (hidden, 0)
        stage.wait(16)


def test_dead_jobs_behind_one_that_is_passed_over_are_skimmed(stage: Stage) -> None:
    a, p, client = stage.allocator, ready(stage), stage.who.clients[0]
    never = stage.submit(client=1, qubits=1, seconds=1, quality=4095, deadline=stage.now + 364 * 86_400)
    dead = a.send("submitMany", [stage.request()] * 24, by=client).one("JobSetSubmitted")["jobs"]
    for one in dead:
        a.send("cancel", one, by=client)
    job = stage.submit()
    nothing(stage, p, UNSUITABLE)
    stage.allocator.send("skim", 0, 10, by=stage.who.stranger)
    assert given(stage, p) == job
    later = stage.submit()
    stage.allocator.send("skim", 0, 100, by=stage.who.stranger)
    assert given(stage, p) == later
    assert a.read("queue", 0)[0] == never - 1 or a.read("queue", 0)[0] == never


def test_dead_jobs_in_a_processor_s_own_queue_are_a_backlog(stage: Stage) -> None:
    """Before, the reason was that no job waited, and its capability tests were not seen for hours."""
    a, p, client = stage.allocator, ready(stage), stage.who.clients[0]
    near = stage.request(target=p.id, most=1, deadline=stage.now + 160)
    a.send("submitMany", [near] * 24, by=client)
    test = stage.submit(target=p.id, most=1)
    stage.wait(60)
    nothing(stage, p, BACKLOG)
    queue = 1 << 23 | p.id
    a.send("skim", queue, 100, by=stage.who.stranger)
    assert given(stage, p) == test


def test_only_queues_are_skimmed(stage: Stage) -> None:
    """A number with the low bits of a processor's queue hid that queue, its capability tests with it."""
    p = ready(stage)
    test = stage.submit(target=p.id, most=1)
    for alias in (3 << 22 | p.id, 1 << 24 | p.id, 1 << 200 | p.id, 64):
        with refuses("ComputationAllocatorUnknownQueue", queue=alias):
            stage.allocator.send("skim", alias, 0, by=stage.who.stranger)
    stage.allocator.send("skim", 1 << 23 | p.id, 10, by=stage.who.stranger)
    assert given(stage, p) == test
