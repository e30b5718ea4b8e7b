// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IConsortiumSeats} from "../contracts/interfaces/IConsortiumSeats.sol";
import {Attacks} from "./Attacks.sol";
import {VM} from "./Vm.sol";

interface IRelay {
    function relay(address target, uint256 value, bytes calldata data) external payable;
    function setProposalGuardian(address guardian) external;
    function updateTimelock(address timelock) external;
}

/// @title The consortia's path from words to effect, walked to its end with anything that they may ask for, and by strangers
/// @notice `bodyAttack` calls in the name of governor and timelock; here they are made to call, as the consortia can. All is taken
/// back after each attack.
abstract contract Path is Attacks {
    uint256 private constant VOTING_DELAY = 6 hours;
    uint256 private constant VOTING_END = 5 days; // the period and what a late quorum adds
    uint256 private constant TIMELOCK_DELAY = 2 days;

    struct Agenda {
        address[] targets;
        uint256[] values;
        bytes[] calls;
        string words;
    }

    /// @dev Proposals that took effect, and all that were walked to their end.
    uint256 public effects;
    uint256 public walks;

    /* ------------------------------ the consortia ------------------------------ */

    /// @dev All consortia want the same, whatever it is; who got a role by it uses it. Nobody else owns less afterwards (I9).
    function pathAttack(uint256 seed) external act {
        uint256[] memory before = _possessions();
        uint256 time = block.timestamp;
        uint256 snapshot = VM.snapshotState();
        bool done = _walk(_agenda(seed), seed);
        for (uint256 i; done && i < 3; ++i) {
            (address target, bytes memory data) = _anything(_mix(seed, 200 + i), attacker);
            _as(attacker, target, data);
        }
        uint256[] memory afterwards = _possessions();
        VM.revertToState(snapshot);
        VM.warp(time);
        for (uint256 i; i < before.length; ++i) {
            _flag(afterwards[i] >= before[i], "I9: the consortia took what is not theirs");
        }
        ++walks;
        if (done) ++effects;
    }

    /// @dev Proposed and voted for by consortia, queued and carried out by whoever likes to.
    function _walk(Agenda memory a, uint256 seed) private returns (bool) {
        uint256 id = _propose(a, consortia[seed % 3]);
        VM.warp(block.timestamp + VOTING_DELAY + 1);
        _agree(id);
        IGovernor g = IGovernor(governor);
        require(g.state(id) == IGovernor.ProposalState.Succeeded, "two thirds did not decide");
        VM.prank(attacker);
        g.queue(a.targets, a.values, a.calls, keccak256(bytes(a.words)));
        VM.warp(block.timestamp + TIMELOCK_DELAY);
        return _as(attacker, governor, _step(g.execute.selector, a));
    }

    function _propose(Agenda memory a, address by) private returns (uint256) {
        VM.prank(by);
        return IGovernor(governor).propose(a.targets, a.values, a.calls, a.words);
    }

    /// @dev Until there is a super quorum, which is more where others were given seats.
    function _agree(uint256 id) private {
        IGovernor g = IGovernor(governor);
        for (uint256 i; i < 3 && g.state(id) == IGovernor.ProposalState.Active; ++i) {
            VM.prank(consortia[i]);
            g.castVote(id, 1);
        }
        if (g.state(id) == IGovernor.ProposalState.Active) VM.warp(block.timestamp + VOTING_END);
    }

    /// @dev One call, seldom two, since all of a proposal's calls succeed or none.
    function _agenda(uint256 seed) private view returns (Agenda memory a) {
        uint256 count = _mix(seed, 30) % 4 == 0 ? 2 : 1;
        (a.targets, a.values, a.calls) = (new address[](count), new uint256[](count), new bytes[](count));
        for (uint256 i; i < count; ++i) (a.targets[i], a.calls[i]) = _decision(_mix(seed, 31 + i));
        a.words = string(abi.encodePacked("path ", seed));
    }

    function _decision(uint256 x) private view returns (address target, bytes memory data) {
        uint256 kind = x % 8;
        x >>= 8;
        if (kind == 0) {
            return (address(manager), abi.encodeCall(manager.grantRole, (uint64(x % 7), attacker, 0)));
        }
        if (kind == 1) {
            (target, data) = _anything(x, governor);
            return (governor, abi.encodeCall(IRelay.relay, (target, 0, data)));
        }
        if (kind == 2) return _ofTheirOwn(x);
        if (kind == 3) return _keptFor(x);
        return _anything(x, timelock);
    }

    /// @dev What contracts keep for each other, with arguments that they would take from each other.
    function _keptFor(uint256 x) private view returns (address, bytes memory) {
        (address target, bytes4 selector) = _kept(x % 14);
        uint256 first = x >> 8 & 1 == 0 ? uint160(accounts[(x >> 9) % accounts.length]) : _in(x >> 9, 1, registry.processorCount());
        return (target, abi.encodePacked(selector, first, _in(x >> 40, 1, 1000), uint256(uint160(attacker)), _word(x >> 64, attacker)));
    }

    /// @dev What the timelock may do to the bodies themselves.
    function _ofTheirOwn(uint256 x) private view returns (address, bytes memory) {
        address who = x % 2 == 0 ? attacker : accounts[(x >> 8) % accounts.length];
        uint256 kind = (x >> 16) % 5;
        if (kind == 0) return (address(seats), abi.encodeCall(IConsortiumSeats.admit, (who, bytes32(x))));
        if (kind == 1) return (governor, abi.encodeCall(IRelay.setProposalGuardian, (who)));
        if (kind == 2) return (governor, abi.encodeCall(IRelay.updateTimelock, (who)));
        bytes32 role = (x >> 24) % 2 == 0 ? keccak256("PROPOSER_ROLE") : bytes32(0);
        if (kind == 3) return (timelock, abi.encodeCall(TimelockController(payable(timelock)).grantRole, (role, who)));
        return (timelock, abi.encodeCall(TimelockController(payable(timelock)).updateDelay, ((x >> 24) % 30 days)));
    }

    /* ------------------------------ strangers ------------------------------ */

    /// @dev Who has no seat proposes nothing, its vote weighs nothing, and nobody is early.
    function strangersPath(uint256 seed) external act {
        uint256 time = block.timestamp;
        uint256 snapshot = VM.snapshotState();
        string memory found = _strangers(_agenda(seed), clients[seed % CLIENTS], seed);
        VM.revertToState(snapshot);
        VM.warp(time);
        _flag(bytes(found).length == 0, found);
    }

    function _strangers(Agenda memory a, address stranger, uint256 seed) private returns (string memory) {
        IGovernor g = IGovernor(governor);
        bytes memory words = abi.encodeCall(g.propose, (a.targets, a.values, a.calls, a.words));
        if (_as(stranger, governor, words)) return "a stranger proposed";
        if (_direct(a, stranger)) return "a stranger called in the consortia's name";
        uint256 id = _propose(a, consortia[seed % 3]);
        if (_early(a, stranger)) return "a stranger was faster than the vote";
        VM.warp(block.timestamp + VOTING_DELAY + 1);
        for (uint256 i; i < CLIENTS; ++i) {
            VM.prank(clients[i]);
            g.castVote(id, 1);
        }
        if (_early(a, stranger)) return "votes of strangers were counted";
        if (seed % 2 == 0) {
            VM.warp(block.timestamp + VOTING_END);
            if (g.state(id) != IGovernor.ProposalState.Defeated) return "strangers won a vote";
        } else {
            _agree(id);
            VM.prank(stranger);
            g.queue(a.targets, a.values, a.calls, keccak256(bytes(a.words)));
            VM.warp(block.timestamp + TIMELOCK_DELAY - 1);
        }
        return _early(a, stranger) ? "a decision did not wait" : "";
    }

    /// @dev Queued, carried out or cancelled by who may not do it yet, or never.
    function _early(Agenda memory a, address stranger) private returns (bool) {
        IGovernor g = IGovernor(governor);
        return _as(stranger, governor, _step(g.queue.selector, a)) || _as(stranger, governor, _step(g.execute.selector, a))
            || _as(stranger, governor, _step(g.cancel.selector, a));
    }

    /// @dev Past the governor: at the timelock's door, and at what only a proposal may do.
    function _direct(Agenda memory a, address stranger) private returns (bool) {
        TimelockController lock = TimelockController(payable(timelock));
        (address target, bytes memory data) = (a.targets[0], a.calls[0]);
        return _as(stranger, timelock, abi.encodeCall(lock.schedule, (target, 0, data, 0, 0, TIMELOCK_DELAY)))
            || _as(stranger, timelock, abi.encodeCall(lock.execute, (target, 0, data, 0, 0)))
            || _as(stranger, timelock, abi.encodeCall(lock.grantRole, (keccak256("PROPOSER_ROLE"), stranger)))
            || _as(stranger, timelock, abi.encodeCall(lock.updateDelay, (TIMELOCK_DELAY)))
            || _as(stranger, governor, abi.encodeCall(IRelay.relay, (target, 0, data)))
            || _as(stranger, governor, abi.encodeCall(IRelay.setProposalGuardian, (stranger)))
            || _as(stranger, governor, abi.encodeCall(IRelay.updateTimelock, (stranger)))
            || _as(stranger, address(seats), abi.encodeCall(IConsortiumSeats.admit, (stranger, bytes32(0))));
    }

    function _step(bytes4 selector, Agenda memory a) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a.targets, a.values, a.calls, keccak256(bytes(a.words)));
    }

    function _as(address who, address target, bytes memory data) private returns (bool ok) {
        VM.prank(who);
        (ok,) = target.call(data);
    }
}
