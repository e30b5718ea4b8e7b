"""Sessions: barriers that open only for all, deadlines, blame, refunds, attempts, correction records."""

from __future__ import annotations

import math
from typing import Any

import pytest
from coordinator_play import DAY_S, Play
from coordinator_words import Correction, Request, Seen, next_trail

PLAN, READY, GO, DONE, ABORTED = 1, 2, 3, 4, 5
TIMEOUT, LINK_LOST, PEER_SILENT, FIDELITY_LOW, CANCELLED = 1, 2, 3, 4, 5
FEE, STAKE, PENALTY = 5_000, 20_000, 2_000


@pytest.fixture
def pair(play: Play) -> Play:
    """A measured channel between processors 1 and 2."""
    assert play.measured() == 1
    return play


@pytest.fixture
def ring(play: Play) -> Play:
    """Measured channels 1–2, 2–3, 1–3."""
    for a, b in ((1, 2), (2, 3), (1, 3)):
        play.measured(processor_a=a, processor_b=b)
    return play


TRIO: dict[str, Any] = {"parties": (1, 2, 3), "channels": (1, 2, 3), "ebits": (1, 2, 3)}


def balances(play: Play, parties: int) -> list[int]:
    return [play.balance(who) for who in (play.client, *map(play.provider, range(1, parties + 1)))]


def moved(play: Play, before: list[int]) -> list[int]:
    return [now - then for now, then in zip(balances(play, len(before) - 1), before, strict=True)]


# -- opening --------------------------------------------------------------------------------------


def test_open_locks_the_fees_and_enters_the_channels(ring: Play) -> None:
    before = balances(ring, 3)
    now = ring.stage.now
    request = Request(**TRIO, epochs=2)
    event = ring.c.send("openSession", request.word, by=ring.client).one("SessionOpened")
    assert (event["session"], event["job"], event["client"]) == (1, 7, ring.client)
    assert event["digest"] == request.digest(ring.client)
    assert ring.c.read("sessionDigest", request.word, ring.client) == event["digest"]
    assert (event["deadline"], event["penalty"]) == (now + 600, PENALTY)
    assert moved(ring, before) == [-3 * FEE, 0, 0, 0]
    state = ring.session_state(1)
    assert (state["state"], state["barrier"], state["lastBarrier"]) == (PLAN, 0, 3)
    assert (state["parties"], state["channels"]) == ((1, 2, 3), (1, 2, 3))
    assert state["trail"] == event["digest"]
    for channel in (1, 2, 3):
        assert ring.channel_state(channel)["sessions"] == (1, 0, 0, 0)
    assert ring.c.read("attemptsOf", ring.client, 7) == (1, 1)


@pytest.mark.parametrize(("shots", "ebits"), [(1, 1), (1_000, 2), (100_000, 7)])
def test_a_barrier_lasts_as_long_as_pairs_and_coherence_ask(pair: Play, shots: int, ebits: int) -> None:
    """Slowest channel's pairs, plus shots · τ · ln(w / w_min) of the shorter memory, plus grace."""
    w, w_min = ((4 * f - 1) / 3 for f in (0.96, 0.9))
    alive = min(pair.stage.t2[:2]) * 1e-9 * math.log(w / w_min)
    expected = 60 + shots * (ebits / 27.0 + alive)
    request = Request(shots=shots, ebits=(ebits,))
    assert pair.c.read("barrierSeconds", request.word) == math.ceil(expected - 1e-6)


def test_a_long_memory_makes_a_long_barrier(play: Play) -> None:
    """Coherence times come from the certificates: processor 3 keeps a pair for seconds."""
    play.stage.certify(1, 4_000_000_000, 2, play.stage.now + DAY_S)
    play.measured(processor_b=3, pair_rate=4_000_000_000)
    w, w_min = ((4 * f - 1) / 3 for f in (0.96, 0.9))
    request = Request(parties=(1, 3), shots=1_000)
    seconds = play.c.read("barrierSeconds", request.word)
    assert seconds == math.ceil(60 + 1_000 * (4.0 * math.log(w / w_min)) + 0.0005)


def test_the_slowest_channel_and_the_shortest_life_count(play: Play) -> None:
    play.measured(processor_a=1, processor_b=2, pair_rate=1_000)
    play.measured(processor_a=2, processor_b=3, min_fidelity=959_999)
    request = Request(parties=(1, 2, 3), channels=(1, 2), ebits=(1, 5), shots=100)
    assert play.c.read("barrierSeconds", request.word) == 60 + 100


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"parties": (1,)}, b"parties"),
        ({"parties": (2, 1)}, b"parties"),
        ({"parties": (1, 1, 2)}, b"parties"),
        ({"parties": tuple(range(1, 10))}, b"parties"),
        ({"channels": (), "ebits": ()}, b"channels"),
        ({"channels": (1, 1), "ebits": (1, 1)}, b"channels"),
        ({"channels": tuple(range(1, 10)), "ebits": (1,) * 9}, b"channels"),
        ({"parties": (1, 3)}, b"channels"),
        ({"ebits": (1, 1)}, b"ebits"),
        ({"ebits": (0,)}, b"ebits"),
        ({"shots": 0}, b"shots"),
        ({"epochs": 0}, b"epochs"),
        ({"epochs": 33}, b"epochs"),
        ({"plan_s": 0}, b"planSeconds"),
        ({"plan_s": 7 * DAY_S + 1}, b"planSeconds"),
        ({"stake": 9_999}, b"partyDeposit"),
    ],
)
def test_requests_outside_the_bounds_are_refused(pair: Play, changes: dict[str, Any], field: bytes) -> None:
    word = Request(**changes).word
    found = pair.c.refuses("CoordinatorBadRequest", "openSession", word, by=pair.client)
    assert found["field"].rstrip(b"\0") == field


def test_opening_refusals(pair: Play) -> None:
    c, client, stage = pair.c, pair.client, pair.stage
    c.refuses("CoordinatorNotOpener", "openSession", Request().word, by=stage.stranger)
    c.refuses("CoordinatorUnknownProcessor", "openSession", Request(parties=(1, 99)).word, by=client)
    c.refuses("CoordinatorPartyUnconnected", "openSession", Request(parties=(1, 2, 3)).word, by=client)
    c.refuses("CoordinatorWrongChannelState", "openSession", Request(channels=(9,)).word, by=client)
    c.refuses("CoordinatorBarrierTooLong", "openSession", Request(shots=10**8).word, by=client)
    c.refuses("CoordinatorWrongAttempt", "openSession", Request(attempt=1).word, by=client)
    c.refuses("CoordinatorInsufficientBalance", "openSession", Request(fee=10**7).word, by=client)
    unmeasured = pair.live()
    word = Request(channels=(unmeasured,)).word
    c.refuses("CoordinatorChannelUnmeasured", "openSession", word, by=client)


def test_every_barrier_fits_before_the_channels_deadline(play: Play) -> None:
    channel = play.measured(deadline=play.stage.now + 10_000)
    deadline = play.channel_state(channel)["deadline"]
    request = Request(epochs=3)
    seconds = play.c.read("barrierSeconds", request.word)
    play.stage.wait_until(deadline - 600 - 4 * seconds + 1)
    play.c.refuses("CoordinatorChannelTooShort", "openSession", request.word, by=play.client)
    fits = Request(epochs=3, plan_s=599).word
    assert play.c.refusal("openSession", fits, by=play.client) is None


def test_uncertified_processors_take_no_part(pair: Play) -> None:
    stage = pair.stage
    stage.registry.send("setSuspended", 2, True, by=stage.admin)
    found = pair.c.refuses("CoordinatorUncertified", "openSession", Request().word, by=pair.client)
    assert found == {"processor": 2}
    stage.registry.send("setSuspended", 2, False, by=stage.admin)
    assert pair.c.refusal("openSession", Request().word, by=pair.client) is None
    stage.registry.send("retire", 1, by=pair.provider(1))
    found = pair.c.refuses("CoordinatorUncertified", "openSession", Request().word, by=pair.client)
    assert found == {"processor": 1}


def test_an_expired_certificate_does_not_do(play: Play) -> None:
    stage = play.stage
    stage.certify(1, 80_000, 2, stage.now + DAY_S)
    play.measured()
    stage.wait_until(stage.registry.read("processor", 1)["certifiedUntil"])
    assert play.c.refusal("openSession", Request().word, by=play.client) is None
    stage.wait_until(stage.registry.read("processor", 1)["certifiedUntil"] + 1)
    play.c.refuses("CoordinatorUncertified", "openSession", Request().word, by=play.client)


def test_a_channel_carries_four_sessions_at_a_time(pair: Play) -> None:
    for job in range(4):
        pair.session(job=job)
    assert pair.channel_state(1)["sessions"] == (1, 2, 3, 4)
    pair.c.refuses("CoordinatorChannelFull", "openSession", Request(job=5).word, by=pair.client)
    pair.c.send("cancelSession", 2, by=pair.client)
    assert pair.session(job=5)[0] == 5
    assert pair.channel_state(1)["sessions"] == (1, 5, 3, 4)


# -- barriers -------------------------------------------------------------------------------------


def test_a_whole_session(ring: Play) -> None:
    """PLAN, READY, two computing epochs, DONE: fees paid, deposits back, the trail as recomputed."""
    before = balances(ring, 3)
    session, request = ring.session(**TRIO, epochs=2)
    trail = request.digest(ring.client)
    for barrier, following in ((0, READY), (1, GO), (2, GO), (3, DONE)):
        for party in (2, 3, 1):
            state = ring.session_state(session)
            assert (state["barrier"], state["state"]) == (
                barrier,
                following if barrier == 2 else following - 1,
            )
            now = ring.stage.now
            done = ring.arrive(session, request, party, barrier)
            arrived = done.one("PartyArrived")
            assert (arrived["processor"], arrived["barrier"]) == (party, barrier)
            if barrier:
                trail = next_trail(trail, barrier, party, arrived["commitment"])
            assert ring.session_state(session)["trail"] == trail
            assert bool(done.of("BarrierPassed")) == (party == 1 and barrier < 3)
        if barrier < 3:
            passed = done.one("BarrierPassed")
            assert (passed["barrier"], passed["state"]) == (barrier + 1, following)
            assert passed["deadline"] == now + ring.session_state(session)["barrierSeconds"]
        if barrier == 0:
            assert moved(ring, before) == [-3 * FEE, -STAKE, -STAKE, -STAKE]
    assert done.one("SessionCompleted") == {"session": session, "trail": trail}
    assert moved(ring, before) == [-3 * FEE, FEE, FEE, FEE]
    assert ring.session_state(session)["state"] == DONE
    for channel in (1, 2, 3):
        assert ring.channel_state(channel)["sessions"] == (0, 0, 0, 0)


def test_arrival_refusals(pair: Play) -> None:
    session, request = pair.session()
    digest, owner, refuses = request.digest(pair.client), pair.provider(1), pair.c.refuses
    refuses("CoordinatorWrongSessionState", "arrive", session + 1, 0, 1, digest, by=owner)
    refuses("CoordinatorWrongBarrier", "arrive", session, 1, 1, digest, by=owner)
    refuses("CoordinatorNotAParty", "arrive", session, 0, 3, digest, by=pair.provider(3))
    refuses("CoordinatorNotOperator", "arrive", session, 0, 1, digest, by=pair.provider(2))
    refuses("CoordinatorPlanDiffers", "arrive", session, 0, 1, request.plan_hash, by=owner)
    pair.arrive(session, request, 1, 0)
    found = refuses("CoordinatorAlreadyArrived", "arrive", session, 0, 1, digest, by=owner)
    assert found == {"session": session, "barrier": 0, "processor": 1}
    pair.c.send("withdraw", owner, pair.balance(pair.provider(2)), by=pair.provider(2))
    refuses("CoordinatorInsufficientBalance", "arrive", session, 0, 2, digest, by=pair.provider(2))


def test_an_operator_arrives_for_its_provider(pair: Play) -> None:
    session, request = pair.session()
    before = pair.balance(pair.provider(1))
    pair.c.send("arrive", session, 0, 1, request.digest(pair.client), by=pair.stage.operator)
    assert pair.balance(pair.provider(1)) == before - STAKE


def test_a_late_arrival_counts_until_someone_aborts(pair: Play) -> None:
    session, request = pair.session()
    pair.pass_barriers(session, request, 0)
    pair.arrive(session, request, 1, 1)
    pair.stage.wait_until(pair.session_state(session)["deadline"] + 100)
    assert pair.arrive(session, request, 2, 1).of("BarrierPassed")
    assert pair.session_state(session)["deadline"] > pair.stage.now


# -- abort, decline, cancel -----------------------------------------------------------------------


def test_nobody_aborts_before_the_deadline(pair: Play) -> None:
    session, request = pair.session()
    for barrier in (0, 1, 2):
        deadline = pair.session_state(session)["deadline"]
        pair.stage.wait_until(deadline)
        pair.c.refuses("CoordinatorTooEarly", "abort", session, by=pair.client)
        pair.pass_barriers(session, request, barrier)
    pair.c.refuses("CoordinatorWrongSessionState", "abort", session, by=pair.client)
    pair.c.refuses("CoordinatorWrongSessionState", "abort", session + 1, by=pair.client)


@pytest.mark.parametrize("arrived", [(), (2,), (1, 3)])
def test_abort_in_plan_names_the_missing_and_costs_nobody(ring: Play, arrived: tuple[int, ...]) -> None:
    before = balances(ring, 3)
    session, request = ring.session(**TRIO)
    for party in arrived:
        ring.arrive(session, request, party, 0)
    ring.stage.wait_until(ring.session_state(session)["deadline"] + 1)
    event = ring.c.send("abort", session, by=ring.stage.stranger).one("SessionAborted")
    assert (event["code"], event["barrier"], event["penalty"]) == (TIMEOUT, 0, 0)
    assert tuple(event["blamed"]) == tuple(sorted({1, 2, 3} - set(arrived)))
    assert moved(ring, before) == [0, 0, 0, 0]


@pytest.mark.parametrize("barrier", [1, 2])
@pytest.mark.parametrize("arrived", [(), (2,), (1, 3)])
def test_the_silent_pay_those_who_waited(ring: Play, barrier: int, arrived: tuple[int, ...]) -> None:
    before = balances(ring, 3)
    session, request = ring.session(**TRIO)
    ring.pass_barriers(session, request, *range(barrier))
    for party in arrived:
        ring.arrive(session, request, party, barrier)
    ring.stage.wait_until(ring.session_state(session)["deadline"] + 1)
    event = ring.c.send("abort", session, by=ring.stage.stranger).one("SessionAborted")
    silent = sorted({1, 2, 3} - set(arrived))
    assert (event["code"], event["barrier"], event["penalty"]) == (PEER_SILENT, barrier, PENALTY)
    assert list(event["blamed"]) == silent
    pot = PENALTY * len(silent)
    share = pot // (len(arrived) + 1)
    parties = [share if party in arrived else -PENALTY for party in (1, 2, 3)]
    assert moved(ring, before) == [pot - share * len(arrived), *parties]
    state = ring.session_state(session)
    assert (state["state"], state["code"]) == (ABORTED, PEER_SILENT)
    for channel in (1, 2, 3):
        assert ring.channel_state(channel)["sessions"] == (0, 0, 0, 0)
    ring.c.refuses(
        "CoordinatorWrongSessionState", "arrive", session, barrier, 1, bytes(32), by=ring.provider(1)
    )


@pytest.mark.parametrize("barrier", [0, 1])
@pytest.mark.parametrize("code", [LINK_LOST, FIDELITY_LOW])
def test_a_party_steps_back_before_go_for_free(pair: Play, barrier: int, code: int) -> None:
    before = balances(pair, 2)
    session, request = pair.session()
    pair.pass_barriers(session, request, *range(barrier))
    pair.arrive(session, request, 1, barrier)
    event = pair.c.send("decline", session, 2, code, by=pair.provider(2)).one("SessionAborted")
    assert (event["code"], list(event["blamed"]), event["penalty"]) == (code, [2], 0)
    assert moved(pair, before) == [0, 0, 0]


def test_decline_refusals(pair: Play) -> None:
    session, request = pair.session()
    refuses = pair.c.refuses
    for code in (0, TIMEOUT, PEER_SILENT, CANCELLED):
        refuses("CoordinatorBadAbortCode", "decline", session, 1, code, by=pair.provider(1))
    refuses("CoordinatorNotAParty", "decline", session, 3, LINK_LOST, by=pair.provider(3))
    refuses("CoordinatorNotOperator", "decline", session, 1, LINK_LOST, by=pair.provider(2))
    pair.pass_barriers(session, request, 0, 1)
    refuses("CoordinatorWrongSessionState", "decline", session, 1, LINK_LOST, by=pair.provider(1))


def test_the_client_cancels_a_plan_only(pair: Play) -> None:
    before = balances(pair, 2)
    session, request = pair.session()
    pair.arrive(session, request, 1, 0)
    pair.c.refuses("CoordinatorNotClient", "cancelSession", session, by=pair.provider(1))
    event = pair.c.send("cancelSession", session, by=pair.client).one("SessionAborted")
    assert (event["code"], list(event["blamed"])) == (CANCELLED, [])
    assert moved(pair, before) == [0, 0, 0]
    session, request = pair.session(attempt=1)
    pair.pass_barriers(session, request, 0)
    pair.c.refuses("CoordinatorWrongSessionState", "cancelSession", session, by=pair.client)


def test_a_quarantine_aborts_all_sessions_of_the_channel(ring: Play) -> None:
    before = balances(ring, 3)
    ring.session(job=1, **TRIO)
    second, request = ring.session(job=2)
    ring.pass_barriers(second, request, 0, 1)
    ring.session(job=3, parties=(2, 3), channels=(2,), ebits=(1,))
    done = ring.epoch(1, Seen(), Seen(fidelity=800_000))
    assert [(e["session"], e["code"]) for e in done.of("SessionAborted")] == [
        (1, FIDELITY_LOW),
        (2, FIDELITY_LOW),
    ]
    assert moved(ring, before) == [-2 * FEE, 0, 0, 0]
    assert ring.session_state(3)["state"] == PLAN
    assert ring.channel_state(2)["sessions"] == (0, 3, 0, 0)
    assert ring.channel_state(1)["sessions"] == (0, 0, 0, 0)


def test_the_widest_quarantine_fits_a_block(play: Play) -> None:
    """Four running sessions over all four processors and six channels end in one transaction."""
    edges = [(a, b) for a in range(1, 5) for b in range(a + 1, 5)]
    for a, b in edges:
        play.measured(processor_a=a, processor_b=b)
    for job in range(4):
        session, request = play.session(
            job=job, parties=(1, 2, 3, 4), channels=tuple(range(1, 7)), ebits=(1,) * 6
        )
        play.pass_barriers(session, request, 0)
    done = play.c.send("quarantine", 1, by=play.stage.security)
    assert len(done.of("SessionAborted")) == 4
    assert done.gas < 2_000_000


def test_a_busy_channel_does_not_close(play: Play) -> None:
    channel = play.measured()
    play.session()
    play.stage.wait_until(play.channel_state(channel)["deadline"] + 1)
    found = play.c.refuses("CoordinatorChannelBusy", "closeChannel", channel, by=play.client)
    assert found == {"channel": channel, "session": 1}
    play.c.send("abort", 1, by=play.stage.stranger)
    play.c.send("closeChannel", channel, by=play.stage.stranger)


# -- attempts -------------------------------------------------------------------------------------


def test_attempts_are_taken_in_order_each_once_after_an_abort(pair: Play) -> None:
    refuses = pair.c.refuses
    session, request = pair.session()
    found = refuses("CoordinatorWrongAttempt", "openSession", request.word, by=pair.client)
    assert found == {"job": 7, "expected": 1, "given": 0, "previous": session}
    refuses("CoordinatorAttemptRunning", "openSession", Request(attempt=1).word, by=pair.client)
    for attempt in (1, 2):
        pair.c.send("cancelSession", session, by=pair.client)
        session, _ = pair.session(attempt=attempt)
    pair.c.send("cancelSession", session, by=pair.client)
    found = refuses("CoordinatorNoAttemptsLeft", "openSession", Request(attempt=3).word, by=pair.client)
    assert found == {"job": 7, "maximum": 3}


def test_a_completed_job_takes_no_further_attempt(pair: Play) -> None:
    session, request = pair.session()
    pair.pass_barriers(session, request, 0, 1, 2)
    word = Request(attempt=1).word
    found = pair.c.refuses("CoordinatorAttemptRunning", "openSession", word, by=pair.client)
    assert (found["session"], found["state"]) == (session, DONE)


def test_jobs_of_two_clients_do_not_collide(pair: Play) -> None:
    pair.session()
    assert pair.c.read("attemptsOf", pair.provider(3), 7) == (0, 0)


# -- error correction -----------------------------------------------------------------------------


def test_parties_attest_one_correction_record(pair: Play) -> None:
    session, request = pair.session()
    record = Correction()
    pair.c.refuses(
        "CoordinatorWrongSessionState", "attestCorrection", session, 1, record.word, by=pair.provider(1)
    )
    pair.pass_barriers(session, request, 0, 1)
    event = pair.c.send("attestCorrection", session, 1, record.word, by=pair.provider(1))
    assert event.one("CorrectionAttested")["record"]["logicalErrorPerRound"] == record.logical_error
    state = pair.session_state(session)
    assert (state["correction"], state["corrected"]) == (record.hash(), 0b01)
    other = Correction(failures=112).word
    refuses = pair.c.refuses
    refuses("CoordinatorCorrectionDiffers", "attestCorrection", session, 2, other, by=pair.provider(2))
    args = (session, 1, record.word)
    refuses("CoordinatorAlreadyAttestedCorrection", "attestCorrection", *args, by=pair.provider(1))
    refuses("CoordinatorNotAParty", "attestCorrection", session, 3, record.word, by=pair.provider(3))
    refuses("CoordinatorNotOperator", "attestCorrection", session, 2, record.word, by=pair.provider(1))
    pair.pass_barriers(session, request, 2)
    pair.c.send("attestCorrection", session, 2, record.word, by=pair.provider(2))
    assert pair.session_state(session)["corrected"] == 0b11


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (Correction(distance=1), b"distance"),
        (Correction(rounds=0), b"rounds"),
        (Correction(shots=0, failures=0), b"shots"),
        (Correction(failures=20_001), b"failures"),
        (Correction(logical_error=10**12 + 1), b"logicalErrorPerRound"),
    ],
)
def test_correction_records_that_cannot_be(pair: Play, record: Correction, field: bytes) -> None:
    session, request = pair.session()
    pair.pass_barriers(session, request, 0, 1)
    args = (session, 1, record.word)
    found = pair.c.refuses("CoordinatorBadCorrection", "attestCorrection", *args, by=pair.provider(1))
    assert found["field"].rstrip(b"\0") == field
