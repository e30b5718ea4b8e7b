"""The embedded chain under eth-tester: its own suite for backends, and what the stock one cannot do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_tester import EthereumTester
from eth_tester.constants import BURN_ADDRESS
from eth_tester.utils.backend_testing import BaseTestBackendDirect
from eth_utils.exceptions import ValidationError
from web3 import EthereumTesterProvider, Web3
from web3.exceptions import ContractCustomError

from qcrs.chain.abi import Call
from qcrs.chain.accounts import development_accounts
from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.evm import OpenBlock
from qcrs.chain.networks import connect, of_embedded
from qcrs.chain.provider import EmbeddedProvider
from qcrs.chain.sender import Sender
from qcrs.chain.tester import EmbeddedBackend, EmbeddedTester, ethereum_tester
from qcrs.errors import AccountError

SUITE_CHAIN_ID = 131277322940537
"""The chain that eth-tester's suite signs for."""


@pytest.fixture(params=["stock", "embedded"])
def eth_tester(request: pytest.FixtureRequest) -> Iterator[EthereumTester]:
    """eth-tester's own class, and ours, over an embedded chain."""
    chain = EmbeddedChain(chain_id=SUITE_CHAIN_ID, accounts=10)
    yield EthereumTester(EmbeddedBackend(chain)) if request.param == "stock" else ethereum_tester(chain)
    chain.close()


class TestStockBehaviour(BaseTestBackendDirect):  # type: ignore[misc]  # eth-tester publishes no types
    """Everything that eth-tester asks of a backend."""

    @pytest.mark.parametrize("newest", ["latest", "safe", "finalized", "pending", 10])
    def test_get_fee_history(self, eth_tester: EthereumTester, newest: Any) -> None:
        """As Ethereum has it; the suite asks for the stock backend's, which lacks the newest block."""
        eth_tester.mine_blocks(10)
        history = eth_tester.get_fee_history(3, newest, [50])
        assert history["oldest_block"] == 8
        blocks = [eth_tester.get_block_by_number(number) for number in (8, 9, 10, "pending")]
        assert history["base_fee_per_gas"] == [block["base_fee_per_gas"] for block in blocks]
        assert history["gas_used_ratio"] == [0.0, 0.0, 0.0]
        assert len(history["reward"]) == 3


@pytest.fixture
def tester(embedded: EmbeddedChain) -> EmbeddedTester:
    return ethereum_tester(embedded)


def pay(tester: EthereumTester, sender: int, value: int = 1, **fields: Any) -> str:
    accounts = tester.get_accounts()
    transaction = {"from": accounts[sender], "to": BURN_ADDRESS, "gas": 21_000, "value": value, **fields}
    return str(tester.send_transaction(transaction))


def test_the_development_network_is_an_eth_tester_chain() -> None:
    with connect("development") as chain:
        assert isinstance(chain.w3.provider, EthereumTesterProvider)
        tester = chain.w3.provider.ethereum_tester
        assert isinstance(tester, EthereumTester)
        assert isinstance(tester.backend, EmbeddedBackend)
        tester.disable_auto_mine_transactions()
        first, second = development_accounts(2)
        hash_ = Sender(chain, first).send(Call(second.address, b"", 1), gas=21_000)
        assert chain.height == 0
        tester.mine_blocks(3)
        assert chain.height == 3
        assert chain.wait(hash_).block == 1


def test_what_waits_is_mined_together_and_the_impossible_is_left_out(tester: EmbeddedTester) -> None:
    tester.disable_auto_mine_transactions()
    first = pay(tester, 0)
    second = pay(tester, 1)
    with pytest.raises(ValidationError, match="balance"):
        pay(tester, 2, value=10**30)
    assert tester.get_transaction_by_hash(first)["block_hash"] is None
    assert tester.embedded.height == 0
    tester.mine_block()
    assert tester.embedded.height == 1
    places = {hash_: tester.get_transaction_receipt(hash_)["transaction_index"] for hash_ in (first, second)}
    assert places == {first: 0, second: 1}


def test_who_cannot_pay_is_told_and_the_others_go_on(embedded: EmbeddedChain) -> None:
    """Of three that wait for the same block."""
    first, second = embedded.accounts[:2]
    fields = {"type": 2, "chainId": embedded.chain_id, "nonce": 0, "gas": 21_000, "maxPriorityFeePerGas": 1}
    raws = [
        account.sign_transaction(
            {**fields, "to": first.address, "value": value, "maxFeePerGas": 10**10}
        ).raw_transaction
        for account, value in ((first, 1), (Account.create(), 1), (second, 10**30))
    ]
    block = OpenBlock(embedded.evm, embedded.clock.now())
    block.add(embedded.evm.decode(raws[0]))
    for raw in raws[1:]:
        with pytest.raises(ValidationError, match="balance"):
            block.add(embedded.evm.decode(raw))
    embedded.append(block)
    assert embedded.evm.state_at(embedded.evm.head).get_nonce(bytes.fromhex(second.address[2:])) == 0
    with of_embedded(embedded) as chain:
        assert len(chain.block(1).transactions) == 1
        for raw in raws[1:]:
            with pytest.raises(AccountError, match="cannot pay"):
                chain.send_raw(raw)


def test_an_open_block_keeps_what_was_sent_before_a_refusal(embedded: EmbeddedChain) -> None:
    backend = EmbeddedBackend(embedded)
    accounts = backend.get_accounts()
    payment = {"from": accounts[0], "to": b"\x01" * 20, "gas": 21_000, "value": 5}
    first = backend.send_transaction(payment)
    with pytest.raises(ValidationError):
        backend.send_transaction({**payment, "from": accounts[1], "value": 10**30})
    second = backend.send_transaction(payment)
    assert backend.get_nonce(accounts[0], "pending") == 2
    assert backend.get_nonce(accounts[0]) == 0
    embedded.mine()  # somebody else's block comes between
    assert backend.get_nonce(accounts[0], "pending") == 2
    coinbase = b"\x07" * 20
    backend.mine_blocks(1, coinbase)
    block = backend.get_block_by_number(2, full_transaction=False)
    assert block["transactions"] == [first, second]
    assert block["coinbase"] == coinbase
    assert backend.get_balance(coinbase) == 2 * 21_000 * 10**9 - 2 * 21_000 * block["base_fee_per_gas"]


def test_blocks_share_a_time_and_every_validator_accepts_them(tester: EmbeddedTester) -> None:
    """A block per transaction would otherwise run ahead of the wall clock by a second each."""
    before = tester.get_block_by_number("pending")["timestamp"]
    for _ in range(20):
        pay(tester, 0)
    times = [tester.get_block_by_number(number)["timestamp"] for number in range(1, 21)]
    assert times == sorted(times)
    assert len(set(times)) < 20
    assert times[-1] - before < 15


def test_a_snapshot_undoes_filters_too(tester: EmbeddedTester) -> None:
    blocks, sent = tester.create_block_filter(), tester.create_pending_transaction_filter()
    pay(tester, 0)
    snapshot = tester.take_snapshot()
    balance = tester.get_balance(BURN_ADDRESS)
    gone = pay(tester, 0)
    assert len(tester.get_all_filter_logs(blocks)) == len(tester.get_all_filter_logs(sent)) == 2
    tester.revert_to_snapshot(snapshot)
    assert tester.get_balance(BURN_ADDRESS) == balance
    assert tester.embedded.find(bytes.fromhex(gone[2:])) is None
    assert len(tester.get_all_filter_logs(blocks)) == len(tester.get_all_filter_logs(sent)) == 1


def test_threads_lose_nothing(tester: EmbeddedTester) -> None:
    failures: list[BaseException] = []

    def run(sender: int) -> None:
        try:
            for _ in range(15):
                assert tester.get_transaction_receipt(pay(tester, sender))["status"] == 1
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=run, args=(sender,)) for sender in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert tester.embedded.height == 120


def test_who_waits_for_a_block_holds_nothing(
    tester: EmbeddedTester, accounts: list[LocalAccount], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise no two threads could ever wait for the same one."""
    submit = tester.embedded.submit
    free: list[bool] = []

    def watched(transaction: Any) -> None:
        other = threading.Thread(target=tester.get_accounts, daemon=True)
        other.start()
        other.join(10)
        free.append(not other.is_alive())
        submit(transaction)

    monkeypatch.setattr(tester.embedded, "submit", watched)
    sender = Sender(of_embedded(tester.embedded), accounts[0])
    sender.send(Call(accounts[1].address, b"", 1), gas=21_000)
    assert free == [True]


def filtered(tester: EmbeddedTester, address: str) -> Any:
    return tester.get_all_filter_logs(tester.create_log_filter(0, address=address))


def test_logs_from_the_first_block_read_only_the_blocks_that_hold_them(
    embedded: EmbeddedChain, make_probe: Any, accounts: list[LocalAccount]
) -> None:
    height, wanted = 1_500, (300, 700, 1_499)
    with of_embedded(embedded) as chain:
        sender = Sender(chain, accounts[0])
        probe, other = make_probe(sender), make_probe(sender)
        while embedded.height < height:
            following = embedded.height + 1
            if following in wanted:
                sender.send(probe.call("submit", b"\x01" * 32, following), gas=250_000)
            elif following % 50 == 0:
                sender.send(other.call("submit", b"\x02" * 32, following), gas=250_000)
            elif following % 50 == 1:
                sender.send(Call(accounts[1].address, b"", 1), gas=21_000)
            else:
                embedded.mine()
        tester = ethereum_tester(embedded)
        searches: list[Callable[[], list[int]]] = [
            lambda: [log["block_number"] for log in tester.get_logs(0, address=probe.address)],
            lambda: [log["block_number"] for log in filtered(tester, probe.address)],
            lambda: [log.block for log in chain.logs(0, chain.height, [probe.address])],
        ]
        for search in searches:
            embedded._blocks.clear()
            embedded.counters.blocks_read = 0
            assert search() == list(wanted)
            # A bloom filter of 2,048 bits with six set is wrong about one block in 10^7.
            assert embedded.counters.blocks_read == len(wanted)
        embedded._blocks.clear()
        embedded.counters.blocks_read = 0
        log = tester.get_logs(0, address=probe.address)[0]
        assert tester.get_transaction_receipt(log["transaction_hash"])["logs"] == [log]
        assert embedded.counters.blocks_read == len(wanted)


def test_logs_count_from_their_blocks_first(
    tester: EmbeddedTester, make_probe: Any, accounts: list[LocalAccount]
) -> None:
    chain = of_embedded(tester.embedded)
    probe = make_probe(Sender(chain, accounts[0]))
    call = probe.call("submit", b"\x01" * 32, 5)
    tester.disable_auto_mine_transactions()
    sent = [
        tester.send_transaction({"from": one, "to": call.to, "gas": 250_000, "data": "0x" + call.data.hex()})
        for one in tester.get_accounts()[:3]
    ]
    tester.mine_block()
    receipts = [tester.get_transaction_receipt(hash_) for hash_ in sent]
    assert [receipt["logs"][0]["log_index"] for receipt in receipts] == [0, 1, 2]
    assert tester.get_logs() == tuple(receipt["logs"][0] for receipt in receipts)
    assert [log.index for log in chain.logs(chain.height, chain.height)] == [0, 1, 2]


@pytest.fixture
def w3(embedded: EmbeddedChain) -> Any:
    """`Any`, because web3's types describe requests that no user writes."""
    return Web3(embedded.provider())


def test_web3_meets_the_errors_of_any_node(w3: Any, embedded: EmbeddedChain, make_probe: Any) -> None:
    chain = of_embedded(embedded)
    probe = make_probe(Sender(chain, embedded.accounts[0]))
    contract = w3.eth.contract(address=probe.address, abi=probe.artifact.abi)
    with pytest.raises(ContractCustomError) as caught:
        contract.functions.failCustom(12).call()
    assert isinstance(caught.value.data, str)
    refusal = chain.decoder.decode(bytes.fromhex(caught.value.data[2:]))
    assert (refusal.name, refusal.arguments) == ("InsufficientBalance", {"required": 12, "available": 7})
    hash_ = contract.functions.submit(b"\x01" * 32, 9).transact({"from": w3.eth.accounts[3]})
    receipt = w3.eth.wait_for_transaction_receipt(hash_)
    assert contract.events.Submitted().process_receipt(receipt)[0]["args"]["fee"] == 9
    assert contract.functions.count().call() == 1


def test_web3s_words_for_batches_filters_storage_and_blocks(w3: Any, embedded: EmbeddedChain) -> None:
    first, second = w3.eth.accounts[:2]
    new = w3.eth.filter("latest")
    hash_ = w3.eth.send_transaction({"from": first, "to": second, "value": 5})
    assert w3.eth.get_transaction(hash_)["value"] == 5
    assert list(new.get_new_entries()) == [w3.eth.get_block(1)["hash"]]
    with w3.batch_requests() as batch:
        batch.add(w3.eth.get_block("latest"))
        batch.add(w3.eth.get_balance(second))
        block, balance = batch.execute()
    assert block["transactions"] == [hash_]
    assert block["logsBloom"] == bytes(256)
    assert balance == 10**24 + 5
    assert w3.eth.get_storage_at(first, 0, 1) == bytes(32)
    assert w3.eth.get_block("pending")["number"] == 2
    assert w3.eth.chain_id == embedded.chain_id
    assert w3.eth.fee_history(2, "latest")["oldestBlock"] == 0
    assert w3.eth.get_block(1, full_transactions=True)["transactions"][0]["to"] == second


def test_what_is_no_request_is_an_answer_too(embedded: EmbeddedChain) -> None:
    provider: EmbeddedProvider = embedded.provider()
    requests: list[tuple[str, list[Any]]] = [
        ("eth_getBalance", []),
        ("eth_getBalance", ["0x12"]),
        ("eth_getBalance", [BURN_ADDRESS, hex(99)]),
        ("eth_sendRawTransaction", ["0x1234"]),
        ("eth_sendRawTransaction", ["0xffff"]),
        ("eth_sendTransaction", [{"to": BURN_ADDRESS, "from": BURN_ADDRESS, "gas": "0x5208"}]),
        ("eth_call", [{"to": BURN_ADDRESS, "gas": "no"}]),
        ("eth_nothing", []),
    ]
    for method, params in requests:
        answer = provider.make_request(method, params)  # type: ignore[arg-type]
        assert answer["error"]["message"], method
    assert provider.make_request("eth_getBlockByNumber", [hex(99), False])["result"] is None  # type: ignore[arg-type]
    assert embedded.height == 0
