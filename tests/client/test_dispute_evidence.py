"""What the dispute tool tells a member to rule: differences count, what is missing speaks against nobody."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit

from qcrs.circuits import lower
from qcrs.client.program import Unit
from qcrs.client.reader import Reader
from qcrs.client.rejudge import judging_sandbox
from qcrs.client.results import find_hand_overs
from qcrs.client.sealed import opening_topic, result_topic
from qcrs.client.views import JobOptions
from qcrs.config.home import Home
from qcrs.errors import StoreError, VerificationError
from qcrs.governance.evidence import Evidence, gather
from qcrs.sandbox import Sandbox
from qcrs.store import ContentStore
from qcrs.types import canonical_json, digest_to_cid


@pytest.fixture(scope="module")
def judge() -> Iterator[Sandbox]:
    with judging_sandbox() as found:
        yield found


def bell() -> Unit:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return Unit(lower(circuit).document, 200)


def submitted(network: Any, **options: Any) -> int:
    exchange = network.exchange("client")
    number = exchange.submit([bell()], JobOptions(**options))
    exchange.close()
    return int(number)


@contextmanager
def signing(network: Any, change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """A quorum that changes its evidence before it signs it."""

    class Lying(ContentStore):
        def put(self, data: bytes) -> str:
            if b'"qcrs":"evidence/1"' in data:  # all else is sealed: any bytes at all
                value = json.loads(data)
                change(value)
                data = canonical_json(value)
            return str(super().put(data))

    honest, network.store = network.store, Lying(network.store.where)
    try:
        yield
    finally:
        network.store = honest


def worked(desk: Any) -> None:
    while desk.step():
        pass


@pytest.fixture(scope="module")
def accepted(network: Any, desk: Any) -> int:
    number = submitted(network, target=2)
    worked(desk)
    return number


@pytest.fixture(scope="module")
def again(network: Any, desk: Any, accepted: int) -> int:
    """The same circuit once more: its result is held against the first."""
    number = submitted(network, target=2)
    worked(desk)
    return number


@pytest.fixture
def copied(network: Any, tmp_path: Path) -> Iterator[Reader]:
    """A reader whose store is a copy of which parts may be lost."""
    shutil.copytree(network.settings.store, tmp_path / "store")
    settings = replace(network.settings, store=str(tmp_path / "store"))
    with Reader.open(Home(tmp_path), network=settings, chain=network.chain) as reader:
        yield reader


def spoken(found: Evidence) -> tuple[str, str, str]:
    return found.recorded, found.recomputed, found.ruling


def test_a_right_verdict_is_to_be_upheld(network: Any, accepted: int, judge: Sandbox) -> None:
    assert spoken(gather(network.reader, accepted, sandbox=judge)) == ("accept", "accept", "upheld")


def test_a_false_word_of_one_execution_overturns_that_one_alone(
    network: Any, desk: Any, judge: Sandbox
) -> None:
    def lie(evidence: dict[str, Any]) -> None:
        if evidence["execution"] == 1:
            evidence["beacon"]["proofs"]["1"] = "00" * 256

    with signing(network, lie):
        number = submitted(network, redundancy=2, max_executions=2)
        worked(desk)
    found = gather(network.reader, number, 1, sandbox=judge)
    assert spoken(found) == ("accept", "accept", "overturned")
    wrong = json.loads(found.document)["report"]["differences"]
    assert {(one["execution"], one["unseen"]) for one in wrong} == {(1, "")}
    assert "4 beacon proofs" in {one["name"] for one in wrong}  # and the draw, where the proof decides it
    assert spoken(gather(network.reader, number, 0, sandbox=judge)) == ("accept", "accept", "upheld")


def test_a_withheld_result_was_rightly_rejected(network: Any, desk: Any, judge: Sandbox) -> None:
    desk.hand_over = False
    number = submitted(network, max_executions=1)
    worked(desk)
    desk.hand_over = True
    assert spoken(gather(network.reader, number, sandbox=judge)) == ("reject", "reject", "upheld")


def test_who_is_said_to_have_withheld_what_is_there_is_not_ruled_on(
    network: Any, desk: Any, judge: Sandbox
) -> None:
    """Four oracles that lie so, or a provider that was late: chain and store tell neither from the other."""
    number = submitted(network, max_executions=1)
    while (number, 0) not in desk._results:
        assert desk.step()
    handed = desk._results.pop((number, 0))
    assert desk.step()
    desk._results[number, 0] = handed
    worked(desk)
    assert network.reader.verify(number).ok
    with pytest.raises(VerificationError, match="do not tell who is right") as caught:
        gather(network.reader, number, sandbox=judge)
    assert "--grounds" in str(caught.value.solution)


def lost(reader: Reader, job: int, what: str) -> str:
    """Take something out of the store; gives back what an error must name."""
    where, run = Path(reader.store.where), reader.entry(job).executions[0]
    if what in ("opening", "hand-over"):
        shutil.rmtree(where / "mail" / (opening_topic(job) if what == "opening" else result_topic(job, 0)))
        return "published the keys" if what == "opening" else "hand-over"
    cid = {
        "evidence": lambda: digest_to_cid(run.verdicts[0].evidence),
        "job": lambda: digest_to_cid(reader.entry(job).request.payload),
        "result": lambda: find_hand_overs(reader, reader.entry(job), run)[0].result,
        "oracles": lambda: next(
            digest_to_cid(bytes.fromhex(row.args["identities"][2:]))
            for row in reader._source.named("EraStarted", "OracleQuorum")
        ),
    }[what]()
    (where / "blobs" / cid[-2:] / cid).unlink()
    return cid


@pytest.mark.parametrize("what", ["evidence", "job", "result", "oracles", "opening", "hand-over"])
def test_what_is_missing_is_named_and_speaks_against_nobody(
    copied: Reader, accepted: int, judge: Sandbox, what: str
) -> None:
    name = lost(copied, accepted, what)
    with pytest.raises(StoreError, match="nothing can be ruled yet") as caught:
        gather(copied, accepted, sandbox=judge)
    assert name in str(caught.value)
    assert "judge again" in str(caught.value.solution)
    assert "--grounds" in str(caught.value.solution)


@pytest.mark.parametrize("what", ["evidence", "result", "opening"])
def test_what_is_missing_of_the_past_speaks_against_nobody(
    copied: Reader, accepted: int, again: int, judge: Sandbox, what: str
) -> None:
    """Past results that it was held against: without them statistics come out otherwise."""
    assert spoken(gather(copied, again, sandbox=judge)) == ("accept", "accept", "upheld")
    lost(copied, accepted, what)
    copied._documents.clear()  # as of a reader that never saw it
    with pytest.raises(StoreError, match="nothing can be ruled yet"):
        gather(copied, again, sandbox=judge)
