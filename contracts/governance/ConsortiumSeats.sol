// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IConsortiumSeats} from "../interfaces/IConsortiumSeats.sol";

/// @title ConsortiumSeats
/// @notice The electorate. The rules are written out in IConsortiumSeats.
contract ConsortiumSeats is IConsortiumSeats, Votes, AccessManaged {
    uint256 private constant LEAST_SEATS = 3;
    /// @dev As many as the allocator has flows.
    uint256 private constant MOST_SEATS = 64;

    /// @inheritdoc IConsortiumSeats
    mapping(address account => bool) public isSeated;
    /// @inheritdoc IConsortiumSeats
    uint256 public seatCount;

    constructor(address authority_, address[] memory consortia)
        AccessManaged(authority_)
        EIP712("QCRS ConsortiumSeats", "1")
    {
        for (uint256 i; i < consortia.length; ++i) _admit(consortia[i], 0);
        if (seatCount < LEAST_SEATS) revert ConsortiumSeatsOutOfBounds(seatCount, LEAST_SEATS, MOST_SEATS);
    }

    /// @inheritdoc IConsortiumSeats
    function admit(address consortium, bytes32 charter) external restricted {
        _admit(consortium, charter);
    }

    /// @inheritdoc IConsortiumSeats
    function expel(address consortium) external restricted {
        if (!isSeated[consortium]) revert ConsortiumSeatsBadHolder(consortium, false);
        if (seatCount == LEAST_SEATS) revert ConsortiumSeatsOutOfBounds(seatCount - 1, LEAST_SEATS, MOST_SEATS);
        isSeated[consortium] = false;
        --seatCount;
        emit ConsortiumExpelled(consortium);
        _transferVotingUnits(consortium, address(0), 1);
    }

    /// @notice Seconds since 1970, as everywhere on the exchange.
    function clock() public view override returns (uint48) {
        return uint48(block.timestamp);
    }

    /// @notice The machine-readable name of the clock (ERC-6372).
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    function _getVotingUnits(address account) internal view override returns (uint256) {
        return isSeated[account] ? 1 : 0;
    }

    function _admit(address consortium, bytes32 charter) private {
        if (consortium == address(0) || isSeated[consortium]) revert ConsortiumSeatsBadHolder(consortium, true);
        if (seatCount == MOST_SEATS) revert ConsortiumSeatsOutOfBounds(seatCount + 1, LEAST_SEATS, MOST_SEATS);
        isSeated[consortium] = true;
        ++seatCount;
        emit ConsortiumAdmitted(consortium, charter);
        _transferVotingUnits(address(0), consortium, 1);
        if (delegates(consortium) == address(0)) _delegate(consortium, consortium);
    }
}
