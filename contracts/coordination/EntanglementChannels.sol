// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {ChannelId, SessionId} from "../interfaces/IEntanglementBase.sol";
import {IEntanglementChannels} from "../interfaces/IEntanglementChannels.sol";
import {IProcessorKeys} from "../interfaces/IProcessorKeys.sol";
import {IProcessorRegistry} from "../interfaces/IProcessorRegistry.sol";
import {IndexedMerkle} from "../libraries/IndexedMerkle.sol";
import {ProcessorId, QuantumKey} from "../libraries/Types.sol";
import {CoordinatorBase} from "./CoordinatorBase.sol";
import {Endings} from "./Endings.sol";

/// @title The channel part of the EntanglementCoordinator's code
/// @notice The coordinator creates one instance and runs it by delegatecall on its own storage, since code of one contract is
/// limited to 24,576 bytes. A direct call acts on the instance's empty storage, where nobody has a balance or a channel.
contract EntanglementChannels is Endings, IEntanglementChannels {
    constructor(address authority, IProcessorRegistry registry) CoordinatorBase(authority, registry) {}

    /* ------------------------------------------------ channels ----------------------------------------------- */

    /// @inheritdoc IEntanglementChannels
    function openChannel(ChannelTerms calldata terms) external returns (ChannelId id) {
        Parameters memory p = currentParameters();
        if (p.paused) revert CoordinatorPaused();
        if (terms.processorA == terms.processorB) {
            revert CoordinatorSameProcessor(terms.processorA);
        }
        _provider(terms.processorA);
        _provider(terms.processorB);
        if (terms.minFidelity < MIN_FIDELITY || terms.minFidelity > PPM) revert CoordinatorBadTerms("minFidelity");
        if (terms.pairRate == 0) revert CoordinatorBadTerms("pairRate");
        if (terms.deadline <= block.timestamp || terms.deadline > block.timestamp + MAX_CHANNEL_SECONDS) {
            revert CoordinatorBadTerms("deadline");
        }
        if (terms.endBond < MIN_BOND) revert CoordinatorBadTerms("endBond");

        uint96 penalty = _share(terms.endBond, p.penaltyBps);
        _debit(msg.sender, terms.deposit);
        id = ChannelId.wrap(++_channelCount);
        Channel storage c = _channels[id];
        c.head.processorA = terms.processorA;
        c.head.processorB = terms.processorB;
        c.head.state = ChannelState.Proposed;
        c.head.epoch = 1;
        c.head.deadline = terms.deadline;
        c.rates = Rates(terms.pairPrice, penalty, terms.pairRate, terms.minFidelity);
        c.opener = msg.sender;
        c.deposit = terms.deposit;
        c.bonds = [terms.endBond, terms.endBond]; // locked by acceptance; before it a promise of the terms
        c.termsHash = termsHash(terms, msg.sender);
        emit ChannelOpened(id, msg.sender, terms, penalty);
    }

    /// @inheritdoc IEntanglementChannels
    function acceptChannel(ChannelId id, ProcessorId processor, bytes32 hash) external {
        Channel storage c = _channels[id];
        ChannelHead memory head = _channelHead(id);
        if (head.state != ChannelState.Proposed) revert CoordinatorWrongChannelState(id, head.state);
        if (block.timestamp > head.deadline) revert CoordinatorChannelExpired(id, head.deadline);
        if (hash != c.termsHash) revert CoordinatorTermsDiffer(id, c.termsHash, hash);
        uint256 end = _endOf(id, head, processor);
        address provider = _authorized(processor);
        uint8 bit = uint8(1 << end);
        if (head.accepted & bit != 0) revert CoordinatorAlreadyAccepted(id, processor);
        head.accepted |= bit;
        if (head.accepted == 3) head.state = ChannelState.Live;
        _setChannelHead(id, head);
        _debit(provider, c.bonds[end]);
        emit ChannelAccepted(id, processor, provider);
    }

    /// @inheritdoc IEntanglementChannels
    function topUp(ChannelId id, uint96 amount) external {
        Channel storage c = _channels[id];
        ChannelState state = c.head.state;
        if (state != ChannelState.Live) revert CoordinatorWrongChannelState(id, state);
        if (msg.sender != c.opener) revert CoordinatorNotOpener(id, msg.sender);
        _debit(msg.sender, amount);
        c.deposit += amount;
        emit ChannelToppedUp(id, amount);
    }

    /// @inheritdoc IEntanglementChannels
    function attest(ChannelId id, ProcessorId processor, Attestation calldata a) external {
        (, uint32 era,) = REGISTRY.keyOf(processor);
        if (era != 0) revert IProcessorKeys.ProcessorRegistryKeyRequired(processor);
        _attest(id, processor, a);
    }

    /// @inheritdoc IEntanglementChannels
    function attestWithKey(
        ChannelId id,
        ProcessorId processor,
        Attestation calldata a,
        QuantumKey calldata key,
        bytes calldata signature
    ) external {
        _attest(id, processor, a);
        REGISTRY.useKey(processor, "attest", keccak256(abi.encode(id, a)), key, signature);
    }

    function _attest(ChannelId id, ProcessorId processor, Attestation calldata a) private {
        Channel storage c = _channels[id];
        ChannelHead memory head = _channelHead(id);
        if (head.state != ChannelState.Live) revert CoordinatorWrongChannelState(id, head.state);
        uint256 end = _endOf(id, head, processor);
        _authorized(processor);
        if (a.epoch != head.epoch) revert CoordinatorWrongEpoch(id, head.epoch, a.epoch);
        if (head.pendingEnd == end + 1) revert CoordinatorAlreadyAttested(id, a.epoch, processor);
        Parameters memory p = currentParameters();
        if (a.testRounds < p.minTestRounds && (a.testRounds != 0 || a.pairs != 0)) {
            revert CoordinatorTooFewTestRounds(a.testRounds, p.minTestRounds);
        }
        // F = (1 + xx + s·yy + zz) / 4 with |yy| ≤ 1, xx = 1 − 2 QBER_x and zz = 1 − 2 QBER_z, so 1 − F ≥ (QBER_x + QBER_z) / 2.
        // Two units of slack for the rounding of three figures.
        if (a.fidelity > PPM || a.qberX > PPM || a.qberZ > PPM || 2 * (PPM - a.fidelity) + 2 < uint256(a.qberX) + a.qberZ) {
            revert CoordinatorImpossibleFigures(a.qberX, a.qberZ, a.fidelity);
        }
        emit EpochAttested(id, processor, a);

        if (head.pendingEnd == 0) {
            if (block.timestamp > head.deadline) revert CoordinatorChannelExpired(id, head.deadline);
            head.pendingEnd = uint8(end + 1);
            _setChannelHead(id, head);
            c.pending = Pending(
                a.testRounds, a.qberX, a.qberZ, a.fidelity, a.pairs, uint40(block.timestamp + p.attestWindow)
            );
            c.pendingRoot = a.root;
        } else {
            _settleEpoch(id, head, p, a);
        }
    }

    /// @inheritdoc IEntanglementChannels
    function lapse(ChannelId id) external {
        Channel storage c = _channels[id];
        ChannelHead memory head = _channelHead(id);
        if (head.pendingEnd == 0) revert CoordinatorNothingPending(id);
        uint40 until = c.pending.until;
        if (block.timestamp <= until) revert CoordinatorTooEarly(block.timestamp, until + 1);
        uint256 silent = 2 - head.pendingEnd;
        uint32 epoch = head.epoch++;
        head.pendingEnd = 0;
        _setChannelHead(id, head);
        (, uint96 penalty) = _slashEnd(id, head, silent, 0, c.rates.penalty);
        emit EpochLapsed(id, epoch, _processorAt(head, silent), penalty);
        _give(_provider(_processorAt(head, 1 - silent)), penalty);
    }

    /// @inheritdoc IEntanglementChannels
    function dispute(ChannelId id, EpochRecord calldata record, uint32 index) external {
        Channel storage c = _channels[id];
        ChannelHead memory head = _channelHead(id);
        if (head.state != ChannelState.Live && head.state != ChannelState.Quarantined) {
            revert CoordinatorWrongChannelState(id, head.state);
        }
        if (msg.sender != c.opener && !_controls(head.processorA) && !_controls(head.processorB)) {
            revert CoordinatorNotEntitled(id, msg.sender);
        }
        _requireRecord(id, record);
        if (block.timestamp > record.disputableUntil) {
            revert CoordinatorTooLate(block.timestamp, record.disputableUntil);
        }
        uint32 rounds = record.testRoundsA < record.testRoundsB ? record.testRoundsA : record.testRoundsB;
        if (index >= rounds) revert CoordinatorNoSuchRound(index, rounds);
        Dispute storage d = _disputes[id][record.epoch][index];
        if (d.disputer != address(0)) revert CoordinatorAlreadyDisputed(id, record.epoch, index);

        uint96 stake = c.rates.penalty;
        uint40 deadline = uint40(block.timestamp + _parameters.answerWindow);
        c.head.openDisputes = head.openDisputes + 1;
        (d.disputer, d.deadline) = (msg.sender, deadline);
        _debit(msg.sender, stake);
        emit DisputeOpened(id, msg.sender, record.epoch, index, stake, deadline);
    }

    /// @inheritdoc IEntanglementChannels
    function openLeaf(
        ChannelId id,
        EpochRecord calldata record,
        uint8 end,
        TestRound calldata round,
        bytes32[] calldata proof
    ) external {
        _requireRecord(id, record);
        Dispute storage stored = _disputes[id][record.epoch][round.index];
        Dispute memory d = stored;
        if (d.disputer == address(0)) revert CoordinatorNotDisputed(id, record.epoch, round.index);
        if (block.timestamp > d.deadline) revert CoordinatorTooLate(block.timestamp, d.deadline);
        if (end > 1 || d.opened & (1 << end) != 0) {
            revert CoordinatorAlreadyOpened(id, record.epoch, round.index, end);
        }
        if (round.basis > 2 || round.outcomeA > 1 || round.outcomeB > 1) {
            revert CoordinatorBadRound(round.basis, round.outcomeA, round.outcomeB);
        }
        (bytes32 root, uint32 count) =
            end == 0 ? (record.rootA, record.testRoundsA) : (record.rootB, record.testRoundsB);
        if (!IndexedMerkle.verify(root, leafHash(id, record.epoch, round), round.index, count, proof)) {
            revert CoordinatorBadProof(id, record.epoch, round.index, end);
        }
        emit LeafOpened(id, record.epoch, end, round);

        uint8 leaf = (round.basis << 2) | (round.outcomeA << 1) | round.outcomeB;
        if (d.opened == 0) {
            (stored.opened, stored.leaf) = (uint8(1 << end), leaf);
            return;
        }
        _endDispute(id, record, round.index, d.disputer, d.leaf != leaf, 0);
    }

    /// @inheritdoc IEntanglementChannels
    function resolveDispute(ChannelId id, EpochRecord calldata record, uint32 index) external {
        _requireRecord(id, record);
        Dispute memory d = _disputes[id][record.epoch][index];
        if (d.disputer == address(0)) revert CoordinatorNotDisputed(id, record.epoch, index);
        if (block.timestamp <= d.deadline) revert CoordinatorTooEarly(block.timestamp, d.deadline + 1);
        _endDispute(id, record, index, d.disputer, true, 3 & ~d.opened);
    }

    /// @inheritdoc IEntanglementChannels
    function retireChannel(ChannelId id) external {
        Channel storage c = _channels[id];
        ChannelHead memory head = _channelHead(id);
        if (head.state != ChannelState.Live) revert CoordinatorWrongChannelState(id, head.state);
        if (msg.sender != c.opener && !_controls(head.processorA) && !_controls(head.processorB)) {
            revert CoordinatorNotEntitled(id, msg.sender);
        }
        uint40 notice = uint40(block.timestamp + _parameters.attestWindow);
        if (head.deadline <= notice) revert CoordinatorChannelExpired(id, head.deadline);
        c.head.deadline = notice;
        emit ChannelRetiring(id, notice);
    }

    /// @inheritdoc IEntanglementChannels
    function closeChannel(ChannelId id) external {
        Channel storage c = _channels[id];
        ChannelHead memory head = _channelHead(id);
        if (head.state == ChannelState.None || head.state == ChannelState.Closed) {
            revert CoordinatorWrongChannelState(id, head.state);
        }
        bool free = head.state == ChannelState.Quarantined
            || (head.state == ChannelState.Proposed && msg.sender == c.opener);
        if (!free && block.timestamp <= head.deadline) {
            revert CoordinatorTooEarly(block.timestamp, head.deadline + 1);
        }
        if (head.pendingEnd != 0) revert CoordinatorEpochPending(id, c.pending.until);
        if (head.openDisputes != 0 || block.timestamp <= head.lockedUntil) {
            revert CoordinatorBondsLocked(id, head.lockedUntil, head.openDisputes);
        }
        for (uint256 i = 0; i < MAX_SESSIONS_PER_CHANNEL; ++i) {
            if (c.sessions[i] != 0) revert CoordinatorChannelBusy(id, SessionId.wrap(c.sessions[i]));
        }
        uint96 refund = c.deposit;
        uint96 bondA = head.accepted & 1 != 0 ? c.bonds[0] : 0;
        uint96 bondB = head.accepted & 2 != 0 ? c.bonds[1] : 0;
        c.head.state = ChannelState.Closed;
        c.deposit = 0;
        delete c.bonds;
        _give(c.opener, refund);
        _give(_provider(head.processorA), bondA);
        _give(_provider(head.processorB), bondB);
        emit ChannelClosed(id, refund, bondA, bondB);
    }

    /// @inheritdoc IEntanglementChannels
    function quarantine(ChannelId id) external restricted {
        ChannelState state = _channels[id].head.state;
        if (state != ChannelState.Proposed && state != ChannelState.Live) {
            revert CoordinatorWrongChannelState(id, state);
        }
        _quarantine(id, QuarantineReason.Security);
    }

    /* ---------------------------------------------- channel rules -------------------------------------------- */

    /// The second attestation has come: judge the worse of the two figures, pay the lower of the two counts.
    function _settleEpoch(ChannelId id, ChannelHead memory head, Parameters memory p, Attestation calldata a) private {
        Channel storage c = _channels[id];
        Pending memory first = c.pending;
        EpochRecord memory record;
        record.epoch = head.epoch++;
        if (head.pendingEnd == 1) {
            (record.rootA, record.testRoundsA) = (c.pendingRoot, first.testRounds);
            (record.rootB, record.testRoundsB) = (a.root, a.testRounds);
        } else {
            (record.rootA, record.testRoundsA) = (a.root, a.testRounds);
            (record.rootB, record.testRoundsB) = (c.pendingRoot, first.testRounds);
        }
        head.pendingEnd = 0;
        if (first.testRounds == 0 || a.testRounds == 0) {
            _setChannelHead(id, head);
            emit EpochSettled(id, 0, 0, record);
            return;
        }
        uint24 fidelity = first.fidelity < a.fidelity ? first.fidelity : a.fidelity;
        head.fidelity = fidelity;
        if (
            fidelity < c.rates.minFidelity || first.qberX > p.maxQber || a.qberX > p.maxQber
                || first.qberZ > p.maxQber || a.qberZ > p.maxQber
        ) {
            _setChannelHead(id, head);
            emit EpochSettled(id, 0, fidelity, record);
            _quarantine(id, QuarantineReason.Quality);
            return;
        }
        record.disputableUntil = uint40(block.timestamp + p.disputeWindow);
        if (record.disputableUntil > head.lockedUntil) head.lockedUntil = record.disputableUntil;
        _setChannelHead(id, head);
        uint32 pairs = first.pairs < a.pairs ? first.pairs : a.pairs;
        _payEpoch(id, head, record, pairs);
        emit EpochSettled(id, pairs, fidelity, record);
    }

    /// Pays `pairs` as far as the deposit reaches, half to each end; an odd unit stays in the deposit.
    function _payEpoch(ChannelId id, ChannelHead memory head, EpochRecord memory record, uint32 pairs) private {
        Channel storage c = _channels[id];
        uint256 owed = uint256(pairs) * c.rates.pairPrice;
        uint96 left = c.deposit;
        uint96 each = (owed < left ? uint96(owed) : left) / 2; // the cast is exact: owed < left < 2^96
        c.deposit = left - 2 * each;
        (record.paidA, record.paidB) = (each, each);
        _epochDigests[id][record.epoch] = keccak256(abi.encode(record));
        _give(_provider(head.processorA), each);
        _give(_provider(head.processorB), each);
    }

    /// Ends a dispute: for the ends, who share the stake, or against them. `silentEnds` has a bit per end.
    function _endDispute(
        ChannelId id,
        EpochRecord memory record,
        uint32 index,
        address disputer,
        bool upheld,
        uint8 silentEnds
    ) private {
        Channel storage c = _channels[id];
        ChannelHead memory head = _channelHead(id);
        c.head.openDisputes = head.openDisputes - 1;
        delete _disputes[id][record.epoch][index];
        emit DisputeResolved(id, record.epoch, index, upheld, silentEnds);
        if (upheld) {
            _uphold(id, head, record, disputer, silentEnds);
        } else {
            uint96 stake = c.rates.penalty;
            _give(_provider(head.processorA), stake - stake / 2);
            _give(_provider(head.processorB), stake / 2);
        }
    }

    /// The silent ends give the epoch's pay back and pay the penalty. With none silent it is a contradiction: it cannot be
    /// told which end recorded wrongly, so both give the pay back and neither pays a penalty.
    function _uphold(
        ChannelId id,
        ChannelHead memory head,
        EpochRecord memory record,
        address disputer,
        uint8 silentEnds
    ) private {
        Channel storage c = _channels[id];
        uint96 award = c.rates.penalty; // the stake comes back
        uint96 fine = silentEnds == 0 ? 0 : award;
        uint96 restored;
        uint96 back;
        uint96 penalty;
        if (silentEnds != 2) {
            (back, penalty) = _slashEnd(id, head, 0, record.paidA, fine);
            (restored, award, record.paidA) = (back, award + penalty, 0);
        }
        if (silentEnds != 1) {
            (back, penalty) = _slashEnd(id, head, 1, record.paidB, fine);
            (restored, award, record.paidB) = (restored + back, award + penalty, 0);
        }
        // Pay is given back once: further disputes of this epoch go on with a record that shows what is still paid.
        _epochDigests[id][record.epoch] = keccak256(abi.encode(record));
        c.deposit += restored;
        _give(disputer, award);
        if (head.state == ChannelState.Live) {
            _quarantine(id, silentEnds == 0 ? QuarantineReason.Contradiction : QuarantineReason.Withheld);
        }
    }

    /// Takes restitution and then a penalty from an end's bond, each as far as the bond reaches.
    function _slashEnd(ChannelId id, ChannelHead memory head, uint256 end, uint96 restitution, uint96 fine)
        private
        returns (uint96 back, uint96 penalty)
    {
        Channel storage c = _channels[id];
        uint96 bond = c.bonds[end];
        back = restitution < bond ? restitution : bond;
        bond -= back;
        penalty = fine < bond ? fine : bond;
        c.bonds[end] = bond - penalty;
        emit EndSlashed(id, _processorAt(head, end), back, penalty);
    }

    /// Stops a channel for good and aborts its sessions: at most MAX_SESSIONS_PER_CHANNEL of MAX_PARTIES each. An epoch that
    /// one end had attested is dropped, since the other can no longer answer.
    function _quarantine(ChannelId id, QuarantineReason reason) private {
        Channel storage c = _channels[id];
        c.head.state = ChannelState.Quarantined;
        c.head.pendingEnd = 0;
        emit ChannelQuarantined(id, reason);
        uint64[MAX_SESSIONS_PER_CHANNEL] memory running = c.sessions;
        for (uint256 i = 0; i < running.length; ++i) {
            if (running[i] == 0) continue;
            SessionId session = SessionId.wrap(running[i]);
            Session storage s = _sessions[session];
            _abort(session, s, _sessionHead(session), AbortCode.FidelityLow, 0, 0);
        }
    }

    function _requireRecord(ChannelId id, EpochRecord calldata record) private view {
        if (_epochDigests[id][record.epoch] != keccak256(abi.encode(record))) {
            revert CoordinatorRecordDiffers(id, record.epoch);
        }
    }

    function _endOf(ChannelId id, ChannelHead memory head, ProcessorId processor) private pure returns (uint256) {
        if (processor == head.processorA) return 0;
        if (processor == head.processorB) return 1;
        revert CoordinatorNotAnEnd(id, processor);
    }

    function _processorAt(ChannelHead memory head, uint256 end) private pure returns (ProcessorId) {
        return end == 0 ? head.processorA : head.processorB;
    }
}
