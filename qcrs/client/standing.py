"""How a provider stands: the e-process over its verdicts (V8), from chain and store alone.

Every execution counts once, by the first of its verdicts whose evidence states a magnitude against the exact
distribution, in the order of verdicts on chain. Oracles look at what was on chain before a commitment, so all
of them, and whoever checks them later, find the same number.

A provider whose e-process has reached 1/α is audited on every job until it falls below again. Nobody is
slashed for it: a rejection still needs a job's own tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from qcrs.client.history import Execution, History
from qcrs.errors import QCRSError
from qcrs.store import ContentStore
from qcrs.types import Json, digest_to_cid, parse_canonical
from qcrs.verification.eprocess import ALPHA, EProcess, Measured, measured_in

__all__ = ["CountedJob", "Measure", "Standing", "audited_rate_ppm", "measure_from", "standing_of"]

CERTAIN_PPM = 1_000_000
Measure = Callable[[bytes], Measured | None]
"""What a verdict's evidence, named by its digest, says of the magnitude; `StoreError` where it is missing."""


@dataclass(frozen=True, slots=True)
class CountedJob:
    """One execution of a provider, with the e-process after it."""

    job: int
    execution: int
    processor: int
    time: int
    measured: Measured
    value: float


@dataclass(frozen=True, slots=True)
class Standing:
    """A provider's e-process. `missing` counts verdicts whose evidence the store does not have."""

    provider: str
    process: EProcess
    jobs: tuple[CountedJob, ...]
    missing: int = 0

    @property
    def flagged(self) -> bool:
        """Whether an honest provider would have got here with probability α at most."""
        return self.process.flagged()

    def as_json(self) -> Json:
        """For scripts."""
        return {
            "provider": self.provider,
            "jobs": self.process.jobs,
            "value": self.process.value,
            "flag_at": round(1 / ALPHA),
            "flagged": self.flagged,
            "missing": self.missing,
            "executions": [
                {
                    "job": one.job,
                    "execution": one.execution,
                    "processor": one.processor,
                    "ratio": one.measured.ratio,
                    "deviation": one.measured.deviation,
                    "value": one.value,
                }
                for one in self.jobs
            ],
        }

    def text(self) -> str:
        """One line for people."""
        lost = f", {self.missing} without evidence" if self.missing else ""
        words = f"{self.provider}: {self.process.value:.3g} after {self.process.jobs} jobs{lost}"
        return f"⚑ {words}: audited on every job" if self.flagged else f"· {words}"


def measure_from(store: ContentStore) -> Measure:
    """Reads evidence from a store."""

    def measure(digest: bytes) -> Measured | None:
        evidence = parse_canonical(store.get(digest_to_cid(digest)))
        return measured_in(evidence) if isinstance(evidence, dict) else None

    return measure


def _executions(history: History, provider: str) -> Iterator[tuple[int, Execution]]:
    own = {number for number, one in history.processors.items() if one.provider == provider}
    for job in history.jobs.values():
        for run in job.executions:
            if run.processor in own:
                yield job.id, run


def standing_of(history: History, provider: str, measure: Measure, *, before: int | None = None) -> Standing:
    """The standing of a provider by the verdicts on chain before a time, in seconds of `block.timestamp`."""
    found: list[tuple[int, int, int, int, Measured]] = []
    missing = 0
    for job, run in _executions(history, provider):
        for verdict in run.verdicts:
            if before is not None and verdict.time >= before:
                break
            try:
                measured = measure(verdict.evidence)
            except QCRSError:
                missing += 1
                continue
            if measured is not None:
                found.append((verdict.time, job, run.index, run.processor, measured))
                break
    process, jobs = EProcess(), []
    for time, job, index, processor, measured in sorted(found, key=lambda one: one[:3]):
        process = process.after(measured)
        jobs.append(CountedJob(job, index, processor, time, measured, process.value))
    return Standing(provider, process, tuple(jobs), missing)


def audited_rate_ppm(rate_ppm: int, standing: Standing) -> int:
    """The audit rate of a provider with this standing."""
    return CERTAIN_PPM if standing.flagged else rate_ppm
