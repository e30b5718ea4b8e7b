"""Processors that ask for jobs: what the tests of the fair queue have in common."""

from __future__ import annotations

from contract_stage import refuses
from exchange_stage import Processor, Stage

EMPTY, UNSUITABLE, BUSY, DRAINING, NO_CERTIFICATE, SUSPENDED, PAUSED, BACKLOG = range(1, 9)
"""Why a processor gets nothing."""


def ready(stage: Stage, index: int = 0, qubits: int = 27, quality: int = 2000) -> Processor:
    p = stage.register(index, qubits=qubits)
    stage.certify(p.id, quality=quality)
    return p


def given(stage: Stage, p: Processor) -> int:
    expected = stage.allocator.read("nextFor", p.id)
    job = stage.allocate(p).one("JobAllocated")["job"]
    assert expected == (job, 0)
    return int(job)


def nothing(stage: Stage, p: Processor, reason: int, job: int = 0) -> None:
    assert stage.allocator.read("nextFor", p.id) == (job, reason)
    with refuses("ComputationAllocatorNothingEligible", reason=reason, job=job):
        stage.allocate(p)
