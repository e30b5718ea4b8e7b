"""Circuits that are shared among processors in these tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import DensityMatrix, Operator

from qcrs.circuits import families
from qcrs.distributed.emit import PAIR, joint_circuit
from qcrs.distributed.noise import BellDiagonal
from qcrs.distributed.plan import Plan


@pytest.fixture(scope="session")
def circuits() -> dict[str, QuantumCircuit]:
    """Without measurements, at most eight qubits; each begins in a random product state."""
    found = {
        "qft": families.qft(8),
        "ghz": families.ghz(8),
        "adder": families.adder(3),
        "qaoa": families.qaoa(8, 2, 8),
        "random": random_circuit(6, 8, max_operands=3, seed=4),
        "bridged": bridged(),
    }
    return {name: prepared(circuit) for name, circuit in found.items()}


def prepared(circuit: QuantumCircuit) -> QuantumCircuit:
    dice = np.random.default_rng(1)
    first = QuantumCircuit(circuit.num_qubits)
    for qubit in range(circuit.num_qubits):
        first.u(*dice.uniform(0, 3, 3), qubit)
    return first.compose(circuit)


@pytest.fixture(scope="session")
def family() -> dict[str, Callable[..., QuantumCircuit]]:
    """Circuits of any size by name."""
    return {
        "qft": families.qft,
        "ghz": families.ghz,
        "adder": families.adder,
        "qaoa": lambda n, layers: families.qaoa(n, layers, n),
        "bridged": bridged,
    }


def bridged() -> QuantumCircuit:
    """A control whose copies can be kept while it is the target of CX, with and without a flip."""
    circuit = QuantumCircuit(4)
    circuit.cp(0.7, 0, 2)
    circuit.cx(2, 0)
    circuit.cx(3, 0)
    circuit.cp(1.1, 0, 2)
    circuit.cx(3, 0)
    circuit.x(0)
    circuit.cp(0.4, 0, 3)
    circuit.rx(0.3, [0, 2])
    circuit.cz(0, 1)
    return circuit


X, Z = np.array([[0, 1], [1, 0]], dtype=np.complex128), np.diag([1.0 + 0j, -1.0])


def exact_outcomes(made: Plan, pair: BellDiagonal) -> NDArray[np.float64]:
    """Distribution of the program's qubits after the joint circuit, every pair with these errors.

    By density matrices, one for each value of the one outcome bit: nothing is sampled, and nothing of the
    code under test but the circuit itself is used.
    """
    joint = joint_circuit(made.form, made.schedule, measure=False)
    n, place = joint.num_qubits, {qubit: i for i, qubit in enumerate(joint.qubits)}
    parts = {0: DensityMatrix.from_label("0" * n), 1: None}

    def channel(rho: DensityMatrix, qubit: int) -> DensityMatrix:
        errors = ((pair.i, np.eye(2)), (pair.x, X), (pair.y, X @ Z), (pair.z, Z))
        return sum((p * rho.evolve(Operator(m), [qubit]) for p, m in errors[1:]), start=errors[0][0] * rho)  # type: ignore[no-any-return]

    for item in joint.data:
        qubits, name = [place[q] for q in item.qubits], item.operation.name
        if name == "measure":
            whole = sum(
                (rho for rho in parts.values() if rho is not None),
                start=0 * DensityMatrix.from_label("0" * n),
            )
            zero, one = np.diag([1.0, 0.0]), np.diag([0.0, 1.0])
            parts = {0: whole.evolve(Operator(zero), qubits), 1: whole.evolve(Operator(one), qubits)}
        elif name == "if_else":
            (inner,) = item.operation.blocks[0].data
            found = parts[item.operation.condition[1]]
            assert found is not None
            parts[item.operation.condition[1]] = found.evolve(Operator(inner.operation), qubits)
        elif name == "reset":
            parts = {bit: None if rho is None else rho.reset(qubits) for bit, rho in parts.items()}
        elif str(item.operation.label or "").startswith(PAIR):
            parts = {bit: None if rho is None else channel(rho, qubits[0]) for bit, rho in parts.items()}
        else:
            gate = Operator(item.operation)
            parts = {bit: None if rho is None else rho.evolve(gate, qubits) for bit, rho in parts.items()}
    total = sum((rho.data.diagonal().real for rho in parts.values() if rho is not None), start=np.zeros(2**n))
    holders, index = joint.metadata["holders"], np.arange(2**n)
    wires = [qubit for qubit, _ in made.form.measures] or range(made.form.qubits)
    outcome = sum((index >> holders[qubit] & 1) << i for i, qubit in enumerate(wires))
    return np.bincount(outcome, weights=total, minlength=2**made.form.qubits)


@pytest.fixture(scope="session")
def exactly() -> Callable[[Plan, BellDiagonal], NDArray[np.float64]]:
    """`exact_outcomes`."""
    return exact_outcomes
