// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @title Types
/// @notice The words that all contracts of the exchange share: identifiers, states, requests and the views of a job.
/// Amounts are in the credit token's base units unless a name says otherwise; times are seconds of `block.timestamp`.

/// @notice `queue (24 bits) << 40 | index (40 bits)`. Indices of a queue start at 1. A queue below 2^16 is a flow;
/// `1 << 23 | processor` is the direct queue of one processor. Zero is no job.
type JobId is uint64;

/// @notice Registered processors are numbered from 1 to 2^22 - 1. Zero is no processor.
type ProcessorId is uint32;

using {sameProcessor as ==, otherProcessor as !=} for ProcessorId global;
using {sameJob as ==, otherJob as !=, queueOf, indexOf} for JobId global;

function sameProcessor(ProcessorId a, ProcessorId b) pure returns (bool) {
    return ProcessorId.unwrap(a) == ProcessorId.unwrap(b);
}

function otherProcessor(ProcessorId a, ProcessorId b) pure returns (bool) {
    return ProcessorId.unwrap(a) != ProcessorId.unwrap(b);
}

function sameJob(JobId a, JobId b) pure returns (bool) {
    return JobId.unwrap(a) == JobId.unwrap(b);
}

function otherJob(JobId a, JobId b) pure returns (bool) {
    return JobId.unwrap(a) != JobId.unwrap(b);
}

/// @notice The queue that holds `job`.
function queueOf(JobId job) pure returns (uint256) {
    return JobId.unwrap(job) >> 40;
}

/// @notice The place of `job` in its queue, from 1.
function indexOf(JobId job) pure returns (uint256) {
    return JobId.unwrap(job) & 0xFFFFFFFFFF;
}

/// @notice The job at `index` of `queue`.
function jobAt(uint256 queue, uint256 index) pure returns (JobId) {
    return JobId.wrap(uint64(queue << 40 | index));
}

/// @notice The queue of jobs that name `processor` as their only target.
function directQueueOf(ProcessorId processor) pure returns (uint256) {
    return 1 << 23 | uint256(ProcessorId.unwrap(processor));
}

/// @notice Life of a job. Settled, Failed, Cancelled and Expired are final.
/// Queued: stands in its queue and can be allocated (for the first or for a further execution).
/// Active: has executions that run or wait for a verdict, and wants no further one now.
enum JobState {
    None,
    Queued,
    Active,
    Settled,
    Failed,
    Cancelled,
    Expired
}

/// @notice Life of an execution. Allocated -> Committed -> Undecided | Accepted | Rejected | Fraudulent;
/// Undecided -> Accepted | Rejected | Fraudulent; Rejected -> Fraudulent; Allocated | Committed | Undecided -> Ended.
/// Ended: the deadline of the execution, the verdict window or the job ran out.
enum ExecutionState {
    None,
    Allocated,
    Committed,
    Undecided,
    Accepted,
    Rejected,
    Fraudulent,
    Ended
}

/// @notice What a quorum report says of an execution.
enum Outcome {
    None,
    Accept,
    Undecided,
    Reject,
    Fraud
}

/// @notice Why `allocate` hands out nothing.
/// Empty: no job waits. Unsuitable: jobs wait, but their qubits or quality exceed the processor or its provider had them.
/// Busy: suitable jobs wait for more free qubits. Draining: one of them has waited so long that the processor takes
/// nothing else first. NoCertificate: only jobs of flows wait and no certificate is live. Suspended: by the Certification
/// Authority, or retired. Paused: by the Security Working Group. Backlog: dead entries stand before what waits, call `skim`; or
/// what stands behind a flow's front was not looked at, since it is the turn of other flows.
enum Reason {
    None,
    Empty,
    Unsuitable,
    Busy,
    Draining,
    NoCertificate,
    Suspended,
    Paused,
    Backlog
}

/// @notice What a client asks for.
/// @param flow the flow that is charged
/// @param target the only processor that may run it, or 0 for any; a target needs redundancy = maxExecutions = 1
/// @param qubits width, 1..4095
/// @param quality least certified quality word of the processor, 0..4095 (see `Capability.quality`)
/// @param class priority class, 0 (normal) to 2
/// @param redundancy accepted executions wanted, by distinct providers
/// @param maxExecutions executions paid for at most, redundancy..5
/// @param trust accept when the accepted executions' log2-odds, those below 0 left out, sum to log2(trust - 1) or more;
/// at least 2
/// @param declaredSeconds time limit of one execution
/// @param deadline when everything that is not settled can be taken back
/// @param payload content id (sha2-256 digest) of the job document
struct JobRequest {
    uint16 flow;
    ProcessorId target;
    uint16 qubits;
    uint16 quality;
    uint8 class;
    uint8 redundancy;
    uint8 maxExecutions;
    uint8 trust;
    uint32 declaredSeconds;
    uint40 deadline;
    bytes32 payload;
}

/// @notice A job as the ledger holds it. The payload is in the JobSubmitted event and bound by the trail.
/// @param boosted whether its class was granted by the flow's quota
/// @param tag the least start tag that it may get in the virtual time of the fair queue, and 0 once it was handed out
/// @param feePerExecution paid for each accepted execution
/// @param escrow what is still held for it
struct JobView {
    address client;
    JobState state;
    uint16 flow;
    uint16 qubits;
    uint16 quality;
    uint8 class;
    bool boosted;
    uint8 redundancy;
    uint8 maxExecutions;
    uint8 trust;
    uint8 executions;
    uint32 declaredSeconds;
    uint40 deadline;
    uint40 tag;
    uint256 feePerExecution;
    uint256 escrow;
    bytes32 trail;
}

/// @notice One execution of a job.
/// @param reports quorum reports taken for it; the `round` of the next one
/// @param since when it entered its state
/// @param usedSteps time from allocation to commitment in 1/31 of the declared time, rounded up, at most 31
struct ExecutionView {
    ProcessorId processor;
    ExecutionState state;
    uint8 reports;
    uint40 since;
    uint8 usedSteps;
}

/// @notice A verdict of the oracle quorum on one execution.
/// @param round equals the number of reports already taken for the execution
/// @param outcome an `Outcome` other than None
/// @param flags bit 0: weakly verified
/// @param score, threshold in 1e-6 of the deciding statistic's unit
/// @param evidence content id of the evidence document
/// @param era the oracle era whose signers sign
struct Report {
    JobId job;
    uint8 execution;
    uint8 round;
    uint8 outcome;
    uint8 flags;
    int64 score;
    int64 threshold;
    bytes32 evidence;
    uint32 era;
}

/// @notice What oracles measured of a processor.
/// @param widthTested qubits that the suite covered
/// @param errorPerLayeredGate 1e-9 per two-qubit gate of a layer
/// @param layersPerSecond circuit layer operations per second, from dispatch to commitment
/// @param readoutError 1e-9, mean over the tested qubits
/// @param ghzWidth largest GHZ state with F - 2 sigma > 1/2
/// @param quality `min(4095, floor(-256 * log2(max(errorPerLayeredGate, 1) * 1e-9)))`: 256 units per halving of the
/// error, so 1e-2 is 1700, 1e-3 is 2551, and 1.52e-5 or better saturates. Higher is better; at least 1.
struct Capability {
    uint16 widthTested;
    uint16 log2QuantumVolume;
    uint32 errorPerLayeredGate;
    uint32 layersPerSecond;
    uint32 readoutError;
    uint32 t1Nanoseconds;
    uint32 t2Nanoseconds;
    uint16 ghzWidth;
    uint16 quality;
}

/// @notice A quorum-signed certificate.
/// @param era the oracle era whose signers sign
/// @param epoch number of this certificate for the processor, strictly increasing
/// @param validUntil when it lapses, at most the certificate life ahead
/// @param report content id of the capability report
struct Certification {
    ProcessorId processor;
    uint32 era;
    uint32 epoch;
    uint40 validUntil;
    Capability capability;
    bytes32 report;
}

/// @notice What a provider registers.
/// @param qubits 1..4095
/// @param profile hash of the instruction-set profile document
/// @param metadata content id of the public description (name, HPKE key, basis, coupling)
/// @param operator hot key that asks for jobs and commits results; zero means the provider itself
/// @param identity keccak of the hybrid identity's off-chain keys
/// @param claimedQuality the quality word that the provider claims; the first certificate checks it
/// @param bond drawn from the provider's balance in the allocator's ledger
struct ProcessorSpec {
    uint16 qubits;
    bytes32 profile;
    bytes32 metadata;
    address operator;
    bytes32 identity;
    uint16 claimedQuality;
    uint256 bond;
}

/// @notice A public key of the scheme of IXmssVerifier.
struct QuantumKey {
    bytes24 root;
    bytes20 seed;
}

/// @notice A processor as the registry and the allocator hold it.
/// @param quality the certified quality word, or the claimed one while `certifiedUntil` is zero
/// @param alpha, beta Beta reputation with decay applied up to now, in 1/256 of an observation (prior of 1 included)
struct ProcessorView {
    address provider;
    address operator;
    uint16 qubits;
    uint16 freeQubits;
    uint16 quality;
    uint40 certifiedUntil;
    bool suspended;
    bool retired;
    uint256 bond;
    uint32 alpha;
    uint32 beta;
    uint32 epoch;
    Capability capability;
}
