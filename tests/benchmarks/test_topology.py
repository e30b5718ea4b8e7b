from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcrs.benchmarks.topology import Coupling
from qcrs.errors import InputError

LINE = [(i, i + 1) for i in range(9)]
GRID = [(5 * y + x, 5 * y + x + 1) for y in range(4) for x in range(4)] + [(q, q + 5) for q in range(15)]


@st.composite
def couplings(draw: st.DrawFn) -> Coupling:
    qubits = draw(st.integers(2, 14))
    pairs = [(a, b) for a in range(qubits) for b in range(a + 1, qubits)]
    return Coupling.of(qubits, draw(st.lists(st.sampled_from(pairs), min_size=1, unique=True)))


@given(couplings())
def test_layers_are_disjoint_and_cover_every_pair_once(coupling: Coupling) -> None:
    layers = coupling.layers()
    assert sorted(edge for layer in layers for edge in layer) == list(coupling.edges)
    for layer in layers:
        touched = [q for edge in layer for q in edge]
        assert len(touched) == len(set(touched))
    busiest = max(len(coupling.near(q)) for q in range(coupling.qubits))
    assert busiest <= len(layers) <= 2 * busiest


@given(couplings())
def test_a_spread_is_a_tree_over_coupled_pairs(coupling: Coupling) -> None:
    spread = coupling.spread()
    reached = [spread.root]
    for parent, child in spread.steps:
        assert parent in reached
        assert child not in reached
        assert child in coupling.near(parent)
        reached.append(child)
    assert set(reached) == set(coupling.distances(spread.root))
    assert spread.region(1) == (spread.root,)
    assert spread.region(len(reached)) == tuple(reached)


def test_common_shapes_need_few_layers() -> None:
    assert len(Coupling.of(10, LINE).layers()) == 2
    assert len(Coupling.of(20, GRID).layers()) <= 5
    assert len(Coupling.of(8, None).layers()) == 7
    assert all(len(layer) == 4 for layer in Coupling.of(8, []).layers())


def test_a_complete_graph_spreads_by_doubling() -> None:
    assert Coupling.of(16, None).spread().rounds == 4
    assert Coupling.of(20, None).spread().rounds == 5


def test_direction_and_repetition_do_not_matter() -> None:
    assert Coupling.of(3, [(1, 0), (0, 1), [2, 1]]).edges == ((0, 1), (1, 2))


@pytest.mark.parametrize("pair", [(0, 0), (0, 3), (-1, 1)])
def test_impossible_pairs_are_refused(pair: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="coupling"):
        Coupling.of(3, [pair])
