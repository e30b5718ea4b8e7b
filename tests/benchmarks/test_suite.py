"""The whole suite on simulated processors, and its promises about size, form and repeatability."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest

import qcrs.benchmarks
from qcrs.benchmarks import (
    PROTOCOLS,
    Coupling,
    ProcessorModel,
    SuitePlan,
    Timing,
    evaluate,
    plan,
    quality_word,
)
from qcrs.errors import InputError, VerificationError

SEED = bytes(range(32))
LINE_6 = ProcessorModel(6, Coupling.of(6, [(i, i + 1) for i in range(5)]))


def timed(suite: SuitePlan, milliseconds: int = 1000) -> list[Timing]:
    return [Timing(tuple(range(len(suite.units))), milliseconds)]


def test_exports() -> None:
    assert sorted(qcrs.benchmarks.__all__) == [
        "BenchmarkUnit",
        "Capability",
        "CapabilityResult",
        "Coupling",
        "Level",
        "PROTOCOLS",
        "ProcessorModel",
        "SuitePlan",
        "Timing",
        "evaluate",
        "plan",
        "quality_word",
    ]


@pytest.mark.parametrize("qubits", [2, 3, 5, 8, 20, 30])
@pytest.mark.parametrize("shape", ["line", "complete", "star"])
def test_a_quick_plan_is_small_and_native(qubits: int, shape: str) -> None:
    pairs = {
        "line": [(i, i + 1) for i in range(qubits - 1)],
        "complete": None,
        "star": [(0, i) for i in range(1, qubits)],
    }
    coupling = Coupling.of(qubits, pairs[shape])
    suite = plan(ProcessorModel(qubits, coupling), SEED, "quick")
    assert len(suite.units) <= 80
    assert suite.shots <= 25_000
    assert {u.protocol for u in suite.units} == set(PROTOCOLS.values()) - {"speed"}
    for unit in suite.units:
        assert unit.circuit.qubits == qubits
        for ins in unit.circuit.instructions:
            assert ins.name in ("u", "cz", "barrier", "measure", "delay")
            assert ins.name != "cz" or tuple(sorted(ins.qubits)) in coupling.edges


def test_a_full_plan_has_the_size_it_is_described_with() -> None:
    suite = plan(LINE_6, SEED, "full")
    count = {name: sum(u.protocol == name for u in suite.units) for name in {u.protocol for u in suite.units}}
    assert count["readout"] == 16
    assert count["layer_fidelity"] == 80
    assert count["quantum_volume"] in (200, 300)
    assert count["binary_rb"] == 40
    assert count["xeb"] == 10
    assert count["relaxation"] == 16
    assert 100_000 < suite.shots < 170_000


def test_a_plan_follows_from_its_seed() -> None:
    once, again, other = (plan(LINE_6, seed, "quick") for seed in (SEED, SEED, SEED[::-1]))
    assert [u.circuit.canonical() for u in once.units] == [u.circuit.canonical() for u in again.units]
    assert [u.circuit.canonical() for u in once.units] != [u.circuit.canonical() for u in other.units]
    assert [i for job in once.jobs(20) for i in job] == list(range(len(once.units)))
    assert max(len(job) for job in once.jobs(20)) == 20


@pytest.mark.parametrize(("p2", "r"), [(1e-3, 0.01), (1e-2, 0.02)])
def test_a_certificate_is_near_what_was_planted(p2: float, r: float, device: Callable[..., object]) -> None:
    suite = plan(LINE_6, SEED, "quick")
    counts = device(p2, r)(suite.units)
    result = evaluate(suite, counts, timed(suite))
    decay = result.report["layer_fidelity"]
    planted = 1 - (1 - p2) * (1 - p2 / 10) ** 2
    distance = abs(decay["error_per_layered_gate_nano"] / 1e9 - planted)
    assert distance < 4 * decay["error_se_nano"] / 1e9 + 0.05 * planted
    assert result.capability.readout_error / 1e9 == pytest.approx(r, abs=4e-3)
    assert result.capability.width_tested == 6
    assert result.capability.ghz_width == 6
    assert result.capability.log2_quantum_volume >= 2
    assert abs(result.capability.quality + 256 * math.log2(planted)) < 256
    assert evaluate(suite, counts, timed(suite)).document == result.document


def test_a_perfect_device_is_certified_at_the_suites_resolution(device: Callable[..., object]) -> None:
    suite = plan(LINE_6, SEED, "quick")
    result = evaluate(suite, device()(suite.units), timed(suite, 100))
    assert 0 < result.capability.error_per_layered_gate < 300_000
    assert result.capability.readout_error == 0
    assert result.capability.ghz_width == 6
    assert result.capability.log2_quantum_volume == 3
    assert result.capability.layers_per_second == result.report["speed"]["layer_shots"] * 10


def test_a_very_noisy_device_passes_nothing(device: Callable[..., object]) -> None:
    suite = plan(LINE_6, SEED, "quick")
    result = evaluate(suite, device(0.25, 0.25)(suite.units), timed(suite))
    assert result.capability.log2_quantum_volume == 0
    assert result.capability.ghz_width == 0
    assert result.capability.error_per_layered_gate > 150_000_000
    assert result.capability.quality < 800


def test_the_report_is_canonical_and_says_its_level(device: Callable[..., object]) -> None:
    suite = plan(ProcessorModel(2, Coupling.of(2, None)), SEED, "quick")
    result = evaluate(suite, device(1e-2, 0.02)(suite.units), timed(suite))
    report = json.loads(result.document)
    assert report["qcrs"] == "capability/1"
    assert report["level"] == "quick"
    assert "reduced" in report["confidence"]
    assert len(report["readout"]["error_nano"]) == 2
    assert tuple(report["capability"].values()) != ()
    assert result.capability is not None
    assert sorted(report["capability"].values()) == sorted(result.capability.as_tuple())
    assert [p["pair"] for p in report["layer_fidelity"]["pairs"]] == [[0, 1]]


def test_wrong_counts_are_refused(device: Callable[..., object]) -> None:
    suite = plan(ProcessorModel(2, Coupling.of(2, None)), SEED, "quick")
    counts = device()(suite.units)
    with pytest.raises(VerificationError, match="do not match the plan"):
        evaluate(suite, counts[:-1], timed(suite))
    counts[3] = {0: 1}
    with pytest.raises(VerificationError, match=r"units\[3\]"):
        evaluate(suite, counts, timed(suite))


def test_quality_is_the_contracts_word() -> None:
    assert quality_word(10_000_000) == 1700
    assert quality_word(1_000_000) == 2551
    assert quality_word(500_000_000) == 256
    assert quality_word(500_000_001) == 255
    assert quality_word(0) == quality_word(1) == 4095
    assert quality_word(10**9) == quality_word(2 * 10**9) == 1
    for error in (3, 77_777, 123_456_789):
        assert quality_word(error) == min(4095, math.floor(-256 * math.log2(error * 1e-9)))


def test_metadata_is_read_and_checked() -> None:
    model = ProcessorModel.from_metadata({"qubits": 3, "coupling": [[0, 1], [1, 2]]}, claimed_quality=2551)
    assert model.coupling.edges == ((0, 1), (1, 2))
    assert model.expected_error == pytest.approx(1e-3, rel=2e-3)
    assert ProcessorModel.from_metadata({"qubits": 3}).coupling.complete
    for wrong in ({"qubits": 1}, {"qubits": 0}, {"qubits": "3"}, {"qubits": 2, "coupling": [[0, 5]]}):
        with pytest.raises(InputError):
            ProcessorModel.from_metadata(wrong)


@pytest.mark.slow
def test_the_full_suite_narrows_the_intervals(device: Callable[..., object]) -> None:
    p2, r = 3e-3, 0.01
    model = ProcessorModel(6, LINE_6.coupling, claimed_quality=quality_word(3_600_000))
    run, found = device(p2, r), {}
    for level in ("quick", "full"):
        suite = plan(model, SEED, level)
        found[level] = evaluate(suite, run(suite.units), timed(suite))
    planted = 1 - (1 - p2) * (1 - p2 / 10) ** 2
    errors = {
        level: result.report["layer_fidelity"]["error_se_nano"] / 1e9 for level, result in found.items()
    }
    assert errors["full"] < errors["quick"] / 2
    full = found["full"]
    distance = abs(full.capability.error_per_layered_gate / 1e9 - planted)
    assert distance < 4 * errors["full"] + 0.05 * planted
    assert full.capability.ghz_width == 6
    assert full.capability.log2_quantum_volume >= 4
    assert all(row["circuits"] >= 100 for row in full.report["quantum_volume"])
