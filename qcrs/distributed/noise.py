"""The distribution that noisy pairs leave of a shared circuit: exact for few qubits, sampled above.

A pair with a Pauli error gives a copy with that error. Z on a copy is Z on the qubit. X on a copy only flips
what the copy's own gates see, and vanishes when the copy is measured away, unless the copy has become the
qubit. So nothing but a flag for each open copy has to be followed beside the program's own qubits, and the
flags are classical: one density matrix for each pattern of flags, or one state vector for each draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from qcrs.distributed.normal_form import Matrix
from qcrs.distributed.plan import Plan
from qcrs.distributed.schedule import Apply, Close, Follow, Move, Open, Rotate
from qcrs.errors import InputError

__all__ = ["BellDiagonal", "predicted", "sampled"]

Floats = NDArray[np.float64]
Channel = tuple[int, int]
MOST_EXACT = 10
"""Qubits up to which density matrices are used."""
MOST_SAMPLED = 22


@dataclass(frozen=True, slots=True)
class BellDiagonal:
    """Probabilities that a pair carries no error, X, Y or Z on its far half."""

    i: float
    x: float
    y: float
    z: float

    def __post_init__(self) -> None:
        parts = (self.i, self.x, self.y, self.z)
        if min(parts) < -1e-12 or abs(sum(parts) - 1) > 1e-9:
            raise InputError("four probabilities that sum to one", field="pair", value=parts)

    @classmethod
    def werner(cls, fidelity: float) -> BellDiagonal:
        """A pair of this fidelity whose errors are equally likely."""
        rest = (1 - fidelity) / 3
        return cls(fidelity, rest, rest, rest)

    @classmethod
    def from_correlators(cls, xx: float, yy: float, zz: float) -> BellDiagonal:
        """From ⟨XX⟩, −⟨YY⟩ and ⟨ZZ⟩ of a pair meant to be Φ⁺ (all 1 without errors)."""
        return cls(
            (1 + xx + yy + zz) / 4, (1 + xx - yy - zz) / 4, (1 - xx + yy - zz) / 4, (1 - xx - yy + zz) / 4
        )

    def then(self, other: BellDiagonal) -> BellDiagonal:
        """The pair that swapping two pairs gives."""
        a, b = (self.i, self.x, self.y, self.z), (other.i, other.x, other.y, other.z)
        out = [0.0] * 4
        bits = (0b00, 0b10, 0b11, 0b01)  # (x part, z part) of I, X, Y, Z
        for p, left in zip(bits, a, strict=True):
            for q, right in zip(bits, b, strict=True):
                out[bits.index(p ^ q)] += left * right
        return BellDiagonal(*out)


def _pair_of(plan: Plan, act: Open, channels: Mapping[Channel, BellDiagonal]) -> BellDiagonal:
    found = BellDiagonal(1.0, 0.0, 0.0, 0.0)
    for p, q in pairwise(plan.network.path(act.source, act.target)):
        channel = (min(p, q), max(p, q))
        if channel not in channels:
            raise InputError(
                "nothing is known of a channel",
                field="channels",
                value=channel,
                solution="give its pairs' errors",
            )
        found = found.then(channels[channel])
    return found


def _phases(size: int, gate: Apply, flipped: tuple[bool, bool]) -> Matrix:
    """Diagonal of a controlled phase whose parts see flipped bits."""
    index = np.arange(1 << size)
    a, b = gate.gate.qubits
    both = ((index >> a & 1) ^ flipped[0]) & ((index >> b & 1) ^ flipped[1])
    found: Matrix = np.exp(1j * gate.gate.angle * both)
    return found


def _signs(size: int, qubit: int) -> Floats:
    signs: Floats = (1 - 2 * (np.arange(1 << size) >> qubit & 1)).astype(np.float64)
    return signs


def _turned(state: Matrix, matrix: Matrix, qubit: int) -> Matrix:
    """`matrix` on a qubit of the first axis of a state or density matrix."""
    shape = state.shape
    rows = state.reshape(shape[0] >> (qubit + 1), 2, 1 << qubit, -1)
    turned: Matrix = np.einsum("ab,xbyz->xayz", matrix, rows).reshape(shape)
    return turned


X: Matrix = np.array([[0, 1], [1, 0]], dtype=np.complex128)
Flags = frozenset[tuple[int, int]]
"""Copies, as (qubit, processor), that are flipped."""


def predicted(plan: Plan, channels: Mapping[Channel, BellDiagonal]) -> Floats:
    """Probabilities of the outcomes of the program's classical bits (of its qubits, where it measures none).

    Exact. Raises `InputError` above 10 qubits (`sampled` goes on) and for a channel that is not named.
    """
    n = plan.form.qubits
    if n > MOST_EXACT:
        raise InputError(
            f"density matrices reach {MOST_EXACT} qubits", field="qubits", value=n, solution="use `sampled`"
        )
    first = np.zeros((1 << n, 1 << n), dtype=np.complex128)
    first[0, 0] = 1
    parts: dict[Flags, Matrix] = {frozenset(): first}
    for act in plan.schedule.acts:
        if isinstance(act, Open):
            parts = _opened(parts, act, _pair_of(plan, act, channels), n)
        elif isinstance(act, Apply):
            for flags, rho in parts.items():
                d = _phases(n, act, _seen(flags, act))
                parts[flags] = rho * d[:, None] * d.conj()[None, :]
        elif isinstance(act, Rotate):
            for flags, rho in parts.items():
                parts[flags] = _both(rho, act.turn.matrix, act.turn.qubit)
        elif isinstance(act, Follow):
            parts = {_followed(flags, act): rho for flags, rho in parts.items()}
        else:
            parts = _closed(parts, act)
    total = sum(np.real(np.diag(rho)) for rho in parts.values())
    return _outcomes(np.asarray(total, dtype=np.float64), plan)


def _seen(flags: Flags, act: Apply) -> tuple[bool, bool]:
    a, b = act.gate.qubits
    return (a, act.at) in flags, (b, act.at) in flags


def _followed(flags: Flags, act: Follow) -> Flags:
    """A copy that follows by a flipped control, or whose qubit was flipped by one, is flipped against it.

    A bijection of flags, so no two patterns become one.
    """
    if ((act.control, act.at) in flags) == ((act.control, act.source) in flags):
        return flags
    return flags ^ {(act.qubit, act.at)}


def _both(rho: Matrix, matrix: Matrix, qubit: int) -> Matrix:
    left = _turned(rho, matrix, qubit)
    return _turned(left.T, matrix.conj(), qubit).T


def _opened(parts: dict[Flags, Matrix], act: Open, pair: BellDiagonal, n: int) -> dict[Flags, Matrix]:
    signs = _signs(n, act.qubit)
    twice = signs[:, None] * signs[None, :]
    out: dict[Flags, Matrix] = {}
    for flags, rho in parts.items():
        inherits = (act.qubit, act.source) in flags
        for flip, plain, z in ((False, pair.i, pair.z), (True, pair.x, pair.y)):
            if plain + z == 0:
                continue
            key = flags | {(act.qubit, act.target)} if flip != inherits else flags
            this = rho * (plain + z * twice)
            out[key] = out[key] + this if key in out else this
    return out


def _closed(parts: dict[Flags, Matrix], act: Close | Move) -> dict[Flags, Matrix]:
    """Flags of a copy that is measured away are summed over; one that becomes the qubit takes its flip along.

    A move ends its segment: what copies are left see no gate any more.
    """
    out: dict[Flags, Matrix] = {}
    for flags, rho in parts.items():
        if isinstance(act, Move):
            this = _both(rho, X, act.qubit) if (act.qubit, act.to) in flags else rho
            key = frozenset(flag for flag in flags if flag[0] != act.qubit)
        else:
            this, key = rho, flags - {(act.qubit, act.at)}
        out[key] = out[key] + this if key in out else this
    return out


def sampled(
    plan: Plan, channels: Mapping[Channel, BellDiagonal], draws: int, seed: int = 0
) -> tuple[Floats, Floats]:
    """Mean of the outcome probabilities over drawn errors and its standard error, to 22 qubits.

    Every draw is one state vector, so without errors a single draw is exact.
    """
    n = plan.form.qubits
    if n > MOST_SAMPLED:
        raise InputError(f"state vectors reach {MOST_SAMPLED} qubits", field="qubits", value=n)
    dice = np.random.default_rng(seed)
    total = np.zeros(1 << max(plan.form.clbits, 0 if plan.form.measures else n))
    squares = np.zeros_like(total)
    for _ in range(draws):
        found = _outcomes(np.abs(_trajectory(plan, channels, dice)) ** 2, plan)
        total += found
        squares += found**2
    mean = total / draws
    return mean, np.sqrt(np.maximum(squares / draws - mean**2, 0) / draws)


def _trajectory(plan: Plan, channels: Mapping[Channel, BellDiagonal], dice: np.random.Generator) -> Matrix:
    n = plan.form.qubits
    state = np.zeros(1 << n, dtype=np.complex128)
    state[0] = 1
    flags: Flags = frozenset()
    for act in plan.schedule.acts:
        if isinstance(act, Open):
            pair = _pair_of(plan, act, channels)
            error = dice.choice(4, p=(pair.i, pair.x, pair.y, pair.z))
            if error >= 2:
                state = state * _signs(n, act.qubit)
            if (error in (1, 2)) != ((act.qubit, act.source) in flags):
                flags |= {(act.qubit, act.target)}
        elif isinstance(act, Apply):
            state = state * _phases(n, act, _seen(flags, act))
        elif isinstance(act, Rotate):
            state = _turned(state, act.turn.matrix, act.turn.qubit)
        elif isinstance(act, Follow):
            flags = _followed(flags, act)
        elif isinstance(act, Move):
            if (act.qubit, act.to) in flags:
                state = _turned(state, X, act.qubit)
            flags = frozenset(flag for flag in flags if flag[0] != act.qubit)
        else:
            flags -= {(act.qubit, act.at)}
    return state


def _outcomes(p: Floats, plan: Plan) -> Floats:
    """From the form's qubits to the program's classical bits; to its qubits where it measures nothing."""
    form = plan.form
    if not form.measures:
        return p
    index, found = np.arange(len(p)), np.zeros(len(p), dtype=np.int64)
    for qubit, clbit in form.measures:
        found = (found & ~(1 << clbit)) | (index >> qubit & 1) << clbit
    sums: Floats = np.bincount(found, weights=p, minlength=1 << form.clbits).astype(np.float64)
    return sums
