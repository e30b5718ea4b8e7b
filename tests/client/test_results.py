"""Which of several results of one job is shown first."""

from __future__ import annotations

from qcrs.client.results import by_standing
from qcrs.client.views import ExecutionInfo


def test_accepted_results_come_first_and_refused_ones_last() -> None:
    states = ["FRAUDULENT", "ACCEPTED", "REJECTED", "UNDECIDED", "ACCEPTED", "COMMITTED"]
    runs = [ExecutionInfo(i, 1, "ada", state, 1, 2, 1, (), 0, 0) for i, state in enumerate(states)]
    assert [run.index for run in sorted(runs, key=by_standing)] == [4, 1, 5, 3, 2, 0]
