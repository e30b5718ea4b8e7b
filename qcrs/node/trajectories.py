"""Samples of a noisy circuit by Pauli trajectories: shots without an error share one state vector.

Under Pauli noise a shot is fixed by which gates were followed by which Pauli. Most shots of a good device
have none, and share a single state vector; the others leave it at their first error and go on as rows of
their own. All rows take each gate in one vectorised step. The distribution is exactly that of one state a
shot; what is saved is every repetition.

Why not Aer's shot branching, which has the same aim: in version 0.18.2 it loses noise (measured: 0.906
instead of 0.750 for the probability of zeros after 26 noisy gates on nine qubits).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.circuit.library import UGate

from qcrs.node.devices import Noise

__all__ = ["mixture", "sample_trajectories"]

Amplitudes = npt.NDArray[np.complex64]

CHUNK_BYTES = 1 << 27
"""Most memory of the rows that are followed together."""
CACHE_BYTES = 1 << 22
"""The same where no shot waits for the others: what a core's cache holds goes three times as fast."""


@dataclass(frozen=True, slots=True)
class _Gate:
    """A gate on compact qubits: a 2×2 matrix for one, a controlled phase flip for two."""

    qubits: tuple[int, ...]
    matrix: Amplitudes | None


@dataclass(frozen=True, slots=True)
class _Program:
    """The gates, how many qubits they touch, and which clbit reads which qubit at the end."""

    gates: tuple[_Gate, ...]
    width: int
    reads: tuple[tuple[int, int], ...]


def _program(circuit: QuantumCircuit) -> _Program:
    """A circuit of `u` and `cz` whose measurements come last, on the qubits it touches."""
    places: dict[int, int] = {}
    gates: list[_Gate] = []
    reads: dict[int, int] = {}
    for item in circuit.data:
        if item.operation.name in ("barrier", "delay"):
            continue
        qubits = tuple(places.setdefault(circuit.find_bit(bit).index, len(places)) for bit in item.qubits)
        if item.operation.name == "measure":
            reads[circuit.find_bit(item.clbits[0]).index] = qubits[0]
        elif item.operation.name == "cz":
            gates.append(_Gate(qubits, None))
        else:
            angles = [float(angle) for angle in item.operation.params]
            gates.append(_Gate(qubits, UGate(*angles).to_matrix().astype(np.complex64)))
    return _Program(tuple(gates), len(places), tuple(sorted(reads.items())))


def _apply_matrix(rows: Amplitudes, qubit: int, matrix: Amplitudes) -> None:
    """One-qubit gate on all rows, in place. Qubit q is bit q of the column."""
    view = rows.reshape(len(rows), -1, 2, 1 << qubit)
    low, high = view[:, :, 0], view[:, :, 1]
    new_low = matrix[0, 0] * low + matrix[0, 1] * high
    view[:, :, 1] = matrix[1, 0] * low + matrix[1, 1] * high
    view[:, :, 0] = new_low


def _apply_cz(rows: Amplitudes, a: int, b: int) -> None:
    """Controlled phase flip on all rows, in place."""
    low, high = sorted((a, b))
    view = rows.reshape(len(rows), -1, 2, 1 << (high - low - 1), 2, 1 << low)
    view[:, :, 1, :, 1] *= -1


def _apply_pauli(row: Amplitudes, qubit: int, pauli: int) -> None:
    """X (1), Y (2) or Z (3) on one row, in place; global phases are dropped."""
    view = row.reshape(-1, 2, 1 << qubit)
    if pauli in (1, 2):
        view[:] = view[:, ::-1].copy()
    if pauli in (2, 3):
        view[:, 1] *= -1


def _draw_errors(
    program: _Program, noise: Noise, shots: int, rng: np.random.Generator
) -> list[dict[int, tuple[int, ...]]]:
    """For every shot that has errors: gate → Paulis on its qubits, uniform over the non-identities."""
    rates = np.array([noise.p1 if gate.matrix is not None else noise.p2 for gate in program.gates])
    hits = np.nonzero(rng.random((shots, len(rates))) < rates)
    found: dict[int, dict[int, tuple[int, ...]]] = {}
    for shot, place in zip(*map(np.ndarray.tolist, hits), strict=True):
        count = len(program.gates[place].qubits)
        word = int(rng.integers(1, 4**count))
        found.setdefault(shot, {})[place] = tuple(word >> (2 * k) & 3 for k in range(count))
    return list(found.values())


def _evolve(program: _Program, errors: Sequence[Mapping[int, tuple[int, ...]]]) -> Amplitudes:
    """Final states: row 0 without errors, then one row for each of `errors`."""
    order = sorted(range(len(errors)), key=lambda index: min(errors[index]))
    rows = np.zeros((1 + len(errors), 1 << program.width), dtype=np.complex64)
    rows[0, 0] = 1
    live = 1
    by_gate: dict[int, list[int]] = {}
    for row, index in enumerate(order, start=1):
        for place in errors[index]:
            by_gate.setdefault(place, []).append(row)
    for place, gate in enumerate(program.gates):
        if gate.matrix is None:
            _apply_cz(rows[:live], *gate.qubits)
        else:
            _apply_matrix(rows[:live], gate.qubits[0], gate.matrix)
        for row in sorted(by_gate.get(place, ())):
            if row >= live:
                rows[row] = rows[0]
                live = row + 1
            for qubit, pauli in zip(gate.qubits, errors[order[row - 1]][place], strict=True):
                if pauli:
                    _apply_pauli(rows[row], qubit, pauli)
    return rows


def _measured(states: Amplitudes, draws: Sequence[int], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Basis states, `draws[i]` of them from row i."""
    out = []
    for state, count in zip(states, draws, strict=True):
        if count:
            cumulative = np.cumsum(np.abs(state.astype(np.complex128)) ** 2)
            out.append(np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right"))
    found: npt.NDArray[np.int64] = np.minimum(np.concatenate(out), states.shape[1] - 1).astype(np.int64)
    return found


def sample_trajectories(
    circuit: QuantumCircuit, shots: int, noise: Noise, rng: np.random.Generator
) -> dict[int, int]:
    """Counts by outcome (clbit c is bit c) of a circuit of `u` and `cz` with its measurements at the end.

    After every gate comes a Pauli error with probability `noise.p1` or `noise.p2`, uniform over the 3 or 15
    non-identities; every measured bit flips with probability `noise.readout`.
    """
    program = _program(circuit)
    errors = _draw_errors(program, noise, shots, rng)
    room = max(1, CHUNK_BYTES // (8 << program.width) - 1)
    parts = []
    for start in range(0, max(1, len(errors)), room):
        chunk = errors[start : start + room]
        clean = shots - len(errors) if start == 0 else 0
        parts.append(_measured(_evolve(program, chunk), [clean, *([1] * len(chunk))], rng))
    states = np.concatenate(parts)
    outcomes = np.zeros(len(states), dtype=object if circuit.num_clbits > 62 else np.int64)
    for clbit, qubit in program.reads:
        bits = (states >> qubit & 1) ^ (rng.random(len(states)) < noise.readout)
        outcomes |= bits.astype(outcomes.dtype) << clbit
    return dict(Counter(outcomes.tolist()))


def mixture(
    circuit: QuantumCircuit, noise: Noise, trajectories: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Probabilities of the outcomes over the measured clbits (bit k: the k-th of them), readout aside.

    The part without an error is exact; the part with errors is the mean of `trajectories` of them. Takes
    circuits as `sample_trajectories` does.
    """
    program = _program(circuit)
    rates = np.array([noise.p1 if gate.matrix is not None else noise.p2 for gate in program.gates])
    clean = float(np.prod(1 - rates))
    errors: list[dict[int, tuple[int, ...]]] = []
    while clean < 1 and len(errors) < trajectories:
        shots = min(10_000, math.ceil((trajectories - len(errors)) / (1 - clean)) + 1)
        errors += _draw_errors(program, noise, shots, rng)
    errors = errors[:trajectories]
    room = max(4, CACHE_BYTES // (8 << program.width) - 1)
    total = np.zeros(1 << program.width)
    for start in range(0, max(1, len(errors)), room):
        rows = _evolve(program, errors[start : start + room])
        if start == 0:
            total += np.abs(rows[0]).astype(np.float64) ** 2 * (clean if errors else 1.0)
        for row in rows[1:]:
            total += np.abs(row).astype(np.float64) ** 2 * ((1 - clean) / len(errors))
    axes = [program.width - 1 - qubit for _clbit, qubit in reversed(program.reads)]
    rest = tuple(axis for axis in range(program.width) if axis not in axes)
    folded = total.reshape((2,) * program.width).transpose(*axes, *rest).reshape(1 << len(axes), -1)
    out: npt.NDArray[np.float64] = folded.sum(axis=1) / total.sum()
    return out
