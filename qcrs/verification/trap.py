"""V6 TRAP: circuits on the target's own two-qubit gates whose outcomes are known at any width.

A trap keeps the target's two-qubit gates and barriers in their places (in the basis of circuit documents all
of them are `cz`, Clifford as they are) and puts a random one-qubit Clifford on both qubits before each, and
on every qubit at the end. Some parities of its outcome bits are then certain: those of stabilisers of the
output state that the last Cliffords turn into products of Z. Noise damps a parity by

    λ = Π (1 − 16 p₂/15) · Π (1 − 4 p₁/3) · (1 − 2 r)^w

over the gates in its light cone (`propagate`) and its w bits, with p₂, p₁ the total Pauli errors of a gate
and r the readout error: of the 15 Paulis of a depolarising two-qubit error 8 flip a Pauli that acts there,
of three one-qubit ones 2 do. Parities of different stabilisers are read from the same shots where they ask
for the same basis on every qubit, so wide circuits give many short checks instead of one long one that noise
has erased. Every qubit is in the checks of some trap.

What it finds: noise above what is registered, wrong bits, dead bits, fabricated results, at any width. What
it cannot find: a provider that recognises Clifford circuits and is honest on these alone. Therefore it
measures what a device can do, and V4 PEER judges what it did.

Source: Ferracin, Kapourniotis and Datta, "Accrediting outputs of noisy intermediate-scale quantum computing
devices", New J. Phys. 21, 113038 (2019); Hines, Hothem, Blume-Kohout, Whaley and Proctor, "Fully scalable
randomized benchmarking without motion reversal" (binary randomised benchmarking), arXiv 2309.05147.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from qcrs.circuits.document import CircuitDocument, Instruction, Register
from qcrs.circuits.drbg import Drbg
from qcrs.errors import VerificationError
from qcrs.verification.peer import NANO, DeviceErrors
from qcrs.verification.propagate import CLIFFORDS, TO_Z, Bools, Codes, Strings
from qcrs.verification.statistics import Estimate
from qcrs.verification.verdict import Outcome, Test, test_of

__all__ = [
    "COUNT",
    "SHOTS",
    "Check",
    "GateErrors",
    "Trap",
    "TrapReport",
    "make_traps",
    "parities",
    "predicted_parities",
    "score_traps",
]

COUNT = 35
"""Traps of one test."""
SHOTS = 100
"""Shots of each."""
RATIO_REJECT = 0.85
"""Observed over predicted parity, all checks together, below which a device is not what is registered."""
RATIO_ACCEPT = 0.6
"""What the ratio must exceed by `Z_ACCEPT` standard errors to be accepted; noise may leave too little."""
Z_ACCEPT = 2.0
PART_REJECT = 0.7
"""The same for the checks of one qubit or one trap."""
P_FALSE = 1e-3
"""Chance that a test of a whole family fails an honest device that sits on its threshold."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Check:
    """A parity that is certain without noise: the product of (−1)^bit over `bits` is `sign`.

    `one_qubit` and `two_qubit` are the numbers of gates in its light cone.
    """

    bits: tuple[int, ...]
    sign: int
    one_qubit: int
    two_qubit: int


@dataclass(frozen=True, slots=True)
class Trap:
    """A circuit, whose bit i is the target's i-th active qubit, and what is certain about its outcomes."""

    circuit: CircuitDocument
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class GateErrors:
    """Total Pauli errors of one- and two-qubit gates and readout errors, one number or one for each bit."""

    one_qubit: float
    two_qubit: float
    readout: float | tuple[float, ...] = 0.0

    def __post_init__(self) -> None:
        flips = self.readout if isinstance(self.readout, tuple) else (self.readout,)
        if not all(0 <= value <= 0.5 for value in (self.one_qubit, self.two_qubit, *flips)):
            raise VerificationError("an error rate lies between 0 and 0.5", field="errors", value=self)

    @classmethod
    def registered(cls, errors: DeviceErrors, routing: float = 1.0) -> GateErrors:
        """From a certificate: its error per layered gate is p₂ + 2 p₁ with p₁ taken as p₂/10.

        `routing` is how many two-qubit gates the device needs for each of the circuit's.
        """
        two = errors.eplg_nano / NANO / 1.2
        mean = errors.mean_readout_nano
        if not mean and errors.readout_nano:
            mean = sum(errors.readout_nano) // len(errors.readout_nano)
        return cls(min(0.5, two / 10), min(0.5, two * routing), min(0.5, mean / NANO))


# --------------------------------------------------------------------------- making traps


def _skeleton(target: CircuitDocument) -> tuple[list[Instruction], list[int]]:
    """Two-qubit gates and barriers of the target in order, and its active qubits."""
    kept: list[Instruction] = []
    active: set[int] = set()
    measured: set[int] = set()
    for item in target.instructions:
        if item.name == "measure":
            measured.update(item.qubits)
        elif item.name not in ("u", "cz", "barrier", "delay") or not measured.isdisjoint(item.qubits):
            if item.name == "barrier":
                continue  # between measurements: nothing is left to keep apart
            raise VerificationError(
                "only circuits of gates with their measurements at the end have traps",
                field="circuit",
                value=item.name,
                solution="cut the circuit before its first reset, feed-forward or later gate",
            )
        elif item.name in ("cz", "barrier"):
            kept.append(item)
        if item.name != "barrier":
            active.update(item.qubits)
    if not active:
        raise VerificationError("a circuit without gates has no traps", field="circuit", value="empty")
    return kept, sorted(active)


class _Maker:
    """Makes the traps of one target; remembers how often each qubit was checked."""

    def __init__(self, target: CircuitDocument) -> None:
        self._target = target
        self._kept, self._active = _skeleton(target)
        self._place = {qubit: place for place, qubit in enumerate(self._active)}
        self.covered: npt.NDArray[np.int64] = np.zeros(len(self._active), dtype=np.int64)

    def make(self, draws: Drbg) -> Trap:
        gates = sum(item.name == "cz" for item in self._kept)
        chosen = iter(draws.integers(len(CLIFFORDS), 2 * gates).tolist())
        strings = Strings.stabilizers(len(self._active))
        out: list[Instruction] = []
        for item in self._kept:
            if item.name == "cz":
                for qubit in item.qubits:
                    self._rotate(strings, out, qubit, next(chosen))
                strings.cz(*(self._place[qubit] for qubit in item.qubits))
            out.append(item)
        picked, basis = self._pick(strings.codes, draws)
        last = draws.integers(len(CLIFFORDS), len(self._active))
        for place, qubit in enumerate(self._active):
            fitting = TO_Z[basis[place]]
            self._rotate(strings, out, qubit, fitting[int(last[place]) % len(fitting)])
        width = len(self._active)
        out.append(Instruction("barrier", tuple(self._active)))
        out += [Instruction("measure", (qubit,), (place,)) for place, qubit in enumerate(self._active)]
        circuit = CircuitDocument(self._target.qubits, width, (Register("c", 0, width),), tuple(out))
        return Trap(circuit, tuple(self._check(strings, string) for string in picked))

    def _rotate(self, strings: Strings, out: list[Instruction], qubit: int, clifford: int) -> None:
        strings.u(self._place[qubit], clifford)
        out.append(Instruction("u", (qubit,), (), CLIFFORDS[clifford]))

    def _pick(self, codes: Codes, draws: Drbg) -> tuple[list[int], list[int]]:
        """Strings that one basis measures together, those first that reach the least covered qubits."""
        width = len(codes)
        basis: Codes = np.zeros(width, dtype=np.uint8)
        free: Bools = np.ones(codes.shape[1], dtype=bool)
        picked: list[int] = []
        ties = draws.permutation(width)
        words = draws.words(width)
        for qubit in np.lexsort((ties, self.covered)).tolist():
            fitting = np.flatnonzero(free & (codes[qubit] != 0)) if not basis[qubit] else ()
            if not len(fitting):
                continue
            string = int(fitting[int(words[qubit]) % len(fitting)])
            picked.append(string)
            support = np.flatnonzero(codes[:, string])
            basis[support] = codes[support, string]
            rows = codes[support]
            free &= ~((rows != 0) & (rows != basis[support, None])).any(axis=0)
            free[string] = False
        self.covered += basis != 0
        return picked, basis.tolist()

    @staticmethod
    def _check(strings: Strings, string: int) -> Check:
        bits = tuple(np.flatnonzero(strings.codes[:, string]).tolist())
        sign = -1 if strings.sign[string] else 1
        return Check(bits, sign, int(strings.one_qubit[string]), int(strings.two_qubit[string]))


def make_traps(target: CircuitDocument, seed: bytes, count: int = COUNT) -> tuple[Trap, ...]:
    """`count` traps of a target from a seed of 32 bytes: the same on every machine.

    Every active qubit is measured, whether or not the target measures it. `VerificationError` where the
    target has control flow, resets or gates after measurements, or where `count` traps cannot check every
    qubit.
    """
    if count < 1:
        raise VerificationError("a test has at least one trap", field="count", value=count)
    maker = _Maker(target)
    made = tuple(maker.make(Drbg(seed, b"qcrs/trap/1" + i.to_bytes(4, "big"))) for i in range(count))
    if not maker.covered.all():
        raise VerificationError(
            "these traps do not check every qubit",
            field="count",
            value=count,
            solution=f"{int((maker.covered == 0).sum())} qubits are left: make more traps",
        )
    return made


# --------------------------------------------------------------------------- reading them


def predicted_parities(trap: Trap, errors: GateErrors) -> Floats:
    """λ of each check of a trap."""
    one = math.log1p(-4 / 3 * errors.one_qubit)
    two = math.log1p(-16 / 15 * min(errors.two_qubit, 15 / 16 * (1 - 1e-12)))
    flips = errors.readout if isinstance(errors.readout, tuple) else (errors.readout,) * trap.circuit.clbits
    contrast = np.log(np.maximum(1e-300, 1 - 2 * np.array(flips)))
    logs = [c.one_qubit * one + c.two_qubit * two + contrast[list(c.bits)].sum() for c in trap.checks]
    return np.exp(np.array(logs, dtype=np.float64))


def _membership(trap: Trap) -> Floats:
    """[bit, check]: 1 where the check reads the bit."""
    out = np.zeros((trap.circuit.clbits, len(trap.checks)))
    for index, check in enumerate(trap.checks):
        out[list(check.bits), index] = 1
    return out


def parities(trap: Trap, counts: Mapping[int, int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """[outcome, check] of ±1, +1 where the check holds, and how often each outcome came."""
    width = trap.circuit.clbits
    size = -(-width // 8)
    if any(not 0 <= outcome < 1 << width for outcome in counts):
        raise VerificationError("an outcome has more bits than the trap", field="counts", value=width)
    packed = np.frombuffer(b"".join(o.to_bytes(size, "little") for o in counts), dtype=np.uint8)
    bits = np.unpackbits(packed.reshape(-1, size), axis=1, bitorder="little")[:, :width]
    odd = np.rint(bits.astype(np.float64) @ _membership(trap)).astype(np.int64) & 1
    signs = np.array([check.sign for check in trap.checks], dtype=np.int64)
    return (1 - 2 * odd) * signs, np.fromiter(counts.values(), dtype=np.int64, count=len(counts))


@dataclass(frozen=True, slots=True)
class TrapReport:
    """What traps say of a device. `observed` and `predicted` are mean parities over all checks."""

    observed: float
    predicted: float
    ratio: Estimate
    worst_qubit: tuple[int, Estimate]
    worst_trap: tuple[int, Estimate]
    checks: int
    shots: int
    tests: tuple[Test, ...]

    @property
    def outcome(self) -> Outcome:
        """REJECT where a test fails, ACCEPT where the ratio is known to be right, else UNDECIDED."""
        if not all(test.passed for test in self.tests):
            return Outcome.REJECT
        return Outcome.UNDECIDED if self.ratio.below(RATIO_ACCEPT, -Z_ACCEPT) else Outcome.ACCEPT


class _Sums:
    """Weighted parities of many shots: numerator, its variance and the honest value, by column."""

    def __init__(self, columns: int) -> None:
        self.found: Floats = np.zeros(columns)
        self.variance: Floats = np.zeros(columns)
        self.wanted: Floats = np.zeros(columns)

    def add(self, values: Floats, counts: npt.NDArray[np.int64], wanted: Floats) -> None:
        """`values` is [outcome, column]: a shot's sum over the column's checks."""
        shots = counts.sum()
        total = counts @ values
        self.found += total
        self.variance += np.maximum(counts @ values**2 - total**2 / shots, 0) * shots / max(shots - 1, 1)
        self.wanted += shots * wanted

    def ratios(self) -> list[Estimate]:
        """Found over wanted. A column whose checks noise should have erased says nothing: 1 ± ∞."""
        return [
            Estimate(float(f / w), float(math.sqrt(v) / w)) if w > 1e-9 else Estimate(1.0, math.inf)
            for f, v, w in zip(self.found, self.variance, self.wanted, strict=True)
        ]


def score_traps(traps: Sequence[Trap], counts: Sequence[Mapping[int, int]], errors: GateErrors) -> TrapReport:
    """Compare decoded counts of every trap with what registered errors predict.

    Checks are weighted by their λ, the weight of least variance for small λ. Three tests: all checks
    together, the worst qubit, the worst trap; the last two with Bonferroni's correction.
    """
    if len(traps) != len(counts) or not traps:
        raise VerificationError("counts do not match the traps", field="counts", value=len(counts))
    if any(sum(found.values()) < 1 for found in counts):
        raise VerificationError("a trap has no shots", field="counts", value=0)
    whole, by_qubit = _Sums(1), _Sums(traps[0].circuit.clbits)
    by_trap: list[Estimate] = []
    plain, honest, checks, shots = 0.0, 0.0, 0, 0
    for trap, found in zip(traps, counts, strict=True):
        signs, times = parities(trap, found)
        weights = predicted_parities(trap, errors)
        members = _membership(trap).T * weights[:, None]
        single = _Sums(1)
        for sums in (whole, single):
            sums.add((signs @ weights)[:, None], times, np.array([weights @ weights]))
        by_trap += single.ratios()
        by_qubit.add(signs @ members, times, weights @ members)
        plain += float(times @ signs.sum(axis=1))
        honest += float(times.sum() * weights.sum())
        checks += int(times.sum()) * len(weights)
        shots += int(times.sum())
    ratio = whole.ratios()[0]
    qubit, trap_ = _worst(by_qubit.ratios()), _worst(by_trap)
    z = float(norm.isf(P_FALSE))
    tests = [test_of("parity", ratio, RATIO_REJECT, passed=not ratio.below(RATIO_REJECT, z))]
    for name, (number, part), family in (
        ("qubit", qubit, traps[0].circuit.clbits),
        ("trap", trap_, len(traps)),
    ):
        z_part = float(norm.isf(P_FALSE / family))
        passed = not part.below(PART_REJECT, z_part)
        tests.append(test_of(f"{name} {number}", part, PART_REJECT, passed=passed))
    return TrapReport(plain / checks, honest / checks, ratio, qubit, trap_, checks, shots, tuple(tests))


def _worst(ratios: Sequence[Estimate]) -> tuple[int, Estimate]:
    """The part that lies furthest below the threshold, in standard errors."""

    def key(item: tuple[int, Estimate]) -> float:
        _, part = item
        if part.se == 0:
            return math.inf if part.value >= PART_REJECT else -math.inf
        return (part.value - PART_REJECT) / part.se

    return min(enumerate(ratios), key=key)
