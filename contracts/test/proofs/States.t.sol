// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ProofBase} from "./ProofBase.sol";
import {IEscrow} from "../../src/IEscrow.sol";
import {Act, Relayed, Ruling, Settlement} from "../../src/Messages.sol";
import {DELIVERED, DISPUTED, OPEN, Slot} from "../../src/Slots.sol";
import {Terms} from "../../src/Terms.sol";

/// @notice The state machine: from every state, by every caller, at every time.
contract StatesProof is ProofBase {
    function _end(Slot s) private pure returns (uint256) {
        return s.status() == OPEN ? s.deliverBy() : s.stamp() + INSPECTION;
    }

    /// What holds after every action that does not settle: one more in `seq`, the slot stored, nothing more undecided.
    function _stepped(Slot was, Slot now_) private pure returns (bool) {
        return now_.stored() && now_.seq() == was.seq() + 1 && now_.left() <= was.left();
    }

    /// Settled: no slot, and the vault has code.
    function _settled(Terms memory t, uint40 time) private {
        (, address vault) = begin(t, 0, time);
        vm.etch(vault, hex"00");
    }

    function check_settled_accepts_no_act_of_a_party(address by, uint40 time, uint256 a, uint256 b, uint256 c) public {
        Terms memory t = plain();
        _settled(t, time);
        assert(!send(by, abi.encodeCall(escrow.pay, (t, a, b, c))));
        assert(!send(by, abi.encodeCall(escrow.markDelivered, (t))));
        assert(!send(by, abi.encodeCall(escrow.reopenDelivery, (t))));
        assert(!send(by, abi.encodeCall(escrow.extend, (t, a))));
        assert(!send(by, abi.encodeCall(escrow.cancel, (t))));
        assert(!send(by, abi.encodeCall(escrow.dispute, (t, uint8(a), bytes32(b)))));
        assert(!send(by, abi.encodeCall(escrow.withdrawDispute, (t))));
        assert(!send(by, abi.encodeCall(escrow.appeal, (t, uint8(a)))));
        assert(!send(by, abi.encodeCall(escrow.announce, (t))));
    }

    function check_settled_accepts_no_claim_and_no_signature(
        address by,
        uint40 time,
        Ruling calldata r,
        Settlement calldata m,
        Act calldata a
    ) public {
        Terms memory t = plain();
        _settled(t, time);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = hex"00";
        vm.assume(a.action != Relayed.RESCUE);
        assert(!send(by, abi.encodeCall(escrow.claimDelivered, (t))));
        assert(!send(by, abi.encodeCall(escrow.claimUndelivered, (t))));
        assert(!send(by, abi.encodeCall(escrow.claimUnfunded, (t))));
        assert(!send(by, abi.encodeCall(escrow.claimFallback, (t))));
        assert(!send(by, abi.encodeCall(escrow.rule, (t, r, seats, 1, signatures))));
        assert(!send(by, abi.encodeCall(escrow.settle, (t, m, hex"00", hex"00"))));
        assert(!send(by, abi.encodeCall(escrow.relay, (t, a, hex"00", hex"00"))));
    }

    function check_cancelled_accepts_no_act_and_no_claim(address by, uint256 word, uint40 time, uint256 a) public {
        Terms memory t = plain();
        vm.assume(Slot.wrap(word).status() == 3 && word & STORED_BIT != 0);
        begin(t, word, time);
        assert(!send(by, abi.encodeCall(escrow.pay, (t, a, 0, uint96(word)))));
        assert(!send(by, abi.encodeCall(escrow.markDelivered, (t))));
        assert(!send(by, abi.encodeCall(escrow.extend, (t, a))));
        assert(!send(by, abi.encodeCall(escrow.cancel, (t))));
        assert(!send(by, abi.encodeCall(escrow.dispute, (t, uint8(a), 0))));
        assert(!send(by, abi.encodeCall(escrow.claimDelivered, (t))));
        assert(!send(by, abi.encodeCall(escrow.claimUndelivered, (t))));
        assert(!send(by, abi.encodeCall(escrow.claimUnfunded, (t))));
        assert(!send(by, abi.encodeCall(escrow.claimFallback, (t))));
    }

    function check_marking_is_in_time_and_starts_the_inspection_now(address by, uint256 word, uint40 time) public {
        (bytes32 id,) = begin(plain(), anyState(word), time);
        Slot was = Slot.wrap(word);
        if (!send(by, abi.encodeCall(escrow.markDelivered, (plain())))) return;
        reached();
        Slot now_ = slot(id);
        assert(by == seller || by == OPERATOR_);
        assert(was.status() == OPEN && time <= was.deliverBy());
        assert(now_.status() == DELIVERED && now_.stamp() == time && _stepped(was, now_));
        assert(now_.left() == was.left() && now_.deliverBy() == was.deliverBy());
    }

    function check_reopening_is_in_time_and_never_shortens_delivery(address by, uint256 word, uint40 time) public {
        (bytes32 id,) = begin(plain(), anyState(word), time);
        Slot was = Slot.wrap(word);
        vm.assume(uint256(time) + INSPECTION <= type(uint40).max);
        if (!send(by, abi.encodeCall(escrow.reopenDelivery, (plain())))) return;
        reached();
        Slot now_ = slot(id);
        assert(by == buyer || by == OPERATOR_);
        assert(was.status() == DELIVERED && time <= was.stamp() + INSPECTION && was.reopens() < 3);
        assert(now_.status() == OPEN && now_.deliverBy() >= was.deliverBy() && now_.deliverBy() >= time + INSPECTION);
        assert(_stepped(was, now_) && now_.reopens() == was.reopens() + 1);
    }

    function check_extending_moves_the_clock_later_only(address by, uint256 word, uint40 time, uint256 until) public {
        (bytes32 id,) = begin(plain(), anyState(word), time);
        Slot was = Slot.wrap(word);
        vm.assume(uint256(time) + 400 days <= type(uint40).max);
        if (!send(by, abi.encodeCall(escrow.extend, (plain(), until)))) return;
        reached();
        Slot now_ = slot(id);
        assert(by == OPERATOR_ && was.status() != DISPUTED && time <= _end(was));
        assert(_end(now_) == until && until > _end(was) && until - _end(was) <= 14 days);
        assert(now_.extended() > was.extended() && now_.extended() <= 14);
        assert(now_.status() == was.status() && _stepped(was, now_));
    }

    function check_both_extend_later_only_and_at_most_400_days(uint256 word, uint40 time, uint256 until) public {
        (bytes32 id,) = begin(plain(), anyState(word), time);
        Slot was = Slot.wrap(word);
        vm.assume(uint256(time) + 400 days <= type(uint40).max);
        Act memory a = Act(Relayed.EXTEND, until, 0, type(uint256).max, Relayed.BOTH);
        if (!send(address(1), abi.encodeCall(escrow.relay, (plain(), a, hex"00", hex"00")))) return;
        reached();
        Slot now_ = slot(id);
        assert(was.status() != DISPUTED && time <= _end(was));
        assert(_end(now_) == until && until > _end(was) && until <= uint256(time) + 400 days);
        assert(now_.extended() == was.extended() && _stepped(was, now_));
    }

    function check_disputing_is_in_time_and_remembers_the_clock(address by, uint256 word, uint40 time, uint8 side)
        public
    {
        (bytes32 id,) = begin(plain(), anyState(word), time);
        Slot was = Slot.wrap(word);
        if (!send(by, abi.encodeCall(escrow.dispute, (plain(), side, 0)))) return;
        reached();
        Slot now_ = slot(id);
        uint256 rest = _end(was) - time;
        assert(by == OPERATOR_ || by == (side == 0 ? buyer : seller));
        assert(was.status() != DISPUTED && time <= _end(was) && was.disputes(side) < 2);
        assert(now_.status() == DISPUTED && now_.stamp() == time && now_.opener() == side);
        assert(now_.frozen() == rest || (rest > type(uint32).max && now_.frozen() == type(uint32).max));
        assert(now_.round() == was.round() + 1 && now_.byOperator() == (by == OPERATOR_) && _stepped(was, now_));
    }

    function check_withdrawing_gives_the_clock_back(address by, uint256 word, uint40 time) public {
        (bytes32 id,) = begin(plain(), anyState(word), time);
        Slot was = Slot.wrap(word);
        vm.assume(uint256(time) + was.frozen() + 1 days <= type(uint40).max && time > INSPECTION);
        if (!send(by, abi.encodeCall(escrow.withdrawDispute, (plain())))) return;
        reached();
        Slot now_ = slot(id);
        address opener = was.opener() == 0 ? buyer : seller;
        assert(by == opener || (by == OPERATOR_ && was.byOperator()));
        assert(was.status() == DISPUTED && time <= was.stamp() + ARBITRATION);
        assert(now_.status() == was.before() && _end(now_) >= time + was.frozen() && _end(now_) >= time + 1 days);
        assert(now_.round() == was.round() && _stepped(was, now_));
    }

    function check_appealing_is_once_per_side_and_leaves_the_seats_14_days(
        address by,
        uint256 word,
        uint40 time,
        uint8 side
    ) public {
        (bytes32 id,) = begin(plain(), anyState(word), time);
        Slot was = Slot.wrap(word);
        if (!send(by, abi.encodeCall(escrow.appeal, (plain(), side)))) return;
        reached();
        Slot now_ = slot(id);
        assert(by == OPERATOR_ || by == (side == 0 ? buyer : seller));
        assert(was.status() == DISPUTED && !was.appealed(side) && now_.appealed(side));
        assert(uint256(time) + 14 days <= was.stamp() + ARBITRATION);
        assert(now_.round() == was.round() + 1 && now_.stamp() == was.stamp() && _stepped(was, now_));
    }

    function check_claims_come_only_after_their_clock(uint256 word, uint40 time, uint8 which) public {
        Terms memory t = plain();
        (bytes32 id,) = begin(t, anyState(word), time);
        Slot was = Slot.wrap(word);
        if (which == 0) {
            if (!send(address(1), abi.encodeCall(escrow.claimDelivered, (t)))) return;
            reached();
            assert(was.status() == DELIVERED && time > was.stamp() + INSPECTION);
            assert(token.balanceOf(seller) == was.left());
        } else if (which == 1) {
            if (!send(address(1), abi.encodeCall(escrow.claimUndelivered, (t)))) return;
            reached();
            assert(was.status() == OPEN && time > was.deliverBy());
            assert(token.balanceOf(buyer) == was.left());
        } else {
            if (!send(address(1), abi.encodeCall(escrow.claimFallback, (t)))) return;
            reached();
            assert(was.status() == DISPUTED && time > was.stamp() + ARBITRATION);
        }
        assert(escrow.slotOf(id) == 0);
    }

    function check_unfunded_comes_only_when_nothing_happened(uint256 word, uint40 time, uint128 held) public {
        Terms memory t = plain();
        (bytes32 id, address vault) = begin(t, anyState(word), time);
        Slot was = Slot.wrap(word);
        token.put(vault, held);
        if (!send(address(1), abi.encodeCall(escrow.claimUnfunded, (t)))) return;
        reached();
        assert(time > FUND_BY && held < WHOLE && was.left() == WHOLE);
        assert(was.status() == OPEN && was.round() == 0 && was.reopens() == 0);
        assert(token.balanceOf(buyer) == held && escrow.slotOf(id) == 0);
    }

    /// The liveness of the singleton: after the clock of its status, a claim succeeds, whoever sends it. The prover's
    /// gas is any amount, so too little of it is the one reason left. The fallback here is all to the buyer.
    function check_after_its_clock_a_funded_escrow_always_ends(address by, uint256 word, uint40 time) public {
        Terms memory t = terms(WHOLE, 0, 0);
        (bytes32 id,) = begin(t, anyState(word), time);
        Slot s = Slot.wrap(word);
        vm.assume(time > (s.status() == DISPUTED ? s.stamp() + ARBITRATION : _end(s)));
        bytes memory data;
        if (s.status() == OPEN) data = abi.encodeCall(escrow.claimUndelivered, (t));
        else if (s.status() == DELIVERED) data = abi.encodeCall(escrow.claimDelivered, (t));
        else data = abi.encodeCall(escrow.claimFallback, (t));
        vm.prank(by);
        (bool ok, bytes memory answer) = address(escrow).call(data);
        if (ok) reached();
        assert(ok ? escrow.slotOf(id) == 0 : bytes4(answer) == IEscrow.NotEnoughGas.selector);
    }

    function check_conceding_gives_only_to_the_other(address by, uint256 word, uint40 time, uint96 a, uint96 b) public {
        Terms memory t = plain();
        (bytes32 id,) = begin(t, anyState(word), time);
        Slot was = Slot.wrap(word);
        if (!send(by, abi.encodeCall(escrow.pay, (t, a, b, was.left())))) return;
        reached();
        assert((by == buyer && b == 0) || (by == seller && a == 0) || (by == OPERATOR_ && was.status() != DISPUTED));
        assert(uint256(a) + b <= was.left() && (a | b) != 0);
        if (uint256(a) + b == was.left()) assert(escrow.slotOf(id) == 0);
        else assert(_stepped(was, slot(id)) && slot(id).status() == was.status());
    }

    function check_false_a_dispute_is_never_withdrawn(address by, uint256 word, uint40 time) public {
        (bytes32 id,) = begin(plain(), anyState(word), time);
        vm.assume(Slot.wrap(word).status() == DISPUTED);
        send(by, abi.encodeCall(escrow.withdrawDispute, (plain())));
        assert(slot(id).status() == DISPUTED);
    }
}
