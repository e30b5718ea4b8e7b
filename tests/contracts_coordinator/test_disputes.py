"""Disputed test rounds: opened by proof, contradicted, withheld, and what each costs."""

from __future__ import annotations

import pytest
from coordinator_play import DAY_S, Play
from coordinator_words import EpochRecord, Seen, Tree, rounds_of

LIVE, QUARANTINED = 2, 3
PENALTY = 10_000
EACH = 5_000
"""Pay of an end for the standard epoch: 1,000 pairs at 10, halved."""


def balances(play: Play) -> list[int]:
    return [play.balance(who) for who in (play.client, play.provider(1), play.provider(2))]


def moved(play: Play, before: list[int]) -> list[int]:
    return [after - amount for after, amount in zip(balances(play), before, strict=True)]


def dispute(play: Play, channel: int, record: EpochRecord, index: int, by: str) -> None:
    play.c.send("dispute", channel, record.word, index, by=by)


@pytest.mark.parametrize("first", [0, 1])
def test_equal_leaves_give_the_stake_to_the_ends(play: Play, first: int) -> None:
    channel = play.live(end_bond=100_010)  # penalty 10,001
    record, a, b = play.paid_with_trees(channel)
    before = balances(play)
    dispute(play, channel, record, 77, play.client)
    disputer, deadline, opened = play.c.read("disputeOf", channel, 1, 77)
    assert (disputer, opened) == (play.client, 0)
    assert deadline > play.stage.now
    play.open_leaf(channel, record, first, (a, b)[first], 77)
    assert play.c.read("disputeOf", channel, 1, 77)[2] == 1 << first
    event = play.open_leaf(channel, record, 1 - first, (b, a)[first], 77).one("DisputeResolved")
    assert (event["upheld"], event["silentEnds"]) == (False, 0)
    assert moved(play, before) == [-10_001, 5_001, 5_000]
    state = play.channel_state(channel)
    assert (state["state"], state["openDisputes"]) == (LIVE, 0)
    assert play.c.read("epochDigestOf", channel, 1) == record.hash()
    dispute(play, channel, record, 77, play.provider(1))  # and it may be asked again


def test_different_leaves_cost_both_ends_the_epoch(play: Play) -> None:
    channel = play.live()
    record, a, b = play.paid_with_trees(channel, flips=(77,))
    deposit = play.channel_state(channel)["deposit"]
    before = balances(play)
    dispute(play, channel, record, 77, play.client)
    play.open_leaf(channel, record, 0, a, 77)
    done = play.open_leaf(channel, record, 1, b, 77)
    assert done.one("DisputeResolved")["upheld"]
    assert done.one("ChannelQuarantined")["reason"] == 1
    assert [(e["restitution"], e["penalty"]) for e in done.of("EndSlashed")] == [(EACH, 0), (EACH, 0)]
    assert moved(play, before) == [0, 0, 0]  # the stake is back; pay returns to the deposit out of the bonds
    state = play.channel_state(channel)
    assert (state["state"], state["deposit"]) == (QUARANTINED, deposit + 2 * EACH)
    assert (state["bondA"], state["bondB"]) == (95_000, 95_000)


@pytest.mark.parametrize(("answers", "liable"), [((), (0, 1)), ((0,), (1,)), ((1,), (0,))])
def test_who_withholds_a_leaf_pays_back_and_pays_the_disputer(
    play: Play, answers: tuple[int, ...], liable: tuple[int, ...]
) -> None:
    channel = play.live()
    record, *trees = play.paid_with_trees(channel)
    deposit = play.channel_state(channel)["deposit"]
    before = balances(play)
    dispute(play, channel, record, 5, play.client)
    for end in answers:
        play.open_leaf(channel, record, end, trees[end], 5)
    deadline = play.c.read("disputeOf", channel, 1, 5)[1]
    play.stage.wait_until(deadline)
    play.c.refuses("CoordinatorTooEarly", "resolveDispute", channel, record.word, 5, by=play.client)
    play.stage.wait_until(deadline + 1)
    args = (channel, record.word, 0, trees[0].round(5), trees[0].proof(5))
    play.c.refuses("CoordinatorTooLate", "openLeaf", *args, by=play.client)
    done = play.c.send("resolveDispute", channel, record.word, 5, by=play.stage.stranger)
    event = done.one("DisputeResolved")
    assert (event["upheld"], event["silentEnds"]) == (True, sum(1 << end for end in liable))
    assert done.one("ChannelQuarantined")["reason"] == 2
    assert moved(play, before) == [PENALTY * len(liable), 0, 0]
    state = play.channel_state(channel)
    assert state["deposit"] == deposit + EACH * len(liable)
    bonds = [100_000 - (EACH + PENALTY) * (end in liable) for end in (0, 1)]
    assert [state["bondA"], state["bondB"]] == bonds
    after = record.after(a=0 in liable, b=1 in liable)
    assert play.c.read("epochDigestOf", channel, 1) == after.hash()
    play.c.refuses("CoordinatorRecordDiffers", "dispute", channel, record.word, 6, by=play.client)


def test_pay_is_given_back_once(play: Play) -> None:
    """Two disputes of one epoch, both unanswered: restitution once, the penalty for each."""
    channel = play.live()
    record, *_ = play.paid_with_trees(channel)
    dispute(play, channel, record, 5, play.client)
    dispute(play, channel, record, 6, play.provider(2))
    play.stage.wait_until(play.c.read("disputeOf", channel, 1, 6)[1] + 1)
    play.c.send("resolveDispute", channel, record.word, 5, by=play.stage.stranger)
    again = record.after(a=True, b=True)
    done = play.c.send("resolveDispute", channel, again.word, 6, by=play.stage.stranger)
    assert [(e["restitution"], e["penalty"]) for e in done.of("EndSlashed")] == [(0, PENALTY)] * 2
    assert not done.of("ChannelQuarantined")  # it is already
    assert play.channel_state(channel)["bondA"] == 100_000 - EACH - 2 * PENALTY


def test_restitution_and_penalty_stay_within_the_bond(play: Play) -> None:
    channel = play.live(end_bond=10_000, pair_price=30)
    record, *_ = play.paid_with_trees(channel)
    assert record.paid_a == 15_000
    before = balances(play)
    dispute(play, channel, record, 5, play.client)
    play.stage.wait_until(play.c.read("disputeOf", channel, 1, 5)[1] + 1)
    done = play.c.send("resolveDispute", channel, record.word, 5, by=play.stage.stranger)
    assert [(e["restitution"], e["penalty"]) for e in done.of("EndSlashed")] == [(10_000, 0)] * 2
    assert moved(play, before) == [0, 0, 0]


def test_dispute_refusals(play: Play) -> None:
    channel, terms = play.propose()
    empty = EpochRecord(1, bytes(32), bytes(32), 1, 1, 0, 0, 0)
    refuses = play.c.refuses
    refuses("CoordinatorWrongChannelState", "dispute", channel, empty.word, 0, by=play.client)
    for processor in (1, 2):
        play.accept(channel, processor, terms)
    record, *_ = play.paid_with_trees(channel)
    refuses("CoordinatorNotEntitled", "dispute", channel, record.word, 0, by=play.stage.stranger)
    refuses("CoordinatorNotEntitled", "dispute", channel, record.word, 0, by=play.provider(3))
    refuses("CoordinatorRecordDiffers", "dispute", channel, empty.word, 0, by=play.client)
    refuses("CoordinatorNoSuchRound", "dispute", channel, record.word, 150, by=play.client)
    dispute(play, channel, record, 149, play.client)
    refuses("CoordinatorAlreadyDisputed", "dispute", channel, record.word, 149, by=play.provider(1))
    play.c.send("withdraw", play.client, play.balance(play.client), by=play.client)
    refuses("CoordinatorInsufficientBalance", "dispute", channel, record.word, 3, by=play.client)
    play.stage.wait_until(record.until + 1)
    refuses("CoordinatorTooLate", "dispute", channel, record.word, 3, by=play.provider(1))


def test_the_window_is_open_to_its_last_second(play: Play) -> None:
    channel = play.live()
    record, *_ = play.paid_with_trees(channel)
    play.stage.wait_until(record.until)
    dispute(play, channel, record, 0, play.provider(1))


def test_the_smaller_tree_bounds_the_index(play: Play) -> None:
    channel = play.live()
    trees = [Tree(channel, 1, rounds_of(count)) for count in (150, 120)]
    seen = [Seen(root=tree.root, rounds=len(tree.rounds)) for tree in trees]
    record = EpochRecord.of(play.epoch(channel, *seen).one("EpochSettled"))
    found = play.c.refuses("CoordinatorNoSuchRound", "dispute", channel, record.word, 120, by=play.client)
    assert found == {"index": 120, "rounds": 120}
    dispute(play, channel, record, 119, play.client)
    for end in (0, 1):
        play.open_leaf(channel, record, end, trees[end], 119)


def test_leaf_refusals(play: Play) -> None:
    channel = play.live()
    record, a, b = play.paid_with_trees(channel, flips=(9,))
    word, refuses, by = record.word, play.c.refuses, play.client
    args = (channel, word, 0, a.round(9), a.proof(9))
    refuses("CoordinatorNotDisputed", "openLeaf", *args, by=by)
    refuses("CoordinatorNotDisputed", "resolveDispute", channel, word, 9, by=by)
    dispute(play, channel, record, 9, by)
    wrong = EpochRecord(*(*word[:7], word[7] + 1))
    refuses("CoordinatorRecordDiffers", "openLeaf", channel, wrong.word, *args[2:], by=by)
    refuses("CoordinatorRecordDiffers", "resolveDispute", channel, wrong.word, 9, by=by)
    refuses("CoordinatorAlreadyOpened", "openLeaf", channel, word, 2, *args[3:], by=by)
    for leaf in ((9, 3, 0, 0), (9, 0, 2, 0), (9, 0, 0, 2)):
        refuses("CoordinatorBadRound", "openLeaf", channel, word, 0, leaf, args[4], by=by)
    refuses("CoordinatorBadProof", "openLeaf", channel, word, 0, b.round(9), b.proof(9), by=by)
    refuses("CoordinatorBadProof", "openLeaf", channel, word, 0, a.round(9), a.proof(8), by=by)
    play.open_leaf(channel, record, 0, a, 9)
    refuses("CoordinatorAlreadyOpened", "openLeaf", *args, by=by)


def test_an_open_dispute_holds_the_bonds(play: Play) -> None:
    channel = play.live(deadline=play.stage.now + DAY_S // 2)
    record, *_ = play.paid_with_trees(channel)
    play.stage.wait_until(record.until)
    dispute(play, channel, record, 0, play.client)
    play.stage.wait_until(record.until + 2)
    found = play.c.refuses("CoordinatorBondsLocked", "closeChannel", channel, by=play.client)
    assert found["open_disputes"] == 1
    play.stage.wait_until(play.c.read("disputeOf", channel, 1, 0)[1] + 1)
    play.c.send("resolveDispute", channel, record.word, 0, by=play.stage.stranger)
    play.c.send("closeChannel", channel, by=play.stage.stranger)


def test_a_quarantined_channel_can_still_be_disputed(play: Play) -> None:
    channel = play.live()
    record, *trees = play.paid_with_trees(channel)
    play.c.send("quarantine", channel, by=play.stage.security)
    dispute(play, channel, record, 1, play.client)
    for end in (0, 1):
        play.open_leaf(channel, record, end, trees[end], 1)
