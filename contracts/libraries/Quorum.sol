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
        uint256 given = _bits(bitmap);
        if (given < threshold || bitmap >> count != 0) revert IOracleQuorum.OracleQuorumNotReached(given, threshold);
        if (signatures.length != given * 64) revert IOracleQuorum.OracleQuorumBadLength(signatures.length, given * 64);
        signers = load(pointer, count);
        uint256 wrong;
        address expected;
        address found;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            let signature := signatures.offset
            mstore(buffer, digest)
            for { let place := add(signers, 32) } bitmap { bitmap := shr(1, bitmap) } {
                if and(bitmap, 1) {
                    // v and s share the word vs: s is what is left of it without its highest bit, which tells v - 27
                    let vs := calldataload(add(signature, 32))
                    mstore(add(buffer, 32), add(27, shr(255, vs)))
                    calldatacopy(add(buffer, 64), signature, 32)
                    vs := shr(1, shl(1, vs))
                    mstore(add(buffer, 96), vs)
                    mstore(0, 0)
                    pop(staticcall(gas(), 1, buffer, 128, 0, 32))
                    // no signer of an era is zero, so what failed is not equal either
                    if or(xor(mload(0), shr(96, mload(place))), gt(vs, HALF_ORDER)) {
                        expected := shr(96, mload(place))
                        found := mul(mload(0), iszero(gt(vs, HALF_ORDER)))
                        wrong := add(div(sub(sub(place, signers), 32), 20), 1)
                        break
                    }
                    signature := add(signature, 64)
                }
                place := add(place, 20)
            }
        }
        if (wrong != 0) revert IOracleQuorum.OracleQuorumBadSignature(wrong - 1, expected, found);
    }

    /// @notice The signer of the compact signature at `offset`, or zero if it is malformed.
    function recover(bytes32 digest, bytes calldata signatures, uint256 offset) internal view returns (address found) {
        assembly ("memory-safe") {
            let vs := calldataload(add(signatures.offset, add(offset, 32)))
            let s := shr(1, shl(1, vs))
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

    /// @dev Bits set among the lowest 32.
    function _bits(uint256 x) private pure returns (uint256) {
        // Sums of at most 32.
        unchecked {
            x = (x & 0x55555555) + (x >> 1 & 0x55555555);
            x = (x & 0x33333333) + (x >> 2 & 0x33333333);
            x = (x & 0x0F0F0F0F) + (x >> 4 & 0x0F0F0F0F);
            return (x * 0x01010101 & 0xFFFFFFFF) >> 24;
        }
    }

    /// @notice The signer list behind a pointer.
    function load(address pointer, uint256 count) internal view returns (bytes memory signers) {
        // A list of at most 31 addresses.
        assembly ("memory-safe") {
            let size := mul(count, 20)
            signers := mload(0x40)
            mstore(signers, size)
            extcodecopy(pointer, add(signers, 32), 1, size)
            mstore(0x40, add(signers, and(add(size, 63), not(31))))
        }
    }

    /// @notice Whether an account is in a list.
    function contains(bytes memory signers, address account) internal pure returns (bool found) {
        assembly ("memory-safe") {
            let place := add(signers, 32)
            for { let end := add(place, mload(signers)) } lt(place, end) { place := add(place, 20) } {
                found := or(found, eq(shr(96, mload(place)), account))
            }
        }
    }

    /// @notice Signer `i` of a list.
    function signerAt(bytes memory signers, uint256 i) internal pure returns (address signer) {
        assembly ("memory-safe") {
            signer := shr(96, mload(add(add(signers, 32), mul(i, 20))))
        }
    }
}
