// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IEpochSettlement} from "./interfaces/IEpochSettlement.sol";
import {IOracleQuorum} from "./interfaces/IOracleQuorum.sol";

/// @title EpochSettlement
/// @notice Escrows, one root an epoch, cumulative claims. The rules are written out in IEpochSettlement.
contract EpochSettlement is IEpochSettlement, EIP712 {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    bytes32 private constant EPOCH_TYPEHASH =
        keccak256("Epoch(uint64 number,uint32 era,bytes32 root,bytes32 results)");
    bytes32 private constant DEBT_TYPEHASH = keccak256("Debt(address client,address provider,uint128 cumulative)");

    /// @notice Time between the announcement of an exit and the exit.
    uint40 public constant EXIT_DELAY = 7 days;

    /// @dev One word.
    struct Escrow {
        uint128 amount;
        uint40 availableAt;
    }

    /// @dev One word: a claim writes no other of the provider's.
    struct Pair {
        uint128 claimed;
        uint128 collected;
    }

    /// @notice The credit token.
    IERC20 public immutable CREDIT;
    /// @notice The oracle quorum.
    IOracleQuorum public immutable QUORUM;

    /// @inheritdoc IEpochSettlement
    uint64 public epochCount;
    /// @inheritdoc IEpochSettlement
    mapping(uint64 epoch => bytes32) public rootOf;
    mapping(address client => Escrow) private _escrows;
    mapping(address client => mapping(address provider => Pair)) private _pairs;

    constructor(address credit, address quorum) EIP712("QCRS EpochSettlement", "1") {
        CREDIT = IERC20(credit);
        QUORUM = IOracleQuorum(quorum);
    }

    /* ------------------------------ clients ------------------------------ */

    /// @inheritdoc IEpochSettlement
    function fund(address client, uint256 amount) external {
        if (amount == 0) revert EpochSettlementZeroAmount();
        CREDIT.safeTransferFrom(msg.sender, address(this), amount);
        _escrows[client].amount += amount.toUint128();
        emit Funded(client, msg.sender, amount);
    }

    /// @inheritdoc IEpochSettlement
    function startExit() external {
        uint40 availableAt = uint40(block.timestamp) + EXIT_DELAY;
        _escrows[msg.sender].availableAt = availableAt;
        emit ExitStarted(msg.sender, availableAt);
    }

    /// @inheritdoc IEpochSettlement
    function exit() external returns (uint256 amount) {
        Escrow memory e = _escrows[msg.sender];
        if (e.availableAt == 0 || block.timestamp < e.availableAt) revert EpochSettlementNotAvailable(e.availableAt);
        amount = e.amount;
        delete _escrows[msg.sender];
        emit Exited(msg.sender, amount);
        if (amount != 0) CREDIT.safeTransfer(msg.sender, amount);
    }

    /* ------------------------------ oracles ------------------------------ */

    /// @inheritdoc IEpochSettlement
    function commitEpoch(
        Epoch calldata epoch,
        bytes32[] calldata results,
        uint256 bitmap,
        bytes calldata signatures
    ) external {
        uint64 expected = epochCount + 1;
        if (epoch.number != expected) revert EpochSettlementBadNumber(epoch.number, expected);
        if (results.length != 0) {
            bytes32 found = keccak256(abi.encodePacked(results));
            if (found != epoch.results) revert EpochSettlementBadResults(found, epoch.results);
        }
        QUORUM.verify(epochDigest(epoch), epoch.era, bitmap, signatures);
        epochCount = expected;
        rootOf[expected] = epoch.root;
        emit EpochCommitted(expected, epoch.root, epoch.results, bitmap);
    }

    /* ------------------------------ providers ------------------------------ */

    /// @inheritdoc IEpochSettlement
    function claim(
        uint64 epoch,
        address client,
        address provider,
        uint128 cumulative,
        uint256 index,
        bytes32[] calldata proof
    ) external returns (uint256 amount) {
        bytes32 root = rootOf[epoch];
        if (root == 0) revert EpochSettlementUnknownEpoch(epoch);
        // A leaf's hash covers 128 bytes, a node's 64: no node passes for a leaf, however short the proof.
        if (_climb(leafOf(client, provider, cumulative), index, proof) != root) {
            revert EpochSettlementBadProof(epoch);
        }
        Escrow storage e = _escrows[client];
        Pair storage p = _pairs[client][provider];
        (uint128 claimed, uint128 left) = (p.claimed, e.amount);
        if (cumulative <= claimed || left == 0) revert EpochSettlementNothingToClaim(claimed, left);
        uint128 due = cumulative - claimed;
        if (due > left) due = left;
        e.amount = left - due;
        p.claimed = claimed + due;
        emit Claimed(client, provider, epoch, due, claimed + due);
        return due;
    }

    /// @inheritdoc IEpochSettlement
    function collect(address[] calldata clients, address to) external returns (uint256 amount) {
        for (uint256 i; i < clients.length; ++i) {
            Pair storage p = _pairs[clients[i]][msg.sender];
            uint256 part = p.claimed - p.collected;
            if (part == 0) continue;
            p.collected = p.claimed;
            amount += part;
            emit Collected(clients[i], msg.sender, to, part);
        }
        if (amount == 0) revert EpochSettlementZeroAmount();
        CREDIT.safeTransfer(to, amount);
    }

    /* ------------------------------ views ------------------------------ */

    /// @inheritdoc IEpochSettlement
    function epochDigest(Epoch calldata epoch) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(abi.encode(EPOCH_TYPEHASH, epoch.number, epoch.era, epoch.root, epoch.results))
        );
    }

    /// @inheritdoc IEpochSettlement
    function leafOf(address client, address provider, uint128 cumulative) public pure returns (bytes32) {
        return keccak256(abi.encode(DEBT_TYPEHASH, client, provider, cumulative));
    }

    /// @inheritdoc IEpochSettlement
    function escrowOf(address client) external view returns (uint256 amount, uint40 availableAt) {
        return (_escrows[client].amount, _escrows[client].availableAt);
    }

    /// @inheritdoc IEpochSettlement
    function claimedOf(address client, address provider) external view returns (uint256 claimed, uint256 collected) {
        return (_pairs[client][provider].claimed, _pairs[client][provider].collected);
    }

    /* ------------------------------ internals ------------------------------ */

    /// @dev The root to which a leaf leads: as IndexedMerkle has it, without a count of leaves and in the scratch space.
    function _climb(bytes32 node, uint256 index, bytes32[] calldata proof) private pure returns (bytes32) {
        assembly ("memory-safe") {
            let place := proof.offset
            for { let end := add(place, shl(5, proof.length)) } lt(place, end) { place := add(place, 32) } {
                // the node goes left or right by the lowest bit, its sibling to the other side
                let side := shl(5, and(index, 1))
                mstore(side, node)
                mstore(xor(side, 32), calldataload(place))
                node := keccak256(0, 64)
                index := shr(1, index)
            }
        }
        return node;
    }
}
