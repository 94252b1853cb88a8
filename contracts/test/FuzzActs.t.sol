// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {Act, Relayed} from "../src/Messages.sol";
import {CANCELLED, Slot, State} from "../src/Slots.sol";
import {Terms} from "../src/Terms.sol";

contract FuzzActsTest is Base {
    function testFuzz_no_extension_moves_a_clock_earlier(uint40 until, uint40 when, bool both, bool marked) public {
        Terms memory t = funded(terms());
        if (marked) mark(t);
        uint256 before = _end(t);
        vm.warp(START + when % 30 days);
        uint256 wanted = START + until % 500 days;
        if (both) _tryRelay(t, act(Relayed.EXTEND, Relayed.BOTH, wanted, 0));
        else _tryAs(operator, abi.encodeCall(escrow.extend, (t, wanted)));
        uint256 end = _end(t);
        vm.assertTrue(end == before || (end == wanted && end > before), "another end");
        if (end != before) {
            vm.assertTrue(block.timestamp <= before, "revived");
            vm.assertTrue(both ? end <= block.timestamp + 400 days : end <= before + 14 days, "too far");
        }
    }

    function testFuzz_the_operators_extensions_never_exceed_fourteen_days(uint24[12] calldata steps, uint8 marks)
        public
    {
        Terms memory t = funded(terms());
        uint256 gained;
        for (uint256 i; i < steps.length; ++i) {
            if (i == marks % 12) mark(t);
            uint256 before = _end(t);
            if (_tryAs(operator, abi.encodeCall(escrow.extend, (t, before + steps[i] % 6 days)))) {
                gained += _end(t) - before;
            }
        }
        vm.assertTrue(gained <= 14 days);
    }

    function testFuzz_no_clock_that_terms_allow_runs_over_its_bits(uint40 fundBy, uint32 gap, uint40 wait) public {
        Plan memory p = plan();
        p.fundBy = fundBy < START ? START : fundBy;
        p.deliverBy = p.fundBy + gap % (400 days + 1);
        uint256 last = type(uint40).max - 1 days;
        if (p.fundBy > last) p.fundBy = last;
        if (p.deliverBy > last) p.deliverBy = last;
        uint256 moment = START + wait % (p.deliverBy - START + 1);
        Terms memory t = funded(pack(p));
        vm.warp(moment);
        dispute(buyer, t, 0);
        vm.assertEq(state(t).deliverBy, p.deliverBy);
        vm.assertEq(state(t).stamp, moment);
        vm.prank(buyer);
        escrow.withdrawDispute(t);
        uint256 rest = p.deliverBy - moment;
        if (rest < 1 days) rest = 1 days;
        if (rest > type(uint32).max) rest = type(uint32).max;
        vm.assertEq(state(t).deliverBy, moment + rest);
        vm.assertEq(left(t), AMOUNT);
        vm.assertEq(state(t).round, 1);
    }

    function testFuzz_a_cancelled_escrow_gives_the_buyer_all_that_ever_comes(uint96 first, uint96 later, bool byBoth)
        public
    {
        Terms memory t = terms();
        put(t, first);
        if (byBoth) relay(t, act(Relayed.CANCEL, Relayed.BOTH));
        else vm.assertTrue(_tryAs(seller, abi.encodeCall(escrow.cancel, (t))));
        put(t, later);
        vm.assertTrue(_tryAs(stranger, abi.encodeCall(escrow.rescue, (t, address(usdt)))) == (later != 0));
        vm.assertEq(balance(buyer), uint256(first) + later);
        vm.assertEq(state(t).status, CANCELLED);
    }

    function testFuzz_a_signature_of_any_other_key_does_nothing(uint256 key, uint8 which, uint8 signers) public {
        key = key % 1e30 + 1;
        vm.assume(key != BUYER_KEY && key != SELLER_KEY);
        Terms memory t = funded(terms());
        bytes32[5] memory acts =
            [Relayed.PAY, Relayed.MARK, Relayed.CANCEL, Relayed.DISPUTE, Relayed.EXTEND];
        Act memory a = act(acts[which % 5], signers % 5, 1, 0);
        bytes memory forged = sign(key, actDigest(t, a));
        uint256 before = escrow.slotOf(id(t));
        vm.assertFalse(_tryAs(stranger, abi.encodeCall(escrow.relay, (t, a, forged, forged))));
        vm.assertEq(escrow.slotOf(id(t)), before);
        vm.assertEq(balance(vault(t)), AMOUNT);
    }

    function testFuzz_appeals_and_extensions_leave_the_other_fields_alone(uint256 word, uint8 side, uint8 days_)
        public
        pure
    {
        side %= 2;
        // a round that has room, and a side that did not appeal yet, as the caller makes sure
        word &= ~((uint256(8) << 232) | (uint256(1) << (244 + side)));
        State memory a = Slot.wrap(word).unpack();
        State memory b = Slot.wrap(word).withAppeal(side).withExtended(days_ % 15).unpack();
        vm.assertEq(b.round, a.round + 1);
        vm.assertEq(b.appealed, a.appealed | (1 << side));
        vm.assertEq(b.extended, days_ % 15);
        (b.round, b.appealed, b.extended) = (a.round, a.appealed, a.extended);
        vm.assertTrue(keccak256(abi.encode(a)) == keccak256(abi.encode(b)));
    }

    function _end(Terms memory t) private view returns (uint256) {
        State memory s = state(t);
        return s.status == 0 ? s.deliverBy : s.stamp + 14 days;
    }

    function _tryRelay(Terms memory t, Act memory a) private returns (bool) {
        bytes32 d = actDigest(t, a);
        bytes memory data = abi.encodeCall(escrow.relay, (t, a, sign(BUYER_KEY, d), sign(SELLER_KEY, d)));
        return _tryAs(stranger, data);
    }

    function _tryAs(address by, bytes memory data) private returns (bool ok) {
        vm.prank(by);
        (ok,) = address(escrow).call(data);
    }
}
