"""A circuit that is asked for again: fresh results pass, replays do not, and anyone finds the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit

from qcrs.chain.bindings import JobState, Outcome
from qcrs.circuits import CircuitDocument, frame_mask, lower
from qcrs.client.documents import ResultUnit
from qcrs.client.program import Unit
from qcrs.client.results import ResultReader
from qcrs.client.verify import verify_job
from qcrs.client.views import JobOptions

SIX = "aer:noisy-a?qubits=6"
SHOTS = 120_000
"""With 4,000, one honest result in twelve of a circuit that spreads over all values stays undecided."""

Stage = Any


@pytest.fixture
def unit() -> Unit:
    """Six qubits whose outcomes spread over all values."""
    rng = np.random.default_rng(8)
    circuit = QuantumCircuit(6, 6)
    for _ in range(3):
        for q in range(6):
            circuit.u(*rng.uniform(0, 2 * np.pi, 3), q)
        for q in range(5):
            circuit.cz(q, q + 1)
    for q in range(6):
        circuit.u(*rng.uniform(0, 2 * np.pi, 3), q)
    circuit.measure(range(6), range(6))
    return Unit(lower(circuit).document, SHOTS)


def run(stage: Stage, unit: Unit) -> int:
    options = JobOptions(
        declared_seconds=100,
        deadline_seconds=3000,
        target=stage.number_of("six"),
        max_executions=1,
    )
    number: int = stage.exchange.submit([unit], options)
    stage.until(lambda: stage.job(number).final, f"job {number} ends")
    stage.until(lambda: all(o.ledger.is_done(f"opening/{number}") for o in stage.oracles.values()))
    return number


def masks(stage: Stage, number: int) -> list[int]:
    """Of every frame of a job's only unit."""
    secret = ResultReader(stage.exchange).secret(stage.job(number))
    circuit = CircuitDocument.from_json(secret.units[0].circuit)
    return [frame_mask(circuit, secret.seed, 0, b) for b in range(secret.units[0].frames)]


def replaying(stage: Stage, frames: tuple[Any, ...], old: list[int]) -> None:
    """The node answers with the shots of an earlier job under the new job's frames, shuffled."""
    worker = stage.nodes["six"].worker
    honest = worker._record
    shots = [
        o ^ m for counts, m in zip(frames, old, strict=True) for o, n in counts.items() for _ in range(n)
    ]

    def replay(job: Any, execution: Any, result: Any) -> None:
        new = masks(stage, job.id)
        drawn = np.random.default_rng(job.id).permutation(shots).reshape(len(new), -1)
        counts = []
        for row, mask in zip(drawn, new, strict=True):
            keys, times = np.unique(row ^ mask, return_counts=True)
            counts.append(dict(zip(keys.tolist(), times.tolist(), strict=True)))
        unit = ResultUnit(frames=tuple(counts), layout=result.units[0].layout)
        honest(job, execution, replace(result, units=(unit,)))

    worker._record = replay


def test_a_provider_cannot_sell_one_run_twice(
    stage: Stage, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.certify(six=SIX)
    first, second = run(stage, unit), run(stage, unit)
    assert [stage.job(n).state for n in (first, second)] == [JobState.SETTLED, JobState.SETTLED]
    evidence = stage.exchange.document(stage.job(second).executions[0].verdicts[0].evidence)
    assert [item["job"] for item in evidence["archive"]] == [str(first)]
    assert evidence["archive"][0]["result"] is not None
    assert {"overlap:execution 0 of job " + str(first)} <= {test["name"] for test in evidence["tests"]}

    info = stage.exchange.job(first)
    opened = ResultReader(stage.exchange)
    seen: list[Any] = []
    monkeypatch.setattr(ResultReader, "_decoded", lambda *args, **_: seen.append(args[-1]))
    opened.accepted(info)
    monkeypatch.undo()
    replaying(stage, seen[0].units[0].frames, masks(stage, first))
    third = run(stage, unit)
    verdict = stage.exchange.job(third).executions[0].verdicts[0]
    assert (verdict.outcome, verdict.decided_by) == (Outcome.REJECT.name, "V10 freshness")
    evidence = stage.exchange.document(stage.job(third).executions[0].verdicts[0].evidence)
    assert [item["job"] for item in evidence["archive"]] == [str(second), str(first)]
    assert str(first) in evidence["reason"]

    for number in (second, third):
        report = verify_job(stage.exchange, number)
        assert report.ok, report.text()
        assert any("past results" in check.name for check in report.checks)
