"""Signatures that a stranger changed: none counts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from eth_account import Account
from mutations import bytes_mutants

from qcrs.chain.bindings import Report
from qcrs.client.quorum import SignedReports, read_report_call, report_digest, signature_problems
from qcrs.errors import QCRSError
from qcrs.oracles.signing import bitmap_of, sign_digest
from qcrs.sealing import BeaconKey, check_public_key, verify_proof
from qcrs.sealing.vrf import _public_numbers

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
CHAIN, VERIFIER, OTHER = 31_337, "0x" + "aa" * 20, "0x" + "ab" * 20
ORACLES = [Account.from_key(bytes([i]) * 32) for i in range(1, 5)]
SIGNERS = [one.address for one in ORACLES]
REPORT = Report(7, 0, 1, 1, 0, 990_000, 800_000, b"\7" * 32, 1)


def digest(report: Report = REPORT, chain: int = CHAIN, verifier: str = VERIFIER) -> bytes:
    return report_digest(report.to_abi(), chain_id=chain, verifier=verifier)


def signed(over: bytes) -> SignedReports:
    bitmap, signatures = bitmap_of({n: sign_digest(ORACLES[n], over) for n in (0, 1, 3)})
    return SignedReports((REPORT.to_abi(),), False, bitmap, signatures)


def twisted(one: bytes, draw: random.Random) -> bytes:
    """A signature (r ‖ parity and s, ERC-2098) after one of the known twists."""
    r, packed = one[:32], int.from_bytes(one[32:], "big")
    parity, s = packed >> 255, packed & ((1 << 255) - 1)

    def put(parity: int, s: int) -> bytes:
        return (parity << 255 | s % (1 << 255)).to_bytes(32, "big")

    return draw.choice(
        (
            r + put(1 - parity, ORDER - s),  # the same point, high s
            r + put(parity, ORDER - s),
            r + put(1 - parity, s),
            bytes(32) + put(parity, s),
            r + put(parity, 0),
            bytes(64),
            ORDER.to_bytes(32, "big") + put(parity, s),
            (int.from_bytes(r, "big") ^ 1 << draw.randrange(256)).to_bytes(32, "big") + put(parity, s),
            r + put(parity, s ^ 1 << draw.randrange(255)),
            b"\xff" * 64,
        )
    )


def forgeries(count: int, seed: int) -> Iterator[SignedReports]:
    """Quora of which at least one signature is none."""
    draw, good = random.Random(seed), signed(digest())
    parts = [good.signatures[i : i + 64] for i in range(0, 192, 64)]
    others = (replace(REPORT, job=8), replace(REPORT, outcome=2), replace(REPORT, era=2))
    digests = (digest(chain=1), digest(verifier=OTHER), *map(digest, others))
    elsewhere = [signed(one).signatures[:64] for one in digests]
    damaged = bytes_mutants([good.signatures], count, seed, inserts=(b"\0", b"\xff" * 64, b"\0" * 64))
    for data in damaged:
        bitmap, mine = good.bitmap, list(parts)
        place, kind = draw.randrange(3), draw.randrange(6)
        if kind <= 1:
            mine[place] = twisted(mine[place], draw)
        elif kind == 2:
            mine[0] = draw.choice(elsewhere)
        elif kind == 3:
            mine[place] = mine[place - 1]
        elif kind == 4:
            bitmap = draw.choice((0, 0b0111, 0b1110, 0b1001, 0b11011, 1 << 255 | 0b1011, 2**256 - 1))
        elif data != good.signatures:
            mine = [data]
        else:
            mine.reverse()
        yield SignedReports(good.reports, False, bitmap, b"".join(mine))


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
