"""`scripts/vote.py`: a decision by contract calls, with key files, on a chain reached by its URL."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from republic import TERMS, Republic

from qcrs.chain.accounts import create_keystore
from qcrs.chain.anvil import Anvil

ROOT = Path(__file__).parents[2]


@pytest.mark.network
def test_a_decision_from_its_proposal_to_its_effect(
    on_anvil: Republic, anvil_server: Anvil, tmp_path: Path
) -> None:
    on_anvil.deployment.save(tmp_path / "31337.json")
    (tmp_path / "password").write_text("secret\n")
    keys = []
    for number, member in enumerate(on_anvil.members["standards"][:2]):
        keys += ["--account", str(tmp_path / f"{number}.json")]
        create_keystore(tmp_path / f"{number}.json", "secret", member, n=16)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        common = ["--network", anvil_server.url, "--contracts", str(tmp_path / "31337.json")]
        command = [sys.executable, str(ROOT / "scripts" / "vote.py"), *words, *common]
        command += ["--password-file", str(tmp_path / "password")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    shown = run("set grace to 45 s")
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"grace +30 s +→ +45 s", shown.stdout)
    assert on_anvil.allocator.times()[0] == 30
    voted = run("set grace to 45 s", *keys)
    assert voted.returncode == 0, voted.stderr
    assert " is waiting" in voted.stdout
    ballot = voted.stdout.split("ballot ")[1].split(" ")[0]
    early = run(ballot, "--execute", *keys[:2])
    assert early.returncode == 4
    assert "AccessManagerNotReady" in early.stderr
    on_anvil.later(TERMS["council_delay_s"] + 1)
    done = run(ballot, "--execute", *keys[:2])
    assert done.returncode == 0, done.stderr
    assert on_anvil.allocator.times()[0] == 45
    told = json.loads(run(ballot, "--json").stdout)
    assert (told["state"], told["changes"], told["acts"]) == ("executed", [], [])
    again = run(ballot, *keys[:2], "--json")
    assert again.returncode == 2
    assert "qcrs gov propose" in json.loads(again.stdout)["solution"]
    # A plain key of a home folder, as `qcrs up` makes them; one that others may read is none.
    plain = tmp_path / "plain.json"
    member = on_anvil.members["standards"][2]
    plain.write_text(json.dumps({"qcrs": "key/1", "address": member.address, "key": member.key.hex()}))
    plain.chmod(0o644)
    opened = run("set grace to 50 s", "--account", str(plain))
    assert "chmod 600" in opened.stderr
    plain.chmod(0o600)
    one = json.loads(run("set grace to 50 s", "--account", str(plain), "--json").stdout)
    assert [act["state"] for act in one["acts"]] == ["open"]
    nothing = run("anything")
    assert nothing.returncode == 2
    assert "set rate of class 1 to 2500" in nothing.stderr
    far = run("set Δ to 99999999999")
    assert "the contract would refuse it" in far.stdout
    wrong = run("set the moon to 45 s")
    assert wrong.returncode == 2
    assert "no such parameter" in wrong.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("set Δ to 1700", "--against", "--account", "key.json"),
        ("set Δ to 1700", "--abstain"),
        ("set Δ to 1700", "--execute"),
        ("1a2b", "--against", "--execute"),
        ("1a2b", "--abstain", "--queue"),
        ("1a2b", "--against", "--abstain"),
        ("1a2b", "--queue", "--execute"),
        ("1a2b", "--execute", "--account", "a.json", "--account", "b.json"),
    ],
    ids=" ".join,
)
def test_options_that_mean_nothing_together_are_refused(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is read: who is against a sentence must not vote for it."""
    main = runpy.run_path(str(ROOT / "scripts" / "vote.py"))["main"]
    with pytest.raises(SystemExit) as stop:
        main([*words, "--network", "anvil", "--contracts", "none.json"])
    assert stop.value.code == 2
    assert "usage:" in capsys.readouterr().err
