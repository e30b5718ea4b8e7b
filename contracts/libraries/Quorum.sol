// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IOracleQuorum} from "../interfaces/IOracleQuorum.sol";

/// @title Quorum
/// @notice Checks the signatures of an oracle quorum against a signer list kept as contract code.
library Quorum {
    /// @dev Half the order of secp256k1: signatures with a higher s are refused (EIP-2).
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @notice Reverts unless every signer named by `bitmap`, at least `threshold` of the `count`, signed `digest`.
    /// @param pointer its code is a zero byte and the packed 20-byte signers
    /// @param signatures 64 bytes (r, vs) for each bit set, in ascending order
    /// @return signers the list as it was read
    function check(
        bytes32 digest,
        address pointer,
        uint256 count,
        uint256 threshold,
        uint256 bitmap,
        bytes calldata signatures
    ) internal view returns (bytes memory signers) {
        signers = load(pointer, count);
        uint256 offset;
        // Indices stay below 32 and offsets below 2^11.
        unchecked {
            uint256 given;
            for (uint256 rest = bitmap; rest != 0; rest &= rest - 1) ++given;
            require(
                given >= threshold && bitmap >> count == 0, IOracleQuorum.OracleQuorumNotReached(given, threshold)
            );
            require(
                signatures.length == given * 64,
                IOracleQuorum.OracleQuorumBadLength(signatures.length, given * 64)
            );
            for (uint256 i; i < count; ++i) {
                if (bitmap >> i & 1 == 0) continue;
                address expected = signerAt(signers, i);
                address found = recover(digest, signatures, offset);
                require(found == expected && found != address(0), IOracleQuorum.OracleQuorumBadSignature(i, expected, found));
                offset += 64;
            }
        }
    }

    /// @notice The signer of the compact signature at `offset`, or zero if it is malformed.
    function recover(bytes32 digest, bytes calldata signatures, uint256 offset) internal view returns (address found) {
        assembly ("memory-safe") {
            let vs := calldataload(add(signatures.offset, add(offset, 32)))
            let s := and(vs, 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF)
            if iszero(gt(s, HALF_ORDER)) {
                let buffer := mload(0x40)
                mstore(buffer, digest)
                mstore(add(buffer, 32), add(27, shr(255, vs)))
                mstore(add(buffer, 64), calldataload(add(signatures.offset, offset)))
                mstore(add(buffer, 96), s)
                mstore(0, 0)
                if staticcall(gas(), 1, buffer, 128, 0, 32) { found := mload(0) }
            }
        }
    }

    /// @notice The signer list behind a pointer.
    function load(address pointer, uint256 count) internal view returns (bytes memory signers) {
        signers = new bytes(count * 20);
        assembly ("memory-safe") {
            extcodecopy(pointer, add(signers, 32), 1, mul(count, 20))
        }
    }

    /// @notice Signer `i` of a list.
    function signerAt(bytes memory signers, uint256 i) internal pure returns (address signer) {
        assembly ("memory-safe") {
            signer := shr(96, mload(add(add(signers, 32), mul(i, 20))))
        }
    }
}
