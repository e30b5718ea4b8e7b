// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title Xmss
/// @notice Checks XMSS-like signatures over keccak256. The scheme is written out in IXmssVerifier.
library Xmss {
    uint256 private constant SIGNATURE_BYTES = 1424;
    uint256 private constant LEAVES = 1024;
    uint256 private constant DIGIT_SUM = 440;
    /// @dev Where type, index and part begin in a hash's first word. The step is its lowest byte.
    uint256 private constant TYPE_AT = 88;
    uint256 private constant INDEX_AT = 56;
    /// @dev Every other nibble, and every other byte, of 24 bytes.
    uint256 private constant NIBBLES = 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f;
    uint256 private constant BYTES = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;

    /// @notice Whether `signature` is one of `hash` by the key of `root` and `seed`.
    function verify(bytes24 root, bytes20 seed, bytes32 hash, bytes calldata signature) internal pure returns (bool) {
        if (signature.length != SIGNATURE_BYTES) return false;
        uint256 place;
        uint256 header;
        uint256 prefix;
        assembly ("memory-safe") {
            place := signature.offset
            header := calldataload(place)
            prefix := shl(96, shr(96, seed)) // as the seed lies in a hash's first word
        }
        uint256 index = header >> 224;
        (uint256 digits, uint256 sum) = _digits(prefix, header, hash);
        if (index >= LEAVES || sum != DIGIT_SUM) return false;
        // Places in calldata are far below 2^256.
        unchecked {
            bytes32 leaf = _leaf(prefix, index, digits, place + 32);
            return bytes24(_climb(prefix, index, leaf, place + 1184)) == root;
        }
    }

    /// @notice The leaf that a signature names; one past the last for bytes of a wrong length.
    function leafOf(bytes calldata signature) internal pure returns (uint256 leaf) {
        if (signature.length != SIGNATURE_BYTES) return LEAVES;
        assembly ("memory-safe") {
            leaf := shr(224, calldataload(signature.offset))
        }
    }

    /// @dev The 48 digits of a message hash, in the first 24 bytes, and their sum.
    function _digits(uint256 prefix, uint256 header, bytes32 hash) private pure returns (uint256 digits, uint256 sum) {
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            // index and counter lie side by side in the address, as they do in the signature
            mstore(buffer, or(prefix, or(shl(TYPE_AT, 4), shl(24, shr(192, header)))))
            mstore(add(buffer, 32), shl(64, header))
            mstore(add(buffer, 56), hash)
            digits := keccak256(buffer, 88)
            // neighbours twice: bytes of at most 30, then lanes of at most 60; the sum of the twelve lanes is the remainder
            sum := shr(64, digits)
            sum := add(and(sum, NIBBLES), and(shr(4, sum), NIBBLES))
            sum := mod(add(and(sum, BYTES), and(shr(8, sum), BYTES)), 0xffff)
        }
    }

    /// @dev The leaf to which 48 chain values at `place` of the calldata lead: each chain goes on from its digit to 15.
    ///
    /// The scratch space (memory 0 to 63) is the input of a step: first word, value. Only 56 of its bytes are hashed, so values need
    /// no masks. Every digit has its steps written out, with their numbers as constants: four comparisons find them.
    function _leaf(uint256 prefix, uint256 index, uint256 digits, uint256 place) private pure returns (bytes32 leaf) {
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            let word := or(prefix, or(shl(TYPE_AT, 1), shl(INDEX_AT, index)))
            let end := add(buffer, 32)
            let offset := sub(place, end) // from an end's place in memory to its value's in calldata
            for { let limit := add(end, 1152) } iszero(eq(end, limit)) {
                end := add(end, 24)
                word := add(word, 256)
                digits := shl(4, digits)
            } {
                let digit := shr(252, digits)
                mstore(0, word)
                mstore(32, calldataload(add(end, offset)))
                if iszero(lt(digit, 8)) {
                    if iszero(lt(digit, 12)) {
                        if iszero(lt(digit, 14)) {
                            if iszero(lt(digit, 15)) {
                                mstore(end, mload(32))
                                continue
                            }
                            mstore8(31, 14) mstore(end, keccak256(0, 56))
                            continue
                        }
                        if iszero(lt(digit, 13)) {
                            mstore8(31, 13) mstore(32, keccak256(0, 56)) mstore8(31, 14) mstore(end, keccak256(0, 56))
                            continue
                        }
                        mstore8(31, 12) mstore(32, keccak256(0, 56)) mstore8(31, 13) mstore(32, keccak256(0, 56))
                        mstore8(31, 14) mstore(end, keccak256(0, 56))
                        continue
                    }
                    if iszero(lt(digit, 10)) {
                        if iszero(lt(digit, 11)) {
                            mstore8(31, 11) mstore(32, keccak256(0, 56)) mstore8(31, 12) mstore(32, keccak256(0, 56))
                            mstore8(31, 13) mstore(32, keccak256(0, 56)) mstore8(31, 14) mstore(end, keccak256(0, 56))
                            continue
                        }
                        mstore8(31, 10) mstore(32, keccak256(0, 56)) mstore8(31, 11) mstore(32, keccak256(0, 56))
                        mstore8(31, 12) mstore(32, keccak256(0, 56)) mstore8(31, 13) mstore(32, keccak256(0, 56))
                        mstore8(31, 14) mstore(end, keccak256(0, 56))
                        continue
                    }
                    if iszero(lt(digit, 9)) {
                        mstore8(31, 9) mstore(32, keccak256(0, 56)) mstore8(31, 10) mstore(32, keccak256(0, 56))
                        mstore8(31, 11) mstore(32, keccak256(0, 56)) mstore8(31, 12) mstore(32, keccak256(0, 56))
                        mstore8(31, 13) mstore(32, keccak256(0, 56)) mstore8(31, 14) mstore(end, keccak256(0, 56))
                        continue
                    }
                    mstore8(31, 8) mstore(32, keccak256(0, 56)) mstore8(31, 9) mstore(32, keccak256(0, 56))
                    mstore8(31, 10) mstore(32, keccak256(0, 56)) mstore8(31, 11) mstore(32, keccak256(0, 56))
                    mstore8(31, 12) mstore(32, keccak256(0, 56)) mstore8(31, 13) mstore(32, keccak256(0, 56))
                    mstore8(31, 14) mstore(end, keccak256(0, 56))
                    continue
                }
                if iszero(lt(digit, 4)) {
                    if iszero(lt(digit, 6)) {
                        if iszero(lt(digit, 7)) {
                            mstore8(31, 7) mstore(32, keccak256(0, 56)) mstore8(31, 8) mstore(32, keccak256(0, 56))
                            mstore8(31, 9) mstore(32, keccak256(0, 56)) mstore8(31, 10) mstore(32, keccak256(0, 56))
                            mstore8(31, 11) mstore(32, keccak256(0, 56)) mstore8(31, 12) mstore(32, keccak256(0, 56))
                            mstore8(31, 13) mstore(32, keccak256(0, 56)) mstore8(31, 14) mstore(end, keccak256(0, 56))
                            continue
                        }
                        mstore8(31, 6) mstore(32, keccak256(0, 56)) mstore8(31, 7) mstore(32, keccak256(0, 56))
                        mstore8(31, 8) mstore(32, keccak256(0, 56)) mstore8(31, 9) mstore(32, keccak256(0, 56))
                        mstore8(31, 10) mstore(32, keccak256(0, 56)) mstore8(31, 11) mstore(32, keccak256(0, 56))
                        mstore8(31, 12) mstore(32, keccak256(0, 56)) mstore8(31, 13) mstore(32, keccak256(0, 56))
                        mstore8(31, 14) mstore(end, keccak256(0, 56))
                        continue
                    }
                    if iszero(lt(digit, 5)) {
                        mstore8(31, 5) mstore(32, keccak256(0, 56)) mstore8(31, 6) mstore(32, keccak256(0, 56))
                        mstore8(31, 7) mstore(32, keccak256(0, 56)) mstore8(31, 8) mstore(32, keccak256(0, 56))
                        mstore8(31, 9) mstore(32, keccak256(0, 56)) mstore8(31, 10) mstore(32, keccak256(0, 56))
                        mstore8(31, 11) mstore(32, keccak256(0, 56)) mstore8(31, 12) mstore(32, keccak256(0, 56))
                        mstore8(31, 13) mstore(32, keccak256(0, 56)) mstore8(31, 14) mstore(end, keccak256(0, 56))
                        continue
                    }
                    mstore8(31, 4) mstore(32, keccak256(0, 56)) mstore8(31, 5) mstore(32, keccak256(0, 56))
                    mstore8(31, 6) mstore(32, keccak256(0, 56)) mstore8(31, 7) mstore(32, keccak256(0, 56))
                    mstore8(31, 8) mstore(32, keccak256(0, 56)) mstore8(31, 9) mstore(32, keccak256(0, 56))
                    mstore8(31, 10) mstore(32, keccak256(0, 56)) mstore8(31, 11) mstore(32, keccak256(0, 56))
                    mstore8(31, 12) mstore(32, keccak256(0, 56)) mstore8(31, 13) mstore(32, keccak256(0, 56))
                    mstore8(31, 14) mstore(end, keccak256(0, 56))
                    continue
                }
                if iszero(lt(digit, 2)) {
                    if iszero(lt(digit, 3)) {
                        mstore8(31, 3) mstore(32, keccak256(0, 56)) mstore8(31, 4) mstore(32, keccak256(0, 56))
                        mstore8(31, 5) mstore(32, keccak256(0, 56)) mstore8(31, 6) mstore(32, keccak256(0, 56))
                        mstore8(31, 7) mstore(32, keccak256(0, 56)) mstore8(31, 8) mstore(32, keccak256(0, 56))
                        mstore8(31, 9) mstore(32, keccak256(0, 56)) mstore8(31, 10) mstore(32, keccak256(0, 56))
                        mstore8(31, 11) mstore(32, keccak256(0, 56)) mstore8(31, 12) mstore(32, keccak256(0, 56))
                        mstore8(31, 13) mstore(32, keccak256(0, 56)) mstore8(31, 14) mstore(end, keccak256(0, 56))
                        continue
                    }
                    mstore8(31, 2) mstore(32, keccak256(0, 56)) mstore8(31, 3) mstore(32, keccak256(0, 56))
                    mstore8(31, 4) mstore(32, keccak256(0, 56)) mstore8(31, 5) mstore(32, keccak256(0, 56))
                    mstore8(31, 6) mstore(32, keccak256(0, 56)) mstore8(31, 7) mstore(32, keccak256(0, 56))
                    mstore8(31, 8) mstore(32, keccak256(0, 56)) mstore8(31, 9) mstore(32, keccak256(0, 56))
                    mstore8(31, 10) mstore(32, keccak256(0, 56)) mstore8(31, 11) mstore(32, keccak256(0, 56))
                    mstore8(31, 12) mstore(32, keccak256(0, 56)) mstore8(31, 13) mstore(32, keccak256(0, 56))
                    mstore8(31, 14) mstore(end, keccak256(0, 56))
                    continue
                }
                if iszero(lt(digit, 1)) {
                    mstore8(31, 1) mstore(32, keccak256(0, 56)) mstore8(31, 2) mstore(32, keccak256(0, 56))
                    mstore8(31, 3) mstore(32, keccak256(0, 56)) mstore8(31, 4) mstore(32, keccak256(0, 56))
                    mstore8(31, 5) mstore(32, keccak256(0, 56)) mstore8(31, 6) mstore(32, keccak256(0, 56))
                    mstore8(31, 7) mstore(32, keccak256(0, 56)) mstore8(31, 8) mstore(32, keccak256(0, 56))
                    mstore8(31, 9) mstore(32, keccak256(0, 56)) mstore8(31, 10) mstore(32, keccak256(0, 56))
                    mstore8(31, 11) mstore(32, keccak256(0, 56)) mstore8(31, 12) mstore(32, keccak256(0, 56))
                    mstore8(31, 13) mstore(32, keccak256(0, 56)) mstore8(31, 14) mstore(end, keccak256(0, 56))
                    continue
                }
                mstore(32, keccak256(0, 56)) mstore8(31, 1) mstore(32, keccak256(0, 56))
                mstore8(31, 2) mstore(32, keccak256(0, 56)) mstore8(31, 3) mstore(32, keccak256(0, 56))
                mstore8(31, 4) mstore(32, keccak256(0, 56)) mstore8(31, 5) mstore(32, keccak256(0, 56))
                mstore8(31, 6) mstore(32, keccak256(0, 56)) mstore8(31, 7) mstore(32, keccak256(0, 56))
                mstore8(31, 8) mstore(32, keccak256(0, 56)) mstore8(31, 9) mstore(32, keccak256(0, 56))
                mstore8(31, 10) mstore(32, keccak256(0, 56)) mstore8(31, 11) mstore(32, keccak256(0, 56))
                mstore8(31, 12) mstore(32, keccak256(0, 56)) mstore8(31, 13) mstore(32, keccak256(0, 56))
                mstore8(31, 14) mstore(end, keccak256(0, 56))
            }
            mstore(buffer, or(prefix, or(shl(TYPE_AT, 2), shl(INDEX_AT, index))))
            leaf := keccak256(buffer, 1184)
        }
    }

    /// @dev The root to which `node` leads with the ten siblings at `path` of the calldata.
    function _climb(uint256 prefix, uint256 index, bytes32 node, uint256 path) private pure returns (bytes32) {
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            let left := add(buffer, 32)
            let right := add(buffer, 56)
            let word := or(prefix, shl(TYPE_AT, 3))
            // the height lies at bit 8
            for { let top := add(word, 2560) } iszero(eq(word, top)) {} {
                word := add(word, 256)
                let sibling := calldataload(path)
                path := add(path, 24)
                switch and(index, 1)
                case 0 {
                    mstore(left, node)
                    mstore(right, sibling)
                }
                default {
                    mstore(left, sibling)
                    mstore(right, node)
                }
                index := shr(1, index)
                mstore(buffer, or(word, shl(INDEX_AT, index)))
                node := keccak256(buffer, 80)
            }
        }
        return node;
    }
}
