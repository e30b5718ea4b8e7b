"""How many two-qubit gates a circuit has on a device's coupling, routing included.

Judges predict from it how much of a distribution survives the device's registered errors. Nodes compile
with the same seed and level, so for the default node the count is the real one.
"""

from __future__ import annotations

from collections.abc import Sequence

from qcrs.circuits.document import CircuitDocument, Instruction

__all__ = ["TRANSPILER_LEVEL", "TRANSPILER_SEED", "routed_gates"]

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
    """Two-qubit gates of each circuit after routing onto `coupling` (undirected pairs, 0 to `qubits` − 1)."""
    plain = tuple(circuit.count("cz") for circuit in circuits)
    if len(coupling) >= qubits * (qubits - 1) // 2 or not any(plain):
        return plain
    from qiskit import transpile
    from qiskit.transpiler import CouplingMap

    from qcrs.circuits.convert import to_qiskit

    both = [edge for a, b in coupling for edge in ([a, b], [b, a])]
    known: dict[tuple[object, ...], int] = {}
    counts = []
    for circuit, direct in zip(circuits, plain, strict=True):
        shape = _shape(circuit.instructions)
        if shape not in known:
            routed = transpile(
                to_qiskit(circuit),
                coupling_map=CouplingMap(both),
                basis_gates=["u", "cz", "if_else", "for_loop", "while_loop", "switch_case"],
                optimization_level=TRANSPILER_LEVEL,
                seed_transpiler=TRANSPILER_SEED,
                num_processes=1,
            )
            flow = any(item.control is not None and item.control.blocks for item in circuit.instructions)
            known[shape] = (
                max(direct, int(routed.count_ops().get("cz", 0)))
                if flow
                else int(routed.count_ops().get("cz", 0))
            )
        counts.append(known[shape])
    return tuple(counts)
