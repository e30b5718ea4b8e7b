"""Circuits in pieces where no entanglement is to be had: expectation values at the price of more shots.

A cut gate or wire is replaced by local operations with signed weights; the variance grows by γ² for each cut
(9 for a CX or CZ, 16 for a wire). That price is quoted before anything runs. Finding the cuts and putting the
pieces together is qiskit-addon-cutting's work; the offer, its limits and the shots are decided here.
(Mitarai and Fujii, New J. Phys. 23, 023021, 2021; Peng, Harrow, Ozols and Wu, PRL 125, 150504, 2020.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qiskit import QuantumCircuit, transpile
from qiskit.primitives import BaseSamplerV2
from qiskit.quantum_info import PauliList, SparsePauliOp

from qcrs.errors import CircuitError, InputError

__all__ = ["MOST_OVERHEAD", "CutOffer", "expectations", "offer"]

MOST_OVERHEAD = 100.0
"""γ² above which cutting is not offered: pairs or a larger processor are cheaper than that many shots."""
MOST_EXPERIMENTS = 20_000


@dataclass(frozen=True, slots=True)
class CutOffer:
    """What cutting a circuit to pieces of a width would cost."""

    circuit: QuantumCircuit
    """With its cuts marked; wires that are cut have become two qubits."""
    original: QuantumCircuit
    gates: int
    """Cut gates."""
    wires: int
    """Cut wires."""
    overhead: float
    """γ²: shots for a given error, relative to the uncut circuit."""
    widths: tuple[int, ...]
    """Qubits of each piece."""

    def shots(self, error: float) -> int:
        """Shots in all for a standard error of an observable whose terms lie within [−1, 1]."""
        return math.ceil(self.overhead / error**2)


def offer(circuit: QuantumCircuit, width: int, *, most: float = MOST_OVERHEAD) -> CutOffer:
    """The cheapest cuts found that leave pieces of at most `width` qubits.

    Raises `InputError` where that costs more than `most`, and `CircuitError` for circuits that measure:
    cutting gives expectation values, never counts.
    """
    from qiskit_addon_cutting import DeviceConstraints, OptimizationParameters, cut_wires, find_cuts
    from qiskit_addon_cutting import partition_problem as partition

    if width < 1:
        raise InputError("a piece has one qubit at least", field="width", value=width)
    if circuit.clbits:
        raise CircuitError(
            "a circuit that is cut has no classical bits",
            field="circuit",
            value=circuit.name,
            solution="remove the measurements and ask for observables",
        )
    plain = transpile(circuit, basis_gates=["u", "cx", "cz", "rzz", "cp", "swap"], optimization_level=1)
    if plain.num_qubits <= width:
        return CutOffer(plain, plain, 0, 0, 1.0, (plain.num_qubits,))
    found, about = find_cuts(
        plain, OptimizationParameters(seed=0), DeviceConstraints(qubits_per_subcircuit=width)
    )
    kinds = [kind for kind, _ in about["cuts"]]
    overhead = float(about["sampling_overhead"])
    if overhead > most:
        raise InputError(
            f"cutting to {width} qubits takes {overhead:.0f} times the shots",
            field="width",
            value=width,
            solution=f"use entangled pairs or a larger processor, or accept more than {most:.0f} times",
        )
    marked = cut_wires(found)
    pieces = partition(circuit=marked).subcircuits
    wires = sum("wire" in kind.lower() for kind in kinds)
    widths = tuple(sorted(piece.num_qubits for piece in pieces.values()))
    return CutOffer(marked, plain, len(kinds) - wires, wires, overhead, widths)


def expectations(
    found: CutOffer,
    observables: Sequence[SparsePauliOp],
    sampler: BaseSamplerV2,
    shots: int,
    progress: Callable[[float], None] | None = None,
) -> list[float]:
    """Expectation values of the original circuit from runs of the pieces.

    `shots` is for all experiments together. Each piece's experiments go to `sampler` as one job.
    """
    from qiskit_addon_cutting import (
        expand_observables,
        generate_cutting_experiments,
        partition_problem,
        reconstruct_expectation_values,
    )

    terms = PauliList(
        sorted({label for observable in observables for label in observable.paulis.to_labels()})
    )
    if terms.num_qubits != found.original.num_qubits:
        raise InputError(
            f"the observables act on {terms.num_qubits} qubits, the circuit has {found.original.num_qubits}",
            field="observables",
            value=terms.num_qubits,
        )
    expanded = expand_observables(terms, found.original, found.circuit)
    problem = partition_problem(circuit=found.circuit, observables=expanded)
    experiments, weights = generate_cutting_experiments(
        circuits=problem.subcircuits, observables=problem.subobservables, num_samples=math.inf
    )
    total = sum(len(runs) for runs in experiments.values())
    if total > MOST_EXPERIMENTS:
        raise InputError(f"{total} experiments are too many", field="cuts", value=found.gates + found.wires)
    each = max(1, shots // total)
    results: dict[Any, Any] = {}
    for number, (label, runs) in enumerate(experiments.items()):
        results[label] = sampler.run(list(runs), shots=each).result()
        if progress is not None:
            progress((number + 1) / len(experiments))
    values = reconstruct_expectation_values(results, weights, problem.subobservables)
    of: Mapping[str, float] = dict(zip(terms.to_labels(), values, strict=True))
    return [
        float(sum(coefficient.real * of[label] for label, coefficient in observable.label_iter()))
        for observable in observables
    ]
