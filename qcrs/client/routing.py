"""How nodes compile, and how many two-qubit gates judges expect of it.

Judges predict from the count how much of a distribution survives the device's registered errors.
"""

from __future__ import annotations

from collections.abc import Sequence

from qcrs.circuits.document import CircuitDocument, Instruction
from qcrs.client.layouts import readable, widest

__all__ = ["TRANSPILER_LEVEL", "TRANSPILER_SEED", "gates_on", "routed_gates"]

TRANSPILER_SEED = 20_240_229
TRANSPILER_LEVEL = 1


def _shape(instructions: Sequence[Instruction]) -> tuple[object, ...]:
    """What routing depends on: everything but angles."""
    return tuple(
        (item.name, item.qubits, item.clbits, tuple(map(_shape, item.control.blocks)) if item.control else ())
        for item in instructions
    )


def routed_gates(
    circuits: Sequence[CircuitDocument], qubits: int, coupling: Sequence[tuple[int, int]]
) -> tuple[int, ...]:
    """Two-qubit gates of each circuit after routing onto `coupling` (undirected pairs, 0 to `qubits` − 1).

    Circuits that differ in angles only (the bindings of one program) are routed once. What cannot be routed
    there nobody can have run: it is not excused by gates that routing would add.
    """
    if len(coupling) >= qubits * (qubits - 1) // 2:
        return tuple(circuit.count("cz") for circuit in circuits)
    from qcrs.verification.routing import routed_cz_count

    known: dict[tuple[object, ...], int] = {}
    held = widest(range(qubits), coupling)
    counts = []
    for circuit in circuits:
        gates = [(item.qubits[0], item.qubits[1]) for item in circuit.walk() if item.name == "cz"]
        if coupling and (circuit.qubits > qubits or len(widest(range(circuit.qubits), gates)) > len(held)):
            counts.append(len(gates))
            continue
        shape = _shape(circuit.instructions)
        if shape not in known:
            known[shape] = routed_cz_count(circuit, coupling, qubits)
        counts.append(known[shape])
    return tuple(counts)


def gates_on(
    circuits: Sequence[CircuitDocument],
    qubits: int,
    coupling: Sequence[tuple[int, int]],
    readout_nano: Sequence[int],
) -> tuple[int, ...]:
    """Two-qubit gates of each circuit on a device whose nodes avoid what is read badly.

    They may not avoid the same qubits as certified errors tell, so the larger of both counts is taken.
    """
    counts = list(routed_gates(circuits, qubits, coupling))
    parts: dict[tuple[int, ...], list[int]] = {}
    for number, circuit in enumerate(circuits):
        part = readable(readout_nano, coupling, circuit.qubits)
        if part is not None:
            parts.setdefault(part, []).append(number)
    for part, numbers in parts.items():
        place = {qubit: index for index, qubit in enumerate(part)}
        pairs = [(place[a], place[b]) for a, b in coupling if a in place and b in place]
        found = routed_gates([circuits[number] for number in numbers], len(part), pairs)
        for number, count in zip(numbers, found, strict=True):
            counts[number] = max(counts[number], count)
    return tuple(counts)
