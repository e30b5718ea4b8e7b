"""What answers for new work, wherever a client or an oracle reckons with it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit

from qcrs.circuits import lower
from qcrs.client.audit import audit_exchange
from qcrs.client.auditing import rate_at
from qcrs.client.history import stake_of
from qcrs.client.program import Unit
from qcrs.client.views import JobOptions
from qcrs.errors import InputError
from qcrs.types import CREDIT
from qcrs.verification.audit import value_cap

DELAY_S = 14 * 86_400


def bell() -> list[Unit]:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return [Unit(lower(circuit).document, 600)]


def test_a_stake_is_what_is_not_on_its_way_out_and_never_below_nothing() -> None:
    assert [stake_of(50, releasing) for releasing in (0, 20, 50, 70)] == [50, 30, 0, 0]


@pytest.fixture
def network(harness: Any, tmp_path: Path) -> Iterator[Any]:
    """With one processor: time passes here."""
    found = harness.Network(tmp_path)
    found.processor("alice")
    found.account("client", deposit=1_000 * CREDIT)
    yield found
    found.close()


def test_what_is_on_its_way_out_neither_caps_a_value_nor_lowers_an_audit(network: Any) -> None:
    """From the announcement on, in history, views, value caps and audit rate, and after it is gone."""
    contracts, first = network.contracts, network.processors[0]
    exchange = network.exchange("client")
    options = JobOptions(
        target=first.id, declared_seconds=3600
    )  # ten fees of it are more than the least bond
    fee, left = exchange.quote(bell(), options).fee, contracts.registry.least_bond()
    assert left < 10 * fee < 500 * CREDIT
    valued = replace(options, value=value_cap(fee, 10 * fee))
    exchange.quote(bell(), valued)

    def rate(block: int) -> int:
        return rate_at(contracts, first.id, fee, block, exact=False)

    before = network.chain.height
    first.sender.transact(contracts.registry.unbond(first.id, 500 * CREDIT - left))
    announced = network.chain.height
    info = exchange.processor(first.id)
    assert (info.bond, info.releasing, info.stake) == (500 * CREDIT, 500 * CREDIT - left, left)
    shown = info.as_json()
    assert (shown["releasing"], shown["stake"]) == (500 * CREDIT - left, left)
    assert rate(before) < rate(announced)
    with pytest.raises(InputError, match=f"{value_cap(fee, left)} base units"):
        exchange.quote(bell(), valued)
    assert audit_exchange(network.reader).ok

    network.embedded.travel(DELAY_S)
    first.sender.transact(contracts.registry.withdraw_bond(first.id))
    info = exchange.processor(first.id)
    assert (info.bond, info.releasing, info.stake) == (left, 0, left)
    assert rate(network.chain.height) == rate(announced), "that it is gone now changes nothing"
    assert audit_exchange(network.reader).ok
    exchange.close()
