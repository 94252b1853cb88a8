// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

import {Core, Leg} from "./Core.sol";
import {Fault, Terms, TermsLib} from "./Terms.sol";
import {IToken, Vault} from "./Vault.sol";

/// @notice Money that waits: legs that a token refused, and money that is not the escrow's.
abstract contract Recovery is Core {
    using TermsLib for Terms;

    /// @notice Tries an owed leg again. Anyone. After a loss it pays the leg's share and keeps the rest owed; shares
    /// count what a leg already got, so asking often or first gains nothing.
    function payLeg(Terms calldata t, uint8 kind) external nonReentrant {
        if (t.homeChain() != block.chainid) revert WrongChain();
        Case memory c = _load(t);
        if (_owed(c.id, kind) == 0) revert NothingToPay();
        uint256 amount = _share(c, t, kind);
        if (amount == 0) revert NothingToPay();
        uint256 rest = _reduce(c.id, kind, amount);
        address to = _recipient(t, kind);
        if (!_pay(c.vault, t.token(), to, amount)) revert LegFailed();
        emit LegPaid(c.id, kind, to, amount, rest);
    }

    /// @notice Sends to the buyer what is not this escrow's: surplus and late money, another token, native coin
    /// (token zero). Anyone. Never touches what is undecided or owed. When the terms are invalid everything is the
    /// buyer's; away from the home chain too, but there only the buyer or the operator may ask, because only they
    /// can know that the buyer's address is theirs on this chain.
    function rescue(Terms calldata t, address token) external nonReentrant {
        Case memory c = _load(t);
        uint256 reserved;
        if (_isHome(t) && t.fault(address(this)) == Fault.NONE) {
            reserved = c.s.left + _owedTotal(c.id);
        }
        address to = t.buyer();
        if (to == address(0)) revert NotAllowed();
        uint256 amount = _rescuable(c, t, token, reserved);
        if (amount == 0) revert NothingToPay();
        if (reserved != 0 && c.slot == 0 && !c.deployed) _save(c, t);
        if (!c.deployed) Clones.cloneDeterministic(VAULT, c.id);
        if (token == address(0)) {
            _payNative(c.vault, to, amount);
        } else if (token == t.token() || reserved == 0) {
            if (!_pay(c.vault, token, to, amount)) revert LegFailed();
        } else {
            _payOther(c, t, token, amount);
        }
        emit Rescued(c.id, token, to, amount);
    }

    /// Invalid terms without any chain are at home everywhere: they have no other exit.
    function _isHome(Terms calldata t) private view returns (bool) {
        uint256 home = t.homeChain();
        if (home == block.chainid || home == 0) return true;
        address operator = t.operator();
        bool allowed = msg.sender == t.buyer() || (operator != address(0) && msg.sender == operator);
        if (!allowed) revert WrongChain();
        return false;
    }

    function _rescuable(Case memory c, Terms calldata t, address token, uint256 reserved)
        private
        view
        returns (uint256)
    {
        if (token == address(0)) return c.vault.balance;
        if (token.code.length == 0) revert NoCode();
        uint256 balance = IToken(token).balanceOf(c.vault);
        if (token != t.token()) return balance;
        return balance > reserved ? balance - reserved : 0;
    }

    /// One balance can have two addresses (a token that was replaced and forwards): the escrow's own must not move.
    function _payOther(Case memory c, Terms calldata t, address token, uint256 amount) private {
        uint256 before = _balance(t.token(), c.vault);
        if (!_pay(c.vault, token, t.buyer(), amount)) revert LegFailed();
        if (_balance(t.token(), c.vault) != before) revert ReservedMoved();
    }

    function _payNative(address vault, address to, uint256 amount) private {
        _requireLegGas();
        (bool ok,) = vault.call{gas: LEG_GAS}(abi.encodeCall(Vault.payNative, (to, amount)));
        if (!ok) revert LegFailed();
    }

    function _balance(address token, address holder) private view returns (uint256) {
        return token.code.length == 0 ? 0 : IToken(token).balanceOf(holder);
    }

    /// The vault's money, with what the waiting legs already got, divided by what is undecided or was left owed.
    function _share(Case memory c, Terms calldata t, uint256 kind) private view returns (uint256) {
        uint256 total = c.s.left;
        uint256 pool = IToken(t.token()).balanceOf(c.vault);
        uint256 got;
        for (uint256 k; k < Leg.KINDS; ++k) {
            total += _debts[c.id][k].due;
            got += _debts[c.id][k].paid;
        }
        Debt memory d = _debts[c.id][kind];
        if (pool >= total - got) return d.due - d.paid;
        uint256 share = uint256(d.due) * (pool + got) / total;
        return share > d.paid ? share - d.paid : 0;
    }

    function _reduce(bytes32 id, uint256 kind, uint256 amount) private returns (uint256 rest) {
        Debt storage d = _debts[id][kind];
        rest = d.due - d.paid - amount;
        if (rest == 0) {
            delete _debts[id][kind];
        } else {
            d.paid += uint128(amount);
        }
    }
}
