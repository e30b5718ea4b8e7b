// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IResultVerifier} from "../contracts/interfaces/IResultVerifier.sol";
import {JobId, JobState, ProcessorId} from "../contracts/libraries/Types.sol";
import {ChannelId, IEntanglementBase as E} from "../contracts/interfaces/IEntanglementBase.sol";
import {Path} from "./Path.sol";
import {VM} from "./Vm.sol";

/// @title All who have a role are silent for ever: everyone else still gets everything back
/// @notice Nothing here is called by a body, an oracle as such, or anybody's counterparty: every step is the owner's or anyone's.
abstract contract Silence is Path {
    function silence() external {
        VM.warp(block.timestamp + 800 days);
        _endJobs();
        _endDisputes();
        _endLinks();
        _startExits();
        _releaseBonds();
        _takeAll();
        _exit();
        _flag(credit.balanceOf(address(coordinator)) == 0, "I13: the coordinator kept what is somebody's");
        _flag(credit.balanceOf(address(allocator)) == _owned(), "I13: the allocator kept what is not the bodies'");
    }

    function _endJobs() private {
        for (uint256 i; i < open.length; ++i) {
            JobState state = allocator.job(open[i]).state;
            if (state != JobState.Queued && state != JobState.Active) continue;
            VM.prank(attacker);
            allocator.expire(open[i]);
            _flag(allocator.job(open[i]).escrow == 0, "I13: a client did not get its escrow back");
        }
    }

    function _endDisputes() private {
        for (uint256 id = 1; id <= verifier.challengeCount(); ++id) {
            if (court.caseOf(id).closed) continue;
            if (verifier.challengeOf(id).state != IResultVerifier.ChallengeState.Open && court.caseOf(id).appellant == address(0)) continue;
            VM.prank(attacker);
            court.finalise(id);
        }
        _flag(verifier.openBonds() == 0, "I13: a challenge keeps its bond for ever");
        _flag(court.openBonds() == 0, "I13: an appeal keeps its bond for ever");
    }

    function _endLinks() private {
        for (uint256 i; i < sessions.length; ++i) {
            E.SessionState state = coordinator.sessionOf(sessions[i]).state;
            if (state == E.SessionState.Done || state == E.SessionState.Aborted) continue;
            coordinator.abort(sessions[i]);
        }
        while (contests.length != 0) _resolve(contests.length - 1);
        for (uint256 i; i < channels.length; ++i) {
            if (coordinator.channelOf(channels[i]).pendingEnd != 0) coordinator.lapse(channels[i]);
            coordinator.closeChannel(channels[i]);
        }
    }

    function _releaseBonds() private {
        uint256 count = registry.processorCount();
        for (uint256 p = 1; p <= count; ++p) {
            ProcessorId id = ProcessorId.wrap(uint32(p));
            address owner = registry.ownerOf(id);
            (,,,,,, bool isRetired) = allocator.dispatch(id);
            VM.prank(owner);
            if (!isRetired) registry.retire(id);
            uint256 bond = registry.bondOf(id);
            if (bond == 0) continue;
            VM.prank(owner);
            registry.unbond(id, bond);
        }
        VM.warp(block.timestamp + 91 days);
        for (uint256 p = 1; p <= count; ++p) {
            ProcessorId id = ProcessorId.wrap(uint32(p));
            uint256 bond = registry.bondOf(id);
            if (bond == 0) continue;
            VM.prank(registry.ownerOf(id));
            registry.withdrawBond(id);
            _flag(registry.bondOf(id) == 0, "I13: a provider did not get its bond back");
        }
    }

    function _startExits() private {
        for (uint256 c; c < CLIENTS; ++c) {
            VM.prank(clients[c]);
            epochs.startExit();
        }
    }

    /// @dev Ninety-one days after: every client leaves, every provider collects, and nothing is left.
    function _exit() private {
        for (uint256 c; c < CLIENTS; ++c) {
            VM.prank(clients[c]);
            epochs.exit();
        }
        for (uint256 p; p < PROVIDERS; ++p) {
            VM.prank(providers[p]);
            try epochs.collect(clients, providers[p]) {} catch {} // who has nothing to collect is refused
        }
        _flag(credit.balanceOf(address(epochs)) == 0, "I13: an epoch's escrow is kept for ever");
    }

    function _takeAll() private {
        for (uint256 i; i < accounts.length; ++i) {
            address who = accounts[i];
            if (who == timelock || who == governor) continue;
            _take(who, allocator.balanceOf(who), address(allocator), abi.encodeCall(allocator.withdraw, (who, allocator.balanceOf(who))));
            _take(who, coordinator.balanceOf(who), address(coordinator), abi.encodeCall(coordinator.withdraw, (who, coordinator.balanceOf(who))));
            _take(who, court.creditsOf(who), address(court), abi.encodeCall(court.withdraw, ()));
            _take(who, quorum.creditsOf(who), address(quorum), abi.encodeCall(quorum.withdrawCredits, ()));
        }
    }

    function _take(address who, uint256 amount, address target, bytes memory data) private {
        if (amount == 0) return;
        uint256 before = credit.balanceOf(who);
        VM.prank(who);
        (bool ok,) = target.call(data);
        _flag(ok && credit.balanceOf(who) == before + amount, "I14: somebody cannot take its own");
    }

    function _owned() private view returns (uint256) {
        return allocator.balanceOf(timelock) + allocator.balanceOf(governor);
    }
}
