// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IProcessorRegistry} from "../interfaces/IProcessorRegistry.sol";
import {IResultVerifier} from "../interfaces/IResultVerifier.sol";
import {Execution, USED_STEPS, packExecution} from "../libraries/JobWords.sol";
import {Dispatch, RETIRED_AT, SUSPENDED_AT, Standing} from "../libraries/ProcessorWords.sol";
import {
    CREDIT_AT, Clock, DRAIN_AT, GRACE_AT, HALF_LIFE_AT, MARGIN_AT, MULTIPLE_AT, PAUSED_AT, PERMILLE_AT, Policy, Queue,
    RATE_AT, REDUNDANCY_AT, SECONDS_AT, TRUST_AT, WINDOW_AT
} from "../libraries/QueueWords.sol";
import {Reputation} from "../libraries/Reputation.sol";
import {ExecutionState, JobId, JobState, Outcome, ProcessorId} from "../libraries/Types.sol";
import {Flows} from "./Flows.sol";
import {FlowTime} from "./FlowTime.sol";
import {Ledger} from "./Ledger.sol";

/// @title AllocatorDesk
/// @notice The seldom used half of the ComputationAllocator's code: the bodies' parameters, each inside hard bounds, and the end of
/// jobs that were given up or ran out of time. It runs by delegatecall on the allocator's storage; called by itself it only
/// touches its own, which nothing reads. What each function promises is written in IComputationAllocator.
contract AllocatorDesk is FlowTime {
    uint256 private constant MOST_QUEUEING = 1 << 36;

    constructor(address authority_, address credit, address registry, address verifier, uint256 unit)
        Ledger(credit, registry, verifier, unit)
        Flows(authority_)
    {}

    /* ------------------------------ late and given up jobs ------------------------------ */

    function cancel(JobId id) external {
        Case memory k = _loadAll(id);
        if (msg.sender != k.terms.clientOf()) revert ComputationAllocatorNotClient(id, msg.sender);
        if (k.p.stateOf() != JobState.Queued) revert ComputationAllocatorBadJobState(id, k.p.stateOf());
        uint256 count = k.p.countOf();
        for (uint256 i; i < count; ++i) {
            ExecutionState state = _executionIn(k.p, k.more, i).executionStateOf();
            if (_isPending(state)) revert ComputationAllocatorBadExecutionState(id, uint8(i), state);
        }
        _close(k, JobState.Cancelled);
        _store(k);
        _tidy(id);
    }

    function expireExecution(JobId id, uint8 index) external {
        Case memory k = _loadAll(id);
        Execution e = _executionAt(k, index);
        ExecutionState state = e.executionStateOf();
        uint256 until;
        if (state == ExecutionState.Allocated) until = e.sinceOf() + k.p.declaredOf() + k.p.patienceOf();
        else if (state == ExecutionState.Committed) until = e.sinceOf() + _policy.verdictWindowOf();
        else revert ComputationAllocatorBadExecutionState(id, index, state);
        if (block.timestamp <= until) revert ComputationAllocatorTooEarly(id, uint40(until));
        _end(k, index, e);
        _advance(k);
        _store(k);
    }

    function expire(JobId id) external {
        Case memory k = _loadAll(id);
        if (!k.p.isOpen()) revert ComputationAllocatorBadJobState(id, k.p.stateOf());
        uint256 last = _lastCall(k);
        if (block.timestamp <= last) revert ComputationAllocatorTooEarly(id, uint40(last));
        uint256 count = k.p.countOf();
        for (uint256 i; i < count; ++i) {
            Execution e = _executionIn(k.p, k.more, i);
            if (_isPending(e.executionStateOf())) _end(k, uint8(i), e);
        }
        _close(k, JobState.Expired);
        _store(k);
        _tidy(id);
    }

    function skim(uint256 id, uint256 most) external returns (uint256 dropped) {
        // A flow's, or a processor's own: nothing else is the number of a queue, and one of the same low bits would pass for it.
        if (id >= DIRECT ? id >> 22 != DIRECT >> 22 : id >= MOST_FLOWS) revert ComputationAllocatorUnknownQueue(id);
        Queue q = _queues[id];
        (q, dropped) = _trim(id, q, most);
        dropped += _weed(id, q, most - dropped);
        _queues[id] = q;
        _show(id, q);
    }

    function recordChallenge(JobId id, uint8 index, uint8 kind, bytes32 data, bool overturn) external onlyVerifier {
        Case memory k = _loadAll(id);
        _step(k, kind, index, data);
        if (overturn) {
            Execution e = _executionAt(k, index);
            bool accepted = e.executionStateOf() == ExecutionState.Accepted;
            _record(
                ProcessorId.wrap(uint32(e.processorOf())),
                accepted ? Outcome.Fraud : Outcome.Accept,
                false,
                k.terms.lifeOf()
            );
            if (accepted) {
                _refund(k, index, e.usedOf());
                _move(k, index, e, ExecutionState.Fraudulent);
                if (k.p.isOpen()) _advance(k);
            }
        }
        _store(k);
    }

    /* ------------------------------ flows ------------------------------ */

    function openFlow(address owner, uint24 weight, bool open) external restricted returns (uint16 created) {
        created = _open(owner, weight, open);
        emit FlowOpened(created, created, owner, weight, open);
    }

    function splitFlow(uint16 id, uint24 weight, address owner) external returns (uint16 created) {
        Queue parent = _flow(id);
        if (msg.sender != _owners[id]) revert ComputationAllocatorNotFlowOwner(id, msg.sender);
        _bound("weight", weight, LEAST_WEIGHT, parent.weightOf() - LEAST_WEIGHT);
        uint24 rest = uint24(parent.weightOf() - weight);
        _queues[id] = parent.withWeight(rest, parent.isOpenFlow());
        created = _open(owner, weight, false);
        _queues[created] = _queues[created].withFinish(parent.finishOf());
        emit FlowWeightSet(id, rest);
        emit FlowOpened(created, id, owner, weight, false);
    }

    function setFlowWeight(uint16 id, uint24 weight) external restricted {
        Queue q = _flow(id);
        _bound("weight", weight, LEAST_WEIGHT, MOST_WEIGHT);
        _queues[id] = q.withWeight(weight, q.isOpenFlow());
        emit FlowWeightSet(id, weight);
    }

    function setFlowOwner(uint16 id, address owner, bool open) external restricted {
        Queue q = _flow(id);
        _queues[id] = q.withWeight(q.weightOf(), open);
        _owners[id] = owner;
        emit FlowOwnerSet(id, owner, open);
    }

    function setFlowMember(uint16 id, address member, bool allowed) external {
        _flow(id);
        if (msg.sender != _owners[id]) revert ComputationAllocatorNotFlowOwner(id, msg.sender);
        _members[id][member] = allowed;
        emit FlowMemberSet(id, member, allowed);
    }

    /* ------------------------------ parameters ------------------------------ */

    function setClass(uint8 class, uint32 rate, uint40 boost) external restricted {
        _bound("class", class, 0, 2);
        _bound("rate", rate, 1, type(uint32).max);
        _bound("boost", boost, 0, class == 0 ? 0 : _clock.drainOf() / 2);
        if (class == 0) {
            _setClock(RATE_AT, 32, rate);
        } else {
            _setPolicy(32 * (class - 1), 32, rate);
            _setPolicy(24 + 40 * uint256(class), 40, boost);
        }
        emit ClassSet(class, rate, boost);
    }

    function setQuota(uint16 id, uint8 class, uint64 capacity, uint64 perDay) external restricted {
        _flow(id);
        _bound("class", class, 1, 2);
        _bound("capacity", capacity, 0, MOST_QUEUEING);
        _bound("perDay", perDay, 0, MOST_QUEUEING);
        _quotas[uint256(id) * 4 + class] =
            uint256(capacity) | uint256(perDay) << 64 | uint256(capacity) << 128 | block.timestamp << 192;
        emit QuotaSet(id, class, capacity, perDay);
    }

    function setQueueing(uint40 drain, uint40 credit) external restricted {
        Policy p = _policy;
        uint256 boost = p.boostOf(1) > p.boostOf(2) ? p.boostOf(1) : p.boostOf(2);
        _bound("drain", drain, 2 * boost, MOST_QUEUEING);
        _bound("credit", credit, 0, MOST_QUEUEING);
        _setClock(DRAIN_AT, 40, drain);
        _setClock(CREDIT_AT, 40, credit);
        emit ParameterSet("drain", drain);
        emit ParameterSet("credit", credit);
    }

    function setTimes(uint16 grace, uint24 margin, uint24 verdictWindow) external restricted {
        _bound("grace", grace, 1, 3600);
        _bound("margin", margin, 0, 86_400);
        _bound("verdictWindow", verdictWindow, 60, 2_592_000);
        (uint24 challengeWindow, uint24 rulingWindow) = IResultVerifier(_verifier).windows();
        // A bond stays until everything that can be held against it is decided: an undecided execution has a second look.
        _bound(
            "windows",
            uint256(challengeWindow) + rulingWindow + 2 * verdictWindow,
            0,
            IProcessorRegistry(_registry).unbondDelay() - 1
        );
        _setClock(GRACE_AT, 12, grace);
        _setClock(MARGIN_AT, 17, margin);
        _setPolicy(WINDOW_AT, 24, verdictWindow);
        emit ParameterSet("grace", grace);
        emit ParameterSet("margin", margin);
        emit ParameterSet("verdictWindow", verdictWindow);
    }

    function setPenalties(uint16 deadlinePermille, uint8 fraudMultiple) external restricted {
        _bound("deadlinePermille", deadlinePermille, 0, 500);
        _bound("fraudMultiple", fraudMultiple, 1, 10);
        _setPolicy(PERMILLE_AT, 16, deadlinePermille);
        _setPolicy(MULTIPLE_AT, 8, fraudMultiple);
        emit ParameterSet("deadlinePermille", deadlinePermille);
        emit ParameterSet("fraudMultiple", fraudMultiple);
    }

    function setRequestBounds(uint8 leastTrust, uint8 mostRedundancy, uint24 mostSeconds) external restricted {
        _bound("leastTrust", leastTrust, 2, 100);
        _bound("mostRedundancy", mostRedundancy, 1, 5);
        _bound("mostSeconds", mostSeconds, 60, 259_200);
        _setClock(TRUST_AT, 7, leastTrust);
        _setClock(REDUNDANCY_AT, 3, mostRedundancy);
        _setClock(SECONDS_AT, 18, mostSeconds);
        emit ParameterSet("leastTrust", leastTrust);
        emit ParameterSet("mostRedundancy", mostRedundancy);
        emit ParameterSet("mostSeconds", mostSeconds);
    }

    function setPaused(bool stop) external restricted {
        _setClock(PAUSED_AT, 1, stop ? 1 : 0);
        emit PausedSet(stop);
    }

    /* ------------------------------ the registry's ------------------------------ */

    function setOperator(ProcessorId processor, address operator) external onlyRegistry {
        uint256 word = Dispatch.unwrap(_dispatch[processor]);
        _dispatch[processor] = Dispatch.wrap(_put(word, 0, 160, uint160(operator)));
    }

    function setBlocked(ProcessorId processor, bool suspended, bool retired) external onlyRegistry {
        uint256 word = _put(Dispatch.unwrap(_dispatch[processor]), SUSPENDED_AT, 1, suspended ? 1 : 0);
        _dispatch[processor] = Dispatch.wrap(_put(word, RETIRED_AT, 1, retired ? 1 : 0));
    }

    function setHalfLife(uint40 halfLifeSeconds) external onlyRegistry {
        _setClock(HALF_LIFE_AT, 18, halfLifeSeconds >> Reputation.TICK_BITS);
    }

    function addBond(ProcessorId processor, uint256 amount) external onlyRegistry {
        Standing s = _standings[processor];
        address provider = s.providerOf();
        _debit(provider, amount);
        _standings[processor] = s.withBond(s.bondUnitsOf() + amount / _unit);
        emit BondTaken(provider, msg.sender, amount);
    }

    function releaseBond(ProcessorId processor, uint256 amount) external onlyRegistry {
        Standing s = _standings[processor];
        address provider = s.providerOf();
        _standings[processor] = s.withBond(s.bondUnitsOf() - amount / _unit);
        _accounts[provider].balance += amount;
        emit BondGiven(provider, msg.sender, amount);
    }

    function slashBond(ProcessorId processor, uint256 amount, address beneficiary)
        external
        onlyRegistry
        returns (uint256 taken)
    {
        Standing s = _standings[processor];
        uint256 units = amount / _unit;
        if (units > s.bondUnitsOf()) units = s.bondUnitsOf();
        taken = units * _unit;
        _standings[processor] = s.withBond(s.bondUnitsOf() - units);
        _accounts[beneficiary].balance += taken;
    }

    /* ------------------------------ internals ------------------------------ */

    function _setClock(uint256 offset, uint256 bits, uint256 value) private {
        _clock = Clock.wrap(_put(Clock.unwrap(_clock), offset, bits, value));
    }

    function _setPolicy(uint256 offset, uint256 bits, uint256 value) private {
        _policy = Policy.wrap(_put(Policy.unwrap(_policy), offset, bits, value));
    }

    /// @dev Ends a pending execution: gives its flow its time back, and if it was running frees its qubits and takes the penalty.
    function _end(Case memory k, uint8 index, Execution e) private {
        ExecutionState from = e.executionStateOf();
        ProcessorId processor = ProcessorId.wrap(uint32(e.processorOf()));
        uint256 penalty;
        _refund(k, index, USED_STEPS);
        if (from == ExecutionState.Allocated) {
            Dispatch d = _dispatch[processor];
            _dispatch[processor] = d.withFree(d.freeOf() + k.p.qubitsOf());
            _record(processor, Outcome.Reject, false, k.terms.lifeOf());
            penalty = _slash(k, processor, _feeOf(k) * _policy.deadlinePermilleOf() / 1000, k.terms.clientOf());
        }
        _move(k, index, e, ExecutionState.Ended);
        _step(k, STEP_ENDED, index, bytes32(penalty));
        emit ExecutionEnded(k.id, processor, index, from, penalty);
    }

    /// @dev Until when an open job may not be closed by anyone: its deadline, and while somebody may still be paid for what it
    /// handed over, a verdict window after the last change of any execution.
    function _lastCall(Case memory k) private view returns (uint256 last) {
        uint256 count = k.p.countOf();
        bool owed;
        for (uint256 i; i < count; ++i) {
            Execution e = _executionIn(k.p, k.more, i);
            ExecutionState state = e.executionStateOf();
            if (state == ExecutionState.Committed || state == ExecutionState.Undecided) owed = true;
            if (e.sinceOf() > last) last = e.sinceOf();
        }
        last = owed ? last + _policy.verdictWindowOf() : 0;
        if (last < k.p.deadlineOf()) last = k.p.deadlineOf();
    }

    /// @dev Drops dead entries from the front of a closed job's queue.
    function _tidy(JobId id) private {
        uint256 queue_ = id.queueOf();
        (Queue q,) = _trim(queue_, _queues[queue_], 8);
        _queues[queue_] = q;
        _show(queue_, q);
    }

    function _isPending(ExecutionState state) private pure returns (bool) {
        return state == ExecutionState.Allocated || state == ExecutionState.Committed
            || state == ExecutionState.Undecided;
    }
}
