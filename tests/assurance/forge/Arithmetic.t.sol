// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Coherence} from "../contracts/libraries/Coherence.sol";
import {Confidence} from "../contracts/libraries/Confidence.sol";
import {IndexedMerkle} from "../contracts/libraries/IndexedMerkle.sol";
import {Reputation} from "../contracts/libraries/Reputation.sol";
import {Outcome} from "../contracts/libraries/Types.sol";

/// @title The libraries that reckon
contract ArithmeticProperties {
    /* ------------------------------ reputation ------------------------------ */

    function testFuzz_evidenceFades(uint16 evidence, uint24 ticks, uint24 more, uint256 halfLife) public pure {
        halfLife = 338 + halfLife % 0x3FEAE; // from a day on, in ticks of 256 s
        uint256 now_ = Reputation.decay(evidence, ticks, halfLife);
        assert(now_ <= evidence);
        assert(Reputation.decay(evidence, 0, halfLife) == evidence);
        // Rounding at the end of a half-life may show one unit more.
        assert(Reputation.decay(evidence, uint256(ticks) + more, halfLife) <= now_ + 1);
        assert(Reputation.decay(evidence, halfLife, halfLife) == uint256(evidence) / 2);
    }

    function testFuzz_evidenceStaysInRange(uint16 a, uint16 b, uint8 outcome, bool weak) public pure {
        Outcome o = Outcome(outcome % 5);
        (uint256 x, uint256 y) = Reputation.record(a, b, o, weak);
        assert(x <= type(uint16).max && y <= type(uint16).max && x >= a && y >= b);
        if (o == Outcome.Accept) assert(y == b);
        else assert(x == a);
        if (o == Outcome.Undecided || o == Outcome.None) assert(y == b);
    }

    function testFuzz_oddsAreOrdered(uint16 a, uint16 b, uint16 more) public pure {
        int256 odds = Reputation.log2Odds(a, b);
        assert(odds == -Reputation.log2Odds(b, a));
        assert(odds <= 8 * 256 + 8 && odds >= -8 * 256 - 8);
        if (uint256(a) + more <= type(uint16).max) assert(Reputation.log2Odds(uint256(a) + more, b) >= odds);
    }

    function testFuzz_confidenceGrowsWithTrust(uint8 trust) public pure {
        if (trust < 3) return;
        int256 bits = Confidence.required(trust);
        assert(bits >= Confidence.required(uint256(trust) - 1) && bits <= 8 * 256);
        // At a power of two the logarithm is exact.
        uint256 x = uint256(trust) - 1;
        if (x & (x - 1) == 0) {
            int256 whole;
            for (; x > 1; x >>= 1) whole += 256;
            assert(bits == whole);
        }
    }

    /* ------------------------------ coherence ------------------------------ */

    function testFuzz_logarithmIsOrderedAndAdds(uint32 a, uint32 b) public pure {
        uint256 low = 1_000_001 + a % 1_000_000;
        uint256 high = low + b % (2 * low);
        uint256 ratio = Coherence.lnRatio(high, low);
        assert(ratio <= Coherence.lnRatio(high + 1 > 3 * low ? high : high + 1, low));
        assert(high != low || ratio == 0);
        uint256 middle = (high + low) / 2;
        uint256 sum = Coherence.lnRatio(high, middle) + Coherence.lnRatio(middle, low);
        uint256 gap = sum > ratio ? sum - ratio : ratio - sum;
        assert(gap < 1e10); // of 1e18
    }

    /* ------------------------------ Merkle trees ------------------------------ */

    function verify(bytes32 root, bytes32 leaf, uint256 index, uint256 count, bytes32[] calldata proof)
        external
        pure
        returns (bool)
    {
        return IndexedMerkle.verify(root, leaf, index, count, proof);
    }

    /// @dev A proof of one position proves no other leaf, no other position, and no other count of another depth.
    function testFuzz_merkleBindsPosition(bytes32 seed, uint16 count_, uint16 index_, uint16 other_, uint8 level) public view {
        uint256 count = 1 + uint256(count_) % 1000;
        uint256 index = index_ % count;
        uint256 depth = IndexedMerkle.depth(count);
        bytes32[] memory proof = new bytes32[](depth);
        bytes32 node = keccak256(abi.encode(seed, "leaf"));
        bytes32 leaf = node;
        uint256 at_ = index;
        for (uint256 i; i < depth; ++i) {
            proof[i] = keccak256(abi.encode(seed, i));
            node = keccak256(at_ & 1 == 0 ? bytes.concat(node, proof[i]) : bytes.concat(proof[i], node));
            at_ >>= 1;
        }
        assert(this.verify(node, leaf, index, count, proof));
        uint256 other = other_ % count;
        assert(other == index || !this.verify(node, leaf, other, count, proof));
        assert(!this.verify(node, ~leaf, index, count, proof));
        assert(!this.verify(node, leaf, index, 4 * count, proof));
        assert(!this.verify(node, leaf, index + count, count, proof));
        if (depth == 0) return;
        proof[level % depth] = ~proof[level % depth];
        assert(!this.verify(node, leaf, index, count, proof));
    }
}
