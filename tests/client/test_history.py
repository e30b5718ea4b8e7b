"""What events say about a job's end, and about what stops a processor."""

from __future__ import annotations

import pytest

from qcrs.chain.bindings import ExecutionState, JobRequest, ProcessorRegistry
from qcrs.client.history import Execution, History, Job, Logged, Processor, Step
from qcrs.client.trail import StepKind

DEADLINE, WINDOW = 1000, 3600
REQUEST = JobRequest(0, 0, 5, 0, 0, 1, 2, 2, 60, DEADLINE, bytes(32))


def job(*runs: ExecutionState, **steps: int) -> Job:
    """A job with executions in these states, and steps of these kinds at these times."""
    found = Job(1, "client", REQUEST, 1, 0, False, 0, 2, bytes(32))
    found.executions = [Execution(i, 1, 500, 0, state) for i, state in enumerate(runs)]
    found.steps = [Step(StepKind[kind.upper()], 0, time, 1, "0x", b"") for kind, time in steps.items()]
    return found


@pytest.mark.parametrize(
    ("found", "until"),
    [
        (job(), DEADLINE),
        (job(ExecutionState.ALLOCATED, allocated=900), DEADLINE),
        (job(ExecutionState.COMMITTED, allocated=800, committed=990), 990 + WINDOW),
        (job(ExecutionState.UNDECIDED, allocated=800, committed=990, judged=2000), 2000 + WINDOW),
        (job(ExecutionState.UNDECIDED, judged=990, challenged=3000, closed=4000), 990 + WINDOW),
        (job(ExecutionState.REJECTED, committed=990, judged=2000), DEADLINE),
    ],
)
def test_nobody_closes_a_job_whose_result_waits_for_its_verdict(found: Job, until: int) -> None:
    assert found.open_until(WINDOW) == until


@pytest.mark.parametrize(
    ("barred", "short", "words"),
    [
        (False, False, ()),
        (False, True, ("qcrs account bond 7",)),
        (True, False, ("readmit processor 7",)),
        (True, True, ("qcrs account bond 7", "readmit processor 7")),
    ],
)
def test_what_stops_a_processor_is_told_with_what_helps(
    barred: bool, short: bool, words: tuple[str, ...]
) -> None:
    """Both, for a top-up does not help who is barred, nor the authority who has too little at stake."""
    history = History()
    known = history.processors[7] = Processor(
        7, "provider", "operator", 5, 0, b"", 0, barred=True, short=True
    )
    history.apply(Logged(ProcessorRegistry.SuspensionSet(7, barred, short), 1, 1, 0, "0x"))
    assert (known.barred, known.short, known.suspended) == (barred, short, barred or short)
    assert len(known.remedies) == len(words)
    assert all(word in remedy for word, remedy in zip(words, known.remedies, strict=True))
    known.retired = True
    assert known.remedies == ()
