"""Work that is settled off the chain: approvals by mail, epochs by the oracles, claims by the provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from qcrs.chain.bindings import Epoch
from qcrs.client.debts import Debt, EpochDocument, approval_body, approval_topic, epoch_digest, epoch_topic
from qcrs.client.exchange import Exchange
from qcrs.client.settlement import Payer
from qcrs.errors import AccountError, ContractError
from qcrs.oracles.epochs import EpochPolicy
from qcrs.oracles.signing import sign_digest
from qcrs.types import CREDIT, cid_to_digest

Stage = Any
SOON = EpochPolicy(every=0.1, look=0.0, patience=2.0)


@pytest.fixture
def quick(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Oracles that make an epoch as soon as there is something new."""
    for oracle in stage.oracles.values():
        monkeypatch.setattr(oracle._epochs, "_policy", SOON)
        monkeypatch.setattr(oracle._epochs, "_looked", 0.0)
    return stage


@pytest.fixture
def payer(quick: Stage) -> Iterator[Callable[[str], Payer]]:
    """The side of an account of that name."""
    opened: list[tuple[Payer, Exchange]] = []

    def of(name: str) -> Payer:
        account = quick.keys.get(name) or quick.account(name)
        exchange = Exchange.connect(quick.home, network=quick.network, account=account, chain=quick.chain)
        opened.append((Payer(exchange), exchange))
        return opened[-1][0]

    yield of
    for one, exchange in opened:
        one.close()
        exchange.close()


def next_epoch(stage: Stage, *payers: Payer) -> int:
    contract = payers[0].settlement.contract
    before = contract.epoch_count()
    stage.until(lambda: contract.epoch_count() > before, "an epoch")
    for one in payers:
        one.settlement.refresh()
    return int(contract.epoch_count())


def test_a_provider_is_paid_by_epochs_what_its_clients_approved(
    quick: Stage, payer: Callable[[str], Payer]
) -> None:
    client, other, provider = payer("payer"), payer("other"), payer("payee")
    address = quick.keys["payee"].address
    for one in (client, other):
        one.fund(100 * CREDIT)
    assert client.approve(address, 30 * CREDIT) == 30 * CREDIT
    other.approve(address, 5 * CREDIT)
    next_epoch(quick, client, provider)
    while len(provider.settlement.claimable(address)) < 2:
        next_epoch(quick, provider)
    assert {one.due for one in provider.settlement.claimable(address)} == {30 * CREDIT, 5 * CREDIT}
    assert provider.claim() == 35 * CREDIT
    assert provider.claim() == 0
    assert client.approve(address, 20 * CREDIT) == 50 * CREDIT
    next_epoch(quick, client, provider)
    assert provider.claim() == 20 * CREDIT
    assert client.settlement.contract.escrow_of(quick.keys["payer"].address) == (50 * CREDIT, 0)
    with pytest.raises(AccountError, match="50 credits are free"):
        client.approve(address, 51 * CREDIT)
    with pytest.raises(AccountError, match="can be moved at most"):
        client.fund(10**15)
    count = client.settlement.contract.epoch_count()
    for _ in range(20):
        quick.turn()
    assert client.settlement.contract.epoch_count() == count  # where nothing is new there is no epoch


def test_no_oracle_signs_a_debt_that_its_client_did_not_approve(
    quick: Stage, payer: Callable[[str], Payer]
) -> None:
    """A liar's document stays alone, mail for another chain counts for nothing, the honest epoch comes."""
    client, provider = payer("careful"), payer("payee")
    client.fund(10 * CREDIT)
    settlement, liar = client.settlement, quick.keys["oracle-0"]
    careful, address = quick.keys["careful"].address, quick.keys["payee"].address
    number = settlement.contract.epoch_count() + 1
    settlement.refresh()
    last = settlement.last()
    lie = Debt(careful, address, 9 * CREDIT, settlement.store.put(b"no mail"))
    debts = tuple(sorted([*(last.debts if last else ()), lie]))
    document = EpochDocument(settlement.chain.chain_id, settlement.address, number, debts)
    cid = settlement.store.put(document.as_bytes())
    epoch = Epoch(number, 1, document.tree().root, cid_to_digest(cid))
    signature = sign_digest(
        liar, epoch_digest(epoch, chain_id=settlement.chain.chain_id, settlement=settlement.address)
    )
    body = {"era": 1, "root": epoch.root.hex(), "document": cid, "signature": signature.hex()}
    settlement.mailbox.post(epoch_topic(number), body, liar)
    settlement.mailbox.post(epoch_topic(number), {"era": 1, "root": "zz"}, liar)
    elsewhere = approval_body(address, 8 * CREDIT, chain_id=1, settlement=settlement.address)
    settlement.mailbox.post(approval_topic(careful), elsewhere, quick.keys["careful"])
    settlement.mailbox.post(
        approval_topic(careful),
        approval_body(address, 7 * CREDIT, chain_id=settlement.chain.chain_id, settlement=settlement.address),
        quick.keys["payee"],  # a provider approves nothing for its client
    )
    for _ in range(30):
        quick.turn()
    assert settlement.contract.epoch_count() == number - 1
    senders = {mail.sender for mail in settlement.mailbox.read(epoch_topic(number)) if mail.body == body}
    assert senders == {liar.address}
    client.approve(address, 2 * CREDIT)
    next_epoch(quick, client, provider)
    found = {one.debt.client: one.debt.cumulative for one in provider.settlement.claimable(address)}
    assert found[careful] == 2 * CREDIT


def test_a_client_leaves_without_anybody(quick: Stage, payer: Callable[[str], Payer]) -> None:
    client, provider = payer("leaver"), payer("payee")
    client.fund(10 * CREDIT)
    client.approve(quick.keys["payee"].address, 4 * CREDIT)
    next_epoch(quick, client, provider)
    provider.claim()
    client.start_exit()
    with pytest.raises(AccountError, match="leaving"):
        client.approve(quick.keys["payee"].address, CREDIT)
    with pytest.raises(ContractError):
        client.exit()
    quick.chain.request("evm_increaseTime", client.settlement.contract.exit_delay())
    quick.embedded.mine()
    client.exit()
    assert client.settlement.contract.escrow_of(quick.keys["leaver"].address) == (0, 0)
