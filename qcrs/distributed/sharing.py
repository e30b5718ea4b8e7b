"""Who holds each segment and runs each gate, and how many entangled pairs that takes.

The qubit of a segment is copied to every processor that runs one of the segment's gates, and to the one that
holds the qubit next: one hyperedge {segment, its gates, next segment} with the cost of a tree over the
processors it touches (Σ(λ − 1) where all are joined). This covers gates that share a copy, gates on a third
processor, and moves of a qubit along a copy that is open anyway.
(Andrés-Martínez and Heunen 2019, sec. IV; Burt, Chen and Leung, "Generalised circuit partitioning", 2024.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qcrs.distributed.network import Network
from qcrs.distributed.normal_form import NormalForm
from qcrs.errors import InputError
from qcrs.types import Json

__all__ = ["Sharing", "pairs", "residency"]


@dataclass(frozen=True, slots=True)
class Sharing:
    """`homes[s]` holds segment s, `places[g]` runs gate g."""

    homes: tuple[int, ...]
    places: tuple[int, ...]
    idle: tuple[int, ...]
    """Home of each qubit that has no segment, else that of its first one."""
    kept: frozenset[tuple[int, int]] = frozenset()
    """(s, p): the copy at p of s's qubit, opened before segment s, lives on after it."""

    def as_json(self) -> Json:
        """Four lists, for a payload."""
        kept: list[Json] = [list(one) for one in sorted(self.kept)]
        return [list(self.homes), list(self.places), list(self.idle), kept]

    @classmethod
    def from_json(cls, raw: Any) -> Sharing:
        """What `as_json` gave; `InputError` for anything else."""
        try:
            homes, places, idle, kept = raw
            pairs_kept = frozenset((int(s), int(p)) for s, p in kept)
            return cls(tuple(map(int, homes)), tuple(map(int, places)), tuple(map(int, idle)), pairs_kept)
        except (TypeError, ValueError) as error:
            raise InputError("not a sharing of a circuit", field="sharing", value=str(error)) from error


def pairs(form: NormalForm, network: Network, sharing: Sharing) -> int:
    """Entangled pairs that the sharing takes, without a limit on communication qubits."""
    found = masks(form, sharing.homes, sharing.places)
    for number, at in sharing.kept:
        for gate in form.segments[number].gates:  # every copy follows the CX, so the other qubit goes there
            found[form.gates[gate].other(number)] |= 1 << at
    for number, at in sharing.kept:
        after = form.segments[number].next
        if after is not None:
            found[after] &= ~(1 << at)
    return sum(network.trees[mask] for mask in found)


def masks(form: NormalForm, homes: Sequence[int], places: Sequence[int]) -> list[int]:
    """Processors that each segment touches, as bit masks; kept copies are left out of account."""
    found = []
    for segment in form.segments:
        mask = 1 << homes[segment.number]
        for gate in segment.gates:
            mask |= 1 << places[gate]
        if segment.next is not None:
            mask |= 1 << homes[segment.next]
        found.append(mask)
    return found


def residency(form: NormalForm) -> tuple[list[int], list[tuple[int, int]]]:
    """Moments at which a qubit may change its home, and the span [first, last) of moments of each segment."""
    moments = sorted({segment.start for segment in form.segments} | {0})
    index = {moment: number for number, moment in enumerate(moments)}
    spans = []
    for segment in form.segments:
        after = None if segment.next is None else form.segments[segment.next]
        spans.append((index[segment.start], len(moments) if after is None else index[after.start]))
    return moments, spans
