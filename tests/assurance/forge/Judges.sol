// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IDisputeCourt} from "../contracts/interfaces/IDisputeCourt.sol";
import {IResultVerifier} from "../contracts/interfaces/IResultVerifier.sol";
import {
    Certification, ExecutionState, ExecutionView, JobId, JobState, JobView, Outcome, ProcessorId, Report
} from "../contracts/libraries/Types.sol";
import {Market} from "./Market.sol";
import {VM} from "./Vm.sol";

/// @title Oracles that sign, some of them twice; challengers and the dispute court
abstract contract Judges is Market {
    /// @dev A report that was taken, for whoever wants to bring it again.
    Report internal taken;
    uint256 internal takenBitmap;
    bytes internal takenSignatures;
    mapping(address => uint256) internal keyOf;
    /// @dev Rulings that slashed, and of them those that took less than the challenge's bond.
    uint256 public slashes;
    uint256 public bounded;

    /* ------------------------------ signatures ------------------------------ */

    /// @dev Signatures of a random quorum of the current era: `threshold` of its signers or more.
    function _sign(bytes32 digest, uint256 seed) internal view returns (uint256 bitmap, bytes memory signatures) {
        address[] memory signers = quorum.signers();
        uint256 wanted = _in(seed, quorum.threshold(), signers.length);
        uint256 skip = signers.length - wanted;
        for (uint256 i; i < signers.length; ++i) {
            if (skip != 0 && _mix(seed, i) % (signers.length - i) < skip) {
                --skip;
                continue;
            }
            bitmap |= 1 << i;
            signatures = bytes.concat(signatures, _signature(keyOf[signers[i]], digest));
        }
    }

    function _signature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 vs) = VM.signCompact(key, digest);
        return bytes.concat(r, vs);
    }

    function _signed(uint256 bitmap, address account) private view returns (bool) {
        address[] memory signers = quorum.signers();
        for (uint256 i; i < signers.length; ++i) if (bitmap >> i & 1 == 1 && signers[i] == account) return true;
        return false;
    }

    /* ------------------------------ verdicts ------------------------------ */

    function _report(Spot memory spot, Outcome outcome, uint256 seed) internal view returns (Report memory r) {
        ExecutionView memory e = allocator.execution(spot.job, spot.index);
        r.job = spot.job;
        r.execution = spot.index;
        r.round = e.reports;
        r.outcome = uint8(outcome);
        r.flags = uint8(seed & 1);
        r.score = int64(uint64(seed >> 1));
        r.threshold = int64(uint64(seed >> 65));
        r.evidence = bytes32(seed);
        r.era = quorum.era();
    }

    function judge(uint256 seed) external act {
        uint256 place = _clean(committed, seed, ExecutionState.Committed, ExecutionState.Undecided);
        Spot memory spot = committed[place];
        uint256 kind = _mix(seed, 3) % 16;
        Outcome outcome = kind < 9 ? Outcome.Accept : kind < 12 ? Outcome.Undecided : kind < 14 ? Outcome.Reject : Outcome.Fraud;
        if (!_post(spot, outcome, _mix(seed, 4))) return;
        ExecutionState state = allocator.execution(spot.job, spot.index).state;
        if (state == ExecutionState.Undecided) return;
        _drop(committed, place);
        if (state != ExecutionState.Ended) judged.push(spot);
    }

    /// @dev Up to three executions in one batch, the first of them twice: each is settled at most once (I2).
    function judgeMany(uint256 seed) external act {
        _clean(committed, seed, ExecutionState.Committed, ExecutionState.Undecided);
        uint256 count = committed.length < 3 ? committed.length : 3;
        Report[] memory reports = new Report[](count + 1);
        for (uint256 i; i <= count; ++i) {
            Spot memory spot = committed[(seed % committed.length + i % count) % committed.length];
            ExecutionView memory e = allocator.execution(spot.job, spot.index);
            reports[i] = _report(spot, i % 2 == 0 ? Outcome.Accept : Outcome.Reject, _mix(seed, i));
            _try(e.processor);
        }
        (uint256 bitmap, bytes memory signatures) = _sign(verifier.batchDigest(reports), _mix(seed, 5));
        VM.prank(attacker);
        _flag(verifier.settleBatch(reports, bitmap, signatures) <= count, "I2: a batch settled an execution twice");
        for (uint256 i; i < count; ++i) judged.push(Spot(reports[i].job, reports[i].execution));
    }

    /// @dev A rejection turns out to be a fraud.
    function accuse(uint256 seed) external act {
        uint256 place = _clean(judged, seed, ExecutionState.Rejected, ExecutionState.Rejected);
        _post(judged[place], Outcome.Fraud, _mix(seed, 4));
    }

    /// @dev What there was before a report.
    struct Before {
        ProcessorId processor;
        address provider;
        uint256 held;
        uint256 bond;
        uint256 fee;
    }

    /// @dev I2, I8, I11, I12 of one report; whether it was taken.
    function _post(Spot memory spot, Outcome outcome, uint256 seed) private returns (bool) {
        Report memory r = _report(spot, outcome, seed);
        (uint256 bitmap, bytes memory signatures) = _sign(verifier.reportDigest(r), _mix(seed, 5));
        Before memory b;
        b.processor = allocator.execution(spot.job, spot.index).processor;
        b.provider = registry.ownerOf(b.processor);
        b.held = allocator.balanceOf(b.provider);
        b.bond = registry.bondOf(b.processor);
        b.fee = allocator.job(spot.job).feePerExecution;
        _try(b.processor);
        VM.prank(attacker);
        if (_signed(bitmap, b.provider)) {
            try verifier.reportVerdict(r, bitmap, signatures) {
                _flag(false, "I8: an oracle judged its own execution");
            } catch {}
            return false;
        }
        verifier.reportVerdict(r, bitmap, signatures);
        (taken, takenBitmap, takenSignatures) = (r, bitmap, signatures);
        _weigh(b, outcome);
        return true;
    }

    /// @dev An accepted execution is paid its fee, a fraud costs what it must, and nothing else moves.
    function _weigh(Before memory b, Outcome outcome) private {
        uint256 paid = allocator.balanceOf(b.provider) - b.held;
        _flag(paid == (outcome == Outcome.Accept ? b.fee : 0), "I2: a verdict paid another fee");
        (, uint8 multiple) = allocator.penalties();
        uint256 most = outcome == Outcome.Fraud ? b.fee * multiple : 0;
        _flag(b.bond - registry.bondOf(b.processor) == (most < b.bond ? most : b.bond), "I11: a verdict slashed another amount");
    }

    /// @dev An oracle signs two outcomes; whoever proves it is rewarded, once.
    function equivocate(uint256 seed) external act {
        Spot[] storage list = committed.length != 0 ? committed : judged;
        if (list.length == 0) revert Idle();
        Report memory a = _report(list[seed % list.length], Outcome.Accept, _mix(seed, 1));
        Report memory b = _report(list[seed % list.length], Outcome.Fraud, _mix(seed, 2));
        address[] memory signers = quorum.signers();
        address oracle = signers[_mix(seed, 3) % signers.length];
        bytes memory first = _signature(keyOf[oracle], verifier.reportDigest(a));
        bytes memory second = _signature(keyOf[oracle], verifier.reportDigest(b));
        uint256 bond = quorum.bondOf(oracle);
        VM.prank(attacker);
        verifier.proveEquivocation(a, first, b, second);
        _flag(quorum.bondOf(oracle) == bond - bond / 2, "I11: an equivocation cost another share");
        VM.prank(attacker);
        try verifier.proveEquivocation(b, second, a, first) {
            _flag(false, "I2: an equivocation was punished twice");
        } catch {}
    }

    function certify(uint256 seed) external act {
        ProcessorId p = _processor(seed);
        Certification memory c;
        c.processor = p;
        c.era = quorum.era();
        c.epoch = registry.processor(p).epoch + uint32(_in(_mix(seed, 1), 1, 3));
        c.validUntil = uint40(block.timestamp + _in(_mix(seed, 2), 1 days, registry.certificateLife()));
        c.capability.widthTested = 4;
        c.capability.t2Nanoseconds = 100_000;
        c.capability.quality = uint16(_in(_mix(seed, 3), 600, 4000));
        c.report = bytes32(seed);
        (uint256 bitmap, bytes memory signatures) = _sign(registry.certificationDigest(c), _mix(seed, 4));
        uint256 bond = registry.bondOf(p);
        VM.prank(attacker);
        if (_signed((1 << quorum.signers().length) - 1, registry.operatorOf(p))) {
            try registry.certify(c, bitmap, signatures) {
                _flag(false, "I8: an oracle set certified its own member");
            } catch {}
            return;
        }
        registry.certify(c, bitmap, signatures);
        _flag(2 * (bond - registry.bondOf(p)) <= bond, "I11: a refuted claim cost more than half the bond");
        VM.prank(attacker);
        try registry.certify(c, bitmap, signatures) {
            _flag(false, "I7: a certificate's epoch was taken twice");
        } catch {}
    }

    /* ------------------------------ oracles' own money ------------------------------ */

    function oracleMoney(uint256 seed) external act {
        address oracle = oracles[seed % ORACLES];
        uint256 kind = _mix(seed, 1) % 4;
        uint256 wallet = credit.balanceOf(oracle);
        (uint256 leaving, uint40 place) = quorum.unbondingOf(oracle);
        uint256 held = quorum.bondOf(oracle);
        VM.prank(oracle);
        if (kind == 0 && quorum.creditsOf(oracle) != 0) {
            quorum.withdrawCredits();
        } else if (kind == 1 && leaving != 0 && block.timestamp >= place) {
            quorum.withdrawBond();
            _flag(credit.balanceOf(oracle) - wallet <= leaving, "I1: an oracle took more than it had announced");
        } else if (kind == 2 && held > leaving) {
            quorum.unbond(_in(_mix(seed, 2), 1, held - leaving));
        } else {
            if (wallet == 0) revert Idle();
            quorum.bond(_in(_mix(seed, 2), 1, wallet < 1e8 ? wallet : 1e8));
        }
        _watchOracleMoney();
    }

    function _watchOracleMoney() internal {
        uint256 sum;
        for (uint256 i; i < accounts.length; ++i) {
            sum += quorum.creditsOf(accounts[i]) + quorum.bondOf(accounts[i]);
        }
        _flag(sum == credit.balanceOf(address(quorum)), "I1: the quorum does not hold what it owes");
    }

    /* ------------------------------ disputes ------------------------------ */

    function challenge(uint256 seed) external act {
        Spot memory spot = _challengeable();
        address who = seed % 2 == 0 ? clients[_mix(seed, 1) % CLIENTS] : attacker;
        uint256 held = allocator.balanceOf(who);
        VM.prank(who);
        uint256 id = verifier.challenge(spot.job, spot.index, bytes32(seed));
        _flag(held - allocator.balanceOf(who) == verifier.challengeOf(id).bond, "I1: a challenge cost another bond");
        disputes.push(id);
    }

    /// @dev The latest verdict that can be challenged.
    function _challengeable() private view returns (Spot memory spot) {
        (uint24 window,) = verifier.windows();
        for (uint256 i; i < judged.length && i < 8; ++i) {
            spot = judged[judged.length - 1 - i];
            if (verifier.challengeAt(spot.job, spot.index) != 0) continue;
            if (allocator.execution(spot.job, spot.index).state < ExecutionState.Accepted) continue;
            if (block.timestamp <= uint256(allocator.execution(spot.job, spot.index).since) + window) return spot;
        }
        revert Idle();
    }

    /// @dev The next thing in an open challenge, mostly the oldest; where that is to wait, its stage ends.
    function dispute(uint256 seed) external act {
        uint256 id = _openDispute(seed);
        if (_usurp(id)) return; // what follows would revert, and take the finding back
        IDisputeCourt.Stages memory s = court.stagesOf(id);
        address appellant = court.caseOf(id).appellant;
        bool ruled = court.rulingOf(id) != IResultVerifier.ChallengeState.None;
        if (block.timestamp <= s.commitUntil) {
            if (court.commitmentOf(id, members[4][1]) == 0) _commitRuling(id, _mix(seed, 1));
            else VM.warp(uint256(s.commitUntil) + 1);
        } else if (block.timestamp <= s.revealUntil) {
            if (court.commitmentOf(id, members[4][1]) != 0) _revealRuling(id, _mix(seed, 1));
            else VM.warp(uint256(s.revealUntil) + 1);
        } else if (!ruled && block.timestamp <= s.deadline) {
            VM.warp(uint256(s.deadline) + 1);
        } else if (block.timestamp <= s.appealUntil && appellant == address(0)) {
            if (seed % 2 == 0) _appeal(id, _mix(seed, 2));
            else VM.warp(uint256(s.appealUntil) + 1);
        } else if (block.timestamp <= s.decideUntil && appellant != address(0)) {
            if (seed % 4 != 0) _rule(id, _mix(seed, 2), true);
            else VM.warp(uint256(s.decideUntil) + 1);
        } else {
            _rule(id, _mix(seed, 2), false);
        }
        _watchCourtMoney();
    }

    /// @dev The oldest open challenge, or, one time in four, any; closed ones are dropped on the way.
    function _openDispute(uint256 seed) private returns (uint256 id) {
        while (disputes.length != 0) {
            uint256 place = _mix(seed, 3) % 4 == 0 ? _mix(seed, 4) % disputes.length : 0;
            id = disputes[place];
            if (verifier.challengeOf(id).state == IResultVerifier.ChallengeState.Open) return id;
            for (; place + 1 < disputes.length; ++place) disputes[place] = disputes[place + 1];
            disputes.pop();
        }
        revert Idle();
    }

    /// @dev A stranger rules on an open challenge, past the court and in it.
    function _usurp(uint256 id) private returns (bool done_) {
        VM.prank(attacker);
        try verifier.rule(id, IResultVerifier.ChallengeState.Overturned) {
            done_ = true;
        } catch {}
        VM.prank(attacker);
        try court.decide(id, IResultVerifier.ChallengeState.Overturned) {
            done_ = true;
        } catch {}
        _flag(!done_, "a stranger got past access control");
    }

    /// @dev Two of three think the same.
    function _ruling(uint256 id, uint256 member) private pure returns (IResultVerifier.ChallengeState) {
        bool up = member == 2 ? id % 3 == 0 : id % 2 == 0;
        return up ? IResultVerifier.ChallengeState.Upheld : IResultVerifier.ChallengeState.Overturned;
    }

    /// @dev All three, or all but one.
    function _commitRuling(uint256 id, uint256 seed) private {
        for (uint256 m = seed % 4 == 0 ? 1 : 0; m < 3; ++m) {
            address member = members[4][m];
            bytes32 commitment = keccak256(abi.encode(id, member, _ruling(id, m), bytes32(id), bytes32(id)));
            VM.prank(member);
            court.commit(id, commitment);
        }
    }

    function _revealRuling(uint256 id, uint256 seed) private {
        uint256 revealed;
        for (uint256 m; m < 3; ++m) {
            if (court.commitmentOf(id, members[4][m]) == 0) continue;
            VM.prank(members[4][m]);
            court.reveal(id, _ruling(id, m), bytes32(id), bytes32(id));
            ++revealed;
        }
        if (revealed == 0) revert Idle();
        VM.prank(attacker);
        try court.reveal(id, _ruling(id, seed % 3), bytes32(id), bytes32(id)) {
            _flag(false, "somebody without a seat revealed a ruling");
        } catch {}
    }

    function _appeal(uint256 id, uint256 seed) private {
        VM.prank(seed % 2 == 0 ? attacker : clients[_mix(seed, 1) % CLIENTS]);
        court.appeal(id, bytes32(seed));
    }

    /// @dev The consortia decide, by the timelock that carries out what they decide, or anyone ends what is due.
    function _rule(uint256 id, uint256 seed, bool decided) private {
        IResultVerifier.Challenge memory c = verifier.challengeOf(id);
        ProcessorId p = allocator.execution(c.job, c.execution).processor;
        uint256 bond = registry.bondOf(p);
        _try(p);
        VM.prank(decided ? timelock : attacker);
        if (decided) court.decide(id, _ruling(seed, 0));
        else court.finalise(id);
        uint256 slashed = bond - registry.bondOf(p);
        if (slashed != 0) ++slashes;
        if (slashed != 0 && slashed < c.bond) ++bounded;
        _flag(slashed <= c.bond && 2 * slashed <= bond, "I11: a ruling slashed past its bounds");
    }

    /// @dev Anyone lets a challenge lapse that nobody ruled on in time, past the court.
    function lapse(uint256 seed) external act {
        if (disputes.length == 0) revert Idle();
        IResultVerifier.Challenge memory c = verifier.challengeOf(disputes[seed % disputes.length]);
        if (block.timestamp <= c.rulingDeadline) revert Idle();
        uint256 held = allocator.balanceOf(c.challenger);
        VM.prank(attacker);
        verifier.lapse(disputes[seed % disputes.length]);
        _flag(allocator.balanceOf(c.challenger) == held + c.bond, "I13: a lapsed challenge kept its bond");
    }

    function courtCredits(uint256 seed) external act {
        for (uint256 i; i < accounts.length; ++i) {
            address who = accounts[(seed % accounts.length + i) % accounts.length];
            if (court.creditsOf(who) == 0) continue;
            VM.prank(who);
            court.withdraw();
            _watchCourtMoney();
            return;
        }
        revert Idle();
    }

    function _watchCourtMoney() internal {
        uint256 sum = court.openBonds();
        for (uint256 i; i < accounts.length; ++i) sum += court.creditsOf(accounts[i]);
        _flag(sum == credit.balanceOf(address(court)), "I1: the court does not hold what it owes");
    }
}
