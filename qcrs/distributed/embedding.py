"""Copies that outlive a turn: a run of CX on a qubit need not end the copies that the qubit has.

A segment m is a *bridge* if its gates are CZ and the turns at its ends make them CX on m's qubit, up to
phases: then the qubit's value is flipped by the parity of the others, and a copy elsewhere stays a copy if it
is flipped too, by CX from the other qubits' presence there. That saves opening the copy again after m, and
costs bringing the others there, which is free where they are at home.
(Wu et al., Quantum 7, 1196, 2023, sec. 4, "embedding"; Andres-Martinez et al., arXiv 2305.14148.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from qcrs.distributed.network import Network
from qcrs.distributed.normal_form import NormalForm, Turn, is_diagonal, is_flip
from qcrs.distributed.sharing import Sharing, masks, pairs

__all__ = ["Bridge", "bridges", "embedded"]

Z = np.diag([1.0 + 0j, -1.0])
HALF_TURN = 1e-9


@dataclass(frozen=True, slots=True)
class Bridge:
    """A segment that copies can be kept through."""

    segment: int
    before: int
    """The qubit's segment before it."""
    end: int
    """Index in `steps` of the turn that ends it."""
    flips: bool
    """Whether the qubit is flipped if the parity of the others is even, not odd."""


def bridges(form: NormalForm) -> dict[int, Bridge]:
    """All bridges of a form by segment."""
    turns: dict[int, list[int]] = {}
    when: dict[int, int] = {}
    for index, step in enumerate(form.steps):
        if isinstance(step, Turn):
            turns.setdefault(step.qubit, []).append(index)
        else:
            when[step.number] = index
    found = {}
    for before in form.segments:
        middle = None if before.next is None else form.segments[before.next]
        after = None if middle is None or middle.next is None else form.segments[middle.next]
        if middle is None or after is None or not before.gates or not middle.gates:
            continue
        own = turns[middle.qubit]
        starts = sum(when[before.gates[-1]] < index <= middle.start for index in own)
        ends = sum(when[middle.gates[-1]] < index <= after.start for index in own)
        if (starts, ends) != (1, 1):
            continue
        if any(abs(abs(form.gates[g].angle) - math.pi) > HALF_TURN for g in middle.gates):
            continue
        begin, end = form.steps[middle.start], form.steps[after.start]
        if not isinstance(begin, Turn) or not isinstance(end, Turn):
            continue
        even, odd = end.matrix @ begin.matrix, end.matrix @ Z @ begin.matrix
        if is_diagonal(even) and is_flip(odd):
            found[middle.number] = Bridge(middle.number, before.number, after.start, False)
        elif is_flip(even) and is_diagonal(odd):
            found[middle.number] = Bridge(middle.number, before.number, after.start, True)
    return found


def embedded(form: NormalForm, network: Network, sharing: Sharing) -> Sharing:
    """The sharing with copies kept where that saves pairs; the sharing itself where it saves none."""
    known = bridges(form)
    best = replace(sharing, kept=frozenset())
    cost, least = pairs(form, network, sharing), pairs(form, network, best)
    if least > cost:
        best = sharing
    else:
        cost = least
    for bridge in known.values():
        for at in range(network.size):
            tried = _kept(form, best, bridge, at)
            if tried is None:
                continue
            price = pairs(form, network, tried)
            if price < cost:
                best, cost = tried, price
    return best


def _kept(form: NormalForm, sharing: Sharing, bridge: Bridge, at: int) -> Sharing | None:
    """The sharing with one copy more that is kept through a bridge; None where that cannot be."""
    middle = form.segments[bridge.segment]
    home = sharing.homes[middle.number]
    if middle.next is None or at == home or (middle.number, at) in sharing.kept:
        return None
    if sharing.homes[bridge.before] != home or sharing.homes[middle.next] != home:
        return None
    crossed = {number for number, _ in sharing.kept}
    if any(form.gates[gate].other(middle.number) in crossed for gate in middle.gates):
        return None  # both ends of a CX between copies cannot wait for each other
    places = list(sharing.places)
    for gate in middle.gates:
        places[gate] = home
    touched = masks(form, sharing.homes, places)
    there = bool(touched[bridge.before] >> at & 1) or (bridge.before, at) in sharing.kept
    if not there or not touched[middle.next] >> at & 1:
        return None
    return replace(sharing, places=tuple(places), kept=sharing.kept | {(middle.number, at)})
