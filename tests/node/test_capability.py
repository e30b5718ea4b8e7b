"""The suite on devices at hand: every protocol on any backend, against what the device says of itself."""

from __future__ import annotations

import pytest

from qcrs.benchmarks import quality_word
from qcrs.node.capability import measure, plan_for
from qcrs.node.devices import calibration, open_device

SEED = b"\x17" * 32


def test_a_fake_device_is_measured_near_its_calibration() -> None:
    device = open_device("fake:FakeManilaV2")
    suite = plan_for(device, SEED, "quick")
    heard: list[tuple[int, int, str]] = []
    result = measure(device, suite, lambda *note: heard.append(note))
    assert heard[0] == (0, len(suite.units), "readout")
    assert heard[-1][:2] == (len(suite.units), len(suite.units))
    assert result.capability is not None
    claims = calibration(device)
    readout = sum(claims["readout_nano"]) / 5
    assert result.capability.readout_error == pytest.approx(readout, rel=0.25)
    # Average gate infidelity e is a process infidelity of 5 e / 4; the one-qubit gates add a little.
    claimed = sum(row[3] for row in claims["two_qubit_nano"]) / len(claims["two_qubit_nano"]) * 1.25
    assert claimed < result.capability.error_per_layered_gate < 2 * claimed
    assert result.capability.t1_nanoseconds == min(f["t1"]["time_ns"] for f in result.report["relaxation"])


def test_the_times_of_a_fake_device_are_found() -> None:
    device = open_device("fake:FakeManilaV2")
    report = measure(device, plan_for(device, SEED, "full", ["C8"])).report
    claims = calibration(device)
    assert len(report["relaxation"]) == 3
    for found in report["relaxation"]:
        t1, t2 = claims["t1_t2_ns"][found["qubit"]]
        for claim, time in ((t1, found["t1"]), (min(t2, 2 * t1), found["t2"])):
            assert abs(time["time_ns"] - claim) < 4 * time["error_ns"] + 0.1 * claim
            assert time["error_ns"] < 0.25 * claim


@pytest.mark.parametrize(("name", "p2"), [("noisy-a", 1e-3), ("noisy-b", 1e-2)])
def test_frames_add_no_errors_to_what_is_measured(name: str, p2: float) -> None:
    """A step is a `cz` and two one-qubit gates, twirled or not."""
    device = open_device(f"aer:{name}?qubits=12")
    suite = plan_for(device, SEED, "quick", ["C2"], quality_word(round(1.2e9 * p2)))
    found = measure(device, suite).report["layer_fidelity"]
    planted = 1e9 * (1 - (1 - p2) * (1 - p2 / 10) ** 2)
    assert abs(found["error_per_layered_gate_nano"] - planted) < 3 * found["error_se_nano"]
    assert found["error_se_nano"] < 0.15 * planted


def test_the_same_seed_gives_the_same_findings() -> None:
    device = open_device("aer:noisy-b?qubits=4")
    suite = plan_for(device, SEED, "quick", ["C2", "C3"])
    once, again = (measure(device, suite).report for _ in range(2))
    assert once | {"speed": 0} == again | {"speed": 0}


def test_a_device_that_keeps_no_time_gets_no_times() -> None:
    device = open_device("aer:noisy-a?qubits=3")
    result = measure(device, plan_for(device, SEED, "full", ["C8"]))
    assert result.capability is None
    assert "capability" not in result.report
    assert len(result.report["relaxation"]) == 3
    for found in result.report["relaxation"]:
        for kind in ("t1", "t2"):
            assert found[kind]["time_ns"] is None
            assert found[kind]["at_least_ns"] > 2_000_000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["FakeBrisbane", "FakeTorino"])
def test_wide_fake_devices_run_what_is_clifford_at_full_width(name: str) -> None:
    device = open_device(f"fake:{name}")
    suite = plan_for(device, SEED, "quick", ["C1", "C3"])
    report = measure(device, suite).report
    claims = calibration(device)
    # Errors of preparation count as readout errors.
    claimed = sum(claims["readout_nano"])
    assert 0.97 * claimed < sum(report["readout"]["error_nano"]) < 1.2 * claimed
    working = [row[3] for row in claims["two_qubit_nano"] if row[3] < 10**9]
    assert sum(len(r["qubits"]) for r in report["binary_rb"]["regions"]) > 0.9 * device.qubits
    # A layer has a pair on two of five qubits or so, and one-qubit gates on all.
    pair = 1.25 * sum(working) / len(working)
    assert 0.1 * pair < report["binary_rb"]["error_per_qubit_nano"] < pair


@pytest.mark.slow
def test_a_thousand_qubits() -> None:
    """C1 to C4 on 1,000 qubits: the planted errors are found."""
    device = open_device("aer:noisy-a?qubits=1000&coupling=grid")
    report = measure(device, plan_for(device, SEED, "quick", ["C1", "C2", "C3", "C4"])).report
    planted = 1 - (1 - 1e-3) * (1 - 1e-4) ** 2
    found = report["layer_fidelity"]["error_per_layered_gate_nano"] / 1e9
    assert found == pytest.approx(planted, rel=0.05)
    assert sum(report["readout"]["error_nano"]) / 1e12 == pytest.approx(0.01, rel=0.02)
    assert sum(len(r["qubits"]) for r in report["binary_rb"]["regions"]) >= 990
    assert {row["width"] for row in report["ghz"]} >= {23, 1000}
