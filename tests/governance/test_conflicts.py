"""Decisions that meet: what one would set back of another is told, and not done without a word."""

from __future__ import annotations

from dataclasses import replace

import pytest
from republic import TERMS, Republic, decided, passed, person, sender

from qcrs.chain.bindings import Motion
from qcrs.errors import ChainError, InputError
from qcrs.governance import Ballot, Commons, draft, execute, matter, propose, queue, rivals, set_back, vote
from qcrs.governance.overview import overview, view_of


def test_a_later_decision_undoes_no_earlier_one_unsaid(republic: Republic, commons: Commons) -> None:
    """Both calls set Δ and the banked credit, each as they were when it was proposed."""
    first = decided(republic, commons, "set Δ to 1500")
    words = "set banked credit to 7"
    met = {
        words: first.id in {one.id for one in rivals(commons, draft(commons, words))}
        for words in (words, "set Δ to 1500", "set grace to 40 s")
    }
    assert met == {words: True, "set Δ to 1500": False, "set grace to 40 s": False}, "the same call is a vote"
    second = decided(republic, commons, words)
    republic.later(TERMS["council_delay_s"] + 1)
    anyone = sender(republic, republic.members["standards"][0])
    assert set_back(commons, matter(commons, second.id)) == ()
    assert execute(commons, first.id, anyone).state == "executed"
    assert [(c.what, c.before, c.after) for c in view_of(commons, matter(commons, second.id)).undoes] == [
        ("drain threshold", "1,500 qubit-seconds", "2,000 qubit-seconds")
    ]
    with pytest.raises(InputError, match=r"drain threshold from 1,500 .* to 2,000 ") as caught:
        execute(commons, second.id, anyone)
    assert "gov propose" in str(caught.value.solution)
    assert republic.allocator.queueing() == (1500, 0)
    # Proposed anew it keeps what was decided; whoever wants the old call has it by saying so.
    third = decided(republic, commons, words)
    republic.later(TERMS["council_delay_s"] + 1)
    assert execute(commons, third.id, anyone).state == "executed"
    assert republic.allocator.queueing() == (1500, 7)
    assert execute(commons, second.id, anyone, anyway=True).state == "executed"
    assert republic.allocator.queueing() == (2000, 7)


def test_a_seat_that_was_taken_since_is_not_taken_away_unsaid(
    embedded_republic: Republic, embedded_commons: Commons
) -> None:
    """Two elections both name the first empty seat; the second would unseat whom the first elected."""
    republic, commons = embedded_republic, embedded_commons
    consortia = [sender(republic, member) for member in republic.members["consortia"]]
    late = propose(commons, draft(commons, "elect lab to the security council"), consortia[0])
    republic.later(TERMS["voting_delay_s"] + 1)
    for one in consortia[:2]:
        vote(commons, late.id, one)
    queue(commons, late.id, consortia[0])
    passed(republic, commons, "elect dispute-0 to the security council")
    with pytest.raises(InputError, match="dispute-0 in SecurityCouncil from seat 3 to no seat"):
        execute(commons, late.id, consortia[0])
    assert republic.council("security").holder_of(3) == republic.members["dispute"][0].address


def test_a_flow_that_was_opened_meanwhile_is_no_conflict(
    embedded_republic: Republic, embedded_commons: Commons
) -> None:
    republic, commons = embedded_republic, embedded_commons
    acts = [
        decided(republic, commons, f"open a flow for {who} with weight 100") for who in ("lab", "dispute-0")
    ]
    republic.later(TERMS["council_delay_s"] + 1)
    for act in acts:
        assert execute(commons, act.id, sender(republic, republic.members["dispute"][0])).state == "executed"
    assert (
        republic.allocator.flow(republic.allocator.flow_count() - 1)[0]
        == republic.members["dispute"][0].address
    )


def test_where_the_state_of_that_time_is_forgotten_one_value_is_what_was_meant(
    embedded_republic: Republic, embedded_commons: Commons, monkeypatch: pytest.MonkeyPatch
) -> None:
    republic, commons = embedded_republic, embedded_commons
    one = matter(commons, decided(republic, commons, "set Δ to 1500").id)
    assert isinstance(one, Ballot)

    def forgotten(_commons: Commons, _block: int) -> Commons:
        raise ChainError("missing trie node")

    monkeypatch.setattr(Commons, "at", forgotten)
    assert set_back(commons, one) == ()
    both = republic.allocator.set_queueing(800, 5)
    changed = set_back(commons, replace(one, call=both))
    assert [c.what for c in changed] == ["drain threshold", "banked credit"]


def test_what_is_about_nothing_is_listed(embedded_republic: Republic, embedded_commons: Commons) -> None:
    republic, commons = embedded_republic, embedded_commons
    call = republic.allocator.set_flow_weight(99, 5)
    motion = Motion(call.to, call.data, bytes(32))
    sender(republic, republic.members["allocation"][0]).transact(republic.council("allocation").vote(motion))
    (view,) = overview(commons).matters
    assert (view.undoes, view.changes[0].after) == ((), "cannot be read: do not vote for it")


def test_the_same_calls_are_proposed_once(embedded_republic: Republic, embedded_commons: Commons) -> None:
    """Two proposals of one payment might both pass."""
    republic, commons = embedded_republic, embedded_commons
    consortia = [sender(republic, member) for member in republic.members["consortia"]]
    found = draft(commons, "pay 2 credits to lab")
    act = propose(commons, found, consortia[0])
    with pytest.raises(InputError, match="same calls") as caught:
        propose(commons, found, consortia[1], anyway=True)
    assert caught.value.value == act.id[:8]
    assert "its vote begins in " in str(caught.value.solution)
    assert f"qcrs gov vote {act.id[:8]}" in str(caught.value.solution)
    republic.later(TERMS["voting_delay_s"] + 1)
    votes = [propose(commons, found, one) for one in consortia[:2]]
    assert [(one.id, one.state) for one in votes] == [(act.id, "active"), (act.id, "succeeded")]
    with pytest.raises(InputError, match="same calls") as caught:
        propose(commons, found, consortia[2])
    assert f"qcrs gov queue {act.id[:8]}" in str(caught.value.solution)
    queue(commons, act.id, consortia[0])
    republic.later(TERMS["timelock_delay_s"] + 1)
    execute(commons, act.id, consortia[0])
    assert republic.credit.balance_of(person("lab").address) == 2_000_000
    with pytest.raises(InputError, match="executed already"):
        execute(commons, act.id, consortia[0])
    with pytest.raises(InputError, match="executed already"):
        queue(commons, act.id, consortia[0])
    assert propose(commons, found, consortia[1]).state == "pending", (
        "a second payment, once the first is made"
    )
