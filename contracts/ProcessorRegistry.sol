// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ProcessorKeys} from "./identity/ProcessorKeys.sol";
import {IComputationAllocator} from "./interfaces/IComputationAllocator.sol";
import {IEraConsumer, IOracleQuorum} from "./interfaces/IOracleQuorum.sol";
import {IProcessorKeys} from "./interfaces/IProcessorKeys.sol";
import {IProcessorRegistry} from "./interfaces/IProcessorRegistry.sol";
import {IResultVerifier} from "./interfaces/IResultVerifier.sol";
import {Dispatch, Standing, packDispatch, packStanding} from "./libraries/ProcessorWords.sol";
import {Quorum} from "./libraries/Quorum.sol";
import {Reputation} from "./libraries/Reputation.sol";
import {Capability, Certification, ProcessorId, ProcessorSpec, ProcessorView, QuantumKey} from "./libraries/Types.sol";

/// @title ProcessorRegistry
/// @notice Who computes: identity, bond, certified capability, reputation. The rules are written out in IProcessorRegistry.
contract ProcessorRegistry is IProcessorRegistry, IEraConsumer, AccessManaged, ProcessorKeys {
    bytes32 private constant CAPABILITY_TYPEHASH = keccak256(
        "Capability(uint16 widthTested,uint16 log2QuantumVolume,uint32 errorPerLayeredGate,uint32 layersPerSecond,uint32 readoutError,uint32 t1Nanoseconds,uint32 t2Nanoseconds,uint16 ghzWidth,uint16 quality)"
    );
    bytes32 private constant CERTIFICATION_TYPEHASH = keccak256(
        "Certification(uint32 processor,uint32 era,uint32 epoch,uint40 validUntil,Capability capability,bytes32 report)Capability(uint16 widthTested,uint16 log2QuantumVolume,uint32 errorPerLayeredGate,uint32 layersPerSecond,uint32 readoutError,uint32 t1Nanoseconds,uint32 t2Nanoseconds,uint16 ghzWidth,uint16 quality)"
    );
    uint256 private constant MOST_PROCESSORS = (1 << 22) - 1;
    uint256 private constant MOST_QUBITS = 4095;
    uint256 private constant QUALITY_BITS = 12;
    uint256 private constant BOND_BITS = 40;
    uint256 private constant MOST_BOND_UNITS = (1 << BOND_BITS) - 1;
    uint256 private constant LEAST_BOND_AT = 32;
    uint256 private constant DELAY_AT = 72;
    uint256 private constant TOLERANCE_AT = 112;
    uint256 private constant PERMILLE_AT = 128;
    uint256 private constant LIFE_AT = 208;

    /// @dev Bond on its way out, in units, and why a processor is stopped: by a body, or with less than the least bond at stake.
    struct Release {
        uint40 amount;
        uint40 availableAt;
        bool barred;
        bool short;
    }

    /// @notice The exchange's allocator, which holds all tokens.
    IComputationAllocator public immutable ALLOCATOR;
    /// @notice The oracle quorum that signs certificates.
    IOracleQuorum public immutable QUORUM;
    /// @notice The result verifier.
    address public immutable VERIFIER;
    /// @notice Base units of the credit token in one bond unit.
    uint256 public immutable UNIT;

    /// @dev count 32 | least bond 40 | unbonding delay 40 | claim tolerance 16 | its price 16, lowest bits first.
    uint256 private _settings;
    /// @inheritdoc IProcessorRegistry
    address public treasury;
    /// @dev The adopted signer set, and what else a certificate needs: pointer 160 | number 32 | count 8 | threshold 8 |
    /// certificate life 32, lowest bits first.
    uint256 private _era;
    /// @dev The last certificate: epoch 32 | quality 16 | ghzWidth 16 | t2 32 | t1 32 | readoutError 32 | layersPerSecond 32 |
    /// errorPerLayeredGate 32 | log2QuantumVolume 16 | widthTested 16, lowest bits first.
    mapping(ProcessorId id => uint256) private _certified;
    mapping(ProcessorId id => Release) private _releases;

    constructor(
        address authority_,
        address allocator,
        address quorum,
        address verifier,
        address treasury_,
        uint256 unit
    ) AccessManaged(authority_) EIP712("QCRS ProcessorRegistry", "1") {
        ALLOCATOR = IComputationAllocator(allocator);
        QUORUM = IOracleQuorum(quorum);
        VERIFIER = verifier;
        UNIT = unit;
        treasury = treasury_;
        // bonds from 1 unit, unbonding 14 days, claims more than 256 units (a factor of two in error) too high cost a tenth of
        // the bond; certificates for at most 30 days
        _settings = 1 << LEAST_BOND_AT | 14 days << DELAY_AT | 256 << TOLERANCE_AT | 100 << PERMILLE_AT;
        _era = 30 days << LIFE_AT;
    }

    modifier onlyProvider(ProcessorId id) {
        address provider = _providerOf(id);
        if (msg.sender != provider) revert ProcessorRegistryNotProvider(id, msg.sender);
        _;
    }

    modifier onlyExchange() {
        if (msg.sender != address(ALLOCATOR) && msg.sender != VERIFIER) {
            revert ProcessorRegistryUnauthorized(msg.sender);
        }
        _;
    }

    /* ------------------------------ provider ------------------------------ */

    /// @inheritdoc IProcessorRegistry
    function register(ProcessorSpec calldata spec) public returns (ProcessorId id) {
        uint256 qubits;
        uint256 operator;
        uint256 claimed;
        uint256 bond;
        uint256 unit = UNIT;
        uint256 units;
        // The words of a static struct as they lie in calldata: what passes the checks below has no stray bits.
        assembly ("memory-safe") {
            qubits := calldataload(spec)
            operator := calldataload(add(spec, 96))
            claimed := calldataload(add(spec, 160))
            bond := calldataload(add(spec, 192))
            units := div(bond, unit)
        }
        uint256 settings = _settings;
        // No qubits wrap around to more than the most; units * unit <= bond; the settings' lowest field stays below 2^22. What
        // must all be zero is tested at once.
        unchecked {
            if (qubits - 1 >= MOST_QUBITS || claimed >> QUALITY_BITS | operator >> 160 != 0) {
                revert ProcessorRegistryBadSpec(qubits, claimed, operator);
            }
            if (bond - units * unit | units >> BOND_BITS != 0 || units < uint40(settings >> LEAST_BOND_AT)) {
                revert ProcessorRegistryBadBond(bond, leastBond(), MOST_BOND_UNITS * unit);
            }
            _settings = ++settings;
        }
        // Assembly below wants the number without the other settings.
        uint256 number = settings & type(uint32).max;
        if (number > MOST_PROCESSORS) revert ProcessorRegistryFull();
        if (operator == 0) operator = uint160(msg.sender);
        id = ProcessorId.wrap(uint32(number));
        _enroll(
            spec,
            number,
            packDispatch(operator, qubits, claimed),
            packStanding(msg.sender, units, block.timestamp >> Reputation.TICK_BITS),
            bond
        );
    }

    /// @inheritdoc IProcessorKeys
    function registerWithKey(ProcessorSpec calldata spec, QuantumKey calldata key, bytes calldata signature)
        external
        returns (ProcessorId id)
    {
        bytes32 content;
        // spec and key lie side by side in calldata: seven words and two
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            calldatacopy(buffer, spec, 288)
            content := keccak256(buffer, 288)
        }
        id = register(spec);
        _adopt(id, "register", uint160(msg.sender), content, key, signature);
    }

    /// @inheritdoc IProcessorRegistry
    function setOperator(ProcessorId id, address operator) external onlyProvider(id) {
        if (operator == address(0)) operator = msg.sender;
        if (QUORUM.isSigner(operator)) revert ProcessorRegistryConflict(id, operator);
        emit OperatorSet(id, operator);
        ALLOCATOR.setOperator(id, operator);
    }

    /// @inheritdoc IProcessorRegistry
    function setMetadata(ProcessorId id, bytes32 metadata) external onlyProvider(id) {
        emit MetadataSet(id, metadata);
    }

    /// @inheritdoc IProcessorRegistry
    function setIdentity(ProcessorId id, bytes32 identity) external onlyProvider(id) {
        _requireNoKey(id);
        emit IdentitySet(id, identity);
    }

    /// @inheritdoc IProcessorKeys
    function adoptKey(ProcessorId id, QuantumKey calldata key, bytes calldata signature) external onlyProvider(id) {
        _requireNewKey(id);
        _adopt(id, "adopt", ProcessorId.unwrap(id), _hash(key), key, signature);
    }

    /// @inheritdoc IProcessorKeys
    function rotateKeys(
        ProcessorId id,
        QuantumKey calldata key,
        QuantumKey calldata next,
        bytes32 identity,
        bytes calldata signature
    ) external onlyProvider(id) {
        _rotate(id, key, next, keccak256(abi.encode(_hash(next), identity)), signature);
        emit IdentitySet(id, identity);
    }

    /// @inheritdoc IProcessorRegistry
    function addBond(ProcessorId id, uint256 amount) external onlyProvider(id) {
        uint256 total = bondOf(id) + _units(amount) * UNIT;
        if (total > MOST_BOND_UNITS * UNIT) revert ProcessorRegistryBadBond(total, 0, MOST_BOND_UNITS * UNIT);
        emit BondAdded(id, amount);
        ALLOCATOR.addBond(id, amount);
        _review(id);
    }

    /// @inheritdoc IProcessorRegistry
    function unbond(ProcessorId id, uint256 amount) external onlyProvider(id) {
        _requireNoKey(id);
        _unbond(id, amount);
    }

    /// @inheritdoc IProcessorKeys
    function unbondWithKey(ProcessorId id, uint256 amount, QuantumKey calldata key, bytes calldata signature)
        external
        onlyProvider(id)
    {
        _use(id, "unbond", address(this), bytes32(amount), key, signature);
        _unbond(id, amount);
    }

    function _unbond(ProcessorId id, uint256 amount) private {
        uint256 units = _units(amount);
        _checkRest(id, units);
        uint40 availableAt = uint40(block.timestamp) + unbondDelay();
        Release storage r = _releases[id];
        (r.amount, r.availableAt) = (uint40(units), availableAt);
        emit BondReleaseStarted(id, amount, availableAt);
        // What stays reaches the least bond: this may readmit, and never stops.
        if (r.short) _review(id);
    }

    /// @inheritdoc IProcessorRegistry
    function withdrawBond(ProcessorId id) external onlyProvider(id) {
        Release memory r = _releases[id];
        if (r.availableAt == 0 || block.timestamp < r.availableAt) {
            revert ProcessorRegistryNotAvailable(r.availableAt);
        }
        uint256 amount = r.amount * UNIT;
        uint256 held = bondOf(id);
        if (amount > held) amount = held;
        _checkRest(id, amount / UNIT);
        (_releases[id].amount, _releases[id].availableAt) = (0, 0);
        emit BondReleased(id, amount);
        ALLOCATOR.releaseBond(id, amount);
    }

    /// @inheritdoc IProcessorRegistry
    function retire(ProcessorId id) external onlyProvider(id) {
        (,,,,, bool suspended, bool retired) = ALLOCATOR.dispatch(id);
        if (retired) revert ProcessorRegistryRetired(id);
        emit ProcessorRetired(id);
        ALLOCATOR.setBlocked(id, suspended, true);
    }

    /* ------------------------------ oracles ------------------------------ */

    /// @inheritdoc IProcessorRegistry
    function certify(Certification calldata c, uint256 bitmap, bytes calldata signatures) external {
        uint256 word = _era;
        uint32 current = uint32(word >> 160);
        if (c.era != current || current == 0) revert IOracleQuorum.OracleQuorumStaleEra(c.era, current);
        bytes memory signers = Quorum.check(
            certificationDigest(c), address(uint160(word)), uint8(word >> 192), uint8(word >> 200), bitmap, signatures
        );
        // Both terms have at most 40 bits.
        unchecked {
            uint40 latest = uint40(block.timestamp + (word >> LIFE_AT));
            if (c.validUntil <= block.timestamp || c.validUntil > latest) {
                revert ProcessorRegistryBadValidity(c.validUntil, latest);
            }
        }
        ProcessorId id = c.processor;
        {
            uint32 last = uint32(_certified[id]);
            if (c.epoch <= last) revert ProcessorRegistryStaleEpoch(c.epoch, last);
        }
        _certified[id] = _pack(c);
        _emitCertified(c);
        _apply(c, signers);
    }

    /// @inheritdoc IProcessorRegistry
    function certificationDigest(Certification calldata c) public view returns (bytes32) {
        bytes32 inner = CAPABILITY_TYPEHASH;
        bytes32 outer = CERTIFICATION_TYPEHASH;
        bytes32 hash;
        // Static structs lie in calldata as EIP-712 encodes them; a word with stray bits has a hash that nobody signed.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, inner)
            calldatacopy(add(buffer, 32), add(c, 128), 288)
            inner := keccak256(buffer, 320)
            mstore(buffer, outer)
            calldatacopy(add(buffer, 32), c, 128)
            mstore(add(buffer, 160), inner)
            calldatacopy(add(buffer, 192), add(c, 416), 32)
            hash := keccak256(buffer, 224)
        }
        return _hashTypedDataV4(hash);
    }

    /// @inheritdoc IEraConsumer
    function eraStarted(uint32 number, address pointer, uint8 count, uint8 threshold) external {
        if (msg.sender != VERIFIER) revert ProcessorRegistryUnauthorized(msg.sender);
        _era = uint256(uint160(pointer)) | uint256(number) << 160 | uint256(count) << 192 | uint256(threshold) << 200
            | _era >> LIFE_AT << LIFE_AT;
    }

    /* ------------------------------ exchange contracts only ------------------------------ */

    /// @inheritdoc IProcessorRegistry
    function slash(ProcessorId id, uint256 amount, address beneficiary, bytes32 cause)
        external
        onlyExchange
        returns (uint256)
    {
        return _slash(id, amount, beneficiary == address(0) ? treasury : beneficiary, cause);
    }

    /* ------------------------------ bodies ------------------------------ */

    /// @inheritdoc IProcessorRegistry
    function setSuspended(ProcessorId id, bool suspended) external restricted {
        _providerOf(id);
        _releases[id].barred = suspended;
        _stop(id);
    }

    /// @inheritdoc IProcessorRegistry
    function setCertificateLife(uint40 lifeSeconds) external restricted {
        _bound("certificateLife", lifeSeconds, 1 hours, 365 days);
        _era = _era & (1 << LIFE_AT) - 1 | uint256(lifeSeconds) << LIFE_AT;
        emit ParameterSet("certificateLife", lifeSeconds);
    }

    /// @inheritdoc IProcessorRegistry
    function setLeastBond(uint256 amount) external restricted {
        _bound("leastBond", amount, UNIT, MOST_BOND_UNITS * UNIT);
        _set(LEAST_BOND_AT, 40, _units(amount));
        emit ParameterSet("leastBond", amount);
    }

    /// @inheritdoc IProcessorRegistry
    function setHalfLife(uint40 halfLifeSeconds) external restricted {
        _bound("halfLife", halfLifeSeconds, 1 days, 730 days);
        emit ParameterSet("halfLife", halfLifeSeconds);
        ALLOCATOR.setHalfLife(halfLifeSeconds);
    }

    /// @inheritdoc IProcessorRegistry
    function setUnbondDelay(uint40 delaySeconds) external restricted {
        (uint24 challengeWindow, uint24 rulingWindow) = IResultVerifier(VERIFIER).windows();
        (,, uint24 verdictWindow) = ALLOCATOR.times();
        _bound("unbondDelay", delaySeconds, uint256(challengeWindow) + rulingWindow + 2 * verdictWindow + 1, 90 days);
        _set(DELAY_AT, 40, delaySeconds);
        emit ParameterSet("unbondDelay", delaySeconds);
    }

    /// @inheritdoc IProcessorRegistry
    function setClaimTolerance(uint16 tolerance, uint16 slashPermille) external restricted {
        _bound("tolerance", tolerance, 64, 4095);
        _bound("slashPermille", slashPermille, 0, 500);
        _set(TOLERANCE_AT, 16, tolerance);
        _set(PERMILLE_AT, 16, slashPermille);
        emit ParameterSet("tolerance", tolerance);
        emit ParameterSet("slashPermille", slashPermille);
    }

    /// @inheritdoc IProcessorRegistry
    function setTreasury(address account) external restricted {
        _bound("treasury", uint160(account), 1, type(uint160).max);
        treasury = account;
        emit ParameterSet("treasury", uint160(account));
    }

    /* ------------------------------ views ------------------------------ */

    /// @inheritdoc IProcessorRegistry
    function processor(ProcessorId id) external view returns (ProcessorView memory v) {
        v.provider = _providerOf(id);
        (v.operator, v.qubits, v.freeQubits, v.quality, v.certifiedUntil, v.suspended, v.retired) = ALLOCATOR.dispatch(id);
        v.bond = bondOf(id);
        (uint256 a, uint256 b) = reputation(id);
        (v.alpha, v.beta) = (uint32(a), uint32(b));
        uint256 word = _certified[id];
        v.epoch = uint32(word);
        v.capability = Capability(
            uint16(word >> 240),
            uint16(word >> 224),
            uint32(word >> 192),
            uint32(word >> 160),
            uint32(word >> 128),
            uint32(word >> 96),
            uint32(word >> 64),
            uint16(word >> 48),
            uint16(word >> 32)
        );
    }

    /// @inheritdoc IProcessorRegistry
    function ownerOf(ProcessorId id) external view returns (address provider) {
        (provider,,,) = ALLOCATOR.standing(id);
    }

    /// @inheritdoc IProcessorRegistry
    function operatorOf(ProcessorId id) external view returns (address operator) {
        (operator,,,,,,) = ALLOCATOR.dispatch(id);
    }

    /// @inheritdoc IProcessorRegistry
    function bondOf(ProcessorId id) public view returns (uint256 bond) {
        (, bond,,) = ALLOCATOR.standing(id);
    }

    /// @inheritdoc IProcessorRegistry
    function unbondingOf(ProcessorId id) external view returns (uint256 amount, uint40 availableAt) {
        return (_releases[id].amount * UNIT, _releases[id].availableAt);
    }

    /// @inheritdoc IProcessorRegistry
    function reputation(ProcessorId id) public view returns (uint256 alpha, uint256 beta) {
        (,, alpha, beta) = ALLOCATOR.standing(id);
        return (alpha + Reputation.ONE, beta + Reputation.ONE);
    }

    /// @inheritdoc IProcessorRegistry
    function log2Odds(ProcessorId id) external view returns (int256) {
        (,, uint256 a, uint256 b) = ALLOCATOR.standing(id);
        return Reputation.log2Odds(a, b);
    }

    /// @inheritdoc IProcessorRegistry
    function processorCount() external view returns (uint256) {
        return uint32(_settings);
    }

    /// @inheritdoc IProcessorRegistry
    function certificateLife() external view returns (uint40) {
        return uint40(_era >> LIFE_AT);
    }

    /// @inheritdoc IProcessorRegistry
    function leastBond() public view returns (uint256) {
        return uint40(_settings >> LEAST_BOND_AT) * UNIT;
    }

    /// @inheritdoc IProcessorRegistry
    function halfLife() external view returns (uint40) {
        return ALLOCATOR.halfLife();
    }

    /// @inheritdoc IProcessorRegistry
    function unbondDelay() public view returns (uint40) {
        return uint40(_settings >> DELAY_AT);
    }

    /// @inheritdoc IProcessorRegistry
    function claimTolerance() public view returns (uint16 tolerance, uint16 slashPermille) {
        return (uint16(_settings >> TOLERANCE_AT), uint16(_settings >> PERMILLE_AT));
    }

    /* ------------------------------ internals ------------------------------ */

    function _providerOf(ProcessorId id) private view returns (address provider) {
        (provider,,,) = ALLOCATOR.standing(id);
        if (provider == address(0)) revert ProcessorRegistryUnknown(id);
    }

    function _set(uint256 offset, uint256 bits, uint256 value) private {
        _settings = _settings & ~((1 << bits) - 1 << offset) | value << offset;
    }

    /// @dev ProcessorRegistered and `ALLOCATOR.enroll(id, dispatch, standing, bond)`.
    function _enroll(ProcessorSpec calldata spec, uint256 id, Dispatch dispatch, Standing standing, uint256 bond)
        private
    {
        bytes32 topic = ProcessorRegistered.selector;
        address target = address(ALLOCATOR);
        bytes4 selector = IComputationAllocator.enroll.selector;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            // profile, metadata, operator, identity
            calldatacopy(buffer, add(spec, 32), 128)
            mstore(add(buffer, 64), dispatch)
            mstore(add(buffer, 128), bond)
            log3(buffer, 160, topic, id, caller())
            mstore(buffer, selector)
            mstore(add(buffer, 4), id)
            mstore(add(buffer, 36), dispatch)
            mstore(add(buffer, 68), standing)
            mstore(add(buffer, 100), bond)
            if iszero(call(gas(), target, 0, buffer, 132, 0, 0)) {
                returndatacopy(buffer, 0, returndatasize())
                revert(buffer, returndatasize())
            }
        }
    }

    /// @dev A certificate's capability and epoch in one word. Stray bits were refused with the signatures.
    function _pack(Certification calldata c) private pure returns (uint256 word) {
        Capability calldata m = c.capability;
        assembly ("memory-safe") {
            word := calldataload(add(c, 64))
            word := or(word, shl(32, calldataload(add(m, 256))))
            word := or(word, shl(48, calldataload(add(m, 224))))
            word := or(word, shl(64, calldataload(add(m, 192))))
            word := or(word, shl(96, calldataload(add(m, 160))))
            word := or(word, shl(128, calldataload(add(m, 128))))
            word := or(word, shl(160, calldataload(add(m, 96))))
            word := or(word, shl(192, calldataload(add(m, 64))))
            word := or(word, shl(224, calldataload(add(m, 32))))
            word := or(word, shl(240, calldataload(m)))
        }
    }

    /// @dev ProcessorCertified: its data are the certificate's words without processor and epoch, which are topics.
    function _emitCertified(Certification calldata c) private {
        bytes32 topic = ProcessorCertified.selector;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            calldatacopy(buffer, add(c, 32), 32)
            calldatacopy(add(buffer, 32), add(c, 96), 352)
            log3(buffer, 384, topic, calldataload(c), calldataload(add(c, 64)))
        }
    }

    /// @dev Gives the certificate to the allocator and checks it against what the allocator knows of the processor.
    function _apply(Certification calldata c, bytes memory signers) private {
        uint16 measured = c.capability.quality;
        (uint16 claimed, uint40 before, uint16 qubits, address operator) =
            ALLOCATOR.setCertificate(c.processor, measured, c.validUntil);
        if (qubits == 0) revert ProcessorRegistryUnknown(c.processor);
        if (measured == 0 || measured >> QUALITY_BITS != 0 || c.capability.widthTested > qubits) {
            revert ProcessorRegistryBadCapability(c.capability.widthTested, measured);
        }
        if (Quorum.contains(signers, operator)) revert ProcessorRegistryConflict(c.processor, operator);
        if (before == 0) _checkClaim(c.processor, claimed, measured);
    }

    /// @dev The first certificate checks what the provider claimed.
    function _checkClaim(ProcessorId id, uint16 claimed, uint16 measured) private {
        (uint16 tolerance, uint16 slashPermille) = claimTolerance();
        if (claimed <= uint256(measured) + tolerance) return;
        uint256 taken = _slash(id, bondOf(id) * slashPermille / 1000, treasury, "claim");
        emit ClaimRefuted(id, claimed, measured, taken);
    }

    function _slash(ProcessorId id, uint256 amount, address beneficiary, bytes32 cause) private returns (uint256 taken) {
        taken = ALLOCATOR.slashBond(id, amount, beneficiary);
        if (taken == 0) return 0;
        emit Slashed(id, beneficiary, taken, cause);
        _review(id);
    }

    /// @dev Stops a processor with less than the least bond at stake, and readmits it with enough. What is on its way out is no
    /// stake.
    function _review(ProcessorId id) private {
        Release storage r = _releases[id];
        bool short = bondOf(id) / UNIT < uint256(r.amount) + uint40(_settings >> LEAST_BOND_AT);
        if (short == r.short) return;
        r.short = short;
        _stop(id);
    }

    function _stop(ProcessorId id) private {
        Release storage r = _releases[id];
        bool stopped = r.barred || r.short;
        (,,,,,, bool retired) = ALLOCATOR.dispatch(id);
        emit SuspensionSet(id, r.barred, r.short);
        ALLOCATOR.setBlocked(id, stopped, retired);
    }

    /// @dev What stays after a release must reach the least bond, or the processor must be retired and idle.
    function _checkRest(ProcessorId id, uint256 units) private view {
        uint256 least = uint40(_settings >> LEAST_BOND_AT);
        uint256 held = bondOf(id) / UNIT;
        if (units == 0 || units > held) revert ProcessorRegistryBadBond(units * UNIT, UNIT, held * UNIT);
        if (held - units >= least) return;
        (, uint16 qubits, uint16 free,,,, bool retired) = ALLOCATOR.dispatch(id);
        if (!retired) revert ProcessorRegistryBadBond((held - units) * UNIT, least * UNIT, MOST_BOND_UNITS * UNIT);
        if (free != qubits) revert ProcessorRegistryBusy(id);
    }

    /// @dev Whole bond units in an amount.
    function _units(uint256 amount) private view returns (uint256 units) {
        units = amount / UNIT;
        if (amount % UNIT != 0 || units > MOST_BOND_UNITS) {
            revert ProcessorRegistryBadBond(amount, UNIT, MOST_BOND_UNITS * UNIT);
        }
    }

    function _bound(bytes32 name, uint256 value, uint256 least, uint256 most) private pure {
        if (value < least || value > most) revert ProcessorRegistryOutOfBounds(name, value, least, most);
    }
}
