// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {ChannelId, SessionId} from "../interfaces/IEntanglementBase.sol";
import {ProcessorId} from "../libraries/Types.sol";
import {CoordinatorBase} from "./CoordinatorBase.sol";

/// @title How sessions and channels end early: abort with blame and refunds
abstract contract Endings is CoordinatorBase {
    /// Ends a session without a result; `blamed` is a bit per party, each of which pays `penalty`.
    function _abort(
        SessionId id,
        Session storage s,
        SessionHead memory head,
        AbortCode code,
        uint8 blamed,
        uint96 penalty
    ) internal {
        uint8 bonded = head.state == SessionState.Plan ? head.arrived : _all(head.parties);
        uint8 waited = head.arrived;
        uint8 barrier = head.barrier;
        head.state = SessionState.Aborted;
        head.code = code;
        _setSessionHead(id, head);
        _release(id, s, head);

        ProcessorId[] memory names = new ProcessorId[](_ones(blamed));
        uint256 n;
        for (uint256 i = 0; i < head.parties; ++i) {
            if (blamed & (1 << i) != 0) names[n++] = ProcessorId.wrap(s.members[i]);
        }
        emit SessionAborted(id, code, barrier, names, penalty);
        _payOut(s, head.parties, bonded, penalty == 0 ? 0 : blamed, waited, penalty);
    }

    /// Refunds an aborted session: the deposits of `bonded`, less the penalty of `blamed`, which those who `waited` and the
    /// client share equally; to the client the fees and the indivisible rest.
    function _payOut(Session storage s, uint256 parties, uint8 bonded, uint8 blamed, uint8 waited, uint96 penalty)
        private
    {
        uint96 stake = s.partyDeposit;
        uint256 pot = uint256(penalty) * _ones(blamed);
        uint256 portion = pot / (_ones(waited) + 1);
        uint256 toClient = uint256(s.feePerParty) * parties + pot;
        if (portion != 0) toClient -= portion * _ones(waited);
        for (uint256 i = 0; i < parties; ++i) {
            uint256 bit = 1 << i;
            if (bonded & bit == 0) continue;
            uint256 amount = blamed & bit != 0 ? stake - penalty : stake;
            if (waited & bit != 0) amount += portion;
            _give(_provider(ProcessorId.wrap(s.members[i])), amount);
        }
        _give(s.client, toClient);
    }

    /// Takes an ending session out of its channels.
    function _release(SessionId id, Session storage s, SessionHead memory head) internal {
        for (uint256 i = 0; i < head.channels; ++i) {
            ChannelId channel = ChannelId.wrap(s.members[head.parties + i]);
            uint64[MAX_SESSIONS_PER_CHANNEL] storage running = _channels[channel].sessions;
            for (uint256 j = 0; j < MAX_SESSIONS_PER_CHANNEL; ++j) {
                if (running[j] == SessionId.unwrap(id)) running[j] = 0;
            }
        }
    }

    function _all(uint256 parties) internal pure returns (uint8) {
        return uint8((1 << parties) - 1);
    }

    function _ones(uint256 bits) internal pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) ++count;
    }
}
