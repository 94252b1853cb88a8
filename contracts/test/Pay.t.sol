// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Terms} from "../src/Terms.sol";

contract PayTest is Base {
    function test_the_operator_releases_everything_to_the_seller() public {
        Terms memory t = funded(terms());
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Decided(id(t), operator, 1, AMOUNT, 0, 0, 0, 1);
        pay(operator, t, AMOUNT, 0);
        vm.assertEq(balance(seller), AMOUNT);
        vm.assertEq(escrow.owed(id(t), 0), 0);
        vm.assertTrue(settled(t));
        vm.assertTrue(vault(t).code.length == 45);
    }

    function test_the_operator_refunds_everything_to_the_buyer() public {
        Terms memory t = funded(terms());
        pay(operator, t, 0, AMOUNT);
        vm.assertEq(balance(buyer), AMOUNT);
        vm.assertTrue(settled(t));
    }

    function test_the_buyer_releases_and_the_seller_refunds() public {
        Terms memory t = funded(terms());
        pay(buyer, t, 100, 0);
        pay(seller, t, 0, AMOUNT - 100);
        vm.assertEq(balance(seller), 100);
        vm.assertEq(balance(buyer), AMOUNT - 100);
        vm.assertTrue(settled(t));
    }

    function test_a_party_can_not_give_to_itself() public {
        Terms memory t = funded(terms());
        vm.prank(buyer);
        refuses(IEscrow.NotAllowed.selector);
        escrow.pay(t, 0, AMOUNT, AMOUNT);
        vm.prank(seller);
        refuses(IEscrow.NotAllowed.selector);
        escrow.pay(t, AMOUNT, 0, AMOUNT);
        vm.prank(buyer);
        refuses(IEscrow.NotAllowed.selector);
        escrow.pay(t, 1, 1, AMOUNT);
    }

    function test_a_stranger_decides_nothing() public {
        Terms memory t = funded(terms());
        vm.prank(stranger);
        refuses(IEscrow.NotAllowed.selector);
        escrow.pay(t, AMOUNT, 0, AMOUNT);
        vm.prank(feeTo);
        refuses(IEscrow.NotAllowed.selector);
        escrow.pay(t, 0, AMOUNT, AMOUNT);
    }

    function test_without_an_operator_the_zero_address_decides_nothing() public {
        Terms memory t = funded(_selfCustody());
        vm.prank(address(0));
        refuses(IEscrow.NotAllowed.selector);
        escrow.pay(t, AMOUNT, 0, AMOUNT);
    }

    function test_another_remainder_than_expected_is_refused() public {
        Terms memory t = funded(terms());
        pay(operator, t, 10, 0);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.LeftChanged.selector, AMOUNT - 10));
        escrow.pay(t, 10, 0, AMOUNT);
    }

    function test_more_than_the_remainder_or_nothing_is_refused() public {
        Terms memory t = funded(terms());
        vm.startPrank(operator);
        refuses(IEscrow.WrongAmount.selector);
        escrow.pay(t, AMOUNT, 1, AMOUNT);
        refuses(IEscrow.WrongAmount.selector);
        escrow.pay(t, type(uint256).max, 2, AMOUNT);
        refuses(IEscrow.WrongAmount.selector);
        escrow.pay(t, 0, 0, AMOUNT);
    }

    function test_a_repeated_call_reverts() public {
        Terms memory t = funded(terms());
        pay(operator, t, AMOUNT, 0);
        put(t, AMOUNT);
        vm.prank(operator);
        refuses(IEscrow.AlreadySettled.selector);
        escrow.pay(t, AMOUNT, 0, AMOUNT);
    }

    function test_more_than_the_vault_holds_is_refused() public {
        Terms memory t = terms();
        put(t, 100);
        vm.prank(operator);
        refuses(IEscrow.NotFunded.selector);
        escrow.pay(t, 0, 101, AMOUNT);
        vm.prank(operator);
        refuses(IEscrow.NotFunded.selector);
        escrow.pay(t, 60, 60, AMOUNT);
    }

    function test_an_underfunded_deposit_can_be_returned_or_released() public {
        Terms memory t = terms();
        put(t, 100);
        pay(seller, t, 0, 60);
        pay(buyer, t, 40, 0);
        vm.assertEq(balance(buyer), 60);
        vm.assertEq(balance(seller), 40);
        vm.assertEq(left(t), AMOUNT - 100);
        vm.assertFalse(settled(t));
    }

    function test_while_disputed_parties_concede_and_the_operator_waits() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        vm.prank(operator);
        refuses(IEscrow.NotAllowed.selector);
        escrow.pay(t, AMOUNT, 0, AMOUNT);
        pay(seller, t, 0, 50);
        pay(buyer, t, AMOUNT - 50, 0);
        vm.assertTrue(settled(t));
    }

    function test_the_first_partial_payout_announces_the_terms() public {
        Terms memory t = funded(terms());
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Announced(id(t), t);
        pay(operator, t, 1, 0);
    }

    function test_the_fee_comes_from_the_sellers_part_only() public {
        Terms memory t = funded(withFee(250));
        pay(operator, t, 100e6, 150e6);
        vm.assertEq(balance(feeTo), 2_500_000);
        vm.assertEq(balance(seller), 97_500_000);
        vm.assertEq(balance(buyer), 150e6);
    }

    function test_fees_of_parts_add_up_to_the_fee_of_the_whole() public {
        Terms memory t = funded(withFee(333));
        for (uint256 i; i < 9; ++i) {
            pay(operator, t, 29, 0);
        }
        pay(operator, t, AMOUNT - 9 * 29, 0);
        vm.assertEq(balance(feeTo), AMOUNT * 333 / 10_000);
        vm.assertEq(balance(feeTo) + balance(seller), AMOUNT);
        vm.assertEq(balance(vault(t)), 0);
    }

    function test_dust_from_a_stranger_changes_nothing() public {
        Terms memory t = funded(terms());
        put(t, 7);
        pay(operator, t, AMOUNT, 0);
        vm.assertEq(balance(seller), AMOUNT);
        vm.assertEq(balance(vault(t)), 7);
    }

    function _selfCustody() private view returns (Terms memory t) {
        t = terms();
        t.operatorRest = (t.operatorRest >> 160) << 160;
    }
}
