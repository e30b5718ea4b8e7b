"""What one benchmark asks of a processor, and the readings that come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from qcrs.circuits import CircuitDocument
from qcrs.errors import VerificationError

__all__ = ["BenchmarkUnit", "Reading", "read"]


@dataclass(frozen=True, slots=True)
class BenchmarkUnit:
    """One circuit with its shots; `detail` is what the protocol needs to score it."""

    protocol: str
    circuit: CircuitDocument
    shots: int
    detail: Any = field(repr=False)

    @property
    def layers(self) -> int:
        """Layers of two-qubit gates (at least one): the depth counting only `cz`."""
        depth: dict[int, int] = {}
        for ins in self.circuit.instructions:
            if ins.name == "cz":
                level = 1 + max(depth.get(q, 0) for q in ins.qubits)
                depth.update(dict.fromkeys(ins.qubits, level))
        return max(1, *depth.values()) if depth else 1


@dataclass(frozen=True, slots=True)
class Reading:
    """Distinct outcomes of a unit (as integers, bit i is classical bit i) and how often each was seen."""

    outcomes: npt.NDArray[np.object_]
    counts: npt.NDArray[np.float64]
    _bits: npt.NDArray[np.uint8] = field(init=False, repr=False, compare=False)
    """One row for every classical bit, one column for every outcome."""

    def __post_init__(self) -> None:
        width = max([1, *(-(-int(o).bit_length() // 8) for o in self.outcomes)])
        packed = np.frombuffer(b"".join(int(o).to_bytes(width, "little") for o in self.outcomes), np.uint8)
        bits = np.unpackbits(packed.reshape(len(self.outcomes), width), axis=1, bitorder="little").T
        object.__setattr__(self, "_bits", np.ascontiguousarray(bits))

    @property
    def shots(self) -> int:
        """All of them."""
        return int(self.counts.sum())

    def bit(self, index: int) -> npt.NDArray[np.int64]:
        """One classical bit of every outcome."""
        if index >= len(self._bits):
            return np.zeros(len(self.outcomes), dtype=np.int64)
        bits: npt.NDArray[np.int64] = self._bits[index].astype(np.int64)
        return bits

    def parity(self, bits: Sequence[int]) -> npt.NDArray[np.int64]:
        """+1 or -1 for every outcome: the parity of these bits."""
        rows = [bit for bit in bits if bit < len(self._bits)]
        odd: npt.NDArray[np.uint8] = np.bitwise_xor.reduce(self._bits[rows], axis=0)
        return np.asarray(1 - 2 * odd.astype(np.int64))


def read(unit: BenchmarkUnit, counts: Mapping[Any, int], index: int) -> Reading:
    """Check and hold decoded counts; keys are integers or text such as "0x1f".

    Raises `VerificationError` where the shots are not those asked for or an outcome is too wide.
    """
    found: dict[int, int] = {}
    for key, count in counts.items():
        outcome = key if isinstance(key, int) else int(key, 16)
        if not 0 <= outcome < 1 << unit.circuit.clbits or type(count) is not int or count < 0:
            raise VerificationError(
                "an outcome or count is impossible", field=f"units[{index}]", value=(key, count)
            )
        found[outcome] = found.get(outcome, 0) + count
    if sum(found.values()) != unit.shots:
        raise VerificationError(
            "a unit has not the shots that were asked for", field=f"units[{index}]", value=sum(found.values())
        )
    keys = sorted(found)
    return Reading(np.array(keys, dtype=object), np.array([found[k] for k in keys], dtype=np.float64))
