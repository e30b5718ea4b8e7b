// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {Council} from "../contracts/governance/Council.sol";
import {ExchangeTimelock} from "../contracts/governance/ExchangeTimelock.sol";
import {ICouncil} from "../contracts/interfaces/ICouncil.sol";
import {IResultVerifier} from "../contracts/interfaces/IResultVerifier.sol";
import {ProcessorId} from "../contracts/libraries/Types.sol";
import {Base} from "./Base.sol";

/// @title What bodies may, for every argument: nothing that moves money (I9), nothing past a bound, nothing without the role
contract BodyProofs is Base {
    uint160 private constant SEAT = 0x5EA7;

    Council internal council;
    ExchangeTimelock internal timelock;
    uint256 internal pings;

    function setUp() public {
        _deploy();
        _furnish();
        _allRoles(BODY);
        address[] memory seats = new address[](3);
        for (uint160 i; i < 3; ++i) seats[i] = address(SEAT + i);
        council = new Council(IAccessManager(address(manager)), address(0x71E), seats, 2);
        timelock = new ExchangeTimelock(2 days, new address[](0), new address[](1));
    }

    function ping() external {
        ++pings;
    }

    /// @dev A body that holds every role at once makes the call; nothing that anybody owns, and no escrow, moves.
    function _movesNothing(address target, bytes memory data) private {
        uint256 client = allocator.balanceOf(CLIENT);
        uint256 provider = allocator.balanceOf(PROVIDER);
        uint256 escrow = allocator.job(job).escrow;
        uint256 bond = registry.bondOf(processor);
        uint256 tokens = credit.balanceOf(address(allocator));
        VM.prank(BODY);
        (bool ok,) = target.call(data);
        ok; // refused or not
        assert(allocator.balanceOf(CLIENT) == client && allocator.balanceOf(PROVIDER) == provider);
        assert(allocator.job(job).escrow == escrow && registry.bondOf(processor) == bond);
        assert(credit.balanceOf(address(allocator)) == tokens);
    }

    /// @dev Without the role the same call is refused.
    function _isRefused(address caller, address target, bytes memory data) private {
        (bool member,) = manager.hasRole(1, caller);
        VM.assume(!member && caller != address(manager) && caller != address(this));
        VM.prank(caller);
        (bool ok,) = target.call(data);
        assert(!ok);
    }

    function _shares(uint8 kind, uint256 a, uint256 b, uint256 c, uint256 d) private view returns (bytes memory) {
        VM.assume(kind < 6);
        if (kind == 0) return abi.encodeWithSelector(allocator.openFlow.selector, a, b, c);
        if (kind == 1) return abi.encodeWithSelector(allocator.setClass.selector, a, b, c);
        if (kind == 2) return abi.encodeWithSelector(allocator.setFlowOwner.selector, a, b, c);
        if (kind == 3) return abi.encodeWithSelector(allocator.setFlowWeight.selector, a, b);
        if (kind == 4) return abi.encodeWithSelector(allocator.setQueueing.selector, a, b);
        return abi.encodeWithSelector(allocator.setQuota.selector, a, b, c, d);
    }

    function _standards(uint8 kind, uint256 a, uint256 b, uint256 c) private view returns (bytes memory) {
        VM.assume(kind < 4);
        if (kind == 0) return abi.encodeWithSelector(allocator.setTimes.selector, a, b, c);
        if (kind == 1) return abi.encodeWithSelector(allocator.setPenalties.selector, a, b);
        if (kind == 2) return abi.encodeWithSelector(allocator.setRequestBounds.selector, a, b, c);
        return abi.encodeWithSelector(allocator.setPaused.selector, a);
    }

    function _registry(uint8 kind, uint256 a, uint256 b) private view returns (bytes memory) {
        VM.assume(kind < 6);
        if (kind == 0) return abi.encodeWithSelector(registry.setCertificateLife.selector, a);
        if (kind == 1) return abi.encodeWithSelector(registry.setClaimTolerance.selector, a, b);
        if (kind == 2) return abi.encodeWithSelector(registry.setLeastBond.selector, a);
        if (kind == 3) return abi.encodeWithSelector(registry.setUnbondDelay.selector, a);
        if (kind == 4) return abi.encodeWithSelector(registry.setHalfLife.selector, a);
        return abi.encodeWithSelector(registry.setSuspended.selector, a, b);
    }

    function _verifier(uint8 kind, uint256 a, uint256 b) private view returns (bytes memory) {
        VM.assume(kind < 2);
        if (kind == 0) return abi.encodeWithSelector(verifier.setWindows.selector, a, b);
        return abi.encodeWithSelector(verifier.setChallengeBond.selector, a, b);
    }

    /* ------------------------------ I9 ------------------------------ */

    function check_sharingMovesNoMoney(uint8 kind, uint256 a, uint256 b, uint256 c, uint256 d) public {
        _movesNothing(address(allocator), _shares(kind, a, b, c, d));
    }

    function check_standardsMoveNoMoney(uint8 kind, uint256 a, uint256 b, uint256 c) public {
        _movesNothing(address(allocator), _standards(kind, a, b, c));
    }

    function check_certificationMovesNoMoney(uint8 kind, uint256 a, uint256 b) public {
        _movesNothing(address(registry), _registry(kind, a, b));
    }

    function check_windowsMoveNoMoney(uint8 kind, uint256 a, uint256 b) public {
        _movesNothing(address(verifier), _verifier(kind, a, b));
    }

    /* ------------------------------ access ------------------------------ */

    function check_sharingNeedsTheRole(address caller, uint8 kind, uint256 a, uint256 b, uint256 c, uint256 d) public {
        _isRefused(caller, address(allocator), _shares(kind, a, b, c, d));
    }

    function check_standardsNeedTheRole(address caller, uint8 kind, uint256 a, uint256 b, uint256 c) public {
        _isRefused(caller, address(allocator), _standards(kind, a, b, c));
    }

    function check_certificationNeedsTheRole(address caller, uint8 kind, uint256 a, uint256 b) public {
        _isRefused(caller, address(registry), _registry(kind, a, b));
    }

    function check_verifierNeedsTheRole(address caller, uint8 kind, uint256 a, uint256 b) public {
        _isRefused(caller, address(verifier), _verifier(kind, a, b));
    }

    function check_rulingsNeedTheRole(address caller, uint256 id, uint256 ruling) public {
        _isRefused(caller, address(verifier), abi.encodeWithSelector(verifier.rule.selector, id, ruling));
    }

    /* ------------------------------ bounds ------------------------------ */

    function check_penaltiesStayBounded(uint16 permille, uint8 multiple) public {
        VM.prank(BODY);
        try allocator.setPenalties(permille, multiple) {} catch {}
        (uint16 p, uint8 m) = allocator.penalties();
        assert(p <= 500 && m >= 1 && m <= 10);
    }

    /// @dev A bond stays longer than all that can be held against it, in whatever order bodies move the windows.
    function check_bondsOutlastTheWindows(uint24 challenge, uint24 ruling, uint24 verdict, uint40 delay) public {
        VM.prank(BODY);
        try registry.setUnbondDelay(delay) {} catch {}
        VM.prank(BODY);
        try verifier.setWindows(challenge, ruling) {} catch {}
        VM.prank(BODY);
        try allocator.setTimes(30, 60, verdict) {} catch {}
        (uint24 c, uint24 r) = verifier.windows();
        (,, uint24 v) = allocator.times();
        assert(uint256(c) + r + 2 * uint256(v) < registry.unbondDelay());
    }

    function check_timelockStaysBounded(uint256 delay, address caller) public {
        VM.prank(caller);
        try timelock.updateDelay(delay) {
            assert(caller == address(timelock));
        } catch {}
        assert(timelock.getMinDelay() >= 2 days && timelock.getMinDelay() <= 30 days);
    }

    /// @dev A member of the council, or anybody else.
    function _voter(uint8 pick, address other) private pure returns (address) {
        VM.assume(pick < 4);
        if (pick == 0) return address(SEAT);
        if (pick == 1) return address(SEAT + 1);
        if (pick == 2) return address(SEAT + 2);
        VM.assume(other != address(SEAT) && other != address(SEAT + 1) && other != address(SEAT + 2));
        return other;
    }

    /// @dev Whoever votes in whatever order: the call is made by the second member's vote, and never by fewer.
    function check_councilNeedsItsThreshold(uint8 first, uint8 second, address other) public {
        ICouncil.Motion memory motion = ICouncil.Motion(address(this), abi.encodeCall(this.ping, ()), 0);
        address voter = _voter(first, other);
        VM.prank(voter);
        try council.vote(motion) {
            assert(first < 3);
        } catch {
            assert(first == 3);
        }
        assert(pings == 0);
        voter = _voter(second, other);
        VM.prank(voter);
        try council.vote(motion) {
            assert(second < 3 && second != first);
        } catch {}
        assert(pings == (first < 3 && second < 3 && first != second ? 1 : 0));
    }

    /* ------------------------------ canaries ------------------------------ */

    /// @dev False: the body that has the role changes weights.
    function check_canary_weightsNeverChange(uint24 weight) public {
        VM.prank(BODY);
        try allocator.setFlowWeight(0, weight) {} catch {}
        (, uint24 found,,) = allocator.flow(0);
        assert(found == 100);
    }

    /// @dev False: two members decide.
    function check_canary_councilNeverActs(uint8 first, uint8 second) public {
        ICouncil.Motion memory motion = ICouncil.Motion(address(this), abi.encodeCall(this.ping, ()), 0);
        address voter = _voter(first, address(1));
        VM.prank(voter);
        try council.vote(motion) {} catch {}
        voter = _voter(second, address(1));
        VM.prank(voter);
        try council.vote(motion) {} catch {}
        assert(pings == 0);
    }

    /// @dev False: a call of a body with a role is sometimes taken.
    function check_canary_bodiesAreAlwaysRefused(uint8 kind, uint256 a, uint256 b) public {
        bytes memory data = _registry(kind, a, b);
        VM.prank(BODY);
        (bool ok,) = address(registry).call(data);
        assert(!ok);
    }
}
