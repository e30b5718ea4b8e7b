// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Dispatch} from "../libraries/ProcessorWords.sol";
import {IProcessorKeys} from "./IProcessorKeys.sol";
import {ProcessorId, ProcessorSpec, ProcessorView, Capability, Certification, Outcome} from "../libraries/Types.sol";

/// @title IProcessorRegistry
/// @notice Who computes: identity, bond, certified capability, reputation.
///
/// A *processor* is one QPU or simulator, owned by a *provider* account that bonds credit for it. Bonds are at most 2^40 - 1
/// units. What every step of a job needs of a processor (who may ask, free qubits, certified quality, owner, bond, reputation) is
/// two words in the allocator; this contract keeps the rest and decides over them.
///
/// Reputation is a pair Beta(a, b) in 1/256 of an observation, each the decayed evidence plus a prior of one (256). Evidence e
/// decays as `e * 2^(-dt / halfLife)`; dt is measured in whole ticks of 256 s; `2^-f` inside a half-life is taken from the
/// quadratic 1 - 0.67157 f + 0.17157 f^2 (44,012 and 11,244 of 65,536; error below 0.3 %). Accept adds 1 to a, or 26/256 if weakly verified; Reject and
/// a missed deadline add 1 to b, Fraud adds 8. Evidence saturates at 65,535/256.
/// Verdicts alone change it; since outcome, weakness and time of each are in the log, so is every value of it. A job's verdicts use
/// the half-life in force when it was submitted.
/// Log2-odds are `log2(a / b)` in 1/256 bit, with the linear mantissa log2(1 + m) ~ m + 0.34375 m (1 - m).
///
/// Certificates are EIP-712 structs under the domain ("QCRS ProcessorRegistry", "1", chain id, this contract):
/// `Certification(uint32 processor,uint32 era,uint32 epoch,uint40 validUntil,Capability capability,bytes32 report)`
/// `Capability(uint16 widthTested,uint16 log2QuantumVolume,uint32 errorPerLayeredGate,uint32 layersPerSecond,`
/// `uint32 readoutError,uint32 t1Nanoseconds,uint32 t2Nanoseconds,uint16 ghzWidth,uint16 quality)`.
interface IProcessorRegistry is IProcessorKeys {
    /// @notice A processor joined. `profile`, `metadata` and `identity` are kept in this event alone.
    /// @param dispatch operator 160 | qubits 12 | free qubits 12 | claimed quality 12, lowest bits first
    event ProcessorRegistered(
        ProcessorId indexed processor,
        address indexed provider,
        bytes32 profile,
        bytes32 metadata,
        Dispatch dispatch,
        bytes32 identity,
        uint256 bond
    );
    /// @notice A certificate took effect.
    event ProcessorCertified(
        ProcessorId indexed processor,
        uint32 indexed epoch,
        uint32 era,
        uint40 validUntil,
        Capability capability,
        bytes32 report
    );
    /// @notice The first certificate refuted the claimed quality by more than the tolerance.
    event ClaimRefuted(ProcessorId indexed processor, uint16 claimed, uint16 measured, uint256 slashed);
    /// @notice The hot key changed.
    event OperatorSet(ProcessorId indexed processor, address operator);
    /// @notice The public description changed.
    event MetadataSet(ProcessorId indexed processor, bytes32 metadata);
    /// @notice The off-chain keys changed.
    event IdentitySet(ProcessorId indexed processor, bytes32 identity);
    /// @notice Bond was added from the provider's balance.
    event BondAdded(ProcessorId indexed processor, uint256 amount);
    /// @notice The provider asked for bond back, free at `availableAt` unless slashed before.
    event BondReleaseStarted(ProcessorId indexed processor, uint256 amount, uint40 availableAt);
    /// @notice Bond returned to the provider's balance.
    event BondReleased(ProcessorId indexed processor, uint256 amount);
    /// @notice `amount` of the bond went to `beneficiary`'s balance.
    event Slashed(ProcessorId indexed processor, address indexed beneficiary, uint256 amount, bytes32 cause);
    /// @notice What stops a processor was set or changed; it works while neither does. `barred`: the Certification Authority
    /// stops it, and it alone readmits. `short`: what it has at stake fell below the least bond, and adding bond readmits.
    event SuspensionSet(ProcessorId indexed processor, bool barred, bool short);
    /// @notice The provider took its processor off the exchange for good.
    event ProcessorRetired(ProcessorId indexed processor);
    /// @notice An admin parameter changed.
    event ParameterSet(bytes32 indexed name, uint256 value);

    /// @notice No such processor.
    error ProcessorRegistryUnknown(ProcessorId processor);
    /// @notice The caller does not own the processor.
    error ProcessorRegistryNotProvider(ProcessorId processor, address caller);
    /// @notice Only the allocator or the verifier.
    error ProcessorRegistryUnauthorized(address caller);
    /// @notice Qubits must be 1..4095, the claimed quality 0..4095, and the operator an address.
    error ProcessorRegistryBadSpec(uint256 qubits, uint256 claimedQuality, uint256 operator);
    /// @notice The bond is below the least one or above 2^40 - 1.
    error ProcessorRegistryBadBond(uint256 bond, uint256 least, uint256 most);
    /// @notice The certificate's epoch is not above the last one.
    error ProcessorRegistryStaleEpoch(uint32 epoch, uint32 last);
    /// @notice The certificate is past or lives longer than allowed.
    error ProcessorRegistryBadValidity(uint40 validUntil, uint40 latest);
    /// @notice The capability is not possible: quality 0 or above 4095, or wider than the processor.
    error ProcessorRegistryBadCapability(uint16 widthTested, uint16 quality);
    /// @notice The processor has left.
    error ProcessorRegistryRetired(ProcessorId processor);
    /// @notice An oracle of the current era cannot be the operator.
    error ProcessorRegistryConflict(ProcessorId processor, address oracle);
    /// @notice Qubits are still allocated.
    error ProcessorRegistryBusy(ProcessorId processor);
    /// @notice The release is not free yet (or none was started: 0).
    error ProcessorRegistryNotAvailable(uint40 availableAt);
    /// @notice The value is outside the hard bounds.
    error ProcessorRegistryOutOfBounds(bytes32 name, uint256 value, uint256 least, uint256 most);
    /// @notice 2^22 - 1 processors exist.
    error ProcessorRegistryFull();

    /* ------------------------------ provider ------------------------------ */

    /// @notice Registers a processor of the caller's and bonds `spec.bond` from its balance in the allocator.
    /// It may be given jobs of its direct queue at once, and jobs of flows as soon as it is certified.
    function register(ProcessorSpec calldata spec) external returns (ProcessorId processor);

    /// @notice Changes the hot key. Zero means the provider itself. Not an oracle of the current era.
    function setOperator(ProcessorId processor, address operator) external;

    /// @notice Changes the public description.
    function setMetadata(ProcessorId processor, bytes32 metadata) external;

    /// @notice Changes the off-chain keys of a processor without a post-quantum key.
    function setIdentity(ProcessorId processor, bytes32 identity) external;

    /// @notice Adds bond from the provider's balance; what reaches the least bond again readmits. An amount of 0 asks whether
    /// it does.
    function addBond(ProcessorId processor, uint256 amount) external;

    /// @notice Starts to free `amount` of the bond; a later call replaces the earlier one. Of a processor without a key. Until it is withdrawn it can be
    /// slashed. The delay exceeds challenge, ruling and both verdict windows together. What stays must reach the least bond, unless the
    /// processor is retired. What is on its way out is no stake any more: nothing but a slash counts it.
    function unbond(ProcessorId processor, uint256 amount) external;

    /// @notice Moves the freed bond to the provider's balance.
    function withdrawBond(ProcessorId processor) external;

    /// @notice Takes the processor off the exchange for good. It finishes what it has; then its whole bond may leave.
    function retire(ProcessorId processor) external;

    /* ------------------------------ oracles ------------------------------ */

    /// @notice Takes a quorum-signed certificate; anyone may relay it. A newer epoch replaces an older one. No oracle of the era
    /// may be the processor's operator.
    function certify(Certification calldata certification, uint256 bitmap, bytes calldata signatures) external;

    /// @notice The digest that oracles sign for `certification`.
    function certificationDigest(Certification calldata certification) external view returns (bytes32);

    /* ------------------------------ exchange contracts only ------------------------------ */

    /// @notice Moves up to `amount` of the bond, in whole units, to the balance of `beneficiary`, or of the treasury if that is
    /// zero. What is on its way out can be taken too. With less than the least bond left at stake the processor gets no new work.
    /// Only by the allocator or the verifier.
    /// @return taken never more than the bond
    function slash(ProcessorId processor, uint256 amount, address beneficiary, bytes32 cause)
        external
        returns (uint256 taken);

    /* ------------------------------ bodies ------------------------------ */

    /// @notice Stops or readmits a processor. Restricted to SUSPENSION. Acts at once. With less than the least bond at stake
    /// it stays stopped.
    function setSuspended(ProcessorId processor, bool suspended) external;

    /// @notice Longest life of a certificate in seconds, 1 hour to 1 year. Restricted to CERTIFICATION.
    function setCertificateLife(uint40 lifeSeconds) external;

    /// @notice Least bond of a new processor, and what each must keep at stake. Restricted to CERTIFICATION. Of processors that
    /// are there it is asked when their bond is slashed, added to or freed the next time.
    function setLeastBond(uint256 amount) external;

    /// @notice Half-life of the reputation's evidence in seconds, 1 day to 2 years. Restricted to STANDARDS.
    function setHalfLife(uint40 halfLifeSeconds) external;

    /// @notice How far (in quality units, 64 to 4095) a claim may exceed the first certificate, and the share of the bond
    /// (in 1/1000, at most 500) that a greater excess costs. Restricted to CERTIFICATION.
    function setClaimTolerance(uint16 tolerance, uint16 slashPermille) external;

    /// @notice Seconds between `unbond` and `withdrawBond`: more than challenge window, ruling window and two verdict windows
    /// (an undecided execution has a second look) together, at most 90 days. Restricted to CERTIFICATION.
    function setUnbondDelay(uint40 delaySeconds) external;

    /// @notice Where slashes without another beneficiary go; not zero. Restricted to the AccessManager's ADMIN.
    function setTreasury(address account) external;

    /* ------------------------------ views ------------------------------ */

    /// @notice Everything about a processor. Reverts if there is none.
    function processor(ProcessorId id) external view returns (ProcessorView memory);

    /// @notice The provider; the zero address if there is no such processor.
    function ownerOf(ProcessorId id) external view returns (address);

    /// @notice The hot key; the zero address if there is no such processor.
    function operatorOf(ProcessorId id) external view returns (address);

    /// @notice The bond, what is on its way out included.
    function bondOf(ProcessorId id) external view returns (uint256);

    /// @notice The started release and when it is free; zeros if none.
    function unbondingOf(ProcessorId id) external view returns (uint256 amount, uint40 availableAt);

    /// @notice Decayed reputation now, in 1/256 of an observation, the prior of one included.
    function reputation(ProcessorId id) external view returns (uint256 alpha, uint256 beta);

    /// @notice `log2(a / b)` of the decayed reputation now, in 1/256 bit.
    function log2Odds(ProcessorId id) external view returns (int256);

    /// @notice Processors registered so far; ids run from 1 to this.
    function processorCount() external view returns (uint256);

    /// @notice Longest life of a certificate in seconds.
    function certificateLife() external view returns (uint40);

    /// @notice Least bond of a new processor, and what each must keep at stake.
    function leastBond() external view returns (uint256);

    /// @notice Half-life of the reputation's evidence in seconds.
    function halfLife() external view returns (uint40);

    /// @notice Seconds between `unbond` and `withdrawBond`.
    function unbondDelay() external view returns (uint40);

    /// @notice Tolerance of a claim in quality units, and the share of the bond (1/1000) that a greater excess costs.
    function claimTolerance() external view returns (uint16 tolerance, uint16 slashPermille);

    /// @notice Where slashes without another beneficiary go.
    function treasury() external view returns (address);
}
