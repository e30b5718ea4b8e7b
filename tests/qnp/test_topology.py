"""Topology files: units, errors with file and line, what lint predicts, other simulators' networks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qcrs.errors import ConfigError
from qcrs.qnp import CircuitSpec, Network
from qcrs.qnp.control import plan_all
from qcrs.qnp.topology.importers import import_sequence, import_squidasm
from qcrs.qnp.topology.lint import lint
from qcrs.qnp.topology.reader import load_topology, schema
from qcrs.qnp.topology.units import UNITS, length_m, loss_db_per_km, rate_hz, time_ns
from qcrs.qnp.topology.writer import dump

EXAMPLES = Path(__file__).parents[2] / "examples" / "qnp"
SMALL = """\
version: 1
defaults: {link: {kind: heralded, p: 0.1, fidelity: 0.95, length: 10km}}
nodes: [a, b, c]
links:
  - ends: [a, b]
  - ends: [b, c]
circuits:
  - {name: x, head: a, tail: c, fidelity: 0.8}
workloads:
  - {circuit: x, number: 5}
"""


def _file(folder: Path, text: str) -> Path:
    path = folder / "net.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_units() -> None:
    assert time_ns("10.12us") == 10_120
    assert time_ns("60s") == 60 * 10**9
    assert length_m("25km") == 25_000
    assert loss_db_per_km("0.2dB/km") == 0.2
    assert rate_hz("30/s") == rate_hz("30 Hz") == rate_hz("1800/min") == 30


@given(st.integers(0, 10**6), st.sampled_from(sorted(UNITS["time"])))
def test_times_are_exact(number: int, unit: str) -> None:
    exact = number * UNITS["time"][unit]
    if exact < 1 << 53:
        assert time_ns(f"{number}{unit}") == exact


@pytest.mark.parametrize("value", ["10", "10 parsec", "us", "-3s", "1e999s", 10, None, "1.2.3s", "10 s s"])
def test_values_without_their_unit_are_refused(value: object) -> None:
    with pytest.raises(ConfigError):
        time_ns(value)


@pytest.mark.parametrize("name", ["dumbbell", "chain", "faults", "metro", "star"])
def test_examples_are_clean_and_come_back_from_their_own_text(tmp_path: Path, name: str) -> None:
    topology = load_topology(EXAMPLES / f"{name}.yaml")
    assert lint(topology).warnings == ()
    again = load_topology(_file(tmp_path, dump(topology)))
    assert again == topology


@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        ("fidelity: 0.8}", "fidelty: 0.8}", 8, "fidelty"),
        ("number: 5", "number: -5", 10, "whole number"),
        ("  - ends: [b, c]", "  - ends: [b, d]", 6, "two nodes"),
        ("  - ends: [b, c]", "  - ends: [b, c]\n    length: 10", 7, "unit"),
        ("circuit: x", "circuit: y", 10, "no such circuit"),
        ("version: 1", "version: 2", 1, "version"),
        ("nodes: [a, b, c]", "nodes: [a, b, {name: c, hardware: q}]", 3, "no such hardware"),
        ("head: a", "head: z", 8, "no such node"),
        ("links:", "lynx: 1\nlinks:", 4, "lynx"),
        ("p: 0.1,", "p: 1.1,", 2, "0 to 1"),
        ("tail: c,", "", 8, "'tail' is missing"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, old: str, new: str, line: int, word: str) -> None:
    assert old in SMALL
    path = _file(tmp_path, SMALL.replace(old, new))
    with pytest.raises(ConfigError, match=word) as caught:
        load_topology(path)
    assert f"{path}:{line}:" in caught.value.reason


def test_aliases_repeated_keys_and_large_files_are_refused(tmp_path: Path) -> None:
    for text in (
        SMALL.replace("[a, b]", "&e [a, b]").replace("[b, c]\ncirc", "*e\ncirc"),
        SMALL + "name: x\nname: y\n",
        SMALL + "#" * 300_000,
    ):
        with pytest.raises(ConfigError):
            load_topology(_file(tmp_path, text))


def test_length_gives_attempt_time_delay_and_loss(tmp_path: Path) -> None:
    text = SMALL.replace(
        "kind: heralded, p: 0.1, fidelity: 0.95, length: 10km", "length: 10km, loss: 0.2dB/km"
    )
    link = load_topology(_file(tmp_path, text)).links[0]
    assert link.frame_delay_ns == 50_000
    assert link.attempt_ns == 60_110
    assert link.eta == pytest.approx(10**-0.1)


def test_a_workload_may_be_purified(tmp_path: Path) -> None:
    topology = load_topology(_file(tmp_path, SMALL.replace("number: 5", "number: 5, purify: dejmps")))
    assert topology.workloads[0].purify == 2
    assert load_topology(_file(tmp_path, dump(topology))) == topology
    network = Network(topology, 1)
    network.run()
    assert (network.delivered, network.leaked()) == (5, 0)
    for wrong in ("purify: much", "type: measure, purify: dejmps", "within: 1s, purify: bbpssw"):
        with pytest.raises(ConfigError):
            load_topology(_file(tmp_path, SMALL.replace("number: 5", f"number: 5, {wrong}")))


def test_lint_warns_of_what_cannot_be(tmp_path: Path) -> None:
    text = SMALL.replace("fidelity: 0.8}", "fidelity: 0.99}")
    (warning, *_) = lint(load_topology(_file(tmp_path, text))).warnings
    assert "reaches fidelity" in warning
    text = SMALL.replace("number: 5}", "rate: 100000/s}")
    assert any("pairs/s" in w for w in lint(load_topology(_file(tmp_path, text))).warnings)


def test_the_schema_knows_exactly_the_readers_keys() -> None:
    found = schema()
    assert found["additionalProperties"] is False
    link = found["properties"]["links"]["items"]
    assert set(link["required"]) == {"ends"}
    for name in ("dumbbell", "chain", "faults"):
        data = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
        assert set(data) <= set(found["properties"])
        for section in ("links", "circuits", "workloads", "faults"):
            known = found["properties"][section]["items"]["properties"]
            assert all(set(item) <= set(known) for item in data.get(section, []))


def test_better_goals_cost_rate_and_shared_links_are_shared() -> None:
    topology = load_topology(EXAMPLES / "dumbbell.yaml")
    rates = []
    for fidelity in (0.6, 0.7, 0.8, 0.9):
        (plan,) = plan_all(topology, (CircuitSpec("x", "A0", "B0", fidelity),))
        assert plan.predicted_fidelity >= fidelity
        rates.append(plan.eer)
    assert rates == sorted(rates, reverse=True)
    alone = plan_all(topology, (CircuitSpec("x", "A0", "B0", link_fidelity=0.97, cutoff="short"),))[0]
    both = plan_all(
        topology,
        tuple(CircuitSpec(n, "A0", "B0", link_fidelity=0.97, cutoff="short") for n in ("x", "y")),
    )
    assert [p.lpr for p in both] == pytest.approx([alone.lpr / 2] * 2)


def test_a_sequence_network(tmp_path: Path) -> None:
    data = {
        "is_parallel": False,
        "stop_time": 10**12,
        "templates": {
            "m": {
                "MemoryArray": {"fidelity": 0.9, "efficiency": 0.5, "coherence_time": 1.5, "frequency": 2000}
            }
        },
        "nodes": [
            {"name": n, "type": "QuantumRouter", "seed": i, "memo_size": 4, "template": "m"}
            for i, n in enumerate("abc")
        ],
        "qconnections": [
            {"node1": a, "node2": b, "attenuation": 0.0002, "distance": 10_000, "type": "meet_in_the_middle"}
            for a, b in ("ab", "bc")
        ],
        "cconnections": [{"node1": "a", "node2": "b", "delay": 5e8}],
    }
    path = tmp_path / "net.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    found = import_sequence(path)
    link = found.topology.links[0]
    assert link.p == pytest.approx(0.5 * 0.25 * 10**-0.2)
    assert (link.attempt_ns, link.frame_delay_ns) == (500_000, 500_000)
    assert found.topology.nodes[0].hardware.t2_ns == 1_500_000_000
    network = Network(found.topology, 1)
    network.request("a-c", number=5)
    network.run()
    assert len(network.deliveries) == 5
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(ConfigError, match="not a SeQUeNCe network"):
        import_sequence(path)


def test_a_squidasm_network(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        """\
device: &dev {T1: 1.0e+10, T2: 1.0e+9, two_qubit_gate_time: 1.0e+5, measure_time: 3700,
              two_qubit_gate_depolar_prob: 0.02, num_qubits: 3}
stacks:
  - {name: alice, qdevice_typ: generic, qdevice_cfg: *dev}
  - {name: rep, qdevice_typ: nv, qdevice_cfg: *dev}
  - {name: bob, qdevice_typ: generic, qdevice_cfg: *dev}
links:
  - {stack1: alice, stack2: rep, typ: depolarise, cfg: {fidelity: 0.95, prob_success: 0.2, t_cycle: 1.0e+5}}
  - {stack1: rep, stack2: bob, typ: heralded, cfg: {length: 20, p_loss_length: 0.2, visibility: 0.96}}
clinks:
  - {stack1: alice, stack2: rep, typ: default, cfg: {delay: 1.0e+5}}
""",
    )
    found = import_squidasm(path, [("alice", "bob")])
    hardware = found.topology.nodes[0].hardware
    assert (hardware.t2_ns, hardware.swap_ns, hardware.gate_error) == (10**9, 103_700, 0.02)
    first, second = found.topology.links
    assert (first.p, first.attempt_ns, first.frame_delay_ns) == (0.2, 100_000, 100_000)
    assert (second.p, second.fidelity) == pytest.approx((0.5 * 10**-0.4, 0.98))
    assert any("nv" in note for note in found.notes)
    network = Network(found.topology, 1)
    network.request("alice-bob", number=5)
    network.run()
    assert len(network.deliveries) == 5
