"""The error tree of QCRS: every failure a user can meet, drawn once.

::

    QCRSError
    ├── InputError            what the caller gave cannot be used
    │   ├── CircuitError      a program cannot be read, is too large, or uses what is not supported
    │   ├── ConfigError       a configuration file or variable is wrong
    │   └── AccountError      a key file, password or balance does not do
    ├── NetworkError          a chain, hub or store cannot be reached or used
    │   ├── ChainError        a node of the chain does not answer or disagrees
    │   │   └── ContractError a contract refused a call; carries the decoded Solidity error
    │   └── StoreError        a blob or mail is missing or cannot be written
    │       └── IntegrityError  bytes do not have the hash they are stored under
    ├── SandboxError          a limited child process failed, hung, or outgrew its limits
    ├── JobError              a job ended without a result
    │   ├── JobTimeoutError   a deadline or the caller's patience ended first
    │   └── JobNotFoundError  no such job on this chain
    ├── BackendError          a processor or its device cannot do what is asked
    ├── EntanglementError     a channel or session did not give what it promised
    └── VerificationError     a result, frame, evidence or trail does not check out

Every error carries its fields (`field`, `value` where there is one), a reason and a `solution`:
what the reader can do next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "AccountError",
    "BackendError",
    "ChainError",
    "CircuitError",
    "ConfigError",
    "ContractError",
    "EntanglementError",
    "InputError",
    "IntegrityError",
    "JobError",
    "JobNotFoundError",
    "JobTimeoutError",
    "NetworkError",
    "QCRSError",
    "SandboxError",
    "StoreError",
    "VerificationError",
]


_LONGEST_VALUE, _LONGEST_REASON = 400, 2_000


def _cut(text: str, most: int = _LONGEST_VALUE) -> str:
    """A text whose middle is left out where it is long: what a stranger wrote may be as long as a file."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}…{text[-half:]}"


def _short(value: object) -> str:
    """A value as Python writes it, cut to what a reader can take in."""
    return repr(_cut(value)) if isinstance(value, str) else _cut(repr(value))


class QCRSError(Exception):
    """Root of the tree: a reason, the offending field and value, and what to do about it."""

    exit_code = 1

    def __init__(
        self,
        reason: str,
        *,
        field: str | None = None,
        value: object = None,
        solution: str | None = None,
    ) -> None:
        self.reason = _cut(reason, _LONGEST_REASON)
        self.field = None if field is None else _cut(field)
        self.value = value
        self.solution = solution
        super().__init__(self.message())

    def message(self) -> str:
        """The whole error in one or two lines: reason, field and value, remedy."""
        text = self.reason
        if self.field is not None and self.value is not None:
            text += f" [{self.field}={_short(self.value)}]"
        if self.solution:
            text += f"\n  → {self.solution}"
        return text

    def as_json(self) -> dict[str, object]:
        """The same, for scripts (`--json`)."""
        return {
            "error": type(self).__name__,
            "reason": self.reason,
            "field": self.field,
            "value": None if self.value is None else _cut(str(self.value)),
            "solution": self.solution,
        }


class InputError(QCRSError, ValueError):
    """What the caller gave cannot be used."""

    exit_code = 2


class CircuitError(InputError):
    """A program cannot be read, is too large, or uses what is not supported."""


class ConfigError(InputError):
    """A configuration file or variable is wrong."""


class AccountError(InputError):
    """A key file, password or balance does not do."""


class NetworkError(QCRSError):
    """A chain, hub or store cannot be reached or used."""

    exit_code = 3


class ChainError(NetworkError):
    """A node of the chain does not answer or disagrees."""


class ContractError(ChainError):
    """A contract refused a call; `name` and `arguments` are the decoded Solidity error."""

    exit_code = 4

    def __init__(
        self,
        reason: str,
        *,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        solution: str | None = None,
    ) -> None:
        self.name = name
        self.arguments: dict[str, Any] = dict(arguments or {})
        super().__init__(reason, solution=solution)


class StoreError(NetworkError):
    """A blob or mail is missing or cannot be written."""


class IntegrityError(StoreError):
    """Bytes do not have the hash they are stored under."""

    exit_code = 6


class SandboxError(QCRSError):
    """A limited child process failed, hung, or outgrew its limits."""

    exit_code = 5


class JobError(QCRSError):
    """A job ended without a result."""

    exit_code = 5


class JobTimeoutError(JobError, TimeoutError):
    """A deadline or the caller's patience ended first."""


class JobNotFoundError(JobError, LookupError):
    """No such job on this chain."""


class BackendError(QCRSError):
    """A processor or its device cannot do what is asked."""

    exit_code = 5


class EntanglementError(QCRSError):
    """A channel or session did not give what it promised."""


class VerificationError(QCRSError):
    """A result, frame, evidence or trail does not check out."""

    exit_code = 6
