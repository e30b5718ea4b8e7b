// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IEraConsumer, IOracleQuorum} from "../interfaces/IOracleQuorum.sol";
import {IProcessorRegistry} from "../interfaces/IProcessorRegistry.sol";
import {Quorum} from "../libraries/Quorum.sol";
import {Capability, Certification, ProcessorId} from "../libraries/Types.sol";
import {RegistryBase} from "./RegistryBase.sol";

/// @title Certificates
/// @notice What a quorum of oracles measured of a processor, and what it costs to have claimed more.
abstract contract Certificates is IEraConsumer, RegistryBase {
    bytes32 private constant CAPABILITY_TYPEHASH = keccak256(
        "Capability(uint16 widthTested,uint16 log2QuantumVolume,uint32 errorPerLayeredGate,uint32 layersPerSecond,uint32 readoutError,uint32 t1Nanoseconds,uint32 t2Nanoseconds,uint16 ghzWidth,uint16 quality)"
    );
    bytes32 private constant CERTIFICATION_TYPEHASH = keccak256(
        "Certification(uint32 processor,uint32 era,uint32 epoch,uint40 validUntil,Capability capability,bytes32 report)Capability(uint16 widthTested,uint16 log2QuantumVolume,uint32 errorPerLayeredGate,uint32 layersPerSecond,uint32 readoutError,uint32 t1Nanoseconds,uint32 t2Nanoseconds,uint16 ghzWidth,uint16 quality)"
    );
    uint256 internal constant QUALITY_BITS = 12;
    uint256 private constant LIFE_AT = 208;

    /// @dev The adopted signer set, and what else a certificate needs: pointer 160 | number 32 | count 8 | threshold 8 |
    /// certificate life 32, lowest bits first.
    uint256 private _era;
    /// @dev The last certificate: epoch 32 | quality 16 | ghzWidth 16 | t2 32 | t1 32 | readoutError 32 | layersPerSecond 32 |
    /// errorPerLayeredGate 32 | log2QuantumVolume 16 | widthTested 16, lowest bits first.
    mapping(ProcessorId id => uint256) internal _certified;

    constructor() {
        // certificates for at most 30 days
        _era = 30 days << LIFE_AT;
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

    /* ------------------------------ bodies ------------------------------ */

    /// @inheritdoc IProcessorRegistry
    function setCertificateLife(uint40 lifeSeconds) external restricted {
        _bound("certificateLife", lifeSeconds, 1 hours, 365 days);
        _era = _era & (1 << LIFE_AT) - 1 | uint256(lifeSeconds) << LIFE_AT;
        emit ParameterSet("certificateLife", lifeSeconds);
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

    /* ------------------------------ views ------------------------------ */

    /// @inheritdoc IProcessorRegistry
    function certificateLife() external view returns (uint40) {
        return uint40(_era >> LIFE_AT);
    }

    /// @inheritdoc IProcessorRegistry
    function claimTolerance() public view returns (uint16 tolerance, uint16 slashPermille) {
        return (uint16(_settings >> TOLERANCE_AT), uint16(_settings >> PERMILLE_AT));
    }

    /* ------------------------------ internals ------------------------------ */

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
}
