// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {World, Deal} from "./World.sol";
import {PartyWallet} from "./Wallets.sol";
import {Ruling, Settlement} from "../src/Messages.sol";
import {CANCELLED, DELIVERED, DISPUTED, OPEN, State} from "../src/Slots.sol";
import {Terms} from "../src/Terms.sol";

/// @notice What people do by calls of their own. Every function is one kind of act; what the escrow refuses reverts, so
/// that the runner counts it. Most acts choose a deal on which they may work, some any deal at all.
abstract contract WorldDeeds is World {
    /// Conditions to choose by; several may be asked for at once.
    uint256 internal constant IS_OPEN = 1;
    uint256 internal constant IS_DELIVERED = 2;
    uint256 internal constant IS_DISPUTED = 4;
    uint256 internal constant IS_RUNNING = 7;
    uint256 internal constant IS_SETTLED = 8;
    uint256 internal constant IS_CANCELLED = 16;
    uint256 internal constant IS_INVALID = 32;
    uint256 internal constant IS_AWAY = 64;

    // ---- parts ---------------------------------------------------------------------------------------------------

    function act_buyer_releases(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_OPEN | IS_DELIVERED);
        uint256 rest = left(d.terms);
        _do(d.buyer, address(escrow), abi.encodeCall(escrow.pay, (d.terms, _part(n, rest), 0, rest)));
    }

    function act_seller_refunds(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_OPEN | IS_DELIVERED);
        uint256 rest = left(d.terms);
        _do(d.seller, address(escrow), abi.encodeCall(escrow.pay, (d.terms, 0, _part(n, rest), rest)));
    }

    function act_party_concedes(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_DISPUTED);
        uint256 rest = left(d.terms);
        uint256 part = _part(n, rest);
        bool byBuyer = (n >> 80) % 2 == 0;
        bytes memory data =
            abi.encodeCall(escrow.pay, (d.terms, byBuyer ? part : 0, byBuyer ? 0 : part, rest));
        _do(byBuyer ? d.buyer : d.seller, address(escrow), data);
    }

    function act_operator_pays(uint256 n) external {
        n = _begin(n);
        Deal storage d = _operated(n, operator, IS_OPEN | IS_DELIVERED);
        uint256 rest = left(d.terms);
        uint256 part = _part(n, rest);
        uint256 other = (n >> 96) % 3 == 0 ? (rest - part) / 2 : 0;
        _do(operator, address(escrow), abi.encodeCall(escrow.pay, (d.terms, part, other, rest)));
    }

    // ---- delivery, clocks ----------------------------------------------------------------------------------------

    function act_seller_marks(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_OPEN);
        _do(d.seller, address(escrow), abi.encodeCall(escrow.markDelivered, (d.terms)));
    }

    function act_buyer_reopens(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_DELIVERED);
        _do(d.buyer, address(escrow), abi.encodeCall(escrow.reopenDelivery, (d.terms)));
    }

    function act_operator_extends(uint256 n) external {
        n = _begin(n);
        Deal storage d = _operated(n, operator, IS_OPEN | IS_DELIVERED);
        _do(operator, address(escrow), abi.encodeCall(escrow.extend, (d.terms, _end(d) + (n >> 80) % 3 days)));
    }

    // ---- cancelling ----------------------------------------------------------------------------------------------

    function act_seller_cancels(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_RUNNING);
        _do(d.seller, address(escrow), abi.encodeCall(escrow.cancel, (d.terms)));
    }

    function act_operator_cancels(uint256 n) external {
        n = _begin(n);
        Deal storage d = _operated(n, operator, IS_OPEN | IS_DELIVERED);
        _do(operator, address(escrow), abi.encodeCall(escrow.cancel, (d.terms)));
    }

    // ---- disputes ------------------------------------------------------------------------------------------------

    function act_buyer_disputes(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_OPEN | IS_DELIVERED);
        _do(d.buyer, address(escrow), abi.encodeCall(escrow.dispute, (d.terms, 0, bytes32(n))));
    }

    function act_seller_disputes(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_OPEN | IS_DELIVERED);
        _do(d.seller, address(escrow), abi.encodeCall(escrow.dispute, (d.terms, 1, bytes32(n))));
    }

    function act_operator_disputes(uint256 n) external {
        n = _begin(n);
        Deal storage d = _operated(n, operator, IS_OPEN | IS_DELIVERED);
        _do(operator, address(escrow), abi.encodeCall(escrow.dispute, (d.terms, uint8(n >> 80) % 2, bytes32(n))));
    }

    function act_opener_withdraws(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_DISPUTED);
        State memory s = state(d.terms);
        address by = s.byOperator && d.operator == operator ? operator : s.opener == 0 ? d.buyer : d.seller;
        _do(by, address(escrow), abi.encodeCall(escrow.withdrawDispute, (d.terms)));
    }

    function act_party_appeals(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_DISPUTED);
        uint8 side = uint8(n >> 80) % 2;
        _do(side == 0 ? d.buyer : d.seller, address(escrow), abi.encodeCall(escrow.appeal, (d.terms, side)));
    }

    function act_seats_rule(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_DISPUTED);
        uint256 rest = left(d.terms);
        Ruling memory r = ruling(d.terms, _split(n, rest));
        bytes[] memory signatures = _seatsSign(digest(d.terms, r), (n >> 80) % 4);
        _signed(abi.encodeCall(escrow.rule, (d.terms, r, seats, 2, signatures)));
    }

    function act_both_settle(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_RUNNING);
        uint256 toSeller = _split(n, left(d.terms));
        Settlement memory m = Settlement(toSeller, left(d.terms) - toSeller, _now);
        bytes32 x = settlementDigest(d.terms, m.toSeller, m.toBuyer, m.deadline);
        bytes memory byBuyer = _partySigns(d.buyer, d.key, x);
        _signed(abi.encodeCall(escrow.settle, (d.terms, m, byBuyer, _partySigns(d.seller, d.key + 1, x))));
    }

    // ---- what anyone does ----------------------------------------------------------------------------------------

    function act_anyone_claims_delivered(uint256 n) external {
        n = _begin(n);
        Deal storage d = _overdue(n, IS_DELIVERED);
        _do(stranger, address(escrow), abi.encodeCall(escrow.claimDelivered, (d.terms)));
    }

    function act_anyone_claims_undelivered(uint256 n) external {
        n = _begin(n);
        Deal storage d = _overdue(n, IS_OPEN);
        _do(stranger, address(escrow), abi.encodeCall(escrow.claimUndelivered, (d.terms)));
    }

    function act_anyone_claims_unfunded(uint256 n) external {
        n = _begin(n);
        Deal storage d = _lacking(n);
        _jump(n, uint40(d.terms.buyerClocks >> 160));
        _do(stranger, address(escrow), abi.encodeCall(escrow.claimUnfunded, (d.terms)));
    }

    function act_anyone_claims_the_fallback(uint256 n) external {
        n = _begin(n);
        Deal storage d = _overdue(n, IS_DISPUTED);
        _do(stranger, address(escrow), abi.encodeCall(escrow.claimFallback, (d.terms)));
    }

    function act_anyone_pays_a_leg(uint256 n) external {
        n = _begin(n);
        (Deal storage d, uint8 kind) = _owing(n);
        _do(stranger, address(escrow), abi.encodeCall(escrow.payLeg, (d.terms, kind)));
    }

    function act_anyone_rescues_surplus(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_RUNNING);
        if (n % 2 == 0) _deposit(d, 1 + (n >> 80) % 1e6);
        _do(stranger, address(escrow), abi.encodeCall(escrow.rescue, (d.terms, d.token)));
    }

    function act_anyone_rescues_late_money(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_SETTLED | IS_CANCELLED);
        if (_truth(d.token, d.vault) == 0 && n % 3 != 0) _deposit(d, 1 + (n >> 80) % 1e6);
        _do(stranger, address(escrow), abi.encodeCall(escrow.rescue, (d.terms, d.token)));
    }

    function act_anyone_rescues_another_token(uint256 n) external {
        n = _begin(n);
        Deal storage d = _holding(n, address(_foreign));
        _do(stranger, address(escrow), abi.encodeCall(escrow.rescue, (d.terms, address(_foreign))));
    }

    function act_anyone_rescues_native_coin(uint256 n) external {
        n = _begin(n);
        Deal storage d = _holding(n, address(0));
        _do(stranger, address(escrow), abi.encodeCall(escrow.rescue, (d.terms, address(0))));
    }

    function act_anyone_returns_what_invalid_terms_hold(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_INVALID);
        _do(stranger, address(escrow), abi.encodeCall(escrow.rescue, (d.terms, d.token)));
    }

    function act_buyer_recovers_on_another_chain(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_AWAY);
        address by = d.operator == operator && (n >> 80) % 2 == 0 ? operator : d.buyer;
        _do(by, address(escrow), abi.encodeCall(escrow.rescue, (d.terms, d.token)));
    }

    function act_anyone_announces(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_RUNNING);
        _do(stranger, address(escrow), abi.encodeCall(escrow.announce, (d.terms)));
    }

    /// What a keeper would put together, with mistakes; it counts when any item of it went through.
    function act_keeper_batches(uint256 n) external {
        n = _begin(n);
        bytes[] memory items = new bytes[](5);
        for (uint256 i; i < 5; ++i) {
            items[i] = _chore(_deals[_live[((n >> 240) + i) % LIVE]], n >> (16 * i));
        }
        bytes memory answer = _do(stranger, address(escrow), abi.encodeCall(escrow.batch, (items)));
        _requireAny(abi.decode(answer, (bool[])));
    }

    function _chore(Deal storage d, uint256 n) private view returns (bytes memory) {
        uint256 condition = n % 8 == 0 ? IS_OPEN : _condition(d);
        if (condition == IS_OPEN) return abi.encodeCall(escrow.claimUndelivered, (d.terms));
        if (condition == IS_DELIVERED) return abi.encodeCall(escrow.claimDelivered, (d.terms));
        if (condition == IS_DISPUTED) return abi.encodeCall(escrow.claimFallback, (d.terms));
        if (_owedAll(d) != 0) return abi.encodeCall(escrow.payLeg, (d.terms, uint8(n >> 8) % 3));
        return abi.encodeCall(escrow.rescue, (d.terms, d.token));
    }

    function _requireAny(bool[] memory done) internal pure {
        bool any;
        for (uint256 i; i < done.length; ++i) {
            any = any || done[i];
        }
        require(any, "no item");
    }

    // ---- choosing --------------------------------------------------------------------------------------------------

    /// A played deal that meets one of the conditions; now and then any, for the escrow to refuse.
    function _pick(uint256 n, uint256 wanted) internal view returns (Deal storage) {
        uint256 start = n >> 240;
        if (start % 16 != 0) {
            for (uint256 i; i < LIVE; ++i) {
                Deal storage d = _deals[_live[(start + i) % LIVE]];
                if (_condition(d) & wanted != 0) return d;
            }
        }
        return _deals[_live[start % LIVE]];
    }

    function _operated(uint256 n, address by, uint256 wanted) internal view returns (Deal storage) {
        uint256 start = n >> 240;
        for (uint256 i; i < LIVE; ++i) {
            Deal storage d = _deals[_live[(start + i) % LIVE]];
            if (d.operator == by && _condition(d) & wanted != 0) return d;
        }
        return _deals[_live[start % LIVE]];
    }

    /// One whose clock is over; when there is none, time may pass until one is.
    function _overdue(uint256 n, uint256 wanted) private returns (Deal storage d) {
        uint256 start = n >> 240;
        for (uint256 i; i < LIVE; ++i) {
            d = _deals[_live[(start + i) % LIVE]];
            if (_condition(d) == wanted && _end(d) < _now) return d;
        }
        d = _pick(n, wanted);
        if (_condition(d) == wanted) _jump(n, _end(d));
    }

    function _lacking(uint256 n) private view returns (Deal storage) {
        uint256 start = n >> 240;
        for (uint256 i; i < LIVE; ++i) {
            Deal storage d = _deals[_live[(start + i) % LIVE]];
            uint256 held = _truth(d.token, d.vault);
            if (_condition(d) == IS_OPEN && held != 0 && held < d.amount) return d;
        }
        return _deals[_live[start % LIVE]];
    }

    /// One whose vault has money of another kind (zero: native coin).
    function _holding(uint256 n, address token) private view returns (Deal storage d) {
        uint256 start = n >> 240;
        for (uint256 i; i < LIVE; ++i) {
            d = _deals[_live[(start + i) % LIVE]];
            uint256 held = token == address(0) ? d.vault.balance : _truth(token, d.vault);
            if (held != 0 && (!d.away || n % 16 == 0)) return d;
        }
        return _deals[_live[start % LIVE]];
    }

    function _owing(uint256 n) private view returns (Deal storage d, uint8 kind) {
        uint256 start = n >> 240;
        d = _deals[_live[start % LIVE]];
        for (uint256 i; i < LIVE; ++i) {
            d = _deals[_live[(start + i) % LIVE]];
            for (kind = 0; kind < 3; ++kind) {
                if (d.decided[kind] != d.paid[kind]) return (d, kind);
            }
        }
        return (d, uint8(start) % 3);
    }

    function _condition(Deal storage d) internal view returns (uint256) {
        if (d.invalid) return IS_INVALID;
        if (d.away) return IS_AWAY;
        if (d.settled) return IS_SETTLED;
        uint256 status = state(d.terms).status;
        if (status == CANCELLED) return IS_CANCELLED;
        return status == OPEN ? IS_OPEN : status == DELIVERED ? IS_DELIVERED : IS_DISPUTED;
    }

    /// A part of what is left; rather often all of it.
    function _part(uint256 n, uint256 rest) internal pure returns (uint256) {
        return rest == 0 || n % 4 == 0 ? rest : 1 + (n >> 8) % rest;
    }

    /// Anything from nothing to all.
    function _split(uint256 n, uint256 rest) internal pure returns (uint256) {
        uint256 how = n % 8;
        if (how == 0) return 0;
        return how == 1 ? rest : (n >> 8) % (rest + 1);
    }

    /// The end of the clock that runs: of the arbitration, the inspection or the delivery.
    function _end(Deal storage d) internal view returns (uint256) {
        State memory s = state(d.terms);
        if (s.status == DISPUTED) return s.stamp + uint32(d.terms.operatorRest >> 160);
        return s.status == DELIVERED ? s.stamp + (d.terms.sellerChain >> 224) : s.deliverBy;
    }

    /// Nobody does anything until a clock has run out; only sometimes, or no deal would live long.
    function _jump(uint256 n, uint256 end) private {
        if (_now > end || n % 3 != 0) return;
        _now = end + 1;
        vm.warp(_now);
    }

    // ---- signing ---------------------------------------------------------------------------------------------------

    function _partySigns(address party, uint256 key, bytes32 x) internal returns (bytes memory) {
        if (party.code.length == 0) return sign(key, x);
        PartyWallet(payable(party)).agree(x);
        return hex"";
    }

    /// All seats but number `absent`; three of three when it is none of them.
    function _seatsSign(bytes32 x, uint256 absent) internal returns (bytes[] memory out) {
        out = new bytes[](3);
        for (uint256 i; i < 3; ++i) {
            if (i == absent) continue;
            if (seats[i] == address(_seat)) {
                out[i] = sign(_seatKey, x);
            } else if (seats[i] == address(_seatWallet)) {
                _seatWallet.agree(x);
                out[i] = hex"01";
            } else {
                out[i] = sign(0xa000, x);
            }
        }
    }

    /// The last message that the escrow accepted, for those who try to use it again.
    bytes internal _accepted;

    function _signed(bytes memory data) internal {
        _do(stranger, address(escrow), data);
        _accepted = data;
    }
}
