// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IProcessorKeys} from "../interfaces/IProcessorKeys.sol";
import {IProcessorRegistry} from "../interfaces/IProcessorRegistry.sol";
import {IResultVerifier} from "../interfaces/IResultVerifier.sol";
import {ProcessorId, QuantumKey} from "../libraries/Types.sol";
import {RegistryBase} from "./RegistryBase.sol";

/// @title Bonds
/// @notice What a processor has at stake: deposit, release after a delay, slashing, and the stop of one with too little.
abstract contract Bonds is RegistryBase {
    uint256 internal constant BOND_BITS = 40;
    uint256 internal constant MOST_BOND_UNITS = (1 << BOND_BITS) - 1;

    /// @dev Bond on its way out, in units, and why a processor is stopped: by a body, or with less than the least bond at stake.
    struct Release {
        uint40 amount;
        uint40 availableAt;
        bool barred;
        bool short;
    }

    mapping(ProcessorId id => Release) private _releases;

    modifier onlyExchange() {
        if (msg.sender != address(ALLOCATOR) && msg.sender != VERIFIER) {
            revert ProcessorRegistryUnauthorized(msg.sender);
        }
        _;
    }

    /* ------------------------------ provider ------------------------------ */

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
    function setLeastBond(uint256 amount) external restricted {
        _bound("leastBond", amount, UNIT, MOST_BOND_UNITS * UNIT);
        _set(LEAST_BOND_AT, 40, _units(amount));
        emit ParameterSet("leastBond", amount);
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
    function setTreasury(address account) external restricted {
        _bound("treasury", uint160(account), 1, type(uint160).max);
        treasury = account;
        emit ParameterSet("treasury", uint160(account));
    }

    /* ------------------------------ views ------------------------------ */

    /// @inheritdoc IProcessorRegistry
    function unbondingOf(ProcessorId id) external view returns (uint256 amount, uint40 availableAt) {
        return (_releases[id].amount * UNIT, _releases[id].availableAt);
    }

    /// @inheritdoc IProcessorRegistry
    function leastBond() public view returns (uint256) {
        return uint40(_settings >> LEAST_BOND_AT) * UNIT;
    }

    /// @inheritdoc IProcessorRegistry
    function unbondDelay() public view returns (uint40) {
        return uint40(_settings >> DELAY_AT);
    }

    /* ------------------------------ internals ------------------------------ */

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

    function _slash(ProcessorId id, uint256 amount, address beneficiary, bytes32 cause)
        internal
        override
        returns (uint256 taken)
    {
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
}
