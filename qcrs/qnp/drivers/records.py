"""What a run leaves: deliveries joined from both ends, the fate of requests, counters.

A pair counts as delivered when both ends have delivered it. Its claimed Bell index is then compared with
the one the hardware's outcomes imply, and its fidelity is taken as it is at that moment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from qcrs.qnp.network.actions import Reason, Status

__all__ = ["CircuitStats", "Delivery", "RequestLog"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One pair at both ends. Outcomes are 2·axis + bit, −1 where the qubit was kept.

    `fidelity` is None where an end measured. `head` and `tail` are hardware handles, valid while an
    application holds them (see `Network.hold`).
    """

    time_ns: int
    circuit: int
    request: int
    sequence: tuple[int, int]
    bell: int
    fidelity: float | None
    head: int
    tail: int
    head_outcome: int
    tail_outcome: int


@dataclass(slots=True)
class CircuitStats:
    """Running sums of one circuit: constant memory however long the run."""

    delivered: int = 0
    wrong_bell: int = 0
    useful: int = 0
    first_ns: int = -1
    last_ns: int = -1
    fidelity_n: int = 0
    fidelity_sum: float = 0.0
    fidelity_sum2: float = 0.0
    gap_sum2: float = 0.0

    def add(self, now: int, wrong: bool, fidelity: float | None, wanted: float) -> None:
        """A pair was delivered, with its fidelity where both ends keep it; from `wanted` on it is useful."""
        self.delivered += 1
        self.wrong_bell += wrong
        if fidelity is not None:
            self.fidelity_n += 1
            self.fidelity_sum += fidelity
            self.fidelity_sum2 += fidelity * fidelity
            if fidelity >= wanted:
                self.useful += 1
        if self.first_ns < 0:
            self.first_ns = now
        else:
            gap = now - self.last_ns
            self.gap_sum2 += float(gap) * gap
        self.last_ns = now

    def interval(self) -> tuple[float, float] | None:
        """Mean fidelity and its standard error."""
        n = self.fidelity_n
        if not n:
            return None
        mean = self.fidelity_sum / n
        variance = max(0.0, self.fidelity_sum2 / n - mean * mean)
        return mean, math.sqrt(variance / max(1, n - 1))


@dataclass(slots=True)
class RequestLog:
    """The life of one request, in both ends' words."""

    request: int
    circuit: int
    submitted_ns: int
    status: Status | None = None
    reason: Reason = Reason.NONE
    delivered: int = 0
    finished_ns: int = -1
    history: list[tuple[int, Status, Reason]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "request": self.request,
            "circuit": self.circuit,
            "submitted_ns": self.submitted_ns,
            "status": None if self.status is None else self.status.name.lower(),
            "reason": self.reason.words,
            "delivered": self.delivered,
            "finished_ns": self.finished_ns,
        }
