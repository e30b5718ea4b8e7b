// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title IBrake
/// @notice Lets the Security Working Group close a contract to every body at once, and nothing else.
///
/// The AccessManager gives `setTargetClosed` to its administrators only, who can do everything; so the brake holds that role
/// and has this one function. Closed means that no governed function of the contract can be called; what clients, providers and
/// oracles do goes on, and so do refunds. Nothing closes the AccessManager to its administrators, so the governor can always
/// open again and take the brake's role away.
interface IBrake {
    /// @notice Closes or opens `target` for the bodies. Restricted to SECURITY.
    function setClosed(address target, bool closed) external;
}
