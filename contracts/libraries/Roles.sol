// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title Roles
/// @notice One AccessManager role per governing body. The AccessManager's ADMIN (role 0) is the governor's timelock.
library Roles {
    /// @notice Quantum Resource Allocation Committee: flow weights, class rates, boost quotas, drain and credit.
    uint64 internal constant ALLOCATION = 1;
    /// @notice Processor Certification Authority: oracle signer set, certificate life, bonds of processors.
    uint64 internal constant CERTIFICATION = 2;
    /// @notice Quantum Security Working Group: pause, channel quarantine. Never moves funds.
    uint64 internal constant SECURITY = 3;
    /// @notice Verification Standards Board: windows, trust floor, redundancy bounds, penalties.
    uint64 internal constant STANDARDS = 4;
    /// @notice The DisputeCourt, which rules for the Dispute Resolution Council and, on appeal, for the consortia.
    uint64 internal constant DISPUTE = 5;
    /// @notice Processor Certification Authority again: suspension of a processor, which does not wait as its other decisions do.
    uint64 internal constant SUSPENSION = 6;
}
