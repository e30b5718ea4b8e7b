// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {MASK40, Progress, USED_STEPS} from "../libraries/JobWords.sol";
import {Clock, DEBT_AT, Queue} from "../libraries/QueueWords.sol";
import {JobId, ProcessorId} from "../libraries/Types.sol";
import {JobBook} from "./JobBook.sol";

/// @title FlowTime
/// @notice What a flow's executions cost it in virtual time, and what it gets back. The rule is written out in
/// IComputationAllocator.
abstract contract FlowTime is JobBook {
    /// @dev Tags, and with them virtual time, are at most this much, and this much more for each second since the deployment: 40
    /// bits last 17 years.
    uint256 private constant HEAD_START = 1 << 33;
    uint256 private constant PACE = 2048;

    uint256 private immutable BORN = block.timestamp;
    uint256 private constant MARK_BITS = 40;

    /// @dev What the flow had been charged in all once a job's executions were, lowest bits first: of all but its last, whose mark
    /// takes the place of the job's tag.
    mapping(JobId job => uint256) private _marks;

    /// @dev Charges an execution that is handed out to its job's flow, and lets time pass; the word of the job's queue. What a
    /// processor without a certificate gets is a trial: it serves nobody else, and would make a flow wait for whoever claims to
    /// have a large one.
    function _charge(Case memory k, Queue q, Clock c) internal returns (Queue) {
        uint256 queue_ = k.id.queueOf();
        if (queue_ < DIRECT) return _charged(k, q, c);
        if (_dispatch[ProcessorId.wrap(uint32(queue_ & 0x3FFFFF))].certifiedUntilOf() <= block.timestamp) return q;
        uint256 flow_ = _jobs[k.id].terms.flowOf();
        Queue flowing = _charged(k, _queues[flow_], c);
        _queues[flow_] = flowing;
        _show(flow_, flowing);
        return q;
    }

    /// @dev The word of a flow after one more execution. What waits keeps no more time than twice the drain: a finish tag that is
    /// further behind, or behind the job's start tag, is lifted, and what was charged below that is forgiven, the oldest first.
    /// Virtual time moves to the job's start tag. Tags end where PACE after HEAD_START does, so that nobody takes time to its end,
    /// and no flow far ahead of it: of what would lead further only the rest is charged, and all below it forgiven, so that the
    /// rest is known to be what is left of this charge.
    function _charged(Case memory k, Queue q, Clock c) private returns (Queue) {
        // Factors of 12 and 18 bits; words of 40; the end of tags never falls, so that none is beyond it.
        unchecked {
            uint256 tag = k.p.tagOf();
            uint256 time = c.timeOf();
            uint256 start = q.finishOf();
            uint256 debt = q.debtOf();
            uint256 floor = time > 2 * c.drainOf() ? time - 2 * c.drainOf() : 0;
            uint256 least = tag < floor ? floor : tag;
            if (tag > time) _clock = c.withTime(tag);
            if (start < least) (start, debt) = (least, 0);
            else if (debt > start - floor) debt = start - floor;
            uint256 cost = _increment(k.p.qubitsOf() * k.p.declaredOf(), q);
            uint256 most = HEAD_START + (block.timestamp - BORN) * PACE;
            if (most > MASK40) most = MASK40;
            if (cost > most - start) (cost, debt) = (most - start, 0);
            q = q.withCharge(start + cost, debt + cost, cost);
            _mark(k, q.chargedOf());
            return q;
        }
    }

    /// @dev Keeps the mark of an execution's charge as its job's tag, and the mark that was there until then.
    function _mark(Case memory k, uint256 mark) private {
        uint256 count = k.p.countOf();
        if (count != 0) {
            uint256 before = _jobs[k.id].progress.tagOf();
            _marks[k.id] = _put(_marks[k.id], MARK_BITS * (count - 1), MARK_BITS, before);
        }
        k.p = k.p.withTag(mark).asCharged();
    }

    /// @dev Gives a job's flow back as many steps of an execution's declared time, if it was charged. What the flow was charged is
    /// a pile, forgiven from below: of the execution's charge no more is left than the debt less all that came on top of it.
    function _giveBack(Case memory k, uint256 index, uint256 steps) internal {
        Progress p = k.p;
        if (!p.isCharged()) return;
        // Factors of 12, 18, 7 and 5 bits; a count of at least 1, and an index below it. The finish tag is the word's lowest bits,
        // and never below the debt, which follows it.
        unchecked {
            uint256 mark = p.countOf() - 1 == index ? p.tagOf() : _marks[k.id] >> MARK_BITS * index & MASK40;
            uint256 flow_ = k.terms.flowOf();
            Queue q;
            uint256 place;
            // The place is computed once for reading and writing.
            assembly ("memory-safe") {
                mstore(0, flow_)
                mstore(32, _queues.slot)
                place := keccak256(0, 64)
                q := sload(place)
            }
            uint256 above = q.chargedOf() - mark & MASK40;
            uint256 left = q.debtOf();
            if (left <= above) return;
            left -= above;
            uint256 units = p.qubitsOf() * p.declaredOf() * TAG_SCALE;
            uint256 weight = q.weightOf();
            assembly ("memory-safe") {
                // A flow's weight is not 0.
                let by := div(mul(div(units, weight), steps), USED_STEPS)
                if gt(by, left) { by := left }
                sstore(place, sub(q, or(by, shl(DEBT_AT, by))))
            }
        }
    }

    /// @dev The same where nobody is served, and shows what it means for the flow's front. A verdict that pays leaves that to the
    /// flow's next change, since it would cost it 7,000 gas.
    function _refund(Case memory k, uint256 index, uint256 steps) internal {
        uint256 flow_ = k.terms.flowOf();
        _giveBack(k, index, steps);
        _show(flow_, _queues[flow_]);
    }

    function _increment(uint256 units, Queue q) private pure returns (uint256) {
        // At most 40 bits, and a weight of at least 10.
        unchecked {
            return (units * TAG_SCALE + q.weightOf() - 1) / q.weightOf();
        }
    }
}
