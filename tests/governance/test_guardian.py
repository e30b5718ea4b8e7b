"""The Security Working Group against two thirds of the consortia: it loses, whenever it acts."""

from __future__ import annotations

import pytest
from republic import TERMS, Republic, decided, passed, person, sender

from qcrs.errors import ContractError, InputError
from qcrs.governance import Commons, draft, execute, matter, propose, queue, vote


def test_the_security_group_does_not_keep_its_seats(
    embedded_republic: Republic, embedded_commons: Commons
) -> None:
    """At each step of a proposal that two thirds support, all of the group try to cancel it."""
    republic, commons = embedded_republic, embedded_commons
    consortia = [sender(republic, member) for member in republic.members["consortia"]]
    act = propose(commons, draft(commons, "elect lab to the security council at seat 0"), consortia[0])
    with pytest.raises(InputError, match="GovernorUnableToCancel"):
        decided(republic, commons, f"cancel proposal {act.id[:10]}")
    ballot = propose(
        commons,
        draft(commons, f"cancel proposal {act.id[:10]}"),
        sender(republic, republic.members["security"][0]),
        anyway=True,
    )
    last = sender(republic, republic.members["security"][1])

    def refused(state: str) -> None:
        assert matter(commons, act.id).state == state
        with pytest.raises(ContractError) as caught:
            vote(commons, ballot.id, last)
        assert caught.value.name == "GovernorUnableToCancel"

    refused("pending")
    republic.later(TERMS["voting_delay_s"] + 1)
    refused("active")
    vote(commons, act.id, consortia[0])
    refused("active")
    vote(commons, act.id, consortia[1])
    refused("succeeded")
    queue(commons, act.id, consortia[0])
    refused("queued")
    republic.later(TERMS["timelock_delay_s"] + 1)
    refused("queued")
    assert execute(commons, act.id, consortia[0]).state == "executed"
    assert republic.council("security").holder_of(0) == person("lab").address


@pytest.mark.parametrize("queued", [False, True])
def test_what_passes_without_the_super_quorum_is_cancelled(
    embedded_republic: Republic, embedded_commons: Commons, queued: bool
) -> None:
    republic, commons = embedded_republic, embedded_commons
    consortia = [sender(republic, member) for member in republic.members["consortia"]]
    act = propose(commons, draft(commons, "admit lab"), consortia[0])
    republic.later(TERMS["voting_delay_s"] + 1)
    vote(commons, act.id, consortia[0])
    vote(commons, act.id, consortia[1], "abstain")
    republic.later(TERMS["voting_period_s"] + TERMS["late_extension_s"] + 2)
    if queued:
        queue(commons, act.id, consortia[0])
    assert decided(republic, commons, f"cancel proposal {act.id[:10]}").state == "executed"
    assert matter(commons, act.id).state == "canceled"
    again = propose(commons, draft(commons, "admit lab"), consortia[0])
    assert again.id != act.id, "the same words are numbered"


def test_who_proposed_cancels_before_the_vote(embedded_republic: Republic, embedded_commons: Commons) -> None:
    republic, commons = embedded_republic, embedded_commons
    first, second = (sender(republic, member) for member in republic.members["consortia"][:2])
    act = propose(commons, draft(commons, "admit lab"), first)
    (call,) = draft(commons, f"cancel proposal {act.id[:10]}").calls
    with pytest.raises(ContractError) as caught:
        second.transact(call)
    assert caught.value.name == "GovernorUnableToCancel"
    first.transact(call)
    assert matter(commons, act.id).state == "canceled"


def test_what_the_security_group_closes_the_consortia_open(
    embedded_republic: Republic, embedded_commons: Commons
) -> None:
    """Also the brake itself, which nobody but the consortia can open then."""
    republic, commons = embedded_republic, embedded_commons
    assert decided(republic, commons, "close ConsortiumSeats").state == "executed"
    assert decided(republic, commons, "close Brake").state == "executed"
    with pytest.raises(InputError, match="would refuse it: the contract is closed to the bodies") as caught:
        decided(republic, commons, "reopen Brake")
    assert "`qcrs gov propose reopen Brake by the consortia`" in str(caught.value.solution)
    with pytest.raises(ContractError) as refused:
        decided(republic, commons, "reopen Brake", anyway=True)
    assert refused.value.name == "AccessManagedUnauthorized"
    assert "closed to the bodies" in str(refused.value.solution)
    for name in ("Brake", "ConsortiumSeats"):
        found = draft(commons, f"reopen {name} by the consortia")
        assert [(c.what, c.before, c.after) for c in found.changes] == [
            (name, "closed to the bodies", "open to the bodies")
        ]
        passed(republic, commons, found.words)
        assert not republic.manager.is_target_closed(republic.deployment.addresses[name])
    passed(republic, commons, "admit lab")
    assert decided(republic, commons, "close DisputeCourt").state == "executed"
    assert republic.manager.is_target_closed(republic.deployment.addresses["DisputeCourt"])
