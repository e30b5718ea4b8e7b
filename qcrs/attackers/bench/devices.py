"""Devices of which every circuit's noisy distribution is computed once and then sampled as often as needed.

That is what makes thousands of trials affordable, and it changes nothing for whoever looks at the shots:

- noise A and B up to `EXACT_QUBITS`: the density matrix (Aer) of one compiled frame of each target, shifted
  by the masks for the others: Pauli noise looks the same in all frames (a test compares them)
- the same noise on more qubits: the exact part without errors and the mean of many error trajectories
  (`qcrs.node.trajectories`)
- fake devices, whose noise does tell frames apart: the density matrix of every compiled frame

Readout errors are applied to the distributions: by qubit, and by value where the device says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.providers import JobV1
from qiskit.transpiler import Target
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel

from qcrs.attackers.untwirl import undo
from qcrs.circuits import CircuitDocument
from qcrs.circuits.immediate import FinishedJob, ImmediateBackend
from qcrs.client.routing import gates_on
from qcrs.errors import BackendError
from qcrs.node.devices import NOISE, Noise, open_device
from qcrs.node.simulator import merged, noise_model, row
from qcrs.node.trajectories import mixture
from qcrs.verification import DeviceErrors

__all__ = ["SPECS", "ExactDevice", "Registered"]

EXACT_QUBITS = 9
NANO = 10**9
WORKING = 0.1
"""Pairs with a larger error are out of order; certification leaves them out."""

SPECS = {
    "ideal": "aer:ideal?qubits={n}&coupling=full",
    "A": "aer:noisy-a?qubits={n}&coupling=full",
    "B": "aer:noisy-b?qubits={n}&coupling=full",
    "A x10": "aer:noisy-a?qubits={n}&coupling=full&p2=0.01",
    "B x10": "aer:noisy-b?qubits={n}&coupling=full&p2=0.1",
    "Nairobi": "fake:FakeNairobiV2",
    "Guadalupe": "fake:FakeGuadalupeV2",
    "Brisbane": "fake:FakeBrisbane",
}
"""Names in the tables, and the devices: noise A and B couple all qubits, so that routing is no part of it."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Registered:
    """What oracles know of a device: errors from its certificate, coupling and qubits from its metadata."""

    errors: DeviceErrors
    qubits: int
    coupling: tuple[tuple[int, int], ...]

    def gates(self, circuit: CircuitDocument) -> int:
        """Two-qubit gates that judges expect after routing."""
        return gates_on([circuit], self.qubits, self.coupling, self.errors.readout_nano)[0]


@dataclass(frozen=True, slots=True)
class _Source:
    """A cumulative distribution over the measured bits, their clbits, and the mask that outcomes get."""

    cumulative: Floats
    clbits: tuple[int, ...]
    mask: int

    def outcomes(self, draws: Floats) -> npt.NDArray[np.int64]:
        """Raw outcomes from numbers in [0, 1)."""
        states = np.searchsorted(self.cumulative, draws * self.cumulative[-1], side="right")
        if self.clbits != tuple(range(len(self.clbits))):
            states = sum(((states >> k & 1) << bit for k, bit in enumerate(self.clbits)), 0 * states)
        out: npt.NDArray[np.int64] = (states ^ self.mask).astype(np.int64)
        return out


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a device is made of; `noise` is None where `confusion` tells readout errors by qubit."""

    name: str
    target: Target
    noise: Noise | None
    engine: AerSimulator
    confusion: dict[int, tuple[float, float]]


@lru_cache(maxsize=8)
def _opened(spec: str) -> _Parts:
    """A device by its spec; noise models of large devices take seconds to build."""
    device = open_device(spec).backend
    options: dict[str, Any] = {"method": "density_matrix", "max_parallel_threads": 1}
    if spec.startswith("aer:"):
        base = NOISE[spec.removeprefix("aer:").split("?")[0]]
        p2 = next((float(part[3:]) for part in spec.split("&") if part.startswith("p2=")), base.p2)
        noise = Noise(p2, base.readout)
        engine = AerSimulator(noise_model=noise_model(noise), **options)
        return _Parts(str(device.name), device.target, noise, engine, {})
    from qiskit_ibm_runtime import fake_provider

    fake = getattr(fake_provider, spec.removeprefix("fake:"))()
    model = NoiseModel.from_backend(fake)
    engine = AerSimulator.from_backend(fake, **options)
    return _Parts(str(device.name), device.target, None, engine, _confusion(model))


class ExactDevice(ImmediateBackend):
    """Noise A, noise B, or a fake device, by its name in `SPECS`, for circuits of `n` qubits."""

    simulator = True

    def __init__(self, name: str, n: int, trajectories: int = 1000) -> None:
        spec = SPECS[name].format(n=n)
        parts = _opened(spec)
        super().__init__(name=f"exact-{parts.name}", backend_version="1")
        self._target, self._noise = parts.target, parts.noise
        self._engine, self._confusion = parts.engine, parts.confusion
        self._trajectories = trajectories
        self._known: dict[int, tuple[QuantumCircuit, _Source]] = {}
        self._targets: dict[str, _Source] = {}

    @property
    def target(self) -> Target:
        """Qubits, basis and coupling of the real device."""
        return self._target

    def run(self, run_input: QuantumCircuit | Sequence[QuantumCircuit], **options: Any) -> JobV1:
        """Fresh shots of the distributions of these circuits."""
        circuits = [run_input] if isinstance(run_input, QuantumCircuit) else list(run_input)
        shots = int(options.get("shots") or self.options.shots)
        stream = np.random.default_rng(options.get("seed_simulator", self.options.seed_simulator))
        rows = {}
        for index, (circuit, source) in enumerate(zip(circuits, self._sources(circuits), strict=True)):
            states = source.outcomes(stream.random(shots))
            keys, counts = np.unique(states, return_counts=True)
            found = dict(zip(keys.tolist(), counts.tolist(), strict=True))
            rows[index] = row(circuit, found, shots)
        return FinishedJob(self, merged(self, rows))

    def _sources(self, circuits: Sequence[QuantumCircuit]) -> list[_Source]:
        missing = [c for c in circuits if id(c) not in self._known]
        if missing and self._noise is not None:
            for target in undo(circuits):
                if target.key not in self._targets:
                    first = self._source(circuits[target.indices[0]])
                    self._targets[target.key] = replace(first, mask=target.masks[0])
                known = self._targets[target.key]
                for index, mask in zip(target.indices, target.masks, strict=True):
                    self._keep(circuits[index], replace(known, mask=known.mask ^ mask))
        else:
            for circuit, density in zip(missing, self._densities(missing), strict=True):
                self._keep(circuit, self._made(circuit, density))
        return [self._known[id(circuit)][1] for circuit in circuits]

    def _keep(self, circuit: QuantumCircuit, source: _Source) -> None:
        """Circuits are known by identity, and held so that identities stay theirs."""
        self._known[id(circuit)] = circuit, source

    def _source(self, circuit: QuantumCircuit) -> _Source:
        if self._noise is not None and _touched(circuit) > EXACT_QUBITS:
            p = mixture(circuit, self._noise, self._trajectories, np.random.default_rng(1))
        else:
            (p,) = self._densities([circuit])
        return self._made(circuit, p)

    def _made(self, circuit: QuantumCircuit, p: Floats) -> _Source:
        cumulative = np.cumsum(np.clip(self._readout(circuit, p), 0, None))
        return _Source(cumulative, tuple(_reads(circuit)), 0)

    def _densities(self, circuits: Sequence[QuantumCircuit]) -> list[Floats]:
        """Probabilities over the measured bits before readout errors, all in one run of Aer."""
        plain = []
        for circuit in circuits:
            one = circuit.copy_empty_like()
            for item in circuit.data:
                if item.operation.name not in ("measure", "barrier"):
                    one.append(item)
            one.save_probabilities(list(_reads(circuit).values()))
            plain.append(one)
        result = self._engine.run(plain).result() if plain else None
        if result is None:
            return []
        if not result.success:
            raise BackendError(f"Aer failed: {result.status}", field="backend", value=self.name)
        return [
            np.asarray(result.data(place)["probabilities"], dtype=np.float64) for place in range(len(plain))
        ]

    def _readout(self, circuit: QuantumCircuit, p: Floats) -> Floats:
        uniform = 0.0 if self._noise is None else self._noise.readout
        out = np.array(p)
        for bit, qubit in enumerate(_reads(circuit).values()):
            up, down = self._confusion.get(qubit, (uniform, uniform))
            view = out.reshape(-1, 2, 1 << bit)
            zero, one = view[:, 0].copy(), view[:, 1].copy()
            view[:, 0] = (1 - up) * zero + down * one
            view[:, 1] = up * zero + (1 - down) * one
        return out

    def registered(self) -> Registered:
        """Errors as a certificate has them: of noise A and B the true ones, of a fake its calibration's."""
        coupling = self._target.build_coupling_map()
        pairs = () if coupling is None else {(min(a, b), max(a, b)) for a, b in coupling.get_edges()}
        qubits = int(self._target.num_qubits or 0)
        if self._noise is not None:
            gate = 1 - (1 - self._noise.p2) * (1 - self._noise.p1) ** 2
            errors = DeviceErrors(round(gate * NANO), (), round(self._noise.readout * NANO))
        else:
            readout = tuple(round(NANO * sum(self._confusion.get(q, (0.0, 0.0))) / 2) for q in range(qubits))
            errors = DeviceErrors(round(_layered_error(self._target) * NANO), readout)
        return Registered(errors, qubits, tuple(sorted(pairs)))


def _touched(circuit: QuantumCircuit) -> int:
    return len({bit for item in circuit.data if item.operation.name != "barrier" for bit in item.qubits})


def _reads(circuit: QuantumCircuit) -> dict[int, int]:
    """The qubit that each measured clbit reads, in order of the clbits."""
    reads = {
        circuit.find_bit(item.clbits[0]).index: circuit.find_bit(item.qubits[0]).index
        for item in circuit.data
        if item.operation.name == "measure"
    }
    return dict(sorted(reads.items()))


def _confusion(model: NoiseModel) -> dict[int, tuple[float, float]]:
    """P(1|0) and P(0|1) of every qubit of a noise model."""
    return {
        qubits[0]: (error["probabilities"][0][1], error["probabilities"][1][0])
        for error in model.to_dict()["errors"]
        if error["type"] == "roerror"
        for qubits in error["gate_qubits"]
    }


def _layered_error(target: Target) -> float:
    """Mean total Pauli error of a two-qubit gate with a one-qubit gate on either side, over working pairs.

    Calibrations tell average infidelities; times 5/4 and 3/2 they are Pauli errors.
    """
    single = {
        qubits[0]: 1.5 * (properties.error or 0.0)
        for qubits, properties in (target["sx"] or {}).items()
        if properties is not None
    }
    found = []
    for name in target.operation_names:
        for qubits, properties in (target[name] or {}).items():
            if qubits is None or len(qubits) != 2 or properties is None or properties.error is None:
                continue
            if properties.error <= WORKING:
                keep = 1 - 1.25 * properties.error
                for qubit in qubits:
                    keep *= 1 - single.get(qubit, 0.0)
                found.append(1 - keep)
    return float(np.mean(found))
