// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Deal} from "./World.sol";
import {WorldDeeds} from "./WorldDeeds.sol";
import {Act, Relayed} from "../src/Messages.sol";
import {State} from "../src/Slots.sol";
import {Terms} from "../src/Terms.sol";

/// @notice What parties do by a signed message, and what the operator does through its gate.
abstract contract WorldMessages is WorldDeeds {
    // ---- signed by a party, by key or ERC-1271 -------------------------------------------------------------------

    function act_signed_release(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_RUNNING);
        _relay(d, act(Relayed.PAY, Relayed.BY_BUYER, _part(n, left(d.terms)), 0));
    }

    function act_signed_refund(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_RUNNING);
        _relay(d, act(Relayed.PAY, Relayed.BY_SELLER, 0, _part(n, left(d.terms))));
    }

    function act_signed_mark(uint256 n) external {
        n = _begin(n);
        _relay(_pick(n, IS_OPEN), act(Relayed.MARK, Relayed.BY_SELLER));
    }

    function act_signed_reopen(uint256 n) external {
        n = _begin(n);
        _relay(_pick(n, IS_DELIVERED), act(Relayed.REOPEN, Relayed.BY_BUYER));
    }

    function act_signed_extend(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_OPEN | IS_DELIVERED);
        _relay(d, act(Relayed.EXTEND, Relayed.BOTH, _end(d) + (n >> 80) % 30 days, 0));
    }

    function act_signed_cancel(uint256 n) external {
        n = _begin(n);
        _relay(_pick(n, IS_RUNNING), act(Relayed.CANCEL, Relayed.BY_SELLER));
    }

    function act_both_signed_cancel(uint256 n) external {
        n = _begin(n);
        _relay(_pick(n, IS_RUNNING), act(Relayed.CANCEL, Relayed.BOTH));
    }

    function act_signed_dispute(uint256 n) external {
        n = _begin(n);
        uint256 side = (n >> 80) % 2;
        _relay(_pick(n, IS_OPEN | IS_DELIVERED), act(Relayed.DISPUTE, side + 1, side, n));
    }

    function act_signed_withdrawal(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_DISPUTED);
        _relay(d, act(Relayed.WITHDRAW, state(d.terms).opener + 1));
    }

    function act_signed_appeal(uint256 n) external {
        n = _begin(n);
        uint256 side = (n >> 80) % 2;
        _relay(_pick(n, IS_DISPUTED), act(Relayed.APPEAL, side + 1, side, 0));
    }

    /// It may be used again, so it is not kept as one that may not.
    function act_signed_recovery(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_AWAY);
        Act memory a = act(Relayed.RESCUE, Relayed.BY_BUYER, uint160(d.token), 0);
        bytes memory signature = _partySigns(d.buyer, d.key, actDigest(d.terms, a));
        _do(stranger, address(escrow), abi.encodeCall(escrow.relay, (d.terms, a, signature, "")));
    }

    function _relay(Deal storage d, Act memory a) private {
        bytes32 x = actDigest(d.terms, a);
        bytes memory byBuyer = _partySigns(d.buyer, d.key, x);
        _signed(abi.encodeCall(escrow.relay, (d.terms, a, byBuyer, _partySigns(d.seller, d.key + 1, x))));
    }

    // ---- through the gate ------------------------------------------------------------------------------------------

    function act_gate_pays(uint256 n) external {
        n = _begin(n);
        Deal storage d = _gated(n, IS_OPEN | IS_DELIVERED);
        _do(_hot, address(_gate), _payment(d, n));
    }

    function act_gate_marks(uint256 n) external {
        n = _begin(n);
        _do(_hot, address(_gate), abi.encodeCall(escrow.markDelivered, (_gated(n, IS_OPEN).terms)));
    }

    function act_gate_reopens(uint256 n) external {
        n = _begin(n);
        _do(_hot, address(_gate), abi.encodeCall(escrow.reopenDelivery, (_gated(n, IS_DELIVERED).terms)));
    }

    function act_gate_extends(uint256 n) external {
        n = _begin(n);
        Deal storage d = _gated(n, IS_OPEN | IS_DELIVERED);
        _do(_hot, address(_gate), abi.encodeCall(escrow.extend, (d.terms, _end(d) + (n >> 80) % 3 days)));
    }

    function act_gate_cancels(uint256 n) external {
        n = _begin(n);
        _do(_hot, address(_gate), abi.encodeCall(escrow.cancel, (_gated(n, IS_OPEN | IS_DELIVERED).terms)));
    }

    function act_gate_disputes(uint256 n) external {
        n = _begin(n);
        Deal storage d = _gated(n, IS_OPEN | IS_DELIVERED);
        _do(_hot, address(_gate), abi.encodeCall(escrow.dispute, (d.terms, uint8(n >> 80) % 2, bytes32(n))));
    }

    /// Only what the gate opened.
    function act_gate_withdraws(uint256 n) external {
        n = _begin(n);
        for (uint256 i; i < LIVE; ++i) {
            Deal storage d = _deals[_live[((n >> 240) + i) % LIVE]];
            if (d.operator != address(_gate) || _condition(d) != IS_DISPUTED || !state(d.terms).byOperator) continue;
            return _withdraw(d);
        }
        _withdraw(_gated(n, IS_DISPUTED));
    }

    function _withdraw(Deal storage d) private {
        _do(_hot, address(_gate), abi.encodeCall(escrow.withdrawDispute, (d.terms)));
    }

    function act_gate_appeals(uint256 n) external {
        n = _begin(n);
        Terms memory t = _gated(n, IS_DISPUTED).terms;
        _do(_hot, address(_gate), abi.encodeCall(escrow.appeal, (t, uint8(n >> 80) % 2)));
    }

    function act_gate_batches(uint256 n) external {
        n = _begin(n);
        bytes[] memory items = new bytes[](3);
        for (uint256 i; i < 3; ++i) {
            Deal storage d = _gated(n << (16 * i), IS_OPEN | IS_DELIVERED);
            items[i] = i == 1 ? abi.encodeCall(escrow.markDelivered, (d.terms)) : _payment(d, n);
        }
        _requireAny(abi.decode(_do(_hot, address(_gate), abi.encodeCall(_gate.batch, (items))), (bool[])));
    }

    function act_gate_releases_many(uint256 n) external {
        n = _begin(n);
        Terms[] memory many = new Terms[](3);
        for (uint256 i; i < 3; ++i) {
            many[i] = _gated(n << (16 * i), IS_OPEN | IS_DELIVERED).terms;
        }
        _requireAny(abi.decode(_do(_hot, address(_gate), abi.encodeCall(_gate.releaseBatch, (many))), (bool[])));
    }

    function act_second_key_approves(uint256 n) external {
        n = _begin(n);
        bytes memory item = _payment(_gated(n, IS_OPEN | IS_DELIVERED), n);
        bytes memory signature = sign(SECOND_KEY, _gate.approvalDigest(_hot, keccak256(item), _now));
        address second = vm.addr(SECOND_KEY);
        _do(_hot, address(_gate), abi.encodeCall(_gate.actApproved, (item, second, _now, signature)));
    }

    function _gated(uint256 n, uint256 wanted) internal view returns (Deal storage) {
        return _operated(n, address(_gate), wanted);
    }

    function _payment(Deal storage d, uint256 n) internal view returns (bytes memory) {
        State memory s = state(d.terms);
        uint256 part = _part(n, s.left);
        bool back = (n >> 96) % 4 == 0;
        return abi.encodeCall(escrow.pay, (d.terms, back ? 0 : part, back ? part : 0, s.left));
    }
}
