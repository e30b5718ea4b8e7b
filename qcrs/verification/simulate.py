"""V3 SIMULATE: the ideal outcome distribution of a circuit document, and exact expectation values.

A circuit whose measurements are all final is one state vector (Aer's where it is installed, else
numpy's). A dynamic circuit is followed through every branch of its mid-circuit measurements and
resets while there are at most 4,096 of them; past that, branches carry shots instead of
probabilities and the reference is sampled, from a seed. Both ways give the same numbers on every
machine to about 10⁻¹².
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from qcrs.circuits.conditions import evaluate
from qcrs.circuits.document import TURN, CircuitDocument, Instruction
from qcrs.circuits.drbg import Drbg
from qcrs.errors import VerificationError

__all__ = ["Ideal", "active_qubits", "expectation", "expectations", "ideal", "statevector", "truncated"]

MAX_QUBITS = 24
MAX_BRANCHES = 4096
MAX_AMPLITUDES = 1 << 24
MAX_ITERATIONS = 10_000
MAX_PROJECTORS = 12
BONDS = (2, 4, 8)
"""Bond dimensions of the cheap simulations that an answer is compared with."""
_NEGLIGIBLE = 1e-14
_AER_FROM_QUBITS = 12
"""Below this width numpy is faster than starting Aer."""

State = npt.NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Ideal:
    """The noiseless distribution over the measured classical bits `bits` (bit k of an index: bits[k]).

    `shots` is 0 for exact probabilities; otherwise they are frequencies of that many samples.
    """

    bits: tuple[int, ...]
    probabilities: npt.NDArray[np.float64]
    shots: int = 0
    alternatives: tuple[tuple[str, npt.NDArray[np.float64]], ...] = ()
    """Other answers that somebody without a device might give, by name (see `truncated`)."""


def _too_large(what: str, value: int, limit: int) -> VerificationError:
    return VerificationError(
        f"the circuit is too large to simulate: {what}",
        field="circuit",
        value=value,
        solution=f"at most {limit}; compare with other executions instead",
    )


def _matrix(params: Sequence[int]) -> npt.NDArray[np.complex128]:
    theta, phi, lam = (angle * (2 * math.pi / TURN) for angle in params)
    cos, sin = math.cos(theta / 2), math.sin(theta / 2)
    return np.array(
        [
            [cos, -np.exp(1j * lam) * sin],
            [np.exp(1j * phi) * sin, np.exp(1j * (phi + lam)) * cos],
        ]
    )


def _apply_u(psi: State, qubit: int, params: Sequence[int]) -> State:
    """One-qubit gate on states of shape (branches, 2ⁿ)."""
    m = _matrix(params)
    view = psi.reshape(psi.shape[0], -1, 2, 1 << qubit)
    out = np.empty_like(view)
    zero, one = view[:, :, 0], view[:, :, 1]
    out[:, :, 0] = m[0, 0] * zero + m[0, 1] * one
    out[:, :, 1] = m[1, 0] * zero + m[1, 1] * one
    return out.reshape(psi.shape)


def _apply_cz(psi: State, a: int, b: int) -> State:
    low, high = min(a, b), max(a, b)
    out = psi.copy()
    out.reshape(psi.shape[0], -1, 2, 1 << (high - low - 1), 2, 1 << low)[:, :, 1, :, 1] *= -1
    return out


@dataclass(slots=True)
class _Branches:
    """States (branches, 2ⁿ) of norm 1, the classical bits of each, and its weight."""

    psi: State
    bits: list[int]
    weight: npt.NDArray[np.float64]

    def take(self, index: Sequence[int]) -> _Branches:
        """The branches of these numbers."""
        return _Branches(self.psi[index], [self.bits[i] for i in index], self.weight[index])

    @staticmethod
    def joined(parts: Sequence[_Branches]) -> _Branches:
        """Several sets of branches as one."""
        return _Branches(
            np.concatenate([p.psi for p in parts]),
            [bits for p in parts for bits in p.bits],
            np.concatenate([p.weight for p in parts]),
        )


class _Run:
    """Follows every branch of a circuit; weights are probabilities, or shots where `stream` is given."""

    def __init__(self, doc: CircuitDocument, stream: Drbg | None) -> None:
        self._doc = doc
        self._stream = stream
        self._steps = 0

    def run(self, instructions: Sequence[Instruction], branches: _Branches) -> _Branches:
        """All branches after these instructions (loops handle their own jumps)."""
        going, broken, continued = self._block(instructions, branches)
        return _Branches.joined([going, broken, continued])

    def _block(
        self, instructions: Sequence[Instruction], branches: _Branches
    ) -> tuple[_Branches, _Branches, _Branches]:
        """Branches that go on, that left by break, and that left by continue."""
        none = branches.take([])
        broken, continued = [none], [none]
        for ins in instructions:
            if not branches.bits:
                break
            match ins.name:
                case "u":
                    branches.psi = _apply_u(branches.psi, ins.qubits[0], ins.params)
                case "cz":
                    branches.psi = _apply_cz(branches.psi, *ins.qubits)
                case "measure":
                    branches = self._measure(branches, ins.qubits[0], ins.clbits[0])
                case "reset":
                    branches = self._measure(branches, ins.qubits[0], None)
                case "barrier" | "delay":
                    pass
                case "break_loop":
                    broken.append(branches)
                    branches = none
                case "continue_loop":
                    continued.append(branches)
                    branches = none
                case "for_loop" | "while_loop":
                    branches = self._loop(ins, branches)
                case _:
                    branches, left, again = self._choice(ins, branches)
                    broken.append(left)
                    continued.append(again)
        return branches, _Branches.joined(broken), _Branches.joined(continued)

    def _measure(self, branches: _Branches, qubit: int, bit: int | None) -> _Branches:
        """Split each branch by the outcome; `bit` None is a reset."""
        psi = branches.psi
        view = psi.reshape(psi.shape[0], -1, 2, 1 << qubit)
        ones = np.einsum("bij,bij->b", view[:, :, 1], view[:, :, 1].conj()).real
        chance = (1.0 - ones, ones)
        weights: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
        if self._stream is None:
            weights = (branches.weight * chance[0], branches.weight * chance[1])
        else:
            hits = np.array(
                [
                    float((self._stream.uniform(int(shots)) < p).sum())
                    for shots, p in zip(branches.weight, ones, strict=True)
                ]
            )
            weights = (branches.weight - hits, hits)
        parts = []
        for outcome in (0, 1):
            keep = np.flatnonzero((weights[outcome] > _NEGLIGIBLE) & (chance[outcome] > _NEGLIGIBLE)).tolist()
            part = np.zeros((len(keep), *view.shape[1:]), dtype=np.complex128)
            target = 0 if bit is None else outcome
            norm = np.sqrt(chance[outcome][keep])[:, None, None]
            part[:, :, target] = view[keep][:, :, outcome] / norm
            bits = [branches.bits[i] for i in keep]
            if bit is not None:
                bits = [(old & ~(1 << bit)) | (outcome << bit) for old in bits]
            parts.append(_Branches(part.reshape(len(keep), psi.shape[1]), bits, weights[outcome][keep]))
        joined = _Branches.joined(parts)
        if self._stream is None and len(joined.bits) > MAX_BRANCHES:
            raise _TooManyBranchesError
        if joined.psi.size > MAX_AMPLITUDES:
            if self._stream is None:
                raise _TooManyBranchesError
            raise _too_large("amplitudes over all branches", joined.psi.size, MAX_AMPLITUDES)
        return joined

    def _choice(self, ins: Instruction, branches: _Branches) -> tuple[_Branches, _Branches, _Branches]:
        control = ins.control
        if control is None or control.condition is None:
            raise VerificationError("control flow without a condition", field="instruction", value=ins.name)
        chosen: dict[int, list[int]] = {}
        for index, bits in enumerate(branches.bits):
            value = evaluate(control.condition, self._doc.spans, bits)
            chosen.setdefault(_block_of(ins, value), []).append(index)
        going: list[_Branches] = []
        broken: list[_Branches] = []
        continued: list[_Branches] = []
        for block in sorted(chosen):
            part = branches.take(chosen[block])
            body = control.blocks[block] if 0 <= block < len(control.blocks) else ()
            for out, result in zip((going, broken, continued), self._block(body, part), strict=True):
                out.append(result)
        return _Branches.joined(going), _Branches.joined(broken), _Branches.joined(continued)

    def _loop(self, ins: Instruction, branches: _Branches) -> _Branches:
        control = ins.control
        if control is None:
            raise VerificationError("a loop without a body", field="instruction", value=ins.name)
        done = [branches.take([])]
        rounds = len(control.values) if ins.name == "for_loop" else MAX_ITERATIONS
        for _ in range(rounds):
            if control.condition is not None:
                holds = [evaluate(control.condition, self._doc.spans, bits) for bits in branches.bits]
                done.append(branches.take([i for i, value in enumerate(holds) if not value]))
                branches = branches.take([i for i, value in enumerate(holds) if value])
            if not branches.bits:
                return _Branches.joined(done)
            self._steps += 1
            if self._steps > MAX_ITERATIONS:
                break
            branches, broken, again = self._block(control.blocks[0], branches)
            done.append(broken)
            branches = _Branches.joined([branches, again])
        if ins.name == "while_loop" or self._steps > MAX_ITERATIONS:
            raise _too_large("iterations of its loops", self._steps, MAX_ITERATIONS)
        return _Branches.joined([*done, branches])


class _TooManyBranchesError(Exception):
    """Exact enumeration gave up; the caller samples instead."""


def _block_of(ins: Instruction, value: int) -> int:
    """Number of the block that a value selects, −1 for none."""
    control = ins.control
    if control is None or ins.name != "switch":
        return 0 if value else 1
    for index, labels in enumerate(control.cases):
        if value in labels or "default" in labels:
            return index
    return -1


def _final_measurements(doc: CircuitDocument) -> tuple[dict[int, int], set[int]]:
    """Measurements that can wait for the end: classical bit → qubit, and their instruction numbers."""
    bits: dict[int, int] = {}
    numbers: set[int] = set()
    later_qubits: set[int] = set()
    later_bits = set(doc.read_clbits())
    for ins in doc.instructions:
        if ins.control is not None:
            later_bits |= set(ins.clbits)
    for number in range(len(doc.instructions) - 1, -1, -1):
        ins = doc.instructions[number]
        if ins.name == "measure":
            qubit, bit = ins.qubits[0], ins.clbits[0]
            if qubit not in later_qubits and bit not in later_bits and bit not in bits:
                bits[bit] = qubit
                numbers.add(number)
                continue
            later_qubits.add(qubit)
            later_bits.add(bit)
        elif ins.name not in ("barrier", "delay"):
            later_qubits.update(ins.qubits)
    return bits, numbers


def _marginal(
    psi: State, weight: float, bits: Sequence[int], final: dict[int, int], fixed: int
) -> npt.NDArray[np.float64]:
    """Distribution over `bits`: those in `final` come from qubits, the others from the number `fixed`."""
    qubits = psi.size.bit_length() - 1
    sources = [final[bit] for bit in bits if bit in final]
    order = sorted(set(sources), reverse=True)
    p = (psi.real**2 + psi.imag**2).reshape((2,) * qubits)
    p = p.sum(axis=tuple(qubits - 1 - q for q in range(qubits) if q not in set(sources))).reshape(-1)
    if [final.get(bit) for bit in bits] == order[::-1]:
        ordered: npt.NDArray[np.float64] = p * weight  # already in the order of the bits
        return ordered
    position = {q: len(order) - 1 - i for i, q in enumerate(order)}
    index = np.arange(p.size, dtype=np.int64)
    outcome = np.zeros(p.size, dtype=np.int64)
    for k, bit in enumerate(bits):
        if bit in final:
            outcome |= (index >> position[final[bit]] & 1) << k
        elif fixed >> bit & 1:
            outcome |= 1 << k
    return np.bincount(outcome, weights=p * weight, minlength=1 << len(bits)).astype(np.float64)


def statevector(instructions: Iterable[Instruction], qubits: int) -> State:
    """State of shape (2ⁿ,) after u and cz gates from |0…0⟩ (Aer's for wide circuits, where installed)."""
    gates = [ins for ins in instructions if ins.name in ("u", "cz")]
    if qubits >= _AER_FROM_QUBITS:
        state = _aer_statevector(gates, qubits)
        if state is not None:
            return state
    psi = np.zeros((1, 1 << qubits), dtype=np.complex128)
    psi[0, 0] = 1
    for ins in gates:
        psi = _apply_u(psi, ins.qubits[0], ins.params) if ins.name == "u" else _apply_cz(psi, *ins.qubits)
    state_out: State = psi[0]
    return state_out


def _aer_statevector(gates: Sequence[Instruction], qubits: int) -> State | None:
    try:
        from qiskit_aer import AerSimulator
    except ImportError:
        return None
    from qcrs.circuits.convert import to_qiskit

    circuit = to_qiskit(CircuitDocument(qubits, 0, (), tuple(gates)))
    circuit.save_statevector()
    result = AerSimulator(method="statevector").run(circuit).result()
    return np.asarray(result.data(0)["statevector"], dtype=np.complex128)


def truncated(psi: State, bond: int) -> State:
    """The state as a matrix-product state of this bond dimension would give it, of shape (2ⁿ,) and norm 1.

    Singular values beyond the largest `bond` are dropped at every cut in turn (Vidal, PRL 91, 147902):
    what a simulator that cannot afford the whole state answers with.
    """
    qubits = psi.size.bit_length() - 1
    rest = psi.reshape(1, -1)
    parts: list[State] = []
    for _ in range(qubits - 1):
        block = rest.reshape(2 * rest.shape[0], -1)
        # Left singular vectors from the small Gram matrix, of at most 2·bond rows.
        _, vectors = np.linalg.eigh(block @ block.conj().T)
        left = vectors[:, ::-1][:, :bond]
        parts.append(left)
        rest = left.conj().T @ block
    for left in reversed(parts):
        rest = (left @ rest).reshape(left.shape[0] // 2, -1)
    whole: State = (rest / np.linalg.norm(rest)).reshape(-1)
    return whole


def _start(qubits: int, weight: float) -> _Branches:
    psi = np.zeros((1, 1 << qubits), dtype=np.complex128)
    psi[0, 0] = 1
    return _Branches(psi, [0], np.array([weight]))


def active_qubits(doc: CircuitDocument) -> tuple[int, ...]:
    """The qubits that some gate, measurement or reset acts on; all others stay in |0⟩."""
    used = {q for ins in doc.walk() if ins.name not in ("barrier", "delay") for q in ins.qubits}
    return tuple(sorted(used))


def _compressed(doc: CircuitDocument) -> CircuitDocument:
    """The same circuit on its active qubits alone (at least one), without barriers and delays."""
    active = active_qubits(doc)
    number = {q: i for i, q in enumerate(active)}

    def block(instructions: Iterable[Instruction]) -> tuple[Instruction, ...]:
        out = []
        for ins in instructions:
            if ins.name in ("barrier", "delay"):
                continue
            control = ins.control
            if control is not None:
                control = replace(control, blocks=tuple(block(inner) for inner in control.blocks))
            out.append(
                replace(ins, qubits=tuple(number[q] for q in ins.qubits if q in number), control=control)
            )
        return tuple(out)

    return replace(doc, qubits=max(1, len(active)), instructions=block(doc.instructions))


def ideal(doc: CircuitDocument, *, seed: bytes = bytes(32), samples: int = 20_000) -> Ideal:
    """The noiseless distribution over the measured bits of a circuit of at most 24 active qubits.

    `VerificationError` where it is too wide, measures more than 24 bits, or loops without end.
    `seed` and `samples` matter only for dynamic circuits with more than 4,096 branches.
    """
    bits = doc.measured_clbits()
    doc = _compressed(doc)
    if doc.qubits > MAX_QUBITS or len(bits) > MAX_QUBITS:
        raise _too_large("qubits or measured bits", max(doc.qubits, len(bits)), MAX_QUBITS)
    final, numbers = _final_measurements(doc)
    rest = tuple(ins for number, ins in enumerate(doc.instructions) if number not in numbers)
    if all(ins.name in ("u", "cz", "barrier", "delay") for ins in rest):
        psi = statevector(rest, doc.qubits)
        cut = [(f"bond {bond}", truncated(psi, bond)) for bond in BONDS if 4 * bond < psi.size]
        others = tuple((name, _snapped(_marginal(other, 1.0, bits, final, 0))) for name, other in cut)
        return Ideal(bits, _snapped(_marginal(psi, 1.0, bits, final, 0)), alternatives=others)
    try:
        branches = _Run(doc, None).run(rest, _start(doc.qubits, 1.0))
        shots = 0
    except _TooManyBranchesError:
        stream = Drbg(seed, b"qcrs/simulate/1")
        branches = _Run(doc, stream).run(rest, _start(doc.qubits, float(samples)))
        shots = samples
    total = np.zeros(1 << len(bits))
    for psi, fixed, weight in zip(branches.psi, branches.bits, branches.weight, strict=True):
        total += _marginal(psi, float(weight), bits, final, fixed)
    total /= branches.weight.sum()
    return Ideal(bits, total if shots else _snapped(total), shots)


def _snapped(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probabilities as multiples of 2⁻³⁰/D: simulators differ by some 10⁻¹⁵ of 1/D, so these do not."""
    grid = float(p.size << 30)
    return np.asarray(np.rint(p * grid) / grid)


_PROJECTORS = {
    "0": (("I", 0.5), ("Z", 0.5)),
    "1": (("I", 0.5), ("Z", -0.5)),
    "+": (("I", 0.5), ("X", 0.5)),
    "-": (("I", 0.5), ("X", -0.5)),
    "r": (("I", 0.5), ("Y", 0.5)),
    "l": (("I", 0.5), ("Y", -0.5)),
}


def _pauli_expectation(psi: State, label: str) -> float:
    """⟨ψ|P|ψ⟩ for a label whose last letter acts on qubit 0."""
    x = z = ys = 0
    for qubit, letter in enumerate(reversed(label)):
        x |= (letter in "XY") << qubit
        z |= (letter in "YZ") << qubit
        ys += letter == "Y"
    index = np.arange(psi.size, dtype=np.int64)
    signs = 1.0 - 2.0 * (np.bitwise_count(index & z) & 1)
    # P|i⟩ = i^ys (−1)^{|i∧z|} |i⊕x⟩
    return float((1j**ys * np.vdot(psi[index ^ x], signs * psi)).real)


def expectation(doc: CircuitDocument, observable: Sequence[tuple[str, complex]]) -> float:
    """Noiseless expectation value of Σ coefficient·label (letters IXYZ01+-rl, last letter on qubit 0)."""
    return expectations(doc, [observable])[0]


def expectations(doc: CircuitDocument, observables: Sequence[Sequence[tuple[str, complex]]]) -> list[float]:
    """Several observables of one circuit, which is simulated once."""
    qubits, active = doc.qubits, active_qubits(doc)
    doc = _compressed(doc)
    if doc.qubits > MAX_QUBITS:
        raise _too_large("qubits", doc.qubits, MAX_QUBITS)
    if all(ins.name in ("u", "cz", "barrier", "delay") for ins in doc.instructions):
        states = [(1.0, statevector(doc.instructions, doc.qubits))]
    else:
        try:
            branches = _Run(doc, None).run(doc.instructions, _start(doc.qubits, 1.0))
        except _TooManyBranchesError:
            raise _too_large("branches of a dynamic circuit", MAX_BRANCHES + 1, MAX_BRANCHES) from None
        states = list(zip(branches.weight.tolist(), branches.psi, strict=True))
    known: dict[str, float] = {}
    out = []
    for observable in observables:
        value = 0.0
        for whole, coefficient in _paulis(observable, qubits).items():
            letters = [whole[qubits - 1 - q] for q in range(qubits)]
            if any(letters[q] in "XY" for q in set(range(qubits)) - set(active)):
                continue  # ⟨0|X|0⟩ = ⟨0|Y|0⟩ = 0, and Z gives 1
            pauli = "".join(letters[q] for q in reversed(active)) or "I"
            if pauli not in known:
                known[pauli] = sum(weight * _pauli_expectation(psi, pauli) for weight, psi in states)
            value += (coefficient * known[pauli]).real
        out.append(value)
    return out


def _paulis(observable: Sequence[tuple[str, complex]], qubits: int) -> dict[str, complex]:
    """An observable as a sum of Pauli labels; projectors are expanded."""
    terms: dict[str, complex] = {}
    for label, coefficient in observable:
        if len(label) != qubits or not set(label) <= set("IXYZ01+-rl"):
            raise VerificationError("an observable has one letter for each qubit", field="label", value=label)
        if sum(letter in _PROJECTORS for letter in label) > MAX_PROJECTORS:
            raise _too_large("projectors in one label", len(label), MAX_PROJECTORS)
        expanded = {"": complex(coefficient)}
        for letter in label:
            options = _PROJECTORS.get(letter, ((letter, 1.0),))
            expanded = {head + tail: c * k for head, c in expanded.items() for tail, k in options}
        for pauli, c in expanded.items():
            terms[pauli] = terms.get(pauli, 0) + c
    return terms
