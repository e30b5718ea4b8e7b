// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IProcessorRegistry} from "../interfaces/IProcessorRegistry.sol";
import {Confidence} from "../libraries/Confidence.sol";
import {EXECUTION_BITS, Execution, Progress, Terms, packExecution} from "../libraries/JobWords.sol";
import {Standing} from "../libraries/ProcessorWords.sol";
import {Queue} from "../libraries/QueueWords.sol";
import {Reputation} from "../libraries/Reputation.sol";
import {ExecutionState, JobId, JobState, Outcome, ProcessorId} from "../libraries/Types.sol";
import {FairQueue} from "./FairQueue.sol";

/// @title JobBook
/// @notice What happens to a job when one of its executions changes: requeue, settle, fail, and one step of its trail each.
abstract contract JobBook is FairQueue {
    /// @dev A job as it is while a call works on it; `more` is read when a second execution exists.
    struct Case {
        JobId id;
        Terms terms;
        Progress p;
        bytes32 trail;
        uint256 more;
    }

    uint8 internal constant STEP_SUBMITTED = 1;
    uint8 internal constant STEP_ALLOCATED = 2;
    uint8 internal constant STEP_COMMITTED = 3;
    uint8 internal constant STEP_JUDGED = 4;
    uint8 internal constant STEP_REQUEUED = 5;
    uint8 internal constant STEP_ENDED = 6;
    uint8 internal constant STEP_CLOSED = 7;

    /// @dev Accepted, running and undecided executions.
    function _tally(Case memory k) internal pure returns (uint256 accepted, uint256 running, uint256 undecided) {
        uint256 count = k.p.countOf();
        // At most five.
        unchecked {
            for (uint256 i; i < count; ++i) {
                ExecutionState state = _executionIn(k.p, k.more, i).executionStateOf();
                if (state == ExecutionState.Accepted) ++accepted;
                else if (state == ExecutionState.Undecided) ++undecided;
                else if (state == ExecutionState.Allocated || state == ExecutionState.Committed) ++running;
            }
        }
    }

    /// @dev Settles, fails or requeues an open job after one of its executions changed.
    function _advance(Case memory k) internal {
        (uint256 accepted, uint256 running, uint256 undecided) = _tally(k);
        if (accepted >= k.p.redundancyOf()) {
            if (running + undecided != 0) return;
            if (_isConfident(k)) return _close(k, JobState.Settled);
        } else if (accepted + running >= k.p.redundancyOf()) {
            return;
        }
        if (k.p.stateOf() == JobState.Queued) return;
        if (k.p.countOf() == k.p.mostOf()) {
            if (running + undecided == 0) _close(k, JobState.Failed);
            return;
        }
        uint256 queue_ = k.id.queueOf();
        Queue q = _queues[queue_];
        bool first = q.returnedHeadOf() == 0;
        _queues[queue_] = _append(queue_, q, k.id.indexOf());
        if (first) _setLane(queue_, _laneFor(_again(q, k.p)));
        _requeue(k);
    }

    /// @dev Whether the accepted processors' log2-odds sum to what the client's trust asks for. Who is trusted less than a
    /// coin adds nothing, and takes nothing from the word of others.
    function _isConfident(Case memory k) internal view returns (bool) {
        uint256 count = k.p.countOf();
        int256 sum;
        for (uint256 i; i < count; ++i) {
            Execution e = _executionIn(k.p, k.more, i);
            if (e.executionStateOf() != ExecutionState.Accepted) continue;
            (uint256 a, uint256 b) = _decayed(_standings[ProcessorId.wrap(uint32(e.processorOf()))], k.terms.lifeOf());
            int256 odds = Reputation.log2Odds(a, b);
            if (odds > 0) sum += odds;
        }
        return sum >= Confidence.required(k.terms.trustOf());
    }

    /* ------------------------------ closing ------------------------------ */

    /// @dev Closes an open job and returns what is left of its escrow.
    function _close(Case memory k, JobState state) internal {
        _close(k, state, _feeOf(k));
    }

    function _close(Case memory k, JobState state, uint256 fee) internal {
        uint256 refund;
        // Paid executions are at most the most; sums of balances stay below the token's supply.
        unchecked {
            refund = fee * (k.p.mostOf() - k.p.paidOf());
            if (refund != 0) _accounts[k.terms.clientOf()].balance += refund;
        }
        k.p = k.p.withState(state);
        _step(k, STEP_CLOSED, uint8(k.p.countOf()), bytes32(uint256(state) << 248 | refund));
        emit JobClosed(k.id, state, refund);
    }

    function _requeue(Case memory k) internal {
        uint8 count = uint8(k.p.countOf());
        k.p = k.p.withState(JobState.Queued);
        _step(k, STEP_REQUEUED, count, 0);
        emit JobRequeued(k.id, count);
    }

    /* ------------------------------ standing ------------------------------ */

    /// @dev Puts a verdict into the reputation of a processor; its provider.
    function _record(ProcessorId processor, Outcome outcome, bool weak, uint256 halfLife) internal returns (address) {
        Standing s = _standings[processor];
        if (outcome != Outcome.Undecided) {
            (uint256 a, uint256 b) = _decayed(s, halfLife);
            (a, b) = Reputation.record(a, b, outcome, weak);
            _standings[processor] = s.withEvidence(a, b, block.timestamp >> Reputation.TICK_BITS);
        }
        return s.providerOf();
    }

    /// @dev Evidence for and against, decayed up to now.
    function _decayed(Standing s, uint256 halfLife) internal view returns (uint256 a, uint256 b) {
        (a, b) = (s.forOf(), s.againstOf());
        uint256 ticks;
        // Of an earlier time.
        unchecked {
            ticks = (block.timestamp >> Reputation.TICK_BITS) - s.tickOf();
        }
        if (ticks != 0) (a, b) = (Reputation.decay(a, ticks, halfLife), Reputation.decay(b, ticks, halfLife));
    }

    /// @dev Takes up to `amount` from a bond for `beneficiary`, or the treasury if that is zero.
    function _slash(Case memory k, ProcessorId processor, uint256 amount, address beneficiary)
        internal
        returns (uint256)
    {
        return IProcessorRegistry(_registry).slash(
            processor, amount, beneficiary, bytes32(uint256(JobId.unwrap(k.id)))
        );
    }

    /* ------------------------------ small parts ------------------------------ */

    function _loadAll(JobId id) internal view returns (Case memory) {
        return _loadAll(id, _jobs[id]);
    }

    /// @dev Takes the job's words, so that their place is computed once for reading and writing.
    function _loadAll(JobId id, Job storage job_) internal view returns (Case memory k) {
        _fill(k, id, job_, job_.progress);
        k.terms = job_.terms;
    }

    /// @dev Without the terms, where they are not needed.
    function _load(JobId id, Job storage job_) internal view returns (Case memory k) {
        _fill(k, id, job_, job_.progress);
    }

    function _fill(Case memory k, JobId id, Job storage job_, Progress p) internal view {
        k.id = id;
        k.p = p;
        k.trail = job_.trail;
        if (p.countOf() > 1) k.more = job_.more;
    }

    /// @dev Writes what calls change: progress and trail. `more` is written where it changes.
    function _store(Case memory k) internal {
        _store(k, _jobs[k.id]);
    }

    function _store(Case memory k, Job storage job_) internal {
        job_.progress = k.p;
        job_.trail = k.trail;
    }

    function _executionAt(Case memory k, uint256 index) internal pure returns (Execution) {
        if (index >= k.p.countOf()) {
            revert ComputationAllocatorBadExecutionState(k.id, uint8(index), ExecutionState.None);
        }
        return _executionIn(k.p, k.more, index);
    }

    function _put(Case memory k, uint256 index, Execution e) internal {
        if (index == 0) {
            k.p = k.p.withFirst(e);
        } else {
            k.more = _put(k.more, EXECUTION_BITS * (index - 1), EXECUTION_BITS, Execution.unwrap(e));
            _jobs[k.id].more = k.more;
        }
    }

    function _move(Case memory k, uint256 index, Execution e, ExecutionState to) internal {
        _put(k, index, packExecution(e.processorOf(), to, e.reportsOf(), block.timestamp, e.usedOf()));
    }

    function _step(Case memory k, uint8 kind, uint8 index, bytes32 data) internal view {
        bytes32 next = k.trail;
        uint256 step = uint256(kind) << 248 | uint256(index) << 240 | block.timestamp;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, next)
            mstore(add(buffer, 32), step)
            mstore(add(buffer, 64), data)
            next := keccak256(buffer, 96)
        }
        k.trail = next;
    }

    function _feeOf(Case memory k) internal view returns (uint256) {
        // 32, 12, 18 and at most 64 bits.
        unchecked {
            return k.terms.rateOf() * k.p.qubitsOf() * k.p.declaredOf() * _unit;
        }
    }
}
