// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import "../contracts/libraries/JobWords.sol" as Jobs;
import "../contracts/libraries/ProcessorWords.sol" as Processors;
import "../contracts/libraries/QueueWords.sol" as Queues;
import {Execution, Progress, Terms} from "../contracts/libraries/JobWords.sol";
import {Dispatch, Standing} from "../contracts/libraries/ProcessorWords.sol";
import {Clock, Lane, Queue} from "../contracts/libraries/QueueWords.sol";
import {
    ExecutionState, JobId, JobState, Outcome, ProcessorId, directQueueOf, indexOf, jobAt, queueOf
} from "../contracts/libraries/Types.sol";

/// @title Packed words give back what went in, and a change of one field leaves the others
contract WordProperties {
    function testFuzz_terms(address client, uint32 rate, uint8 flow, uint8 trust, uint256 life) public pure {
        life &= 0x3FFFF;
        Terms t = Jobs.packTerms(client, rate, flow, trust, life);
        assert(t.clientOf() == client && t.rateOf() == rate && t.flowOf() == flow);
        assert(t.trustOf() == trust && t.lifeOf() == life);
    }

    function testFuzz_progressFieldsAreApart(uint256 word, uint8 state, uint8 count, uint40 next) public pure {
        // 7 is no state; every other field may hold anything
        word &= ~(uint256(1) << 130);
        Progress p = Progress.wrap(word);
        JobState s = JobState(state % 7);
        count &= 7;
        Progress q = p.withState(s).withCount(count).withPaid(count).withNext(next);
        assert(q.stateOf() == s && q.countOf() == count && q.paidOf() == count && q.nextOf() == next);
        uint256 changed = 7 << 128 | 7 << 131 | 7 << 134 | uint256(type(uint40).max) << 137;
        assert(Progress.unwrap(q) & ~changed == word & ~changed);
        assert(q.tagOf() == p.tagOf() && q.qubitsOf() == p.qubitsOf() && q.qualityOf() == p.qualityOf());
        assert(q.classOf() == p.classOf() && q.declaredOf() == p.declaredOf() && q.deadlineOf() == p.deadlineOf());
        assert(q.redundancyOf() == p.redundancyOf() && q.mostOf() == p.mostOf() && q.patienceOf() == p.patienceOf());
    }

    function testFuzz_firstExecutionIsApart(uint256 word, uint64 e) public pure {
        Progress p = Progress.wrap(word).withFirst(Execution.wrap(e));
        assert(Execution.unwrap(p.firstOf()) == e);
        assert(Progress.unwrap(p) << 64 == word << 64);
    }

    function testFuzz_execution(uint256 processor, uint8 state, uint8 reports, uint32 since, uint8 used) public pure {
        (processor, reports, used) = (processor & 0x3FFFFF, reports & 3, used & 31);
        ExecutionState s = ExecutionState(state & 7);
        Execution e = Jobs.packExecution(processor, s, reports, since, used);
        assert(e.processorOf() == processor && e.executionStateOf() == s && e.reportsOf() == reports);
        assert(e.sinceOf() == since && e.usedOf() == used && Execution.unwrap(e) >> 64 == 0);
        Execution v = e.withVerdict(ExecutionState.Accepted, (reports + 1) & 3, uint256(since) / 2);
        assert(v.processorOf() == processor && v.usedOf() == used && v.sinceOf() == uint256(since) / 2);
        assert(v.executionStateOf() == ExecutionState.Accepted && v.reportsOf() == (reports + 1) & 3);
    }

    function testFuzz_verdictsFollowTheTable(uint8 state, uint8 outcome) public pure {
        ExecutionState from = ExecutionState(state & 7);
        Outcome o = Outcome(1 + outcome % 4);
        ExecutionState to = Jobs.packExecution(1, from, 0, 1, 0).judged(o);
        bool open = from == ExecutionState.Committed || from == ExecutionState.Undecided;
        bool may = open || (from == ExecutionState.Rejected && o == Outcome.Fraud);
        ExecutionState[5] memory table = [
            ExecutionState.None,
            ExecutionState.Accepted,
            ExecutionState.Undecided,
            ExecutionState.Rejected,
            ExecutionState.Fraudulent
        ];
        assert(to == (may ? table[uint256(o)] : ExecutionState.None));
    }

    function testFuzz_queue(uint256 word, uint40 finish, uint256 a, uint256 b, uint24 weight, bool open) public pure {
        Queue q = Queue.wrap(word);
        weight &= 0x1FFFF;
        (a, b) = (a & Queues.MOST_PLACES, b & Queues.MOST_PLACES);
        Queue r = q.withFinish(finish).withRemoved(b).withAdded(a).withReturned(b, a);
        assert(r.finishOf() == finish && r.removedOf() == b && r.addedOf() == a);
        assert(r.returnedHeadOf() == b && r.returnedTailOf() == a);
        assert(r.weightOf() == q.weightOf() && r.isOpenFlow() == q.isOpenFlow());
        assert(r.debtOf() == q.debtOf() && r.chargedOf() == q.chargedOf());
        r = q.withWeight(weight, open);
        assert(r.weightOf() == weight && r.isOpenFlow() == open && r.finishOf() == q.finishOf());
        assert(r.addedOf() == q.addedOf() && r.returnedTailOf() == q.returnedTailOf());
        assert(r.debtOf() == q.debtOf() && r.chargedOf() == q.chargedOf());
    }

    function testFuzz_queueIsCharged(uint256 word, uint40 finish, uint40 debt, uint40 cost) public pure {
        Queue q = Queue.wrap(word);
        Queue r = q.withCharge(finish, debt, cost);
        assert(r.finishOf() == finish && r.debtOf() == (debt < 1 << 34 ? debt : (1 << 34) - 1));
        assert(r.chargedOf() == (q.chargedOf() + cost) % (1 << 40));
        assert(r.removedOf() == q.removedOf() && r.addedOf() == q.addedOf() && r.weightOf() == q.weightOf());
        assert(r.returnedHeadOf() == q.returnedHeadOf() && r.returnedTailOf() == q.returnedTailOf());
        assert(r.isOpenFlow() == q.isOpenFlow());
    }

    function testFuzz_lane(uint40 key, uint16 qubits, uint16 quality) public pure {
        (qubits, quality) = (qubits & 0xFFF, quality & 0xFFF);
        Lane l = Queues.packLane(key, qubits, quality);
        assert(l.laneKey() == key && l.laneQubits() == qubits && l.laneQuality() == quality);
        assert(Lane.unwrap(l) >> 64 == 0);
    }

    function testFuzz_virtualTimeIsApart(uint256 word, uint40 time) public pure {
        Clock c = Clock.wrap(word).withTime(time);
        assert(c.timeOf() == time && Clock.unwrap(c) >> 40 == word >> 40);
    }

    function testFuzz_dispatch(address operator, uint16 qubits, uint16 free, uint16 quality, bool direct) public pure {
        (qubits, free, quality) = (qubits & 0xFFF, free & 0xFFF, quality & 0xFFF);
        Dispatch d = Processors.packDispatch(uint160(operator), qubits, quality);
        assert(d.operatorOf() == operator && d.totalOf() == qubits && d.freeOf() == qubits);
        assert(d.certifiedOf() == quality && d.certifiedUntilOf() == 0 && !d.isBlocked() && !d.hasDirect());
        d = d.withFree(free).withDirect(direct);
        assert(d.freeOf() == free && d.hasDirect() == direct && d.totalOf() == qubits && d.operatorOf() == operator);
    }

    function testFuzz_standing(address provider, uint40 units, uint40 other, uint16 a, uint16 b, uint24 tick) public pure {
        Standing s = Processors.packStanding(provider, units, tick);
        assert(s.providerOf() == provider && s.bondUnitsOf() == units && s.tickOf() == tick);
        assert(s.forOf() == 0 && s.againstOf() == 0);
        s = s.withBond(other).withEvidence(a, b, tick);
        assert(s.providerOf() == provider && s.bondUnitsOf() == other && s.forOf() == a && s.againstOf() == b);
    }

    function testFuzz_jobIds(uint24 queue, uint40 index, uint256 processor) public pure {
        JobId id = jobAt(queue, index);
        assert(queueOf(id) == queue && indexOf(id) == index);
        processor &= 0x3FFFFF;
        uint256 direct = directQueueOf(ProcessorId.wrap(uint32(processor)));
        assert(direct >= 1 << 23 && direct < 1 << 24 && direct & 0x3FFFFF == processor);
    }
}
