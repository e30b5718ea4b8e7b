// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title IOracleQuorum
/// @notice Who may attest: one set of n = 3f + 1 signers per era, 2f + 1 of which speak for the quorum, and their bonds.
/// @dev The signer list is contract code (SSTORE2), read with one EXTCODECOPY. A rotation is pushed to the
/// ResultVerifier, which passes it on to the ProcessorRegistry, so that a verdict or certificate needs no call here. Signatures are compact (r, vs) pairs of ERC-2098, 64 bytes each, ordered by signer
/// index; bit i of the bitmap says that signer i signed. So each signer counts once and the order is canonical.
/// Bonds are held by this contract in the credit token: token balance >= sum of bonds + sum of credits.
interface IOracleQuorum {
    /// @notice An oracle added to its bond.
    event OracleBonded(address indexed oracle, uint256 amount);
    /// @notice An oracle asked for `amount` back, free at `availableAt` unless slashed before.
    event OracleUnbonding(address indexed oracle, uint256 amount, uint40 availableAt);
    /// @notice The rest of an unbonding after slashes left.
    event OracleBondWithdrawn(address indexed oracle, uint256 amount);
    /// @notice `amount` was taken from an oracle's bond; `reward` of it is the prover's, the rest the treasury's.
    event OracleSlashed(address indexed oracle, address indexed prover, uint256 amount, uint256 reward, bytes32 proof);
    /// @notice A new era began.
    event EraStarted(uint32 indexed era, address[] signers, bytes32 identities, address pointer);
    /// @notice Credits (rewards, treasury shares) were paid out.
    event CreditsWithdrawn(address indexed account, uint256 amount);
    /// @notice An admin parameter changed.
    event ParameterSet(bytes32 indexed name, uint256 value);

    /// @notice `count` is not 3f + 1 between 4 and 31.
    error OracleQuorumBadSize(uint256 count);
    /// @notice Signers must be distinct and not zero.
    error OracleQuorumBadSigner(address signer);
    /// @notice The oracle's bond is below the least one.
    error OracleQuorumBondTooSmall(address oracle, uint256 bond, uint256 least);
    /// @notice The bitmap has too few bits, or a bit past the signer count.
    error OracleQuorumNotReached(uint256 signatures, uint256 threshold);
    /// @notice The signature bytes do not hold 64 for each bit of the bitmap.
    error OracleQuorumBadLength(uint256 length, uint256 expected);
    /// @notice A signature is not by the signer that its bit names.
    error OracleQuorumBadSignature(uint256 index, address expected, address recovered);
    /// @notice The era is not the current one.
    error OracleQuorumStaleEra(uint32 era, uint32 current);
    /// @notice Only the ResultVerifier slashes.
    error OracleQuorumUnauthorized(address caller);
    /// @notice The unbonding is not free yet, or there is none.
    error OracleQuorumNotAvailable(uint40 availableAt);
    /// @notice A signer of the current era keeps at least the least bond.
    error OracleQuorumStillSigner(address oracle);
    /// @notice The value is outside the hard bounds.
    error OracleQuorumOutOfBounds(bytes32 name, uint256 value, uint256 least, uint256 most);
    /// @notice Nothing to move.
    error OracleQuorumZeroAmount();

    /// @notice Takes `amount` of credit (ERC-20 allowance) as the caller's bond.
    function bond(uint256 amount) external;

    /// @notice Starts to free `amount` of the caller's bond. A second call adds to it and restarts the delay. The amount can
    /// still be slashed until it is withdrawn.
    function unbond(uint256 amount) external;

    /// @notice Pays out the caller's unbonding after the delay.
    function withdrawBond() external;

    /// @notice Pays out the caller's rewards.
    function withdrawCredits() external;

    /// @notice Starts the next era. Restricted to CERTIFICATION. Every signer's bond must reach `leastBond`.
    /// @param identities content id of the JSON list of the oracles' HPKE and beacon keys
    function rotate(address[] calldata signers, bytes32 identities) external;

    /// @notice Least bond of a signer. Restricted to CERTIFICATION.
    function setLeastBond(uint256 amount) external;

    /// @notice Where the unrewarded part of a slash goes; not zero. Restricted to the AccessManager's ADMIN.
    function setTreasury(address account) external;

    /// @notice Takes up to `slashPermille` of the oracle's bond. Only by the ResultVerifier, after an equivocation proof.
    /// @return taken never more than the bond
    function slash(address oracle, address prover, bytes32 proof) external returns (uint256 taken);

    /// @notice Reverts unless 2f + 1 signers of the current era signed `digest`.
    /// @return era the current era
    function verify(bytes32 digest, uint32 era_, uint256 bitmap, bytes calldata signatures)
        external
        view
        returns (uint32 era);

    /// @notice The current era, from 1; 0 before the first rotation.
    function era() external view returns (uint32);

    /// @notice Signers of the current era in index order.
    function signers() external view returns (address[] memory);

    /// @notice Signers of any era.
    function signersOf(uint32 era_) external view returns (address[] memory);

    /// @notice Content id of the current era's oracle keys.
    function identities() external view returns (bytes32);

    /// @notice Signatures needed: 2f + 1.
    function threshold() external view returns (uint256);

    /// @notice Whether `account` signs in the current era.
    function isSigner(address account) external view returns (bool);

    /// @notice The account's bond, unbonding part included.
    function bondOf(address account) external view returns (uint256);

    /// @notice The part of a bond on its way out, and when it is free.
    function unbondingOf(address account) external view returns (uint256 amount, uint40 availableAt);

    /// @notice Rewards of `account` that wait to be withdrawn.
    function creditsOf(address account) external view returns (uint256);

    /// @notice Least bond of a signer.
    function leastBond() external view returns (uint256);

    /// @notice Where the unrewarded part of a slash goes.
    function treasury() external view returns (address);
}

/// @title IEraConsumer
/// @notice Learns the signer set of a new era: the ResultVerifier from the OracleQuorum, the ProcessorRegistry from the former.
interface IEraConsumer {
    /// @param pointer contract whose code after the first byte is the packed 20-byte signer list
    function eraStarted(uint32 era, address pointer, uint8 count, uint8 threshold) external;
}
