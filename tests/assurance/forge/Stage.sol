// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {IBrake} from "../contracts/interfaces/IBrake.sol";
import {IComputationAllocator} from "../contracts/interfaces/IComputationAllocator.sol";
import {IConsortiumSeats} from "../contracts/interfaces/IConsortiumSeats.sol";
import {ICouncil} from "../contracts/interfaces/ICouncil.sol";
import {IDisputeCourt} from "../contracts/interfaces/IDisputeCourt.sol";
import {IEntanglementCoordinator} from "../contracts/interfaces/IEntanglementCoordinator.sol";
import {IEpochSettlement} from "../contracts/interfaces/IEpochSettlement.sol";
import {IExchangeGovernor} from "../contracts/interfaces/IExchangeGovernor.sol";
import {IOracleQuorum} from "../contracts/interfaces/IOracleQuorum.sol";
import {IProcessorRegistry} from "../contracts/interfaces/IProcessorRegistry.sol";
import {IResourceCredit} from "../contracts/interfaces/IResourceCredit.sol";
import {IResultVerifier} from "../contracts/interfaces/IResultVerifier.sol";
import {Governed} from "./Governed.sol";
import {VM} from "./Vm.sol";

/// @title The whole exchange, deployed and handed over as `qcrs.chain.deploy` and `qcrs.chain.handover` do
/// @notice Which role governs which function is generated from those modules (`Governed.sol`). This contract is the deployer and
/// ends with nothing. The least bonds stay where the contracts start, so that slashes meet the end of a bond.
abstract contract Stage {
    uint256 internal constant CREDIT = 1e6;
    uint256 internal constant SUPPLY = 1e9 * CREDIT;
    uint256 internal constant START = 2_000_000_000;
    uint32 internal constant COUNCIL_DELAY = 2 days;
    uint256 internal constant CLIENTS = 3;
    uint256 internal constant PROVIDERS = 4;
    uint256 internal constant ORACLES = 8;
    uint256 internal constant FIRST_KEY = 0xA11CE;

    IAccessManager public manager;
    IResourceCredit public credit;
    IProcessorRegistry public registry;
    IComputationAllocator public allocator;
    IOracleQuorum public quorum;
    IResultVerifier public verifier;
    IEntanglementCoordinator public coordinator;
    IEpochSettlement public epochs;
    ICouncil[5] public councils;
    IConsortiumSeats public seats;
    address public timelock;
    address public governor;
    IDisputeCourt public court;
    IBrake public brake;

    address[] internal clients;
    address[] internal providers;
    uint256[] internal oracleKeys;
    address[] internal oracles;
    address[3][5] internal members;
    address[] internal consortia;
    address internal attacker;
    /// @dev Everyone who may own something inside the exchange.
    address[] internal accounts;
    /// @dev Everyone with some power: councils, their members, the manager, the timelock and so on.
    address[] internal bodies;

    function _deploy() internal {
        VM.warp(START);
        _name();
        _create();
        _govern();
        _handOver();
        _endow();
    }

    function _key(uint256 i) internal pure returns (uint256) {
        return FIRST_KEY + i;
    }

    function _name() private {
        uint256 next;
        for (uint256 i; i < CLIENTS; ++i) clients.push(VM.addr(_key(next++)));
        // The first provider is an oracle too: who judges and who is judged may be one.
        for (uint256 i; i < ORACLES; ++i) {
            oracleKeys.push(_key(next));
            oracles.push(VM.addr(_key(next++)));
        }
        providers.push(oracles[ORACLES - 1]);
        for (uint256 i = 1; i < PROVIDERS; ++i) providers.push(VM.addr(_key(next++)));
        for (uint256 c; c < 5; ++c) {
            for (uint256 i; i < 3; ++i) members[c][i] = VM.addr(_key(next++));
        }
        for (uint256 i; i < 3; ++i) consortia.push(VM.addr(_key(next++)));
        attacker = VM.addr(_key(next++));
    }

    /* ------------------------------ creation ------------------------------ */

    function _code(string memory name) internal view virtual returns (bytes memory) {
        bool ours = keccak256(bytes(name)) != keccak256("AccessManager");
        if (ours && VM.envOr("QCRS_COVERAGE", false)) return VM.getCode(string.concat(name, ".sol:", name));
        return VM.parseJsonBytes(VM.readFile(string.concat("build/", name, ".json")), ".bytecode");
    }

    function _new(string memory name, bytes memory arguments) internal returns (address created) {
        bytes memory code = bytes.concat(_code(name), arguments);
        assembly ("memory-safe") {
            created := create(0, add(code, 32), mload(code))
        }
        require(created != address(0), name);
    }

    function _create() private {
        uint256 nonce = VM.getNonce(address(this));
        address[7] memory where;
        for (uint256 i; i < 7; ++i) where[i] = VM.computeCreateAddress(address(this), nonce + i);
        address me = address(this);
        manager = IAccessManager(_new("AccessManager", abi.encode(me)));
        credit = IResourceCredit(_new(_token(), abi.encode(where[0], me, SUPPLY, 2 * SUPPLY)));
        registry = IProcessorRegistry(_new("ProcessorRegistry", abi.encode(where[0], where[3], where[4], where[5], me, 1)));
        allocator = IComputationAllocator(_new("ComputationAllocator", abi.encode(where[0], where[1], where[2], where[5], 1)));
        quorum = IOracleQuorum(_new("OracleQuorum", abi.encode(where[0], where[1], where[5], me)));
        verifier = IResultVerifier(_new("ResultVerifier", abi.encode(where[0], where[3], where[2], where[4])));
        coordinator = IEntanglementCoordinator(_new("EntanglementCoordinator", abi.encode(where[0], where[1], where[2])));
        epochs = IEpochSettlement(_new("EpochSettlement", abi.encode(credit, quorum)));
        require(address(coordinator) == where[6], "addresses");
    }

    function _token() internal pure virtual returns (string memory) {
        return "ResourceCredit";
    }

    function _govern() private {
        Governed.Entry[] memory list = Governed.exchange();
        for (uint256 i; i < list.length; ++i) {
            manager.setTargetFunctionRole(_at(list[i].name), list[i].selectors, list[i].role);
        }
        for (uint64 role = 1; role <= 6; ++role) manager.grantRole(role, address(this), 0);
    }

    function _at(string memory name) internal view returns (address) {
        bytes32 n = keccak256(bytes(name));
        if (n == keccak256("ResourceCredit")) return address(credit);
        if (n == keccak256("ProcessorRegistry")) return address(registry);
        if (n == keccak256("ComputationAllocator")) return address(allocator);
        if (n == keccak256("OracleQuorum")) return address(quorum);
        if (n == keccak256("ResultVerifier")) return address(verifier);
        if (n == keccak256("EntanglementCoordinator")) return address(coordinator);
        if (n == keccak256("ConsortiumSeats")) return address(seats);
        if (n == keccak256("DisputeCourt")) return address(court);
        if (n == keccak256("Brake")) return address(brake);
        revert(name);
    }

    /* ------------------------------ bodies ------------------------------ */

    function _handOver() private {
        uint256 nonce = VM.getNonce(address(this));
        address lock = VM.computeCreateAddress(address(this), nonce + 6);
        for (uint256 c; c < 5; ++c) {
            address[] memory holders = new address[](3);
            for (uint256 i; i < 3; ++i) holders[i] = members[c][i];
            councils[c] = ICouncil(_new("Council", abi.encode(manager, lock, holders, uint8(2))));
        }
        seats = IConsortiumSeats(_new("ConsortiumSeats", abi.encode(manager, consortia)));
        address[] memory proposers = new address[](1);
        proposers[0] = VM.computeCreateAddress(address(this), nonce + 7);
        timelock = _new("ExchangeTimelock", abi.encode(2 days, proposers, new address[](1)));
        require(timelock == lock, "timelock");
        governor = _new(
            "ExchangeGovernor",
            abi.encode(seats, timelock, councils[2], IExchangeGovernor.Terms(6 hours, 4 days, 12 hours, 40, 67))
        );
        court = IDisputeCourt(
            _new("DisputeCourt", abi.encode(manager, credit, verifier, allocator, registry, councils[4]))
        );
        brake = IBrake(_new("Brake", abi.encode(manager)));
        registry.setTreasury(timelock);
        quorum.setTreasury(timelock);
    }

    /// @dev Credits to everyone, then every role to its body, and none is left here.
    function _endow() private {
        _list();
        for (uint256 i; i < accounts.length; ++i) _equip(accounts[i]);
        for (uint256 i; i < bodies.length; ++i) _equip(bodies[i]);
        credit.transfer(timelock, credit.balanceOf(address(this)));
        Governed.Entry[] memory list = Governed.bodies();
        for (uint256 i; i < list.length; ++i) {
            manager.setTargetFunctionRole(_at(list[i].name), list[i].selectors, list[i].role);
        }
        manager.grantRole(1, address(councils[0]), COUNCIL_DELAY);
        manager.grantRole(2, address(councils[1]), COUNCIL_DELAY);
        manager.grantRole(4, address(councils[3]), COUNCIL_DELAY);
        manager.grantRole(3, address(councils[2]), 0);
        manager.grantRole(6, address(councils[1]), 0);
        manager.grantRole(5, address(court), 0);
        manager.grantRole(0, timelock, 0);
        manager.grantRole(0, address(brake), 0);
        manager.setRoleGuardian(1, 3);
        manager.setRoleGuardian(2, 3);
        manager.setRoleGuardian(4, 3);
        for (uint64 role = 7; role > 0; --role) manager.revokeRole(role - 1, address(this));
    }

    function _equip(address account) private {
        if (account == timelock || account == address(court) || account == address(this)) return;
        credit.transfer(account, 1e5 * CREDIT);
        address[5] memory spenders =
            [address(allocator), address(coordinator), address(quorum), address(court), address(epochs)];
        for (uint256 i; i < 5; ++i) {
            VM.prank(account);
            credit.approve(spenders[i], type(uint256).max);
        }
    }

    function _list() private {
        for (uint256 i; i < CLIENTS; ++i) accounts.push(clients[i]);
        for (uint256 i = 1; i < PROVIDERS; ++i) accounts.push(providers[i]);
        for (uint256 i; i < ORACLES; ++i) accounts.push(oracles[i]);
        for (uint256 c; c < 5; ++c) {
            bodies.push(address(councils[c]));
            for (uint256 i; i < 3; ++i) bodies.push(members[c][i]);
        }
        for (uint256 i; i < 3; ++i) bodies.push(consortia[i]);
        accounts.push(attacker);
        accounts.push(timelock);
        accounts.push(governor);
        bodies.push(timelock);
        bodies.push(governor);
        bodies.push(address(court));
        bodies.push(address(brake));
        bodies.push(address(manager));
        bodies.push(address(this));
    }
}
