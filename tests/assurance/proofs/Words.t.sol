// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import "../contracts/libraries/JobWords.sol" as Jobs;
import "../contracts/libraries/ProcessorWords.sol" as Processors;
import "../contracts/libraries/QueueWords.sol" as Queues;
import {Execution, Progress} from "../contracts/libraries/JobWords.sol";
import {Dispatch, Standing} from "../contracts/libraries/ProcessorWords.sol";
import {Clock, Lane, Queue} from "../contracts/libraries/QueueWords.sol";
import {Reputation} from "../contracts/libraries/Reputation.sol";
import {ExecutionState, JobId, JobState, Outcome, indexOf, jobAt, queueOf} from "../contracts/libraries/Types.sol";
import {Vm} from "./Base.sol";

/// @title Packed words and reputation, for every value at once
contract WordProofs {
    Vm internal constant VM = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    function check_jobIdsAreReversible(uint24 queue, uint40 index) public pure {
        JobId id = jobAt(queue, index);
        assert(queueOf(id) == queue && indexOf(id) == index);
    }

    function check_progressFieldsAreApart(uint256 word, uint8 count, uint8 paid, uint40 next) public pure {
        VM.assume(count < 8 && paid < 8);
        Progress q = Progress.wrap(word).withState(JobState.Active).withCount(count).withPaid(paid).withNext(next);
        assert(q.stateOf() == JobState.Active && q.countOf() == count && q.paidOf() == paid && q.nextOf() == next);
        uint256 changed = 7 << 128 | 7 << 131 | 7 << 134 | uint256(type(uint40).max) << 137;
        assert(Progress.unwrap(q) & ~changed == word & ~changed);
    }

    function check_executionsAreReversible(uint256 processor, uint256 reports, uint256 since, uint256 used) public pure {
        VM.assume(processor < 1 << 22 && reports < 4 && since < 1 << 32 && used < 32);
        Execution e = Jobs.packExecution(processor, ExecutionState.Committed, reports, since, used);
        assert(e.processorOf() == processor && e.reportsOf() == reports && e.sinceOf() == since && e.usedOf() == used);
        assert(e.executionStateOf() == ExecutionState.Committed && Execution.unwrap(e) < 1 << 64);
        Progress p = Progress.wrap(0).withFirst(e);
        assert(Execution.unwrap(p.firstOf()) == Execution.unwrap(e));
    }

    function check_lanesAreReversible(uint256 key, uint256 qubits, uint256 quality) public pure {
        VM.assume(key < 1 << 40 && qubits < 1 << 12 && quality < 1 << 12);
        Lane l = Queues.packLane(key, qubits, quality);
        assert(l.laneKey() == key && l.laneQubits() == qubits && l.laneQuality() == quality && Lane.unwrap(l) < 1 << 64);
    }

    function check_queueFieldsAreApart(uint256 word, uint40 finish, uint256 removed, uint256 head, uint256 tail) public pure {
        VM.assume(removed < 1 << 31 && head < 1 << 31 && tail < 1 << 31);
        Queue q = Queue.wrap(word).withFinish(finish).withRemoved(removed).withReturned(head, tail);
        assert(q.finishOf() == finish && q.removedOf() == removed);
        assert(q.returnedHeadOf() == head && q.returnedTailOf() == tail);
        Queue before = Queue.wrap(word);
        assert(q.addedOf() == before.addedOf() && q.weightOf() == before.weightOf() && q.debtOf() == before.debtOf());
        assert(q.chargedOf() == before.chargedOf() && q.isOpenFlow() == before.isOpenFlow());
    }

    /// @dev I3: freeing and taking qubits touches nothing else of a processor's word.
    function check_capabilityWordsAreReversible(uint160 operator, uint256 qubits, uint256 quality, uint256 free)
        public
        pure
    {
        VM.assume(qubits < 1 << 12 && quality < 1 << 12 && free < 1 << 12);
        Dispatch d = Processors.packDispatch(operator, qubits, quality);
        assert(d.totalOf() == qubits && d.freeOf() == qubits && d.certifiedOf() == quality);
        d = d.withFree(free);
        assert(d.freeOf() == free && d.totalOf() == qubits && d.certifiedOf() == quality && !d.isBlocked());
        assert(d.operatorOf() == address(operator));
    }

    function check_standingFieldsAreApart(address provider, uint40 units, uint40 other, uint16 a, uint16 b) public pure {
        Standing s = Processors.packStanding(provider, units, 7).withEvidence(a, b, 9).withBond(other);
        assert(s.providerOf() == provider && s.bondUnitsOf() == other && s.forOf() == a && s.againstOf() == b);
        assert(s.tickOf() == 9);
    }

    /// @dev I15: the clock's other fields stay while virtual time is set.
    function check_virtualTimeIsApart(uint256 word, uint40 time) public pure {
        Clock c = Clock.wrap(word).withTime(time);
        assert(c.timeOf() == time && Clock.unwrap(c) >> 40 == word >> 40);
    }

    /// @dev I10: evidence stays in its 16 bits, and only its own side grows.
    function check_reputationStaysInRange(uint16 a, uint16 b, uint8 outcome, bool weak) public pure {
        VM.assume(outcome < 5);
        (uint256 x, uint256 y) = Reputation.record(a, b, Outcome(outcome), weak);
        assert(x <= type(uint16).max && y <= type(uint16).max && x >= a && y >= b);
        assert(outcome == 1 || x == a);
        assert(outcome == 3 || outcome == 4 || y == b);
    }

    /// @dev I10: time only takes evidence away, with the half-life of the deployment.
    function check_evidenceNeverGrows(uint16 evidence, uint24 ticks) public pure {
        assert(Reputation.decay(evidence, ticks, 90 days >> 8) <= evidence);
    }

    /// @dev I4: from every state, for every outcome.
    function check_verdictsFollowTheTable(uint8 state, uint8 outcome) public pure {
        VM.assume(state < 8 && outcome > 0 && outcome < 5);
        ExecutionState to = Jobs.packExecution(1, ExecutionState(state), 0, 1, 0).judged(Outcome(outcome));
        bool open = state == 2 || state == 3;
        if (!open && !(state == 5 && outcome == 4)) assert(to == ExecutionState.None);
        else if (outcome == 1) assert(to == ExecutionState.Accepted);
        else if (outcome == 2) assert(to == ExecutionState.Undecided);
        else if (outcome == 3) assert(to == ExecutionState.Rejected);
        else assert(to == ExecutionState.Fraudulent);
    }

    /* ------------------------------ canaries ------------------------------ */

    /// @dev False: six bits do not fit into five.
    function check_canary_sixBitsOfUsedTime(uint256 used) public pure {
        VM.assume(used < 64);
        assert(Jobs.packExecution(1, ExecutionState.Committed, 0, 0, used).usedOf() == used);
    }

    /// @dev False: enough evidence reaches the end of the range.
    function check_canary_reputationNeverFills(uint16 a) public pure {
        (uint256 x,) = Reputation.record(a, 0, Outcome.Accept, false);
        assert(x < type(uint16).max);
    }
}
