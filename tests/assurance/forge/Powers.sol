// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {IConsortiumSeats} from "../contracts/interfaces/IConsortiumSeats.sol";
import {ICouncil} from "../contracts/interfaces/ICouncil.sol";
import {IEntanglementBase as E} from "../contracts/interfaces/IEntanglementBase.sol";
import {ProcessorId} from "../contracts/libraries/Types.sol";
import {Epochs} from "./Epochs.sol";
import {VM} from "./Vm.sol";

/// @title Councils and consortia, who use what powers they have
abstract contract Powers is Epochs {
    struct Waiting {
        uint256 council;
        ICouncil.Motion motion;
        uint256 readyAt;
    }

    Waiting[] internal waiting;
    uint256 private _salt;
    /// @dev The proposal that the consortia talk about, one at a time.
    address internal proposedTarget;
    bytes internal proposedCall;
    uint256 internal proposal;
    bytes32 private _proposalSalt;

    /* ------------------------------ councils ------------------------------ */

    /// @dev Two of three members vote for a call; it is made at once or waits.
    function decideInCouncil(uint256 seed) external act {
        (uint256 council, address target, bytes memory data) = _motion(seed);
        ICouncil.Motion memory motion = ICouncil.Motion(target, data, bytes32(++_salt));
        VM.prank(members[council][seed % 3]);
        councils[council].vote(motion);
        VM.prank(members[council][(seed + 1) % 3]);
        bytes32 ballot = councils[council].vote(motion);
        (,, ICouncil.BallotState state) = councils[council].ballotOf(ballot);
        if (state == ICouncil.BallotState.Waiting) {
            waiting.push(Waiting(council, motion, block.timestamp + COUNCIL_DELAY));
        }
        _watchLinks();
    }

    function carryOut(uint256 seed) external act {
        for (uint256 i; i < waiting.length; ++i) {
            uint256 place = (seed % waiting.length + i) % waiting.length;
            if (block.timestamp < waiting[place].readyAt) continue;
            Waiting memory w = waiting[place];
            waiting[place] = waiting[waiting.length - 1];
            waiting.pop();
            VM.prank(attacker);
            try councils[w.council].execute(w.motion) {}
            catch {
                // Out of a bound that another decision moved, or later than the manager keeps it: dropped.
            }
            return;
        }
        if (waiting.length == 0) revert Idle();
        Waiting memory early = waiting[seed % waiting.length];
        try councils[early.council].execute(early.motion) {
            _flag(false, "a council's decision did not wait");
        } catch {}
    }

    function _motion(uint256 seed) private view returns (uint256, address, bytes memory) {
        uint256 kind = seed % 25;
        uint256 x = _mix(seed, 21);
        if (kind < 7) return (0, address(allocator), _sharing(kind, x));
        if (kind < 9) return (1, address(quorum), _oracleSet(kind, x));
        if (kind < 13) return (1, address(registry), _certificates(kind, x));
        if (kind < 20) return _standards(kind, x);
        if (kind == 20) {
            ProcessorId p = _processor(x);
            (,,,,, bool suspended,) = allocator.dispatch(p);
            return (1, address(registry), abi.encodeCall(registry.setSuspended, (p, !suspended)));
        }
        if (kind == 21) {
            if (channels.length == 0 || x % 3 != 0) revert Idle();
            return (2, address(coordinator), abi.encodeCall(coordinator.quarantine, (channels[x % channels.length])));
        }
        if (kind == 22) return (2, address(allocator), abi.encodeCall(allocator.setPaused, (!allocator.paused() && x % 2 == 0)));
        if (kind == 23) {
            bool stop = !coordinator.currentParameters().paused && x % 2 == 0;
            return (2, address(coordinator), abi.encodeCall(coordinator.setPaused, (stop)));
        }
        return (2, address(brake), abi.encodeCall(brake.setClosed, (address(verifier), x % 8 == 0)));
    }

    function _sharing(uint256 kind, uint256 x) private view returns (bytes memory) {
        uint16 flow = uint16(x % allocator.flowCount());
        if (kind < 2) return abi.encodeCall(allocator.setFlowWeight, (flow, uint24(_in(x >> 16, 10, 1000))));
        if (kind == 2) return abi.encodeCall(allocator.openFlow, (clients[x % CLIENTS], uint24(_in(x >> 16, 10, 1000)), false));
        if (kind == 3) return abi.encodeCall(allocator.setClass, (uint8(x % 3), uint32(_in(x >> 16, 500, 5000)), x % 3 == 0 ? 0 : uint40(_in(x >> 48, 0, 600))));
        if (kind == 4) return abi.encodeCall(allocator.setQuota, (flow, uint8(_in(x >> 8, 1, 2)), uint64(_in(x >> 16, 0, 1e6)), 1e4));
        if (kind == 5) return abi.encodeCall(allocator.setQueueing, (uint40(_in(x >> 8, 1300, 5000)), uint40(_in(x >> 64, 0, 5000))));
        return abi.encodeCall(allocator.setFlowOwner, (flow, clients[x % CLIENTS], flow == 0 || x % 2 == 0));
    }

    function _oracleSet(uint256 kind, uint256 x) private view returns (bytes memory) {
        if (kind == 8) return abi.encodeCall(quorum.setLeastBond, (_in(x, 0, 1e6)));
        uint256 count = x % 2 == 0 ? 4 : 7;
        address[] memory list = new address[](count);
        for (uint256 i; i < count; ++i) list[i] = oracles[(x + i) % ORACLES];
        return abi.encodeCall(quorum.rotate, (list, bytes32(x)));
    }

    function _certificates(uint256 kind, uint256 x) private view returns (bytes memory) {
        if (kind == 9) return abi.encodeCall(registry.setCertificateLife, (uint40(_in(x, 5 days, 60 days))));
        if (kind == 10) return abi.encodeCall(registry.setClaimTolerance, (uint16(_in(x, 64, 4095)), uint16(_in(x >> 16, 0, 500))));
        if (kind == 11) return abi.encodeCall(registry.setLeastBond, (_in(x, 1, 1e6)));
        return abi.encodeCall(registry.setUnbondDelay, (uint40(_in(x, 10 days, 90 days))));
    }

    function _standards(uint256 kind, uint256 x) private view returns (uint256, address, bytes memory) {
        if (kind == 13) return (3, address(allocator), abi.encodeCall(allocator.setTimes, (uint16(_in(x, 1, 120)), uint24(_in(x >> 16, 0, 300)), uint24(_in(x >> 48, 60, 7200)))));
        if (kind == 14) return (3, address(allocator), abi.encodeCall(allocator.setPenalties, (uint16(_in(x, 0, 500)), uint8(_in(x >> 16, 1, 10)))));
        if (kind == 15) return (3, address(allocator), abi.encodeCall(allocator.setRequestBounds, (2, 5, uint24(_in(x, 900, 20_000)))));
        if (kind == 16) {
            E.Parameters memory p = coordinator.currentParameters();
            p.penaltyBps = uint16(_in(x, 100, 5000));
            p.minTestRounds = uint32(_in(x >> 16, 16, 200));
            p.disputeWindow = uint32(_in(x >> 48, 1 hours, 2 days));
            return (3, address(coordinator), abi.encodeCall(coordinator.setParameters, (p)));
        }
        if (kind == 17) return (3, address(registry), abi.encodeCall(registry.setHalfLife, (uint40(_in(x, 1 days, 730 days)))));
        if (kind == 18) return (3, address(verifier), abi.encodeCall(verifier.setChallengeBond, (_in(x, 1, 1e6), uint8(_in(x >> 64, 2, 10)))));
        return (3, address(verifier), abi.encodeCall(verifier.setWindows, (uint24(_in(x, 1 hours, 2 days)), uint24(_in(x >> 24, 1 days, 12 days)))));
    }

    /* ------------------------------ consortia ------------------------------ */

    /// @dev The next step of the one proposal: made, voted for, queued, carried out.
    function govern(uint256 seed) external act {
        if (proposal == 0) return _propose(seed);
        IGovernor g = IGovernor(governor);
        IGovernor.ProposalState state = g.state(proposal);
        (address[] memory t, uint256[] memory v, bytes[] memory c) = _lists();
        bytes32 d = keccak256(bytes(_words()));
        if (state == IGovernor.ProposalState.Active) {
            for (uint256 i; i < 3; ++i) {
                address voter = consortia[(seed + i) % 3];
                if (g.hasVoted(proposal, voter)) continue;
                VM.prank(voter);
                g.castVote(proposal, seed % 9 == 0 ? 0 : 1);
                return;
            }
            revert Idle();
        }
        if (state == IGovernor.ProposalState.Pending) revert Idle();
        if (state == IGovernor.ProposalState.Succeeded) {
            g.queue(t, v, c, d);
        } else if (state == IGovernor.ProposalState.Queued) {
            VM.prank(attacker);
            g.execute(t, v, c, d);
            proposal = 0;
        } else {
            proposal = 0;
        }
    }

    function _propose(uint256 seed) private {
        uint256 kind = seed % 4;
        if (kind == 0) {
            (proposedTarget, proposedCall) =
                (address(registry), abi.encodeCall(registry.setTreasury, (seed % 8 == 0 ? governor : timelock)));
        } else if (kind == 1) {
            (proposedTarget, proposedCall) = (address(seats), abi.encodeCall(IConsortiumSeats.admit, (attacker, bytes32(seed))));
        } else if (kind == 2) {
            (proposedTarget, proposedCall) = (address(seats), abi.encodeCall(IConsortiumSeats.expel, (attacker)));
        } else {
            uint256 council = _mix(seed, 1) % 4;
            (uint8[] memory places, address[] memory holders) = (new uint8[](1), new address[](1));
            places[0] = 2;
            holders[0] = members[council][2];
            (proposedTarget, proposedCall) =
                (address(councils[council]), abi.encodeCall(ICouncil.reseat, (places, holders, 2)));
        }
        _proposalSalt = bytes32(++_salt);
        (address[] memory t, uint256[] memory v, bytes[] memory c) = _lists();
        VM.prank(consortia[seed % 3]);
        proposal = IGovernor(governor).propose(t, v, c, _words());
    }

    function _lists() private view returns (address[] memory t, uint256[] memory v, bytes[] memory c) {
        (t, v, c) = (new address[](1), new uint256[](1), new bytes[](1));
        (t[0], c[0]) = (proposedTarget, proposedCall);
    }

    /// @dev Two proposals of one call differ by their words.
    function _words() private view returns (string memory) {
        return string(abi.encodePacked(_proposalSalt));
    }
}
