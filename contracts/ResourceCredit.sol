// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IResourceCredit} from "./interfaces/IResourceCredit.sol";

/// @title ResourceCredit
/// @notice The credit that pays for quantum computing.
contract ResourceCredit is ERC20, ERC20Permit, AccessManaged, IResourceCredit {
    /// @inheritdoc IResourceCredit
    uint256 public immutable cap;

    /// @param holder gets `supply` at once
    constructor(address authority_, address holder, uint256 supply, uint256 cap_)
        ERC20("Quantum Resource Credit", "QRC")
        ERC20Permit("Quantum Resource Credit")
        AccessManaged(authority_)
    {
        cap = cap_;
        _create(holder, supply);
    }

    /// @inheritdoc IResourceCredit
    function mint(address to, uint256 amount) external restricted {
        _create(to, amount);
    }

    /// @inheritdoc IResourceCredit
    function burn(uint256 amount) external {
        _burn(msg.sender, amount);
    }

    /// @notice Six: one unit is a millionth of a credit.
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    /// @inheritdoc ERC20Permit
    function nonces(address owner) public view override(ERC20Permit, IERC20Permit) returns (uint256) {
        return super.nonces(owner);
    }

    function _create(address to, uint256 amount) private {
        _mint(to, amount);
        if (totalSupply() > cap) revert ResourceCreditCapExceeded(totalSupply(), cap);
    }
}
