"""What every chain has to do alike: the embedded one and anvil run the same tests."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from qcrs.chain.networks import Chain, connect
from qcrs.chain.sender import Sender
from qcrs.errors import ChainError, ContractError, NetworkError


def test_a_call_is_sent_and_its_event_found(chain: Chain, sender: Sender, probe: Any) -> None:
    before = chain.height
    receipt = sender.transact(probe.call("submit", b"\x01" * 32, 99))
    assert receipt.ok
    assert receipt.block == before + 1
    assert chain.call(probe.call("count")) == 1
    client, submitted, qubits, payload, fee = chain.call(probe.call("jobs", 1))
    assert (client, qubits, payload, fee) == (sender.address, 5, b"\x01" * 32, 99)
    assert submitted == chain.block(receipt.block).timestamp
    logs = chain.logs(0, chain.height, [probe.address], [probe.topic("Submitted")])
    assert [(log.block, log.transaction) for log in logs] == [(receipt.block, receipt.hash)]
    assert logs[0] == receipt.logs[0]
    assert chain.logs(0, chain.height, [probe.address], [b"\x00" * 32]) == []


def test_the_first_block_of_a_time_is_found_by_few_requests(
    chain: Chain, sender: Sender, probe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        sender.transact(probe.call("submit", b"\x01" * 32, 1), gas=300_000)
    times = [chain.block(number).timestamp for number in range(chain.height + 1)]
    read, asked = chain.block, []
    monkeypatch.setattr(chain, "block", lambda number: (asked.append(number), read(number))[1])
    for time_s in {0, *times, *(one + 1 for one in times), times[-1] + 10_000}:
        asked.clear()
        expected = next((number for number, one in enumerate(times) if one >= time_s), len(times))
        assert chain.first_since(time_s) == expected
        assert len(asked) <= len(times).bit_length()
        assert chain.first_since(time_s, 3) == max(3, expected)


@pytest.mark.parametrize(
    ("function", "arguments", "name", "expected"),
    [
        ("failCustom", (12,), "InsufficientBalance", {"required": 12, "available": 7}),
        ("failPlain", (), "Plain", {}),
        ("failText", (), "Error", {"text": "no such thing"}),
        ("failPanic", (0,), "Panic", {"code": 0x12}),
    ],
)
def test_a_refusal_is_one_exception_everywhere(
    chain: Chain,
    sender: Sender,
    probe: Any,
    function: str,
    arguments: tuple[Any, ...],
    name: str,
    expected: dict[str, Any],
) -> None:
    call = probe.call(function, *arguments)
    attempts = [
        lambda: chain.call(call),
        lambda: chain.estimate(call, sender.address),
        lambda: sender.transact(call),
        lambda: sender.transact(call, gas=200_000),
    ]
    for attempt in attempts:
        with pytest.raises(ContractError) as caught:
            attempt()
        assert caught.value.name == name
        assert caught.value.arguments == expected
    assert chain.nonce(sender.address) == chain.nonce(sender.address, "latest")


def test_a_failed_transaction_is_mined_and_costs_gas(chain: Chain, sender: Sender, probe: Any) -> None:
    hash_ = sender.send(probe.call("failCustom", 1), gas=100_000)
    receipt = chain.wait(hash_)
    assert not receipt.ok
    assert receipt.gas_used > 21_000
    assert chain.call(probe.call("count")) == 0


def test_an_estimate_suffices_and_does_not_waste(chain: Chain, sender: Sender, probe: Any) -> None:
    for call in (
        probe.call("submit", b"\x02" * 32, 1),
        probe.call("burn", 500),
        probe.call("note", "x" * 500, [1] * 40),
    ):
        estimate = chain.estimate(call, sender.address)
        receipt = sender.transact(call, gas=estimate)
        assert receipt.gas_used <= estimate <= receipt.gas_used * 1.1 + 3_000


def test_no_contract_at_an_address_is_said(chain: Chain, probe: Any) -> None:
    lost = type(probe)(probe.artifact, "0x" + "12" * 20)
    with pytest.raises(ChainError, match="no contract at"):
        chain.call(lost.call("count"))


def test_the_clock_follows_the_wall(chain: Chain, sender: Sender, probe: Any) -> None:
    import time

    for _ in range(12):
        sender.transact(probe.call("submit", b"\x03" * 32, 1), gas=300_000)
    assert abs(chain.block().timestamp - time.time()) < 5
    assert abs(chain.now() - time.time()) < 5


@pytest.mark.parametrize("shared", [True, False], ids=["one key", "a key each"])
def test_eight_threads_lose_nothing(
    chain: Chain, probe: Any, accounts: list[LocalAccount], shared: bool
) -> None:
    each = 20 if shared else 100
    senders = (
        [Sender(chain, accounts[1])] * 8 if shared else [Sender(chain, account) for account in accounts[1:9]]
    )
    hashes: list[list[bytes]] = [[] for _ in senders]
    failures: list[BaseException] = []
    before = chain.call(probe.call("count"))

    def run(index: int) -> None:
        try:
            for _ in range(each):
                hashes[index].append(
                    senders[index].send(probe.call("submit", b"\x04" * 32, index), gas=250_000)
                )
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(senders))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    receipts = [chain.wait(hash_) for group in hashes for hash_ in group]
    assert len(receipts) == 8 * each
    assert all(receipt.ok for receipt in receipts)
    assert len({receipt.hash for receipt in receipts}) == 8 * each
    assert chain.call(probe.call("count")) == before + 8 * each


def test_a_node_that_is_away_is_said() -> None:
    with pytest.raises(NetworkError, match="cannot be reached") as caught:
        connect("http://127.0.0.1:9")
    assert caught.value.solution


def test_another_chain_than_configured_is_refused(anvil_server: Any, tmp_path: Any) -> None:
    config = tmp_path / "brownie-config.yaml"
    config.write_text(f"networks:\n  default: lost\n  lost: {{host: '{anvil_server.url}', chainid: 5}}\n")
    with pytest.raises(ChainError, match="another chain"):
        connect("lost", config=config)
