"""A simulated copy of a calibrated device: Aer with the noise of the device's last calibration.

Relaxation is not Pauli noise, so a shot is no mixture of Pauli errors. Few qubits are evolved exactly, as a
density matrix that all shots are drawn from; left to itself Aer takes one state vector a shot, which for a
hundred gates on seven qubits is a thousand times the work. Wider Clifford circuits, of any width, are sampled
by Pauli frames with the device's errors taken as Pauli errors of the same size; relaxation of idle qubits
is not part of that. Other wide circuits, and such with feed-forward, have no other way than Aer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp
from qiskit.providers import BackendV2, JobV1
from qiskit.transpiler import Target
from qiskit_aer import AerSimulator

from qcrs.circuits.immediate import FinishedJob, ImmediateBackend
from qcrs.errors import BackendError
from qcrs.node.clifford import is_clifford, sample_clifford
from qcrs.node.simulator import merged, row

__all__ = ["CalibratedRates", "CalibratedSimulator"]

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


def _mixed(seed: int | None, salt: int) -> int | None:
    """A seed for one call; neighbouring seeds of Aer share most of their shots, a hash keeps them apart."""
    return None if seed is None else int(np.random.SeedSequence([seed, salt]).generate_state(1)[0]) >> 1


class CalibratedRates:
    """A device's calibrated errors as Pauli errors: `ErrorRates` of the Clifford sampler.

    A calibration states average gate infidelities; a Pauli channel of average infidelity e on dimension d
    errs with probability e (d + 1) / d (Nielsen, Phys. Lett. A 303, 249 (2002)).
    """

    def __init__(self, device: BackendV2) -> None:
        self._gates: dict[tuple[str, tuple[int, ...]], float] = {}
        target = device.target
        for name in target.operation_names:
            for qubits, properties in (target[name] or {}).items():
                error = None if properties is None else properties.error
                if qubits is not None and error is not None and name != "measure":
                    dimension = 2 ** len(qubits)
                    most = 1 - 1 / dimension**2  # nothing of the state is left
                    self._gates[name, qubits] = min(most, error * (dimension + 1) / dimension)
        self._flips = [self._readout(device, qubit) for qubit in range(int(target.num_qubits or 0))]

    @staticmethod
    def _readout(device: BackendV2, qubit: int) -> tuple[float, float]:
        properties = device.properties() if hasattr(device, "properties") else None
        if properties is not None:
            known = properties.qubit_property(qubit)
            if "prob_meas1_prep0" in known and "prob_meas0_prep1" in known:
                return float(known["prob_meas1_prep0"][0]), float(known["prob_meas0_prep1"][0])
        measure = device.target["measure"].get((qubit,))
        error = float((None if measure is None else measure.error) or 0.0)
        return error, error

    def gate(self, name: str, qubits: tuple[int, ...]) -> float:
        """Total Pauli error of a gate on these qubits; 0 where the calibration says nothing."""
        return self._gates.get((name, qubits), 0.0)

    def flips(self, qubit: int) -> tuple[float, float]:
        """Probability to read 1 for 0, and 0 for 1."""
        return self._flips[qubit]


class CalibratedSimulator(ImmediateBackend):
    """Aer's simulator of a real or fake device."""

    simulator = True

    def __init__(self, device: BackendV2) -> None:
        super().__init__(
            name=f"aer-{device.name}",
            description=f"{device.name}, simulated",
            backend_version=str(device.backend_version or "1"),
        )
        self._engine = AerSimulator.from_backend(device, max_parallel_threads=1)
        self._rates = CalibratedRates(device)

    @property
    def target(self) -> Target:
        """The device's, as Aer simulates it."""
        return self._engine.target

    def run(self, run_input: QuantumCircuit | Sequence[QuantumCircuit], **options: Any) -> JobV1:
        """Run circuits that are in the device's basis, each by the method that suits it."""
        circuits = [run_input] if isinstance(run_input, QuantumCircuit) else list(run_input)
        shots = options.get("shots") or self.options.shots
        seed = options.get("seed_simulator", self.options.seed_simulator)
        rows: dict[int, dict[str, Any]] = {}
        methods: dict[str, list[int]] = {}
        for index, circuit in enumerate(circuits):
            if _exactly(circuit):
                methods.setdefault("density_matrix", []).append(index)
            elif is_clifford(circuit):
                stream = np.random.default_rng(None if seed is None else [seed, index])
                rows[index] = row(circuit, sample_clifford(circuit, shots, self._rates, stream), shots)
            else:
                methods.setdefault("automatic", []).append(index)
        for salt, (method, indices) in enumerate(sorted(methods.items())):
            # One call for all: handing over the noise model of a wide device takes seconds.
            part = self._engine.run(
                [circuits[index] for index in indices],
                shots=shots,
                seed_simulator=_mixed(seed, salt),
                method=method,
            ).result()
            if not part.success:
                raise BackendError(f"Aer failed: {part.status}", field="backend", value=self.name)
            rows.update(zip(indices, part.to_dict()["results"], strict=True))
        return FinishedJob(self, merged(self, rows))
