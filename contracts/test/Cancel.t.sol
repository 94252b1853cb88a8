// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Relayed, Settlement} from "../src/Messages.sol";
import {CANCELLED} from "../src/Slots.sol";
import {Terms} from "../src/Terms.sol";

contract CancelTest is Base {
    function test_the_seller_gives_everything_back() public {
        Terms memory t = funded(terms());
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Cancelled(id(t), seller);
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Rescued(id(t), address(usdt), buyer, AMOUNT);
        _cancel(seller, t);
        vm.assertEq(balance(buyer), AMOUNT);
        vm.assertEq(state(t).status, CANCELLED);
        vm.assertEq(left(t), 0);
    }

    function test_the_operator_cancels_before_and_after_delivery() public {
        Terms memory t = funded(terms());
        mark(t);
        _cancel(operator, t);
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_both_cancel_by_signature() public {
        Terms memory t = funded(terms());
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Cancelled(id(t), address(0));
        relay(t, act(Relayed.CANCEL, Relayed.BOTH));
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_the_seller_cancels_by_signature() public {
        Terms memory t = funded(terms());
        relay(t, act(Relayed.CANCEL, Relayed.BY_SELLER));
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_the_buyer_or_a_stranger_alone_cancels_nothing() public {
        Terms memory t = funded(terms());
        refuses(IEscrow.NotAllowed.selector);
        _cancel(buyer, t);
        refuses(IEscrow.NotAllowed.selector);
        _cancel(stranger, t);
        bytes32 d = actDigest(t, act(Relayed.CANCEL, Relayed.BY_BUYER));
        bytes memory signature = sign(BUYER_KEY, d);
        refuses(IEscrow.NotAllowed.selector);
        relay(t, act(Relayed.CANCEL, Relayed.BY_BUYER), signature, "");
    }

    function test_the_operator_can_not_decide_a_dispute_by_cancelling() public {
        Terms memory t = funded(terms());
        dispute(seller, t, 1);
        refuses(IEscrow.NotAllowed.selector);
        _cancel(operator, t);
        _cancel(seller, t);
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_after_a_part_was_decided_nobody_cancels() public {
        Terms memory t = funded(terms());
        pay(buyer, t, 1, 0);
        refuses(IEscrow.WrongStatus.selector);
        _cancel(seller, t);
    }

    function test_money_that_comes_later_goes_to_the_buyer_by_anyone() public {
        Terms memory t = terms();
        _cancel(seller, t);
        vm.assertEq(vault(t).code.length, 0);
        put(t, AMOUNT);
        _rescue(t);
        put(t, 3);
        _rescue(t);
        vm.assertEq(balance(buyer), AMOUNT + 3);
    }

    function test_surplus_and_too_little_go_back_alike() public {
        Terms memory t = funded(terms());
        put(t, 9);
        _cancel(operator, t);
        vm.assertEq(balance(buyer), AMOUNT + 9);
    }

    function test_cancelled_terms_are_dead_for_every_action() public {
        Terms memory t = funded(terms());
        _cancel(seller, t);
        put(t, AMOUNT);
        bytes[10] memory dead = [
            abi.encodeCall(escrow.pay, (t, AMOUNT, 0, AMOUNT)),
            abi.encodeCall(escrow.markDelivered, (t)),
            abi.encodeCall(escrow.reopenDelivery, (t)),
            abi.encodeCall(escrow.extend, (t, START + 21 days)),
            abi.encodeCall(escrow.cancel, (t)),
            abi.encodeCall(escrow.dispute, (t, 0, bytes32(0))),
            abi.encodeCall(escrow.appeal, (t, 0)),
            abi.encodeCall(escrow.claimUndelivered, (t)),
            abi.encodeCall(escrow.claimUnfunded, (t)),
            abi.encodeCall(escrow.claimFallback, (t))
        ];
        vm.warp(START + 999 days);
        for (uint256 i; i < dead.length; ++i) {
            vm.prank(operator);
            (bool ok, bytes memory why) = address(escrow).call(dead[i]);
            vm.assertFalse(ok);
            vm.assertTrue(bytes4(why) == IEscrow.WrongStatus.selector, "another reason");
        }
        bytes32 d = settlementDigest(t, AMOUNT, 0, block.timestamp);
        (bytes memory x, bytes memory y) = (sign(BUYER_KEY, d), sign(SELLER_KEY, d));
        refuses(IEscrow.WrongStatus.selector);
        escrow.settle(t, Settlement(AMOUNT, 0, block.timestamp), x, y);
    }

    function test_a_token_that_refuses_the_buyer_does_not_keep_the_terms_alive() public {
        Terms memory t = funded(terms());
        usdt.addBlackList(vault(t));
        _cancel(seller, t);
        vm.assertEq(state(t).status, CANCELLED);
        usdt.removeBlackList(vault(t));
        _rescue(t);
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_a_token_without_code_can_be_cancelled() public {
        Plan memory p = plan();
        p.token = address(0xdead);
        Terms memory t = pack(p);
        _cancel(seller, t);
        vm.assertEq(state(t).status, CANCELLED);
    }

    function _cancel(address by, Terms memory t) private {
        vm.prank(by);
        escrow.cancel(t);
    }

    function _rescue(Terms memory t) private {
        vm.prank(stranger);
        escrow.rescue(t, address(usdt));
    }
}
