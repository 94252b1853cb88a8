// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Terms} from "../src/Terms.sol";

contract ClaimsTest is Base {
    function test_anyone_claims_for_the_seller_after_the_inspection_and_not_a_second_earlier() public {
        Terms memory t = funded(terms());
        mark(t);
        vm.warp(START + 14 days);
        refuses(IEscrow.TooEarly.selector);
        escrow.claimDelivered(t);
        vm.warp(START + 14 days + 1);
        vm.prank(stranger);
        escrow.claimDelivered(t);
        vm.assertEq(balance(seller), AMOUNT);
        vm.assertTrue(settled(t));
    }

    function test_anyone_claims_for_the_buyer_after_deliver_by_and_not_a_second_earlier() public {
        Terms memory t = funded(terms());
        vm.warp(START + 20 days);
        refuses(IEscrow.TooEarly.selector);
        escrow.claimUndelivered(t);
        vm.warp(START + 20 days + 1);
        vm.prank(stranger);
        escrow.claimUndelivered(t);
        vm.assertEq(balance(buyer), AMOUNT);
        vm.assertTrue(settled(t));
    }

    function test_marked_and_unmarked_have_their_own_claim() public {
        Terms memory t = funded(terms());
        vm.warp(START + 20 days);
        refuses(IEscrow.WrongStatus.selector);
        escrow.claimDelivered(t);
        mark(t);
        vm.warp(START + 100 days);
        refuses(IEscrow.WrongStatus.selector);
        escrow.claimUndelivered(t);
        escrow.claimDelivered(t);
    }

    function test_a_dispute_stops_both_claims() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        vm.warp(START + 100 days);
        refuses(IEscrow.WrongStatus.selector);
        escrow.claimUndelivered(t);
        refuses(IEscrow.WrongStatus.selector);
        escrow.claimDelivered(t);
    }

    function test_what_was_never_funded_is_not_claimed_as_undelivered() public {
        Terms memory t = terms();
        put(t, AMOUNT - 1);
        vm.warp(START + 21 days);
        refuses(IEscrow.NotFunded.selector);
        escrow.claimUndelivered(t);
    }

    function test_too_small_a_deposit_goes_back_after_fund_by() public {
        Terms memory t = terms();
        put(t, AMOUNT - 1);
        vm.warp(START + 1 days);
        refuses(IEscrow.TooEarly.selector);
        escrow.claimUnfunded(t);
        vm.warp(START + 1 days + 1);
        vm.prank(stranger);
        escrow.claimUnfunded(t);
        vm.assertEq(balance(buyer), AMOUNT - 1);
        vm.assertTrue(settled(t));
    }

    function test_a_whole_deposit_is_never_unfunded() public {
        Terms memory t = funded(terms());
        vm.warp(START + 2 days);
        refuses(IEscrow.AlreadyFunded.selector);
        escrow.claimUnfunded(t);
    }

    function test_nothing_is_nothing_to_claim() public {
        Terms memory t = terms();
        vm.warp(START + 2 days);
        refuses(IEscrow.NothingToPay.selector);
        escrow.claimUnfunded(t);
    }

    function test_what_was_touched_is_not_unfunded() public {
        Terms memory t = terms();
        put(t, 100);
        pay(seller, t, 0, 10);
        vm.warp(START + 2 days);
        refuses(IEscrow.WrongStatus.selector);
        escrow.claimUnfunded(t);
    }

    function test_a_rescue_of_another_token_leaves_the_unfunded_claim_open() public {
        Terms memory t = terms();
        put(t, 100);
        vm.deal(vault(t), 1 ether);
        escrow.rescue(t, address(0));
        vm.warp(START + 2 days);
        escrow.claimUnfunded(t);
        vm.assertEq(balance(buyer), 100);
        vm.assertTrue(settled(t));
    }

    function test_the_rest_of_a_partly_paid_escrow_ends_with_the_buyer() public {
        Terms memory t = funded(terms());
        pay(buyer, t, 100, 0);
        vm.warp(START + 20 days + 1);
        escrow.claimUndelivered(t);
        vm.assertEq(balance(buyer), AMOUNT - 100);
    }

    function test_the_fallback_splits_as_the_terms_named_and_the_odd_unit_is_the_buyers() public {
        Plan memory p = plan();
        p.amount = 101;
        Terms memory t = funded(pack(p));
        dispute(buyer, t, 0);
        vm.warp(START + 120 days);
        refuses(IEscrow.TooEarly.selector);
        escrow.claimFallback(t);
        vm.warp(START + 120 days + 1);
        vm.prank(stranger);
        escrow.claimFallback(t);
        vm.assertEq(balance(seller), 50);
        vm.assertEq(balance(buyer), 51);
        vm.assertTrue(settled(t));
    }

    function test_there_is_no_fallback_without_a_dispute() public {
        Terms memory t = funded(terms());
        vm.warp(START + 400 days);
        refuses(IEscrow.WrongStatus.selector);
        escrow.claimFallback(t);
    }
}
