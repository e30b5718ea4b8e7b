"""Qiskit backends that compute at once, and their jobs."""

from __future__ import annotations

from qiskit.providers import BackendV2, JobStatus, JobV1, Options
from qiskit.result import Result

__all__ = ["FinishedJob", "ImmediateBackend"]


class ImmediateBackend(BackendV2):  # type: ignore[misc]  # Qiskit's classes are untyped
    """A backend whose `run` takes circuits, `shots` and `seed_simulator` and returns a finished job."""

    @property
    def max_circuits(self) -> int | None:
        """Any number."""
        return None

    @classmethod
    def _default_options(cls) -> Options:
        return Options(shots=1024, seed_simulator=None)


class FinishedJob(JobV1):  # type: ignore[misc]  # Qiskit's classes are untyped
    """A job whose result is there when it is made."""

    def __init__(self, backend: BackendV2, result: Result) -> None:
        super().__init__(backend, result.job_id)
        self._result = result

    def submit(self) -> None:
        """Nothing to do."""

    def result(self) -> Result:
        """The result."""
        return self._result

    def status(self) -> JobStatus:
        """Always done."""
        return JobStatus.DONE
