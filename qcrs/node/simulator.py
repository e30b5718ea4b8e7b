"""A simulated processor with Pauli noise: Qiskit Aer behind a clean `BackendV2`, fast at every width.

Three ways to sample, each for the circuits that it suits: Pauli frames for Clifford circuits at any width
(GHZ states, Bernstein-Vazirani, most of the capability suite), Pauli trajectories for `u` and `cz` with
measurements at the end, and Aer, one state a shot, for feed-forward, resets and later gates. Aer's shot
branching, which would be faster, loses noise and mixes up classical bits (0.18.2; see `trajectories`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.providers import BackendV2, JobV1
from qiskit.result import Result
from qiskit.transpiler import Target
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

from qcrs.circuits.immediate import FinishedJob, ImmediateBackend
from qcrs.errors import BackendError
from qcrs.node.clifford import is_clifford, sample_clifford
from qcrs.node.devices import Noise
from qcrs.node.trajectories import sample_trajectories

__all__ = ["FinishedJob", "PauliNoiseSimulator", "merged", "noise_model", "row"]

STATE_QUBITS = 24


def noise_model(noise: Noise) -> NoiseModel | None:
    """Aer's model of `noise`; depolarizing_error(λ) has total Pauli error λ(1 − 4⁻ⁿ), hence the factors."""
    if noise.p2 == 0 and noise.readout == 0:
        return None
    model = NoiseModel(basis_gates=["u", "cz"])
    if noise.p2 > 0:
        model.add_all_qubit_quantum_error(depolarizing_error(noise.p1 * 4 / 3, 1), ["u"])
        model.add_all_qubit_quantum_error(depolarizing_error(noise.p2 * 16 / 15, 2), ["cz"])
    if noise.readout > 0:
        flip = noise.readout
        model.add_all_qubit_readout_error(ReadoutError([[1 - flip, flip], [flip, 1 - flip]]))
    return model


def _static(circuit: QuantumCircuit) -> bool:
    """Whether it is `u`, `cz` and measurements after which nothing happens to their qubits."""
    measured: set[object] = set()
    for item in circuit.data:
        name = item.operation.name
        if name in ("barrier", "delay"):
            continue
        if name not in ("u", "cz", "measure") or not measured.isdisjoint(item.qubits):
            return False
        if name == "measure":
            measured.update(item.qubits)
    return True


def _width(circuit: QuantumCircuit) -> int:
    """How many qubits anything happens to."""
    return len({bit for item in circuit.data if item.operation.name != "barrier" for bit in item.qubits})


def row(circuit: QuantumCircuit, counts: Mapping[int, int], shots: int) -> dict[str, Any]:
    """One circuit's part of a result."""
    header = {
        "name": circuit.name,
        "creg_sizes": [[register.name, register.size] for register in circuit.cregs],
        "memory_slots": circuit.num_clbits,
    }
    return {
        "shots": shots,
        "success": True,
        "data": {"counts": {hex(outcome): count for outcome, count in counts.items()}},
        "header": header,
    }


def merged(backend: BackendV2, rows: Mapping[int, dict[str, Any]]) -> Result:
    """One result from the parts of several runs, by the circuits' places."""
    return Result.from_dict(
        {
            "backend_name": backend.name,
            "backend_version": backend.backend_version,
            "job_id": "local",
            "success": True,
            "results": [rows[index] for index in range(len(rows))],
        }
    )


class PauliNoiseSimulator(ImmediateBackend):
    """Depolarising noise after every gate and symmetric readout flips, uniform over the device."""

    simulator = True

    def __init__(self, name: str, target: Target, noise: Noise) -> None:
        super().__init__(name=f"aer-{name}", description="Pauli noise, simulated", backend_version="1")
        self._target = target
        self._rates = noise
        self._noise = noise_model(noise)

    @property
    def target(self) -> Target:
        """Qubits, basis and coupling."""
        return self._target

    def run(self, run_input: QuantumCircuit | Sequence[QuantumCircuit], **options: Any) -> JobV1:
        """Run circuits that are in the device's basis, each by the method that suits it."""
        circuits = [run_input] if isinstance(run_input, QuantumCircuit) else list(run_input)
        shots = options.get("shots") or self.options.shots
        seed = options.get("seed_simulator", self.options.seed_simulator)
        rest: list[int] = []
        rows: dict[int, dict[str, Any]] = {}
        for index, circuit in enumerate(circuits):
            stream = np.random.default_rng(None if seed is None else [seed, index])
            if is_clifford(circuit):
                rows[index] = row(circuit, sample_clifford(circuit, shots, self._rates, stream), shots)
            elif _width(circuit) > STATE_QUBITS:
                raise BackendError(
                    f"a circuit that is not Clifford may use {STATE_QUBITS} qubits on this simulator",
                    field="qubits",
                    value=_width(circuit),
                )
            elif _static(circuit):
                rows[index] = row(circuit, sample_trajectories(circuit, shots, self._rates, stream), shots)
            else:
                rest.append(index)
        if rest:
            # Neighbouring seeds of Aer share most of their shots; a hash of the seed keeps calls apart.
            chosen = (
                None
                if seed is None
                else int(np.random.SeedSequence([seed, len(circuits)]).generate_state(1)[0])
            )
            engine = AerSimulator(
                noise_model=self._noise, method="statevector", max_parallel_threads=1, fusion_enable=False
            )
            part = engine.run(
                [circuits[index] for index in rest],
                shots=shots,
                seed_simulator=None if chosen is None else chosen >> 1,
            ).result()
            if not part.success:
                raise BackendError(f"Aer failed: {part.status}", field="backend", value=self.name)
            rows.update(zip(rest, part.to_dict()["results"], strict=True))
        return FinishedJob(self, merged(self, rows))
