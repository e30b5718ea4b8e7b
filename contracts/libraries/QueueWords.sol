// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {MASK40} from "./JobWords.sol";

/// @title QueueWords
/// @notice The packed words of the fair queue, lowest bits first.
/// - `Lane` (64 bits, four to a storage word): quality 12 | qubits 12 | key 40 of a flow's front; zero when there is none
/// - `Queue`: finish tag 40 | debt 34 | removed 31 | added 31 | returned head 31 | returned tail 31 | weight 17 | open 1 |
///   charged 40. Jobs never dispatched have the indices removed + 1 .. added: two a second for 34 years. The debt is at most all
///   that its bits can say; what was charged in all is counted modulo 2^40
/// - `Clock`, read by submit and allocate: virtual time 40 | drain 40 | credit 40 | flows 8 | paused 1 | grace 12 | margin 17 |
///   rate of class 0 32 | least trust 7 | most redundancy 3 | most seconds 18 | half-life 18
/// - `Policy`, read where those do not suffice: rates of classes 1 and 2 32 each | their boosts 40 each | verdict window 24 |
///   deadline penalty 16 | fraud multiple 8
type Lane is uint256;
type Queue is uint256;
type Clock is uint256;
type Policy is uint256;

using {laneKey, laneQubits, laneQuality} for Lane global;
using {
    finishOf, removedOf, addedOf, returnedHeadOf, returnedTailOf, weightOf, isOpenFlow,
    debtOf, chargedOf, withFinish, withCharge, withRemoved, withAdded, withReturned, withWeight
} for Queue global;
using {
    timeOf, drainOf, creditOf, flowsOf, isPaused, graceOf, marginOf, normalRateOf, leastTrustOf, mostRedundancyOf,
    mostSecondsOf, halfLifeOf, withTime
} for Clock global;
using {raisedRateOf, boostOf, verdictWindowOf, deadlinePermilleOf, fraudMultipleOf} for Policy global;

uint256 constant DEBT_AT = 40;
uint256 constant MOST_DEBT = (1 << 34) - 1;
uint256 constant REMOVED_AT = 74;
uint256 constant ADDED_AT = 105;
uint256 constant HEAD_AT = 136;
uint256 constant TAIL_AT = 167;
uint256 constant WEIGHT_AT = 198;
uint256 constant OPEN_AT = 215;
uint256 constant CHARGED_AT = 216;
/// @dev The largest index of a queue's entry.
uint256 constant MOST_PLACES = (1 << 31) - 1;
uint256 constant DRAIN_AT = 40;
uint256 constant CREDIT_AT = 80;
uint256 constant FLOWS_AT = 120;
uint256 constant PAUSED_AT = 128;
uint256 constant GRACE_AT = 129;
uint256 constant MARGIN_AT = 141;
uint256 constant RATE_AT = 158;
uint256 constant TRUST_AT = 190;
uint256 constant REDUNDANCY_AT = 197;
uint256 constant SECONDS_AT = 200;
uint256 constant HALF_LIFE_AT = 218;
uint256 constant WINDOW_AT = 144;
uint256 constant PERMILLE_AT = 168;
uint256 constant MULTIPLE_AT = 184;

/* ------------------------------ lane ------------------------------ */

function packLane(uint256 key, uint256 qubits, uint256 quality) pure returns (Lane) {
    return Lane.wrap(key << 24 | qubits << 12 | quality);
}

function laneKey(Lane l) pure returns (uint256) {
    return Lane.unwrap(l) >> 24;
}

function laneQubits(Lane l) pure returns (uint256) {
    return Lane.unwrap(l) >> 12 & 0xFFF;
}

function laneQuality(Lane l) pure returns (uint256) {
    return Lane.unwrap(l) & 0xFFF;
}

/* ------------------------------ queue ------------------------------ */

function finishOf(Queue q) pure returns (uint256) {
    return Queue.unwrap(q) & MASK40;
}

/// @dev How much of what the flow was charged is not forgiven, nor given back.
function debtOf(Queue q) pure returns (uint256) {
    return Queue.unwrap(q) >> DEBT_AT & MOST_DEBT;
}

function removedOf(Queue q) pure returns (uint256) {
    return Queue.unwrap(q) >> REMOVED_AT & MOST_PLACES;
}

function addedOf(Queue q) pure returns (uint256) {
    return Queue.unwrap(q) >> ADDED_AT & MOST_PLACES;
}

function returnedHeadOf(Queue q) pure returns (uint256) {
    return Queue.unwrap(q) >> HEAD_AT & MOST_PLACES;
}

function returnedTailOf(Queue q) pure returns (uint256) {
    return Queue.unwrap(q) >> TAIL_AT & MOST_PLACES;
}

function weightOf(Queue q) pure returns (uint256) {
    return Queue.unwrap(q) >> WEIGHT_AT & 0x1FFFF;
}

function isOpenFlow(Queue q) pure returns (bool) {
    return Queue.unwrap(q) >> OPEN_AT & 1 == 1;
}

/// @dev All that the flow was ever charged, modulo 2^40.
function chargedOf(Queue q) pure returns (uint256) {
    return Queue.unwrap(q) >> CHARGED_AT;
}

function withFinish(Queue q, uint256 finish) pure returns (Queue) {
    return Queue.wrap(Queue.unwrap(q) & ~MASK40 | finish);
}

/// @dev After one more charge, from which on the finish tag is `finish`, of at most 40 bits.
function withCharge(Queue q, uint256 finish, uint256 debt, uint256 cost) pure returns (Queue) {
    uint256 kept = debt > MOST_DEBT ? MOST_DEBT : debt;
    // The last field of the word wraps around.
    unchecked {
        return Queue.wrap((Queue.unwrap(q) >> REMOVED_AT << REMOVED_AT) + (cost << CHARGED_AT) | kept << DEBT_AT | finish);
    }
}

function withRemoved(Queue q, uint256 removed) pure returns (Queue) {
    return Queue.wrap(Queue.unwrap(q) & ~(MOST_PLACES << REMOVED_AT) | removed << REMOVED_AT);
}

function withAdded(Queue q, uint256 added) pure returns (Queue) {
    return Queue.wrap(Queue.unwrap(q) & ~(MOST_PLACES << ADDED_AT) | added << ADDED_AT);
}

function withReturned(Queue q, uint256 head, uint256 tail) pure returns (Queue) {
    return Queue.wrap(
        Queue.unwrap(q) & ~(MOST_PLACES << HEAD_AT | MOST_PLACES << TAIL_AT) | head << HEAD_AT | tail << TAIL_AT
    );
}

function withWeight(Queue q, uint256 weight, bool open) pure returns (Queue) {
    return Queue.wrap(
        Queue.unwrap(q) & ~uint256((1 << 18) - 1 << WEIGHT_AT) | weight << WEIGHT_AT | uint256(open ? 1 : 0) << OPEN_AT
    );
}

/* ------------------------------ clock ------------------------------ */

function timeOf(Clock c) pure returns (uint256) {
    return Clock.unwrap(c) & MASK40;
}

function drainOf(Clock c) pure returns (uint256) {
    return Clock.unwrap(c) >> DRAIN_AT & MASK40;
}

function creditOf(Clock c) pure returns (uint256) {
    return Clock.unwrap(c) >> CREDIT_AT & MASK40;
}

function flowsOf(Clock c) pure returns (uint256) {
    return uint8(Clock.unwrap(c) >> FLOWS_AT);
}

function isPaused(Clock c) pure returns (bool) {
    return Clock.unwrap(c) >> PAUSED_AT & 1 == 1;
}

function graceOf(Clock c) pure returns (uint256) {
    return Clock.unwrap(c) >> GRACE_AT & 0xFFF;
}

function marginOf(Clock c) pure returns (uint256) {
    return Clock.unwrap(c) >> MARGIN_AT & 0x1FFFF;
}

/// @dev Units per qubit-second of class 0.
function normalRateOf(Clock c) pure returns (uint256) {
    return uint32(Clock.unwrap(c) >> RATE_AT);
}

function leastTrustOf(Clock c) pure returns (uint256) {
    return Clock.unwrap(c) >> TRUST_AT & 0x7F;
}

function mostRedundancyOf(Clock c) pure returns (uint256) {
    return Clock.unwrap(c) >> REDUNDANCY_AT & 7;
}

function mostSecondsOf(Clock c) pure returns (uint256) {
    return Clock.unwrap(c) >> SECONDS_AT & 0x3FFFF;
}

/// @dev In ticks of 256 s.
function halfLifeOf(Clock c) pure returns (uint256) {
    return Clock.unwrap(c) >> HALF_LIFE_AT & 0x3FFFF;
}

function withTime(Clock c, uint256 time) pure returns (Clock) {
    return Clock.wrap(Clock.unwrap(c) & ~MASK40 | time);
}

/* ------------------------------ policy ------------------------------ */

/// @dev Units per qubit-second of class 1 or 2.
function raisedRateOf(Policy p, uint256 class) pure returns (uint256) {
    return uint32(Policy.unwrap(p) >> (32 * (class - 1)));
}

/// @dev Boost of class 1 or 2 in virtual time.
function boostOf(Policy p, uint256 class) pure returns (uint256) {
    return Policy.unwrap(p) >> (24 + 40 * class) & MASK40;
}

function verdictWindowOf(Policy p) pure returns (uint256) {
    return uint24(Policy.unwrap(p) >> WINDOW_AT);
}

function deadlinePermilleOf(Policy p) pure returns (uint256) {
    return uint16(Policy.unwrap(p) >> PERMILLE_AT);
}

function fraudMultipleOf(Policy p) pure returns (uint256) {
    return uint8(Policy.unwrap(p) >> MULTIPLE_AT);
}
