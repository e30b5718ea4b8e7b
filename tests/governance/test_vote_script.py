"""`scripts/vote.py`: a decision by contract calls, with key files, on a chain reached by its URL."""

from __future__ import annotations

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
    assert "grace: 30 s -> 45 s" in shown.stdout
    assert on_anvil.allocator.times()[0] == 30
    voted = run("set grace to 45 s", *keys)
    assert voted.returncode == 0, voted.stderr
    last = voted.stdout.splitlines()[-1]
    assert " is waiting " in last
    ballot = last.split("ballot ")[1].split(" ")[0]
    early = run(ballot, "--execute", *keys[:2])
    assert early.returncode == 4
    assert "AccessManagerNotReady" in early.stderr
    on_anvil.later(TERMS["council_delay_s"] + 1)
    done = run(ballot, "--execute", *keys[:2])
    assert done.returncode == 0, done.stderr
    assert on_anvil.allocator.times()[0] == 45
    wrong = run("set the moon to 45 s")
    assert wrong.returncode == 2
    assert "no such parameter" in wrong.stderr
