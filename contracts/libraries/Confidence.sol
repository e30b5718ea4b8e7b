// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title Confidence
/// @notice How sure accepted executions make us: additive log2-odds in 1/256 bit, the rule of iExec's PoCo for one group.
library Confidence {
    uint256 private constant ONE = 1 << 128;

    /// @notice Least sum of log2-odds that `trust` asks for: `ceil(256 * log2(trust - 1))`.
    /// @param trust at least 2
    function required(uint256 trust) internal pure returns (int256 bits256) {
        uint256 x = trust - 1;
        if (x == 1) return 0;
        uint256 whole;
        // trust has 8 bits, so the loops are short and nothing overflows.
        unchecked {
            while (x >> (whole + 1) != 0) ++whole;
            uint256 m = x * ONE >> whole; // mantissa in [1, 2)
            uint256 result = whole;
            for (uint256 i; i < 8; ++i) {
                m = (m >> 64) * (m >> 64);
                result <<= 1;
                if (m >= 2 * ONE) {
                    m >>= 1;
                    result |= 1;
                }
            }
            if (m != ONE) ++result; // rounded up
            return int256(result);
        }
    }
}
