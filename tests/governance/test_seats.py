"""The electorate and the brake obey the consortia and the Security Group, and nobody else."""

from __future__ import annotations

import pytest
from republic import Republic, person

from qcrs.chain.abi import Call
from qcrs.chain.bindings import Brake, ConsortiumSeats, ExchangeGovernor
from qcrs.chain.compile import artifacts
from qcrs.chain.sender import Sender, deployment_call
from qcrs.errors import ContractError

ZERO = "0x" + "00" * 20


def refusal(republic: Republic, call: Call, by: str) -> str | None:
    """The name of the error with which a call is refused."""
    try:
        republic.chain.call_raw(call, sender=by)
    except ContractError as error:
        return error.name
    return None


def test_only_the_timelock_admits_and_expels(embedded_republic: Republic) -> None:
    republic, seats = embedded_republic, embedded_republic.seats
    timelock = republic.deployment.addresses["ExchangeTimelock"]
    seated, lab = republic.members["consortia"][0].address, person("lab").address
    council = republic.deployment.addresses["SecurityCouncil"]
    for by in (person("stranger").address, seated, council, republic.deployer.address):
        for call in (seats.admit(lab, bytes(32)), seats.expel(seated)):
            assert refusal(republic, call, by) == "AccessManagedUnauthorized"
    assert refusal(republic, seats.admit(lab, bytes(32)), timelock) is None
    for call in (seats.admit(seated, bytes(32)), seats.admit(ZERO, bytes(32)), seats.expel(lab)):
        assert refusal(republic, call, timelock) == "ConsortiumSeatsBadHolder"


def test_three_consortia_stay(embedded_republic: Republic) -> None:
    republic = embedded_republic
    timelock = republic.deployment.addresses["ExchangeTimelock"]
    call = republic.seats.expel(republic.members["consortia"][0].address)
    assert refusal(republic, call, timelock) == "ConsortiumSeatsOutOfBounds"


def election(republic: Republic, seats: int) -> ConsortiumSeats:
    """An electorate of its own with so many consortia."""
    holders = [person(f"consortium {i}").address for i in range(seats)]
    creation = deployment_call(
        artifacts()["ConsortiumSeats"], (republic.deployment.addresses["AccessManager"], holders)
    )
    # With its gas, so that what is refused is refused in a block and not before.
    where = Sender(republic.chain, republic.deployer).transact(creation, gas=12_000_000).contract
    assert where is not None
    return ConsortiumSeats(republic.chain, where)


def test_an_electorate_has_3_to_64_seats(embedded_republic: Republic) -> None:
    republic = embedded_republic
    timelock = republic.deployment.addresses["ExchangeTimelock"]
    with pytest.raises(ContractError) as caught:
        election(republic, 2)
    assert caught.value.name == "ConsortiumSeatsOutOfBounds"
    full = election(republic, 64)
    assert full.seat_count() == 64
    admit = full.admit(person("lab").address, bytes(32))
    assert refusal(republic, admit, timelock) == "ConsortiumSeatsOutOfBounds"
    assert refusal(republic, full.expel(person("consortium 7").address), timelock) is None


def test_shares_of_the_seats_are_rounded_up(embedded_republic: Republic) -> None:
    """To the least number of seats that is the share: one alone is not 60 % of three."""
    republic = embedded_republic
    at, sender = republic.deployment.addresses, Sender(republic.chain, republic.deployer)
    for count in (3, 4, 5, 8):
        seats = election(republic, count)
        republic.later(2)
        for quorum, super_quorum in ((20, 60), (40, 66), (50, 100)):
            creation = deployment_call(
                artifacts()["ExchangeGovernor"],
                (
                    seats.address,
                    at["ExchangeTimelock"],
                    at["SecurityCouncil"],
                    (60, 1200, 300, quorum, super_quorum),
                ),
            )
            where = sender.transact(creation).contract
            assert where is not None
            republic.later(2)
            governor, then = ExchangeGovernor(republic.chain, where), republic.chain.now() - 1
            for share, need in (
                (quorum, governor.quorum(then)),
                (super_quorum, governor.super_quorum(then)),
            ):
                assert (need - 1) * 100 < share * count <= need * 100, (count, share, need)


@pytest.mark.parametrize("closed", [True, False])
def test_only_the_security_group_brakes(embedded_republic: Republic, closed: bool) -> None:
    republic = embedded_republic
    call = republic.bind(Brake).set_closed(republic.allocator.address, closed)
    others = (person("stranger").address, republic.deployer.address, republic.members["security"][0].address)
    for by in others:
        assert refusal(republic, call, by) == "AccessManagedUnauthorized"
    assert refusal(republic, call, republic.deployment.addresses["SecurityCouncil"]) is None
