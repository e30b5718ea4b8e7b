"""A surface-code patch that lies on two processors: its logical error against the noise of the links.

A rotated memory experiment under circuit-level depolarising noise; the data columns 0 … c are on one
processor, the others on the next, and the 2d − 1 CX of each round that cross the seam carry the link's noise.
(Ramette, Sinclair, Breuckmann and Vuletić, npj Quantum Information 10, 58, 2024; the simulator: Gidney,
Quantum 5, 497, 2021; the decoder: Higgott and Gidney, Quantum 9, 1600, 2025.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from qcrs.errors import InputError

if TYPE_CHECKING:
    import pymatching
    import stim

__all__ = ["Estimate", "Seam", "crossing", "decoder", "estimate", "memory_circuit"]

Bits = NDArray[np.uint8]
BATCH = 50_000
"""Shots sampled at a time: what bounds the memory."""


@dataclass(frozen=True, slots=True)
class Seam:
    """One memory experiment: `p` is the error of an operation within a processor, `p_link` of a CX across."""

    distance: int
    rounds: int
    p: float
    p_link: float
    basis: Literal["x", "z"] = "z"
    column: int | None = None
    """Last data column of the first processor; by default the middle. −1: no seam."""

    def __post_init__(self) -> None:
        if self.distance < 2:
            raise InputError("a code has distance 2 at least", field="distance", value=self.distance)
        if self.rounds < 1:
            raise InputError("a memory has one round at least", field="rounds", value=self.rounds)
        for name in ("p", "p_link"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise InputError("a probability of 0 to 0.5", field=name, value=getattr(self, name))
        if not -1 <= self.last_column < self.distance:
            raise InputError(f"a column of 0 to {self.distance - 1}", field="column", value=self.column)

    @property
    def last_column(self) -> int:
        """Last data column of the first processor."""
        return self.distance // 2 - 1 if self.column is None else self.column


@dataclass(frozen=True, slots=True)
class Estimate:
    """Failures of shots, with what follows from them."""

    seam: Seam
    shots: int
    failures: int
    detectors: int
    """Detector bits of one shot."""
    fired: int
    """Detector bits that were 1, over all shots."""

    @property
    def fraction(self) -> float:
        """Share of detector bits that fired: a device's own noise, whatever it declares."""
        return self.fired / (self.shots * self.detectors)

    def per_round(self, failures: float | None = None) -> float:
        """Logical error per round ε with (1 − 2ε)^rounds = 1 − 2·P(fail)."""
        share = min(0.5, (self.failures if failures is None else failures) / self.shots)
        return float((1 - (1 - 2 * share) ** (1 / self.seam.rounds)) / 2)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Clopper–Pearson interval of the failures' share of a shot."""
        tail, n, k = (1 - confidence) / 2, self.shots, self.failures
        low = 0.0 if k == 0 else float(beta.ppf(tail, k, n - k + 1))
        high = 1.0 if k == n else float(beta.ppf(1 - tail, k + 1, n - k))
        return low, high


def crossing(seam: Seam, circuit: stim.Circuit) -> set[tuple[int, int]]:
    """Pairs of qubits (control, target) of CX that join the two processors."""
    coordinates = circuit.get_final_qubit_coordinates()
    border = 2 * seam.last_column + 2  # data columns stand at odd x, ancillas at even x
    side = {qubit: place[0] > border for qubit, place in coordinates.items()}
    found = set()
    for item in circuit.flattened():
        if item.name == "CX":
            targets = [target.value for target in item.targets_copy()]
            found |= {(a, b) for a, b in zip(targets[::2], targets[1::2], strict=True) if side[a] != side[b]}
    return found


def memory_circuit(seam: Seam) -> stim.Circuit:
    """The memory experiment with the seam's noise, for stim."""
    import stim

    plain = stim.Circuit.generated(
        f"surface_code:rotated_memory_{seam.basis}",
        distance=seam.distance,
        rounds=seam.rounds,
        after_clifford_depolarization=seam.p,
        after_reset_flip_probability=seam.p,
        before_measure_flip_probability=seam.p,
        before_round_data_depolarization=seam.p,
    )
    if seam.last_column < 0 or seam.p_link == seam.p:
        return plain
    return _with_links(plain, crossing(seam, plain), seam)


def _with_links(circuit: stim.Circuit, across: set[tuple[int, int]], seam: Seam) -> stim.Circuit:
    """The circuit whose two-qubit noise on the crossing pairs is the link's."""
    import stim

    out = stim.Circuit()
    for item in circuit:
        if isinstance(item, stim.CircuitRepeatBlock):
            body = _with_links(item.body_copy(), across, seam)
            out.append(stim.CircuitRepeatBlock(item.repeat_count, body))
            continue
        if item.name == "CX":
            targets = [target.value for target in item.targets_copy()]
            pairs = list(zip(targets[::2], targets[1::2], strict=True))
            noisy_links = [qubit for pair in pairs if pair in across for qubit in pair]
            inner = [qubit for pair in pairs if pair not in across for qubit in pair]
            out.append(item)
            if noisy_links:
                out.append("DEPOLARIZE2", noisy_links, seam.p_link)
            if inner and seam.p:
                out.append("DEPOLARIZE2", inner, seam.p)
        elif item.name != "DEPOLARIZE2":  # that noise stands behind its CX already
            out.append(item)
    return out


def decoder(circuit: stim.Circuit) -> pymatching.Matching:
    """Minimum-weight perfect matching on the circuit's own error model."""
    import pymatching

    return pymatching.Matching.from_detector_error_model(circuit.detector_error_model(decompose_errors=True))


def estimate(seam: Seam, shots: int, seed: int, *, stop_at: int | None = None) -> Estimate:
    """Samples and decodes, at most to `stop_at` failures. The same seed and stim version: the same bits."""
    circuit = memory_circuit(seam)
    matching, sampler = decoder(circuit), circuit.compile_detector_sampler(seed=seed)
    done = failures = fired = 0
    while done < shots and (stop_at is None or failures < stop_at):
        batch = min(BATCH, shots - done)
        detectors, observables = sampler.sample(batch, separate_observables=True, bit_packed=True)
        guesses = matching.decode_batch(detectors, bit_packed_shots=True, bit_packed_predictions=True)
        failures += int((guesses != observables).any(axis=1).sum())
        fired += int(np.bitwise_count(detectors).sum())
        done += batch
    return Estimate(seam, done, failures, circuit.num_detectors, fired)
