"""What anyone may do and oracles see to: end executions and jobs whose time is over.

By rank, so that usually one transaction is sent: each oracle waits a little longer than the one before it.
"""

from __future__ import annotations

import time

from qcrs.chain.bindings import ExecutionState
from qcrs.client.history import Job
from qcrs.client.participant import Participant
from qcrs.errors import ContractError

__all__ = ["Housekeeping"]

EXPIRE_GAS = 600_000
EVERY_S = 1.0
RANK_WAIT_S = 2.0


class Housekeeping:
    """Looks once a second for what is overdue."""

    def __init__(self, party: Participant) -> None:
        self._party = party
        self._looked = 0.0
        self._overdue: dict[str, float] = {}
        self._verdict_window = int(party.contracts.allocator.times()[2])

    def tick(self, jobs: list[Job], rank_base: int) -> None:
        """End what is overdue among these jobs; `rank_base` is our index among the oracles."""
        if time.monotonic() - self._looked < EVERY_S:
            return
        self._looked = time.monotonic()
        open_jobs = [job for job in jobs if not job.final]
        if not open_jobs:
            return
        now = self._party.chain.now()
        due: set[str] = set()
        for job in open_jobs:
            due |= self._job(job, now, rank_base)
        for key in set(self._overdue) - due:
            del self._overdue[key]

    def _job(self, job: Job, now: int, rank_base: int) -> set[str]:
        allocator = self._party.contracts.allocator
        calls = {}
        if now > job.open_until(self._verdict_window):
            calls[f"expire/{job.id}"] = allocator.expire(job.id)
        else:
            for run in job.executions:
                late = run.state == ExecutionState.ALLOCATED and now > run.deadline
                unjudged = (
                    run.state == ExecutionState.COMMITTED and now > run.committed_at + self._verdict_window
                )
                if late or unjudged:
                    key = f"end/{job.id}/{run.index}/{int(run.state)}"
                    calls[key] = allocator.expire_execution(job.id, run.index)
        count = max(1, len(self._party.oracles(self._party.era)))
        rank = (job.id + rank_base) % count
        for key, call in calls.items():
            since = self._overdue.setdefault(key, time.monotonic())
            if time.monotonic() - since < rank * RANK_WAIT_S:
                continue
            try:
                self._party.post(key, call, EXPIRE_GAS)
            except ContractError:
                continue  # somebody else was first, or the clock is not there yet: look again
        return set(calls)
