"""Merkle trees bind every leaf to its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcrs.circuits.drbg import keccak
from qcrs.circuits.merkle import MerkleTree, proves
from qcrs.errors import InputError


def leaves(count: int) -> list[bytes]:
    return [keccak(bytes([n])) for n in range(count)]


@given(st.integers(1, 40), st.data())
def test_each_leaf_has_one_place(count: int, data: st.DataObject) -> None:
    tree = MerkleTree(leaves(count))
    index = data.draw(st.integers(0, count - 1))
    other = data.draw(st.integers(0, count + 1))
    proof = tree.proof(index)
    assert proves(tree.root, leaves(count)[index], index, count, proof)
    if other != index:
        assert not proves(tree.root, leaves(count)[index], other, count, proof)
    assert not proves(tree.root, keccak(b"another"), index, count, proof)
    assert not proves(tree.root, leaves(count)[index], index, 2 * count, proof)


def test_the_root_of_five_by_hand() -> None:
    a, b, c, d, e = leaves(5)
    zero = bytes(32)
    left = keccak(keccak(a + b) + keccak(c + d))
    right = keccak(keccak(e + zero) + keccak(zero + zero))
    assert MerkleTree([a, b, c, d, e]).root == keccak(left + right)
    assert MerkleTree([a]).root == a


def test_bad_input_is_said() -> None:
    with pytest.raises(InputError, match="at least one leaf"):
        MerkleTree([])
    with pytest.raises(InputError, match="32 bytes"):
        MerkleTree([b"short"])
    with pytest.raises(InputError, match="no such leaf"):
        MerkleTree(leaves(3)).proof(3)
