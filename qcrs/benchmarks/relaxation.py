"""C8: spot checks of T1 and T2 on a few qubits, with real delays.

T1: a qubit is flipped, waits, and is read. T2 (Hahn echo, Phys. Rev. 80, 580 (1950)): a qubit is brought to
the equator, waits, is flipped, waits as long again, and is brought back. Both readings, corrected for readout
errors, decay as e^(-t/T). A rate that is not three standard errors above zero, or a time of more than ten
times the longest delay, is no finding: what is reported then is how long the time is at least. So a simulator
that keeps no time, or a device whose times are far beyond the longest delay, gets no value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qcrs.benchmarks.builder import Builder, H, X
from qcrs.benchmarks.decay import fit_decay
from qcrs.benchmarks.readout import ReadoutResult
from qcrs.benchmarks.units import BenchmarkUnit, Reading
from qcrs.circuits import Drbg

__all__ = ["PROTOCOL", "DelaySetting", "QubitTimes", "TimeFound", "choose", "circuits", "score"]

PROTOCOL = "relaxation"

_PS_PER_NS = 1000
_STEP_NS = 1000.0
"""Lengths of the fit are counted in microseconds."""
_LEAST_DECAY = 0.1
"""What must be lost after the longest delay for a time to be measured."""


@dataclass(frozen=True, slots=True)
class DelaySetting:
    """Which time a circuit asks for ("t1" or "t2"), on which qubits, after how long."""

    kind: str
    qubits: tuple[int, ...]
    delay_ns: int


@dataclass(frozen=True, slots=True)
class TimeFound:
    """One time in nanoseconds with its standard error; None where no decay was resolved.

    `at_least_ns` is two standard errors below the finding in rate: what can be relied on.
    """

    time_ns: float | None
    error_ns: float | None
    at_least_ns: float


@dataclass(frozen=True, slots=True)
class QubitTimes:
    """Both times of one qubit, and the readings behind them: (delay in ns, corrected reading)."""

    qubit: int
    t1: TimeFound
    t2: TimeFound
    t1_points: tuple[tuple[int, float], ...]
    t2_points: tuple[tuple[int, float], ...]


def choose(qubits: int, most: int, seed: bytes) -> tuple[int, ...]:
    """The qubits that are checked, drawn from the seed."""
    order = Drbg(seed, b"capability/relaxation").permutation(qubits)
    return tuple(sorted(int(q) for q in order[:most]))


def circuits(qubits: int, chosen: Sequence[int], delays_ns: Sequence[int], shots: int) -> list[BenchmarkUnit]:
    """For every delay one circuit for T1 and one for T2, on all chosen qubits at once."""
    units = []
    for delay in delays_ns:
        for kind in ("t1", "t2"):
            builder = Builder(qubits)
            for qubit in chosen:
                if kind == "t1":
                    builder.u(qubit, X)
                    builder.delay(qubit, delay * _PS_PER_NS)
                else:
                    half = delay * _PS_PER_NS // 2
                    builder.u(qubit, H)
                    builder.delay(qubit, half)
                    builder.u(qubit, X)
                    builder.delay(qubit, half)
                    builder.u(qubit, H)
            detail = DelaySetting(kind, tuple(chosen), delay)
            units.append(BenchmarkUnit(PROTOCOL, builder.measured(chosen), shots, detail))
    return units


def _found(points: Sequence[tuple[int, float, float]]) -> TimeFound:
    lengths = np.array([delay / _STEP_NS for delay, _, _ in points])
    decay = fit_decay(lengths, np.array([v for _, v, _ in points]), np.array([v for _, _, v in points]))
    rate = -float(np.log(decay.alpha))
    error = decay.alpha_se / decay.alpha
    at_least = _STEP_NS / max(rate + 2 * error, 1e-9)
    if rate <= 3 * error or rate * float(lengths.max()) < _LEAST_DECAY:
        return TimeFound(None, None, at_least)
    return TimeFound(_STEP_NS / rate, _STEP_NS * error / rate**2, at_least)


def score(
    units: Sequence[BenchmarkUnit], readings: Sequence[Reading], readout: ReadoutResult
) -> list[QubitTimes]:
    """Both times of every qubit that was checked."""
    points: dict[tuple[int, str], list[tuple[int, float, float]]] = {}
    for unit, reading in zip(units, readings, strict=True):
        detail: DelaySetting = unit.detail
        for bit, qubit in enumerate(detail.qubits):
            n, contrast = reading.shots, float(readout.contrast[qubit])
            ones = float((reading.bit(bit) * reading.counts).sum()) / n
            smooth = (n * ones + 1) / (n + 2)
            excited = (ones - float(readout.p_one_given_zero[qubit])) / contrast
            variance = smooth * (1 - smooth) / n / contrast**2
            if detail.kind == "t1":
                point = (detail.delay_ns, excited, variance)
            else:
                point = (detail.delay_ns, 1 - 2 * excited, 4 * variance)
            points.setdefault((qubit, detail.kind), []).append(point)
    return [
        QubitTimes(
            qubit,
            _found(points[qubit, "t1"]),
            _found(points[qubit, "t2"]),
            tuple((delay, value) for delay, value, _ in points[qubit, "t1"]),
            tuple((delay, value) for delay, value, _ in points[qubit, "t2"]),
        )
        for qubit in sorted({qubit for qubit, _ in points})
    ]


def shortest(found: Sequence[QubitTimes]) -> tuple[int, int]:
    """The shortest T1 and T2 that were resolved on any qubit, in nanoseconds; 0 where none was."""
    t1 = [one.t1.time_ns for one in found if one.t1.time_ns is not None]
    t2 = [one.t2.time_ns for one in found if one.t2.time_ns is not None]
    return round(min(t1, default=0)), round(min(t2, default=0))
