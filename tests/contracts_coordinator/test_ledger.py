"""Money in and out of the coordinator."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data


def test_deposit_and_withdraw(stage: Any) -> None:
    c, client = stage.coordinator, stage.client
    before = stage.token.read("balanceOf", client)
    done = c.send("deposit", 500, by=client)
    assert done.one("Deposited") == {"account": client, "amount": 500}
    assert (c.read("balanceOf", client), stage.token.read("balanceOf", client)) == (500, before - 500)
    done = c.send("withdraw", stage.stranger, 200, by=client)
    assert done.one("Withdrawn") == {"account": client, "to": stage.stranger, "amount": 200}
    assert (c.read("balanceOf", client), stage.token.read("balanceOf", stage.stranger)) == (300, 200)


def test_no_more_than_the_balance(stage: Any) -> None:
    stage.coordinator.send("deposit", 500, by=stage.client)
    found = stage.coordinator.refuses(
        "CoordinatorInsufficientBalance", "withdraw", stage.client, 501, by=stage.client
    )
    assert found == {"account": stage.client, "required": 501, "available": 500}


def test_no_deposit_without_allowance(stage: Any) -> None:
    stage.token.send("approve", stage.coordinator.address, 10, by=stage.client)
    stage.coordinator.refuses("ERC20InsufficientAllowance", "deposit", 11, by=stage.client)


@pytest.fixture
def permitted(stage: Any) -> tuple[str, tuple[Any, ...]]:
    """An account with 1,000 credits and the arguments of `depositWithPermit` that it signed."""
    owner = stage.holder
    stage.tester.send_transaction({"from": stage.admin, "to": owner.address, "value": 10**18, "gas": 21_000})
    stage.token.send("transfer", owner.address, 1_000, by=stage.admin)
    deadline = stage.now + 3_600
    domain = stage.token.read("eip712Domain")
    signed = Account.sign_message(
        encode_typed_data(
            {
                "name": domain[1],
                "version": domain[2],
                "chainId": domain[3],
                "verifyingContract": stage.token.address,
            },
            {
                "Permit": [
                    {"name": "owner", "type": "address"},
                    {"name": "spender", "type": "address"},
                    {"name": "value", "type": "uint256"},
                    {"name": "nonce", "type": "uint256"},
                    {"name": "deadline", "type": "uint256"},
                ]
            },
            {
                "owner": owner.address,
                "spender": stage.coordinator.address,
                "value": 1_000,
                "nonce": 0,
                "deadline": deadline,
            },
        ),
        owner.key,
    )
    signature = (signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big"))
    return owner.address, (1_000, deadline, *signature)


def test_deposit_with_a_permit(stage: Any, permitted: tuple[str, tuple[Any, ...]]) -> None:
    owner, args = permitted
    stage.coordinator.send("depositWithPermit", *args, by=owner)
    assert stage.coordinator.read("balanceOf", owner) == 1_000


def test_a_permit_that_someone_relayed_first_does_no_harm(
    stage: Any, permitted: tuple[str, tuple[Any, ...]]
) -> None:
    owner, args = permitted
    stage.token.send("permit", owner, stage.coordinator.address, *args, by=stage.stranger)
    stage.coordinator.send("depositWithPermit", *args, by=owner)
    assert stage.coordinator.read("balanceOf", owner) == 1_000


def test_a_stranger_cannot_use_a_permit(stage: Any, permitted: tuple[str, tuple[Any, ...]]) -> None:
    stage.coordinator.refuses(
        "ERC20InsufficientAllowance", "depositWithPermit", *permitted[1], by=stage.stranger
    )


@pytest.fixture
def hostile(stage: Any) -> tuple[Any, Any]:
    """A coordinator whose token does not move what it is told."""
    token = stage.deploy("HostileToken")
    c = stage.deploy("EntanglementCoordinator", stage.manager.address, token.address, stage.registry.address)
    token.send("approve", c.address, 2**256 - 1, by=stage.admin)
    return token, c


def test_a_token_that_keeps_a_fee_is_refused(stage: Any, hostile: tuple[Any, Any]) -> None:
    found = hostile[1].refuses("CoordinatorTransferMismatch", "deposit", 1_000, by=stage.admin)
    assert found == {"expected": 1_000, "received": 990}


def test_a_deposit_inside_a_deposit_is_refused(stage: Any, hostile: tuple[Any, Any]) -> None:
    token, c = hostile
    token.send("setReenter", True, by=stage.admin)
    found = c.refuses("CoordinatorTransferMismatch", "deposit", 1_000, by=stage.admin)
    assert found == {"expected": 1_000, "received": 2_000}
