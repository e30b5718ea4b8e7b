"""Programs whose outputs are peaked: honest results of them are fresh, whatever the noise repeats."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit

from qcrs.verification.freshness import freshness
from qcrs.verification.simulate import ideal


def ghz(n: int) -> QuantumCircuit:
    circuit = QuantumCircuit(n)
    circuit.h(0)
    for qubit in range(n - 1):
        circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    return circuit


def search(n: int) -> QuantumCircuit:
    """One round of Grover's search: every outcome a little, one often."""
    circuit = QuantumCircuit(n)
    circuit.h(range(n))
    circuit.mcp(np.pi, list(range(n - 1)), n - 1)
    circuit.h(range(n))
    circuit.x(range(n))
    circuit.mcp(np.pi, list(range(n - 1)), n - 1)
    circuit.x(range(n))
    circuit.h(range(n))
    circuit.measure_all()
    return circuit


def counter(n: int) -> QuantumCircuit:
    """Classical logic on a basis state: one right outcome."""
    circuit = QuantumCircuit(n)
    circuit.x(range(0, n, 2))
    for qubit in range(n - 2):
        circuit.ccx(qubit, qubit + 1, qubit + 2)
    circuit.measure_all()
    return circuit


@pytest.mark.parametrize("noise", ["A", "B"])
@pytest.mark.parametrize("circuit", [ghz(8), search(5), counter(7)], ids=["ghz", "search", "counter"])
def test_errors_that_repeat_are_no_pool(lab, circuit, noise) -> None:
    job = lab.job([circuit], 4000, 9)
    for seed in (1, 2):
        found = freshness(
            job.units,
            job.seed,
            lab.run(job, getattr(lab, noise), seed),
            ideals={0: ideal(job.units[0].circuit)},
        )
        assert found.fault == ""
        assert any(test.name == "no power against pools" for test in found.tests)


def test_whoever_sees_one_outcome_alone_has_copied_nothing(lab) -> None:
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.measure_all()
    job = lab.job([circuit, circuit.copy()], 200, 4)
    perfect = lab.run(job, lab.Device(0.0, 0.0), 1)
    ideals = {number: ideal(unit.circuit) for number, unit in enumerate(job.units)}
    assert freshness(job.units, job.seed, perfect, ideals=ideals).fault == ""
