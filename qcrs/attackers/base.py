"""What all attackers share: a `BackendV2` around an honest one, whose answers are arrays of shots."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.providers import BackendV2, JobV1
from qiskit.transpiler import Target

from qcrs.attackers.untwirl import Undone, measured_clbits, undo
from qcrs.circuits.immediate import FinishedJob, ImmediateBackend
from qcrs.node.simulator import merged, row

__all__ = ["Attacker", "Call", "Shots", "counted", "shots_of", "uniform"]

Shots = npt.NDArray[Any]
"""Raw outcomes, one for each shot (clbit c is bit c); Python's integers above 62 bits."""

_WORD_BITS = 62


def shots_of(raw: dict[str, int], clbits: int) -> Shots:
    """Counts with hexadecimal keys as an array of shots."""
    dtype: Any = np.int64 if clbits <= _WORD_BITS else object
    keys = np.array([int(key, 16) for key in raw], dtype=dtype)
    return np.repeat(keys, np.fromiter(raw.values(), dtype=np.int64, count=len(raw)))


def counted(shots: Shots) -> dict[int, int]:
    """Counts of an array of shots."""
    if shots.dtype == object:
        return dict(Counter(shots.tolist()))
    keys, counts = np.unique(shots, return_counts=True)
    return dict(zip(keys.tolist(), counts.tolist(), strict=True))


def uniform(circuit: QuantumCircuit, shots: int, stream: np.random.Generator) -> Shots:
    """Uniform over the measured bits."""
    wide = circuit.num_clbits > _WORD_BITS
    out = np.zeros(shots, dtype=object if wide else np.int64)
    for bit in measured_clbits(circuit):
        draws = stream.integers(0, 2, shots)
        out |= (draws.astype(object) if wide else draws) << bit
    return out


@dataclass(frozen=True, slots=True)
class Call:
    """One call of `run`: what the attacker was asked, and what it knows."""

    circuits: tuple[QuantumCircuit, ...]
    shots: int
    seed: int | None
    stream: np.random.Generator
    leaked: tuple[int, ...] | None = None
    """True masks of all circuits, where a client or an oracle told them: the worst case."""

    def targets(self) -> list[Undone]:
        """The circuits grouped by target, frames undone."""
        return undo(self.circuits)

    def decoding(self, target: Undone) -> tuple[int, ...]:
        """Masks of its circuits: the true ones if told, else right up to a common one."""
        if self.leaked is None:
            return target.masks
        return tuple(self.leaked[index] for index in target.indices)


class Attacker(ImmediateBackend):
    """Looks like the honest device that it wraps; subclasses say how they answer.

    `run` takes `shots`, `seed_simulator` and `masks` (true masks of the frames, if somebody told them).
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

    def run(self, run_input: QuantumCircuit | Sequence[QuantumCircuit], **options: Any) -> JobV1:
        """Answer every circuit with `shots` outcomes."""
        circuits = (run_input,) if isinstance(run_input, QuantumCircuit) else tuple(run_input)
        seed = options.get("seed_simulator", self.options.seed_simulator)
        leaked = options.get("masks")
        call = Call(
            circuits,
            int(options.get("shots") or self.options.shots),
            seed,
            np.random.default_rng(None if seed is None else [seed, 0xA77AC]),
            None if leaked is None else tuple(leaked),
        )
        answers = self.answer(call)
        rows = {
            index: row(circuit, counted(answer), len(answer))
            for index, (circuit, answer) in enumerate(zip(circuits, answers, strict=True))
        }
        return FinishedJob(self, merged(self, rows))

    @abstractmethod
    def answer(self, call: Call) -> list[Shots]:
        """Raw outcomes of every circuit of the call."""

    def honest(
        self,
        circuits: Sequence[QuantumCircuit],
        shots: int,
        seed: int | None,
        device: BackendV2 | None = None,
    ) -> list[Shots]:
        """What the honest device (or another one) says."""
        if not circuits:
            return []
        options = {} if seed is None else {"seed_simulator": seed}
        result = (device or self._honest).run(list(circuits), shots=shots, **options).result()
        return [
            shots_of(result.data(place)["counts"], circuit.num_clbits)
            for place, circuit in enumerate(circuits)
        ]
