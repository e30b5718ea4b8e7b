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

from qcrs.qnp.physical.bell import AXES, BellPair, frame_signs
from qcrs.qnp.physical.hardware import NodeNoise, Source
from qcrs.qnp.physical.purification import joined
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


_THIRD = (ID - 1j * (X + Y + Z)) / 2
TURN_GATES = (ID, (ID - 1j * X) / math.sqrt(2), _THIRD, _THIRD.conj().T)
"""The turns of `purification.TURNS` as gates of the head; the tail applies the complex conjugate."""

CNOT = np.eye(4, dtype=complex)[[0, 1, 3, 2]]


def _full(operator: Matrix, qubits: Sequence[int], count: int) -> Matrix:
    """An operator on some of `count` qubits, shape (2^count, 2^count); qubit 0 is the leftmost factor."""
    rest = [q for q in range(count) if q not in qubits]
    order = [*qubits, *rest]
    wide = np.kron(operator, np.eye(2 ** len(rest))).reshape((2,) * (2 * count))
    place = [order.index(q) for q in range(count)]
    wide = wide.transpose([*place, *(count + p for p in place)])
    return np.asarray(wide.reshape(2**count, 2**count), dtype=np.complex128)


def purify_part(
    rho: Matrix, kept: int, target: int, gates: tuple[Matrix, Matrix], noise: NodeNoise
) -> tuple[tuple[float, float], tuple[Matrix, Matrix]]:
    """One end's part of a purification on the qubits of a joint state; the target is measured and goes.

    `gates` turn its two qubits. Chances of the *reported* bits 0 and 1 and the states left with each.
    """
    count = int(rho.shape[0]).bit_length() - 1
    both = CNOT @ np.kron(*gates)
    whole = _full(np.asarray(both, dtype=np.complex128), (kept, target), count)
    rho = np.asarray(whole @ rho @ whole.conj().T, dtype=np.complex128)
    if noise.gate_error:
        mixed = np.zeros_like(rho)
        for a in PAULIS:
            for b in PAULIS:
                one = _full(np.asarray(np.kron(a, b), dtype=np.complex128), (kept, target), count)
                mixed += one @ rho @ one.conj().T / 16
        rho = (1 - noise.gate_error) * rho + noise.gate_error * mixed
    shaped = np.moveaxis(rho.reshape((2,) * (2 * count)), (target, count + target), (0, 1))
    size = 2 ** (count - 1)
    real = [shaped[b, b].reshape(size, size) for b in (0, 1)]
    e = noise.readout_error
    seen = [np.asarray((1 - e) * real[b] + e * real[1 - b], dtype=np.complex128) for b in (0, 1)]
    chance = (float(np.real(np.trace(seen[0]))), float(np.real(np.trace(seen[1]))))
    states = [s / c if c > 0 else s for s, c in zip(seen, chance, strict=True)]
    return chance, (states[0], states[1])


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
    return reported_states(unnormalised, noise)


def reported_states(
    unnormalised: Sequence[npt.NDArray[np.complex128]], noise: NodeNoise
) -> tuple[npt.NDArray[np.float64], list[Matrix]]:
    """From the four outcomes of a perfect Bell measurement to those that a noisy gate and readout report."""
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


def teleport_states(
    data: Matrix, pair: Matrix, noise: NodeNoise
) -> tuple[npt.NDArray[np.float64], list[Matrix]]:
    """Bell measurement of a data qubit and a pair's first: reported outcomes' chances, states left."""
    joint = np.kron(data, pair).reshape((2,) * 6)
    parts = []
    for outcome in range(4):
        v = bell_vector(outcome).reshape(2, 2)
        parts.append(np.einsum("abcijk,ab,ij->ck", joint, v.conj(), v))
    return reported_states(parts, noise)


@dataclass(slots=True)
class _Pair:
    rho: Matrix
    since: int
    handles: list[int]
    nodes: list[int]
    frame: int
    seen: list[bool] = field(default_factory=lambda: [False, False])


@dataclass(slots=True)
class _Half:
    """A purification half done: the kept qubit of that end, of the other, and the other's target."""

    rho: Matrix
    since: int


def _decohered(rho: Matrix, qubit: int, age_ns: float, noise: NodeNoise) -> Matrix:
    """Dephasing and depolarising of one qubit of a joint state for a time."""
    count = int(rho.shape[0]).bit_length() - 1

    def on(operator: Matrix) -> Matrix:
        full = _full(operator, (qubit,), count)
        return np.asarray(full @ rho @ full.conj().T, dtype=np.complex128)

    flip = (1 - math.exp(-noise.dephasing_per_ns * age_ns)) / 2
    rho = (1 - flip) * rho + flip * on(Z)
    lost = 1 - math.exp(-noise.depolarising_per_ns * age_ns)
    return (1 - lost) * rho + lost * sum(on(p) for p in (ID, X, Y, Z)) / 4


class DensityMatrixHardware:
    """Pairs as density matrices; draws from the same streams as the fast backend. See `Hardware`."""

    def __init__(self, nodes: Sequence[NodeNoise], seed: int) -> None:
        self._nodes = list(nodes)
        self._pairs: dict[int, _Pair] = {}
        self._next = 0
        self._half: dict[int, _Half] = {}
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

    def _part(
        self, rho: Matrix, kept: int, target: int, gates: tuple[Matrix, Matrix], node: int
    ) -> tuple[tuple[float, float], tuple[Matrix, Matrix]]:
        return purify_part(rho, kept, target, gates, self._nodes[node])

    def purify(self, now: int, node: int, kept: int, sacrificed: int, turns: tuple[int, int]) -> int:
        """One end's part of a purification: the first end's turns are U, the second's U*."""
        p, q = self._pairs[kept], self._pairs[sacrificed]
        mine = p.handles.index(kept)
        begun = self._half.pop(p.handles[1 - mine], None)
        gates = (TURN_GATES[turns[0]], TURN_GATES[turns[1]])
        draw = self._streams[node].uniform()
        if begun is None:
            self._settle(now, p)
            self._settle(now, q)
            one = p.rho if mine == 0 else _turned(p).rho
            two = q.rho if q.handles[0] == sacrificed else _turned(q).rho
            pair = np.asarray(
                np.kron(one, two), dtype=np.complex128
            )  # own kept, its partner, own target, its partner
            chance, states = self._part(pair, 0, 2, gates, node)
            bit = 0 if draw <= chance[0] else 1
            self._half[kept] = _Half(states[bit], now)
            return bit
        state = begun.rho
        for qubit, where in ((0, p.nodes[1 - mine]), (1, node), (2, node)):
            state = _decohered(state, qubit, now - begun.since, self._nodes[where])
        conjugate = (
            np.asarray(gates[0].conj(), dtype=np.complex128),
            np.asarray(gates[1].conj(), dtype=np.complex128),
        )
        chance, states = self._part(state, 1, 2, conjugate, node)
        bit = 0 if draw <= chance[0] else 1
        rho = states[bit]
        p.rho = rho if mine == 1 else np.asarray(_EXCHANGE @ rho @ _EXCHANGE, dtype=np.complex128)
        p.since = now
        p.frame = joined(p.frame, q.frame, turns)[0]
        return bit

    def correct(self, handle: int, pauli: int) -> None:
        """Apply a Pauli."""
        pair = self._pairs[handle]
        qubit = pair.handles.index(handle)
        if not pair.seen[qubit]:
            pair.rho = _on(pair.rho, PAULIS[pauli], qubit)
        pair.frame ^= pauli

    def _teleported(
        self, data: Matrix, pair: Matrix, node: int
    ) -> tuple[npt.NDArray[np.float64], list[Matrix]]:
        return teleport_states(data, pair, self._nodes[node])

    def teleport(self, now: int, node: int, handle: int, vector: tuple[float, float, float]) -> int:
        """Bell measurement of a qubit with this Bloch vector and `handle`, which ends: the outcome."""
        pair = self._pairs.pop(handle)
        self._settle(now, pair)
        pair = pair if pair.handles[0] == handle else _turned(pair)
        data = np.asarray((ID + vector[0] * X + vector[1] * Y + vector[2] * Z) / 2, dtype=np.complex128)
        weights, states = self._teleported(data, pair.rho, node)
        draw = self._streams[node].uniform() * float(weights.sum())
        outcome = min(3, int(np.searchsorted(np.cumsum(weights), draw)))
        rho = np.zeros((4, 4), dtype=np.complex128)
        rho[:2, :2] = states[outcome]
        single = _Pair(rho, now, [-1, pair.handles[1]], pair.nodes, pair.frame ^ outcome, [True, False])
        self._pairs[pair.handles[1]] = single
        return outcome

    def vector(self, now: int, handle: int) -> tuple[float, float, float]:
        """The Bloch vector of a qubit that was teleported."""
        single = self._pairs[handle]
        self._settle(now, single)
        rho = single.rho[:2, :2]
        x, y, z = (float(np.real(np.trace(rho @ p))) for p in (X, Y, Z))
        return x, y, z

    def scramble(self, handle: int, axis: int) -> None:
        """A qubit is measured along X, Y or Z by a stranger and sent on."""
        pair = self._pairs[handle]
        other = _on(pair.rho, (X, Y, Z)[axis], pair.handles.index(handle))
        pair.rho = (pair.rho + other) / 2

    def free(self, handle: int) -> None:
        """Forget a handle."""
        del self._pairs[handle]
        self._half.pop(handle, None)

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

    def pair(self, now: int, handle: int) -> BellPair:
        """The Bell-diagonal part of the handle's pair, as a value."""
        pair = self._pairs[handle]
        self._settle(now, pair)
        signs = frame_signs(pair.frame)
        x, y, z = (
            s * float(np.real(np.trace(pair.rho @ np.kron(p, p))))
            for s, p in zip(signs, (X, Y, Z), strict=True)
        )
        return BellPair(x, y, z, pair.frame)

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
