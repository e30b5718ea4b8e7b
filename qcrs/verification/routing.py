"""How many two-qubit gates a circuit takes on a sparse coupling map: an estimate for predicted magnitudes.

A node chooses its own layout, so the number is not exact; routing at level 1 with a fixed seed errs on the
side of more gates, that is of asking less of the device.
"""

from __future__ import annotations

from collections.abc import Sequence

from qiskit import QuantumCircuit, transpile
from qiskit.circuit import ControlFlowOp
from qiskit.exceptions import QiskitError
from qiskit.transpiler import CouplingMap

from qcrs.circuits.convert import to_qiskit
from qcrs.circuits.document import CircuitDocument

__all__ = ["routed_cz_count"]

_SEED = 1
_CZ_OF_SWAP = 3


def routed_cz_count(doc: CircuitDocument, coupling: Sequence[tuple[int, int]], qubits: int) -> int:
    """Two-qubit gates after routing onto `qubits` qubits; those of the circuit where all are coupled.

    A circuit that cannot be routed there (too wide, disconnected) counts every gate as routed once.
    """
    plain = doc.count("cz")
    if not coupling or plain == 0:
        return plain
    both = [(a, b) for a, b in coupling] + [(b, a) for a, b in coupling]
    coupled = CouplingMap(sorted(set(both)))
    for qubit in range(qubits):
        if qubit not in coupled.physical_qubits:
            coupled.add_physical_qubit(qubit)
    try:
        routed = transpile(
            to_qiskit(doc),
            coupling_map=coupled,
            basis_gates=["u", "cz", "swap"],
            optimization_level=1,
            seed_transpiler=_SEED,
            num_processes=1,
        )
    except QiskitError:
        return plain * (1 + _CZ_OF_SWAP)
    return max(plain, _gates(routed))


def _gates(circuit: QuantumCircuit) -> int:
    total = 0
    for item in circuit.data:
        if isinstance(item.operation, ControlFlowOp):
            total += sum(_gates(block) for block in item.operation.blocks)
        else:
            total += {"cz": 1, "swap": _CZ_OF_SWAP}.get(item.operation.name, 0)
    return total
