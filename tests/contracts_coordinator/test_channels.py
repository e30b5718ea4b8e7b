"""Channels: terms, acceptance, epochs settled by the lower count, quarantine, the way out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from coordinator_play import DAY_S, Play
from coordinator_words import EpochRecord, Seen

HOUR_S = 3_600
PROPOSED, LIVE, QUARANTINED, CLOSED = 1, 2, 3, 4


# -- opening and accepting ------------------------------------------------------------------------


def test_open_locks_the_deposit_and_fixes_terms_and_penalty(play: Play) -> None:
    before = play.balance(play.client)
    terms = play.terms()
    event = play.c.send("openChannel", terms.word, by=play.client).one("ChannelOpened")
    assert (event["channel"], event["opener"], event["penalty"]) == (1, play.client, 10_000)
    assert before - play.balance(play.client) == terms.deposit
    state = play.channel_state(1)
    assert (state["state"], state["epoch"], state["fidelity"]) == (PROPOSED, 1, 0)
    assert state["termsHash"] == terms.hash(play.client)
    assert play.c.read("termsHash", terms.word, play.client) == terms.hash(play.client)
    assert (state["bondA"], state["bondB"]) == (0, 0)  # promised, not locked yet


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"min_fidelity": 500_000}, b"minFidelity"),
        ({"min_fidelity": 1_000_001}, b"minFidelity"),
        ({"pair_rate": 0}, b"pairRate"),
        ({"end_bond": 9_999}, b"endBond"),
    ],
)
def test_terms_outside_the_bounds_are_refused(play: Play, changes: dict[str, int], field: bytes) -> None:
    word = play.terms(**changes).word
    found = play.c.refuses("CoordinatorBadTerms", "openChannel", word, by=play.client)
    assert found["field"].rstrip(b"\0") == field


def test_deadline_within_a_year(play: Play) -> None:
    now = play.stage.now
    for deadline in (now, now + 365 * DAY_S + 1):
        word = play.terms(deadline=deadline).word
        found = play.c.refuses("CoordinatorBadTerms", "openChannel", word, by=play.client)
        assert found["field"].rstrip(b"\0") == b"deadline"
    assert play.c.refusal("openChannel", play.terms(deadline=now + 365 * DAY_S).word, by=play.client) is None


def test_two_different_registered_processors(play: Play) -> None:
    word = play.terms(processor_b=1).word
    play.c.refuses("CoordinatorSameProcessor", "openChannel", word, by=play.client)
    word = play.terms(processor_b=99).word
    play.c.refuses("CoordinatorUnknownProcessor", "openChannel", word, by=play.client)


def test_open_needs_the_deposit(play: Play) -> None:
    word = play.terms(deposit=10_000_001).word
    play.c.refuses("CoordinatorInsufficientBalance", "openChannel", word, by=play.client)


def test_lives_when_both_ends_accepted_and_bonded(play: Play) -> None:
    channel, terms = play.propose()
    before = play.balance(play.provider(1))
    assert play.accept(channel, 1, terms).one("ChannelAccepted")["provider"] == play.provider(1)
    assert before - play.balance(play.provider(1)) == terms.end_bond
    assert play.channel_state(channel)["state"] == PROPOSED
    play.accept(channel, 2, terms)
    state = play.channel_state(channel)
    assert (state["state"], state["bondA"], state["bondB"]) == (LIVE, 100_000, 100_000)


def test_an_operator_accepts_for_its_provider(play: Play) -> None:
    channel, terms = play.propose()
    digest = terms.hash(play.client)
    event = play.c.send("acceptChannel", channel, 1, digest, by=play.stage.operator).one("ChannelAccepted")
    assert event["provider"] == play.provider(1)


def test_acceptance_refusals(play: Play) -> None:
    channel, terms = play.propose()
    digest, owner = terms.hash(play.client), play.provider(1)
    other = replace(terms, pair_price=9).hash(play.client)
    refuses = play.c.refuses
    refuses("CoordinatorTermsDiffer", "acceptChannel", channel, 1, other, by=owner)
    refuses("CoordinatorNotAnEnd", "acceptChannel", channel, 3, digest, by=play.provider(3))
    refuses("CoordinatorNotOperator", "acceptChannel", channel, 1, digest, by=play.stage.stranger)
    refuses("CoordinatorWrongChannelState", "acceptChannel", 9, 1, digest, by=owner)
    play.accept(channel, 1, terms)
    refuses("CoordinatorAlreadyAccepted", "acceptChannel", channel, 1, digest, by=owner)
    play.c.send("withdraw", owner, play.balance(play.provider(2)), by=play.provider(2))
    refuses("CoordinatorInsufficientBalance", "acceptChannel", channel, 2, digest, by=play.provider(2))
    play.stage.wait_until(terms.deadline + 1)
    refuses("CoordinatorChannelExpired", "acceptChannel", channel, 2, digest, by=play.provider(2))


def test_top_up(play: Play) -> None:
    channel = play.live()
    play.c.send("topUp", channel, 77, by=play.client)
    assert play.channel_state(channel)["deposit"] == 1_000_077
    play.c.refuses("CoordinatorNotOpener", "topUp", channel, 1, by=play.provider(1))
    play.c.refuses("CoordinatorInsufficientBalance", "topUp", channel, 10**8, by=play.client)
    play.c.refuses("CoordinatorWrongChannelState", "topUp", channel + 1, 1, by=play.client)


# -- epochs ---------------------------------------------------------------------------------------


def test_the_lower_count_is_paid_half_to_each_end(play: Play) -> None:
    channel = play.live(pair_price=7)
    before = [play.balance(play.provider(end)) for end in (1, 2)]
    now = play.stage.now + 1
    done = play.epoch(channel, Seen(pairs=1_000), Seen(pairs=901, root=b"\x23" * 32, rounds=300))
    event = done.one("EpochSettled")
    each = 901 * 7 // 2
    assert (event["pairs"], event["fidelity"]) == (901, 960_000)
    record = EpochRecord.of(event)
    until = now + DAY_S
    assert record == EpochRecord(1, b"\x22" * 32, b"\x23" * 32, 200, 300, each, each, until)
    assert [play.balance(play.provider(end)) for end in (1, 2)] == [amount + each for amount in before]
    state = play.channel_state(channel)
    assert (state["epoch"], state["deposit"], state["lockedUntil"]) == (2, 1_000_000 - 2 * each, until)
    assert play.c.read("epochDigestOf", channel, 1) == record.hash()


def test_the_order_of_the_ends_does_not_matter(play: Play) -> None:
    channel = play.live()
    play.attest(channel, 2, Seen(root=b"\x0b" * 32))
    record = EpochRecord.of(play.attest(channel, 1, Seen(root=b"\x0a" * 32)).one("EpochSettled"))
    assert (record.root_a, record.root_b) == (b"\x0a" * 32, b"\x0b" * 32)


def test_pay_ends_where_the_deposit_ends(play: Play) -> None:
    channel = play.live(deposit=101)
    record = EpochRecord.of(play.epoch(channel).one("EpochSettled"))
    assert (record.paid_a, record.paid_b) == (50, 50)
    assert play.channel_state(channel)["deposit"] == 1
    record = EpochRecord.of(play.epoch(channel).one("EpochSettled"))
    assert (record.paid_a, play.channel_state(channel)["deposit"]) == (0, 1)


def test_an_end_that_has_nothing_costs_nobody_anything(play: Play) -> None:
    channel = play.live()
    event = play.epoch(channel, Seen(), Seen(rounds=0, pairs=0, fidelity=0)).one("EpochSettled")
    assert (event["pairs"], event["record"]["disputableUntil"]) == (0, 0)
    state = play.channel_state(channel)
    assert (state["state"], state["epoch"], state["fidelity"]) == (LIVE, 2, 0)
    assert (state["deposit"], state["bondA"], state["bondB"]) == (1_000_000, 100_000, 100_000)
    assert play.c.read("epochDigestOf", channel, 1) == bytes(32)


@pytest.mark.parametrize(
    "bad",
    [
        Seen(qber_x=110_001, qber_z=0, fidelity=944_000),
        Seen(qber_x=0, qber_z=110_001, fidelity=944_000),
        Seen(fidelity=899_999),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_quality_past_the_bound_quarantines_unpaid(play: Play, bad: Seen, first: bool) -> None:
    channel = play.live()
    done = play.epoch(channel, *((bad, Seen()) if first else (Seen(), bad)))
    assert done.one("ChannelQuarantined")["reason"] == 0
    assert done.one("EpochSettled")["pairs"] == 0
    assert not done.of("Credited")
    state = play.channel_state(channel)
    assert (state["state"], state["deposit"]) == (QUARANTINED, 1_000_000)


def test_quality_at_the_bound_passes(play: Play) -> None:
    channel = play.live()
    edge = Seen(qber_x=110_000, qber_z=90_000, fidelity=900_000)
    assert play.epoch(channel, edge, edge).one("EpochSettled")["pairs"] == 1_000


@pytest.mark.parametrize(
    "figures",
    [
        Seen(qber_x=40_003, qber_z=40_000, fidelity=960_000),
        Seen(qber_x=1_000_001, qber_z=0, fidelity=0),
        Seen(qber_x=0, qber_z=1_000_001, fidelity=0),
        Seen(qber_x=0, qber_z=0, fidelity=1_000_001),
    ],
)
def test_figures_that_no_state_has_are_refused(play: Play, figures: Seen) -> None:
    channel = play.live()
    play.c.refuses("CoordinatorImpossibleFigures", "attest", channel, 1, figures.word, by=play.provider(1))


def test_figures_on_the_physical_edge_pass(play: Play) -> None:
    """F = 1 − (Qx + Qz) / 2 is reached with yy = −1; two units are left for rounding."""
    channel = play.live()
    edge = Seen(qber_x=40_002, qber_z=40_000, fidelity=960_000)
    assert play.c.refusal("attest", channel, 1, edge.word, by=play.provider(1)) is None


def test_attestation_refusals(play: Play) -> None:
    channel, terms = play.propose()
    owner, refuses = play.provider(1), play.c.refuses
    refuses("CoordinatorWrongChannelState", "attest", channel, 1, Seen().word, by=owner)
    for processor in (1, 2):
        play.accept(channel, processor, terms)
    refuses("CoordinatorNotAnEnd", "attest", channel, 3, Seen().word, by=play.provider(3))
    refuses("CoordinatorNotOperator", "attest", channel, 1, Seen().word, by=play.provider(2))
    refuses("CoordinatorWrongEpoch", "attest", channel, 1, Seen(epoch=2).word, by=owner)
    few = Seen(rounds=99).word
    assert refuses("CoordinatorTooFewTestRounds", "attest", channel, 1, few, by=owner) == {
        "given": 99,
        "required": 100,
    }
    refuses("CoordinatorTooFewTestRounds", "attest", channel, 1, Seen(rounds=0).word, by=owner)
    refuses("CoordinatorTooFewTestRounds", "attest", channel, 1, Seen(rounds=1, pairs=0).word, by=owner)
    play.attest(channel, 1, Seen())
    refuses("CoordinatorAlreadyAttested", "attest", channel, 1, Seen().word, by=owner)


def test_no_new_epoch_after_the_deadline_but_the_open_one_ends(play: Play) -> None:
    channel = play.live(deadline=play.stage.now + 10 * HOUR_S)
    deadline = play.channel_state(channel)["deadline"]
    play.stage.wait_until(deadline)
    play.attest(channel, 1, Seen())
    assert play.stage.now > deadline
    assert play.attest(channel, 2, Seen()).one("EpochSettled")["pairs"] == 1_000
    play.c.refuses("CoordinatorChannelExpired", "attest", channel, 1, Seen(epoch=2).word, by=play.provider(1))


@pytest.mark.parametrize(("waiting", "silent"), [(1, 2), (2, 1)])
def test_a_silent_end_pays_the_waiting_one(play: Play, waiting: int, silent: int) -> None:
    channel = play.live()
    play.c.refuses("CoordinatorNothingPending", "lapse", channel, by=play.stage.stranger)
    play.attest(channel, waiting, Seen())
    until = play.channel_state(channel)["pendingUntil"]
    play.stage.wait_until(until)
    play.c.refuses("CoordinatorTooEarly", "lapse", channel, by=play.stage.stranger)
    play.stage.wait_until(until + 1)
    before = play.balance(play.provider(waiting))
    event = play.c.send("lapse", channel, by=play.stage.stranger).one("EpochLapsed")
    assert (event["epoch"], event["silent"], event["penalty"]) == (1, silent, 10_000)
    assert play.balance(play.provider(waiting)) == before + 10_000
    state = play.channel_state(channel)
    assert state["bondA" if silent == 1 else "bondB"] == 90_000
    assert (state["epoch"], state["pendingEnd"], state["deposit"]) == (2, 0, 1_000_000)


def test_a_penalty_never_exceeds_the_bond(play: Play) -> None:
    channel = play.live(end_bond=10_005)  # penalty 1,000
    for epoch in range(1, 12):
        play.attest(channel, 1, Seen(epoch=epoch))
        play.stage.wait_until(play.channel_state(channel)["pendingUntil"] + 1)
        event = play.c.send("lapse", channel, by=play.stage.stranger).one("EpochLapsed")
        assert event["penalty"] == (1_000 if epoch <= 10 else 5)
    assert play.channel_state(channel)["bondB"] == 0


# -- the way out ----------------------------------------------------------------------------------


def test_close_returns_deposit_and_bonds(play: Play) -> None:
    channel = play.measured()
    state = play.channel_state(channel)
    assert state["deposit"] == 990_000
    play.stage.wait_until(state["deadline"])
    play.c.refuses("CoordinatorTooEarly", "closeChannel", channel, by=play.client)
    play.stage.wait_until(state["deadline"] + 1)
    before = [play.balance(who) for who in (play.client, play.provider(1), play.provider(2))]
    event = play.c.send("closeChannel", channel, by=play.stage.stranger).one("ChannelClosed")
    assert (event["refund"], event["bondA"], event["bondB"]) == (990_000, 100_000, 100_000)
    after = [play.balance(who) for who in (play.client, play.provider(1), play.provider(2))]
    assert [b - a for a, b in zip(before, after, strict=True)] == [990_000, 100_000, 100_000]
    assert play.channel_state(channel)["state"] == CLOSED
    play.c.refuses("CoordinatorWrongChannelState", "closeChannel", channel, by=play.client)
    play.c.refuses("CoordinatorWrongChannelState", "closeChannel", channel + 1, by=play.client)


def test_the_opener_takes_a_proposal_back_at_once(play: Play) -> None:
    channel, terms = play.propose()
    play.accept(channel, 2, terms)
    play.c.refuses("CoordinatorTooEarly", "closeChannel", channel, by=play.provider(2))
    event = play.c.send("closeChannel", channel, by=play.client).one("ChannelClosed")
    assert (event["refund"], event["bondA"], event["bondB"]) == (1_000_000, 0, 100_000)


def test_bonds_stay_for_the_dispute_window(play: Play) -> None:
    channel = play.live(deadline=play.stage.now + 2 * HOUR_S)
    play.epoch(channel)
    state = play.channel_state(channel)
    play.stage.wait_until(state["lockedUntil"])
    assert play.stage.now > state["deadline"]
    play.c.refuses("CoordinatorBondsLocked", "closeChannel", channel, by=play.client)
    play.stage.wait_until(state["lockedUntil"] + 1)
    play.c.send("closeChannel", channel, by=play.client)


def test_an_open_epoch_is_ended_before_the_channel(play: Play) -> None:
    channel = play.live()
    play.stage.wait_until(play.channel_state(channel)["deadline"])
    play.attest(channel, 1, Seen())
    play.c.refuses("CoordinatorEpochPending", "closeChannel", channel, by=play.client)
    play.stage.wait_until(play.channel_state(channel)["pendingUntil"] + 1)
    play.c.send("lapse", channel, by=play.stage.stranger)
    play.c.send("closeChannel", channel, by=play.stage.stranger)


@pytest.mark.parametrize("who", ["opener", "end"])
def test_retiring_brings_the_deadline_forward_by_notice(play: Play, who: str) -> None:
    channel = play.live()
    by = play.client if who == "opener" else play.provider(2)
    play.c.refuses("CoordinatorNotEntitled", "retireChannel", channel, by=play.stage.stranger)
    now = play.stage.now
    event = play.c.send("retireChannel", channel, by=by).one("ChannelRetiring")
    assert event["deadline"] == play.channel_state(channel)["deadline"] == now + HOUR_S
    play.c.refuses("CoordinatorChannelExpired", "retireChannel", channel, by=by)


def test_only_a_live_channel_is_retired(play: Play) -> None:
    channel, _ = play.propose()
    play.c.refuses("CoordinatorWrongChannelState", "retireChannel", channel, by=play.client)


# -- quarantine by the security group -------------------------------------------------------------


def test_quarantine_by_security_moves_nothing_and_lets_all_out(play: Play) -> None:
    stage: Any = play.stage
    channel = play.live()
    play.attest(channel, 1, Seen())
    held = stage.token.read("balanceOf", play.c.address)
    done = play.c.send("quarantine", channel, by=stage.security)
    assert done.one("ChannelQuarantined")["reason"] == 3
    assert not done.of("Credited")
    assert stage.token.read("balanceOf", play.c.address) == held
    play.c.refuses("CoordinatorWrongChannelState", "attest", channel, 2, Seen().word, by=play.provider(2))
    play.c.refuses("CoordinatorNothingPending", "lapse", channel, by=stage.stranger)  # B could not answer
    event = play.c.send("closeChannel", channel, by=stage.stranger).one("ChannelClosed")
    assert (event["refund"], event["bondA"], event["bondB"]) == (1_000_000, 100_000, 100_000)
    play.c.refuses("CoordinatorWrongChannelState", "quarantine", channel, by=stage.security)


def test_nobody_else_quarantines(play: Play) -> None:
    channel = play.live()
    for who in (play.client, play.provider(1), play.stage.standards, play.stage.admin):
        play.c.refuses("AccessManagedUnauthorized", "quarantine", channel, by=who)
