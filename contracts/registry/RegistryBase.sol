// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ProcessorKeys} from "../identity/ProcessorKeys.sol";
import {IComputationAllocator} from "../interfaces/IComputationAllocator.sol";
import {IProcessorRegistry} from "../interfaces/IProcessorRegistry.sol";
import {ProcessorId} from "../libraries/Types.sol";

/// @title RegistryBase
/// @notice What the registry's parts share: the exchange's contracts, the settings, and whose a processor is.
abstract contract RegistryBase is IProcessorRegistry, AccessManaged, ProcessorKeys {
    uint256 internal constant LEAST_BOND_AT = 32;
    uint256 internal constant DELAY_AT = 72;
    uint256 internal constant TOLERANCE_AT = 112;
    uint256 internal constant PERMILLE_AT = 128;

    /// @notice The exchange's allocator, which holds all tokens.
    IComputationAllocator public immutable ALLOCATOR;
    /// @notice The result verifier.
    address public immutable VERIFIER;
    /// @notice Base units of the credit token in one bond unit.
    uint256 public immutable UNIT;

    /// @dev count 32 | least bond 40 | unbonding delay 40 | claim tolerance 16 | its price 16, lowest bits first.
    uint256 internal _settings;
    /// @inheritdoc IProcessorRegistry
    address public treasury;

    constructor(address authority_, address allocator, address verifier, address treasury_, uint256 unit)
        AccessManaged(authority_)
    {
        ALLOCATOR = IComputationAllocator(allocator);
        VERIFIER = verifier;
        UNIT = unit;
        treasury = treasury_;
        // bonds from 1 unit, unbonding 14 days, claims more than 256 units (a factor of two in error) too high cost a tenth of
        // the bond
        _settings = 1 << LEAST_BOND_AT | 14 days << DELAY_AT | 256 << TOLERANCE_AT | 100 << PERMILLE_AT;
    }

    modifier onlyProvider(ProcessorId id) {
        address provider = _providerOf(id);
        if (msg.sender != provider) revert ProcessorRegistryNotProvider(id, msg.sender);
        _;
    }

    /// @inheritdoc IProcessorRegistry
    function bondOf(ProcessorId id) public view returns (uint256 bond) {
        (, bond,,) = ALLOCATOR.standing(id);
    }

    function _providerOf(ProcessorId id) internal view returns (address provider) {
        (provider,,,) = ALLOCATOR.standing(id);
        if (provider == address(0)) revert ProcessorRegistryUnknown(id);
    }

    /// @dev Takes up to `amount` of a bond for `beneficiary`; what was taken. Bonds does it.
    function _slash(ProcessorId id, uint256 amount, address beneficiary, bytes32 cause) internal virtual returns (uint256);

    function _set(uint256 offset, uint256 bits, uint256 value) internal {
        _settings = _settings & ~((1 << bits) - 1 << offset) | value << offset;
    }

    function _bound(bytes32 name, uint256 value, uint256 least, uint256 most) internal pure {
        if (value < least || value > most) revert ProcessorRegistryOutOfBounds(name, value, least, most);
    }
}
