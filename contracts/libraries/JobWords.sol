// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {ExecutionState, JobState, Outcome} from "./Types.sol";

/// @title JobWords
/// @notice The packed words of a job. Three are written at submission, and none is added before a second execution:
/// - `Terms`, never changed: client 160 | rate 32 | flow 8 | trust 8 | half-life 18
/// - `Progress`: tag 40, or once its flow was charged the mark of the last charge | qubits 12 | quality 12 | class 2 | declared 24 | deadline 32 | redundancy 3 | most 3 | state 3 |
///   count 3 | paid 3 | next 40 | grace 12 | charged 1 | (spare 2) | first execution 64
/// - the trail, and `more`: executions 1..4, 64 bits each, from the second execution on
/// An `Execution` is processor 22 | state 3 | reports 2 | since 32 | used 5. Lowest bits first.
type Terms is uint256;
type Progress is uint256;
type Execution is uint256;

using {clientOf, rateOf, flowOf, trustOf, lifeOf} for Terms global;
using {
    tagOf, qubitsOf, qualityOf, classOf, declaredOf, deadlineOf, redundancyOf, mostOf, stateOf, countOf, paidOf, nextOf,
    patienceOf, withTag, withState, withCount, withPaid, withNext, firstOf, withFirst, isOpen, isSingle, isCharged, asCharged
} for Progress global;
using {processorOf, executionStateOf, reportsOf, sinceOf, usedOf, judged, withVerdict} for Execution global;

uint256 constant EXECUTION_BITS = 64;
uint256 constant EXECUTION_MASK = type(uint64).max;
uint256 constant MOST_EXECUTIONS = 5;
/// @dev Used time is counted in this many parts of the declared time.
uint256 constant USED_STEPS = 31;
uint256 constant CHARGED = 1 << 189;
uint256 constant FIRST_AT = 192;
uint256 constant MASK40 = type(uint40).max;
/// @dev Redundancy 1, Active, count 1.
uint256 constant SINGLE_MASK = 7 << 122 | 7 << 128 | 7 << 131;
uint256 constant SINGLE = 1 << 122 | uint256(JobState.Active) << 128 | 1 << 131;
/// @dev The state to which each `Outcome` leads, 4 bits each.
uint256 constant JUDGED = uint256(ExecutionState.Accepted) << 4 | uint256(ExecutionState.Undecided) << 8
    | uint256(ExecutionState.Rejected) << 12 | uint256(ExecutionState.Fraudulent) << 16;

/* ------------------------------ terms ------------------------------ */

function packTerms(address client, uint256 rate, uint256 flow, uint256 trust, uint256 halfLife) pure returns (Terms) {
    return Terms.wrap(uint256(uint160(client)) | rate << 160 | flow << 192 | trust << 200 | halfLife << 208);
}

function clientOf(Terms t) pure returns (address) {
    return address(uint160(Terms.unwrap(t)));
}

function rateOf(Terms t) pure returns (uint256) {
    return uint32(Terms.unwrap(t) >> 160);
}

function flowOf(Terms t) pure returns (uint256) {
    return uint8(Terms.unwrap(t) >> 192);
}

function trustOf(Terms t) pure returns (uint256) {
    return uint8(Terms.unwrap(t) >> 200);
}

/// @dev Half-life of reputation, in ticks, when the job was submitted.
function lifeOf(Terms t) pure returns (uint256) {
    return Terms.unwrap(t) >> 208 & 0x3FFFF;
}

/* ------------------------------ progress ------------------------------ */

function tagOf(Progress p) pure returns (uint256) {
    return Progress.unwrap(p) & MASK40;
}

function qubitsOf(Progress p) pure returns (uint256) {
    return Progress.unwrap(p) >> 40 & 0xFFF;
}

function qualityOf(Progress p) pure returns (uint256) {
    return Progress.unwrap(p) >> 52 & 0xFFF;
}

function classOf(Progress p) pure returns (uint256) {
    return Progress.unwrap(p) >> 64 & 3;
}

function declaredOf(Progress p) pure returns (uint256) {
    return uint24(Progress.unwrap(p) >> 66);
}

function deadlineOf(Progress p) pure returns (uint256) {
    return uint32(Progress.unwrap(p) >> 90);
}

function redundancyOf(Progress p) pure returns (uint256) {
    return Progress.unwrap(p) >> 122 & 7;
}

function mostOf(Progress p) pure returns (uint256) {
    return Progress.unwrap(p) >> 125 & 7;
}

function stateOf(Progress p) pure returns (JobState) {
    return JobState(Progress.unwrap(p) >> 128 & 7);
}

/// @dev Queued or Active: not closed.
function isOpen(Progress p) pure returns (bool) {
    uint256 state = Progress.unwrap(p) >> 128 & 7;
    return state == uint256(JobState.Queued) || state == uint256(JobState.Active);
}

/// @dev Whether the one execution that was started is as many as the client wants.
function isSingle(Progress p) pure returns (bool) {
    return Progress.unwrap(p) & SINGLE_MASK == SINGLE;
}

/// @dev Whether its flow is charged for the job's executions.
function isCharged(Progress p) pure returns (bool) {
    return Progress.unwrap(p) & CHARGED != 0;
}

function asCharged(Progress p) pure returns (Progress) {
    return Progress.wrap(Progress.unwrap(p) | CHARGED);
}

function countOf(Progress p) pure returns (uint256) {
    return Progress.unwrap(p) >> 131 & 7;
}

function paidOf(Progress p) pure returns (uint256) {
    return Progress.unwrap(p) >> 134 & 7;
}

function nextOf(Progress p) pure returns (uint256) {
    return Progress.unwrap(p) >> 137 & MASK40;
}

/// @dev Grace in seconds when the job was submitted.
function patienceOf(Progress p) pure returns (uint256) {
    return Progress.unwrap(p) >> 177 & 0xFFF;
}

function firstOf(Progress p) pure returns (Execution) {
    return Execution.wrap(Progress.unwrap(p) >> FIRST_AT);
}

function withTag(Progress p, uint256 tag) pure returns (Progress) {
    return Progress.wrap(Progress.unwrap(p) & ~MASK40 | tag);
}

function withState(Progress p, JobState state) pure returns (Progress) {
    return Progress.wrap(Progress.unwrap(p) & ~(uint256(7) << 128) | uint256(state) << 128);
}

function withCount(Progress p, uint256 count) pure returns (Progress) {
    return Progress.wrap(Progress.unwrap(p) & ~(uint256(7) << 131) | count << 131);
}

function withPaid(Progress p, uint256 paid) pure returns (Progress) {
    return Progress.wrap(Progress.unwrap(p) & ~(uint256(7) << 134) | paid << 134);
}

function withNext(Progress p, uint256 index) pure returns (Progress) {
    return Progress.wrap(Progress.unwrap(p) & ~(MASK40 << 137) | index << 137);
}

function withFirst(Progress p, Execution e) pure returns (Progress) {
    return Progress.wrap(Progress.unwrap(p) & ~(EXECUTION_MASK << FIRST_AT) | Execution.unwrap(e) << FIRST_AT);
}

/* ------------------------------ executions ------------------------------ */

function packExecution(uint256 processor, ExecutionState state, uint256 reports, uint256 since, uint256 used)
    pure
    returns (Execution)
{
    return Execution.wrap(processor | uint256(state) << 22 | reports << 25 | since << 27 | used << 59);
}

function processorOf(Execution e) pure returns (uint256) {
    return Execution.unwrap(e) & 0x3FFFFF;
}

function executionStateOf(Execution e) pure returns (ExecutionState) {
    return ExecutionState(Execution.unwrap(e) >> 22 & 7);
}

function reportsOf(Execution e) pure returns (uint256) {
    return Execution.unwrap(e) >> 25 & 3;
}

function sinceOf(Execution e) pure returns (uint256) {
    return uint32(Execution.unwrap(e) >> 27);
}

function usedOf(Execution e) pure returns (uint256) {
    return Execution.unwrap(e) >> 59 & 31;
}

/// @dev The state to which a verdict leads, or None where it cannot follow.
function judged(Execution e, Outcome outcome) pure returns (ExecutionState) {
    ExecutionState from = e.executionStateOf();
    if (
        from == ExecutionState.Committed || from == ExecutionState.Undecided
            || (from == ExecutionState.Rejected && outcome == Outcome.Fraud)
    ) return ExecutionState(JUDGED >> (4 * uint256(outcome)) & 7);
    return ExecutionState.None;
}

function withVerdict(Execution e, ExecutionState state, uint256 reports, uint256 since) pure returns (Execution) {
    return Execution.wrap(
        Execution.unwrap(e) & ~(uint256(type(uint32).max) << 27 | 31 << 22) | uint256(state) << 22 | reports << 25
            | since << 27
    );
}
