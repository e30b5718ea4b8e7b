// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {AllocatorDesk} from "./allocation/AllocatorDesk.sol";
import {AllocatorViews} from "./allocation/AllocatorViews.sol";
import {Flows} from "./allocation/Flows.sol";
import {Ledger} from "./allocation/Ledger.sol";
import {IComputationAllocator} from "./interfaces/IComputationAllocator.sol";
import {Execution, MOST_EXECUTIONS, Progress, USED_STEPS, packExecution, packTerms} from "./libraries/JobWords.sol";
import {Dispatch, QUALITY_AT, Standing, UNTIL_AT} from "./libraries/ProcessorWords.sol";
import {Clock, MOST_PLACES, Queue} from "./libraries/QueueWords.sol";
import {
    ExecutionState, JobId, JobRequest, JobState, Outcome, ProcessorId, Reason, directQueueOf, jobAt
} from "./libraries/Types.sol";

/// @title ComputationAllocator
/// @notice Who runs what, when, for how much. The rules are written out in IComputationAllocator.
contract ComputationAllocator is AllocatorViews {
    using SafeERC20 for IERC20;

    uint256 private constant MOST_LIFE = 365 days;
    AllocatorDesk private immutable DESK;

    /// @param unit base units of the credit token in one fee and bond unit
    constructor(address authority_, address credit, address registry, address verifier, uint256 unit)
        Ledger(credit, registry, verifier, unit)
        Flows(authority_)
    {
        _bound("unit", unit, 1, type(uint64).max);
        DESK = new AllocatorDesk(authority_, credit, registry, verifier, unit);
        _initialise();
    }

    /* ------------------------------ ledger ------------------------------ */

    /// @inheritdoc IComputationAllocator
    function deposit(address account, uint256 amount) external {
        _deposit(account, amount);
    }

    /// @inheritdoc IComputationAllocator
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external {
        // Who relays the permit first does not matter: the transfer below checks the allowance.
        try IERC20Permit(_credit).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(msg.sender, amount);
    }

    /// @inheritdoc IComputationAllocator
    function withdraw(address to, uint256 amount) external {
        if (amount == 0) revert ComputationAllocatorZeroAmount();
        _debit(msg.sender, amount);
        emit Withdrawn(msg.sender, to, amount);
        IERC20(_credit).safeTransfer(to, amount);
    }

    /// @inheritdoc IComputationAllocator
    function takeBond(address account, uint256 amount) external onlyVerifier {
        _debit(account, amount);
        emit BondTaken(account, msg.sender, amount);
    }

    /// @inheritdoc IComputationAllocator
    function giveBond(address account, uint256 amount) external onlyVerifier {
        _accounts[account].balance += amount;
        emit BondGiven(account, msg.sender, amount);
    }

    /* ------------------------------ clients ------------------------------ */

    /// @inheritdoc IComputationAllocator
    function quote(JobRequest calldata request) external view returns (uint256 feePerExecution, uint256 escrow) {
        uint256 units = uint256(request.qubits) * request.declaredSeconds * request.redundancy;
        uint256 class = request.class;
        _range("class", class, 0, 2);
        if (class != 0 && !_hasQuota(request.flow, class, units)) class = 0;
        feePerExecution = _rateOf(_clock, class) * uint256(request.qubits) * request.declaredSeconds * _unit;
        escrow = feePerExecution * request.maxExecutions;
    }

    /// @inheritdoc IComputationAllocator
    function submit(JobRequest calldata request) external returns (JobId) {
        return _submit(request);
    }

    /// @inheritdoc IComputationAllocator
    function submitMany(JobRequest[] calldata requests) external returns (JobId[] memory jobs) {
        jobs = new JobId[](requests.length);
        for (uint256 i; i < requests.length; ++i) {
            jobs[i] = _submit(requests[i]);
        }
        emit JobSetSubmitted(msg.sender, jobs);
    }

    /* ------------------------------ providers ------------------------------ */

    /// @inheritdoc IComputationAllocator
    function allocate(ProcessorId processor) external returns (JobId id, uint8 index) {
        Dispatch d = _dispatch[processor];
        _authorize(processor, d);
        Clock c = _clock;
        (Reason reason, Pick memory pick) = _select(processor, d, c);
        if (reason != Reason.None) {
            if (reason != Reason.Draining) pick.index = pick.queue = 0;
            revert ComputationAllocatorNothingEligible(reason, jobAt(pick.queue, pick.index));
        }
        Job storage job_ = _jobs[id = jobAt(pick.queue, pick.index)];
        Case memory k;
        _fill(k, id, job_, pick.progress);
        index = uint8(k.p.countOf());
        (Queue q, bool relink, uint256 next) = _unlink(pick);
        q = _charge(k, q, c);
        if (relink) {
            Job storage previous = _jobs[jobAt(pick.queue, pick.previous)];
            previous.progress = previous.progress.withNext(next);
        }
        uint256 number = ProcessorId.unwrap(processor);
        k.p = k.p.withNext(0).withCount(index + 1).withState(JobState.Active);
        _put(k, index, packExecution(number, ExecutionState.Allocated, 0, block.timestamp, 0));
        // Sums of words of at most 40 bits; and a job that is handed out never takes more qubits than are free.
        unchecked {
            emit JobAllocated(
                id, processor, index, uint40(block.timestamp + k.p.declaredOf() + k.p.patienceOf()),
                uint40(pick.progress.tagOf())
            );
            _dispatch[processor] = d.withFree(d.freeOf() - k.p.qubitsOf());
        }
        _step(k, STEP_ALLOCATED, index, bytes32(number));
        if (_wantsAlongside(k)) {
            q = _append(pick.queue, q, pick.index);
            _requeue(k);
        }
        _store(k, job_);
        _queues[pick.queue] = q;
        _show(pick.queue, q);
    }

    /// @inheritdoc IComputationAllocator
    function commitResult(JobId id, uint8 index, bytes32 commitment) external {
        Job storage job_ = _jobs[id];
        Case memory k = _load(id, job_);
        Execution e = _executionAt(k, index);
        if (e.executionStateOf() != ExecutionState.Allocated) {
            revert ComputationAllocatorBadExecutionState(id, index, e.executionStateOf());
        }
        ProcessorId processor = ProcessorId.wrap(uint32(e.processorOf()));
        Dispatch d = _dispatch[processor];
        _authorize(processor, d);
        // All terms have at most 40 bits; qubits return at most once, to where they came from.
        unchecked {
            uint256 declared = k.p.declaredOf();
            uint256 deadline = e.sinceOf() + declared + k.p.patienceOf();
            if (block.timestamp > deadline) revert ComputationAllocatorTooLate(id, index, uint40(deadline));
            uint256 used = ((block.timestamp - e.sinceOf()) * USED_STEPS + declared - 1) / declared;
            if (used > USED_STEPS) used = USED_STEPS;
            _put(k, index, packExecution(e.processorOf(), ExecutionState.Committed, 0, block.timestamp, used));
            _dispatch[processor] = d.withFree(d.freeOf() + k.p.qubitsOf());
        }
        _step(k, STEP_COMMITTED, index, commitment);
        _store(k, job_);
        emit ResultCommitted(id, processor, index, commitment);
    }

    /* ------------------------------ exchange contracts only ------------------------------ */

    /// @inheritdoc IComputationAllocator
    function settle(JobId id, uint256 index, uint256 round, Outcome outcome, bool weak, bytes32 reportHash)
        external
        onlyVerifier
        returns (address provider)
    {
        Job storage job_ = _jobs[id];
        Case memory k = _loadAll(id, job_);
        Execution e = _judge(k, index, round, outcome);
        ProcessorId processor = ProcessorId.wrap(uint32(e.processorOf()));
        _step(k, STEP_JUDGED, uint8(index), reportHash);
        provider = _record(processor, outcome, weak, k.terms.lifeOf());
        if (outcome == Outcome.Accept) {
            uint256 fee = _feeOf(k);
            // At most five executions; sums of balances stay below the token's supply.
            unchecked {
                _accounts[provider].balance += fee;
                _giveBack(k, index, USED_STEPS - e.usedOf());
                k.p = k.p.withPaid(k.p.paidOf() + 1);
            }
            // Whoever wants one execution and even odds, which no accepted execution falls below, has them now; all else is
            // weighed in full.
            if (k.p.isSingle() && k.terms.trustOf() == 2) {
                _close(k, JobState.Settled, fee);
                _store(k, job_);
                return provider;
            }
        } else if (outcome == Outcome.Undecided) {
            if (round != 0) {
                // A second look that tells no more is the last: nobody waits for what cannot be known.
                _refund(k, index, USED_STEPS);
                _move(k, index, _executionAt(k, index), ExecutionState.Ended);
                _step(k, STEP_ENDED, uint8(index), 0);
                emit ExecutionEnded(k.id, processor, uint8(index), ExecutionState.Undecided, 0);
            }
        } else {
            // What is rejected served nobody; if it was before, its time was given back then.
            if (e.executionStateOf() != ExecutionState.Rejected) _refund(k, index, USED_STEPS);
            if (outcome == Outcome.Fraud) {
                _slash(k, processor, _feeOf(k) * _policy.fraudMultipleOf(), address(0));
            }
        }
        if (k.p.isOpen()) _advance(k);
        _store(k, job_);
    }

    /// @inheritdoc IComputationAllocator
    function enroll(ProcessorId processor, Dispatch dispatch_, Standing standing_, uint256 bond) external onlyRegistry {
        _dispatch[processor] = dispatch_;
        _standings[processor] = standing_;
        _debit(standing_.providerOf(), bond);
    }

    /// @inheritdoc IComputationAllocator
    function setCertificate(ProcessorId processor, uint16 quality, uint40 validUntil)
        external
        onlyRegistry
        returns (uint16 previousQuality, uint40 previousUntil, uint16 qubits, address operator)
    {
        Dispatch d = _dispatch[processor];
        (previousQuality, previousUntil) = (uint16(d.certifiedOf()), uint40(d.certifiedUntilOf()));
        (qubits, operator) = (uint16(d.totalOf()), d.operatorOf());
        uint256 word = _put(Dispatch.unwrap(d), QUALITY_AT, 12, quality);
        _dispatch[processor] = Dispatch.wrap(_put(word, UNTIL_AT, 40, validUntil));
    }

    /* ------------------------------ the desk's ------------------------------ */

    /// @inheritdoc IComputationAllocator
    function cancel(JobId) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function expireExecution(JobId, uint8) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function expire(JobId) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function recordChallenge(JobId, uint8, uint8, bytes32, bool) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function skim(uint256, uint256) external returns (uint256) {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function openFlow(address, uint24, bool) external returns (uint16) {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function splitFlow(uint16, uint24, address) external returns (uint16) {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function setFlowWeight(uint16, uint24) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function setFlowOwner(uint16, address, bool) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function setFlowMember(uint16, address, bool) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function setClass(uint8, uint32, uint40) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function setQuota(uint16, uint8, uint64, uint64) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function setQueueing(uint40, uint40) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function setTimes(uint16, uint24, uint24) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function setPenalties(uint16, uint8) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function setRequestBounds(uint8, uint8, uint24) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function setPaused(bool) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function setOperator(ProcessorId, address) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function setBlocked(ProcessorId, bool, bool) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function setHalfLife(uint40) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function addBond(ProcessorId, uint256) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function releaseBond(ProcessorId, uint256) external {
        _atDesk();
    }

    /// @inheritdoc IComputationAllocator
    function slashBond(ProcessorId, uint256, address) external returns (uint256) {
        _atDesk();
    }

    /// @dev Runs the desk's function of the same signature on this storage and answers what it answers.
    function _atDesk() private {
        address desk = address(DESK);
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            calldatacopy(buffer, 0, calldatasize())
            let success := delegatecall(gas(), desk, buffer, calldatasize(), 0, 0)
            returndatacopy(buffer, 0, returndatasize())
            if iszero(success) { revert(buffer, returndatasize()) }
            return(buffer, returndatasize())
        }
    }

    /* ------------------------------ submitting ------------------------------ */

    function _submit(JobRequest calldata request) private returns (JobId) {
        Clock c = _clock;
        if (c.isPaused()) revert ComputationAllocatorPaused();
        JobRequest memory r = request;
        _check(r, c);
        Case memory k;
        uint256 class = _enqueue(k, r, c);
        k.terms = packTerms(msg.sender, _rateOf(c, class), r.flow, r.trust, c.halfLifeOf());
        k.trail = bytes32(uint256(JobId.unwrap(k.id)));
        uint256 fee = _feeOf(k);
        // At most 126 bits, and a factor of at most 5.
        unchecked {
            _debit(msg.sender, fee * r.maxExecutions);
        }
        _log(k, fee, class != 0, request);
        _jobs[k.id].terms = k.terms;
        _store(k);
        return k.id;
    }

    /// @dev First step of the trail, and JobSubmitted: one buffer `client, fee, tag, boosted, request` serves both. Every field
    /// of the request was read before, so its words in calldata are the canonical encoding.
    function _log(Case memory k, uint256 fee, bool boosted, JobRequest calldata request) private {
        bytes32 topic = JobSubmitted.selector;
        uint256 id = JobId.unwrap(k.id);
        uint256 tag = k.p.tagOf();
        bytes32 hash;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, caller())
            mstore(add(buffer, 32), fee)
            mstore(add(buffer, 64), tag)
            mstore(add(buffer, 96), boosted)
            calldatacopy(add(buffer, 128), request, 352)
            hash := keccak256(buffer, 480)
            log3(add(buffer, 32), 448, topic, id, caller())
        }
        _step(k, STEP_SUBMITTED, 0, hash);
    }

    function _rateOf(Clock c, uint256 class) private view returns (uint256) {
        return class == 0 ? c.normalRateOf() : _policy.raisedRateOf(class);
    }

    /// @dev Puts a job into its queue, with the least start tag that it may get; the class granted.
    function _enqueue(Case memory k, JobRequest memory r, Clock c) private returns (uint256 class) {
        uint256 flow_ = r.flow;
        Queue q = _flow(flow_);
        if (!q.isOpenFlow() && !_isMember(flow_, msg.sender)) {
            revert ComputationAllocatorNotMember(uint16(flow_), msg.sender);
        }
        // Factors of 12, 18 and 3 bits.
        unchecked {
            uint256 units = uint256(r.qubits) * r.declaredSeconds * r.redundancy;
            if (r.class != 0) class = _spendQuota(flow_, r.class, units);
            uint256 tag = c.timeOf() > c.creditOf() ? c.timeOf() - c.creditOf() : 0;
            k.p = _pack(r, tag, class, c.graceOf());
            if (ProcessorId.unwrap(r.target) == 0) {
                uint256 place = _placeIn(q);
                _queues[flow_] = q.withAdded(place);
                k.id = jobAt(flow_, place);
                if (q.returnedHeadOf() == 0 && q.removedOf() + 1 == place) {
                    _setLane(flow_, _laneFor(q.finishOf() > tag ? k.p.withTag(q.finishOf()) : k.p));
                }
            } else {
                k.id = _enqueueDirect(r.target, r.qubits);
            }
        }
    }

    function _check(JobRequest memory r, Clock c) private view {
        uint256 earliest;
        // Sums of words of at most 40 bits; where a range starts at 1, zero wraps around and fails.
        unchecked {
            earliest = block.timestamp + r.declaredSeconds + c.graceOf() + c.marginOf();
            if (
                uint256(r.qubits) - 1 < 4095 && r.class <= 2 && r.trust >= c.leastTrustOf()
                    && uint256(r.redundancy) - 1 < c.mostRedundancyOf() && r.maxExecutions >= r.redundancy
                    && (
                        ProcessorId.unwrap(r.target) == 0
                            ? r.quality <= 4095 && r.maxExecutions <= MOST_EXECUTIONS
                            : r.quality == 0 && r.maxExecutions == 1
                    )
                    && uint256(r.declaredSeconds) - 1 < c.mostSecondsOf() && r.deadline >= earliest
                    && r.deadline <= block.timestamp + MOST_LIFE
            ) return;
        }
        // One of these names what is wrong.
        _range("qubits", r.qubits, 1, 4095);
        _range("quality", r.quality, 0, ProcessorId.unwrap(r.target) == 0 ? 4095 : 0);
        _range("class", r.class, 0, 2);
        _range("redundancy", r.redundancy, 1, c.mostRedundancyOf());
        _range("maxExecutions", r.maxExecutions, r.redundancy, MOST_EXECUTIONS);
        _range("trust", r.trust, c.leastTrustOf(), type(uint8).max);
        _range("declaredSeconds", r.declaredSeconds, 1, c.mostSecondsOf());
        if (ProcessorId.unwrap(r.target) != 0) _range("maxExecutions", r.maxExecutions, 1, 1);
        revert ComputationAllocatorBadDeadline(r.deadline, earliest, block.timestamp + MOST_LIFE);
    }

    function _pack(JobRequest memory r, uint256 tag, uint256 class, uint256 grace) private pure returns (Progress) {
        return Progress.wrap(
            tag | uint256(r.qubits) << 40 | uint256(r.quality) << 52 | class << 64 | uint256(r.declaredSeconds) << 66
                | uint256(r.deadline) << 90 | uint256(r.redundancy) << 122 | uint256(r.maxExecutions) << 125
                | uint256(JobState.Queued) << 128 | grace << 177
        );
    }

    /// @dev The index behind a queue's last entry.
    function _placeIn(Queue q) private pure returns (uint256 place) {
        // Of 31 bits.
        unchecked {
            place = q.addedOf() + 1;
        }
        if (place > MOST_PLACES) revert ComputationAllocatorQueueFull();
    }

    function _enqueueDirect(ProcessorId target, uint256 qubits) private returns (JobId) {
        Dispatch d = _dispatch[target];
        if (d.operatorOf() == address(0) || d.isBlocked() || qubits > d.totalOf()) {
            revert ComputationAllocatorBadTarget(target);
        }
        uint256 queue_ = directQueueOf(target);
        Queue q = _queues[queue_];
        uint256 place = _placeIn(q);
        _queues[queue_] = q.withAdded(place);
        if (!d.hasDirect()) _dispatch[target] = d.withDirect(true);
        return jobAt(queue_, place);
    }

    /* ------------------------------ executions ------------------------------ */

    /// @dev Puts a verdict into an execution; the execution as it was.
    function _judge(Case memory k, uint256 index, uint256 round, Outcome outcome)
        private
        returns (Execution e)
    {
        e = _executionAt(k, index);
        if (round != e.reportsOf() || round == 3) {
            revert ComputationAllocatorBadRound(k.id, uint8(index), uint8(round), uint8(e.reportsOf()));
        }
        ExecutionState to = e.judged(outcome);
        if (to == ExecutionState.None) {
            revert ComputationAllocatorBadOutcome(k.id, uint8(index), e.executionStateOf(), outcome);
        }
        // At most three.
        unchecked {
            _put(k, index, e.withVerdict(to, round + 1, block.timestamp));
        }
    }

    /// @dev Whether a job that just got an execution wants one more beside it.
    function _wantsAlongside(Case memory k) private pure returns (bool) {
        if (k.p.redundancyOf() == 1 || k.p.countOf() == k.p.mostOf()) return false;
        (uint256 accepted, uint256 running,) = _tally(k);
        return accepted + running < k.p.redundancyOf();
    }

    function _authorize(ProcessorId processor, Dispatch d) private view {
        address operator = d.operatorOf();
        if (msg.sender == operator) return;
        if (operator == address(0)) revert ComputationAllocatorUnknownProcessor(processor);
        if (msg.sender != _standings[processor].providerOf()) {
            revert ComputationAllocatorNotOperator(processor, msg.sender);
        }
    }

    function _deposit(address account, uint256 amount) private {
        if (amount == 0) revert ComputationAllocatorZeroAmount();
        IERC20(_credit).safeTransferFrom(msg.sender, address(this), amount);
        _accounts[account].balance += amount;
        emit Deposited(account, msg.sender, amount);
    }

    function _range(bytes32 field, uint256 value, uint256 least, uint256 most) private pure {
        if (value < least || value > most) revert ComputationAllocatorBadRequest(field, value, least, most);
    }
}
