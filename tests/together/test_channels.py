"""Channels: opened after test rounds, paid by the lower count, quarantined, disputed, lapsed, closed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from together_world import World, star

from qcrs.chain.bindings import ChannelState, QuarantineReason
from qcrs.errors import ContractError, EntanglementError
from qcrs.together.agent import Agent, Policy, counted_topic, epoch_topic
from qcrs.types import canonical_json


class Overcounting(Agent):
    """Says that it delivered more pairs than it did."""

    def record(self, channel, epoch):  # type: ignore[no-untyped-def] # as the agent's
        own = super().record(channel, epoch)
        return own and replace(own, pairs=(*own.pairs, (10**6, 10**6)))


class Whitewashing(Agent):
    """Attests that no test round went wrong."""

    def record(self, channel, epoch):  # type: ignore[no-untyped-def] # as the agent's
        own = super().record(channel, epoch)
        return own and replace(own, rounds=tuple(replace(one, tail=one.head) for one in own.rounds))


class Mute(Agent):
    """Attests, and opens nothing when it is asked."""

    def _answer(self, channel, epoch, index):  # type: ignore[no-untyped-def] # as the agent's
        return None


def become(world: World, name: str, kind: type[Agent]) -> None:
    old = world.agents[name]
    world.agents[name] = kind(old.coordinator, old.store, old.account, old.processor)


def until(world: World, when: int) -> None:
    world.travel(max(1, when - world.chain.now() + 1))


def test_a_channel_lives_is_paid_and_gives_everything_back(any_world: World) -> None:
    world = any_world
    start = world.money()
    conductor = world.conductor(star(), seed=1)
    number = conductor.open("ada-bea")
    channel = conductor.coordinator.book().channel(number)
    assert channel.state is ChannelState.LIVE
    first, second = (channel.attested[1, p] for p in channel.ends)
    assert first.root == second.root  # both ends' own records, and the same rounds
    assert first.test_rounds >= conductor.coordinator.parameters().min_test_rounds
    assert 900_000 < channel.fidelity <= 1_000_000
    paid = channel.settled[1].pairs * conductor.offer.pair_price
    assert conductor.open("ada-bea") == number  # the same path is the same channel
    until(world, max(channel.terms.deadline, conductor.coordinator.channel(number).locked_until))
    assert conductor.close(number) == conductor.offer.deposit - paid + 2 * conductor.offer.end_bond
    end = world.money()
    assert sum(end.values()) == sum(start.values())
    assert end["client"] == start["client"] - paid
    assert end["ada"] - start["ada"] == end["bea"] - start["bea"] == paid // 2


def test_the_lower_count_is_paid(world: World) -> None:
    become(world, "bea", Overcounting)
    conductor = world.conductor(star(), seed=1)
    channel = conductor.coordinator.book().channel(conductor.open("ada-bea"))
    counts = [channel.attested[1, p].pairs for p in channel.ends]
    assert counts[1] == counts[0] + 1
    assert channel.settled[1].pairs == counts[0]


def test_a_lying_end_is_contradicted_by_an_opened_leaf(any_world: World) -> None:
    world = any_world
    become(world, "bea", Whitewashing)
    conductor = world.conductor(star(0.96), seed=1)
    number = conductor.open("ada-bea")
    channel = conductor.coordinator.book().channel(number)
    roots = [channel.attested[1, p].root for p in channel.ends]
    assert roots[0] != roots[1]
    own = world.agents["ada"].record(channel, 1)
    assert own is not None
    wrong = next(i for i, one in enumerate(own.rounds) if one.head != one.tail)
    before = conductor.coordinator.channel(number).deposit
    conductor.coordinator.dispute(number, channel.settled[1].record, wrong)
    world.tick()
    channel = conductor.coordinator.book().channel(number)
    assert channel.quarantined is QuarantineReason.CONTRADICTION
    assert channel.disputes[1, wrong].upheld is True
    assert {end: one.outcome_b for end, one in channel.disputes[1, wrong].opened.items()}.keys() <= {0, 1}
    record = channel.settled[1].record
    assert conductor.coordinator.channel(number).deposit == before + record.paid_a + record.paid_b
    conductor.links.clear()
    assert conductor.open("ada-bea") != number  # a quarantined channel is not taken up again


def test_an_end_that_opens_nothing_pays(world: World) -> None:
    become(world, "bea", Mute)
    conductor = world.conductor(star(), seed=1)
    number = conductor.open("ada-bea")
    channel = conductor.coordinator.book().channel(number)
    before = world.money()["client"]
    conductor.coordinator.dispute(number, channel.settled[1].record, 0)
    world.tick()
    until(world, conductor.coordinator.book().channel(number).disputes[1, 0].deadline)
    conductor.coordinator.resolve(number, channel.settled[1].record, 0)
    assert conductor.coordinator.book().channel(number).quarantined is QuarantineReason.WITHHELD
    assert world.money()["client"] == before + channel.penalty
    world.travel(conductor.coordinator.parameters().dispute_window)
    assert conductor.close(number) > 0
    assert channel.state is ChannelState.CLOSED


def test_honest_ends_win_a_dispute(world: World) -> None:
    conductor = world.conductor(star(), seed=1)
    number = conductor.open("ada-bea")
    channel = conductor.coordinator.book().channel(number)
    conductor.coordinator.dispute(number, channel.settled[1].record, 3)
    world.tick()
    dispute = conductor.coordinator.book().channel(number).disputes[1, 3]
    assert dispute.upheld is False
    assert channel.state is ChannelState.LIVE


def test_error_rates_past_the_bound_quarantine(any_world: World) -> None:
    world = any_world
    conductor = world.conductor(star(0.9, dephasing=1.0), seed=1)  # two links: about 18 % on X
    with pytest.raises(EntanglementError, match="quarantined: quality"):
        conductor.open("ada-bea")
    channel = conductor.coordinator.book().channel(1)
    assert channel.quarantined is QuarantineReason.QUALITY
    assert channel.attested[1, 1].qber_x > 110_000 > channel.attested[1, 1].qber_z
    assert channel.settled[1].pairs == 0  # and nothing is paid
    start = conductor.offer.deposit + 2 * conductor.offer.end_bond
    assert conductor.close(1) == start


def test_a_silent_end_lapses_the_epoch_and_pays_the_one_that_waited(world: World) -> None:
    conductor = world.conductor(star(), seed=1)
    number = conductor.open("ada-bea")
    bea = world.agents.pop("bea")
    channel = conductor.coordinator.book().channel(number)
    with_records = conductor.supplied({number: 100})
    ids = [list(one.ids) for one in with_records[number].tail.rounds]
    # she says which rounds she counted, and then nothing more
    cid = world.store.put(canonical_json(ids))
    bea.mailbox.post(counted_topic(number, 2, 1), {"rounds": cid}, bea.account)
    world.tick()
    assert (2, 1) in conductor.coordinator.book().channel(number).attested
    before = world.money()
    until(world, conductor.coordinator.channel(number).pending_until)
    world.tick()
    conductor.coordinator.book()
    assert channel.lapsed == {2: channel.ends[1]}
    assert world.money()["ada"] == before["ada"] + channel.penalty
    assert channel.epoch == 3


def test_terms_past_the_policy_are_not_accepted(world: World) -> None:
    world.agents["bea"].policy = Policy(least_pair_price=11)
    conductor = world.conductor(star(), seed=1)

    def later() -> None:
        world.tick()
        world.travel(30)

    conductor.between = later
    with pytest.raises(EntanglementError, match="not accepted by both ends"):
        conductor.open("ada-bea")
    assert any("is too little" in words for _, words in world.heard)
    channel = conductor.coordinator.book().channel(1)
    assert channel.accepted == {1}
    before = world.money()["client"]
    conductor.coordinator.close(1)  # the opener takes a proposal back at any time
    assert world.money()["client"] == before + conductor.offer.deposit
    with pytest.raises(ContractError):
        conductor.coordinator.accept(1, 2)


@pytest.mark.parametrize("raw", [
    {},
    {"qcrs": "rounds/1"},
    {"qcrs": "rounds/1", "end": 2, "rounds": [], "pairs": []},
    {"qcrs": "rounds/1", "end": 0, "rounds": [[1, 1, 3, 0, 0]], "pairs": []},
    {"qcrs": "rounds/1", "end": 0, "rounds": [[2, 2, 0, 0, 0], [1, 1, 0, 0, 0]], "pairs": []},
    {"qcrs": "rounds/1", "end": 1, "rounds": [], "pairs": []},
])  # fmt: skip
def test_a_record_that_is_none_moves_nobody(world: World, raw: dict[str, object]) -> None:
    conductor = world.conductor(star(), seed=1)
    number = conductor.open("ada-bea")
    cid = world.store.put(canonical_json(raw))
    conductor.mailbox.post(epoch_topic(number, 2), {"records": [cid, cid]}, conductor.account)
    world.agents.pop("bea")
    world.heard.clear()
    world.tick()
    assert any(who == "ada" and words.startswith("channel") for who, words in world.heard)
    assert conductor.coordinator.channel(number).pending_end == 0
