// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title IExchangeGovernor
/// @notice What the exchange's governor adds to OpenZeppelin's, and the hard bounds of its terms.
///
/// Consortia propose and vote; what they pass waits in the timelock and is the only way to change seats, roles, treasuries and
/// the supply. A vote for the super quorum or more ends early. A quorum that is reached late extends the vote. The Security
/// Working Group cancels a proposal that has passed, before it is executed, except one that the super quorum supports; while a
/// proposal is pending or voted on it cancels nothing. So it cannot hold its own seats against the super quorum, two thirds of
/// the consortia by default.
interface IExchangeGovernor {
    /// @notice The governor's terms. Times in seconds, quorums in hundredths of all seats, of which every part counts as a whole
    /// seat: 66 of three seats are two, of four three.
    struct Terms {
        uint48 votingDelay;
        uint32 votingPeriod;
        uint48 lateExtension;
        uint8 quorum;
        uint8 superQuorum;
    }

    /// @notice The value is outside its hard bounds.
    error ExchangeGovernorOutOfBounds(bytes32 name, uint256 value, uint256 least, uint256 most);
}
