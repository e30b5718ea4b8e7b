// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title IConsortiumSeats
/// @notice The electorate: one vote for each certified consortium, which cannot be sold or given away.
///
/// A seat begins with its vote delegated to its holder, who may delegate it like any vote of OpenZeppelin's `Votes`. The clock
/// is `block.timestamp`. Only the governor's timelock admits and expels; at least three seats stay.
interface IConsortiumSeats {
    /// @notice A consortium got a seat. `charter` is the content id of what it was certified by.
    event ConsortiumAdmitted(address indexed consortium, bytes32 charter);
    /// @notice A consortium lost its seat.
    event ConsortiumExpelled(address indexed consortium);

    /// @notice The account has a seat, or has none, contrary to what the call needs.
    error ConsortiumSeatsBadHolder(address account, bool seated);
    /// @notice There are as few or as many seats as there may be.
    error ConsortiumSeatsOutOfBounds(uint256 seats, uint256 least, uint256 most);

    /// @notice Gives a consortium its seat. Restricted to ADMIN.
    function admit(address consortium, bytes32 charter) external;

    /// @notice Takes a seat. Restricted to ADMIN.
    function expel(address consortium) external;

    /// @notice Whether the account holds a seat.
    function isSeated(address account) external view returns (bool);

    /// @notice How many hold one.
    function seatCount() external view returns (uint256);
}
