"""A Qiskit job for backends that compute at once."""

from __future__ import annotations

from qiskit.providers import BackendV2, JobStatus, JobV1
from qiskit.result import Result

__all__ = ["FinishedJob"]


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
