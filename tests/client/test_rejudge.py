"""A result judged anew: what follows from it is compared word by word, numbers within a tolerance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from judging import Judged, noise_a
from qiskit import QuantumCircuit

from qcrs.chain.bindings import JobRequest, Outcome
from qcrs.circuits import lower
from qcrs.client.checks import Notes, Subject, VerifyReport, WatchedStore
from qcrs.client.documents import FramesDocument, JobDocument, ResultDocument, SecretDocument
from qcrs.client.history import Execution, Job, Verdict
from qcrs.client.judgement import Found
from qcrs.client.program import estimate_seconds
from qcrs.client.rejudge import Rejudge, judging_sandbox, statistics_wrong, unseen_result
from qcrs.client.unjudged import withheld
from qcrs.sandbox import Sandbox
from qcrs.store import ContentStore

HANDOVER_SECONDS = 30


@pytest.fixture(scope="module")
def judged() -> Judged:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return Judged(lower(circuit).document, 400)


@pytest.fixture(scope="module")
def children() -> Iterator[Sandbox]:
    with judging_sandbox() as found:
        yield found


@dataclass(slots=True)
class Documents:
    """What was opened of a job with one execution."""

    frames_document: FramesDocument | None
    secret: SecretDocument | None
    results: dict[int, ResultDocument]
    document: JobDocument | None = None
    roots: dict[int, bytes] = field(default_factory=dict)
    result_cids: dict[int, str] = field(default_factory=dict)
    unseen: set[int] = field(default_factory=set)


class Bench:
    """An honest result of a noisy device, the evidence of its verdict, and a report of what is compared."""

    def __init__(self, judged: Judged, folder: Path) -> None:
        unit = judged.honest("aer:noisy-a?qubits=2", 5)
        device = noise_a(2)
        result = ResultDocument(1, 0, 1, (unit,), {})
        self.case = Documents(judged.frames, judged.secret, {0: result})
        self.found = judged.judge(unit, device)
        self.evidence: dict[str, Any] = self.found.as_json() | {
            "inputs": {"result": "bafkrei", "device": device.as_json()}
        }
        self.run = Execution(0, 1, 0, 0, committed_block=7)
        request = JobRequest(
            0, 0, judged.circuit.qubits, 0, 0, 1, 1, 2, estimate_seconds(judged.units), 0, bytes(32)
        )
        self.job = Job(1, "client", request, 5, 0, False, 0, 5, b"", executions=[self.run])
        self.report = VerifyReport(1, "SETTLED")
        self.store = WatchedStore(ContentStore(folder / "store"))

    def judge(self, children: Sandbox) -> VerifyReport:
        verdict = Verdict(
            0, Outcome.ACCEPT, False, self.found.score_ppm, self.found.threshold_ppm, bytes(32), 1, 7, "0x", 0
        )
        notes = Notes(self.report, self.store)
        rejudge = Rejudge(self.job, HANDOVER_SECONDS, notes, self.case, children)
        rejudge.judge(Subject("verdict", 0), self.run, verdict, self.evidence, [])
        return self.report

    def refused(self, children: Sandbox) -> tuple[str, str, str]:
        """The only comparison, which does not agree; nothing is kept as recomputed."""
        (check,) = self.judge(children).checks
        assert not check.ok
        assert self.report.verdicts == []
        return check.name, check.detail, check.unseen


@pytest.fixture
def bench(judged: Judged, tmp_path: Path) -> Bench:
    return Bench(judged, tmp_path)


def test_an_honest_verdict_comes_out_again(bench: Bench, children: Sandbox) -> None:
    report = bench.judge(children)
    assert report.ok, report.text()
    assert [check.name for check in report.checks] == [
        "outcome recomputed",
        f"{len(bench.found.tests)} statistics recomputed",
    ]
    (kept,) = report.verdicts
    assert (kept["outcome"], kept["judged"]) == (Outcome(bench.found.outcome).name, True)
    assert kept["score_ppm"] == bench.found.score_ppm


def test_an_outcome_against_the_statistics_is_named(bench: Bench, children: Sandbox) -> None:
    bench.evidence["outcome"] = int(Outcome.FRAUD)
    (wrong,) = bench.judge(children).differences
    assert (wrong.name, wrong.unseen) == ("outcome recomputed", "")
    assert f"outcome is 4, expected {bench.found.outcome}" in wrong.detail


def test_what_cannot_be_looked_at_is_not_judged(bench: Bench, children: Sandbox) -> None:
    bench.case.unseen = {0}
    assert bench.refused(children) == ("judged again", "a result could not be opened", "document")


@pytest.mark.parametrize("lost", ["secret", "frames_document"])
def test_without_the_secret_or_the_frames_nothing_is_judged(
    bench: Bench, children: Sandbox, lost: str
) -> None:
    setattr(bench.case, lost, None)
    assert bench.refused(children) == ("judged again", "the secret or the frames could not be opened", "")


def test_what_does_not_open_is_not_judged(bench: Bench, children: Sandbox) -> None:
    bench.case.results.clear()
    assert bench.refused(children) == ("judged again", "a result could not be opened", "")


def test_a_reference_that_cannot_be_looked_at_is_unseen_too(bench: Bench) -> None:
    bench.case.unseen = {3}
    assert unseen_result(bench.case, bench.run, bench.evidence) == ""
    named = bench.evidence | {"references": ["no table", {"execution": 3}]}
    assert unseen_result(bench.case, bench.run, named) == "document"


def test_evidence_of_no_form_is_told_as_such(bench: Bench, children: Sandbox) -> None:
    bench.evidence["inputs"]["device"]["qubits"] = "two"
    name, detail, unseen = bench.refused(children)
    assert (name, unseen) == ("judged again", "")
    assert "it cannot be judged again" in detail
    assert "from 1 to 4095" in detail


def test_a_machine_that_cannot_judge_proves_nothing(bench: Bench) -> None:
    ended = judging_sandbox()
    ended.close()
    name, detail, unseen = bench.refused(ended)
    assert (name, unseen) == ("judged again", "machine")
    assert "closed" in detail


def test_without_a_result_the_rule_decides(bench: Bench, children: Sandbox) -> None:
    bench.evidence = withheld(HANDOVER_SECONDS).as_json() | {"inputs": {"result": None}}
    report = bench.judge(children)
    assert report.ok, report.text()
    (kept,) = report.verdicts
    assert (kept["outcome"], kept["decided_by"], kept["judged"]) == ("REJECT", "withheld", False)


def test_no_other_rule_decides_without_a_result(bench: Bench, children: Sandbox) -> None:
    bench.evidence["inputs"]["result"] = None
    name, detail, _ = bench.refused(children)
    assert (name, detail) == ("judged without a result", f"decided by {bench.found.decided_by}")


# --------------------------------------------------------------------------- statistics

FOUND = Found(
    1, 900_000, 800_000, (850_000, 950_000), "V3 ideal", "agrees", False, 100,
    (("ideal", 5_000_000, 40_000, 3_000_000, True),),
)  # fmt: skip


def said(**words: Any) -> dict[str, Any]:
    return dict(FOUND.as_json()) | words


def said_of_test(**words: Any) -> dict[str, Any]:
    evidence = said()
    return evidence | {"tests": [evidence["tests"][0] | words]}


@pytest.mark.parametrize(
    "evidence",
    [
        said(),
        said(score_ppm=901_000),
        said(score_ppm=899_000),
        said(interval_ppm=[851_000, 949_000]),
        said_of_test(value_ppm=5_005_000),  # a thousandth of a large number
    ],
)
def test_other_packages_may_differ_in_the_last_digits(evidence: dict[str, Any]) -> None:
    assert statistics_wrong(evidence, FOUND) == []


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (said(score_ppm=901_001), "score_ppm is 901001, recomputed 900000"),
        (said(threshold_ppm=798_999), "threshold_ppm is 798999"),
        (said(score_ppm=True), "score_ppm is True"),
        (said(score_ppm=900_000.0), "score_ppm is 900000.0"),
        (said(interval_ppm=[850_000]), "interval_ppm is [850000]"),
        (said(interval_ppm=[848_999, 950_000]), "interval_ppm is [848999, 950000]"),
        (said(reason="Agrees"), "reason is 'Agrees'"),
        (said(needed_shots=101), "needed_shots is 101"),
        (said(tests=None), "other tests were made"),
        (said_of_test(name="V4"), "other tests were made"),
        (said_of_test(passed=False), "test ideal: passed is False"),
        (said_of_test(value_ppm=5_005_001), "test ideal: value_ppm is 5005001, recomputed 5000000"),
        (said_of_test(se_ppm=41_001), "test ideal: se_ppm is 41001"),
        (said_of_test(threshold_ppm=None), "test ideal: threshold_ppm is None"),
    ],
)
def test_what_differs_by_more_is_named_alone(evidence: dict[str, Any], words: str) -> None:
    (wrong,) = statistics_wrong(evidence, FOUND)
    assert words in wrong


def test_every_difference_is_named() -> None:
    other = replace(FOUND, score_ppm=0, reason="no", tests=())
    assert len(statistics_wrong(said(), other)) == 3
