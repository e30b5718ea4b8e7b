"""Job errors that are of both trees: programs written for Qiskit catch theirs, others ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qiskit.providers import exceptions as qiskit_errors

from qcrs.errors import JobError, JobTimeoutError

__all__ = ["ProviderJobError", "ProviderJobTimeoutError", "both_trees"]


class ProviderJobError(JobError, qiskit_errors.JobError):  # type: ignore[misc]  # qiskit is untyped
    """A job ended without a result; also a `qiskit.providers.JobError`."""


class ProviderJobTimeoutError(
    JobTimeoutError,
    qiskit_errors.JobTimeoutError,  # type: ignore[misc]  # qiskit is untyped
):
    """A deadline or the caller's patience ended first; also a `qiskit.providers.JobTimeoutError`."""


@contextmanager
def both_trees() -> Iterator[None]:
    """Raise job errors of the exchange as errors of both trees, with the same reason and remedy."""
    try:
        yield
    except JobTimeoutError as error:
        raise ProviderJobTimeoutError(
            error.reason, field=error.field, value=error.value, solution=error.solution
        ) from error
    except JobError as error:
        raise ProviderJobError(
            error.reason, field=error.field, value=error.value, solution=error.solution
        ) from error
