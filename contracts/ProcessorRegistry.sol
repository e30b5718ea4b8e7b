// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IComputationAllocator} from "./interfaces/IComputationAllocator.sol";
import {IOracleQuorum} from "./interfaces/IOracleQuorum.sol";
import {IProcessorKeys} from "./interfaces/IProcessorKeys.sol";
import {IProcessorRegistry} from "./interfaces/IProcessorRegistry.sol";
import {Dispatch, Standing, packDispatch, packStanding} from "./libraries/ProcessorWords.sol";
import {Reputation} from "./libraries/Reputation.sol";
import {Capability, ProcessorId, ProcessorSpec, ProcessorView, QuantumKey} from "./libraries/Types.sol";
import {Bonds} from "./registry/Bonds.sol";
import {Certificates} from "./registry/Certificates.sol";
import {RegistryBase} from "./registry/RegistryBase.sol";

/// @title ProcessorRegistry
/// @notice Who computes: identity, bond, certified capability, reputation. The rules are written out in IProcessorRegistry.
/// @dev Registration, identity and reputation are here; certificates, bonds and keys are parts of their own.
contract ProcessorRegistry is Certificates, Bonds {
    uint256 private constant MOST_PROCESSORS = (1 << 22) - 1;
    uint256 private constant MOST_QUBITS = 4095;

    /// @notice The oracle quorum that signs certificates.
    IOracleQuorum public immutable QUORUM;

    constructor(
        address authority_,
        address allocator,
        address quorum,
        address verifier,
        address treasury_,
        uint256 unit
    ) RegistryBase(authority_, allocator, verifier, treasury_, unit) EIP712("QCRS ProcessorRegistry", "1") {
        QUORUM = IOracleQuorum(quorum);
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
    function retire(ProcessorId id) external onlyProvider(id) {
        (,,,,, bool suspended, bool retired) = ALLOCATOR.dispatch(id);
        if (retired) revert ProcessorRegistryRetired(id);
        emit ProcessorRetired(id);
        ALLOCATOR.setBlocked(id, suspended, true);
    }

    /* ------------------------------ bodies ------------------------------ */

    /// @inheritdoc IProcessorRegistry
    function setHalfLife(uint40 halfLifeSeconds) external restricted {
        _bound("halfLife", halfLifeSeconds, 1 days, 730 days);
        emit ParameterSet("halfLife", halfLifeSeconds);
        ALLOCATOR.setHalfLife(halfLifeSeconds);
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
    function halfLife() external view returns (uint40) {
        return ALLOCATOR.halfLife();
    }

    /* ------------------------------ internals ------------------------------ */

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
}
