// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {JobId, ProcessorId} from "../libraries/Types.sol";
import {ChannelId, SessionId} from "./IEntanglementBase.sol";
import {IEntanglementChannels} from "./IEntanglementChannels.sol";

/// @title Who computes together: channels of entangled pairs, sessions over them, barrier epochs
/// @notice Two things meet here.
///
/// A *channel* is a paid promise of entanglement between two processors. Its opener deposits the price of the pairs; each
/// end accepts the terms and bonds for them. Epoch by epoch both ends attest what they delivered and what their test rounds
/// showed. The lower of the two counts is paid at once, out of the opener's deposit, half to each end; the ends' bonds stay
/// locked until the dispute window of the last paid epoch has passed, and answer for it. A disputed test round is opened on
/// chain. Quality past the bound quarantines the channel and aborts its sessions.
///
/// A *session* is one job computed by k processors over channels of one client. Barriers move it on: barrier 0 is PLAN (each
/// party commits to the session's digest and locks its deposit), barrier 1 is READY (each party holds its pairs), every
/// later barrier ends one computing epoch (GO), and the last one ends the session (DONE). A barrier opens only when all
/// parties have arrived. A party that is missing when a deadline has passed is named by `abort`, which anyone may call: the
/// client's escrow and all deposits return, less a bounded penalty from the silent.
///
/// Nothing here is per pair or per shot, and no key material ever reaches the chain. Outcome bits travel off chain; the
/// chain holds commitments to them.
interface IEntanglementCoordinator is IEntanglementChannels {
    /* ------------------------------------------------- ledger ------------------------------------------------ */

    /// Moves `amount` of the caller's tokens into its balance here. Needs an allowance.
    function deposit(uint256 amount) external;

    /// The same with an ERC-2612 signature. A permit that someone else already used does no harm while the allowance stands.
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// Pays `amount` of the caller's balance out to `to`. Works whatever any privileged role does.
    function withdraw(address to, uint256 amount) external;

    /* ------------------------------------------------ sessions ----------------------------------------------- */

    /// Opens a session and locks the parties' fees from the caller's balance. Barriers from READY on last
    /// `barrierSeconds`, see there.
    function openSession(SessionRequest calldata request) external returns (SessionId);

    /// `processor` reaches `barrier`. Called by its provider or operator.
    ///
    /// | barrier | commitment |
    /// |---|---|
    /// | 0 PLAN | `sessionDigest` of the request: consent to exactly this plan. Locks `partyDeposit` from the provider's balance |
    /// | 1 READY | hash of plan hash, attempt and identities of the pairs held |
    /// | 2 … GO | root of the epoch's transcript: measured bits and the Pauli frames of its teleported gates |
    ///
    /// From READY on the trail grows: trail ← keccak256(abi.encode(trail, barrier, processor, commitment)); it starts as the
    /// digest. An arrival counts once; a repeated one reverts and changes nothing. Arrivals are taken until `abort`.
    function arrive(SessionId session, uint8 barrier, ProcessorId processor, bytes32 commitment) external;

    /// A party steps back before GO, with `LinkLost` or `FidelityLow`: everything is refunded, nobody pays.
    function decline(SessionId session, ProcessorId processor, AbortCode code) external;

    /// The client takes back a plan that not all parties have accepted.
    function cancelSession(SessionId session) external;

    /// Ends a session whose barrier's deadline has passed. Open to anyone. Names the missing. From READY on each of them pays
    /// the penalty from its deposit; it is shared equally by the parties that had arrived and the client, the indivisible
    /// rest to the client.
    function abort(SessionId session) external;

    /// A party attests the error correction of the session, in GO or after DONE. The first fixes the record; the others attest
    /// the same or revert.
    function attestCorrection(SessionId session, ProcessorId processor, CorrectionRecord calldata record) external;

    /* --------------------------------------------- administration -------------------------------------------- */

    /// SECURITY. Stops new channels and sessions, and nothing else.
    function setPaused(bool paused) external;

    /// STANDARDS. `parameters.paused` is ignored. Running channels and sessions keep their penalty.
    function setParameters(Parameters calldata parameters) external;

    /* ------------------------------------------------- views ------------------------------------------------- */

    function balanceOf(address account) external view returns (uint256);
    function channelOf(ChannelId channel) external view returns (ChannelView memory);
    function sessionOf(SessionId session) external view returns (SessionView memory);
    /// The last session of a client's job and the attempt that comes next.
    function attemptsOf(address client, JobId job) external view returns (SessionId last, uint8 next);
    /// keccak256(abi.encode(record)) of a paid epoch, 0 if it was not paid.
    function epochDigestOf(ChannelId channel, uint32 epoch) external view returns (bytes32);
    function disputeOf(ChannelId channel, uint32 epoch, uint32 index)
        external
        view
        returns (address disputer, uint40 deadline, uint8 openedEnds);
    /// How long one barrier may take, in whole seconds rounded up: the slowest channel's time for its pairs, plus the
    /// longest that the shots can be alive, plus grace:
    ///   max over c of shots · ebits_c / pairRate_c  +  shots · min over c of τ_c · ln(w_c / w_min,c)  +  grace
    /// with τ_c the shorter certified T2 of the channel's ends, w = (4F − 1) / 3, F the channel's last attested fidelity and
    /// F_min its bound: past that time of storage a pair is below the fidelity that was promised.
    function barrierSeconds(SessionRequest calldata request) external view returns (uint32);
}
