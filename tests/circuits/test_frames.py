from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit.circuit.library import quantum_volume
from scipy.stats import binom

from qcrs.circuits import (
    CircuitDocument,
    Instruction,
    Register,
    decode,
    frame,
    frame_mask,
    lower,
    shots_per_frame,
)
from qcrs.circuits.frames import frames_per_unit
from qcrs.errors import InputError
from qcrs.verification.simulate import Ideal, ideal

SEED = bytes(range(32))


def decoded(result: Ideal, mask: int) -> np.ndarray:
    """The ideal distribution of a frame with its mask taken off."""
    compact = sum((mask >> bit & 1) << k for k, bit in enumerate(result.bits))
    return result.probabilities[np.arange(len(result.probabilities)) ^ compact]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**40), index=st.integers(0, 9))
def test_a_decoded_frame_has_the_targets_distribution(random_document, seed: int, index: int) -> None:
    doc = random_document(seed)
    made = frame(doc, SEED, 3, index)
    assert frame_mask(doc, SEED, 3, index) == made.mask
    want, got = ideal(doc), ideal(made.circuit)
    assert want.bits == got.bits
    assert decoded(got, made.mask) == pytest.approx(want.probabilities, abs=1e-12)


def test_all_control_flow_survives_framing(dynamic_circuit) -> None:
    doc = lower(dynamic_circuit).document
    want = ideal(doc)
    for index in range(4):
        made = frame(doc, SEED, 0, index)
        assert decoded(ideal(made.circuit), made.mask) == pytest.approx(want.probabilities, abs=1e-12)


def test_frames_of_a_wide_circuit_keep_its_distribution() -> None:
    doc = lower(quantum_volume(10, 10, seed=5)).document
    want = ideal(doc).probabilities
    for index in range(3):
        made = frame(doc, SEED, 0, index)
        assert decoded(ideal(made.circuit), made.mask) == pytest.approx(want, abs=1e-12)


def test_all_frames_have_the_same_structure_and_other_angles() -> None:
    doc = lower(quantum_volume(5, 5, seed=1)).document
    made = [frame(doc, SEED, 0, index).circuit for index in range(6)]
    shapes = {tuple((i.name, i.qubits, i.clbits) for i in c.instructions) for c in made}
    assert len(shapes) == 1
    assert len({c.canonical() for c in made}) == 6


def test_mask_bits_are_fair_and_independent_of_unit_index_and_seed() -> None:
    measured = tuple(Instruction("measure", (q,), (q,)) for q in range(40))
    doc = CircuitDocument(40, 40, (Register("c", 0, 40),), measured)
    masks = [frame(doc, SEED, unit, index).mask for unit in range(5) for index in range(20)]
    masks += [frame(doc, hashlib.sha256(bytes([k])).digest(), 0, 0).mask for k in range(50)]
    assert len(set(masks)) == len(masks)
    total = sum(mask.bit_count() for mask in masks)
    drawn = 40 * len(masks)
    assert binom.cdf(min(total, drawn - total), drawn, 0.5) > 1e-4
    for bit in range(40):
        ones = sum(mask >> bit & 1 for mask in masks)
        assert binom.cdf(min(ones, len(masks) - ones), len(masks), 0.5) > 1e-5


def test_bits_that_control_flow_reads_or_writes_are_not_masked(dynamic_circuit) -> None:
    doc = lower(dynamic_circuit).document
    masks = [frame(doc, SEED, 0, index).mask for index in range(20)]
    assert all(mask & 0b111 == 0 for mask in masks)
    assert any(mask & 0b11000 for mask in masks)


def test_a_fixed_seed_gives_fixed_bytes() -> None:
    doc = CircuitDocument(
        2,
        2,
        (Register("c", 0, 2),),
        (
            Instruction("u", (0,), (), (1 << 30, 0, 1 << 31)),
            Instruction("cz", (0, 1)),
            Instruction("measure", (0,), (0,)),
            Instruction("measure", (1,), (1,)),
        ),
    )
    made = frame(doc, SEED, 1, 4)
    assert hashlib.sha256(made.circuit.canonical()).hexdigest() == GOLDEN_FRAME
    assert made.mask == GOLDEN_MASK


GOLDEN_FRAME = "318377cf2ac4c8db54a9d816943d62f4c197fc771ad2cfef60efe191f8a678cd"
GOLDEN_MASK = 0b10


def test_decoding_is_an_exclusive_or() -> None:
    assert decode({0b01: 3, 0b10: 4}, 0b11) == {0b10: 3, 0b01: 4}


@pytest.mark.parametrize(
    ("shots", "units", "frames"),
    [(1, 1, 1), (4000, 1, 10), (7, 1, 7), (100, 30, 3), (100, 400, 1), (5, 10, 5)],
)
def test_shots_are_split_evenly(shots: int, units: int, frames: int) -> None:
    split = shots_per_frame(shots, units)
    assert frames_per_unit(shots, units) == frames == len(split)
    assert sum(split) == shots
    assert max(split) - min(split) <= 1
    assert list(split) == sorted(split, reverse=True)


def test_no_shots_is_an_error() -> None:
    with pytest.raises(InputError, match="one shot"):
        shots_per_frame(0, 1)
