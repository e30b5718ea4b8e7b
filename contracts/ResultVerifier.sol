// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IComputationAllocator} from "./interfaces/IComputationAllocator.sol";
import {IEraConsumer, IOracleQuorum} from "./interfaces/IOracleQuorum.sol";
import {IProcessorRegistry} from "./interfaces/IProcessorRegistry.sol";
import {IResultVerifier} from "./interfaces/IResultVerifier.sol";
import {Quorum} from "./libraries/Quorum.sol";
import {ExecutionState, ExecutionView, JobId, JobView, Outcome, ProcessorId, Report} from "./libraries/Types.sol";

/// @title ResultVerifier
/// @notice Was it right: verdicts, equivocation, challenges. The rules are written out in IResultVerifier.
contract ResultVerifier is IResultVerifier, IEraConsumer, AccessManaged, EIP712 {
    bytes32 private constant REPORT_TYPEHASH = keccak256(
        "Report(uint64 job,uint8 execution,uint8 round,uint8 outcome,uint8 flags,int64 score,int64 threshold,bytes32 evidence,uint32 era)"
    );
    bytes32 private constant BATCH_TYPEHASH = keccak256(
        "Batch(Report[] reports)Report(uint64 job,uint8 execution,uint8 round,uint8 outcome,uint8 flags,int64 score,int64 threshold,bytes32 evidence,uint32 era)"
    );
    uint8 private constant STEP_CHALLENGED = 8;
    uint8 private constant STEP_RULED = 9;
    uint256 private constant MOST_CHALLENGE_WINDOW = 7 days;
    uint256 private constant MOST_RULING_WINDOW = 21 days;
    uint256 private constant MOST_LEAST_BOND = 1 << 80;
    /// @dev What one ruling takes of a processor's bond at most, in 1/1000.
    uint256 private constant MOST_SLASH_PERMILLE = 500;
    /// @dev What of that the job's client has at most, in 1/1000: who finds a fraud gains by it, also against its client.
    uint256 private constant MOST_CLIENT_PERMILLE = 750;
    uint256 private constant LEAST_BOND_MULTIPLE = 2;

    /// @dev One word.
    struct Settings {
        uint24 challengeWindow;
        uint24 rulingWindow;
        uint8 bondMultiple;
        uint128 leastBond;
    }

    /// @notice The exchange's allocator.
    IComputationAllocator public immutable ALLOCATOR;
    /// @notice The processor registry.
    IProcessorRegistry public immutable REGISTRY;
    /// @notice The oracle quorum.
    IOracleQuorum public immutable QUORUM;

    /// @dev The adopted signer set: pointer 160 | number 32 | count 8 | threshold 8, lowest bits first.
    uint256 private _era;
    Settings private _settings;
    /// @inheritdoc IResultVerifier
    uint256 public openBonds;
    /// @inheritdoc IResultVerifier
    uint256 public challengeCount;
    mapping(uint256 id => Challenge) private _challenges;
    mapping(JobId job => mapping(uint256 execution => uint256)) private _challengeAt;
    mapping(bytes32 proof => bool) private _proven;

    constructor(address authority_, address allocator, address registry, address quorum)
        AccessManaged(authority_)
        EIP712("QCRS ResultVerifier", "1")
    {
        ALLOCATOR = IComputationAllocator(allocator);
        REGISTRY = IProcessorRegistry(registry);
        QUORUM = IOracleQuorum(quorum);
        // a day to challenge, twelve to rule with an appeal, twice the fee as bond
        _settings = Settings(1 days, 12 days, 2, 1);
    }

    /* ------------------------------ verdicts ------------------------------ */

    /// @inheritdoc IResultVerifier
    function reportVerdict(Report calldata report, uint256 bitmap, bytes calldata signatures) external {
        bytes32 hash = reportHash(report);
        _enter(report, hash, bitmap, _checkQuorum(report, hash, bitmap, signatures));
    }

    /// @inheritdoc IResultVerifier
    function settleBatch(Report[] calldata reports, uint256 bitmap, bytes calldata signatures)
        external
        returns (uint256 settled)
    {
        uint256 count = reports.length;
        if (count == 0) revert ResultVerifierNothingSettled(0);
        bytes32[] memory hashes = _hashesOf(reports);
        uint32 current = era();
        for (uint256 i; i < count; ++i) {
            if (reports[i].era != current) revert ResultVerifierStaleEra(reports[i].era, current);
        }
        _checkQuorum(reports[0], _batchHash(hashes), bitmap, signatures);
        for (uint256 i; i < count; ++i) {
            (bool done, bytes memory reason) = _tryEntry(reports[i], hashes[i], bitmap);
            if (done) ++settled;
            else emit BatchEntrySkipped(reports[i].job, reports[i].execution, reports[i].round, reason);
        }
        if (settled == 0) revert ResultVerifierNothingSettled(count);
    }

    /// @inheritdoc IResultVerifier
    function settleEntry(Report calldata report, bytes32 hash, uint256 bitmap) external {
        if (msg.sender != address(this)) revert ResultVerifierUnauthorized(msg.sender);
        uint256 word = _era;
        _enter(report, hash, bitmap, Quorum.load(address(uint160(word)), word >> 192 & 0xFF));
    }

    /// @inheritdoc IResultVerifier
    function batchDigest(Report[] calldata reports) external view returns (bytes32) {
        return _hashTypedDataV4(_batchHash(_hashesOf(reports)));
    }

    /// @inheritdoc IResultVerifier
    function reportDigest(Report calldata report) external view returns (bytes32) {
        return _hashTypedDataV4(reportHash(report));
    }

    /// @inheritdoc IResultVerifier
    function reportHash(Report calldata report) public pure returns (bytes32 hash) {
        bytes32 typehash = REPORT_TYPEHASH;
        // A static struct lies in calldata as EIP-712 encodes it; a word with stray bits has a hash that nobody signed.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, typehash)
            calldatacopy(add(buffer, 32), report, 288)
            hash := keccak256(buffer, 320)
        }
    }

    /// @inheritdoc IEraConsumer
    function eraStarted(uint32 number, address pointer, uint8 count, uint8 threshold) external {
        if (msg.sender != address(QUORUM)) revert ResultVerifierUnauthorized(msg.sender);
        _era = uint256(uint160(pointer)) | uint256(number) << 160 | uint256(count) << 192 | uint256(threshold) << 200;
        emit EraAdopted(number, pointer);
        IEraConsumer(address(REGISTRY)).eraStarted(number, pointer, count, threshold);
    }

    /* ------------------------------ equivocation ------------------------------ */

    /// @inheritdoc IResultVerifier
    function proveEquivocation(
        Report calldata reportA,
        bytes calldata signatureA,
        Report calldata reportB,
        bytes calldata signatureB
    ) external returns (address oracle) {
        if (
            reportA.job != reportB.job || reportA.execution != reportB.execution || reportA.round != reportB.round
                || reportA.era != reportB.era || reportA.outcome == reportB.outcome
        ) {
            revert ResultVerifierNoEquivocation();
        }
        oracle = _signerOf(reportA, signatureA);
        if (oracle != _signerOf(reportB, signatureB)) revert ResultVerifierBadSignature();
        _checkOracle(oracle, reportA.era);
        bytes32 proof =
            keccak256(abi.encode(oracle, reportA.job, reportA.execution, reportA.round, reportA.era));
        if (_proven[proof]) revert ResultVerifierProofUsed(proof);
        _proven[proof] = true;
        emit EquivocationProven(
            oracle, msg.sender, reportA.job, reportA.execution, reportA.round, reportA.era
        );
        QUORUM.slash(oracle, msg.sender, proof);
    }

    /* ------------------------------ challenges ------------------------------ */

    /// @inheritdoc IResultVerifier
    function challenge(JobId job, uint8 execution, bytes32 grounds) external returns (uint256 id) {
        ExecutionView memory e = ALLOCATOR.execution(job, execution);
        Settings memory s = _settings;
        if (
            e.state < ExecutionState.Accepted || e.state > ExecutionState.Fraudulent
                || block.timestamp > uint256(e.since) + s.challengeWindow
        ) {
            revert ResultVerifierNotChallengeable(job, execution);
        }
        id = _challengeAt[job][execution];
        if (id != 0) revert ResultVerifierAlreadyChallenged(job, execution, id);
        id = ++challengeCount;
        uint256 amount = challengeBond(job);
        uint40 openedAt = uint40(block.timestamp);
        uint40 deadline = openedAt + s.rulingWindow;
        _challengeAt[job][execution] = id;
        _challenges[id] = Challenge(job, execution, ChallengeState.Open, msg.sender, amount, openedAt, deadline, grounds);
        openBonds += amount;
        emit ChallengeOpened(id, job, execution, msg.sender, amount, deadline, grounds);
        ALLOCATOR.takeBond(msg.sender, amount);
        ALLOCATOR.recordChallenge(job, execution, STEP_CHALLENGED, bytes32(id), false);
    }

    /// @inheritdoc IResultVerifier
    function rule(uint256 id, ChallengeState ruling) external restricted {
        if (ruling != ChallengeState.Upheld && ruling != ChallengeState.Overturned) {
            revert ResultVerifierBadRuling(ruling);
        }
        Challenge memory c = _take(id, ruling);
        if (block.timestamp > c.rulingDeadline) revert ResultVerifierRulingWindow(id, c.rulingDeadline);
        ExecutionView memory e = ALLOCATOR.execution(c.job, c.execution);
        bool accepted = e.state == ExecutionState.Accepted;
        uint256 slashed;
        if (ruling == ChallengeState.Overturned) {
            ALLOCATOR.giveBond(c.challenger, c.bond);
            if (accepted) slashed = _punish(id, c, e.processor);
        } else {
            uint256 share = accepted ? c.bond / 2 : 0;
            if (share != 0) ALLOCATOR.giveBond(REGISTRY.ownerOf(e.processor), share);
            ALLOCATOR.giveBond(REGISTRY.treasury(), c.bond - share);
        }
        _close(id, c, ruling, slashed, ruling == ChallengeState.Overturned);
    }

    /// @inheritdoc IResultVerifier
    function lapse(uint256 id) external {
        Challenge memory c = _take(id, ChallengeState.Lapsed);
        if (block.timestamp <= c.rulingDeadline) revert ResultVerifierRulingWindow(id, c.rulingDeadline);
        ALLOCATOR.giveBond(c.challenger, c.bond);
        _close(id, c, ChallengeState.Lapsed, 0, false);
    }

    /* ------------------------------ bodies ------------------------------ */

    /// @inheritdoc IResultVerifier
    function setWindows(uint24 challengeWindow, uint24 rulingWindow) external restricted {
        _bound("challengeWindow", challengeWindow, 60, MOST_CHALLENGE_WINDOW);
        _bound("rulingWindow", rulingWindow, 60, MOST_RULING_WINDOW);
        (,, uint24 verdictWindow) = ALLOCATOR.times();
        // A bond stays until everything that can be held against it is decided: an undecided execution has a second look.
        _bound("windows", uint256(challengeWindow) + rulingWindow + 2 * verdictWindow, 0, REGISTRY.unbondDelay() - 1);
        (_settings.challengeWindow, _settings.rulingWindow) = (challengeWindow, rulingWindow);
        emit ParameterSet("challengeWindow", challengeWindow);
        emit ParameterSet("rulingWindow", rulingWindow);
    }

    /// @inheritdoc IResultVerifier
    function setChallengeBond(uint256 leastBond, uint8 bondMultiple) external restricted {
        _bound("leastBond", leastBond, 1, MOST_LEAST_BOND);
        _bound("bondMultiple", bondMultiple, LEAST_BOND_MULTIPLE, 10);
        (_settings.leastBond, _settings.bondMultiple) = (uint128(leastBond), bondMultiple);
        emit ParameterSet("leastBond", leastBond);
        emit ParameterSet("bondMultiple", bondMultiple);
    }

    /* ------------------------------ views ------------------------------ */

    /// @inheritdoc IResultVerifier
    function challengeBond(JobId job) public view returns (uint256 amount) {
        Settings memory s = _settings;
        amount = ALLOCATOR.job(job).feePerExecution * s.bondMultiple;
        if (amount < s.leastBond) amount = s.leastBond;
    }

    /// @inheritdoc IResultVerifier
    function challengeOf(uint256 id) external view returns (Challenge memory) {
        return _challenges[id];
    }

    /// @inheritdoc IResultVerifier
    function challengeAt(JobId job, uint8 execution) external view returns (uint256) {
        return _challengeAt[job][execution];
    }

    /// @inheritdoc IResultVerifier
    function windows() external view returns (uint24 challengeWindow, uint24 rulingWindow) {
        return (_settings.challengeWindow, _settings.rulingWindow);
    }

    /// @inheritdoc IResultVerifier
    function bondTerms() external view returns (uint256 leastBond, uint8 bondMultiple) {
        return (_settings.leastBond, _settings.bondMultiple);
    }

    /// @inheritdoc IResultVerifier
    function era() public view returns (uint32) {
        return uint32(_era >> 160);
    }

    /// @inheritdoc IResultVerifier
    function trail(JobId job) external view returns (bytes32) {
        return ALLOCATOR.trail(job);
    }

    /* ------------------------------ internals ------------------------------ */

    /// @dev The signers of the adopted era, the report's, of whom a quorum signed `hash`.
    function _checkQuorum(Report calldata report, bytes32 hash, uint256 bitmap, bytes calldata signatures)
        private
        view
        returns (bytes memory)
    {
        uint256 era_;
        // The word as it lies in calldata: the hash that was signed covers it, stray bits included.
        assembly ("memory-safe") {
            era_ := calldataload(add(report, 256))
        }
        uint256 word = _era;
        uint256 current = word >> 160 & type(uint32).max;
        if (era_ != current || current == 0) revert ResultVerifierStaleEra(report.era, uint32(current));
        return Quorum.check(
            _hashTypedDataV4(hash), address(uint160(word)), word >> 192 & 0xFF, word >> 200, bitmap, signatures
        );
    }

    /// @dev Takes a report that a quorum signed.
    function _enter(Report calldata report, bytes32 hash, uint256 bitmap, bytes memory signers) private {
        uint256 outcome;
        assembly ("memory-safe") {
            outcome := calldataload(add(report, 96))
        }
        // Zero wraps around and is too much.
        unchecked {
            if (outcome - 1 >= uint256(Outcome.Fraud)) revert ResultVerifierBadOutcome(report.outcome);
        }
        if (outcome == uint256(Outcome.Fraud)) _checkWindow(report.job, report.execution);
        _emitVerdict(report, bitmap);
        _refuse(signers, bitmap, _settle(report, hash));
    }

    function _hashesOf(Report[] calldata reports) private pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](reports.length);
        for (uint256 i; i < reports.length; ++i) {
            hashes[i] = reportHash(reports[i]);
        }
    }

    /// @dev The EIP-712 struct hash of a batch, from those of its reports.
    function _batchHash(bytes32[] memory hashes) private pure returns (bytes32) {
        return keccak256(abi.encode(BATCH_TYPEHASH, keccak256(abi.encodePacked(hashes))));
    }

    /// @dev `this.settleEntry(report, hash, bitmap)`: a call, so that what it refuses leaves nothing behind.
    function _tryEntry(Report calldata report, bytes32 hash, uint256 bitmap)
        private
        returns (bool done, bytes memory reason)
    {
        bytes4 selector = IResultVerifier.settleEntry.selector;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, selector)
            calldatacopy(add(buffer, 4), report, 288)
            mstore(add(buffer, 292), hash)
            mstore(add(buffer, 324), bitmap)
            done := call(gas(), address(), 0, buffer, 356, 0, 0)
            reason := 0x60
            if iszero(done) {
                reason := buffer
                mstore(reason, returndatasize())
                returndatacopy(add(reason, 32), 0, returndatasize())
                mstore(0x40, add(reason, and(add(returndatasize(), 63), not(31))))
            }
        }
    }

    /// @dev `ALLOCATOR.settle(job, execution, round, outcome, weak, hash)`; the first four are the report's first words, and the
    /// allocator's decoder checks them.
    function _settle(Report calldata report, bytes32 hash) private returns (address provider) {
        address target = address(ALLOCATOR);
        bytes4 selector = IComputationAllocator.settle.selector;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, selector)
            calldatacopy(add(buffer, 4), report, 128)
            mstore(add(buffer, 132), and(calldataload(add(report, 128)), 1))
            mstore(add(buffer, 164), hash)
            if iszero(call(gas(), target, 0, buffer, 196, buffer, 32)) {
                returndatacopy(buffer, 0, returndatasize())
                revert(buffer, returndatasize())
            }
            provider := mload(buffer)
        }
    }

    /// @dev VerdictReported: its data are the report's words after the job, and the bitmap.
    function _emitVerdict(Report calldata report, uint256 bitmap) private {
        bytes32 topic = VerdictReported.selector;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            calldatacopy(buffer, add(report, 32), 256)
            mstore(add(buffer, 256), bitmap)
            log2(buffer, 288, topic, calldataload(report))
        }
    }

    /// @dev Refuses a verdict that the execution's own provider signed.
    function _refuse(bytes memory signers, uint256 bitmap, address provider) private pure {
        bool found;
        assembly ("memory-safe") {
            for { let place := add(signers, 32) } bitmap { bitmap := shr(1, bitmap) } {
                found := or(found, and(bitmap, eq(shr(96, mload(place)), provider)))
                place := add(place, 20)
            }
        }
        if (found) revert ResultVerifierConflict(provider);
    }

    /// @dev A rejection becomes a fraud only while it could be challenged.
    function _checkWindow(JobId job, uint8 execution) private view {
        ExecutionView memory e = ALLOCATOR.execution(job, execution);
        if (e.state != ExecutionState.Rejected) return;
        if (block.timestamp > uint256(e.since) + _settings.challengeWindow) {
            revert ResultVerifierNotChallengeable(job, execution);
        }
    }

    /// @dev Who signed a report: by itself (64 bytes), or in a batch (then the struct hashes of its reports follow).
    function _signerOf(Report calldata report, bytes calldata signature) private view returns (address signer) {
        uint256 length = signature.length;
        if (length < 64 || length % 32 != 0) revert ResultVerifierBadSignature();
        bytes32 hash = reportHash(report);
        if (length > 64) {
            bytes calldata hashes = signature[64:];
            bool found;
            for (uint256 i; i < hashes.length; i += 32) {
                found = found || bytes32(hashes[i:i + 32]) == hash;
            }
            if (!found) revert ResultVerifierBadSignature();
            hash = keccak256(abi.encode(BATCH_TYPEHASH, keccak256(hashes)));
        }
        signer = Quorum.recover(_hashTypedDataV4(hash), signature, 0);
        if (signer == address(0)) revert ResultVerifierBadSignature();
    }

    function _checkOracle(address account, uint32 number) private view {
        address[] memory list = QUORUM.signersOf(number);
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == account) return;
        }
        revert ResultVerifierNotOracle(account, number);
    }

    /// @dev What an overturned acceptance costs its processor: the client's fee comes back, from three quarters of it at most;
    /// the challenger has half of the rest.
    function _punish(uint256 id, Challenge memory c, ProcessorId processor) private returns (uint256 taken) {
        uint256 rest = REGISTRY.bondOf(processor) * MOST_SLASH_PERMILLE / 1000;
        rest = c.bond < rest ? c.bond : rest;
        JobView memory job = ALLOCATOR.job(c.job);
        uint256 fee = rest * MOST_CLIENT_PERMILLE / 1000;
        fee = job.feePerExecution < fee ? job.feePerExecution : fee;
        uint256 reward = (rest - fee) / 2;
        rest -= fee + reward;
        taken = REGISTRY.slash(processor, fee, job.client, bytes32(id));
        if (reward != 0) taken += REGISTRY.slash(processor, reward, c.challenger, bytes32(id));
        if (rest != 0) taken += REGISTRY.slash(processor, rest, address(0), bytes32(id));
    }

    function _take(uint256 id, ChallengeState to) private returns (Challenge memory c) {
        c = _challenges[id];
        if (c.state != ChallengeState.Open) revert ResultVerifierNotOpen(id);
        _challenges[id].state = to;
        openBonds -= c.bond;
    }

    function _close(uint256 id, Challenge memory c, ChallengeState ruling, uint256 slashed, bool overturn) private {
        emit ChallengeRuled(id, ruling, slashed);
        ALLOCATOR.recordChallenge(c.job, c.execution, STEP_RULED, bytes32(id << 8 | uint256(ruling)), overturn);
    }

    function _bound(bytes32 name, uint256 value, uint256 least, uint256 most) private pure {
        if (value < least || value > most) revert ResultVerifierOutOfBounds(name, value, least, most);
    }
}
