"""Whether nodes keep to the qubits whose readout errors judges excuse, on copies of calibrated devices.

    python benchmarks/layouts.py [FakeMontrealV2 …]

For each device: circuits whose layout names a qubit past the limit, of how many; two-qubit gates after
compiling over those that judges expect, in the mean and at most.
"""

from __future__ import annotations

import sys

from qiskit_ibm_runtime import fake_provider

from qcrs.attackers.bench.families import circuit
from qcrs.circuits import CircuitDocument, frame, lower
from qcrs.client.layouts import excused
from qcrs.client.routing import gates_on
from qcrs.node.compiling import compile_frames, measured_on

DEVICES = (
    "FakeNairobiV2",
    "FakeLagosV2",
    "FakeQuitoV2",
    "FakeGuadalupeV2",
    "FakeMontrealV2",
    "FakeKolkataV2",
    "FakeBrisbane",
    "FakeKyiv",
    "FakeSherbrooke",
    "FakeTorino",
)
FAMILIES = ("brickwork", "qaoa", "random", "qft")
WIDTHS = (2, 3, 4, 5, 6, 7, 8, 12, 16)


def documents(width: int) -> list[CircuitDocument]:
    """One circuit of each family; QAOA's graphs need three qubits or more."""
    return [lower(circuit(family, width, 3)).document for family in FAMILIES if family != "qaoa" or width > 2]


def main() -> None:
    """One line a device."""
    for name in sys.argv[1:] or DEVICES:
        target = getattr(fake_provider, name)().target
        errors = [round(1e9 * target["measure"][(qubit,)].error) for qubit in range(target.num_qubits)]
        pairs = list(target.build_coupling_map().get_edges())
        past, ratios = 0, []
        for width in (width for width in WIDTHS if width <= target.num_qubits):
            allowed = excused(errors, sum(errors) // len(errors), pairs, width)
            for document in documents(width):
                frames = [frame(document, bytes(32), 0, index).circuit for index in range(2)]
                compiled = compile_frames(frames, target, physical=False)[0]
                gates = sum(
                    len(item.qubits) == 2 and item.operation.name != "barrier" for item in compiled.data
                )
                past += any(errors[qubit] > allowed[qubit] for qubit in measured_on(compiled))
                ratios.append(gates / gates_on([document], len(errors), pairs, errors)[0])
        mean = sum(ratios) / len(ratios)
        print(f"{name}: {past} of {len(ratios)} past the limit; gates {mean:.2f}, {max(ratios):.2f} at most")


if __name__ == "__main__":
    main()
