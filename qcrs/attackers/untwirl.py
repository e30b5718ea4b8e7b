"""What a provider can learn of the frames of one circuit: everything but one common mask.

A frame is the target with random Paulis put before each `cz` and undone after it (`qcrs.circuits.frames`).
Going through a frame from its start one may choose those Paulis anew: of the four gates P·U that a Pauli P
can make of a gate U, take the smallest by its angles, and carry P through the `cz` into the next gate. The
choice depends only on the target, so all frames of a target end in the *same* canonical circuit, and what is
left over before each measurement is the frame's mask, up to one mask common to all. So a cheat may pool,
simulate or approximate the target as if there were no frames; it only does not know which answer is which.

One-qubit gates are taken together by their matrices, two-qubit gates that are a `cz` but for one-qubit gates
(`cx`, `ecr`) as that. Circuits with other two-qubit gates, resets or feed-forward stay frames of their own.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Gate
from qiskit.circuit.library import CXGate, CZGate, ECRGate

__all__ = ["Undone", "measured_clbits", "palindromic", "undo"]

TURN = 1 << 32
_HALF, _MOD = TURN // 2, TURN - 1
_TINY = 1e-9
"""Amplitudes below this are zero: frames of a client have angles that are multiples of 2⁻³² turn."""

Angles = tuple[int, int, int]
Matrix = npt.NDArray[np.complex128]
_IDENTITY: Angles = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Undone:
    """Circuits of one call that are frames of one target, and the target up to a mask.

    `masks[k]`: outcome of circuit `indices[k]` XOR this is an outcome of `circuit`. `key` names the target.
    """

    indices: tuple[int, ...]
    circuit: QuantumCircuit
    masks: tuple[int, ...]
    key: str


def measured_clbits(circuit: QuantumCircuit) -> list[int]:
    """Classical bits that a measurement of the circuit itself writes, sorted."""
    return sorted(
        {circuit.find_bit(item.clbits[0]).index for item in circuit.data if item.operation.name == "measure"}
    )


def _times_pauli(angles: Angles, x: int, z: int) -> Angles:
    """Angles of U·P: the Pauli XᵡZᶻ acts first (up to a phase)."""
    theta, phi, lam = angles
    if x:
        theta, phi, lam = (_HALF - theta) & _MOD, (phi + _HALF) & _MOD, -lam & _MOD
    return theta, phi, (lam + _HALF) & _MOD if z else lam


def _pauli_times(angles: Angles, x: int, z: int) -> Angles:
    """Angles of P·U."""
    theta, phi, lam = angles
    if x:
        theta, phi, lam = (_HALF - theta) & _MOD, -phi & _MOD, (lam + _HALF) & _MOD
    return theta, (phi + _HALF) & _MOD if z else phi, lam


def _angles(*turns: float) -> Angles:
    """Angles in radians as multiples of 2⁻³² turn."""
    theta, phi, lam = (round(angle / (2 * math.pi) * TURN) & _MOD for angle in turns)
    return theta, phi, lam


def _angles_of(m: Matrix) -> Angles:
    """θ, φ, λ of a one-qubit gate, up to its phase."""
    sine, cosine = abs(m[1, 0]), abs(m[0, 0])
    if sine < _TINY:
        return _angles(0.0, 0.0, float(np.angle(m[1, 1] / m[0, 0])))
    if cosine < _TINY:
        return _angles(math.pi, 0.0, float(np.angle(-m[0, 1] / m[1, 0])))
    phi, lam = np.angle(m[1, 0] / m[0, 0]), np.angle(-m[0, 1] / m[0, 0])
    return _angles(2 * math.atan2(sine, cosine), float(phi), float(lam))


@lru_cache(maxsize=16)
def _as_cz(name: str) -> tuple[tuple[Matrix | None, tuple[int, ...]], ...] | None:
    """A two-qubit gate as one cz (None in place of a matrix) between one-qubit gates; None if it is not."""
    gate = {"cz": CZGate, "cx": CXGate, "ecr": ECRGate}.get(name)
    if gate is None:
        return None
    circuit = QuantumCircuit(2)
    circuit.append(gate(), (0, 1))
    plain = transpile(circuit, basis_gates=["u", "cz"], optimization_level=1, num_processes=1)
    return tuple(
        (
            None if item.operation.name == "cz" else item.operation.to_matrix(),
            tuple(plain.find_bit(bit).index for bit in item.qubits),
        )
        for item in plain.data
    )


def _normal(angles: Angles) -> Angles:
    """One set of angles for each gate: θ in [0, ½] turn, φ = 0 where only φ ± λ matters."""
    theta, phi, lam = angles
    if theta > _HALF:  # U(−θ, φ, λ) = U(θ, φ + π, λ + π)
        theta, phi, lam = -theta & _MOD, (phi + _HALF) & _MOD, (lam + _HALF) & _MOD
    if theta == 0:
        return 0, 0, (phi + lam) & _MOD
    if theta == _HALF:
        return theta, 0, (lam - phi) & _MOD
    return theta, phi, lam


def _smallest(angles: Angles, measured: bool) -> tuple[Angles, int, int]:
    """The smallest of the P·U, and the Pauli that is left over. Phases do not matter to readout."""
    best: tuple[Angles, int, int] | None = None
    for x in (0, 1):
        for z in (0, 1):
            theta, phi, lam = _normal(_pauli_times(angles, x, z))
            found = (theta, 0 if measured else phi, lam), x, z
            best = found if best is None or found < best else best
    if best is None:
        raise AssertionError("four candidates")
    return best


class _Walk:
    """One pass through a circuit; per qubit the gate that waits and the Pauli that acts before it."""

    def __init__(self, circuit: QuantumCircuit) -> None:
        self._circuit = circuit
        self._waiting: dict[int, Matrix] = {}
        self._pauli: dict[int, tuple[int, int]] = {}
        self.items: list[tuple[str, tuple[int, ...], Angles]] = []
        self.mask = 0

    def run(self) -> bool:
        """False where the circuit is of another kind."""
        measured: set[int] = set()
        for item in self._circuit.data:
            name = item.operation.name
            qubits = tuple(self._circuit.find_bit(bit).index for bit in item.qubits)
            if name in ("barrier", "delay", "id"):
                continue
            if not measured.isdisjoint(qubits):
                return False
            if name == "measure":
                x, _z = self._settle(qubits[0], measured=True)
                clbit = self._circuit.find_bit(item.clbits[0]).index
                self.items.append(("measure", (qubits[0], clbit), _IDENTITY))
                self.mask |= x << clbit
                measured.add(qubits[0])
            elif not isinstance(item.operation, Gate):
                return False
            elif len(qubits) == 1:
                self._rotate(qubits[0], item.operation.to_matrix())
            elif not self._two(name, qubits):
                return False
        return True

    def _rotate(self, qubit: int, matrix: Matrix) -> None:
        waiting = self._waiting.get(qubit)
        self._waiting[qubit] = matrix if waiting is None else matrix @ waiting

    def _two(self, name: str, qubits: tuple[int, ...]) -> bool:
        """A two-qubit gate; False if it is of another kind."""
        parts = _as_cz(name)
        for matrix, places in parts or ():
            if matrix is not None:
                self._rotate(qubits[places[0]], matrix)
                continue
            (xa, za), (xb, zb) = (self._settle(qubit, measured=False) for qubit in qubits)
            self.items.append(("cz", qubits, _IDENTITY))
            self._pauli[qubits[0]] = xa, za ^ xb
            self._pauli[qubits[1]] = xb, zb ^ xa
        return parts is not None

    def _settle(self, qubit: int, *, measured: bool) -> tuple[int, int]:
        """Write the smallest gate; the Pauli that remains to be applied after it."""
        waiting = self._waiting.pop(qubit, None)
        angles = _IDENTITY if waiting is None else _angles_of(waiting)
        angles = _times_pauli(angles, *self._pauli.pop(qubit, (0, 0)))
        chosen, x, z = _smallest(angles, measured)
        if chosen != _IDENTITY:
            self.items.append(("u", (qubit,), chosen))
        return x, z

    def story(self) -> list[tuple[int, list[object]]]:
        """The gates of each qubit in order: the same for all orders that mean the same."""
        lines: dict[int, list[object]] = {}
        for name, places, angles in self.items:
            for qubit in places if name == "cz" else places[:1]:
                lines.setdefault(qubit, []).append((name, sorted(places) if name == "cz" else places, angles))
        return sorted(lines.items())

    def circuit(self) -> QuantumCircuit:
        """The canonical circuit, measurements where they were."""
        out = self._circuit.copy_empty_like()
        for name, places, angles in self.items:
            if name == "u":
                out.u(*(angle * (2 * math.pi / TURN) for angle in angles), places[0])
            elif name == "cz":
                out.cz(*places)
            else:
                out.measure(*places)
        return out


_KNOWN: OrderedDict[tuple[int, ...], tuple[tuple[QuantumCircuit, ...], list[Undone]]] = OrderedDict()
_KEPT = 64


def _own_key(circuit: QuantumCircuit) -> str:
    """A name for a circuit that is not undone: its very gates."""
    gates = [
        (item.operation.name, [circuit.find_bit(bit).index for bit in item.qubits], item.operation.params)
        for item in circuit.data
    ]
    return sha256(repr(gates).encode()).hexdigest()


def undo(circuits: Sequence[QuantumCircuit]) -> list[Undone]:
    """Group the circuits of a call by their targets. The last calls are remembered by identity."""
    names = tuple(map(id, circuits))
    if names in _KNOWN:
        return _KNOWN[names][1]
    groups: OrderedDict[str, tuple[QuantumCircuit, list[int], list[int]]] = OrderedDict()
    for index, circuit in enumerate(circuits):
        walk = _Walk(circuit)
        if walk.run():
            key = sha256(repr(walk.story()).encode()).hexdigest()
            group = groups.setdefault(key, (walk.circuit() if key not in groups else circuit, [], []))
            group[1].append(index)
            group[2].append(walk.mask)
        else:
            groups[_own_key(circuit)] = (circuit, [index], [0])
    found = [
        Undone(tuple(indices), circuit, tuple(masks), key)
        for key, (circuit, indices, masks) in groups.items()
    ]
    _KNOWN[names] = (tuple(circuits), found)
    while len(_KNOWN) > _KEPT:
        _KNOWN.popitem(last=False)
    return found


def palindromic(circuit: QuantumCircuit) -> bool:
    """Whether every qubit's story reads the same backwards, up to Paulis: a mirror circuit does.

    Compared are the partners of two-qubit gates and the angles θ of the one-qubit gates between them, folded
    onto [0, ¼] turn, which neither a Pauli nor an inversion changes.
    """
    stories: dict[int, list[object]] = {}
    waiting: dict[int, Matrix] = {}

    def close(qubit: int) -> None:
        if qubit in waiting:
            theta = _angles_of(waiting.pop(qubit))[0]
            folded = round(min(theta, _HALF - theta) / TURN, 7)
            if folded:
                stories.setdefault(qubit, []).append(folded)

    for item in circuit.data:
        qubits = [circuit.find_bit(bit).index for bit in item.qubits]
        if not isinstance(item.operation, Gate):
            continue
        if len(qubits) == 1:
            matrix = item.operation.to_matrix()
            waiting[qubits[0]] = matrix @ waiting[qubits[0]] if qubits[0] in waiting else matrix
            continue
        for matrix, places in _as_cz(item.operation.name) or ((None, (0, 1)),):
            if matrix is not None:
                qubit = qubits[places[0]]
                waiting[qubit] = matrix @ waiting[qubit] if qubit in waiting else matrix
                continue
            for qubit, other in (qubits, qubits[::-1]):
                close(qubit)
                stories.setdefault(qubit, []).append(("pair", other))
    for qubit in list(waiting):
        close(qubit)
    return bool(stories) and all(story == story[::-1] for story in stories.values())
