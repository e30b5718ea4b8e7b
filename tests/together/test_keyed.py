"""An end with a post-quantum key: what it counted is its word only with its ML-DSA signature."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from together_world import World, give_key, star

from qcrs.client.quantum import sign_with_identity
from qcrs.identity import MlDsaKey
from qcrs.store import Mailbox
from qcrs.together.agent import Agent, counted_topic
from qcrs.together.check import check_channel


@pytest.fixture
def keyed(world: World) -> Iterator[World]:
    """Ada's processor has a key, and her agent the identity."""
    own = give_key(world, "ada")
    sign_with_identity(world.agents["ada"].coordinator, own, world.store)
    yield world
    own.close()


def test_a_thief_of_the_account_key_counts_nothing_away(keyed: World) -> None:
    """In the end's name it says that no round was counted; without the signature nobody listens."""
    world, account = keyed, keyed.senders["ada"].account
    box, topic = Mailbox(world.store), counted_topic(1, 1, 0)
    nothing = {"rounds": world.store.put(b"[]")}
    thief = MlDsaKey(bytes(32))
    for cosign in (None, lambda digest: thief.sign("mail", digest), lambda _digest: bytes(3309)):
        box.post(topic, nothing, account, cosign)
    conductor = world.conductor(star(), seed=1)
    number = conductor.open("ada-bea")
    assert number == 1
    book = conductor.coordinator.book()
    channel = book.channel(number)
    for processor in channel.ends:
        seen = channel.attested[1, processor]
        assert seen.test_rounds >= conductor.coordinator.parameters().min_test_rounds
    assert len([mail for mail in box.read(topic) if mail.body != nothing]) == 1
    checked = check_channel(book, number, world.store)
    assert checked.problems == []
    assert len(checked.holds) == 3

    # The next epoch is hers as well, and bea, who has no key, needs none.
    conductor.measure([number])
    world.tick()
    mails = {end: box.read(counted_topic(number, 2, end)) for end in (0, 1)}
    assert [[bool(mail.cosignature) for mail in mails[end]] for end in (0, 1)] == [[True], [False]]
    assert check_channel(conductor.coordinator.book(), number, world.store).problems == []


def test_an_end_without_its_identity_says_what_it_lacks(keyed: World) -> None:
    old = keyed.agents["ada"]
    old.coordinator.cosigns = None
    told: list[str] = []
    keyed.agents["ada"] = Agent(
        old.coordinator,
        old.store,
        old.account,
        old.processor,
        say=lambda words, **_fields: told.append(words),
    )
    keyed.agents["bea"].tick()
    conductor = keyed.conductor(star(), seed=1)

    class ToldError(Exception):
        pass

    def between() -> None:
        keyed.tick()
        if any("no identity to sign its mail" in words for words in told):
            raise ToldError

    conductor.between = between
    with pytest.raises(ToldError):
        conductor.open("ada-bea")
    assert Mailbox(keyed.store).read(counted_topic(1, 1, 0)) == []
