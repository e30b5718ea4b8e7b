// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {ExecutionState, ExecutionView, JobId, JobState, JobView, ProcessorId} from "../contracts/libraries/Types.sol";
import {IResultVerifier} from "../contracts/interfaces/IResultVerifier.sol";
import {Stage} from "./Stage.sol";

/// @title What is watched after every act
/// @notice Each act of an actor ends in `_observe`, which compares the contracts with what they said before. The first thing that
/// is not as it must be is kept in `violation`, since an act that reverts would take the finding back with it.
abstract contract World is Stage {
    /// @dev There was nothing to do: the act counts as reverted.
    error Idle();

    uint256 internal constant MOST_OPEN = 6;

    struct Spot {
        JobId job;
        uint8 index;
    }

    /// @dev A job as it was seen last.
    struct Seen {
        JobState state;
        uint8 count;
        bytes32 trail;
        ExecutionState[5] states;
        uint40[5] since;
    }

    string public violation;
    /// @dev What came into and went out of the allocator and the coordinator by deposits and withdrawals.
    uint256 internal paidIn;
    uint256 internal paidOut;
    uint256 internal linkIn;
    uint256 internal linkOut;

    JobId[] internal open;
    JobId[] internal closed;
    mapping(JobId => Seen) internal seen;
    mapping(bytes32 => bool) internal trails;
    Spot[] internal running;
    Spot[] internal committed;
    Spot[] internal judged;
    uint256[] internal disputes;

    uint256 internal lastTime;
    uint256 internal lastVirtual;
    uint256 internal lastEra;
    uint256 internal lastHalfLife;
    uint256 internal turn;
    mapping(uint256 => uint256) internal lastFor;
    mapping(uint256 => uint256) internal lastAgainst;
    /// @dev Processors that this act may put a verdict on.
    mapping(uint256 => bool) internal onTrial;
    uint256[] private _tried;

    modifier act() {
        _;
        _observe();
    }

    function _flag(bool holds, string memory what) internal {
        if (!holds && bytes(violation).length == 0) violation = what;
    }

    function _try(ProcessorId processor) internal {
        uint256 number = ProcessorId.unwrap(processor);
        onTrial[number] = true;
        _tried.push(number);
    }

    function _in(uint256 seed, uint256 least, uint256 most) internal pure returns (uint256) {
        return least + seed % (most - least + 1);
    }

    function _mix(uint256 seed, uint256 salt) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, salt)));
    }

    function _drop(Spot[] storage list, uint256 place) internal {
        list[place] = list[list.length - 1];
        list.pop();
    }

    /* ------------------------------ the watch ------------------------------ */

    function _observe() internal {
        uint256 count = registry.processorCount();
        uint256[] memory taken = new uint256[](count + 1);
        uint256 escrow;
        for (uint256 i; i < open.length;) {
            JobId id = open[i];
            JobView memory job = allocator.job(id);
            escrow += job.escrow;
            _watchJob(id, job, taken);
            if (job.state == JobState.Queued || job.state == JobState.Active) {
                ++i;
            } else {
                closed.push(id);
                open[i] = open[open.length - 1];
                open.pop();
            }
        }
        _watchClosed();
        _watchMoney(escrow + _watchProcessors(count, taken));
        _watchCounters();
        while (_tried.length != 0) {
            onTrial[_tried[_tried.length - 1]] = false;
            _tried.pop();
        }
        lastTime = block.timestamp;
    }

    function _watchJob(JobId id, JobView memory job, uint256[] memory taken) private {
        Seen storage was = seen[id];
        for (uint256 i; i < job.executions; ++i) {
            ExecutionView memory e = allocator.execution(id, uint8(i));
            if (e.state == ExecutionState.Allocated && (job.state == JobState.Queued || job.state == JobState.Active)) {
                taken[ProcessorId.unwrap(e.processor)] += job.qubits;
            }
            if (e.state != was.states[i]) {
                _flag(_follows(was.states[i], e.state), "I4: an execution took a forbidden step");
                _flag(_mayChange(id, i, was, e.state), "I5: a verdict changed after its window");
                (was.states[i], was.since[i]) = (e.state, e.since);
            }
        }
        if (job.trail != was.trail) {
            _flag(!trails[job.trail], "I6: a trail came back to an earlier word");
            trails[job.trail] = true;
            was.trail = job.trail;
        } else {
            _flag(job.state == was.state && job.executions == was.count, "I6: a step left no trace on the trail");
        }
        _flag(job.state == was.state || _leads(was.state, job.state), "I4: a job took a forbidden step");
        _flag(job.executions >= was.count && job.executions <= job.maxExecutions, "I4: executions got lost");
        (was.state, was.count) = (job.state, job.executions);
    }

    function _follows(ExecutionState a, ExecutionState b) private pure returns (bool) {
        if (a == ExecutionState.None) return b == ExecutionState.Allocated;
        if (a == ExecutionState.Allocated) return b == ExecutionState.Committed || b == ExecutionState.Ended;
        if (a == ExecutionState.Committed) return b > ExecutionState.Committed;
        if (a == ExecutionState.Undecided) return b > ExecutionState.Undecided;
        return (a == ExecutionState.Accepted || a == ExecutionState.Rejected) && b == ExecutionState.Fraudulent;
    }

    function _leads(JobState a, JobState b) private pure returns (bool) {
        if (a == JobState.None) return b == JobState.Queued;
        if (a == JobState.Queued) return b != JobState.None && b != JobState.Failed;
        if (a == JobState.Active) return b != JobState.None && b != JobState.Cancelled;
        return false;
    }

    /// @dev A verdict falls by a ruling, or, a rejection, by a later fraud report inside its window.
    function _mayChange(JobId id, uint256 i, Seen storage was, ExecutionState to) private view returns (bool) {
        if (to != ExecutionState.Fraudulent) return true;
        if (was.states[i] == ExecutionState.Accepted) {
            uint256 challenge = verifier.challengeAt(id, uint8(i));
            return verifier.challengeOf(challenge).state == IResultVerifier.ChallengeState.Overturned;
        }
        if (was.states[i] != ExecutionState.Rejected) return true;
        (uint24 window,) = verifier.windows();
        return block.timestamp <= uint256(was.since[i]) + window;
    }

    /// @dev One of the closed jobs each time, in turn.
    function _watchClosed() private {
        if (closed.length == 0) return;
        JobId id = closed[turn++ % closed.length];
        JobView memory job = allocator.job(id);
        _flag(job.state == seen[id].state, "I4: a closed job changed its state");
        _flag(job.escrow == 0, "I1: a closed job holds escrow");
        if (job.trail != seen[id].trail) {
            _flag(!trails[job.trail], "I6: a closed job's trail came back to an earlier word");
            trails[job.trail] = true;
            seen[id].trail = job.trail;
        }
        for (uint256 i; i < job.executions; ++i) {
            ExecutionState state = allocator.execution(id, uint8(i)).state;
            if (state == seen[id].states[i]) continue;
            _flag(_follows(seen[id].states[i], state), "I4: an execution of a closed job took a forbidden step");
            _flag(state != ExecutionState.Ended || seen[id].states[i] < ExecutionState.Accepted, "I5: a verdict ended");
            seen[id].states[i] = state;
        }
    }

    function _watchMoney(uint256 sum) private {
        sum += verifier.openBonds();
        for (uint256 i; i < accounts.length; ++i) sum += allocator.balanceOf(accounts[i]);
        _flag(sum == paidIn - paidOut, "I1: deposits less withdrawals are not what is owed");
        _flag(sum == credit.balanceOf(address(allocator)), "I1: the allocator does not hold what it owes");
    }

    function _watchProcessors(uint256 count, uint256[] memory taken) private returns (uint256 bonds) {
        uint256 halfLife = allocator.halfLife();
        bool quiet = block.timestamp == lastTime && halfLife == lastHalfLife;
        for (uint256 p = 1; p <= count; ++p) {
            ProcessorId id = ProcessorId.wrap(uint32(p));
            (, uint16 qubits, uint16 free,,,,) = allocator.dispatch(id);
            _flag(uint256(free) + taken[p] == qubits, "I3: free and allocated qubits are not all qubits");
            (, uint256 bond, uint256 a, uint256 b) = allocator.standing(id);
            bonds += bond;
            _watchStake(id, bond);
            _flag(a <= type(uint16).max && b <= type(uint16).max, "I10: reputation out of range");
            if (!onTrial[p]) {
                bool same = a == lastFor[p] && b == lastAgainst[p];
                bool faded = halfLife != lastHalfLife || (a <= lastFor[p] && b <= lastAgainst[p]);
                _flag(quiet ? same : faded, "I10: reputation changed without a verdict");
            }
            if (a != lastFor[p]) lastFor[p] = a;
            if (b != lastAgainst[p]) lastAgainst[p] = b;
        }
        lastHalfLife = halfLife;
    }

    /// @dev What is on its way out is no stake; this holds whatever the least bond is just then, since that is never 0.
    function _watchStake(ProcessorId id, uint256 bond) private {
        (uint256 leaving,) = registry.unbondingOf(id);
        (,,,,, bool suspended, bool retired) = allocator.dispatch(id);
        _flag(bond > leaving || suspended || retired, "I11: new work for nothing at stake");
    }

    function _watchCounters() private {
        uint256 v = allocator.virtualTime();
        _flag(v >= lastVirtual, "I15: virtual time went back");
        uint256 era = quorum.era();
        _flag(era == lastEra || era == lastEra + 1, "I7: an era was left out or came back");
        _flag(era == verifier.era(), "I12: the verifier has another era");
        (lastVirtual, lastEra) = (v, era);
    }
}
