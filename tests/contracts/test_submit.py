"""Submitting, quoting, flows, classes and taking back."""

from __future__ import annotations

from typing import Any

import pytest
from contract_stage import ZERO, refuses
from exchange_stage import ACCEPT, ALLOCATION, SECURITY, STANDARDS, Stage

FEE = 1000 * 5 * 60
TAG_SCALE = 64


def test_quote_is_exact(stage: Stage) -> None:
    for changes in ({}, {"qubits": 4095, "seconds": 21_600, "deadline": stage.now + 10**6}, {"most": 1}):
        request = stage.request(**changes)
        fee, escrow = stage.allocator.read("quote", request)
        before = stage.balance(stage.who.clients[0])
        if escrow > before:
            with refuses("ComputationAllocatorInsufficientBalance", required=escrow, available=before):
                stage.allocator.send("submit", request, by=stage.who.clients[0])
            stage.allocator.send("deposit", stage.who.clients[0], escrow - before, by=stage.who.clients[0])
            before = escrow
        done = stage.allocator.send("submit", request, by=stage.who.clients[0])
        assert done.one("JobSubmitted")["feePerExecution"] == fee
        assert stage.balance(stage.who.clients[0]) == before - escrow


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"qubits": 0}, "qubits", 0),
        ({"qubits": 4096}, "qubits", 4096),
        ({"quality": 4096}, "quality", 4096),
        ({"class": 3}, "class", 3),
        ({"redundancy": 0}, "redundancy", 0),
        ({"redundancy": 6, "most": 6}, "redundancy", 6),
        ({"most": 0}, "maxExecutions", 0),
        ({"redundancy": 3, "most": 2}, "maxExecutions", 2),
        ({"most": 6}, "maxExecutions", 6),
        ({"trust": 1}, "trust", 1),
        ({"seconds": 0}, "declaredSeconds", 0),
        ({"seconds": 21_601}, "declaredSeconds", 21_601),
        ({"target": 1, "most": 2}, "maxExecutions", 2),
        ({"target": 1, "most": 1, "quality": 1}, "quality", 1),
    ],
)
def test_each_field_has_its_range(stage: Stage, changes: dict[str, Any], field: str, value: int) -> None:
    stage.register()
    with refuses("ComputationAllocatorBadRequest", field=field.encode().ljust(32, b"\0"), value=value):
        stage.submit(**changes)


def test_deadline_leaves_time_and_is_not_too_far(stage: Stage) -> None:
    earliest = stage.now + 60 + 30 + 60
    with refuses("ComputationAllocatorBadDeadline", deadline=earliest - 1, earliest=earliest):
        stage.submit(deadline=earliest - 1)
    with refuses("ComputationAllocatorBadDeadline"):
        stage.submit(deadline=stage.now + 366 * 86_400)
    stage.submit(deadline=stage.now + 150)


def test_targets_must_exist_and_be_wide_enough(stage: Stage) -> None:
    p = stage.register(qubits=5)
    with refuses("ComputationAllocatorBadTarget", target=7):
        stage.submit(target=7, most=1)
    with refuses("ComputationAllocatorBadTarget", target=p.id):
        stage.submit(target=p.id, most=1, qubits=6)
    job = stage.submit(target=p.id, most=1)
    assert job == (1 << 23 | p.id) << 40 | 1
    stage.registry.send("retire", p.id, by=p.provider)
    with refuses("ComputationAllocatorBadTarget", target=p.id):
        stage.submit(target=p.id, most=1)


def test_ids_are_consecutive_in_a_set(stage: Stage) -> None:
    requests = [stage.request(), stage.request(qubits=7), stage.request(qubits=9)]
    client = stage.who.clients[0]
    before = stage.balance(client)
    done = stage.allocator.send("submitMany", requests, by=client)
    assert done.one("JobSetSubmitted") == {"client": client, "jobs": (1, 2, 3)}
    assert [v["job"] for v in done.of("JobSubmitted")] == [1, 2, 3]
    assert stage.balance(client) == before - 3 * 1000 * 60 * (5 + 7 + 9)
    requests[2] = stage.request(qubits=0)
    with refuses("ComputationAllocatorBadRequest"):
        stage.allocator.send("submitMany", requests, by=client)


def test_tags_follow_the_rule(stage: Stage) -> None:
    """S = max(v, F), F = S + ceil(64 c / w) for each execution, in flows of weights 100 and 10."""
    body = stage.who.committee[ALLOCATION]
    stage.allocator.send("openFlow", stage.admin, 10, True, by=body)
    p = stage.register(qubits=4095)
    stage.certify(p.id)
    first = stage.submit()
    second = stage.submit(redundancy=2)
    increment = -(-64 * 300 // 100)
    assert stage.allocator.read("flow", 0)[3] == 0  # nothing is charged before it is handed out
    assert [stage.allocate(p).one("JobAllocated")["tag"] for _ in range(2)] == [0, increment]
    assert [stage.job(job)["tag"] for job in (first, second)] == [
        0,
        0,
    ]  # the least that they might get is past
    assert stage.allocator.read("flow", 0)[3] == 2 * increment
    light, heavy = stage.submit(flow=1, qubits=1, seconds=1), stage.submit()
    assert [stage.job(job)["tag"] for job in (light, heavy)] == [192, 192]  # the virtual time
    # It wants one more, which starts where its flow stands.
    assert stage.allocator.read("lane", 0) == 2 * increment << 24 | 5 << 12
    assert stage.allocator.read("lane", 1) == 192 << 24 | 1 << 12
    assert stage.allocate(p).one("JobAllocated")["job"] == light
    assert stage.allocator.read("flow", 1)[3] == 192 + 7


def test_closed_flows_take_members_only(stage: Stage) -> None:
    a, body = stage.allocator, stage.who.committee[ALLOCATION]
    owner, member, other = stage.who.clients[:3]
    assert a.send("openFlow", owner, 100, False, by=body).one("FlowOpened")["flow"] == 1
    with refuses("ComputationAllocatorUnknownFlow", flow=2):
        stage.submit(flow=2)
    with refuses("ComputationAllocatorUnknownFlow", flow=64):
        stage.submit(flow=64)
    stage.submit(client=0, flow=1)
    with refuses("ComputationAllocatorNotMember", flow=1, caller=member):
        stage.submit(client=1, flow=1)
    with refuses("ComputationAllocatorNotFlowOwner", flow=1, caller=member):
        a.send("setFlowMember", 1, member, True, by=member)
    a.send("setFlowMember", 1, member, True, by=owner)
    assert a.read("isMember", 1, member)
    stage.submit(client=1, flow=1)
    a.send("setFlowMember", 1, member, False, by=owner)
    with refuses("ComputationAllocatorNotMember"):
        stage.submit(client=1, flow=1)
    a.send("setFlowOwner", 1, other, True, by=body)
    stage.submit(client=1, flow=1)
    assert a.read("flow", 1)[:3] == (other, 100, True)


def test_a_flow_splits_its_weight(stage: Stage) -> None:
    a, body, owner = stage.allocator, stage.who.committee[ALLOCATION], stage.who.clients[0]
    a.send("openFlow", owner, 100, False, by=body)
    p = stage.register()
    stage.certify(p.id)
    stage.submit(flow=1)
    stage.allocate(p)
    debt = a.read("flow", 1)[3]
    done = a.send("splitFlow", 1, 30, stage.who.clients[1], by=owner)
    assert done.one("FlowOpened") == {
        "flow": 2,
        "parent": 1,
        "owner": stage.who.clients[1],
        "weight": 30,
        "open": False,
    }
    assert a.read("flow", 1)[1] == 70
    assert a.read("flow", 2)[3] == a.read("flow", 1)[3] == debt > 0
    child = stage.submit(client=1, flow=2)
    assert stage.allocator.read("lane", 2) >> 24 == debt
    assert stage.allocate(p).one("JobAllocated")["job"] == child
    assert stage.starts[child] == debt
    for weight in (9, 61):
        with refuses("ComputationAllocatorOutOfBounds"):
            a.send("splitFlow", 1, weight, owner, by=owner)
    with refuses("ComputationAllocatorNotFlowOwner"):
        a.send("splitFlow", 1, 20, owner, by=stage.who.clients[1])
    with refuses("ComputationAllocatorNotFlowOwner"):
        a.send("splitFlow", 0, 20, ZERO, by=stage.admin)


def test_there_are_at_most_64_flows(stage: Stage) -> None:
    body = stage.who.committee[ALLOCATION]
    for _ in range(63):
        stage.allocator.send("openFlow", stage.admin, 10, True, by=body)
    with refuses("ComputationAllocatorTooManyFlows"):
        stage.allocator.send("openFlow", stage.admin, 10, True, by=body)
    p = stage.register()
    stage.certify(p.id)
    job = stage.submit(flow=63)
    assert stage.allocate(p).one("JobAllocated")["job"] == job


def test_quota_grants_a_class_and_runs_out(stage: Stage) -> None:
    a, body = stage.allocator, stage.who.committee[ALLOCATION]
    a.send("setClass", 1, 5000, 900, by=body)
    a.send("setQuota", 0, 1, 450, 86_400, by=body)
    urgent = {"class": 1}
    assert a.read("quote", stage.request(**urgent))[0] == 5000 * 300
    stage.submit()
    stage.submit()
    first = stage.job(stage.submit(**urgent))
    assert (first["class"], first["boosted"], first["feePerExecution"]) == (1, True, 5000 * 300)
    assert a.read("quota", 0, 1)[2] in range(150, 160)
    assert a.read("quote", stage.request(**urgent))[0] == FEE
    second = stage.job(stage.submit(**urgent))
    assert (second["class"], second["boosted"], second["feePerExecution"]) == (0, False, FEE)
    stage.wait(500)
    assert a.read("quota", 0, 1)[2] == 450
    assert stage.job(stage.submit(**urgent))["boosted"]


def test_boost_moves_the_front_ahead(stage: Stage) -> None:
    a, body = stage.allocator, stage.who.committee[ALLOCATION]
    for _ in range(1):
        a.send("openFlow", stage.admin, 100, True, by=body)
    a.send("setClass", 2, 4000, 1000, by=body)
    a.send("setQuota", 1, 2, 10**6, 0, by=body)
    p = stage.register()
    stage.certify(p.id)
    stage.submit(flow=1, qubits=20, seconds=40)
    ahead = [stage.submit(flow=0, qubits=1, seconds=60) for _ in range(3)]
    boosted = stage.submit(flow=1, **{"class": 2})
    order = [stage.allocate(p).one("JobAllocated")["job"] for _ in range(3)]
    assert order == [ahead[0], 1 << 40 | 1, boosted]


def test_pause_stops_submitting_but_not_leaving(stage: Stage) -> None:
    client = stage.who.clients[0]
    job = stage.submit()
    stage.allocator.send("setPaused", True, by=stage.who.committee[SECURITY])
    assert stage.allocator.read("paused")
    with refuses("ComputationAllocatorPaused"):
        stage.submit()
    stage.allocator.send("cancel", job, by=client)
    stage.allocator.send("withdraw", client, 5, by=client)
    stage.allocator.send("deposit", client, 5, by=client)
    stage.allocator.send("setPaused", False, by=stage.who.committee[SECURITY])
    stage.submit()


def test_cancel_gives_back_escrow_and_the_place_in_time(stage: Stage) -> None:
    client = stage.who.clients[0]
    before = stage.balance(client)
    job = stage.submit()
    with refuses("ComputationAllocatorNotClient", job=job, caller=stage.who.clients[1]):
        stage.allocator.send("cancel", job, by=stage.who.clients[1])
    done = stage.allocator.send("cancel", job, by=client)
    assert done.one("JobClosed") == {"job": job, "state": 5, "refund": 3 * FEE}
    assert stage.balance(client) == before
    assert stage.allocator.read("flow", 0)[3] == 0
    assert stage.allocator.read("lane", 0) == 0
    assert stage.job(job)["escrow"] == 0
    with refuses("ComputationAllocatorBadJobState", state=5):
        stage.allocator.send("cancel", job, by=client)
    with refuses("ComputationAllocatorBadJobState", state=5):
        stage.allocator.send("expire", job, by=client)


@pytest.mark.parametrize("end", ["cancel", "expire"])
def test_what_nobody_ran_is_charged_to_nobody(stage: Stage, end: str) -> None:
    """A flow cannot be pushed back by jobs that come and go, nor a quota saved in them."""
    a, body, client = stage.allocator, stage.who.committee[ALLOCATION], stage.who.clients[0]
    a.send("setClass", 1, 5000, 900, by=body)
    a.send("setQuota", 0, 1, 700, 0, by=body)
    first = stage.submit()
    jobs = [stage.submit(deadline=stage.now + 500, **{"class": klass}) for klass in (1, 0)]
    assert [stage.job(job)["boosted"] for job in jobs] == [True, False]
    assert (a.read("flow", 0)[3], a.read("quota", 0, 1)[2]) == (0, 400)
    stage.wait(600)
    for job in jobs:
        a.send(end, job, by=client)
    assert (a.read("flow", 0)[3], a.read("quota", 0, 1)[2]) == (0, 400)
    p = stage.register()
    stage.certify(p.id)
    stage.allocate(p)
    stage.wait(100)
    a.send("expireExecution", first, 0, by=client)
    a.send("cancel", first, by=client)
    assert a.read("flow", 0)[3] == 0  # it served nobody


def test_giants_that_come_and_go_push_nobody_back_and_move_no_time(stage: Stage) -> None:
    """Before, a small job behind giants took virtual time to their end, and who came after them waited."""
    a, client = stage.allocator, stage.who.clients[0]
    small, p = stage.register(qubits=5), stage.register(1)
    for one in (small, p):
        stage.certify(one.id)
    giants = [stage.submit(qubits=4095, seconds=3600, most=1) for _ in range(2)]
    mine = stage.submit(seconds=1)
    after = stage.submit(client=1)
    assert stage.allocate(small).one("JobAllocated")["job"] == mine
    for giant in giants:
        a.send("cancel", giant, by=client)
    assert a.read("virtualTime") == 0
    a.send("openFlow", stage.admin, 100, True, by=stage.who.committee[ALLOCATION])
    other = stage.submit(client=2, flow=1, seconds=1)
    assert [stage.allocate(p).one("JobAllocated")["job"] for _ in range(2)] == [other, after]
    assert a.read("virtualTime") == 4  # five qubit-seconds at a weight of 100


def test_cancel_of_a_running_job_is_refused(stage: Stage) -> None:
    p = stage.register()
    stage.certify(p.id)
    job = stage.submit(redundancy=2)
    stage.allocate(p)
    with refuses("ComputationAllocatorBadExecutionState", execution=0, state=1):
        stage.allocator.send("cancel", job, by=stage.who.clients[0])
    stage.commit(p, job)
    with refuses("ComputationAllocatorBadExecutionState", state=2):
        stage.allocator.send("cancel", job, by=stage.who.clients[0])
    before = stage.balance(stage.who.clients[0])
    stage.judge(job, 0, ACCEPT)
    done = stage.allocator.send("cancel", job, by=stage.who.clients[0])
    assert done.one("JobClosed")["refund"] == 2 * FEE
    assert stage.balance(stage.who.clients[0]) == before + 2 * FEE
    single = stage.submit()
    stage.allocate(p)
    with refuses("ComputationAllocatorBadJobState", state=2):
        stage.allocator.send("cancel", single, by=stage.who.clients[0])


def test_unknown_jobs_are_named(stage: Stage) -> None:
    with refuses("ComputationAllocatorUnknownJob", job=9):
        stage.job(9)
    with refuses("ComputationAllocatorBadExecutionState", state=0):
        stage.allocator.read("execution", 9, 0)
    with refuses("ComputationAllocatorBadJobState", state=0):
        stage.allocator.send("expire", 9, by=stage.admin)


def test_bounds_of_requests_are_the_boards(stage: Stage) -> None:
    stage.allocator.send("setRequestBounds", 5, 2, 100, by=stage.who.committee[STANDARDS])
    assert stage.allocator.read("requestBounds") == (5, 2, 100)
    for changes in ({"trust": 4}, {"redundancy": 3, "trust": 5}, {"seconds": 101, "trust": 5}):
        with refuses("ComputationAllocatorBadRequest"):
            stage.submit(**changes)
    stage.submit(trust=5, redundancy=2, seconds=100)
