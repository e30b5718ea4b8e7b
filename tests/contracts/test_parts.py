"""Logarithms and decay: the contracts' integers against the model's, and both against real numbers."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import pytest
from contract_stage import Contract
from exchange_model import decay, log2_odds, required
from exchange_stage import Stage


@pytest.fixture(scope="module")
def parts(deployed: Stage) -> Iterator[Contract]:
    with deployed.undone():
        yield deployed.deploy("Parts")


def test_required_confidence_of_every_trust(parts: Contract) -> None:
    for trust in range(2, 256):
        exact = 256 * math.log2(trust - 1)
        assert parts.read("required", trust) == required(trust)
        assert exact - 1e-9 <= required(trust) < exact + 1


def test_log2_odds(parts: Contract) -> None:
    rng = random.Random(7)
    pairs = [(0, 0), (65_535, 0), (0, 65_535), (256, 0), (1, 0), (0, 1)]
    pairs += [(rng.randrange(65_536), rng.randrange(65_536)) for _ in range(200)]
    for a, b in pairs:
        assert parts.read("log2Odds", a, b) == log2_odds(a, b)
        assert log2_odds(a, b) == -log2_odds(b, a)
        assert abs(log2_odds(a, b) - 256 * math.log2((a + 256) / (b + 256))) < 6


def test_decay(parts: Contract) -> None:
    rng = random.Random(8)
    cases = [(65_535, 0, 337), (65_535, 337, 337), (65_535, 17 * 337, 337), (1, 1, 337), (65_535, 10**7, 337)]
    cases += [(rng.randrange(65_536), rng.randrange(4000), rng.randrange(337, 246_376)) for _ in range(200)]
    for evidence, ticks, half in cases:
        assert parts.read("decay", evidence, ticks, half) == decay(evidence, ticks, half)
        exact = evidence * 2 ** (-ticks / half)
        assert decay(evidence, ticks, half) == pytest.approx(exact, rel=0.0031, abs=2)
    assert decay(65_535, 337, 337) == 65_535 // 2
    assert decay(40_000, 0, 337) == 40_000
