// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {JobId, JobState, ProcessorId, Reason, directQueueOf, jobAt} from "../libraries/Types.sol";
import {EXECUTION_BITS, EXECUTION_MASK, Execution, Progress, Terms} from "../libraries/JobWords.sol";
import {Dispatch, Standing} from "../libraries/ProcessorWords.sol";
import {Clock, Lane, Queue, packLane} from "../libraries/QueueWords.sol";
import {Flows} from "./Flows.sol";

/// @title FairQueue
/// @notice The job table is the queue: entries of a flow are its job indices, and a linked list of those that returned.
/// The rule is written out in IComputationAllocator.
abstract contract FairQueue is Flows {
    /// @notice A job's four words.
    struct Job {
        Terms terms;
        Progress progress;
        bytes32 trail;
        uint256 more;
    }

    /// @notice What the rule names for a processor. `previous` is the entry of its list that stands before it and stays, 0 if there
    /// is none; `unfit` the lane of a live entry that was passed over since the processor can never run it, 0 if there is none;
    /// `progress` has the start tag that the job gets if it is handed out now.
    struct Pick {
        uint256 queue;
        uint256 index;
        uint256 previous;
        uint256 unfit;
        bool returned;
        Progress progress;
        Queue word;
    }

    /// @dev Live returned entries that a processor may be passed by, since its provider had them or it cannot run them, before the
    /// flow offers its next job.
    uint256 private constant LOOK_LIVE = 8;
    /// @dev Entries read from one list at most, dead ones included, of a processor's own queue, of FLOWS_DEEP flows that are others
    /// every TURN seconds, and of the FLOWS_AHEAD others of least key; of all other flows only the first of each list. This bounds
    /// what a call can be made to cost.
    uint256 private constant LOOK = 24;
    uint256 private constant FLOWS_DEEP = 4;
    uint256 private constant FLOWS_AHEAD = 4;
    uint256 private constant AHEAD_AT = 128;
    uint256 private constant TURN = 16;

    /// @dev The first number of a direct queue.
    uint256 internal constant DIRECT = 1 << 23;
    uint256 private constant NONE = type(uint256).max;

    mapping(JobId job => Job) internal _jobs;
    mapping(ProcessorId processor => Dispatch) internal _dispatch;
    mapping(ProcessorId processor => Standing) internal _standings;

    /* ------------------------------ the rule ------------------------------ */

    /// @dev The job that the rule names for a processor, or why there is none (Draining: `pick` is what it drains for).
    function _select(ProcessorId processor, Dispatch d, Clock c)
        internal
        view
        returns (Reason reason, Pick memory pick)
    {
        if (c.isPaused()) return (Reason.Paused, pick);
        if (d.isBlocked()) return (Reason.Suspended, pick);
        bool certified = d.certifiedUntilOf() > block.timestamp;
        uint256 flows = certified ? c.flowsOf() : 0;
        uint256 quality = certified ? d.certifiedOf() : 0;
        if (!d.hasDirect()) {
            // Nearly always the least lane is the answer.
            uint256 best = _scan(flows, d, quality, _late(c));
            if (
                best != NONE && _offer(best, processor, _reach(d, quality), c, 1, pick)
                    && pick.progress.qubitsOf() <= d.freeOf()
            ) {
                return (Reason.None, pick);
            }
        }
        return (_search(processor, d, c, flows, quality, pick), pick);
    }

    /// @dev The rule in full, for when the least lane's front is not the answer; fills `pick`.
    function _search(ProcessorId processor, Dispatch d, Clock c, uint256 flows, uint256 quality, Pick memory pick)
        private
        view
        returns (Reason reason)
    {
        uint256[] memory lanes = new uint256[](flows + 1);
        for (uint256 i; i < flows; ++i) {
            lanes[i] = uint64(_lanes[i >> 2] >> ((i & 3) << 6));
        }
        uint256 resolved; // bit i: lane i holds what the queue really offers to this processor
        uint256 deep = _deep(flows); // bit i: lane i is looked into deeply; and how many more may be
        uint256 reach = _reach(d, quality);
        if (d.hasDirect()) {
            _offer(directQueueOf(processor), processor, reach, c, LOOK, pick);
            lanes[flows] = _laneOf(pick);
            resolved = 1 << flows;
            if (pick.index == 0) reason = Reason.Backlog;
        }
        while (true) {
            uint256 best = _least(lanes, resolved, d, quality, _late(c));
            if (best == NONE) {
                return reason == Reason.None ? _why(lanes, d, quality) : reason;
            }
            deep = _deepen(deep, best);
            bool same = _offer(
                best == flows ? directQueueOf(processor) : best, processor, reach, c, deep >> best & 1 == 0 ? 1 : LOOK, pick
            );
            if (!same && resolved >> best & 1 == 0) {
                // With nothing else to offer, a front that is unfit stays in the lane as the reason why.
                lanes[best] = pick.index == 0 ? pick.unfit : _laneOf(pick);
                if (lanes[best] == 0 && pick.word.removedOf() != pick.word.addedOf()) reason = Reason.Backlog;
                resolved |= 1 << best;
            } else if (pick.progress.qubitsOf() <= d.freeOf()) {
                return Reason.None;
            } else if (c.timeOf() > pick.progress.tagOf() + c.drainOf()) {
                return Reason.Draining;
            } else {
                lanes[best] = 0;
                if (reason == Reason.None) reason = Reason.Busy;
            }
        }
    }

    /// @dev The lanes whose turn it is to be looked into deeply, and the one of a processor's own queue behind them; from AHEAD_AT
    /// on how many others may be.
    function _deep(uint256 flows) private view returns (uint256) {
        uint256 turns = (flows + FLOWS_DEEP - 1) / FLOWS_DEEP;
        uint256 turn = turns == 0 ? 0 : block.timestamp / TURN % turns;
        return FLOWS_AHEAD << AHEAD_AT | (1 << FLOWS_DEEP) - 1 << turn * FLOWS_DEEP | 1 << flows;
    }

    /// @dev The same after it came to lane `i`.
    function _deepen(uint256 deep, uint256 i) private pure returns (uint256) {
        return deep >> i & 1 == 1 || deep >> AHEAD_AT == 0 ? deep : (deep | 1 << i) - (1 << AHEAD_AT);
    }

    /// @dev A key below this may belong to a tag that the virtual time has left behind by more than the drain.
    function _late(Clock c) private pure returns (uint256) {
        return c.timeOf() > c.drainOf() ? c.timeOf() - c.drainOf() : 0;
    }

    /// @dev What a processor can run, as a lane has it: qubits 12 | quality 12.
    function _reach(Dispatch d, uint256 quality) private pure returns (uint256) {
        return d.totalOf() << 12 | quality;
    }

    /// @dev Whether a processor of that reach can ever run the job.
    function _fits(Progress p, uint256 reach) private pure returns (bool) {
        return p.qubitsOf() <= reach >> 12 && p.qualityOf() <= reach & 0xFFF;
    }

    /// @dev `_least` over the lanes in storage; NONE too if a front that the processor cannot run stands before the one it can.
    function _scan(uint256 flows, Dispatch d, uint256 quality, uint256 late) private view returns (uint256 best) {
        uint256 total = d.totalOf();
        uint256 free = d.freeOf();
        best = NONE;
        assembly ("memory-safe") {
            let least := best
            let unfit := best
            for { let i := 0 } lt(i, flows) { i := add(i, 4) } {
                let word := sload(add(_lanes.slot, shr(2, i)))
                for { let f := i } word { f := add(f, 1) } {
                    let key := and(shr(24, word), 0xFFFFFFFFFF)
                    if lt(key, least) {
                        let qubits := and(shr(12, word), 0xFFF)
                        // An empty lane has no qubits.
                        if qubits {
                            switch or(gt(qubits, total), gt(and(word, 0xFFF), quality))
                            case 0 {
                                if or(iszero(gt(qubits, free)), lt(key, late)) {
                                    least := key
                                    best := f
                                }
                            }
                            default { if lt(key, unfit) { unfit := key } }
                        }
                    }
                    word := shr(64, word)
                }
            }
            if iszero(gt(unfit, least)) { best := not(0) }
        }
    }

    /// @dev The lane of least key that fits, or may make the processor drain, or may hide something that does, since its front is
    /// unfit and nobody looked behind it yet; NONE if there is no such lane.
    function _least(uint256[] memory lanes, uint256 resolved, Dispatch d, uint256 quality, uint256 late)
        private
        pure
        returns (uint256 best)
    {
        uint256 least = NONE;
        best = NONE;
        for (uint256 i; i < lanes.length; ++i) {
            Lane entry = Lane.wrap(lanes[i]);
            uint256 qubits = entry.laneQubits();
            if (qubits == 0 || entry.laneKey() >= least) continue;
            bool unfit = qubits > d.totalOf() || entry.laneQuality() > quality;
            if (unfit ? resolved >> i & 1 == 0 : qubits <= d.freeOf() || entry.laneKey() < late) {
                least = entry.laneKey();
                best = i;
            }
        }
    }

    /// @dev Why none of the lanes will do.
    function _why(uint256[] memory lanes, Dispatch d, uint256 quality) private view returns (Reason why) {
        why = d.certifiedUntilOf() > block.timestamp ? Reason.Empty : Reason.NoCertificate;
        for (uint256 i; i < lanes.length; ++i) {
            Lane entry = Lane.wrap(lanes[i]);
            if (Lane.unwrap(entry) == 0) continue;
            if (entry.laneQubits() <= d.totalOf() && entry.laneQuality() <= quality) return Reason.Busy;
            why = Reason.Unsuitable;
        }
    }

    /// @dev Puts into `pick` the first entry of a queue that is live, that the processor can run and that its provider never had;
    /// index 0 if there is none among the first `look` of each list. `same`: it is the very first entry of the queue, as its lane
    /// shows it.
    function _offer(uint256 id, ProcessorId processor, uint256 reach, Clock c, uint256 look, Pick memory pick)
        private
        view
        returns (bool same)
    {
        Queue q = _queues[id];
        pick.queue = id;
        pick.word = q;
        pick.previous = 0;
        pick.unfit = 0;
        pick.returned = true;
        same = true;
        uint256 index = q.returnedHeadOf();
        uint256 looked;
        uint256 live;
        // Counters are bounded by LOOK.
        unchecked {
            while (index != 0 && live < LOOK_LIVE && looked < look) {
                Progress p = _jobs[jobAt(id, index)].progress;
                if (_isLive(p, c)) {
                    if (!_fits(p, reach)) {
                        pick.unfit = Lane.unwrap(_laneFor(_again(q, p)));
                    } else if (!_had(processor, id, index, p)) {
                        (pick.index, pick.progress) = (index, _again(q, p));
                        return same;
                    }
                    ++live;
                }
                same = false;
                ++looked;
                pick.previous = index;
                index = p.nextOf();
            }
            pick.returned = false;
            pick.previous = 0;
            looked = 0;
            uint256 last = q.addedOf();
            for (index = q.removedOf() + 1; index <= last && looked < look; ++looked) {
                Progress p = _jobs[jobAt(id, index)].progress;
                if (_isLive(p, c)) {
                    Progress started = _started(id, q, index, p);
                    if (_fits(p, reach)) {
                        (pick.index, pick.progress) = (index, started);
                        return same;
                    }
                    (pick.previous, pick.unfit) = (index, Lane.unwrap(_laneFor(started)));
                }
                same = false;
                index = _behind(index, p);
            }
        }
        (pick.index, pick.progress) = (0, Progress.wrap(0));
        return false;
    }

    /// @dev Whether the processor's provider already has an execution of the job.
    function _had(ProcessorId processor, uint256 id, uint256 index, Progress p) private view returns (bool) {
        uint256 count = p.countOf();
        if (count == 0) return false;
        uint256 more = count > 1 ? _jobs[jobAt(id, index)].more : 0;
        address provider = _standings[processor].providerOf();
        for (uint256 i; i < count; ++i) {
            if (_standings[ProcessorId.wrap(uint32(_executionIn(p, more, i).processorOf()))].providerOf() == provider) {
                return true;
            }
        }
        return false;
    }

    /// @dev Whether a queue's entry can still be handed out: Queued, and with time enough before the job's deadline.
    function _isLive(Progress p, Clock c) internal view returns (bool) {
        // Sums of words of at most 40 bits.
        unchecked {
            return p.stateOf() == JobState.Queued
                && block.timestamp + p.declaredOf() + p.patienceOf() + c.marginOf() <= p.deadlineOf();
        }
    }

    /* ------------------------------ the lists ------------------------------ */

    /// @dev The index behind a job never dispatched: its link says so where others between them are gone.
    function _behind(uint256 index, Progress p) private pure returns (uint256) {
        uint256 next = p.nextOf();
        // Of 40 bits.
        unchecked {
            return next == 0 ? index + 1 : next;
        }
    }

    /// @dev Takes the picked entry out of its queue's word, or list: then the entry before it gets the link `next`. Between that
    /// one and a job never dispatched all are dead.
    function _unlink(Pick memory pick) internal pure returns (Queue q, bool relink, uint256 next) {
        q = pick.word;
        relink = pick.previous != 0;
        if (!pick.returned) {
            next = _behind(pick.index, pick.progress);
            return (relink ? q : q.withRemoved(next - 1), relink, next);
        }
        next = pick.progress.nextOf();
        uint256 tail = q.returnedTailOf() == pick.index ? pick.previous : q.returnedTailOf();
        return (relink ? q.withReturned(q.returnedHeadOf(), tail) : q.withReturned(next, next == 0 ? 0 : tail), relink, next);
    }

    /// @dev Appends a job, whose own link is 0, to the returned list.
    function _append(uint256 id, Queue q, uint256 index) internal returns (Queue) {
        uint256 tail = q.returnedTailOf();
        if (tail == 0) return q.withReturned(index, index);
        Job storage last = _jobs[jobAt(id, tail)];
        last.progress = last.progress.withNext(index);
        return q.withReturned(q.returnedHeadOf(), index);
    }

    /// @dev Drops up to `most` dead entries from the front; how many.
    function _trim(uint256 id, Queue q, uint256 most) internal view returns (Queue, uint256 dropped) {
        Clock c = _clock;
        uint256 index = q.returnedHeadOf();
        // Counters are bounded by `most` and by the lists' lengths.
        unchecked {
            while (index != 0) {
                Progress p = _jobs[jobAt(id, index)].progress;
                if (dropped == most || _isLive(p, c)) return (q, dropped);
                ++dropped;
                index = p.nextOf();
                q = q.withReturned(index, index == 0 ? 0 : q.returnedTailOf());
            }
            while (q.removedOf() < q.addedOf() && dropped < most) {
                index = q.removedOf() + 1;
                Progress p = _jobs[jobAt(id, index)].progress;
                if (_isLive(p, c)) break;
                ++dropped;
                q = q.withRemoved(_behind(index, p) - 1);
            }
        }
        return (q, dropped);
    }

    /// @dev Of the next `most` entries never dispatched links those that stay past the dead ones between them; how many these are.
    function _weed(uint256 id, Queue q, uint256 most) internal returns (uint256 dropped) {
        Clock c = _clock;
        uint256 last = q.addedOf();
        uint256 stays = q.removedOf() + 1;
        // Counters are bounded by `most`.
        unchecked {
            while (stays < last && most != 0) {
                Progress p = _jobs[jobAt(id, stays)].progress;
                uint256 next = _behind(stays, p);
                uint256 gone;
                while (next <= last && most != 0) {
                    --most;
                    Progress behind = _jobs[jobAt(id, next)].progress;
                    if (_isLive(behind, c)) break;
                    next = _behind(next, behind);
                    ++gone;
                }
                if (gone != 0) _jobs[jobAt(id, stays)].progress = p.withNext(next);
                dropped += gone;
                stays = next;
            }
        }
    }

    /// @dev Makes the lane of a flow, or the flag of a processor's direct queue, show the queue's front.
    function _show(uint256 id, Queue q) internal {
        if (id < DIRECT) {
            _setLane(id, _front(id, q));
        } else {
            ProcessorId processor = ProcessorId.wrap(uint32(id & 0x3FFFFF));
            Dispatch d = _dispatch[processor];
            bool waiting = q.returnedHeadOf() != 0 || q.removedOf() < q.addedOf();
            if (d.hasDirect() != waiting) _dispatch[processor] = d.withDirect(waiting);
        }
    }

    /// @dev The lane of a queue's first entry; zero if it has none.
    function _front(uint256 id, Queue q) private view returns (Lane) {
        uint256 index = q.returnedHeadOf();
        if (index != 0) return _laneFor(_again(q, _jobs[jobAt(id, index)].progress));
        index = q.removedOf() + 1;
        if (index > q.addedOf()) return Lane.wrap(0);
        return _laneFor(_started(id, q, index, _jobs[jobAt(id, index)].progress));
    }

    /// @dev A job never dispatched, with the start tag that it gets if it is handed out now: not before the least one that it may
    /// get, nor before the finish tag of its flow.
    function _started(uint256 id, Queue q, uint256 index, Progress p) private view returns (Progress) {
        uint256 finish = id < DIRECT ? q.finishOf() : _queues[_jobs[jobAt(id, index)].terms.flowOf()].finishOf();
        return finish > p.tagOf() ? p.withTag(finish) : p;
    }

    /// @dev A job that returned, with the start tag that it gets if it is handed out now: where its flow stands. A tag kept from
    /// its first execution would be a place that virtual time passes by, and never charged for.
    function _again(Queue q, Progress p) internal pure returns (Progress) {
        return p.withTag(q.finishOf());
    }

    /// @dev The lane that shows a job.
    function _laneFor(Progress p) internal view returns (Lane) {
        uint256 key = p.tagOf();
        if (p.classOf() != 0) {
            uint256 boost = _policy.boostOf(p.classOf());
            key = key > boost ? key - boost : 0;
        }
        return packLane(key, p.qubitsOf(), p.qualityOf());
    }

    function _laneOf(Pick memory pick) private view returns (uint256) {
        return pick.index == 0 ? 0 : Lane.unwrap(_laneFor(pick.progress));
    }

    /// @dev Execution `i` out of a job's words.
    function _executionIn(Progress p, uint256 more, uint256 i) internal pure returns (Execution) {
        if (i == 0) return p.firstOf();
        return Execution.wrap(more >> (EXECUTION_BITS * (i - 1)) & EXECUTION_MASK);
    }
}
