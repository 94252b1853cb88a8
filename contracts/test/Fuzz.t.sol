// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {Ruling} from "../src/Messages.sol";
import {BUYER, DISPUTED, SELLER, Slot, Slots, State} from "../src/Slots.sol";
import {Terms} from "../src/Terms.sol";

contract FuzzTest is Base {
    function testFuzz_parts_sum_to_the_whole(uint96 amount, uint16 bps, uint96 first, uint96 second) public {
        vm.assume(amount > 2);
        Plan memory p = plan();
        p.amount = amount;
        p.feeBps = bps % 1_001;
        Terms memory t = funded(pack(p));
        uint256 a = uint256(first) % amount;
        if (a != 0) pay(operator, t, a, 0);
        uint256 rest = left(t);
        uint256 b = uint256(second) % (rest + 1);
        pay(operator, t, b, rest - b);
        vm.assertEq(balance(feeTo), (a + b) * p.feeBps / 10_000);
        vm.assertEq(balance(feeTo) + balance(seller), a + b);
        vm.assertEq(balance(buyer), rest - b);
        vm.assertEq(balance(vault(t)), 0);
        vm.assertTrue(settled(t));
    }

    function testFuzz_the_fallback_pays_everything(uint96 amount, uint16 split) public {
        vm.assume(amount > 0);
        Plan memory p = plan();
        p.amount = amount;
        p.fallbackBps = split % 10_001;
        Terms memory t = funded(pack(p));
        dispute(seller, t, 1);
        vm.warp(START + 121 days);
        escrow.claimFallback(t);
        vm.assertEq(balance(seller), uint256(amount) * p.fallbackBps / 10_000);
        vm.assertEq(balance(seller) + balance(buyer), amount);
    }

    function testFuzz_a_concession_never_costs_the_other_side(uint96 toSeller, uint96 conceded, bool byBuyer) public {
        uint256 award = uint256(toSeller) % (AMOUNT + 1);
        uint256 given = uint256(conceded) % AMOUNT;
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        Ruling memory r = ruling(t, award);
        bytes[] memory signatures = signed(t, r, 2);
        if (given != 0) pay(byBuyer ? buyer : seller, t, byBuyer ? given : 0, byBuyer ? 0 : given);
        escrow.rule(t, r, seats, 2, signatures);
        vm.assertEq(balance(seller) + balance(buyer), AMOUNT);
        if (byBuyer) vm.assertTrue(balance(seller) >= award);
        else vm.assertTrue(balance(buyer) >= AMOUNT - award);
    }

    function testFuzz_a_loss_is_shared_in_any_order(uint96 held, uint96 toSeller, uint8 order) public {
        uint256 kept = uint256(held) % AMOUNT;
        uint256 award = uint256(toSeller) % (AMOUNT + 1);
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        Ruling memory r = ruling(t, award);
        usdt.addBlackList(vault(t));
        usdt.destroyBlackFunds(vault(t));
        usdt.removeBlackList(vault(t));
        if (kept != 0) put(t, kept);
        rule(t, r);
        for (uint256 i; i < 8; ++i) {
            try escrow.payLeg(t, (order >> i) & 1) {} catch {}
        }
        for (uint8 kind; kind < 2; ++kind) {
            try escrow.payLeg(t, kind) {} catch {}
        }
        vm.assertEq(balance(seller), award * kept / AMOUNT);
        vm.assertEq(balance(buyer), (AMOUNT - award) * kept / AMOUNT);
    }

    function testFuzz_fields_of_a_slot_do_not_touch_each_other(uint96 a, uint40 b, uint40 c, uint32 d) public pure {
        Slot s = Slots.fresh(a, b).withStamp(c).next().withStored();
        Slot x = s.disputed(SELLER, true, d);
        State memory u = x.unpack();
        vm.assertEq(u.left, a);
        vm.assertEq(u.deliverBy, b);
        vm.assertEq(u.stamp, c);
        vm.assertEq(u.frozen, d);
        vm.assertEq(u.seq, 1);
        vm.assertEq(u.round, 1);
        vm.assertEq(u.status, DISPUTED);
        vm.assertEq(u.opener, SELLER);
        vm.assertEq(u.sellerDisputes, 1);
        vm.assertEq(u.buyerDisputes, 0);
        vm.assertTrue(u.byOperator && u.stored);
        u = x.disputed(BUYER, false, 0).withLeft(7).withDeliverBy(8).reopened().unpack();
        vm.assertEq(u.left, 7);
        vm.assertEq(u.deliverBy, 8);
        vm.assertEq(u.stamp, c);
        vm.assertEq(u.frozen, 0);
        vm.assertEq(u.round, 2);
        vm.assertEq(u.reopens, 1);
        vm.assertEq(u.buyerDisputes, 1);
        vm.assertFalse(u.byOperator);
    }

    function test_a_counter_that_is_full_refuses_instead_of_running_over() public {
        Slot full = Slot.wrap(uint256(type(uint24).max) << 208);
        refuses(Slots.SlotOverflow.selector);
        this.next(full);
    }

    function next(Slot s) external pure returns (Slot) {
        return s.next();
    }
}
