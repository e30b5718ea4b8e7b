"""A patch on two processors: which gates cross, what the links' noise does, and what a record proves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qcrs.distributed.correction import chosen, holds, problems, recorded, revealed
from qcrs.distributed.seam import Seam, crossing, estimate, memory_circuit
from qcrs.errors import InputError


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


def test_a_record_is_checked_from_its_blob() -> None:
    record, blob = recorded(SEAM, 3000, seed=11)
    assert record.failures > 0
    assert problems(record, SEAM, blob, seed=11) == []
    draw = chosen(record, b"\x07" * 32, 20)
    assert draw == chosen(record, b"\x07" * 32, 20) != chosen(record, b"\x08" * 32, 20)
    leaves = revealed(SEAM, record, blob, draw)
    assert all(holds(record, leaf) for leaf in leaves)
    assert not holds(record, replace(leaves[0], index=leaves[0].index ^ 1))
    assert not holds(record, replace(leaves[0], bits=bytes(len(leaves[0].bits))))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"failures": 1}, "decode to"),
        ({"logical_error_per_round": 5}, "does not follow"),
        ({"distance": 5}, "another code"),
        ({"code_hash": bytes(32)}, "differs"),
        ({"syndrome_root": bytes(32)}, "under the root"),
        ({"shots": 2999}, "take"),
    ],
)
def test_what_is_wrong_in_a_record_is_named(change: dict[str, object], said: str) -> None:
    record, blob = recorded(SEAM, 3000, seed=11)
    assert any(said in problem for problem in problems(replace(record, **change), SEAM, blob))  # type: ignore[arg-type]


def test_one_altered_syndrome_is_found() -> None:
    record, blob = recorded(SEAM, 3000, seed=11)
    altered = bytearray(blob)
    altered[1234] ^= 1
    assert problems(record, SEAM, bytes(altered)) != []
    assert "the seed gives other syndromes" in problems(record, SEAM, blob, seed=12)
    worse = replace(SEAM, p_link=0.05)
    assert "the hash of circuit, error model, noise and decoder differs" in problems(record, worse, blob)


def test_bad_input_is_said() -> None:
    with pytest.raises(InputError, match="distance 2"):
        Seam(1, 1, 0, 0)
    with pytest.raises(InputError, match=r"0 to 0\.5"):
        Seam(3, 1, 0.7, 0)
    with pytest.raises(InputError, match="a column"):
        Seam(3, 1, 0.1, 0, column=3)
    with pytest.raises(InputError, match="1 to"):
        recorded(SEAM, 0, 1)
