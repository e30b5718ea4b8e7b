"""Dead jobs in front of a queue: a node, and anybody's command, take them away."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qcrs.chain.abi import Call
from qcrs.chain.bindings import JobRequest, Reason
from qcrs.chain.outbox import Entry
from qcrs.chain.sender import Sender
from qcrs.cli import main
from qcrs.client.journal import Journal
from qcrs.client.participant import Participant
from qcrs.client.skimming import SKIM_GAS, SKIM_MOST, direct_queue
from qcrs.hub.rpc import RpcServer
from qcrs.node.ledger import Ledger
from qcrs.node.registration import node_sandbox
from qcrs.node.worker import NodeSettings, Worker

SPEC = "aer:noisy-a?qubits=8"
SECONDS, LIFE_S, LONG_S = 10, 600, 7 * 86_400


@pytest.fixture(scope="module")
def network(harness: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A chain with one certified processor and a client of many jobs."""
    found = harness.Network(tmp_path_factory.mktemp("skimmed"))
    found.processor("alice")
    found.client = Sender(found.chain, found.account("client", deposit=1_000_000 * harness.CREDIT))
    yield found
    found.close()


def submit(network: Any, count: int, life_s: int, target: int = 0) -> None:
    """As many jobs of one qubit, dead a little before `life_s` seconds are over."""
    request = JobRequest(
        flow=0, target=target, qubits=1, quality=0, class_=0, redundancy=1, max_executions=1, trust=2,
        declared_seconds=SECONDS, deadline=network.chain.now() + life_s, payload=bytes(32),
    )  # fmt: skip
    for start in range(0, count, 64):
        call = network.contracts.allocator.submit_many((request,) * min(64, count - start))
        network.client.transact(call)


def hide(network: Any, dead: int, target: int = 0) -> None:
    """One live job behind dead ones whose deadlines are not over: nobody can expire them yet."""
    submit(network, dead, LIFE_S, target)
    submit(network, 1, LONG_S, target)
    network.embedded.travel(LIFE_S - SECONDS)
    network.embedded.mine()


@pytest.fixture(autouse=True)
def fresh(network: Any) -> Iterator[None]:
    """Each test begins with empty queues and a node that was never started."""
    before = network.embedded.snapshot()
    yield
    network.embedded.revert(before)
    for path in (network.home.root / "state").glob("node-alice*"):
        path.unlink()


@pytest.fixture
def worker(network: Any) -> Iterator[Worker]:
    """The node of processor 1, of which only the asking is looked at: nothing is run."""
    account = network.processors[0].sender.account
    with (
        closing(Participant(network.home, account, "node-alice", chain=network.chain)) as party,
        closing(Ledger(network.home.path("state", "node-alice.runs.db"))) as ledger,
        closing(Journal(network.home.path("logs", "node-alice.jsonl"), "node-alice")) as journal,
        node_sandbox(SPEC) as sandbox,
    ):
        party.refresh()
        found = Worker(party, ledger, sandbox, 1, NodeSettings(SPEC, ask_every=0.0), journal)
        yield found
        found.close()


def said(network: Any, what: str) -> list[dict[str, Any]]:
    lines = network.home.path("logs", "node-alice.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["what"] == what]


def test_a_node_skims_what_hides_its_next_job(network: Any, worker: Worker) -> None:
    hide(network, SKIM_MOST + 30)
    allocator = network.contracts.allocator
    assert allocator.next_for(1) == (0, Reason.BACKLOG)
    for _ in range(4):
        worker.tick()
    runs = [run for job in worker.party.history.jobs.values() for run in job.executions]
    assert [run.processor for run in runs] == [1]
    assert [(one["queue"], one["dead"]) for one in said(network, "skimmed")] == [
        ("flow 0", SKIM_MOST),
        ("flow 0", 30),
    ]
    assert not said(network, "ask failed")
    sent = [entry for entry in worker.party.outbox.entries() if entry.key.startswith("skim/")]
    assert len({entry.key for entry in sent}) == 2
    used = [network.chain.receipt(entry.hash).gas_used for entry in sent]
    assert max(used) < SKIM_GAS


def test_a_node_skims_its_own_queue_and_stops_when_there_is_nothing(network: Any, worker: Worker) -> None:
    hide(network, 30, target=1)
    allocator, look = network.contracts.allocator, worker._skimmer.look
    before = len(said(network, "skimmed"))
    assert look(Reason.EMPTY) == 0
    assert look(Reason.BACKLOG) == 1
    (fresh,) = said(network, "skimmed")[before:]
    assert (fresh["queue"], fresh["dead"]) == ("processor 1", 30)
    job, reason = allocator.next_for(1)
    assert (job >> 40, reason) == (direct_queue(1), Reason.NONE)
    assert look(Reason.BACKLOG) == 0
    assert look(Reason.BACKLOG) == 0


def test_a_node_that_somebody_was_faster_than_goes_on(
    network: Any, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its question and its transaction another skims: it drops nothing, and that is no error."""
    hide(network, 30, target=1)
    own, post = direct_queue(1), worker.party.post

    def late(key: str, call: Call, gas: int) -> Entry:
        network.client.transact(call)
        return post(key, call, gas)

    with monkeypatch.context() as patch:
        patch.setattr(worker.party, "post", late)
        assert worker._skimmer.look(Reason.BACKLOG) == 1
    (sent,) = worker.party.outbox.entries()
    assert worker.party.outbox.wait(sent.key).ok
    assert network.contracts.allocator.queue(own)[0] == 31
    assert worker._skimmer.look(Reason.BACKLOG) == 0


def test_anybody_skims_by_a_command(
    network: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def qcrs(*words: str, home: Path = network.home.root) -> Any:
        monkeypatch.setattr(sys, "argv", ["qcrs", *words, "--home", str(home), "--json"])
        main()
        return json.loads(capsys.readouterr().out)

    hide(network, 30)
    hide(network, 26, target=1)
    with RpcServer(network.embedded) as server:
        network.home.save(replace(network.settings, rpc=server.url))
        assert qcrs("job", "skim", "--processor", "alice") == [{"queue": "processor 1", "dropped": 26}]
        assert qcrs("job", "skim") == [{"queue": "flow 0", "dropped": 30}]
        assert qcrs("job", "skim") == []
