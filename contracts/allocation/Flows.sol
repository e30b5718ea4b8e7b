// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Clock, FLOWS_AT, Lane, Policy, Queue} from "../libraries/QueueWords.sol";
import {Ledger} from "./Ledger.sol";

/// @title Flows
/// @notice Shares of the queue and the parameters that the bodies set.
abstract contract Flows is Ledger, AccessManaged {
    uint256 internal constant MOST_FLOWS = 64;
    uint256 internal constant LEAST_WEIGHT = 10;
    uint256 internal constant MOST_WEIGHT = 100_000;
    /// @dev Virtual time units per qubit-second and unit of weight.
    uint256 internal constant TAG_SCALE = 64;

    Clock internal _clock;
    Policy internal _policy;
    /// @dev Queues of flows and, from 2^23 on, direct queues of processors.
    mapping(uint256 queue => Queue) internal _queues;
    /// @dev Four lanes to a word.
    uint256[MOST_FLOWS / 4] internal _lanes;
    mapping(uint256 flow => address) internal _owners;
    mapping(uint256 flow => mapping(address account => bool)) internal _members;
    /// @dev capacity 64 | perDay 64 | tokens 64 | updated 64, lowest bits first; by flow * 4 + class.
    mapping(uint256 key => uint256) internal _quotas;

    constructor(address authority_) AccessManaged(authority_) {}

    /// @dev Starting values: every body may change its own.
    function _initialise() internal {
        // drain 2000, grace 30 s, margin 60 s, rate 1000, trust >= 2, redundancy <= 5, at most 6 h, half-life 90 days
        uint256 halfLife = 90 days >> 8;
        _clock = Clock.wrap(
            2000 << 40 | 30 << 129 | 60 << 141 | 1000 << 158 | 2 << 190 | 5 << 197 | 21_600 << 200 | halfLife << 218
        );
        // raised rates 2000 and 4000, no boosts, verdict within 1 h, penalties 10 % of a fee and 10 fees
        _policy = Policy.wrap(2000 | 4000 << 32 | 3600 << 144 | 100 << 168 | 10 << 184);
        _open(address(0), 100, true);
        emit FlowOpened(0, 0, address(0), 100, true);
    }

    /// @dev Spends `units` qubit-seconds of the flow's quota of `class`; the class granted.
    function _spendQuota(uint256 id, uint256 class, uint256 units) internal returns (uint256) {
        uint256 word = _quotas[id * 4 + class];
        uint256 tokens = _tokens(word);
        if (units > tokens) return 0;
        _quotas[id * 4 + class] = word & (1 << 128) - 1 | (tokens - units) << 128 | block.timestamp << 192;
        return class;
    }

    /// @dev Whether `units` of the flow's quota of `class` are there.
    function _hasQuota(uint256 id, uint256 class, uint256 units) internal view returns (bool) {
        return units <= _tokens(_quotas[id * 4 + class]);
    }

    function _tokens(uint256 word) internal view returns (uint256) {
        uint256 capacity = uint64(word);
        uint256 tokens = uint64(word >> 128) + uint256(uint64(word >> 64)) * (block.timestamp - (word >> 192)) / 1 days;
        return tokens < capacity ? tokens : capacity;
    }

    /// @dev The flow's queue word; reverts if there is no such flow.
    function _flow(uint256 id) internal view returns (Queue q) {
        q = _queues[id];
        if (id >= MOST_FLOWS || q.weightOf() == 0) revert ComputationAllocatorUnknownFlow(uint16(id));
    }

    /// @dev Whether an account may charge the flow.
    function _isMember(uint256 id, address account) internal view returns (bool) {
        return _queues[id].isOpenFlow() || _members[id][account] || (_owners[id] == account && account != address(0));
    }

    /// @dev Writes the front of a flow into its lane.
    function _setLane(uint256 id, Lane front) internal {
        uint256 word = _lanes[id >> 2];
        uint256 changed = _put(word, (id & 3) << 6, 64, Lane.unwrap(front));
        if (changed != word) _lanes[id >> 2] = changed;
    }

    function _put(uint256 word, uint256 offset, uint256 bits, uint256 value) internal pure returns (uint256) {
        return word & ~((1 << bits) - 1 << offset) | value << offset;
    }

    function _bound(bytes32 name, uint256 value, uint256 least, uint256 most) internal pure {
        if (value < least || value > most) revert ComputationAllocatorOutOfBounds(name, value, least, most);
    }

    function _open(address owner, uint256 weight, bool open) internal returns (uint16 created) {
        uint256 count = _clock.flowsOf();
        if (count >= MOST_FLOWS) revert ComputationAllocatorTooManyFlows();
        _bound("weight", weight, LEAST_WEIGHT, MOST_WEIGHT);
        created = uint16(count);
        _queues[count] = Queue.wrap(0).withWeight(weight, open);
        _owners[count] = owner;
        _clock = Clock.wrap(_put(Clock.unwrap(_clock), FLOWS_AT, 8, count + 1));
    }
}
