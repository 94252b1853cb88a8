// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title ArbiterSeat
/// @notice A seat that terms name as an arbiter: an ERC-1271 signer whose key signs rulings. Terms outlive people, so a
/// cold key can replace the seat's key, after 7 days that everyone can watch; until then the old key signs. The seat
/// can not send anything and holds no money. Its key is no other seat's key and never an operator's.
contract ArbiterSeat {
    uint256 public constant REPLACE_DELAY = 7 days;
    bytes4 private constant MAGIC = 0x1626ba7e;

    address public immutable cold;
    address public key;
    address public nextKey;
    /// When `nextKey` may take the seat; zero: nobody was proposed.
    uint256 public readyAt;

    event Proposed(address indexed nextKey, uint256 readyAt);
    event Withdrawn(address indexed nextKey);
    event Seated(address indexed key);

    error NotCold();
    error BadKey();
    error NotProposed();
    error TooEarly();

    modifier onlyCold() {
        if (msg.sender != cold) revert NotCold();
        _;
    }

    constructor(address cold_, address key_) {
        if (cold_ == address(0) || key_ == address(0) || key_ == cold_) revert BadKey();
        cold = cold_;
        key = key_;
        emit Seated(key_);
    }

    /// @notice ERC-1271: the seat's key signed exactly this digest (65 bytes, low s).
    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        (address signer, ECDSA.RecoverError e,) = ECDSA.tryRecoverCalldata(digest, signature);
        return e == ECDSA.RecoverError.NoError && signer == key ? MAGIC : bytes4(0xffffffff);
    }

    /// @notice The cold key names who takes the seat. A second proposal replaces the first and waits anew.
    function propose(address nextKey_) external onlyCold {
        if (nextKey_ == address(0) || nextKey_ == cold || nextKey_ == key) revert BadKey();
        nextKey = nextKey_;
        readyAt = block.timestamp + REPLACE_DELAY;
        emit Proposed(nextKey_, readyAt);
    }

    /// @notice The cold key takes its proposal back.
    function withdraw() external onlyCold {
        if (readyAt == 0) revert NotProposed();
        emit Withdrawn(nextKey);
        (nextKey, readyAt) = (address(0), 0);
    }

    /// @notice Seats the proposed key after 7 days. Anyone.
    function replace() external {
        if (readyAt == 0) revert NotProposed();
        if (block.timestamp < readyAt) revert TooEarly();
        emit Seated(nextKey);
        key = nextKey;
        (nextKey, readyAt) = (address(0), 0);
    }
}
