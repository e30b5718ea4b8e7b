// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IXmssVerifier} from "../contracts/interfaces/IXmssVerifier.sol";
import {Stage} from "./Stage.sol";
import {VM} from "./Vm.sol";

/// @title Whatever is changed in a quorum's signatures, they no longer hold
contract SignatureProperties is Stage {
    bytes32 internal constant DIGEST = keccak256("what was signed");

    IXmssVerifier internal xmss;
    bytes internal signatures;

    function setUp() public {
        _deploy();
        xmss = IXmssVerifier(_new("XmssVerifier", ""));
        for (uint64 role = 1; role <= 2; ++role) {
            VM.prank(timelock);
            manager.grantRole(role, address(this), 0);
        }
        address[] memory list = new address[](7);
        for (uint256 i; i < 7; ++i) list[i] = oracles[i];
        quorum.rotate(list, 0);
        for (uint256 i; i < 5; ++i) {
            (bytes32 r, bytes32 vs) = VM.signCompact(oracleKeys[i], DIGEST);
            signatures = bytes.concat(signatures, r, vs);
        }
    }

    function _holds(bytes32 digest, uint32 era, uint256 bitmap, bytes memory given) private view returns (bool) {
        try quorum.verify(digest, era, bitmap, given) {
            return true;
        } catch {
            return false;
        }
    }

    function test_theQuorumHolds() public view {
        assert(_holds(DIGEST, 1, 31, signatures));
    }

    function testFuzz_oneBitOfASignature(uint16 place) public view {
        bytes memory given = signatures;
        uint256 bit = place % (8 * given.length);
        given[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        assert(!_holds(DIGEST, 1, 31, given));
    }

    function testFuzz_anotherDigestEraOrBitmap(bytes32 digest, uint32 era, uint256 bitmap) public view {
        assert(digest == DIGEST || !_holds(digest, 1, 31, signatures));
        assert(era == 1 || !_holds(DIGEST, era, 31, signatures));
        assert(bitmap == 31 || !_holds(DIGEST, 1, bitmap, signatures));
        assert(bitmap % 128 == 31 || !_holds(DIGEST, 1, bitmap % 128, signatures));
    }

    function testFuzz_anotherLengthOrOrder(uint16 length, uint8 a, uint8 b) public view {
        bytes memory given = signatures;
        uint256 short = length % 640;
        bytes memory cut = new bytes(short);
        for (uint256 i; i < short && i < 320; ++i) cut[i] = given[i];
        assert(short == 320 || !_holds(DIGEST, 1, 31, cut));
        (uint256 x, uint256 y) = (a % 5, b % 5);
        if (x == y) return;
        for (uint256 i; i < 64; ++i) (given[64 * x + i], given[64 * y + i]) = (given[64 * y + i], given[64 * x + i]);
        assert(!_holds(DIGEST, 1, 31, given));
    }

    /// @dev XMSS: bytes that nobody signed are no signature, and are refused without a revert.
    function testFuzz_noXmssForgery(bytes32 hash, bytes32 seed, bytes memory key, bytes memory given) public view {
        assert(xmss.verify(key, hash, given) != IXmssVerifier.verify.selector);
        bytes memory sized = new bytes(1424);
        for (uint256 i = 32; i <= 1424; i += 32) {
            bytes32 word = keccak256(abi.encode(seed, i));
            assembly ("memory-safe") {
                mstore(add(sized, i), word)
            }
        }
        bytes memory known = bytes.concat(seed, bytes12(hash));
        sized[0] = sized[1] = 0;
        assert(xmss.verify(known, hash, sized) != IXmssVerifier.verify.selector);
    }
}
