"""One job of the bench: a circuit in its frames, compiled for a device, and executions of it.

What happens here is what happens on the network, less the network: frames from a seed, one layout for all of
them, S/10 shots of each, an `Execution` with the registered errors of the device, and the public judge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.providers import BackendV2

from qcrs.attackers.bench.devices import ExactDevice, Registered
from qcrs.attackers.bench.families import circuit as family_circuit
from qcrs.circuits import TURN, CircuitDocument, Instruction, frame, lower, shots_per_frame
from qcrs.errors import InputError
from qcrs.node.compiling import compile_frames, measured_on
from qcrs.verification import Execution, JudgeInput, JudgeUnit, Outcome, Policy, Verdict, judge
from qcrs.verification.freshness import freshness
from qcrs.verification.simulate import Ideal, ideal

__all__ = ["NO_SIMULATION", "Compiled", "Floats", "Frames", "Judged", "Lab", "with_trap"]

Floats = npt.NDArray[np.float64]
Frames = tuple[Mapping[int, int], ...]

NO_SIMULATION = Policy(simulate_qubits=0, simulate_drawn_qubits=0)
"""Only peers decide, as for a circuit too wide to simulate."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A job's frames in a device's gates."""

    circuits: tuple[QuantumCircuit, ...]
    masks: tuple[int, ...]
    layout: tuple[int, ...]


def with_trap(document: CircuitDocument, value: int) -> CircuitDocument:
    """The circuit and an idle qubit beside it, flipped if `value` is 1 and read into one more clbit."""
    qubit, clbit = document.qubits, document.clbits
    flip = (Instruction("u", (qubit,), (), (TURN // 2, 0, TURN // 2)),) if value else ()
    read = (Instruction("measure", (qubit,), (clbit,)),)
    return CircuitDocument(qubit + 1, clbit + 1, (), (*document.instructions, *flip, *read))


@dataclass(frozen=True, slots=True)
class Judged:
    """What is reported of an execution, the test that it fails, and the judge's own verdict."""

    outcome: Outcome
    failing: str
    verdict: Verdict


class Lab:
    """A job on one circuit (`instance`) of a family, of `n` qubits and `shots` shots, on the named device.

    `salt` makes it another job of the same kind; with `trap` an idle qubit that reads 0 or 1 stands beside.
    """

    def __init__(
        self,
        family: str,
        n: int,
        shots: int,
        device: str,
        instance: int,
        *,
        salt: str = "",
        trap: bool = False,
    ) -> None:
        self.family, self.shots, self.instance, self.trap = family, shots, instance, trap
        number = int.from_bytes(sha256(f"{family}/{n}/{instance}{salt}".encode()).digest()[:4], "big")
        made = lower(family_circuit(family, n, number)).document
        self.document = with_trap(made, number & 1) if trap else made
        self.circuit_qubits, self.n = n, self.document.qubits
        self.bits = self.document.measured_clbits()
        self.device_name = device
        self.seed = sha256(f"{family}/{n}/{shots}/{device}/{instance}{salt}".encode()).digest()
        self._devices: dict[str, ExactDevice] = {}
        self._compiled: dict[tuple[str, bytes], Compiled] = {}
        self._registered: dict[str, tuple[Registered, int]] = {}
        if self.bits != tuple(range(len(self.bits))):
            raise InputError("the bench reads clbits 0, 1, 2, …", field="circuit", value=self.bits)
        split = shots_per_frame(shots, 1)
        if len(set(split)) != 1:
            raise InputError("the bench takes multiples of ten shots", field="shots", value=shots)
        self.each, self.frames = split[0], len(split)

    # ----------------------------------------------------------------- devices

    def device(self, name: str | None = None) -> ExactDevice:
        """A device by its name in the tables; the job's own without one."""
        chosen = name or self.device_name
        if chosen not in self._devices:
            trajectories = 1000 if self.n <= 12 else 100 if self.n <= 16 else 12
            self._devices[chosen] = ExactDevice(chosen, self.n, trajectories)
        return self._devices[chosen]

    @cached_property
    def ideal(self) -> Ideal:
        """The noiseless distribution."""
        return ideal(self.document, seed=self.seed)

    def registered(self, name: str | None = None) -> tuple[Registered, int]:
        """What is registered of a device, and how many two-qubit gates judges expect of it for this job."""
        chosen = name or self.device_name
        if chosen not in self._registered:
            found = self.device(chosen).registered()
            self._registered[chosen] = found, found.gates(self.document)
        return self._registered[chosen]

    def compiled(self, name: str | None = None, seed: bytes | None = None) -> Compiled:
        """The frames of this job (or of the same circuit under another seed) on a device."""
        key = name or self.device_name, seed or self.seed
        if key not in self._compiled:
            frames = [frame(self.document, key[1], 0, b) for b in range(self.frames)]
            circuits = compile_frames([f.circuit for f in frames], self.device(key[0]).target, physical=False)
            places = measured_on(circuits[0])
            self._compiled[key] = Compiled(
                tuple(circuits), tuple(f.mask for f in frames), tuple(places[bit] for bit in self.bits)
            )
        return self._compiled[key]

    @cached_property
    def before(self) -> Lab:
        """A job of the same family and width that came before, compiled for the same device."""
        lab = Lab(
            self.family,
            self.circuit_qubits,
            self.shots,
            self.device_name,
            self.instance,
            salt="/before",
            trap=self.trap,
        )
        lab._devices = self._devices
        return lab

    # ----------------------------------------------------------------- executions

    def run(
        self,
        backend: BackendV2,
        seed: int,
        *,
        device: str | None = None,
        shots: int = 0,
        frames_of: bytes | None = None,
        leak: bool = False,
    ) -> Frames:
        """Raw counts of all frames; `leak`: the backend is told the true masks."""
        compiled = self.compiled(device, frames_of)
        told = {"masks": compiled.masks} if leak else {}
        job = backend.run(list(compiled.circuits), shots=shots or self.each, seed_simulator=seed, **told)
        result = job.result()
        return tuple(
            {int(key, 16): count for key, count in result.data(place)["counts"].items()}
            for place in range(self.frames)
        )

    def execution(self, counts: Frames, device: str | None = None) -> Execution:
        """An execution with what is registered of the device."""
        known, gates = self.registered(device)
        layout = self.compiled(device).layout
        return Execution((counts,), errors=known.errors, layout=(layout,), cz_counts=(gates,))

    def honest(self, seed: int, device: str | None = None) -> Execution:
        """An honest execution."""
        return self.execution(self.run(self.device(device), seed, device=device), device)

    def judge(self, tested: Execution, peers: Sequence[Execution] = (), *, simulate: bool) -> Judged:
        """What oracles do: freshness first (V10), then the judge, with the peers that are witnesses.

        With `simulate` the ideal distribution is known; without it only peers are.
        """
        unit = JudgeUnit(self.document, self.shots)
        ideals = {0: self.ideal} if simulate else {}
        policy = Policy() if simulate else NO_SIMULATION
        fresh = freshness((unit,), self.seed, tested, peers, (), ideals, policy)
        witnesses = tuple(peers[index] for index in fresh.kept)
        verdict = judge(JudgeInput((unit,), self.seed, tested, witnesses, ideals=ideals), policy)
        failing = next((test for test in verdict.tests if not test.passed), None)
        outcome = verdict.outcome
        if fresh.failed is not None and outcome not in (Outcome.REJECT, Outcome.FRAUD):
            outcome, failing = Outcome.REJECT, fresh.failed
        return Judged(outcome, "" if failing is None else failing.name, verdict)

    # ----------------------------------------------------------------- distances

    def frequencies(self, counts: Frames, device: str | None = None, masks: Sequence[int] = ()) -> Floats:
        """Decoded relative frequencies over the measured bits; clbits are 0, 1, 2, …"""
        out = np.zeros(1 << len(self.bits))
        for raw, mask in zip(counts, masks or self.compiled(device).masks, strict=True):
            keys = np.fromiter(raw.keys(), dtype=np.int64, count=len(raw)) ^ mask
            out[keys] += np.fromiter(raw.values(), dtype=np.int64, count=len(raw))
        share: Floats = out / out.sum()
        return share

    def distance(self, counts: Frames, device: str | None = None) -> float:
        """Total variation distance from the ideal distribution, what chance adds to it taken off."""
        p = self.ideal.probabilities
        shots = sum(sum(raw.values()) for raw in counts)
        found = float(np.abs(self.frequencies(counts, device) - p).sum() / 2)
        chance = float(np.sqrt(p * (1 - p) / shots).sum() * np.sqrt(2 / np.pi) / 2)
        return float(np.sqrt(max(0.0, found**2 - chance**2)))
