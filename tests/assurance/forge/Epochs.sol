// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IEpochSettlement} from "../contracts/interfaces/IEpochSettlement.sol";
import {Links} from "./Links.sol";
import {VM} from "./Vm.sol";

/// @title Clients who settle off the chain: escrows, signed roots, claims in any order
/// @notice An epoch's tree has two leaves. What is signed only grows, but it may pass what a client has.
abstract contract Epochs is Links {
    struct Debt {
        address client;
        address provider;
        uint128 sum;
    }

    /// @dev The two leaves of each epoch, from 1.
    mapping(uint64 => Debt[2]) internal debts;
    mapping(address => mapping(address => uint128)) internal owed;
    uint256 internal epochIn;
    uint256 internal epochOut;

    function fund(uint256 seed) external act {
        address from = seed % 5 == 0 ? attacker : clients[seed % CLIENTS];
        uint256 held = credit.balanceOf(from);
        if (held == 0) revert Idle();
        uint256 amount = _in(_mix(seed, 1), 1, held < 1e8 ? held : 1e8);
        epochIn += amount;
        VM.prank(from);
        epochs.fund(clients[_mix(seed, 2) % CLIENTS], amount);
        _watchEpochs();
    }

    function commitEpoch(uint256 seed) external act {
        IEpochSettlement.Epoch memory e;
        e.number = epochs.epochCount() + 1;
        e.era = quorum.era();
        bytes32[2] memory leaves;
        for (uint256 i; i < 2; ++i) {
            address client = clients[_mix(seed, i) % CLIENTS];
            address provider = providers[_mix(seed, 2 + i) % PROVIDERS];
            owed[client][provider] += uint128(_in(_mix(seed, 4 + i), 0, 1e8));
            debts[e.number][i] = Debt(client, provider, owed[client][provider]);
            leaves[i] = epochs.leafOf(client, provider, owed[client][provider]);
        }
        e.root = keccak256(bytes.concat(leaves[0], leaves[1]));
        (uint256 bitmap, bytes memory signatures) = _sign(epochs.epochDigest(e), _mix(seed, 6));
        VM.prank(attacker);
        epochs.commitEpoch(e, new bytes32[](0), bitmap, signatures);
        VM.prank(attacker);
        try epochs.commitEpoch(e, new bytes32[](0), bitmap, signatures) {
            _flag(false, "I7: an epoch was posted twice");
        } catch {}
        _watchEpochs();
    }

    /// @dev A claim of any epoch moves what the pair has not moved before, as far as that client's escrow goes.
    function claim(uint256 seed) external act {
        uint64 count = epochs.epochCount();
        if (count == 0) revert Idle();
        uint64 epoch = uint64(count - seed % (count < 6 ? count : 6));
        uint256 i = _mix(seed, 1) % 2;
        Debt memory d = debts[epoch][i];
        Debt memory other = debts[epoch][1 - i];
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = epochs.leafOf(other.client, other.provider, other.sum);
        (uint256 before,) = epochs.claimedOf(d.client, d.provider);
        (uint256 escrow,) = epochs.escrowOf(d.client);
        VM.prank(attacker);
        if (seed % 4 == 0) {
            try epochs.claim(epoch, d.client, d.provider, d.sum + 1, i, proof) {
                _flag(false, "a sum was claimed that nobody signed");
            } catch {}
            return;
        }
        uint256 amount = epochs.claim(epoch, d.client, d.provider, d.sum, i, proof);
        uint256 due = d.sum - before;
        _flag(amount == (due < escrow ? due : escrow), "I2: a claim moved another amount");
        (uint256 left,) = epochs.escrowOf(d.client);
        _flag(left == escrow - amount, "I9: a claim took from another escrow");
        _watchEpochs();
    }

    function collect(uint256 seed) external act {
        address provider = providers[seed % PROVIDERS];
        uint256 before = credit.balanceOf(provider);
        VM.prank(provider);
        uint256 amount = epochs.collect(clients, provider);
        epochOut += amount;
        _flag(credit.balanceOf(provider) == before + amount, "I1: a collected sum did not arrive");
        _watchEpochs();
    }

    function leave(uint256 seed) external act {
        address client = clients[seed % CLIENTS];
        (uint256 amount, uint40 at_) = epochs.escrowOf(client);
        VM.prank(client);
        if (at_ == 0 || block.timestamp < at_) return epochs.startExit();
        _flag(epochs.exit() == amount, "I13: a client that left did not get its escrow");
        epochOut += amount;
        _watchEpochs();
    }

    function _watchEpochs() internal {
        uint256 sum;
        for (uint256 c; c < CLIENTS; ++c) {
            (uint256 escrow,) = epochs.escrowOf(clients[c]);
            sum += escrow;
            for (uint256 p; p < PROVIDERS; ++p) {
                (uint256 claimed, uint256 collected) = epochs.claimedOf(clients[c], providers[p]);
                _flag(claimed <= owed[clients[c]][providers[p]], "I2: more was claimed than was ever signed");
                sum += claimed - collected;
            }
        }
        _flag(sum == epochIn - epochOut, "I1: epochs do not add up to what was paid in");
        _flag(sum == credit.balanceOf(address(epochs)), "I1: the epochs' contract does not hold what it owes");
    }
}
