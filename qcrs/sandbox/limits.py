"""What a call in the sandbox may use, and what is told of it afterwards."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from qcrs.errors import InputError

__all__ = ["GIB", "Isolation", "Limits", "Outcome"]

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one call. The defaults suit a parser; a run that was paid for gets more.

    `address_space_bytes` counts what the call adds to the preloaded process. `network` holds for all
    calls of a sandbox and cannot be changed for one.
    """

    address_space_bytes: int = GIB
    cpu_seconds: float = 5.0
    wall_seconds: float = 10.0
    network: bool = False
    threads: int = 1
    open_files: int = 64
    file_bytes: int = 16 * 2**20
    """Largest file the call may write, in bytes."""
    result_bytes: int = 64 * 2**20
    """Largest answer, in bytes."""

    def __post_init__(self) -> None:
        for name in ("address_space_bytes", "cpu_seconds", "wall_seconds", "threads", "open_files"):
            if getattr(self, name) <= 0:
                raise InputError("a limit must be positive", field=name, value=getattr(self, name))

    def as_json(self) -> dict[str, Any]:
        """For the child."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Isolation:
    """What this machine lets the sandbox hold, found out when it starts.

    `network` is `namespace` or `user namespace` (no network reaches the calls), `allowed` (asked for) or
    `shared` (not permitted here: calls could reach the network; `reason` says why).
    """

    network: str
    memory_limited: bool
    dies_with_parent: bool
    reason: str = ""

    @property
    def complete(self) -> bool:
        """True where everything that was asked for holds."""
        return self.network != "shared" and self.memory_limited and self.dies_with_parent


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer of one call and what it used."""

    data: bytes
    cpu_seconds: float
    wall_seconds: float
    max_rss_bytes: int
