"""Noisy devices, circuit families and attackers: what the verdicts are tested on.

Noise A: two-qubit error 1e-3, readout 1 %. Noise B: 1e-2, 2 %. One-qubit errors a tenth of that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import quantum_volume
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

from qcrs.circuits import CircuitDocument, families, frame, lower, shots_per_frame, to_qiskit
from qcrs.verification.judge import JudgeInput, JudgeUnit, judge
from qcrs.verification.peer import DeviceErrors, Execution
from qcrs.verification.simulate import ideal
from qcrs.verification.verdict import Policy, Verdict

Counts = dict[int, int]
NANO = 10**9


@dataclass(frozen=True)
class Device:
    """An Aer simulator with depolarising gates and symmetric readout errors."""

    two_qubit: float
    readout: float

    @property
    def errors(self) -> DeviceErrors:
        """What its certificate says: one layered gate is a cz and two u."""
        per_gate = 1 - (1 - self.two_qubit) * (1 - self.two_qubit / 10) ** 2
        return DeviceErrors(round(per_gate * NANO), (), round(self.readout * NANO))

    def model(self) -> NoiseModel:
        model = NoiseModel()
        model.add_all_qubit_quantum_error(depolarizing_error(self.two_qubit * 16 / 15, 2), ["cz"])
        model.add_all_qubit_quantum_error(depolarizing_error(self.two_qubit / 10 * 4 / 3, 1), ["u"])
        r = self.readout
        model.add_all_qubit_readout_error(ReadoutError([[1 - r, r], [r, 1 - r]]))
        return model

    def counts(self, circuit: CircuitDocument, shots: int, seed: int) -> Counts:
        """Raw counts of one circuit."""
        method = "density_matrix" if circuit.qubits <= 10 else "statevector"
        backend = AerSimulator(method=method, noise_model=self.model(), seed_simulator=seed)
        result = backend.run(to_qiskit(circuit), shots=shots).result().data(0)["counts"]
        return {int(key, 16): count for key, count in result.items()}


A = Device(1e-3, 0.01)
B = Device(1e-2, 0.02)


class Lab:
    """Runs jobs on devices and lets attackers change what comes back."""

    A, B = A, B
    Device = Device

    def job(self, circuits: Sequence[QuantumCircuit], shots: int, number: int = 0) -> JudgeInput:
        """A job whose tested execution is still empty."""
        units = tuple(JudgeUnit(lower(circuit).document, shots) for circuit in circuits)
        return JudgeInput(units, number.to_bytes(32, "big"), Execution())

    def run(self, job: JudgeInput, device: Device, seed: int, claims: Device | None = None) -> Execution:
        """All frames of a job on a device (registered as `claims`)."""
        out = []
        for number, unit in enumerate(job.units):
            split = shots_per_frame(unit.shots, len(job.units))
            out.append(
                tuple(
                    device.counts(frame(unit.circuit, job.seed, number, b).circuit, shots, seed * 100 + b)
                    for b, shots in enumerate(split)
                )
            )
        return Execution(tuple(out), errors=(claims or device).errors)

    def masks(self, job: JudgeInput) -> list[tuple[int, ...]]:
        """Masks of every frame of every unit."""
        return [
            tuple(
                frame(unit.circuit, job.seed, number, b).mask
                for b in range(len(shots_per_frame(unit.shots, len(job.units))))
            )
            for number, unit in enumerate(job.units)
        ]

    def decoded(
        self,
        execution: Execution,
        change: Callable[[int, np.random.Generator], int],
        seed: int,
        job: JudgeInput,
    ) -> Execution:
        """Change every decoded outcome (a mistake in the computation, not in the readout)."""
        return self.shots(execution, lambda o, m, _b, rng: change(o ^ m, rng) ^ m, seed, job)

    def shots(
        self,
        execution: Execution,
        change: Callable[[int, int, int, np.random.Generator], int],
        seed: int,
        job: JudgeInput,
    ) -> Execution:
        """Change every raw outcome; the function gets outcome, mask, frame number and randomness."""
        rng = np.random.default_rng(seed)
        masks = self.masks(job)
        units = []
        for number, frames in enumerate(execution.counts):
            new = []
            for b, counts in enumerate(frames):
                out: Counts = {}
                for outcome, count in counts.items():
                    for _ in range(count):
                        key = change(outcome, masks[number][b], b, rng)
                        out[key] = out.get(key, 0) + 1
                new.append(out)
            units.append(tuple(new))
        return replace(execution, counts=tuple(units))

    def uniform(self, job: JudgeInput, device: Device, seed: int) -> Execution:
        """A01: random bits."""
        honest = Execution(
            tuple(
                tuple({0: shots} for shots in shots_per_frame(unit.shots, len(job.units)))
                for unit in job.units
            ),
            errors=device.errors,
        )
        width = len(job.units[0].circuit.measured_clbits())
        return self.shots(honest, lambda *args: int(args[3].integers(1 << width)), seed, job)

    def from_distribution(self, job: JudgeInput, p: np.ndarray, device: Device, seed: int) -> Execution:
        """A simulated answer that is framed as it should be, with the device's readout errors."""
        rng = np.random.default_rng(seed)
        masks = self.masks(job)
        out = []
        for number, unit in enumerate(job.units):
            frames = []
            for b, shots in enumerate(shots_per_frame(unit.shots, len(job.units))):
                drawn = rng.choice(len(p), size=shots, p=p / p.sum())
                counts: Counts = {}
                for outcome in drawn.tolist():
                    for bit in range(len(unit.circuit.measured_clbits())):
                        outcome ^= int(rng.random() < device.readout) << bit
                    key = outcome ^ masks[number][b]
                    counts[key] = counts.get(key, 0) + 1
                frames.append(counts)
            out.append(tuple(frames))
        return Execution(tuple(out), errors=device.errors)

    def noisy(self, job: JudgeInput, device: Device) -> np.ndarray:
        """The distribution that gate errors leave of the first unit: the same for every frame."""
        made = frame(job.units[0].circuit, job.seed, 0, 0)
        circuit = to_qiskit(made.circuit)
        circuit.remove_final_measurements()
        circuit.save_probabilities()
        backend = AerSimulator(method="density_matrix", noise_model=replace(device, readout=0.0).model())
        p = np.asarray(backend.run(circuit, shots=1).result().data(0)["probabilities"])
        return p[np.arange(len(p)) ^ made.mask]

    def judge(
        self,
        job: JudgeInput,
        tested: Execution,
        *peers: Execution,
        policy: Policy | None = None,
        **more: object,
    ) -> Verdict:
        """The verdict on an execution."""
        return judge(replace(job, tested=tested, peers=peers, **more), policy)  # type: ignore[arg-type] # keywords of JudgeInput

    NO_SIMULATION = Policy(simulate_qubits=0, simulate_drawn_qubits=0)

    def family(self, name: str, n: int, seed: int) -> QuantumCircuit:
        """One circuit of a family: random, qaoa, ising or ansatz."""
        return FAMILIES[name](n, seed)

    families = ("random", "qaoa", "ising", "ansatz")

    def ideal(self, circuit: QuantumCircuit) -> np.ndarray:
        return ideal(lower(circuit).document).probabilities


def _qaoa(n: int, seed: int) -> QuantumCircuit:
    edges = [(i, (i + 1) % n) for i in range(n)] + [(i, (i + n // 2) % n) for i in range(n // 2)]
    drawn = np.random.default_rng(seed).uniform(0.3, 1.0, (2, 2))
    return families.maxcut(n, edges, [(gamma, 2 * beta) for gamma, beta in drawn])


FAMILIES: Mapping[str, Callable[[int, int], QuantumCircuit]] = {
    "random": lambda n, seed: quantum_volume(n, max(2, n // 2), seed=seed),
    "qaoa": _qaoa,
    "ising": lambda n, seed: families.ising(n, 4, seed),
    "ansatz": lambda n, seed: families.ansatz(n, 4, seed, reach=1),
}


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The laboratory."""
    return Lab()
