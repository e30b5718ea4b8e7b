// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {ExecutionState, JobState, Outcome, ProcessorId, Report} from "../contracts/libraries/Types.sol";
import {Governed} from "./Governed.sol";
import {Powers} from "./Powers.sol";
import {IEntanglementBase as E} from "../contracts/interfaces/IEntanglementBase.sol";
import {VM} from "./Vm.sol";

/// @title Who tries what is not theirs: every body calls everything, strangers call what is governed, reports come again
abstract contract Attacks is Powers {
    uint256 private constant WORDS = 12;
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    /// @dev Calls of bodies that a contract took, and all of them.
    uint256 public takenCalls;
    uint256 public triedCalls;

    /* ------------------------------ bodies ------------------------------ */

    /// @dev Three calls by bodies, with any arguments, to any function of any contract: whoever is not a body owns as much as
    /// before, in every ledger (I9). The state is then taken back, so that what a body may do to its own powers ends there.
    function bodyAttack(uint256 seed) external act {
        uint256[] memory before = _possessions();
        uint256 snapshot = VM.snapshotState();
        uint256 accepted;
        address body = bodies[seed % bodies.length];
        for (uint256 i; i < 3; ++i) {
            if (i == 2) body = bodies[_mix(seed, 5) % bodies.length];
            (address target, bytes memory data) = _anything(_mix(seed, 100 + i), body);
            VM.prank(body);
            (bool ok,) = target.call(data);
            if (ok) ++accepted;
        }
        uint256[] memory afterwards = _possessions();
        VM.revertToState(snapshot);
        for (uint256 i; i < before.length; ++i) {
            _flag(afterwards[i] >= before[i], "I9: a body took what is not its own");
        }
        triedCalls += 3;
        takenCalls += accepted;
    }

    /// @dev In every ledger what clients and providers own, what jobs hold, and what bonds are.
    function _possessions() internal view returns (uint256[] memory list) {
        uint256 count = registry.processorCount();
        uint256 people = CLIENTS + PROVIDERS;
        list = new uint256[](5 * people + open.length + count + 2 * channels.length + ORACLES);
        uint256 n;
        for (uint256 i; i < people; ++i) {
            address who = i < CLIENTS ? clients[i] : providers[i - CLIENTS];
            list[n++] = credit.balanceOf(who);
            list[n++] = allocator.balanceOf(who);
            list[n++] = coordinator.balanceOf(who);
            list[n++] = court.creditsOf(who);
            (list[n++],) = epochs.escrowOf(who);
        }
        for (uint256 i; i < open.length; ++i) list[n++] = allocator.job(open[i]).escrow;
        for (uint256 i; i < channels.length; ++i) {
            E.ChannelView memory c = coordinator.channelOf(channels[i]);
            list[n++] = c.deposit;
            list[n++] = uint256(c.bondA) + c.bondB;
        }
        for (uint256 i; i < ORACLES; ++i) list[n++] = quorum.bondOf(oracles[i]);
        // Last, since a body may register processors of its own.
        for (uint256 p = 1; p <= count; ++p) list[n++] = registry.bondOf(ProcessorId.wrap(uint32(p)));
    }

    /// @dev What ends a job, an execution, a challenge, a session or a channel in its time is anyone's, and pays who it must:
    /// those, and rulings, which slash within bounds that the dispute act checks, are left out.
    function _anything(uint256 seed, address body) internal view returns (address target, bytes memory data) {
        bytes4[] memory list;
        (target, list) = _functions(seed);
        bytes4 selector = list[_mix(seed, 1) % list.length];
        for (uint256 i; _isOpenToAll(selector) || _isAllowed(selector, body); ++i) {
            selector = list[(_mix(seed, 1) + i) % list.length];
        }
        uint256[WORDS] memory words;
        for (uint256 i; i < WORDS; ++i) words[i] = _word(_mix(seed, 10 + i), body);
        data = abi.encodePacked(selector, words);
    }

    function _functions(uint256 seed) private view returns (address, bytes4[] memory) {
        uint256 kind = seed % 13;
        if (kind < 3) return (address(allocator), Governed.functionsOfComputationAllocator());
        if (kind < 5) return (address(registry), Governed.functionsOfProcessorRegistry());
        if (kind == 5) return (address(verifier), Governed.functionsOfResultVerifier());
        if (kind < 8) return (address(coordinator), Governed.functionsOfEntanglementCoordinator());
        if (kind == 8) return (address(quorum), Governed.functionsOfOracleQuorum());
        if (kind == 9) return (address(credit), Governed.functionsOfResourceCredit());
        if (kind == 10) return (address(court), Governed.functionsOfDisputeCourt());
        if (kind == 11) return (address(epochs), Governed.functionsOfEpochSettlement());
        return (address(manager), Governed.functionsOfAccessManager());
    }

    function _isOpenToAll(bytes4 s) private view returns (bool) {
        return s == allocator.expire.selector || s == allocator.expireExecution.selector || s == allocator.cancel.selector
            || s == verifier.lapse.selector || s == verifier.rule.selector || s == court.decide.selector
            || s == court.finalise.selector || s == coordinator.abort.selector || s == coordinator.resolveDispute.selector
            || s == coordinator.closeChannel.selector || s == coordinator.openLeaf.selector
            || s == coordinator.lapse.selector || s == coordinator.quarantine.selector;
    }

    /// @dev Challengers let the court take their bonds. Its code takes those and can be told nothing else (the dispute act), so
    /// a call in its name that takes anything is a call that it never makes.
    function _isAllowed(bytes4 s, address body) private view returns (bool) {
        return body == address(court) && s == credit.transferFrom.selector;
    }

    function _word(uint256 x, address body) internal view returns (uint256) {
        uint256 kind = x % 8;
        x >>= 8;
        if (kind < 2) return uint160(accounts[x % accounts.length]);
        if (kind == 2) return uint160(body);
        if (kind == 3) return open.length == 0 ? 0 : uint64(_jobWord(x));
        if (kind == 4) return x % 12;
        if (kind == 5) return x % 100_000;
        if (kind == 6) return allocator.balanceOf(accounts[x % accounts.length]);
        return x % 3 == 0 ? type(uint256).max >> (x >> 8) % 256 : 1;
    }

    function _jobWord(uint256 x) private view returns (uint256) {
        return uint64(bytes8(bytes32(abi.encode(open[x % open.length])) << 192));
    }

    /* ------------------------------ strangers ------------------------------ */

    /// @dev Nobody without the role gets past a governed function, and nobody at all past what contracts keep for each other.
    function strangerAttack(uint256 seed) external {
        Governed.Entry[] memory list = seed % 4 == 0 ? Governed.bodies() : Governed.exchange();
        Governed.Entry memory entry = list[_mix(seed, 1) % list.length];
        bytes4 selector = entry.selectors[_mix(seed, 2) % entry.selectors.length];
        address target = _at(entry.name);
        if (seed % 3 == 0) (target, selector) = _kept(_mix(seed, 3));
        uint256[WORDS] memory words;
        for (uint256 i; i < WORDS; ++i) words[i] = _word(_mix(seed, 10 + i), attacker);
        // Councils, courts and timelock have a role each: only those without any are strangers everywhere.
        VM.prank(seed % 2 == 0 ? attacker : clients[_mix(seed, 4) % CLIENTS]);
        (bool ok,) = target.call(abi.encodePacked(selector, words));
        _flag(!ok, "a stranger got past access control");
    }

    function _kept(uint256 x) internal view returns (address, bytes4) {
        bytes4[10] memory own = [
            allocator.takeBond.selector,
            allocator.giveBond.selector,
            allocator.settle.selector,
            allocator.enroll.selector,
            allocator.setCertificate.selector,
            allocator.recordChallenge.selector,
            allocator.addBond.selector,
            allocator.releaseBond.selector,
            allocator.slashBond.selector,
            allocator.setBlocked.selector
        ];
        if (x % 14 < 10) return (address(allocator), own[x % 14]);
        if (x % 14 == 10) return (address(registry), registry.slash.selector);
        if (x % 14 == 11) return (address(quorum), quorum.slash.selector);
        bytes4 era = bytes4(keccak256("eraStarted(uint32,address,uint8,uint8)"));
        return (x % 14 == 12 ? address(registry) : address(verifier), era);
    }

    /// @dev A report that was taken comes again, whole or changed: nothing of it is taken (I2, I12).
    function replay(uint256 seed) external {
        if (taken.era == 0) revert Idle();
        Report memory r = taken;
        uint256 bitmap = takenBitmap;
        bytes memory signatures = takenSignatures;
        uint256 kind = seed % 7;
        if (kind == 1) r.outcome = uint8(r.outcome % 4 + 1);
        if (kind == 2) r.round = r.round + 1;
        if (kind == 3) bitmap |= 1 << 31;
        if (kind == 4) (bitmap, signatures) = _fewer(bitmap, signatures);
        if (kind == 5) _malleate(signatures);
        if (kind == 6) (r, bitmap, signatures) = _stale(seed);
        VM.prank(attacker);
        try verifier.reportVerdict(r, bitmap, signatures) {
            _flag(false, "I12: a report came again, or without its quorum");
        } catch {}
    }

    /// @dev A fresh execution, signed for an era that is over or not yet begun.
    function _stale(uint256 seed) private view returns (Report memory r, uint256 bitmap, bytes memory signatures) {
        if (committed.length == 0) revert Idle();
        r = _report(committed[seed % committed.length], Outcome.Accept, seed);
        r.era = seed % 2 == 0 ? r.era + 1 : r.era - 1;
        (bitmap, signatures) = _sign(verifier.reportDigest(r), seed);
    }

    /// @dev One signature less than the quorum, of a fresh report: the first bits only.
    function _fewer(uint256 bitmap, bytes memory signatures) private pure returns (uint256, bytes memory) {
        uint256 keep;
        uint256 kept;
        for (uint256 i; kept < 2 && i < 31; ++i) {
            if (bitmap >> i & 1 == 0) continue;
            keep |= 1 << i;
            ++kept;
        }
        bytes memory short = new bytes(128);
        for (uint256 i; i < 128; ++i) short[i] = signatures[i];
        return (keep, short);
    }

    function _malleate(bytes memory signatures) private pure {
        assembly ("memory-safe") {
            let place := add(signatures, 64)
            let vs := mload(place)
            let s := sub(ORDER, shr(1, shl(1, vs)))
            mstore(place, or(s, shl(255, iszero(shr(255, vs)))))
        }
    }

    /// @dev Fresh reports that lack a signature, repeat one, or carry that of another.
    function forge(uint256 seed) external {
        uint256 place = _clean(committed, seed, ExecutionState.Committed, ExecutionState.Undecided);
        Report memory r = _report(committed[place], Outcome.Accept, seed);
        bytes32 digest = verifier.reportDigest(r);
        address[] memory signers = quorum.signers();
        // one signer less, each of whom signed
        uint256 need = quorum.threshold() - (seed % 4 == 3 ? 1 : 0);
        bytes memory signatures;
        uint256 bitmap;
        for (uint256 i; i < need; ++i) {
            bitmap |= 1 << i;
            // the last place holds a repetition, a stranger's signature, or one of another digest
            bool last = i == need - 1;
            uint256 key = keyOf[signers[last && seed % 4 == 0 ? i - 1 : i]];
            if (last && seed % 4 == 1) key = _key(10_000);
            signatures = bytes.concat(signatures, _signature(key, last && seed % 4 == 2 ? bytes32(seed) : digest));
        }
        VM.prank(attacker);
        try verifier.reportVerdict(r, bitmap, signatures) {
            _flag(false, "I12: a quorum of fewer signers was taken");
        } catch {}
    }
}
