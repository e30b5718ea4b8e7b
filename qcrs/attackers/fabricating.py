"""Attackers that save the work: outcomes made up, stale, or too few.

A01 uniform noise · A02 another job's outcomes · A03 few shots sold as many · A08 honest only where it may be
a test · A11 some frames made up · dilution of every frame with noise.
"""

from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit
from qiskit.providers import BackendV2

from qcrs.attackers.base import Attacker, Call, Shots, uniform
from qcrs.attackers.untwirl import measured_clbits, palindromic
from qcrs.node.clifford import is_clifford

__all__ = ["Diluted", "FabricatedFrames", "FewShots", "Stale", "TestAware", "Uniform"]


class Uniform(Attacker):
    """A01: uniform outcomes."""

    def answer(self, call: Call) -> list[Shots]:
        """Random bits for every circuit."""
        return [uniform(circuit, call.shots, call.stream) for circuit in call.circuits]


class Stale(Attacker):
    """A02: keeps the outcomes of the first job of each width and sells them as those of every other one.

    It decodes what it keeps and encodes what it sells, as far as it knows the frames.
    """

    def __init__(self, honest: BackendV2) -> None:
        super().__init__(honest)
        self._kept: dict[int, tuple[str, Shots]] = {}

    def answer(self, call: Call) -> list[Shots]:
        """Old outcomes where there are some, else honest ones."""
        out: dict[int, Shots] = {}
        for target in call.targets():
            masks = call.decoding(target)
            width = len(measured_clbits(target.circuit))
            key, pool = self._kept.get(width, (target.key, None))
            if pool is None or key == target.key:
                chosen = [call.circuits[index] for index in target.indices]
                found = self.honest(chosen, call.shots, call.seed)
                out.update(zip(target.indices, found, strict=True))
                pool = np.concatenate([shots ^ mask for shots, mask in zip(found, masks, strict=True)])
                self._kept.setdefault(width, (target.key, pool))
                continue
            needed = call.shots * len(masks)
            drawn = call.stream.choice(pool, needed, replace=needed > len(pool))
            for place, (index, mask) in enumerate(zip(target.indices, masks, strict=True)):
                out[index] = drawn[place * call.shots : (place + 1) * call.shots] ^ mask
        return [out[index] for index in range(len(call.circuits))]


class FewShots(Attacker):
    """A03: takes `real` shots of each target and draws all that were ordered from them, with repetition."""

    def __init__(self, honest: BackendV2, real: int = 100) -> None:
        super().__init__(honest)
        self._real = real

    def answer(self, call: Call) -> list[Shots]:
        """Outcomes drawn from a pool, put into the frames."""
        out: dict[int, Shots] = {}
        for target in call.targets():
            each = max(1, self._real // len(target.indices))
            found = self.honest([call.circuits[index] for index in target.indices], each, call.seed)
            pool = np.concatenate([shots ^ mask for shots, mask in zip(found, target.masks, strict=True)])
            for index, mask in zip(target.indices, target.masks, strict=True):
                out[index] = call.stream.choice(pool, call.shots) ^ mask
        return [out[index] for index in range(len(call.circuits))]


class FabricatedFrames(Attacker):
    """A11: makes up a share of the frames of a call."""

    def __init__(self, honest: BackendV2, share: float = 0.3) -> None:
        super().__init__(honest)
        self._share = share

    def answer(self, call: Call) -> list[Shots]:
        """Honest frames but for some."""
        total = len(call.circuits)
        fake = set(call.stream.choice(total, round(self._share * total), replace=False).tolist())
        real = [index for index in range(len(call.circuits)) if index not in fake]
        found = dict(
            zip(real, self.honest([call.circuits[i] for i in real], call.shots, call.seed), strict=True)
        )
        return [
            found[index] if index in found else uniform(circuit, call.shots, call.stream)
            for index, circuit in enumerate(call.circuits)
        ]


class Diluted(Attacker):
    """Replaces each shot by noise with probability `share`."""

    def __init__(self, honest: BackendV2, share: float = 0.1) -> None:
        super().__init__(honest)
        self._share = share

    def answer(self, call: Call) -> list[Shots]:
        """A mixture of honest outcomes and noise."""
        out = []
        for circuit, shots in zip(
            call.circuits, self.honest(call.circuits, call.shots, call.seed), strict=True
        ):
            noise = uniform(circuit, len(shots), call.stream)
            out.append(np.where(call.stream.random(len(shots)) < self._share, noise, shots))
        return out


class TestAware(Attacker):
    """A08: honest where a circuit may be a test, that is Clifford or a mirror; makes up the rest.

    Qubits that nothing couples to others are honest too: an inserted trap qubit looks like that.
    Certification cannot see it, because its circuits are recognisable. A check of the job itself can.
    """

    __test__ = False  # a name that test runners would collect

    def __init__(self, honest: BackendV2) -> None:
        super().__init__(honest)
        self._lone: dict[int, tuple[QuantumCircuit, QuantumCircuit, int]] = {}

    def answer(self, call: Call) -> list[Shots]:
        """Honest, or honest on lone qubits and uniform on the others."""
        real = [i for i, circuit in enumerate(call.circuits) if is_clifford(circuit) or palindromic(circuit)]
        found = dict(
            zip(real, self.honest([call.circuits[i] for i in real], call.shots, call.seed), strict=True)
        )
        for index, circuit in enumerate(call.circuits):
            if index not in found:
                found[index] = self._invented(circuit, call)
        return [found[index] for index in range(len(call.circuits))]

    def _invented(self, circuit: QuantumCircuit, call: Call) -> Shots:
        noise = uniform(circuit, call.shots, call.stream)
        if id(circuit) not in self._lone:
            self._lone[id(circuit)] = (circuit, *_lone_part(circuit))
        _circuit, lone, clbits = self._lone[id(circuit)]
        if not clbits:
            return noise
        return noise & ~clbits | self.honest([lone], call.shots, call.seed)[0] & clbits


def _lone_part(circuit: QuantumCircuit) -> tuple[QuantumCircuit, int]:
    """What happens on qubits that no gate couples to others, and the clbits that they are read into."""
    gates = [item for item in circuit.data if item.operation.name != "barrier"]
    coupled = {bit for item in gates if item.operation.num_qubits > 1 for bit in item.qubits}
    lone, clbits = circuit.copy_empty_like(), 0
    for item in gates:
        if coupled.isdisjoint(item.qubits):
            lone.append(item)
            if item.operation.name == "measure":
                clbits |= 1 << circuit.find_bit(item.clbits[0]).index
    return lone, clbits
