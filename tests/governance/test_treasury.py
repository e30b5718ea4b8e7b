"""What comes in for the treasury is collected and spent in plain words."""

from __future__ import annotations

import pytest
from republic import Republic, passed, person

from qcrs.chain.bindings import OracleQuorum
from qcrs.errors import InputError
from qcrs.governance import Commons, draft, refusal_of
from qcrs.governance.actions import all_changes
from qcrs.governance.sentences import gives


def test_income_is_collected_and_paid(republic: Republic, commons: Commons) -> None:
    """The allocator's ledger keeps what slashed bonds bring; more comes in while the consortia vote."""
    treasury, payer = republic.deployment.addresses["ExchangeTimelock"], republic.members["dispute"][1]
    with pytest.raises(InputError, match="nothing waits"):
        draft(commons, "collect the treasury")
    passed(republic, commons, "pay 5 credits to dispute-1")
    refused = refusal_of(commons, draft(commons, "pay 1 credits to lab"))
    assert "ERC20InsufficientBalance" in str(refused)
    assert "collect the treasury" in str(refused)
    allocator = republic.allocator
    republic.send(payer, republic.credit.approve(allocator.address, 5_000_000))
    republic.send(payer, allocator.deposit(treasury, 3_500_000))
    found = draft(commons, "collect the treasury")
    assert found.body.key == "consortia"
    assert found.words == "collect the treasury: 3.5 credits of the ledger"
    assert [(c.what, c.before, c.after) for c in found.changes] == [
        ("the treasury's in the allocator's ledger", "3.5 credits", "0 credits"),
        ("credit of ExchangeTimelock", "0 credits", "3.5 credits"),
    ]
    assert refusal_of(commons, found) is None
    republic.send(payer, allocator.deposit(treasury, 1_000_000))
    assert gives(commons, found.words, found.calls), "what comes in meanwhile makes no lie of it"
    passed(republic, commons, found.words)
    assert (republic.credit.balance_of(treasury), allocator.balance_of(treasury)) == (3_500_000, 1_000_000)
    passed(republic, commons, "pay 3 credits to dispute-0")
    assert republic.credit.balance_of(republic.members["dispute"][0].address) == 3_000_000


def test_what_the_court_and_the_oracles_hold_is_named(
    embedded_republic: Republic, embedded_commons: Commons
) -> None:
    republic, commons = embedded_republic, embedded_commons
    found = draft(commons, "collect the treasury: 2 credits of the ledger, the court's, the oracles'")
    assert [commons.words_of(call).split("(")[0] for call in found.calls] == [
        "ComputationAllocator.withdraw",
        "DisputeCourt.withdraw",
        "OracleQuorum.withdrawCredits",
    ]
    alone = draft(commons, "collect the treasury: the oracles'")
    assert alone.calls == (republic.bind(OracleQuorum).withdraw_credits(),)
    assert "OracleQuorumZeroAmount" in str(refusal_of(commons, alone))
    with pytest.raises(InputError, match="none that is understood"):
        draft(commons, "collect the treasury: ")


def test_credit_that_several_calls_move_is_added_up(
    embedded_republic: Republic, embedded_commons: Commons
) -> None:
    republic, commons = embedded_republic, embedded_commons
    lab = person("lab").address
    calls = [republic.credit.mint(lab, 2_000_000), republic.credit.transfer(lab, 1_500_000)]
    assert [(c.what, c.before, c.after) for c in all_changes(commons, calls)] == [
        ("supply", "5 credits", "7 credits"),
        ("credit of lab", "0 credits", "3.5 credits"),
        ("credit of ExchangeTimelock", "5 credits", "3.5 credits"),
    ]
