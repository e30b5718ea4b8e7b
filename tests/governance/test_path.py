"""From words to their effect, on the embedded chain and on anvil: councils, consortia, the security group."""

from __future__ import annotations

from typing import Any

import pytest
from republic import TERMS, Republic, decided, passed, person, sender

from qcrs.chain.bindings import (
    EntanglementCoordinator,
    ExchangeTimelock,
    ProcessorRegistry,
    ProcessorSpec,
    ResultVerifier,
)
from qcrs.chain.deploy import CREDIT
from qcrs.errors import AccountError, ChainError, ContractError, InputError
from qcrs.governance import (
    Commons,
    ballots,
    draft,
    execute,
    matter,
    propose,
    queue,
    refusal_of,
    vote,
)
from qcrs.governance.acts import members
from qcrs.governance.bodies import CONSORTIA, body_named
from qcrs.governance.overview import halted, overview, view_of
from qcrs.report.republic import republic as drawn

ZERO = "0x" + "00" * 20


def test_a_council_s_words_become_a_value(republic: Republic, commons: Commons) -> None:
    found = draft(commons, "set Δ to 900 qubit-seconds")
    assert [(c.what, c.before, c.after) for c in found.changes] == [
        ("drain threshold", "2,000 qubit-seconds", "900 qubit-seconds")
    ]
    act = decided(republic, commons, "set Δ to 900 qubit-seconds", voters=(0,))
    assert act.state == "open"
    with pytest.raises(ContractError) as caught:
        decided(republic, commons, "Set  the drain threshold to 900 qubit-seconds.", voters=(0,))
    assert caught.value.name == "CouncilAlreadyVoted"
    act = vote(commons, act.id[:8], sender(republic, republic.members["allocation"][2]))
    assert act.state == "waiting"
    with pytest.raises(ContractError) as caught:
        execute(commons, act.id, sender(republic, republic.members["standards"][0]))
    assert caught.value.name == "AccessManagerNotReady"
    assert republic.allocator.queueing()[0] == 2000
    republic.later(TERMS["council_delay_s"] + 1)
    act = execute(commons, act.id, sender(republic, republic.members["standards"][0]))
    assert act.state == "executed"
    assert republic.allocator.queueing() == (900, 0)
    assert draft(commons, "set Δ to 900").changes == ()


def test_pause_and_suspension_act_at_once(republic: Republic, commons: Commons) -> None:
    assert decided(republic, commons, "pause the exchange").state == "executed"
    assert republic.allocator.paused()
    assert halted(commons.chain, commons.contracts) == ("new jobs are paused",)
    assert decided(republic, commons, "pause the channels").state == "executed"
    assert republic.bind(EntanglementCoordinator).current_parameters().paused
    assert decided(republic, commons, "resume the exchange").state == "executed"
    assert not republic.allocator.paused()


def test_a_suspension_is_told_apart_from_a_missing_bond(
    embedded_republic: Republic, embedded_commons: Commons
) -> None:
    """The council sees what its vote changes, and what stops the processor besides."""
    republic, commons = embedded_republic, embedded_commons
    registry, lab = republic.bind(ProcessorRegistry), person("lab")
    republic.fund(lab)
    passed(republic, commons, "mint 10 credits to lab")
    republic.send(lab, republic.credit.approve(republic.allocator.address, 10 * CREDIT))
    republic.send(lab, republic.allocator.deposit(lab.address, 10 * CREDIT))
    spec = ProcessorSpec(5, bytes(32), bytes(32), ZERO, bytes(32), 0, 10 * CREDIT)
    republic.send(lab, registry.register(spec))

    def seen(words: str) -> list[tuple[str, str]]:
        return [(change.before, change.after) for change in draft(commons, words).changes]

    assert seen("readmit processor 1") == []
    assert seen("suspend processor 1") == [("takes jobs", "suspended")]
    decided(republic, commons, "set least processor bond to 11 credits")
    republic.later(TERMS["council_delay_s"] + 1)
    execute(commons, ballots(commons)[0].id, sender(republic, republic.members["certification"][0]))
    republic.send(lab, registry.add_bond(1, 0))
    assert seen("readmit processor 1") == []
    both = "suspended and short of the least bond"
    assert seen("suspend processor 1") == [("short of the least bond", both)]
    assert decided(republic, commons, "suspend processor 1").state == "executed"
    assert seen("readmit processor 1") == [(both, "short of the least bond")]


def test_the_security_group_cancels_and_closes(republic: Republic, commons: Commons) -> None:
    waiting = decided(republic, commons, "set verdict window to 2 hours")
    assert decided(republic, commons, f"cancel ballot {waiting.id[:10]}").state == "executed"
    assert matter(commons, waiting.id).state == "cancelled"
    republic.later(TERMS["council_delay_s"] + 1)
    with pytest.raises(ContractError) as caught:
        execute(commons, waiting.id, sender(republic, republic.members["standards"][0]))
    assert caught.value.name == "AccessManagerNotScheduled"
    assert decided(republic, commons, "close ResultVerifier").state == "executed"
    manager, verifier = republic.manager, republic.bind(ResultVerifier)
    assert manager.is_target_closed(verifier.address)
    assert halted(commons.chain, commons.contracts) == ("ResultVerifier is closed to the bodies",)
    assert decided(republic, commons, "reopen ResultVerifier").state == "executed"
    assert not manager.is_target_closed(verifier.address)


def test_what_events_alone_tell_is_read_from_a_node_that_answers_for_few_blocks(
    embedded_republic: Republic, embedded_commons: Commons, monkeypatch: pytest.MonkeyPatch
) -> None:
    republic, commons = embedded_republic, embedded_commons
    request = republic.chain.request

    def few(method: str, *params: Any) -> Any:
        if method == "eth_getLogs" and int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) >= 8:
            raise ChainError("query exceeds max block range 8")
        return request(method, *params)

    monkeypatch.setattr(republic.chain, "request", few)
    seated = [member.address for member in republic.members["consortia"]]
    assert list(members(commons, body_named(CONSORTIA)).values()) == seated
    cancelled = decided(republic, commons, "set verdict window to 2 hours")
    decided(republic, commons, f"cancel ballot {cancelled.id[:10]}")
    lapsed = decided(republic, commons, "set verdict window to 3 hours")
    republic.later(commons.manager.expiration() + TERMS["council_delay_s"] + 1)
    assert [matter(commons, one.id).state for one in (cancelled, lapsed)] == ["cancelled", "lapsed"]


def test_consortia_elect_and_remove(republic: Republic, commons: Commons) -> None:
    council = republic.council("security")
    act = passed(republic, commons, "elect lab to the security council")
    assert act.state == "executed"
    assert council.seat_of(person("lab").address)[:2] == (8, 3)
    found = draft(commons, "remove security-0 from the security council")
    assert [(c.what, c.before, c.after) for c in found.changes] == [
        ("security-0 in SecurityCouncil", "seat 0", "no seat"),
        ("votes that decide in SecurityCouncil", "3 of 4", "2 of 3"),
    ]
    passed(republic, commons, found.words)
    assert council.seats()[:2] == (0b1110, 2)
    passed(republic, commons, "let 3 decide in the security council")
    assert council.seats()[1] == 3
    swap = draft(commons, "elect security-1 to the security council at seat 3").changes
    assert ("lab in SecurityCouncil", "seat 3", "no seat") in [(c.what, c.before, c.after) for c in swap]


def test_consortia_admit_mint_and_pay(republic: Republic, commons: Commons) -> None:
    lab = person("lab").address
    passed(republic, commons, "admit lab")
    assert republic.seats.get_votes(lab) == 1
    passed(republic, commons, "admit security-0")
    passed(republic, commons, "expel security-0", voters=(0, 1, 2))
    expelled = republic.members["security"][0].address
    seats = republic.seats
    assert (seats.get_votes(expelled), seats.is_seated(expelled), seats.seat_count()) == (0, False, 4)
    passed(republic, commons, "mint 7.5 credits to lab")
    passed(republic, commons, "pay 2 credits to lab")
    assert republic.credit.balance_of(lab) == 9_500_000
    assert republic.credit.balance_of(republic.deployment.addresses["ExchangeTimelock"]) == 3 * CREDIT
    passed(republic, commons, "set timelock delay to 2 hours")
    assert republic.bind(ExchangeTimelock).get_min_delay() == 7200


def test_a_timelock_is_never_shorter_than_at_deployment(republic: Republic, commons: Commons) -> None:
    with pytest.raises(ContractError) as caught:
        passed(republic, commons, f"set timelock delay to {TERMS['timelock_delay_s'] - 1} s")
    assert caught.value.name == "ExchangeTimelockOutOfBounds"
    assert caught.value.solution
    with pytest.raises(ContractError) as caught:
        passed(republic, commons, "set super quorum to 59 %")
    assert caught.value.name == "ExchangeGovernorOutOfBounds"


def test_what_a_minority_supports_is_defeated(republic: Republic, commons: Commons) -> None:
    consortia = [sender(republic, member) for member in republic.members["consortia"]]
    act = propose(commons, draft(commons, "admit lab"), consortia[0])
    republic.later(TERMS["voting_delay_s"] + 1)
    vote(commons, act.id, consortia[0])
    vote(commons, act.id, consortia[1], "against")
    republic.later(TERMS["voting_period_s"] + TERMS["late_extension_s"] + 2)
    assert matter(commons, act.id).state == "defeated"
    with pytest.raises(ContractError) as caught:
        queue(commons, act.id, consortia[0])
    assert caught.value.name == "GovernorUnexpectedProposalState"


def test_only_members_and_known_words(republic: Republic, commons: Commons) -> None:
    stranger = sender(republic, republic.members["dispute"][0])
    with pytest.raises(AccountError, match="only a member"):
        propose(commons, draft(commons, "set Δ to 900"), stranger)
    for words, reason in (
        ("set the moon to 900", "no such parameter"),
        ("set Δ to many", "is not a value"),
        ("set Δ to 900 seconds", "is not a value"),
        ("hello", "none that is understood"),
        ("elect nobody-known to the security council", "nobody has this name"),
        ("elect lab to the consortia council", "have no council"),
        (f"elect {ZERO} to the security council", "nobody has the zero address"),
        ("elect lab to the lunar council", "no such body"),
        ("cancel ballot ff", "no such ballot"),
        ("cancel proposal ff", "no such proposal"),
        ("close lab", "none of the exchange's contracts"),
        ("reopen lab by the consortia", "none of the exchange's contracts"),
        ("collect the treasury", "nothing waits"),
        (f"set Δ to {10**26}", "larger than the contract can hold"),
    ):
        with pytest.raises(InputError, match=reason) as caught:
            draft(commons, words)
        assert caught.value.solution
    found = draft(commons, "set fraud multiple to 11")
    for member in republic.members["standards"][:2]:
        act = propose(commons, found, sender(republic, member), anyway=True)
    republic.later(TERMS["council_delay_s"] + 1)
    with pytest.raises(ContractError, match="OutOfBounds"):
        execute(commons, act.id, stranger)


def test_what_the_contract_would_refuse_is_not_proposed(republic: Republic, commons: Commons) -> None:
    for words in ("set Δ to 900", "open a flow for lab with weight 100", "pause the exchange", "admit lab"):
        assert refusal_of(commons, draft(commons, words)) is None
    found = draft(commons, "set fraud multiple to 11")
    refusal = refusal_of(commons, found)
    assert refusal is not None
    assert refusal.name.endswith("OutOfBounds")
    member = sender(republic, republic.members["standards"][0])
    with pytest.raises(InputError, match="would refuse it") as caught:
        propose(commons, found, member)
    assert "between the bounds" in str(caught.value.solution)
    assert "--anyway" in str(caught.value.solution)
    assert ballots(commons) == []
    assert propose(commons, found, member, anyway=True).state == "open"


def test_what_the_governor_would_refuse_is_not_proposed(republic: Republic, commons: Commons) -> None:
    """Its own terms, which only an executing proposal changes; and each call of a sentence with several."""
    first = sender(republic, republic.members["consortia"][0])
    for words in ("set quorum to 50 %", "set super quorum to 75 %", "set late extension to 10 min"):
        assert refusal_of(commons, draft(commons, words)) is None
    for words, reason in (
        ("set quorum to 19 %", "OutOfBounds"),
        ("set super quorum to 59 %", "OutOfBounds"),
        ("set super quorum to 101 %", "OutOfBounds"),
        ("set quorum to 70 %", "GovernorInvalidQuorumTooLarge"),
        (f"set treasury to {ZERO}", "OutOfBounds"),
    ):
        with pytest.raises(InputError, match=f"would refuse it.*{reason}"):
            propose(commons, draft(commons, words), first)
    assert passed(republic, commons, "set quorum to 50 %").state == "executed"
    assert republic.governor.quorum_numerator_2() == 50


def test_nobody_votes_on_what_is_over(embedded_republic: Republic, embedded_commons: Commons) -> None:
    """Least of all on an executed ballot of an earlier term, on which a council would open another."""
    republic, commons = embedded_republic, embedded_commons
    words = "set Δ to 900 qubit-seconds"
    third = sender(republic, republic.members["allocation"][2])
    waiting = decided(republic, commons, words)
    with pytest.raises(InputError, match="is waiting") as caught:
        vote(commons, waiting.id, third)
    assert f"qcrs gov execute {waiting.id[:8]}" in str(caught.value.solution)
    done = decided(republic, commons, "pause the exchange")
    passed(republic, commons, "elect lab to the allocation council at seat 0")
    passed(republic, commons, "elect lab to the security council at seat 0")
    assert [matter(commons, one.id).state for one in (waiting, done)] == ["ended", "executed"]
    before = len(ballots(commons, everything=True))
    for one, member in ((waiting, third), (done, sender(republic, republic.members["security"][2]))):
        with pytest.raises(InputError, match="nobody votes on it") as caught:
            vote(commons, one.id, member)
        assert "qcrs gov propose" in str(caught.value.solution)
    with pytest.raises(InputError, match="last election"):
        execute(commons, waiting.id, third)
    assert len(ballots(commons, everything=True)) == before
    # Decided again it takes effect, though its old schedule still stands.
    found = draft(commons, words)
    for member in republic.members["allocation"][1:]:
        act = propose(commons, found, sender(republic, member))
    republic.later(TERMS["council_delay_s"] + 1)
    assert execute(commons, act.id, third).state == "executed"
    assert republic.allocator.queueing()[0] == 900


def test_what_is_decided_on_a_contract_that_is_closed_waits_until_it_is_open(
    embedded_republic: Republic, embedded_commons: Commons
) -> None:
    republic, commons = embedded_republic, embedded_commons
    members = [sender(republic, member) for member in republic.members["allocation"]]
    first = propose(commons, draft(commons, "set Δ to 900"), members[0])
    waiting = decided(republic, commons, "set weight of flow 0 to 250")
    assert decided(republic, commons, "close ComputationAllocator").state == "executed"
    assert "ComputationAllocator is closed to the bodies" in drawn(overview(commons))
    for refused in (
        lambda: vote(commons, first.id, members[1]),
        lambda: execute(commons, waiting.id, members[1]),
        lambda: propose(commons, draft(commons, "set Δ to 800"), members[1]),
    ):
        with pytest.raises(InputError, match="the contract is closed to the bodies") as caught:
            refused()
        assert "reopen ComputationAllocator by the consortia" in str(caught.value.solution)
    assert decided(republic, commons, "reopen ComputationAllocator").state == "executed"
    assert vote(commons, first.id, members[1]).state == "waiting"


def test_what_nobody_executes_lapses(embedded_republic: Republic, embedded_commons: Commons) -> None:
    """And is told from what was cancelled, also after its time."""
    republic, commons = embedded_republic, embedded_commons
    act, stopped = (decided(republic, commons, words) for words in ("set Δ to 900", "set grace to 45 s"))
    assert decided(republic, commons, f"cancel ballot {stopped.id[:10]}").state == "executed"
    anyone = sender(republic, republic.members["standards"][0])
    view = view_of(commons, matter(commons, act.id))
    assert (view.coming, 0 < view.until - commons.chain.now() <= TERMS["council_delay_s"]) == ("ready", True)
    republic.later(TERMS["council_delay_s"] + 1)
    view = view_of(commons, matter(commons, act.id))
    week = 7 * 86_400
    assert (view.coming, week - 60 < view.until - commons.chain.now() <= week) == ("lapses", True)
    republic.later(week)
    assert [matter(commons, one.id).state for one in (act, stopped)] == ["lapsed", "cancelled"]
    assert [m.id for m in overview(commons).matters] == []
    with pytest.raises(InputError, match="not executed in time"):
        execute(commons, act.id, anyone)
    assert decided(republic, commons, "set Δ to 900").state == "waiting"


def test_everything_is_listed_and_drawn(republic: Republic, commons: Commons) -> None:
    decided(republic, commons, "set Δ to 900 qubit-seconds")
    propose(commons, draft(commons, "admit lab"), sender(republic, republic.members["consortia"][0]))
    found = overview(commons)
    assert [body.key for body in found.bodies][-1] == "consortia"
    assert [(m.kind, m.body, m.votes) for m in found.matters] == [
        ("ballot", "allocation", 2),
        ("proposal", "consortia", 0),
    ]
    assert len(ballots(commons)) == 1
    picture = drawn(found)
    for words in (
        "Quantum Security Working Group",
        "2,000 qubit-seconds → 900 qubit-seconds",
        "2 of 3 decide",
        "quorum 2 of 3, 2 decide early",
        "0 for, 0 against, 0 abstain; quorum 2",
    ):
        assert words in picture
