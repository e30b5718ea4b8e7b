"""C2: layer fidelity and error per layered gate (EPLG), by the decay of pair parities.

Each layer of disjoint pairs is repeated m times: random one-qubit Cliffords on its qubits, then `cz` on
all its pairs at once. The stabilisers of |00> of every pair are followed through the circuit; those that
single-qubit readings can see are measured, corrected by the readout contrast, and averaged. Averaged over
the Cliffords their mean decays as A α^m, where α is the mean over the fifteen Paulis. Per pair
F = (1 + 15 α) / 16 is the process fidelity of a step (two one-qubit gates and a `cz`); the layer fidelity
is ΠF over all pairs of all layers and EPLG = 1 - LF^(1/pairs). (McKay et al. 2023, with direct
parities in place of full inversions.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qcrs.benchmarks.builder import CLIFFORDS, Builder, conjugate, conjugate_cz, rotate_to_z
from qcrs.benchmarks.decay import Decay, fit_decay
from qcrs.benchmarks.readout import ReadoutResult
from qcrs.benchmarks.topology import Edge
from qcrs.benchmarks.units import BenchmarkUnit, Reading
from qcrs.circuits import CircuitDocument, Drbg

__all__ = ["PROTOCOL", "LayerFidelityResult", "LayerSample", "PairDecay", "circuits", "score"]

PROTOCOL = "layer_fidelity"


@dataclass(frozen=True, slots=True)
class LayerSample:
    """One circuit of a layer: its pairs, its length, and for each pair the parities to read.

    A parity is ((classical bits), sign); classical bits 2i and 2i + 1 belong to pair i.
    """

    layer: int
    pairs: tuple[Edge, ...]
    length: int
    parities: tuple[tuple[tuple[tuple[int, ...], int], ...], ...]


@dataclass(frozen=True, slots=True)
class PairDecay:
    """One pair in one layer: decay per step and its standard error; process infidelity per step."""

    pair: Edge
    layer: int
    decay: Decay

    @property
    def fidelity(self) -> float:
        """Process fidelity of a step; sampling noise may lift it a little above 1."""
        return (1 + 15 * self.decay.alpha) / 16

    @property
    def standard_error(self) -> float:
        """Of `fidelity`."""
        return 15 / 16 * self.decay.alpha_se


@dataclass(frozen=True, slots=True)
class LayerFidelityResult:
    """All pairs with the layer fidelity and the error per layered gate.

    `curve` holds (layer, length, mean corrected parity of the layer's pairs, standard error).
    """

    pairs: tuple[PairDecay, ...]
    curve: tuple[tuple[int, int, float, float], ...] = ()

    @property
    def log_fidelity(self) -> float:
        """Natural logarithm of the layer fidelity over all layers."""
        return sum(math.log(max(p.fidelity, 1 / 16)) for p in self.pairs)

    @property
    def log_fidelity_se(self) -> float:
        """Standard error of `log_fidelity`."""
        return math.sqrt(sum((p.standard_error / max(p.fidelity, 1 / 16)) ** 2 for p in self.pairs))

    @property
    def error_per_layered_gate(self) -> float:
        """1 - LF^(1/pairs); below zero only by sampling noise."""
        return -math.expm1(self.log_fidelity / len(self.pairs))

    @property
    def standard_error(self) -> float:
        """Of `error_per_layered_gate`."""
        return (1 - self.error_per_layered_gate) * self.log_fidelity_se / len(self.pairs)

    @property
    def certified_error(self) -> float:
        """The error to certify: the estimate, but never less than what the sample could resolve."""
        return min(1.0, max(self.error_per_layered_gate, self.standard_error))


def _measurable(
    group: Sequence[tuple[int, int, int]], draws: Drbg
) -> tuple[tuple[int, int], list[tuple[tuple[int, ...], int]]]:
    """Local bases (a Pauli code per qubit) and the parities that they read, of three stabilisers.

    A product state shows all three stabilisers in one pair of bases; an entangled one shows the one drawn.
    """
    first = next(((p, s) for p, q, s in group if q == 0), None)
    second = next(((q, s) for p, q, s in group if p == 0), None)
    if first is not None and second is not None:
        bases = (first[0], second[0])
        return bases, [((0,), first[1]), ((1,), second[1]), ((0, 1), first[1] * second[1])]
    p, q, sign = group[draws.uint(3)]
    return (p, q), [((0, 1), sign)]


def _multiply(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
    """Product of two commuting two-qubit Paulis (codes and sign)."""
    phase = 0
    codes = []
    for x, y in zip(a[:2], b[:2], strict=True):
        if 0 in (x, y) or x == y:
            codes.append(x or y if x != y else 0)
        else:
            codes.append(6 - x - y)
            phase += 1 if (y - x) % 3 == 1 else -1
    return codes[0], codes[1], a[2] * b[2] * (1 if phase % 4 == 0 else -1)


def _sample(
    qubits: int, layer: int, pairs: tuple[Edge, ...], length: int, draws: Drbg
) -> tuple[CircuitDocument, LayerSample]:
    builder = Builder(qubits)
    touched = [q for pair in pairs for q in pair]
    chosen = draws.integers(len(CLIFFORDS), length * len(touched)).reshape(length, len(touched))
    tracked = [[(3, 0, 1), (0, 3, 1)] for _ in pairs]
    for step in range(length):
        for position, qubit in enumerate(touched):
            builder.u(qubit, CLIFFORDS[int(chosen[step, position])])
        for index, (a, b) in enumerate(pairs):
            builder.cz(a, b)
            left, right = int(chosen[step, 2 * index]), int(chosen[step, 2 * index + 1])
            tracked[index] = [_step(pauli, left, right) for pauli in tracked[index]]
        builder.barrier(touched)
    parities = []
    for index, pair in enumerate(pairs):
        one, two = tracked[index]
        bases, seen = _measurable((one, two, _multiply(one, two)), draws)
        for qubit, pauli in zip(pair, bases, strict=True):
            rotation = rotate_to_z(pauli)
            if rotation is not None:
                builder.u(qubit, rotation)
        parities.append(tuple((tuple(2 * index + bit for bit in bits), sign) for bits, sign in seen))
    return builder.measured(touched), LayerSample(layer, pairs, length, tuple(parities))


def _step(pauli: tuple[int, int, int], left: int, right: int) -> tuple[int, int, int]:
    p, sign_p = conjugate(left, pauli[0])
    q, sign_q = conjugate(right, pauli[1])
    p, q, sign = conjugate_cz(p, q)
    return p, q, pauli[2] * sign_p * sign_q * sign


def circuits(
    qubits: int,
    layers: Sequence[tuple[Edge, ...]],
    lengths: Sequence[int],
    samples: int,
    shots: int,
    seed: bytes,
) -> list[BenchmarkUnit]:
    """`samples` circuits of `shots` for every layer and length."""
    draws = Drbg(seed, b"capability/layer_fidelity")
    units = []
    for layer, pairs in enumerate(layers):
        for length in lengths:
            for _ in range(samples):
                document, detail = _sample(qubits, layer, pairs, length, draws)
                units.append(BenchmarkUnit(PROTOCOL, document, shots, detail))
    return units


def score(
    units: Sequence[BenchmarkUnit], readings: Sequence[Reading], readout: ReadoutResult
) -> LayerFidelityResult:
    """Fit every pair of every layer."""
    points: dict[tuple[int, Edge], list[tuple[int, float, float]]] = {}
    for unit, reading in zip(units, readings, strict=True):
        detail: LayerSample = unit.detail
        for pair, parities in zip(detail.pairs, detail.parities, strict=True):
            value = np.zeros(len(reading.counts))
            for bits, sign in parities:
                contrast = float(np.prod([readout.contrast[pair[b % 2]] for b in bits]))
                value += sign * reading.parity(bits) / contrast / len(parities)
            n = reading.shots
            mean = float((value * reading.counts).sum() / n)
            spread = float((value * value * reading.counts).sum() / n) - mean * mean
            points.setdefault((detail.layer, pair), []).append(
                (detail.length, mean, max(spread, 2 / (n + 1)) / n)
            )
    decays = []
    for (layer, pair), found in points.items():
        columns = (np.array(column, dtype=np.float64) for column in zip(*found, strict=True))
        decays.append(PairDecay(pair, layer, fit_decay(*columns)))
    return LayerFidelityResult(tuple(decays), _curve(points))


def _curve(
    points: Mapping[tuple[int, Edge], Sequence[tuple[int, float, float]]],
) -> tuple[tuple[int, int, float, float], ...]:
    """The mean reading of every layer and length."""
    gathered: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for (layer, _pair), found in points.items():
        for length, mean, variance in found:
            gathered.setdefault((layer, length), []).append((mean, variance))
    return tuple(
        (
            layer,
            length,
            sum(m for m, _ in values) / len(values),
            math.sqrt(sum(v for _, v in values)) / len(values),
        )
        for (layer, length), values in sorted(gathered.items())
    )
