"""Clifford circuits with Pauli noise, by Pauli frames: one noiseless sample, and for each shot a frame.

A frame is the Pauli by which a shot's noisy state differs from the noiseless one. Gates move it linearly over
GF(2), noise multiplies it, and at a measurement its X part flips the noiseless sample's bit. Frames start
with random Zs on |0⟩, which change nothing but carry the randomness of outcomes; so any one outcome of the
noiseless state serves, and it is found by elimination on its stabilisers. Gates that meet no qubit twice are
taken in one step, all shots and all generators at once: 30,000 gates on 1,000 qubits take a fraction of a
second where a tableau for each shot takes minutes.

Sources: Gidney, "Stim: a fast stabilizer circuit simulator", Quantum 5, 497 (2021), section on frames;
Aaronson and Gottesman, "Improved simulation of stabilizer circuits", Phys. Rev. A 70, 052328 (2004).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit

__all__ = ["ErrorRates", "clifford_quarters", "is_clifford", "sample_clifford"]

Bits = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]
Turns = tuple[int, int, int]
"""θ, φ, λ of a `u` in quarter turns."""

_NONE: Turns = (0, 0, 0)
_FIXED: Mapping[str, Turns] = {"x": (2, 0, 2), "sx": (1, 3, 1), "sxdg": (1, 1, 3), "id": _NONE}
_PAIRS: Mapping[str, tuple[Turns, Turns, Turns, Turns]] = {
    # `u` on the first and the second qubit, cz, `u` on the first and the second qubit
    "cz": (_NONE, _NONE, _NONE, _NONE),
    "cx": (_NONE, (1, 0, 2), _NONE, (1, 0, 2)),
    "ecr": (_NONE, (1, 0, 0), (2, 0, 1), (1, 2, 1)),
}
_DENSE = 0.02
"""From this error probability on, every shot of a gate is drawn; below, only those that are hit."""


class ErrorRates(Protocol):
    """What is wrong with a device."""

    def gate(self, name: str, qubits: tuple[int, ...]) -> float:
        """Probability that the gate is followed by a (uniformly random) Pauli other than I."""
        ...

    def flips(self, qubit: int) -> tuple[float, float]:
        """Probability to read 1 for 0, and 0 for 1."""
        ...


def clifford_quarters(params: Iterable[Any]) -> Turns | None:
    """θ, φ, λ of a `u` in quarter turns modulo four, None where one is not a multiple (within 1e-9)."""
    turns = [float(angle) / (math.pi / 2) for angle in params]
    if any(abs(turn - round(turn)) > 1e-9 for turn in turns):
        return None
    theta, phi, lam = (round(turn) % 4 for turn in turns)
    return theta, phi, lam


def _turns(name: str, params: Sequence[Any]) -> Turns | None:
    """A one-qubit gate as a `u`; None where it is none that is known here, or no Clifford."""
    if name == "u":
        return clifford_quarters(params)
    if name == "rz":
        return clifford_quarters((0.0, 0.0, *params))
    return _FIXED.get(name)


def is_clifford(circuit: QuantumCircuit) -> bool:
    """Whether every gate is a Clifford of those known here, and every measurement the last on its qubit.

    Known are `u`, `rz`, `sx`, `sxdg`, `x`, `id`, `cz`, `cx` and `ecr`.
    """
    measured: set[object] = set()
    for item in circuit.data:
        name = item.name  # `item.operation` would build an object for every gate
        if name in ("barrier", "delay"):
            continue
        if not measured.isdisjoint(item.qubits):
            return False
        if name == "measure":
            measured.update(item.qubits)
        elif name not in _PAIRS and _turns(name, item.params) is None:
            return False
    return True


# --------------------------------------------------------------------------- steps


@dataclass(frozen=True, slots=True)
class _Step:
    """Things of one kind on disjoint qubits: `u` (values: quarter turns), `cz`, or noise (probabilities)."""

    kind: str
    qubits: Numbers
    values: npt.NDArray[Any]


def _primitives(
    circuit: QuantumCircuit, place: Mapping[int, int], rates: ErrorRates
) -> Iterator[tuple[str, tuple[int, ...], Any]]:
    """Every gate as `u`, `cz` and noise, in order."""
    for item in circuit.data:
        name = item.name
        if name in ("barrier", "delay", "measure"):
            continue
        qubits = tuple(circuit.find_bit(bit).index for bit in item.qubits)
        q = tuple(place[index] for index in qubits)
        if name in _PAIRS:
            before, after = _PAIRS[name][:2], _PAIRS[name][2:]
            yield from (("u", (one,), turns) for one, turns in zip(q, before, strict=True) if any(turns))
            yield "cz", q, 0
            yield from (("u", (one,), turns) for one, turns in zip(q, after, strict=True) if any(turns))
        else:
            turns = _turns(name, item.params)
            if turns is None:
                raise ValueError(f"{name} is not a Clifford gate")
            yield "u", q, turns
        error = rates.gate(name, qubits)
        if error > 0:
            yield f"noise{len(q)}", q, error


def _steps(primitives: Iterable[tuple[str, tuple[int, ...], Any]], qubits: int) -> list[_Step]:
    """Everything as early as its qubits allow, gathered by time and kind."""
    level = [0] * qubits
    found: dict[tuple[int, str], tuple[list[tuple[int, ...]], list[Any]]] = {}
    for kind, q, value in primitives:
        time = max(level[one] for one in q) + 1
        for one in q:
            level[one] = time
        where, values = found.setdefault((time, kind), ([], []))
        where.append(q)
        values.append(value)
    return [
        _Step(kind, np.array(where, dtype=np.int64), np.array(values))
        for (_time, kind), (where, values) in sorted(found.items())
    ]


# --------------------------------------------------------------------------- the noiseless state


class _Stabilisers:
    """Generators of the state's stabilisers: X and Z bits by qubit, packed over generators, and signs."""

    def __init__(self, qubits: int) -> None:
        self.n = qubits
        self.x: Words = np.zeros((qubits, -(-qubits // 64)), dtype=np.uint64)
        self.z: Words = _packed(np.eye(qubits, dtype=bool))
        self.sign: Words = np.zeros(self.x.shape[1], dtype=np.uint64)

    def _turn(self, qubits: Numbers, quarters: Numbers) -> None:
        """Z to the power of `quarters` / 2."""
        two, one = qubits[quarters & 2 > 0], qubits[quarters & 1 > 0]
        self.sign ^= np.bitwise_xor.reduce(self.x[two], axis=0)
        self.sign ^= np.bitwise_xor.reduce(self.x[one] & self.z[one], axis=0)
        self.z[one] ^= self.x[one]

    def u(self, qubits: Numbers, turns: Numbers) -> None:
        """RZ(φ)·RY(θ)·RZ(λ) in quarter turns on each; RY(π) is Y, RY(π/2) is Z, then H."""
        theta, phi, lam = turns.T
        self._turn(qubits, lam)
        two, one = qubits[theta & 2 > 0], qubits[theta & 1 > 0]
        self.sign ^= np.bitwise_xor.reduce(self.x[two] ^ self.z[two], axis=0)
        x, z = self.x[one], self.z[one]
        self.sign ^= np.bitwise_xor.reduce(x & ~z, axis=0)
        self.x[one], self.z[one] = z, x
        self._turn(qubits, phi)

    def cz(self, pairs: Numbers) -> None:
        """CZ on each."""
        a, b = pairs.T
        xa, xb = self.x[a], self.x[b]
        self.sign ^= np.bitwise_xor.reduce(xa & xb & (self.z[a] ^ self.z[b]), axis=0)
        self.z[a] ^= xb
        self.z[b] ^= xa

    def outcome(self) -> Bits:
        """One possible outcome of measuring every qubit."""
        x = _packed(_unpacked(self.x, self.n).T)
        z = _packed(_unpacked(self.z, self.n).T)
        sign = _unpacked(self.sign[None, :], self.n)[0]
        rank = 0
        for q in range(self.n):
            rows = rank + np.flatnonzero(_column(x[rank:], q))
            if not len(rows):
                continue
            for part in (x, z, sign):
                part[[rank, rows[0]]] = part[[rows[0], rank]]
            rest = rows[1:]  # the pivot's place now holds what was at `rank`, without an X here
            sign[rest] ^= sign[rank] ^ _odd_phase(x[rank], z[rank], x[rest], z[rest])
            x[rest] ^= x[rank]
            z[rest] ^= z[rank]
            rank += 1
        return _solution(z[rank:], sign[rank:], self.n)


def _packed(bits: Bits) -> Words:
    """Rows of bits as rows of words of 64, first bit lowest."""
    width = -(-bits.shape[1] // 64) * 64
    whole = np.zeros((len(bits), width), dtype=bool)
    whole[:, : bits.shape[1]] = bits
    return np.packbits(whole, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def _unpacked(words: Words, width: int) -> Bits:
    data = np.ascontiguousarray(words.astype("<u8")).view(np.uint8)
    return np.unpackbits(data, axis=1, bitorder="little")[:, :width].astype(bool)


def _column(words: Words, bit: int) -> Bits:
    return (words[:, bit // 64] >> np.uint64(bit % 64) & np.uint64(1)).astype(bool)


def _odd_phase(a: Words, b: Words, c: Words, d: Words) -> Bits:
    """Whether (a, b) times each row of (c, d), commuting Paulis as X and Z bits, gathers a sign."""
    plus = (a & b & d & ~c) | (a & ~b & d & c) | (~a & b & c & ~d)
    minus = (a & b & c & ~d) | (a & ~b & d & ~c) | (~a & b & c & d)
    power = np.bitwise_count(plus).sum(axis=1, dtype=np.int64) - np.bitwise_count(minus).sum(
        axis=1, dtype=np.int64
    )
    return np.asarray(power % 4 == 2)


def _solution(rows: Words, values: Bits, width: int) -> Bits:
    """Some bits whose parity over each row is its value; the rows are consistent."""
    rows, values = rows.copy(), values.copy()
    found: Bits = np.zeros(width, dtype=bool)
    pivots: list[int] = []
    for q in range(width):
        rank = len(pivots)
        if rank == len(rows):
            break
        column = _column(rows, q)
        below = rank + np.flatnonzero(column[rank:])
        if not len(below):
            continue
        for part in (rows, values):
            part[[rank, below[0]]] = part[[below[0], rank]]
        others = np.flatnonzero(_column(rows, q))
        others = others[others != rank]
        rows[others] ^= rows[rank]
        values[others] ^= values[rank]
        pivots.append(q)
    found[pivots] = values[: len(pivots)]
    return found


# --------------------------------------------------------------------------- the frames


class _Frames:
    """The frames of all shots: X and Z bits by qubit and shot."""

    def __init__(self, qubits: int, shots: int, stream: np.random.Generator) -> None:
        self._stream = stream
        self._shots = shots
        self.x: Bits = np.zeros((qubits, shots), dtype=bool)
        self.z: Bits = stream.integers(0, 2, size=(qubits, shots), dtype=np.uint8).astype(bool)

    def u(self, qubits: Numbers, turns: Numbers) -> None:
        theta, phi, lam = (qubits[angle & 1 > 0] for angle in turns.T)
        self.z[lam] ^= self.x[lam]
        self.x[theta], self.z[theta] = self.z[theta], self.x[theta]
        self.z[phi] ^= self.x[phi]

    def cz(self, pairs: Numbers) -> None:
        a, b = pairs.T
        self.z[a] ^= self.x[b]
        self.z[b] ^= self.x[a]

    def noise(self, places: Numbers, probabilities: npt.NDArray[np.float64]) -> None:
        """With these probabilities a uniformly random Pauli other than I."""
        gates, shots = self._hits(probabilities)
        width = places.shape[1]
        paulis = self._stream.integers(1, 4**width, size=len(gates))
        for k in range(width):
            q = places[gates, k]
            self.x[q, shots] ^= (paulis >> (2 * k) & 1).astype(bool)
            self.z[q, shots] ^= (paulis >> (2 * k + 1) & 1).astype(bool)

    def _hits(self, probabilities: npt.NDArray[np.float64]) -> tuple[Numbers, Numbers]:
        """Gate and shot of every error, no such pair twice."""
        if probabilities.max() >= _DENSE:
            draws = self._stream.random((len(probabilities), self._shots))
            gates, shots = np.nonzero(draws < probabilities[:, None])
            return gates, shots
        count = self._stream.binomial(self._shots, probabilities)
        wanted = int(count.sum())
        gates = np.repeat(np.arange(len(probabilities)), count)
        keys = gates * self._shots + self._stream.integers(0, self._shots, size=wanted)
        while True:
            _unique, first = np.unique(keys, return_index=True)
            again = np.setdiff1d(np.arange(wanted), first)
            if not len(again):
                return gates, keys % self._shots
            keys[again] = gates[again] * self._shots + self._stream.integers(0, self._shots, size=len(again))


def sample_clifford(
    circuit: QuantumCircuit, shots: int, rates: ErrorRates, stream: np.random.Generator
) -> Counter[int]:
    """Counts over all clbits of a circuit for which `is_clifford` holds. Idle time costs nothing."""
    used = sorted(
        {circuit.find_bit(q).index for item in circuit.data if item.name != "barrier" for q in item.qubits}
    )
    place = {q: i for i, q in enumerate(used)}
    ideal = _Stabilisers(len(used))
    frames = _Frames(len(used), shots, stream)
    for step in _steps(_primitives(circuit, place, rates), len(used)):
        if step.kind == "u":
            ideal.u(step.qubits[:, 0], step.values)
            frames.u(step.qubits[:, 0], step.values)
        elif step.kind == "cz":
            ideal.cz(step.qubits)
            frames.cz(step.qubits)
        else:
            frames.noise(step.qubits, step.values)
    found = ideal.outcome()
    bits: Bits = np.zeros((circuit.num_clbits, shots), dtype=bool)
    for item in circuit.data:
        if item.name == "measure":
            qubit = circuit.find_bit(item.qubits[0]).index
            true = frames.x[place[qubit]] ^ found[place[qubit]]
            up, down = rates.flips(qubit)
            flips = stream.random(shots) < np.where(true, down, up)
            bits[circuit.find_bit(item.clbits[0]).index] = true ^ flips
    return _counted(bits)


def _counted(bits: Bits) -> Counter[int]:
    """Counts of the columns, bit i of an outcome being row i."""
    if not len(bits):
        return Counter({0: bits.shape[1]})
    packed = np.packbits(bits, axis=0, bitorder="little")
    columns, counts = np.unique(packed, axis=1, return_counts=True)
    return Counter(
        {int.from_bytes(columns[:, i].tobytes(), "little"): int(count) for i, count in enumerate(counts)}
    )
