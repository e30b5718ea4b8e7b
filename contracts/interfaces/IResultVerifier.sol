// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {JobId, Report} from "../libraries/Types.sol";

/// @title IResultVerifier
/// @notice Was it right: verdicts of the oracle quorum, proofs of equivocation, challenges.
///
/// A report is an EIP-712 struct under the domain ("QCRS ResultVerifier", "1", chain id, this contract):
/// `Report(uint64 job,uint8 execution,uint8 round,uint8 outcome,uint8 flags,int64 score,int64 threshold,bytes32 evidence,uint32 era)`
/// signed by 2f + 1 of the era's 3f + 1 oracles (compact ERC-2098 signatures in index order, one bitmap bit each). Anyone may
/// relay it; verdict and settlement are one transaction. Results are committed at `IComputationAllocator.commitResult`: the
/// job's record lives there, and a second contract on that path would cost more than the step may.
///
/// Transitions: Committed or Undecided -> Accepted, Rejected, Fraudulent; Committed -> Undecided -> Ended, by a second Undecided;
/// Rejected -> Fraudulent within the challenge window of the rejection. At most three reports for one execution.
///
/// An oracle is never the provider of the execution that it signs for. Two outcomes signed by one oracle for the same job, execution, round and era are an equivocation.
///
/// Many reports may come in one batch: `Batch(Report[] reports)` under the same domain, signed once. Each of its reports does what
/// `reportVerdict` does with it, events and trail included, and none depends on another: one that the ledger refuses (late, judged
/// before, named twice, signed by its own provider) is skipped, leaves nothing behind, and may come again; a batch of which nothing
/// is left is refused. What the signers can tell by themselves is not skipped: a report of another era refuses the whole batch.
///
/// A challenge is open to anyone while the window after an Accepted, Rejected or Fraudulent verdict runs. Its bond comes from the
/// challenger's balance in the allocator and equals `max(leastBond, fee * bondMultiple)`. The ruling comes from the DisputeCourt
/// (the Dispute Council, and the consortia on appeal) before the ruling window ends; otherwise anyone may close the challenge,
/// and the bond returns.
/// Upheld: the bond goes half to the provider (if the verdict was Accepted) or to the treasury, the rest to the treasury.
/// Overturned: the bond returns; an Accepted execution becomes Fraudulent, and as much as the challenge's bond is taken from the
/// processor's bond, at most half of it: the fee, but at most three quarters of what is taken, back to the job's client; of the
/// rest one half to the challenger, the other to the treasury. So a cheat whose accomplice is the first to challenge it loses too
/// wherever its bond is above 16/7 of the fee: the fee that it was paid, and half of what exceeds the fee. And a cheat that is its
/// own client loses at least a quarter of what is taken, however small its bond is beside the fee, and who proves the fraud gains
/// half of that quarter. A Rejected or Fraudulent execution keeps its state (its escrow is gone) but the reputation gains what an
/// Accept gives.
interface IResultVerifier {
    /// @notice Where a challenge stands.
    enum ChallengeState {
        None,
        Open,
        Upheld,
        Overturned,
        Lapsed
    }

    /// @notice A challenge.
    struct Challenge {
        JobId job;
        uint8 execution;
        ChallengeState state;
        address challenger;
        uint256 bond;
        uint40 openedAt;
        uint40 rulingDeadline;
        bytes32 grounds;
    }

    /// @notice A verdict was taken and is settled by the events that follow. `signers` is the bitmap.
    event VerdictReported(
        JobId indexed job,
        uint8 execution,
        uint8 round,
        uint8 outcome,
        uint8 flags,
        int64 score,
        int64 threshold,
        bytes32 evidence,
        uint32 era,
        uint256 signers
    );
    /// @notice An oracle signed two outcomes for one round.
    event EquivocationProven(
        address indexed oracle, address indexed prover, JobId indexed job, uint8 execution, uint8 round, uint32 era
    );
    /// @notice A verdict is challenged. `grounds` is the content id of the argument.
    event ChallengeOpened(
        uint256 indexed challenge,
        JobId indexed job,
        uint8 execution,
        address indexed challenger,
        uint256 bond,
        uint40 rulingDeadline,
        bytes32 grounds
    );
    /// @notice It was ruled on (Upheld or Overturned), or its time ran out (Lapsed).
    event ChallengeRuled(uint256 indexed challenge, ChallengeState ruling, uint256 slashed);
    /// @notice A report of a batch was refused with the error `reason` (empty where the gas ran out); the others go on.
    event BatchEntrySkipped(JobId indexed job, uint8 execution, uint8 round, bytes reason);
    /// @notice The signer set of a new era took effect.
    event EraAdopted(uint32 indexed era, address pointer);
    /// @notice An admin parameter changed.
    event ParameterSet(bytes32 indexed name, uint256 value);

    /// @notice The report's outcome is not one.
    error ResultVerifierBadOutcome(uint8 outcome);
    /// @notice The report is of another era.
    error ResultVerifierStaleEra(uint32 era, uint32 current);
    /// @notice A signer is the provider of the execution it judges.
    error ResultVerifierConflict(address oracle);
    /// @notice No report of the batch could be taken.
    error ResultVerifierNothingSettled(uint256 reports);
    /// @notice Not an equivocation: both reports must agree in job, execution, round and era and differ in outcome.
    error ResultVerifierNoEquivocation();
    /// @notice A signature is malformed (length, high s) or not by the same oracle.
    error ResultVerifierBadSignature();
    /// @notice The signer did not belong to the report's era.
    error ResultVerifierNotOracle(address account, uint32 era);
    /// @notice This proof was used.
    error ResultVerifierProofUsed(bytes32 proof);
    /// @notice The verdict cannot be challenged: none yet, or its window has passed.
    error ResultVerifierNotChallengeable(JobId job, uint8 execution);
    /// @notice The execution already has a challenge.
    error ResultVerifierAlreadyChallenged(JobId job, uint8 execution, uint256 challenge);
    /// @notice The challenge is not open.
    error ResultVerifierNotOpen(uint256 challenge);
    /// @notice The ruling window has not ended, or has.
    error ResultVerifierRulingWindow(uint256 challenge, uint40 deadline);
    /// @notice A ruling is Upheld or Overturned.
    error ResultVerifierBadRuling(ChallengeState ruling);
    /// @notice The exchange's own contracts only.
    error ResultVerifierUnauthorized(address caller);
    /// @notice The value is outside the hard bounds.
    error ResultVerifierOutOfBounds(bytes32 name, uint256 value, uint256 least, uint256 most);

    /// @notice Takes a report signed by 2f + 1 oracles of the current era; settles in the same transaction. By anyone.
    function reportVerdict(Report calldata report, uint256 bitmap, bytes calldata signatures) external;

    /// @notice Takes many reports that 2f + 1 oracles of the current era signed together; settles each in the same transaction. By
    /// anyone.
    /// @param signatures over `batchDigest(reports)`
    /// @return settled how many were taken; the others are named by BatchEntrySkipped
    function settleBatch(Report[] calldata reports, uint256 bitmap, bytes calldata signatures)
        external
        returns (uint256 settled);

    /// @notice One report of a batch. By this contract only.
    function settleEntry(Report calldata report, bytes32 hash, uint256 bitmap) external;

    /// @notice The digest that oracles sign for a batch of `reports`, in this order.
    function batchDigest(Report[] calldata reports) external view returns (bytes32);

    /// @notice The digest that oracles sign for `report`.
    function reportDigest(Report calldata report) external view returns (bytes32);

    /// @notice The EIP-712 struct hash of `report`, as it enters the trail.
    function reportHash(Report calldata report) external pure returns (bytes32);

    /// @notice Slashes an oracle that signed both reports. By anyone; the caller gets the reward.
    /// @param signatureA, signatureB compact 64-byte signatures; of a batch, followed by the struct hashes of its reports in order
    function proveEquivocation(
        Report calldata reportA,
        bytes calldata signatureA,
        Report calldata reportB,
        bytes calldata signatureB
    ) external returns (address oracle);

    /// @notice Challenges a verdict inside its window, with `challengeBond` from the caller's balance.
    function challenge(JobId job, uint8 execution, bytes32 grounds) external returns (uint256 id);

    /// @notice Rules on an open challenge. Restricted to DISPUTE.
    function rule(uint256 id, ChallengeState ruling) external;

    /// @notice Closes a challenge that nobody ruled on in time; its bond returns. By anyone.
    function lapse(uint256 id) external;

    /// @notice Challenge window (60..604,800 s) and ruling window (60..1,814,400 s); with two verdict windows (an undecided
    /// execution has a second look) they stay below the registry's unbonding delay. Restricted to STANDARDS.
    function setWindows(uint24 challengeWindow, uint24 rulingWindow) external;

    /// @notice Least challenge bond (1..2^80) and multiple of the fee (2..10). Restricted to STANDARDS.
    function setChallengeBond(uint256 leastBond, uint8 bondMultiple) external;

    /// @notice Bond that a challenge of one of the job's executions needs.
    function challengeBond(JobId job) external view returns (uint256);

    /// @notice A challenge.
    function challengeOf(uint256 id) external view returns (Challenge memory);

    /// @notice The execution's challenge; 0 if there was none.
    function challengeAt(JobId job, uint8 execution) external view returns (uint256);

    /// @notice Challenges opened so far; ids run from 1 to this.
    function challengeCount() external view returns (uint256);

    /// @notice Sum of the bonds of open challenges.
    function openBonds() external view returns (uint256);

    /// @notice Challenge and ruling windows in seconds.
    function windows() external view returns (uint24 challengeWindow, uint24 rulingWindow);

    /// @notice Least challenge bond, and its multiple of the fee.
    function bondTerms() external view returns (uint256 leastBond, uint8 bondMultiple);

    /// @notice The adopted oracle era.
    function era() external view returns (uint32);

    /// @notice The job's trail.
    function trail(JobId job) external view returns (bytes32);
}
