// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IComputationAllocator} from "./interfaces/IComputationAllocator.sol";
import {IOracleQuorum} from "./interfaces/IOracleQuorum.sol";
import {IProcessorRegistry} from "./interfaces/IProcessorRegistry.sol";
import {IResultVerifier} from "./interfaces/IResultVerifier.sol";
import {Reputation} from "./libraries/Reputation.sol";
import {Capability, Certification, Outcome, ProcessorId, ProcessorSpec, ProcessorView} from "./libraries/Types.sol";

/// @title ProcessorRegistry
/// @notice Who computes: identity, bond, certified capability, reputation. The rules are written out in IProcessorRegistry.
contract ProcessorRegistry is IProcessorRegistry, AccessManaged, EIP712 {
    bytes32 private constant CAPABILITY_TYPEHASH = keccak256(
        "Capability(uint16 widthTested,uint16 log2QuantumVolume,uint32 errorPerLayeredGate,uint32 layersPerSecond,uint32 readoutError,uint32 t1Nanoseconds,uint32 t2Nanoseconds,uint16 ghzWidth,uint16 quality)"
    );
    bytes32 private constant CERTIFICATION_TYPEHASH = keccak256(
        "Certification(uint32 processor,uint32 era,uint32 epoch,uint40 validUntil,Capability capability,bytes32 report)Capability(uint16 widthTested,uint16 log2QuantumVolume,uint32 errorPerLayeredGate,uint32 layersPerSecond,uint32 readoutError,uint32 t1Nanoseconds,uint32 t2Nanoseconds,uint16 ghzWidth,uint16 quality)"
    );
    uint256 private constant MOST_PROCESSORS = (1 << 22) - 1;
    uint256 private constant MOST_QUBITS = 4095;
    uint256 private constant MOST_QUALITY = 4095;
    uint256 private constant MOST_BOND_UNITS = type(uint40).max;

    /// @dev Owner, bond in units, decayed evidence for and against, and the tick of the last change: one word.
    struct Standing {
        address provider;
        uint40 bond;
        uint16 alpha;
        uint16 beta;
        uint24 tick;
    }

    /// @dev The last certificate: one word.
    struct Certified {
        uint16 widthTested;
        uint16 log2QuantumVolume;
        uint32 errorPerLayeredGate;
        uint32 layersPerSecond;
        uint32 readoutError;
        uint32 t1Nanoseconds;
        uint32 t2Nanoseconds;
        uint16 ghzWidth;
        uint16 quality;
        uint32 epoch;
    }

    /// @dev Bond on its way out, in units.
    struct Release {
        uint40 amount;
        uint40 availableAt;
    }

    /// @dev One word.
    struct Settings {
        uint32 count;
        uint40 certificateLife;
        uint40 leastBond;
        uint40 halfLife;
        uint40 unbondDelay;
        uint16 tolerance;
        uint16 slashPermille;
    }

    /// @notice The exchange's allocator, which holds all tokens.
    IComputationAllocator public immutable ALLOCATOR;
    /// @notice The oracle quorum that signs certificates.
    IOracleQuorum public immutable QUORUM;
    /// @notice The result verifier.
    address public immutable VERIFIER;
    /// @notice Base units of the credit token in one bond unit.
    uint256 public immutable UNIT;

    Settings private _settings;
    /// @inheritdoc IProcessorRegistry
    address public treasury;
    mapping(ProcessorId id => Standing) private _standings;
    mapping(ProcessorId id => Certified) private _certified;
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
        // certificates for 30 days, bonds from 1 unit, half-life 90 days, unbonding 14 days, claims 256 units (a factor of
        // two in error) too high cost a tenth of the bond
        _settings = Settings(0, 30 days, 1, 90 days, 14 days, 256, 100);
    }

    modifier onlyProvider(ProcessorId id) {
        require(_standings[id].provider != address(0), ProcessorRegistryUnknown(id));
        require(msg.sender == _standings[id].provider, ProcessorRegistryNotProvider(id, msg.sender));
        _;
    }

    modifier onlyExchange() {
        require(msg.sender == address(ALLOCATOR) || msg.sender == VERIFIER, ProcessorRegistryUnauthorized(msg.sender));
        _;
    }

    /* ------------------------------ provider ------------------------------ */

    /// @inheritdoc IProcessorRegistry
    function register(ProcessorSpec calldata spec) external returns (ProcessorId id) {
        require(
            spec.qubits != 0 && spec.qubits <= MOST_QUBITS && spec.claimedQuality <= MOST_QUALITY,
            ProcessorRegistryBadSpec(spec.qubits, spec.claimedQuality)
        );
        Settings memory s = _settings;
        require(s.count < MOST_PROCESSORS, ProcessorRegistryFull());
        uint256 units = _units(spec.bond);
        require(units >= s.leastBond, ProcessorRegistryBadBond(spec.bond, s.leastBond * UNIT, MOST_BOND_UNITS * UNIT));
        // Below 2^22, as just checked.
        unchecked {
            _settings.count = ++s.count;
        }
        id = ProcessorId.wrap(s.count);
        _standings[id] = Standing(msg.sender, uint40(units), 0, 0, _tick());
        address operator = spec.operator == address(0) ? msg.sender : spec.operator;
        emit ProcessorRegistered(
            id,
            msg.sender,
            operator,
            spec.qubits,
            spec.claimedQuality,
            spec.bond,
            spec.profile,
            spec.metadata,
            spec.identity
        );
        ALLOCATOR.enroll(id, operator, spec.qubits, spec.claimedQuality, msg.sender, spec.bond);
    }

    /// @inheritdoc IProcessorRegistry
    function setOperator(ProcessorId id, address operator) external onlyProvider(id) {
        if (operator == address(0)) operator = msg.sender;
        emit OperatorSet(id, operator);
        ALLOCATOR.setOperator(id, operator);
    }

    /// @inheritdoc IProcessorRegistry
    function setMetadata(ProcessorId id, bytes32 metadata) external onlyProvider(id) {
        emit MetadataSet(id, metadata);
    }

    /// @inheritdoc IProcessorRegistry
    function setIdentity(ProcessorId id, bytes32 identity) external onlyProvider(id) {
        emit IdentitySet(id, identity);
    }

    /// @inheritdoc IProcessorRegistry
    function addBond(ProcessorId id, uint256 amount) external onlyProvider(id) {
        uint256 units = _standings[id].bond + _units(amount);
        require(units <= MOST_BOND_UNITS, ProcessorRegistryBadBond(units * UNIT, 0, MOST_BOND_UNITS * UNIT));
        _standings[id].bond = uint40(units);
        emit BondAdded(id, amount);
        ALLOCATOR.takeBond(msg.sender, amount);
    }

    /// @inheritdoc IProcessorRegistry
    function unbond(ProcessorId id, uint256 amount) external onlyProvider(id) {
        uint256 units = _units(amount);
        _checkRest(id, units);
        uint40 availableAt = uint40(block.timestamp) + _settings.unbondDelay;
        _releases[id] = Release(uint40(units), availableAt);
        emit BondReleaseStarted(id, amount, availableAt);
    }

    /// @inheritdoc IProcessorRegistry
    function withdrawBond(ProcessorId id) external onlyProvider(id) {
        Release memory r = _releases[id];
        require(r.availableAt != 0 && block.timestamp >= r.availableAt, ProcessorRegistryNotAvailable(r.availableAt));
        uint256 held = _standings[id].bond;
        uint256 units = r.amount < held ? r.amount : held;
        _checkRest(id, units);
        delete _releases[id];
        // units <= held < 2^40
        _standings[id].bond = uint40(held - units);
        emit BondReleased(id, units * UNIT);
        ALLOCATOR.giveBond(msg.sender, units * UNIT);
    }

    /// @inheritdoc IProcessorRegistry
    function retire(ProcessorId id) external onlyProvider(id) {
        (,,,,, bool suspended, bool retired) = ALLOCATOR.dispatch(id);
        require(!retired, ProcessorRegistryRetired(id));
        emit ProcessorRetired(id);
        ALLOCATOR.setBlocked(id, suspended, true);
    }

    /* ------------------------------ oracles ------------------------------ */

    /// @inheritdoc IProcessorRegistry
    function certify(Certification calldata c, uint256 bitmap, bytes calldata signatures) external {
        QUORUM.verify(certificationDigest(c), c.era, bitmap, signatures);
        ProcessorId id = c.processor;
        Capability calldata m = c.capability;
        uint32 last = _certified[id].epoch;
        require(c.epoch > last, ProcessorRegistryStaleEpoch(c.epoch, last));
        uint40 latest = uint40(block.timestamp) + _settings.certificateLife;
        require(
            c.validUntil > block.timestamp && c.validUntil <= latest, ProcessorRegistryBadValidity(c.validUntil, latest)
        );
        _certified[id] = Certified(
            m.widthTested,
            m.log2QuantumVolume,
            m.errorPerLayeredGate,
            m.layersPerSecond,
            m.readoutError,
            m.t1Nanoseconds,
            m.t2Nanoseconds,
            m.ghzWidth,
            m.quality,
            c.epoch
        );
        emit ProcessorCertified(id, c.epoch, c.era, c.validUntil, m, c.report);
        (uint16 claimed, uint40 before, uint16 qubits) = ALLOCATOR.setCertificate(id, m.quality, c.validUntil);
        require(qubits != 0, ProcessorRegistryUnknown(id));
        require(
            m.quality != 0 && m.quality <= MOST_QUALITY && m.widthTested <= qubits,
            ProcessorRegistryBadCapability(m.widthTested, m.quality)
        );
        if (before == 0) _checkClaim(id, claimed, m.quality);
    }

    /// @inheritdoc IProcessorRegistry
    function certificationDigest(Certification calldata c) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    CERTIFICATION_TYPEHASH,
                    c.processor,
                    c.era,
                    c.epoch,
                    c.validUntil,
                    keccak256(abi.encode(CAPABILITY_TYPEHASH, c.capability)),
                    c.report
                )
            )
        );
    }

    /* ------------------------------ exchange contracts only ------------------------------ */

    /// @inheritdoc IProcessorRegistry
    function recordOutcome(ProcessorId id, Outcome outcome, bool weak)
        external
        onlyExchange
        returns (address provider, int256 odds)
    {
        Standing memory s = _standings[id];
        if (outcome == Outcome.Undecided) return (s.provider, 0);
        (uint256 a, uint256 b) = _decayed(s);
        (a, b) = Reputation.record(a, b, outcome, weak);
        // Reputation.record keeps both within 16 bits.
        (s.alpha, s.beta, s.tick) = (uint16(a), uint16(b), _tick());
        _standings[id] = s;
        emit ReputationChanged(id, uint16(a), uint16(b));
        return (s.provider, Reputation.log2Odds(a, b));
    }

    /// @inheritdoc IProcessorRegistry
    function slash(ProcessorId id, uint256 amount, address beneficiary, bytes32 cause)
        external
        onlyExchange
        returns (uint256 taken, address credited)
    {
        credited = beneficiary == address(0) ? treasury : beneficiary;
        taken = _take(id, amount, credited, cause);
    }

    /* ------------------------------ bodies ------------------------------ */

    /// @inheritdoc IProcessorRegistry
    function setSuspended(ProcessorId id, bool suspended) external restricted {
        require(_standings[id].provider != address(0), ProcessorRegistryUnknown(id));
        (,,,,,, bool retired) = ALLOCATOR.dispatch(id);
        emit SuspensionSet(id, suspended);
        ALLOCATOR.setBlocked(id, suspended, retired);
    }

    /// @inheritdoc IProcessorRegistry
    function setCertificateLife(uint40 lifeSeconds) external restricted {
        _bound("certificateLife", lifeSeconds, 1 hours, 365 days);
        _settings.certificateLife = lifeSeconds;
        emit ParameterSet("certificateLife", lifeSeconds);
    }

    /// @inheritdoc IProcessorRegistry
    function setLeastBond(uint256 amount) external restricted {
        _bound("leastBond", amount, UNIT, MOST_BOND_UNITS * UNIT);
        _settings.leastBond = uint40(_units(amount));
        emit ParameterSet("leastBond", amount);
    }

    /// @inheritdoc IProcessorRegistry
    function setHalfLife(uint40 halfLifeSeconds) external restricted {
        _bound("halfLife", halfLifeSeconds, 1 days, 730 days);
        _settings.halfLife = halfLifeSeconds;
        emit ParameterSet("halfLife", halfLifeSeconds);
    }

    /// @inheritdoc IProcessorRegistry
    function setUnbondDelay(uint40 delaySeconds) external restricted {
        (uint24 challengeWindow, uint24 rulingWindow) = IResultVerifier(VERIFIER).windows();
        (,, uint24 verdictWindow) = ALLOCATOR.times();
        _bound("unbondDelay", delaySeconds, uint256(challengeWindow) + rulingWindow + verdictWindow + 1, 90 days);
        _settings.unbondDelay = delaySeconds;
        emit ParameterSet("unbondDelay", delaySeconds);
    }

    /// @inheritdoc IProcessorRegistry
    function setClaimTolerance(uint16 tolerance, uint16 slashPermille) external restricted {
        _bound("tolerance", tolerance, 64, 4095);
        _bound("slashPermille", slashPermille, 0, 500);
        (_settings.tolerance, _settings.slashPermille) = (tolerance, slashPermille);
        emit ParameterSet("tolerance", tolerance);
        emit ParameterSet("slashPermille", slashPermille);
    }

    /// @inheritdoc IProcessorRegistry
    function setTreasury(address account) external restricted {
        treasury = account;
        emit ParameterSet("treasury", uint160(account));
    }

    /* ------------------------------ views ------------------------------ */

    /// @inheritdoc IProcessorRegistry
    function processor(ProcessorId id) external view returns (ProcessorView memory v) {
        Standing memory s = _standings[id];
        require(s.provider != address(0), ProcessorRegistryUnknown(id));
        (v.operator, v.qubits, v.freeQubits, v.quality, v.certifiedUntil, v.suspended, v.retired) = ALLOCATOR.dispatch(id);
        v.provider = s.provider;
        v.bond = s.bond * UNIT;
        (uint256 a, uint256 b) = reputation(id);
        (v.alpha, v.beta) = (uint32(a), uint32(b));
        Certified memory c = _certified[id];
        v.epoch = c.epoch;
        v.capability = Capability(
            c.widthTested,
            c.log2QuantumVolume,
            c.errorPerLayeredGate,
            c.layersPerSecond,
            c.readoutError,
            c.t1Nanoseconds,
            c.t2Nanoseconds,
            c.ghzWidth,
            c.quality
        );
    }

    /// @inheritdoc IProcessorRegistry
    function ownerOf(ProcessorId id) external view returns (address) {
        return _standings[id].provider;
    }

    /// @inheritdoc IProcessorRegistry
    function operatorOf(ProcessorId id) external view returns (address operator) {
        (operator,,,,,,) = ALLOCATOR.dispatch(id);
    }

    /// @inheritdoc IProcessorRegistry
    function bondOf(ProcessorId id) external view returns (uint256) {
        return _standings[id].bond * UNIT;
    }

    /// @inheritdoc IProcessorRegistry
    function unbondingOf(ProcessorId id) external view returns (uint256 amount, uint40 availableAt) {
        return (_releases[id].amount * UNIT, _releases[id].availableAt);
    }

    /// @inheritdoc IProcessorRegistry
    function reputation(ProcessorId id) public view returns (uint256 alpha, uint256 beta) {
        (alpha, beta) = _decayed(_standings[id]);
        return (alpha + Reputation.ONE, beta + Reputation.ONE);
    }

    /// @inheritdoc IProcessorRegistry
    function log2Odds(ProcessorId id) external view returns (int256) {
        (uint256 a, uint256 b) = _decayed(_standings[id]);
        return Reputation.log2Odds(a, b);
    }

    /// @inheritdoc IProcessorRegistry
    function sharesProvider(ProcessorId id, ProcessorId[] calldata others) external view returns (bool) {
        address provider = _standings[id].provider;
        for (uint256 i; i < others.length; ++i) {
            if (_standings[others[i]].provider == provider) return true;
        }
        return false;
    }

    /// @inheritdoc IProcessorRegistry
    function processorCount() external view returns (uint256) {
        return _settings.count;
    }

    /// @inheritdoc IProcessorRegistry
    function certificateLife() external view returns (uint40) {
        return _settings.certificateLife;
    }

    /// @inheritdoc IProcessorRegistry
    function leastBond() external view returns (uint256) {
        return _settings.leastBond * UNIT;
    }

    /// @inheritdoc IProcessorRegistry
    function halfLife() external view returns (uint40) {
        return _settings.halfLife;
    }

    /// @inheritdoc IProcessorRegistry
    function unbondDelay() external view returns (uint40) {
        return _settings.unbondDelay;
    }

    /// @inheritdoc IProcessorRegistry
    function claimTolerance() external view returns (uint16 tolerance, uint16 slashPermille) {
        return (_settings.tolerance, _settings.slashPermille);
    }

    /* ------------------------------ internals ------------------------------ */

    /// @dev The first certificate checks what the provider claimed.
    function _checkClaim(ProcessorId id, uint16 claimed, uint16 measured) private {
        Settings memory s = _settings;
        if (claimed <= uint256(measured) + s.tolerance) return;
        uint256 amount = uint256(_standings[id].bond) * s.slashPermille / 1000 * UNIT;
        amount = _take(id, amount, treasury, "claim");
        emit ClaimRefuted(id, claimed, measured, amount);
        if (amount != 0) ALLOCATOR.giveBond(treasury, amount);
    }

    /// @dev Takes up to `amount`, in whole units, from a bond.
    function _take(ProcessorId id, uint256 amount, address beneficiary, bytes32 cause) private returns (uint256 taken) {
        uint256 held = _standings[id].bond;
        uint256 units = amount / UNIT;
        if (units > held) units = held;
        if (units == 0) return 0;
        // units <= held < 2^40
        _standings[id].bond = uint40(held - units);
        taken = units * UNIT;
        emit Slashed(id, beneficiary, taken, cause);
    }

    /// @dev What stays after a release must reach the least bond, or the processor must be retired and idle.
    function _checkRest(ProcessorId id, uint256 units) private view {
        Settings memory s = _settings;
        uint256 held = _standings[id].bond;
        require(units != 0 && units <= held, ProcessorRegistryBadBond(units * UNIT, UNIT, held * UNIT));
        if (held - units >= s.leastBond) return;
        (, uint16 qubits, uint16 free,,,, bool retired) = ALLOCATOR.dispatch(id);
        require(retired, ProcessorRegistryBadBond((held - units) * UNIT, s.leastBond * UNIT, MOST_BOND_UNITS * UNIT));
        require(free == qubits, ProcessorRegistryBusy(id));
    }

    function _decayed(Standing memory s) private view returns (uint256 a, uint256 b) {
        uint256 ticks = _tick() - s.tick;
        if (ticks == 0) return (s.alpha, s.beta);
        uint256 half = _settings.halfLife >> Reputation.TICK_BITS;
        return (Reputation.decay(s.alpha, ticks, half), Reputation.decay(s.beta, ticks, half));
    }

    function _tick() private view returns (uint24) {
        return uint24(block.timestamp >> Reputation.TICK_BITS);
    }

    /// @dev Whole bond units in an amount.
    function _units(uint256 amount) private view returns (uint256 units) {
        units = amount / UNIT;
        require(
            amount % UNIT == 0 && units <= MOST_BOND_UNITS, ProcessorRegistryBadBond(amount, UNIT, MOST_BOND_UNITS * UNIT)
        );
    }

    function _bound(bytes32 name, uint256 value, uint256 least, uint256 most) private pure {
        require(value >= least && value <= most, ProcessorRegistryOutOfBounds(name, value, least, most));
    }
}
