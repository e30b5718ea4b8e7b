"""Recorded executions and their verdicts, byte for byte: the same on every machine and Python.

`recorded.json` holds circuits, seeds, raw counts and registered errors of jobs that were run once, and the
canonical bytes of the verdicts on them. Where the judge is changed on purpose,
`python tests/verification/test_recorded.py` writes what it says now.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from qcrs.circuits import CircuitDocument
from qcrs.types import Json, canonical_json
from qcrs.verification import (
    AuditRecord,
    DeviceErrors,
    Evidence,
    Execution,
    JudgeInput,
    JudgeUnit,
    Policy,
    judge,
    parse_evidence,
)

FILE = Path(__file__).with_name("recorded.json")
RECORDED = json.loads(FILE.read_text())


def _execution(raw: Json) -> Execution:
    return Execution(
        tuple(tuple({int(k, 16): n for k, n in f.items()} for f in unit) for unit in raw["counts"]),
        errors=DeviceErrors(raw["eplg_nano"], tuple(raw["readout_nano"]), raw["mean_readout_nano"]),
        committed_first=raw["committed_first"],
    )


def verdict_bytes(case: Json) -> bytes:
    """Canonical evidence of the verdict on a recorded case."""
    job = JudgeInput(
        tuple(JudgeUnit(CircuitDocument.from_json(u["circuit"]), u["shots"]) for u in case["units"]),
        bytes.fromhex(case["seed"]),
        _execution(case["tested"]),
        tuple(_execution(peer) for peer in case["peers"]),
    )
    policy = Policy() if case["simulate"] else Policy(simulate_qubits=0, simulate_drawn_qubits=0)
    audit = AuditRecord("", 0, False, tuple(range(len(case["peers"]))))
    return Evidence(1, 0, 0, 1, 1, {}, audit, judge(job, policy)).canonical()


@pytest.mark.parametrize("name", RECORDED)
def test_the_verdict_is_the_recorded_one_to_the_byte(name: str) -> None:
    case = RECORDED[name]
    wanted = canonical_json(case["evidence"])
    assert verdict_bytes(case) == wanted
    assert parse_evidence(case["evidence"]).canonical() == wanted


def test_the_records_cover_every_protocol_and_outcome() -> None:
    verdicts = [case["evidence"]["verdict"] for case in RECORDED.values()]
    assert {v["outcome"] for v in verdicts} == {"accept", "undecided", "reject", "fraud"}
    assert {v["decided_by"].split()[0] for v in verdicts} == {"V0", "V2", "V3", "V4", "V5"}
    assert {v["weak"] for v in verdicts} == {True, False}


if __name__ == "__main__":
    for one in RECORDED.values():
        one["evidence"] = json.loads(verdict_bytes(one))
    FILE.write_text(json.dumps(RECORDED, separators=(",", ":"), sort_keys=True) + "\n")
    sys.stdout.write("".join(f"{k}: {v['evidence']['verdict']['reason']}\n" for k, v in RECORDED.items()))
