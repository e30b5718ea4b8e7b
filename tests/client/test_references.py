"""Which executions are references, and who stands alone: the rule on small histories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest

from qcrs.chain.bindings import Capability, JobRequest, Outcome
from qcrs.client.history import Execution, Job, Processor, Step, Verdict
from qcrs.client.references import counting, expected, names_a_result, stands_alone
from qcrs.client.trail import StepKind

BEACON = 30


def counts(evidence: bytes) -> bool:
    return evidence != b"void"


class Story:
    """A job told step by step; execution i is processor i + 1's."""

    def __init__(self, **request: Any) -> None:
        words: dict[str, Any] = dict.fromkeys((one.name for one in fields(JobRequest)), 0)
        words.update(max_executions=3, qubits=4, quality=100, **request)
        self.job = Job(1, "client", JobRequest(**words), 5, 0, False, 0, 15, b"")

    def step(self, kind: StepKind, execution: int, block: int) -> Story:
        self.job.steps.append(Step(kind, execution, block, block, f"{kind.name}/{execution}/{block}", b""))
        return self

    def runs(self, execution: int, block: int) -> Story:
        assert execution == len(self.job.executions)
        self.job.executions.append(Execution(execution, execution + 1, 0, block))
        return self.step(StepKind.ALLOCATED, execution, block)

    def commits(self, execution: int, block: int) -> Story:
        self.job.executions[execution].committed_at = 1000
        return self.step(StepKind.COMMITTED, execution, block)

    def ends(self, execution: int, block: int) -> Story:
        return self.step(StepKind.ENDED, execution, block)

    def judged(self, execution: int, block: int, evidence: bytes = b"good") -> Story:
        self.step(StepKind.JUDGED, execution, block)
        run, sent = self.job.executions[execution], self.job.steps[-1].transaction
        number = len(run.verdicts)
        run.verdicts.append(Verdict(number, Outcome.ACCEPT, False, 0, 0, evidence, 1, 7, sent, block))
        return self

    def counting(self, execution: int, until: int | None = None) -> tuple[int, ...]:
        return counting(self.job, self.job.executions[execution], counts, until)

    def expected(self, execution: int, round_: int, *named: int) -> tuple[int, ...]:
        run = self.job.executions[execution]
        return expected(self.job, run, run.verdicts[round_], named, BEACON, counts)

    def alone(self, execution: int, report: int = 0, **changes: Any) -> bool:
        def registry(block: int) -> Mapping[int, Processor]:
            assert block == BEACON
            return {number: processor(number, **changes) for number in range(1, 5)}

        return stands_alone(self.job, self.job.executions[execution], report, BEACON, registry)


def processor(number: int, **changes: Any) -> Processor:
    found = Processor(number, f"provider {number}", "", 8, 0, b"", 0)
    measured: dict[str, Any] = dict.fromkeys((one.name for one in fields(Capability)), 0)
    found.capability, found.certified_until = Capability(**{**measured, "quality": 100}), 2000
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def two() -> Story:
    return Story().runs(0, 10).runs(1, 11).commits(0, 12).commits(1, 13)


@pytest.mark.parametrize(
    ("evidence", "names"),
    [
        ({"inputs": {"result": "cid"}, "decided_by": "V3 simulate"}, True),
        ({"inputs": {"result": "cid"}, "decided_by": "V0 form"}, False),
        ({"inputs": {"result": "cid"}, "decided_by": "client void"}, False),
        ({"inputs": {"result": None}, "decided_by": "withheld"}, False),
        ({}, False),
    ],
)
def test_what_was_withheld_malformed_or_void_is_no_reference(evidence: dict[str, Any], names: bool) -> None:
    assert names_a_result(evidence) is names


def test_references_count_from_the_block_of_their_first_report() -> None:
    story = two().judged(1, 20).judged(1, 40)
    assert story.counting(0, 19) == ()
    assert story.counting(0, 20) == story.counting(0) == (1,)
    assert story.counting(1) == ()
    assert two().judged(1, 20, b"void").judged(1, 25).counting(0) == ()


def test_a_first_report_is_made_with_what_counted_in_the_block_of_the_beacon() -> None:
    assert two().judged(1, BEACON).judged(0, 50).expected(0, 0) == (1,)
    assert two().judged(1, BEACON + 1).judged(0, 50).expected(0, 0, 1) == ()


def test_a_later_report_without_references_is_right_only_before_any_counted() -> None:
    assert two().judged(0, 31).judged(0, 40).judged(1, 41).expected(0, 1) == ()
    assert two().judged(0, 31).judged(0, 40).judged(1, 40).expected(0, 1) == ()
    assert two().judged(0, 31).judged(1, 39).judged(0, 40).expected(0, 1) == (1,)


def test_a_later_report_leaves_none_out_up_to_the_last_that_it_names() -> None:
    story = two().runs(2, 14).commits(2, 15).judged(0, 31).judged(1, 35).judged(2, 38).judged(0, 40)
    assert story.expected(0, 1, 2) == (1, 2)
    assert story.expected(0, 1, 1) == (1,)  # the other may have come after the signatures
    early = two().runs(2, 14).commits(2, 15).judged(1, 29).judged(2, 31).judged(0, 31).judged(0, 40)
    assert early.expected(0, 1, 1) == (1, 2)


def test_who_stands_alone() -> None:
    assert Story(target=1).runs(0, 10).commits(0, 12).alone(0)
    one = Story().runs(0, 10).commits(0, 12)
    assert not one.alone(0)
    assert one.alone(0, report=1)
    for other in (
        {"provider": "provider 1"},
        {"barred": True},
        {"short": True},
        {"retired": True},
        {"certified_until": 1000},
        {"qubits": 3},
        {"capability": None},
    ):
        assert one.alone(0, **other), other


def test_the_last_one_stands_alone_only_if_no_other_committed_or_still_can() -> None:
    def last() -> Story:
        return Story().runs(0, 1).runs(1, 2).runs(2, 3).commits(2, 28)

    assert last().ends(0, 20).ends(1, BEACON).alone(2)
    assert not last().ends(0, 20).ends(1, BEACON + 1).alone(2)
    assert not last().commits(0, 15).ends(0, 20).ends(1, 20).alone(2)
    late = Story().runs(0, 1).runs(1, 2).commits(0, 28).ends(1, 20).runs(2, BEACON + 1)
    assert not late.alone(0)
    assert late.alone(0, provider="provider 1")
