// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

/// @title IResourceCredit
/// @notice The credit that pays for quantum computing: an ERC-20 with permit and six decimals. Any other ERC-20 that moves
/// exactly the amount it is told can take its place.
interface IResourceCredit is IERC20, IERC20Permit {
    /// @notice The supply would pass the cap.
    error ResourceCreditCapExceeded(uint256 supply, uint256 cap);

    /// @notice Creates `amount` for `to`. Restricted (AccessManager ADMIN). `totalSupply` never exceeds `cap`.
    function mint(address to, uint256 amount) external;

    /// @notice Destroys `amount` of the caller's.
    function burn(uint256 amount) external;

    /// @notice Most that may ever exist.
    function cap() external view returns (uint256);
}
