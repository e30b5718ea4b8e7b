// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {JobId, ProcessorId} from "../libraries/Types.sol";

/// A channel: entanglement between two processors. Counted from 1.
type ChannelId is uint32;
/// A session: one attempt at running one job over several processors. Counted from 1.
type SessionId is uint64;

/// @title Words of entanglement on chain: types, events and errors of channels and sessions
/// @notice Units: money in base units of the credit token; fidelities and error rates in parts per million (ppm); rates in
/// millihertz; times in seconds of `block.timestamp` unless the name says nanoseconds. *End* 0 of a channel is `processorA`,
/// end 1 is `processorB`. Party i of a session is the i-th processor of its request.
interface IEntanglementBase {
    /* ------------------------------------------------- types ------------------------------------------------- */

    /// Proposed → Live (both ends accepted) → Quarantined → Closed; Proposed, Live and Quarantined all lead to Closed.
    enum ChannelState {
        None,
        Proposed,
        Live,
        Quarantined,
        Closed
    }

    /// Plan (barrier 0) → Ready (barrier 1) → Go (barriers from 2) → Done; Plan, Ready and Go may end in Aborted.
    enum SessionState {
        None,
        Plan,
        Ready,
        Go,
        Done,
        Aborted
    }

    /// Why a session ended without a result.
    enum AbortCode {
        None,
        Timeout, // a party never accepted the plan
        LinkLost, // a party lost its link before GO
        PeerSilent, // a party did not reach a barrier before its deadline
        FidelityLow, // a channel of the session was quarantined, or a party found its pairs too weak before GO
        Cancelled // the client took the plan back
    }

    /// Why a channel was quarantined.
    enum QuarantineReason {
        Quality, // attested error rate or fidelity past the bound
        Contradiction, // the two ends opened different outcomes for one test round
        Withheld, // an end did not open a disputed test round
        Security // the Quantum Security Working Group
    }

    /// What a channel promises.
    struct ChannelTerms {
        ProcessorId processorA;
        ProcessorId processorB;
        bytes32 pathHash; // hash of the routing entries along the path; repeaters are known off chain only
        uint24 minFidelity; // ppm, at least 500,001: only a fidelity above one half is entanglement
        uint32 pairRate; // end-to-end pairs per 1,000 s (millihertz)
        uint40 deadline; // no new epoch and no session after it
        uint96 pairPrice; // for one delivered pair, both ends together
        uint96 deposit; // what the opener locks; `topUp` adds to it
        uint96 endBond; // what each end locks on acceptance; it answers for pay and penalty as far as it reaches
    }

    /// One end's signed view of one epoch. `testRounds == 0` with `pairs == 0` says "I have nothing of this epoch".
    struct Attestation {
        uint32 epoch;
        bytes32 root; // of the end's test-round leaves, see `leafHash`
        uint32 testRounds; // number of leaves
        uint24 qberX; // ppm
        uint24 qberZ; // ppm
        uint24 fidelity; // ppm, with 2·(10⁶ − fidelity) ≥ qberX + qberZ − 2
        uint32 pairs; // delivered beyond the test rounds
    }

    /// What both ends attested of a paid epoch. The contract keeps its digest; events carry the fields.
    struct EpochRecord {
        uint32 epoch;
        bytes32 rootA;
        bytes32 rootB;
        uint32 testRoundsA;
        uint32 testRoundsB;
        uint96 paidA; // what this epoch's pay still amounts to, less restitution
        uint96 paidB;
        uint40 disputableUntil;
    }

    /// One test round as an end recorded it.
    struct TestRound {
        uint32 index; // position in the tree, from 0
        uint8 basis; // 0 X, 1 Y, 2 Z
        uint8 outcomeA; // 0 or 1, after the Pauli correction
        uint8 outcomeB;
    }

    /// What a client asks for. The lists are strictly ascending.
    struct SessionRequest {
        JobId job; // the client's; attempts are kept by client and job, so nobody can take those of another
        uint8 attempt; // 0 first; the next one only after an abort
        bytes32 planHash; // identity of the plan document: slices, links, circuits
        ProcessorId[] parties; // 2 to 8
        ChannelId[] channels; // 1 to 8, all opened by the caller, all live and measured, touching every party
        uint16[] ebits; // pairs per shot and epoch, for each channel
        uint32 shots; // per epoch
        uint8 epochs; // computing epochs, 1 to 32
        uint32 planSeconds; // time for all parties to accept
        uint96 feePerParty; // paid to each party at DONE
        uint96 partyDeposit; // locked by each party from PLAN to the end
    }

    /// Error-correction across the session's links, as attested by its parties.
    struct CorrectionRecord {
        bytes32 family; // short ASCII name, for example "rotated_surface"
        uint16 distance;
        uint32 rounds;
        bytes32 codeHash; // circuit, detector error model, patch map and decoder
        bytes32 syndromeRoot; // Merkle root over the seam's syndromes
        uint64 shots;
        uint64 failures;
        uint64 logicalErrorPerRound; // 10⁻¹²
    }

    /// Everything a STANDARDS decision can change here. Bounds are constants of the contract.
    struct Parameters {
        uint24 maxQber; // ppm, in either basis
        uint32 minTestRounds; // of an attestation that claims pairs
        uint32 attestWindow; // for the second end after the first
        uint32 disputeWindow; // after an epoch is paid
        uint32 answerWindow; // for both ends to open a disputed leaf
        uint32 grace; // added to every barrier for the chain's own latency
        uint16 penaltyBps; // of a bond or deposit, ten-thousandths; fixed for a channel or session when it is opened
        uint8 maxAttempts; // sessions of one job
        bool paused; // no new channel, no new session; set by `setPaused` only
    }

    /// A channel as stored.
    struct ChannelView {
        ChannelState state;
        ProcessorId processorA;
        ProcessorId processorB;
        address opener;
        bytes32 termsHash;
        uint8 accepted; // bit per end
        uint8 pendingEnd; // 0 none, else 1 + the end that attested `epoch` alone
        uint16 openDisputes;
        uint32 epoch; // the next to be settled, from 1
        uint40 deadline;
        uint40 lockedUntil; // bonds stay at least until then
        uint40 pendingUntil; // the silent end's time, when pendingEnd is set
        uint24 minFidelity;
        uint24 fidelity; // lower of the last two attested; 0 before the first
        uint32 pairRate;
        uint96 pairPrice;
        uint96 deposit;
        uint96 bondA;
        uint96 bondB;
        uint96 penalty;
        SessionId[4] sessions; // running ones, 0 where free
    }

    /// A session as stored.
    struct SessionView {
        SessionState state;
        AbortCode code;
        address client;
        JobId job;
        uint8 attempt;
        uint8 barrier; // the one that is filling
        uint8 lastBarrier;
        uint8 arrived; // bit per party
        uint8 corrected; // bit per party that attested the correction record
        uint40 deadline; // of the barrier
        uint32 barrierSeconds;
        ProcessorId[] parties;
        ChannelId[] channels;
        uint96 feePerParty;
        uint96 partyDeposit;
        uint96 penalty;
        bytes32 trail;
        bytes32 correction; // digest of the record, 0 if none
    }

    /* ------------------------------------------------- events ------------------------------------------------ */

    event Deposited(address indexed account, uint256 amount);
    event Withdrawn(address indexed account, address indexed to, uint256 amount);
    /// Credit that a channel, dispute or session gave to an account's balance. What they lock is in their own events:
    /// `terms.deposit` when opened, `terms.endBond` on acceptance, `amount` of a top-up, `stake` of a dispute, `feePerParty`
    /// for each party of a session, and `partyDeposit` on an arrival at barrier 0.
    event Credited(address indexed account, uint256 amount);

    event ChannelOpened(ChannelId indexed channel, address indexed opener, ChannelTerms terms, uint96 penalty);
    event ChannelAccepted(ChannelId indexed channel, ProcessorId indexed processor, address indexed provider);
    event ChannelToppedUp(ChannelId indexed channel, uint96 amount);
    event EpochAttested(ChannelId indexed channel, ProcessorId indexed processor, Attestation attestation);
    /// `record.disputableUntil` is zero when nothing of the epoch was paid or can be disputed.
    event EpochSettled(ChannelId indexed channel, uint32 pairs, uint24 fidelity, EpochRecord record);
    event EpochLapsed(ChannelId indexed channel, uint32 epoch, ProcessorId indexed silent, uint96 penalty);
    event DisputeOpened(
        ChannelId indexed channel, address indexed disputer, uint32 epoch, uint32 index, uint96 stake, uint40 deadline
    );
    event LeafOpened(ChannelId indexed channel, uint32 epoch, uint8 end, TestRound round);
    /// `upheld` false: both ends opened the same leaf. `silentEnds`: bit per end that opened none.
    event DisputeResolved(ChannelId indexed channel, uint32 epoch, uint32 index, bool upheld, uint8 silentEnds);
    /// Taken from an end's bond: `restitution` back to the channel's deposit, `penalty` to the disputer or the waiting end.
    event EndSlashed(ChannelId indexed channel, ProcessorId indexed processor, uint96 restitution, uint96 penalty);
    event ChannelQuarantined(ChannelId indexed channel, QuarantineReason reason);
    event ChannelRetiring(ChannelId indexed channel, uint40 deadline);
    event ChannelClosed(ChannelId indexed channel, uint96 refund, uint96 bondA, uint96 bondB);

    event SessionOpened(
        SessionId indexed session,
        JobId indexed job,
        address indexed client,
        SessionRequest request,
        bytes32 digest,
        uint40 deadline,
        uint32 barrierSeconds,
        uint96 penalty
    );
    event PartyArrived(SessionId indexed session, ProcessorId indexed processor, uint8 barrier, bytes32 commitment);
    /// All parties reached barrier `barrier − 1`; `barrier` fills until `deadline`.
    event BarrierPassed(SessionId indexed session, SessionState state, uint8 barrier, uint40 deadline);
    event SessionCompleted(SessionId indexed session, bytes32 trail);
    /// `blamed` are the parties that were missing, or the one that declined; each paid `penalty` (0 before READY and for a decline).
    event SessionAborted(
        SessionId indexed session, AbortCode code, uint8 barrier, ProcessorId[] blamed, uint96 penalty
    );
    event CorrectionAttested(SessionId indexed session, ProcessorId indexed processor, CorrectionRecord record);

    event ParametersSet(Parameters parameters);
    event PauseSet(bool paused);

    /* ------------------------------------------------- errors ------------------------------------------------ */

    error CoordinatorInsufficientBalance(address account, uint256 required, uint256 available);
    /// The token moved another amount than it was asked to.
    error CoordinatorTransferMismatch(uint256 expected, uint256 received);
    error CoordinatorPaused();
    error CoordinatorParameterOutOfBounds(bytes32 name, uint256 value, uint256 minimum, uint256 maximum);
    /// The caller is neither provider nor operator of the processor.
    error CoordinatorNotOperator(ProcessorId processor, address caller);
    error CoordinatorNotOpener(ChannelId channel, address caller);
    error CoordinatorNotEntitled(ChannelId channel, address caller);
    error CoordinatorNotClient(SessionId session, address caller);
    error CoordinatorNotAnEnd(ChannelId channel, ProcessorId processor);
    error CoordinatorNotAParty(SessionId session, ProcessorId processor);
    error CoordinatorUnknownProcessor(ProcessorId processor);
    error CoordinatorSameProcessor(ProcessorId processor);
    error CoordinatorBadTerms(bytes32 field);
    error CoordinatorTermsDiffer(ChannelId channel, bytes32 stored, bytes32 given);
    error CoordinatorWrongChannelState(ChannelId channel, ChannelState state);
    error CoordinatorAlreadyAccepted(ChannelId channel, ProcessorId processor);
    error CoordinatorChannelExpired(ChannelId channel, uint40 deadline);
    error CoordinatorWrongEpoch(ChannelId channel, uint32 expected, uint32 given);
    error CoordinatorAlreadyAttested(ChannelId channel, uint32 epoch, ProcessorId processor);
    error CoordinatorTooFewTestRounds(uint32 given, uint32 required);
    /// No quantum state has these figures: the fidelity is above what the error rates allow, or a rate is above one.
    error CoordinatorImpossibleFigures(uint24 qberX, uint24 qberZ, uint24 fidelity);
    error CoordinatorNothingPending(ChannelId channel);
    error CoordinatorEpochPending(ChannelId channel, uint40 pendingUntil);
    error CoordinatorTooEarly(uint256 now_, uint256 notBefore);
    error CoordinatorTooLate(uint256 now_, uint256 notAfter);
    error CoordinatorRecordDiffers(ChannelId channel, uint32 epoch);
    error CoordinatorNoSuchRound(uint32 index, uint32 rounds);
    error CoordinatorBadRound(uint8 basis, uint8 outcomeA, uint8 outcomeB);
    error CoordinatorAlreadyDisputed(ChannelId channel, uint32 epoch, uint32 index);
    error CoordinatorNotDisputed(ChannelId channel, uint32 epoch, uint32 index);
    error CoordinatorAlreadyOpened(ChannelId channel, uint32 epoch, uint32 index, uint8 end);
    error CoordinatorBadProof(ChannelId channel, uint32 epoch, uint32 index, uint8 end);
    error CoordinatorChannelBusy(ChannelId channel, SessionId session);
    error CoordinatorBondsLocked(ChannelId channel, uint40 lockedUntil, uint16 openDisputes);
    error CoordinatorBadRequest(bytes32 field);
    error CoordinatorUncertified(ProcessorId processor);
    error CoordinatorChannelUnmeasured(ChannelId channel);
    error CoordinatorChannelFull(ChannelId channel);
    error CoordinatorPartyUnconnected(ProcessorId processor);
    /// The session could outlive a channel it needs.
    error CoordinatorChannelTooShort(ChannelId channel, uint40 deadline, uint256 sessionEnd);
    error CoordinatorBarrierTooLong(uint256 seconds_, uint256 maximum);
    /// The job's attempts are taken in order, each once, and only after an abort of the one before.
    error CoordinatorWrongAttempt(JobId job, uint8 expected, uint8 given, SessionId previous);
    error CoordinatorAttemptRunning(JobId job, SessionId session, SessionState state);
    error CoordinatorNoAttemptsLeft(JobId job, uint8 maximum);
    error CoordinatorWrongSessionState(SessionId session, SessionState state);
    error CoordinatorWrongBarrier(SessionId session, uint8 expected, uint8 given);
    error CoordinatorAlreadyArrived(SessionId session, uint8 barrier, ProcessorId processor);
    error CoordinatorPlanDiffers(SessionId session, bytes32 stored, bytes32 given);
    error CoordinatorBadAbortCode(AbortCode code);
    error CoordinatorCorrectionDiffers(SessionId session, bytes32 stored, bytes32 given);
    error CoordinatorAlreadyAttestedCorrection(SessionId session, ProcessorId processor);
    error CoordinatorBadCorrection(bytes32 field);

    /* ------------------------------------------------- views ------------------------------------------------- */

    function currentParameters() external view returns (Parameters memory);

    /// keccak256(abi.encode(terms, opener)).
    function termsHash(ChannelTerms calldata terms, address opener) external pure returns (bytes32);
    /// keccak256(abi.encode(request, client)).
    function sessionDigest(SessionRequest calldata request, address client) external pure returns (bytes32);
    /// keccak256(abi.encodePacked(channel uint32, epoch uint32, index uint32, basis uint8, outcomeA uint8, outcomeB uint8)).
    /// A tree of n leaves has ceil(log2 n) levels; inner nodes are keccak256(left ‖ right); positions past n are zero words.
    function leafHash(ChannelId channel, uint32 epoch, TestRound calldata round) external pure returns (bytes32);
}
