"""The joint run: all members in one Aer simulation, with the channels' pairs and each member's own noise.

Aer is one simulated physics that the members share, as QNP's broker holds the hardware: a machine that
computes alone cannot have half of an entangled state. Each member gets its own bits of it and no others.

Noise: a pair carries X, Y or Z by the state that QNP delivered; every gate within a member is followed by
that member's depolarising error, every reading flips with its rate. Corrections are frames and cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, ControlFlowOp, Qubit
from qiskit.circuit.library import CPhaseGate, UGate
from qiskit.synthesis import OneQubitEulerDecomposer

from qcrs.distributed.emit import PAIR, Message, joint_circuit
from qcrs.distributed.noise import BellDiagonal
from qcrs.distributed.plan import Plan
from qcrs.distributed.schedule import Open
from qcrs.errors import BackendError

__all__ = [
    "NOISELESS",
    "PERFECT",
    "JointRun",
    "MemberNoise",
    "Sampled",
    "device",
    "exact",
    "joint_run",
    "readers",
]

Bits = NDArray[np.uint8]
Floats = NDArray[np.float64]
Channel = tuple[int, int]
MOST_QUBITS = 26
"""Of a joint simulation, communication qubits included."""
_EULER = OneQubitEulerDecomposer("U")


@dataclass(frozen=True, slots=True)
class MemberNoise:
    """Total Pauli errors of a member's one- and two-qubit gates and its readout flips."""

    p1: float = 0.0
    p2: float = 0.0
    readout: float = 0.0


NOISELESS = MemberNoise()
PERFECT = BellDiagonal(1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Sampled:
    """One circuit's shots: program bits (shots × clbits) and outcomes (shots × messages)."""

    program: Bits
    outcomes: Bits


@dataclass(frozen=True)
class JointRun:
    """A noisy joint circuit, ready for Aer."""

    circuit: QuantumCircuit
    messages: tuple[Message, ...]
    readers: tuple[int, ...]
    clbits: int
    model: Any
    """Readout errors, for Aer; None without."""

    def sample(self, shots: int, seed: int | None) -> Sampled:
        """Shots, each with its outcomes; `BackendError` where Aer fails."""
        from qiskit_aer import AerSimulator

        engine = AerSimulator(
            method="statevector", noise_model=self.model, max_parallel_threads=1, fusion_enable=False
        )
        result = engine.run(self.circuit, shots=shots, seed_simulator=seed, memory=True).result()
        if not result.success:
            raise BackendError(f"Aer failed: {result.status}", field="backend", value="joint simulation")
        raw = result.data(0)["memory"]
        width = self.circuit.num_clbits
        size = -(-width // 8)
        data = b"".join(int(word, 16).to_bytes(size, "little") for word in raw)
        packed = np.frombuffer(data, dtype=np.uint8).reshape(shots, size)
        bits = np.unpackbits(packed, axis=1, count=width, bitorder="little")
        return Sampled(bits[:, : self.clbits], bits[:, self.clbits :])


def device(noise: MemberNoise) -> Any:
    """A member by itself: Aer with its noise, in the gates u, cz and cp; feed-forward included."""
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

    model = NoiseModel(basis_gates=["u", "cz", "cp"])
    if noise.p1:
        model.add_all_qubit_quantum_error(depolarizing_error(noise.p1 * 4 / 3, 1), ["u"])
    if noise.p2:
        model.add_all_qubit_quantum_error(depolarizing_error(noise.p2 * 16 / 15, 2), ["cz", "cp"])
    if noise.readout:
        flip = noise.readout
        model.add_all_qubit_readout_error(ReadoutError([[1 - flip, flip], [flip, 1 - flip]]))
    return AerSimulator(noise_model=model, method="statevector", max_parallel_threads=1)


def readers(made: Plan) -> tuple[int, ...]:
    """Which member measures each bit of the program; −1 where nobody does."""
    found = [-1] * made.form.clbits
    for qubit, clbit in made.form.measures:
        found[clbit] = made.schedule.end[qubit]
    return tuple(found)


def joint_run(
    made: Plan, noise: Sequence[MemberNoise] = (), pairs: Mapping[Channel, BellDiagonal] | None = None
) -> JointRun:
    """The plan's circuit with noise: none of the members without `noise`, perfect pairs without `pairs`."""
    plain = joint_circuit(made.form, made.schedule, keep=True)
    if plain.num_qubits > MOST_QUBITS:
        raise BackendError(
            f"a joint simulation holds {MOST_QUBITS} qubits",
            field="qubits",
            value=plain.num_qubits,
            solution="use a smaller circuit, or members with fewer communication qubits",
        )
    clean = tuple(noise) or (MemberNoise(),) * made.network.size
    noisy = _Noisy(made, plain, clean, pairs or {})
    messages = tuple(plain.metadata["messages"])
    return JointRun(noisy.build(), messages, readers(made), made.form.clbits, noisy.readout())


class _Noisy:
    """Rewrites a joint circuit into the members' own gates, u and controlled phases, and their errors."""

    def __init__(
        self,
        made: Plan,
        plain: QuantumCircuit,
        noise: Sequence[MemberNoise],
        pairs: Mapping[Channel, BellDiagonal],
    ) -> None:
        self.made, self.plain, self.noise = made, plain, noise
        self.opens = [act for act in made.schedule.acts if isinstance(act, Open)]
        self.pairs = pairs
        self.member: dict[Qubit, int] = {}
        for register in plain.qregs:
            for qubit in register:
                self.member[qubit] = int(register.name[4:])  # data3, link3
        self.out = plain.copy_empty_like()
        self.out.metadata = {}

    def build(self) -> QuantumCircuit:
        data = self.plain.data
        skip = 0
        for index, item in enumerate(data):
            if skip:
                skip -= 1
                continue
            after = data[index + 2] if index + 2 < len(data) else None
            label = after.operation.label if after is not None else None
            opens = label is not None and label.startswith(PAIR) and item.operation.name == "h"
            if opens and after is not None:
                self._pair(int(str(label)[len(PAIR) :]), item.qubits[0], after.qubits[0])
                skip = 2
            else:
                self._item(item)
        return self.out

    def _pair(self, number: int, near: Qubit, far: Qubit) -> None:
        """A pair as QNP delivers it: made perfect, then given the error of its channels."""
        from qiskit_aer.noise import pauli_error

        self.out.h(near)
        self.out.cx(near, far)
        state = PERFECT
        act = self.opens[number]
        for p, q in pairwise(self.made.network.path(act.source, act.target)):
            state = state.then(self.pairs.get((min(p, q), max(p, q)), PERFECT))
        if state.i < 1:
            error = pauli_error([("I", state.i), ("X", state.x), ("Y", state.y), ("Z", state.z)])
            self.out.append(error.to_instruction(), [far])

    def _item(self, item: CircuitInstruction) -> None:
        operation, qubits = item.operation, item.qubits
        if operation.name == "unitary":
            self._turn(_EULER.angles(operation.to_matrix()), qubits[0])
        elif operation.name == "cp":
            self._phase(float(operation.params[0]), *qubits)
        elif operation.name == "h":
            self._turn((np.pi / 2, 0.0, np.pi), qubits[0])
        elif operation.name == "x":  # a copy follows its qubit through a flip
            self._turn((np.pi, 0.0, np.pi), qubits[0])
        elif operation.name == "cx":
            self._cx(*qubits)
        elif operation.name == "swap":
            for a, b in (qubits, qubits[::-1], qubits):
                self._cx(a, b)
        elif operation.name in ("measure", "reset") or isinstance(operation, ControlFlowOp):
            self.out.append(item)
        else:
            raise BackendError("a joint circuit holds no such gate", field="gate", value=operation.name)

    def _turn(self, angles: Sequence[float], qubit: Qubit) -> None:
        self.out.append(UGate(*map(float, angles)), [qubit])
        self._error([qubit], self.noise[self.member[qubit]].p1)

    def _cx(self, a: Qubit, b: Qubit) -> None:
        self._turn((np.pi / 2, 0.0, np.pi), b)
        self._phase(np.pi, a, b)
        self._turn((np.pi / 2, 0.0, np.pi), b)

    def _phase(self, angle: float, a: Qubit, b: Qubit) -> None:
        self.out.append(CPhaseGate(angle), [a, b])
        self._error([a, b], self.noise[self.member[a]].p2)

    def _error(self, qubits: list[Qubit], chance: float) -> None:
        from qiskit_aer.noise import depolarizing_error

        if chance > 0:
            scale = 4 ** len(qubits)
            error = depolarizing_error(chance * scale / (scale - 1), len(qubits))
            self.out.append(error.to_instruction(), qubits)

    def readout(self) -> Any:
        """Aer's model of the members' readings."""
        from qiskit_aer.noise import NoiseModel, ReadoutError

        if not any(one.readout for one in self.noise):
            return None
        model = NoiseModel()
        for place, qubit in enumerate(self.plain.qubits):
            flip = self.noise[self.member[qubit]].readout
            if flip:
                model.add_readout_error(ReadoutError([[1 - flip, flip], [flip, 1 - flip]]), [place])
        return model


def exact(made: Plan, seeds: Sequence[int] = (1, 2, 3)) -> Iterator[Floats]:
    """The outcome distribution at the end of noiseless runs of the joint circuit, one for each seed.

    Each run draws its own outcomes of the teleported gates, so each of them has to give the same.
    """
    from qiskit_aer import AerSimulator

    joint = joint_circuit(made.form, made.schedule, measure=False)
    holders = joint.metadata["holders"]
    clean = _Noisy(made, joint, (MemberNoise(),) * made.network.size, {}).build()
    bits = [(qubit, clbit) for qubit, clbit in made.form.measures] or [
        (qubit, qubit) for qubit in range(made.form.qubits)
    ]
    order = sorted(bits, key=lambda pair: pair[1])
    clean.save_probabilities([clean.qubits[holders[qubit]] for qubit, _ in order])
    engine = AerSimulator(method="statevector", max_parallel_threads=1, fusion_enable=False)
    for seed in seeds:
        result = engine.run(clean, shots=1, seed_simulator=seed).result()
        if not result.success:
            raise BackendError(f"Aer failed: {result.status}", field="backend", value="joint simulation")
        yield np.asarray(result.data(0)["probabilities"], dtype=np.float64)
