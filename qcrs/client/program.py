"""A program as the exchange knows it: units to run, and what came back for each.

A unit is one circuit without free parameters and its shots, or in exact mode the Pauli terms whose
noiseless expectation values are wanted. From units and a seed follow the two documents of a job;
from a result document and the seed follow the decoded outcomes.

Source: docs/protocol.md, "A job".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from qcrs.circuits.document import CircuitDocument, Instruction
from qcrs.circuits.frames import decode, frame, shots_per_frame
from qcrs.client.documents import (
    MAX_SHOTS,
    MAX_UNITS,
    ExactUnit,
    FramesDocument,
    ResultDocument,
    SampleUnit,
    SecretDocument,
    SecretUnit,
)
from qcrs.errors import CircuitError, InputError, VerificationError
from qcrs.types import Json
from qcrs.verification.verdict import Policy

__all__ = [
    "Outcome",
    "Unit",
    "build_documents",
    "check_units",
    "compact",
    "decode_result",
    "estimate_seconds",
    "least_seconds",
    "run_note",
    "touched",
    "width_of",
]

PICO = 10**12
NANO = 10**9
MOST_EXACT_QUBITS = Policy().simulate_drawn_qubits
"""Oracles simulate what is exact; wider circuits would wait for a verdict that cannot come."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One circuit and its shots; or, with `paulis`, an exact request for their expectation values.

    `predicate` is an optional check of single outcomes in the form that `qcrs.verification` reads.
    """

    circuit: CircuitDocument
    shots: int = 0
    paulis: tuple[str, ...] = ()
    predicate: Json = None

    @property
    def exact(self) -> bool:
        """Whether it asks for noiseless values instead of shots."""
        return bool(self.paulis)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back for one unit: decoded counts by outcome, or one value for each Pauli term."""

    counts: Mapping[int, int] = field(default_factory=dict)
    values: tuple[float, ...] = ()


def check_units(units: Sequence[Unit]) -> None:
    """Refuse what no processor could run; `InputError` names the unit and the remedy."""
    if not 1 <= len(units) <= MAX_UNITS:
        raise InputError(
            f"a job has 1 to {MAX_UNITS} circuits",
            field="units",
            value=len(units),
            solution="run fewer pubs or parameter sets in one call",
        )
    if len({unit.exact for unit in units}) != 1:
        raise InputError(
            "one job is either sampled or exact",
            field="precision",
            solution="run pubs of precision 0 in a call of their own",
        )
    for index, unit in enumerate(units):
        if not unit.exact and not 1 <= unit.shots <= MAX_SHOTS:
            raise InputError(
                f"circuit {index} has {unit.shots} shots",
                field="shots",
                value=unit.shots,
                solution=f"ask for 1 to {MAX_SHOTS:,} shots",
            )
        if unit.exact and (active := len(touched(unit.circuit))) > MOST_EXACT_QUBITS:
            raise InputError(
                f"circuit {index} acts on {active} qubits; exact values are checked by simulation up to "
                f"{MOST_EXACT_QUBITS}",
                field="precision",
                value=0,
                solution="ask for a precision above 0, or for a smaller circuit",
            )
        if not unit.exact and not unit.circuit.measured_clbits():
            raise CircuitError(
                f"circuit {index} measures nothing",
                field="circuit",
                value=index,
                solution="add measurements, for instance with circuit.measure_all()",
            )


def running_seconds(circuit: CircuitDocument, runs: int, *, simulator: bool) -> float:
    """How long `runs` shots of a circuit may take, with room to spare.

    20 ms a frame, 1 ms a shot (a device's repetition rate), and for simulators 0.5 ns for each amplitude,
    gate and trajectory.
    """
    total = 0.2 + 1e-3 * runs
    if simulator:
        gates = sum(1 for item in circuit.walk() if item.name in ("u", "cz"))
        total += 5e-10 * runs * gates * 2 ** min(len(touched(circuit)), 24)
    return total


def estimate_seconds(units: Sequence[Unit]) -> int:
    """A time limit for one execution, in seconds: `running_seconds`, and 20 s for dispatch and transpiling.

    A noiseless value needs one trajectory.
    """
    running = (
        running_seconds(unit.circuit, 1 if unit.exact else unit.shots, simulator=True) for unit in units
    )
    return math.ceil(20.0 + sum(running))


def least_seconds(work: Iterable[tuple[CircuitDocument, int]], *, simulator: bool) -> int:
    """The least time that a client may declare for these (circuit, shots): a quarter of what they may take.

    Under it a provider may refuse, and is paid: nobody is asked for the impossible, then fined for it.
    """
    total = sum(running_seconds(circuit, runs, simulator=simulator) for circuit, runs in work)
    return math.ceil(total / 4)


def run_note(units: Sequence[Unit], names: Sequence[str]) -> Json:
    """The note of a plain run: what each unit's outcomes are called and how their bits are grouped."""
    return {
        "kind": "run",
        "circuits": [
            {
                "name": name,
                "shots": unit.shots,
                "memory": False,
                "clbits": unit.circuit.clbits,
                "qubits": unit.circuit.qubits,
                "cregs": [[register.name, register.size] for register in unit.circuit.registers],
                "metadata": {},
                "unit": number,
            }
            for number, (unit, name) in enumerate(zip(units, names, strict=True))
        ],
    }


def width_of(units: Sequence[Unit]) -> int:
    """Qubits that the widest unit acts on."""
    return max(
        len({qubit for item in unit.circuit.walk() for qubit in item.qubits}) or 1
        if not unit.exact
        else unit.circuit.qubits
        for unit in units
    )


def touched(circuit: CircuitDocument) -> set[int]:
    """Qubits that an operation other than a barrier acts on."""
    return {
        qubit
        for item in circuit.walk()
        if item.name != "barrier" and item.control is None
        for qubit in item.qubits
    }


def compact(
    circuit: CircuitDocument, *, physical: bool = False, keep: Collection[int] = ()
) -> CircuitDocument:
    """The circuit without untouched qubits (but those in `keep`); unchanged where numbers are physical.

    A circuit that was laid out for a large device then asks (and pays) only for what it uses.
    """
    used = sorted(touched(circuit) | set(keep)) or [0]
    if physical or len(used) == circuit.qubits:
        return circuit
    places = {qubit: place for place, qubit in enumerate(used)}

    def moved(item: Instruction) -> Instruction:
        control = item.control
        if control is not None and control.blocks:
            blocks = tuple(tuple(moved(inner) for inner in block) for block in control.blocks)
            control = replace(control, blocks=blocks)
        qubits = tuple(places[qubit] for qubit in item.qubits if qubit in places)
        return replace(item, qubits=qubits, control=control)

    return CircuitDocument(
        len(used), circuit.clbits, circuit.registers, tuple(moved(item) for item in circuit.instructions)
    )


def build_documents(
    units: Sequence[Unit],
    *,
    seed: bytes,
    job_nonce: str,
    physical: bool = False,
    simulator_seed: int | None = None,
    purpose: str = "user",
    note: str = "",
    value: int = 0,
) -> tuple[FramesDocument, SecretDocument]:
    """The provider's and the oracles' documents of a job; the same arguments give the same bytes."""
    check_units(units)
    runs: list[SampleUnit | ExactUnit] = []
    secrets: list[SecretUnit] = []
    for number, unit in enumerate(units):
        circuit = unit.circuit.as_json()
        if unit.exact:
            terms = tuple((label, NANO, 0) for label in unit.paulis)
            runs.append(ExactUnit(circuit, terms))
            secrets.append(SecretUnit(circuit, 0, 0, unit.predicate, terms))
            continue
        shots = tuple(shots_per_frame(unit.shots, len(units)))
        frames = [frame(unit.circuit, seed, number, b).circuit.as_json() for b in range(len(shots))]
        runs.append(SampleUnit(tuple(frames), shots))
        secrets.append(SecretUnit(circuit, unit.shots, len(shots), unit.predicate))
    return (
        FramesDocument(job_nonce, tuple(runs), physical, simulator_seed),
        SecretDocument(
            job_nonce,
            seed,
            tuple(secrets),
            "capability" if purpose == "capability" else "user",
            physical,
            note,
            value,
        ),
    )


def decode_result(secret: SecretDocument, result: ResultDocument) -> list[Outcome]:
    """Undo the masks: one `Outcome` a unit. `VerificationError` where the forms do not fit together."""
    if len(result.units) != len(secret.units):
        raise VerificationError(
            "a result has another number of units than its job", field="units", value=len(result.units)
        )
    outcomes = []
    for number, (asked, given) in enumerate(zip(secret.units, result.units, strict=True)):
        if asked.frames == 0:
            if len(given.values_pico) != len(asked.observables):
                raise VerificationError("a result lacks values", field=f"units[{number}]")
            outcomes.append(Outcome(values=tuple(value / PICO for value in given.values_pico)))
            continue
        if len(given.frames) != asked.frames:
            raise VerificationError("a result lacks frames", field=f"units[{number}]")
        circuit = CircuitDocument.from_json(asked.circuit)
        counts: Counter[int] = Counter()
        for b, raw in enumerate(given.frames):
            counts.update(decode(raw, frame(circuit, secret.seed, number, b).mask))
        outcomes.append(Outcome(dict(counts)))
    return outcomes
