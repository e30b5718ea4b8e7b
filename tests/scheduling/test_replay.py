"""The contract hands out the same jobs as the reference model, operation by operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from qcrs.scheduling import FairQueue
from qcrs.scheduling.replay import Ledger, ReplayReport, replay

Factory = Callable[[], tuple[Ledger, FairQueue, int]]


def check(report: ReplayReport, operations: int) -> None:
    """Nothing was left out: every operation succeeded and was refused often enough to mean something."""
    assert report.operations == operations
    for name, least in (("submit", 100), ("allocate", 60), ("commit", 50), ("judge", 50), ("expire", 10)):
        assert report.done[name] * 1000 >= least * operations, report
    assert all(report.done[name] for name in ("cancel", "expire_execution", "skim")), report
    assert {"NONE", "UNSUITABLE", "DRAINING", "BACKLOG"} <= set(report.reasons), report


def test_contract_and_model_agree_over_1000_operations(contract_ledger: Any) -> None:
    ledger, model, start = contract_ledger()
    check(replay(model, ledger, 1000, 1, start=start, clients=4, compare_every=5), 1000)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_contract_and_model_agree_over_10000_operations(contract_ledger: Any) -> None:
    ledger, model, start = contract_ledger()
    check(replay(model, ledger, 10_000, 2, start=start, clients=4, compare_every=5), 10_000)
