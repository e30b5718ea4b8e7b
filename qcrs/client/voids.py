"""When a client has voided its own check: its two documents do not belong together, or ask for too much.

The execution is then accepted unjudged and the provider is paid (docs/protocol.md, "A job").
"""

from __future__ import annotations

from collections.abc import Sequence

from qcrs.circuits.document import CircuitDocument
from qcrs.client.documents import FramesDocument, SampleUnit, SecretDocument
from qcrs.errors import InputError
from qcrs.types import Json

__all__ = ["voided"]


def _fits(circuit: CircuitDocument, qubits: int, coupling: Sequence[tuple[int, int]]) -> bool:
    """Whether a physical circuit keeps to the processor's registered qubits and coupling."""
    pairs = {frozenset(pair) for pair in coupling}
    return all(
        frozenset(item.qubits) in pairs if item.name == "cz" else max(item.qubits, default=0) < qubits
        for item in circuit.walk()
    )


def voided(
    frames: Json, secret: SecretDocument, paid: int, qubits: int, coupling: Sequence[tuple[int, int]]
) -> str | None:
    """Why the client has voided its own check, None where it has not.

    `frames` is its other document, `paid` the qubits that it pays for; the others are the processor's.
    """
    from qcrs.circuits.frames import shots_per_frame
    from qcrs.verification.judge import JudgeUnit, frames_match

    try:
        document = FramesDocument.from_json(frames)
        if (document.job_nonce, document.physical, document.mode) != (
            secret.job_nonce,
            secret.physical,
            secret.mode,
        ):
            return "the client's two documents are of different jobs"
        if len(document.units) != len(secret.units):
            return "the client's two documents have different numbers of units"
        circuits = [CircuitDocument.from_json(unit.circuit) for unit in secret.units]
        for circuit in circuits:
            if len({qubit for item in circuit.walk() for qubit in item.qubits}) > paid:
                return "a circuit uses more qubits than the job pays for"
            if document.physical and not _fits(circuit, qubits, coupling):
                return "a physical circuit couples qubits that the processor does not"
        if document.mode == "exact":
            same = [unit.as_json() for unit in document.units] == [
                {"circuit": unit.circuit, "observables": [list(term) for term in unit.observables]}
                for unit in secret.units
            ]
            return None if same else "the client's two documents ask for different values"
        sent = []
        for unit, meant in zip(document.units, secret.units, strict=True):
            if not isinstance(unit, SampleUnit):
                return "the client's documents mix modes"
            if unit.shots != tuple(shots_per_frame(meant.shots, len(secret.units))):
                return "the client's frames have other shots than the rule gives"
            sent.append([CircuitDocument.from_json(item) for item in unit.frames])
        units = [
            JudgeUnit(circuit, meant.shots) for circuit, meant in zip(circuits, secret.units, strict=True)
        ]
        if not frames_match(units, secret.seed, sent):
            return "the client's frames are not those of its own seed"
    except InputError as error:
        return f"the client's documents cannot be read: {error.reason}"
    return None
