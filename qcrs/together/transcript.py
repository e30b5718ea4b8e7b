"""What a member saw of a session's epoch: bits it measured, frames it obeyed, its part of the outcome.

One row a shot: outcomes of its half of teleported gates, then the Pauli frames that it got from others (X or
Z where the bit is 1), then its bits of the program. A barrier's commitment is the Merkle root over the rows.
Rows of all members together give back the counts, and every frame that one member obeyed is a bit that
another one measured, so whoever holds the rows sees whether the members ran the same computation.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qcrs.circuits.drbg import keccak
from qcrs.circuits.merkle import MerkleTree
from qcrs.distributed.emit import Message
from qcrs.errors import InputError
from qcrs.together.joint import Sampled
from qcrs.types import Json, whole

__all__ = ["Columns", "Part", "Share", "columns", "counted", "disagreements", "shares"]

Bits = NDArray[np.uint8]
KIND = "transcript/1"
MOST_BITS = 1 << 24
"""Most shots, and most bits of a row."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which bits of a joint run are a member's: bits of messages it measured and obeyed, program bits."""

    measured: tuple[int, ...]
    obeyed: tuple[int, ...]
    program: tuple[int, ...]

    @property
    def width(self) -> int:
        """Bits of a row."""
        return len(self.measured) + len(self.obeyed) + len(self.program)


def columns(messages: Sequence[Message], readers: Sequence[int], member: int) -> Columns:
    """A member's columns; `readers[i]` is who measures bit i of the program (−1 nobody)."""
    return Columns(
        tuple(i for i, one in enumerate(messages) if one.source == member),
        tuple(i for i, one in enumerate(messages) if one.target == member),
        tuple(i for i, reader in enumerate(readers) if reader == member),
    )


@dataclass(frozen=True)
class Part:
    """A member's rows of one circuit: uint8 bits, shots × width."""

    rows: Bits

    def as_json(self) -> Json:
        """Packed."""
        shots, width = self.rows.shape
        packed = np.packbits(self.rows, axis=1, bitorder="little").tobytes()
        return {"shots": shots, "width": width, "bits": b64encode(packed).decode()}

    @classmethod
    def from_json(cls, raw: Json) -> Part:
        """`InputError` where it is none."""
        try:
            shots, width = whole(raw["shots"]), whole(raw["width"])
            data = np.frombuffer(b64decode(raw["bits"], validate=True), dtype=np.uint8)
            if shots < 0 or width < 0 or len(data) != shots * -(-width // 8) or max(shots, width) > MOST_BITS:
                raise ValueError("its bits are not those of so many shots")
            packed = data.reshape(shots, -(-width // 8))
            found = cls(np.unpackbits(packed, axis=1, count=width, bitorder="little"))
            if found.as_json() != raw:
                raise ValueError("it has another spelling, or bits beyond its rows")
        except (KeyError, TypeError, ValueError) as error:
            raise InputError("not a part of a transcript", field="transcript", value=str(error)) from error
        return found

    def leaves(self, circuit: int) -> list[bytes]:
        """keccak(circuit4 ‖ shot4 ‖ packed row)."""
        packed = np.packbits(self.rows, axis=1, bitorder="little")
        first = circuit.to_bytes(4, "big")
        return [keccak(first + shot.to_bytes(4, "big") + row.tobytes()) for shot, row in enumerate(packed)]


@dataclass(frozen=True)
class Share:
    """A member's transcript of one epoch."""

    processor: int
    epoch: int
    parts: tuple[Part, ...]

    @cached_property
    def root(self) -> bytes:
        """The commitment of the epoch's barrier."""
        leaves = [leaf for number, part in enumerate(self.parts) for leaf in part.leaves(number)]
        return MerkleTree(leaves).root

    def as_json(self) -> Json:
        """For the content store."""
        return {
            "qcrs": KIND,
            "processor": self.processor,
            "epoch": self.epoch,
            "parts": [part.as_json() for part in self.parts],
        }

    @classmethod
    def from_json(cls, raw: Json) -> Share:
        """`InputError` where the document is none."""
        try:
            if raw["qcrs"] != KIND:
                raise ValueError(raw["qcrs"])
            if set(raw) != {"qcrs", "processor", "epoch", "parts"} or not isinstance(raw["parts"], list):
                raise ValueError("its fields are qcrs, processor, epoch and parts")
            parts = tuple(Part.from_json(part) for part in raw["parts"])
            return cls(whole(raw["processor"]), whole(raw["epoch"]), parts)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError("not a transcript", field="transcript", value=str(error)) from error


def shares(
    runs: Sequence[tuple[Sampled, Sequence[Message], Sequence[int]]], processors: Sequence[int], epoch: int
) -> list[Share]:
    """Every party's transcript of an epoch.

    `runs` has each circuit's shots, messages and readers, in which party i is `processors[i]`.
    """
    found = []
    for member, processor in enumerate(processors):
        parts = []
        for sample, messages, readers in runs:
            mine = columns(messages, readers, member)
            cut = (sample.outcomes[:, mine.measured], sample.outcomes[:, mine.obeyed])
            rows = np.hstack([*cut, sample.program[:, mine.program]])
            parts.append(Part(np.ascontiguousarray(rows, dtype=np.uint8)))
        found.append(Share(processor, epoch, tuple(parts)))
    return found


def disagreements(parts: Sequence[Part], messages: Sequence[Message], readers: Sequence[int]) -> int:
    """Frames of one circuit that a party obeyed and nobody measured like that; `parts` in parties' order."""
    bits = {}
    for member, part in enumerate(parts):
        mine = columns(messages, readers, member)
        bits.update({column: part.rows[:, i] for i, column in enumerate(mine.measured)})
    wrong = 0
    for member, part in enumerate(parts):
        mine = columns(messages, readers, member)
        for i, column in enumerate(mine.obeyed):
            wrong += int((part.rows[:, len(mine.measured) + i] != bits[column]).sum())
    return wrong


def counted(parts: Sequence[Part], messages: Sequence[Message], readers: Sequence[int]) -> Counter[int]:
    """Counts of the program's outcomes, joined from all members' rows."""
    shots = parts[0].rows.shape[0]
    total = np.zeros(shots, dtype=object)
    for member, part in enumerate(parts):
        mine = columns(messages, readers, member)
        offset = len(mine.measured) + len(mine.obeyed)
        for i, bit in enumerate(mine.program):
            total += part.rows[:, offset + i].astype(object) << bit
    return Counter(int(value) for value in total)
