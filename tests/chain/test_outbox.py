"""The outbox: each job exactly once, through kill -9 at any moment and through reorganised blocks."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from qcrs.chain.abi import Call
from qcrs.chain.anvil import Anvil
from qcrs.chain.networks import Chain, connect
from qcrs.chain.outbox import Outbox
from qcrs.chain.sender import Sender
from qcrs.errors import AccountError, ChainError, ContractError

SCRIPT = Path(__file__).parent / "post_jobs.py"
JOBS = 12
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])}


def payloads(chain: Chain, probe: Any) -> Counter[int]:
    """How often each job's payload is on the chain."""
    return Counter(
        int.from_bytes(log.data[:32], "big")
        for log in chain.logs(0, chain.height, [probe.address], [probe.topic("Submitted")])
    )


def test_a_key_is_posted_once_and_keeps_its_bytes(
    chain: Chain, probe: Any, accounts: list[LocalAccount], tmp_path: Path
) -> None:
    with Outbox(tmp_path / "o.sqlite", chain, accounts[1]) as outbox:
        first = outbox.post("a", probe.call("submit", b"\x01" * 32, 1))
        again = outbox.post("a", probe.call("submit", b"\x02" * 32, 2))
        assert first.raw == again.raw
        assert outbox.wait("a").ok
        assert outbox.entry("a").state == "final"  # type: ignore[union-attr]  # it was just posted
    with Outbox(tmp_path / "o.sqlite", chain, accounts[1]) as outbox:
        assert outbox.post("a", probe.call("submit", b"\x03" * 32, 3)).raw == first.raw
        assert outbox.pump() == 0
    assert chain.call(probe.call("count")) == 1


def test_what_the_contract_refuses_leaves_no_trace(
    chain: Chain, probe: Any, accounts: list[LocalAccount], tmp_path: Path
) -> None:
    with Outbox(tmp_path / "o.sqlite", chain, accounts[1]) as outbox:
        with pytest.raises(ContractError) as caught:
            outbox.post("a", probe.call("failCustom", 9))
        assert caught.value.name == "InsufficientBalance"
        assert outbox.entries() == []
        assert outbox.post("a", probe.call("submit", b"\x01" * 32, 1)).key == "a"


def test_what_the_account_cannot_pay_leaves_no_trace(
    chain: Chain, probe: Any, accounts: list[LocalAccount], tmp_path: Path
) -> None:
    poor = Account.create()
    with Outbox(tmp_path / "o.sqlite", chain, poor) as outbox:
        with pytest.raises(AccountError, match="cannot pay") as caught:
            outbox.post("a", probe.call("submit", b"\x01" * 32, 1), gas=100_000)
        assert "b'" not in caught.value.reason
        assert outbox.entries() == []
        Sender(chain, accounts[1]).transact(Call(poor.address, b"", 10**18))
        outbox.post("b", probe.call("submit", b"\x02" * 32, 1))
        assert outbox.wait("b").ok
    assert payloads(chain, probe) == {int.from_bytes(b"\x02" * 32, "big"): 1}


def test_a_failed_job_says_why_and_may_be_forgotten(
    chain: Chain, probe: Any, accounts: list[LocalAccount], tmp_path: Path
) -> None:
    with Outbox(tmp_path / "o.sqlite", chain, accounts[1]) as outbox:
        outbox.post("a", probe.call("failCustom", 9), gas=100_000)
        with pytest.raises(ContractError) as caught:
            outbox.wait("a")
        assert caught.value.arguments == {"required": 9, "available": 7}
        entry = outbox.entry("a")
        assert entry is not None
        assert (entry.state, entry.done) == ("failed", True)
        outbox.forget("a")
        outbox.post("a", probe.call("submit", b"\x01" * 32, 1))
        assert outbox.wait("a").ok


def test_a_second_process_is_refused(chain: Chain, accounts: list[LocalAccount], tmp_path: Path) -> None:
    with (
        Outbox(tmp_path / "o.sqlite", chain, accounts[1]),
        pytest.raises(ChainError, match="another process"),
    ):
        Outbox(tmp_path / "o.sqlite", chain, accounts[1])


def test_an_outbox_of_another_account_is_refused(
    chain: Chain, accounts: list[LocalAccount], tmp_path: Path
) -> None:
    Outbox(tmp_path / "o.sqlite", chain, accounts[1]).close()
    with pytest.raises(ChainError, match="another account"):
        Outbox(tmp_path / "o.sqlite", chain, accounts[2])


def test_a_nonce_that_others_took_for_good_is_replaced(
    chain: Chain, probe: Any, accounts: list[LocalAccount], tmp_path: Path
) -> None:
    with Outbox(tmp_path / "o.sqlite", chain, accounts[5], confirmations=0) as outbox:
        chain_send = chain.send_raw
        chain.send_raw = lambda raw: b""  # type: ignore[method-assign]  # the node loses it
        outbox.post("a", probe.call("submit", b"\x07" * 32, 7), gas=250_000)
        chain.send_raw = chain_send  # type: ignore[method-assign]
        lost = outbox.entry("a")
        Sender(chain, accounts[5]).transact(probe.call("submit", b"\x08" * 32, 8), gas=250_000)
        assert outbox.wait("a").ok
        found = outbox.entry("a")
        assert lost is not None
        assert found is not None
        assert found.nonce > lost.nonce
    assert payloads(chain, probe) == {
        int.from_bytes(b"\x07" * 32, "big"): 1,
        int.from_bytes(b"\x08" * 32, "big"): 1,
    }


def test_a_block_in_the_making_displaces_nothing(
    chain: Chain, probe: Any, accounts: list[LocalAccount], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Outbox(tmp_path / "o.sqlite", chain, accounts[5], confirmations=0) as outbox:
        first = outbox.post("a", probe.call("submit", b"\x07" * 32, 7), gas=250_000)
        chain.wait(first.hash)
        shown, ask = chain.height - 1, chain.request

        def early(method: str, *params: Any) -> Any:
            """The node counts its new block's transactions, and shows neither the block nor a receipt."""
            if method == "eth_blockNumber":
                return hex(shown)
            if method == "eth_getTransactionReceipt":
                return None
            if method == "eth_getTransactionCount" and params[1] == hex(shown):
                return ask(method, params[0], "latest")
            return ask(method, *params)

        with monkeypatch.context() as patch:
            patch.setattr(chain, "request", early)
            assert outbox.pump() == 1
        assert outbox.wait("a").hash == first.hash
    assert payloads(chain, probe) == {int.from_bytes(b"\x07" * 32, "big"): 1}


@pytest.mark.parametrize("depth", range(1, 7))
def test_a_reorganisation_posts_again_and_only_what_was_undone(
    accounts: list[LocalAccount], make_probe: Any, tmp_path: Path, depth: int
) -> None:
    with Anvil() as server, connect(server.url) as chain:
        probe = make_probe(Sender(chain, accounts[0]))
        with Outbox(tmp_path / "o.sqlite", chain, accounts[1], confirmations=6) as outbox:
            for job in range(8):
                call = probe.call("submit", job.to_bytes(32, "big"), job)
                chain.wait(outbox.post(f"job-{job}", call, gas=250_000).hash)
                outbox.pump()
            final_before = [entry.key for entry in outbox.entries() if entry.state == "final"]
            assert final_before == ["job-0", "job-1"]
            chain.request("anvil_reorg", depth, [])
            assert sum(payloads(chain, probe).values()) == 8 - depth
            outbox.pump()
            for entry in outbox.entries():
                chain.wait(entry.hash)
            chain.request("anvil_mine", hex(7))
            outbox.pump()
            chain.request("anvil_mine", hex(7))
            assert outbox.pump() == 0
            assert [entry.state for entry in outbox.entries()] == ["final"] * 8
        assert payloads(chain, probe) == dict.fromkeys(range(8), 1)


@pytest.mark.parametrize("step", ["signed", "sent"])
def test_a_crash_at_each_step_posts_once(
    anvil_chain: Chain,
    anvil_server: Anvil,
    make_probe: Any,
    accounts: list[LocalAccount],
    tmp_path: Path,
    step: str,
) -> None:
    probe = make_probe(Sender(anvil_chain, accounts[0]))
    selector = probe.call("submit", b"\x00" * 32, 0).data[:4].hex()
    command = [
        sys.executable,
        str(SCRIPT),
        anvil_server.url,
        str(tmp_path / "o.sqlite"),
        probe.address,
        selector,
        "3",
    ]
    crashed = subprocess.run(
        [*command, step], capture_output=True, text=True, timeout=120, check=False, env=ENVIRONMENT
    )
    assert crashed.returncode == -9, crashed.stderr
    if step == "sent":  # the node answers before its block shows
        with closing(sqlite3.connect(tmp_path / "o.sqlite")) as file:
            (hash_,) = file.execute("SELECT hash FROM outbox").fetchone()
        anvil_chain.wait(hash_)
    assert sum(payloads(anvil_chain, probe).values()) == (1 if step == "sent" else 0)
    run_to_the_end(anvil_chain, command)
    assert payloads(anvil_chain, probe) == dict.fromkeys(range(3), 1)


def run_to_the_end(chain: Chain, command: list[str]) -> None:
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    try:
        while True:
            try:
                _, errors = process.communicate(timeout=0.5)
                break
            except subprocess.TimeoutExpired:
                chain.request("anvil_mine", "0x1")  # confirmations
        assert process.returncode == 0, errors
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_killed_at_random_moments_every_job_is_there_once(
    anvil_chain: Chain, anvil_server: Anvil, make_probe: Any, accounts: list[LocalAccount], tmp_path: Path
) -> None:
    dice = random.Random(7)
    probe = make_probe(Sender(anvil_chain, accounts[0]))
    selector = probe.call("submit", b"\x00" * 32, 0).data[:4].hex()
    command = [
        sys.executable,
        str(SCRIPT),
        anvil_server.url,
        str(tmp_path / "o.sqlite"),
        probe.address,
        selector,
        str(JOBS),
    ]
    killed = 0
    for _ in range(4):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
        assert process.stdout is not None
        process.stdout.readline()  # "open": it begins to post now
        try:
            process.wait(dice.uniform(0.0, 0.12))
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        process.communicate()
    assert killed > 0
    run_to_the_end(anvil_chain, command)
    assert payloads(anvil_chain, probe) == dict.fromkeys(range(JOBS), 1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_200_jobs_over_20_kills_and_reorganisations_are_there_once(
    accounts: list[LocalAccount], make_probe: Any, tmp_path: Path
) -> None:
    """After every `kill -9` one to six blocks are replaced by empty ones, in turn."""
    dice = random.Random(11)
    with Anvil() as server, connect(server.url) as chain:
        probe = make_probe(Sender(chain, accounts[0]))
        selector = probe.call("submit", b"\x00" * 32, 0).data[:4].hex()
        file = str(tmp_path / "o.sqlite")
        command = [sys.executable, str(SCRIPT), server.url, file, probe.address, selector, "200", "7"]
        undone = 0
        for kill in range(20):
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
            )
            target = chain.height + dice.randint(6, 14)
            while chain.height < target:
                assert process.poll() is None, process.communicate()[1]
            process.kill()
            process.communicate()
            before = sum(payloads(chain, probe).values())
            chain.request("anvil_reorg", 1 + kill % 6, [])
            undone += before - sum(payloads(chain, probe).values())
        assert undone >= 50
        run_to_the_end(chain, command)
        assert payloads(chain, probe) == dict.fromkeys(range(200), 1)
        with Outbox(tmp_path / "o.sqlite", chain, accounts[3], confirmations=7) as outbox:
            assert [entry.state for entry in outbox.entries()] == ["final"] * 200
