"""Dishonest processors, for tests and demonstrations: each wraps an honest device.

They are real nodes: `qcrs node run --backend "qcrs.node.attackers:uniform_on_user_circuits?qubits=8"`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.providers import BackendV2, JobV1, Options
from qiskit.transpiler import Target

from qcrs.node.clifford import is_clifford
from qcrs.node.devices import open_device
from qcrs.node.simulator import FinishedJob, merged, row

__all__ = ["UniformOnUserCircuits", "uniform_on_user_circuits"]


class UniformOnUserCircuits(BackendV2):  # type: ignore[misc]  # Qiskit's classes are untyped
    """Honest when a circuit is Clifford, as certification circuits are; else invents uniform outcomes.

    Certification cannot see it, because its circuits are recognisable. A check of the job itself can.
    """

    simulator = True

    def __init__(self, honest: BackendV2) -> None:
        super().__init__(name=str(honest.name), backend_version=str(honest.backend_version or "1"))
        self._honest = honest

    @property
    def target(self) -> Target:
        """The honest device's."""
        return self._honest.target

    @property
    def max_circuits(self) -> int | None:
        """The honest device's."""
        limit: int | None = self._honest.max_circuits
        return limit

    @classmethod
    def _default_options(cls) -> Options:
        return Options(shots=1024, seed_simulator=None)

    def run(self, run_input: QuantumCircuit | Sequence[QuantumCircuit], **options: Any) -> JobV1:
        """Run Clifford circuits, make up the rest."""
        circuits = [run_input] if isinstance(run_input, QuantumCircuit) else list(run_input)
        real = [index for index, circuit in enumerate(circuits) if is_clifford(circuit)]
        rows: dict[int, dict[str, Any]] = {}
        if real:
            found = self._honest.run([circuits[index] for index in real], **options).result().to_dict()
            rows = dict(zip(real, found["results"], strict=True))
        shots = options.get("shots") or self.options.shots
        stream = np.random.default_rng(options.get("seed_simulator"))
        for index, circuit in enumerate(circuits):
            if index not in rows:
                rows[index] = self._invented(circuit, shots, stream)
        return FinishedJob(self, merged(self, rows))

    @staticmethod
    def _invented(circuit: QuantumCircuit, shots: int, stream: np.random.Generator) -> dict[str, Any]:
        """Uniform over the measured bits."""
        bits = [
            circuit.find_bit(item.clbits[0]).index
            for item in circuit.data
            if item.operation.name == "measure"
        ]
        draws = stream.integers(0, 2, size=(shots, len(bits)))
        counts: Counter[int] = Counter(
            sum(int(value) << bit for value, bit in zip(draw, bits, strict=True)) for draw in draws
        )
        return row(circuit, counts, shots)


def uniform_on_user_circuits(base: str = "aer:noisy-a", qubits: int = 20, **options: object) -> BackendV2:
    """The attacker over an `aer:` device with these options."""
    extra = "".join(f"&{key}={value}" for key, value in options.items())
    return UniformOnUserCircuits(open_device(f"{base}?qubits={qubits}{extra}").backend)
