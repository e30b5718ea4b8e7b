"""The two libraries against their definitions."""

from __future__ import annotations

import math
from typing import Any

import pytest
from coordinator_words import Tree, rounds_of


@pytest.fixture(scope="module")
def libraries(deployed: Any) -> Any:
    return deployed.deploy("Libraries")


@pytest.mark.parametrize(
    ("high", "low"), [(3, 1), (2, 1), (299_999, 100_000), (1_000_001, 1_000_000), (10, 7)]
)
def test_logarithm(libraries: Any, high: int, low: int) -> None:
    found = libraries.read("lnRatio", high * 10**6, low * 10**6) / 10**18
    assert found == pytest.approx(math.log(high / low), rel=1e-8)


def test_logarithm_of_one_is_zero(libraries: Any) -> None:
    assert libraries.read("lnRatio", 5, 5) == 0


@pytest.mark.parametrize(
    ("fidelity", "minimum", "share"),
    [(950_000, 900_000, 0.0741), (1_000_000, 500_001, 1.0986), (900_000, 900_000, 0.0)],
)
def test_lifetime_is_tau_times_the_log_of_the_ratio(
    libraries: Any, fidelity: int, minimum: int, share: float
) -> None:
    tau_ns = 4_000_000_000
    w, w_min = ((4 * value / 1e6 - 1) / 3 for value in (fidelity, minimum))
    found = libraries.read("lifetime", tau_ns, fidelity, minimum)
    assert found == pytest.approx(tau_ns * math.log(w / w_min), rel=1e-8, abs=1)
    assert found / tau_ns == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 100, 129])
def test_each_leaf_has_one_proof_at_its_own_place(libraries: Any, count: int) -> None:
    tree = Tree(3, 9, rounds_of(count))
    assert libraries.read("depth", count) == max(0, math.ceil(math.log2(count)))
    for index in {0, count // 2, count - 1}:
        proof = tree.proof(index)
        args = (tree.root, tree.leaf(index), index, count, proof)
        assert libraries.read("verify", *args)
        for wrong in range(max(1, min(count, 8))):
            if wrong != index:
                assert not libraries.read("verify", tree.root, tree.leaf(index), wrong, count, proof)
        assert not libraries.read("verify", tree.root, tree.leaf(index), count, count, proof)
        assert not libraries.read("verify", tree.root, tree.leaf(index), index, count, [*proof, bytes(32)])
        if proof:
            assert not libraries.read("verify", tree.root, tree.leaf(index), index, count, proof[:-1])
            assert not libraries.read("verify", bytes(32), tree.leaf(index), index, count, proof)


def test_a_leaf_names_channel_epoch_place_and_outcomes(deployed: Any) -> None:
    tree = Tree(3, 9, ((0, 1, 0), (2, 1, 1)))
    for index in (0, 1):
        assert deployed.coordinator.read("leafHash", 3, 9, tree.round(index)) == tree.leaf(index)
    assert tree.leaf(0) != Tree(4, 9, tree.rounds).leaf(0) != Tree(3, 8, tree.rounds).leaf(0)
