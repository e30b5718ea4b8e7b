// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {JobRequest, JobState, JobId, Outcome} from "../contracts/libraries/Types.sol";
import {Base} from "./Base.sol";

/// @title The ledger, for every amount, account and time
contract MoneyProofs is Base {
    function setUp() public {
        _deploy();
        _furnish();
    }

    function _total() private view returns (uint256) {
        return allocator.balanceOf(CLIENT) + allocator.balanceOf(PROVIDER) + allocator.balanceOf(TREASURY)
            + allocator.job(job).escrow + registry.bondOf(processor);
    }

    /// @dev I1: a withdrawal takes what it names from its caller, at most what it has, and from nobody else.
    function check_withdrawalsAreExact(address caller, uint256 amount) public {
        VM.assume(caller != address(allocator));
        uint256 mine = allocator.balanceOf(caller);
        uint256 clients = allocator.balanceOf(CLIENT);
        uint256 held = credit.balanceOf(address(allocator));
        VM.prank(caller);
        try allocator.withdraw(caller, amount) {
            assert(amount <= mine && allocator.balanceOf(caller) == mine - amount);
            assert(credit.balanceOf(address(allocator)) == held - amount);
            assert(caller == CLIENT || allocator.balanceOf(CLIENT) == clients);
        } catch {
            assert(allocator.balanceOf(caller) == mine);
        }
    }

    /// @dev I1: a deposit gives to one account what left the caller's wallet.
    function check_depositsAreExact(address account, uint256 amount) public {
        uint256 before = allocator.balanceOf(account);
        uint256 wallet = credit.balanceOf(address(this));
        try allocator.deposit(account, amount) {
            assert(allocator.balanceOf(account) == before + amount);
            assert(credit.balanceOf(address(this)) == wallet - amount);
        } catch {
            assert(allocator.balanceOf(account) == before);
        }
    }

    /// @dev I1: the escrow of a job is what its client paid for it, its quote.
    function check_escrowIsWhatWasPaid(uint16 qubits, uint32 seconds_, uint8 most) public {
        JobRequest memory r;
        (r.qubits, r.redundancy, r.maxExecutions, r.trust, r.declaredSeconds) = (qubits, 1, most, 2, seconds_);
        r.deadline = uint40(block.timestamp + 200 days);
        uint256 before = allocator.balanceOf(CLIENT);
        VM.prank(CLIENT);
        try allocator.submit(r) returns (JobId id) {
            assert(before - allocator.balanceOf(CLIENT) == allocator.job(id).escrow);
        } catch {
            assert(allocator.balanceOf(CLIENT) == before);
        }
    }

    /// @dev I13: after its deadline, and only then, anyone ends a job, and its client has its escrow back.
    function check_refundAfterTheDeadline(address caller, uint40 time) public {
        VM.assume(time >= block.timestamp);
        VM.warp(time);
        uint256 before = allocator.balanceOf(CLIENT);
        uint256 escrow = allocator.job(job).escrow;
        uint256 deadline = allocator.job(job).deadline;
        VM.prank(caller);
        try allocator.expire(job) {
            assert(time > deadline);
            assert(allocator.balanceOf(CLIENT) == before + escrow && allocator.job(job).escrow == 0);
        } catch {
            assert(time <= deadline);
        }
    }

    /// @dev I13: before it was allocated a job's client, and nobody else, takes it back whole.
    function check_cancelIsTheClients(address caller) public {
        uint256 before = allocator.balanceOf(CLIENT);
        uint256 escrow = allocator.job(job).escrow;
        VM.prank(caller);
        try allocator.cancel(job) {
            assert(caller == CLIENT && allocator.balanceOf(CLIENT) == before + escrow);
        } catch {
            assert(caller != CLIENT && allocator.balanceOf(CLIENT) == before);
        }
    }

    /// @dev I11: a slash takes at most the bond and gives all of it to its beneficiary.
    function check_slashIsWithinTheBond(uint256 amount, address beneficiary) public {
        uint256 bond = registry.bondOf(processor);
        VM.assume(beneficiary != address(0));
        uint256 before = allocator.balanceOf(beneficiary);
        VM.prank(address(verifier));
        uint256 taken = registry.slash(processor, amount, beneficiary, 0);
        assert(taken <= bond && taken <= amount && registry.bondOf(processor) == bond - taken);
        assert(taken == (amount < bond ? amount : bond));
        assert(allocator.balanceOf(beneficiary) == before + taken);
    }

    /// @dev I1: bonds come out of their provider's balance and go back there, through the delay only.
    function check_bondsAreTheirProviders(address caller, uint256 amount) public {
        uint256 total = _total();
        VM.prank(caller);
        try registry.addBond(processor, amount) {
            assert(caller == PROVIDER);
        } catch {}
        assert(_total() == total);
        VM.prank(caller);
        try registry.withdrawBond(processor) {
            assert(false); // nothing was announced
        } catch {}
        assert(_total() == total);
    }

    /// @dev What contracts keep for each other is closed to every other caller, whatever the arguments.
    function check_onlyTheVerifierMovesFees(address caller, address account, uint256 amount, uint8 outcome) public {
        VM.assume(caller != address(verifier) && outcome < 5);
        VM.prank(caller);
        try allocator.giveBond(account, amount) {
            assert(false);
        } catch {}
        VM.prank(caller);
        try allocator.takeBond(account, amount) {
            assert(false);
        } catch {}
        VM.prank(caller);
        try allocator.settle(job, 0, 0, Outcome(outcome), false, 0) {
            assert(false);
        } catch {}
        VM.prank(caller);
        try allocator.recordChallenge(job, 0, 9, 0, true) {
            assert(false);
        } catch {}
    }

    function check_onlyTheRegistryMovesBonds(address caller, address account, uint256 amount) public {
        VM.assume(caller != address(registry) && caller != address(allocator) && caller != address(verifier));
        VM.prank(caller);
        try allocator.slashBond(processor, amount, account) {
            assert(false);
        } catch {}
        VM.prank(caller);
        try allocator.releaseBond(processor, amount) {
            assert(false);
        } catch {}
        VM.prank(caller);
        try allocator.addBond(processor, amount) {
            assert(false);
        } catch {}
        VM.prank(caller);
        try registry.slash(processor, amount, account, 0) {
            assert(false);
        } catch {}
        VM.prank(caller);
        try quorum.slash(account, account, 0) {
            assert(false);
        } catch {}
    }

    /* ------------------------------ canaries ------------------------------ */

    /// @dev False: somebody has something to withdraw.
    function check_canary_nobodyWithdraws(address caller, uint256 amount) public {
        VM.prank(caller);
        try allocator.withdraw(caller, amount) {
            assert(false);
        } catch {}
    }

    /// @dev False: there are times at which the job expires.
    function check_canary_jobsNeverExpire(uint40 time) public {
        VM.warp(time);
        try allocator.expire(job) {
            assert(false);
        } catch {}
    }
}
