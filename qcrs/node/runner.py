"""Runs one job on the device: the part of a node that touches circuits, always in a limited child.

`run` takes the frames document and returns the result document, both as canonical bytes. The first
frame of a unit is transpiled freely; the others keep its layout, because two layouts have two noise
profiles and the frames of a unit are compared with one another. With `physical` the qubit numbers are
the processor's own: gates are translated, nothing is moved.

The device is opened once, in the zygote (`preload`); children inherit it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp
from qiskit.quantum_info import Pauli, Statevector
from qiskit.transpiler import Target, generate_preset_pass_manager

from qcrs.circuits import CircuitDocument, to_qiskit
from qcrs.client.documents import ExactUnit, FramesDocument, ResultDocument, ResultUnit, SampleUnit
from qcrs.client.routing import TRANSPILER_LEVEL, TRANSPILER_SEED
from qcrs.errors import BackendError, CircuitError
from qcrs.node.devices import Device, calibration, metadata, open_device
from qcrs.types import Json, canonical_json, cid_of, parse_canonical
from qcrs.verification.simulate import expectation, statevector

__all__ = ["as_payload", "describe", "preload", "run", "run_units"]


@lru_cache(maxsize=4)
def _device(spec: str) -> Device:
    return open_device(spec)


def preload(spec: str) -> None:
    """Import Qiskit and open the device before any job needs them; also warms the transpiler's caches."""
    device = _device(spec)
    probe = QuantumCircuit(min(2, device.qubits), 1)
    probe.u(0.1, 0.2, 0.3, 0)
    if device.qubits > 1:
        probe.cz(0, 1)
    probe.measure(0, 0)
    _compiler(device, physical=False, layout=None, circuit=probe)(probe)


def describe(payload: bytes) -> bytes:
    """{"name", "hpke", "spec"} → {"metadata", "calibration"}: what a registration publishes."""
    asked = parse_canonical(payload)
    device = _device(asked["spec"])
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


def run(payload: bytes) -> bytes:
    """The result document of what `as_payload` made.

    `InputError` says that the document itself is at fault: malformed, or asking for more than was paid for.
    """
    asked = parse_canonical(payload)
    device = _device(asked["spec"])
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
                    "a circuit uses more qubits than the job pays for", field="qubits", value=len(used)
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
    """Transpiled frames, shots of each, and the physical qubit of every clbit (-1 for none)."""
    circuits = [to_qiskit(CircuitDocument.from_json(frame)) for frame in unit.frames]
    if any(circuit.num_qubits > device.qubits for circuit in circuits):
        raise BackendError("the job has more qubits than the processor", field="qubits")
    first = _compiler(device, physical=physical, layout=None, circuit=circuits[0])(circuits[0])
    layout = None
    if not physical and first.layout is not None:
        layout = first.layout.initial_index_layout(filter_ancillas=True)
    compiled = _compiler(device, physical=physical, layout=layout, circuit=circuits[0])
    return [first, *map(compiled, circuits[1:])], unit.shots, _measured_on(first)


def _compiler(
    device: Device, *, physical: bool, layout: Sequence[int] | None, circuit: QuantumCircuit
) -> Callable[[QuantumCircuit], QuantumCircuit]:
    """What turns circuits of this width into the device's own gates; one pass manager for many."""
    target = device.backend.target
    if physical and _native(circuit, target):
        return lambda found: found if _native(found, target) else _placed(device, found)
    if physical:
        return lambda found: _placed(device, found)
    manager = generate_preset_pass_manager(
        optimization_level=TRANSPILER_LEVEL,
        target=target,
        initial_layout=layout,
        seed_transpiler=TRANSPILER_SEED,
    )
    return lambda found: manager.run(found, num_processes=1)


def _placed(device: Device, circuit: QuantumCircuit) -> QuantumCircuit:
    """Gates translated, every qubit where it is; a coupling that does not exist is an error."""
    manager = generate_preset_pass_manager(
        optimization_level=0,
        target=device.backend.target,
        initial_layout=list(range(circuit.num_qubits)),
        routing_method="none",
        seed_transpiler=TRANSPILER_SEED,
    )
    return manager.run(circuit, num_processes=1)


def _native(circuit: QuantumCircuit, target: Target) -> bool:
    """Whether the device has every gate of the circuit on the very qubits named."""
    return all(
        item.operation.name == "barrier"
        or target.instruction_supported(
            item.operation.name, tuple(circuit.find_bit(bit).index for bit in item.qubits)
        )
        for item in circuit.data
        if not isinstance(item.operation, ControlFlowOp)
    ) and not any(isinstance(item.operation, ControlFlowOp) for item in circuit.data)


def _measured_on(circuit: QuantumCircuit) -> tuple[int, ...]:
    """The physical qubit whose measurement wrote each clbit last; -1 where none did."""
    places = [-1] * circuit.num_clbits

    def walk(block: QuantumCircuit, qubits: Sequence[int], clbits: Sequence[int]) -> None:
        for item in block.data:
            q = [qubits[block.find_bit(bit).index] for bit in item.qubits]
            c = [clbits[block.find_bit(bit).index] for bit in item.clbits]
            if isinstance(item.operation, ControlFlowOp):
                for inner in item.operation.blocks:
                    walk(inner, q, c)
            elif item.operation.name == "measure":
                places[c[0]] = q[0]

    walk(circuit, range(circuit.num_qubits), range(circuit.num_clbits))
    return tuple(places)


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
                options["seed_simulator"] = (seed + part[0]) % 2**31
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
        raise CircuitError("an observable has one letter a qubit", field="observables")
    if all(item.name in ("u", "cz", "barrier", "delay") for item in document.instructions):
        state = Statevector(statevector(document.instructions, document.qubits))
        values = [state.expectation_value(Pauli(label)).real for label, _re, _im in unit.observables]
    else:
        values = [expectation(document, [(label, 1.0)]) for label, _re, _im in unit.observables]
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
