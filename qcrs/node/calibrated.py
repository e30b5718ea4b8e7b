"""A simulated copy of a calibrated device: Aer with the noise of the device's last calibration.

Relaxation is not Pauli noise, so a shot is no mixture of Pauli errors. Few qubits are evolved exactly, as a
density matrix that all shots are drawn from; left to itself Aer takes one state vector a shot, which for a
hundred gates on seven qubits is a thousand times the work. Wider circuits, and such with feed-forward,
have no other way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp
from qiskit.providers import BackendV2, JobV1, Options
from qiskit.transpiler import Target
from qiskit_aer import AerSimulator

from qcrs.errors import BackendError
from qcrs.node.simulator import FinishedJob, merged

__all__ = ["CalibratedSimulator"]

DENSITY_MATRIX_QUBITS = 9


def _exactly(circuit: QuantumCircuit) -> bool:
    """Whether a density matrix serves: few qubits, and nothing happens after a measurement."""
    touched: set[object] = set()
    measured: set[object] = set()
    for item in circuit.data:
        name = item.operation.name
        if name == "barrier":
            continue
        if isinstance(item.operation, ControlFlowOp) or not measured.isdisjoint(item.qubits):
            return False
        touched.update(item.qubits)
        if name == "measure":
            measured.update(item.qubits)
    return len(touched) <= DENSITY_MATRIX_QUBITS


class CalibratedSimulator(BackendV2):  # type: ignore[misc]  # Qiskit's classes are untyped
    """Aer's simulator of a real or fake device."""

    simulator = True

    def __init__(self, device: BackendV2) -> None:
        super().__init__(
            name=f"aer-{device.name}",
            description=f"{device.name}, simulated",
            backend_version=str(device.backend_version or "1"),
        )
        self._engine = AerSimulator.from_backend(device, max_parallel_threads=1)

    @property
    def target(self) -> Target:
        """The device's, as Aer simulates it."""
        return self._engine.target

    @property
    def max_circuits(self) -> int | None:
        """Any number."""
        return None

    @classmethod
    def _default_options(cls) -> Options:
        return Options(shots=1024, seed_simulator=None)

    def run(self, run_input: QuantumCircuit | Sequence[QuantumCircuit], **options: Any) -> JobV1:
        """Run circuits that are in the device's basis, each by the method that suits it."""
        circuits = [run_input] if isinstance(run_input, QuantumCircuit) else list(run_input)
        shots = options.get("shots") or self.options.shots
        seed = options.get("seed_simulator", self.options.seed_simulator)
        rows: dict[int, dict[str, Any]] = {}
        for index, circuit in enumerate(circuits):
            method = "density_matrix" if _exactly(circuit) else "automatic"
            chosen = None if seed is None else (seed + 1_000_003 * index) % 2**31
            part = self._engine.run(circuit, shots=shots, seed_simulator=chosen, method=method).result()
            if not part.success:
                raise BackendError(f"Aer failed: {part.status}", field="backend", value=self.name)
            rows[index] = part.to_dict()["results"][0]
        return FinishedJob(self, merged(self, rows))
