// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {CHARGED, MASK40, Progress, USED_STEPS} from "../libraries/JobWords.sol";
import {Clock, Queue} from "../libraries/QueueWords.sol";
import {JobId, ProcessorId} from "../libraries/Types.sol";
import {JobBook} from "./JobBook.sol";

/// @title FlowTime
/// @notice What a flow's executions cost it in virtual time, and what it gets back. The rule is written out in
/// IComputationAllocator.
abstract contract FlowTime is JobBook {
    /// @dev Virtual time is at most this much, and this much more for each second since the deployment: 40 bits last 17 years.
    uint256 private constant HEAD_START = 1 << 33;
    uint256 private constant PACE = 2048;

    uint256 private immutable BORN = block.timestamp;
    uint256 private constant START_BITS = 40;

    /// @dev Where the charges of a job's executions 1 .. 4 begin, lowest bits first; that of its first is its tag.
    mapping(JobId job => uint256) private _starts;

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
    /// further behind, or behind the job's start tag, is lifted, and what was charged below that is forgiven. Virtual time moves
    /// to the job's start tag, and in all no faster than PACE after HEAD_START, so that nobody takes it to its end.
    function _charged(Case memory k, Queue q, Clock c) private returns (Queue) {
        Progress p = k.p;
        k.p = p.asCharged();
        // Factors of 12 and 18 bits; words of 40; the bound of time never falls, so that it is not below what time is.
        unchecked {
            uint256 tag = p.tagOf();
            uint256 time = c.timeOf();
            uint256 start = q.finishOf();
            uint256 floor = time > 2 * c.drainOf() ? time - 2 * c.drainOf() : 0;
            uint256 least = tag < floor ? floor : tag;
            if (tag > time) {
                uint256 most = HEAD_START + (block.timestamp - BORN) * PACE;
                _clock = c.withTime(tag > most ? most : tag);
            }
            if (start < least) {
                start = least;
                q = q.withLift(least);
            } else if (q.liftOf() < floor) {
                q = q.withLift(floor);
            }
            _begin(k, start);
            uint256 finish = start + _increment(p.qubitsOf() * p.declaredOf(), q);
            return q.withFinish(finish > MASK40 ? MASK40 : finish);
        }
    }

    /// @dev Keeps where the charge of an execution begins: that of a job's first is its tag.
    function _begin(Case memory k, uint256 start) private {
        uint256 count = k.p.countOf();
        if (count == 0) k.p = k.p.withTag(start);
        else _starts[k.id] = _put(_starts[k.id], START_BITS * (count - 1), START_BITS, start);
    }

    /// @dev Gives a job's flow back as many steps of an execution's declared time, if it was charged: of what lies above the lift
    /// only, since below it the finish tag would be where it is without that charge too.
    function _giveBack(Case memory k, uint256 index, uint256 steps) internal {
        if (steps == 0) return;
        Progress p = k.p;
        if (index != 0) p = p.withTag(_starts[k.id] >> START_BITS * (index - 1) & MASK40);
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
        // Factors of 12, 18, 7 and 5 bits; the finish tag is the word's lowest bits.
        unchecked {
            uint256 whole = p.qubitsOf() * p.declaredOf() * TAG_SCALE / q.weightOf();
            uint256 by = p.chargeOf() + whole;
            uint256 bound = CHARGED | q.finishOf();
            if (by > bound) by = bound;
            bound = CHARGED | q.liftOf();
            if (by <= bound) return;
            by -= bound;
            whole = whole * steps / USED_STEPS;
            if (by > whole) by = whole;
            assembly ("memory-safe") {
                sstore(place, sub(q, by))
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
