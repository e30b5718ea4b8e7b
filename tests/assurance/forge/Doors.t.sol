// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IEpochSettlement} from "../contracts/interfaces/IEpochSettlement.sol";
import {Certification, Outcome, ProcessorId, Report} from "../contracts/libraries/Types.sol";
import {Everybody} from "./Exchange.t.sol";
import {VM} from "./Vm.sol";

/// @title Every door that a quorum opens stays shut to a proof in which anything was changed
/// @notice Exactly as many signed as must, so that whatever is not this proof to the byte is none.
contract QuorumDoors is Everybody {
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint256 private constant LOW = type(uint256).max >> 1;
    uint256 private constant KINDS = 18;

    uint256 private _threshold;
    bytes32[4] private _digests;
    bytes[4] private _proofs;
    Report private _one;
    Certification private _certificate;
    IEpochSettlement.Epoch private _epoch;

    function setUp() public {
        this.open_();
        for (uint256 i; committed.length == 0; ++i) {
            try this.certify(i) {} catch {}
            try this.submit(i) {} catch {}
            try this.allocate(i) {} catch {}
            try this.commit(i) {} catch {}
        }
        _one = _report(committed[0], Outcome.Accept, 3);
        _certificate.processor = ProcessorId.wrap(uint32(registry.processorCount()));
        _certificate.era = quorum.era();
        _certificate.epoch = registry.processor(_certificate.processor).epoch + 1;
        _certificate.validUntil = uint40(block.timestamp + 1 days);
        _certificate.capability.widthTested = 4;
        _certificate.capability.t2Nanoseconds = 100_000;
        _certificate.capability.quality = 900;
        _epoch = IEpochSettlement.Epoch(1, quorum.era(), keccak256("root"), keccak256("results"));
        _digests = [
            verifier.reportDigest(_one),
            verifier.batchDigest(_batch()),
            registry.certificationDigest(_certificate),
            epochs.epochDigest(_epoch)
        ];
        _threshold = quorum.threshold();
        address[] memory signers = quorum.signers();
        for (uint256 d; d < 4; ++d) {
            for (uint256 i; i < _threshold; ++i) {
                _proofs[d] = bytes.concat(_proofs[d], _signature(keyOf[signers[i]], _digests[d]));
            }
        }
    }

    function _batch() private view returns (Report[] memory reports) {
        reports = new Report[](1);
        reports[0] = _one;
    }

    function _opens(uint256 door, uint256 bitmap, bytes memory proof) private returns (bool ok) {
        address where = door < 2 ? address(verifier) : door == 2 ? address(registry) : address(epochs);
        bytes memory data;
        if (door == 0) data = abi.encodeCall(verifier.reportVerdict, (_one, bitmap, proof));
        if (door == 1) data = abi.encodeCall(verifier.settleBatch, (_batch(), bitmap, proof));
        if (door == 2) data = abi.encodeCall(registry.certify, (_certificate, bitmap, proof));
        if (door == 3) data = abi.encodeCall(epochs.commitEpoch, (_epoch, new bytes32[](0), bitmap, proof));
        VM.prank(attacker);
        (ok,) = where.call(data);
    }

    function test_everyDoorOpensToItsProof() public {
        for (uint256 door; door < 4; ++door) {
            uint256 snapshot = VM.snapshotState();
            assert(_opens(door, (1 << _threshold) - 1, _proofs[door]));
            VM.revertToState(snapshot);
        }
    }

    function testFuzz_noChangedProofOpensADoor(uint256 seed) public {
        uint256 door = seed % 4;
        uint256 bitmap = (1 << _threshold) - 1;
        bytes memory proof = _proofs[door];
        bytes32 known = keccak256(abi.encode(bitmap, proof));
        uint256 changes = _in(_mix(seed, 1), 1, 3);
        for (uint256 i; i < changes; ++i) (bitmap, proof) = _changed(_mix(seed, 2 + i), door, bitmap, proof);
        if (keccak256(abi.encode(bitmap, proof)) == known) return; // two changes took each other back
        assert(!_opens(door, bitmap, proof));
    }

    /* ------------------------------ changes ------------------------------ */

    function _changed(uint256 x, uint256 door, uint256 bitmap, bytes memory proof)
        private
        view
        returns (uint256, bytes memory)
    {
        uint256 kind = x % KINDS;
        x >>= 8;
        if (kind == 0) return (bitmap ^ 1 << x % 256, proof);
        if (kind == 1) return (bitmap << 1, proof);
        if (kind == 2) return (bitmap | 1 << x % 31, bytes.concat(proof, _foreign(x, door)));
        if (kind == 3) return (bitmap, bytes.concat(proof, _foreign(x, door)));
        if (kind == 4) return (bitmap, _cut(proof, x % (proof.length + 1)));
        if (proof.length < 64) return (bitmap, proof);
        uint256 place = (x >> 8) % (proof.length / 64);
        if (kind == 5) return (bitmap & ~(1 << place), _without(proof, place));
        if (kind == 6) proof[(x >> 16) % proof.length] ^= bytes1(uint8(1 << (x % 8)));
        else if (kind == 7) proof[(x >> 16) % proof.length] = bytes1(uint8(x));
        else if (kind == 8) _put(proof, place, _foreign(x >> 16, door));
        else if (kind == 9) _put(proof, place, _slice(proof, (x >> 16) % (proof.length / 64)));
        else if (kind == 10) _swap(proof, place, (x >> 16) % (proof.length / 64));
        else _put(proof, place, _twisted(_slice(proof, place), kind - 11, x));
        return (bitmap, proof);
    }

    /// @dev The seven ways to write a signature's numbers otherwise.
    function _twisted(bytes memory one, uint256 kind, uint256 x) private pure returns (bytes memory) {
        (uint256 r, uint256 vs) = abi.decode(one, (uint256, uint256));
        (uint256 s, uint256 odd) = (vs & LOW, vs & ~LOW);
        uint256 high = ORDER - s % ORDER;
        if (kind == 0) return abi.encode(r, high & LOW | odd ^ ~LOW); // the same point
        if (kind == 1) return abi.encode(r, high & LOW | odd);
        if (kind == 2) return abi.encode(r, vs ^ ~LOW);
        if (kind == 3) return abi.encode(x % 2 == 0 ? 0 : ORDER, vs);
        if (kind == 4) return abi.encode(r, x % 2 == 0 ? odd : type(uint256).max);
        if (kind == 5) return abi.encode(x, vs);
        return abi.encode(r, x);
    }

    /// @dev A signature by somebody else, or by a signer for another door.
    function _foreign(uint256 x, uint256 door) private view returns (bytes memory) {
        if (x % 3 == 0) return _signature(_key(10_000 + x % 7), _digests[door]);
        if (x % 3 == 1) return new bytes(64);
        return _slice(_proofs[(door + 1 + x % 3) % 4], (x >> 8) % _threshold);
    }

    /* ------------------------------ bytes ------------------------------ */

    function _slice(bytes memory proof, uint256 place) private pure returns (bytes memory one) {
        one = new bytes(64);
        for (uint256 i; i < 64; ++i) one[i] = proof[64 * place + i];
    }

    function _put(bytes memory proof, uint256 place, bytes memory one) private pure {
        for (uint256 i; i < 64; ++i) proof[64 * place + i] = one[i];
    }

    function _swap(bytes memory proof, uint256 a, uint256 b) private pure {
        bytes memory first = _slice(proof, a);
        _put(proof, a, _slice(proof, b));
        _put(proof, b, first);
    }

    function _cut(bytes memory proof, uint256 length) private pure returns (bytes memory left) {
        left = new bytes(length);
        for (uint256 i; i < length; ++i) left[i] = proof[i];
    }

    function _without(bytes memory proof, uint256 place) private pure returns (bytes memory left) {
        left = new bytes(proof.length - 64);
        for (uint256 i; i < left.length; ++i) left[i] = proof[i < 64 * place ? i : i + 64];
    }
}
