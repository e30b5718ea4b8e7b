"""V4 PEER and the predictions that every comparison needs.

Peers are executions of the same job by other providers, drawn after the commitment. What a device is
*expected* to reach follows from its certificate: with e the error per layered two-qubit gate (EPLG) a
circuit of g gates keeps the magnitude (1 − e)^g; readout errors are not part of it, because they are blurred
onto the reference. Gates that routing adds on a sparse coupling map are the caller's to count
(`Execution.cz_counts`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qcrs.circuits.document import CircuitDocument
from qcrs.errors import VerificationError

__all__ = [
    "DeviceErrors",
    "Execution",
    "predicted_damage",
    "predicted_flips",
    "predicted_magnitude",
    "readout_errors",
]

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


def _feed_forward(execution: Execution, circuit: CircuitDocument) -> float:
    """Errors of measurements that are not the last of their bit or that control flow reads, and of resets."""
    wrong = circuit.count("measure") + circuit.count("reset") - len(circuit.measured_clbits())
    wrong += len(circuit.read_clbits())
    errors = execution.errors
    worst = max((errors.mean_readout_nano, *errors.readout_nano), default=0)
    return max(0, wrong) * worst / NANO


def predicted_damage(execution: Execution, unit: int, circuit: CircuitDocument) -> float:
    """Expected number of faults of one shot: gates × error, and what feed-forward may add."""
    magnitude = predicted_magnitude(execution, unit, circuit)
    return -math.log(max(magnitude, 1e-9)) + _feed_forward(execution, circuit)


def predicted_flips(
    execution: Execution, unit: int, circuit: CircuitDocument, bits: Sequence[int]
) -> tuple[float, ...]:
    """Flips of each measured bit by gates: 8/15 of the faults on its qubit, as if none were scrambled.

    Gates that routing adds are shared out evenly; those inside control flow count for every bit.
    """
    on_qubit = [0] * circuit.qubits
    measured: dict[int, int] = {}
    for item in circuit.instructions:
        if item.name == "cz":
            for qubit in item.qubits:
                on_qubit[qubit] += 1
        elif item.name == "measure":
            measured[item.clbits[0]] = item.qubits[0]
    gates = circuit.count("cz")
    here = sum(on_qubit) // 2
    run = execution.cz_counts[unit] if execution.cz_counts is not None else gates
    error = -math.log(max(1 - execution.errors.eplg_nano / NANO, 1e-9))
    everywhere = gates - here + _feed_forward(execution, circuit) / max(error, 1e-9)
    ratio = run / gates if gates else 1.0
    return tuple(
        min(0.5, 8 / 15 * error * (on_qubit[measured[bit]] * ratio + everywhere) if bit in measured else 0.5)
        for bit in bits
    )


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
