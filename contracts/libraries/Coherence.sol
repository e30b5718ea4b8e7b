// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title How long a stored pair stays good enough
/// @notice A Werner-like pair of fidelity F has w = (4F − 1) / 3, and w decays as exp(−t / τ). From F to F_min it lasts
/// τ · ln(w / w_min). The factor 1/3 cancels in the ratio.
library Coherence {
    uint256 internal constant PPM = 1e6;
    uint256 internal constant UNIT = 1e18; // fixed point of the logarithm

    /// @notice Nanoseconds until a pair of fidelity `fidelity` falls to `minimum` (both ppm, 0.5 < minimum ≤ fidelity ≤ 1)
    /// in a memory of coherence time `tau` nanoseconds. Rounded down; the relative error is below 1e-8.
    function lifetime(uint256 tau, uint256 fidelity, uint256 minimum) internal pure returns (uint256) {
        return (tau * lnRatio(4 * fidelity - PPM, 4 * minimum - PPM)) / UNIT;
    }

    /// @notice ln(high / low) · 1e18 for 0 < low ≤ high ≤ 3 · low, by ln r = 2 artanh((r − 1) / (r + 1)): the argument is at
    /// most one half, so each term of the series is at most a quarter of the one before, and fourteen terms leave 1e-10.
    function lnRatio(uint256 high, uint256 low) internal pure returns (uint256 sum) {
        uint256 z = ((high - low) * UNIT) / (high + low);
        uint256 square = (z * z) / UNIT;
        for (uint256 k = 1; z != 0 && k < 29; k += 2) {
            sum += z / k;
            z = (z * square) / UNIT;
        }
        sum *= 2;
    }
}
