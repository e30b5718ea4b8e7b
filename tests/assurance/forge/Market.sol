// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {
    ExecutionState, ExecutionView, JobId, JobRequest, JobState, JobView, ProcessorId, ProcessorSpec, Reason
} from "../contracts/libraries/Types.sol";
import {VM} from "./Vm.sol";
import {World} from "./World.sol";

/// @title Clients and providers: money, jobs, processors, bonds; time
abstract contract Market is World {
    uint256 internal constant MOST_PROCESSORS = 6;

    /* ------------------------------ time ------------------------------ */

    function passTime(uint256 seed) external act {
        uint256 kind = seed % 16;
        uint256 most = kind < 14 ? 400 : kind < 15 ? 1 days : 4 days;
        VM.warp(block.timestamp + _in(_mix(seed, 1), 1, most));
    }

    /* ------------------------------ money ------------------------------ */

    function deposit(uint256 seed) external act {
        address who = accounts[seed % accounts.length];
        uint256 held = credit.balanceOf(who);
        if (held == 0) revert Idle();
        uint256 amount = _in(_mix(seed, 1), 1, held < 1e10 ? held : 1e10);
        paidIn += amount;
        VM.prank(who);
        allocator.deposit(seed % 7 == 0 ? attacker : who, amount);
    }

    /// @dev Nothing and nobody keeps an account from its balance (I13, I14).
    function withdraw(uint256 seed) external act {
        address who = accounts[seed % accounts.length];
        uint256 held = allocator.balanceOf(who);
        if (held == 0) revert Idle();
        uint256 amount = seed % 3 == 0 ? held : _in(_mix(seed, 1), 1, held);
        uint256 before = credit.balanceOf(who);
        VM.prank(who);
        try allocator.withdraw(who, amount) {
            paidOut += amount;
            _flag(credit.balanceOf(who) == before + amount, "I1: a withdrawal did not arrive");
        } catch {
            _flag(false, "I14: a withdrawal was refused");
        }
    }

    /* ------------------------------ jobs ------------------------------ */

    function submit(uint256 seed) external act {
        if (open.length == MOST_OPEN) revert Idle();
        address client = clients[seed % CLIENTS];
        JobRequest memory r = _request(seed);
        (uint256 fee, uint256 escrow) = allocator.quote(r);
        uint256 before = allocator.balanceOf(client);
        VM.prank(client);
        JobId id = allocator.submit(r);
        _flag(before - allocator.balanceOf(client) == escrow, "I1: a job cost something else than its quote");
        _flag(allocator.job(id).escrow == fee * r.maxExecutions, "I1: the escrow is not what was paid");
        open.push(id);
    }

    function _request(uint256 seed) private view returns (JobRequest memory r) {
        uint256 x = _mix(seed, 7);
        r.flow = uint16(x % 5 == 0 ? 1 : 0);
        r.qubits = uint16(_in(x >> 8, 1, 10));
        r.quality = uint16(_in(x >> 16, 0, 900));
        r.class = uint8((x >> 32) % 3);
        r.redundancy = uint8(_in(x >> 40, 1, 3));
        if ((x >> 48) % 3 != 0) r.redundancy = 1;
        r.maxExecutions = uint8(_in(x >> 56, r.redundancy, r.redundancy + 2));
        r.trust = uint8(_in(x >> 64, 2, 4));
        r.declaredSeconds = uint32(_in(x >> 72, 60, 900));
        (uint16 grace, uint24 margin,) = allocator.times();
        r.deadline = uint40(block.timestamp + r.declaredSeconds + grace + margin + _in(x >> 104, 0, 1 days));
        r.payload = bytes32(x);
        if ((x >> 160) % 6 == 0) {
            r.target = ProcessorId.wrap(uint32(_in(x >> 168, 1, registry.processorCount())));
            (r.quality, r.redundancy, r.maxExecutions) = (0, 1, 1);
        }
    }

    function cancel(uint256 seed) external act {
        if (open.length == 0) revert Idle();
        JobId id = open[seed % open.length];
        JobView memory job = allocator.job(id);
        uint256 before = allocator.balanceOf(job.client);
        VM.prank(job.client);
        allocator.cancel(id);
        _flag(allocator.balanceOf(job.client) == before + job.escrow, "I13: a cancelled job did not give its escrow back");
    }

    /// @dev After its deadline any open job can be ended by anyone, and not before.
    function expire(uint256 seed) external act {
        if (open.length == 0) revert Idle();
        JobId id = open[seed % open.length];
        for (uint256 i; i < open.length; ++i) if (block.timestamp > _lastCall(open[i])) id = open[i];
        JobView memory job = allocator.job(id);
        (uint256 before, uint256 last) = (allocator.balanceOf(job.client), _lastCall(id));
        for (uint256 i; i < job.executions; ++i) _try(allocator.execution(id, uint8(i)).processor);
        VM.prank(attacker);
        try allocator.expire(id) {
            _flag(block.timestamp > last, "I13: a job expired before its time");
            _flag(allocator.balanceOf(job.client) >= before + job.escrow, "I13: an expired job kept escrow");
        } catch {
            _flag(block.timestamp <= last, "I13: a job past its time cannot be ended");
        }
    }

    /// @dev Until when nobody may close a job: its deadline, or a verdict window after the last change of an execution while one of
    /// them is committed or undecided.
    function _lastCall(JobId id) private view returns (uint256 last) {
        JobView memory job = allocator.job(id);
        (,, uint24 window) = allocator.times();
        bool owed;
        for (uint256 i; i < job.executions; ++i) {
            ExecutionView memory e = allocator.execution(id, uint8(i));
            if (e.state == ExecutionState.Committed || e.state == ExecutionState.Undecided) owed = true;
            if (e.since > last) last = e.since;
        }
        last = owed ? last + window : 0;
        if (job.deadline > last) last = job.deadline;
    }

    function expireExecution(uint256 seed) external act {
        Spot[] storage list = seed % 2 == 0 || committed.length == 0 ? running : committed;
        if (list.length == 0) revert Idle();
        Spot memory spot = list[seed % list.length];
        ExecutionView memory e = allocator.execution(spot.job, spot.index);
        JobView memory job = allocator.job(spot.job);
        uint256 bond = registry.bondOf(e.processor);
        _try(e.processor);
        VM.prank(attacker);
        allocator.expireExecution(spot.job, spot.index);
        uint256 slashed = bond - registry.bondOf(e.processor);
        _flag(2 * slashed <= job.feePerExecution, "I11: a missed deadline cost more than half the fee");
    }

    function skim(uint256 seed) external act {
        uint256 queue = seed % 3 == 2 ? 1 << 23 | _in(_mix(seed, 1), 1, registry.processorCount()) : seed % 3;
        VM.prank(attacker);
        allocator.skim(queue, _in(_mix(seed, 2), 1, 8));
    }

    /* ------------------------------ providers ------------------------------ */

    function register(uint256 seed) external act {
        if (registry.processorCount() >= MOST_PROCESSORS) revert Idle();
        _register(providers[seed % PROVIDERS], seed);
    }

    function _register(address provider, uint256 seed) internal returns (ProcessorId id) {
        ProcessorSpec memory s;
        s.qubits = uint16(_in(_mix(seed, 1), 8, 20));
        s.claimedQuality = uint16(_in(_mix(seed, 2), 1, 2500));
        // Some bonds are so small that a slash meets its bound.
        s.bond = _in(_mix(seed, 3), registry.leastBond(), registry.leastBond() + (seed % 3 == 0 ? 1e6 : 1e9));
        uint256 before = allocator.balanceOf(provider);
        VM.prank(provider);
        id = registry.register(s);
        _flag(before - allocator.balanceOf(provider) == s.bond, "I1: a bond cost something else");
    }

    /// @dev The rule names a job that no execution of this provider had, and that fits.
    function allocate(uint256 seed) external act {
        uint256 count = registry.processorCount();
        ProcessorId p;
        for (uint256 i; i < count; ++i) {
            p = ProcessorId.wrap(uint32((seed % count + i) % count + 1));
            (, Reason reason) = allocator.nextFor(p);
            if (reason == Reason.None) break;
        }
        VM.prank(registry.operatorOf(p));
        (JobId id, uint8 index) = allocator.allocate(p);
        address provider = registry.ownerOf(p);
        for (uint256 i; i < index; ++i) {
            address other = registry.ownerOf(allocator.execution(id, uint8(i)).processor);
            _flag(other != provider, "two executions of a job by one provider");
        }
        running.push(Spot(id, index));
    }

    function commit(uint256 seed) external act {
        uint256 place = _clean(running, seed, ExecutionState.Allocated, ExecutionState.Allocated);
        for (uint256 i; i < running.length && _isLate(running[place]); ++i) place = (place + 1) % running.length;
        Spot memory spot = running[place];
        VM.prank(registry.operatorOf(allocator.execution(spot.job, spot.index).processor));
        allocator.commitResult(spot.job, spot.index, bytes32(seed));
        _drop(running, place);
        committed.push(spot);
    }

    function _isLate(Spot memory spot) private view returns (bool) {
        ExecutionView memory e = allocator.execution(spot.job, spot.index);
        return block.timestamp > e.since + allocator.job(spot.job).declaredSeconds + 1;
    }

    /// @dev A place in a list whose execution is in one of two states; entries of others are dropped on the way.
    function _clean(Spot[] storage list, uint256 seed, ExecutionState a, ExecutionState b)
        internal
        returns (uint256 place)
    {
        while (list.length != 0) {
            place = seed % list.length;
            ExecutionState state = allocator.execution(list[place].job, list[place].index).state;
            if (state == a || state == b) return place;
            _drop(list, place);
        }
        revert Idle();
    }

    function addBond(uint256 seed) external act {
        ProcessorId p = _processor(seed);
        address provider = registry.ownerOf(p);
        uint256 held = allocator.balanceOf(provider);
        if (held == 0) revert Idle();
        VM.prank(provider);
        registry.addBond(p, _in(_mix(seed, 1), 1, held < 1e9 ? held : 1e9));
    }

    /// @dev Starts a release, or ends one that is due.
    function release(uint256 seed) external act {
        ProcessorId p = _processor(seed);
        address provider = registry.ownerOf(p);
        uint256 bond = registry.bondOf(p);
        (uint256 amount, uint40 place) = registry.unbondingOf(p);
        bool due = place != 0 && block.timestamp >= place;
        if (!due && bond <= 1) revert Idle();
        VM.prank(provider); // nothing reverts between this and the call that it is for
        if (due) {
            registry.withdrawBond(p);
            _flag(bond - registry.bondOf(p) == (amount < bond ? amount : bond), "I11: a release of another amount");
        } else {
            registry.unbond(p, _in(_mix(seed, 1), 1, bond - 1));
        }
    }

    function setOperator(uint256 seed) external act {
        ProcessorId p = _processor(seed);
        VM.prank(registry.ownerOf(p));
        registry.setOperator(p, seed % 2 == 0 ? address(0) : accounts[_mix(seed, 1) % accounts.length]);
    }

    /// @dev Seldom, and never the last one.
    function retire(uint256 seed) external act {
        if (seed % 8 != 0 || registry.processorCount() < MOST_PROCESSORS) revert Idle();
        ProcessorId p = _processor(seed >> 3);
        VM.prank(registry.ownerOf(p));
        registry.retire(p);
    }

    function _processor(uint256 seed) internal view returns (ProcessorId) {
        return ProcessorId.wrap(uint32(_in(_mix(seed, 99), 1, registry.processorCount())));
    }
}
