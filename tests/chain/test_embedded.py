"""What the embedded chain promises beyond being a chain: durability, cheap history, idle blocks, a clock."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from qcrs.chain.abi import Call
from qcrs.chain.embedded import DEVELOPMENT_MNEMONIC, EmbeddedChain
from qcrs.chain.kvstore import JournaledStore
from qcrs.chain.networks import Chain, of_embedded
from qcrs.chain.sender import Sender
from qcrs.errors import ChainError


def test_a_chain_goes_on_where_it_stopped(
    make_probe: Any, accounts: list[LocalAccount], tmp_path: Path
) -> None:
    with of_embedded(EmbeddedChain(tmp_path)) as chain:
        probe = make_probe(Sender(chain, accounts[0]))
        receipt = Sender(chain, accounts[1]).transact(probe.call("submit", b"\x01" * 32, 5))
        head = chain.block_hash(chain.height)
    with of_embedded(EmbeddedChain(tmp_path)) as chain:
        assert chain.block_hash(chain.height) == head
        assert chain.receipt(receipt.hash) == receipt
        assert chain.call(probe.call("count")) == 1
        assert (
            Sender(chain, accounts[1]).transact(probe.call("submit", b"\x02" * 32, 6)).block
            == receipt.block + 1
        )


def test_a_block_is_on_disk_before_it_is_answered(accounts: list[LocalAccount], tmp_path: Path) -> None:
    """Copied at that moment, as `kill -9` would leave them, the files hold every answered block."""
    chain = EmbeddedChain(tmp_path / "a")
    connected = of_embedded(chain)
    sender = Sender(connected, accounts[0])
    for number in range(1, 6):
        hash_ = sender.send(Call(accounts[1].address, b"", 1), gas=21_000)
        copy = tmp_path / f"copy-{number}"
        copy.mkdir()
        for file in (tmp_path / "a").iterdir():
            if not file.name.endswith("-shm"):
                (copy / file.name).write_bytes(file.read_bytes())
        with of_embedded(EmbeddedChain(copy)) as restored:
            assert restored.height == number
            found = restored.receipt(hash_)
            assert found is not None
            assert found.ok
    chain.close()


def test_a_failing_disk_stops_the_chain_and_loses_nothing(
    accounts: list[LocalAccount], tmp_path: Path
) -> None:
    chain = EmbeddedChain(tmp_path)
    sender = Sender(of_embedded(chain), accounts[0])
    sender.send(Call(accounts[1].address, b"", 1), gas=21_000)
    chain._store._file.execute("PRAGMA max_page_count = 1")  # type: ignore[union-attr]  # it has a file

    def fill() -> None:
        for _ in range(50):
            sender.send(Call(accounts[1].address, b"", 1), gas=21_000)

    with pytest.raises(ChainError, match="could not be written"):
        fill()
    height = chain.height
    with pytest.raises(ChainError, match="could not be written"):
        sender.send(Call(accounts[1].address, b"", 1), gas=21_000)
    chain.close()
    with of_embedded(EmbeddedChain(tmp_path)) as restored:
        assert restored.height == height


def test_the_store_is_all_or_nothing(tmp_path: Path) -> None:
    store = JournaledStore(tmp_path / "s.sqlite")
    store[b"a"] = b"1"
    store.flush()
    store[b"a"] = b"2"
    store[b"b"] = b"3"
    del store[b"a"]
    assert b"a" not in store
    assert sorted(store) == [b"b"]
    store.discard()
    assert store[b"a"] == b"1"
    with pytest.raises(KeyError):
        store[b"b"]
    store.close()
    again = JournaledStore(tmp_path / "s.sqlite")
    assert list(again) == [b"a"]
    again.close()


def test_a_folder_has_one_process(tmp_path: Path) -> None:
    chain = EmbeddedChain(tmp_path)
    with pytest.raises(ChainError, match="another process runs this chain"):
        EmbeddedChain(tmp_path)
    chain.close()
    EmbeddedChain(tmp_path).close()


def test_a_file_that_is_no_chain_is_said(tmp_path: Path) -> None:
    (tmp_path / "chain.sqlite").write_bytes(b"something else entirely" * 100)
    with pytest.raises(ChainError, match="does not hold a chain"):
        EmbeddedChain(tmp_path)


def test_private_accounts_are_drawn_once_and_kept(tmp_path: Path) -> None:
    first = EmbeddedChain(tmp_path, private=True, accounts=3)
    assert first.mnemonic != DEVELOPMENT_MNEMONIC
    addresses = [account.address for account in first.accounts]
    first.close()
    second = EmbeddedChain(tmp_path, accounts=7, chain_id=99)
    assert [account.address for account in second.accounts] == addresses
    assert second.chain_id == first.chain_id
    second.close()


def test_a_search_for_logs_opens_only_the_blocks_that_hold_them(
    embedded: EmbeddedChain, embedded_chain: Chain, make_probe: Any, accounts: list[LocalAccount]
) -> None:
    sender = Sender(embedded_chain, accounts[0])
    probe, other = make_probe(sender), make_probe(sender)
    for round_ in range(60):
        sender.send(Call(accounts[1].address, b"", 1), gas=21_000)
        if round_ % 20 == 0:
            sender.send(probe.call("submit", b"\x01" * 32, round_), gas=250_000)
        if round_ % 3 == 0:
            sender.send(other.call("submit", b"\x02" * 32, round_), gas=250_000)
    embedded._blocks.clear()
    embedded.counters.blocks_read = 0
    found = embedded_chain.logs(0, embedded_chain.height, [probe.address])
    assert len(found) == 3
    assert embedded_chain.height > 80
    # Three blocks hold them; a bloom filter of 2,048 bits with six set is wrong about one block in 10^7.
    assert embedded.counters.blocks_read == 3
    assert embedded_chain.receipt(found[0].transaction) is not None
    assert embedded.counters.blocks_read == 3


def test_threads_that_wait_share_a_block(
    embedded: EmbeddedChain, embedded_chain: Chain, accounts: list[LocalAccount]
) -> None:
    senders = [Sender(embedded_chain, account) for account in accounts[:6]]
    raws = []
    for sender in senders:
        embedded_chain.send_raw = lambda raw: raws.append(raw) or b""  # type: ignore[method-assign,func-returns-value]
        sender.send(Call(accounts[9].address, b"", 1), gas=21_000)
    transactions = [embedded.evm.decode(raw) for raw in raws]
    threads = [threading.Thread(target=embedded.submit, args=(transaction,)) for transaction in transactions]
    with embedded.lock:
        for thread in threads:
            thread.start()
        while True:
            with embedded._waiting_lock:
                if len(embedded._waiting) == len(threads):
                    break
    for thread in threads:
        thread.join()
    assert embedded.height == 1
    assert len(embedded_chain.block(1).transactions) == 6


def test_transactions_beyond_the_gas_limit_go_into_the_next_block(
    embedded: EmbeddedChain, embedded_chain: Chain, accounts: list[LocalAccount]
) -> None:
    sender, raws = Sender(embedded_chain, accounts[0]), []
    embedded_chain.send_raw = lambda raw: raws.append(raw) or b""  # type: ignore[method-assign,func-returns-value]
    for _ in range(3):
        sender.send(Call(accounts[9].address, b"", 1), gas=29_990_000)
    transactions = [embedded.evm.decode(raw) for raw in raws]
    threads = [threading.Thread(target=embedded.submit, args=(one,)) for one in transactions]
    with embedded.lock:
        for waiting, thread in enumerate(threads, 1):
            thread.start()
            while len(embedded._waiting) < waiting:
                pass
    for thread in threads:
        thread.join()
    assert [len(embedded_chain.block(number).transactions) for number in (1, 2, 3)] == [1, 1, 1]


def test_a_few_empty_blocks_follow_and_then_nothing(accounts: list[LocalAccount]) -> None:
    with of_embedded(EmbeddedChain(idle_blocks=2)) as chain:
        receipt = Sender(chain, accounts[0]).transact(Call(accounts[1].address, b"", 1), gas=21_000)
        until = time.monotonic() + 20
        while chain.height < receipt.block + 2 and time.monotonic() < until:
            time.sleep(0.02)
        assert chain.block_hash(receipt.block + 2) is not None
        time.sleep(1.0)
        assert chain.height == receipt.block + 2


def test_owed_empty_blocks_come_after_a_restart(accounts: list[LocalAccount], tmp_path: Path) -> None:
    with of_embedded(EmbeddedChain(tmp_path)) as chain:
        Sender(chain, accounts[0]).transact(Call(accounts[1].address, b"", 1), gas=21_000)
        chain.embedded.mine()  # type: ignore[union-attr]  # it is embedded
    with of_embedded(EmbeddedChain(tmp_path, idle_blocks=2)) as chain:
        until = time.monotonic() + 20
        while chain.height < 3 and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.5)
        assert chain.height == 3


def test_time_moves_forward_only_and_is_remembered(embedded_chain: Chain, tmp_path: Path) -> None:
    chain = of_embedded(EmbeddedChain(tmp_path))
    before = chain.now()
    chain.request("evm_increaseTime", hex(3600))
    assert 3600 <= chain.now() - before < 3700
    chain.request("evm_setNextBlockTimestamp", hex(before + 10_000))
    chain.request("evm_mine")
    assert chain.block().timestamp == before + 10_000
    with pytest.raises(ChainError, match="time does not go back"):
        chain.request("evm_setNextBlockTimestamp", hex(before))
    chain.close()
    with of_embedded(EmbeddedChain(tmp_path)) as again:
        assert again.now() - before >= 10_000


def test_a_call_sees_the_time_of_the_next_block(
    embedded_chain: Chain, make_probe: Any, accounts: list[LocalAccount]
) -> None:
    probe = make_probe(Sender(embedded_chain, accounts[0]))
    embedded_chain.request("evm_increaseTime", hex(500))
    assert embedded_chain.call(probe.call("time")) - embedded_chain.block().timestamp >= 500


def test_snapshots_undo_state_receipts_and_logs(
    embedded_chain: Chain, make_probe: Any, accounts: list[LocalAccount]
) -> None:
    probe = make_probe(Sender(embedded_chain, accounts[0]))
    height = embedded_chain.height
    snapshot = embedded_chain.request("evm_snapshot")
    gone = Sender(embedded_chain, accounts[1]).transact(probe.call("submit", b"\x01" * 32, 1))
    assert embedded_chain.request("evm_revert", snapshot) is True
    assert embedded_chain.height == height
    assert embedded_chain.call(probe.call("count")) == 0
    assert embedded_chain.receipt(gone.hash) is None
    assert embedded_chain.logs(0, 100, [probe.address]) == []
    assert embedded_chain.request("evm_revert", snapshot) is False
    again = Sender(embedded_chain, accounts[1]).transact(probe.call("submit", b"\x02" * 32, 1))
    assert again.block == gone.block
    assert embedded_chain.receipt(gone.hash) is None


def test_block_hashes_are_known_to_contracts(
    embedded_chain: Chain, make_probe: Any, accounts: list[LocalAccount]
) -> None:
    probe = make_probe(Sender(embedded_chain, accounts[0]))
    embedded_chain.request("evm_mine", {"blocks": 3})
    assert embedded_chain.call(probe.call("hashOf", 2)) == embedded_chain.block_hash(2)


def test_the_database_is_plain_sqlite(tmp_path: Path) -> None:
    EmbeddedChain(tmp_path).close()
    with sqlite3.connect(tmp_path / "chain.sqlite") as file:
        assert file.execute("SELECT value FROM meta WHERE key = 'chain_id'").fetchone()[0] == b"1337"
    file.close()
