"""Runs one job on the device: the part of a node that touches circuits, always in a limited child.

`run` takes the frames document and returns the result document, both as canonical bytes. With `physical`
the qubit numbers are the processor's own: gates are translated, nothing is moved.

The device is opened once, in the zygote (`preload`); children inherit it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache

from qiskit import QuantumCircuit

from qcrs.circuits import CircuitDocument, Instruction
from qcrs.client.documents import ExactUnit, FramesDocument, ResultDocument, ResultUnit, SampleUnit
from qcrs.errors import BackendError, CircuitError
from qcrs.node.compiling import compile_frames, measured_on
from qcrs.node.devices import Device, calibration, metadata, open_device
from qcrs.types import Json, canonical_json, cid_of, parse_canonical
from qcrs.verification.simulate import expectations

__all__ = ["as_payload", "describe", "device_of", "preload", "run", "run_units"]


@lru_cache(maxsize=4)
def device_of(spec: str) -> Device:
    """The device of a spec, opened once."""
    return open_device(spec)


def preload(spec: str) -> None:
    """Import Qiskit and open the device before any job needs them; also warms the transpiler's caches."""
    device = device_of(spec)
    qubits = min(2, device.qubits)
    gates = [Instruction("u", (0,), (), (1, 2, 3)), Instruction("measure", (0,), (0,))]
    if qubits > 1:
        gates.insert(1, Instruction("cz", (0, 1)))
    probe = CircuitDocument(qubits, 1, (), tuple(gates))
    compile_frames([probe, probe], device.backend.target, physical=False)


def describe(payload: bytes) -> bytes:
    """{"name", "hpke", "spec"} → {"metadata", "calibration"}: what a registration publishes."""
    asked = parse_canonical(payload)
    device = device_of(asked["spec"])
    claims = calibration(device)
    return canonical_json(
        {
            "calibration": claims,
            "metadata": metadata(
                device,
                name=asked["name"],
                hpke=asked["hpke"],
                calibration_cid=cid_of(canonical_json(claims)),
            ),
        }
    )


def run(payload: bytes, device: Device | None = None) -> bytes:
    """The result document of what `as_payload` made.

    `InputError` says that the document itself is at fault: malformed, or asking for more than was paid for.
    """
    asked = parse_canonical(payload)
    device = device or device_of(asked["spec"])
    document = FramesDocument.from_json(asked["frames"])
    _check_width(document, asked["qubits"])
    started = time.perf_counter()
    units = run_units(device, document)
    result = ResultDocument(
        job=asked["job"],
        execution=asked["execution"],
        processor=asked["processor"],
        units=tuple(units),
        backend={
            "name": str(device.backend.name),
            "version": str(device.backend.backend_version or "1"),
        },
        seconds_ms=round((time.perf_counter() - started) * 1000),
    )
    return canonical_json(result.as_json())


def _check_width(document: FramesDocument, paid: int) -> None:
    for unit in document.units:
        for circuit in [unit.circuit] if isinstance(unit, ExactUnit) else unit.frames:
            used = {qubit for item in CircuitDocument.from_json(circuit).walk() for qubit in item.qubits}
            if len(used) > paid:
                raise CircuitError(
                    "a circuit uses more qubits than the job pays for",
                    field="qubits",
                    value=len(used),
                    solution=f"pay for them, or use {paid}",
                )


def run_units(device: Device, document: FramesDocument) -> list[ResultUnit]:
    """Every unit of a document, in order."""
    if document.mode == "exact":
        return [_exact(device, unit) for unit in document.units if isinstance(unit, ExactUnit)]
    prepared = [
        _prepared(device, unit, physical=document.physical)
        for unit in document.units
        if isinstance(unit, SampleUnit)
    ]
    circuits = [circuit for circuits, _shots, _layout in prepared for circuit in circuits]
    shots = [count for _circuits, counts, _layout in prepared for count in counts]
    outcomes = iter(_execute(device, circuits, shots, document.simulator_seed))
    return [
        ResultUnit(frames=tuple(next(outcomes) for _ in circuits), layout=layout)
        for circuits, _shots, layout in prepared
    ]


def _prepared(
    device: Device, unit: SampleUnit, *, physical: bool
) -> tuple[list[QuantumCircuit], tuple[int, ...], tuple[int, ...]]:
    """Compiled frames, shots of each, and the physical qubit of every clbit (-1 for none)."""
    documents = [CircuitDocument.from_json(frame) for frame in unit.frames]
    circuits = compile_frames(documents, device.backend.target, physical=physical)
    return circuits, unit.shots, measured_on(circuits[0])


def _execute(
    device: Device, circuits: Sequence[QuantumCircuit], shots: Sequence[int], seed: int | None
) -> list[Mapping[int, int]]:
    """Counts of every circuit; one call of the backend for each number of shots and 300 circuits."""
    results: dict[int, Mapping[int, int]] = {}
    options: dict[str, int] = {}
    if device.simulator and seed is not None:
        options["seed_simulator"] = seed
    limit = int(device.backend.max_circuits or 300)
    for count in sorted(set(shots)):
        chosen = [index for index, asked in enumerate(shots) if asked == count]
        for start in range(0, len(chosen), limit):
            part = chosen[start : start + limit]
            if "seed_simulator" in options and seed is not None:
                options["seed_simulator"] = _part_seed(seed, part[0])
            outcome = device.backend.run([circuits[i] for i in part], shots=count, **options).result()
            if not outcome.success:
                raise BackendError(
                    f"the device failed: {outcome.status}",
                    field="backend",
                    value=str(device.backend.name),
                    solution="see the device's own log; the job goes to another processor",
                )
            for place, index in enumerate(part):
                raw = outcome.data(place)["counts"]
                results[index] = {_outcome(key): int(value) for key, value in raw.items()}
    return [results[index] for index in range(len(circuits))]


def _part_seed(seed: int, first: int) -> int:
    """A simulator's 31 bits for the circuits from `first` on; neighbouring seeds of Aer share most shots."""
    return int.from_bytes(hashlib.sha256(f"qcrs/part/{seed}/{first}".encode()).digest()[:4], "big") >> 1


def _outcome(key: str | int) -> int:
    """An outcome as a number; backends name it 0x1f, 11111 or 31."""
    if isinstance(key, int):
        return key
    return int(key, 16) if key.startswith("0x") else int(key.replace(" ", ""), 2)


def _exact(device: Device, unit: ExactUnit) -> ResultUnit:
    """Noiseless expectation values in units of 1e-12, on simulators only."""
    if not device.simulator:
        raise BackendError(
            "exact expectation values exist on simulators only",
            field="mode",
            value="exact",
            solution="ask for a precision above 0",
        )
    document = CircuitDocument.from_json(unit.circuit)
    if any(len(label) != document.qubits for label, _re, _im in unit.observables):
        raise CircuitError(
            "an observable has one letter a qubit",
            field="observables",
            value=document.qubits,
            solution="write one of I, X, Y, Z for each qubit, the last letter for qubit 0",
        )
    values = expectations(document, [[(label, 1.0)] for label, _re, _im in unit.observables])
    terms = zip(values, unit.observables, strict=True)
    return ResultUnit(values_pico=tuple(round(value * real * 1000) for value, (_, real, _) in terms))


def as_payload(spec: str, *, job: int, execution: int, processor: int, qubits: int, frames: Json) -> bytes:
    """The bytes that `run` takes; `qubits` is the width that the job pays for."""
    return canonical_json(
        {
            "spec": spec,
            "job": job,
            "execution": execution,
            "processor": processor,
            "qubits": qubits,
            "frames": frames,
        }
    )
