// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

/// @notice The cheat codes that these tests use.
interface Vm {
    function addr(uint256 key) external pure returns (address);
    function signCompact(uint256 key, bytes32 digest) external pure returns (bytes32 r, bytes32 vs);
    function prank(address sender) external;
    function warp(uint256 time) external;
    function assume(bool condition) external pure;
    function load(address target, bytes32 slot) external view returns (bytes32);
    function store(address target, bytes32 slot, bytes32 value) external;
    function etch(address target, bytes calldata code) external;
    function readFile(string calldata path) external view returns (string memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function getCode(string calldata artifact) external view returns (bytes memory);
    function envOr(string calldata name, bool otherwise) external view returns (bool);
    function computeCreateAddress(address deployer, uint256 nonce) external pure returns (address);
    function snapshotState() external returns (uint256);
    function revertToState(uint256 id) external returns (bool);
    function envOr(string calldata name, string calldata delimiter, string[] calldata otherwise)
        external
        view
        returns (string[] memory);
    function chainId(uint256 id) external;
    function readLine(string calldata path) external returns (string memory);
    function parseBytes(string calldata text) external pure returns (bytes memory);
    function setNonceUnsafe(address account, uint64 nonce) external;
    function getNonce(address account) external view returns (uint64);
}

Vm constant VM = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
