// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Deal} from "./World.sol";
import {WorldWeather} from "./WorldWeather.sol";
import {Act, Relayed, Ruling, Settlement} from "../src/Messages.sol";
import {State} from "../src/Slots.sol";
import {Terms} from "../src/Terms.sol";
import {Vault} from "../src/Vault.sol";

/// @notice What nobody may do, tried all the time. Each must be refused, in every state that the world gets into.
abstract contract WorldAttacks is WorldWeather {
    /// Who is not in the terms, or is in them without any right, does what parties and operators do.
    function bad_outsider_acts(uint256 n) external {
        n = _begin(n);
        Deal storage d = _deals[_live[(n >> 240) % LIVE]];
        Deal storage other = _deals[_live[((n >> 240) + 1) % LIVE]];
        address[9] memory outsiders =
            [stranger, d.feeTo, d.token, other.buyer, other.seller, seats[n % 3], _cold, d.vault, address(escrow)];
        _bad(outsiders[(n >> 80) % 9], address(escrow), _restricted(d, n), "an outsider acted");
    }

    function bad_party_takes(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_RUNNING);
        State memory s = state(d.terms);
        uint256 part = _part(n, s.left);
        bytes[7] memory items = [
            abi.encodeCall(escrow.pay, (d.terms, 0, part, s.left)),
            abi.encodeCall(escrow.markDelivered, (d.terms)),
            abi.encodeCall(escrow.cancel, (d.terms)),
            abi.encodeCall(escrow.extend, (d.terms, _now + 10 days)),
            abi.encodeCall(escrow.dispute, (d.terms, 1, bytes32(0))),
            abi.encodeCall(escrow.appeal, (d.terms, 1)),
            abi.encodeCall(escrow.pay, (d.terms, part, 1, s.left))
        ];
        bytes[5] memory others = [
            abi.encodeCall(escrow.pay, (d.terms, part, 0, s.left)),
            abi.encodeCall(escrow.reopenDelivery, (d.terms)),
            abi.encodeCall(escrow.extend, (d.terms, _now + 10 days)),
            abi.encodeCall(escrow.dispute, (d.terms, 0, bytes32(0))),
            abi.encodeCall(escrow.appeal, (d.terms, 0))
        ];
        if (n % 2 == 0) _bad(d.buyer, address(escrow), items[(n >> 80) % 7], "the buyer took what is not his");
        else _bad(d.seller, address(escrow), others[(n >> 80) % 5], "the seller took what is not his");
    }

    function bad_other_side_withdraws(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_DISPUTED);
        address by = state(d.terms).opener == 0 ? d.seller : d.buyer;
        _bad(by, address(escrow), abi.encodeCall(escrow.withdrawDispute, (d.terms)), "the other side withdrew");
    }

    function bad_operator_decides_a_dispute(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_DISPUTED);
        require(_condition(d) == IS_DISPUTED, "none is disputed");
        uint256 rest = left(d.terms);
        bytes memory item = n % 2 == 0
            ? abi.encodeCall(escrow.pay, (d.terms, rest, 0, rest))
            : abi.encodeCall(escrow.cancel, (d.terms));
        if (d.operator == address(_gate)) _bad(_hot, address(_gate), item, "the gate decided a dispute");
        else _bad(operator, address(escrow), item, "the operator decided a dispute");
    }

    function bad_forged_message(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_RUNNING);
        uint256 signers = 1 + n % 3;
        bytes32[6] memory acts =
            [Relayed.PAY, Relayed.MARK, Relayed.EXTEND, Relayed.CANCEL, Relayed.DISPUTE, Relayed.WITHDRAW];
        Act memory a = act(acts[(n >> 80) % 6], signers, signers == 1 ? _part(n, left(d.terms)) : 0, 0);
        bytes32 x = actDigest(d.terms, a);
        // each by the other's key, or a stranger's
        uint256 key = (n >> 96) % 2 == 0 ? 0xbad : d.key;
        bytes memory bySeller = sign(key, x);
        bytes memory byBuyer = sign(key == 0xbad ? key : d.key + 1, x);
        bytes memory data = abi.encodeCall(escrow.relay, (d.terms, a, byBuyer, bySeller));
        _bad(stranger, address(escrow), data, "a forged message was obeyed");
    }

    function bad_settlement_of_one(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_RUNNING);
        uint256 rest = left(d.terms);
        Settlement memory m = Settlement(n % 2 == 0 ? rest : 0, n % 2 == 0 ? 0 : rest, _now);
        bytes32 x = settlementDigest(d.terms, m.toSeller, m.toBuyer, m.deadline);
        bytes memory one = sign(n % 2 == 0 ? d.key + 1 : d.key, x);
        bytes memory data = abi.encodeCall(escrow.settle, (d.terms, m, one, one));
        _bad(stranger, address(escrow), data, "one party settled alone");
    }

    /// One seat, a seat twice, a lower threshold, an old round, too early, too late, or more than there is.
    function bad_ruling(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_DISPUTED);
        uint256 rest = left(d.terms);
        Ruling memory r = ruling(d.terms, _split(n, rest));
        uint256 how = (n >> 80) % 6;
        if (how == 0) r.round += 1;
        if (how == 1) r.notBefore = _now + 1;
        if (how == 2) r.deadline = _now - 1;
        if (how == 3) r.toSeller += d.amount;
        bytes[] memory signatures = _seatsSign(digest(d.terms, r), (n >> 88) % 3);
        if (how > 3) signatures[((n >> 88) + 1) % 3] = "";
        bytes memory data = abi.encodeCall(escrow.rule, (d.terms, r, seats, how == 4 ? 1 : 2, signatures));
        _bad(stranger, address(escrow), data, "a bad ruling was executed");
    }

    /// A signature of a seat for another ruling, or of a key that lost its seat, is no signature.
    function bad_signature_of_a_seat(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_DISPUTED);
        Ruling memory r = ruling(d.terms, left(d.terms));
        bytes[] memory signatures = _seatsSign(digest(d.terms, r), 3);
        for (uint256 i; i < 3; ++i) {
            if (seats[i] == address(_seatWallet)) signatures[i] = "";
            else if (seats[i] == address(_seat)) signatures[i] = sign(SEAT_KEY + 5_000, digest(d.terms, r));
        }
        bytes memory data = abi.encodeCall(escrow.rule, (d.terms, r, seats, 2, signatures));
        _bad(stranger, address(escrow), data, "a false signature of a seat was taken");
    }

    /// At the last instant of a clock, which is still the other side's.
    function bad_early_claim(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_RUNNING);
        uint256 condition = _condition(d);
        uint256 end = _end(d);
        require(_now <= end && _isGood(d), "over");
        vm.warp(end);
        bytes memory data = condition == IS_DISPUTED
            ? abi.encodeCall(escrow.claimFallback, (d.terms))
            : condition == IS_DELIVERED
                ? abi.encodeCall(escrow.claimDelivered, (d.terms))
                : abi.encodeCall(escrow.claimUndelivered, (d.terms));
        _bad(stranger, address(escrow), data, "claimed before the end");
    }

    function bad_claim_of_another_state(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_RUNNING);
        uint256 condition = _condition(d);
        vm.warp(_now + 1_000 days);
        bytes memory data = condition != IS_DELIVERED
            ? abi.encodeCall(escrow.claimDelivered, (d.terms))
            : n % 2 == 0
                ? abi.encodeCall(escrow.claimFallback, (d.terms))
                : abi.encodeCall(escrow.claimUndelivered, (d.terms));
        _bad(stranger, address(escrow), data, "claimed what another state allows");
    }

    function bad_message_twice(uint256 n) external {
        n = _begin(n);
        require(_accepted.length != 0, "none yet");
        _bad(stranger, address(escrow), _accepted, "a message served twice");
    }

    /// Those who had every right before the end.
    function bad_after_the_end(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_SETTLED | IS_CANCELLED);
        require(d.settled || d.cancelled, "not over");
        bytes memory item = _restricted(d, n);
        _bad([d.buyer, d.seller, operator][(n >> 80) % 3], address(escrow), item, "acted after the end");
    }

    function bad_order_to_a_vault(uint256 n) external {
        n = _begin(n);
        Deal storage d = _deals[_live[(n >> 240) % LIVE]];
        require(d.vault.code.length != 0, "no code yet");
        bytes memory data = abi.encodeCall(Vault.pay, (d.token, stranger, 1, type(uint256).max));
        if (n % 2 == 0) data = abi.encodeCall(Vault.payNative, (stranger, 0));
        _bad([stranger, d.buyer, d.seller, operator][(n >> 80) % 4], d.vault, data, "a vault obeyed somebody else");
    }

    function bad_key_of_the_gate(uint256 n) external {
        n = _begin(n);
        Deal storage d = _gated(n, IS_OPEN | IS_DELIVERED);
        bytes memory item = _payment(d, n);
        address[4] memory keys = [vm.addr(SECOND_KEY), _cold, d.buyer, stranger];
        if (n % 5 != 4) return _bad(keys[n % 5], address(_gate), item, "another key passed the gate");
        require(d.amount > 1 || d.token != address(usdt), "within its cap");
        _bad(_small, address(_gate), item, "above the cap of a key");
    }

    function bad_recovery_on_another_chain(uint256 n) external {
        n = _begin(n);
        Deal storage d = _pick(n, IS_AWAY);
        require(d.away, "all are at home");
        address[3] memory by = [stranger, d.seller, d.feeTo];
        _bad(by[n % 3], address(escrow), abi.encodeCall(escrow.rescue, (d.terms, d.token)), "recovered by another");
    }

    /// Any act that only parties and operators have.
    function _restricted(Deal storage d, uint256 n) private view returns (bytes memory) {
        Terms memory t = d.terms;
        uint256 rest = left(t);
        uint256 part = _part(n, rest);
        uint256 what = (n >> 88) % 8;
        if (what == 0) return abi.encodeCall(escrow.pay, (t, part, 0, rest));
        if (what == 1) return abi.encodeCall(escrow.pay, (t, 0, part, rest));
        if (what == 2) return abi.encodeCall(escrow.markDelivered, (t));
        if (what == 3) return abi.encodeCall(escrow.reopenDelivery, (t));
        if (what == 4) return abi.encodeCall(escrow.cancel, (t));
        if (what == 5) return abi.encodeCall(escrow.dispute, (t, uint8(n % 2), bytes32(0)));
        if (what == 6) return abi.encodeCall(escrow.withdrawDispute, (t));
        return abi.encodeCall(escrow.appeal, (t, uint8(n % 2)));
    }
}
