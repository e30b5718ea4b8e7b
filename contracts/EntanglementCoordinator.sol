// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {CoordinatorBase} from "./coordination/CoordinatorBase.sol";
import {Endings} from "./coordination/Endings.sol";
import {EntanglementChannels} from "./coordination/EntanglementChannels.sol";
import {ChannelId, IEntanglementBase, SessionId} from "./interfaces/IEntanglementBase.sol";
import {IEntanglementChannels} from "./interfaces/IEntanglementChannels.sol";
import {IEntanglementCoordinator} from "./interfaces/IEntanglementCoordinator.sol";
import {IProcessorRegistry} from "./interfaces/IProcessorRegistry.sol";
import {Coherence} from "./libraries/Coherence.sol";
import {JobId, ProcessorId, QuantumKey} from "./libraries/Types.sol";

/// @title EntanglementCoordinator
/// @notice Who computes together: ledger, sessions, administration and views. The channel functions live in
/// `EntanglementChannels`, which this contract creates for itself and runs on its own storage.
contract EntanglementCoordinator is Endings, IEntanglementCoordinator {
    using SafeERC20 for IERC20;

    /// @notice The credit token.
    IERC20 public immutable TOKEN;
    /// @notice The code of the channel functions; created by the constructor and never changed.
    address public immutable CHANNELS;

    constructor(address authority, IERC20 token, IProcessorRegistry registry) CoordinatorBase(authority, registry) {
        TOKEN = token;
        _setParameters(
            Parameters({
                maxQber: 110_000, // BB84 has no key above 11.00 %
                minTestRounds: 100,
                attestWindow: 1 hours,
                disputeWindow: 1 days,
                answerWindow: 6 hours,
                grace: 60,
                penaltyBps: 1_000,
                maxAttempts: 3,
                paused: false
            })
        );
        CHANNELS = address(new EntanglementChannels(authority, registry));
    }

    /* ------------------------------------------------- ledger ------------------------------------------------ */

    /// @inheritdoc IEntanglementCoordinator
    function deposit(uint256 amount) public {
        _credit(msg.sender, amount);
        emit Deposited(msg.sender, amount);
        // Exact in both directions: a token that keeps a fee is refused, and a re-entrant deposit inside the transfer makes
        // the outer difference wrong and reverts both.
        uint256 held = TOKEN.balanceOf(address(this));
        TOKEN.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = TOKEN.balanceOf(address(this)) - held;
        if (received != amount) revert CoordinatorTransferMismatch(amount, received);
    }

    /// @inheritdoc IEntanglementCoordinator
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external {
        // Whoever saw the signature may have spent it first; then the allowance stands and the deposit goes on.
        try IERC20Permit(address(TOKEN)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        deposit(amount);
    }

    /// @inheritdoc IEntanglementCoordinator
    function withdraw(address to, uint256 amount) external {
        _debit(msg.sender, amount);
        emit Withdrawn(msg.sender, to, amount);
        TOKEN.safeTransfer(to, amount);
    }

    /* ------------------------------------------------ channels ----------------------------------------------- */

    /// @inheritdoc IEntanglementChannels
    function openChannel(ChannelTerms calldata) external returns (ChannelId) {
        _runChannels();
    }

    /// @inheritdoc IEntanglementChannels
    function acceptChannel(ChannelId, ProcessorId, bytes32) external {
        _runChannels();
    }

    /// @inheritdoc IEntanglementChannels
    function topUp(ChannelId, uint96) external {
        _runChannels();
    }

    /// @inheritdoc IEntanglementChannels
    function attest(ChannelId, ProcessorId, Attestation calldata) external {
        _runChannels();
    }

    /// @inheritdoc IEntanglementChannels
    function attestWithKey(ChannelId, ProcessorId, Attestation calldata, QuantumKey calldata, bytes calldata) external {
        _runChannels();
    }

    /// @inheritdoc IEntanglementChannels
    function lapse(ChannelId) external {
        _runChannels();
    }

    /// @inheritdoc IEntanglementChannels
    function dispute(ChannelId, EpochRecord calldata, uint32) external {
        _runChannels();
    }

    /// @inheritdoc IEntanglementChannels
    function openLeaf(ChannelId, EpochRecord calldata, uint8, TestRound calldata, bytes32[] calldata) external {
        _runChannels();
    }

    /// @inheritdoc IEntanglementChannels
    function resolveDispute(ChannelId, EpochRecord calldata, uint32) external {
        _runChannels();
    }

    /// @inheritdoc IEntanglementChannels
    function retireChannel(ChannelId) external {
        _runChannels();
    }

    /// @inheritdoc IEntanglementChannels
    function closeChannel(ChannelId) external {
        _runChannels();
    }

    /// Runs the same call in the channel code on this contract's storage and returns or reverts as it does. Every function
    /// that calls this does nothing else.
    function _runChannels() private {
        address code = CHANNELS;
        assembly ("memory-safe") {
            let data := mload(0x40)
            calldatacopy(data, 0, calldatasize())
            let ok := delegatecall(gas(), code, data, calldatasize(), 0, 0)
            returndatacopy(data, 0, returndatasize())
            if iszero(ok) { revert(data, returndatasize()) }
            return(data, returndatasize())
        }
    }

    /* ------------------------------------------------ sessions ----------------------------------------------- */

    /// @inheritdoc IEntanglementCoordinator
    function openSession(SessionRequest calldata r) external returns (SessionId id) {
        Parameters memory p = currentParameters();
        if (p.paused) revert CoordinatorPaused();
        uint32 seconds_ = _barrierSeconds(r, p.grace); // checks the lists
        if (r.epochs == 0 || r.epochs > MAX_EPOCHS) revert CoordinatorBadRequest("epochs");
        if (r.planSeconds == 0 || r.planSeconds > MAX_PLAN_SECONDS) revert CoordinatorBadRequest("planSeconds");
        if (r.partyDeposit < MIN_BOND) revert CoordinatorBadRequest("partyDeposit");
        id = SessionId.wrap(++_sessionCount);
        _takeAttempt(r.job, r.attempt, p.maxAttempts, id);
        uint40 deadline = uint40(block.timestamp + r.planSeconds);
        _reserve(id, r, uint256(deadline) + (uint256(r.epochs) + 1) * seconds_);

        Session storage s = _sessions[id];
        s.head = SessionHead({
            state: SessionState.Plan,
            code: AbortCode.None,
            attempt: r.attempt,
            barrier: 0,
            lastBarrier: r.epochs + 1,
            parties: uint8(r.parties.length),
            channels: uint8(r.channels.length),
            arrived: 0,
            corrected: 0,
            deadline: deadline,
            barrierSeconds: seconds_,
            job: r.job
        });
        s.client = msg.sender;
        s.feePerParty = r.feePerParty;
        s.partyDeposit = r.partyDeposit;
        s.penalty = _share(r.partyDeposit, p.penaltyBps);
        uint256 k = r.parties.length;
        for (uint256 i = 0; i < k; ++i) s.members[i] = ProcessorId.unwrap(r.parties[i]);
        for (uint256 i = 0; i < r.channels.length; ++i) s.members[k + i] = ChannelId.unwrap(r.channels[i]);
        bytes32 digest = sessionDigest(r, msg.sender);
        s.trail = digest;
        _debit(msg.sender, uint256(r.feePerParty) * k);
        emit SessionOpened(id, r.job, msg.sender, r, digest, deadline, seconds_, s.penalty);
    }

    /// @inheritdoc IEntanglementCoordinator
    function arrive(SessionId id, uint8 barrier, ProcessorId processor, bytes32 commitment) external {
        Session storage s = _sessions[id];
        SessionHead memory head = _sessionHead(id);
        _requireRunning(id, head.state);
        if (barrier != head.barrier) revert CoordinatorWrongBarrier(id, head.barrier, barrier);
        uint8 bit = _partyBit(id, s, head.parties, processor);
        if (head.arrived & bit != 0) revert CoordinatorAlreadyArrived(id, barrier, processor);
        address provider = _authorized(processor);
        head.arrived |= bit;
        emit PartyArrived(id, processor, barrier, commitment);

        bytes32 trail = s.trail;
        if (barrier == 0) {
            if (commitment != trail) revert CoordinatorPlanDiffers(id, trail, commitment);
            _debit(provider, s.partyDeposit);
        } else {
            trail = keccak256(abi.encode(trail, barrier, processor, commitment));
            s.trail = trail;
        }
        if (head.arrived != _all(head.parties)) {
            _setSessionHead(id, head);
        } else if (barrier == head.lastBarrier) {
            head.state = SessionState.Done;
            _setSessionHead(id, head);
            _release(id, s, head);
            emit SessionCompleted(id, trail);
            _payParties(s, head.parties);
        } else {
            head.barrier = barrier + 1;
            head.arrived = 0;
            head.state = barrier == 0 ? SessionState.Ready : SessionState.Go;
            head.deadline = uint40(block.timestamp + head.barrierSeconds);
            _setSessionHead(id, head);
            emit BarrierPassed(id, head.state, head.barrier, head.deadline);
        }
    }

    /// @inheritdoc IEntanglementCoordinator
    function decline(SessionId id, ProcessorId processor, AbortCode code) external {
        Session storage s = _sessions[id];
        SessionHead memory head = _sessionHead(id);
        if (head.state != SessionState.Plan && head.state != SessionState.Ready) {
            revert CoordinatorWrongSessionState(id, head.state);
        }
        if (code != AbortCode.LinkLost && code != AbortCode.FidelityLow) revert CoordinatorBadAbortCode(code);
        uint8 bit = _partyBit(id, s, head.parties, processor);
        _authorized(processor);
        _abort(id, s, head, code, bit, 0);
    }

    /// @inheritdoc IEntanglementCoordinator
    function cancelSession(SessionId id) external {
        Session storage s = _sessions[id];
        SessionHead memory head = _sessionHead(id);
        if (head.state != SessionState.Plan) revert CoordinatorWrongSessionState(id, head.state);
        if (msg.sender != s.client) revert CoordinatorNotClient(id, msg.sender);
        _abort(id, s, head, AbortCode.Cancelled, 0, 0);
    }

    /// @inheritdoc IEntanglementCoordinator
    function abort(SessionId id) external {
        Session storage s = _sessions[id];
        SessionHead memory head = _sessionHead(id);
        _requireRunning(id, head.state);
        if (block.timestamp <= head.deadline) revert CoordinatorTooEarly(block.timestamp, head.deadline + 1);
        uint8 missing = _all(head.parties) & ~head.arrived;
        if (head.state == SessionState.Plan) {
            _abort(id, s, head, AbortCode.Timeout, missing, 0); // who never accepted owes nothing
        } else {
            _abort(id, s, head, AbortCode.PeerSilent, missing, s.penalty);
        }
    }

    /// @inheritdoc IEntanglementCoordinator
    function attestCorrection(SessionId id, ProcessorId processor, CorrectionRecord calldata record) external {
        Session storage s = _sessions[id];
        SessionHead memory head = _sessionHead(id);
        if (head.state != SessionState.Go && head.state != SessionState.Done) {
            revert CoordinatorWrongSessionState(id, head.state);
        }
        if (record.distance < 2) revert CoordinatorBadCorrection("distance");
        if (record.rounds == 0) revert CoordinatorBadCorrection("rounds");
        if (record.shots == 0) revert CoordinatorBadCorrection("shots");
        if (record.failures > record.shots) revert CoordinatorBadCorrection("failures");
        if (record.logicalErrorPerRound > 1e12) revert CoordinatorBadCorrection("logicalErrorPerRound");
        uint8 bit = _partyBit(id, s, head.parties, processor);
        _authorized(processor);
        if (head.corrected & bit != 0) revert CoordinatorAlreadyAttestedCorrection(id, processor);
        bytes32 digest = keccak256(abi.encode(record));
        if (head.corrected == 0) s.correction = digest;
        else if (s.correction != digest) revert CoordinatorCorrectionDiffers(id, s.correction, digest);
        s.head.corrected = head.corrected | bit;
        emit CorrectionAttested(id, processor, record);
    }

    /* --------------------------------------------- administration -------------------------------------------- */

    /// @inheritdoc IEntanglementChannels
    function quarantine(ChannelId) external {
        _runChannels(); // restricted there
    }

    /// @inheritdoc IEntanglementCoordinator
    function setPaused(bool paused) external restricted {
        _parameters.paused = paused;
        emit PauseSet(paused);
    }

    /// @inheritdoc IEntanglementCoordinator
    function setParameters(Parameters calldata parameters) external restricted {
        Parameters memory p = parameters;
        p.paused = _parameters.paused;
        _setParameters(p);
    }

    /* ------------------------------------------------- views ------------------------------------------------- */

    /// @inheritdoc IEntanglementCoordinator
    function balanceOf(address account) external view returns (uint256) {
        return _balances[account];
    }

    /// @inheritdoc IEntanglementCoordinator
    function channelOf(ChannelId id) external view returns (ChannelView memory view_) {
        Channel storage c = _channels[id];
        ChannelHead memory head = _channelHead(id);
        (view_.state, view_.processorA, view_.processorB) = (head.state, head.processorA, head.processorB);
        (view_.opener, view_.termsHash, view_.deposit) = (c.opener, c.termsHash, c.deposit);
        (view_.accepted, view_.pendingEnd, view_.openDisputes) = (head.accepted, head.pendingEnd, head.openDisputes);
        (view_.epoch, view_.deadline, view_.lockedUntil) = (head.epoch, head.deadline, head.lockedUntil);
        view_.pendingUntil = head.pendingEnd == 0 ? 0 : c.pending.until;
        (view_.minFidelity, view_.fidelity) = (c.rates.minFidelity, head.fidelity);
        (view_.pairRate, view_.pairPrice, view_.penalty) = (c.rates.pairRate, c.rates.pairPrice, c.rates.penalty);
        view_.bondA = head.accepted & 1 != 0 ? c.bonds[0] : 0;
        view_.bondB = head.accepted & 2 != 0 ? c.bonds[1] : 0;
        for (uint256 i = 0; i < MAX_SESSIONS_PER_CHANNEL; ++i) view_.sessions[i] = SessionId.wrap(c.sessions[i]);
    }

    /// @inheritdoc IEntanglementCoordinator
    function sessionOf(SessionId id) external view returns (SessionView memory view_) {
        Session storage s = _sessions[id];
        SessionHead memory head = _sessionHead(id);
        (view_.state, view_.code, view_.client) = (head.state, head.code, s.client);
        (view_.job, view_.attempt, view_.barrier) = (head.job, head.attempt, head.barrier);
        (view_.lastBarrier, view_.arrived, view_.corrected) = (head.lastBarrier, head.arrived, head.corrected);
        (view_.deadline, view_.barrierSeconds) = (head.deadline, head.barrierSeconds);
        view_.parties = new ProcessorId[](head.parties);
        for (uint256 i = 0; i < head.parties; ++i) view_.parties[i] = ProcessorId.wrap(s.members[i]);
        view_.channels = new ChannelId[](head.channels);
        for (uint256 i = 0; i < head.channels; ++i) view_.channels[i] = ChannelId.wrap(s.members[head.parties + i]);
        (view_.feePerParty, view_.partyDeposit, view_.penalty) = (s.feePerParty, s.partyDeposit, s.penalty);
        (view_.trail, view_.correction) = (s.trail, s.correction);
    }

    /// @inheritdoc IEntanglementCoordinator
    function attemptsOf(address client, JobId job) external view returns (SessionId last, uint8 next) {
        Attempts memory attempts = _attempts[client][job];
        return (attempts.last, attempts.next);
    }

    /// @inheritdoc IEntanglementCoordinator
    function epochDigestOf(ChannelId id, uint32 epoch) external view returns (bytes32) {
        return _epochDigests[id][epoch];
    }

    /// @inheritdoc IEntanglementCoordinator
    function disputeOf(ChannelId id, uint32 epoch, uint32 index) external view returns (address, uint40, uint8) {
        Dispute memory d = _disputes[id][epoch][index];
        return (d.disputer, d.deadline, d.opened);
    }

    /// @inheritdoc IEntanglementCoordinator
    function barrierSeconds(SessionRequest calldata request) external view returns (uint32) {
        return _barrierSeconds(request, _parameters.grace);
    }

    /* ---------------------------------------------- session rules -------------------------------------------- */

    /// A job's attempts are taken in order, each once, the next only after an abort: opening is idempotent by (job, attempt).
    function _takeAttempt(JobId job, uint8 attempt, uint8 maximum, SessionId id) private {
        Attempts storage attempts = _attempts[msg.sender][job];
        (SessionId last, uint8 next) = (attempts.last, attempts.next);
        if (attempt != next) revert CoordinatorWrongAttempt(job, next, attempt, last);
        if (next >= maximum) revert CoordinatorNoAttemptsLeft(job, maximum);
        if (next != 0) {
            SessionState state = _sessions[last].head.state;
            if (state != SessionState.Aborted) revert CoordinatorAttemptRunning(job, last, state);
        }
        (attempts.last, attempts.next) = (id, next + 1);
    }

    /// Enters the session in each of its channels and checks that the channels are the client's, last long enough and touch
    /// every party.
    function _reserve(SessionId id, SessionRequest calldata r, uint256 sessionEnd) private {
        uint256 touched;
        for (uint256 i = 0; i < r.channels.length; ++i) {
            ChannelId channel = r.channels[i];
            Channel storage c = _channels[channel];
            ChannelHead memory head = _channelHead(channel);
            if (c.opener != msg.sender) revert CoordinatorNotOpener(channel, msg.sender);
            if (sessionEnd > head.deadline) revert CoordinatorChannelTooShort(channel, head.deadline, sessionEnd);
            touched |= _bitIn(r.parties, head.processorA) | _bitIn(r.parties, head.processorB);
            uint256 free = MAX_SESSIONS_PER_CHANNEL;
            for (uint256 j = 0; j < MAX_SESSIONS_PER_CHANNEL; ++j) {
                if (c.sessions[j] == 0) {
                    free = j;
                    break;
                }
            }
            if (free == MAX_SESSIONS_PER_CHANNEL) revert CoordinatorChannelFull(channel);
            c.sessions[free] = SessionId.unwrap(id);
        }
        for (uint256 i = 0; i < r.parties.length; ++i) {
            if (touched & (1 << i) == 0) revert CoordinatorPartyUnconnected(r.parties[i]);
        }
    }

    /// Pays a completed session: fee and deposit to each party.
    function _payParties(Session storage s, uint256 parties) private {
        uint256 amount = uint256(s.feePerParty) + s.partyDeposit;
        for (uint256 i = 0; i < parties; ++i) _give(_provider(ProcessorId.wrap(s.members[i])), amount);
    }

    /// The rule of `barrierSeconds`, with the request's lists checked on the way.
    function _barrierSeconds(SessionRequest calldata r, uint256 grace) private view returns (uint32) {
        if (r.parties.length < 2 || r.parties.length > MAX_PARTIES) revert CoordinatorBadRequest("parties");
        if (r.channels.length == 0 || r.channels.length > MAX_CHANNELS) revert CoordinatorBadRequest("channels");
        if (r.ebits.length != r.channels.length) revert CoordinatorBadRequest("ebits");
        if (r.shots == 0) revert CoordinatorBadRequest("shots");
        uint256[] memory t2 = new uint256[](r.parties.length);
        for (uint256 i = 0; i < t2.length; ++i) {
            if (i != 0 && ProcessorId.unwrap(r.parties[i]) <= ProcessorId.unwrap(r.parties[i - 1])) {
                revert CoordinatorBadRequest("parties");
            }
            t2[i] = _coherence(r.parties[i]);
        }
        uint256 pairing; // nanoseconds per shot
        uint256 alive = type(uint256).max; // nanoseconds per shot
        for (uint256 i = 0; i < r.channels.length; ++i) {
            ChannelId channel = r.channels[i];
            if (i != 0 && ChannelId.unwrap(channel) <= ChannelId.unwrap(r.channels[i - 1])) {
                revert CoordinatorBadRequest("channels");
            }
            if (r.ebits[i] == 0) revert CoordinatorBadRequest("ebits");
            ChannelHead memory head = _channelHead(channel);
            Rates memory rates = _channels[channel].rates;
            if (head.state != ChannelState.Live) revert CoordinatorWrongChannelState(channel, head.state);
            if (head.fidelity == 0) revert CoordinatorChannelUnmeasured(channel);
            uint256 wait = (uint256(r.ebits[i]) * 1e12 + rates.pairRate - 1) / rates.pairRate;
            if (wait > pairing) pairing = wait;
            (uint256 a, uint256 b) = (t2[_indexIn(r.parties, head.processorA)], t2[_indexIn(r.parties, head.processorB)]);
            uint256 life = Coherence.lifetime(a < b ? a : b, head.fidelity, rates.minFidelity);
            if (life < alive) alive = life;
        }
        uint256 total = grace + (r.shots * (pairing + alive) + 1e9 - 1) / 1e9;
        if (total > MAX_BARRIER_SECONDS) revert CoordinatorBarrierTooLong(total, MAX_BARRIER_SECONDS);
        return uint32(total);
    }

    function _requireRunning(SessionId id, SessionState state) private pure {
        if (state != SessionState.Plan && state != SessionState.Ready && state != SessionState.Go) {
            revert CoordinatorWrongSessionState(id, state);
        }
    }

    function _partyBit(SessionId id, Session storage s, uint256 parties, ProcessorId processor)
        private
        view
        returns (uint8)
    {
        for (uint256 i = 0; i < parties; ++i) {
            if (s.members[i] == ProcessorId.unwrap(processor)) return uint8(1 << i);
        }
        revert CoordinatorNotAParty(id, processor);
    }

    function _indexIn(ProcessorId[] calldata parties, ProcessorId processor) private pure returns (uint256) {
        for (uint256 i = 0; i < parties.length; ++i) {
            if (parties[i] == processor) return i;
        }
        revert CoordinatorBadRequest("channels"); // leads to a processor that is no party
    }

    function _bitIn(ProcessorId[] calldata parties, ProcessorId processor) private pure returns (uint256) {
        return 1 << _indexIn(parties, processor);
    }

    function _bounded(bytes32 name, uint256 value, uint256 minimum, uint256 maximum) private pure {
        if (value < minimum || value > maximum) {
            revert CoordinatorParameterOutOfBounds(name, value, minimum, maximum);
        }
    }

    function _setParameters(Parameters memory p) private {
        _bounded("maxQber", p.maxQber, 10_000, 126_200); // six-state's threshold is the most that any key survives
        _bounded("minTestRounds", p.minTestRounds, 16, 1_000_000);
        _bounded("attestWindow", p.attestWindow, 5 minutes, 7 days);
        _bounded("disputeWindow", p.disputeWindow, 10 minutes, 30 days);
        _bounded("answerWindow", p.answerWindow, 10 minutes, 7 days);
        _bounded("grace", p.grace, 5, 1 days);
        _bounded("penaltyBps", p.penaltyBps, 100, 5_000);
        _bounded("maxAttempts", p.maxAttempts, 1, 16);
        _parameters = p;
        emit ParametersSet(p);
    }
}
