"""What executions cost their flow in virtual time, and what it gets back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from exchange_stage import ACCEPT, ALLOCATION, FRAUD, REJECT, STANDARDS, UNDECIDED, Processor, Stage
from queue_stage import EMPTY, given, ready


def test_what_nobody_was_served_by_is_given_back_and_charged_when_it_runs_again(stage: Stage) -> None:
    """So an accomplice that is rejected at once takes nothing off what the real execution is charged."""
    ps = [ready(stage, index) for index in range(4)]
    below, job = stage.submit(), stage.submit()
    assert given(stage, ps[3]) == below
    for number, outcome in enumerate((REJECT, FRAUD)):
        assert given(stage, ps[number]) == job
        assert stage.allocator.read("flow", 0)[3] == 384
        stage.commit(ps[number], job, number)
        stage.judge(job, number, outcome)
        assert stage.allocator.read("flow", 0)[3] == 192
        if outcome == REJECT:
            stage.judge(job, number, FRAUD, round=1)  # its time came back when it was rejected
            assert stage.allocator.read("flow", 0)[3] == 192
    assert given(stage, ps[2]) == job
    stage.commit(ps[2], job, 2)
    stage.judge(job, 2, ACCEPT)
    assert 192 < stage.allocator.read("flow", 0)[3] < 384


@pytest.mark.parametrize("end", [ACCEPT, REJECT, None])
def test_trials_of_a_processor_without_a_certificate_cost_no_flow_its_turn(
    flows: Stage, end: int | None
) -> None:
    """Anybody can enroll 4,095 qubits: one job for them in flow 0 put all others of flow 0 last."""
    a, p, mine = flows.allocator, ready(flows), flows.register(1, qubits=4095)
    for flow in (0, 0, 1):
        flows.submit(flow=flow, qubits=1)
        given(flows, p)
    before = a.read("flow", 0)[3], a.read("virtualTime")
    giant = flows.submit(target=mine.id, most=1, qubits=4095, seconds=3600, deadline=flows.now + 80_000)
    assert given(flows, mine) == giant
    assert (a.read("flow", 0)[3], a.read("virtualTime")) == before
    if end is None:
        flows.wait(3700)
        a.send("expireExecution", giant, 0, by=flows.who.stranger)
    else:
        flows.commit(mine, giant)
        flows.judge(giant, 0, end)
    assert (a.read("flow", 0)[3], a.read("virtualTime")) == before
    honest, other = flows.submit(client=3), flows.submit(flow=1)
    assert {given(flows, p) for _ in range(2)} == {honest, other}


def test_time_that_served_nobody_is_back_at_once_in_the_flow_s_place(flows: Stage) -> None:
    """A giant for one's own processor that ends unpaid does not leave its flow's next job behind others."""
    a, p, q = flows.allocator, ready(flows), ready(flows, 1, qubits=1000)
    for end in (REJECT, UNDECIDED, None):
        giant = flows.submit(target=q.id, most=1, qubits=1000, seconds=3600)
        assert given(flows, q) == giant
        front = flows.submit()
        assert a.read("lane", 0) >> 24 == a.read("flow", 0)[3] > 1_000_000
        if end is None:
            flows.wait(3700)
            a.send("expireExecution", giant, 0, by=flows.who.stranger)
        else:
            flows.commit(q, giant)
            flows.judge(giant, 0, end)
            if end == UNDECIDED:
                flows.judge(giant, 0, end, round=1)
        assert a.read("lane", 0) >> 24 == max(a.read("flow", 0)[3], flows.job(front)["tag"]) < 100_000
        a.send("cancel", front, by=flows.who.clients[0])
    assert a.read("nextFor", p.id) == (0, EMPTY)


@pytest.mark.parametrize("end", [ACCEPT, REJECT])
def test_charges_that_time_forgave_are_not_given_back(flows: Stage, end: int) -> None:
    """A batch in a quiet moment, and virtual time moved over it: each end was one more turn for nothing."""
    p, mine = ready(flows, qubits=5), ready(flows, 1)
    far = flows.now + 100_000
    batch = {"target": mine.id, "most": 1, "qubits": 1, "deadline": far}
    held = [flows.submit(1, flow=1, seconds=21_600, **batch) for _ in range(8)]
    last = flows.submit(1, flow=1, seconds=1, **batch)
    for job in (*held, last):
        assert given(flows, mine) == job
        flows.commit(mine, job)
    for flow in (1, 2):
        for _ in range(8):
            flows.submit(flow, flow=flow, deadline=far)
    served = []
    for job in held:
        flows.judge(job, 0, end)
        served.append(given(flows, p))
        flows.commit(p, served[-1])
    assert sum(job >> 40 == 1 for job in served) == 4


def test_charges_that_time_forgave_are_not_given_back_to_jobs_that_waited(flows: Stage) -> None:
    """Nothing is lifted where the jobs are older than the batch; give-backs end where time is over them."""
    a, p, mine = flows.allocator, ready(flows, qubits=10), ready(flows, 1, qubits=5)
    far = flows.now + 300_000
    for flow in (1, 2):
        for _ in range(40):
            flows.submit(flow, flow=flow, qubits=10, seconds=60, deadline=far)
    small = {"target": mine.id, "most": 1, "qubits": 5, "seconds": 120, "deadline": far}
    held = [flows.submit(1, flow=1, **small) for _ in range(40)]
    for job in held:
        assert given(flows, mine) == job
        flows.commit(mine, job)
    flows.wait(3700)
    served = []
    for _ in range(40):
        if held and a.read("flow", 1)[3] > a.read("virtualTime"):
            a.send("expireExecution", held.pop(), 0, by=flows.who.stranger)
        served.append(given(flows, p))
        flows.commit(p, served[-1])
    assert sum(job >> 40 == 1 for job in served) <= 20


@pytest.mark.parametrize("waited", [False, True])
def test_a_giant_that_lifts_its_flow_and_ends_unpaid_leaves_no_debt(flows: Stage, waited: bool) -> None:
    a, p, mine = flows.allocator, ready(flows, qubits=5), ready(flows, 1, qubits=999)
    far = flows.now + 3_000_000
    giant = {"target": mine.id, "most": 1, "qubits": 999, "seconds": 3599, "deadline": far}
    job = flows.submit(2, **giant) if waited else 0
    busy = [flows.submit(1, flow=1, qubits=5, seconds=62, deadline=far) for _ in range(26 if waited else 3)]
    for one in busy:
        assert given(flows, p) == one
        flows.commit(p, one)
    job = job or flows.submit(2, **giant)
    assert given(flows, mine) == job
    charged = a.read("flow", 0)[3]
    flows.commit(mine, job)
    flows.judge(job, 0, REJECT)
    v = a.read("virtualTime")
    start = charged - -(-999 * 3599 * 64 // 100)
    assert start == (v - 4000 if waited else v)
    assert start <= a.read("flow", 0)[3] <= start + 1  # what is given back is rounded down
    victim, other = flows.submit(3), flows.submit(1, flow=1, deadline=far)
    assert given(flows, p) == victim
    flows.commit(p, victim)
    assert given(flows, p) == other


def test_a_flow_that_gave_its_weight_away_gets_back_no_more_than_it_has(flows: Stage) -> None:
    """What it was charged at a weight of 100 comes back at one of 10."""
    a, p = flows.allocator, ready(flows)
    jobs = [flows.submit(flow=1) for _ in range(2)]
    assert [given(flows, p) for _ in jobs] == jobs
    a.send("splitFlow", 1, 90, flows.admin, by=flows.admin)
    for job, finish in zip(jobs, (192, 0), strict=True):
        flows.commit(p, job)
        flows.judge(job, 0, REJECT)
        assert [a.read("flow", flow)[3] for flow in (1, 4)] == [finish, 384]
    assert a.read("flow", 1)[1:3] == (10, True)


def test_executions_of_one_job_give_back_of_their_own_charges(flows: Stage) -> None:
    """Else those that ran beside the first, charged on top of it, would be a debt for weeks."""
    a = flows.allocator
    mine = [ready(flows, index, qubits=2000) for index in range(4)]
    far = flows.now + 3_000_000
    giant = flows.submit(2, qubits=999, seconds=3599, redundancy=4, most=4, deadline=far)
    small = [flows.submit(2, qubits=1, seconds=1, deadline=far) for _ in range(2)]
    assert given(flows, mine[0]) == giant
    assert [given(flows, mine[0]) for _ in small] == small  # which moves virtual time over the giant's charge
    for q in mine[1:]:
        assert given(flows, q) == giant
    for job in small:
        flows.commit(mine[0], job)
    for number, q in enumerate(mine):
        flows.commit(q, giant, number)
    once = 999 * 3599 * 64 // 100
    assert 4 * once < a.read("flow", 0)[3] < 4 * once + 10
    flows.wait(3700)
    finish, back = a.read("flow", 0)[3], []
    for number in range(4):
        a.send("expireExecution", giant, number, by=flows.who.stranger)
        back.append(finish - a.read("flow", 0)[3])
        finish -= back[-1]
    assert back == [0, 4000, once, once]  # of the first two, over which time went, twice the drain is left
    assert 3 * once < a.read("virtualTime") < 3 * once + 10  # where the last began


def turns(flows: Stage, p: Processor, count: int, after: Callable[[int], None]) -> list[int]:
    """The flows of so many jobs that a processor runs in all of their time; `after` is called for each."""
    served = []
    for _ in range(count):
        done = flows.allocate(p).one("JobAllocated")
        flows.wait(9)
        flows.commit(p, done["job"], done["execution"])
        flows.judge(done["job"], done["execution"], ACCEPT)
        served.append(done["job"] >> 40)
        after(done["job"])
    return served


def test_charges_held_above_one_that_is_given_back_are_no_free_turns(flows: Stage) -> None:
    """Time seemed not to have gone over them yet: 19 turns of 20."""
    a = flows.allocator
    a.send("setQueueing", 50, 0, by=flows.who.committee[ALLOCATION])
    p, far = ready(flows, qubits=10), flows.now + 3_000_000
    mine = [ready(flows, 1, qubits=5, quality=4000), ready(flows, 2, qubits=5, quality=4000)]
    more = {"flow": 1, "quality": 4000, "qubits": 5, "seconds": 20, "deadline": far}
    jobs = [flows.submit(1, **more | {"seconds": 21_600}, redundancy=2, most=2)]
    jobs += [flows.submit(1, **more, redundancy=2, most=2) for _ in range(12)]
    for number, q in enumerate(mine):
        for job in jobs:
            assert given(flows, q) == job
            flows.commit(q, job, number)
    flows.wait(3700)
    for job in jobs:
        a.send("expireExecution", job, 0, by=flows.who.stranger)
    a.send("expireExecution", jobs[0], 1, by=flows.who.stranger)
    tiny = flows.submit(1, flow=1, target=mine[0].id, most=1, qubits=1, seconds=1, deadline=far)
    assert given(flows, mine[0]) == tiny
    for _ in range(20):
        for flow in (1, 2):
            flows.submit(flow, flow=flow, qubits=10, seconds=10, deadline=far)
    held = jobs[1:]

    def end(job: int) -> None:
        if job >> 40 == 1 and held:
            a.send("expireExecution", held.pop(0), 1, by=flows.who.stranger)

    assert turns(flows, p, 20, end).count(1) <= 11


def test_jobs_taken_once_stand_where_their_flow_does(flows: Stage) -> None:
    """What a machine of one's own had and did not do kept a place that time had passed by: 18 turns of 18."""
    a, p, mine = flows.allocator, ready(flows, qubits=10), ready(flows, 1, qubits=9)
    a.send("setQueueing", 50, 0, by=flows.who.committee[ALLOCATION])
    far = flows.now + 3_000_000
    for _ in range(20):
        flows.submit(2, flow=2, qubits=10, seconds=10, deadline=far)
    jobs = [flows.submit(1, flow=1, qubits=9, seconds=10, most=2, deadline=far) for _ in range(18)]
    for job in jobs:
        assert given(flows, mine) == job
        flows.commit(mine, job)
    for job in jobs:
        flows.judge(job, 0, REJECT)
    assert turns(flows, p, 18, lambda job: None).count(1) <= 10


def test_what_is_forgiven_is_not_given_back_to_the_unit(flows: Stage) -> None:
    """At a weight of 64 a qubit-second is one unit of virtual time."""
    a, p = flows.allocator, ready(flows)
    for _ in range(2):
        a.send("openFlow", flows.admin, 64, True, by=flows.who.committee[ALLOCATION])
    one = {"qubits": 1, "seconds": 1}
    first, small = flows.submit(flow=4, **one), flows.submit(flow=4, **one)
    for _ in range(4):
        flows.submit(flow=5, **one)
    for _ in range(6):
        given(flows, p)
    assert (flows.starts[small], a.read("flow", 4)[3], a.read("virtualTime")) == (1, 2, 3)
    later = flows.submit(flow=4, **one)
    assert (given(flows, p), a.read("flow", 4)[3]) == (later, 4)
    for job, finish in ((first, 4), (small, 4), (later, 3)):
        flows.commit(p, job)
        flows.judge(job, 0, REJECT)
        assert a.read("flow", 4)[3] == finish


def test_a_job_that_returned_does_not_keep_the_place_that_a_giant_gave_it(flows: Stage) -> None:
    a, p, mine = flows.allocator, ready(flows), ready(flows, 1, qubits=1001)
    giant = flows.submit(2, target=mine.id, most=1, qubits=1000, seconds=3600)
    assert given(flows, mine) == giant
    pin = flows.submit(2, qubits=1, seconds=1, redundancy=2, most=2)
    assert given(flows, mine) == pin
    assert a.read("lane", 0) >> 24 == 1000 * 3600 * 64 // 100 + 1
    flows.commit(mine, giant)
    flows.judge(giant, 0, REJECT)
    assert a.read("lane", 0) >> 24 == 1
    assert (given(flows, p), flows.starts[pin]) == (pin, 1)


def test_a_job_for_a_processor_with_a_certificate_is_no_trial(flows: Stage) -> None:
    a, p = flows.allocator, ready(flows)
    job = flows.submit(target=p.id, most=1)
    assert given(flows, p) == job
    assert a.read("flow", 0)[3] == 192
    flows.commit(p, job)
    flows.judge(job, 0, REJECT)
    assert a.read("flow", 0)[3] == 0


def test_a_flow_that_waited_keeps_no_more_time_than_twice_the_drain(flows: Stage) -> None:
    """Its jobs come late, and what they take is counted from there on; before, each turn was its own."""
    a, p = flows.allocator, ready(flows, qubits=4095)
    a.send("setQueueing", 100, 0, by=flows.who.committee[ALLOCATION])
    never = [flows.request(flow=1, quality=4095, qubits=1, seconds=1)] * 24
    crowd = a.send("submitMany", never, by=flows.who.clients[0]).one("JobSetSubmitted")["jobs"]
    hidden = [flows.submit(flow=1) for _ in range(2)]
    for _ in range(5):
        job = flows.submit()
        assert given(flows, p) == job
    assert a.read("virtualTime") == 4 * 192
    for job in crowd:
        a.send("cancel", job, by=flows.who.clients[0])
    assert given(flows, p) == hidden[0]
    start = 4 * 192 - 2 * 100
    assert a.read("flow", 1)[3] == start + 192


def test_a_job_for_one_processor_is_charged_to_its_flow(flows: Stage) -> None:
    """Its flow's front comes later for it, and its own start tag is its flow's."""
    p, wide = ready(flows), ready(flows, 1, qubits=100)
    first = flows.submit(flow=1, target=p.id, most=1)
    assert given(flows, p) == first
    assert flows.allocator.read("flow", 1)[3] == 192
    mine, other = flows.submit(flow=1, qubits=28), flows.submit(flow=2, qubits=28, seconds=100)
    assert [flows.allocator.read("lane", flow) >> 24 for flow in (1, 2)] == [192, 0]
    second = flows.submit(flow=1, target=p.id, most=1)
    done = flows.allocate(p).one("JobAllocated")
    assert (done["job"], done["tag"]) == (second, 192)
    assert [flows.allocator.read("flow", 1)[3], flows.allocator.read("lane", 1) >> 24] == [384, 384]
    last = flows.submit(flow=3, qubits=28, seconds=1)
    assert [given(flows, wide) for _ in range(3)] == [other, last, mine]
    assert flows.starts[mine] == 384


def test_a_flow_in_debt_waits_though_its_line_was_empty(flows: Stage) -> None:
    p, q = ready(flows), ready(flows, 1, qubits=5)
    flows.submit(flow=1, qubits=20)
    given(flows, p)
    mine, other = flows.submit(flow=1), flows.submit(flow=2)
    assert flows.allocator.read("lane", 1) >> 24 == 20 * 60 * 64 // 100
    assert [given(flows, q), given(flows, p)] == [other, mine]


GIANT = 4095 * 259_200 * 64 // 10
"""What the largest job costs a flow of the least weight."""


def giants(stage: Stage) -> tuple[Processor, Processor, Callable[[], int]]:
    """A machine for the largest jobs, an ordinary one, and what gives the first such a job of flow 0."""
    body, a = stage.who.committee, stage.allocator
    a.send("setClass", 0, 1, 0, by=body[ALLOCATION])
    a.send("setFlowWeight", 0, 10, by=body[ALLOCATION])
    a.send("openFlow", stage.admin, 100, True, by=body[ALLOCATION])
    a.send("setRequestBounds", 2, 5, 259_200, by=body[STANDARDS])
    stage.credit.send("approve", a.address, 10**13, by=stage.admin)
    a.send("deposit", stage.who.clients[0], 10**13, by=stage.admin)
    machine, p = stage.register(qubits=4095), stage.register(1)
    for processor in (machine, p):
        stage.certify(processor.id)

    def take() -> int:
        large = {"qubits": 4095, "seconds": 259_200, "deadline": stage.now + 7 * 86_400}
        job = stage.submit(**large, target=machine.id, most=1)
        assert given(stage, machine) == job
        stage.commit(machine, job)
        return job

    return machine, p, take


def most(stage: Stage, born: int) -> int:
    """Where tags end."""
    return (1 << 33) + (stage.time - born) * 2048


def test_virtual_time_cannot_be_taken_to_its_end(stage: Stage) -> None:
    """The largest jobs at the least weight, on one's own machine: time keeps its pace, others go on."""
    a, born = stage.allocator, stage.time
    _, p, take = giants(stage)
    for _ in range(5):
        job = take()
        assert a.read("virtualTime") == stage.starts[job] <= a.read("flow", 0)[3] <= most(stage, born - 3600)
    assert a.read("flow", 0)[3] >= most(stage, born) - 2048 * 60
    other, mine = stage.submit(client=1, flow=1), stage.submit(client=2)
    assert [given(stage, p) for _ in range(2)] == [other, mine]


def test_a_charge_cut_at_the_end_of_tags_gives_back_what_it_took(stage: Stage) -> None:
    """And of the pile below it nothing is left: else it would give that back too."""
    a = stage.allocator
    _, _, take = giants(stage)
    first, second = take(), take()
    assert GIANT < a.read("flow", 0)[3] < 2 * GIANT
    for job in (second, first):
        stage.judge(job, 0, REJECT)
        assert a.read("flow", 0)[3] == GIANT == a.read("virtualTime")


def test_a_debt_larger_than_its_field_ends_there(stage: Stage) -> None:
    """After a hundred days, and where nothing is soon forgiven, more than 34 bits of it are possible."""
    a = stage.allocator
    a.send("setQueueing", 1 << 36, 0, by=stage.who.committee[ALLOCATION])
    stage.wait(100 * 86_400)
    _, p, take = giants(stage)
    for _ in range(3):
        take()
    assert a.read("flow", 0)[3] == 3 * GIANT > 1 << 34
    honest = [stage.submit(client=2) for _ in range(2)]
    assert a.read("queue", 0) == (1, 3, 0, 0)
    assert [given(stage, p) for _ in honest] == honest


def test_tags_end_with_their_field(stage: Stage) -> None:
    """After seventeen years: a flow at the end of its tags goes on, last."""
    a = stage.allocator
    stage.wait(18 * 365 * 86_400)
    _, p, take = giants(stage)
    for _ in range(2**40 // GIANT + 1):
        take()
    assert a.read("flow", 0)[3] == 2**40 - 1
    other, mine = stage.submit(client=1, flow=1), stage.submit(client=2)
    assert [given(stage, p) for _ in range(2)] == [other, mine]
    assert (stage.starts[mine], a.read("flow", 0)[3]) == (2**40 - 1, 2**40 - 1)
