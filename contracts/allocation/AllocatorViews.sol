// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IComputationAllocator} from "../interfaces/IComputationAllocator.sol";
import {Execution} from "../libraries/JobWords.sol";
import {Dispatch, RETIRED_AT, SUSPENDED_AT, Standing} from "../libraries/ProcessorWords.sol";
import {Queue} from "../libraries/QueueWords.sol";
import {Reputation} from "../libraries/Reputation.sol";
import {ExecutionView, JobId, JobState, JobView, ProcessorId, Reason, jobAt} from "../libraries/Types.sol";
import {FlowTime} from "./FlowTime.sol";

/// @title AllocatorViews
/// @notice The allocator's words, unpacked for reading.
abstract contract AllocatorViews is FlowTime, IComputationAllocator {
    /// @inheritdoc IComputationAllocator
    function job(JobId id) external view returns (JobView memory view_) {
        Case memory k = _loadAll(id);
        if (k.p.stateOf() == JobState.None) revert ComputationAllocatorUnknownJob(id);
        view_.client = k.terms.clientOf();
        view_.state = k.p.stateOf();
        view_.flow = uint16(k.terms.flowOf());
        view_.qubits = uint16(k.p.qubitsOf());
        view_.quality = uint16(k.p.qualityOf());
        view_.class = uint8(k.p.classOf());
        view_.boosted = k.p.classOf() != 0;
        view_.redundancy = uint8(k.p.redundancyOf());
        view_.maxExecutions = uint8(k.p.mostOf());
        view_.trust = uint8(k.terms.trustOf());
        view_.executions = uint8(k.p.countOf());
        view_.declaredSeconds = uint32(k.p.declaredOf());
        view_.deadline = uint40(k.p.deadlineOf());
        view_.tag = k.p.countOf() == 0 ? uint40(k.p.tagOf()) : 0;
        view_.feePerExecution = _feeOf(k);
        view_.escrow = k.p.isOpen() ? view_.feePerExecution * (k.p.mostOf() - k.p.paidOf()) : 0;
        view_.trail = k.trail;
    }

    /// @inheritdoc IComputationAllocator
    function execution(JobId id, uint8 index) external view returns (ExecutionView memory) {
        Execution e = _executionAt(_load(id, _jobs[id]), index);
        return ExecutionView(
            ProcessorId.wrap(uint32(e.processorOf())),
            e.executionStateOf(),
            uint8(e.reportsOf()),
            uint40(e.sinceOf()),
            uint8(e.usedOf())
        );
    }

    /// @inheritdoc IComputationAllocator
    function trail(JobId id) external view returns (bytes32) {
        return _jobs[id].trail;
    }

    /// @inheritdoc IComputationAllocator
    function dispatch(ProcessorId processor)
        external
        view
        returns (
            address operator,
            uint16 qubits,
            uint16 freeQubits,
            uint16 quality,
            uint40 certifiedUntil,
            bool suspended,
            bool retired
        )
    {
        Dispatch d = _dispatch[processor];
        return (
            d.operatorOf(),
            uint16(d.totalOf()),
            uint16(d.freeOf()),
            uint16(d.certifiedOf()),
            uint40(d.certifiedUntilOf()),
            Dispatch.unwrap(d) >> SUSPENDED_AT & 1 == 1,
            Dispatch.unwrap(d) >> RETIRED_AT & 1 == 1
        );
    }

    /// @inheritdoc IComputationAllocator
    function nextFor(ProcessorId processor) external view returns (JobId id, Reason reason) {
        Dispatch d = _dispatch[processor];
        if (d.operatorOf() == address(0)) revert ComputationAllocatorUnknownProcessor(processor);
        Pick memory pick;
        (reason, pick) = _select(processor, d, _clock);
        if (reason == Reason.None || reason == Reason.Draining) id = jobAt(pick.queue, pick.index);
    }

    /// @inheritdoc IComputationAllocator
    function balanceOf(address account) external view returns (uint256) {
        return _accounts[account].balance;
    }

    /// @inheritdoc IComputationAllocator
    function flow(uint16 id) external view returns (address owner, uint24 weight, bool open, uint40 finishTag) {
        Queue q = _flow(id);
        return (_owners[id], uint24(q.weightOf()), q.isOpenFlow(), uint40(q.finishOf()));
    }

    /// @inheritdoc IComputationAllocator
    function queue(uint256 id) external view returns (uint40 head, uint40 next, uint40 returnedHead, uint40 returnedTail) {
        Queue q = _queues[id];
        return (
            uint40(q.removedOf() + 1), uint40(q.addedOf() + 1), uint40(q.returnedHeadOf()), uint40(q.returnedTailOf())
        );
    }

    /// @inheritdoc IComputationAllocator
    function lane(uint16 id) external view returns (uint64) {
        return uint64(_lanes[id >> 2] >> ((id & 3) << 6));
    }

    /// @inheritdoc IComputationAllocator
    function isMember(uint16 id, address account) external view returns (bool) {
        return _isMember(id, account);
    }

    /// @inheritdoc IComputationAllocator
    function flowCount() external view returns (uint256) {
        return _clock.flowsOf();
    }

    /// @inheritdoc IComputationAllocator
    function virtualTime() external view returns (uint40) {
        return uint40(_clock.timeOf());
    }

    /// @inheritdoc IComputationAllocator
    function queueing() external view returns (uint40 drain, uint40 credit) {
        return (uint40(_clock.drainOf()), uint40(_clock.creditOf()));
    }

    /// @inheritdoc IComputationAllocator
    function classOf(uint8 class) external view returns (uint32 rate, uint40 boost) {
        _bound("class", class, 0, 2);
        return (uint32(class == 0 ? _clock.normalRateOf() : _policy.raisedRateOf(class)), class == 0 ? 0 : uint40(_policy.boostOf(class)));
    }

    /// @inheritdoc IComputationAllocator
    function quota(uint16 id, uint8 class) external view returns (uint64 capacity, uint64 perDay, uint64 available) {
        uint256 word = _quotas[uint256(id) * 4 + class];
        return (uint64(word), uint64(word >> 64), uint64(_tokens(word)));
    }

    /// @inheritdoc IComputationAllocator
    function times() external view returns (uint16 grace, uint24 margin, uint24 verdictWindow) {
        return (uint16(_clock.graceOf()), uint24(_clock.marginOf()), uint24(_policy.verdictWindowOf()));
    }

    /// @inheritdoc IComputationAllocator
    function penalties() external view returns (uint16 deadlinePermille, uint8 fraudMultiple) {
        return (uint16(_policy.deadlinePermilleOf()), uint8(_policy.fraudMultipleOf()));
    }

    /// @inheritdoc IComputationAllocator
    function requestBounds() external view returns (uint8 leastTrust, uint8 mostRedundancy, uint24 mostSeconds) {
        return (uint8(_clock.leastTrustOf()), uint8(_clock.mostRedundancyOf()), uint24(_clock.mostSecondsOf()));
    }

    /// @inheritdoc IComputationAllocator
    function paused() external view returns (bool) {
        return _clock.isPaused();
    }

    /// @inheritdoc IComputationAllocator
    function CREDIT() external view returns (address) {
        return _credit;
    }

    /// @inheritdoc IComputationAllocator
    function REGISTRY() external view returns (address) {
        return _registry;
    }

    /// @inheritdoc IComputationAllocator
    function VERIFIER() external view returns (address) {
        return _verifier;
    }

    /// @inheritdoc IComputationAllocator
    function UNIT() external view returns (uint256) {
        return _unit;
    }

    /// @inheritdoc IComputationAllocator
    function standing(ProcessorId processor)
        external
        view
        returns (address provider, uint256 bond, uint256 evidenceFor, uint256 evidenceAgainst)
    {
        Standing s = _standings[processor];
        (evidenceFor, evidenceAgainst) = _decayed(s, _clock.halfLifeOf());
        return (s.providerOf(), s.bondUnitsOf() * _unit, evidenceFor, evidenceAgainst);
    }

    /// @inheritdoc IComputationAllocator
    function halfLife() external view returns (uint40) {
        return uint40(_clock.halfLifeOf() << Reputation.TICK_BITS);
    }
}
