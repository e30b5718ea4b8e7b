// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IComputationAllocator} from "../interfaces/IComputationAllocator.sol";
import {ICouncil} from "../interfaces/ICouncil.sol";
import {IDisputeCourt} from "../interfaces/IDisputeCourt.sol";
import {IProcessorRegistry} from "../interfaces/IProcessorRegistry.sol";
import {IResultVerifier} from "../interfaces/IResultVerifier.sol";
import {ExecutionState, ExecutionView} from "../libraries/Types.sol";

/// @title DisputeCourt
/// @notice Rulings on challenges. The rules are written out in IDisputeCourt.
contract DisputeCourt is IDisputeCourt, AccessManaged {
    using SafeERC20 for IERC20;

    uint256 private constant PARTS = 12;
    uint256 private constant COMMIT_PARTS = 2;
    uint256 private constant REVEAL_PARTS = 3;
    uint256 private constant APPEAL_PARTS = 4;
    uint256 private constant DECIDE_PARTS = 11;
    uint256 private constant APPEAL_MULTIPLE = 2;

    /// @notice The credit token.
    IERC20 public immutable CREDIT;
    /// @notice The result verifier, whose challenges are ruled on.
    IResultVerifier public immutable VERIFIER;
    /// @notice The exchange's allocator.
    IComputationAllocator public immutable ALLOCATOR;
    /// @notice The processor registry.
    IProcessorRegistry public immutable REGISTRY;
    /// @notice The Dispute Resolution Council.
    ICouncil public immutable COUNCIL;

    /// @inheritdoc IDisputeCourt
    uint256 public openBonds;
    /// @inheritdoc IDisputeCourt
    mapping(address account => uint256) public creditsOf;
    /// @inheritdoc IDisputeCourt
    mapping(uint256 challenge => mapping(address member => bytes32)) public commitmentOf;
    mapping(uint256 challenge => Case) private _cases;

    constructor(
        address authority_,
        address credit,
        address verifier,
        address allocator,
        address registry,
        address council
    ) AccessManaged(authority_) {
        (CREDIT, VERIFIER) = (IERC20(credit), IResultVerifier(verifier));
        (ALLOCATOR, REGISTRY) = (IComputationAllocator(allocator), IProcessorRegistry(registry));
        COUNCIL = ICouncil(council);
    }

    /* ------------------------------ the council ------------------------------ */

    /// @inheritdoc IDisputeCourt
    function commit(uint256 challenge, bytes32 commitment) external {
        Stages memory s = _open(challenge);
        _during(challenge, 0, s.commitUntil);
        _checkMember();
        commitmentOf[challenge][msg.sender] = commitment;
        emit RulingCommitted(challenge, msg.sender, commitment);
    }

    /// @inheritdoc IDisputeCourt
    function reveal(uint256 challenge, IResultVerifier.ChallengeState ruling, bytes32 evidence, bytes32 salt) external {
        Stages memory s = _open(challenge);
        _during(challenge, s.commitUntil, s.revealUntil);
        _checkMember();
        _checkRuling(ruling);
        bytes32 commitment = keccak256(abi.encode(challenge, msg.sender, ruling, evidence, salt));
        if (commitmentOf[challenge][msg.sender] != commitment) revert DisputeCourtBadReveal(challenge, msg.sender);
        delete commitmentOf[challenge][msg.sender];
        Case storage c = _cases[challenge];
        // The threshold of the first reveal holds for all: a council that is reseated meanwhile cannot change the count.
        if (c.threshold == 0) (, c.threshold,) = COUNCIL.seats();
        ruling == IResultVerifier.ChallengeState.Upheld ? ++c.upheld : ++c.overturned;
        emit RulingRevealed(challenge, msg.sender, ruling, evidence);
    }

    /* ------------------------------ the appeal ------------------------------ */

    /// @inheritdoc IDisputeCourt
    function appeal(uint256 challenge, bytes32 grounds) external {
        Stages memory s = _open(challenge);
        _during(challenge, s.revealUntil, s.appealUntil);
        Case storage c = _cases[challenge];
        if (rulingOf(challenge) == IResultVerifier.ChallengeState.None) revert DisputeCourtNoRuling(challenge);
        if (c.appellant != address(0)) revert DisputeCourtAppeal(challenge, c.appellant);
        uint256 bond = appealBond(challenge);
        (c.appellant, c.bond) = (msg.sender, bond);
        openBonds += bond;
        emit AppealOpened(challenge, msg.sender, bond, s.decideUntil, grounds);
        CREDIT.safeTransferFrom(msg.sender, address(this), bond);
    }

    /// @inheritdoc IDisputeCourt
    function decide(uint256 challenge, IResultVerifier.ChallengeState ruling) external restricted {
        _checkRuling(ruling);
        Stages memory s = _open(challenge);
        _during(challenge, 0, s.decideUntil);
        Case memory c = _cases[challenge];
        if (c.appellant == address(0)) revert DisputeCourtAppeal(challenge, address(0));
        if (ruling == rulingOf(challenge)) _share(challenge, c.bond, ruling);
        else _credit(c.appellant, c.bond);
        _close(challenge, ruling, true);
    }

    /* ------------------------------ ends ------------------------------ */

    /// @inheritdoc IDisputeCourt
    function finalise(uint256 challenge) external {
        Case memory c = _cases[challenge];
        if (c.closed) revert DisputeCourtNotOpen(challenge);
        Stages memory s = stagesOf(challenge);
        IResultVerifier.ChallengeState ruling = rulingOf(challenge);
        uint40 from = ruling == IResultVerifier.ChallengeState.None
            ? s.deadline
            : c.appellant == address(0) ? s.appealUntil : s.decideUntil;
        _during(challenge, from, type(uint40).max);
        if (block.timestamp > s.deadline) ruling = IResultVerifier.ChallengeState.Lapsed;
        if (c.appellant != address(0)) _credit(c.appellant, c.bond);
        _close(challenge, ruling, false);
    }

    /// @inheritdoc IDisputeCourt
    function withdraw() external {
        uint256 amount = creditsOf[msg.sender];
        if (amount == 0) revert DisputeCourtNothing(msg.sender);
        creditsOf[msg.sender] = 0;
        emit CreditsWithdrawn(msg.sender, amount);
        CREDIT.safeTransfer(msg.sender, amount);
    }

    /* ------------------------------ views ------------------------------ */

    /// @inheritdoc IDisputeCourt
    function rulingOf(uint256 challenge) public view returns (IResultVerifier.ChallengeState) {
        Case storage c = _cases[challenge];
        if (c.threshold == 0) return IResultVerifier.ChallengeState.None;
        if (c.upheld >= c.threshold) return IResultVerifier.ChallengeState.Upheld;
        if (c.overturned >= c.threshold) return IResultVerifier.ChallengeState.Overturned;
        return IResultVerifier.ChallengeState.None;
    }

    /// @inheritdoc IDisputeCourt
    function caseOf(uint256 challenge) external view returns (Case memory) {
        return _cases[challenge];
    }

    /// @inheritdoc IDisputeCourt
    function stagesOf(uint256 challenge) public view returns (Stages memory s) {
        IResultVerifier.Challenge memory c = VERIFIER.challengeOf(challenge);
        if (c.state == IResultVerifier.ChallengeState.None) revert DisputeCourtNotOpen(challenge);
        uint256 span = c.rulingDeadline - c.openedAt;
        s.commitUntil = uint40(c.openedAt + span * COMMIT_PARTS / PARTS);
        s.revealUntil = uint40(c.openedAt + span * REVEAL_PARTS / PARTS);
        s.appealUntil = uint40(c.openedAt + span * APPEAL_PARTS / PARTS);
        s.decideUntil = uint40(c.openedAt + span * DECIDE_PARTS / PARTS);
        s.deadline = c.rulingDeadline;
    }

    /// @inheritdoc IDisputeCourt
    function appealBond(uint256 challenge) public view returns (uint256) {
        return APPEAL_MULTIPLE * VERIFIER.challengeOf(challenge).bond;
    }

    /* ------------------------------ internals ------------------------------ */

    function _open(uint256 challenge) private view returns (Stages memory) {
        bool open = VERIFIER.challengeOf(challenge).state == IResultVerifier.ChallengeState.Open;
        if (!open || _cases[challenge].closed) revert DisputeCourtNotOpen(challenge);
        return stagesOf(challenge);
    }

    function _during(uint256 challenge, uint40 from, uint40 until) private view {
        if (block.timestamp <= from || block.timestamp > until) revert DisputeCourtWrongTime(challenge, from, until);
    }

    function _checkMember() private view {
        (uint32 seat,,) = COUNCIL.seatOf(msg.sender);
        if (seat == 0) revert DisputeCourtNotMember(msg.sender);
    }

    function _checkRuling(IResultVerifier.ChallengeState ruling) private pure {
        if (ruling != IResultVerifier.ChallengeState.Upheld && ruling != IResultVerifier.ChallengeState.Overturned) {
            revert DisputeCourtBadRuling(ruling);
        }
    }

    /// @dev The bond of an appeal that failed.
    function _share(uint256 challenge, uint256 bond, IResultVerifier.ChallengeState ruling) private {
        IResultVerifier.Challenge memory c = VERIFIER.challengeOf(challenge);
        address treasury = REGISTRY.treasury();
        address winner = c.challenger;
        if (ruling == IResultVerifier.ChallengeState.Upheld) {
            ExecutionView memory e = ALLOCATOR.execution(c.job, c.execution);
            winner = e.state == ExecutionState.Accepted ? REGISTRY.ownerOf(e.processor) : treasury;
        }
        _credit(winner, bond / 2);
        _credit(treasury, bond - bond / 2);
    }

    function _credit(address account, uint256 amount) private {
        openBonds -= amount;
        creditsOf[account] += amount;
        emit Credited(account, amount);
    }

    /// @dev The verifier may have been told to let the challenge lapse before: then there is nothing more to tell it.
    function _close(uint256 challenge, IResultVerifier.ChallengeState ruling, bool appealed) private {
        _cases[challenge].closed = true;
        emit CaseClosed(challenge, ruling, appealed);
        if (ruling != IResultVerifier.ChallengeState.Lapsed) VERIFIER.rule(challenge, ruling);
        else if (VERIFIER.challengeOf(challenge).state == IResultVerifier.ChallengeState.Open) VERIFIER.lapse(challenge);
    }
}
