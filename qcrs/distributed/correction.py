"""The record of error correction across a link: what a session's parties attest and anybody checks.

A blob holds every shot's detector bits and observable bits; the chain holds the root over its leaves
keccak(index8 ‖ detector bits ‖ observable bits), the number of failures and the hash of the code: circuit,
detector error model, patch map, noise and decoder. Whoever has the blob decodes it again, all of it or the
leaves that a later block's seed names. What a syndrome cannot prove is that a device made it: a simulator is
replayed from its seed, of a device only the detector fraction can be held against its declared noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from qcrs.circuits.drbg import Drbg, keccak
from qcrs.circuits.merkle import MerkleTree, proves
from qcrs.distributed.seam import BATCH, Bits, Estimate, Seam, decoder, memory_circuit
from qcrs.errors import InputError
from qcrs.types import Json, canonical_json

__all__ = ["Correction", "Leaf", "chosen", "code_document", "holds", "problems", "recorded", "revealed"]

FAMILY = "rotated_surface"
PICO = 10**12


@dataclass(frozen=True, slots=True)
class Correction:
    """The words of `CorrectionRecord` in `IEntanglementBase.sol`."""

    family: str
    distance: int
    rounds: int
    code_hash: bytes
    syndrome_root: bytes
    shots: int
    failures: int
    logical_error_per_round: int
    """10⁻¹²."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One shot, opened: its bits and its place under the root."""

    index: int
    bits: bytes
    proof: tuple[bytes, ...]


def code_document(seam: Seam) -> dict[str, Json]:
    """What the code's hash is of: enough to build the circuit and the decoder again."""
    circuit = memory_circuit(seam)
    model = circuit.detector_error_model(decompose_errors=True)
    return {
        "basis": seam.basis,
        "circuit": keccak(str(circuit).encode()).hex(),
        "column": seam.last_column,
        "decoder": f"pymatching {version('pymatching')}",
        "detectors": keccak(str(model).encode()).hex(),
        "distance": seam.distance,
        "family": FAMILY,
        "p": round(seam.p * PICO),
        "p_link": round(seam.p_link * PICO),
        "rounds": seam.rounds,
    }


def recorded(seam: Seam, shots: int, seed: int) -> tuple[Correction, bytes]:
    """Samples a memory; its record, and the blob for the store: one row of packed bits per shot."""
    if not 1 <= shots <= 1 << 24:
        raise InputError("a record has 1 to 2²⁴ shots", field="shots", value=shots)
    sampler = memory_circuit(seam).compile_detector_sampler(seed=seed)
    rows = []
    for first in range(0, shots, BATCH):
        parts = sampler.sample(min(BATCH, shots - first), separate_observables=True, bit_packed=True)
        rows.append(np.hstack(parts))
    table: Bits = np.vstack(rows)
    found = _decoded(seam, table)
    tree = MerkleTree(_leaves(table))
    record = Correction(
        FAMILY,
        seam.distance,
        seam.rounds,
        keccak(canonical_json(code_document(seam))),
        tree.root,
        shots,
        found.failures,
        round(found.per_round() * PICO),
    )
    return record, table.tobytes()


def _leaves(table: Bits) -> list[bytes]:
    return [keccak(index.to_bytes(8, "big") + row.tobytes()) for index, row in enumerate(table)]


def _table(seam: Seam, blob: bytes, shots: int) -> Bits:
    circuit = memory_circuit(seam)
    width = -(-circuit.num_detectors // 8) + -(-circuit.num_observables // 8)
    if len(blob) != width * shots:
        raise InputError(
            f"{shots} shots of this code take {width * shots} bytes", field="syndromes", value=len(blob)
        )
    return np.frombuffer(blob, dtype=np.uint8).reshape(shots, width)


def _decoded(seam: Seam, table: Bits) -> Estimate:
    circuit = memory_circuit(seam)
    split = -(-circuit.num_detectors // 8)
    detectors, observables = np.ascontiguousarray(table[:, :split]), table[:, split:]
    guesses = decoder(circuit).decode_batch(detectors, bit_packed_shots=True, bit_packed_predictions=True)
    failures = int((guesses != observables).any(axis=1).sum())
    fired = int(np.bitwise_count(detectors).sum())
    return Estimate(seam, len(table), failures, circuit.num_detectors, fired)


def problems(record: Correction, seam: Seam, blob: bytes, *, seed: int | None = None) -> list[str]:
    """What does not hold of a record, in words; empty if all does. With `seed` a simulator is replayed."""
    found = []
    if (record.family, record.distance, record.rounds) != (FAMILY, seam.distance, seam.rounds):
        found.append("the record is of another code")
    if record.code_hash != keccak(canonical_json(code_document(seam))):
        found.append("the hash of circuit, error model, noise and decoder differs")
    try:
        table = _table(seam, blob, record.shots)
    except InputError as error:
        return [*found, error.reason]
    if MerkleTree(_leaves(table)).root != record.syndrome_root:
        found.append("the syndromes are not those under the root")
    again = _decoded(seam, table)
    if again.failures != record.failures:
        found.append(f"the syndromes decode to {again.failures} failures, not {record.failures}")
    if abs(round(again.per_round(record.failures) * PICO) - record.logical_error_per_round) > 1:
        found.append("the logical error per round does not follow from failures, shots and rounds")
    if seed is not None and recorded(seam, record.shots, seed)[1] != blob:
        found.append("the seed gives other syndromes")
    return found


def chosen(record: Correction, seed: bytes, count: int) -> list[int]:
    """Shots that an audit opens: a draw from a later block's hash."""
    drawn = Drbg(seed, b"syndromes" + record.syndrome_root).integers(record.shots, count)
    return sorted({int(index) for index in drawn})


def revealed(seam: Seam, record: Correction, blob: bytes, shots: Sequence[int]) -> list[Leaf]:
    """The named shots with their proofs."""
    table = _table(seam, blob, record.shots)
    tree = MerkleTree(_leaves(table))
    return [Leaf(index, table[index].tobytes(), tuple(tree.proof(index))) for index in shots]


def holds(record: Correction, leaf: Leaf) -> bool:
    """Whether an opened shot lies under the record's root at its place."""
    hashed = keccak(leaf.index.to_bytes(8, "big") + leaf.bits)
    return proves(record.syndrome_root, hashed, leaf.index, record.shots, leaf.proof)
