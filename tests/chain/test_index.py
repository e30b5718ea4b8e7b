"""The event index: complete, incremental, and right after reorganised blocks."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from qcrs.chain.anvil import Anvil
from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.index import EventIndex
from qcrs.chain.networks import Chain, connect
from qcrs.chain.sender import Sender
from qcrs.errors import ChainError


def test_events_are_read_once_and_found_by_name_and_job(
    chain: Chain, sender: Sender, probe: Any, probe_events: Any, tmp_path: Path
) -> None:
    contracts = {"Probe": probe.address}
    with EventIndex(
        tmp_path / "events.sqlite", chain, contracts, start=chain.height, interfaces=probe_events
    ) as index:
        for fee in (10, 20, 30):
            sender.transact(probe.call("submit", fee.to_bytes(32, "big"), fee))
        sender.transact(probe.call("note", "hello", [2**200, 5]))
        assert index.advance() == 4
        assert index.advance() == 0
        rows = index.events()
        assert [row.name for row in rows] == ["Submitted"] * 3 + ["Note"]
        assert [row.args["fee"] for row in index.events(name="Submitted")] == [10, 20, 30]
        assert rows[0].args["client"] == sender.address
        assert rows[0].timestamp == chain.block(rows[0].block).timestamp
        assert [row.args["fee"] for row in index.events(job=2)] == [20]
        assert rows[3].args["numbers"] == [2**200, 5]
        assert rows[3].args["job"][4] == 30  # a struct without a class of its own stays a list
        last = rows[-1].seq
    with EventIndex(tmp_path / "events.sqlite", chain, contracts, interfaces=probe_events) as index:
        assert index.advance() == 0
        sender.transact(probe.call("submit", b"\x00" * 32, 40))
        assert index.advance() == 1
        assert [row.args["fee"] for row in index.events(after=last)] == [40]


def test_only_the_wanted_events_are_kept(
    chain: Chain, sender: Sender, probe: Any, probe_events: Any, tmp_path: Path
) -> None:
    contracts, start = {"Probe": probe.address}, chain.height
    note = next(topic for topic, (name, _) in probe_events["Probe"].items() if name == "Note")
    sender.transact(probe.call("submit", b"\x00" * 32, 1))
    sender.transact(probe.call("note", "hello", [5]))
    path = tmp_path / "events.sqlite"
    with EventIndex(path, chain, contracts, start=start, interfaces=probe_events, topics=[note]) as index:
        assert index.advance() == 1
        assert [row.name for row in index.events()] == ["Note"]
    with pytest.raises(ChainError, match="another chain or other contracts"):  # it holds less than all
        EventIndex(path, chain, contracts, interfaces=probe_events)


def test_a_node_that_answers_for_few_blocks_is_asked_more_often(
    embedded_chain: Chain,
    accounts: list[LocalAccount],
    make_probe: Any,
    probe_events: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sender = Sender(embedded_chain, accounts[0])
    probe = make_probe(sender)
    for fee in range(20):
        sender.transact(probe.call("submit", b"\x00" * 32, fee))
    logs, spans = embedded_chain.logs, []

    def few(first: int, last: int, *arguments: Any) -> Any:
        if last - first >= 4:
            raise ChainError("query exceeds max block range")
        spans.append(last - first + 1)
        return logs(first, last, *arguments)

    monkeypatch.setattr(embedded_chain, "logs", few)
    contracts = {"Probe": probe.address}
    with EventIndex(tmp_path / "e.sqlite", embedded_chain, contracts, interfaces=probe_events) as index:
        assert index.advance() == 20
        assert [row.args["fee"] for row in index.events()] == list(range(20))
    assert max(spans) > 1


def test_an_index_of_another_chain_is_refused(chain: Chain, probe: Any, tmp_path: Path) -> None:
    EventIndex(tmp_path / "events.sqlite", chain, {"Probe": probe.address}).close()
    with pytest.raises(ChainError, match="another chain or other contracts"):
        EventIndex(tmp_path / "events.sqlite", chain, {"Probe": "0x" + "00" * 20})


def test_following_yields_every_event_in_order(
    chain: Chain, sender: Sender, probe: Any, probe_events: Any, tmp_path: Path
) -> None:
    stop, seen = threading.Event(), []
    start = chain.height
    with EventIndex(
        tmp_path / "e.sqlite", chain, {"Probe": probe.address}, start=start, interfaces=probe_events
    ) as index:

        def follow() -> None:
            for row in index.follow(stop=stop, poll_s=0.02):
                seen.append(row.args["fee"])
                if len(seen) == 20:
                    return

        reader = threading.Thread(target=follow)
        reader.start()
        for fee in range(20):
            sender.send(probe.call("submit", b"\x00" * 32, fee), gas=300_000)
        reader.join(60)
        stop.set()
        assert seen == list(range(20))


@pytest.mark.parametrize("depth", range(1, 7))
def test_a_reorganisation_leaves_what_the_chain_holds(
    accounts: list[LocalAccount], make_probe: Any, probe_events: Any, tmp_path: Path, depth: int
) -> None:
    with Anvil() as server, connect(server.url) as chain:
        sender = Sender(chain, accounts[0])
        probe = make_probe(sender)
        with EventIndex(
            tmp_path / "e.sqlite", chain, {"Probe": probe.address}, interfaces=probe_events
        ) as index:
            for fee in range(10):
                sender.transact(probe.call("submit", b"\x00" * 32, fee), gas=300_000)
                index.advance()
            assert len(index.events()) == 10
            chain.request("anvil_reorg", depth, [])
            index.advance()
            assert index.rewinds == 1
            assert [row.args["fee"] for row in index.events()] == list(range(10 - depth))
            # What comes afterwards has numbers of its own: nobody who follows misses it.
            last = index.events()[-1].seq
            Sender(chain, accounts[0]).transact(probe.call("submit", b"\x00" * 32, 77), gas=300_000)
            index.advance()
            after = index.events(after=last)
            assert [row.args["fee"] for row in after] == [77]
            assert after[0].seq > 10
            on_chain = chain.logs(0, chain.height, [probe.address])
            assert [(log.block, log.index) for log in on_chain] == [
                (row.block, row.log_index) for row in index.events()
            ]


def test_an_idle_index_asks_one_question(
    embedded_chain: Chain, accounts: list[LocalAccount], make_probe: Any, probe_events: Any, tmp_path: Path
) -> None:
    probe = make_probe(Sender(embedded_chain, accounts[0]))
    contracts = {"Probe": probe.address}
    with EventIndex(tmp_path / "e.sqlite", embedded_chain, contracts, interfaces=probe_events) as index:
        index.advance()
        asked: list[str] = []
        request = embedded_chain.request
        embedded_chain.request = lambda method, *params: (asked.append(method), request(method, *params))[1]  # type: ignore[method-assign,func-returns-value]
        assert index.advance() == 0
        assert asked == ["eth_getBlockByNumber"]
        Sender(embedded_chain, accounts[1]).transact(probe.call("submit", b"\x00" * 32, 1))
        assert index.advance() == 1


def test_what_another_process_read_and_the_chain_undid_is_noticed(
    embedded: EmbeddedChain,
    embedded_chain: Chain,
    accounts: list[LocalAccount],
    make_probe: Any,
    probe_events: Any,
    tmp_path: Path,
) -> None:
    sender = Sender(embedded_chain, accounts[0])
    probe = make_probe(sender)
    one, other = (
        EventIndex(tmp_path / "e.sqlite", embedded_chain, {"Probe": probe.address}, interfaces=probe_events)
        for _ in range(2)
    )
    with one, other:
        one.advance()
        before = embedded.snapshot()
        sender.transact(probe.call("submit", b"\x00" * 32, 1))
        assert other.advance() == 1
        embedded.revert(before)
        Sender(embedded_chain, accounts[0]).transact(probe.call("submit", b"\x00" * 32, 2))
        assert one.advance() == 1
        for index in (one, other):
            assert [row.args["fee"] for row in index.events()] == [2]


def test_blocks_that_change_while_they_are_read_are_read_again(
    accounts: list[LocalAccount], make_probe: Any, probe_events: Any, tmp_path: Path
) -> None:
    with Anvil() as server, connect(server.url) as chain:
        sender = Sender(chain, accounts[0])
        probe = make_probe(sender)
        for fee in range(5):
            sender.transact(probe.call("submit", b"\x00" * 32, fee), gas=300_000)
        with EventIndex(
            tmp_path / "e.sqlite", chain, {"Probe": probe.address}, interfaces=probe_events
        ) as index:
            logs = chain.logs

            def logs_and_reorganise(*arguments: Any) -> Any:
                found = logs(*arguments)
                chain.request("anvil_reorg", 2, [])
                chain.logs = logs  # type: ignore[method-assign]  # once is enough
                return found

            chain.logs = logs_and_reorganise  # type: ignore[method-assign]  # a reorganisation at the worst moment
            assert index.advance() == 0
            assert index.advance() == 3
            assert [row.args["fee"] for row in index.events()] == [0, 1, 2]
