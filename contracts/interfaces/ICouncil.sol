// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";

/// @title ICouncil
/// @notice One governing body: up to 32 seats, of which `threshold` decide.
///
/// A decision is a call. The first vote for (target, data, salt) opens a ballot, further ones are counted, and the vote that
/// reaches the threshold acts: a call that the AccessManager lets the council make at once (pause, suspension) is made in that
/// transaction; one that has to wait is scheduled there, and anyone executes it when the delay is over, unless the Security
/// Working Group cancelled it. A ballot ends after a week. A decision happens once; to decide the same again takes
/// another salt. The same call decided again while it waits begins to wait anew, once: the schedule before it gives way. A call
/// that fails takes its deciding vote back with it.
///
/// Any change of seats or threshold begins a new term, and with it every open ballot, every decision that waits and every
/// signature not yet used ends: nobody decides who is not seated. What waited the new council may decide again. Only the governor's timelock changes seats.
interface ICouncil {
    /// @notice Where a ballot stands. `Waiting`: decided and scheduled in the AccessManager.
    enum BallotState {
        None,
        Open,
        Waiting,
        Executed,
        Expired
    }

    /// @notice Held seats (a bit each), votes that decide, and the number of the term.
    struct Seats {
        uint32 held;
        uint8 threshold;
        uint32 term;
    }

    /// @notice A call to be decided on; the same call may be decided again with another salt.
    struct Motion {
        address target;
        bytes data;
        bytes32 salt;
    }

    /// @notice A ballot was opened by its first vote. `expiresAt` in seconds since 1970.
    event BallotOpened(
        bytes32 indexed ballot,
        address indexed target,
        address indexed member,
        bytes data,
        bytes32 salt,
        uint40 expiresAt
    );
    /// @notice A further vote was counted.
    event Voted(bytes32 indexed ballot, address indexed member);
    /// @notice The ballot was decided; the call waits in the AccessManager until `readyAt`.
    event CallScheduled(bytes32 indexed ballot, uint48 readyAt);
    /// @notice The call was made.
    event CallExecuted(bytes32 indexed ballot);
    /// @notice A seat has another holder; the zero address empties it.
    event SeatSet(uint8 indexed seat, address indexed holder);
    /// @notice A term began with these seats (a bit each) and this threshold.
    event TermBegan(uint32 term, uint32 seats, uint8 threshold);

    /// @notice Only the governor's timelock changes seats.
    error CouncilNotTimelock(address caller);
    /// @notice The account holds no seat.
    error CouncilNotMember(address account);
    /// @notice The member has voted on this ballot.
    error CouncilAlreadyVoted(bytes32 ballot, address member);
    /// @notice The ballot's state does not allow this.
    error CouncilBadBallot(bytes32 ballot, BallotState state);
    /// @notice The signature is not the member's, or not of this call, salt, term and deadline.
    error CouncilBadSignature(address member);
    /// @notice The deadline of the signatures has passed.
    error CouncilTooLate(uint256 deadline);
    /// @notice Seats are 0 to 31, and nobody holds two.
    error CouncilBadSeat(uint256 place, address holder);
    /// @notice At least three seats are held, and a strict majority of them decides.
    error CouncilBadThreshold(uint256 seats, uint8 threshold);

    /// @notice The AccessManager that says which calls act at once and which wait.
    function MANAGER() external view returns (IAccessManager);

    /// @notice The governor's timelock, which alone changes seats.
    function TIMELOCK() external view returns (address);

    /// @notice Votes for a call. The caller holds a seat.
    /// @return ballot the ballot's id
    function vote(Motion calldata motion) external returns (bytes32 ballot);

    /// @notice Counts signed votes (EIP-712 `Vote(address target,bytes data,bytes32 salt,uint32 term,uint256 deadline)` under
    /// the domain ("QCRS Council", "1", chain id, this contract)). By anyone. A member may be a contract that knows ERC-1271.
    /// Votes beyond the threshold are refused with the rest.
    function voteBySig(
        Motion calldata motion,
        uint256 deadline,
        address[] calldata members,
        bytes[] calldata signed
    ) external;

    /// @notice Makes a decided call whose delay is over. By anyone.
    function execute(Motion calldata motion) external;

    /// @notice Gives seats to holders (zero empties one) and sets the threshold. By the governor's timelock.
    /// @param places, holders one holder for each place named; other seats stay
    function reseat(uint8[] calldata places, address[] calldata holders, uint8 threshold) external;

    /// @notice Held seats (a bit each), votes that decide, and the term that began with the last change.
    function seats() external view returns (uint32 held, uint8 threshold, uint32 term);

    /// @notice The holder of a seat; zero if it is empty.
    function holderOf(uint256 place) external view returns (address);

    /// @notice The seat of an account by its bit, zero if it has none, with threshold and term: a vote reads one word.
    function seatOf(address account) external view returns (uint32 seat, uint8 threshold, uint32 term);

    /// @notice The id of a ballot of this term.
    function ballotId(Motion calldata motion) external view returns (bytes32);

    /// @notice Votes (a bit for each seat), end and state of a ballot.
    function ballotOf(bytes32 ballot) external view returns (uint32 votes, uint40 expiresAt, BallotState state);
}
