// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ICouncil} from "../interfaces/ICouncil.sol";

/// @title Council
/// @notice One governing body. The rules are written out in ICouncil.
contract Council is ICouncil, EIP712 {
    bytes32 private constant VOTE_TYPEHASH =
        keccak256("Vote(address target,bytes data,bytes32 salt,uint32 term,uint256 deadline)");
    uint256 private constant MOST_SEATS = 32;
    uint256 private constant LEAST_SEATS = 3;
    uint256 private constant BALLOT_LIFE = 7 days;
    /// @inheritdoc ICouncil
    IAccessManager public immutable MANAGER;
    /// @inheritdoc ICouncil
    address public immutable TIMELOCK;

    /// @inheritdoc ICouncil
    Seats public seats;
    /// @inheritdoc ICouncil
    mapping(uint256 place => address) public holderOf;
    /// @inheritdoc ICouncil
    mapping(address account => Seats) public seatOf;
    /// @dev votes 32 | state 8 | expiresAt 40, lowest bits first.
    mapping(bytes32 ballot => uint256) private _ballots;

    constructor(IAccessManager manager, address timelock, address[] memory holders, uint8 threshold)
        EIP712("QCRS Council", "1")
    {
        (MANAGER, TIMELOCK) = (manager, timelock);
        for (uint256 place; place < holders.length; ++place) _seat(place, holders[place]);
        _begin(threshold);
    }

    /// @inheritdoc ICouncil
    function vote(Motion calldata motion) external returns (bytes32) {
        return _count(msg.sender, motion);
    }

    /// @inheritdoc ICouncil
    function voteBySig(Motion calldata motion, uint256 deadline, address[] calldata members, bytes[] calldata signed)
        external
    {
        if (block.timestamp > deadline) revert CouncilTooLate(deadline);
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(VOTE_TYPEHASH, motion.target, keccak256(motion.data), motion.salt, seats.term, deadline))
        );
        for (uint256 i; i < members.length; ++i) {
            bool valid = SignatureChecker.isValidSignatureNowCalldata(members[i], digest, signed[i]);
            if (!valid) revert CouncilBadSignature(members[i]);
            _count(members[i], motion);
        }
    }

    /// @inheritdoc ICouncil
    function execute(Motion calldata motion) external {
        bytes32 ballot = ballotId(motion);
        uint256 word = _ballots[ballot];
        if (_state(word) != BallotState.Waiting) revert CouncilBadBallot(ballot, _state(word));
        _make(ballot, word, motion);
    }

    /// @inheritdoc ICouncil
    function reseat(uint8[] calldata places, address[] calldata holders, uint8 threshold) external {
        if (msg.sender != TIMELOCK) revert CouncilNotTimelock(msg.sender);
        // All leave before anyone sits down, so that two may change places.
        for (uint256 i; i < places.length; ++i) _seat(places[i], address(0));
        for (uint256 i; i < places.length; ++i) if (holders[i] != address(0)) _seat(places[i], holders[i]);
        _begin(threshold);
    }

    /// @inheritdoc ICouncil
    function ballotId(Motion calldata motion) public view returns (bytes32) {
        return _id(motion, seats.term);
    }

    /// @inheritdoc ICouncil
    function ballotOf(bytes32 ballot) external view returns (uint32 votes, uint40 expiresAt, BallotState state) {
        uint256 word = _ballots[ballot];
        return (uint32(word), uint40(word >> 40), _state(word));
    }

    function _id(Motion calldata motion, uint32 term) private pure returns (bytes32) {
        return keccak256(abi.encode(motion.target, keccak256(motion.data), motion.salt, term));
    }

    function _count(address member, Motion calldata motion) private returns (bytes32 ballot) {
        Seats memory seat = seatOf[member];
        if (seat.held == 0) revert CouncilNotMember(member);
        ballot = _id(motion, seat.term);
        uint256 word = _ballots[ballot];
        if (word & seat.held != 0) revert CouncilAlreadyVoted(ballot, member);
        if (word == 0) {
            word = block.timestamp + BALLOT_LIFE << 40 | uint256(BallotState.Open) << 32;
            emit BallotOpened(ballot, motion.target, member, motion.data, motion.salt, uint40(word >> 40));
        } else if (_state(word) == BallotState.Open) emit Voted(ballot, member);
        else revert CouncilBadBallot(ballot, _state(word));
        _ballots[ballot] = word |= seat.held;
        if (_ones(uint32(word)) != seat.threshold) return ballot;
        // What the manager lets the council do at once, or does not guard, is done; what has to wait is scheduled.
        (bool immediate, uint32 delay) = MANAGER.canCall(address(this), motion.target, bytes4(motion.data));
        if (immediate || delay == 0) return _make(ballot, word, motion);
        _ballots[ballot] = word + (1 << 32); // from Open to Waiting
        emit CallScheduled(ballot, uint48(block.timestamp) + delay);
        // What the council scheduled before, in an earlier term for one, would refuse this: it gives way.
        bytes32 operation = MANAGER.hashOperation(address(this), motion.target, motion.data);
        if (MANAGER.getSchedule(operation) != 0) MANAGER.cancel(address(this), motion.target, motion.data);
        MANAGER.schedule(motion.target, motion.data, 0);
    }

    function _make(bytes32 ballot, uint256 word, Motion calldata motion) private returns (bytes32) {
        _ballots[ballot] = word | uint256(BallotState.Executed) << 32; // all bits of the states before it
        emit CallExecuted(ballot);
        Address.functionCall(motion.target, motion.data);
        return ballot;
    }

    function _state(uint256 word) private view returns (BallotState state) {
        state = BallotState(uint8(word >> 32));
        if (state == BallotState.Open && block.timestamp > word >> 40) state = BallotState.Expired;
    }

    function _seat(uint256 place, address holder) private {
        if (place >= MOST_SEATS || seatOf[holder].held != 0) revert CouncilBadSeat(place, holder);
        delete seatOf[holderOf[place]];
        holderOf[place] = holder;
        if (holder != address(0)) seatOf[holder].held = uint32(1 << place);
        emit SeatSet(uint8(place), holder);
    }

    function _begin(uint8 threshold) private {
        Seats memory s = Seats(0, threshold, seats.term + 1);
        for (uint256 place; place < MOST_SEATS; ++place) {
            if (holderOf[place] == address(0)) continue;
            s.held |= uint32(1 << place);
            seatOf[holderOf[place]] = Seats(uint32(1 << place), threshold, s.term);
        }
        uint256 count = _ones(s.held);
        bool decides = threshold <= count && 2 * uint256(threshold) > count;
        if (count < LEAST_SEATS || !decides) revert CouncilBadThreshold(count, threshold);
        seats = s;
        emit TermBegan(s.term, s.held, threshold);
    }

    function _ones(uint256 bits) private pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) ++count;
    }
}
