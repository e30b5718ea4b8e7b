"""What forge runs on every change: 10,000 inputs a property, 131,072 acts on the whole exchange."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

LEAST_PROPERTIES = 30


@pytest.mark.timeout(1200)
def test_properties_hold_for_ten_thousand_inputs_each(assure: ModuleType) -> None:
    done = assure.fuzz()
    assert done.code == 0, done.output[-4000:]
    runs = [int(found) for found in re.findall(r"\[PASS\] testFuzz_\w+\([^)]*\) \(runs: (\d+),", done.output)]
    assert len(runs) >= LEAST_PROPERTIES
    assert min(runs) == 10_000


@pytest.mark.timeout(1200)
def test_the_invariants_hold_while_everybody_acts(assure: ModuleType) -> None:
    done, campaigns = assure.invariants()
    assert done.code == 0, done.output[-4000:]
    (campaign,) = campaigns
    assert campaign.passed
    assert campaign.calls >= 131_072
    assert campaign.reverts <= campaign.calls / 2
