"""Epochs part a plan where nothing is open; chances and times are those of pairs that arrive at random."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from qcrs.distributed import Effort, Network, plan
from qcrs.distributed.epochs import Epoch, Pace, Supply, _gathering, deadline_s, epochs, quote, shot_seconds
from qcrs.distributed.schedule import Close, Move, Open
from qcrs.errors import InputError

QUICK = Effort(tries=4, kept=1, moves=2000)


def test_a_deadline_follows_from_fidelities() -> None:
    """F 0.95 → 0.90 gives 0.074 τ."""
    assert deadline_s(Supply(1.0, 0.95, 2.0, 0.90)) == pytest.approx(2 * math.log(2.8 / 2.6))
    assert deadline_s(Supply(1.0, 0.95, 1.0, 0.90)) == pytest.approx(0.0741, abs=5e-5)


@pytest.mark.parametrize("program", ["qft", "ghz", "adder", "qaoa"])
@pytest.mark.parametrize("channels", [(), ((0, 1), (1, 2))])
def test_epochs_part_the_plan(circuits: Any, program: str, channels: Any) -> None:
    made = plan(circuits[program], Network.of([3] * 3, (), channels), QUICK)
    found = epochs(made)
    total = Counter[tuple[int, int]]()
    for epoch in found:
        total.update(epoch.pairs)
        opened = [0]
        for act in made.schedule.acts[epoch.first : epoch.last]:
            opened.append(opened[-1] + isinstance(act, Open) - isinstance(act, Close | Move))
        assert min(opened[1:-1]) > 0  # maximal: something is open all the time
        assert opened[-1] == 0
    assert dict(total) == made.schedule.pairs
    for before, after in pairwise(found):
        assert before.last <= after.first


def test_gathering_is_that_of_drawn_arrivals() -> None:
    channels = {(0, 1): Supply(40.0, 0.95, 2.0, 0.85), (1, 2): Supply(25.0, 0.93, 1.0, 0.80)}
    epoch = Epoch(0, 1, {(0, 1): 4, (1, 2): 3})
    deadline, chance, seconds, pairs = _gathering(epoch, channels)
    dice, tries = np.random.default_rng(2), 20_000
    times = np.zeros((tries, 2))
    used = np.zeros(tries)
    for place, (channel, n) in enumerate(epoch.pairs.items()):
        arrivals = dice.exponential(1 / channels[channel].rate_hz, (tries, n)).cumsum(axis=1)
        times[:, place] = arrivals[:, -1]
        used += (arrivals <= deadline).sum(axis=1)
    met = times.max(axis=1) <= deadline
    share = met.mean()
    assert 0.1 < chance < 0.95
    assert share == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / tries))
    assert np.minimum(times.max(axis=1), deadline).mean() / share == pytest.approx(seconds, rel=0.03)
    assert used.mean() / share == pytest.approx(pairs, rel=0.03)


def test_a_quote_says_it_all(circuits: Any) -> None:
    made = plan(circuits["qaoa"], Network.of([4, 4]), QUICK)
    supply = {(0, 1): Supply(1000.0, 0.95, 1.0, 0.9)}
    found = quote(made, supply, Pace(1e-6, 1e-4))
    assert found.pairs == made.schedule.pairs
    assert found.epochs == len(found.deadlines_s) == len(found.chances) == len(epochs(made))
    assert found.expected_pairs >= made.pairs
    assert found.seconds > shot_seconds(made, Pace(1e-6, 1e-4)) > 2e-4
    assert found.depth > 10
    assert found.fresh is not None
    assert found.fresh.sum() == pytest.approx(1)
    assert found.loss is not None
    assert 0 < found.loss < 0.2
    slower = quote(made, supply, Pace(1e-6, 1e-3))
    assert slower.seconds > found.seconds


def test_a_message_is_waited_for(family: Any) -> None:
    """GHZ over two processors: one pair, opened and closed: two messages on the longest chain."""
    made = plan(family["ghz"](4), Network.of([2, 2]), QUICK)
    assert made.pairs == 1
    assert shot_seconds(made, Pace(0.0, 1.0)) == pytest.approx(2.0)


def test_what_cannot_be_supplied_is_said(circuits: Any) -> None:
    made = plan(circuits["qft"], Network.of([4, 4]), QUICK)
    with pytest.raises(InputError, match="too old"):
        quote(made, {(0, 1): Supply(1e-4, 0.95, 0.1, 0.94)}, Pace(1e-6, 1e-4))
    with pytest.raises(InputError, match="nothing is known"):
        quote(made, {}, Pace(1e-6, 1e-4))
    with pytest.raises(InputError, match="above the least"):
        Supply(1.0, 0.8, 1.0, 0.9)
    with pytest.raises(InputError, match="above 0"):
        Supply(0.0, 0.9, 1.0)
