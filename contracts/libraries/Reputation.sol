// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Outcome} from "./Types.sol";

/// @title Reputation
/// @notice Beta(a, b) evidence in 1/256 of an observation, decayed by a half-life. The formulas are those of IProcessorRegistry.
library Reputation {
    /// @dev One observation, and the prior that each side starts with.
    uint256 internal constant ONE = 256;
    uint256 internal constant WEAK = 26;
    uint256 internal constant FRAUD = 8 * ONE;
    uint256 internal constant MOST = type(uint16).max;
    /// @dev Time is counted in ticks of 2^8 s, so that 24 bits reach the year 2106.
    uint256 internal constant TICK_BITS = 8;
    // 2^-f on [0, 1) by 1 - 0.67157 f + 0.17157 f^2, in 1/65536
    uint256 private constant LINEAR = 44_012;
    uint256 private constant SQUARE = 11_244;

    /// @notice The evidence that is left after `ticks`, of a half-life of `halfLife` ticks.
    function decay(uint256 evidence, uint256 ticks, uint256 halfLife) internal pure returns (uint256) {
        uint256 halvings = ticks / halfLife;
        if (halvings > 16) return 0;
        // f < 2^16, so no product passes 2^64 and the factor stays in (2^15, 2^16].
        unchecked {
            uint256 f = (ticks % halfLife << 16) / halfLife;
            uint256 factor = (1 << 16) - (LINEAR * f >> 16) + (SQUARE * (f * f >> 16) >> 16);
            return evidence * factor >> 16 >> halvings;
        }
    }

    /// @notice Evidence after a verdict.
    function record(uint256 a, uint256 b, Outcome outcome, bool weak) internal pure returns (uint256, uint256) {
        if (outcome == Outcome.Accept) a += weak ? WEAK : ONE;
        else if (outcome == Outcome.Reject) b += ONE;
        else if (outcome == Outcome.Fraud) b += FRAUD;
        return (a < MOST ? a : MOST, b < MOST ? b : MOST);
    }

    /// @notice `log2((a + 1) / (b + 1))` of the evidence, in 1/256 bit.
    function log2Odds(uint256 a, uint256 b) internal pure returns (int256) {
        // Both logarithms are below 17 * 256.
        unchecked {
            return int256(_log2(a + ONE)) - int256(_log2(b + ONE));
        }
    }

    /// @dev `256 * log2(x)` for 256 <= x < 2^17, with log2(1 + m) ~ m + 0.34375 m (1 - m).
    function _log2(uint256 x) private pure returns (uint256) {
        uint256 whole = 8;
        // x has at most 17 bits.
        unchecked {
            while (x >> (whole + 1) != 0) ++whole;
            uint256 m = (x << 8 >> whole) - 256;
            return (whole << 8) + m + (88 * m * (256 - m) >> 16);
        }
    }
}
