"""`qcrs channel` and `qcrs session` against a served chain, with members at work; and what they refuse."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from together_world import World, give_key, star

from qcrs.chain.embedded import EmbeddedChain
from qcrs.cli import main
from qcrs.client.wallet import Wallet
from qcrs.hub.rpc import RpcServer
from qcrs.together.agent import Agent
from qcrs.together.check import check_channel

TOPOLOGY = """
version: 1
name: lab
defaults:
  hardware: ion
  link: {kind: heralded, length: 1km, attempt: 20us, p: 0.2, fidelity: 0.99}
hardware:
  ion: {qubits_per_link: 4}
nodes: [ada, hub, bea]
links:
  - ends: [ada, hub]
  - ends: [hub, bea]
control: {test_every: 40, test_count: 12}
circuits:
  - {name: ada-bea, head: ada, tail: bea, fidelity: 0.8}
"""
GHZ = """OPENQASM 3.0;
include "stdgates.inc";
qubit[4] q;
bit[4] c;
h q[0];
cx q[0], q[1];
cx q[1], q[2];
cx q[2], q[3];
c = measure q;
"""
MEMBERS = ("--members", "ada:2,bea:2")


@dataclass(frozen=True, slots=True)
class Output:
    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Output]


@pytest.fixture
def qcrs(
    world: World,
    laid_out: tuple[EmbeddedChain, dict[str, str], bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Iterator[Command]:
    """The command in a folder with a topology and a program; the members' agents look all the time."""
    (tmp_path / "lab.yaml").write_text(TOPOLOGY)
    (tmp_path / "ghz.qasm").write_text(GHZ)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QCRS_ACCOUNT", raising=False)
    wallet = Wallet(world.home)
    for name, sender in (("client", world.client), *world.senders.items()):
        wallet.create(name, account=sender.account)
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.05):
            world.tick()

    def run(*words: str) -> Output:
        monkeypatch.setattr(sys, "argv", ["qcrs", *words, "--home", str(world.root)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        captured = capsys.readouterr()
        return Output(code, captured.out, captured.err)

    with RpcServer(laid_out[0]) as server:
        world.home.save(replace(world.network, rpc=server.url))
        named = [{"id": n, "name": name} for name, n in world.processors.items()]
        monkeypatch.setattr(
            "qcrs.cli.channel.named_processors", lambda _: {o["name"]: o["id"] for o in named}
        )
        worker = threading.Thread(target=work)
        worker.start()
        yield run
        stop.set()
        worker.join()


class Absent(Agent):
    """Does nothing: its owner uses the command line."""

    def tick(self) -> None:
        return None


def test_an_end_with_a_key_attests_from_the_command_line(qcrs: Command, world: World) -> None:
    give_key(world, "ada").close()
    old = world.agents["ada"]
    world.agents["ada"] = Absent(old.coordinator, old.store, old.account, old.processor)
    said: list[str] = []

    def between() -> None:
        done = qcrs("channel", "attest", "1", "--processor", "1", "--account", "ada", "--json")
        assert done.code == 0, done.err
        said.extend(one["what"] for one in done.value["done"])

    conductor = world.conductor(star(), seed=1)
    conductor.between = between
    assert conductor.open("ada-bea") == 1
    assert said[0] == "accepted"
    assert said.count("attested") == 1
    assert old.coordinator.registry.key_of(1)[1:] == (1, 2)
    book = conductor.coordinator.book()
    assert book.channel(1).epoch == 2
    assert check_channel(book, 1, world.store).problems == []


def test_a_channel_and_a_session_from_the_command_line(qcrs: Command, world: World, tmp_path: Path) -> None:
    opened = qcrs("channel", "open", "lab.yaml", "ada-bea", "--deposit", "500000", "--json")
    assert opened.code == 0, opened.err
    assert opened.value["state"] == "live"
    assert "is offered to processors 1 and 2" in opened.err
    assert [one["channel"] for one in qcrs("channel", "list", "--json").value] == [1]
    shown = qcrs("channel", "show", "1")
    assert shown.code == 0
    assert "✓ epoch 1: processor 2 attested its record" in shown.out
    measured = qcrs("channel", "measure", "1", "lab.yaml", "ada-bea", "--json").value
    assert len(measured["epochs"]) == 2
    disputed = qcrs("channel", "dispute", "1", "1", "0", "--json")
    assert disputed.code == 0, disputed.err

    ran = qcrs("session", "run", "lab.yaml", "ghz.qasm", *MEMBERS, "--shots", "60", "--json")
    assert ran.code == 0, ran.err
    assert sum(ran.value["counts"].values()) == 60
    assert ran.value["sessions"] == [1]
    assert ran.value["quote"]["pairs_per_shot"] == {"ada-bea": 1}
    assert "predicted loss" in ran.err
    (listed,) = qcrs("session", "list", "--json").value
    assert (listed["state"], listed["parties"], listed["blamed"]) == ("done", [1, 2], [])
    assert "0x" in qcrs("session", "show", "1").out
    words = ("session", "correct", "1", "--distance", "3", "--rounds", "2", "--shots", "500")
    for name, processor in (("ada", "1"), ("bea", "2")):
        corrected = qcrs(*words, "--processor", processor, "--account", name, "--json")
        assert corrected.code == 0, corrected.err
    checked = qcrs("session", "check", "1", "--json")
    assert checked.code == 0, checked.out
    assert checked.value["ok"]
    counts = {k: v for one in checked.value["counts"] for k, v in one.items()}
    assert counts == {f"{int(bits, 2):#x}": n for bits, n in ran.value["counts"].items()}

    # What a reader of a forged store sees: exit 6 and the name of what does not hold.
    files = [p for p in (tmp_path / "store").rglob("*") if p.is_file()]
    blob = next(p for p in files if b'"transcript/1"' in p.read_bytes())
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes().replace(b'"shots":60', b'"shots":61'))
    forged = qcrs("session", "check", "1")
    assert forged.code == 6
    assert "✗ transcripts" in forged.out


@pytest.mark.parametrize(
    ("words", "tells"),
    [
        (("channel", "show", "9"), "no such channel"),
        (("session", "show", "9"), "no such session"),
        (("session", "check", "9"), "no such session"),
        (("channel", "close", "9"), "no such channel"),
        (("channel", "open", "lab.yaml", "nowhere"), "no such circuit"),
        (("channel", "open", "missing.yaml", "ada-bea"), "missing.yaml"),
        (("channel", "attest", "9", "--processor", "1", "--account", "ada"), "no such channel"),
        (("session", "run", "lab.yaml", "ghz.qasm", "--members", "ada"), "NAME:QUBITS"),
        (("session", "run", "lab.yaml", "ghz.qasm", "--members", "ada:1,bea:1"), "times the shots"),
        (("session", "serve", "--processor", "2", "--account", "ada"), "not this account's"),
    ],
)
def test_what_cannot_be_is_one_clear_message(qcrs: Command, words: tuple[str, ...], tells: str) -> None:
    done = qcrs(*words)
    assert done.code != 0
    assert done.out == ""
    assert "Traceback" not in done.err
    message = done.err[done.err.index("✗") :]
    assert tells in message
    assert "→" in message


def test_a_quote_needs_no_network(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "lab.yaml").write_text(TOPOLOGY)
    (tmp_path / "ghz.qasm").write_text(GHZ)
    monkeypatch.chdir(tmp_path)

    def quoted(members: str) -> dict[str, Any]:
        words = ["qcrs", "session", "quote", "lab.yaml", "ghz.qasm", "--members", members, "--json"]
        monkeypatch.setattr(sys, "argv", words)
        main()
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    assert quoted("ada:2,bea:2")["pairs_per_shot"] == {"ada-bea": 1}
    assert quoted("ada:4,bea:2")["way"] == "alone"
    cut = quoted("ada:2,hub:2")  # no circuit of the network joins these two
    assert cut["way"] == "cut"
    assert cut["overhead"] >= 9
