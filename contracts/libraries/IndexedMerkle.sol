// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title Merkle proofs that bind the position of a leaf
/// @notice A tree over n leaves has ceil(log2 n) levels, so the count fixes the length of every proof and each index has
/// exactly one leaf. A node is keccak256(left ‖ right); missing leaves on the right are zero words.
library IndexedMerkle {
    /// @notice Whether `leaf` is number `index` of the `count` leaves under `root`.
    function verify(bytes32 root, bytes32 leaf, uint256 index, uint256 count, bytes32[] calldata proof)
        internal
        pure
        returns (bool)
    {
        if (index >= count || proof.length != depth(count)) return false;
        bytes32 node = leaf;
        for (uint256 i = 0; i < proof.length; ++i) {
            node = index & 1 == 0 ? _parent(node, proof[i]) : _parent(proof[i], node);
            index >>= 1;
        }
        return node == root;
    }

    /// @notice Levels above the leaves of a tree with `count` ≥ 1 leaves.
    function depth(uint256 count) internal pure returns (uint256 levels) {
        for (uint256 width = 1; width < count; width <<= 1) ++levels;
    }

    function _parent(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(left, right));
    }
}
