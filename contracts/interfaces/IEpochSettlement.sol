// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title IEpochSettlement
/// @notice Work that is settled off the chain: an escrow of each client, one root an epoch, cumulative claims.
///
/// A client funds an escrow here. Off the chain it approves, provider by provider, a sum that only grows: what it owes that
/// provider in all. Once an epoch the oracle quorum signs one Merkle root over all of these sums, under the domain
/// ("QCRS EpochSettlement", "1", chain id, this contract): `Epoch(uint64 number,uint32 era,bytes32 root,bytes32 results)`,
/// where `results` is the keccak256 of the epoch's result hashes in a row, or whatever else names them. Epochs are counted from 1
/// without a gap, so a root is posted once.
///
/// A leaf is `keccak256(abi.encode(keccak256("Debt(address client,address provider,uint128 cumulative)"), client, provider,
/// cumulative))`, a node `keccak256(left ‖ right)`; missing leaves on the right are zero words. A proof under the root of any epoch
/// moves the difference between its sum and what the pair has moved before, as far as the client's escrow goes. So a claim that
/// is lost, late, repeated or of an older epoch does no harm, and no client pays from the escrow of another, whatever is signed.
///
/// A client leaves by announcing it; `EXIT_DELAY` later, which is time for an epoch and its claims, all that is left is its own
/// again. It needs nobody for that. Nobody governs this contract.
///
/// Token balance >= sum of escrows + sum of claimed and uncollected sums, always.
interface IEpochSettlement {
    /// @notice What a quorum signs for an epoch.
    struct Epoch {
        uint64 number;
        uint32 era;
        bytes32 root;
        bytes32 results;
    }

    /// @notice An escrow grew.
    event Funded(address indexed client, address indexed from, uint256 amount);
    /// @notice The root of an epoch is posted. `signers` is the bitmap.
    event EpochCommitted(uint64 indexed epoch, bytes32 root, bytes32 results, uint256 signers);
    /// @notice `amount` of the client's escrow is the provider's now; `claimed` in all.
    event Claimed(
        address indexed client, address indexed provider, uint64 indexed epoch, uint256 amount, uint256 claimed
    );
    /// @notice A provider took out what it had claimed from a client's escrow.
    event Collected(address indexed client, address indexed provider, address to, uint256 amount);
    /// @notice A client leaves; its escrow is free from `availableAt` on.
    event ExitStarted(address indexed client, uint40 availableAt);
    /// @notice A client took back the rest of its escrow.
    event Exited(address indexed client, uint256 amount);

    /// @notice Nothing to move.
    error EpochSettlementZeroAmount();
    /// @notice The epoch is not the one after the last.
    error EpochSettlementBadNumber(uint64 number, uint64 expected);
    /// @notice The result hashes are not those that were signed.
    error EpochSettlementBadResults(bytes32 found, bytes32 expected);
    /// @notice The epoch has no root.
    error EpochSettlementUnknownEpoch(uint64 epoch);
    /// @notice The proof does not lead from the leaf to the epoch's root.
    error EpochSettlementBadProof(uint64 epoch);
    /// @notice The sum was claimed before, or the client's escrow is empty.
    error EpochSettlementNothingToClaim(uint256 claimed, uint256 escrow);
    /// @notice No exit was started, or its delay runs.
    error EpochSettlementNotAvailable(uint40 availableAt);

    /// @notice Takes `amount` of the caller's credit (ERC-20 allowance) into the escrow of `client`.
    function fund(address client, uint256 amount) external;

    /// @notice Starts the caller's exit, or its delay anew.
    function startExit() external;

    /// @notice Pays the rest of the caller's escrow out, after its delay.
    function exit() external returns (uint256 amount);

    /// @notice Posts the next epoch's root, signed by 2f + 1 oracles of the current era. By anyone.
    /// @param results the epoch's result hashes, or none where they are kept elsewhere
    function commitEpoch(
        Epoch calldata epoch,
        bytes32[] calldata results,
        uint256 bitmap,
        bytes calldata signatures
    ) external;

    /// @notice Claims what a client owes a provider by the root of `epoch`. By anyone.
    /// @param index the leaf's place in the tree
    /// @return amount what was moved
    function claim(
        uint64 epoch,
        address client,
        address provider,
        uint128 cumulative,
        uint256 index,
        bytes32[] calldata proof
    ) external returns (uint256 amount);

    /// @notice Pays to `to` what the caller has claimed from these clients' escrows.
    function collect(address[] calldata clients, address to) external returns (uint256 amount);

    /// @notice The digest that oracles sign for an epoch.
    function epochDigest(Epoch calldata epoch) external view returns (bytes32);

    /// @notice The leaf of a pair and its sum.
    function leafOf(address client, address provider, uint128 cumulative) external pure returns (bytes32);

    /// @notice Epochs posted so far.
    function epochCount() external view returns (uint64);

    /// @notice The root of an epoch; 0 if there is none.
    function rootOf(uint64 epoch) external view returns (bytes32);

    /// @notice A client's escrow, and when it is free to leave; 0 where no exit is started.
    function escrowOf(address client) external view returns (uint256 amount, uint40 availableAt);

    /// @notice What a provider has claimed from a client's escrow in all, and taken out of that.
    function claimedOf(address client, address provider) external view returns (uint256 claimed, uint256 collected);
}
