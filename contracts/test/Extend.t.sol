// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Act, Relayed} from "../src/Messages.sol";
import {Signatures} from "../src/Signatures.sol";
import {Terms} from "../src/Terms.sol";

contract ExtendTest is Base {
    uint256 private constant END = START + 20 days;

    function test_both_move_deliver_by_later() public {
        Terms memory t = funded(terms());
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Extended(id(t), address(0), END + 90 days);
        relay(t, act(Relayed.EXTEND, Relayed.BOTH, END + 90 days, 0));
        vm.assertEq(state(t).deliverBy, END + 90 days);
        vm.assertEq(state(t).extended, 0);
        vm.warp(END + 90 days);
        mark(t);
    }

    function test_both_move_the_end_of_the_inspection_later() public {
        Terms memory t = funded(terms());
        mark(t);
        relay(t, act(Relayed.EXTEND, Relayed.BOTH, START + 40 days, 0));
        vm.warp(START + 40 days);
        refuses(IEscrow.TooEarly.selector);
        escrow.claimDelivered(t);
        vm.warp(START + 40 days + 1);
        escrow.claimDelivered(t);
        vm.assertEq(balance(seller), AMOUNT);
    }

    function test_the_operator_extends_by_fourteen_days_in_all_and_no_second_more() public {
        Terms memory t = funded(terms());
        _byOperator(t, END + 10 days);
        vm.assertEq(state(t).extended, 10);
        vm.prank(operator);
        refuses(IEscrow.TooMany.selector);
        escrow.extend(t, END + 14 days + 1);
        _byOperator(t, END + 14 days);
        vm.assertEq(state(t).extended, 14);
        vm.prank(operator);
        refuses(IEscrow.TooMany.selector);
        escrow.extend(t, END + 14 days + 1);
    }

    function test_a_begun_day_of_the_operator_counts_whole() public {
        Terms memory t = funded(terms());
        _byOperator(t, END + 1);
        vm.assertEq(state(t).extended, 1);
        vm.assertEq(state(t).deliverBy, END + 1);
    }

    function test_the_operators_days_count_over_both_clocks() public {
        Terms memory t = funded(terms());
        _byOperator(t, END + 14 days);
        mark(t);
        vm.prank(operator);
        refuses(IEscrow.TooMany.selector);
        escrow.extend(t, START + 14 days + 1);
    }

    function test_what_both_extend_does_not_use_up_the_operators_days() public {
        Terms memory t = funded(terms());
        relay(t, act(Relayed.EXTEND, Relayed.BOTH, END + 90 days, 0));
        _byOperator(t, END + 104 days);
        vm.assertEq(state(t).deliverBy, END + 104 days);
    }

    function test_a_clock_never_moves_earlier_nor_stays() public {
        Terms memory t = funded(terms());
        vm.prank(operator);
        refuses(IEscrow.OutOfRange.selector);
        escrow.extend(t, END);
        _refusesRelayed(t, act(Relayed.EXTEND, Relayed.BOTH, END - 1, 0), IEscrow.OutOfRange.selector);
    }

    function test_not_even_both_move_a_clock_further_than_400_days_from_now() public {
        Terms memory t = funded(terms());
        _refusesRelayed(
            t, act(Relayed.EXTEND, Relayed.BOTH, START + 400 days + 1, 0), IEscrow.OutOfRange.selector
        );
        _refusesRelayed(
            t, act(Relayed.EXTEND, Relayed.BOTH, type(uint256).max, 0), IEscrow.OutOfRange.selector
        );
        relay(t, act(Relayed.EXTEND, Relayed.BOTH, START + 400 days, 0));
    }

    function test_a_clock_is_extended_up_to_its_last_second_and_not_after() public {
        Terms memory t = funded(terms());
        vm.warp(END + 1);
        vm.prank(operator);
        refuses(IEscrow.TooLate.selector);
        escrow.extend(t, END + 5 days);
        vm.warp(END);
        _byOperator(t, END + 5 days);
    }

    function test_what_is_disputed_has_no_clock_to_extend() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        vm.prank(operator);
        refuses(IEscrow.WrongStatus.selector);
        escrow.extend(t, END + 5 days);
    }

    function test_one_party_alone_extends_nothing() public {
        Terms memory t = funded(terms());
        vm.prank(seller);
        refuses(IEscrow.NotAllowed.selector);
        escrow.extend(t, END + 1 days);
        vm.prank(buyer);
        refuses(IEscrow.NotAllowed.selector);
        escrow.extend(t, END + 1 days);
        _refusesRelayed(
            t, act(Relayed.EXTEND, Relayed.BY_SELLER, END + 1 days, 0), IEscrow.NotAllowed.selector
        );
        Act memory a = act(Relayed.EXTEND, Relayed.BOTH, END + 1 days, 0);
        bytes32 d = actDigest(t, a);
        vm.expectRevert(abi.encodeWithSelector(Signatures.BadSignature.selector, 0));
        relay(t, a, sign(SELLER_KEY, d), sign(SELLER_KEY, d));
        vm.expectRevert(abi.encodeWithSelector(Signatures.BadSignature.selector, 1));
        relay(t, a, sign(BUYER_KEY, d), "");
    }

    function test_terms_without_an_operator_are_not_extended_by_nobody() public {
        Plan memory p = plan();
        p.operator = address(0);
        Terms memory t = funded(pack(p));
        vm.prank(address(0));
        refuses(IEscrow.NotAllowed.selector);
        escrow.extend(t, END + 1 days);
    }

    function test_too_small_a_deposit_goes_back_after_fund_by_although_the_clock_was_extended() public {
        Terms memory t = terms();
        put(t, 7);
        _byOperator(t, END + 5 days);
        vm.warp(START + 1 days + 1);
        escrow.claimUnfunded(t);
        vm.assertEq(balance(buyer), 7);
        vm.assertTrue(settled(t));
    }

    function test_a_dispute_after_an_extension_freezes_what_was_extended() public {
        Terms memory t = funded(terms());
        _byOperator(t, END + 14 days);
        dispute(buyer, t, 0);
        vm.assertEq(state(t).frozen, 34 days);
        vm.warp(START + 100 days);
        vm.prank(buyer);
        escrow.withdrawDispute(t);
        vm.assertEq(state(t).deliverBy, START + 134 days);
    }

    function _byOperator(Terms memory t, uint256 until) private {
        vm.prank(operator);
        escrow.extend(t, until);
    }

    function _refusesRelayed(Terms memory t, Act memory a, bytes4 why) private {
        bytes32 d = actDigest(t, a);
        (bytes memory x, bytes memory y) = (sign(BUYER_KEY, d), sign(SELLER_KEY, d));
        refuses(why);
        relay(t, a, x, y);
    }
}
