"""`qcrs bench trap` and `qcrs bench mirror` on devices at hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qcrs.cli import main

Bench = Callable[..., Any]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bench:
    def run(*words: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["qcrs", "bench", *words])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        return code, capsys.readouterr()

    return run


@pytest.fixture
def program(tmp_path: Path) -> str:
    """Five qubits, twelve two-qubit gates, not Clifford."""
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";', "qreg q[5];", "creg c[5];"]
    for layer in range(6):
        lines += [f"u3(0.{layer + 3},0.{q + 1},1.{layer}) q[{q}];" for q in range(5)]
        lines += [f"cz q[{q}],q[{q + 1}];" for q in range(layer % 2, 4, 2)]
    path = tmp_path / "five.qasm"
    path.write_text("\n".join([*lines, "measure q -> c;"]))
    return str(path)


def test_traps_on_a_device_at_hand(bench: Bench, program: str) -> None:
    code, told = bench("trap", program, "--backend", "aer:noisy-a?qubits=5", "--json")
    assert code == 0
    found = json.loads(told.out)
    assert found["outcome"] == "ACCEPT"
    assert found["observed"] == pytest.approx(found["predicted"], abs=0.06)
    assert (found["routing"], found["sequential"]["decision"]) == (1.0, "good")
    # The same device, said to be thirty times better than it is.
    _code, told = bench(
        "trap", program, "--backend", "aer:noisy-b?qubits=5&p2=0.05&readout=0.05", "--error", "0.001",
        "--readout", "0.01",
    )  # fmt: skip
    assert "✗ reject" in told.out


def test_the_fidelity_of_a_circuit_on_a_device_at_hand(bench: Bench, program: str) -> None:
    words = ("--backend", "aer:noisy-b?qubits=5", "--circuits", "6", "--shots", "200", "--json")
    code, told = bench("mirror", program, *words)
    assert code == 0
    value, error = json.loads(told.out)["fidelity"]
    # Twelve two-qubit gates of error 1e-2 and thirty others of 1e-3, each counted once or twice.
    assert value + 3 * error > 0.75
    assert value - 3 * error < 0.92


def test_what_cannot_be_trapped_is_one_message(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "reset.qasm"
    path.write_text("OPENQASM 3.0;\nqubit q;\nbit c;\nU(1,2,3) q;\nreset q;\nc = measure q;\n")
    code, told = bench("trap", str(path))
    assert code != 0
    assert "✗" in told.err
    assert "→" in told.err
    assert told.out == ""
