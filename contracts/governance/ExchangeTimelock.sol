// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IExchangeTimelock} from "../interfaces/IExchangeTimelock.sol";

/// @title ExchangeTimelock
/// @notice Where the governor's decisions wait. The rules are written out in IExchangeTimelock.
contract ExchangeTimelock is IExchangeTimelock, TimelockController {
    uint256 private constant MOST_DELAY = 30 days;
    uint256 private immutable _leastDelay;

    /// @param delay seconds; never to be shorter
    constructor(uint256 delay, address[] memory proposers, address[] memory executors)
        TimelockController(delay, proposers, executors, address(0))
    {
        _leastDelay = delay;
        _check(delay);
    }

    /// @notice Changes the delay, within its bounds. By the timelock itself.
    function updateDelay(uint256 delay) public override {
        _check(delay);
        super.updateDelay(delay);
    }

    function _check(uint256 delay) private view {
        if (delay < _leastDelay || delay == 0 || delay > MOST_DELAY) {
            revert ExchangeTimelockOutOfBounds(delay, _leastDelay, MOST_DELAY);
        }
    }
}
