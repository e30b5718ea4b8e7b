"""`qcrs bench capability` as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SEED = "07" * 32


def qcrs(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qcrs", "bench", "capability", *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_device_is_measured_and_drawn(tmp_path: Path) -> None:
    done = qcrs(
        "--backend", "aer:noisy-b?qubits=4", "--only", "c2,C4,C8", "--seed", SEED,
        "--out", str(tmp_path), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["seed"] == SEED
    assert {"readout", "layer_fidelity", "ghz", "relaxation"} <= set(report)
    assert not {"xeb", "quantum_volume", "binary_rb", "capability"} & set(report)
    assert "100 %" in done.stderr
    (kept,) = tmp_path.glob("*.json")
    assert json.loads(kept.read_bytes()) == report
    assert {path.name for path in tmp_path.glob("*.svg")} == {
        "decays.svg",
        "staircase.svg",
        "times.svg",
        "error_map.svg",
    }
    assert kept.stem in (tmp_path / "capability.html").read_text()


def test_wrong_words_are_told_with_their_remedy() -> None:
    for words, needle in (
        (("--only", "C9"), "no such protocol"),
        (("--seed", "12"), "32 bytes"),
        (("--suite", "huge"), "quick or full"),
    ):
        done = qcrs(*words)
        assert done.returncode not in (0, 70), words
        assert needle in done.stderr
        assert "→" in done.stderr
