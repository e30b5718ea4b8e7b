// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IAllocatorLog} from "./IAllocatorLog.sol";
import {Dispatch, Standing} from "../libraries/ProcessorWords.sol";
import {ExecutionView, JobId, JobRequest, JobView, Outcome, ProcessorId, Reason} from "../libraries/Types.sol";

/// @title IComputationAllocator
/// @notice Who runs what, when, for how much: ledger, flows, jobs, and the fair queue.
///
/// ## Money
/// Every account has a balance in the credit token's base units. `submit` moves `feePerExecution * maxExecutions` from the
/// balance to the job's escrow; each accepted execution moves one fee to the provider's balance; the rest returns to the
/// client's balance when the job closes. `feePerExecution = rate(class) * qubits * declaredSeconds * UNIT`.
/// Token balance >= sum of balances + escrows + processor bonds + challenge bonds, always.
///
/// ## The fair queue (start-time fair queueing with a drain rule)
/// A *flow* is one consortium's share. Virtual time is in 1/64 qubit-second per unit of weight; tags have 40 bits.
/// With v the virtual time, C the credit, F the flow's finish tag, D its debt, w its weight:
/// - submit: the job's tag is `v - C` (not below 0), the least start tag that it may begin with. It keeps its class if that is above 0 and
///   the flow's quota of that class holds `qubits * declaredSeconds * redundancy`, which is then spent, for good; else it is of
///   class 0. Nothing is charged: what nobody runs costs its flow no time and moves none.
/// - start tag `S = max(tag, F)` of a job never dispatched, and `S = F` of one that was; key `K = max(0, S - boost(class))`.
/// - a flow's entries are its *returned* jobs in the order they returned, then its jobs never dispatched, by index. The first
///   live entry is its *front*. An entry is dead when its job is not Queued any more or can no longer be run in time
///   (`now + declaredSeconds + grace + margin > deadline`).
/// - `allocate(p)`: over the fronts of all flows (only if p's certificate is live) and of p's direct queue, keep those with
///   `qubits <= p.qubits` and `quality <= p.quality` (0 without a live certificate). In order of K (ties: flows by number, the
///   direct queue last):
///     - if p's provider already had an execution of the front, or p can never run it, the flow offers in its place, for this call,
///       its next entry: up to 8 live returned ones, then those never dispatched; tested and ranked anew by its own K. Nobody loses
///       a place by it. Of each of the two lists of p's own queue and of eight flows 24 entries are read, dead ones included, of
///       those of other flows only the first. Up to four of the eight are others every 16 seconds, four are the first by K: what
///       is late is looked for at any time. So crowds in many flows cannot make a call cost more than a node pays;
///     - if the entry's qubits are free, it is handed out and its flow *charged* `cost = ceil(64 * qubits * declaredSeconds / w)`.
///       If F is below `max(S, v - 2 * drain)` it is lifted to that and `D = 0`, else `D = min(D, F - (v - 2 * drain))`: what lies
///       further behind is *forgiven*. Then `F = F + cost`, `D = D + cost` (at most 2^34 - 1), and `v = max(v, S)`. Tags end at 2^33,
///       and 2048 later for each second since the deployment, so that 40 bits last for 17 years, whatever anyone does, and no flow
///       is further ahead of v than its last charge: a cost that leads beyond is cut, and then D is what is left of it. F, D and v
///       stay where they are if p's certificate is not live: that job is a *trial*, which takes nobody's turn and is nobody's debt,
///       however large a machine p claims to be;
///     - else if `v > S + drain`, p is *draining*: nothing is handed out until the entry fits;
///     - else it is passed over.
/// - a job handed out while it wants further executions (see below) becomes a returned entry, behind the others; so does one
///   whose execution failed or stayed undecided.
/// - a flow's charges are a pile, forgiven from below. When an execution ends, its flow gets back what is left of its charge, and
///   no more than it did not use: F and D fall by `min(floor(t * n / 31), D - above)`, with `t = floor(64 * qubits *
///   declaredSeconds / w)`, `above` all that the flow was charged later, given back or not, and `n = 31 - usedSteps` where it is
///   accepted, 31 where nobody was served, however it ended; one that is overturned later gives back the rest. Nothing is given
///   back where `above` is D or more. The job runs again at a new charge. Trials give nothing back.
/// - split: the new flow starts with the finish tag of the one that it is split from: what it owes stays with both.
/// - A targeted job waits in its processor's direct queue, but S, F, K and quota are its flow's. It asks for quality 0 (its client
///   looks at the certificate) and for no more qubits than the processor has, which never change: so the processor can run it
///   whenever its turn comes, with a certificate or without, and no live targeted job keeps those behind it, its capability tests
///   among them, from their turn.
///
/// A flow is looked at through its *lane*, which shows its first entry, live or dead, with its key, as they were when the flow's
/// line last changed: time kills entries without a transaction, and a verdict that lowers F shows at the next change. Only when a
/// lane's turn comes are dead entries, and those that p cannot run, passed over and the one behind them ranked by its own K. Behind
/// 24 of them in a row nothing is seen (reason Backlog, or Unsuitable where some are live) until `skim`, `expire`, `cancel` or
/// another processor takes some away. Anyone may call `skim`; nodes do.
///
/// ## How many executions
/// With a accepted, l running (Allocated or Committed) and u undecided executions of `redundancy` r: the job wants another one
/// while fewer than maxExecutions were started and `a + l < r`, or `a >= r`, `l = u = 0` and confidence is short. It settles when
/// `a >= r`, `l = u = 0` and the accepted processors' log2-odds, those below 0 left out, sum to at least `log2(trust - 1)`; it
/// fails when it wants more, has none left and `l = u = 0`. A job's log2(trust - 1) is rounded up to 1/256 bit.
///
/// ## Executions
/// Grace is the one in force when the job was submitted.
/// Allocated until `allocatedAt + declaredSeconds + grace`; a commitment by then frees the qubits. Later anyone may call
/// `expireExecution`: qubits freed, bond slashed by a bounded share of the fee for the client, job requeued. A commitment
/// without a verdict for `verdictWindow` seconds may be ended too, without a slash. An execution that is reported undecided a
/// second time ends likewise, unpaid, and its reputation stays as it is.
///
/// ## The trail
/// One word per job. It starts as `bytes32(uint256(job))`; each step makes it `keccak256(trail . step . data)` (3 words), with
/// `step = kind << 248 | execution << 240 | block.timestamp`, and kind and data (32 bytes each):
/// | kind | step | data | event |
/// |---|---|---|---|
/// | 1 | submitted | keccak256(abi.encode(client, feePerExecution, tag, boosted, request)) | JobSubmitted |
/// | 2 | allocated | processor | JobAllocated |
/// | 3 | committed | commitment | ResultCommitted |
/// | 4 | judged | EIP-712 struct hash of the report | IResultVerifier.VerdictReported |
/// | 5 | requeued, execution = executions so far | 0 | JobRequeued |
/// | 6 | execution ended | penalty | ExecutionEnded |
/// | 7 | closed, execution = executions so far | state << 248 | refund | JobClosed |
/// | 8 | challenged | challenge number | IResultVerifier.ChallengeOpened |
/// | 9 | ruled | challenge number << 8 | ruling | IResultVerifier.ChallengeRuled |
/// Steps of one transaction are chained in the order of their events.
///
/// ## Deployment
/// The bodies' functions and the ones that close late jobs are code of the AllocatorDesk, which the constructor deploys and which
/// runs on this contract's storage by delegatecall; its address never changes. So each contract stays below 24,576 bytes.
/// The four contracts know each other as immutables; their addresses are computed before deployment (CREATE, deployer's nonce).
interface IComputationAllocator is IAllocatorLog {
    /* ============================== ledger ============================== */

    /// @notice Takes `amount` of the caller's credit (ERC-20 allowance) into `account`'s balance.
    function deposit(address account, uint256 amount) external;

    /// @notice Like `deposit` to the caller, with the allowance given by an ERC-2612 signature. A permit that someone else
    /// already relayed does no harm: the allowance decides.
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Pays `amount` of the caller's balance to `to`. Never paused.
    function withdraw(address to, uint256 amount) external;

    /// @notice Free balance of an account.
    function balanceOf(address account) external view returns (uint256);

    /* ============================== clients ============================== */

    /// @notice The exact fee of one execution and the escrow for all, for the requested class. If the flow's quota is
    /// spent when the job is submitted, it is of class 0 and pays class 0's rate instead.
    function quote(JobRequest calldata request) external view returns (uint256 feePerExecution, uint256 escrow);

    /// @notice Puts a job into its queue and its fees into escrow.
    function submit(JobRequest calldata request) external returns (JobId job);

    /// @notice Submits a set of jobs, all or none. Jobs of one queue get consecutive ids.
    function submitMany(JobRequest[] calldata requests) external returns (JobId[] memory jobs);

    /// @notice Takes back a job that is queued and has no running, committed or undecided execution. Never paused.
    function cancel(JobId job) external;

    /* ============================== providers ============================== */

    /// @notice Hands the processor the job that the rule names. By its operator or provider.
    function allocate(ProcessorId processor) external returns (JobId job, uint8 execution);

    /// @notice Commits to a result before the execution's deadline and frees the qubits. By operator or provider.
    /// @param commitment keccak256(salt32 . provider20 . job8 . root32)
    function commitResult(JobId job, uint8 execution, bytes32 commitment) external;

    /// @notice What `allocate` would do now.
    /// @return id the job it would hand out (Reason.None) or drain for (Reason.Draining), else none
    function nextFor(ProcessorId processor) external view returns (JobId id, Reason reason);

    /* ============================== anyone ============================== */

    /// @notice Ends an execution whose deadline (Allocated) or verdict window (Committed) has passed. Never paused.
    function expireExecution(JobId job, uint8 execution) external;

    /// @notice Closes a job after its deadline: every running or undecided execution ends unpaid, the rest of the escrow
    /// returns to the client. While an execution is Committed or Undecided, so that its result was handed over and may still be
    /// paid, it also waits for `verdictWindow` seconds after the last change of any of the job's executions: no deadline is so
    /// tight that work is had for nothing. Needs no one's consent. Never paused.
    function expire(JobId job) external;

    /// @notice Drops dead entries among the first `most` of a queue: from its front, so that its lane shows a live one again, then
    /// of those never dispatched also behind live ones, which keep their places.
    /// @return dropped how many were
    function skim(uint256 queue, uint256 most) external returns (uint256 dropped);

    /* ============================== exchange contracts only ============================== */

    /// @notice Takes a verdict and settles. Only by the verifier, which checked the quorum.
    /// @return provider owner of the processor that ran the execution
    function settle(JobId job, uint256 execution, uint256 round, Outcome outcome, bool weak, bytes32 reportHash)
        external
        returns (address provider);

    /// @notice Appends a challenge's step (kind 8 or 9) to the trail. If `overturn`, the verdict falls: an Accepted execution
    /// becomes Fraudulent, with the reputation of one; any other keeps its state and the reputation gains what an Accept gives.
    /// Bonds are the verifier's matter. Only by the verifier.
    function recordChallenge(JobId job, uint8 execution, uint8 kind, bytes32 data, bool overturn) external;

    /// @notice Balance to the bond of a challenge. Only by the verifier.
    function takeBond(address account, uint256 amount) external;

    /// @notice Bond of a challenge to balance. Only by the verifier.
    function giveBond(address account, uint256 amount) external;

    /// @notice Provider's balance to a processor's bond. Only by the registry.
    function addBond(ProcessorId processor, uint256 amount) external;

    /// @notice A processor's bond to its provider's balance. Only by the registry.
    function releaseBond(ProcessorId processor, uint256 amount) external;

    /// @notice Up to `amount` of a processor's bond, in whole units, to the beneficiary's balance. Only by the registry.
    /// @return taken never more than the bond
    function slashBond(ProcessorId processor, uint256 amount, address beneficiary) external returns (uint256 taken);

    /// @notice Half-life of reputations; jobs keep the one that they were submitted under. Only by the registry.
    function setHalfLife(uint40 halfLifeSeconds) external;

    /// @notice Takes a new processor's two words and its bond from the provider's balance. Only by the registry.
    function enroll(ProcessorId processor, Dispatch dispatch, Standing standing, uint256 bond) external;

    /// @notice Sets certified quality and validity; returns what they were, and the rest of the dispatch word that a
    /// certificate is checked against. Only by the registry.
    function setCertificate(ProcessorId processor, uint16 quality, uint40 validUntil)
        external
        returns (uint16 previousQuality, uint40 previousUntil, uint16 qubits, address operator);

    /// @notice Changes the hot key. Only by the registry.
    function setOperator(ProcessorId processor, address operator) external;

    /// @notice Stops or readmits a processor. Only by the registry.
    function setBlocked(ProcessorId processor, bool suspended, bool retired) external;

    /* ============================== bodies ============================== */

    /// @notice Opens a flow. Number 0, open to all with weight 100, is there from the start. Restricted to ALLOCATION. Weight 10..100,000; an open flow takes anyone's
    /// jobs, others only those of members. At most 64.
    function openFlow(address owner, uint24 weight, bool open) external returns (uint16 flow);

    /// @notice Changes a flow's weight. Restricted to ALLOCATION.
    function setFlowWeight(uint16 flow, uint24 weight) external;

    /// @notice Changes a flow's owner and openness. Restricted to ALLOCATION.
    function setFlowOwner(uint16 flow, address owner, bool open) external;

    /// @notice Lets an account charge the flow, or not. By the flow's owner.
    function setFlowMember(uint16 flow, address member, bool allowed) external;

    /// @notice Splits `weight` off the caller's flow into a new flow of `owner`; both keep at least the least weight.
    function splitFlow(uint16 flow, uint24 weight, address owner) external returns (uint16 created);

    /// @notice Sets a class's rate (1..2^32-1 units per qubit-second) and boost (0 for class 0, else at most drain / 2).
    /// Restricted to ALLOCATION.
    function setClass(uint8 class, uint32 rate, uint40 boost) external;

    /// @notice Sets a flow's quota of class 1 or 2 in qubit-seconds (each at most 2^36); the bucket starts full. Restricted to
    /// ALLOCATION.
    function setQuota(uint16 flow, uint8 class, uint64 capacity, uint64 perDay) external;

    /// @notice Sets drain (at least twice the largest boost, at most 2^36) and credit (at most 2^36), in virtual time.
    /// Restricted to ALLOCATION.
    function setQueueing(uint40 drain, uint40 credit) external;

    /// @notice Seconds: grace 1..3600, margin 0..86,400, verdictWindow 60..2,592,000; twice the last with the challenge and
    /// ruling windows stays below the registry's unbonding delay. Restricted to STANDARDS.
    function setTimes(uint16 grace, uint24 margin, uint24 verdictWindow) external;

    /// @notice Penalty of a missed deadline (1/1000 of the fee, at most 500) and of fraud (multiple of the fee, 1..10).
    /// Restricted to STANDARDS.
    function setPenalties(uint16 deadlinePermille, uint8 fraudMultiple) external;

    /// @notice Least trust (2..100), largest redundancy (1..5), longest declared time (60..259,200 s). Restricted to STANDARDS.
    function setRequestBounds(uint8 leastTrust, uint8 mostRedundancy, uint24 mostSeconds) external;

    /// @notice Stops or resumes submit and allocate. Restricted to SECURITY. Refunds and withdrawals never stop.
    function setPaused(bool paused) external;

    /* ============================== views ============================== */

    /// @notice A job. Reverts if there is none.
    function job(JobId id) external view returns (JobView memory);

    /// @notice One execution of a job. Reverts if there is none.
    function execution(JobId id, uint8 index) external view returns (ExecutionView memory);

    /// @notice A job's trail; zero if there is none.
    function trail(JobId id) external view returns (bytes32);

    /// @notice The dispatch word: who may ask, what is free, what is certified.
    function dispatch(ProcessorId processor)
        external
        view
        returns (
            address operator,
            uint16 qubits,
            uint16 freeQubits,
            uint16 quality,
            uint40 certifiedUntil,
            bool suspended,
            bool retired
        );

    /// @notice Owner, bond and decayed evidence (1/256 of an observation, without the prior) of a processor.
    function standing(ProcessorId processor)
        external
        view
        returns (address provider, uint256 bond, uint256 evidenceFor, uint256 evidenceAgainst);

    /// @notice Half-life of reputations in seconds.
    function halfLife() external view returns (uint40);

    /// @notice A flow's share and finish tag. Reverts if there is none.
    function flow(uint16 id) external view returns (address owner, uint24 weight, bool open, uint40 finishTag);

    /// @notice A queue: index of its first job never dispatched, index that its next job will get, first and last
    /// returned job's index (0: none).
    function queue(uint256 id) external view returns (uint40 head, uint40 next, uint40 returnedHead, uint40 returnedTail);

    /// @notice The packed lane `key 40 | qubits 12 | quality 12` of a flow; zero when it has no entry. It is the flow's first entry
    /// as it was when the flow last changed: an entry that has died by time stands there until `allocate`, `skim`, `expire` or
    /// `cancel` passes it.
    function lane(uint16 id) external view returns (uint64);

    /// @notice Whether `account` may charge the flow.
    function isMember(uint16 id, address account) external view returns (bool);

    /// @notice Flows opened so far.
    function flowCount() external view returns (uint256);

    /// @notice Virtual time v.
    function virtualTime() external view returns (uint40);

    /// @notice Drain threshold and credit, in virtual time.
    function queueing() external view returns (uint40 drain, uint40 credit);

    /// @notice Rate and boost of a class.
    function classOf(uint8 class) external view returns (uint32 rate, uint40 boost);

    /// @notice Quota of a flow's class: bucket size, refill a day, qubit-seconds in it now.
    function quota(uint16 id, uint8 class) external view returns (uint64 capacity, uint64 perDay, uint64 available);

    /// @notice Grace, margin and verdict window in seconds.
    function times() external view returns (uint16 grace, uint24 margin, uint24 verdictWindow);

    /// @notice Penalties.
    function penalties() external view returns (uint16 deadlinePermille, uint8 fraudMultiple);

    /// @notice Bounds of requests.
    function requestBounds() external view returns (uint8 leastTrust, uint8 mostRedundancy, uint24 mostSeconds);

    /// @notice Whether submit and allocate are stopped.
    function paused() external view returns (bool);

    /// @notice Base units per fee and bond unit.
    function UNIT() external view returns (uint256);

    /// @notice The credit token.
    function CREDIT() external view returns (address);

    /// @notice The processor registry.
    function REGISTRY() external view returns (address);

    /// @notice The result verifier.
    function VERIFIER() external view returns (address);
}
