"""Jobs as Qiskit knows them, backed by the chain: status words, queue position, result, certificate.

A job is its number on chain. Nothing is kept in the object, so a handle made anew from the number (after
a restart, on another machine) gives the same answers; results need the key of the account that submitted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from qiskit.primitives import BasePrimitiveJob
from qiskit.primitives.containers import PrimitiveResult
from qiskit.providers import JobStatus, JobV1
from qiskit.result import Result

from qcrs.client.views import JobInfo, JobResult, Status
from qcrs.errors import QCRSError
from qcrs.provider.errors import ProviderJobError, ProviderJobTimeoutError, both_trees
from qcrs.provider.plans import read_estimator, read_sampler
from qcrs.provider.runs import read_run
from qcrs.types import Json

if TYPE_CHECKING:
    from qcrs.client.exchange import Exchange
    from qcrs.provider.backend import QCRSBackend

__all__ = ["QCRSJob", "QCRSPrimitiveJob", "RemoteJob"]

_FIRST_WAIT_S, _WAIT_GROWTH, _LONGEST_WAIT_S = 0.2, 1.5, 5.0

StatusCallback = Callable[[str, JobStatus, Any], None]


class RemoteJob:
    """What both kinds of jobs share: everything but the form of the result."""

    _exchange: Exchange
    _number: int
    _finished: Any = None
    """The result of a call that measures nothing: it needed no processor, and there is no job on chain."""

    @property
    def info(self) -> JobInfo:
        """Everything the chain says of the job now; `JobError` where the call needed none."""
        if self._finished is not None:
            raise ProviderJobError(
                "nothing was measured, so there is no job on chain",
                solution="read its result, or add measurements to the circuits",
            )
        return self._exchange.job(self._number)

    def status(self) -> JobStatus:
        """Qiskit's status word; VALIDATING while the oracles judge a committed result."""
        if self._finished is not None:
            return JobStatus.DONE
        return JobStatus[self._exchange.job(self._number, gas=False).status.name]

    def queue_position(self) -> int | None:
        """1 for the next job; None when it does not wait."""
        if self._finished is not None:
            return None
        return self._exchange.job(self._number, gas=False).queue_position

    def cancel(self) -> bool:
        """Take the job back while it waits; False when it runs or is over already."""
        if self._finished is not None:
            return False
        info = self._exchange.job(self._number, gas=False)
        if info.status is not Status.QUEUED:
            return False
        try:
            self._exchange.cancel(self._number)
        except QCRSError:
            if self._exchange.job(self._number, gas=False).status is Status.QUEUED:
                raise
            return False  # a processor took it just before
        return True

    def error_message(self) -> str | None:
        """Why there is no result and what to do, None while all is well."""
        if self._finished is not None:
            return None
        info = self._exchange.job(self._number, gas=False)
        return None if info.error is None else f"{info.error}; {info.solution}"

    def certificate(self) -> Json:
        """Verdict, score with interval and threshold, executions, trail and content ids."""
        return self.info.certificate()

    def usage(self) -> float:
        """Seconds of processor time that were paid for, from allocation to commitment."""
        if self._finished is not None:
            return 0.0
        runs = self._exchange.job(self._number, gas=False).executions
        return float(
            sum(run.committed_at - run.allocated_at for run in runs if run.paid and run.committed_at)
        )

    def metrics(self) -> dict[str, Any]:
        """Time stamps (UTC), queue position, processor time, money in base units and gas by step."""
        info = self.info
        running = info.executions[0].allocated_at if info.executions else None

        def stamp(seconds: int | None) -> str | None:
            return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()

        return {
            "timestamps": {
                "created": stamp(info.submitted_at),
                "running": stamp(running),
                "finished": stamp(info.closed_at),
            },
            "position_in_queue": info.queue_position,
            "usage": {"seconds": self.usage()},
            "executions": len(info.executions),
            "qubits": info.qubits,
            "fee": info.fee,
            "paid": info.paid,
            "refunded": info.refunded,
            "gas": dict(info.gas),
        }

    def properties(self) -> dict[str, Any] | None:
        """Description, claimed calibration and certificate of the processor that ran the job.

        None before one did. Content ids are among them, so the calibration stays bound to the job.
        """
        if self._finished is not None:
            return None
        info = self._exchange.job(self._number, gas=False)
        runs = info.accepted or info.executions
        if not runs:
            return None
        processor = self._exchange.processor(runs[0].processor)
        capability = processor.capability
        return {
            "processor": processor.id,
            "name": processor.name,
            "metadata": dict(processor.metadata),
            "metadata_cid": processor.metadata_cid,
            "calibration": dict(self._exchange.linked(processor.metadata.get("calibration"))),
            "capability": None
            if capability is None
            else {item.name: getattr(capability, item.name) for item in capability.FIELDS},
            "capability_report": processor.report,
            "certified_until": processor.certified_until,
        }

    def wait_for_final_state(
        self,
        timeout: float | None = None,
        wait: float | None = None,
        callback: StatusCallback | None = None,
    ) -> None:
        """Wait until the job is over; `callback(job_id, status, job)` after each look.

        Without `wait` the pause grows from 0.2 s by half each time, to 5 s. `JobTimeoutError` after
        `timeout` seconds.
        """
        if self._finished is not None:
            return
        until = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_WAIT_S
        while True:
            info = self._exchange.job(self._number, gas=False)
            if info.status.final:
                return
            if callback is not None:
                callback(str(self._number), JobStatus[info.status.name], self)
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise ProviderJobTimeoutError(
                    f"job {self._number} is still {info.status.value.lower()} after {timeout:g} s",
                    field="timeout",
                    value=timeout,
                    solution="wait again: the job goes on, and this object finds it",
                )
            pause = pause if wait is None else wait
            time.sleep(pause if left is None else min(pause, left))
            pause = min(pause * _WAIT_GROWTH, _LONGEST_WAIT_S)

    def _fetch(self, timeout: float | None, verified: bool) -> JobResult:
        with both_trees():
            return self._exchange.result(self._number, timeout=timeout, verified=verified)

    def _carried(self, found: JobResult) -> Json:
        """What travels with a result: the certificate, and which execution the data are of."""
        return {
            **found.job.certificate(),
            "verified": found.verified,
            "execution": found.execution,
            "backend": dict(found.backend),
            "seconds": found.seconds,
        }


def note_of(found: JobResult, kinds: tuple[str, ...]) -> Mapping[str, Any]:
    """The note that was submitted with a job; `JobError` where it is of another kind."""
    try:
        note = json.loads(found.note)
    except ValueError:
        note = {}
    if not isinstance(note, dict) or note.get("kind") not in kinds:
        raise ProviderJobError(
            f"job {found.job.id} was not submitted as {' or '.join(kinds)}",
            field="job",
            value=found.job.id,
            solution="read it with Exchange.result, which gives plain counts",
        )
    return note


class QCRSJob(RemoteJob, JobV1):  # type: ignore[misc]  # both define status(); ours is the one
    """A job of `backend.run`."""

    def __init__(
        self,
        exchange: Exchange,
        number: int,
        backend: QCRSBackend | None = None,
        *,
        finished: Result | None = None,
    ) -> None:
        """`finished` is the result of a call that needed no processor at all."""
        JobV1.__init__(self, backend, str(number))
        self._exchange = exchange
        self._number = number
        self._finished = finished

    def submit(self) -> None:
        """Jobs are submitted when they are made."""
        raise ProviderJobError(
            f"job {self._number} is on the chain already",
            field="job",
            value=self._number,
            solution="run the circuits again with backend.run",
        )

    def result(self, timeout: float | None = None, *, verified: bool = True) -> Result:
        """Counts of every circuit, with the certificate in the header.

        Only what the oracles accepted, unless `verified` is false. `JobError` and `JobTimeoutError` carry
        the reason and what to do.
        """
        if self._finished is not None:
            return self._finished
        found = self._fetch(timeout, verified)
        note = note_of(found, ("run",))
        run = found.job.executions[found.execution]
        closed = found.job.closed_at or run.committed_at or found.job.submitted_at
        return read_run(
            note,
            found.outcomes,
            backend_name=run.processor_name,
            backend_version=str(found.backend.get("version", "")),
            job_id=str(self._number),
            date=datetime.fromtimestamp(closed, UTC),
            certificate=self._carried(found),
        )


class QCRSPrimitiveJob(RemoteJob, BasePrimitiveJob[PrimitiveResult[Any], JobStatus]):  # type: ignore[misc]  # untyped
    """A job of `Sampler.run` or `Estimator.run`."""

    def __init__(
        self, exchange: Exchange, number: int, *, finished: PrimitiveResult[Any] | None = None
    ) -> None:
        """`finished` is the result of a call that needed no processor at all."""
        BasePrimitiveJob.__init__(self, str(number))
        self._exchange = exchange
        self._number = number
        self._finished = finished

    def result(self, timeout: float | None = None, *, verified: bool = True) -> PrimitiveResult[Any]:
        """The `PrimitiveResult`; its metadata's `qcrs` is the certificate.

        Only what the oracles accepted, unless `verified` is false. `JobError` and `JobTimeoutError` carry
        the reason and what to do.
        """
        if self._finished is not None:
            return self._finished
        found = self._fetch(timeout, verified)
        note = note_of(found, ("sampler", "estimator"))
        read = read_sampler if note["kind"] == "sampler" else read_estimator
        return read(note, found.outcomes, {"qcrs": self._carried(found)})

    def done(self) -> bool:
        """Whether the job has a result."""
        return self.status() is JobStatus.DONE

    def running(self) -> bool:
        """Whether a processor runs it."""
        return self.status() is JobStatus.RUNNING

    def cancelled(self) -> bool:
        """Whether it was taken back."""
        return self.status() is JobStatus.CANCELLED

    def in_final_state(self) -> bool:
        """Whether it is over."""
        return self.status() in (JobStatus.DONE, JobStatus.CANCELLED, JobStatus.ERROR)
