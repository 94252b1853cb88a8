// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

interface IToken {
    function balanceOf(address holder) external view returns (uint256);
}

/// @notice Holds the money of one escrow and obeys `Escrow` only. Every escrow's vault is an EIP-1167 clone of this
/// code; the clone has nothing to initialise and no storage, so it can not be taken over. It can not receive native
/// coin by a plain transfer.
contract Vault {
    address private immutable ESCROW = msg.sender;

    error NotEscrow();
    error TokenRefused();
    error BalanceMoved();

    modifier onlyEscrow() {
        if (msg.sender != ESCROW) revert NotEscrow();
        _;
    }

    /// @notice Sends exactly `amount` of `token`: the frame reverts unless the balance fell by exactly that, so a leg
    /// that failed has moved nothing. `before` is the balance when the caller has just read it, or the highest number.
    /// Accepts tokens without a return value; refuses `false`.
    function pay(address token, address to, uint256 amount, uint256 before) external onlyEscrow {
        if (before == type(uint256).max) before = IToken(token).balanceOf(address(this));
        bool ok;
        assembly ("memory-safe") {
            // transfer(address,uint256); only one word of the answer is read, whatever the token returns
            let p := mload(0x40)
            mstore(p, shl(224, 0xa9059cbb))
            mstore(add(p, 0x04), to)
            mstore(add(p, 0x24), amount)
            ok := call(gas(), token, 0, p, 0x44, 0x00, 0x20)
            switch returndatasize()
            case 0 {}
            default { ok := and(ok, and(gt(returndatasize(), 0x1f), eq(mload(0x00), 1))) }
        }
        if (!ok) revert TokenRefused();
        if (IToken(token).balanceOf(address(this)) + amount != before) revert BalanceMoved();
    }

    /// @notice Sends native coin that was forced into the vault or sent before it had code.
    function payNative(address to, uint256 amount) external onlyEscrow {
        bool ok;
        assembly ("memory-safe") {
            ok := call(gas(), to, amount, 0, 0, 0, 0)
        }
        if (!ok) revert TokenRefused();
    }
}
