// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IERC7913SignatureVerifier} from "@openzeppelin/contracts/interfaces/IERC7913.sol";

/// @title IXmssVerifier
/// @notice Verifies XMSS-like signatures: Winternitz chains under a Merkle tree, over keccak256. Stateless, ownerless.
///
/// It is *like* XMSS (RFC 8391) and the WOTS+C of SPHINCS+C (Hülsing, Kudinov, Ronen, Yogev, ePrint 2022/778). It is neither of
/// them, it has not been audited, and it does not conform to NIST SP 800-208, which wants SHA-2 or SHAKE and hardware that keeps
/// the state. Unforgeability rests on keccak256 cut to 192 bits: about 2^192 classical or 2^96 quantum work for a preimage.
///
/// Parameters: hashes of n = 24 bytes; 48 chains of 15 steps (w = 16, a digit each); height 10, so 1,024 leaves, each for one
/// message. Digits must sum to 440: the signer tries counters until they do (about 1,900), and since no digit can then grow without
/// another one falling, no checksum is needed. A verifier walks 48 * 15 - 440 = 280 steps.
///
/// Every hash is the first 24 bytes of keccak256 over `seed (20) || address (12) || x`. The address is
/// `type (1) || index (4) || count (4) || part (2) || step (1)`, so no two hashes of a key have the same input:
/// - a step of a chain, from d to d + 1: type 1, index = leaf, part = chain from 0, step = d, x the 24 bytes before it;
/// - a leaf: type 2, index = leaf, x the ends of the 48 chains;
/// - a node: type 3, index = its place from the left, part = its height from 1, x its two children;
/// - the digits, high nibble first: type 4, index = leaf, count = counter, x = `randomizer (24) || message hash (32)`.
///
/// A public key is `root (24) || seed (20)`. A signature is
/// `index (4) || counter (4) || randomizer (24) || chain values (48 * 24) || path, lowest first (10 * 24)`, 1,424 bytes; value i of
/// the chains is d_i steps from the start, with d_i the digit.
///
/// A leaf that signs two messages lets anyone forge. This contract keeps no state and cannot know: whoever accepts signatures must
/// accept each index once (`ProcessorRegistry` takes strictly increasing ones).
interface IXmssVerifier is IERC7913SignatureVerifier {
    /// @notice Whether `signature` is one of `hash` by `key`: the selector of this function if so, else 0xffffffff. Never reverts
    /// for bad bytes.
    function verify(bytes calldata key, bytes32 hash, bytes calldata signature) external view returns (bytes4);
}
