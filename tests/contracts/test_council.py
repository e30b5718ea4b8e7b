"""A council decides with its threshold, once, in time, and only who is seated."""

from __future__ import annotations

import pytest
from contract_stage import ZERO, refuses
from council_stage import (
    DELAY_S,
    EXECUTED,
    EXPIRED,
    NONE,
    OPEN,
    WAITING,
    Council,
    council,
    signature,
    vote_digest,
)
from exchange_stage import ALLOCATION, SECURITY, Stage

WEEK_S = 7 * 86_400


@pytest.fixture
def body(stage: Stage) -> Council:
    return council(stage)


def test_the_vote_that_reaches_the_threshold_acts(body: Council) -> None:
    target, data = body.stage.allocator, body.data(body.stage.allocator, "setPaused", True)
    first = body.vote(0, target, data)
    opened = first.one("BallotOpened")
    assert (opened["target"], opened["data"], opened["member"]) == (
        target.address,
        data,
        body.members[0].address,
    )
    assert opened["expiresAt"] == first.time + WEEK_S
    for member in (6, 3):
        assert "PausedSet" not in body.vote(member, target, data).names
        assert not target.read("paused")
    assert body.state(target, data) == OPEN
    last = body.vote(2, target, data)
    assert last.names[:2] == ["Voted", "CallExecuted"]
    assert body.contract.read("ballotOf", opened["ballot"])[0] == 0b1001101
    assert target.read("paused")
    assert body.state(target, data) == EXECUTED
    with refuses("CouncilBadBallot", state=EXECUTED):
        body.vote(1, target, data)  # a decision happens once
    with refuses("CouncilBadBallot", state=EXECUTED):
        body.execute(target, data)


def test_a_decision_that_waits_is_executed_by_anyone_after_its_delay(body: Council) -> None:
    target, data = body.stage.allocator, body.data(body.stage.allocator, "setQueueing", 900, 0)
    last = body.decide(target, data)
    assert last.one("CallScheduled")["readyAt"] == last.time + DELAY_S
    assert body.state(target, data) == WAITING
    assert target.read("queueing") == (2000, 0)
    body.stage.wait_until(last.time + DELAY_S - 1)
    with refuses("AccessManagerNotReady"):
        body.execute(target, data)
    body.stage.wait_until(last.time + DELAY_S)
    body.execute(target, data)
    assert target.read("queueing") == (900, 0)
    assert body.state(target, data) == EXECUTED
    with refuses("CouncilBadBallot", state=EXECUTED):
        body.execute(target, data)


def test_a_decision_is_lost_when_nobody_executes_it_in_a_week(body: Council) -> None:
    target, data = body.stage.allocator, body.data(body.stage.allocator, "setQueueing", 900, 0)
    last = body.decide(target, data)
    body.stage.wait_until(last.time + DELAY_S + WEEK_S)
    with refuses("AccessManagerExpired"):
        body.execute(target, data)
    again = body.decide(target, data, salt=1)
    body.stage.wait_until(again.time + DELAY_S)
    body.execute(target, data, salt=1)
    assert target.read("queueing") == (900, 0)


def test_the_security_group_cancels_what_waits_and_nothing_else(body: Council) -> None:
    stage = body.stage
    target, data = stage.allocator, body.data(stage.allocator, "setQueueing", 900, 0)
    last = body.decide(target, data)
    cancel = body.data(stage.manager, "cancel", body.contract.address, target.address, data)
    with refuses("AccessManagerUnauthorizedCancel"):
        stage.manager.send("cancel", body.contract.address, target.address, data, by=stage.who.stranger)
    stage.manager.send(
        "cancel", body.contract.address, target.address, data, by=stage.who.committee[SECURITY]
    )
    stage.wait_until(last.time + DELAY_S)
    with refuses("AccessManagerNotScheduled"):
        body.execute(target, data)
    # A council cancels its own by a vote as well: the manager knows it as the caller.
    body.decide(target, data, salt=1)
    body.decide(stage.manager, cancel)
    assert stage.manager.read("getSchedule", stage.manager.read(
        "hashOperation", body.contract.address, target.address, data
    )) == 0  # fmt: skip


def test_only_members_vote_and_each_once(body: Council) -> None:
    target, data = body.stage.allocator, body.data(body.stage.allocator, "setPaused", True)
    stranger = body.members[8]
    with refuses("CouncilNotMember", account=stranger.address):
        body.vote(8, target, data)
    body.vote(0, target, data)
    with refuses("CouncilAlreadyVoted", member=body.members[0].address):
        body.vote(0, target, data)
    with refuses("CouncilNotMember"):
        body.contract.send("vote", body.motion(target, data), by=body.stage.admin)


def test_a_ballot_ends_after_a_week(body: Council) -> None:
    target, data = body.stage.allocator, body.data(body.stage.allocator, "setPaused", True)
    opened = body.vote(0, target, data)
    body.vote(1, target, data)
    body.stage.wait_until(opened.time + WEEK_S)
    body.vote(2, target, data)
    body.stage.wait_until(opened.time + WEEK_S + 1)
    with refuses("CouncilBadBallot", state=EXPIRED):
        body.vote(3, target, data)
    assert body.state(target, data) == EXPIRED
    assert body.state(target, data, salt=1) == NONE
    body.decide(target, data, salt=1)
    assert target.read("paused")


def test_a_call_that_fails_takes_its_vote_back(body: Council) -> None:
    target = body.stage.allocator
    forbidden = body.data(target, "setTimes", 1, 0, 60)  # the Standards Board's
    for member in range(3):
        body.vote(member, target, forbidden)
    with refuses("AccessManagedUnauthorized", caller=body.contract.address):
        body.vote(3, target, forbidden)
    votes, _, state = body.contract.read("ballotOf", body.ballot(target, forbidden))
    assert (votes, state) == (0b111, OPEN)
    out_of_bounds = body.data(target, "setQueueing", 2**36 + 1, 0)
    last = body.decide(target, out_of_bounds)
    body.stage.wait_until(last.time + DELAY_S)
    with refuses("ComputationAllocatorOutOfBounds"):
        body.execute(target, out_of_bounds)
    assert body.state(target, out_of_bounds) == WAITING


# --------------------------------------------------------------------------- signatures


def test_signed_votes_decide_in_one_transaction_of_anyone(body: Council) -> None:
    stage = body.stage
    target, data = stage.allocator, body.data(stage.allocator, "setPaused", True)
    term, deadline = body.contract.read("seats")[2], stage.now + 600
    digest = vote_digest(stage, body.contract, (target.address, data, bytes(32)), term, deadline)
    chosen = [body.members[i] for i in (1, 2, 4, 6)]
    signed = [signature(member, digest) for member in chosen]
    addresses = [member.address for member in chosen]

    def send(until: int, who: list[str], signatures: list[bytes]) -> None:
        body.contract.send(
            "voteBySig", body.motion(target, data), until, who, signatures, by=stage.who.stranger
        )

    with refuses("CouncilBadSignature", member=addresses[0]):
        send(deadline, addresses, signed[::-1])
    with refuses("CouncilBadSignature", member=addresses[0]):
        send(deadline + 1, addresses, signed)  # another deadline is another digest
    with refuses("CouncilAlreadyVoted", member=addresses[1]):
        send(deadline, [addresses[1], addresses[1]], [signed[1], signed[1]])
    with refuses("CouncilNotMember", account=body.members[8].address):
        send(deadline, [body.members[8].address], [signature(body.members[8], digest)])
    send(deadline, addresses[:1], signed[:1])
    send(deadline, addresses[1:], signed[1:])
    assert target.read("paused")


def test_signatures_end_at_their_deadline_and_with_their_term(body: Council) -> None:
    stage = body.stage
    target, data = stage.allocator, body.data(stage.allocator, "setPaused", True)
    term, deadline = body.contract.read("seats")[2], stage.now + 600
    digest = vote_digest(stage, body.contract, (target.address, data, bytes(32)), term, deadline)
    motion, who = body.motion(target, data), [body.members[0].address]
    signed = [signature(body.members[0], digest)]
    stage.wait_until(deadline + 1)
    with refuses("CouncilTooLate", deadline=deadline):
        body.contract.send("voteBySig", motion, deadline, who, signed, by=stage.who.stranger)
    digest = vote_digest(stage, body.contract, (target.address, data, bytes(32)), term, deadline + 600)
    signed = [signature(body.members[0], digest)]
    body.contract.send("reseat", [], [], 5, by=stage.admin)
    with refuses("CouncilBadSignature"):
        body.contract.send("voteBySig", motion, deadline + 600, who, signed, by=stage.who.stranger)


# --------------------------------------------------------------------------- seats


def test_seats_change_and_open_ballots_end(body: Council) -> None:
    stage = body.stage
    target, data = stage.allocator, body.data(stage.allocator, "setPaused", True)
    for member in range(3):
        body.vote(member, target, data)
    new = body.members[7].address
    done = body.contract.send("reseat", [0, 31], [ZERO, new], 4, by=stage.admin)
    assert done.of("TermBegan") == [{"term": 2, "seats": 0x8000007E, "threshold": 4}]
    assert body.contract.read("seats") == (0x8000007E, 4, 2)
    assert body.contract.read("holderOf", 31) == new
    assert body.contract.read("seatOf", new) == (1 << 31, 4, 2)
    assert body.contract.read("seatOf", body.members[1].address) == (2, 4, 2)
    assert body.contract.read("seatOf", body.members[0].address) == (0, 0, 0)
    with refuses("CouncilNotMember"):
        body.vote(0, target, data)
    assert body.state(target, data) == NONE  # of this term
    body.decide(target, data, votes=(7, 3, 4, 5))
    assert target.read("paused")


def test_a_decision_of_the_last_term_is_not_executed(body: Council) -> None:
    target, data = body.stage.allocator, body.data(body.stage.allocator, "setQueueing", 900, 0)
    last = body.decide(target, data)
    body.contract.send("reseat", [0], [ZERO], 4, by=body.stage.admin)
    body.stage.wait_until(last.time + DELAY_S)
    with refuses("CouncilBadBallot", state=NONE):
        body.execute(target, data)


@pytest.mark.parametrize("elected", [True, False])
def test_what_waits_is_decided_again(body: Council, elected: bool) -> None:
    """By the council after an election, whose old schedule is in the way, and by itself: it waits anew."""
    target, data = body.stage.allocator, body.data(body.stage.allocator, "setQueueing", 900, 0)
    first = body.decide(target, data)
    if elected:
        body.contract.send("reseat", [0], [body.members[7].address], 4, by=body.stage.admin)
    body.stage.wait_until(first.time + DELAY_S - 1)
    second = body.decide(target, data, votes=range(1, 5), salt=1)
    assert second.one("CallScheduled")["readyAt"] == second.time + DELAY_S
    with refuses("AccessManagerNotReady"):
        body.execute(target, data, salt=1)
    body.stage.wait_until(second.time + DELAY_S)
    body.execute(target, data, salt=1)
    assert target.read("queueing") == (900, 0)
    with refuses("CouncilBadBallot" if elected else "AccessManagerNotScheduled"):
        body.execute(target, data)  # a decision happens once


def test_two_members_change_places(body: Council) -> None:
    a, b = body.members[0].address, body.members[1].address
    body.contract.send("reseat", [0, 1], [b, a], 4, by=body.stage.admin)
    assert [body.contract.read("seatOf", who)[0] for who in (a, b)] == [2, 1]
    assert body.contract.read("seats")[0] == 0b1111111


@pytest.mark.parametrize(
    ("places", "holders", "threshold", "error"),
    [
        ([32], ["new"], 4, "CouncilBadSeat"),
        ([7], ["old"], 5, "CouncilBadSeat"),
        ([7, 8], ["new", "new"], 5, "CouncilBadSeat"),
        ([], [], 3, "CouncilBadThreshold"),  # no majority of seven
        ([], [], 8, "CouncilBadThreshold"),
        ([], [], 0, "CouncilBadThreshold"),
        ([0, 1, 2, 3, 4], ["zero"] * 5, 2, "CouncilBadThreshold"),  # two seats are too few
        ([7], ["new"], 4, "CouncilBadThreshold"),  # no majority of eight
    ],
)
def test_what_is_no_council_is_refused(
    body: Council, places: list[int], holders: list[str], threshold: int, error: str
) -> None:
    named = {"new": body.members[7].address, "old": body.members[1].address, "zero": ZERO}
    with refuses(error):
        body.contract.send("reseat", places, [named[h] for h in holders], threshold, by=body.stage.admin)
    with refuses("Panic"):
        body.contract.send("reseat", [0], [], 4, by=body.stage.admin)


def test_nobody_else_changes_seats(body: Council) -> None:
    for by in (body.stage.who.stranger, body.members[0].address, *body.stage.who.committee.values()):
        with refuses("CouncilNotTimelock", caller=by):
            body.contract.send("reseat", [0], [ZERO], 4, by=by)
    itself = body.data(body.contract, "reseat", [0], [ZERO], 4)
    for member in range(3):
        body.vote(member, body.contract, itself)
    with refuses("CouncilNotTimelock", caller=body.contract.address):
        body.vote(3, body.contract, itself)


def test_thirty_two_sit_and_every_one_counts(stage: Stage) -> None:
    body = council(stage, seats=29, threshold=15)
    more = [m.address for m in body.members[29:32]]
    body.contract.send("reseat", [29, 30, 31], more, 32, by=stage.admin)
    target, data = stage.allocator, body.data(stage.allocator, "setPaused", True)
    body.decide(target, data, votes=range(31))
    assert not target.read("paused")
    body.vote(31, target, data)
    assert body.contract.read("ballotOf", body.ballot(target, data))[0] == 2**32 - 1
    assert target.read("paused")


def test_one_of_no_council_is_not_deployed(stage: Stage) -> None:
    members = [stage.who.clients[0], stage.who.clients[1]]
    with pytest.raises(AssertionError, match="Council"):
        stage.deploy("Council", stage.manager.address, stage.admin, members, 2)


def test_the_delay_is_the_manager_s_and_not_the_council_s(body: Council) -> None:
    """A role without delay acts at once, one with a delay waits, whichever council holds it."""
    for contract, role in ((body.stage.allocator, ALLOCATION), (body.stage.allocator, SECURITY)):
        held, delay = body.stage.manager.read("hasRole", role, body.contract.address)
        assert held
        assert delay == (DELAY_S if role == ALLOCATION else 0), contract.address
