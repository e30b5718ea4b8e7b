"""T1 and T2: planted times, honest silence, and what is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from qcrs.benchmarks import relaxation
from qcrs.benchmarks.readout import ReadoutResult
from qcrs.benchmarks.units import BenchmarkUnit, Reading, read

DELAYS = (1_000, 4_000, 12_000, 32_000, 80_000, 160_000, 320_000, 640_000)
UP, DOWN = 0.02, 0.05
READOUT = ReadoutResult(np.full(5, UP), np.full(5, DOWN), 4000)


def device(units: list[BenchmarkUnit], t1_ns: float, t2_ns: float, rng: np.random.Generator) -> list[Reading]:
    """Independent qubits that relax to |0⟩ and lose phase, read with errors."""
    found = []
    for index, unit in enumerate(units):
        setting = unit.detail
        excited = (
            np.exp(-setting.delay_ns / t1_ns)
            if setting.kind == "t1"
            else (1 - np.exp(-setting.delay_ns / t2_ns)) / 2
        )
        p = UP + (1 - UP - DOWN) * excited
        bits = rng.random((unit.shots, len(setting.qubits))) < p
        keys, n = np.unique(bits @ (1 << np.arange(bits.shape[1])), return_counts=True)
        found.append(read(unit, {int(k): int(c) for k, c in zip(keys, n, strict=True)}, index))
    return found


@pytest.mark.parametrize(("t1_us", "t2_us"), [(5, 3), (50, 70), (300, 150), (900, 900)])
def test_planted_times_are_found(t1_us: float, t2_us: float) -> None:
    units = relaxation.circuits(5, (1, 4), DELAYS, 400)
    found = relaxation.score(
        units, device(units, 1e3 * t1_us, 1e3 * t2_us, np.random.default_rng(6)), READOUT
    )
    assert [one.qubit for one in found] == [1, 4]
    for one in found:
        for planted, time in ((t1_us, one.t1), (t2_us, one.t2)):
            assert time.time_ns is not None
            assert time.error_ns is not None
            assert abs(time.time_ns - 1e3 * planted) < 4 * time.error_ns
            assert time.error_ns < 0.3 * time.time_ns
            assert time.at_least_ns < time.time_ns
    shortest = relaxation.shortest(found)
    assert shortest == (
        round(min(one.t1.time_ns or 0 for one in found)),
        round(min(one.t2.time_ns or 0 for one in found)),
    )


def test_intervals_cover_the_truth() -> None:
    rng, scores = np.random.default_rng(7), []
    units = relaxation.circuits(5, (0, 1, 2, 3, 4), DELAYS, 400)
    for _ in range(20):
        for one in relaxation.score(units, device(units, 1e5, 6e4, rng), READOUT):
            for planted, time in ((1e5, one.t1), (6e4, one.t2)):
                assert time.time_ns is not None
                assert time.error_ns is not None
                scores.append((1 / time.time_ns - 1 / planted) * time.time_ns**2 / time.error_ns)
    assert np.mean(np.abs(scores) < 2) > 0.92
    assert np.std(scores) > 0.5


def test_where_nothing_decays_no_time_is_claimed() -> None:
    units = relaxation.circuits(3, (0, 2), DELAYS, 400)
    found = relaxation.score(units, device(units, 1e12, 1e12, np.random.default_rng(1)), READOUT)
    silent = [time for one in found for time in (one.t1, one.t2) if time.time_ns is None]
    assert len(silent) == 4
    assert all(time.at_least_ns > 3_000_000 for time in silent)


def test_nobody_checked_is_no_time() -> None:
    assert relaxation.shortest([]) == (0, 0)


def test_the_qubits_are_drawn_from_the_seed() -> None:
    chosen = relaxation.choose(100, 3, bytes(32))
    assert chosen == relaxation.choose(100, 3, bytes(32))
    assert len(set(chosen)) == 3
    assert list(chosen) == sorted(chosen)
    assert len({relaxation.choose(100, 3, bytes([k]) * 32) for k in range(10)}) > 5
    assert relaxation.choose(2, 3, bytes(32)) == (0, 1)


def test_the_echo_brings_every_qubit_back() -> None:
    from qiskit.quantum_info import Statevector

    from qcrs.circuits import to_qiskit

    for unit in relaxation.circuits(2, (0, 1), (1_000,), 10):
        circuit = to_qiskit(unit.circuit)
        waits = [item.operation for item in circuit.data if item.operation.name == "delay"]
        assert sum(wait.duration for wait in waits) == 2 * 1_000 * 1000
        assert all(wait.unit == "ps" for wait in waits)
        bare = circuit.remove_final_measurements(inplace=False)
        for place in reversed([i for i, item in enumerate(bare.data) if item.operation.name == "delay"]):
            del bare.data[place]
        expected = "11" if unit.detail.kind == "t1" else "00"
        assert Statevector(bare).probabilities_dict()[expected] == pytest.approx(1)
