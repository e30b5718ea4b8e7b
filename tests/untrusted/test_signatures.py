"""Signatures that a stranger changed: none counts."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from mutations import bytes_mutants
from quora import CHAIN, OTHER, REPORT, SIGNERS, VERIFIER, digest, forgeries, signed

from qcrs.client.quorum import read_report_call, signature_problems
from qcrs.errors import QCRSError
from qcrs.sealing import BeaconKey, check_public_key, verify_proof
from qcrs.sealing.vrf import _public_numbers


def test_the_quorum_counts() -> None:
    assert signature_problems(signed(digest()), digest(), SIGNERS) == []


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_changed_signature_counts(count: int) -> None:
    for forged in forgeries(count, seed=1):
        assert signature_problems(forged, digest(), SIGNERS), forged


def test_a_quorum_of_another_chain_contract_or_report_is_none() -> None:
    good = signed(digest())
    for other in (digest(chain=1), digest(verifier=OTHER), digest(replace(REPORT, job=8))):
        assert signature_problems(good, other, SIGNERS)
    assert signature_problems(good, digest(), SIGNERS[::-1])


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_any_bytes_as_the_input_of_a_relaying_transaction(count: int) -> None:
    """A transaction of a stranger is read into what it says, or into nothing."""
    from typing import Any, cast

    from qcrs.chain.bindings import ResultVerifier

    good = signed(digest())
    verifier = ResultVerifier(cast("Any", None), VERIFIER)
    alone = verifier.report_verdict(REPORT, good.bitmap, good.signatures).data
    batch = verifier.settle_batch((REPORT, REPORT), good.bitmap, good.signatures).data
    for data in bytes_mutants([alone, batch], count, 5):
        found = read_report_call(data)
        if found is not None and data not in (alone, batch):
            over = found.digest(chain_id=CHAIN, verifier=VERIFIER)
            same = over == digest() and found.signatures == good.signatures and found.bitmap == good.bitmap
            assert same or signature_problems(found, over, SIGNERS)


def test_10_000_changed_beacon_proofs_are_none() -> None:
    key, message = BeaconKey.generate(), b"message"
    proof = key.prove(message)
    modulus = _public_numbers(key.public)[1]
    assert verify_proof(key.public, message, proof)
    number = int.from_bytes(proof, "big")
    wide = [(modulus - number, 256), (number + modulus, 257), (1, 256), (modulus, 256), (number, 300)]
    known = [value.to_bytes(size, "big") for value, size in wide]
    known += [b"", bytes(256), b"\0" + proof, proof + b"\0", proof[1:]]
    for changed in (*known, *bytes_mutants([proof], 10_000, 6, inserts=(b"\0", b"\xff"))):
        assert changed == proof or not verify_proof(key.public, message, changed)


@pytest.mark.parametrize("count", [30, pytest.param(5_000, marks=pytest.mark.slow)])
def test_changed_beacon_keys_and_their_proofs_of_uniqueness_are_refused(count: int) -> None:
    key = BeaconKey.generate()
    roots = key.permutation_proof()
    check_public_key(key.public, roots)
    draw = random.Random(7)
    for public in bytes_mutants([key.public], count, 7):
        changed = [*roots]
        if public == key.public or draw.random() < 0.5:
            place = draw.randrange(len(roots))
            worse = (roots[place][:-1], roots[place - 1], "zz", "", f"{1:0512x}", roots[place] + "00")
            changed[place] = draw.choice(worse)
            public = key.public
        with pytest.raises(QCRSError):
            check_public_key(public, changed)
