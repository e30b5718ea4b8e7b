"""What is said after Ctrl-C comes true: what goes on does, and what begins anew does that."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qcrs.chain.deploy import Deployment
from qcrs.chain.networks import connect
from qcrs.chain.outbox import Outbox
from qcrs.cli import main
from qcrs.config.home import Home

pytestmark = [pytest.mark.network, pytest.mark.timeout(900)]

Here = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Here:
    """A command in this process: its exit code, and what it printed on both streams."""
    monkeypatch.chdir(tmp_path)
    for name in ("QCRS_HOME", "QCRS_ACCOUNT"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["qcrs", *words, "--home", str(home)])
        capsys.readouterr()
        code: Any = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def stopped(here: Here, key: str, *words: str) -> None:
    """Ctrl-C when the transaction is with the node and the command waits for its block."""

    def impatient(box: Outbox, waited: str, *rest: Any) -> Any:
        if waited.startswith(key):
            raise KeyboardInterrupt
        return wait(box, waited, *rest)

    wait = Outbox.wait
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Outbox, "wait", impatient)
        code, out, err = here(*words)
    assert (code, out) == (130, "")
    assert "run it again and it goes on from there; `qcrs processor list`" in err
    assert "qcrs job" not in err


def test_an_interrupted_registration_and_retirement_go_on_and_happen_once(here: Here, home: Path) -> None:
    def named() -> list[dict[str, Any]]:
        return [one for one in json.loads(here("processor", "list", "--json")[1]) if one["name"] == "twin"]

    def sent() -> int:
        with connect(Home(home).load().rpc) as chain:
            return chain.nonce(address)

    for words in (("new", "twin", "--plain"), ("fund", "twin")):
        code, out, err = here("account", *words, "--json")
        assert code == 0, err
        address = json.loads(out)["address"]
    register = ("processor", "register", "--backend", "aer:noisy-a?qubits=3", "--account", "twin")
    stopped(here, "register/", *register)
    before = sent()
    code, out, err = here(*register, "--json")
    assert code == 0, err
    (one,) = named()
    assert (json.loads(out)["processor"], sent()) == (one["id"], before)
    retire = ("processor", "retire", str(one["id"]), "--account", "twin")
    stopped(here, "retire/", *retire)
    before = sent()
    code, out, err = here(*retire, "--json")
    assert (code, sent()) == (0, before), err
    assert [found["retired"] for found in named()] == [True]


def test_an_interrupted_deployment_begins_anew_and_leaves_no_manifest(
    here: Here, home: Path, caller: dict[str, str], tmp_path: Path
) -> None:
    network = Home(home).load()
    (tmp_path / "brownie-config.yaml").write_text(
        f"networks:\n  default: here\n  here:\n    host: {network.rpc}\n    chainid: {network.chain_id}\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "qcrs", "deploy"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=caller,
        cwd=tmp_path,
    ) as child:
        assert child.stderr
        first = child.stderr.readline()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=120)
    assert first.startswith("AccessManager.constructor"), first
    assert (child.returncode, out) == (130, "")
    assert "without one, run it again; it begins anew" in err
    assert "qcrs job" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["brownie-config.yaml"]
    code, _, err = here("deploy")
    assert code == 0, err
    found = Deployment.load(tmp_path / "deployments" / "dev" / f"{network.chain_id}.json")
    with connect(network.rpc) as chain:
        found.check(chain)
        (hash_,) = chain.block(int(first.split("block")[1].split()[0])).transactions
        receipt = chain.receipt(hash_)
        assert receipt is not None
        assert receipt.contract is not None
        assert chain.code(receipt.contract)
    assert receipt.contract not in found.addresses.values()
