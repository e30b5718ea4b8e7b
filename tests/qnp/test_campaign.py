"""Benches in short form, and the long campaigns (by hand: -m slow)."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

import pytest

from qcrs.qnp import CircuitSpec, ControlSpec, HardwareSpec, LinkSpec, Network, Topology
from qcrs.qnp.bench.paper import measure
from qcrs.qnp.bench.peers import ours
from qcrs.qnp.bench.scale import measure as measure_scale
from qcrs.report.qnp_bench import write_paper


def test_the_papers_figures_are_tables_and_plots(tmp_path: Path) -> None:
    tables = measure(2)
    assert [t.title[:7] for t in tables] == ["Fig. 8:", "Fig. 8:", "Fig. 9:", "Fig. 10", "Fig. 10"]
    for one in tables:
        assert all(len(row) == len(one.headers) for row in one.rows)
        assert one.as_dict()["curves"]
    write_paper(tables, tmp_path)
    for i in range(1, 6):
        ElementTree.fromstring((tmp_path / f"qnp-paper-{i}.svg").read_text(encoding="utf-8"))


def test_the_matched_chain_is_the_full_engine() -> None:
    found = ours(3, 400_000, 200, 1)
    assert found["pairs"] == 200
    assert found["wrong_bell"] == 0
    assert found["simulated_s"] > 0


def test_a_grid_of_many_circuits_is_right_everywhere() -> None:
    found = measure_scale(49, 60, 40_000)
    assert found.events == 40_000
    assert found.delivered > 1000
    assert found.wrong_bell == 0


def test_a_queue_of_two_links_has_the_rate_of_its_markov_chain() -> None:
    """Two links with one qubit an end and no cutoff: wait for the slower, then both begin again."""
    link = LinkSpec("", "", kind="heralded", p=0.001, fidelity=0.99, attempt_ns=1000, frame_delay_ns=0)
    topology = Topology.chain(
        3, link, HardwareSpec(qubits_per_link=1), circuits=(CircuitSpec("c", "n0", "n2", cutoff="none"),)
    )
    network = Network(topology, 5, record=False)
    network.request("c")
    network.run(max_deliveries=20_000)
    stats = network.stats[1]
    mean = (stats.last_ns - stats.first_ns) / (stats.delivered - 1)
    p = 0.001  # mean of the larger of two geometric variables, in attempts
    expected = (2 / p - 1 / (2 * p - p * p)) * 1000
    deviation = expected * 0.75 / math.sqrt(stats.delivered)
    assert abs(mean - expected) < 3 * deviation


@pytest.mark.slow
def test_a_million_pairs_have_the_right_bell_state() -> None:
    link = LinkSpec("", "", kind="heralded", p=0.1, fidelity=0.98, attempt_ns=100_000, frame_delay_ns=20_000)
    circuits = tuple(
        CircuitSpec(f"c{i}", a, b, 0.7) for i, (a, b) in enumerate((("A0", "B0"), ("A1", "B1"), ("B0", "A1")))
    )
    topology = Topology.dumbbell(
        link, HardwareSpec(t2_ns=10**9), circuits=circuits, control=ControlSpec(test_every=50, test_count=5)
    )
    network = Network(topology, 11, record=False)
    for i in range(3):
        network.request(f"c{i}", form=i)
    network.run(max_deliveries=1_000_000)
    assert sum(s.delivered for s in network.stats.values()) == 1_000_000
    assert sum(s.wrong_bell for s in network.stats.values()) == 0


@pytest.mark.slow
def test_two_hundred_nodes_and_a_thousand_circuits() -> None:
    found = measure_scale(200, 1000, 10_000_000)
    assert found.events == 10_000_000
    assert found.wrong_bell == 0
    assert found.peak_mib < 1024


@pytest.mark.network
def test_the_bench_of_processes_delivers_all_its_pairs() -> None:
    from qcrs.qnp.bench.tcp import measure as measure_tcp

    found = measure_tcp(4, 30)
    assert (found.pairs, found.wrong_bell, found.leaked) == (30, 0, 0)
    assert 0 < found.p50_ms <= found.p99_ms <= found.most_ms
