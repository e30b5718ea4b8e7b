// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IAllocatorLog} from "../contracts/interfaces/IAllocatorLog.sol";
import {IEntanglementBase as E} from "../contracts/interfaces/IEntanglementBase.sol";
import {ICouncil} from "../contracts/interfaces/ICouncil.sol";
import {IProcessorRegistry} from "../contracts/interfaces/IProcessorRegistry.sol";
import {ADDED_AT, MOST_PLACES, REMOVED_AT} from "../contracts/libraries/QueueWords.sol";
import {JobId, JobRequest, ProcessorId, ProcessorSpec} from "../contracts/libraries/Types.sol";
import {Stage} from "./Stage.sol";
import {VM} from "./Vm.sol";

interface ITimelock {
    function updateDelay(uint256 delay) external;
    function getMinDelay() external view returns (uint256);
}

/// @title Whoever governs moves a parameter inside its hard bounds, and not a step further
contract BoundProperties is Stage {
    /// @dev Where the registry counts its processors: tests/assurance/layouts.json.
    bytes32 private constant SETTINGS = bytes32(uint256(4));
    /// @dev Where the allocator keeps its queues: the same file.
    uint256 private constant QUEUES = 4;

    function setUp() public {
        _deploy();
        // The consortia's timelock may give roles; here it gives all of them to this contract, at once.
        for (uint64 role = 1; role <= 6; ++role) {
            VM.prank(timelock);
            manager.grantRole(role, address(this), 0);
        }
        VM.prank(clients[0]);
        allocator.deposit(clients[0], 1e5 * CREDIT);
    }

    function _is(bool expected, address target, bytes memory data) private {
        (bool ok,) = target.call(data);
        assert(ok == expected);
    }

    /// @dev Near a bound more often than not.
    function _near(uint256 seed, uint256 least, uint256 most) private pure returns (uint256) {
        uint256 kind = seed % 8;
        if (kind == 0) return least;
        if (kind == 1) return most;
        if (kind == 2) return least == 0 ? 0 : least - 1;
        if (kind == 3) return most + 1;
        if (kind == 4) return least + (seed >> 8) % (most - least + 1);
        return (seed >> 8) % (2 * most + 2);
    }

    function testFuzz_penalties(uint256 a, uint256 b) public {
        (uint256 permille, uint256 multiple) = (_near(a, 0, 500), _near(b, 1, 10));
        bool fits = permille <= 500 && multiple >= 1 && multiple <= 10;
        _is(fits, address(allocator), abi.encodeWithSelector(allocator.setPenalties.selector, permille, multiple));
        (uint16 p, uint8 m) = allocator.penalties();
        assert(p <= 500 && m >= 1 && m <= 10);
    }

    function testFuzz_requestBounds(uint256 a, uint256 b, uint256 c) public {
        (uint256 trust, uint256 redundancy, uint256 most) = (_near(a, 2, 100), _near(b, 1, 5), _near(c, 60, 259_200));
        bool fits = trust >= 2 && trust <= 100 && redundancy >= 1 && redundancy <= 5 && most >= 60 && most <= 259_200;
        _is(fits, address(allocator), abi.encodeWithSelector(allocator.setRequestBounds.selector, trust, redundancy, most));
        (uint8 t, uint8 r, uint24 s) = allocator.requestBounds();
        assert(!fits || (t == trust && r == redundancy && s == most));
    }

    function testFuzz_classes(uint256 a, uint256 b, uint256 c) public {
        (uint256 class, uint256 rate) = (_near(a, 0, 2), _near(b, 1, type(uint32).max));
        uint256 most = class == 0 ? 0 : 1000; // half of the drain
        uint256 boost = _near(c, 0, most);
        bool fits = class <= 2 && rate >= 1 && rate <= type(uint32).max && boost <= most;
        _is(fits, address(allocator), abi.encodeWithSelector(allocator.setClass.selector, class, rate, boost));
    }

    function testFuzz_weights(uint256 a) public {
        uint256 weight = _near(a, 10, 100_000);
        bool fits = weight >= 10 && weight <= 100_000;
        _is(fits, address(allocator), abi.encodeWithSelector(allocator.setFlowWeight.selector, 0, weight));
        _is(fits, address(allocator), abi.encodeWithSelector(allocator.openFlow.selector, address(1), weight, true));
    }

    /// @dev A bond stays longer than everything that can be held against it: windows and the delay bound each other.
    function testFuzz_windows(uint256 a, uint256 b, uint256 c, uint256 d) public {
        uint256 delay = _near(d, 13 days, 90 days);
        _is(
            delay >= 1 days + 12 days + 2 * 3600 + 1 && delay <= 90 days,
            address(registry),
            abi.encodeWithSelector(registry.setUnbondDelay.selector, delay)
        );
        uint256 challenge = _near(a, 60, 7 days);
        uint256 ruling = _near(b, 60, 21 days);
        uint256 left = registry.unbondDelay() - 1;
        (,, uint24 verdict) = allocator.times();
        bool fits = challenge >= 60 && challenge <= 7 days && ruling >= 60 && ruling <= 21 days
            && challenge + ruling + 2 * verdict <= left;
        _is(fits, address(verifier), abi.encodeWithSelector(verifier.setWindows.selector, challenge, ruling));
        (uint24 cw, uint24 rw) = verifier.windows();
        uint256 window = _near(c, 60, 2_592_000);
        fits = window >= 60 && window <= 2_592_000 && uint256(cw) + rw + 2 * window <= left;
        _is(fits, address(allocator), abi.encodeWithSelector(allocator.setTimes.selector, 30, 60, window));
        (,, verdict) = allocator.times();
        assert(uint256(cw) + rw + 2 * verdict < registry.unbondDelay());
    }

    function testFuzz_certificates(uint256 a, uint256 b, uint256 c, uint256 d) public {
        uint256 life = _near(a, 1 hours, 365 days);
        _is(
            life >= 1 hours && life <= 365 days,
            address(registry),
            abi.encodeWithSelector(registry.setCertificateLife.selector, life)
        );
        (uint256 tolerance, uint256 permille) = (_near(b, 64, 4095), _near(c, 0, 500));
        _is(
            tolerance >= 64 && tolerance <= 4095 && permille <= 500,
            address(registry),
            abi.encodeWithSelector(registry.setClaimTolerance.selector, tolerance, permille)
        );
        uint256 half = _near(d, 1 days, 730 days);
        _is(
            half >= 1 days && half <= 730 days,
            address(registry),
            abi.encodeWithSelector(registry.setHalfLife.selector, half)
        );
    }

    function testFuzz_bonds(uint256 a, uint256 b, uint256 c) public {
        (uint256 least, uint256 multiple) = (_near(a, 1, 1 << 80), _near(b, 2, 10));
        _is(
            least >= 1 && least <= 1 << 80 && multiple >= 2 && multiple <= 10,
            address(verifier),
            abi.encodeWithSelector(verifier.setChallengeBond.selector, least, multiple)
        );
        uint256 oracle = _near(c, 0, 1 << 80);
        _is(oracle <= 1 << 80, address(quorum), abi.encodeWithSelector(quorum.setLeastBond.selector, oracle));
        uint256 processor = _near(c, 1, (1 << 40) - 1);
        _is(
            processor >= 1 && processor < 1 << 40,
            address(registry),
            abi.encodeWithSelector(registry.setLeastBond.selector, processor)
        );
    }

    function testFuzz_coordinatorParameters(uint256 a, uint256 b, uint256 c, uint256 d) public {
        E.Parameters memory p = coordinator.currentParameters();
        p.maxQber = uint24(_near(a, 10_000, 126_200));
        p.penaltyBps = uint16(_near(b, 100, 5000));
        p.maxAttempts = uint8(_near(c, 1, 16));
        p.disputeWindow = uint32(_near(d, 10 minutes, 30 days));
        bool fits = p.maxQber >= 10_000 && p.maxQber <= 126_200 && p.penaltyBps >= 100 && p.penaltyBps <= 5000
            && p.maxAttempts >= 1 && p.maxAttempts <= 16 && p.disputeWindow >= 10 minutes && p.disputeWindow <= 30 days;
        _is(fits, address(coordinator), abi.encodeCall(coordinator.setParameters, (p)));
    }

    function testFuzz_timelockDelay(uint256 a) public {
        uint256 delay = _near(a, 2 days, 30 days);
        VM.prank(timelock);
        _is(delay >= 2 days && delay <= 30 days, timelock, abi.encodeCall(ITimelock.updateDelay, (delay)));
        assert(ITimelock(timelock).getMinDelay() >= 2 days);
        _is(false, timelock, abi.encodeCall(ITimelock.updateDelay, (delay)));
    }

    /* ------------------------------ council ------------------------------ */

    function ping() external {
        ++pings;
    }

    uint256 internal pings;

    /// @dev A decision is made by the threshold's vote, once, whatever the order, and by members only.
    function testFuzz_councilThreshold(uint8 order, bytes32 salt) public {
        ICouncil.Motion memory motion = ICouncil.Motion(address(this), abi.encodeCall(this.ping, ()), salt);
        for (uint256 i; i < 4; ++i) {
            uint256 seat = (order >> (2 * i)) & 3;
            VM.prank(seat == 3 ? attacker : members[0][seat]);
            (bool ok,) = address(councils[0]).call(abi.encodeCall(ICouncil.vote, (motion)));
            (uint32 votes,, ICouncil.BallotState state) = councils[0].ballotOf(councils[0].ballotId(motion));
            uint256 count;
            for (uint256 bits = votes; bits != 0; bits &= bits - 1) ++count;
            assert(count <= 2 && (seat != 3 || !ok));
            assert((state == ICouncil.BallotState.Executed) == (count == 2) && pings == (count == 2 ? 1 : 0));
        }
    }

    /* ------------------------------ numbers ------------------------------ */

    /// @dev As if millions had registered: the last number is given out, and no other after it.
    function test_numbersOfProcessorsEnd() public {
        uint256 most = (1 << 22) - 1;
        uint256 settings = uint256(VM.load(address(registry), SETTINGS));
        assert(uint32(settings) == registry.processorCount());
        VM.store(address(registry), SETTINGS, bytes32(settings + most - 1));
        assert(registry.processorCount() == most - 1);
        ProcessorSpec memory s;
        (s.qubits, s.claimedQuality, s.bond) = (5, 1000, 1e6);
        VM.prank(clients[0]);
        assert(ProcessorId.unwrap(registry.register(s)) == most);
        VM.prank(clients[0]);
        (bool ok, bytes memory why) = address(registry).call(abi.encodeCall(registry.register, (s)));
        assert(!ok && bytes4(why) == IProcessorRegistry.ProcessorRegistryFull.selector);
    }

    /// @dev As if thousands of millions had been submitted: the last place in a line is given out, and no other after it.
    function test_placesInLineEnd() public {
        bytes32 slot = keccak256(abi.encode(uint256(0), QUEUES));
        uint256 word = uint256(VM.load(address(allocator), slot));
        VM.store(address(allocator), slot, bytes32(word | MOST_PLACES - 1 << ADDED_AT | MOST_PLACES - 1 << REMOVED_AT));
        (, uint40 next,,) = allocator.queue(0);
        assert(next == MOST_PLACES);
        JobRequest memory r;
        (r.qubits, r.redundancy, r.maxExecutions, r.trust, r.declaredSeconds) = (5, 1, 1, 2, 60);
        r.deadline = uint40(block.timestamp + 1 days);
        VM.prank(clients[0]);
        JobId last = allocator.submit(r);
        VM.prank(clients[0]);
        (bool ok, bytes memory why) = address(allocator).call(abi.encodeCall(allocator.submit, (r)));
        assert(!ok && bytes4(why) == IAllocatorLog.ComputationAllocatorQueueFull.selector);
        VM.prank(clients[0]);
        allocator.cancel(last);
    }

    /* ------------------------------ quotes ------------------------------ */

    /// @dev Whatever is asked for: it is refused, or it costs its quote and cancelling gives all of it back.
    function testFuzz_quoteAndCancel(uint256 a, uint256 b, uint256 c) public {
        JobRequest memory r;
        r.qubits = uint16(_near(a, 1, 4095));
        r.quality = uint16(_near(a >> 64, 0, 4095));
        r.class = uint8((a >> 128) % 3);
        r.redundancy = uint8(_near(b, 1, 5));
        r.maxExecutions = uint8(_near(b >> 64, r.redundancy, 5 < r.redundancy ? r.redundancy : 5));
        r.trust = uint8(2 + (b >> 128) % 100);
        r.declaredSeconds = uint32(_near(c, 1, 21_600));
        r.deadline = uint40(block.timestamp + r.declaredSeconds + 90 + (c >> 128) % 30 days);
        (, uint256 escrow) = allocator.quote(r);
        uint256 before = allocator.balanceOf(clients[0]);
        VM.prank(clients[0]);
        try allocator.submit(r) returns (JobId id) {
            assert(before - allocator.balanceOf(clients[0]) == escrow);
            VM.prank(clients[0]);
            allocator.cancel(id);
            assert(allocator.balanceOf(clients[0]) == before);
        } catch {
            bool fits = r.qubits >= 1 && r.qubits <= 4095 && r.quality <= 4095 && r.redundancy >= 1 && r.redundancy <= 5
                && r.maxExecutions >= r.redundancy && r.maxExecutions <= 5 && r.declaredSeconds >= 1
                && r.declaredSeconds <= 21_600 && escrow <= before;
            assert(!fits);
            assert(allocator.balanceOf(clients[0]) == before);
        }
    }
}
