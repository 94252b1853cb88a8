// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {DenyList, Falsy, Hooked, Lossy, Replacement, Rude} from "./HostileTokens.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Ruling} from "../src/Messages.sol";
import {TestUSDT} from "../src/mocks/TestUSDT.sol";
import {Terms} from "../src/Terms.sol";

/// @notice What tokens do to escrows: the quirks of USDT, and worse.
contract TokensTest is Base {
    function test_a_fee_switched_on_after_the_deposit_is_paid_by_the_receiver() public {
        Terms memory t = funded(terms());
        usdt.setParams(10, 1);
        pay(operator, t, AMOUNT, 0);
        vm.assertEq(balance(seller), AMOUNT - 250_000);
        vm.assertEq(balance(vault(t)), 0);
    }

    function test_a_fee_on_the_deposit_leaves_it_unfunded_and_refundable() public {
        usdt.setParams(10, 1);
        Terms memory t = funded(terms());
        vm.prank(operator);
        refuses(IEscrow.NotFunded.selector);
        escrow.pay(t, AMOUNT, 0, AMOUNT);
        usdt.setParams(0, 0);
        vm.warp(START + 2 days);
        escrow.claimUnfunded(t);
        vm.assertEq(balance(buyer), AMOUNT - 250_000);
    }

    function test_a_paused_token_leaves_the_leg_owed_until_it_runs_again() public {
        Terms memory t = funded(terms());
        usdt.pause();
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Decided(id(t), operator, 1, AMOUNT, 0, 0, 0, 0);
        pay(operator, t, AMOUNT, 0);
        vm.assertEq(escrow.owed(id(t), 0), AMOUNT);
        refuses(IEscrow.LegFailed.selector);
        escrow.payLeg(t, 0);
        usdt.unpause();
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.LegPaid(id(t), 0, seller, AMOUNT, 0);
        vm.prank(stranger);
        escrow.payLeg(t, 0);
        vm.assertEq(balance(seller), AMOUNT);
        refuses(IEscrow.NothingToPay.selector);
        escrow.payLeg(t, 0);
    }

    function test_a_refused_receiver_does_not_block_the_other() public {
        (DenyList token, Terms memory t) = _deny();
        token.deny(seller, true);
        dispute(buyer, t, 0);
        rule(t, ruling(t, 100));
        vm.assertEq(token.balanceOf(buyer), AMOUNT - 100);
        vm.assertEq(escrow.owed(id(t), 0), 100);
        refuses(IEscrow.NothingToPay.selector);
        escrow.rescue(t, address(token));
        token.deny(seller, false);
        escrow.payLeg(t, 0);
        vm.assertEq(token.balanceOf(seller), 100);
        vm.assertEq(token.balanceOf(vault(t)), 0);
    }

    function test_money_owed_is_not_paid_to_anybody_else() public {
        (DenyList token, Terms memory t) = _deny();
        token.deny(seller, true);
        vm.prank(buyer);
        escrow.pay(t, 100, 0, AMOUNT);
        token.burn(vault(t), 50);
        vm.prank(seller);
        refuses(IEscrow.NotFunded.selector);
        escrow.pay(t, 0, AMOUNT - 100, AMOUNT - 100);
        vm.prank(seller);
        escrow.pay(t, 0, AMOUNT - 150, AMOUNT - 100);
        vm.assertEq(token.balanceOf(vault(t)), 100);
        vm.assertEq(escrow.owed(id(t), 0), 100);
    }

    function test_legs_of_one_kind_add_up() public {
        (DenyList token, Terms memory t) = _deny();
        token.deny(seller, true);
        vm.startPrank(buyer);
        escrow.pay(t, 100, 0, AMOUNT);
        escrow.pay(t, AMOUNT - 100, 0, AMOUNT - 100);
        vm.stopPrank();
        vm.assertEq(escrow.owed(id(t), 0), AMOUNT);
        token.deny(seller, false);
        escrow.payLeg(t, 0);
        vm.assertEq(token.balanceOf(seller), AMOUNT);
    }

    function test_a_blacklisted_vault_waits_and_loses_nothing() public {
        Terms memory t = funded(terms());
        usdt.addBlackList(vault(t));
        pay(operator, t, AMOUNT, 0);
        vm.assertEq(escrow.owed(id(t), 0), AMOUNT);
        usdt.removeBlackList(vault(t));
        escrow.payLeg(t, 0);
        vm.assertEq(balance(seller), AMOUNT);
    }

    function test_destroyed_funds_are_shared_whoever_asks_first_and_however_often() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        Ruling memory r = ruling(t, AMOUNT / 2);
        usdt.addBlackList(vault(t));
        usdt.destroyBlackFunds(vault(t));
        usdt.removeBlackList(vault(t));
        put(t, AMOUNT / 5);
        rule(t, r);
        vm.assertEq(escrow.owed(id(t), 0), AMOUNT / 2);
        vm.assertEq(escrow.owed(id(t), 1), AMOUNT / 2);
        escrow.payLeg(t, 0);
        refuses(IEscrow.NothingToPay.selector);
        escrow.payLeg(t, 0);
        escrow.payLeg(t, 1);
        vm.assertEq(balance(seller), AMOUNT / 10);
        vm.assertEq(balance(buyer), AMOUNT / 10);
        put(t, AMOUNT - AMOUNT / 5);
        escrow.payLeg(t, 1);
        escrow.payLeg(t, 0);
        vm.assertEq(balance(seller), AMOUNT / 2);
        vm.assertEq(balance(buyer), AMOUNT / 2);
        vm.assertEq(escrow.owed(id(t), 0) + escrow.owed(id(t), 1), 0);
    }

    function test_a_claim_on_destroyed_funds_decides_in_full() public {
        Terms memory t = funded(terms());
        mark(t);
        usdt.addBlackList(vault(t));
        usdt.destroyBlackFunds(vault(t));
        usdt.removeBlackList(vault(t));
        vm.warp(START + 15 days);
        escrow.claimDelivered(t);
        vm.assertTrue(settled(t));
        vm.assertEq(escrow.owed(id(t), 0), AMOUNT);
    }

    function test_a_deprecated_token_forwards_and_its_replacement_is_not_rescued() public {
        Terms memory t = funded(terms());
        Replacement replacement = new Replacement(address(usdt));
        replacement.copy(vault(t), AMOUNT);
        usdt.deprecate(address(replacement));
        refuses(IEscrow.ReservedMoved.selector);
        escrow.rescue(t, address(replacement));
        pay(operator, t, AMOUNT, 0);
        vm.assertEq(replacement.balanceOf(seller), AMOUNT);
    }

    function test_a_token_that_answers_false_has_not_paid() public {
        Terms memory t = _with(address(new Falsy()));
        pay(operator, t, AMOUNT, 0);
        vm.assertEq(escrow.owed(id(t), 0), AMOUNT);
    }

    function test_a_token_that_moves_another_amount_has_moved_nothing() public {
        Lossy token = new Lossy();
        Terms memory t = _with(address(token));
        token.mint(vault(t), 10);
        pay(operator, t, AMOUNT, 0);
        vm.assertEq(token.balanceOf(vault(t)), AMOUNT + 10);
        vm.assertEq(token.balanceOf(seller), 0);
        vm.assertEq(escrow.owed(id(t), 0), AMOUNT);
    }

    function test_a_token_that_answers_endlessly_does_not_stop_the_other_leg() public {
        Rude token = new Rude(seller);
        Terms memory t = _with(address(token));
        dispute(buyer, t, 0);
        rule(t, ruling(t, AMOUNT / 2));
        vm.assertEq(token.balanceOf(buyer), AMOUNT / 2);
        vm.assertEq(escrow.owed(id(t), 0), AMOUNT / 2);
    }

    function test_a_hook_can_not_enter_again() public {
        Hooked token = new Hooked();
        Terms memory t = _with(address(token));
        token.attack(
            seller,
            address(escrow),
            abi.encodeCall(escrow.rescue, (t, address(token))),
            abi.encodeCall(escrow.payLeg, (t, 0))
        );
        pay(operator, t, AMOUNT, 0);
        vm.assertEq(token.balanceOf(seller), AMOUNT);
        vm.assertEq(token.refusals(), 2);
    }

    function test_whoever_gives_too_little_gas_reverts_the_whole() public {
        Terms memory t = funded(terms());
        vm.prank(operator);
        refuses(IEscrow.NotEnoughGas.selector);
        escrow.pay{gas: 200_000}(t, AMOUNT, 0, AMOUNT);
        vm.assertEq(left(t), AMOUNT);
    }

    function _deny() private returns (DenyList token, Terms memory t) {
        token = new DenyList();
        t = _with(address(token));
    }

    function _with(address token) private returns (Terms memory t) {
        Plan memory p = plan();
        p.token = token;
        t = pack(p);
        DenyList(token).mint(vault(t), AMOUNT);
    }
}
