// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {MASK40} from "./JobWords.sol";

/// @title ProcessorWords
/// @notice The two hot words of a processor, lowest bits first. They lie in the allocator, where every step of a job needs them.
/// - `Dispatch`: operator 160 | qubits 12 | free 12 | quality 12 | certified until 40 | suspended 1 | retired 1 | direct 1
/// - `Standing`: provider 160 | bond in units 40 | evidence for 16 | evidence against 16 | tick of the last change 24
type Dispatch is uint256;
type Standing is uint256;

using {operatorOf, totalOf, freeOf, certifiedOf, certifiedUntilOf, isBlocked, hasDirect, withFree, withDirect} for Dispatch
    global;
using {providerOf, bondUnitsOf, forOf, againstOf, tickOf, withBond, withEvidence} for Standing global;

uint256 constant QUALITY_AT = 184;
uint256 constant UNTIL_AT = 196;
uint256 constant SUSPENDED_AT = 236;
uint256 constant RETIRED_AT = 237;
uint256 constant DIRECT_AT = 238;

/* ------------------------------ dispatch ------------------------------ */

/// @dev All qubits free; the claimed quality, until a certificate replaces it.
function packDispatch(uint256 operator, uint256 qubits, uint256 quality) pure returns (Dispatch) {
    return Dispatch.wrap(operator | qubits << 160 | qubits << 172 | quality << QUALITY_AT);
}

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

/* ------------------------------ standing ------------------------------ */

function packStanding(address provider, uint256 units, uint256 tick) pure returns (Standing) {
    return Standing.wrap(uint256(uint160(provider)) | units << 160 | tick << 232);
}

function providerOf(Standing s) pure returns (address) {
    return address(uint160(Standing.unwrap(s)));
}

function bondUnitsOf(Standing s) pure returns (uint256) {
    return Standing.unwrap(s) >> 160 & MASK40;
}

function forOf(Standing s) pure returns (uint256) {
    return uint16(Standing.unwrap(s) >> 200);
}

function againstOf(Standing s) pure returns (uint256) {
    return uint16(Standing.unwrap(s) >> 216);
}

function tickOf(Standing s) pure returns (uint256) {
    return Standing.unwrap(s) >> 232;
}

function withBond(Standing s, uint256 units) pure returns (Standing) {
    return Standing.wrap(Standing.unwrap(s) & ~(MASK40 << 160) | units << 160);
}

function withEvidence(Standing s, uint256 a, uint256 b, uint256 tick) pure returns (Standing) {
    return Standing.wrap(Standing.unwrap(s) & (1 << 200) - 1 | a << 200 | b << 216 | tick << 232);
}
