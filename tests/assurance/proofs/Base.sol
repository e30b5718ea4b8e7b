// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {ComputationAllocator} from "../contracts/ComputationAllocator.sol";
import {OracleQuorum} from "../contracts/OracleQuorum.sol";
import {ProcessorRegistry} from "../contracts/ProcessorRegistry.sol";
import {ResourceCredit} from "../contracts/ResourceCredit.sol";
import {ResultVerifier} from "../contracts/ResultVerifier.sol";
import {JobId, JobRequest, ProcessorId, ProcessorSpec} from "../contracts/libraries/Types.sol";

/// @notice The cheat codes that halmos knows and these proofs use.
interface Vm {
    function assume(bool condition) external pure;
    function prank(address sender) external;
    function warp(uint256 time) external;
}

contract Probe {}

/// @title The exchange as the proofs find it: a client with a balance and a queued job, a provider with a bonded processor
/// @notice Real contracts with the real AccessManager. halmos numbers new contracts one after another, so each address is known
/// before it is used; `setUp` fails where that is not so.
abstract contract Base {
    Vm internal constant VM = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    uint256 internal constant SUPPLY = 1e15;
    uint256 internal constant HELD = 1e12;
    address internal constant CLIENT = address(0xC11E47);
    address internal constant PROVIDER = address(0x9801D3);
    address internal constant TREASURY = address(0x72EA5);
    address internal constant BODY = address(0xB0D1E5);
    uint256 internal constant START = 2_000_000_000;

    AccessManager internal manager;
    ResourceCredit internal credit;
    ProcessorRegistry internal registry;
    ComputationAllocator internal allocator;
    OracleQuorum internal quorum;
    ResultVerifier internal verifier;
    JobId internal job;
    ProcessorId internal processor;

    function _deploy() internal {
        VM.warp(START);
        manager = new AccessManager(address(this));
        credit = new ResourceCredit(address(manager), address(this), SUPPLY, SUPPLY);
        uint160 next = uint160(address(new Probe())) + 1;
        // The allocator creates its desk, which takes the number after its own.
        (address r, address a, address q, address v) =
            (address(next), address(next + 1), address(next + 3), address(next + 4));
        registry = new ProcessorRegistry(address(manager), a, q, v, TREASURY, 1);
        allocator = new ComputationAllocator(address(manager), address(credit), r, v, 1);
        quorum = new OracleQuorum(address(manager), address(credit), v, TREASURY);
        verifier = new ResultVerifier(address(manager), a, r, q);
        assert(address(registry) == r && address(allocator) == a && address(quorum) == q && address(verifier) == v);
        _govern();
    }

    function _govern() private {
        bytes4[] memory list = new bytes4[](6);
        list[0] = allocator.openFlow.selector;
        list[1] = allocator.setClass.selector;
        list[2] = allocator.setFlowOwner.selector;
        list[3] = allocator.setFlowWeight.selector;
        list[4] = allocator.setQueueing.selector;
        list[5] = allocator.setQuota.selector;
        manager.setTargetFunctionRole(address(allocator), list, 1);
        list = new bytes4[](3);
        list[0] = allocator.setTimes.selector;
        list[1] = allocator.setPenalties.selector;
        list[2] = allocator.setRequestBounds.selector;
        manager.setTargetFunctionRole(address(allocator), list, 4);
        list = new bytes4[](1);
        list[0] = allocator.setPaused.selector;
        manager.setTargetFunctionRole(address(allocator), list, 3);
        list = new bytes4[](2);
        list[0] = verifier.setWindows.selector;
        list[1] = verifier.setChallengeBond.selector;
        manager.setTargetFunctionRole(address(verifier), list, 4);
        list = new bytes4[](1);
        list[0] = verifier.rule.selector;
        manager.setTargetFunctionRole(address(verifier), list, 5);
        list = new bytes4[](5);
        list[0] = registry.setCertificateLife.selector;
        list[1] = registry.setClaimTolerance.selector;
        list[2] = registry.setLeastBond.selector;
        list[3] = registry.setUnbondDelay.selector;
        list[4] = registry.setHalfLife.selector;
        manager.setTargetFunctionRole(address(registry), list, 2);
        list = new bytes4[](1);
        list[0] = registry.setSuspended.selector;
        manager.setTargetFunctionRole(address(registry), list, 6);
        list = new bytes4[](2);
        list[0] = quorum.rotate.selector;
        list[1] = quorum.setLeastBond.selector;
        manager.setTargetFunctionRole(address(quorum), list, 2);
    }

    /// @dev A client with HELD credits, a provider with a bonded processor, and a job with escrow.
    function _furnish() internal {
        credit.approve(address(allocator), type(uint256).max);
        allocator.deposit(CLIENT, HELD);
        allocator.deposit(PROVIDER, HELD);
        ProcessorSpec memory s;
        (s.qubits, s.claimedQuality, s.bond) = (20, 1000, 1e6);
        VM.prank(PROVIDER);
        processor = registry.register(s);
        JobRequest memory r;
        (r.qubits, r.redundancy, r.maxExecutions, r.trust, r.declaredSeconds) = (5, 1, 2, 2, 100);
        r.deadline = uint40(START + 1000);
        VM.prank(CLIENT);
        job = allocator.submit(r);
    }

    function _allRoles(address account) internal {
        for (uint64 role = 1; role <= 6; ++role) manager.grantRole(role, account, 0);
    }
}
