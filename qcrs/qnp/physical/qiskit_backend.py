"""The Qiskit backend: swaps are circuits, run by Aer where installed and by Qiskit's algebra elsewhere.

States, memories and measurements are those of the density-matrix backend; what differs is who computes the
Bell measurement: CX, H and two projections in a four-qubit circuit on a density matrix. So the physics of
the fast backend is checked against somebody else's gates. Qiskit is imported when the first swap is made.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from qcrs.qnp.physical.dm import DensityMatrixHardware, Matrix, reported_states
from qcrs.qnp.physical.hardware import NodeNoise

__all__ = ["QiskitHardware", "swap_by_circuit"]


@lru_cache(maxsize=2)
def _simulator() -> Any | None:
    if importlib.util.find_spec("qiskit_aer") is None:
        return None
    from qiskit_aer import AerSimulator

    return AerSimulator(method="density_matrix")


def _run(joint: Matrix) -> Matrix:
    """CX and H on the middle two of four qubits, in Qiskit's order: qubit 3 is the leftmost factor."""
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import DensityMatrix

    gates = QuantumCircuit(4)
    gates.cx(2, 1)
    gates.h(2)
    simulator = _simulator()
    if simulator is None:
        return np.asarray(DensityMatrix(joint).evolve(gates).data, dtype=np.complex128)
    circuit = QuantumCircuit(4)
    circuit.set_density_matrix(DensityMatrix(joint))
    circuit.compose(gates, inplace=True)
    circuit.save_density_matrix()
    return np.asarray(simulator.run(circuit).result().data()["density_matrix"], dtype=np.complex128)


def teleport_by_circuit(
    data: Matrix, pair: Matrix, noise: NodeNoise
) -> tuple[npt.NDArray[np.float64], list[Matrix]]:
    """The same as `dm.teleport_states`, computed by a circuit on the data qubit, both qubits of the pair."""
    idle = np.zeros((2, 2), dtype=complex)  # a fourth qubit, so that `_run` serves both
    idle[0, 0] = 1
    rho = _run(np.asarray(np.kron(idle, np.kron(data, pair)), dtype=np.complex128)).reshape((2,) * 8)
    return reported_states([rho[0, z, x, :, 0, z, x, :] for x in (0, 1) for z in (0, 1)], noise)


def swap_by_circuit(
    left: Matrix, right: Matrix, noise: NodeNoise
) -> tuple[npt.NDArray[np.float64], list[Matrix]]:
    """The same as `dm.swap_states`, computed by a circuit: after CX and H the bits (x, z) are the outcome."""
    rho = _run(np.asarray(np.kron(left, right), dtype=np.complex128)).reshape((2,) * 8)
    # bits of the middle qubits: the control (b) holds the phase z, the target (c) the parity x
    parts = [rho[:, z, x, :, :, z, x, :].reshape(4, 4) for x in (0, 1) for z in (0, 1)]
    return reported_states(parts, noise)


class QiskitHardware(DensityMatrixHardware):
    """Density matrices whose swaps Qiskit computes. See `Hardware`."""

    def _swapped(
        self, left: Matrix, right: Matrix, node: int
    ) -> tuple[npt.NDArray[np.float64], list[Matrix]]:
        return swap_by_circuit(left, right, self._nodes[node])

    def _teleported(
        self, data: Matrix, pair: Matrix, node: int
    ) -> tuple[npt.NDArray[np.float64], list[Matrix]]:
        return teleport_by_circuit(data, pair, self._nodes[node])
