"""A patch on two processors: which gates cross, what the links' noise does, and what a record proves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from qcrs.chain.bindings import CorrectionRecord
from qcrs.circuits.drbg import keccak
from qcrs.distributed.correction import (
    Evidence,
    chosen,
    code_document,
    expected_fraction,
    holds,
    problems,
    read_code,
    recorded,
    revealed,
)
from qcrs.distributed.seam import Seam, crossing, estimate, memory_circuit
from qcrs.errors import InputError
from qcrs.store.content import ContentStore
from qcrs.types import canonical_json, cid_of, cid_to_digest, digest_to_cid


@pytest.mark.parametrize("distance", [3, 5, 7, 9])
@pytest.mark.parametrize("basis", ["x", "z"])
def test_each_round_has_2d_minus_1_crossings(distance: int, basis: str) -> None:
    seam = Seam(distance, 2, 0.001, 0.01, basis)  # type: ignore[arg-type]  # a parameter of the test
    circuit = memory_circuit(seam)
    across = crossing(seam, circuit)
    assert len(across) == 2 * distance - 1
    noisy = [
        tuple(sorted(target.value for target in group))
        for item in circuit.flattened()
        if item.name == "DEPOLARIZE2" and item.gate_args_copy() == [0.01]
        for group in item.target_groups()
    ]
    assert len(noisy) == 2 * len(across)  # two rounds
    assert set(noisy) == {tuple(sorted(pair)) for pair in across}


def test_equal_noise_is_no_seam() -> None:
    assert memory_circuit(Seam(3, 3, 0.002, 0.002)) == memory_circuit(Seam(3, 3, 0.002, 0.5, column=-1))


def test_distance_suppresses_what_noisy_links_add() -> None:
    """Links ten times worse cost distance, not the code: each step of distance divides the error by three."""
    rates = []
    for distance, shots in ((3, 60_000), (5, 60_000), (7, 100_000)):
        found = estimate(Seam(distance, 3 * distance, 0.002, 0.02), shots, seed=distance)
        rates.append(found.per_round())
    assert rates[0] / rates[1] > 2.7
    assert rates[1] / rates[2] > 2.7
    bare = estimate(Seam(5, 15, 0.002, 0.002), 60_000, seed=5)
    assert rates[1] > 3 * bare.per_round()
    low, high = bare.interval()
    assert low < bare.failures / bare.shots < high


def test_above_threshold_distance_does_not_help() -> None:
    near, far = (estimate(Seam(d, d, 0.02, 0.1), 4000, seed=1).failures for d in (3, 7))
    assert far > near


SEAM = Seam(3, 6, 0.004, 0.03)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return recorded(SEAM, 3000, seed=11)


def problems_of(evidence: Evidence, **change: object) -> list[str]:
    record = replace(evidence.record, **change)  # type: ignore[arg-type]  # a parameter of the test
    return problems(record, evidence.code, evidence.syndromes)


def test_a_record_is_checked_from_chain_and_store(evidence: Evidence, tmp_path: Path) -> None:
    """The record's hash finds the code, the code finds the syndromes, and both are checked."""
    store = ContentStore(tmp_path)
    store.put(evidence.code)
    store.put(evidence.syndromes)
    record = evidence.record
    assert record.failures > 0
    code = store.get(digest_to_cid(record.code_hash))
    seam, syndromes = read_code(code)
    assert seam == replace(SEAM, column=SEAM.last_column)
    assert problems(record, code, store.get(syndromes), seed=11) == []
    assert problems(record, code, store.get(syndromes), seed=12) == ["the seed gives other syndromes"]


def test_a_record_has_the_contracts_words(evidence: Evidence) -> None:
    words = CorrectionRecord(*evidence.record.words())
    assert words.family.rstrip(b"\0") == b"rotated_surface"
    assert [len(words.family), len(words.code_hash), len(words.syndrome_root)] == [32, 32, 32]
    assert (words.shots, words.failures) == (3000, evidence.record.failures)


def test_opened_leaves_lie_under_the_root(evidence: Evidence) -> None:
    record = evidence.record
    draw = chosen(record, b"\x07" * 32, 20)
    assert draw == chosen(record, b"\x07" * 32, 20) != chosen(record, b"\x08" * 32, 20)
    leaves = revealed(SEAM, record, evidence.syndromes, draw)
    assert all(holds(record, leaf) for leaf in leaves)
    assert not holds(record, replace(leaves[0], index=leaves[0].index ^ 1))
    for place in range(len(leaves[0].bits)):
        for bit in range(8):
            altered = bytearray(leaves[0].bits)
            altered[place] ^= 1 << bit
            assert not holds(record, replace(leaves[0], bits=bytes(altered)))
    for level, sibling in enumerate(leaves[0].proof):
        proof = (*leaves[0].proof[:level], sibling[::-1], *leaves[0].proof[level + 1 :])
        assert not holds(record, replace(leaves[0], proof=proof))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"failures": 1}, "decode to"),
        ({"logical_error_per_round": 5}, "does not follow"),
        ({"distance": 5}, "another code"),
        ({"rounds": 7}, "another code"),
        ({"family": "repetition"}, "another code"),
        ({"code_hash": bytes(32)}, "another code document"),
        ({"syndrome_root": bytes(32)}, "under the root"),
        ({"shots": 2999}, "take"),
    ],
)
def test_what_is_wrong_in_a_record_is_named(evidence: Evidence, change: dict[str, object], said: str) -> None:
    assert any(said in problem for problem in problems_of(evidence, **change))


def test_any_altered_byte_of_a_record_is_found() -> None:
    evidence = recorded(SEAM, 50, seed=11)
    record = evidence.record
    for name in ("code_hash", "syndrome_root"):
        for place in range(32):
            altered = bytearray(getattr(record, name))
            altered[place] ^= 1
            assert problems_of(evidence, **{name: bytes(altered)})
    for place in range(len(evidence.code)):
        altered = bytearray(evidence.code)
        altered[place] ^= 1
        assert "the record names another code document" in problems(
            record, bytes(altered), evidence.syndromes
        )


@pytest.mark.parametrize("place", [0, 1234, 5999, -1])
def test_one_altered_syndrome_is_found(evidence: Evidence, place: int) -> None:
    for bit in range(8):
        altered = bytearray(evidence.syndromes)
        altered[place] ^= 1 << bit
        said = problems(evidence.record, evidence.code, bytes(altered))
        assert "the code document names other syndromes" in said
        assert "the syndromes are not those under the root" in said


def test_a_code_that_fits_its_hash_but_lies_is_found(evidence: Evidence) -> None:
    """Another noise, another circuit: the hash is right, what it names is not."""
    worse = code_document(replace(SEAM, p_link=0.06), evidence.syndromes)
    renamed = replace(evidence.record, code_hash=cid_to_digest(cid_of(worse)))
    assert any("the declared noise gives" in said for said in problems(renamed, worse, evidence.syndromes))
    document = json.loads(evidence.code)
    document["circuit"] = keccak(b"another").hex()
    other = canonical_json(document)
    renamed = replace(evidence.record, code_hash=cid_to_digest(cid_of(other)))
    assert any("are not those" in said for said in problems(renamed, other, evidence.syndromes))
    for broken in (b"[]", b"{}", b"{", evidence.code.replace(b'"z"', b'"y"')):
        assert any("cannot be read" in said for said in problems(renamed, broken, evidence.syndromes))


def test_detectors_fire_as_the_noise_says() -> None:
    found = estimate(SEAM, 200_000, seed=3)
    assert found.fraction == pytest.approx(expected_fraction(memory_circuit(SEAM)), rel=3e-3)


def test_bad_input_is_said() -> None:
    with pytest.raises(InputError, match="distance 2"):
        Seam(1, 1, 0, 0)
    with pytest.raises(InputError, match=r"0 to 0\.5"):
        Seam(3, 1, 0.7, 0)
    with pytest.raises(InputError, match="a column"):
        Seam(3, 1, 0.1, 0, column=3)
    with pytest.raises(InputError, match="1 to"):
        recorded(SEAM, 0, 1)
