// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {IBrake} from "../interfaces/IBrake.sol";

/// @title Brake
/// @notice Closes contracts to the bodies. The rules are written out in IBrake.
contract Brake is IBrake, AccessManaged {
    constructor(address authority_) AccessManaged(authority_) {}

    /// @inheritdoc IBrake
    function setClosed(address target, bool closed) external restricted {
        IAccessManager(authority()).setTargetClosed(target, closed);
    }
}
