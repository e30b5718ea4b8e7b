"""Frames: Pauli-twirled versions of a circuit that only the holder of the seed can decode.

Before each cz a random Pauli is put on both qubits and undone after it; before each measurement a
final random Pauli, whose X part flips the outcome bit. Everything is merged into the neighbouring
one-qubit gates. The flips of the last measurement of each bit form the *mask*; decoding is an XOR.
Twirling and masking turn coherent and readout errors into stochastic, symmetric ones (Wallman and
Emerson, Phys. Rev. A 94, 052325; van den Berg et al., arXiv 2012.09738), and make a copied or
forced raw answer look random.

All arithmetic is on integers of 2⁻³² turn. Up to a global phase:

    X·U(θ, φ, λ) = U(π−θ, −φ, λ+π)      U(θ, φ, λ)·X = U(π−θ, φ+π, −λ)
    Z·U(θ, φ, λ) = U(θ, φ+π, λ)         U(θ, φ, λ)·Z = U(θ, φ, λ+π)

All frames of a circuit have the same instructions in the same order; only angles differ. Bits that
control flow reads or writes are not masked, and circuits inside control flow are not twirled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from qcrs.circuits.document import TURN, CircuitDocument, Instruction
from qcrs.circuits.drbg import Drbg
from qcrs.errors import InputError

__all__ = ["Frame", "decode", "frame", "frame_mask", "frames_per_unit", "shots_per_frame"]

_HALF = TURN // 2
_MOD = TURN - 1

MAX_FRAMES = 10
FRAME_BUDGET = 100


@dataclass(frozen=True, slots=True)
class Frame:
    """One twirled circuit and the mask that decodes its outcomes (bit i: classical bit i)."""

    circuit: CircuitDocument
    mask: int


def frames_per_unit(shots: int, units: int) -> int:
    """Frames of each unit of a job: max(1, min(10, shots, 100 // units))."""
    if shots < 1 or units < 1:
        raise InputError("a job has at least one unit and one shot", field="shots", value=(shots, units))
    return max(1, min(MAX_FRAMES, shots, FRAME_BUDGET // units))


def shots_per_frame(shots: int, units: int) -> tuple[int, ...]:
    """Shots of each frame of a unit: split evenly, the first frames taking the remainder."""
    count = frames_per_unit(shots, units)
    each, more = divmod(shots, count)
    return tuple(each + (index < more) for index in range(count))


def _after(params: tuple[int, ...], x: int, z: int) -> tuple[int, ...]:
    """Angles of (Pauli · U): the Pauli acts after the gate."""
    theta, phi, lam = params
    if x:
        theta, phi, lam = (_HALF - theta) & _MOD, -phi & _MOD, (lam + _HALF) & _MOD
    return (theta, (phi + _HALF) & _MOD if z else phi, lam)


def _before(params: tuple[int, ...], x: int, z: int) -> tuple[int, ...]:
    """Angles of (U · Pauli): the Pauli acts before the gate."""
    theta, phi, lam = params
    if x:
        theta, phi, lam = (_HALF - theta) & _MOD, (phi + _HALF) & _MOD, -lam & _MOD
    return (theta, phi, (lam + _HALF) & _MOD if z else lam)


def _unmasked(doc: CircuitDocument) -> frozenset[int]:
    """The classical bits that control flow reads or writes."""
    written = {bit for ins in doc.instructions if ins.control is not None for bit in ins.clbits}
    return doc.read_clbits() | written


class _Twirler:
    """Walks a circuit once; per qubit it holds an open u gate, or a Pauli still to be applied."""

    def __init__(self, doc: CircuitDocument, stream: Drbg) -> None:
        self._doc = doc
        twirls = sum(4 * (ins.name == "cz") + 2 * (ins.name == "measure") for ins in doc.instructions)
        self._bits: Iterator[int] = iter(stream.bits(twirls).tolist())
        self._open: dict[int, tuple[int, ...]] = {}
        self._pauli: dict[int, tuple[int, int]] = {}
        self._out: list[Instruction] = []
        self._unmasked = _unmasked(doc)
        self._mask: dict[int, int] = {}

    def run(self) -> Frame:
        """The frame."""
        for ins in self._doc.instructions:
            if ins.name == "u":
                self._gate(ins.qubits[0], ins.params)
            elif ins.name == "cz":
                self._cz(ins)
            elif ins.name == "measure":
                self._measure(ins)
            elif ins.name == "barrier":  # a Pauli may pass; undone here, it would cost a gate of its own
                for qubit in ins.qubits:
                    self._close(qubit)
                self._out.append(ins)
            else:
                self._flush(ins)
                self._out.append(ins)
        for qubit in sorted(self._open):
            self._close(qubit)
        doc = self._doc
        mask = sum(flip << bit for bit, flip in self._mask.items())
        return Frame(CircuitDocument(doc.qubits, doc.clbits, doc.registers, tuple(self._out)), mask)

    def _gate(self, qubit: int, params: tuple[int, ...]) -> None:
        self._close(qubit)
        self._open[qubit] = _before(params, *self._pauli.pop(qubit, (0, 0)))

    def _close(self, qubit: int) -> None:
        params = self._open.pop(qubit, None)
        if params is not None:
            self._out.append(Instruction("u", (qubit,), (), params))

    def _insert(self, qubit: int, x: int, z: int) -> None:
        """Apply a Pauli now: into the open gate, or into a new one that also takes the pending Pauli."""
        params = self._open.get(qubit)
        if params is None:
            params = _before((0, 0, 0), *self._pauli.pop(qubit, (0, 0)))
        self._open[qubit] = _after(params, x, z)
        self._close(qubit)

    def _flush(self, ins: Instruction) -> None:
        """Bring every qubit of an untwirled instruction into its true state (a reset needs none)."""
        for qubit in ins.qubits:
            self._close(qubit)
            pauli = self._pauli.pop(qubit, None)
            if pauli is not None and ins.name != "reset":
                self._out.append(Instruction("u", (qubit,), (), _before((0, 0, 0), *pauli)))

    def _cz(self, ins: Instruction) -> None:
        a, b = ins.qubits
        xa, za, xb, zb = (next(self._bits) for _ in range(4))
        self._insert(a, xa, za)
        self._insert(b, xb, zb)
        self._out.append(ins)
        self._pauli[a] = (xa, za ^ xb)
        self._pauli[b] = (xb, zb ^ xa)

    def _measure(self, ins: Instruction) -> None:
        qubit, bit = ins.qubits[0], ins.clbits[0]
        x, z = next(self._bits), next(self._bits)
        if bit in self._unmasked:
            x = 0
        self._insert(qubit, x, z)
        self._out.append(ins)
        self._pauli[qubit] = (x, z)
        self._mask[bit] = x


def _stream(seed: bytes, unit: int, index: int) -> Drbg:
    return Drbg(seed, b"qcrs/frame/1" + unit.to_bytes(4, "big") + index.to_bytes(4, "big"))


def frame(doc: CircuitDocument, seed: bytes, unit: int, index: int) -> Frame:
    """Frame `index` of unit `unit` of a job whose seed has 32 bytes."""
    return _Twirler(doc, _stream(seed, unit, index)).run()


def frame_mask(doc: CircuitDocument, seed: bytes, unit: int, index: int) -> int:
    """The mask of that frame alone, without building its circuit."""
    sizes = [4 if ins.name == "cz" else 2 for ins in doc.instructions if ins.name in ("cz", "measure")]
    bits = _stream(seed, unit, index).bits(sum(sizes)).tolist()
    unmasked, mask, at = _unmasked(doc), 0, 0
    for ins in doc.instructions:
        if ins.name == "cz":
            at += 4
        elif ins.name == "measure":
            bit = ins.clbits[0]
            mask = mask & ~(1 << bit) | ((bits[at] if bit not in unmasked else 0) << bit)
            at += 2
    return mask


def decode(counts: Mapping[int, int], mask: int) -> dict[int, int]:
    """Counts of the target from the counts of a frame: every outcome is XORed with the mask."""
    return {outcome ^ mask: count for outcome, count in counts.items()}
