"""The contract hands out the same jobs as the reference model, operation by operation."""

from __future__ import annotations

import pytest

from qcrs.chain.queue_replay import CLIENTS, open_contract_queue, replay_on_contract
from qcrs.errors import VerificationError
from qcrs.scheduling.replay import ReplayReport, replay


def check(report: ReplayReport, operations: int) -> None:
    """Nothing was left out: every operation succeeded and was refused often enough to mean something."""
    assert report.operations == operations
    for name, least in (("submit", 100), ("allocate", 60), ("commit", 50), ("judge", 50), ("expire", 10)):
        assert report.done[name] * 1000 >= least * operations, report
    assert all(report.done[name] for name in ("cancel", "expire_execution", "skim")), report
    assert {"NONE", "UNSUITABLE", "BACKLOG"} <= set(report.reasons), report


def test_contract_and_model_agree_over_500_operations() -> None:
    lines: list[str] = []
    check(replay_on_contract(500, progress=lines.append), 500)
    assert len(lines) == 10


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_contract_and_model_agree_over_10000_operations() -> None:
    check(replay_on_contract(10_000, seed=2), 10_000)


def test_a_model_with_another_drain_threshold_is_found_out() -> None:
    with open_contract_queue() as queue:
        queue.model.parameters.drain = 60_000
        with pytest.raises(VerificationError, match="reference model"):
            replay(queue.model, queue, 1000, 1, start=queue.now, clients=CLIENTS)
