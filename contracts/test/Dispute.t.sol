// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Terms} from "../src/Terms.sol";

contract DisputeTest is Base {
    function test_a_dispute_freezes_the_clock_and_says_for_whom() public {
        Terms memory t = funded(terms());
        vm.warp(START + 5 days);
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Disputed(id(t), buyer, 0, 1, START + 125 days, keccak256("evidence"));
        dispute(buyer, t, 0);
        vm.assertEq(state(t).frozen, 15 days);
        vm.assertEq(state(t).status, 2);
    }

    function test_a_party_disputes_only_on_its_own_side_and_the_operator_on_either() public {
        Terms memory t = funded(terms());
        vm.prank(buyer);
        refuses(IEscrow.NotAllowed.selector);
        escrow.dispute(t, 1, 0);
        vm.prank(stranger);
        refuses(IEscrow.NotAllowed.selector);
        escrow.dispute(t, 0, 0);
        vm.prank(operator);
        refuses(IEscrow.NotAllowed.selector);
        escrow.dispute(t, 2, 0);
        dispute(operator, t, 1);
        vm.assertEq(state(t).opener, 1);
        vm.assertTrue(state(t).byOperator);
    }

    function test_an_open_escrow_is_disputed_until_deliver_by() public {
        Terms memory t = funded(terms());
        vm.warp(START + 20 days + 1);
        vm.prank(buyer);
        refuses(IEscrow.TooLate.selector);
        escrow.dispute(t, 0, 0);
        vm.warp(START + 20 days);
        dispute(buyer, t, 0);
        vm.assertEq(state(t).frozen, 0);
    }

    function test_a_delivered_escrow_is_disputed_until_the_inspection_ends() public {
        Terms memory t = funded(terms());
        mark(t);
        vm.warp(START + 14 days + 1);
        vm.prank(buyer);
        refuses(IEscrow.TooLate.selector);
        escrow.dispute(t, 0, 0);
        vm.warp(START + 14 days);
        dispute(buyer, t, 0);
    }

    function test_an_unfunded_escrow_can_not_be_disputed() public {
        Terms memory t = terms();
        put(t, AMOUNT - 1);
        vm.prank(seller);
        refuses(IEscrow.NotFunded.selector);
        escrow.dispute(t, 1, 0);
    }

    function test_a_disputed_escrow_is_not_disputed_again() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        vm.prank(seller);
        refuses(IEscrow.WrongStatus.selector);
        escrow.dispute(t, 1, 0);
    }

    function test_each_side_disputes_at_most_twice() public {
        Terms memory t = funded(terms());
        for (uint256 i; i < 2; ++i) {
            dispute(buyer, t, 0);
            vm.prank(buyer);
            escrow.withdrawDispute(t);
            dispute(operator, t, 1);
            vm.prank(operator);
            escrow.withdrawDispute(t);
        }
        vm.prank(buyer);
        refuses(IEscrow.TooMany.selector);
        escrow.dispute(t, 0, 0);
        vm.prank(seller);
        refuses(IEscrow.TooMany.selector);
        escrow.dispute(t, 1, 0);
        vm.assertEq(state(t).round, 4);
    }

    function test_withdrawing_gives_back_the_seconds_that_were_left() public {
        Terms memory t = funded(terms());
        vm.warp(START + 5 days);
        dispute(buyer, t, 0);
        vm.warp(START + 40 days);
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.DisputeWithdrawn(id(t), buyer, 0, START + 55 days);
        vm.prank(buyer);
        escrow.withdrawDispute(t);
        vm.assertEq(state(t).deliverBy, START + 55 days);
        vm.warp(START + 55 days);
        mark(t);
    }

    function test_withdrawing_from_an_inspection_goes_on_with_the_inspection() public {
        Terms memory t = funded(terms());
        mark(t);
        vm.warp(START + 4 days);
        dispute(buyer, t, 0);
        vm.warp(START + 50 days);
        vm.prank(buyer);
        escrow.withdrawDispute(t);
        vm.assertEq(state(t).status, 1);
        vm.warp(START + 60 days);
        refuses(IEscrow.TooEarly.selector);
        escrow.claimDelivered(t);
        vm.warp(START + 60 days + 1);
        escrow.claimDelivered(t);
    }

    /// The seller disputes in the last second, the buyer trusts in that dispute, and the seller withdraws it.
    function test_withdrawing_at_the_last_second_leaves_the_other_side_a_day() public {
        Terms memory t = funded(terms());
        mark(t);
        vm.warp(START + 14 days);
        dispute(seller, t, 1);
        vm.warp(START + 30 days);
        vm.prank(seller);
        escrow.withdrawDispute(t);
        vm.warp(START + 31 days);
        refuses(IEscrow.TooEarly.selector);
        escrow.claimDelivered(t);
        dispute(buyer, t, 0);
    }

    function test_only_the_side_that_opened_withdraws() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        vm.prank(seller);
        refuses(IEscrow.NotAllowed.selector);
        escrow.withdrawDispute(t);
        vm.prank(stranger);
        refuses(IEscrow.NotAllowed.selector);
        escrow.withdrawDispute(t);
    }

    function test_the_operator_withdraws_only_what_the_operator_opened() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        vm.prank(operator);
        refuses(IEscrow.NotAllowed.selector);
        escrow.withdrawDispute(t);
        vm.prank(buyer);
        escrow.withdrawDispute(t);
        dispute(operator, t, 0);
        vm.prank(operator);
        escrow.withdrawDispute(t);
        vm.assertFalse(state(t).byOperator && state(t).status == 2);
    }

    function test_a_party_withdraws_what_the_operator_opened_for_it() public {
        Terms memory t = funded(terms());
        dispute(operator, t, 1);
        vm.prank(seller);
        escrow.withdrawDispute(t);
        vm.assertEq(state(t).status, 0);
    }

    /// Whoever opened it must not dodge the split that both had agreed on, just as somebody claims it.
    function test_after_the_arbitration_period_a_dispute_is_not_withdrawn() public {
        Terms memory t = funded(terms());
        mark(t);
        dispute(seller, t, 1);
        vm.warp(START + 120 days + 1);
        vm.prank(seller);
        refuses(IEscrow.TooLate.selector);
        escrow.withdrawDispute(t);
        vm.warp(START + 120 days);
        vm.prank(seller);
        escrow.withdrawDispute(t);
    }

    /// Terms may name deadlines of the far future; a clock with more seconds than its field has must not spill over.
    function test_a_clock_too_long_to_remember_leaves_the_other_fields_alone() public {
        Plan memory p = plan();
        p.fundBy = START + 2 ** 33;
        p.deliverBy = p.fundBy;
        Terms memory t = funded(pack(p));
        dispute(buyer, t, 0);
        vm.assertEq(state(t).seq, 1);
        vm.assertEq(state(t).frozen, type(uint32).max);
        vm.prank(buyer);
        escrow.withdrawDispute(t);
        vm.assertEq(state(t).deliverBy, START + type(uint32).max);
    }

    function test_nothing_disputed_is_nothing_to_withdraw() public {
        Terms memory t = funded(terms());
        vm.prank(buyer);
        refuses(IEscrow.WrongStatus.selector);
        escrow.withdrawDispute(t);
    }
}
