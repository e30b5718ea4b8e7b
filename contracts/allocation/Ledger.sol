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

    /// @dev A struct, so that the place of a balance is computed once where it is read and written.
    struct Account {
        uint256 balance;
    }

    mapping(address account => Account) internal _accounts;

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
        Account storage debtor = _accounts[account];
        uint256 available = debtor.balance;
        if (amount > available) revert ComputationAllocatorInsufficientBalance(account, amount, available);
        // Cannot underflow: checked above.
        unchecked {
            debtor.balance = available - amount;
        }
    }
}
