"""GHZ states of many nodes from pairs with one of them: rules of the hub, and the fidelity in closed form.

The hub's half of the first pair becomes the *root*. Each further pair is fused into the state: a CNOT from
the root to the hub's half, which is measured along Z; its bit tells the pair's other end whether to apply X.
So the hub needs memory for one qubit more than it works on, and there is no limit to the number of nodes.

All errors are Pauli errors of a GHZ state: which members have an X error relative to the root, and one Z
parity. With r_i that of member i,

    F = (A + B)/2,   A = P(all r_i = 0),   B = E[(−1)^parity; all r_i = 0].

An X error of the root counts for all members that had joined before it, so both are sums over its flips,
done from the last member back to the first. A CNOT that leaves root and half mixed makes r_i, the root's flip
and the parity random.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from qcrs.errors import InputError
from qcrs.qnp.physical.bell import BellPair
from qcrs.qnp.physical.hardware import NodeNoise

__all__ = ["Fuse", "Hub", "Joined", "Tell", "ghz_fidelity"]


@dataclass(frozen=True, slots=True)
class Joined:
    """A member's pair as it is at the end, in its frame, and how long the root waited since it joined, in ns.

    Of the root's waiting nothing is in the pairs: the hub's half counts until it is fused (or becomes the
    root).
    """

    pair: BellPair
    root_waited_ns: int = 0


def ghz_fidelity(members: Sequence[Joined], noise: NodeNoise | None = None) -> float:
    """Fidelity with (|0…0⟩ + |1…1⟩)/√2 of the hub and its members; `noise` is the hub's."""
    if not members:
        raise InputError("a GHZ state has at least two nodes", field="members", value=0)
    noise = noise or NodeNoise()
    gate = noise.gate_error
    a, b = [1.0, 0.0], [1.0, 0.0]  # by whether the root flips an odd number of times from here to the end
    for i in range(len(members) - 1, -1, -1):
        wait = members[i].root_waited_ns
        flip = (1 - math.exp(-noise.depolarising_per_ns * wait)) / 2
        a = [(1 - flip) * a[s] + flip * a[1 - s] for s in (0, 1)]
        fade = math.exp(-(noise.dephasing_per_ns + noise.depolarising_per_ns) * wait)
        chance, signed = _errors(members[i].pair, noise.readout_error if i else 0.0)
        mixed = gate * (a[0] + a[1]) / 4 if i else 0.0
        kept = 1 - gate if i else 1.0
        a = [kept * a[s] * chance[s] + mixed for s in (0, 1)]
        b = [kept * fade * b[s] * signed[s] for s in (0, 1)]
    return (sum(a) + sum(b)) / 2


def _errors(pair: BellPair, readout: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of a pair's X error being 0 or 1, a wrong bit included: the chance, and the mean of (−1)^Z with it."""
    z = pair.zz * (1 - 2 * readout)
    same, other = (pair.xx + pair.yy) / 2, (pair.xx - pair.yy) / 2
    mixed = ((1 - readout) * same + readout * other, (1 - readout) * other + readout * same)
    return ((1 + z) / 2, (1 - z) / 2), mixed


@dataclass(frozen=True, slots=True)
class Fuse:
    """To the hub's hardware: CNOT from the root to this handle, measure the handle."""

    member: int
    handle: int


@dataclass(frozen=True, slots=True)
class Tell:
    """To a member: its part is ready once it applied X (or nothing)."""

    member: int
    flip: bool


@dataclass(slots=True)
class Hub:
    """The hub's rule. Members are node numbers; each joins once, in the order in which its pair comes."""

    members: frozenset[int]
    root: int = -1
    joined: list[int] = field(default_factory=list)
    _fusing: set[int] = field(default_factory=set)

    def on_pair(self, member: int, handle: int) -> Fuse | Tell | None:
        """A pair in Φ⁺ with a member: the first makes the root; None for one that is not needed."""
        if member not in self.members or member in self.joined or member in self._fusing:
            return None
        if self.root < 0:
            self.root = handle
            self.joined.append(member)
            return Tell(member, False)
        self._fusing.add(member)
        return Fuse(member, handle)

    def on_fused(self, member: int, bit: int) -> Tell:
        """The hardware measured."""
        self._fusing.discard(member)
        self.joined.append(member)
        return Tell(member, bool(bit))

    @property
    def missing(self) -> frozenset[int]:
        """Members that are not part of the state yet."""
        return self.members - set(self.joined)
