"""Merkle trees whose proofs bind a leaf's position, as `contracts/libraries/IndexedMerkle.sol` checks them.

A node is keccak(left ‖ right); a tree over n leaves has ⌈log₂ n⌉ levels, and leaves that are missing on the
right are zero words. A proof lists the siblings from the leaf up.
"""

from __future__ import annotations

from collections.abc import Sequence

from qcrs.circuits.drbg import keccak
from qcrs.errors import InputError

__all__ = ["MerkleTree", "proves"]

ZERO = bytes(32)


class MerkleTree:
    """The tree over at least one leaf of 32 bytes; `InputError` for anything else."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        if not leaves:
            raise InputError("a tree has at least one leaf", field="leaves", value=0)
        if any(len(leaf) != 32 for leaf in leaves):
            raise InputError("a leaf is a hash of 32 bytes", field="leaves")
        self.count = len(leaves)
        self._levels = [list(leaves)]
        empty, width = ZERO, 1
        while width < self.count:
            row = self._levels[-1]
            if len(row) & 1:
                row.append(empty)
            self._levels.append([keccak(row[i] + row[i + 1]) for i in range(0, len(row), 2)])
            empty, width = keccak(empty + empty), 2 * width

    @property
    def root(self) -> bytes:
        """The root, 32 bytes."""
        return self._levels[-1][0]

    def proof(self, index: int) -> list[bytes]:
        """Siblings of leaf `index` from the bottom up."""
        if not 0 <= index < self.count:
            raise InputError("no such leaf", field="index", value=index)
        return [row[(index >> level) ^ 1] for level, row in enumerate(self._levels[:-1])]


def proves(root: bytes, leaf: bytes, index: int, count: int, proof: Sequence[bytes]) -> bool:
    """Whether `leaf` is number `index` of the `count` leaves under `root`."""
    if not 0 <= index < count or len(proof) != (count - 1).bit_length():
        return False
    node = leaf
    for level, sibling in enumerate(proof):
        node = keccak(sibling + node) if index >> level & 1 else keccak(node + sibling)
    return node == root
