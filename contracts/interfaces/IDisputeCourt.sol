// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IResultVerifier} from "./IResultVerifier.sol";

/// @title IDisputeCourt
/// @notice From a challenge to its final ruling: the Dispute Council by commit and reveal, one appeal to the consortia.
///
/// A challenge of the ResultVerifier runs from `openedAt` to its ruling deadline; in twelfths of that time:
///
///   0 .. 2    members of the Dispute Council commit to a ruling and to the evidence that they made anew
///   2 .. 3    they reveal; as many equal rulings as the council's threshold are its ruling
///   3 .. 4    anyone appeals, with twice the challenge's bond
///   4 .. 11   the consortia decide an appeal by a proposal that calls `decide`
///   11 .. 12  the council's ruling stands if they have not
///
/// A commitment is `keccak256(abi.encode(challenge, member, ruling, evidence, salt))`: it names its member, so nobody copies one.
/// What is final goes to the ResultVerifier, which pays and slashes inside its own hard bounds; this contract never holds more
/// than the bonds of appeals. An appeal that changes the ruling, or that nobody decides, gets its bond back; the bond of one that
/// fails goes half to the side that won twice (the challenger, or the provider of a result that was accepted), the rest to the
/// treasury. Every end is open to anyone (`finalise`): without a ruling the challenge lapses at its deadline, and its bond returns.
interface IDisputeCourt {
    /// @notice What the court keeps of a challenge. `upheld` and `overturned` count revealed rulings.
    struct Case {
        uint8 threshold;
        uint8 upheld;
        uint8 overturned;
        bool closed;
        address appellant;
        uint256 bond;
    }

    /// @notice When the stages of a challenge end, in seconds since 1970.
    struct Stages {
        uint40 commitUntil;
        uint40 revealUntil;
        uint40 appealUntil;
        uint40 decideUntil;
        uint40 deadline;
    }

    /// @notice A member committed to a ruling.
    event RulingCommitted(uint256 indexed challenge, address indexed member, bytes32 commitment);
    /// @notice A member revealed its ruling and the content id of its evidence.
    event RulingRevealed(
        uint256 indexed challenge, address indexed member, IResultVerifier.ChallengeState ruling, bytes32 evidence
    );
    /// @notice The council's ruling is appealed. `grounds` is the content id of the argument.
    event AppealOpened(
        uint256 indexed challenge, address indexed appellant, uint256 bond, uint40 decideUntil, bytes32 grounds
    );
    /// @notice The challenge is closed. `ruling` is `Lapsed` where nobody ruled; `appealed` where the consortia decided.
    event CaseClosed(uint256 indexed challenge, IResultVerifier.ChallengeState ruling, bool appealed);
    /// @notice An account's share of the bonds of appeals grew.
    event Credited(address indexed account, uint256 amount);
    /// @notice An account took its share.
    event CreditsWithdrawn(address indexed account, uint256 amount);

    /// @notice The challenge is not open, or closed here.
    error DisputeCourtNotOpen(uint256 challenge);
    /// @notice This is done from `from` (exclusive) to `until` (inclusive).
    error DisputeCourtWrongTime(uint256 challenge, uint40 from, uint40 until);
    /// @notice The account holds no seat in the Dispute Council.
    error DisputeCourtNotMember(address account);
    /// @notice What is revealed is not what the member committed to.
    error DisputeCourtBadReveal(uint256 challenge, address member);
    /// @notice A ruling is Upheld or Overturned.
    error DisputeCourtBadRuling(IResultVerifier.ChallengeState ruling);
    /// @notice The council has not ruled.
    error DisputeCourtNoRuling(uint256 challenge);
    /// @notice There is one appeal, and there was none or one contrary to what the call needs.
    error DisputeCourtAppeal(uint256 challenge, address appellant);
    /// @notice There is nothing to withdraw.
    error DisputeCourtNothing(address account);

    /// @notice Commits the caller, a member of the Dispute Council, to a ruling; a later commitment replaces an earlier one.
    function commit(uint256 challenge, bytes32 commitment) external;

    /// @notice Reveals the caller's ruling.
    /// @param evidence content id of the evidence that the member made anew
    function reveal(uint256 challenge, IResultVerifier.ChallengeState ruling, bytes32 evidence, bytes32 salt) external;

    /// @notice Appeals the council's ruling; takes `appealBond` from the caller, who approved it.
    function appeal(uint256 challenge, bytes32 grounds) external;

    /// @notice Rules on an appeal; final at once. Restricted to ADMIN.
    function decide(uint256 challenge, IResultVerifier.ChallengeState ruling) external;

    /// @notice Closes a challenge whose stages have ended. By anyone.
    function finalise(uint256 challenge) external;

    /// @notice Pays out the caller's share of bonds.
    function withdraw() external;

    /// @notice The council's ruling so far: Upheld, Overturned or None.
    function rulingOf(uint256 challenge) external view returns (IResultVerifier.ChallengeState);

    /// @notice What the court keeps of a challenge.
    function caseOf(uint256 challenge) external view returns (Case memory);

    /// @notice When the challenge's stages end.
    function stagesOf(uint256 challenge) external view returns (Stages memory);

    /// @notice What a member committed to; zero after it is revealed.
    function commitmentOf(uint256 challenge, address member) external view returns (bytes32);

    /// @notice The bond that an appeal needs: twice the challenge's.
    function appealBond(uint256 challenge) external view returns (uint256);

    /// @notice What an account can withdraw.
    function creditsOf(address account) external view returns (uint256);

    /// @notice Sum of the bonds of open appeals.
    function openBonds() external view returns (uint256);
}
