"""V7 MIRROR: the fidelity of a circuit that nobody can simulate, by running it forwards and back.

Three kinds of circuits, each between a layer L of random one-qubit Cliffords and its inverse:

    there    L · C · R(C⁻¹) · L⁻¹       the circuit, then its inverse randomly compiled
    back     L · R(C) · R(C⁻¹) · L⁻¹    both randomly compiled
    bare     L · L⁻¹                    what preparation and measurement cost

Without errors each gives one known bit string: the mask of the random compiling.
From the Hamming distances k of what came, with frequencies h_k over n qubits,

    γ = (4ⁿ Σ_k (−½)^k h_k − 1)/(4ⁿ − 1)

is an unbiased estimate of the polarisation of the whole, because L averages over a product of one-qubit
2-designs. Polarisations multiply, hence γ(C) = γ_there/√(γ_back γ_bare) and the entanglement fidelity is

    F = 1 − (4ⁿ − 1)/4ⁿ · (1 − γ_there/√(γ_back γ_bare)).

Barriers stand between the parts and those of the circuit stay in both halves: without them a compiler reduces
a mirror to nothing. Random compiling is that of frames (`qcrs.circuits.frames`). Mirrors can be told from
other circuits, so a provider that wants to can be good at them alone.

Source: Proctor, Seritan, Nielsen, Rudinger, Young, Blume-Kohout and Sarovar, "Establishing trust in quantum
computations", arXiv 2204.07568 (the three kinds and the ratio); Proctor et al., "Scalable randomized
benchmarking of quantum computers using mirror circuits", PRL 129, 150502 (2022) (the polarisation).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qcrs.circuits.document import TURN, CircuitDocument, Instruction, Register
from qcrs.circuits.drbg import Drbg
from qcrs.circuits.frames import frame
from qcrs.errors import VerificationError
from qcrs.verification.propagate import CLIFFORDS
from qcrs.verification.statistics import Estimate

__all__ = ["CIRCUITS", "KINDS", "SHOTS", "Mirror", "MirrorReport", "make_mirrors", "score_mirrors"]

CIRCUITS = 20
"""Circuits of each kind."""
SHOTS = 500
"""Shots of each."""
KINDS = ("there", "back", "bare")


@dataclass(frozen=True, slots=True)
class Mirror:
    """A circuit of one kind, and the outcome that it has without errors."""

    kind: str
    circuit: CircuitDocument
    outcome: int


@dataclass(frozen=True, slots=True)
class MirrorReport:
    """The fidelity of the circuit, with its polarisations by kind."""

    fidelity: Estimate
    polarisation: Mapping[str, Estimate]


def _inverse(params: tuple[int, ...]) -> tuple[int, int, int]:
    """Angles of U(θ, φ, λ)⁻¹ = U(−θ, −λ, −φ)."""
    theta, phi, lam = params
    return -theta % TURN, -lam % TURN, -phi % TURN


def _body(target: CircuitDocument) -> tuple[Instruction, ...]:
    """The gates and barriers of the target, without its measurements."""
    measured: set[int] = set()
    out = []
    for item in target.instructions:
        if item.name == "measure":
            measured.update(item.qubits)
        elif item.name == "barrier":
            if measured.isdisjoint(item.qubits):
                out.append(item)
        elif item.name in ("u", "cz") and measured.isdisjoint(item.qubits):
            out.append(item)
        elif item.name != "delay":
            raise VerificationError(
                "only circuits of gates with their measurements at the end have an inverse",
                field="circuit",
                value=item.name,
                solution="cut the circuit before its first reset, feed-forward or later gate",
            )
    return tuple(out)


class _Maker:
    """Makes the mirrors of one target."""

    def __init__(self, target: CircuitDocument) -> None:
        self._target = target
        self._forth = _body(target)
        self._back = tuple(
            Instruction("u", item.qubits, (), _inverse(item.params)) if item.name == "u" else item
            for item in reversed(self._forth)
        )
        gates = [item for item in self._forth if item.name != "barrier"]
        self.active = tuple(sorted({qubit for item in gates for qubit in item.qubits}))
        if not self.active:
            raise VerificationError("a circuit without gates has no mirror", field="circuit", value="empty")

    def make(self, kind: str, seed: bytes, number: int) -> Mirror:
        draws = Drbg(seed, b"qcrs/mirror/1" + kind.encode() + number.to_bytes(4, "big"))
        layer = [
            CLIFFORDS[clifford] for clifford in draws.integers(len(CLIFFORDS), len(self.active)).tolist()
        ]
        wall = Instruction("barrier", self.active)
        into, out = (
            [Instruction("u", (q,), (), angles) for q, angles in zip(self.active, way, strict=True)]
            for way in (layer, [_inverse(angles) for angles in layer])
        )
        measures = [Instruction("measure", (q,), (place,)) for place, q in enumerate(self.active)]
        plain, compiled = {
            "there": ([*into, wall, *self._forth, wall], [*self._back, wall]),
            "back": ([*into, wall], [*self._forth, wall, *self._back, wall]),
            "bare": ([*into, wall], []),
        }[kind]
        # Compiling at random ends in a Pauli before each measurement, whose X part flips the outcome.
        found = frame(self._document([*compiled, *out, wall, *measures]), draws.bytes(32), 0, 0)
        circuit = self._document([*plain, *found.circuit.instructions])
        return Mirror(kind, circuit, found.mask)

    def _document(self, instructions: Sequence[Instruction]) -> CircuitDocument:
        width = len(self.active)
        return CircuitDocument(self._target.qubits, width, (Register("c", 0, width),), tuple(instructions))


def make_mirrors(target: CircuitDocument, seed: bytes, circuits: int = CIRCUITS) -> tuple[Mirror, ...]:
    """`circuits` mirrors of each kind over the target's active qubits, from a seed of 32 bytes.

    `VerificationError` where the target has control flow, resets or gates after measurements.
    """
    if circuits < 2:
        raise VerificationError("an error needs two circuits of each kind", field="circuits", value=circuits)
    maker = _Maker(target)
    return tuple(maker.make(kind, seed, number) for kind in KINDS for number in range(circuits))


def _polarisation(mirror: Mirror, counts: Mapping[int, int]) -> float:
    """γ of one circuit."""
    shots = sum(counts.values())
    if shots < 1:
        raise VerificationError("a mirror has no shots", field="counts", value=0)
    adjusted = math.fsum(
        count * (-0.5) ** (outcome ^ mirror.outcome).bit_count() for outcome, count in counts.items()
    )
    rest = 4.0 ** -min(mirror.circuit.clbits, 500)
    return (adjusted / shots - rest) / (1 - rest)


def score_mirrors(mirrors: Sequence[Mirror], counts: Sequence[Mapping[int, int]]) -> MirrorReport:
    """The fidelity from decoded counts of every mirror, in order.

    Its standard error follows from the spread of polarisations over the circuits of a kind. Where noise
    leaves no polarisation the fidelity is unknown: `VerificationError`.
    """
    if len(mirrors) != len(counts):
        raise VerificationError("counts do not match the mirrors", field="counts", value=len(counts))
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for mirror, one in zip(mirrors, counts, strict=True):
        found[mirror.kind].append(_polarisation(mirror, one))
    if min(len(values) for values in found.values()) < 2:
        raise VerificationError("a kind of mirrors is missing", field="mirrors", value=len(mirrors))
    means = {
        kind: Estimate(float(np.mean(v)), float(np.std(v, ddof=1) / math.sqrt(len(v))))
        for kind, v in found.items()
    }
    there, back, bare = (means[kind] for kind in KINDS)
    if not back.above(0, 2) or not bare.above(0, 2):
        raise VerificationError(
            "noise has erased the mirrors",
            field="polarisation",
            value=back.value,
            solution="the circuit is too deep for the device, or more shots are needed",
        )
    ratio = there.value / math.sqrt(back.value * bare.value)
    spread = math.hypot(
        there.se / math.sqrt(back.value * bare.value),
        ratio * back.se / (2 * back.value),
        ratio * bare.se / (2 * bare.value),
    )
    share = 1 - 4.0 ** -min(mirrors[0].circuit.clbits, 500)
    return MirrorReport(Estimate(1 - share * (1 - ratio), share * spread), means)
