"""Random circuits, static and dynamic, for the tests of documents, lowering and frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit.classical import expr

from qcrs.circuits import CircuitDocument, Control, Drbg, Instruction, Register

Circuits = st.SearchStrategy[QuantumCircuit]

_ONE = ("h", "x", "y", "z", "s", "sdg", "t", "sx", "id")
_TURNED = ("rx", "ry", "rz", "p")
_TWO = ("cx", "cz", "cy", "swap", "iswap", "ecr")
_TWO_TURNED = ("rzz", "rxx", "cp", "crx")


@st.composite
def _unitary(draw: st.DrawFn, max_qubits: int = 5) -> QuantumCircuit:
    """Unmeasured circuits of named gates, unitaries, multi-controlled gates and permutations."""
    n = draw(st.integers(2, max_qubits))
    circuit = QuantumCircuit(n)
    angle = st.floats(-7, 7, allow_nan=False)
    for _ in range(draw(st.integers(1, 14))):
        qubits = draw(st.permutations(range(n)))
        kind = draw(
            st.sampled_from(("one", "turned", "two", "two_turned", "mcx", "matrix", "barrier", "perm"))
        )
        if kind == "one":
            getattr(circuit, draw(st.sampled_from(_ONE)))(qubits[0])
        elif kind == "turned":
            getattr(circuit, draw(st.sampled_from(_TURNED)))(draw(angle), qubits[0])
        elif kind == "two":
            getattr(circuit, draw(st.sampled_from(_TWO)))(qubits[0], qubits[1])
        elif kind == "two_turned":
            getattr(circuit, draw(st.sampled_from(_TWO_TURNED)))(draw(angle), qubits[0], qubits[1])
        elif kind == "mcx" and n > 2:
            circuit.mcx(list(qubits[:-1]), qubits[-1])
        elif kind == "matrix":
            rng = np.random.default_rng(draw(st.integers(0, 2**31)))
            q, _ = np.linalg.qr(rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))
            circuit.unitary(q, [qubits[0], qubits[1]])
        elif kind == "barrier":
            circuit.barrier(list(qubits[:2]))
        elif kind == "perm":
            circuit.compose(_permutation(list(draw(st.permutations(range(n))))), inplace=True)
    return circuit


def _permutation(pattern: list[int]) -> QuantumCircuit:
    from qiskit.circuit.library import PermutationGate

    circuit = QuantumCircuit(len(pattern))
    circuit.append(PermutationGate(pattern), range(len(pattern)))
    return circuit


@pytest.fixture(scope="session")
def unitaries() -> Circuits:
    """Strategy for unmeasured circuits."""
    return _unitary()


@pytest.fixture
def dynamic_circuit() -> QuantumCircuit:
    """Every kind of control flow over two registers, ending in measured bits."""
    a, b = ClassicalRegister(3, "a"), ClassicalRegister(2, "b")
    circuit = QuantumCircuit(QuantumRegister(4), a, b)
    circuit.h(0)
    circuit.ry(0.7, 1)
    circuit.cx(1, 2)
    circuit.measure(0, a[0])
    with circuit.if_test((a[0], 1)) as otherwise:
        circuit.ry(1.1, 1)
        circuit.cx(1, 3)
    with otherwise:
        circuit.h(3)
    circuit.measure(1, a[1])
    with circuit.switch(a) as case:
        with case(0, 2):
            circuit.rx(0.4, 2)
        with case(case.DEFAULT):
            circuit.h(2)
    with circuit.for_loop(range(3)) as i:
        circuit.rx(i * 0.3, 2)
    with circuit.for_loop(range(4)):
        circuit.h(0)
        circuit.measure(0, a[2])
        with circuit.if_test((a[2], 1)):
            circuit.break_loop()
        circuit.rz(0.2, 3)
    circuit.reset(1)
    circuit.ry(0.9, 1)
    with circuit.while_loop((a[0], 1)):
        circuit.h(1)
        circuit.measure(1, a[0])
    with circuit.if_test(expr.logic_or(expr.less(a, 3), expr.bit_not(expr.lift(a[1])))):
        circuit.ry(0.5, 3)
    circuit.measure([2, 3], b)
    return circuit


@pytest.fixture
def random_document() -> Callable[[int], CircuitDocument]:
    """Documents with mid-circuit measurement, reset and conditions, by seed."""

    def make(seed: int) -> CircuitDocument:
        stream = Drbg(seed.to_bytes(32, "big"), b"test")
        n = 2 + stream.uint(3)
        clbits = 2 + stream.uint(3)
        out: list[Instruction] = []
        for _ in range(6 + stream.uint(20)):
            kind = stream.uint(10)
            q = stream.permutation(n).tolist()
            bit = stream.uint(clbits)
            angles = tuple(stream.integers(1 << 32, 3).tolist())
            if kind < 4:
                out.append(Instruction("u", (q[0],), (), angles))
            elif kind < 7:
                out.append(Instruction("cz", (q[0], q[1])))
            elif kind == 7:
                out.append(Instruction("measure", (q[0],), (bit,)))
            elif kind == 8:
                out.append(Instruction("reset", (q[0],)))
            elif stream.uint(2):
                out.append(Instruction("barrier", (q[0], q[1])))
            else:
                body = (Instruction("u", (q[0],), (), angles),)
                control = Control(("bit", bit, 1), (body,))
                out.append(Instruction("if_else", (q[0],), (bit,), (), control))
        out += [Instruction("measure", (i,), (i,)) for i in range(min(n, clbits))]
        return CircuitDocument(n, clbits, (Register("c", 0, clbits),), tuple(out))

    return make
