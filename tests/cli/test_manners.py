"""Bad input of every kind: one clear message with its remedy, a failing exit, and nothing half-done."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qcrs.chain.networks import connect
from qcrs.cli.job import _units as program_units
from qcrs.client.wallet import Wallet
from qcrs.config.home import Home
from qcrs.network.processes import Processes

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.network, pytest.mark.timeout(900)]

Command = Callable[..., Any]

BELL = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0], q[1]; measure q -> c;'
SECRET = "do-not-show-this"

FILES = {
    "bell.qasm": BELL,
    "words.qasm": "this is not a program",
    "empty.qasm": "",
    "wide.qasm": "OPENQASM 3.0; qubit[6] q; bit[6] c; c = measure q;",
    "huge.qasm": 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2147483647];',
    "huge3.qasm": "OPENQASM 3.0; qubit[2147483647] q;",
    "include.qasm": 'OPENQASM 2.0; include "secret.inc"; qreg q[1]; creg c[1]; measure q -> c;',
    "include3.qasm": 'OPENQASM 3.0; include "secret.inc"; qubit q; bit c; c = measure q;',
    "secret.inc": f"{SECRET};",
    "cut.qpy": "QISKIT\x0c\x00\x00",
    "large.qasm": "OPENQASM 2.0; // " + "x" * (1 << 20),
}

HERE = ("--processor", "ada")
"""The registered processor has no certificate yet, so jobs go to it by name."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A command that has to be refused: its exit code, and what its message must hold."""

    words: tuple[str, ...]
    code: int
    tells: tuple[str, ...] = ()


BAD = {
    "not QASM": Bad(("submit", "words.qasm"), 2, ("words.qasm",)),
    "empty program": Bad(("submit", "empty.qasm"), 2),
    "cut QPY": Bad(("submit", "cut.qpy"), 2),
    "larger than a program may be": Bad(("submit", "large.qasm"), 2),
    "too many qubits": Bad(("submit", "wide.qasm", *HERE), 2, ("qubits",)),
    "no processor yet": Bad(("submit", "bell.qasm"), 2, ("no certified processor", "qcrs processor list")),
    "zero shots": Bad(("submit", "bell.qasm", "--shots", "0", *HERE), 2, ("shots", "1,000,000")),
    "ten million shots": Bad(("submit", "bell.qasm", "--shots", "10000000", *HERE), 2, ("shots",)),
    "shots that are no number": Bad(("submit", "bell.qasm", "--shots", "many"), 2, ("--shots", "--help")),
    "include of a local file": Bad(("submit", "include.qasm"), 2, ("include",)),
    "include of a local file in OpenQASM 3": Bad(("submit", "include3.qasm"), 2, ("include",)),
    "huge register": Bad(("submit", "huge.qasm"), 2, ("2147483647",)),
    "huge register in OpenQASM 3": Bad(("submit", "huge3.qasm"), 2, ("2147483647",)),
    "missing file": Bad(("submit", "nowhere.qasm"), 2, ("nowhere.qasm",)),
    "a folder for a file": Bad(("quote", "/"), 2, ("cannot be read",)),
    "unfunded account": Bad(("submit", "bell.qasm", *HERE, "--account", "poor"), 2, ("escrow", "credits")),
    "unknown account": Bad(("submit", "bell.qasm", *HERE, "--account", "nobody"), 2, ("nobody", "client")),
    "account that is a path": Bad(("account", "balance", "--account", "../../etc/passwd"), 2, ("account",)),
    "unknown processor": Bad(("submit", "bell.qasm", "--processor", "hal"), 5, ("hal", "ada")),
    "processor number of nobody": Bad(("processor", "show", "99"), 5, ("99",)),
    "deadline too near": Bad(("submit", "bell.qasm", *HERE, "--deadline", "1"), 4, ("deadline",)),
    "deadline in the past": Bad(("submit", "bell.qasm", *HERE, "--deadline", "-5"), 2, ("deadline",)),
    "seconds past all bounds": Bad(("submit", "bell.qasm", *HERE, "--seconds", "99999999"), 2, ("seconds",)),
    "redundancy of nine": Bad(("submit", "bell.qasm", "--redundancy", "9", *HERE), 2, ("redundancy",)),
    "unknown class": Bad(("submit", "bell.qasm", "--class", "7", *HERE), 4, ("class", "most")),
    "trust of zero": Bad(("submit", "bell.qasm", "--trust", "0", *HERE), 4, ("trust", "least")),
    "quality past all bounds": Bad(("submit", "bell.qasm", "--quality", "70000", *HERE), 2, ("quality",)),
    "negative seed": Bad(("submit", "bell.qasm", "--seed", "-1", *HERE), 2, ("seed",)),
    "unknown job": Bad(("job", "show", "77777"), 5, ("77777", "qcrs job list")),
    "verify of what is no number": Bad(("verify", "nonsense"), 5, ("nonsense",)),
    "more than is held": Bad(("account", "deposit", "1e15"), 2, ("deposited at most",)),
    "withdrawal to nobody": Bad(("account", "withdraw", "1", "--to", "0x" + "0" * 40), 2, ("address",)),
    "password without a terminal": Bad(("account", "new", "fresh"), 2, ("QCRS_PASSWORD",)),
    "more credit than there may be": Bad(("account", "fund", "client", "--credits", "1e30"), 2, ("at most",)),
    "trust past all bounds": Bad(("submit", "bell.qasm", "--trust", "300", *HERE), 2, ("trust", "255")),
    "a flow below zero": Bad(("submit", "bell.qasm", "--flow", "-1", *HERE), 2, ("flow", "65,535")),
    "a bond below nothing": Bad(("node", "run", "--backend", "aer:ideal", "--bond", "-1"), 2, ("--bond",)),
    "a claim past all bounds": Bad(
        ("node", "run", "--backend", "aer:ideal", "--claim-quality", "999999"), 2, ("--claim-quality",)
    ),
    "no jobs at all": Bad(("job", "list", "--limit", "0"), 2, ("--limit",)),
    "a quote for nobody": Bad(("quote", "bell.qasm", *HERE, "--account", "nobody"), 2, ("nobody", "client")),
    "credit from nobody": Bad(("account", "fund", "nobody"), 2, ("nobody", "client")),
    "withdrawal to no address": Bad(("account", "withdraw", "1", "--to", "0x12"), 2, ("0x12",)),
    "a processor of nobody in particular": Bad(
        ("processor", "register", "--backend", "aer:ideal"), 2, ("--account", "client", "ada")
    ),
    "a node of nobody in particular": Bad(("node", "run", "--backend", "aer:ideal"), 2, ("--account", "ada")),
    "a bond of nobody in particular": Bad(("account", "bond", "1", "5"), 2, ("--account", "ada")),
    "backend of nobody": Bad(
        ("processor", "register", "--backend", "abacus:x", "--account", "ada"), 5, ("abacus",)
    ),
    "factory of nobody": Bad(
        ("node", "run", "--backend", "nowhere:make", "--account", "ada"), 5, ("nowhere",)
    ),
    "device of another size": Bad(
        ("node", "run", "--backend", "aer:noisy-a?qubits=4", "--account", "ada"), 5, ("5 qubits", "has 4")
    ),
    "suite of nobody": Bad(("oracle", "run", "--suite", "grand", "--account", "oracle-0"), 2, ("suite",)),
    "unknown command": Bad(("job", "nonsense"), 2, ("nonsense", "qcrs job --help")),
    "unknown option": Bad(("audit", "--surplus"), 2, ("--surplus", "qcrs audit --help")),
}

NO_JSON = {"node", "oracle"}
"""Daemons print no value, so they have no `--json`."""


def clear(output: Any, code: int, *tells: str) -> str:
    """One message with a remedy and no traceback; gives the message."""
    assert "Traceback" not in output.err, output.err
    assert output.code == code, output.out + output.err
    assert output.err.count("✗") == 1, output.err
    message: str = output.err[output.err.index("✗") :]
    reason, arrow, remedy = message.partition("\n  → ")
    assert len(reason) > 5, message
    assert arrow, message
    assert remedy.strip(), message
    assert SECRET not in output.out + output.err
    for word in tells:
        assert word in message, message
    return message


def world(home: Path) -> dict[str, object]:
    """Everything that a refused command must leave as it was: accounts' nonces, blobs and mail, keys."""
    wallet = Wallet(Home(home))
    with connect(Home(home).load().rpc) as chain:
        nonces = {name: chain.nonce(wallet.address(name)) for name in wallet.names()}
    kept = [path for folder in ("store", "keys") for path in (home / folder).rglob("*") if path.is_file()]
    return {
        "nonces": nonces,
        "files": sorted(str(path.relative_to(home)) for path in kept),
        "network": (home / "network.json").read_bytes(),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("programs")
    for name, text in FILES.items():
        (found / name).write_text(text)
    return found


@pytest.fixture(scope="module")
def refused(qcrs: Command, home: Path, folder: Path) -> dict[str, Any]:
    """All bad commands, two at a time, and the world before and after them."""
    made = qcrs("account", "new", "poor", "--plain", "--json", home=home)
    assert made.code == 0, made.err
    before = world(home)

    def run(bad: Bad) -> Any:
        form = [] if bad.words[0] in NO_JSON else ["--json"]
        form += ["--no-wait"] if bad.words[0] == "submit" else []
        return qcrs(*bad.words, *form, cwd=folder, home=home)

    with ThreadPoolExecutor(2) as pool:
        outputs = dict(zip(BAD, pool.map(run, BAD.values()), strict=True))
    return {"before": before, "after": world(home), **outputs}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_message_for_people_and_scripts(refused: dict[str, Any], name: str) -> None:
    bad, output = BAD[name], refused[name]
    clear(output, bad.code, *bad.tells)
    if bad.words[0] not in NO_JSON:
        value = output.value
        assert set(value) >= {"error", "reason", "field", "value", "solution"}
        assert value["reason"] in output.err
        assert value["solution"] in output.err


def test_bad_input_leaves_nothing_half_done(refused: dict[str, Any]) -> None:
    assert refused["after"] == refused["before"]


def test_a_program_is_read_before_any_processor_is_there(folder: Path) -> None:
    """What follows says that none is there; "more qubits than allowed" would be another reason."""
    exchange: Any = SimpleNamespace(processors=list)
    (unit,), names = program_units(exchange, folder / "wide.qasm", 100, None)
    assert (unit.circuit.qubits, names) == (6, ["wide"])


def test_without_json_standard_output_stays_empty(qcrs: Command, home: Path, folder: Path) -> None:
    output = qcrs("submit", "words.qasm", cwd=folder, home=home)
    clear(output, 2)
    assert output.out == ""


def test_a_program_comes_by_standard_input_too(qcrs: Command, home: Path) -> None:
    clear(qcrs("submit", "-", home=home, data=b"this is not a program"), 2, "standard input")
    quoted = qcrs("quote", "-", *HERE, "--json", home=home, data=BELL.encode())
    assert quoted.code == 0, quoted.err
    assert quoted.value["qubits"] == 2


def test_an_existing_account_is_not_overwritten(qcrs: Command, home: Path) -> None:
    key = home / "keys" / "client.json"
    before = key.read_bytes()
    clear(qcrs("account", "new", "client", "--plain", home=home), 2, "never overwritten")
    assert key.read_bytes() == before


def done_as_output(done: subprocess.CompletedProcess[str]) -> Any:
    """A finished process in the form that `clear` reads."""
    return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr)


def test_a_new_account_gets_gas_and_a_balance_on_a_local_network(qcrs: Command, home: Path) -> None:
    made = qcrs("account", "new", "lab", "--plain", "--json", home=home)
    address = made.value["address"]
    assert qcrs("account", "withdraw", "1", "--to", address, home=home).code == 0
    message = clear(qcrs("account", "deposit", "1", "--account", "lab", home=home), 2, "qcrs account fund")
    assert address.lower() in message
    assert "b'" not in message
    funded = qcrs("account", "fund", "lab", "--credits", "12.5", "--json", home=home)
    assert funded.code == 0, funded.err
    assert (funded.value["address"], funded.value["balance"]) == (address, 12_500_000)
    paid = qcrs("account", "withdraw", "2.5", "--account", "lab", "--json", home=home)
    assert paid.code == 0, paid.err
    assert (paid.value["balance"], paid.value["credit"]) == (10_000_000, 3_500_000)


def test_a_network_of_others_gives_no_credit_away(qcrs: Command, bare: Path) -> None:
    (bare / "keys" / "faucet.json").unlink()
    clear(qcrs("account", "fund", "client", home=bare), 2, "qcrs up", "0x")


# --------------------------------------------------------------------------- configuration and network


@pytest.fixture
def bare(tmp_path: Path, home: Path) -> Path:
    """A copy of the home's settings and keys alone."""
    found = tmp_path / "home"
    (found / "keys").mkdir(parents=True)
    (found / "network.json").write_bytes((home / "network.json").read_bytes())
    for key in (home / "keys").iterdir():
        (found / "keys" / key.name).write_bytes(key.read_bytes())
        (found / "keys" / key.name).chmod(0o600)
    return found


@pytest.mark.parametrize(
    ("change", "tells"),
    [
        ({"rcp": "http://127.0.0.1:1"}, ("unknown key", "rcp", "known keys are")),
        ({"chain_id": 7}, ("another chain", "7")),
        ({"beacon_blocks": "two"}, ("beacon_blocks", "whole number")),
        ({"handover_seconds": 0}, ("handover_seconds", "at least 1")),
        ({"contracts": ["ComputationAllocator"]}, ("contracts",)),
        ({"contracts": {}}, ("ComputationAllocator",)),
        ({"rpc": "nonsense"}, ("nonsense",)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_settings_of_a_network_are_named(
    qcrs: Command, bare: Path, change: dict[str, object], tells: tuple[str, ...]
) -> None:
    settings = json.loads((bare / "network.json").read_text())
    (bare / "network.json").write_text(json.dumps(settings | change))
    output = qcrs("job", "list", "--json", home=bare)
    clear(output, output.code, *tells)
    assert output.code in (2, 3)
    assert output.value["reason"]


def test_settings_that_are_no_json_are_named(qcrs: Command, bare: Path) -> None:
    (bare / "network.json").write_text("{")
    clear(qcrs("job", "list", home=bare), 2, "network.json")


def test_an_unknown_key_in_the_configuration_stops_a_deployment(qcrs: Command, tmp_path: Path) -> None:
    config = tmp_path / "brownie-config.yaml"
    config.write_text("networks:\n  default: development\n  development:\n    hots: http://127.0.0.1:1\n")
    clear(qcrs("deploy", cwd=tmp_path), 2, "hots", "brownie-config.yaml")
    config.write_text("compilers:\n  solc: {}\n")
    clear(qcrs("deploy", cwd=tmp_path), 2, "compilers")
    assert [path.name for path in tmp_path.iterdir()] == [config.name]


def test_no_network_is_said_with_its_remedy(qcrs: Command, tmp_path: Path) -> None:
    for words in (("status",), ("job", "list"), ("submit", "x.qasm"), ("verify", "1"), ("audit",)):
        clear(qcrs(*words, home=tmp_path), 2, "no QCRS network", "qcrs up")
    assert list(tmp_path.iterdir()) == []


def test_a_chain_that_does_not_answer_is_said_with_its_remedy(
    qcrs: Command, bare: Path, folder: Path
) -> None:
    settings = json.loads((bare / "network.json").read_text())
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, but nobody listens
        settings["rpc"] = f"http://127.0.0.1:{closed.getsockname()[1]}"
        (bare / "network.json").write_text(json.dumps(settings))
        clear(qcrs("status", home=bare), 3, "qcrs up")
        for words in (("job", "list"), ("submit", "bell.qasm"), ("audit",)):
            clear(qcrs(*words, cwd=folder, home=bare), 3, "cannot be reached", "qcrs up")
    assert not (bare / "store").exists()


@pytest.fixture
def listener() -> Iterator[int]:
    """A port on which a stranger listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield int(taken.getsockname()[1])


def test_a_port_in_use_is_said_and_nothing_stays(qcrs: Command, tmp_path: Path, listener: int) -> None:
    clear(qcrs("up", "--port", str(listener), home=tmp_path), 3, str(listener), "another port")
    assert not (tmp_path / "network.json").exists()
    assert not (tmp_path / "keys").exists()
    assert list(tmp_path.glob("chain/*")) == []
    stopped = qcrs("down", "--json", home=tmp_path)
    assert stopped.value["stopped"] == []


def test_the_port_of_a_network_taken_by_a_stranger(qcrs: Command, bare: Path, listener: int) -> None:
    settings = json.loads((bare / "network.json").read_text())
    (bare / "network.json").write_text(json.dumps(settings | {"rpc": f"http://127.0.0.1:{listener}"}))
    clear(qcrs("up", home=bare), 3, str(listener))
    assert qcrs("down", "--json", home=bare).value["stopped"] == []


@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_watch_says_that_the_job_goes_on(
    qcrs: Command, home: Path, folder: Path, caller: dict[str, str], word: signal.Signals
) -> None:
    sent = qcrs("submit", "bell.qasm", *HERE, "--no-wait", "--json", cwd=folder, home=home)
    assert sent.code == 0, sent.err
    number = str(sent.value["job"])
    words = [sys.executable, "-m", "qcrs", "job", "watch", number, "--home", str(home)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=caller, cwd=folder
    ) as child:
        assert child.stderr
        first = child.stderr.readline()
        child.send_signal(word)
        out, err = child.communicate(timeout=120)
    assert "submitted" in first
    assert child.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert "goes on" in err
    cancelled = qcrs("job", "cancel", number, "--json", home=home)
    assert cancelled.value["state"] == "CANCELLED"
    assert cancelled.value["refunded"] == sent.value["fee"]


INTERRUPTED = """
import sys
from importlib.abc import MetaPathFinder

reached = sys.argv[1]

class Impatient(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == reached:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Impatient())
from qcrs.cli import main
sys.argv = ["qcrs", *sys.argv[2:]]
main()
"""


@pytest.mark.parametrize(
    ("module", "words", "tells"),
    [
        ("typer", ("job", "list"), "goes on"),
        ("qcrs.cli.run", ("up",), "qcrs status"),
        ("qcrs.network.local", ("down",), "qcrs status"),
        ("qcrs.client.verify", ("verify", "1"), "run it again"),
        ("qcrs.governance", ("gov", "vote", "1a2b"), "qcrs gov list"),
        ("qcrs.governance", ("dispute", "commit", "1"), "qcrs dispute list"),
        ("typer", ("channel", "open"), "qcrs channel list"),
        ("typer", ("session", "plan"), "qcrs session list"),
        ("typer", ("account", "deposit", "5"), "qcrs account balance"),
        ("typer", ("deploy", "--network", "consortium"), "begins anew"),
        ("typer", ("processor", "register", "--backend", "aer:ideal"), "qcrs processor list"),
        ("typer", ("processor", "retire", "1"), "qcrs processor list"),
        ("typer", ("processor", "list"), "nothing of it goes on"),
        ("typer", ("bench", "seam"), "--resume"),
        ("typer", ("bench", "together"), "the same command goes on"),
    ],
)
def test_an_interrupt_at_any_import_is_told_as_one(
    caller: dict[str, str], tmp_path: Path, module: str, words: tuple[str, ...], tells: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, module, *words],
        capture_output=True,
        text=True,
        env=caller,
        cwd=tmp_path,
        check=False,
    )
    clear(done_as_output(done), 130, "interrupted", tells)
    assert list(tmp_path.glob("*")) == []


def test_a_full_disk_is_told_with_its_remedy(caller: dict[str, str], bare: Path) -> None:
    words = [sys.executable, "-m", "qcrs", "job", "list", "--home", str(bare)]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 0; exec "$@"', "bash", *words],
        capture_output=True,
        text=True,
        env=caller,
        check=False,
    )
    clear(done_as_output(done), 1, "free space")


def test_a_command_that_is_missing_is_answered_with_all_of_them(qcrs: Command) -> None:
    for words in ((), ("job",)):
        output = qcrs(*words)
        clear(output, 2, "a command is missing", " ".join(("qcrs", *words)))
        assert "Commands:" in output.err


def test_a_reader_that_goes_away_is_no_error(caller: dict[str, str], tmp_path: Path) -> None:
    """`qcrs bench gas | head -0`: the pipe is closed before the command writes, and nothing is said of it."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "qcrs", "bench", "gas"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        env=caller,
        cwd=tmp_path,
        check=False,
    )
    os.close(write_end)
    assert done.stderr == ""


def test_status_shows_what_an_interrupted_start_has_left(qcrs: Command, tmp_path: Path) -> None:
    """The chain is up, but no network has been made of it yet."""
    processes = Processes(tmp_path)
    started = processes.start("chain", ["http.server", "0", "--bind", "127.0.0.1"])
    try:
        output = qcrs("status", "--json", home=tmp_path)
    finally:
        processes.stop()
    assert output.code == 0, output.err
    assert [(row["name"], row["state"], row["pid"]) for row in output.value] == [
        ("chain", "running", started.pid)
    ]
