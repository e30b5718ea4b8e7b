"""V4 PEER and the predictions that every comparison needs.

Peers are executions of the same job by other providers, drawn after the commitment. What a device is
*expected* to reach follows from its certificate: with e the error per layered two-qubit gate (EPLG) a
circuit of g gates keeps the magnitude (1 − e)^g; readout errors are not part of it, because they are blurred
onto the reference. Gates that routing adds on a sparse coupling map are the caller's to count
(`Execution.cz_counts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qcrs.circuits.document import CircuitDocument
from qcrs.errors import VerificationError

__all__ = ["DeviceErrors", "Execution", "predicted_magnitude", "readout_errors"]

NANO = 10**9
MOST_READOUT = 0.45


@dataclass(frozen=True, slots=True)
class DeviceErrors:
    """Registered errors of a processor, from its certificate, in 10⁻⁹.

    `readout_nano` is by physical qubit, averaged over both outcomes; empty if only the mean is known.
    """

    eplg_nano: int = 0
    readout_nano: tuple[int, ...] = ()
    mean_readout_nano: int = 0

    def __post_init__(self) -> None:
        for value in (self.eplg_nano, self.mean_readout_nano, *self.readout_nano):
            if not 0 <= value <= NANO:
                raise VerificationError("an error rate lies between 0 and 1", field="errors", value=value)


@dataclass(frozen=True, slots=True)
class Execution:
    """What one provider returned for a job: raw counts of every frame of every unit, or exact values."""

    counts: tuple[tuple[Mapping[int, int], ...], ...] = ()
    values_pico: tuple[tuple[int, ...], ...] = ()
    errors: DeviceErrors = field(default_factory=DeviceErrors)
    layout: tuple[tuple[int, ...], ...] = ()
    """Physical qubit of each measured classical bit of each unit, −1 where unknown."""
    cz_counts: tuple[int, ...] | None = None
    """Two-qubit gates of each unit on this device, routing included; None: those of the circuit."""
    name: str = "peer"
    deterministic: bool = False
    """A simulator with a given seed: two of them agree exactly, and that is no copy."""
    committed_first: bool = True
    """As a reference: its commitment came before that of the tested execution."""


def predicted_magnitude(execution: Execution, unit: int, circuit: CircuitDocument) -> float:
    """(1 − EPLG)^g for one unit."""
    gates = execution.cz_counts[unit] if execution.cz_counts is not None else circuit.count("cz")
    return float((1 - execution.errors.eplg_nano / NANO) ** gates)


def readout_errors(execution: Execution, unit: int, bits: Sequence[int]) -> tuple[float, ...]:
    """Registered readout error of each measured bit, by the layout the provider gave."""
    errors = execution.errors
    mean = errors.mean_readout_nano
    if not mean and errors.readout_nano:
        mean = sum(errors.readout_nano) // len(errors.readout_nano)
    layout = execution.layout[unit] if unit < len(execution.layout) else ()
    out = []
    for k in range(len(bits)):
        qubit = layout[k] if k < len(layout) else -1
        nano = errors.readout_nano[qubit] if 0 <= qubit < len(errors.readout_nano) else mean
        out.append(min(MOST_READOUT, nano / NANO))
    return tuple(out)
