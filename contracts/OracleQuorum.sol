// SPDX-License-Identifier: MIT
pragma solidity ^0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IEraConsumer, IOracleQuorum} from "./interfaces/IOracleQuorum.sol";
import {Quorum} from "./libraries/Quorum.sol";

/// @title OracleQuorum
/// @notice Who may attest: signer set per era, m-of-n check, bonds of the oracles.
contract OracleQuorum is IOracleQuorum, AccessManaged {
    using SafeERC20 for IERC20;

    /// @notice Share of a bond that one proof takes, and of that the prover's reward, in 1/1000.
    uint256 public constant SLASH_PERMILLE = 500;
    uint256 public constant REWARD_PERMILLE = 200;
    /// @notice Time to find two outcomes that an oracle signed for one execution.
    uint40 public constant UNBOND_DELAY = 14 days;
    uint256 private constant LEAST_SIGNERS = 4;
    uint256 private constant MOST_SIGNERS = 31;
    uint256 private constant MOST_LEAST_BOND = 1 << 80;

    /// @dev Runtime code of a pointer is everything after these 11 bytes.
    bytes11 private constant POINTER_CREATION = hex"600B5981380380925939F3";

    struct Era {
        address pointer;
        uint32 number;
        uint8 count;
        uint8 threshold;
    }

    struct Unbonding {
        uint216 amount;
        uint40 availableAt;
    }

    /// @notice The credit token.
    IERC20 public immutable CREDIT;
    /// @notice The result verifier, which adopts each era and alone may slash.
    address public immutable VERIFIER;

    Era private _current;
    /// @inheritdoc IOracleQuorum
    bytes32 public identities;
    /// @inheritdoc IOracleQuorum
    uint256 public leastBond;
    /// @inheritdoc IOracleQuorum
    address public treasury;
    mapping(uint32 era => address) private _pointers;
    mapping(address oracle => uint256) private _bonds;
    mapping(address oracle => Unbonding) private _unbondings;
    mapping(address account => uint256) private _credits;

    constructor(address authority_, address credit, address verifier, address treasury_) AccessManaged(authority_) {
        CREDIT = IERC20(credit);
        VERIFIER = verifier;
        treasury = treasury_;
    }

    /* ------------------------------ oracles ------------------------------ */

    /// @inheritdoc IOracleQuorum
    function bond(uint256 amount) external {
        if (amount == 0) revert OracleQuorumZeroAmount();
        CREDIT.safeTransferFrom(msg.sender, address(this), amount);
        _bonds[msg.sender] += amount;
        emit OracleBonded(msg.sender, amount);
    }

    /// @inheritdoc IOracleQuorum
    function unbond(uint256 amount) external {
        Unbonding storage u = _unbondings[msg.sender];
        uint256 total = u.amount + amount;
        uint256 held = _bonds[msg.sender];
        if (amount == 0) revert OracleQuorumZeroAmount();
        if (total > held) revert OracleQuorumBondTooSmall(msg.sender, held, total);
        if (isSigner(msg.sender) && held - total < leastBond) revert OracleQuorumStillSigner(msg.sender);
        // total <= held, and held is an amount of a token with a supply far below 2^216.
        (u.amount, u.availableAt) = (uint216(total), uint40(block.timestamp) + UNBOND_DELAY);
        emit OracleUnbonding(msg.sender, amount, u.availableAt);
    }

    /// @inheritdoc IOracleQuorum
    function withdrawBond() external {
        Unbonding memory u = _unbondings[msg.sender];
        if (u.amount == 0 || block.timestamp < u.availableAt) revert OracleQuorumNotAvailable(u.availableAt);
        uint256 held = _bonds[msg.sender];
        uint256 amount = u.amount < held ? u.amount : held;
        // A signer chosen after it began to unbond keeps the least bond.
        if (isSigner(msg.sender) && held - amount < leastBond) revert OracleQuorumStillSigner(msg.sender);
        delete _unbondings[msg.sender];
        _bonds[msg.sender] = held - amount;
        emit OracleBondWithdrawn(msg.sender, amount);
        CREDIT.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IOracleQuorum
    function withdrawCredits() external {
        uint256 amount = _credits[msg.sender];
        if (amount == 0) revert OracleQuorumZeroAmount();
        _credits[msg.sender] = 0;
        emit CreditsWithdrawn(msg.sender, amount);
        CREDIT.safeTransfer(msg.sender, amount);
    }

    /* ------------------------------ bodies and the verifier ------------------------------ */

    /// @inheritdoc IOracleQuorum
    function rotate(address[] calldata signers_, bytes32 identities_) external restricted {
        uint256 count = signers_.length;
        if (count < LEAST_SIGNERS || count > MOST_SIGNERS || count % 3 != 1) revert OracleQuorumBadSize(count);
        bytes memory list;
        for (uint256 i; i < count; ++i) {
            address signer = signers_[i];
            if (signer == address(0)) revert OracleQuorumBadSigner(signer);
            for (uint256 j; j < i; ++j) {
                if (signers_[j] == signer) revert OracleQuorumBadSigner(signer);
            }
            uint256 free = _bonds[signer] - _min(_unbondings[signer].amount, _bonds[signer]);
            if (free < leastBond) revert OracleQuorumBondTooSmall(signer, free, leastBond);
            list = bytes.concat(list, bytes20(signer));
        }
        uint32 number = _current.number + 1;
        address pointer = _write(list);
        uint8 threshold_ = uint8(2 * (count / 3) + 1);
        _current = Era(pointer, number, uint8(count), threshold_);
        _pointers[number] = pointer;
        identities = identities_;
        emit EraStarted(number, signers_, identities_, pointer);
        IEraConsumer(VERIFIER).eraStarted(number, pointer, uint8(count), threshold_);
    }

    /// @inheritdoc IOracleQuorum
    function setLeastBond(uint256 amount) external restricted {
        if (amount > MOST_LEAST_BOND) revert OracleQuorumOutOfBounds("leastBond", amount, 0, MOST_LEAST_BOND);
        leastBond = amount;
        emit ParameterSet("leastBond", amount);
    }

    /// @inheritdoc IOracleQuorum
    function setTreasury(address account) external restricted {
        if (account == address(0)) revert OracleQuorumOutOfBounds("treasury", 0, 1, type(uint160).max);
        treasury = account;
        emit ParameterSet("treasury", uint160(account));
    }

    /// @inheritdoc IOracleQuorum
    function slash(address oracle, address prover, bytes32 proof) external returns (uint256 taken) {
        if (msg.sender != VERIFIER) revert OracleQuorumUnauthorized(msg.sender);
        uint256 held = _bonds[oracle];
        taken = held * SLASH_PERMILLE / 1000;
        uint256 reward = taken * REWARD_PERMILLE / 1000;
        _bonds[oracle] = held - taken;
        _credits[prover] += reward;
        _credits[treasury] += taken - reward;
        emit OracleSlashed(oracle, prover, taken, reward, proof);
    }

    /* ------------------------------ views ------------------------------ */

    /// @inheritdoc IOracleQuorum
    function verify(bytes32 digest, uint32 era_, uint256 bitmap, bytes calldata signatures)
        external
        view
        returns (uint32)
    {
        Era memory e = _current;
        if (era_ != e.number || era_ == 0) revert OracleQuorumStaleEra(era_, e.number);
        Quorum.check(digest, e.pointer, e.count, e.threshold, bitmap, signatures);
        return era_;
    }

    /// @inheritdoc IOracleQuorum
    function era() external view returns (uint32) {
        return _current.number;
    }

    /// @inheritdoc IOracleQuorum
    function signers() external view returns (address[] memory) {
        return signersOf(_current.number);
    }

    /// @inheritdoc IOracleQuorum
    function signersOf(uint32 era_) public view returns (address[] memory list) {
        address pointer = _pointers[era_];
        uint256 count = pointer == address(0) ? 0 : (pointer.code.length - 1) / 20;
        bytes memory packed = Quorum.load(pointer, count);
        list = new address[](count);
        for (uint256 i; i < count; ++i) {
            list[i] = Quorum.signerAt(packed, i);
        }
    }

    /// @inheritdoc IOracleQuorum
    function threshold() external view returns (uint256) {
        return _current.threshold;
    }

    /// @inheritdoc IOracleQuorum
    function isSigner(address account) public view returns (bool) {
        address[] memory list = signersOf(_current.number);
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == account) return true;
        }
        return false;
    }

    /// @inheritdoc IOracleQuorum
    function bondOf(address account) external view returns (uint256) {
        return _bonds[account];
    }

    /// @inheritdoc IOracleQuorum
    function unbondingOf(address account) external view returns (uint256 amount, uint40 availableAt) {
        return (_unbondings[account].amount, _unbondings[account].availableAt);
    }

    /// @inheritdoc IOracleQuorum
    function creditsOf(address account) external view returns (uint256) {
        return _credits[account];
    }

    /* ------------------------------ internals ------------------------------ */

    function _write(bytes memory data) private returns (address pointer) {
        bytes memory creation = bytes.concat(POINTER_CREATION, hex"00", data);
        assembly ("memory-safe") {
            pointer := create(0, add(creation, 32), mload(creation))
        }
        // A creation of at most 632 bytes fails only without gas, and then this call fails too.
        assert(pointer != address(0));
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
