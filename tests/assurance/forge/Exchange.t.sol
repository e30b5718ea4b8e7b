// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {ChannelId} from "../contracts/interfaces/IEntanglementBase.sol";
import {ICouncil} from "../contracts/interfaces/ICouncil.sol";
import {Silence} from "./Silence.sol";
import {VM} from "./Vm.sol";

/// @title Everybody at once
/// @notice Its functions are the acts that the campaign calls in random order.
contract Everybody is Silence {
    function open_() external {
        _deploy();
        for (uint256 i; i < ORACLES; ++i) {
            keyOf[oracles[i]] = oracleKeys[i];
            VM.prank(oracles[i]);
            quorum.bond(1000 * CREDIT);
        }
        _firstEra();
        for (uint256 i; i < CLIENTS; ++i) _fund(clients[i]);
        for (uint256 i; i < PROVIDERS; ++i) {
            _fund(providers[i]);
            _register(providers[i], i);
        }
        _fund(attacker);
        for (uint256 i; i < 3; ++i) {
            ChannelId id = _openChannel(_mix(i, 77));
            _accept(id, 0);
            _accept(id, 1);
        }
        _watchLinks();
        _observe();
    }

    function _fund(address who) private {
        uint256 amount = 1e4 * CREDIT;
        paidIn += amount;
        linkIn += amount;
        VM.prank(who);
        allocator.deposit(who, amount);
        VM.prank(who);
        coordinator.deposit(amount);
    }

    /// @dev As it happens: the Certification Authority decides, two days pass, anyone carries it out.
    function _firstEra() private {
        address[] memory list = new address[](4);
        for (uint256 i; i < 4; ++i) list[i] = oracles[i];
        ICouncil.Motion memory motion =
            ICouncil.Motion(address(quorum), abi.encodeCall(quorum.rotate, (list, bytes32(0))), 0);
        VM.prank(members[1][0]);
        councils[1].vote(motion);
        VM.prank(members[1][1]);
        councils[1].vote(motion);
        VM.warp(block.timestamp + COUNCIL_DELAY);
        councils[1].execute(motion);
    }
}

/// @title I1 to I15 under random acts of everybody
contract ExchangeInvariants {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Everybody internal all;

    function setUp() public {
        all = new Everybody();
        all.open_();
        require(bytes(all.violation()).length == 0, all.violation());
    }

    function targetContracts() public view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(all);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory list) {
        list = new FuzzSelector[](1);
        list[0] = FuzzSelector(address(all), _acts());
    }

    function invariant_everything() public view {
        string memory found = all.violation();
        require(bytes(found).length == 0, found);
    }

    function afterInvariant() public {
        all.silence();
        string memory found = all.violation();
        require(bytes(found).length == 0, found);
    }

    /// @dev The path is walked to its end, and not only tried.
    function test_whatConsortiaDecideHappens() public {
        for (uint256 seed; seed < 200; ++seed) all.pathAttack(seed);
        require(all.effects() >= 40, "too few proposals of 200 took effect");
        require(bytes(all.violation()).length == 0, all.violation());
    }

    /// @dev Challenges come to rulings that slash, some of them as far as they may: fifty times from the opening. What is wrong then
    /// is the campaign's to find.
    function test_challengesAreRuledOn() public {
        bytes4[10] memory acts = [
            all.submit.selector,
            all.allocate.selector,
            all.commit.selector,
            all.judge.selector,
            all.challenge.selector,
            all.dispute.selector,
            all.dispute.selector,
            all.certify.selector,
            all.expire.selector,
            all.release.selector
        ];
        (uint256 slashes, uint256 bounded) = (0, 0);
        for (uint256 seed; seed < 10_000;) {
            uint256 opening = VM.snapshotState();
            for (uint256 i; i < 200; ++i) {
                bytes memory call = abi.encodeWithSelector(acts[i % 10], uint256(keccak256(abi.encode(seed++))));
                (bool done,) = address(all).call(call);
                done; // what is refused has no effect
            }
            (slashes, bounded) = (slashes + all.slashes(), bounded + all.bounded());
            VM.revertToState(opening);
        }
        require(slashes >= 30 && bounded >= 10, "too few rulings slashed");
    }

    function _acts() private view returns (bytes4[] memory list) {
        bytes4[48] memory acts = [
            all.passTime.selector,
            all.passTime.selector,
            all.deposit.selector,
            all.withdraw.selector,
            all.submit.selector,
            all.submit.selector,
            all.submit.selector,
            all.cancel.selector,
            all.expire.selector,
            all.expireExecution.selector,
            all.skim.selector,
            all.register.selector,
            all.allocate.selector,
            all.allocate.selector,
            all.allocate.selector,
            all.commit.selector,
            all.commit.selector,
            all.addBond.selector,
            all.release.selector,
            all.setOperator.selector,
            all.retire.selector,
            all.judge.selector,
            all.judge.selector,
            all.judgeMany.selector,
            all.accuse.selector,
            all.equivocate.selector,
            all.certify.selector,
            all.certify.selector,
            all.oracleMoney.selector,
            all.challenge.selector,
            all.challenge.selector,
            all.dispute.selector,
            all.dispute.selector,
            all.lapse.selector,
            all.courtCredits.selector,
            all.linkDeposit.selector,
            all.linkWithdraw.selector,
            all.openChannel.selector,
            all.acceptChannel.selector,
            all.attest.selector,
            all.attest.selector,
            all.topUp.selector,
            all.channelLapse.selector,
            all.disputeEpoch.selector,
            all.openLeaf.selector,
            all.resolveDispute.selector,
            all.closeChannel.selector,
            all.openSession.selector
        ];
        bytes4[19] memory more = [
            all.arrive.selector,
            all.arrive.selector,
            all.endSession.selector,
            all.correct.selector,
            all.decideInCouncil.selector,
            all.decideInCouncil.selector,
            all.carryOut.selector,
            all.govern.selector,
            all.fund.selector,
            all.commitEpoch.selector,
            all.claim.selector,
            all.collect.selector,
            all.leave.selector,
            all.bodyAttack.selector,
            all.strangerAttack.selector,
            all.pathAttack.selector,
            all.strangersPath.selector,
            all.replay.selector,
            all.forge.selector
        ];
        list = new bytes4[](acts.length + more.length);
        for (uint256 i; i < acts.length; ++i) list[i] = acts[i];
        for (uint256 i; i < more.length; ++i) list[acts.length + i] = more[i];
    }
}
