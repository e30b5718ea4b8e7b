// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IProcessorKeys, KeyWord} from "../interfaces/IProcessorKeys.sol";
import {ProcessorId, QuantumKey} from "../libraries/Types.sol";
import {Xmss} from "../libraries/Xmss.sol";

/// @title ProcessorKeys
/// @notice The registry's part that keeps post-quantum keys. The rules are written out in IProcessorKeys.
abstract contract ProcessorKeys is IProcessorKeys, EIP712 {
    bytes32 private constant ACT_TYPEHASH =
        keccak256("Act(bytes32 purpose,address consumer,uint256 subject,uint32 era,bytes32 content)");
    uint256 private constant LAST_LEAF = 1023;

    /// @dev next leaf 32 | era 32 | commitment 192, lowest bits first; zero without a key.
    mapping(ProcessorId id => uint256) private _keys;

    /* ------------------------------ other contracts ------------------------------ */

    /// @inheritdoc IProcessorKeys
    function useKey(
        ProcessorId id,
        bytes32 purpose,
        bytes32 content,
        QuantumKey calldata key,
        bytes calldata signature
    ) external {
        if (signature.length == 0) _requireNoKey(id);
        else _use(id, purpose, msg.sender, content, key, signature);
    }

    /* ------------------------------ views ------------------------------ */

    /// @inheritdoc IProcessorKeys
    function keyOf(ProcessorId id) external view returns (bytes24 commitment, uint32 era, uint32 nextLeaf) {
        uint256 word = _keys[id];
        return (bytes24(bytes32(word)), uint32(word >> 32), uint32(word));
    }

    /* ------------------------------ internals ------------------------------ */

    function _requireNewKey(ProcessorId id) internal view {
        if (_keys[id] != 0) revert ProcessorRegistryKeyExists(id);
    }

    function _requireNoKey(ProcessorId id) internal view {
        if (_keys[id] != 0) revert ProcessorRegistryKeyRequired(id);
    }

    /// @dev The first key of a processor that has none, which signs its own adoption. Any leaf but the last.
    function _adopt(
        ProcessorId id,
        bytes32 purpose,
        uint256 subject,
        bytes32 content,
        QuantumKey calldata key,
        bytes calldata signature
    ) internal {
        uint256 leaf = _check(purpose, address(this), subject, 1, content, key, signature, 0, LAST_LEAF - 1);
        _set(id, 1, leaf + 1, key);
    }

    /// @dev The last leaf of the old key signs `content`, which names the new one. Its leaves begin at zero.
    function _rotate(
        ProcessorId id,
        QuantumKey calldata key,
        QuantumKey calldata next,
        bytes32 content,
        bytes calldata signature
    ) internal {
        uint32 era = _eraOf(id, _keys[id], key);
        _check("rotate", address(this), ProcessorId.unwrap(id), era, content, key, signature, LAST_LEAF, LAST_LEAF);
        emit KeyUsed(id, era, uint32(LAST_LEAF), address(this));
        _set(id, era + 1, 0, next);
    }

    /// @dev Uses up a leaf of the processor's key.
    function _use(
        ProcessorId id,
        bytes32 purpose,
        address consumer,
        bytes32 content,
        QuantumKey calldata key,
        bytes calldata signature
    ) internal {
        uint256 word = _keys[id];
        uint32 era = _eraOf(id, word, key);
        uint256 subject = ProcessorId.unwrap(id);
        uint256 leaf = _check(purpose, consumer, subject, era, content, key, signature, uint32(word), LAST_LEAF - 1);
        // leaf >= the old one in the lowest 32 bits
        unchecked {
            _keys[id] = word - uint32(word) + leaf + 1;
        }
        emit KeyUsed(id, era, uint32(leaf), consumer);
    }

    /// @dev Of both words as they lie in calldata: with stray bits it is another key, or none.
    function _hash(QuantumKey calldata key) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            calldatacopy(0, key, 64)
            hash := keccak256(0, 64)
        }
    }

    function _set(ProcessorId id, uint32 era, uint256 nextLeaf, QuantumKey calldata key) private {
        uint256 word = uint256(_hash(key)) >> 64 << 64 | uint256(era) << 32 | nextLeaf;
        _keys[id] = word;
        emit KeySet(id, KeyWord.wrap(word));
    }

    function _eraOf(ProcessorId id, uint256 word, QuantumKey calldata key) private pure returns (uint32 era) {
        era = uint32(word >> 32);
        if (word >> 64 != uint256(_hash(key)) >> 64 || era == 0) revert ProcessorRegistryWrongKey(id, era);
    }

    /// @dev The EIP-712 digest of an act.
    function _digest(bytes32 purpose, address consumer, uint256 subject, uint256 era, bytes32 content)
        private
        view
        returns (bytes32)
    {
        bytes32 hash = ACT_TYPEHASH;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, hash)
            mstore(add(buffer, 32), purpose)
            mstore(add(buffer, 64), shr(96, shl(96, consumer)))
            mstore(add(buffer, 96), subject)
            mstore(add(buffer, 128), era)
            mstore(add(buffer, 160), content)
            hash := keccak256(buffer, 192)
        }
        return _hashTypedDataV4(hash);
    }

    function _check(
        bytes32 purpose,
        address consumer,
        uint256 subject,
        uint256 era,
        bytes32 content,
        QuantumKey calldata key,
        bytes calldata signature,
        uint256 least,
        uint256 most
    ) private view returns (uint256 leaf) {
        leaf = Xmss.leafOf(signature);
        if (leaf < least || leaf > most) revert ProcessorRegistryBadLeaf(leaf, least, most);
        bytes32 digest = _digest(purpose, consumer, subject, era, content);
        bytes24 root;
        bytes20 seed;
        assembly ("memory-safe") {
            root := calldataload(key)
            seed := calldataload(add(key, 32))
        }
        if (!Xmss.verify(root, seed, digest, signature)) revert ProcessorRegistryBadSignature(digest);
    }
}
