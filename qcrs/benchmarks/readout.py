"""C1: readout error of every qubit at once.

Random bit strings and their complements are prepared and read, so every qubit is prepared as often in
0 as in 1, beside neighbours in both states. Where circuits run in twirled frames, masks exchange the
two states at random and both columns tend to the mean error; the mean is what later steps use.
State preparation errors are counted as readout errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qcrs.benchmarks.builder import Builder, X
from qcrs.benchmarks.units import BenchmarkUnit, Reading
from qcrs.circuits import Drbg

__all__ = ["PROTOCOL", "ReadoutResult", "circuits", "score"]

PROTOCOL = "readout"


@dataclass(frozen=True, slots=True)
class ReadoutResult:
    """Per qubit: probability to read 1 after preparing 0, and 0 after preparing 1."""

    p_one_given_zero: npt.NDArray[np.float64]
    p_zero_given_one: npt.NDArray[np.float64]
    shots: int
    """Shots per qubit and prepared state."""

    @property
    def error(self) -> npt.NDArray[np.float64]:
        """Mean of the two, per qubit."""
        return (self.p_one_given_zero + self.p_zero_given_one) / 2

    @property
    def contrast(self) -> npt.NDArray[np.float64]:
        """Factor by which reading shrinks each qubit's ⟨Z⟩; at least 0.1, so that it can be divided by."""
        return np.maximum(1 - self.p_one_given_zero - self.p_zero_given_one, 0.1)

    @property
    def standard_error(self) -> float:
        """Of the mean error over all qubits."""
        r = (self.error * self.shots * 2 + 1) / (self.shots * 2 + 2)
        return float(np.sqrt((r * (1 - r)).sum() / (2 * self.shots)) / len(r))


def circuits(qubits: int, pairs: int, shots: int, seed: bytes) -> list[BenchmarkUnit]:
    """`pairs` random preparations, each followed by its complement, `shots` each."""
    draws = Drbg(seed, b"capability/readout")
    units = []
    for _ in range(pairs):
        pattern = draws.bits(qubits)
        for bits in (pattern, 1 - pattern):
            builder = Builder(qubits)
            for qubit in np.flatnonzero(bits):
                builder.u(int(qubit), X)
            units.append(
                BenchmarkUnit(PROTOCOL, builder.measured(range(qubits)), shots, tuple(int(b) for b in bits))
            )
    return units


def score(units: Sequence[BenchmarkUnit], readings: Sequence[Reading]) -> ReadoutResult:
    """Error rates of every qubit from what was prepared and what was read."""
    qubits = units[0].circuit.qubits
    wrong = np.zeros((2, qubits))
    prepared = np.zeros((2, qubits))
    for unit, reading in zip(units, readings, strict=True):
        for qubit, bit in enumerate(unit.detail):
            wrong[bit, qubit] += reading.counts[reading.bit(qubit) != bit].sum()
            prepared[bit, qubit] += reading.shots
    return ReadoutResult(wrong[0] / prepared[0], wrong[1] / prepared[1], int(prepared.min()))
