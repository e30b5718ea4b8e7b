// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ChannelId, IEntanglementBase, SessionId} from "../interfaces/IEntanglementBase.sol";
import {IProcessorRegistry} from "../interfaces/IProcessorRegistry.sol";
import {JobId, ProcessorId, ProcessorView} from "../libraries/Types.sol";

/// @title What channels and sessions share: storage, the ledger, the registry and the parameters
abstract contract CoordinatorBase is IEntanglementBase, AccessManaged {
    /* ------------------------------------------------ constants ---------------------------------------------- */

    uint256 public constant PPM = 1e6;
    uint256 public constant BPS = 1e4;
    uint24 public constant MIN_FIDELITY = 500_001; // ppm; w > 1/3, so a lifetime's ratio stays below 3
    uint96 public constant MIN_BOND = 1e4; // base units; the least penalty of 1 % is then 100
    uint256 public constant MAX_PARTIES = 8;
    uint256 public constant MAX_CHANNELS = 8;
    uint256 public constant MAX_SESSIONS_PER_CHANNEL = 4; // bounds what a quarantine has to abort
    uint8 public constant MAX_EPOCHS = 32;
    uint32 public constant MAX_PLAN_SECONDS = 7 days;
    uint32 public constant MAX_BARRIER_SECONDS = 7 days;
    uint40 public constant MAX_CHANNEL_SECONDS = 365 days;

    IProcessorRegistry public immutable REGISTRY;

    /* ------------------------------------------------- storage ----------------------------------------------- */

    struct ChannelHead {
        ProcessorId processorA;
        ProcessorId processorB;
        ChannelState state;
        uint8 accepted;
        uint8 pendingEnd;
        uint16 openDisputes;
        uint32 epoch;
        uint40 deadline;
        uint40 lockedUntil;
        uint24 fidelity;
    }

    struct Rates {
        uint96 pairPrice;
        uint96 penalty;
        uint32 pairRate;
        uint24 minFidelity;
    }

    struct Pending {
        uint32 testRounds;
        uint24 qberX;
        uint24 qberZ;
        uint24 fidelity;
        uint32 pairs;
        uint40 until;
    }

    struct Channel {
        ChannelHead head;
        Rates rates;
        address opener;
        uint96 deposit;
        uint96[2] bonds; // one word
        Pending pending;
        bytes32 pendingRoot;
        bytes32 termsHash;
        uint64[MAX_SESSIONS_PER_CHANNEL] sessions; // one word
    }

    struct Dispute {
        address disputer;
        uint40 deadline;
        uint8 opened; // bit per end
        uint8 leaf; // of the first end that opened: basis ‖ outcomeA ‖ outcomeB
    }

    struct SessionHead {
        SessionState state;
        AbortCode code;
        uint8 attempt;
        uint8 barrier;
        uint8 lastBarrier;
        uint8 parties;
        uint8 channels;
        uint8 arrived;
        uint8 corrected;
        uint40 deadline;
        uint32 barrierSeconds;
        JobId job;
    }

    struct Session {
        SessionHead head;
        address client;
        uint96 feePerParty;
        uint96 partyDeposit;
        uint96 penalty;
        uint32[MAX_PARTIES + MAX_CHANNELS] members; // parties, then channels: one word up to eight of them, else two
        bytes32 trail;
        bytes32 correction;
    }

    struct Attempts {
        SessionId last;
        uint8 next;
    }

    Parameters internal _parameters;
    uint32 internal _channelCount;
    uint64 internal _sessionCount;
    mapping(address account => uint256) internal _balances;
    mapping(ChannelId => Channel) internal _channels;
    mapping(ChannelId => mapping(uint32 epoch => bytes32)) internal _epochDigests;
    mapping(ChannelId => mapping(uint32 epoch => mapping(uint32 index => Dispute))) internal _disputes;
    mapping(SessionId => Session) internal _sessions;
    mapping(address client => mapping(JobId => Attempts)) internal _attempts;

    constructor(address authority, IProcessorRegistry registry) AccessManaged(authority) {
        REGISTRY = registry;
    }

    /* ------------------------------------------------ hashing ------------------------------------------------ */

    /// @inheritdoc IEntanglementBase
    function termsHash(ChannelTerms calldata terms, address opener) public pure returns (bytes32) {
        return keccak256(abi.encode(terms, opener));
    }

    /// @inheritdoc IEntanglementBase
    function sessionDigest(SessionRequest calldata request, address client) public pure returns (bytes32) {
        return keccak256(abi.encode(request, client));
    }

    /// @inheritdoc IEntanglementBase
    function leafHash(ChannelId id, uint32 epoch, TestRound calldata round) public pure returns (bytes32) {
        return keccak256(
            abi.encodePacked(id, epoch, round.index, round.basis, round.outcomeA, round.outcomeB)
        );
    }

    /* ------------------------------------------- packed words ------------------------------------------------ */

    // One copy in the bytecode of each packing and unpacking; a head is one storage word, read and written whole.

    /// @inheritdoc IEntanglementBase
    function currentParameters() public view returns (Parameters memory) {
        return _parameters;
    }

    function _channelHead(ChannelId id) internal view returns (ChannelHead memory) {
        return _channels[id].head;
    }

    function _setChannelHead(ChannelId id, ChannelHead memory head) internal {
        _channels[id].head = head;
    }

    function _sessionHead(SessionId id) internal view returns (SessionHead memory) {
        return _sessions[id].head;
    }

    function _setSessionHead(SessionId id, SessionHead memory head) internal {
        _sessions[id].head = head;
    }

    /* ------------------------------------------- registry and ledger ----------------------------------------- */

    /// The account that owns a processor; every payment for the processor goes there.
    function _provider(ProcessorId processor) internal view returns (address provider) {
        provider = REGISTRY.ownerOf(processor);
        if (provider == address(0)) revert CoordinatorUnknownProcessor(processor);
    }

    function _controls(ProcessorId processor) internal view returns (bool) {
        return msg.sender == REGISTRY.ownerOf(processor) || msg.sender == REGISTRY.operatorOf(processor);
    }

    /// The processor's provider, if the caller is it or its operator.
    function _authorized(ProcessorId processor) internal view returns (address provider) {
        provider = _provider(processor);
        if (msg.sender != provider && msg.sender != REGISTRY.operatorOf(processor)) {
            revert CoordinatorNotOperator(processor, msg.sender);
        }
    }

    /// Certified coherence time T2 in nanoseconds of a processor that may take part in sessions now.
    function _coherence(ProcessorId processor) internal view returns (uint256) {
        _provider(processor);
        ProcessorView memory p = REGISTRY.processor(processor);
        if (p.suspended || p.retired || p.certifiedUntil < block.timestamp) revert CoordinatorUncertified(processor);
        return p.capability.t2Nanoseconds;
    }

    function _share(uint96 amount, uint16 bps) internal pure returns (uint96) {
        return uint96((uint256(amount) * bps) / BPS); // bps ≤ BPS
    }

    /// The only two ways a balance changes.
    function _credit(address account, uint256 amount) internal {
        _balances[account] += amount;
    }

    function _debit(address account, uint256 amount) internal {
        uint256 available = _balances[account];
        if (available < amount) revert CoordinatorInsufficientBalance(account, amount, available);
        unchecked {
            _balances[account] = available - amount; // amount ≤ available, checked above
        }
    }

    function _give(address account, uint256 amount) internal {
        if (amount == 0) return;
        _credit(account, amount);
        emit Credited(account, amount);
    }
}
