// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {GovernorCountingSimple} from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {GovernorPreventLateQuorum} from "@openzeppelin/contracts/governance/extensions/GovernorPreventLateQuorum.sol";
import {GovernorProposalGuardian} from "@openzeppelin/contracts/governance/extensions/GovernorProposalGuardian.sol";
import {GovernorSuperQuorum} from "@openzeppelin/contracts/governance/extensions/GovernorSuperQuorum.sol";
import {GovernorTimelockControl} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {GovernorVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {GovernorVotesQuorumFraction} from "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";
import {GovernorVotesSuperQuorumFraction} from "@openzeppelin/contracts/governance/extensions/GovernorVotesSuperQuorumFraction.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IExchangeGovernor} from "../interfaces/IExchangeGovernor.sol";

/// @title ExchangeGovernor
/// @notice The consortia's vote. The rules are written out in IExchangeGovernor.
contract ExchangeGovernor is
    IExchangeGovernor,
    GovernorCountingSimple,
    GovernorVotesSuperQuorumFraction,
    GovernorPreventLateQuorum,
    GovernorProposalGuardian,
    GovernorTimelockControl
{
    uint256 private constant LEAST_QUORUM = 20;
    uint256 private constant LEAST_SUPER_QUORUM = 60;
    uint256 private constant MOST_QUORUM = 100;
    uint256 private constant LONGEST = 30 days;

    uint48 private immutable _votingDelay;
    uint32 private immutable _votingPeriod;

    constructor(address seats, address payable timelock_, address guardian, Terms memory terms)
        Governor("QCRS ExchangeGovernor")
        GovernorVotes(IVotes(seats))
        GovernorVotesQuorumFraction(terms.quorum)
        GovernorVotesSuperQuorumFraction(terms.superQuorum)
        GovernorPreventLateQuorum(0)
        GovernorTimelockControl(TimelockController(timelock_))
    {
        _bound("votingDelay", terms.votingDelay, 1, LONGEST);
        _bound("votingPeriod", terms.votingPeriod, 2, LONGEST);
        (_votingDelay, _votingPeriod) = (terms.votingDelay, terms.votingPeriod);
        _setLateQuorumVoteExtension(terms.lateExtension); // at most the voting period, which is known only now
        _setProposalGuardian(guardian);
    }

    /// @notice Seconds from a proposal to its vote.
    function votingDelay() public view override returns (uint256) {
        return _votingDelay;
    }

    /// @notice Seconds that a vote lasts.
    function votingPeriod() public view override returns (uint256) {
        return _votingPeriod;
    }

    /// @notice Whoever has a seat's vote proposes.
    function proposalThreshold() public pure override returns (uint256) {
        return 1;
    }

    /// @notice Seats, for or abstaining, without which nothing passes: the share of all, rounded up.
    function quorum(uint256 timepoint) public view override(Governor, GovernorVotesQuorumFraction) returns (uint256) {
        return _part(timepoint, quorumNumerator(timepoint));
    }

    /// @notice Seats in favour that end the vote early and bind the guardian: the share of all, rounded up.
    function superQuorum(uint256 timepoint) public view override returns (uint256) {
        return _part(timepoint, superQuorumNumerator(timepoint));
    }

    function _part(uint256 timepoint, uint256 numerator) private view returns (uint256) {
        return Math.mulDiv(token().getPastTotalSupply(timepoint), numerator, quorumDenominator(), Math.Rounding.Ceil);
    }

    /* ------------------------------ bounds ------------------------------ */

    function _updateQuorumNumerator(uint256 quorum_) internal override {
        _bound("quorum", quorum_, LEAST_QUORUM, MOST_QUORUM);
        super._updateQuorumNumerator(quorum_);
    }

    function _updateSuperQuorumNumerator(uint256 superQuorum_) internal override {
        _bound("superQuorum", superQuorum_, LEAST_SUPER_QUORUM, MOST_QUORUM);
        super._updateSuperQuorumNumerator(superQuorum_);
    }

    function _bound(bytes32 name, uint256 value, uint256 least, uint256 most) private pure {
        if (value < least || value > most) revert ExchangeGovernorOutOfBounds(name, value, least, most);
    }

    /* ------------------------------ which of OpenZeppelin's rules holds ------------------------------ */

    /// @dev Before the vote has ended the guardian has no more rights than anybody: else it would cancel before a super quorum
    /// could be reached. What the super quorum supports it does not cancel at all.
    function _validateCancel(uint256 id, address caller)
        internal
        view
        override(Governor, GovernorProposalGuardian)
        returns (bool)
    {
        if (caller != proposalGuardian()) return super._validateCancel(id, caller);
        ProposalState s = state(id);
        bool passed = s == ProposalState.Succeeded || s == ProposalState.Queued;
        (, uint256 supporting,) = proposalVotes(id);
        if (passed && supporting < superQuorum(proposalSnapshot(id))) return true;
        return Governor._validateCancel(id, caller);
    }

    /// @inheritdoc Governor
    function state(uint256 id)
        public
        view
        override(Governor, GovernorTimelockControl, GovernorVotesSuperQuorumFraction)
        returns (ProposalState)
    {
        return super.state(id);
    }

    /// @inheritdoc GovernorPreventLateQuorum
    function proposalDeadline(uint256 id)
        public
        view
        override(Governor, GovernorPreventLateQuorum)
        returns (uint256)
    {
        return super.proposalDeadline(id);
    }

    /// @inheritdoc GovernorCountingSimple
    function proposalVotes(uint256 id)
        public
        view
        override(GovernorCountingSimple, GovernorSuperQuorum)
        returns (uint256 againstVotes, uint256 forVotes, uint256 abstainVotes)
    {
        return super.proposalVotes(id);
    }

    /// @inheritdoc GovernorTimelockControl
    function proposalNeedsQueuing(uint256 id)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (bool)
    {
        return super.proposalNeedsQueuing(id);
    }

    function _tallyUpdated(uint256 id) internal override(Governor, GovernorPreventLateQuorum) {
        super._tallyUpdated(id);
    }

    function _queueOperations(
        uint256 id,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint48) {
        return super._queueOperations(id, targets, values, calldatas, descriptionHash);
    }

    function _executeOperations(
        uint256 id,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) {
        super._executeOperations(id, targets, values, calldatas, descriptionHash);
    }

    function _cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint256) {
        return super._cancel(targets, values, calldatas, descriptionHash);
    }

    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }
}
