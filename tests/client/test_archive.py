"""Which past results one is held against: the latest, and of its provider those with most shots."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from qiskit import QuantumCircuit

from qcrs.chain.bindings import ExecutionState, Outcome
from qcrs.circuits import CircuitDocument, frame_mask, lower
from qcrs.client import archive
from qcrs.client.archive import asked_in, counted_past
from qcrs.client.documents import FramesDocument, ResultUnit
from qcrs.client.history import Execution, History, Job, Processor, Step, Verdict
from qcrs.client.program import Unit
from qcrs.client.sealed import open_secret
from qcrs.client.trail import StepKind
from qcrs.client.verify import verify_job
from qcrs.client.views import JobOptions

SHOTS = 120_000
"""So many that no honest result stays undecided by chance."""
OWN, OTHER = "0x" + "11" * 20, "0x" + "22" * 20


class Past:
    """Accepted and closed jobs, one after the other: (processor, shots of each circuit)."""

    def __init__(self, jobs: Iterable[tuple[int, dict[str, int]]]) -> None:
        self.history = History()
        self.asked: dict[bytes, dict[str, int]] = {}
        for number, provider in ((1, OWN), (2, OTHER)):
            self.history.processors[number] = Processor(number, provider, provider, 5, 0, bytes(32), 0)
        self.jobs = 0
        for processor, asked in jobs:
            job = self._job(processor)
            evidence, block = job.id.to_bytes(32), 10 * job.id
            self.asked[evidence] = asked
            job.executions[0].verdicts = [
                Verdict(0, Outcome.ACCEPT, False, 0, 0, evidence, 1, 15, "0x0", block)
            ]
            for kind in (StepKind.JUDGED, StepKind.CLOSED):
                job.steps.append(Step(kind, 0, block, block + 2, "0x0", bytes(32)))

    def _job(self, processor: int) -> Job:
        self.jobs += 1
        request: Any = None
        job = Job(self.jobs, OTHER, request, 1, 0, False, 0, 0, bytes(32))
        run = Execution(0, processor, 0, 0, ExecutionState.ACCEPTED, b"c", 10 * job.id, 10 * job.id)
        job.executions.append(run)
        self.history.jobs[job.id] = job
        return job

    def against(self, *keys: str) -> list[int]:
        """The jobs that a new one of processor 1 with these circuits is held against."""
        job = self._job(1)
        run = job.executions[0]
        found = counted_past(self.history, job, run, run.committed_block + 1, keys, lambda e: self.asked[e])
        del self.history.jobs[job.id]
        self.jobs -= 1
        return [one.job for one in found]


def test_the_latest_come_first_and_then_those_with_most_shots() -> None:
    own = [(1, {"k": shots}) for shots in (100, 4000, 1, 4000, 7, 8, 9, 10, 11)]
    others = [(2, {"k": 10**6})] * 5
    assert Past([*others, *own]).against("k") == [14, 13, 12, 11, 5, 4, 3, 2, 9, 7, 6, 10, 8]


def test_jobs_of_one_shot_push_nothing_out() -> None:
    past = Past([(1, {"k": 4000})] + [(1, {"k": 1})] * 200)
    found = past.against("k")
    assert found[:5] == [201, 200, 199, 198, 1]
    assert len(found) == 4 + archive.MOST_CIRCUITS


def test_what_is_compared_is_bounded_by_circuits_and_by_shots() -> None:
    """Counted as the new job asks for them, twice where it asks twice."""
    many = [(1, {"k": 10, "l": 5, "m": 10**9})] * 100
    assert len(Past(many).against("k")) == 4 + archive.MOST_CIRCUITS
    assert len(Past(many).against("k", "l")) == 4 + archive.MOST_CIRCUITS // 2
    assert len(Past(many).against("k", "k", "k", "l")) == 4 + archive.MOST_CIRCUITS // 4
    large = [(1, {"k": archive.MOST_SHOTS // 2})] * 100
    assert len(Past(large).against("k")) == 4 + 2
    assert Past(large).against("n") == []


@pytest.mark.parametrize(
    ("evidence", "asked"),
    [
        ({"circuits": ["k", "l", "k"], "shots": [3, 4, 5]}, {"k": 8, "l": 4}),
        ({"circuits": ["k", "l"]}, {"k": 0, "l": 0}),
        ({"circuits": ["k"], "shots": [3, 4]}, {"k": 0}),
        ({"circuits": ["k", "l", "m"], "shots": [-3, "4", True]}, {"k": 0, "l": 0, "m": 0}),
        ({"circuits": [1], "shots": [3]}, {}),
        ({"shots": [3]}, {}),
        ([], {}),
    ],
)
def test_evidence_of_any_form_says_what_was_asked(evidence: Any, asked: dict[str, int]) -> None:
    assert asked_in(evidence) == asked


def test_a_result_behind_jobs_of_one_shot_is_not_sold_again(network: Any, desk: Any) -> None:
    """A provider's own jobs of one shot bury its large result; sold again, it is found all the same."""
    circuit = QuantumCircuit(5)
    for q in range(5):
        circuit.ry(0.3 + q / 5, q)
    for q in range(4):
        circuit.cx(q, q + 1)
    for q in range(5):
        circuit.rx(0.9, q)
    circuit.measure_all()
    document = lower(circuit).document
    exchange = network.exchange("client")

    def submit(shots: int) -> int:
        options = JobOptions(max_executions=1, target=1)
        number = int(exchange.submit([Unit(document, shots)], options))
        while desk.step():
            pass
        return number

    def masks(number: int) -> list[int]:
        secret = open_secret(*desk._sealed(network.reader.entry(number), "secret"))
        whole = CircuitDocument.from_json(secret.units[0].circuit)
        return [frame_mask(whole, secret.seed, 0, b) for b in range(secret.units[0].frames)]

    first = submit(SHOTS)
    assert network.reader.entry(first).executions[0].state == ExecutionState.ACCEPTED
    for _ in range(4):
        submit(1)
    kept = desk._results[first, 0][1].units[0]

    def replay(_frames: FramesDocument, _seed: int) -> tuple[ResultUnit, ...]:
        """What it measured then, under today's masks, which it does not know but is told."""
        pairs = zip(kept.frames, masks(first), masks(max(network.reader.history().jobs)), strict=True)
        rows = tuple({key ^ old ^ new: n for key, n in row.items()} for row, old, new in pairs)
        return (ResultUnit(frames=rows, layout=kept.layout),)

    honest, network.processors[0].runner = network.processors[0].runner, replay
    again = submit(SHOTS)
    network.processors[0].runner = honest
    (run,) = network.reader.entry(again).executions
    assert run.state == ExecutionState.REJECTED
    evidence = network.reader.document(run.verdicts[0].evidence)
    assert evidence["decided_by"] == "V10 freshness"
    assert f"job {first}" in evidence["reason"]
    assert [item["job"] for item in evidence["archive"]][4] == str(first)
    assert verify_job(network.reader, again).ok
    exchange.close()
