"""Compiling the frames of one unit: laid out and routed once, so that all frames meet the same noise.

Frames of a unit differ in one-qubit angles only. A template carries a symbolic `u` wherever some frame has
one; it is transpiled once, then each frame's angles are bound and runs of one-qubit gates merged. Were every
frame transpiled by itself, the router would give some of them more gates, and a test that compares frames
with one another would blame the device. Frames that do not fit one template share a layout at least.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import lru_cache

from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp, Delay, Measure, Parameter, ParameterVector, Reset
from qiskit.circuit.library import CZGate, UGate
from qiskit.transpiler import PassManager, Target, generate_preset_pass_manager
from qiskit.transpiler.exceptions import TranspilerError
from qiskit.transpiler.passes import Optimize1qGatesDecomposition, RemoveIdentityEquivalent

from qcrs.circuits import TURN, CircuitDocument, Instruction, to_qiskit
from qcrs.client.program import compact
from qcrs.client.routing import TRANSPILER_LEVEL, TRANSPILER_SEED
from qcrs.errors import BackendError, CircuitError
from qcrs.node.devices import CONTROL_FLOW
from qcrs.node.readable import part_of, readable_on, spread

__all__ = ["compile_frames", "is_native", "measured_on"]

Slot = tuple[int, int]
"""A place for a one-qubit gate: before which of the other instructions, on which qubit."""

_NOTHING = (0, 0, 0)


def compile_frames(
    documents: Sequence[CircuitDocument], target: Target, *, physical: bool
) -> list[QuantumCircuit]:
    """The frames in the device's gates, on qubits that can be read; with `physical` each stays where it is.

    `BackendError` where a circuit uses more qubits than the device has, `CircuitError` where a physical one
    names or couples qubits that the device does not, or where the frames are no frames of one circuit.
    """
    width = int(target.num_qubits or 0)
    documents = [_fitted(document, width, physical=physical) for document in documents]
    if len({(document.qubits, document.clbits) for document in documents}) > 1:
        raise CircuitError(
            "the frames of one circuit differ in size",
            field="frames",
            solution="draw all frames of a unit from the same circuit",
        )
    documents, target = _on_the_clock(documents, target)
    if physical:
        return [_in_place(to_qiskit(document), target) for document in documents]
    part = readable_on(target, documents[0].qubits)
    if part is None:
        return _laid_out(documents, target)
    return [spread(circuit, part, width) for circuit in _laid_out(documents, part_of(target, part))]


def _laid_out(documents: Sequence[CircuitDocument], target: Target) -> list[QuantumCircuit]:
    """The frames where the transpiler puts the first of them."""
    template = _template(documents) if len(documents) > 1 else None
    if template is not None:
        return _bound(documents, *template, target)
    first = _manager(target, None).run(to_qiskit(documents[0]), num_processes=1)
    if len(documents) == 1:
        return [first]
    layout = None if first.layout is None else first.layout.initial_index_layout(filter_ancillas=True)
    manager = _manager(target, layout)
    return [manager.run(to_qiskit(document), num_processes=1) for document in documents]


def _fitted(document: CircuitDocument, width: int, *, physical: bool) -> CircuitDocument:
    """The circuit without idle qubits beyond the device: to declare is free, what it uses is paid for."""
    used = max((qubit for item in document.walk() for qubit in item.qubits), default=0)
    if physical and used >= width:
        raise CircuitError(
            "a physical circuit names a qubit that the processor does not have",
            field="qubit",
            value=used,
            solution=f"the processor's qubits are 0 to {width - 1}",
        )
    if document.qubits <= width:
        return document
    if physical:
        return CircuitDocument(width, document.clbits, document.registers, document.instructions)
    narrow = compact(document)
    if narrow.qubits > width:
        raise BackendError(
            "the job has more qubits than the processor",
            field="qubits",
            value=narrow.qubits,
            solution="run it on a wider processor",
        )
    return narrow


def _on_the_clock(
    documents: Sequence[CircuitDocument], target: Target
) -> tuple[Sequence[CircuitDocument], Target]:
    """Delays in ticks of the device, as multiples of what it can start at, and a target that trusts them.

    Devices start gates and readings on certain ticks only; Qiskit moves gates there, but not in circuits that
    it has not scheduled. Gates last whole such steps, so circuits whose delays do too stay in step.
    """
    if not any(item.name == "delay" for document in documents for item in document.walk()):
        return documents, target
    step = math.lcm(target.granularity, target.pulse_alignment, target.acquire_alignment)
    if target.dt is None:
        return documents, target
    tick_ps = target.dt * 1e12

    def ticks(item: Instruction) -> Instruction:
        if item.name != "delay" or item.control is None or item.control.unit != "ps":
            return item
        whole = step * round(item.params[0] / tick_ps / step)
        return replace(item, params=(whole,), control=replace(item.control, unit="dt"))

    rounded = [
        replace(document, instructions=tuple(map(ticks, document.instructions))) for document in documents
    ]
    return rounded, _unaligned(target)


@lru_cache(maxsize=4)
def _unaligned(target: Target) -> Target:
    free = copy(target)
    free.granularity = free.pulse_alignment = free.acquire_alignment = free.min_length = 1
    return free


def _manager(target: Target, layout: Sequence[int] | None, routing_method: str | None = None) -> PassManager:
    return generate_preset_pass_manager(
        optimization_level=TRANSPILER_LEVEL,
        target=target,
        initial_layout=layout,
        routing_method=routing_method,
        seed_transpiler=TRANSPILER_SEED,
    )


# --------------------------------------------------------------------------- templates


def _slots(document: CircuitDocument) -> tuple[list[Instruction], dict[Slot, tuple[int, ...]]] | None:
    """The instructions that are no `u`, and the `u` of each slot; None where a slot has two."""
    others: list[Instruction] = []
    waiting: dict[int, tuple[int, ...]] = {}
    slots: dict[Slot, tuple[int, ...]] = {}
    for item in document.instructions:
        if item.name == "u":
            if item.qubits[0] in waiting:
                return None
            waiting[item.qubits[0]] = item.params
            continue
        for qubit in item.qubits:
            if qubit in waiting:
                slots[len(others), qubit] = waiting.pop(qubit)
        others.append(item)
    slots.update({(len(others), qubit): params for qubit, params in waiting.items()})
    return others, slots


def _template(
    documents: Sequence[CircuitDocument],
) -> tuple[QuantumCircuit, list[Slot], ParameterVector] | None:
    """One symbolic circuit for all frames, its slots and their parameters; None where there is none."""
    parts = [_slots(document) for document in documents]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or any(part[0] != known[0][0] for part in known):
        return None
    slots = sorted({slot for _others, found in known for slot in found})
    if not slots:
        return None
    angles = ParameterVector("a", 3 * len(slots))
    here: dict[int, list[int]] = {}
    for number, (place, _qubit) in enumerate(slots):
        here.setdefault(place, []).append(number)
    # Registers and control flow come from the document itself; gates are then laid in anew.
    whole = to_qiskit(
        CircuitDocument(documents[0].qubits, documents[0].clbits, documents[0].registers, tuple(known[0][0]))
    )
    template = whole.copy_empty_like()
    items = list(whole.data)
    if len(items) != len(known[0][0]):  # a barrier on no qubits has no place in a circuit
        return None
    for place in range(len(items) + 1):
        for number in here.get(place, ()):
            template.u(*(angles[3 * number + k] for k in range(3)), slots[number][1])
        if place < len(items):
            template.append(items[place])
    return template, slots, angles


def _bound(
    documents: Sequence[CircuitDocument],
    template: QuantumCircuit,
    slots: Sequence[Slot],
    angles: ParameterVector,
    target: Target,
) -> list[QuantumCircuit]:
    """Lay out and route the template once, then bind each frame's angles and translate."""
    native = {"u", "cz"} <= set(target.operation_names)
    compiled = _manager(target if native else _in_own_basis(target), None).run(template, num_processes=1)
    used = set(compiled.parameters)
    finish = (
        PassManager([Optimize1qGatesDecomposition(target=target), RemoveIdentityEquivalent(target=target)])
        if native
        else _manager(target, list(range(compiled.num_qubits)), routing_method="none")
    )
    out = []
    for document in documents:
        parts = _slots(document)
        found = {} if parts is None else parts[1]
        values = {
            angles[3 * number + k]: found.get(slot, _NOTHING)[k] * (2 * math.pi / TURN)
            for number, slot in enumerate(slots)
            for k in range(3)
            if angles[3 * number + k] in used
        }
        out.append(finish.run(compiled.assign_parameters(values), num_processes=1))
    return out


def _in_own_basis(target: Target) -> Target:
    """The device under the gates {u, cz}: symbolic angles cannot be translated in sensible time."""
    proxy = Target(num_qubits=target.num_qubits)
    singles = {(q,): None for q in range(int(target.num_qubits or 0))}
    angles = [Parameter(name) for name in ("theta", "phi", "lam")]
    proxy.add_instruction(UGate(*angles), dict(singles))
    coupling = target.build_coupling_map()
    edges = None if coupling is None else {pair for a, b in coupling.get_edges() for pair in ((a, b), (b, a))}
    proxy.add_instruction(CZGate(), None if edges is None else dict.fromkeys(edges))
    proxy.add_instruction(Measure(), dict(singles))
    proxy.add_instruction(Reset(), dict(singles))
    proxy.add_instruction(Delay(Parameter("t")), dict(singles))
    for name, operation in CONTROL_FLOW.items():
        proxy.add_instruction(operation, name=name)
    return proxy


# --------------------------------------------------------------------------- physical circuits


def is_native(circuit: QuantumCircuit, target: Target) -> bool:
    """Whether the device has every gate of the circuit on the very qubits named."""
    return all(
        not isinstance(item.operation, ControlFlowOp)
        and (
            item.operation.name == "barrier"
            or target.instruction_supported(
                item.operation.name, tuple(circuit.find_bit(bit).index for bit in item.qubits)
            )
        )
        for item in circuit.data
    )


def _in_place(circuit: QuantumCircuit, target: Target) -> QuantumCircuit:
    """Gates translated, every qubit where it is; a coupling that does not exist is an error."""
    if is_native(circuit, target):
        return circuit
    try:
        return _translator(target, circuit.num_qubits).run(circuit, num_processes=1)
    except TranspilerError as error:
        raise CircuitError(
            f"a physical circuit does not fit the device: {error.message}",
            field="circuit",
            solution="keep to the coupling in the processor's metadata, or let it lay out the circuit",
        ) from error


@lru_cache(maxsize=4)
def _translator(target: Target, qubits: int) -> PassManager:
    """Translates gates and moves nothing; kept, for making it takes longer than most circuits."""
    return generate_preset_pass_manager(
        optimization_level=0,
        target=target,
        initial_layout=list(range(qubits)),
        routing_method="none",
        seed_transpiler=TRANSPILER_SEED,
    )


def measured_on(circuit: QuantumCircuit) -> tuple[int, ...]:
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
