"""How near layer fidelity comes to a planted truth, on 50 and 100 qubits."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from qcrs.benchmarks import layer_fidelity, readout
from qcrs.benchmarks.schedule import decay_lengths
from qcrs.benchmarks.topology import Coupling
from qcrs.benchmarks.units import read

SEED = b"\x03" * 32


def measured(
    n: int, lengths: list[int], samples: int, shots: int, run: Callable[..., object]
) -> layer_fidelity.LayerFidelityResult:
    coupling = Coupling.of(n, [(q, q + 1) for q in range(n - 1)])
    calibration = readout.circuits(n, 8, 500, SEED)
    units = layer_fidelity.circuits(n, coupling.layers(), lengths, samples, shots, SEED)
    first, second = (
        [read(u, c, i) for i, (u, c) in enumerate(zip(part, run(part), strict=True))]
        for part in (calibration, units)
    )
    return layer_fidelity.score(units, second, readout.score(calibration, first))


def check(result: layer_fidelity.LayerFidelityResult, n: int, p2: float) -> None:
    """Within 3 % in the fidelity of all layers and, which is harder, in the error per layered gate."""
    error = 1 - (1 - p2) * (1 - p2 / 10) ** 2  # a cz and two one-qubit gates
    assert len(result.pairs) == n - 1
    assert result.error_per_layered_gate == pytest.approx(error, rel=0.03)
    assert math.exp(result.log_fidelity) == pytest.approx((1 - error) ** (n - 1), rel=0.03)
    assert abs(result.error_per_layered_gate - error) < 4 * result.standard_error
    assert result.standard_error < 0.01 * error


@pytest.mark.parametrize(("p2", "r", "longest"), [(1e-3, 0.01, 60), (1e-2, 0.02, 14)])
@pytest.mark.parametrize("n", [50, 100])
def test_two_lengths_are_enough_for_three_percent(
    n: int, p2: float, r: float, longest: int, clifford_device: Callable[..., object]
) -> None:
    check(measured(n, [2, longest], 4, 4000, clifford_device(p2, r)), n, p2)


@pytest.mark.slow
@pytest.mark.parametrize(("p2", "r"), [(1e-3, 0.01), (1e-2, 0.02)])
@pytest.mark.parametrize("n", [50, 100])
def test_the_full_suites_80_circuits_of_400_shots_give_three_percent(
    n: int, p2: float, r: float, clifford_device: Callable[..., object]
) -> None:
    check(measured(n, decay_lengths(1.2 * p2, n, False), 8, 400, clifford_device(p2, r)), n, p2)
