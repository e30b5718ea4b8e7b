"""From pubs to units of one job, and back from the units' outcomes to a primitive result.

A plan is the list of units to run and a *note*: plain JSON that says how outcomes map back to shapes,
registers and observables. The note travels in the job's secret document, so a result can be read
from the job's id alone, on any machine that has the account's key.

Shapes, broadcasting and error bars follow Qiskit's `BackendSamplerV2` and `BackendEstimatorV2`.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from qiskit.circuit import ClassicalRegister, QuantumCircuit
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.quantum_info import Pauli, PauliList, SparseObservable

from qcrs.circuits.drbg import Drbg, keccak
from qcrs.circuits.lower import lower
from qcrs.client.program import Outcome, Unit, compact, touched
from qcrs.types import Json

__all__ = [
    "Plan",
    "expand",
    "lowered_unit",
    "measures",
    "plain",
    "plan_estimator",
    "plan_sampler",
    "read_estimator",
    "read_sampler",
]


@dataclass(frozen=True, slots=True)
class Plan:
    """Units to run and the note that reads their outcomes."""

    units: tuple[Unit, ...]
    note: Json


def plain(metadata: Mapping[str, Any] | None) -> Json:
    """Circuit metadata as JSON; what JSON does not know becomes its text."""
    return json.loads(json.dumps(metadata or {}, default=str))


def measures(circuit: QuantumCircuit) -> bool:
    """Whether the circuit measures anything, inside control flow included."""
    return any(
        item.operation.name == "measure"
        or any(measures(block) for block in getattr(item.operation, "blocks", ()))
        for item in circuit.data
    )


def _registers(circuit: QuantumCircuit) -> list[list[Any]]:
    return [[register.name, [circuit.find_bit(bit).index for bit in register]] for register in circuit.cregs]


def _gathered(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit without the registers whose bits are scattered; the note remembers their bits."""
    whole = []
    for register in circuit.cregs:
        bits = [circuit.find_bit(bit).index for bit in register]
        if bits == list(range(bits[0], bits[0] + len(bits)) if bits else ()):
            whole.append(register)
    if len(whole) == len(circuit.cregs):
        return circuit
    bare = QuantumCircuit(circuit.qubits, circuit.clbits, *whole, global_phase=circuit.global_phase)
    for item in circuit.data:
        bare.append(item)
    return bare


def lowered_unit(circuit: QuantumCircuit, shots: int, *, physical: bool) -> Unit:
    """A bound circuit as a unit."""
    return Unit(compact(lower(_gathered(circuit)).document, physical=physical), shots)


def plan_sampler(pubs: Sequence[SamplerPub], *, physical: bool = False) -> Plan:
    """One unit for each parameter set of each pub that measures anything."""
    units: list[Unit] = []
    rows = []
    for pub in pubs:
        first = len(units)
        if measures(pub.circuit) and pub.circuit.cregs:
            bound = pub.parameter_values.bind_all(pub.circuit)
            shots = int(pub.shots or 0)
            units += [lowered_unit(circuit, shots, physical=physical) for circuit in np.ravel(bound).tolist()]
        rows.append(
            {
                "shape": list(pub.shape),
                "shots": int(pub.shots or 0),
                "registers": _registers(pub.circuit),
                "metadata": plain(pub.circuit.metadata),
                "first": first,
                "count": len(units) - first,
            }
        )
    return Plan(tuple(units), {"kind": "sampler", "pubs": rows})


def expand(counts: Mapping[int, int], label: bytes) -> tuple[list[int], np.ndarray[Any, Any]]:
    """Distinct outcomes, and for each shot the index of its outcome.

    Counts have no order of shots; they are put into a fixed pseudorandom order, so that a slice of the
    shots is a fair sample of them.
    """
    outcomes = sorted(counts)
    index = np.repeat(np.arange(len(outcomes)), [counts[outcome] for outcome in outcomes])
    return outcomes, index[Drbg(keccak(label), b"qcrs/shots").permutation(len(index))]


def _pack(outcomes: Sequence[int], bits: Sequence[int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """For each outcome the bytes (big-endian) of the integer that `bits` select from it."""
    size = (len(bits) + 7) // 8
    rows = [
        sum((outcome >> bit & 1) << place for place, bit in enumerate(bits)).to_bytes(size, "big")
        for outcome in outcomes
    ]
    return np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(outcomes), size)


def read_sampler(note: Json, outcomes: Sequence[Outcome], metadata: Json) -> PrimitiveResult[Any]:
    """A `PrimitiveResult` of `SamplerPubResult`s: one `BitArray` a register, of the pub's shape."""
    results = []
    for number, row in enumerate(note["pubs"]):
        shape, shots = tuple(row["shape"]), row["shots"]
        arrays = {
            name: np.zeros((*shape, shots, (len(bits) + 7) // 8), dtype=np.uint8)
            for name, bits in row["registers"]
        }
        for place, index in enumerate(np.ndindex(shape) if row["count"] else ()):
            seen, order = expand(outcomes[row["first"] + place].counts, f"{number}/{place}".encode())
            for name, bits in row["registers"]:
                arrays[name][index] = _pack(seen, bits)[order]
        data = {name: BitArray(arrays[name], len(bits)) for name, bits in row["registers"]}
        results.append(
            SamplerPubResult(
                DataBin(**data, shape=shape),
                metadata={"shots": shots, "circuit_metadata": row["metadata"]},
            )
        )
    return PrimitiveResult(results, metadata={"version": 2, **metadata})


def _pauli_terms(observable: SparseObservable) -> list[tuple[str, float]]:
    """Pauli words with real coefficients; projectors are written out as sums of Paulis."""
    paulis = observable.as_paulis().simplify()
    terms = []
    for letters, qubits, coefficient in paulis.to_sparse_list():
        word = ["I"] * paulis.num_qubits
        for letter, qubit in zip(letters, qubits, strict=True):
            word[paulis.num_qubits - 1 - qubit] = letter
        terms.append(("".join(word), float(np.real(coefficient))))
    return terms


def _measuring(circuit: QuantumCircuit, basis: Pauli) -> tuple[QuantumCircuit, dict[int, int]]:
    """The circuit followed by a measurement of each qubit that `basis` acts on; {qubit: its clbit}."""
    qubits = [int(q) for q in np.flatnonzero(basis.z | basis.x)]
    measured = circuit.copy()
    first = measured.num_clbits
    register = ClassicalRegister(len(qubits), "__qcrs")
    measured.add_register(register)
    for bit, qubit in zip(register, qubits, strict=True):
        if basis.x[qubit]:
            if basis.z[qubit]:
                measured.sdg(qubit)
            measured.h(qubit)
        measured.measure(qubit, bit)
    return measured, {qubit: first + place for place, qubit in enumerate(qubits)}


def _sampled_units(
    circuit: QuantumCircuit, words: Sequence[str], shots: int, units: list[Unit], *, physical: bool
) -> dict[str, tuple[int, int]]:
    """Add a unit for each set of qubit-wise commuting words; {word: (unit, mask of its clbits)}."""
    places: dict[str, tuple[int, int]] = {}
    if not words:
        return places
    for group in PauliList(sorted(words)).group_commuting(qubit_wise=True):
        basis = Pauli((np.logical_or.reduce(group.z), np.logical_or.reduce(group.x)))
        measured, clbits = _measuring(circuit, basis)
        for pauli in group:
            qubits = np.flatnonzero(pauli.z | pauli.x)
            places[pauli.to_label()] = (len(units), sum(1 << clbits[int(q)] for q in qubits))
        units.append(lowered_unit(measured, shots, physical=physical))
    return places


def _exact_unit(circuit: QuantumCircuit, words: Sequence[str]) -> Unit:
    """An exact request for the words, on the qubits that the circuit or a word touches."""
    document = lower(_gathered(circuit), measure=False).document
    top = document.qubits - 1
    acted = {top - place for word in words for place, letter in enumerate(word) if letter != "I"}
    kept = touched(document) | acted
    paulis = tuple("".join(word[top - qubit] for qubit in sorted(kept, reverse=True)) for word in words)
    return Unit(compact(document, keep=acted), paulis=paulis)


def plan_estimator(pubs: Sequence[EstimatorPub], *, exact: bool, physical: bool = False) -> Plan:
    """Units for every needed (parameter set, group of commuting Pauli words).

    In exact mode one unit a parameter set asks for noiseless values of its words.
    """
    units: list[Unit] = []
    rows = []
    for pub in pubs:
        precision = float(pub.precision or 0.0)
        shots = 0 if exact else math.ceil(1.0 / precision**2)
        values = pub.parameter_values
        indices = np.empty(values.shape, dtype=object)
        for index in np.ndindex(values.shape):
            indices[index] = index
        bound_to, observed = np.broadcast_arrays(indices, pub.observables.sparse_observables_array())
        terms = {id(item): _pauli_terms(item) for item in observed.ravel().tolist()}
        needed: defaultdict[tuple[int, ...], set[str]] = defaultdict(set)
        for index, item in zip(bound_to.ravel().tolist(), observed.ravel().tolist(), strict=True):
            needed[index].update(word for word, _ in terms[id(item)] if set(word) != {"I"})
        places: dict[tuple[tuple[int, ...], str], tuple[int, int]] = {}
        for index, words in needed.items():
            circuit = values.bind(pub.circuit, index)
            if exact and words:
                found = {word: (len(units), term) for term, word in enumerate(sorted(words))}
                units.append(_exact_unit(circuit, sorted(words)))
            else:
                found = _sampled_units(circuit, sorted(words), shots, units, physical=physical)
            places.update({(index, word): place for word, place in found.items()})
        points = [
            [[coefficient, *places.get((index, word), (-1, 0))] for word, coefficient in terms[id(item)]]
            for index, item in zip(bound_to.ravel().tolist(), observed.ravel().tolist(), strict=True)
        ]
        rows.append(
            {
                "shape": list(bound_to.shape),
                "shots": shots,
                "precision": precision,
                "metadata": plain(pub.circuit.metadata),
                "points": points,
            }
        )
    return Plan(tuple(units), {"kind": "estimator", "exact": exact, "pubs": rows})


def _parity_mean(outcome: Outcome, mask: int) -> float:
    """Mean of (−1)^(parity of the masked bits) over the shots."""
    total = sum(outcome.counts.values())
    signed = sum(-n if (bits & mask).bit_count() & 1 else n for bits, n in outcome.counts.items())
    return signed / total


def read_estimator(note: Json, outcomes: Sequence[Outcome], metadata: Json) -> PrimitiveResult[Any]:
    """A `PrimitiveResult` of `PubResult`s with `evs` and `stds` of the pub's shape.

    std = Σ|aᵢ|·√Var(Pᵢ) / √shots as in `BackendEstimatorV2`; zero in exact mode.
    """
    results = []
    means: dict[tuple[int, int], float] = {}
    for row in note["pubs"]:
        shape = tuple(row["shape"])
        evs, stds = np.zeros(math.prod(shape)), np.zeros(math.prod(shape))
        for place, point in enumerate(row["points"]):
            for coefficient, unit, where in point:
                if unit < 0:
                    evs[place] += coefficient
                    continue
                if (unit, where) not in means:
                    outcome = outcomes[unit]
                    means[unit, where] = (
                        outcome.values[where] if note["exact"] else _parity_mean(outcome, where)
                    )
                mean = means[unit, where]
                evs[place] += coefficient * mean
                if row["shots"]:
                    stds[place] += abs(coefficient) * math.sqrt(max(0.0, 1 - mean * mean) / row["shots"])
        data = DataBin(evs=evs.reshape(shape), stds=stds.reshape(shape), shape=shape)
        info = {"target_precision": row["precision"], "circuit_metadata": row["metadata"]}
        if row["shots"]:
            info["shots"] = row["shots"]
        results.append(PubResult(data, metadata=info))
    return PrimitiveResult(results, metadata={"version": 2, **metadata})
