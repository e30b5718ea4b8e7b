"""The client's commands: results for people and scripts, one clear message for whatever is wrong."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit, qpy

from qcrs.cli import main
from qcrs.hub.rpc import RpcServer

BELL = """OPENQASM 3.0;
include "stdgates.inc";
qubit[2] q;
bit[2] c;
h q[0];
cx q[0], q[1];
c = measure q;
"""
OLD_BELL = """OPENQASM 2.0;
include "qelib1.inc";
qreg q[2];
creg c[2];
h q[0];
cx q[0], q[1];
measure q -> c;
"""


class Output:
    """What one command printed and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def value(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Output]


@pytest.fixture(scope="module")
def served(network: Any) -> Iterator[Any]:
    with RpcServer(network.embedded) as server:
        network.home.save(replace(network.settings, rpc=server.url))
        yield network


@pytest.fixture
def qcrs(served: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.delenv("QCRS_HOME", raising=False)
    monkeypatch.delenv("QCRS_ACCOUNT", raising=False)

    def run(*words: str, home: Path | None = None) -> Output:
        where = [] if "--help" in words else ["--home", str(home or served.home.root)]
        end = words.index("--") if "--" in words else len(words)
        monkeypatch.setattr(sys, "argv", ["qcrs", *words[:end], *where, *words[end:]])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        captured = capsys.readouterr()
        return Output(code, captured.out, captured.err)

    return run


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "bell.qasm"
    path.write_text(BELL)
    return path


def clear(output: Output, *words: str) -> None:
    """One message with a remedy, no traceback, a failing exit, nothing on standard output."""
    assert output.code != 0
    assert output.out == ""
    assert "Traceback" not in output.err
    message = output.err[output.err.index("✗") :]
    assert "→" in message
    for word in words:
        assert word in message


def test_a_program_is_quoted_submitted_and_comes_back_verified(
    qcrs: Command, desk: Any, program: Path
) -> None:
    quoted = qcrs("quote", str(program), "--shots", "500", "--json").value
    assert quoted["escrow"] == 3 * quoted["fee"]
    assert quoted["affordable"]
    human = qcrs("quote", str(program))
    assert "fee of one execution" in human.out
    with desk.working():
        done = qcrs("submit", str(program), "--shots", "500")
    assert done.code == 0, done.err
    assert "✓ verified" in done.out
    assert "qcrs verify" in done.out
    assert "500 shots" in done.out
    assert "runs on" in done.err
    assert "committed" in done.err
    number = done.err.split("✓ job ")[1].split()[0]
    listed = qcrs("job", "list", "--json").value
    assert listed[0]["job"] == int(number)
    assert listed[0]["paid"] == quoted["fee"]
    assert number in qcrs("job", "list").out
    assert "trail 0x" in qcrs("job", "show", number).out
    result = qcrs("job", "result", number, "--json").value
    assert result["verified"] is True
    assert set(result["circuits"][0]["counts"]) <= {"00", "11"}
    assert result["certificate"]["verdict"] == "ACCEPT"
    assert "closed" not in qcrs("job", "watch", number).err
    while desk.step():
        pass
    verified = qcrs("verify", number)
    assert verified.code == 0, verified.err + verified.out
    assert "agree with the chain" in verified.out
    audited = qcrs("audit", "--json")
    assert audited.code == 0
    assert audited.value["ok"]


@pytest.mark.parametrize("form", ["qasm2", "qpy"])
def test_openqasm_2_and_qpy_are_read(qcrs: Command, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"program.{form}"
    if form == "qasm2":
        path.write_text(OLD_BELL)
    else:
        circuit = QuantumCircuit(2, 2)
        circuit.h(0)
        circuit.measure([0, 1], [0, 1])
        with path.open("wb") as stream:
            qpy.dump(circuit, stream)
    assert qcrs("quote", str(path), "--json").value["qubits"] == 2


def test_no_wait_gives_the_number_and_cancel_gives_the_money_back(qcrs: Command, program: Path) -> None:
    before = qcrs("account", "balance", "--json").value["balance"]
    number = qcrs("submit", str(program), "--no-wait").out.strip()
    assert qcrs("job", "show", number, "--json").value["status"] == "QUEUED"
    held = qcrs("account", "balance", "--json").value
    assert held["balance"] + held["escrow"] == before
    assert "is cancelled" in qcrs("job", "cancel", number).out
    assert qcrs("account", "balance", "--json").value["balance"] == before
    clear(qcrs("job", "result", number), "cancelled")


def test_a_rejected_targeted_job_says_why_and_what_to_do(
    qcrs: Command, served: Any, desk: Any, program: Path
) -> None:
    number = qcrs("submit", str(program), "--no-wait", "--processor", "bob").out.strip()
    desk.hand_over = False
    while desk.step():
        pass
    desk.hand_over = True
    output = qcrs("job", "result", number)
    clear(output, "withheld", "rejected", "submit it again")
    assert output.code == 5


BAD_PROGRAMS = {
    "not QASM": "this is not a program",
    "too many qubits": "OPENQASM 3.0; qubit[30] q; bit[30] c; c = measure q;",
    "huge register": 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2147483647];',
    "include of a local file": 'OPENQASM 2.0; include "/etc/passwd"; qreg q[1];',
    "empty": "",
}


@pytest.mark.parametrize("name", BAD_PROGRAMS)
@pytest.mark.parametrize("command", ["quote", "submit"])
def test_bad_programs_are_refused_with_one_clear_message(
    qcrs: Command, served: Any, tmp_path: Path, name: str, command: str
) -> None:
    path = tmp_path / "bad.qasm"
    path.write_text(BAD_PROGRAMS[name])
    blobs = sum(1 for _ in Path(served.settings.store).rglob("bafk*"))
    jobs = len(qcrs("job", "list", "--json").value)
    output = qcrs(command, str(path))
    clear(output)
    assert "root:" not in output.err
    assert len(qcrs("job", "list", "--json").value) == jobs
    assert sum(1 for _ in Path(served.settings.store).rglob("bafk*")) == blobs


@pytest.mark.parametrize("shots", ["0", "10000000", "-5"])
def test_shots_out_of_range(qcrs: Command, program: Path, shots: str) -> None:
    clear(qcrs("submit", str(program), "--shots", shots), "shots")


def test_a_missing_file_processor_job_and_network(qcrs: Command, program: Path, tmp_path: Path) -> None:
    clear(qcrs("submit", str(tmp_path / "none.qasm")), "cannot be read")
    clear(qcrs("submit", str(program), "--processor", "nobody"), "no such processor", "alice")
    clear(qcrs("job", "show", "77777"), "no such job")
    clear(qcrs("verify", "nonsense"), "not a job's number")
    clear(qcrs("job", "list", home=tmp_path / "empty"), "no QCRS network", "qcrs up")
    failed = qcrs("job", "show", "77777", "--json")
    assert failed.code != 0
    assert failed.value["error"] == "JobNotFoundError"
    assert failed.value["solution"]


def test_an_unreachable_chain_is_one_clear_message(qcrs: Command, served: Any, tmp_path: Path) -> None:
    from qcrs.config.home import Home

    Home(tmp_path).save(replace(served.settings, rpc="http://127.0.0.1:9"))
    clear(qcrs("job", "list", home=tmp_path), "cannot be reached")


def test_accounts_are_made_listed_and_never_overwritten(
    qcrs: Command, served: Any, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = qcrs("account", "new", "fresh", "--plain", "--json").value
    rows = {row["account"]: row for row in qcrs("account", "list", "--json").value}
    assert rows["fresh"]["address"] == made["address"]
    assert rows["fresh"]["balance"] == 0
    assert "fresh" in qcrs("account", "list").out
    clear(qcrs("account", "new", "fresh", "--plain"), "never overwritten")
    clear(qcrs("submit", str(program), "--account", "fresh"), "escrow is", "credits")
    clear(qcrs("account", "balance", "--account", "nobody"), "no such account")
    monkeypatch.setenv("QCRS_PASSWORD", "open sesame")
    sealed = qcrs("account", "new", "sealed", "--json").value
    assert json.loads(Path(sealed["file"]).read_text())["crypto"]


def test_credit_goes_in_and_out(qcrs: Command) -> None:
    before = qcrs("account", "balance", "--json").value
    moved = qcrs("account", "deposit", "2.5", "--json").value
    assert moved["balance"] == before["balance"] + 2_500_000
    assert qcrs("account", "withdraw", "2.5", "--json").value["credit"] == before["credit"]
    for amount in ("0", "-1", "x", "0.0000001", "nan", "1e30"):
        clear(qcrs("account", "deposit", "--", amount))


def test_wrong_usage_is_one_message_and_exit_2(qcrs: Command) -> None:
    for words in (["job", "nonsense"], ["submit"], ["quote", "x.qasm", "--nonsense"], ["audit", "surplus"]):
        output = qcrs(*words)
        assert output.code == 2
        assert "Usage" in output.err
        assert "Traceback" not in output.err


def test_a_difference_ends_verify_and_audit_with_exit_6(
    qcrs: Command, served: Any, desk: Any, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with desk.working():
        number = qcrs("submit", str(program), "--shots", "100", "--json").value["job"]
    while desk.step():
        pass
    mail = Path(served.settings.store) / "mail" / "opening" / str(number)
    mail.rename(mail.with_name("hidden"))
    try:
        output = qcrs("verify", str(number), "--json")
    finally:
        mail.with_name("hidden").rename(mail)
    assert output.code == 6
    assert output.value["differences"][0]["subject"] == "opening"


def test_traps_run_as_an_ordinary_job_of_a_registered_processor(
    qcrs: Command, desk: Any, program: Path
) -> None:
    words = ("bench", "trap", str(program), "--processor", "1", "--circuits", "8", "--shots", "200")
    with desk.working():
        output = qcrs(*words, "--json")
    assert output.code == 0, output.err
    assert output.value["outcome"] == "ACCEPT"
    assert output.value["shots"] == 1600
    clear(qcrs("bench", "trap", str(program), "--processor", "77"), "no such processor")


def test_audit_tells_how_a_provider_stands(qcrs: Command, served: Any, desk: Any, program: Path) -> None:
    with desk.working():
        qcrs("submit", str(program), "--shots", "800", "--processor", "1", "--json")
    provider = served.reader.history().processors[1].provider
    for name in ("1", provider, provider.lower()):
        found = qcrs("audit", "--provider", name, "--json").value
        assert found["provider"] == provider
        assert found["flagged"] is False
        assert found["jobs"] == len(found["executions"]) > 0
    assert "found / registered" in qcrs("audit", "--provider", "1").out
    clear(qcrs("audit", "--provider", "nobody"), "no such provider")


def test_help_of_every_command(qcrs: Command) -> None:
    for words in (["quote"], ["submit"], ["job"], ["job", "list"], ["verify"], ["audit"], ["account", "new"]):
        assert "Usage" in qcrs(*words, "--help").out


def test_credit_off_the_chain_is_funded_approved_and_claimed(qcrs: Command, served: Any) -> None:
    """The quorum's root is the only thing here that the commands do not do."""
    from qcrs.chain.bindings import Epoch, EpochSettlement
    from qcrs.client.debts import EpochDocument, epoch_digest, fold_debts
    from qcrs.client.settlement import Payer
    from qcrs.types import CREDIT, cid_to_digest

    served.account("epochpayer", credit=50 * CREDIT)
    payee = served.account("epochpayee", credit=CREDIT).address
    shown = qcrs("account", "escrow", "fund", "20", "--account", "epochpayer", "--json").value
    assert shown["escrow"] == 20 * CREDIT
    approved = qcrs("account", "escrow", "approve", payee, "7.5", "--account", "epochpayer")
    assert f"approved for {payee}: 7.5 credits in all" in approved.out
    shown = qcrs("account", "escrow", "show", "--account", "epochpayer", "--json").value
    assert shown["approved"] == {payee: 7_500_000}
    nothing = qcrs("account", "claims", "--account", "epochpayee")
    assert "no epoch says" in nothing.out
    assert "nothing is due" in qcrs("account", "claim", "--account", "epochpayee").out
    place = served.settings.contracts["EpochSettlement"]
    exchange = served.exchange("epochpayer")
    payer = Payer(exchange)
    settlement = payer.settlement
    approvals = settlement.approvals(exchange.address)
    debts = fold_debts((), approvals, lambda client: settlement.purse(client, {payee}))
    payer.close()
    exchange.close()
    document = EpochDocument(served.chain.chain_id, place, 1, debts)
    epoch = Epoch(1, 1, document.tree().root, cid_to_digest(served.store.put(document.as_bytes())))
    signed = served.signatures(epoch_digest(epoch, chain_id=served.chain.chain_id, settlement=place))
    served.deployer.transact(EpochSettlement(served.chain, place).commit_epoch(epoch, (), *signed))
    (row,) = qcrs("account", "claims", "--account", "epochpayee", "--json").value
    assert (row["epoch"], row["due"], row["claimed"]) == (1, 7_500_000, 0)
    assert "7.5 credits came in" in qcrs("account", "claim", "--account", "epochpayee").out
    (row,) = qcrs("account", "claims", "--account", "epochpayee", "--json").value
    assert (row["due"], row["claimed"], row["uncollected"]) == (0, 7_500_000, 0)
    too_much = qcrs("account", "escrow", "approve", payee, "13", "--account", "epochpayer")
    assert (too_much.code, "12.5 credits are free" in too_much.err) == (2, True)
    left = qcrs("account", "escrow", "leave", "--account", "epochpayer")
    assert "leaving" in left.out
    early = qcrs("account", "escrow", "exit", "--account", "epochpayer")
    assert early.code != 0
    assert "announce the exit first" in early.err
