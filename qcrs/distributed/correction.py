"""The record of error correction across a link: what a session's parties attest and anybody checks.

Two documents go to the content store. The *code* says what was run: circuit, detector error model, patch map,
noise, decoder, and the content id of the *syndromes*: every shot's detector bits and observable bits. The
chain's record holds the code's hash, which is also its name in the store, the root over the syndromes' leaves
keccak(index8 ‖ detector bits ‖ observable bits), and the number of failures. So whoever has chain and store
decodes it again, all of it or the leaves that a later block's seed names.

What a syndrome cannot prove is that a device made it. A simulator is replayed from its seed; of a device only
the detector fraction can be held against the noise it declares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from qcrs.circuits.drbg import Drbg, keccak
from qcrs.circuits.merkle import MerkleTree, proves
from qcrs.distributed.seam import BATCH, Bits, Estimate, Seam, decoder, memory_circuit
from qcrs.errors import InputError
from qcrs.types import Json, canonical_json, cid_of, cid_to_digest, parse_canonical, whole

if TYPE_CHECKING:
    import stim

__all__ = [
    "Correction",
    "Evidence",
    "Leaf",
    "chosen",
    "code_document",
    "expected_fraction",
    "holds",
    "problems",
    "read_code",
    "recorded",
    "revealed",
]

FAMILY = "rotated_surface"
PICO = 10**12
MAX_DISTANCE = 63
MAX_ROUNDS = 1_000
"""Largest code and longest memory that are checked: circuit and decoder are built again for it."""
SIGMAS = 5.0
"""How far the detector fraction may lie from what the declared noise gives."""


@dataclass(frozen=True, slots=True)
class Correction:
    """The words of `CorrectionRecord` in `IEntanglementBase.sol`, in its order."""

    family: str
    distance: int
    rounds: int
    code_hash: bytes
    """sha2-256 of the code document: its content id's digest."""
    syndrome_root: bytes
    shots: int
    failures: int
    logical_error_per_round: int
    """10⁻¹²."""

    def words(self) -> tuple[bytes, int, int, bytes, bytes, int, int, int]:
        """As the contract takes them."""
        family = self.family.encode("ascii").ljust(32, b"\0")
        counts = (self.shots, self.failures, self.logical_error_per_round)
        return family, self.distance, self.rounds, self.code_hash, self.syndrome_root, *counts


@dataclass(frozen=True, slots=True)
class Evidence:
    """A record and the two blobs that the store keeps for it."""

    record: Correction
    code: bytes
    """Canonical JSON."""
    syndromes: bytes
    """One row of packed bits per shot."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One shot, opened: its bits and its place under the root."""

    index: int
    bits: bytes
    proof: tuple[bytes, ...]


def code_document(seam: Seam, syndromes: bytes) -> bytes:
    """What the code's hash is of: enough to build circuit and decoder again and to find the syndromes."""
    circuit = memory_circuit(seam)
    model = circuit.detector_error_model(decompose_errors=True)
    document: dict[str, Json] = {
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
        "syndromes": cid_of(syndromes),
    }
    return canonical_json(document)


def read_code(code: bytes) -> tuple[Seam, str]:
    """The patch that a code document describes, and the content id of its syndromes."""
    found = parse_canonical(code)
    if not isinstance(found, dict):
        raise InputError("a code is a JSON object", field="code")
    numbers = {name: found.get(name) for name in ("distance", "rounds", "p", "p_link", "column")}
    for name, value in numbers.items():
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError("a code's number is missing", field=name, value=value)
    basis, syndromes = found.get("basis"), found.get("syndromes")
    if basis not in ("x", "z") or not isinstance(syndromes, str):
        raise InputError("a code names its basis, x or z, and its syndromes", field="code")
    d, rounds, p, p_link, column = (whole(value) for value in numbers.values())
    if not 2 <= d <= MAX_DISTANCE or not 1 <= rounds <= MAX_ROUNDS:
        raise InputError(
            f"a record has a code of distance 2 to {MAX_DISTANCE} and 1 to {MAX_ROUNDS} rounds",
            field="distance",
            value=(d, rounds),
        )
    if not all(0 <= chance <= PICO for chance in (p, p_link)):
        raise InputError("a probability is 0 to 10^12", field="p", value=(p, p_link))
    return Seam(d, rounds, p / PICO, p_link / PICO, "x" if basis == "x" else "z", column), syndromes


def recorded(seam: Seam, shots: int, seed: int) -> Evidence:
    """Samples a memory: its record and its blobs."""
    if not 1 <= shots <= 1 << 24:
        raise InputError("a record has 1 to 2²⁴ shots", field="shots", value=shots)
    table = _sampled(seam, shots, seed)
    syndromes = table.tobytes()
    code = code_document(seam, syndromes)
    found = _decoded(seam, table)
    record = Correction(
        FAMILY,
        seam.distance,
        seam.rounds,
        cid_to_digest(cid_of(code)),
        MerkleTree(_leaves(table)).root,
        shots,
        found.failures,
        round(found.per_round() * PICO),
    )
    return Evidence(record, code, syndromes)


def _sampled(seam: Seam, shots: int, seed: int) -> Bits:
    sampler = memory_circuit(seam).compile_detector_sampler(seed=seed)
    rows = []
    for first in range(0, shots, BATCH):
        parts = sampler.sample(min(BATCH, shots - first), separate_observables=True, bit_packed=True)
        rows.append(np.hstack(parts))
    return np.vstack(rows)


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


def expected_fraction(circuit: stim.Circuit) -> float:
    """Share of detector bits that fire under the circuit's noise: exact, since its errors are independent."""
    still = np.ones(circuit.num_detectors)
    for error in circuit.detector_error_model(flatten_loops=True):
        if error.type == "error":
            for target in error.targets_copy():
                if target.is_relative_detector_id():
                    still[target.val] *= 1 - 2 * error.args_copy()[0]
    return float((1 - still).mean() / 2)


def problems(record: Correction, code: bytes, syndromes: bytes, *, seed: int | None = None) -> list[str]:
    """What does not hold of a record, in words; empty if all does. With `seed` a simulator is replayed."""
    found = []
    if record.code_hash != cid_to_digest(cid_of(code)):
        found.append("the record names another code document")
    try:
        seam, named = read_code(code)
    except InputError as error:
        return [*found, f"the code document cannot be read: {error.reason}"]
    if named != cid_of(syndromes):
        found.append("the code document names other syndromes")
    elif code != code_document(seam, syndromes):
        found.append("circuit, error model or decoder are not those that this software builds")
    if (record.family, record.distance, record.rounds) != (FAMILY, seam.distance, seam.rounds):
        found.append("the record is of another code")
    try:
        table = _table(seam, syndromes, record.shots)
    except InputError as error:
        return [*found, error.reason]
    if MerkleTree(_leaves(table)).root != record.syndrome_root:
        found.append("the syndromes are not those under the root")
    again = _decoded(seam, table)
    if again.failures != record.failures:
        found.append(f"the syndromes decode to {again.failures} failures, not {record.failures}")
    if abs(round(again.per_round(record.failures) * PICO) - record.logical_error_per_round) > 1:
        found.append("the logical error per round does not follow from failures, shots and rounds")
    found += _noise_problem(seam, table, again)
    if seed is not None and _sampled(seam, record.shots, seed).tobytes() != syndromes:
        found.append("the seed gives other syndromes")
    return found


def _noise_problem(seam: Seam, table: Bits, found: Estimate) -> list[str]:
    """Whether the detectors fire as often as the declared noise lets them; their spread is the shots' own."""
    wanted = expected_fraction(memory_circuit(seam))
    fired = np.bitwise_count(table[:, : -(-found.detectors // 8)]).sum(axis=1) / found.detectors
    error = max(float(fired.std()), (wanted * (1 - wanted) / found.detectors) ** 0.5) / found.shots**0.5
    if abs(found.fraction - wanted) <= SIGMAS * error:
        return []
    return [f"{found.fraction:.4f} of the detectors fired; the declared noise gives {wanted:.4f}"]


def chosen(record: Correction, seed: bytes, count: int) -> list[int]:
    """Shots that an audit opens: a draw from a later block's hash."""
    drawn = Drbg(seed, b"syndromes" + record.syndrome_root).integers(record.shots, count)
    return sorted({int(index) for index in drawn})


def revealed(seam: Seam, record: Correction, syndromes: bytes, shots: Sequence[int]) -> list[Leaf]:
    """The named shots with their proofs."""
    table = _table(seam, syndromes, record.shots)
    tree = MerkleTree(_leaves(table))
    return [Leaf(index, table[index].tobytes(), tuple(tree.proof(index))) for index in shots]


def holds(record: Correction, leaf: Leaf) -> bool:
    """Whether an opened shot lies under the record's root at its place."""
    hashed = keccak(leaf.index.to_bytes(8, "big") + leaf.bits)
    return proves(record.syndrome_root, hashed, leaf.index, record.shots, leaf.proof)
