// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {VM} from "./Vm.sol";

/// @title What the tests in Python did, done again on contracts whose lines are counted
/// @notice The records are those of tests/assurance/recorder.py, a file for each chain. Not a test by itself: what the calls answer was judged there.
contract Replay {
    uint256 private constant CREATE = 0;
    uint256 private constant CALL = 2;
    uint256 private constant SNAPSHOT = 3;
    uint256 private constant REVERT = 4;
    uint256 private constant CHAIN = 5;

    error Undone();

    function test_replay() public {
        string[] memory files = VM.envOr("QCRS_RECORDS", ",", new string[](0));
        uint256 start = VM.snapshotState();
        for (uint256 i; i < files.length; ++i) {
            uint256 first = VM.snapshotState() + 1;
            while (this.step(files[i], first)) {}
            VM.revertToState(start);
        }
    }

    /// @dev In a call of its own, so that its memory is given back.
    function step(string calldata file, uint256 first) external returns (bool) {
        string memory line = VM.readLine(file);
        if (bytes(line).length == 0) return false;
        (uint8 kind, address from, address to, uint256 time, uint256 number, bytes memory data) =
            abi.decode(VM.parseBytes(line), (uint8, address, address, uint256, uint256, bytes));
        if (kind == SNAPSHOT) {
            require(VM.snapshotState() == first + number, "snapshots are not counted as recorded");
        } else if (kind == REVERT) {
            VM.revertToState(first + number);
        } else if (kind == CHAIN) {
            VM.chainId(number);
        } else {
            VM.warp(time);
            if (kind == CREATE) _create(from, to, number, data);
            else if (kind == CALL) try this.dry(from, to, data) {} catch {}
            else _send(from, to, data);
        }
        return true;
    }

    function dry(address from, address to, bytes calldata data) external {
        _send(from, to, data);
        revert Undone();
    }

    function _send(address from, address to, bytes memory data) private {
        VM.prank(from);
        (bool ok,) = to.call(data);
        ok; // as it was, refused or not
    }

    /// @dev At the recorded address: signatures and what contracts know of each other depend on it.
    function _create(address from, address place, uint256 nonce, bytes memory data) private {
        (string memory name, bytes memory arguments) = abi.decode(data, (string, bytes));
        bytes memory code = arguments;
        if (bytes(name).length != 0) code = bytes.concat(VM.getCode(string.concat(name, ".sol:", name)), arguments);
        VM.setNonceUnsafe(from, uint64(nonce));
        VM.prank(from);
        address created;
        assembly ("memory-safe") {
            created := create(0, add(code, 32), mload(code))
        }
        require(created == place, "a creation came to another address than recorded");
    }
}
