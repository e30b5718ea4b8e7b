"""Pieces give the whole's expectation values, and the price is known first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import BackendSamplerV2
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_aer import AerSimulator

from qcrs.distributed.cutting import expectations, offer
from qcrs.errors import CircuitError, InputError


def test_a_ghz_state_in_two_pieces(family: Any) -> None:
    circuit = family["ghz"](4)
    circuit.ry(0.4, range(4))
    found = offer(circuit, 2)
    assert found.overhead == pytest.approx(9)
    assert max(found.widths) <= 2
    observables = [SparsePauliOp(["ZZII", "IZZI"], [1.0, 0.5]), SparsePauliOp(["XXXX"])]
    sampler = BackendSamplerV2(backend=AerSimulator(seed_simulator=3))
    shots = 60_000
    values = expectations(found, observables, sampler, shots)
    wanted = [float(np.real(Statevector(circuit).expectation_value(o))) for o in observables]
    assert found.shots(0.005) == pytest.approx(9 / 0.005**2)
    for value, right, bound in zip(values, wanted, (1.5, 1.0), strict=True):
        assert abs(value - right) < 5 * bound * np.sqrt(found.overhead / shots)


def test_a_wire_is_cut_where_that_is_cheaper() -> None:
    circuit = QuantumCircuit(5)
    for qubit in range(5):
        circuit.ry(0.3 + qubit, qubit)
    for _ in range(2):
        for a, b in ((0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (2, 4)):
            circuit.rzz(1.1, a, b)
            circuit.rx(0.7, a)
    with pytest.raises(InputError, match="times the shots"):
        offer(circuit, 3)
    assert offer(circuit, 3, most=1e6).overhead > 100


def test_what_fits_is_not_cut(family: Any) -> None:
    found = offer(family["ghz"](4), 4)
    assert (found.overhead, found.gates, found.wires) == (1.0, 0, 0)
    value = expectations(
        found, [SparsePauliOp("ZZII")], BackendSamplerV2(backend=AerSimulator(seed_simulator=1)), 1000
    )
    assert value == [pytest.approx(1.0)]


def test_bad_input_is_said(family: Any) -> None:
    measured = family["ghz"](4)
    measured.measure_all()
    with pytest.raises(CircuitError, match="no classical bits"):
        offer(measured, 2)
    with pytest.raises(InputError, match="one qubit at least"):
        offer(family["ghz"](4), 0)
    sampler, found = BackendSamplerV2(backend=AerSimulator()), offer(family["ghz"](4), 2)
    with pytest.raises(InputError, match="the circuit has 4"):
        expectations(found, [SparsePauliOp("Z")], sampler, 10)
