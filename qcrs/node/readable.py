"""A circuit on the part of a device that can be read well enough (`qcrs.client.layouts.readable`).

A symbolic template is laid out without a look at errors, so qubits that are read badly are left out before.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from qiskit import QuantumCircuit
from qiskit.transpiler import InstructionProperties, Target

from qcrs.client.layouts import readable

__all__ = ["part_of", "readable_on", "spread"]

NANO = 10**9


def readable_on(target: Target, width: int) -> tuple[int, ...] | None:
    """The qubits to lay a circuit of `width` qubits out on; None for all, or where errors are not known."""
    known = target["measure"] if "measure" in target.operation_names else {}
    errors = []
    for qubit in range(int(target.num_qubits or 0)):
        properties = known.get((qubit,))
        if properties is None or properties.error is None:
            return None
        errors.append(round(properties.error * NANO))
    coupling = target.build_coupling_map()
    return readable(errors, [] if coupling is None else [(a, b) for a, b in coupling.get_edges()], width)


@lru_cache(maxsize=16)
def part_of(target: Target, qubits: tuple[int, ...]) -> Target:
    """The device with these qubits alone, numbered from 0 in their order."""
    places = {qubit: place for place, qubit in enumerate(qubits)}
    part = Target(
        num_qubits=len(qubits),
        dt=target.dt,
        granularity=target.granularity,
        min_length=target.min_length,
        pulse_alignment=target.pulse_alignment,
        acquire_alignment=target.acquire_alignment,
        qubit_properties=None
        if target.qubit_properties is None
        else [target.qubit_properties[qubit] for qubit in qubits],
    )
    for name in target.operation_names:
        operation = target.operation_from_name(name)
        everywhere = target[name]
        if everywhere is None or None in everywhere:
            part.add_instruction(operation, name=name)
            continue
        kept: dict[tuple[int, ...], InstructionProperties | None] = {
            tuple(places[qubit] for qubit in where): properties
            for where, properties in everywhere.items()
            if all(qubit in places for qubit in where)
        }
        part.add_instruction(operation, kept, name=name)
    return part


def spread(circuit: QuantumCircuit, qubits: Sequence[int], width: int) -> QuantumCircuit:
    """A circuit on part of a device as one on the whole of it."""
    whole = QuantumCircuit(width, name=circuit.name)
    whole.add_bits(circuit.clbits)
    for register in circuit.cregs:
        whole.add_register(register)
    return whole.compose(circuit, qubits=list(qubits), clbits=list(circuit.clbits))
