// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {IXmssVerifier} from "../interfaces/IXmssVerifier.sol";
import {Xmss} from "../libraries/Xmss.sol";

/// @title XmssVerifier
/// @notice The ERC-7913 face of the library that ProcessorRegistry uses. The rules are written out in IXmssVerifier.
contract XmssVerifier is IXmssVerifier {
    uint256 private constant KEY_BYTES = 44;

    /// @inheritdoc IXmssVerifier
    function verify(bytes calldata key, bytes32 hash, bytes calldata signature) external pure returns (bytes4) {
        if (key.length != KEY_BYTES || !Xmss.verify(bytes24(key[:24]), bytes20(key[24:]), hash, signature)) {
            return 0xffffffff;
        }
        return IXmssVerifier.verify.selector;
    }
}
