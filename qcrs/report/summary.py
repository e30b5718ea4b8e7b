"""What a run of the exchange is summed up to: plain values, the same in `--json`, table and pictures.

Money is in the credit token's smallest unit, times are seconds of the chain's clock, scores are
millionths.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Entangled", "Execution", "Flow", "Job", "Processor", "Summary"]


@dataclass(frozen=True, slots=True)
class Processor:
    """One processor at the end of a run."""

    id: int
    name: str
    qubits: int
    quality: int
    error_per_layered_gate_nano: int
    readout_error_nano: int
    log2_quantum_volume: int
    ghz_width: int
    layers_per_second: int
    reputation_ppm: int
    bond: int
    slashed: int
    earned: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a job by one processor.

    A time of 0 means that the step was not reached; one that was never committed ends (`judged_at`) at its
    deadline.
    """

    index: int
    processor: int
    processor_name: str
    outcome: str
    score_ppm: int | None
    interval_ppm: tuple[int, int] | None
    threshold_ppm: int | None
    decided_by: str
    allocated_at: int
    committed_at: int
    judged_at: int
    fee_paid: int
    slashed: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One job from submission to its end."""

    id: int
    name: str
    qubits: int
    shots: int
    status: str
    verdict: str
    score_ppm: int | None
    escrow: int
    fee_paid: int
    fee_refunded: int
    gas: int
    submitted_at: int
    ended_at: int
    executions: tuple[Execution, ...]
    trail: str
    payload: str
    evidence: tuple[str, ...]
    top: tuple[tuple[str, int], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Flow:
    """Money that moved: from a purse to another, why, and how much."""

    source: str
    target: str
    kind: str
    amount: int


@dataclass(frozen=True, slots=True)
class Entangled:
    """A job that several processors computed together: its session, channel and what the ends attested."""

    job: int
    session: int
    members: tuple[str, ...]
    channel: int
    pairs_per_shot: int
    pairs: int
    test_rounds: int
    qber_x_ppm: int
    qber_z_ppm: int
    fidelity_ppm: int
    paid: int
    """For the pairs, to both ends."""
    holds: tuple[str, ...]
    """What chain and store agree in."""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole run."""

    title: str
    chain_id: int
    seconds: float
    gas: int
    processors: tuple[Processor, ...]
    jobs: tuple[Job, ...]
    flows: tuple[Flow, ...]
    checks: tuple[tuple[str, bool, str], ...] = field(default=())
    """What the run had to show: claim, whether it holds, the figures."""
    entangled: Entangled | None = None

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(holds for _, holds, _ in self.checks)

    def as_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return asdict(self) | {"ok": self.ok}
