"""When a plan's pairs have to be there: epochs, deadlines, the chance to meet them, the time of a shot.

An *epoch* is a maximal run of acts during which some copy is open: its links belong together, and between
epochs no processor waits for another. Its pairs are gathered first; they age while they wait. With
w = (4F − 1)/3 and w(t) = w₀·e^(−t/τ) a pair is good enough until D = τ·ln(w₀/w_min), which is the epoch's
deadline: if not all pairs have come within the shortest D, they are given up and gathered again, and no state
is lost, because none was there. Pairs arrive as a Poisson stream on each channel.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.integrate import quad
from scipy.stats import gamma, poisson

from qcrs.distributed.noise import MOST_EXACT, BellDiagonal, Channel, Floats, predicted
from qcrs.distributed.plan import Plan
from qcrs.distributed.schedule import Apply, Close, Follow, Move, Open, Rotate
from qcrs.errors import InputError

__all__ = ["Epoch", "Pace", "Quote", "Supply", "deadline_s", "epochs", "quote", "shot_seconds"]


@dataclass(frozen=True, slots=True)
class Supply:
    """What a channel gives: as QNP promises it, or as test rounds have shown."""

    rate_hz: float
    """End-to-end pairs per second."""
    fidelity: float
    """Of a fresh pair."""
    memory_s: float
    """τ of the memories that hold it, both ends together."""
    least: float = 0.5
    """Fidelity below which a pair is given up."""

    def __post_init__(self) -> None:
        if not self.rate_hz > 0 or not self.memory_s > 0:
            raise InputError(
                "a rate and a memory time above 0", field="supply", value=(self.rate_hz, self.memory_s)
            )
        if not 0.25 < self.least < self.fidelity <= 1:
            raise InputError(
                "a fidelity above the least, which is above 1/4",
                field="fidelity",
                value=self.fidelity,
                solution="ask for less, or open a better channel",
            )


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of a gate, and of an outcome on its way from one processor to another."""

    gate_s: float
    message_s: float


@dataclass(frozen=True, slots=True)
class Epoch:
    """Acts [first, last) of a schedule and the pairs that they take, by channel (p < q)."""

    first: int
    last: int
    pairs: Mapping[Channel, int]


@dataclass(frozen=True, slots=True)
class Quote:
    """What a plan costs before anybody pays for it, for one shot."""

    pairs: Mapping[Channel, int]
    epochs: int
    depth: int
    """Of the joint circuit, with measurements and corrections."""
    deadlines_s: tuple[float, ...]
    """Of each epoch with pairs."""
    chances: tuple[float, ...]
    """That an epoch's pairs all come before its deadline, at one attempt."""
    expected_pairs: float
    """With those that are given up."""
    seconds: float
    """Expected, gathering and running."""
    fresh: Floats | None
    """Outcome probabilities with pairs as they arrive; None above ten qubits (`noise.sampled` goes on)."""
    oldest: Floats | None
    """The same with every pair at its deadline: the worst that an epoch that runs can meet."""

    @property
    def loss(self) -> float | None:
        """Total variation distance between the two: what waiting can cost."""
        if self.fresh is None or self.oldest is None:
            return None
        return float(np.abs(self.fresh - self.oldest).sum() / 2)


def deadline_s(supply: Supply) -> float:
    """Seconds for which a pair of the channel stays above its least fidelity."""
    return supply.memory_s * math.log((4 * supply.fidelity - 1) / (4 * supply.least - 1))


def epochs(plan: Plan) -> tuple[Epoch, ...]:
    """The plan's epochs, in order; acts between them take no pairs."""
    found: list[Epoch] = []
    first, opened, pairs = 0, 0, Counter[Channel]()
    for index, act in enumerate(plan.schedule.acts):
        if isinstance(act, Open):
            if not opened:
                first = index
            opened += 1
            for p, q in pairwise(plan.network.path(act.source, act.target)):
                pairs[min(p, q), max(p, q)] += 1
        elif isinstance(act, Close | Move):
            opened -= 1
            if not opened:
                found.append(Epoch(first, index + 1, dict(sorted(pairs.items()))))
                pairs = Counter()
    return tuple(found)


def _gathering(epoch: Epoch, supplies: Mapping[Channel, Supply]) -> tuple[float, float, float, float]:
    """Deadline, chance to meet it, expected seconds and expected pairs until an attempt meets it."""
    channels = {channel: _supply(supplies, channel) for channel in epoch.pairs}
    deadline = min(deadline_s(one) for one in channels.values())
    chance, wasted = 1.0, 0.0
    for channel, one in channels.items():
        chance *= float(poisson.sf(epoch.pairs[channel] - 1, one.rate_hz * deadline))
    if chance < 1e-6:
        raise InputError(
            "an epoch's pairs cannot come together before they are too old",
            field="epoch",
            value=dict(epoch.pairs),
            solution="use faster channels or longer memories, ask for less fidelity, or cut the circuit",
        )

    def late(t: float) -> float:
        """Chance that not all pairs are there at t."""
        there = 1.0
        for channel, one in channels.items():
            there *= float(gamma.cdf(t * one.rate_hz, epoch.pairs[channel]))
        return 1 - there

    busy = float(quad(late, 0, deadline, limit=200)[0])  # mean of min(time until all are there, deadline)
    for channel, one in channels.items():
        counts = np.arange(epoch.pairs[channel])
        wasted += epoch.pairs[channel] - float(
            ((epoch.pairs[channel] - counts) * poisson.pmf(counts, one.rate_hz * deadline)).sum()
        )
    return deadline, chance, busy / chance, wasted / chance


def _supply(supplies: Mapping[Channel, Supply], channel: Channel) -> Supply:
    if channel not in supplies:
        raise InputError("nothing is known of a channel", field="channels", value=channel)
    return supplies[channel]


def shot_seconds(plan: Plan, pace: Pace) -> float:
    """Longest chain of gates and messages, with every pair there when it is needed.

    Acts wait for what they touch: a qubit's part on a processor. Opening, closing and moving take a gate, a
    measurement and a message; what another processor measured arrives after the message.
    """
    ready: dict[tuple[int, int], float] = dict.fromkeys(enumerate(plan.schedule.start), 0.0)
    holder = list(plan.schedule.start)
    hop = 2 * pace.gate_s + pace.message_s
    for act in plan.schedule.acts:
        if isinstance(act, Rotate):
            ready[act.turn.qubit, act.at] += pace.gate_s
        elif isinstance(act, Apply):
            parts = [(qubit, act.at) for qubit in act.gate.qubits]
            ready |= dict.fromkeys(parts, max(ready[part] for part in parts) + pace.gate_s)
        elif isinstance(act, Follow):
            parts = [(act.qubit, act.at)] + ([] if act.control is None else [(act.control, act.at)])
            ready |= dict.fromkeys(parts, max(ready[part] for part in parts) + pace.gate_s)
        elif isinstance(act, Open):
            begun = ready[act.qubit, act.source]
            ready[act.qubit, act.source] = begun + 2 * pace.gate_s
            ready[act.qubit, act.target] = begun + hop
        elif isinstance(act, Close):
            gone = ready.pop((act.qubit, act.at)) + hop
            held = act.qubit, holder[act.qubit]
            ready[held] = max(ready[held], gone)
        else:
            holder[act.qubit] = act.to
            gone = ready.pop((act.qubit, act.source)) + hop
            ready[act.qubit, act.to] = max(ready[act.qubit, act.to], gone)
    return max(ready.values(), default=0.0)


def quote(plan: Plan, supplies: Mapping[Channel, Supply], pace: Pace) -> Quote:
    """Pairs, depth, deadlines, time and predicted outcomes of a plan on channels.

    Raises `InputError` for a channel that is not named and for an epoch whose pairs cannot come together.
    """
    from qcrs.distributed.emit import joint_circuit

    found = epochs(plan)
    gathered = [_gathering(epoch, supplies) for epoch in found]
    fresh = oldest = None
    if plan.form.qubits <= MOST_EXACT:
        fresh = predicted(plan, {c: BellDiagonal.werner(one.fidelity) for c, one in supplies.items()})
        oldest = predicted(plan, {c: BellDiagonal.werner(one.least) for c, one in supplies.items()})
    return Quote(
        plan.schedule.pairs,
        len(found),
        joint_circuit(plan.form, plan.schedule).depth(),
        tuple(deadline for deadline, _, _, _ in gathered),
        tuple(chance for _, chance, _, _ in gathered),
        sum(pairs for _, _, _, pairs in gathered),
        sum(seconds for _, _, seconds, _ in gathered) + shot_seconds(plan, pace),
        fresh,
        oldest,
    )
