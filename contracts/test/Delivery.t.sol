// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Terms} from "../src/Terms.sol";

contract DeliveryTest is Base {
    function test_marking_starts_the_inspection_at_this_blocks_time() public {
        Terms memory t = funded(terms());
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Delivered(id(t), seller, START + 14 days);
        mark(t);
        vm.assertEq(state(t).stamp, START);
        vm.assertEq(state(t).status, 1);
    }

    function test_marking_is_open_until_deliver_by_and_not_a_second_longer() public {
        Terms memory t = funded(terms());
        vm.warp(START + 20 days + 1);
        vm.prank(seller);
        refuses(IEscrow.TooLate.selector);
        escrow.markDelivered(t);
        vm.warp(START + 20 days);
        mark(t);
    }

    function test_only_the_seller_or_the_operator_marks() public {
        Terms memory t = funded(terms());
        vm.prank(buyer);
        refuses(IEscrow.NotAllowed.selector);
        escrow.markDelivered(t);
        vm.prank(operator);
        escrow.markDelivered(t);
    }

    function test_an_unfunded_escrow_can_not_be_marked() public {
        Terms memory t = terms();
        put(t, AMOUNT - 1);
        vm.prank(seller);
        refuses(IEscrow.NotFunded.selector);
        escrow.markDelivered(t);
    }

    function test_what_is_marked_or_disputed_can_not_be_marked_again() public {
        Terms memory t = funded(terms());
        mark(t);
        vm.prank(seller);
        refuses(IEscrow.WrongStatus.selector);
        escrow.markDelivered(t);
        dispute(buyer, t, 0);
        vm.prank(seller);
        refuses(IEscrow.WrongStatus.selector);
        escrow.markDelivered(t);
    }

    function test_reopening_gives_the_seller_at_least_an_inspection_period() public {
        Terms memory t = funded(terms());
        vm.warp(START + 18 days);
        mark(t);
        vm.warp(START + 19 days);
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.DeliveryReopened(id(t), buyer, START + 33 days);
        vm.prank(buyer);
        escrow.reopenDelivery(t);
        vm.assertEq(state(t).status, 0);
    }

    function test_reopening_never_moves_deliver_by_earlier() public {
        Terms memory t = funded(terms());
        mark(t);
        vm.prank(operator);
        escrow.reopenDelivery(t);
        vm.assertEq(state(t).deliverBy, START + 20 days);
    }

    function test_reopening_is_open_until_the_inspection_ends() public {
        Terms memory t = funded(terms());
        mark(t);
        vm.warp(START + 14 days + 1);
        vm.prank(buyer);
        refuses(IEscrow.TooLate.selector);
        escrow.reopenDelivery(t);
        vm.warp(START + 14 days);
        vm.prank(buyer);
        escrow.reopenDelivery(t);
    }

    function test_only_the_buyer_or_the_operator_reopens_what_is_delivered() public {
        Terms memory t = funded(terms());
        vm.prank(buyer);
        refuses(IEscrow.WrongStatus.selector);
        escrow.reopenDelivery(t);
        mark(t);
        vm.prank(seller);
        refuses(IEscrow.NotAllowed.selector);
        escrow.reopenDelivery(t);
    }

    function test_a_fourth_reopening_is_refused() public {
        Terms memory t = funded(terms());
        for (uint256 i; i < 3; ++i) {
            mark(t);
            vm.prank(buyer);
            escrow.reopenDelivery(t);
        }
        mark(t);
        vm.prank(buyer);
        refuses(IEscrow.TooMany.selector);
        escrow.reopenDelivery(t);
    }
}
