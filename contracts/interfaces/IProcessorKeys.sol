// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {ProcessorId, ProcessorSpec, QuantumKey} from "../libraries/Types.sol";

/// @notice A key as the registry keeps it: next leaf 32 | era 32 | 24 bytes of `keccak256(root ‖ seed)`, lowest bits first. Zero is
/// no key.
type KeyWord is uint256;

/// @title IProcessorKeys
/// @notice The post-quantum half of a processor's identity: a key that signs what must hold even if elliptic curves do not.
///
/// A provider may give a processor a key (`QuantumKey`; the scheme is IXmssVerifier's) when it registers it, or later. From then on,
/// for good, these acts need a signature by it besides the provider's transaction: other keys, on chain and off it, release of
/// bond, and whatever another contract asks for through `useKey` (EntanglementCoordinator: an epoch's attestation). Processors
/// without a key act as before.
///
/// A key has 1,024 leaves. The contract takes leaves in strictly increasing order, each once: a signature is used up with its leaf.
/// The last leaf names the next key and nothing else does, so that a key can always be changed, even where the record of used
/// leaves was lost. `era` counts a processor's keys from 1.
///
/// What is signed is an EIP-712 struct under the registry's domain ("QCRS ProcessorRegistry", "1", chain id, this contract):
/// `Act(bytes32 purpose,address consumer,uint256 subject,uint32 era,bytes32 content)`
/// - `consumer`: the contract that acts; this one, or the caller of `useKey`
/// - `subject`: the processor; for a registration, which has none yet, the provider's address
/// - `era`: the era of the key that signs
/// - `purpose` (text, left-aligned) and `content`: "register", `keccak256(words of the spec ‖ root ‖ seed)`; "adopt",
///   `keccak256(root ‖ seed)`; "rotate", `keccak256(keccak256(root ‖ seed) ‖ identity)` of the new keys; "unbond", the amount. Each
///   of root and seed fills a word, at its left.
///
/// The key is not kept whole: a `KeyWord` holds 24 bytes of `keccak256(root ‖ seed)`, and callers show the key again.
interface IProcessorKeys {
    /// @notice A processor has this key from now on.
    event KeySet(ProcessorId indexed processor, KeyWord key);
    /// @notice A leaf signed for `consumer`.
    event KeyUsed(ProcessorId indexed processor, uint32 era, uint32 leaf, address consumer);

    /// @notice The processor has a key, so the act needs its signature: call the function `…WithKey`.
    error ProcessorRegistryKeyRequired(ProcessorId processor);
    /// @notice The processor has a key already; `rotateKeys` changes it.
    error ProcessorRegistryKeyExists(ProcessorId processor);
    /// @notice Not the processor's key, or it has none (era 0).
    error ProcessorRegistryWrongKey(ProcessorId processor, uint32 era);
    /// @notice Leaves from `least` to `most` may sign this.
    error ProcessorRegistryBadLeaf(uint256 leaf, uint256 least, uint256 most);
    /// @notice The signature is not one of `digest` by the key.
    error ProcessorRegistryBadSignature(bytes32 digest);

    /* ------------------------------ provider ------------------------------ */

    /// @notice `register` with a key, whose signature of the registration shows that the provider has it.
    function registerWithKey(ProcessorSpec calldata spec, QuantumKey calldata key, bytes calldata signature)
        external
        returns (ProcessorId processor);

    /// @notice Gives a key to a processor that has none; the key signs it. There is no way back.
    function adoptKey(ProcessorId processor, QuantumKey calldata key, bytes calldata signature) external;

    /// @notice Changes the key, and the off-chain keys with it: the last leaf of `key` signs `next` and `identity`.
    function rotateKeys(
        ProcessorId processor,
        QuantumKey calldata key,
        QuantumKey calldata next,
        bytes32 identity,
        bytes calldata signature
    ) external;

    /// @notice `unbond` of a processor with a key.
    function unbondWithKey(ProcessorId processor, uint256 amount, QuantumKey calldata key, bytes calldata signature)
        external;

    /* ------------------------------ other contracts ------------------------------ */

    /// @notice Uses up a leaf for an act of the caller: any contract may ask, for signatures that name it. An empty signature is
    /// accepted of a processor without a key, whatever `key` is.
    function useKey(
        ProcessorId processor,
        bytes32 purpose,
        bytes32 content,
        QuantumKey calldata key,
        bytes calldata signature
    ) external;

    /* ------------------------------ views ------------------------------ */

    /// @notice What is kept of a processor's key: 24 bytes of `keccak256(root ‖ seed)`, its era (0 without a key) and the least leaf
    /// that may sign next.
    function keyOf(ProcessorId processor) external view returns (bytes24 commitment, uint32 era, uint32 nextLeaf);
}
