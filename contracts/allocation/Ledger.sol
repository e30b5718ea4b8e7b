// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IAllocatorLog} from "../interfaces/IAllocatorLog.sol";

/// @title Ledger
/// @notice The money of the exchange: one balance per account, and the addresses that it trusts.
abstract contract Ledger is IAllocatorLog {
    address internal immutable _credit;
    address internal immutable _registry;
    address internal immutable _verifier;
    /// @dev Base units of the credit token in one fee and bond unit.
    uint256 internal immutable _unit;

    mapping(address account => uint256) internal _balances;

    constructor(address credit, address registry, address verifier, uint256 unit) {
        (_credit, _registry, _verifier, _unit) = (credit, registry, verifier, unit);
    }

    modifier onlyRegistry() {
        if (msg.sender != _registry) revert ComputationAllocatorUnauthorized(msg.sender);
        _;
    }

    modifier onlyVerifier() {
        if (msg.sender != _verifier) revert ComputationAllocatorUnauthorized(msg.sender);
        _;
    }

    function _debit(address account, uint256 amount) internal {
        uint256 available = _balances[account];
        if (amount > available) revert ComputationAllocatorInsufficientBalance(account, amount, available);
        // Cannot underflow: checked above.
        unchecked {
            _balances[account] = available - amount;
        }
    }
}
