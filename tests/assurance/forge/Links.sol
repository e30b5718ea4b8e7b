// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {ChannelId, IEntanglementBase as E, SessionId} from "../contracts/interfaces/IEntanglementBase.sol";
import {JobId, ProcessorId} from "../contracts/libraries/Types.sol";
import {Judges} from "./Judges.sol";
import {VM} from "./Vm.sol";

/// @title Channels and sessions: openers, ends, parties, and whoever ends what is due
abstract contract Links is Judges {
    uint32 internal constant LEAF = 3;
    uint256 internal constant MOST_CHANNELS = 6;
    uint256 internal constant MOST_SESSIONS = 4;

    ChannelId[] internal channels;
    SessionId[] internal sessions;
    mapping(SessionId => E.SessionState) internal lastSession;
    /// @dev By channel: what the pending end attested, and the records of paid epochs with both ends' leaves.
    mapping(ChannelId => E.Attestation) internal pending;
    mapping(ChannelId => E.TestRound[2]) internal pendingRounds;
    mapping(ChannelId => mapping(uint32 => E.TestRound[2])) internal paidRounds;
    mapping(ChannelId => mapping(uint32 => E.EpochRecord)) internal records;
    mapping(ChannelId => uint32) internal lastPaid;

    /// @dev A test round that somebody disputes.
    struct Contest {
        ChannelId id;
        uint32 epoch;
        uint32 index;
    }

    Contest[] internal contests;
    uint64 private _sessionJobs;

    /* ------------------------------ money ------------------------------ */

    function linkDeposit(uint256 seed) external act {
        address who = seed % 2 == 0 ? clients[_mix(seed, 1) % CLIENTS] : providers[_mix(seed, 1) % PROVIDERS];
        uint256 held = credit.balanceOf(who);
        if (held == 0) revert Idle();
        uint256 amount = _in(_mix(seed, 2), 1, held < 1e9 ? held : 1e9);
        linkIn += amount;
        VM.prank(who);
        coordinator.deposit(amount);
        _watchLinks();
    }

    function linkWithdraw(uint256 seed) external act {
        address who = seed % 2 == 0 ? clients[_mix(seed, 1) % CLIENTS] : providers[_mix(seed, 1) % PROVIDERS];
        uint256 held = coordinator.balanceOf(who);
        if (held == 0) revert Idle();
        uint256 amount = _in(_mix(seed, 2), 1, held);
        VM.prank(who);
        try coordinator.withdraw(who, amount) {
            linkOut += amount;
        } catch {
            _flag(false, "I14: the coordinator refused a withdrawal");
        }
        _watchLinks();
    }

    /* ------------------------------ channels ------------------------------ */

    function openChannel(uint256 seed) external act {
        if (channels.length == MOST_CHANNELS) revert Idle();
        ChannelId id = _openChannel(seed);
        if (seed % 2 == 0) {
            _accept(id, 0);
            _accept(id, 1);
        }
        _watchLinks();
    }

    function _openChannel(uint256 seed) internal returns (ChannelId id) {
        E.ChannelTerms memory t;
        t.processorA = _processor(seed);
        t.processorB = _processor(seed + 1);
        if (t.processorA == t.processorB) t.processorB = ProcessorId.wrap(ProcessorId.unwrap(t.processorA) % 2 + 1);
        t.minFidelity = 600_000;
        t.pairRate = 1e9;
        t.deadline = uint40(block.timestamp + _in(_mix(seed, 1), 1 hours, 40 days));
        t.pairPrice = uint96(_in(_mix(seed, 2), 1, 1e4));
        t.deposit = uint96(_in(_mix(seed, 3), 0, 1e7));
        t.endBond = uint96(_in(_mix(seed, 4), 1e4, 1e7));
        VM.prank(clients[seed % CLIENTS]);
        id = coordinator.openChannel(t);
        channels.push(id);
    }

    function acceptChannel(uint256 seed) external act {
        (ChannelId id, E.ChannelView memory c) = _channel(seed, E.ChannelState.Proposed);
        _accept(id, c.accepted & 1 == 0 ? 0 : 1);
        _watchLinks();
    }

    function _accept(ChannelId id, uint256 end) internal {
        E.ChannelView memory c = coordinator.channelOf(id);
        ProcessorId p = end == 0 ? c.processorA : c.processorB;
        VM.prank(registry.ownerOf(p));
        coordinator.acceptChannel(id, p, c.termsHash);
    }

    function topUp(uint256 seed) external act {
        (ChannelId id, E.ChannelView memory c) = _channel(seed, E.ChannelState.Live);
        VM.prank(c.opener);
        coordinator.topUp(id, uint96(_in(_mix(seed, 1), 1, 1e6)));
        _watchLinks();
    }

    /// @dev A channel in a state, counted from a random one on.
    function _channel(uint256 seed, E.ChannelState state) private view returns (ChannelId id, E.ChannelView memory c) {
        for (uint256 i; i < channels.length; ++i) {
            id = channels[(seed % channels.length + i) % channels.length];
            c = coordinator.channelOf(id);
            if (c.state == state) return (id, c);
        }
        revert Idle();
    }

    /// @dev One end attests, or both. Each tree holds one leaf that is known; the other nodes are zero.
    function attest(uint256 seed) external act {
        (ChannelId id, E.ChannelView memory c) = _channel(seed, E.ChannelState.Live);
        _attest(id, c, seed);
        if (c.pendingEnd == 0 && seed % 3 != 0) _attest(id, coordinator.channelOf(id), _mix(seed, 8));
        _watchLinks();
    }

    function _attest(ChannelId id, E.ChannelView memory c, uint256 seed) internal {
        uint256 end = c.pendingEnd == 0 ? seed % 2 : 2 - c.pendingEnd;
        E.Attestation memory a = _attestation(id, c.epoch, end, seed);
        ProcessorId p = end == 0 ? c.processorA : c.processorB;
        VM.prank(registry.ownerOf(p));
        coordinator.attest(id, p, a);
        if (c.pendingEnd == 0) pending[id] = a;
        else _settled(id, c, a);
    }

    function _attestation(ChannelId id, uint32 epoch, uint256 end, uint256 seed)
        private
        returns (E.Attestation memory a)
    {
        uint256 x = _mix(seed, 11);
        a.epoch = epoch;
        if (x % 12 == 0) return a; // nothing of this epoch
        E.TestRound memory round = E.TestRound(LEAF, uint8(epoch % 3), uint8(epoch % 2), uint8(epoch >> 1 & 1));
        if ((x >> 8) % 4 == 0) round.outcomeB = 1 - round.outcomeB;
        pendingRounds[id][end] = round;
        uint32 least = coordinator.currentParameters().minTestRounds;
        a.testRounds = uint32(_in(x >> 16, least, uint256(least) + 50));
        a.qberX = a.qberZ = uint24((x >> 32) % 16 == 0 ? 130_000 : _in(x >> 64, 0, 90_000));
        a.fidelity = uint24(_in(x >> 96, 650_000, 860_000));
        a.pairs = uint32((x >> 128) % 3000);
        a.root = _root(coordinator.leafHash(id, epoch, round), a.testRounds);
    }

    function _proof(uint256 count) private pure returns (bytes32[] memory) {
        uint256 depth;
        for (uint256 width = 1; width < count; width <<= 1) ++depth;
        return new bytes32[](depth);
    }

    function _root(bytes32 node, uint256 count) private pure returns (bytes32) {
        uint256 index = LEAF;
        for (uint256 width = 1; width < count; width <<= 1) {
            node = keccak256(index & 1 == 0 ? bytes.concat(node, bytes32(0)) : bytes.concat(bytes32(0), node));
            index >>= 1;
        }
        return node;
    }

    /// @dev Both ends have attested: what was paid is what the lower count earned, as far as the deposit reached.
    function _settled(ChannelId id, E.ChannelView memory before, E.Attestation memory a) private {
        E.ChannelView memory c = coordinator.channelOf(id);
        _flag(c.epoch == before.epoch + 1, "I7: an epoch was left out");
        E.Attestation memory first = pending[id];
        if (coordinator.epochDigestOf(id, before.epoch) == 0) {
            _flag(c.deposit == before.deposit, "I1: an epoch without a record was paid");
            return;
        }
        uint256 pairs = first.pairs < a.pairs ? first.pairs : a.pairs;
        uint256 owed = pairs * before.pairPrice;
        uint96 each = uint96((owed < before.deposit ? owed : before.deposit) / 2);
        _flag(before.deposit - c.deposit == 2 * each, "I1: an epoch was paid another amount");
        E.EpochRecord storage r = records[id][before.epoch];
        bool swapped = before.pendingEnd == 2;
        r.epoch = before.epoch;
        (r.rootA, r.testRoundsA) = swapped ? (a.root, a.testRounds) : (first.root, first.testRounds);
        (r.rootB, r.testRoundsB) = swapped ? (first.root, first.testRounds) : (a.root, a.testRounds);
        (r.paidA, r.paidB) = (each, each);
        r.disputableUntil = uint40(block.timestamp + coordinator.currentParameters().disputeWindow);
        paidRounds[id][r.epoch][0] = pendingRounds[id][0];
        paidRounds[id][r.epoch][1] = pendingRounds[id][1];
        lastPaid[id] = r.epoch;
        _flag(_isRecord(r, id), "an epoch's record differs from what both ends attested");
    }

    function _isRecord(E.EpochRecord storage r, ChannelId id) private view returns (bool) {
        return coordinator.epochDigestOf(id, r.epoch) == keccak256(abi.encode(r));
    }

    function channelLapse(uint256 seed) external act {
        for (uint256 i; i < channels.length; ++i) {
            ChannelId id = channels[(seed % channels.length + i) % channels.length];
            E.ChannelView memory c = coordinator.channelOf(id);
            if (c.pendingEnd == 0 || block.timestamp <= c.pendingUntil) continue;
            uint256 bonds = uint256(c.bondA) + c.bondB;
            VM.prank(attacker);
            coordinator.lapse(id);
            c = coordinator.channelOf(id);
            _flag(bonds - c.bondA - c.bondB <= c.penalty, "I11: a silent end paid more than the penalty");
            return _watchLinks();
        }
        revert Idle();
    }

    function disputeEpoch(uint256 seed) external act {
        for (uint256 i; i < channels.length; ++i) {
            ChannelId id = channels[(seed % channels.length + i) % channels.length];
            if (lastPaid[id] == 0) continue;
            Contest memory t = Contest(id, lastPaid[id], seed % 4 == 0 ? LEAF + 2 : LEAF);
            VM.prank(coordinator.channelOf(id).opener);
            coordinator.dispute(id, records[id][t.epoch], t.index);
            contests.push(t);
            return _watchLinks();
        }
        revert Idle();
    }

    /// @dev The ends open the leaf that they know, one after the other; different leaves contradict each other.
    function openLeaf(uint256 seed) external act {
        for (uint256 i; i < contests.length; ++i) {
            uint256 place = (seed % contests.length + i) % contests.length;
            Contest memory t = contests[place];
            if (t.index != LEAF) continue;
            (,, uint8 opened) = coordinator.disputeOf(t.id, t.epoch, LEAF);
            E.EpochRecord memory r = records[t.id][t.epoch];
            uint8 end = opened == 0 ? uint8(seed & 1) : 2 - opened;
            uint256 count = end == 0 ? r.testRoundsA : r.testRoundsB;
            VM.prank(attacker);
            coordinator.openLeaf(t.id, r, end, paidRounds[t.id][t.epoch][end], _proof(count));
            if (opened != 0) _settleContest(place);
            return _watchLinks();
        }
        revert Idle();
    }

    /// @dev After its deadline anyone ends a dispute.
    function resolveDispute(uint256 seed) external act {
        for (uint256 i; i < contests.length; ++i) {
            uint256 place = (seed % contests.length + i) % contests.length;
            (, uint40 deadline,) = coordinator.disputeOf(contests[place].id, contests[place].epoch, contests[place].index);
            if (block.timestamp <= deadline) continue;
            _resolve(place);
            return _watchLinks();
        }
        revert Idle();
    }

    function _resolve(uint256 place) internal {
        Contest memory t = contests[place];
        VM.prank(attacker);
        coordinator.resolveDispute(t.id, records[t.id][t.epoch], t.index);
        _settleContest(place);
    }

    /// @dev Pay that was given back is no longer in the record.
    function _settleContest(uint256 place) private {
        Contest memory t = contests[place];
        contests[place] = contests[contests.length - 1];
        contests.pop();
        E.EpochRecord storage r = records[t.id][t.epoch];
        if (_isRecord(r, t.id)) return;
        (uint96 a, uint96 b) = (r.paidA, r.paidB);
        for (uint256 i; i < 3; ++i) {
            (r.paidA, r.paidB) = (i == 1 ? a : 0, i == 0 ? b : 0);
            if (_isRecord(r, t.id)) return;
        }
        _flag(false, "an epoch's record changed otherwise than by restitution");
    }

    function closeChannel(uint256 seed) external act {
        if (channels.length == 0) revert Idle();
        uint256 place = seed % channels.length;
        E.ChannelView memory c = coordinator.channelOf(channels[place]);
        VM.prank(seed % 3 == 0 ? c.opener : attacker);
        if (seed % 3 == 0 && seed % 2 == 0 && c.state == E.ChannelState.Live) {
            coordinator.retireChannel(channels[place]);
        } else {
            coordinator.closeChannel(channels[place]);
            channels[place] = channels[channels.length - 1];
            channels.pop();
        }
        _watchLinks();
    }

    /* ------------------------------ sessions ------------------------------ */

    function openSession(uint256 seed) external act {
        if (sessions.length == MOST_SESSIONS) revert Idle();
        (ChannelId id, E.ChannelView memory c) = _channel(seed, E.ChannelState.Live);
        for (uint256 i = 1; i < channels.length && c.fidelity == 0; ++i) {
            (id, c) = _channel(seed + i, E.ChannelState.Live);
        }
        E.SessionRequest memory r;
        r.job = JobId.wrap(_sessionJobs + 1);
        (, r.attempt) = coordinator.attemptsOf(c.opener, r.job);
        r.parties = new ProcessorId[](2);
        bool ascending = ProcessorId.unwrap(c.processorA) < ProcessorId.unwrap(c.processorB);
        (r.parties[0], r.parties[1]) = ascending ? (c.processorA, c.processorB) : (c.processorB, c.processorA);
        r.channels = new ChannelId[](1);
        r.channels[0] = id;
        r.ebits = new uint16[](1);
        r.ebits[0] = 1;
        r.shots = 10;
        r.epochs = uint8(_in(_mix(seed, 1), 1, 3));
        r.planSeconds = uint32(_in(_mix(seed, 2), 600, 7200));
        r.feePerParty = uint96(_in(_mix(seed, 3), 0, 1e6));
        r.partyDeposit = uint96(_in(_mix(seed, 4), 1e4, 1e6));
        VM.prank(c.opener);
        sessions.push(coordinator.openSession(r));
        _watchLinks();
    }

    function _session(uint256 seed) private view returns (uint256 place, SessionId id, E.SessionView memory s) {
        if (sessions.length == 0) revert Idle();
        place = seed % sessions.length;
        id = sessions[place];
        s = coordinator.sessionOf(id);
    }

    function arrive(uint256 seed) external act {
        (uint256 place, SessionId id, E.SessionView memory s) = _session(seed);
        ProcessorId p = s.parties[s.arrived == 0 ? _mix(seed, 1) % 2 : 2 - s.arrived];
        VM.prank(registry.ownerOf(p));
        coordinator.arrive(id, s.barrier, p, s.barrier == 0 ? s.trail : bytes32(seed));
        if (seed % 4 != 0 && s.arrived == 0) _arriveToo(id, coordinator.sessionOf(id), seed);
        _ended(place, id);
    }

    function _arriveToo(SessionId id, E.SessionView memory s, uint256 seed) private {
        ProcessorId p = s.parties[2 - s.arrived];
        VM.prank(registry.ownerOf(p));
        coordinator.arrive(id, s.barrier, p, s.barrier == 0 ? s.trail : bytes32(seed));
    }

    /// @dev A party leaves, the client takes the plan back, or anyone ends what is late.
    function endSession(uint256 seed) external act {
        (uint256 place, SessionId id, E.SessionView memory s) = _session(seed);
        if (s.state == E.SessionState.Aborted) return _ended(place, id); // with its channel
        if (block.timestamp > s.deadline) {
            VM.prank(attacker);
            try coordinator.abort(id) {}
            catch {
                _flag(false, "I13: a late session cannot be ended");
            }
        } else if (seed % 8 == 0) {
            VM.prank(s.client);
            coordinator.cancelSession(id);
        } else if (seed % 8 == 1) {
            VM.prank(registry.ownerOf(s.parties[0]));
            coordinator.decline(id, s.parties[0], E.AbortCode.LinkLost);
        } else {
            revert Idle();
        }
        _ended(place, id);
    }

    function correct(uint256 seed) external act {
        (, SessionId id, E.SessionView memory s) = _session(seed);
        ProcessorId p = s.parties[seed % 2];
        E.CorrectionRecord memory r;
        (r.distance, r.rounds, r.shots, r.failures) = (3, 5, 100, 1);
        VM.prank(registry.ownerOf(p));
        coordinator.attestCorrection(id, p, r);
    }

    function _ended(uint256 place, SessionId id) private {
        E.SessionState now_ = coordinator.sessionOf(id).state;
        E.SessionState was = lastSession[id];
        _flag(now_ >= was && was != E.SessionState.Done && was != E.SessionState.Aborted, "I4: a session took a forbidden step");
        lastSession[id] = now_;
        if (now_ == E.SessionState.Done || now_ == E.SessionState.Aborted) {
            if (now_ == E.SessionState.Done) ++_sessionJobs;
            sessions[place] = sessions[sessions.length - 1];
            sessions.pop();
        }
        _watchLinks();
    }

    /* ------------------------------ the watch ------------------------------ */

    /// @dev Balances, deposits and bonds of channels, stakes of disputes, fees and deposits of sessions.
    function _watchLinks() internal {
        uint256 sum;
        for (uint256 i; i < accounts.length; ++i) sum += coordinator.balanceOf(accounts[i]);
        for (uint256 i; i < channels.length; ++i) {
            E.ChannelView memory c = coordinator.channelOf(channels[i]);
            sum += uint256(c.deposit) + c.bondA + c.bondB + uint256(c.penalty) * c.openDisputes;
        }
        for (uint256 i; i < sessions.length; ++i) {
            E.SessionView memory s = coordinator.sessionOf(sessions[i]);
            if (s.state == E.SessionState.Done || s.state == E.SessionState.Aborted) continue;
            sum += 2 * uint256(s.feePerParty);
            uint256 bonded = s.state == E.SessionState.Plan ? s.arrived : 3;
            sum += ((bonded & 1) + (bonded >> 1)) * s.partyDeposit;
        }
        _flag(sum == linkIn - linkOut, "I1: channels and sessions do not add up to what was deposited");
        _flag(sum == credit.balanceOf(address(coordinator)), "I1: the coordinator does not hold what it owes");
    }
}
