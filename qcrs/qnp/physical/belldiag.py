"""The fast backend: each pair is three correlators and a frame, and time passes for it only when it is used.

Exact for Bell-diagonal states. For single-click pairs, which are not, it is exact for the average over
swap outcomes (a twirl). An end may measure before the pair is connected, as requests of type MEASURE do:
its bit is then random, and the swap that connects two measured ends draws its outcome conditioned on both
bits, which is the same joint distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import Any

from qcrs.errors import InputError
from qcrs.qnp.physical.bell import AXES, BellPair, frame_signs, readout_factors
from qcrs.qnp.physical.hardware import NodeNoise, Source
from qcrs.qnp.physical.purification import from_weights, joined, joint
from qcrs.qnp.physical.streams import Stream

__all__ = ["BellDiagonalHardware"]

XX, YY, ZZ, FRAME, SINCE, FIRST, SECOND, RATE1, RATE2, DEPOL1, DEPOL2, SEEN1, SEEN2 = range(13)
"""Fields of a pair: correlators, frame, time they hold for, handles, rates of each end, what it measured.

A pair is a plain list because it is touched in every swap: no attribute, no allocation but itself.
"""


class BellDiagonalHardware:
    """Pairs as lists of correlators. `nodes` gives the noise of each node by number."""

    def __init__(self, nodes: Sequence[NodeNoise], seed: int) -> None:
        self._pairs: dict[int, list[Any]] = {}
        self._next = 0
        shared: dict[float, float] = {}  # one object for one value: large networks live in small caches
        self._xy = [
            shared.setdefault(r, r) for r in (n.dephasing_per_ns + n.depolarising_per_ns for n in nodes)
        ]
        self._z = [shared.setdefault(n.depolarising_per_ns, n.depolarising_per_ns) for n in nodes]
        self._depolarises = any(self._z)
        self._factors = [
            tuple((1 - n.gate_error) * k for k in readout_factors(n.readout_error)) for n in nodes
        ]
        self._ideal = [f == (1.0, 1.0, 1.0) for f in self._factors]
        self._readout = [1 - 2 * n.readout_error for n in nodes]
        self._gate = [n.gate_error for n in nodes]
        self._half: dict[int, tuple[int, float, float, int, int]] = {}
        """Purifications of which one end has done its part, by its handle: when, its rates, node, bit."""
        self._streams = [Stream(seed, f"node/{i}") for i in range(len(nodes))]

    def create(self, now: int, source: Source, first: int, second: int, bell: int) -> tuple[int, int]:
        """A fresh pair; see `Hardware`."""
        one = self._next
        self._next = one + 2
        xx, yy, zz = source.xyz
        xy, z = self._xy, self._z
        pair = [xx, yy, zz, bell, now, one, one + 1, xy[first], xy[second], z[first], z[second], None, None]
        self._pairs[one] = self._pairs[one + 1] = pair
        return one, one + 1

    def swap(self, now: int, node: int, left: int, right: int) -> int:
        """Bell measurement: correlators multiply, frames add; see `Hardware`."""
        pairs = self._pairs
        p, q = pairs.pop(left), pairs.pop(right)
        age, age2 = now - p[SINCE], now - q[SINCE]
        fade = exp(-(p[RATE1] + p[RATE2]) * age - (q[RATE1] + q[RATE2]) * age2)
        p[XX] *= q[XX] * fade
        p[YY] *= q[YY] * fade
        p[ZZ] *= q[ZZ]
        if self._depolarises:
            p[ZZ] *= exp(-(p[DEPOL1] + p[DEPOL2]) * age - (q[DEPOL1] + q[DEPOL2]) * age2)
        if not self._ideal[node]:
            fx, fy, fz = self._factors[node]
            p[XX] *= fx
            p[YY] *= fy
            p[ZZ] *= fz
        p[SINCE] = now
        if p[FIRST] == left:  # what remains of p becomes its first end
            p[FIRST], p[RATE1], p[DEPOL1], p[SEEN1] = p[SECOND], p[RATE2], p[DEPOL2], p[SEEN2]
        if q[FIRST] == right:
            p[SECOND], p[RATE2], p[DEPOL2], p[SEEN2] = q[SECOND], q[RATE2], q[DEPOL2], q[SEEN2]
        else:
            p[SECOND], p[RATE2], p[DEPOL2], p[SEEN2] = q[FIRST], q[RATE1], q[DEPOL1], q[SEEN1]
        if p[SECOND] in pairs:
            pairs[p[SECOND]] = p
        before = p[FRAME] ^ q[FRAME]
        draw = self._streams[node].uniform()
        if p[SEEN1] is None or p[SEEN2] is None:
            outcome = int(draw * 4) & 3
        else:
            outcome = self._outcome_given_bits(p, before, draw)
        p[FRAME] = before ^ outcome
        return outcome

    @staticmethod
    def _outcome_given_bits(pair: list[Any], before: int, draw: float) -> int:
        """The outcome k with probability (1 + s·E_k)/4: s the bits' product, E_k its correlation."""
        (axis1, bit1), (axis2, bit2) = pair[SEEN1], pair[SEEN2]
        a, b = AXES[axis1], AXES[axis2]
        terms = [pair[i] * a[i] * b[i] * (1 - 2 * (bit1 ^ bit2)) for i in range(3)]
        total = 0.0
        for outcome in range(3):
            signs = frame_signs(before ^ outcome)
            total += (1 + sum(s * t for s, t in zip(signs, terms, strict=True))) / 4
            if draw <= total:
                return outcome
        return 3

    def _settle(self, now: int, pair: list[Any]) -> None:
        """Let the time since the last use pass."""
        age = now - pair[SINCE]
        if age:
            fade = exp(-(pair[RATE1] + pair[RATE2]) * age)
            pair[XX] *= fade
            pair[YY] *= fade
            pair[ZZ] *= exp(-(pair[DEPOL1] + pair[DEPOL2]) * age)
            pair[SINCE] = now

    def measure(self, now: int, node: int, handle: int, axis: int) -> int:
        """One end's bit: random, or correlated with the other end's if that was measured; see `Hardware`."""
        pair = self._pairs[handle]
        self._settle(now, pair)
        k = self._readout[node]
        if k != 1.0:
            pair[XX] *= k
            pair[YY] *= k
            pair[ZZ] *= k
        first = pair[FIRST] == handle
        other = pair[SEEN2 if first else SEEN1]
        bit = 0 if self._streams[node].uniform() <= 0.5 else 1
        if other is not None:
            a, b = AXES[axis], AXES[other[0]]
            signs = frame_signs(pair[FRAME])
            correlation = sum(signs[i] * pair[i] * a[i] * b[i] for i in range(3))
            equal = self._streams[node].uniform() <= (1 + correlation) / 2
            bit = other[1] if equal else 1 - other[1]
        if first:
            pair[SEEN1], pair[RATE1], pair[DEPOL1] = (axis, bit), 0.0, 0.0
        else:
            pair[SEEN2], pair[RATE2], pair[DEPOL2] = (axis, bit), 0.0, 0.0
        return bit

    def purify(self, now: int, node: int, kept: int, sacrificed: int, turns: tuple[int, int]) -> int:
        """One end's part: the first end's bit is random, the second's agrees with the chance of the pairs.

        Noise of the end that was first no longer reaches the measured pair, so it waits outside the kept one
        until the second end is done.
        """
        p, q = self._pairs[kept], self._pairs[sacrificed]
        self._settle(now, p)
        self._settle(now, q)
        first = p[FIRST] == kept
        begun = self._half.pop(p[SECOND] if first else p[FIRST], None)
        if begun is None:
            bit = 0 if self._streams[node].uniform() <= 0.5 else 1
            rate, depol = (RATE1, DEPOL1) if first else (RATE2, DEPOL2)
            self._half[kept] = (now, p[rate], p[depol], node, bit)
            p[rate] = p[depol] = 0.0
            rate, depol = (RATE1, DEPOL1) if q[FIRST] == sacrificed else (RATE2, DEPOL2)
            q[rate] = q[depol] = 0.0
            return bit
        since, rate_before, depol_before, other, other_bit = begun
        gates = 1 - (1 - self._gate[node]) * (1 - self._gate[other])
        readout = (1 - self._readout[node] * self._readout[other]) / 2
        weights = [BellPair(one[XX], one[YY], one[ZZ]).weights() for one in (p, q)]
        sides = joint(weights[0], weights[1], turns, gates, readout)
        wrong = 0 if self._streams[node].uniform() <= sum(sides[0]) else 1
        left = from_weights(sides[wrong], 0)
        fade, depolarised = exp(-rate_before * (now - since)), exp(-depol_before * (now - since))
        p[XX], p[YY], p[ZZ] = left.xx * fade, left.yy * fade, left.zz * depolarised
        rate, depol = (RATE2, DEPOL2) if first else (RATE1, DEPOL1)
        p[rate], p[depol] = rate_before, depol_before
        p[FRAME], expected = joined(p[FRAME], q[FRAME], turns)
        return int(other_bit ^ expected ^ wrong)

    def correct(self, handle: int, pauli: int) -> None:
        """A Pauli moves the frame; see `Hardware`."""
        self._pairs[handle][FRAME] ^= pauli

    def teleport(self, now: int, node: int, handle: int, vector: tuple[float, float, float]) -> int:
        """Bell measurement of a qubit with this Bloch vector and `handle`, which ends: the reported outcome.

        The other end's handle then holds one qubit: the vector times the correlators, turned by the frame.
        """
        pair = self._pairs[handle]
        self._settle(now, pair)
        first = pair[FIRST] == handle
        if pair[SEEN1] is not None or pair[SEEN2] is not None:
            raise InputError("a measured pair teleports nothing", field="handle", value=handle)
        del self._pairs[handle]
        factors = self._factors[node]
        x, y, z = (vector[i] * pair[i] * factors[i] for i in range(3))
        outcome = int(self._streams[node].uniform() * 4) & 3
        other, rate, depol = (SECOND, RATE2, DEPOL2) if first else (FIRST, RATE1, DEPOL1)
        frame = pair[FRAME] ^ outcome
        single = [x, y, z, frame, now, -1, pair[other], 0.0, pair[rate], 0.0, pair[depol], (), None]
        self._pairs[pair[other]] = single
        return outcome

    def vector(self, now: int, handle: int) -> tuple[float, float, float]:
        """The Bloch vector of a qubit that was teleported."""
        single = self._pairs[handle]
        self._settle(now, single)
        x, z = single[FRAME] >> 1, single[FRAME] & 1
        signs = (1 - 2 * z, 1 - 2 * (x ^ z), 1 - 2 * x)
        return signs[0] * single[XX], signs[1] * single[YY], signs[2] * single[ZZ]

    def let_go(self, now: int, handle: int) -> None:
        """A pair's qubit went into something else: what its memory does no longer concerns the pair."""
        pair = self._pairs[handle]
        self._settle(now, pair)
        if pair[FIRST] == handle:
            pair[RATE1] = pair[DEPOL1] = 0.0
        else:
            pair[RATE2] = pair[DEPOL2] = 0.0

    def scramble(self, handle: int, axis: int) -> None:
        """A qubit is measured along X, Y or Z by a stranger and sent on: the other correlators vanish."""
        pair = self._pairs[handle]
        for other in range(3):
            if other != axis:
                pair[other] = 0.0

    def free(self, handle: int) -> None:
        """Forget a handle; see `Hardware`."""
        del self._pairs[handle]
        if self._half:
            self._half.pop(handle, None)

    def held(self) -> int:
        """Handles in use."""
        return len(self._pairs)

    def fidelity(self, now: int, handle: int, bell: int) -> float | None:
        """Overlap with a Bell state now; see `Hardware`."""
        pair = self._pairs[handle]
        if pair[SEEN1] is not None or pair[SEEN2] is not None:
            return None
        self._settle(now, pair)
        value = BellPair(pair[XX], pair[YY], pair[ZZ]).weights()[pair[FRAME] ^ bell]
        return float(value)

    def frame(self, handle: int) -> int:
        """The pair's Bell index; see `Hardware`."""
        return int(self._pairs[handle][FRAME])

    def formed(self, handle: int) -> int:
        """When the pair became what it is: its last swap, or its making."""
        return int(self._pairs[handle][SINCE])

    def pair(self, now: int, handle: int) -> BellPair:
        """The handle's pair as a value."""
        pair = self._pairs[handle]
        self._settle(now, pair)
        return BellPair(pair[XX], pair[YY], pair[ZZ], pair[FRAME])
