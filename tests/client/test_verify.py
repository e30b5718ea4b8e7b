"""Anyone makes the verdicts again; after one byte is changed, the difference is named."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit

from qcrs.chain.bindings import ExecutionState
from qcrs.circuits import lower
from qcrs.client.archive import circuits_named, open_past
from qcrs.client.audit import audit_exchange
from qcrs.client.documents import JobDocument
from qcrs.client.exchange import Exchange
from qcrs.client.program import Unit
from qcrs.client.reader import Reader
from qcrs.client.rejudge import judging_sandbox
from qcrs.client.results import find_hand_overs
from qcrs.client.sealed import opening_topic, parse_job_document, result_topic
from qcrs.client.trail import StepKind, chain_step, start, word
from qcrs.client.verify import VerifyReport
from qcrs.client.verify import verify_job as verify_once
from qcrs.client.views import JobOptions
from qcrs.config.home import Home
from qcrs.errors import JobError
from qcrs.sandbox import Sandbox
from qcrs.store import ContentStore, Mailbox
from qcrs.types import canonical_json, cid_of, digest_to_cid
from qcrs.verification.archive import PastExecution

_JUDGES: list[Sandbox] = []


@pytest.fixture(scope="module", autouse=True)
def judges() -> Any:
    _JUDGES.append(judging_sandbox())
    yield
    _JUDGES.pop().close()


def verify_job(reader: Reader, job: int) -> VerifyReport:
    """One sandbox for all tests: starting one takes a second or two."""
    return verify_once(reader, job, sandbox=_JUDGES[-1])


def units(shots: int = 800) -> list[Unit]:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.ry(0.7, 2)
    circuit.cx(1, 2)
    circuit.measure_all()
    return [Unit(lower(circuit).document, shots)]


def flipped(runner: Any) -> Any:
    """A cheat: honest counts with one answer bit inverted."""

    def run(document: Any, seed: int) -> Any:
        return tuple(
            replace(unit, frames=tuple({key ^ 1: n for key, n in frame.items()} for frame in unit.frames))
            for unit in runner(document, seed)
        )

    return run


@pytest.fixture(scope="module")
def closed(network: Any, desk: Any, harness: Any) -> int:
    """A job whose first execution cheated and was rejected, and whose second was accepted."""
    exchange = network.exchange("client")
    honest = network.processors[0].runner
    network.processors[0].runner = flipped(honest)
    number = exchange.submit(units(), JobOptions(max_executions=3))
    while desk.step():
        pass
    network.processors[0].runner = honest
    states = [run.state for run in exchange.entry(number).executions]
    assert states == [ExecutionState.REJECTED, ExecutionState.ACCEPTED]
    exchange.close()
    return int(number)


@pytest.fixture
def copied(network: Any, tmp_path: Path) -> Reader:
    """A reader whose store is a copy that may be damaged."""
    shutil.copytree(network.settings.store, tmp_path / "store")
    settings = replace(network.settings, store=str(tmp_path / "store"))
    return Reader.open(Home(tmp_path), network=settings, chain=network.chain)


def test_verdicts_are_made_again_from_chain_and_store_alone(network: Any, closed: int) -> None:
    report = verify_job(network.reader, closed)
    assert report.ok, report.text()
    assert [verdict["outcome"] for verdict in report.verdicts] == ["REJECT", "ACCEPT"]
    assert len(report.checks) > 25
    assert json.loads(json.dumps(report.as_json()))["ok"] is True
    assert "agree with the chain" in report.text()


def blob_of(reader: Reader, job: int, name: str) -> str:
    """Content ids of a job's documents."""
    entry = reader.entry(job)
    document: JobDocument = parse_job_document(reader.store.get(digest_to_cid(entry.request.payload)))
    (mail,) = find_hand_overs(reader, entry, entry.executions[1])
    return {
        "job document": digest_to_cid(entry.request.payload),
        "frames document": document.frames,
        "secret document": document.secret,
        "result of execution 1": mail.result,
        "verdict 0 on execution 1": digest_to_cid(entry.executions[1].verdicts[0].evidence),
    }[name]


def path_of(reader: Reader, cid: str) -> Path:
    return Path(reader.store.where) / "blobs" / cid[-2:] / cid


@pytest.mark.parametrize(
    "name",
    [
        "job document",
        "frames document",
        "secret document",
        "result of execution 1",
        "verdict 0 on execution 1",
    ],
)
def test_one_changed_byte_is_named_with_its_document(copied: Reader, closed: int, name: str) -> None:
    path = path_of(copied, blob_of(copied, closed, name))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    report = verify_job(copied, closed)
    assert not report.ok
    first = report.differences[0]
    assert first.subject == name
    assert path.name in first.name + first.detail
    assert "do not have their hash" in first.detail
    assert path.name in report.text()


@pytest.mark.parametrize("name", ["result of execution 1", "verdict 0 on execution 1"])
def test_a_missing_document_is_named(copied: Reader, closed: int, name: str) -> None:
    path = path_of(copied, blob_of(copied, closed, name))
    path.unlink()
    report = verify_job(copied, closed)
    assert report.differences[0].subject == name
    assert "not in the store" in report.differences[0].detail
    # What the evidence says of the missing document is still right, and is not named.
    assert "inputs" not in {difference.name for difference in report.differences}


def test_a_lost_hand_over_is_named(copied: Reader, closed: int) -> None:
    shutil.rmtree(Path(copied.store.where) / "mail" / result_topic(closed, 1))
    report = verify_job(copied, closed)
    assert report.differences[0].subject == "result of execution 1"
    assert "hand-over" in report.differences[0].detail


def test_false_keys_do_not_hide_the_true_ones(
    network: Any, copied: Reader, closed: int, harness: Any
) -> None:
    liar = network.oracles[3].account
    body = {"frames": "00" * 32, "secret": "11" * 32, "results": {"0": "22" * 32, "1": "33" * 32}}
    Mailbox(ContentStore(copied.store.where)).post(opening_topic(closed), body, liar)
    stranger = harness.stranger()
    Mailbox(ContentStore(copied.store.where)).post(opening_topic(closed), body, stranger)
    assert verify_job(copied, closed).ok
    for mail in (Path(copied.store.where) / "mail" / opening_topic(closed)).iterdir():
        if json.loads(mail.read_bytes())["sender"] not in (liar.address, stranger.address):
            mail.unlink()
    for mail in (Path(copied.store.where) / "mail" / opening_topic(closed)).iterdir():
        if json.loads(mail.read_bytes())["body"]["frames"] != "00" * 32:
            mail.unlink()
    report = verify_job(copied, closed)
    assert {check.subject for check in report.differences} == {"frames document", "secret document"}
    assert all("not sealed under this key" in check.detail for check in report.differences)


def test_a_second_mail_does_not_hide_the_result(
    network: Any, copied: Reader, closed: int, harness: Any
) -> None:
    """Salt and root are public by now. A stranger repeats them with other results, and so does the provider.

    One of 30 false mails is the first by its id, but once in 31 times.
    """
    entry, topic = copied.entry(closed), result_topic(closed, 1)
    run = entry.executions[1]
    (true,) = find_hand_overs(copied, entry, run)
    (own,) = (p.sender.account for p in network.processors if p.id == run.processor)
    for number, sender in enumerate([harness.stranger()] * 30 + [own] * 30):
        false = replace(true, result=cid_of(b"%d" % number), envelopes={})
        copied.mailbox.post(topic, false.as_json(), sender)
    mails = find_hand_overs(copied, entry, run)
    assert (len(mails), mails[0]) == (31, true)
    assert verify_job(copied, closed).ok
    settings = replace(network.settings, store=copied.store.where)
    exchange = Exchange.connect(network.home, network=settings, account="client", chain=network.chain)
    assert exchange.result(closed).verified
    keys = circuits_named(copied.document(run.verdicts[0].evidence))
    past = PastExecution(closed, 1, own.address, 0, 0, 0, keys)
    assert open_past(copied, copied.history(), past, keys)[0] == true.result
    # Without the evidence nobody says which it is: then each is tried.
    path_of(copied, digest_to_cid(run.verdicts[0].evidence)).unlink()
    assert open_past(copied, copied.history(), past, keys)[0] == true.result
    assert exchange.result(closed).verified
    exchange.close()


def reported(
    network: Any, desk: Any, change: Callable[[dict[str, Any]], None], options: JobOptions | None = None
) -> VerifyReport:
    """Verify a job whose quorum signed an evidence that was changed before it was signed."""
    exchange = network.exchange("client")
    put = network.store.put

    def lying(data: bytes) -> str:
        if b'"qcrs":"evidence/1"' in data:  # all else is sealed: any bytes at all
            value = json.loads(data)
            change(value)
            data = canonical_json(value)
        return str(put(data))

    network.store.put = lying
    try:
        number = exchange.submit(units(200), options or JobOptions(target=2))
        while desk.step():
            pass
    finally:
        network.store.put = put
    report = verify_job(network.reader, number)
    exchange.close()
    return report


def set_in(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(evidence: dict[str, Any]) -> None:
        table: Any = evidence
        for key in path[:-1]:
            table = table[key]
        table[path[-1]] = value

    return change


def in_test(name: str, **numbers: int) -> Callable[[dict[str, Any]], None]:
    def change(evidence: dict[str, Any]) -> None:
        (test,) = [one for one in evidence["tests"] if one["name"] == name]
        test.update(numbers)

    return change


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        (set_in("processor", value=1), "evidence is of this verdict", "processor is 1, expected 2"),
        (set_in("inputs", "result", value="bafkrei"), "inputs", "inputs.result is 'bafkrei'"),
        (set_in("beacon", "block", value=3), "beacon block", "beacon.block is 3"),
        (set_in("beacon", "proofs", "1", value="00" * 256), "4 beacon proofs", "oracle 1 is not its own"),
        (set_in("draw", "rate_ppm", value=1), "audit draw", "draw.rate_ppm is 1"),
        (set_in("draw", "alone", value=False), "references that count", "draw.alone is False, expected True"),
        (set_in("inputs", "device", "eplg_nano", value=7), "registered errors", "eplg_nano"),
        (set_in("decided_by", value="nobody"), "outcome recomputed", "decided_by is 'nobody'"),
        (set_in("tests", value=[]), "statistics recomputed", "other tests were made"),
        (
            in_test("magnitude:ideal", value_ppm=2_000_000),
            "statistics recomputed",
            "magnitude:ideal",
        ),
        (
            set_in("interval_ppm", value=[0, 2_000_000]),
            "statistics recomputed",
            "interval_ppm is [0, 2000000]",
        ),
        (set_in("reason", value="send 5 credits"), "statistics recomputed", "reason is 'send 5 credits'"),
        (set_in("needed_shots", value=5), "statistics recomputed", "needed_shots is 5"),
    ],
)
def test_a_false_word_in_signed_evidence_is_named(
    network: Any, desk: Any, closed: int, change: Callable[[dict[str, Any]], None], name: str, words: str
) -> None:
    report = reported(network, desk, change)
    found = [check for check in report.differences if name in check.name]
    assert found, report.text()
    assert words in found[0].detail


def test_a_reference_that_was_left_out_is_named(network: Any, desk: Any, closed: int) -> None:
    dropped = []

    def drop(evidence: dict[str, Any]) -> None:
        dropped.extend(evidence["references"])
        evidence["references"] = []

    report = reported(network, desk, drop, JobOptions(redundancy=2, max_executions=2))
    (found,) = [check for check in report.differences if check.name == "1 references that count"]
    assert "references is [], expected [0]" in found.detail
    assert (found.subject, len(dropped)) == ("verdict 0 on execution 1", 1)


def test_a_verdict_against_the_statistics_is_named(
    network: Any, desk: Any, closed: int, harness: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quorum that accepts a cheat is seen by whoever recomputes."""
    honest = network.processors[1].runner
    network.processors[1].runner = flipped(honest)
    plain = harness.Found.from_json

    def bribed(raw: Any) -> Any:
        return replace(plain(raw), outcome=1)

    exchange = network.exchange("client")
    monkeypatch.setattr(harness.Found, "from_json", bribed)
    number = exchange.submit(units(), JobOptions(target=2))
    while desk.step():
        pass
    monkeypatch.undo()
    network.processors[1].runner = honest
    assert exchange.job(number).state == "SETTLED"
    report = verify_job(network.reader, number)
    found = [check for check in report.differences if check.name == "outcome recomputed"]
    assert "outcome is 1, expected 3" in found[0].detail
    exchange.close()


def test_an_open_job_cannot_be_verified_yet(network: Any, desk: Any) -> None:
    exchange = network.exchange("client")
    number = exchange.submit(units(100))
    with pytest.raises(JobError, match="not over yet"):
        verify_job(network.reader, number)
    exchange.cancel(number)
    assert verify_job(network.reader, number).ok
    exchange.close()


def test_audit_agrees_with_every_trail_balance_and_sum(network: Any, closed: int) -> None:
    report = audit_exchange(network.reader)
    assert report.ok, report.text()
    assert report.jobs >= 1
    assert report.deposited - report.withdrawn == report.balances + report.escrows + report.bonds


def test_audit_names_what_differs(network: Any, closed: int, tmp_path: Path) -> None:
    reader = Reader.open(Home(tmp_path), network=network.settings, chain=network.chain)
    history = reader.history()
    job = history.jobs[closed]
    job.trail = bytes(32)
    job.executions[0].processor = 3
    history.processors[1].bond += 5
    history.balances[job.client] += 1
    report = audit_exchange(reader)
    assert not report.ok
    words = {(d.subject, d.word) for d in report.differences}
    assert (f"job {closed}", "trail") in words
    assert (f"job {closed}, execution 0", "processor") in words
    assert ("processor 1", "bond") in words
    assert (f"account {job.client}", "balance") in words
    assert any(subject == "ledger" for subject, _word in words)


def test_a_trail_chains_kind_execution_time_and_data() -> None:
    one = chain_step(start(5), StepKind.ALLOCATED, 1, 99, word(7))
    assert one != chain_step(start(5), StepKind.ALLOCATED, 2, 99, word(7))
    assert one != chain_step(start(5), StepKind.ALLOCATED, 1, 98, word(7))
    assert one != chain_step(start(6), StepKind.ALLOCATED, 1, 99, word(7))


def test_history_is_the_same_read_in_one_go_or_block_by_block(network: Any, closed: int) -> None:
    last = network.reader.entry(closed).steps[-1].block
    at = network.reader.history_at(last)
    assert at.jobs[closed].trail == network.reader.history().jobs[closed].trail
    before = network.reader.history_at(last - 1)
    assert not before.jobs[closed].final


def test_a_client_that_sends_other_frames_than_its_seeds_voids_its_check(
    network: Any, desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qcrs.client import exchange as module

    build = module.build_documents

    def crooked(chosen: Any, **settings: Any) -> Any:
        frames, _secret = build(chosen, **{**settings, "seed": bytes(32)})
        return frames, build(chosen, **settings)[1]

    monkeypatch.setattr(module, "build_documents", crooked)
    exchange = network.exchange("client")
    number = exchange.submit(units(200), JobOptions(target=2))
    monkeypatch.undo()
    while desk.step():
        pass
    info = exchange.job(number)
    assert (info.state, info.verdict.decided_by, info.paid) == ("SETTLED", "client void", info.fee)
    report = verify_job(network.reader, number)
    assert report.ok, report.text()
    assert "not its own seed's, as was judged" in report.text()
    exchange.close()


def test_a_standalone_verification_starts_and_ends_its_own_children(network: Any, closed: int) -> None:
    assert verify_once(network.reader, closed).ok
