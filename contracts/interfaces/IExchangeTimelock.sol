// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title IExchangeTimelock
/// @notice What the exchange's timelock adds to OpenZeppelin's: a floor and a ceiling for its delay.
///
/// It holds the AccessManager's ADMIN role and is the treasury. Only the governor schedules and cancels in it, anyone executes
/// what is ready, and it administers itself: nobody else has a role.
interface IExchangeTimelock {
    /// @notice The delay is shorter than at deployment, or longer than 30 days.
    error ExchangeTimelockOutOfBounds(uint256 delay, uint256 least, uint256 most);
}
