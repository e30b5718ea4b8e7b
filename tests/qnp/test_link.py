"""Turns of labels on a link."""

from __future__ import annotations

from collections import Counter

from qcrs.qnp.link import LinkLayer
from qcrs.qnp.physical import KEEP, Stream


def _layer(weights: dict[int, int], *, coordinated: bool = True) -> LinkLayer:
    layer = LinkLayer(coordinated=coordinated)
    for label, weight in weights.items():
        layer.install(label, weight)
        assert not layer.create(label, 0, KEEP)
        assert layer.create(label, 1, KEEP)
    return layer


def _turns(layer: LinkLayer, count: int) -> list[int]:
    found = []
    for _ in range(count):
        stream = layer.turn()
        assert stream is not None
        found.append(stream.label)
    return found


def test_a_label_is_open_while_both_ends_want_it() -> None:
    layer = _layer({5: 1})
    assert layer.open_labels == (5,)
    layer.stop(5, 0)
    assert layer.open_labels == ()
    assert layer.turn() is None
    assert layer.create(5, 0, 2)
    stream = layer.turn()
    assert stream is not None
    assert stream.modes == (2, KEEP)


def test_equal_weights_go_in_the_order_of_labels_on_every_link() -> None:
    assert _turns(_layer({3: 1, 1: 1, 2: 1}), 6) == [1, 2, 3, 1, 2, 3]


def test_turns_follow_weights_and_are_spread_evenly() -> None:
    turns = _turns(_layer({1: 3, 2: 1}), 40)
    assert Counter(turns) == {1: 30, 2: 10}
    assert all(Counter(turns[i : i + 4]) == {1: 3, 2: 1} for i in range(0, 40, 4))


def test_independent_labels_are_drawn_by_weight() -> None:
    layer = _layer({1: 3, 2: 1}, coordinated=False)
    draws = Stream(1, "x")
    assert layer.wants_draw()
    count = Counter(s.label for s in (layer.turn(draws.uniform()) for _ in range(4000)) if s is not None)
    assert abs(count[1] - 3000) < 3 * (4000 * 3 / 16) ** 0.5
