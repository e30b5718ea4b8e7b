// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {ExecutionState, JobId, JobRequest, JobState, Outcome, ProcessorId, Reason} from "../libraries/Types.sol";

/// @title IAllocatorLog
/// @notice Events and errors of the ComputationAllocator. From the events all of its state can be rebuilt.
interface IAllocatorLog {
    /* ============================== events ============================== */

    /// @notice Credit came in for `account`.
    event Deposited(address indexed account, address indexed from, uint256 amount);
    /// @notice Credit left to `to`.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);
    /// @notice Balance became a bond for the registry (of a processor) or the verifier (of a challenge), the `holder`. The bond
    /// that a registration takes from the provider's balance is in the registry's ProcessorRegistered alone.
    event BondTaken(address indexed account, address indexed holder, uint256 amount);
    /// @notice A bond for `holder` became balance of `account`. What a slash moves from a processor's bond to a balance is in the
    /// registry's Slashed alone.
    event BondGiven(address indexed account, address indexed holder, uint256 amount);

    /// @notice A job entered its queue; `feePerExecution * request.maxExecutions` moved to escrow. Each verdict of Accept, of which
    /// the verifier's VerdictReported tells, moves one fee of it to the balance of the processor's provider.
    /// @param tag the least start tag that the job may get
    /// @param boosted whether the class was granted; if not, the job is of class 0
    event JobSubmitted(
        JobId indexed job, address indexed client, uint256 feePerExecution, uint40 tag, bool boosted, JobRequest request
    );
    /// @notice Jobs submitted in one call, in order.
    event JobSetSubmitted(address indexed client, JobId[] jobs);
    /// @notice An execution began. The provider is the processor's. `deadline` is for the commitment; `tag` is the start tag with
    /// which the job's turn came.
    event JobAllocated(JobId indexed job, ProcessorId indexed processor, uint8 execution, uint40 deadline, uint40 tag);
    /// @notice The processor committed to a result; its qubits are free.
    event ResultCommitted(JobId indexed job, ProcessorId indexed processor, uint8 execution, bytes32 commitment);
    /// @notice An execution ended unpaid: out of time from `from` (Allocated: with penalty; Committed; Undecided), or reported
    /// undecided a second time.
    event ExecutionEnded(
        JobId indexed job, ProcessorId indexed processor, uint8 execution, ExecutionState from, uint256 penalty
    );
    /// @notice The job waits for a further execution, among its queue's returned ones.
    event JobRequeued(JobId indexed job, uint8 executions);
    /// @notice The job reached a final state; `refund` returned to the client's balance.
    event JobClosed(JobId indexed job, JobState state, uint256 refund);

    /// @notice A flow exists. `parent` is itself unless it was split off another.
    event FlowOpened(uint16 indexed flow, uint16 indexed parent, address indexed owner, uint24 weight, bool open);
    /// @notice A flow's weight changed.
    event FlowWeightSet(uint16 indexed flow, uint24 weight);
    /// @notice A flow's owner or openness changed.
    event FlowOwnerSet(uint16 indexed flow, address indexed owner, bool open);
    /// @notice An account may, or may no longer, charge the flow.
    event FlowMemberSet(uint16 indexed flow, address indexed member, bool allowed);
    /// @notice A class's rate (units per qubit-second) and boost (virtual time) changed.
    event ClassSet(uint8 indexed class, uint32 rate, uint40 boost);
    /// @notice A flow's quota of a class changed: bucket size and refill, in qubit-seconds.
    event QuotaSet(uint16 indexed flow, uint8 indexed class, uint64 capacity, uint64 perDay);
    /// @notice Submitting and allocating stopped or resumed.
    event PausedSet(bool paused);
    /// @notice An admin parameter changed.
    event ParameterSet(bytes32 indexed name, uint256 value);

    /* ============================== errors ============================== */

    /// @notice The balance does not cover the amount.
    error ComputationAllocatorInsufficientBalance(address account, uint256 required, uint256 available);
    /// @notice Nothing to move.
    error ComputationAllocatorZeroAmount();
    /// @notice Submitting and allocating are paused.
    error ComputationAllocatorPaused();
    /// @notice No such flow.
    error ComputationAllocatorUnknownFlow(uint16 flow);
    /// @notice No queue has this number.
    error ComputationAllocatorUnknownQueue(uint256 queue);
    /// @notice The caller may not charge the flow.
    error ComputationAllocatorNotMember(uint16 flow, address caller);
    /// @notice The caller does not own the flow.
    error ComputationAllocatorNotFlowOwner(uint16 flow, address caller);
    /// @notice A field of the request is outside its range.
    error ComputationAllocatorBadRequest(bytes32 field, uint256 value, uint256 least, uint256 most);
    /// @notice The deadline leaves too little time, or lies too far ahead.
    error ComputationAllocatorBadDeadline(uint40 deadline, uint256 earliest, uint256 latest);
    /// @notice The target is unknown, suspended, retired, or too small.
    error ComputationAllocatorBadTarget(ProcessorId target);
    /// @notice The processor gets nothing now. `job` is the one it drains for, if it does.
    error ComputationAllocatorNothingEligible(Reason reason, JobId job);
    /// @notice No such processor.
    error ComputationAllocatorUnknownProcessor(ProcessorId processor);
    /// @notice The caller is neither the operator nor the provider of the processor.
    error ComputationAllocatorNotOperator(ProcessorId processor, address caller);
    /// @notice No such job.
    error ComputationAllocatorUnknownJob(JobId job);
    /// @notice The job's state does not allow this.
    error ComputationAllocatorBadJobState(JobId job, JobState state);
    /// @notice The execution's state does not allow this.
    error ComputationAllocatorBadExecutionState(JobId job, uint8 execution, ExecutionState state);
    /// @notice Too late: the execution's deadline has passed.
    error ComputationAllocatorTooLate(JobId job, uint8 execution, uint40 deadline);
    /// @notice Too early: possible after `from`.
    error ComputationAllocatorTooEarly(JobId job, uint40 from);
    /// @notice The caller is not the job's client.
    error ComputationAllocatorNotClient(JobId job, address caller);
    /// @notice The report's round is not the next one, or an execution has had its three.
    error ComputationAllocatorBadRound(JobId job, uint8 execution, uint8 round, uint8 expected);
    /// @notice The outcome cannot follow the execution's state.
    error ComputationAllocatorBadOutcome(JobId job, uint8 execution, ExecutionState state, Outcome outcome);
    /// @notice The exchange's own contracts only.
    error ComputationAllocatorUnauthorized(address caller);
    /// @notice The value is outside the hard bounds.
    error ComputationAllocatorOutOfBounds(bytes32 name, uint256 value, uint256 least, uint256 most);
    /// @notice 64 flows exist.
    error ComputationAllocatorTooManyFlows();
    /// @notice A flow, or a processor's own queue, has had 2^31 - 1 jobs: submit to another one.
    error ComputationAllocatorQueueFull();
}
