"""A user's way through the exchange by its command line alone: submit, check, stop, go on.

Every command is a process of its own, as it is for a user; nothing here knows more than the home folder.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from qcrs.client.reader import Reader
from qcrs.client.results import find_hand_overs, find_openings
from qcrs.client.sealed import open_secret, parse_job_document
from qcrs.client.wallet import Wallet
from qcrs.types import digest_to_cid

pytestmark = [pytest.mark.network, pytest.mark.timeout(1800)]

SHOTS = 300

OLD = """// parity of two phases, two registers
OPENQASM 2.0;
include "qelib1.inc";
gate mix(t) a, b { cx a, b; rz(t) b; cx a, b; }
qreg q[3];
creg left[2];
creg right[1];
h q;
mix(pi/3) q[0], q[1];
barrier q;
ccx q[0], q[1], q[2];
u3(0.3, -pi/7, 1.1) q[1];
measure q[0] -> left[0];
measure q[1] -> left[1];
measure q[2] -> right[0];
"""

NEW = """// a flag is measured first and decides about the last qubit
OPENQASM 3.0;
include "stdgates.inc";
gate pair(theta) a, b { ry(theta) a; cx a, b; }
qubit[4] q;
bit flag;
bit[3] c;
h q[3];
flag = measure q[3];
pair(pi / 3) q[0], q[1];
if (flag) { x q[2]; }
cp(pi / 5) q[1], q[2];
c[0] = measure q[0];
c[1] = measure q[1];
c[2] = measure q[2];
"""

PROGRAMS = {"old": (OLD, 3), "new": (NEW, 4)}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("programs")
    for name, (text, _width) in PROGRAMS.items():
        (folder / f"{name}.qasm").write_text(text)
    return {name: str(folder / f"{name}.qasm") for name in PROGRAMS}


@pytest.fixture(scope="module")
def results(running: Any, files: dict[str, str]) -> dict[str, Any]:
    """What `qcrs submit FILE --json` printed for each program."""
    found = {}
    for name, file in files.items():
        done = running.qcrs("submit", file, "--shots", str(SHOTS), "--json")
        assert done.code == 0, done.err
        found[name] = done.value
    return found


@pytest.fixture(scope="module")
def reader(running: Any) -> Iterator[Reader]:
    found = Reader.open(running.home)
    yield found
    found.close()


def agrees(running: Any, job: int) -> Any:
    """`qcrs verify` once the job's keys are published, which is a moment after its end."""
    last: list[Any] = []

    def published() -> bool:
        last.append(running.qcrs("verify", str(job), "--json"))
        return not any(one["subject"] == "opening" for one in last[-1].value["differences"])

    running.until(published, f"the keys of job {job} are published")
    assert last[-1].code == 0, last[-1].out
    return last[-1].value


def test_every_process_runs(running: Any) -> None:
    listed = running.qcrs("status", "--json")
    assert listed.code == 0, listed.err
    names = {"chain", *running.plan.oracle_names, *(node.name for node in running.plan.nodes)}
    assert {row["name"] for row in listed.value} == names
    assert {row["state"] for row in listed.value} == {"running"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_written_by_hand_comes_back_verified(running: Any, results: Any, name: str) -> None:
    found = results[name]
    counts = found["circuits"][0]["counts"]
    assert found["verified"] is True
    assert found["certificate"]["verdict"] == "ACCEPT"
    assert found["certificate"]["score"] >= found["certificate"]["threshold"]
    assert sum(counts.values()) == SHOTS
    assert {len(bits) for bits in counts} == {PROGRAMS[name][1]}
    status = found["status"]
    assert status["state"] == "SETTLED"
    accepted = [run for run in status["executions"] if run["state"] == "ACCEPTED"]
    assert accepted  # and a second one where an audit was drawn
    assert status["paid"] == status["fee"] * len(accepted)
    assert status["paid"] + status["refunded"] == status["fee"] * status["max_executions"]
    report = agrees(running, found["job"])
    assert report["ok"]
    assert {verdict["outcome"] for verdict in report["verdicts"]} >= {"ACCEPT"}


def test_what_the_flag_decided_is_in_the_counts(results: Any) -> None:
    """With the flag up the last bit is one: a bit that follows another is not lost on the way."""
    counts = results["new"]["circuits"][0]["counts"]
    equal = sum(n for bits, n in counts.items() if bits[0] == bits[-1])
    assert equal > 0.85 * SHOTS, counts


@contextmanager
def damaged(reader: Reader, cid: str) -> Iterator[None]:
    """One byte of a stored blob is another one, for a while."""
    path = Path(reader.store.where) / "blobs" / cid[-2:] / cid
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[len(changed) // 2] ^= 1
    path.write_bytes(bytes(changed))
    try:
        yield
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("what", ["result", "frames", "evidence"])
def test_verify_names_what_one_changed_byte_makes_differ(
    running: Any, reader: Reader, results: Any, what: str
) -> None:
    number = results["old"]["job"]
    job = reader.entry(number)
    index = results["old"]["execution"]
    run = job.executions[index]
    if what == "result":
        (mail,) = find_hand_overs(reader, job, run)
        subject, cid = f"result of execution {index}", mail.result
    elif what == "frames":
        document = parse_job_document(reader.store.get(digest_to_cid(job.request.payload)))
        subject, cid = "frames document", document.frames
    else:
        subject, cid = f"verdict 0 on execution {index}", digest_to_cid(run.verdicts[0].evidence)
    with damaged(reader, cid):
        for_scripts = running.qcrs("verify", str(number), "--json")
        for_people = running.qcrs("verify", str(number)) if what == "result" else None
    assert for_scripts.code == 6, for_scripts.out
    assert for_scripts.value["ok"] is False
    differences = for_scripts.value["differences"]
    assert differences[0]["subject"] == subject
    assert any(cid in one["name"] + one["detail"] for one in differences)
    if for_people is not None:
        assert for_people.code == 6
        assert f"✗ {subject}" in for_people.out
        assert cid in for_people.out
    assert agrees(running, number)["ok"]


def test_the_ledger_is_audited(running: Any, results: Any) -> None:
    done = running.qcrs("audit", "--json")
    assert done.code == 0, done.out
    assert done.value["ok"]
    assert done.value["jobs"] >= len(results) + len(running.plan.nodes)
    assert done.value["escrows"] == 0


def test_no_secret_is_in_any_log(running: Any, results: Any, reader: Reader) -> None:
    """Account keys, beacon keys, and the keys and seeds of every finished job, in any usual writing."""
    wallet = Wallet(running.home)
    secrets = {f"key of {name}": bytes(wallet.load(name, password="").key) for name in wallet.names()}
    for path in running.home.keys.glob("*.pem"):
        secrets[path.name] = base64.b64decode("".join(path.read_text().splitlines()[1:-1]))[64:128]
    history = reader.history()
    for found in results.values():
        job = history.jobs[found["job"]]
        agrees(running, job.id)
        opening = find_openings(reader, job, range(1, reader.contracts.quorum.era() + 1))[0]
        document = parse_job_document(reader.store.get(digest_to_cid(job.request.payload)))
        secret = open_secret(reader.store.get(document.secret), opening.secret)
        secrets |= {
            f"frames key of {job.id}": opening.frames,
            f"secret key of {job.id}": opening.secret,
            f"seed of {job.id}": secret.seed,
            **{f"result key of {job.id}/{index}": key for index, key in opening.results.items()},
        }
    assert len(secrets) > 2 * len(running.plan.oracle_names) + 3 * len(results)
    files = [path for path in running.log_folder.rglob("*") if path.is_file()]
    assert len(files) > len(running.plan.oracle_names)
    for path in files:
        text = path.read_text(errors="replace")
        for name, value in secrets.items():
            codes = (base64.b64encode(value), base64.urlsafe_b64encode(value))
            forms = [
                value.hex(),
                str(int.from_bytes(value, "big")),
                repr(value),
                *(c.decode() for c in codes),
            ]
            written = [form for form in forms if form in text]
            assert not written, f"{name} stands in {path.name}"


def test_a_job_for_a_stopped_processor_fails_by_its_deadline_and_is_refunded(
    running: Any, reader: Reader, files: dict[str, str]
) -> None:
    grace, margin, _window = reader.contracts.allocator.times()
    sealing_s = 20  # between the client's look at the clock and the block that takes the job
    before = running.qcrs("account", "balance", "--json").value["balance"]
    running.network.processes.stop(["cyd"])
    try:
        words = ("--processor", "cyd", "--seconds", "1", "--deadline", str(1 + grace + margin + sealing_s))
        done = running.qcrs("submit", files["old"], "--shots", str(SHOTS), *words, "--json")
    finally:
        running.network.restart("cyd", running.plan)
    assert done.code == 5, done.out + done.err
    assert done.value["error"] == "JobTimeoutError"
    assert "nobody took the job before its deadline" in done.value["reason"]
    assert "qcrs processor list" in done.value["solution"]
    assert "✗" in done.err
    assert "→" in done.err
    job = running.qcrs("job", "list", "--json").value[0]
    assert (job["state"], job["status"], job["executions"]) == ("EXPIRED", "ERROR", [])
    assert job["refunded"] == job["fee"]
    assert (job["paid"], job["escrow"]) == (0, 0)
    assert running.qcrs("account", "balance", "--json").value["balance"] == before


def test_down_and_up_again_keeps_everything(running: Any, results: Any, files: dict[str, str]) -> None:
    names = {"chain", *running.plan.oracle_names, *(node.name for node in running.plan.nodes)}
    listed = running.qcrs("job", "list", "--json").value
    stopped = running.qcrs("down", "--json")
    assert stopped.code == 0, stopped.err
    assert set(stopped.value["stopped"]) == names
    unreachable = running.qcrs("job", "list", "--json")
    assert unreachable.code == 3
    assert "qcrs up" in unreachable.value["solution"]
    idle = running.qcrs("status")
    assert idle.code == 3
    assert "→" in idle.err
    started = running.qcrs("up", "--json")
    assert started.code == 0, started.err
    assert {row["name"] for row in started.value} == names
    assert {row["state"] for row in started.value} == {"running"}
    for node in running.plan.nodes:
        assert f"{node.name} certified" in started.err
    assert running.qcrs("job", "list", "--json").value == listed
    again = running.qcrs("submit", files["new"], "--shots", str(SHOTS), "--json")
    assert again.code == 0, again.err
    assert again.value["verified"] is True
    assert again.value["job"] > max(found["job"] for found in results.values())
    shown = running.qcrs("job", "show", str(results["old"]["job"]))
    assert shown.code == 0
    assert results["old"]["certificate"]["trail"] in shown.out
