"""Help comes at once, and every command that a text names is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qcrs.cli import application

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("web3", "qiskit", "qiskit_aer", "numpy", "scipy", "eth", "eth_account", "fastapi", "cryptography")

PROBE = """
import sys
from qcrs.cli import main
sys.argv = ["qcrs", *sys.argv[1:]]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print("loaded:", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.mark.parametrize("words", [("--help",), ("submit", "--help"), ("job", "--help"), ("up", "--help")])
def test_help_loads_nothing_heavy(words: tuple[str, ...], caller: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words],
        capture_output=True,
        text=True,
        env=caller,
        cwd=tmp_path,
        check=True,
    )
    assert "Usage" in done.stdout
    loaded = set(done.stderr.partition("loaded:")[2].split())
    assert "typer" in loaded
    assert loaded.isdisjoint(HEAVY), sorted(loaded & set(HEAVY))


def test_every_command_that_is_named_somewhere_exists() -> None:
    import typer

    root: Any = typer.main.get_command(application())
    texts = [*(ROOT / "qcrs").rglob("*.py"), ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        tuple(words.split())
        for path in texts
        for words in re.findall(r"`qcrs ((?:[a-z]+ ?)+)", path.read_text(encoding="utf-8"))
    }
    assert len(named) > 15
    missing = set()
    for words in named:
        known = root
        for word in words:
            known = known.commands.get(word) if hasattr(known, "commands") else known
            if known is None:
                missing.add(" ".join(words))
                break
    assert missing == set()
