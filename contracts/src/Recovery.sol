// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Core, Leg} from "./Core.sol";
import {Slot} from "./Slots.sol";
import {Fault, Terms, TermsLib} from "./Terms.sol";
import {Vault} from "./Vault.sol";

/// @notice Money that waits: legs that a token refused, and money that is not the escrow's.
abstract contract Recovery is Core {
    using TermsLib for Terms;

    /// @notice Tries an owed leg again. Anyone. After a loss it pays the leg's share and keeps the rest owed; shares
    /// count what a leg already got, so asking often or first gains nothing.
    function payLeg(Terms calldata t, uint8 kind) external nonReentrant {
        if (t.homeChain() != block.chainid) revert WrongChain();
        (bytes32 id, address vault, Slot s,) = _load(t);
        if (_owed(id, kind) == 0) revert NothingToPay();
        // what is undecided shares a loss only if it was ever there
        uint256 amount = _share(t, id, vault, s.wasFunded() ? s.left() : 0, kind);
        if (amount == 0) revert NothingToPay();
        uint256 rest = _reduce(id, kind, amount);
        address to = _recipient(t, kind);
        _payAlone(vault, t.token(), to, amount);
        emit LegPaid(id, kind, to, amount, rest);
    }

    /// @notice Sends to the buyer what is not this escrow's: surplus and late money, another token, native coin
    /// (token zero). Anyone. Never touches what is undecided or owed. When the terms are invalid or cancelled
    /// everything is the buyer's; away from the home chain too, but there only the buyer or the operator may ask, or
    /// anyone with the buyer's signature, because only they can know that the buyer's address is theirs on this chain.
    function rescue(Terms calldata t, address token) external nonReentrant {
        _rescue(t, token, msg.sender);
    }

    function _rescue(Terms calldata t, address token, address by) internal {
        (bytes32 id, address vault, Slot s, bool settled) = _load(t);
        bool ours = _isHome(t, by) && (s.stored() || t.fault(address(this)) == Fault.NONE);
        uint256 reserved = ours ? s.left() + _owedTotal[id] : 0;
        address to = t.buyer();
        if (to == address(0)) revert NotAllowed();
        uint256 amount = _rescuable(t, vault, token, reserved);
        if (amount == 0) revert NothingToPay();
        // the vault gets code now, and code without a slot would mean settled
        if (ours && !settled && !s.stored()) _save(t, id, s);
        if (!settled) _deploy(id, vault, s);
        _send(t, vault, token, to, amount, reserved);
        emit Rescued(id, token, to, amount);
    }

    /// Invalid terms without any chain are at home everywhere: they have no other exit.
    function _isHome(Terms calldata t, address by) private view returns (bool) {
        uint256 home = t.homeChain();
        if (home == block.chainid || home == 0) return true;
        if (by != t.buyer() && !_isOperator(t, by)) revert WrongChain();
        return false;
    }

    function _rescuable(Terms calldata t, address vault, address token, uint256 reserved)
        private
        view
        returns (uint256)
    {
        if (token == address(0)) return vault.balance;
        if (token.code.length == 0) revert NoCode();
        uint256 balance = _balanceOf(token, vault);
        if (token != t.token()) return balance;
        return balance > reserved ? balance - reserved : 0;
    }

    /// One balance can have two addresses (a token that was replaced and forwards), or be the native coin under a
    /// token's address; so while anything else moves, what is reserved of the escrow's own must not.
    function _send(Terms calldata t, address vault, address token, address to, uint256 amount, uint256 reserved)
        private
    {
        bool watched = reserved != 0 && token != t.token();
        uint256 before = watched ? _balanceIfAny(t.token(), vault) : 0;
        _payAlone(vault, token, to, amount);
        if (watched && _balanceIfAny(t.token(), vault) != before) revert ReservedMoved();
    }

    /// A leg that nothing else hangs on, all or nothing: it may have a quarter of what is left. What a leg costs can
    /// outgrow what a decision gives it (the token's code is replaced, the network's prices change), and money must not
    /// wait for ever for that. A quarter, because in a batch a token of anybody's making must leave gas to the others.
    function _payAlone(address vault, address token, address to, uint256 amount) private {
        uint256 allowance = gasleft() / 4;
        if (allowance < LEG_GAS) allowance = LEG_GAS;
        bytes memory data = token == address(0)
            ? abi.encodeCall(Vault.payNative, (to, amount))
            : abi.encodeCall(Vault.pay, (token, to, amount, UNKNOWN));
        if (!_command(vault, data, allowance)) revert LegFailed();
    }

    function _balanceIfAny(address token, address holder) private view returns (uint256) {
        return token.code.length == 0 ? 0 : _balanceOf(token, holder);
    }

    /// The vault's money, with what the waiting legs already got, divided by what is undecided or was left owed.
    function _share(Terms calldata t, bytes32 id, address vault, uint256 left, uint256 kind)
        private
        view
        returns (uint256)
    {
        Debt memory d = _debts[id][kind];
        uint256 pool = _balanceOf(t.token(), vault);
        uint256 outstanding = left + _owedTotal[id];
        if (pool >= outstanding) return d.due - d.paid;
        uint256 got;
        for (uint256 k; k < Leg.KINDS; ++k) {
            got += _debts[id][k].paid;
        }
        uint256 share = uint256(d.due) * (pool + got) / (outstanding + got);
        uint256 amount = share > d.paid ? share - d.paid : 0;
        // after a second loss a leg paid before it has more than its share, and the vault less than the others'
        return amount < pool ? amount : pool;
    }

    function _reduce(bytes32 id, uint256 kind, uint256 amount) private returns (uint256 rest) {
        Debt storage d = _debts[id][kind];
        rest = d.due - d.paid - amount;
        if (rest == 0) {
            delete _debts[id][kind];
        } else {
            d.paid += uint128(amount);
        }
        _owedTotal[id] -= amount;
    }
}
