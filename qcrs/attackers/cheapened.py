"""Attackers that compute something like the answer with less than the device that they registered.

A06 a truncated matrix-product state · A07 a worse device · approximate execution: layers or gates dropped,
aggressive approximation in compilation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit, transpile
from qiskit.providers import BackendV2
from qiskit_aer import AerSimulator

from qcrs.attackers.base import Attacker, Call, Shots
from qcrs.attackers.untwirl import measured_clbits

__all__ = ["Approximated", "MatrixProduct", "Worse", "compacted", "dropped_gates", "dropped_layers"]

Floats = npt.NDArray[np.float64]


def compacted(circuit: QuantumCircuit) -> tuple[QuantumCircuit, list[int]]:
    """The circuit without measurements on the qubits it touches, and the qubit of each measured clbit."""
    used: dict[int, int] = {}
    reads: dict[int, int] = {}
    items = []
    for item in circuit.data:
        if item.operation.name == "barrier":
            continue
        qubits = [used.setdefault(circuit.find_bit(bit).index, len(used)) for bit in item.qubits]
        if item.operation.name == "measure":
            reads[circuit.find_bit(item.clbits[0]).index] = qubits[0]
        else:
            items.append((item.operation, qubits))
    out = QuantumCircuit(len(used))
    for operation, qubits in items:
        out.append(operation, qubits)
    return out, [reads[clbit] for clbit in sorted(reads)]


class MatrixProduct(Attacker):
    """A06: simulates with bonds of at most `bond` and adds the readout errors of the device it has not.

    A chain of bond χ costs 2χ²n numbers, so that this is what a provider without a device can afford.
    Above `STATE_QUBITS` qubits outcomes are drawn by Aer instead of from the whole distribution.
    """

    STATE_QUBITS = 20

    def __init__(self, honest: BackendV2, bond: int = 2, readout: float | None = None) -> None:
        super().__init__(honest)
        self._engine = AerSimulator(
            method="matrix_product_state",
            matrix_product_state_max_bond_dimension=bond,
            max_parallel_threads=1,
        )
        self._readout = readout
        self._known: dict[str, Floats] = {}

    def answer(self, call: Call) -> list[Shots]:
        """Simulated outcomes, put into the frames."""
        out: dict[int, Shots] = {}
        for target in call.targets():
            bits = measured_clbits(target.circuit)
            needed = call.shots * len(target.indices)
            drawn = self._sample(target.key, target.circuit, needed, call)
            for place, bit in enumerate(bits):
                flips = call.stream.random(needed) < self._error(target.circuit, bit)
                drawn = drawn ^ (flips.astype(drawn.dtype) << place)
            raw = np.zeros_like(drawn)
            for place, bit in enumerate(bits):
                raw |= (drawn >> place & 1) << bit
            for k, (index, mask) in enumerate(zip(target.indices, target.masks, strict=True)):
                out[index] = raw[k * call.shots : (k + 1) * call.shots] ^ mask
        return [out[index] for index in range(len(call.circuits))]

    def _sample(self, key: str, circuit: QuantumCircuit, shots: int, call: Call) -> Shots:
        """Ideal outcomes over the measured bits (bit k: k-th measured clbit)."""
        plain, reads = compacted(circuit)
        if plain.num_qubits > self.STATE_QUBITS:
            plain.add_register(*circuit.cregs)
            measured = QuantumCircuit(plain.num_qubits, len(reads))
            measured.compose(plain, inplace=True)
            measured.measure(reads, range(len(reads)))
            seed = int(call.stream.integers(1 << 31))
            found = self._engine.run(measured, shots=shots, seed_simulator=seed).result()
            keys = [int(k, 16) for k, n in found.data(0)["counts"].items() for _ in range(n)]
            return np.array(keys, dtype=np.int64 if len(reads) <= 62 else object)
        if key not in self._known:
            plain.save_probabilities(reads)
            p = np.asarray(self._engine.run(plain).result().data(0)["probabilities"], dtype=np.float64)
            self._known[key] = np.cumsum(np.clip(p, 0, None))
        cumulative = self._known[key]
        draws = call.stream.random(shots) * cumulative[-1]
        states: Shots = np.searchsorted(cumulative, draws, side="right").astype(np.int64)
        return states

    def _error(self, circuit: QuantumCircuit, clbit: int) -> float:
        """Registered readout error of the qubit that this clbit reads."""
        if self._readout is not None:
            return self._readout
        for item in circuit.data:
            if item.operation.name == "measure" and circuit.find_bit(item.clbits[0]).index == clbit:
                known = self.target["measure"].get((circuit.find_bit(item.qubits[0]).index,))
                return float(getattr(known, "error", None) or 0.0)
        return 0.0


class Worse(Attacker):
    """A07: runs on another device than the one whose target and errors it shows."""

    def __init__(self, honest: BackendV2, actual: BackendV2) -> None:
        super().__init__(honest)
        self._actual = actual

    def answer(self, call: Call) -> list[Shots]:
        """The other device's outcomes."""
        return self.honest(call.circuits, call.shots, call.seed, self._actual)


class Approximated(Attacker):
    """Runs a cheaper circuit in place of the one that was asked for, the same one in all frames.

    `layers`: so many last layers of two-qubit gates are left out; `gates`: this share of all two-qubit gates,
    evenly spread; `degree`: the transpiler's `approximation_degree` at level 3.
    """

    def __init__(self, honest: BackendV2, layers: int = 0, gates: float = 0.0, degree: float = 1.0) -> None:
        super().__init__(honest)
        self._change = (layers, gates, degree)
        self._known: dict[str, QuantumCircuit] = {}

    def answer(self, call: Call) -> list[Shots]:
        """Honest outcomes of other circuits, put into the frames."""
        out: dict[int, Shots] = {}
        for target in call.targets():
            if target.key not in self._known:
                self._known[target.key] = self.cheaper(target.circuit)
            shots = self.honest([self._known[target.key]], call.shots * len(target.indices), call.seed)[0]
            call.stream.shuffle(shots)
            for k, (index, mask) in enumerate(zip(target.indices, target.masks, strict=True)):
                out[index] = shots[k * call.shots : (k + 1) * call.shots] ^ mask
        return [out[index] for index in range(len(call.circuits))]

    def cheaper(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """What is run in place of `circuit`."""
        layers, gates, degree = self._change
        if layers:
            circuit = dropped_layers(circuit, layers)
        if gates:
            circuit = dropped_gates(circuit, gates)
        if degree < 1:
            circuit = transpile(
                circuit,
                basis_gates=["u", "cz"],
                approximation_degree=degree,
                optimization_level=3,
                seed_transpiler=1,
                num_processes=1,
            )
        return circuit


def _without(circuit: QuantumCircuit, drop: Callable[[int], bool]) -> QuantumCircuit:
    """The circuit without the two-qubit gates whose numbers are dropped."""
    out = circuit.copy_empty_like()
    number = 0
    for item in circuit.data:
        if item.operation.num_qubits == 2 and item.operation.name != "barrier":
            number += 1
            if drop(number - 1):
                continue
        out.append(item)
    return out


def _pairs(circuit: QuantumCircuit) -> Iterable[list[int]]:
    for item in circuit.data:
        if item.operation.num_qubits == 2 and item.operation.name != "barrier":
            yield [circuit.find_bit(bit).index for bit in item.qubits]


def dropped_layers(circuit: QuantumCircuit, count: int) -> QuantumCircuit:
    """Without its last `count` layers of two-qubit gates."""
    height: dict[int, int] = {}
    layers = []
    for a, b in _pairs(circuit):
        height[a] = height[b] = max(height.get(a, 0), height.get(b, 0)) + 1
        layers.append(height[a])
    last = max(layers, default=0) - count
    return _without(circuit, lambda number: layers[number] > last)


def dropped_gates(circuit: QuantumCircuit, share: float) -> QuantumCircuit:
    """Without every (1/share)-th two-qubit gate, at least one."""
    total = sum(1 for _pair in _pairs(circuit))
    count = max(1, round(share * total))
    chosen = {round((k + 0.5) * total / count - 0.5) for k in range(count)}
    return _without(circuit, lambda number: number in chosen)
