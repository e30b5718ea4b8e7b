from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from qiskit.quantum_info import Operator, Pauli, Statevector

from qcrs.benchmarks.builder import (
    CLIFFORDS,
    Builder,
    H,
    X,
    conjugate,
    conjugate_cz,
    haar_angles,
    matrix,
    rotate_to_z,
)
from qcrs.benchmarks.ideal import probabilities
from qcrs.circuits import TURN, Drbg, to_qiskit
from qcrs.errors import CircuitError

LETTERS = "IXYZ"


def test_there_are_24_cliffords_and_their_images_are_right() -> None:
    assert len(CLIFFORDS) == 24
    seen = set()
    for number, angles in enumerate(CLIFFORDS):
        u = Operator(matrix(angles))
        images = tuple(conjugate(number, p) for p in range(4))
        seen.add(images)
        for p, (q, sign) in enumerate(images):
            moved = u @ Operator(Pauli(LETTERS[p])) @ u.adjoint()
            assert np.allclose(moved.data, sign * Pauli(LETTERS[q]).to_matrix())
    assert len(seen) == 24


def test_cz_moves_paulis_as_its_matrix_does() -> None:
    cz = np.diag([1, 1, 1, -1])
    for a, b in product(range(4), repeat=2):
        p, q, sign = conjugate_cz(a, b)
        before = np.kron(Pauli(LETTERS[a]).to_matrix(), Pauli(LETTERS[b]).to_matrix())
        after = np.kron(Pauli(LETTERS[p]).to_matrix(), Pauli(LETTERS[q]).to_matrix())
        assert np.allclose(cz @ before @ cz, sign * after)


@pytest.mark.parametrize("pauli", [1, 2])
def test_rotation_to_z_reads_the_pauli(pauli: int) -> None:
    angles = rotate_to_z(pauli)
    assert angles is not None
    u = matrix(angles)
    assert np.allclose(u.conj().T @ np.diag([1, -1]) @ u, Pauli(LETTERS[pauli]).to_matrix())


def test_nothing_is_done_for_what_is_already_diagonal() -> None:
    assert rotate_to_z(0) is None
    assert rotate_to_z(3) is None


def test_haar_rotations_are_uniform_on_the_sphere() -> None:
    angles = haar_angles(Drbg(bytes(32)), 4000)
    z = np.array([np.cos(2 * np.pi * theta / TURN) for theta, _, _ in angles])
    # cos θ of a uniform direction is uniform on [-1, 1]: mean 0, mean square 1/3, fourth moment 1/5.
    assert abs(z.mean()) < 4 * np.sqrt(1 / 3 / 4000)
    assert abs((z**2).mean() - 1 / 3) < 4 * np.sqrt((1 / 5 - 1 / 9) / 4000)
    assert haar_angles(Drbg(bytes(32)), 4000) == angles


def test_probabilities_agree_with_qiskit() -> None:
    draws = Drbg(b"\x05" * 32)
    for _ in range(6):
        builder = Builder(5)
        for _ in range(25):
            a, b = (int(q) for q in draws.permutation(5)[:2])
            builder.u(a, haar_angles(draws, 1)[0])
            if draws.uint(3):
                builder.cz(a, b)
        document = builder.measured((3, 0, 4))
        circuit = to_qiskit(document)
        circuit.remove_final_measurements()
        expected = Statevector(circuit).probabilities([3, 0, 4])
        assert np.allclose(probabilities(document), expected, atol=1e-12)


def test_what_cannot_be_answered_exactly_is_refused() -> None:
    wide = Builder(21)
    for qubit in range(21):
        wide.u(qubit, H)
    with pytest.raises(CircuitError, match="too many qubits"):
        probabilities(wide.measured(range(21)))


def test_bits_follow_the_order_of_measurement() -> None:
    builder = Builder(3)
    builder.u(2, X)
    assert probabilities(builder.measured((2, 0)))[0b01] == pytest.approx(1)
