"""The ERC-7913 verifier of XMSS-like signatures: known answers, refusals, gas."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from contract_stage import Contract, spent
from exchange_stage import Stage

from qcrs.identity import xmss
from qcrs.identity.xmss import SIGNATURE_BYTES, XmssKey

VECTORS = Path(__file__).parents[1] / "identity" / "xmss_vectors.json"
YES, NO = bytes.fromhex("024ad318"), b"\xff" * 4
VERIFY_LIMIT = 45_000


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="session")
def key(keys: tuple[XmssKey, XmssKey]) -> XmssKey:
    return keys[0]


@pytest.fixture
def verifier(stage: Stage) -> Contract:
    return stage.deploy("XmssVerifier")


def test_known_answers_verify(verifier: Contract, vectors: dict[str, Any]) -> None:
    public = bytes.fromhex(vectors["key"])
    for case in vectors["signatures"]:
        message, signature = bytes.fromhex(case["message"]), bytes.fromhex(case["signature"])
        assert verifier.read("verify", public, message, signature) == YES
        assert verifier.read("verify", public, bytes(32), signature) == NO


def test_signatures_of_python_verify_whatever_their_digits(verifier: Contract, key: XmssKey) -> None:
    """Forty messages have digits of every value in every ladder of the code."""
    draw = random.Random(7)
    for _ in range(40):
        message = draw.randbytes(32)
        assert verifier.read("verify", key.public, message, key.sign(message, draw.randrange(1024))) == YES


def _refused(verifier: Contract, key: XmssKey, mutations: int, seed: int) -> None:
    """Random bits of the signature, one at a time, each time of another message."""
    draw = random.Random(seed)
    message = draw.randbytes(32)
    signature = key.sign(message, draw.randrange(1024))
    assert verifier.read("verify", key.public, message, signature) == YES
    for _ in range(mutations):
        changed = bytearray(signature)
        changed[draw.randrange(SIGNATURE_BYTES)] ^= 1 << draw.randrange(8)
        assert verifier.read("verify", key.public, message, bytes(changed)) == NO


def test_flipped_bits_are_refused(verifier: Contract, key: XmssKey) -> None:
    _refused(verifier, key, 100, 1)
    message = bytes(32)
    signature = key.sign(message, 9)
    for bit in range(0, 256, 3):  # index, counter and randomizer
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        assert verifier.read("verify", key.public, message, bytes(changed)) == NO
    for bit in range(0, 8 * 44, 7):
        other = bytearray(key.public)
        other[bit // 8] ^= 1 << bit % 8
        assert verifier.read("verify", bytes(other), message, signature) == NO


@pytest.mark.slow
def test_ten_thousand_flipped_bits_are_refused(verifier: Contract, key: XmssKey) -> None:
    for seed in range(10):
        _refused(verifier, key, 1_000, seed)


@pytest.mark.parametrize("length", [0, 1, 43, 45, 64])
def test_keys_of_other_lengths_are_refused(verifier: Contract, key: XmssKey, length: int) -> None:
    message = bytes(32)
    public = (key.public + bytes(20))[:length]
    assert verifier.read("verify", public, message, key.sign(message, 0)) == NO


@pytest.mark.parametrize("length", [0, 1, 32, 1423, 1425, 2848])
def test_signatures_of_other_lengths_are_refused(verifier: Contract, key: XmssKey, length: int) -> None:
    message = bytes(32)
    signature = (key.sign(message, 0) * 2)[:length]
    assert verifier.read("verify", key.public, message, signature) == NO


def test_leaves_past_the_last_are_refused(verifier: Contract, key: XmssKey) -> None:
    message = bytes(32)
    signature = key.sign(message, 0)
    for index in (1, 1024, 2048, 2**31, 2**32 - 1):
        assert verifier.read("verify", key.public, message, index.to_bytes(4, "big") + signature[4:]) == NO


@pytest.mark.parametrize("total", [xmss.DIGIT_SUM - 1, xmss.DIGIT_SUM + 1])
def test_another_digit_sum_is_refused(
    verifier: Contract, key: XmssKey, monkeypatch: pytest.MonkeyPatch, total: int
) -> None:
    """All chains end where they should: nothing but the sum tells such a signature from a good one."""
    message = bytes(32)
    with monkeypatch.context() as patch:
        patch.setattr(xmss, "DIGIT_SUM", total)
        signature = key.sign(message, 3)
    assert verifier.read("verify", key.public, message, signature) == NO
    assert verifier.read("verify", key.public, message, key.sign(message, 3)) == YES


def test_a_verification_costs_less_than_its_limit(verifier: Contract, key: XmssKey) -> None:
    draw = random.Random(3)
    costs = []
    for _ in range(20):
        message = draw.randbytes(32)
        signature = key.sign(message, draw.randrange(1024))
        costs.append(spent(verifier, "verify", key.public, message, signature))
    assert min(costs) > 30_000
    assert max(costs) <= VERIFY_LIMIT
    assert max(costs) - min(costs) < 1_000, "the fixed digit sum keeps the cost nearly constant"
