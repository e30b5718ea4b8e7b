// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {ProcessorId, QuantumKey} from "../libraries/Types.sol";
import {ChannelId, IEntanglementBase} from "./IEntanglementBase.sol";

/// @title Channels: paid entanglement between two processors, attested epoch by epoch
interface IEntanglementChannels is IEntanglementBase {
    /// Opens a channel and locks `terms.deposit` from the caller's balance. It lives once both ends accepted.
    function openChannel(ChannelTerms calldata terms) external returns (ChannelId);

    /// The end `processor` accepts and locks its bond from its provider's balance. Called by provider or operator;
    /// `hash` is `termsHash` of what it read, so that nobody accepts other terms than these.
    function acceptChannel(ChannelId channel, ProcessorId processor, bytes32 hash) external;

    /// The opener adds to the deposit.
    function topUp(ChannelId channel, uint96 amount) external;

    /// Attests the current epoch for one end. The second of the two settles it: the lower count is paid if the worse of the
    /// two figures is inside the bounds; otherwise the channel is quarantined and its sessions abort. If either end had
    /// nothing, nothing is paid and nothing is held against anyone. Of a processor without a post-quantum key.
    function attest(ChannelId channel, ProcessorId processor, Attestation calldata attestation) external;

    /// `attest` of a processor with a key, which signs the act "attest" for this contract, its content being
    /// `keccak256(channel ‖ words of the attestation)`; see IProcessorKeys.
    function attestWithKey(
        ChannelId channel,
        ProcessorId processor,
        Attestation calldata attestation,
        QuantumKey calldata key,
        bytes calldata signature
    ) external;

    /// Ends an epoch that one end attested and the other did not inside its window. Open to anyone. The silent end pays the
    /// penalty to the one that waited.
    function lapse(ChannelId channel) external;

    /// Demands that both ends open leaf `index` of a paid epoch, by the opener or an end, inside the dispute window. Stakes the
    /// channel's penalty from the caller's balance: it goes to the ends if both open the same leaf, and back otherwise.
    function dispute(ChannelId channel, EpochRecord calldata record, uint32 index) external;

    /// Opens a disputed leaf for one end, by anyone who has it. Equal leaves settle the dispute for the ends. Different ones
    /// are a contradiction: both lose the epoch's pay to the opener's deposit, and the channel is quarantined.
    function openLeaf(
        ChannelId channel,
        EpochRecord calldata record,
        uint8 end,
        TestRound calldata round,
        bytes32[] calldata proof
    ) external;

    /// After the answer window: each end that opened nothing gives the epoch's pay back to the opener's deposit and the penalty
    /// to the disputer, both bounded by its bond, and the channel is quarantined. Open to anyone.
    function resolveDispute(ChannelId channel, EpochRecord calldata record, uint32 index) external;

    /// The opener or an end ends the channel early: the deadline moves to one attest window from now, not later than it was.
    function retireChannel(ChannelId channel) external;

    /// Pays the rest of deposit and bonds to their owners. Open to anyone after the deadline; at any time to the opener while
    /// the channel is proposed, and to anyone when it is quarantined. Not while sessions, an epoch, a dispute or the dispute
    /// window are open; each of those ends by a deadline of its own.
    function closeChannel(ChannelId channel) external;

    /// SECURITY. Sessions abort, nothing more is attested, and the channel can be closed; moves no funds of its own.
    function quarantine(ChannelId channel) external;
}
