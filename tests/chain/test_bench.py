"""The benchmarks run and count what they say; their numbers are for people to read."""

from __future__ import annotations

from qcrs.chain.bench import bench, log_search_seconds


def test_rates_are_measured_on_each_engine() -> None:
    lines: list[str] = []
    found = bench(2, ("embedded", "anvil"), lines.append)
    assert [rates.engine for rates in found] == ["embedded", "anvil", "embedded, sender"]
    assert len(lines) == 3
    assert all(min(rates.transfers_per_s, rates.submits_per_s, rates.views_per_s) > 0 for rates in found)


def test_the_log_search_finds_every_job() -> None:
    found = log_search_seconds(40)
    assert found["height"] == 40
    assert found["logs"] == 40 - 14  # twelve transactions of deployment, an approval, a deposit
    assert found["get_logs_s"] > 0
