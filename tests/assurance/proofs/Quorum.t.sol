// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {Base} from "./Base.sol";

/// @title Quorums: every bitmap, every signature; halmos keeps `ecrecover` as an unknown function
contract QuorumProofs is Base {
    bytes32 internal constant DIGEST = keccak256("signed");

    address[] internal list;

    function setUp() public {
        _deploy();
        _allRoles(BODY);
        for (uint160 i; i < 4; ++i) list.push(address(0x0AC1E + i));
        VM.prank(BODY);
        quorum.rotate(list, 0);
        assert(quorum.threshold() == 3);
    }

    function _count(uint256 bitmap) private pure returns (uint256 count) {
        for (uint256 i; i < 4; ++i) count += bitmap >> i & 1;
    }

    /// @dev I12: what is taken names 2f + 1 different signers of the era, each with a signature of its own.
    function check_quorumsAreWholeAndCurrent(uint32 era, uint256 bitmap, bytes32[8] memory words) public view {
        bytes memory signatures = abi.encodePacked(words[0], words[1], words[2], words[3], words[4], words[5]);
        try quorum.verify(DIGEST, era, bitmap, signatures) {
            assert(era == 1 && bitmap < 16 && _count(bitmap) == 3);
        } catch {}
    }

    /// @dev I12: one signature too few is never enough, one too many is not passed over.
    function check_lengthsMatch(uint256 bitmap, bytes32[8] memory words) public view {
        bytes memory two = abi.encodePacked(words[0], words[1], words[2], words[3]);
        try quorum.verify(DIGEST, 1, bitmap, two) {
            assert(false);
        } catch {}
        try quorum.verify(DIGEST, 1, bitmap, abi.encodePacked(words)) {
            assert(bitmap == 15);
        } catch {}
    }

    /// @dev I7: an era follows the one before, and only by the role.
    function check_erasFollowEachOther(address caller) public {
        VM.prank(caller);
        try quorum.rotate(list, 0) {
            assert(caller == BODY && quorum.era() == 2);
        } catch {
            assert(quorum.era() == 1);
        }
        assert(verifier.era() == quorum.era());
    }

    /* ------------------------------ canary ------------------------------ */

    /// @dev False: there are signatures that hold.
    function check_canary_noQuorumEverHolds(uint256 bitmap, bytes32[8] memory words) public view {
        bytes memory signatures = abi.encodePacked(words[0], words[1], words[2], words[3], words[4], words[5]);
        try quorum.verify(DIGEST, 1, bitmap, signatures) {
            assert(false);
        } catch {}
    }
}
