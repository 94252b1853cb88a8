// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {DenyList, Replacement} from "./HostileTokens.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Ruling} from "../src/Messages.sol";
import {CANCELLED} from "../src/Slots.sol";
import {Terms} from "../src/Terms.sol";

/// @notice What happens to an escrow when its token does what USDT, or a token like it, can do. `usdt` behaves as
/// USDT on mainnet: it refuses to move money of a blacklisted sender and lets a blacklisted receiver have it. `strict`
/// stands for tokens that refuse a blacklisted receiver too.
contract WhatHappensTest is Base {
    DenyList private _strict;

    function setUp() public override {
        super.setUp();
        _strict = new DenyList();
    }

    // ---- no return value -----------------------------------------------------------------------------------

    function test_no_return_value_the_seller_is_paid_as_by_any_token() public {
        Terms memory t = funded(terms());
        pay(buyer, t, AMOUNT, 0);
        vm.assertEq(balance(seller), AMOUNT);
        vm.assertTrue(settled(t));
    }

    // ---- a fee on transfers --------------------------------------------------------------------------------

    function test_fee_on_before_the_deposit_the_escrow_is_not_funded_and_the_buyer_gets_back_what_came() public {
        usdt.setParams(10, 1);
        Terms memory t = funded(terms());
        uint256 came = AMOUNT - 250_000;
        vm.prank(seller);
        refuses(IEscrow.NotFunded.selector);
        escrow.markDelivered(t);
        vm.prank(operator);
        refuses(IEscrow.NotFunded.selector);
        escrow.pay(t, AMOUNT, 0, AMOUNT);
        usdt.setParams(0, 0);
        vm.warp(START + 1 days + 1);
        vm.prank(stranger);
        escrow.claimUnfunded(t);
        vm.assertEq(balance(buyer), came);
        vm.assertEq(balance(vault(t)), 0);
    }

    function test_fee_on_before_the_deposit_the_buyer_can_send_the_rest_and_the_deal_goes_on() public {
        usdt.setParams(10, 1);
        Terms memory t = funded(terms());
        usdt.setParams(0, 0);
        put(t, 250_000);
        mark(t);
        vm.warp(START + 14 days + 1);
        escrow.claimDelivered(t);
        vm.assertEq(balance(seller), AMOUNT);
    }

    function test_fee_on_after_the_deposit_each_receiver_bears_the_fee_of_his_own_part() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        usdt.setParams(10, 1);
        rule(t, ruling(t, 100e6));
        vm.assertEq(balance(seller), 100e6 - 100_000);
        vm.assertEq(balance(buyer), 150e6 - 150_000);
        vm.assertEq(balance(vault(t)), 0);
        vm.assertEq(escrow.owed(id(t), 0) + escrow.owed(id(t), 1), 0);
    }

    // ---- paused --------------------------------------------------------------------------------------------

    function test_paused_at_ruling_the_ruling_stands_and_both_are_paid_when_the_token_runs_again() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        usdt.pause();
        rule(t, ruling(t, 100e6));
        vm.assertTrue(settled(t));
        vm.assertEq(balance(vault(t)), AMOUNT);
        vm.prank(stranger);
        refuses(IEscrow.LegFailed.selector);
        escrow.payLeg(t, 0);
        usdt.unpause();
        _payBoth(t);
        vm.assertEq(balance(seller), 100e6);
        vm.assertEq(balance(buyer), 150e6);
    }

    function test_paused_at_ruling_nobody_takes_the_waiting_money_by_another_way() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        usdt.pause();
        rule(t, ruling(t, 100e6));
        usdt.unpause();
        refuses(IEscrow.NothingToPay.selector);
        escrow.rescue(t, address(usdt));
        refuses(IEscrow.AlreadySettled.selector);
        escrow.claimUndelivered(t);
        vm.prank(seller);
        refuses(IEscrow.AlreadySettled.selector);
        escrow.cancel(t);
        vm.assertEq(balance(vault(t)), AMOUNT);
    }

    // ---- deprecated ----------------------------------------------------------------------------------------

    function test_deprecated_the_escrow_goes_on_and_pays_in_the_replacement() public {
        Terms memory t = funded(terms());
        Replacement replacement = _deprecate(t, AMOUNT);
        mark(t);
        vm.warp(START + 14 days + 1);
        vm.prank(stranger);
        escrow.claimDelivered(t);
        vm.assertEq(replacement.balanceOf(seller), AMOUNT);
        vm.assertEq(replacement.balanceOf(vault(t)), 0);
    }

    function test_deprecated_nobody_takes_the_deposit_as_if_it_were_another_token() public {
        Terms memory t = funded(terms());
        Replacement replacement = _deprecate(t, AMOUNT);
        refuses(IEscrow.ReservedMoved.selector);
        escrow.rescue(t, address(replacement));
        vm.assertEq(replacement.balanceOf(vault(t)), AMOUNT);
    }

    function test_deprecated_after_the_decision_what_is_owed_is_not_taken_as_another_token() public {
        Terms memory t = funded(terms());
        usdt.pause();
        pay(buyer, t, AMOUNT, 0);
        usdt.unpause();
        Replacement replacement = _deprecate(t, AMOUNT);
        refuses(IEscrow.ReservedMoved.selector);
        escrow.rescue(t, address(replacement));
        escrow.payLeg(t, 0);
        vm.assertEq(replacement.balanceOf(seller), AMOUNT);
    }

    // ---- destroyed -----------------------------------------------------------------------------------------

    function test_destroyed_funds_the_ruling_stands_and_money_that_comes_later_is_shared_as_ruled() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        Ruling memory r = ruling(t, AMOUNT / 5);
        _destroy(t);
        rule(t, r);
        vm.assertTrue(settled(t));
        vm.assertEq(escrow.owed(id(t), 0), AMOUNT / 5);
        vm.assertEq(escrow.owed(id(t), 1), AMOUNT - AMOUNT / 5);
        put(t, AMOUNT / 2);
        _payBoth(t);
        vm.assertEq(balance(seller), AMOUNT / 10);
        vm.assertEq(balance(buyer), AMOUNT / 2 - AMOUNT / 10);
        put(t, AMOUNT / 2);
        _payBoth(t);
        vm.assertEq(balance(seller), AMOUNT / 5);
        vm.assertEq(balance(buyer), AMOUNT - AMOUNT / 5);
    }

    function test_destroyed_funds_before_anything_happened_cost_only_this_escrow() public {
        Terms memory t = funded(terms());
        Plan memory p = plan();
        p.deal = keccak256("another deal of the same people");
        Terms memory other = funded(pack(p));
        _destroy(t);
        vm.prank(operator);
        refuses(IEscrow.NotFunded.selector);
        escrow.pay(t, AMOUNT, 0, AMOUNT);
        pay(operator, other, AMOUNT, 0);
        vm.assertEq(balance(seller), AMOUNT);
    }

    function test_destroyed_funds_do_not_take_away_the_dispute_of_a_buyer_who_was_told_it_is_delivered() public {
        Terms memory t = funded(terms());
        mark(t);
        _destroy(t);
        dispute(buyer, t, 0);
        rule(t, ruling(t, 0));
        put(t, AMOUNT);
        escrow.payLeg(t, 1);
        vm.assertEq(balance(buyer), AMOUNT);
    }

    // ---- blacklisted buyer -----------------------------------------------------------------------------------

    function test_blacklisted_buyer_the_seller_is_paid_and_the_buyers_leg_waits() public {
        Terms memory t = _deniedAtRuling(buyer);
        vm.assertEq(_strict.balanceOf(seller), 100e6);
        vm.assertEq(_strict.balanceOf(buyer), 0);
        vm.assertEq(escrow.owed(id(t), 1), 150e6);
        _strict.deny(buyer, false);
        vm.prank(stranger);
        escrow.payLeg(t, 1);
        vm.assertEq(_strict.balanceOf(buyer), 150e6);
    }

    function test_blacklisted_buyer_a_cancelled_escrow_keeps_the_money_for_the_buyer() public {
        Terms memory t = _strictEscrow();
        _strict.deny(buyer, true);
        vm.prank(seller);
        escrow.cancel(t);
        vm.assertEq(state(t).status, CANCELLED);
        vm.assertEq(_strict.balanceOf(vault(t)), AMOUNT);
        _strict.deny(buyer, false);
        vm.prank(stranger);
        escrow.rescue(t, address(_strict));
        vm.assertEq(_strict.balanceOf(buyer), AMOUNT);
    }

    function test_blacklisted_buyer_of_usdt_is_paid_because_usdt_refuses_only_senders() public {
        Terms memory t = funded(terms());
        usdt.addBlackList(buyer);
        vm.warp(START + 20 days + 1);
        escrow.claimUndelivered(t);
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_blacklisted_buyer_who_paid_before_can_still_release_to_the_seller() public {
        Terms memory t = funded(terms());
        usdt.addBlackList(buyer);
        pay(buyer, t, AMOUNT, 0);
        vm.assertEq(balance(seller), AMOUNT);
    }

    // ---- blacklisted seller ----------------------------------------------------------------------------------

    function test_blacklisted_seller_the_buyer_is_paid_and_the_sellers_leg_waits() public {
        Terms memory t = _deniedAtRuling(seller);
        vm.assertEq(_strict.balanceOf(buyer), 150e6);
        vm.assertEq(_strict.balanceOf(seller), 0);
        vm.assertEq(escrow.owed(id(t), 0), 100e6);
        refuses(IEscrow.NothingToPay.selector);
        escrow.rescue(t, address(_strict));
        _strict.deny(seller, false);
        vm.prank(stranger);
        escrow.payLeg(t, 0);
        vm.assertEq(_strict.balanceOf(seller), 100e6);
    }

    function test_blacklisted_seller_of_usdt_is_paid_because_usdt_refuses_only_senders() public {
        Terms memory t = funded(terms());
        usdt.addBlackList(seller);
        pay(buyer, t, AMOUNT, 0);
        vm.assertEq(balance(seller), AMOUNT);
    }

    function test_blacklisted_seller_the_fee_is_paid_all_the_same() public {
        Plan memory p = plan();
        (p.token, p.feeBps) = (address(_strict), 100);
        Terms memory t = pack(p);
        _strict.mint(vault(t), AMOUNT);
        _strict.deny(seller, true);
        pay(buyer, t, AMOUNT, 0);
        vm.assertEq(_strict.balanceOf(feeTo), AMOUNT / 100);
        vm.assertEq(escrow.owed(id(t), 0), AMOUNT - AMOUNT / 100);
    }

    // ---- blacklisted vault -----------------------------------------------------------------------------------

    function test_blacklisted_vault_the_decision_stands_and_is_paid_when_the_vault_is_free() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        usdt.addBlackList(vault(t));
        rule(t, ruling(t, 100e6));
        vm.assertTrue(settled(t));
        vm.assertEq(balance(vault(t)), AMOUNT);
        usdt.removeBlackList(vault(t));
        _payBoth(t);
        vm.assertEq(balance(seller), 100e6);
        vm.assertEq(balance(buyer), 150e6);
    }

    function test_blacklisted_vault_every_other_escrow_pays_as_before() public {
        Terms memory t = funded(terms());
        Plan memory p = plan();
        p.deal = keccak256("another deal of the same people");
        Terms memory other = funded(pack(p));
        usdt.addBlackList(vault(t));
        pay(buyer, other, AMOUNT, 0);
        vm.assertEq(balance(seller), AMOUNT);
        vm.assertEq(balance(vault(t)), AMOUNT);
    }

    // ---- helpers -------------------------------------------------------------------------------------------

    function _payBoth(Terms memory t) private {
        vm.startPrank(stranger);
        escrow.payLeg(t, 0);
        escrow.payLeg(t, 1);
        vm.stopPrank();
    }

    function _strictEscrow() private returns (Terms memory t) {
        Plan memory p = plan();
        p.token = address(_strict);
        t = pack(p);
        _strict.mint(vault(t), AMOUNT);
    }

    /// 100 of 250 to the seller, by a ruling, while the token refuses `who`.
    function _deniedAtRuling(address who) private returns (Terms memory t) {
        t = _strictEscrow();
        dispute(buyer, t, 0);
        _strict.deny(who, true);
        rule(t, ruling(t, 100e6));
        vm.assertTrue(settled(t));
    }

    function _destroy(Terms memory t) private {
        usdt.addBlackList(vault(t));
        usdt.destroyBlackFunds(vault(t));
        usdt.removeBlackList(vault(t));
    }

    function _deprecate(Terms memory t, uint256 amount) private returns (Replacement replacement) {
        replacement = new Replacement(address(usdt));
        replacement.copy(vault(t), amount);
        usdt.deprecate(address(replacement));
    }
}
