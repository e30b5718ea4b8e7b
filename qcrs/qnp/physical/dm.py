"""The exact backend: each pair is a 4×4 density matrix, a swap a Bell measurement of two of four qubits.

Slower by three orders of magnitude than correlators and in need of none of their assumptions: single-click
pairs F|Ψ±⟩⟨Ψ±| + (1−F)|11⟩⟨11| keep what differs between outcomes. Qubit 0 of a matrix is the pair's first
end and the high bit of its index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from qcrs.qnp.physical.bell import AXES
from qcrs.qnp.physical.hardware import NodeNoise, Source
from qcrs.qnp.physical.streams import Stream

__all__ = ["DensityMatrixHardware", "bell_vector", "source_state", "swap_states"]

Matrix = npt.NDArray[np.complex128]

ID = np.eye(2, dtype=complex)
X = np.array([[0, 1], [1, 0]], dtype=complex)
Y = np.array([[0, -1j], [1j, 0]], dtype=complex)
Z = np.array([[1, 0], [0, -1]], dtype=complex)
PAULIS = (ID, Z, X, X @ Z)
"""By index 2·x + z: XˣZᶻ."""


def bell_vector(index: int) -> npt.NDArray[np.complex128]:
    """The Bell state (XˣZᶻ ⊗ 1)|Φ⁺⟩ of an index, shape (4,)."""
    phi = np.array([1, 0, 0, 1], dtype=complex) / math.sqrt(2)
    return np.asarray(np.kron(PAULIS[index], ID) @ phi, dtype=np.complex128)


def source_state(source: Source, bell: int) -> Matrix:
    """A fresh pair of a source, shape (4, 4)."""
    vector = bell_vector(bell)
    if source.bright is not None:
        rho = source.bright * np.outer(vector, vector.conj())
        rho[3, 3] += 1 - source.bright
        return np.asarray(rho, dtype=np.complex128)
    xx, yy, zz = source.xyz
    weights = ((1 + xx + yy + zz) / 4, (1 - xx - yy + zz) / 4, (1 + xx - yy - zz) / 4, (1 - xx + yy - zz) / 4)
    parts = [
        w * np.outer(v, v.conj()) for w, v in zip(weights, map(bell_vector, _shifted(bell)), strict=True)
    ]
    return np.asarray(sum(parts), dtype=np.complex128)


def _shifted(bell: int) -> tuple[int, ...]:
    return tuple(bell ^ k for k in range(4))


def _on(rho: Matrix, operator: Matrix, qubit: int) -> Matrix:
    full = np.kron(operator, ID) if qubit == 0 else np.kron(ID, operator)
    return np.asarray(full @ rho @ full.conj().T, dtype=np.complex128)


def decohere(rho: Matrix, qubit: int, age_ns: float, noise: NodeNoise) -> Matrix:
    """Dephasing and depolarising of one qubit of a pair for a time."""
    flip = (1 - math.exp(-noise.dephasing_per_ns * age_ns)) / 2
    if flip:
        rho = (1 - flip) * rho + flip * _on(rho, Z, qubit)
    lost = 1 - math.exp(-noise.depolarising_per_ns * age_ns)
    if lost:
        mixed = sum(_on(rho, p, qubit) for p in (ID, X, Y, Z)) / 4
        rho = (1 - lost) * rho + lost * mixed
    return rho


def swap_states(
    left: Matrix, right: Matrix, noise: NodeNoise
) -> tuple[npt.NDArray[np.float64], list[Matrix]]:
    """Bell measurement of the second qubit of `left` and the first of `right`, with the node's errors.

    Returns the four *reported* outcomes' probabilities and the states of the outer qubits given each.
    """
    joint = np.kron(left, right).reshape((2,) * 8)
    unnormalised = []
    for outcome in range(4):
        v = bell_vector(outcome).reshape(2, 2)
        unnormalised.append(np.einsum("abcdijkl,bc,jk->adil", joint, v.conj(), v).reshape(4, 4))
    total = sum(unnormalised)
    k = noise.gate_error
    noisy = [(1 - k) * rho + k * total / 4 for rho in unnormalised]  # the gate leaves both qubits mixed
    e = noise.readout_error
    chance = ((1 - e) ** 2, (1 - e) * e, e * (1 - e), e * e)
    reported = [sum(chance[k ^ seen] * noisy[k] for k in range(4)) for seen in range(4)]
    weights = np.array([float(np.real(np.trace(rho))) for rho in reported])
    states = [
        np.asarray(rho / w if w > 0 else rho, dtype=np.complex128)
        for rho, w in zip(reported, weights, strict=True)
    ]
    return weights, states


@dataclass(slots=True)
class _Pair:
    rho: Matrix
    since: int
    handles: list[int]
    nodes: list[int]
    frame: int
    seen: list[bool] = field(default_factory=lambda: [False, False])


class DensityMatrixHardware:
    """Pairs as density matrices; draws from the same streams as the fast backend. See `Hardware`."""

    def __init__(self, nodes: Sequence[NodeNoise], seed: int) -> None:
        self._nodes = list(nodes)
        self._pairs: dict[int, _Pair] = {}
        self._next = 0
        self._streams = [Stream(seed, f"node/{i}") for i in range(len(nodes))]

    def create(self, now: int, source: Source, first: int, second: int, bell: int) -> tuple[int, int]:
        """A fresh pair."""
        one = self._next
        self._next = one + 2
        pair = _Pair(source_state(source, bell), now, [one, one + 1], [first, second], bell)
        self._pairs[one] = self._pairs[one + 1] = pair
        return one, one + 1

    def _settle(self, now: int, pair: _Pair) -> None:
        age = now - pair.since
        if age:
            for qubit in (0, 1):
                if not pair.seen[qubit]:
                    pair.rho = decohere(pair.rho, qubit, age, self._nodes[pair.nodes[qubit]])
            pair.since = now

    def _swapped(
        self, left: Matrix, right: Matrix, node: int
    ) -> tuple[npt.NDArray[np.float64], list[Matrix]]:
        return swap_states(left, right, self._nodes[node])

    def swap(self, now: int, node: int, left: int, right: int) -> int:
        """Draw an outcome from the real distribution and keep the state that it leaves."""
        p, q = self._pairs.pop(left), self._pairs.pop(right)
        self._settle(now, p)
        self._settle(now, q)
        p = _turned(p) if p.handles[0] == left else p
        q = q if q.handles[0] == right else _turned(q)
        weights, states = self._swapped(p.rho, q.rho, node)
        draw = self._streams[node].uniform() * float(weights.sum())
        outcome = min(3, int(np.searchsorted(np.cumsum(weights), draw)))
        joined = _Pair(
            states[outcome],
            now,
            [p.handles[0], q.handles[1]],
            [p.nodes[0], q.nodes[1]],
            p.frame ^ q.frame ^ outcome,
            [p.seen[0], q.seen[1]],
        )
        for handle in joined.handles:
            if handle in self._pairs:
                self._pairs[handle] = joined
        return outcome

    def measure(self, now: int, node: int, handle: int, axis: int) -> int:
        """Project one qubit; what is left of it is classical."""
        pair = self._pairs[handle]
        self._settle(now, pair)
        qubit = pair.handles.index(handle)
        a = AXES[axis]
        observable = a[0] * X + a[1] * Y + a[2] * Z
        parts = [
            _on(pair.rho, np.asarray((ID + sign * observable) / 2, dtype=np.complex128), qubit)
            for sign in (1, -1)
        ]
        chance = float(np.real(np.trace(parts[0])))
        true = 0 if self._streams[node].uniform() <= chance else 1
        pair.rho = parts[true] / np.real(np.trace(parts[true]))
        pair.seen[qubit] = True
        error = self._nodes[node].readout_error
        return true ^ 1 if error and self._streams[node].uniform() <= error else true

    def correct(self, handle: int, pauli: int) -> None:
        """Apply a Pauli."""
        pair = self._pairs[handle]
        qubit = pair.handles.index(handle)
        if not pair.seen[qubit]:
            pair.rho = _on(pair.rho, PAULIS[pauli], qubit)
        pair.frame ^= pauli

    def scramble(self, handle: int, axis: int) -> None:
        """A qubit is measured along X, Y or Z by a stranger and sent on."""
        pair = self._pairs[handle]
        other = _on(pair.rho, (X, Y, Z)[axis], pair.handles.index(handle))
        pair.rho = (pair.rho + other) / 2

    def free(self, handle: int) -> None:
        """Forget a handle."""
        del self._pairs[handle]

    def held(self) -> int:
        """Handles in use."""
        return len(self._pairs)

    def fidelity(self, now: int, handle: int, bell: int) -> float | None:
        """⟨Bell|ρ|Bell⟩ now."""
        pair = self._pairs[handle]
        if any(pair.seen):
            return None
        self._settle(now, pair)
        v = bell_vector(bell)
        return float(np.real(v.conj() @ pair.rho @ v))

    def frame(self, handle: int) -> int:
        """The Bell index that the reported outcomes imply."""
        return self._pairs[handle].frame

    def state(self, now: int, handle: int) -> Matrix:
        """The pair's density matrix."""
        pair = self._pairs[handle]
        self._settle(now, pair)
        return pair.rho


_EXCHANGE = np.eye(4, dtype=complex)[[0, 2, 1, 3]]


def _turned(pair: _Pair) -> _Pair:
    """The same pair with its ends exchanged."""
    rho = np.asarray(_EXCHANGE @ pair.rho @ _EXCHANGE, dtype=np.complex128)
    return _Pair(rho, pair.since, pair.handles[::-1], pair.nodes[::-1], pair.frame, pair.seen[::-1])
