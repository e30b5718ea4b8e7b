"""Plain runs: `backend.run(circuits)` becomes units of one job and comes back as a Qiskit `Result`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qiskit.circuit import QuantumCircuit
from qiskit.result import Result
from qiskit.result.models import ExperimentResult, ExperimentResultData

from qcrs.client.program import Outcome, Unit
from qcrs.provider.plans import Plan, expand, lowered_unit, measures, plain
from qcrs.types import Json

__all__ = ["plan_run", "read_run"]


def _cregs(circuit: QuantumCircuit) -> list[list[Any]]:
    """[name, size] of each register, where registers follow one another; empty otherwise."""
    sizes, place = [], 0
    for register in circuit.cregs:
        bits = [circuit.find_bit(bit).index for bit in register]
        if bits != list(range(place, place + len(bits))):
            return []
        sizes.append([register.name, register.size])
        place += register.size
    return sizes if place == circuit.num_clbits else []


def plan_run(circuits: Sequence[QuantumCircuit], shots: int, *, memory: bool, physical: bool) -> Plan:
    """One unit for each circuit that measures anything."""
    units: list[Unit] = []
    rows = []
    for circuit in circuits:
        number = None
        if measures(circuit):
            number = len(units)
            units.append(lowered_unit(circuit, shots, physical=physical))
        rows.append(
            {
                "name": str(circuit.name),
                "shots": shots,
                "memory": memory,
                "clbits": circuit.num_clbits,
                "qubits": circuit.num_qubits,
                "cregs": _cregs(circuit),
                "metadata": plain(circuit.metadata),
                "unit": number,
            }
        )
    return Plan(tuple(units), {"kind": "run", "circuits": rows})


def read_run(
    note: Json,
    outcomes: Sequence[Outcome],
    *,
    backend_name: str,
    backend_version: str,
    job_id: str,
    date: Any,
    certificate: Json,
) -> Result:
    """A `Result` with counts, memory where it was asked for, and the certificate in every header."""
    results = []
    for row in note["circuits"]:
        data = ExperimentResultData()
        if row["unit"] is not None:
            counts = outcomes[row["unit"]].counts
            memory = None
            if row["memory"]:
                seen, order = expand(counts, str(row["unit"]).encode())
                texts = [hex(outcome) for outcome in seen]
                memory = [texts[place] for place in order]
            data = ExperimentResultData(
                counts={hex(outcome): count for outcome, count in counts.items()}, memory=memory
            )
        header = {
            "name": row["name"],
            "memory_slots": row["clbits"],
            "n_qubits": row["qubits"],
            "metadata": row["metadata"],
            "qcrs": certificate,
        }
        if row["cregs"]:
            header["creg_sizes"] = row["cregs"]
        results.append(ExperimentResult(row["shots"], True, data, status="DONE", header=header))
    return Result(
        backend_name=backend_name,
        backend_version=backend_version,
        job_id=job_id,
        success=True,
        results=results,
        date=date,
        status="COMPLETED",
        header={"qcrs": certificate},
    )
