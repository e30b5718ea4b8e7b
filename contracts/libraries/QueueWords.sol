// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {MASK40} from "./JobWords.sol";

/// @title QueueWords
/// @notice The packed words of the fair queue, lowest bits first.
/// - `Lane` (64 bits, four to a storage word): quality 12 | qubits 12 | key 40 of a flow's front; zero when there is none
/// - `Queue`: finish tag 40 | removed 40 | added 40 | returned head 40 | returned tail 40 | weight 24 | open 1. Jobs never
///   dispatched have the indices removed + 1 .. added
/// - `Dispatch`: operator 160 | qubits 12 | free 12 | quality 12 | certified until 40 | suspended 1 | retired 1 | direct 1
/// - `Clock`: virtual time 40 | drain 40 | credit 40 | flows 8 | paused 8 | grace 16 | margin 24 | boost1 40 | boost2 40
type Lane is uint256;
type Queue is uint256;
type Dispatch is uint256;
type Clock is uint256;

using {laneKey, laneQubits, laneQuality} for Lane global;
using {
    finishOf, removedOf, addedOf, returnedHeadOf, returnedTailOf, weightOf, isOpenFlow,
    withFinish, withRemoved, withAdded, withReturned, withWeight
} for Queue global;
using {operatorOf, totalOf, freeOf, certifiedOf, certifiedUntilOf, isBlocked, hasDirect, withFree, withDirect} for Dispatch
    global;
using {timeOf, drainOf, creditOf, flowsOf, isPaused, graceOf, marginOf, boostOf, withTime} for Clock global;

uint256 constant SUSPENDED_AT = 236;
uint256 constant RETIRED_AT = 237;
uint256 constant DIRECT_AT = 238;

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

function removedOf(Queue q) pure returns (uint256) {
    return Queue.unwrap(q) >> 40 & MASK40;
}

function addedOf(Queue q) pure returns (uint256) {
    return Queue.unwrap(q) >> 80 & MASK40;
}

function returnedHeadOf(Queue q) pure returns (uint256) {
    return Queue.unwrap(q) >> 120 & MASK40;
}

function returnedTailOf(Queue q) pure returns (uint256) {
    return Queue.unwrap(q) >> 160 & MASK40;
}

function weightOf(Queue q) pure returns (uint256) {
    return uint24(Queue.unwrap(q) >> 200);
}

function isOpenFlow(Queue q) pure returns (bool) {
    return Queue.unwrap(q) >> 224 & 1 == 1;
}

function withFinish(Queue q, uint256 finish) pure returns (Queue) {
    return Queue.wrap(Queue.unwrap(q) & ~MASK40 | finish);
}

function withRemoved(Queue q, uint256 removed) pure returns (Queue) {
    return Queue.wrap(Queue.unwrap(q) & ~(MASK40 << 40) | removed << 40);
}

function withAdded(Queue q, uint256 added) pure returns (Queue) {
    return Queue.wrap(Queue.unwrap(q) & ~(MASK40 << 80) | added << 80);
}

function withReturned(Queue q, uint256 head, uint256 tail) pure returns (Queue) {
    return Queue.wrap(Queue.unwrap(q) & ~(MASK40 << 120 | MASK40 << 160) | head << 120 | tail << 160);
}

function withWeight(Queue q, uint256 weight, bool open) pure returns (Queue) {
    return Queue.wrap(Queue.unwrap(q) & (1 << 200) - 1 | weight << 200 | uint256(open ? 1 : 0) << 224);
}

/* ------------------------------ dispatch ------------------------------ */

function operatorOf(Dispatch d) pure returns (address) {
    return address(uint160(Dispatch.unwrap(d)));
}

function totalOf(Dispatch d) pure returns (uint256) {
    return Dispatch.unwrap(d) >> 160 & 0xFFF;
}

function freeOf(Dispatch d) pure returns (uint256) {
    return Dispatch.unwrap(d) >> 172 & 0xFFF;
}

function certifiedOf(Dispatch d) pure returns (uint256) {
    return Dispatch.unwrap(d) >> 184 & 0xFFF;
}

function certifiedUntilOf(Dispatch d) pure returns (uint256) {
    return Dispatch.unwrap(d) >> 196 & MASK40;
}

/// @dev Suspended or retired.
function isBlocked(Dispatch d) pure returns (bool) {
    return Dispatch.unwrap(d) >> SUSPENDED_AT & 3 != 0;
}

function hasDirect(Dispatch d) pure returns (bool) {
    return Dispatch.unwrap(d) >> DIRECT_AT & 1 == 1;
}

function withFree(Dispatch d, uint256 free) pure returns (Dispatch) {
    return Dispatch.wrap(Dispatch.unwrap(d) & ~(uint256(0xFFF) << 172) | free << 172);
}

function withDirect(Dispatch d, bool direct) pure returns (Dispatch) {
    return Dispatch.wrap(Dispatch.unwrap(d) & ~(uint256(1) << DIRECT_AT) | uint256(direct ? 1 : 0) << DIRECT_AT);
}

/* ------------------------------ clock ------------------------------ */

function timeOf(Clock c) pure returns (uint256) {
    return Clock.unwrap(c) & MASK40;
}

function drainOf(Clock c) pure returns (uint256) {
    return Clock.unwrap(c) >> 40 & MASK40;
}

function creditOf(Clock c) pure returns (uint256) {
    return Clock.unwrap(c) >> 80 & MASK40;
}

function flowsOf(Clock c) pure returns (uint256) {
    return uint8(Clock.unwrap(c) >> 120);
}

function isPaused(Clock c) pure returns (bool) {
    return Clock.unwrap(c) >> 128 & 1 == 1;
}

function graceOf(Clock c) pure returns (uint256) {
    return uint16(Clock.unwrap(c) >> 136);
}

function marginOf(Clock c) pure returns (uint256) {
    return uint24(Clock.unwrap(c) >> 152);
}

/// @dev Boost of class 0, 1 or 2 in virtual time; 0 for class 0.
function boostOf(Clock c, uint256 class) pure returns (uint256) {
    return class == 0 ? 0 : Clock.unwrap(c) >> (136 + 40 * class) & MASK40;
}

function withTime(Clock c, uint256 time) pure returns (Clock) {
    return Clock.wrap(Clock.unwrap(c) & ~MASK40 | time);
}
