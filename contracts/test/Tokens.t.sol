// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {Burner, DenyList, Falsy, Heavy, Hooked, Lossy, Moody, Replacement, Rude} from "./HostileTokens.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Ruling, Settlement} from "../src/Messages.sol";
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

    /// Half of the deposit came, and the buyer leaves it to the seller while the token stands still.
    function test_money_that_never_came_takes_no_share_of_what_is_owed() public {
        Terms memory t = terms();
        put(t, AMOUNT / 2);
        usdt.pause();
        pay(buyer, t, AMOUNT / 5, 0);
        pay(buyer, t, AMOUNT / 5, 0);
        usdt.unpause();
        escrow.payLeg(t, 0);
        vm.assertEq(balance(seller), 2 * (AMOUNT / 5));
    }

    function test_a_claim_of_what_never_came_takes_nothing_from_what_is_owed() public {
        Terms memory t = terms();
        put(t, AMOUNT / 2);
        usdt.pause();
        pay(buyer, t, AMOUNT / 5, 0);
        usdt.unpause();
        vm.warp(START + 20 days + 1);
        escrow.claimUndelivered(t);
        vm.assertEq(balance(buyer), AMOUNT / 2 - AMOUNT / 5);
        vm.assertEq(escrow.owed(id(t), 1), 0);
        escrow.payLeg(t, 0);
        vm.assertEq(balance(seller), AMOUNT / 5);
        vm.assertTrue(settled(t));
        put(t, AMOUNT);
        escrow.rescue(t, address(usdt));
        vm.assertEq(balance(buyer), AMOUNT / 2 - AMOUNT / 5 + AMOUNT);
    }

    function test_a_claim_closes_what_holds_nothing_or_does_not_tell() public {
        Moody token = new Moody();
        Terms memory t = _with(address(token));
        pay(buyer, t, AMOUNT / 5, 0);
        vm.warp(START + 20 days + 1);
        token.be(Moody.Mood.Silent);
        escrow.claimUndelivered(t);
        vm.assertTrue(settled(t));
        token.be(Moody.Mood.Fine);
        escrow.rescue(t, address(token));
        vm.assertEq(token.balanceOf(buyer), AMOUNT - AMOUNT / 5);
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

    function test_after_a_second_loss_the_last_leg_gets_what_is_there() public {
        (DenyList token, Terms memory t) = _deny();
        dispute(buyer, t, 0);
        Ruling memory r = ruling(t, AMOUNT / 2);
        token.burn(vault(t), AMOUNT / 2);
        rule(t, r);
        escrow.payLeg(t, 0);
        token.burn(vault(t), AMOUNT / 8);
        escrow.payLeg(t, 1);
        vm.assertEq(token.balanceOf(seller), AMOUNT / 4);
        vm.assertEq(token.balanceOf(buyer), AMOUNT / 8);
        vm.assertEq(token.balanceOf(vault(t)), 0);
        token.mint(vault(t), AMOUNT);
        escrow.payLeg(t, 0);
        escrow.payLeg(t, 1);
        vm.assertEq(token.balanceOf(seller), AMOUNT / 2);
        vm.assertEq(token.balanceOf(buyer), AMOUNT / 2);
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

    function test_a_transfer_that_grew_dearer_than_a_leg_is_paid_afterwards() public {
        Heavy token = new Heavy();
        Terms memory t = _with(address(token));
        pay(operator, t, AMOUNT, 0);
        vm.assertEq(escrow.owed(id(t), 0), AMOUNT);
        escrow.payLeg{gas: 3_000_000}(t, 0);
        vm.assertEq(token.balanceOf(seller), AMOUNT);
        token.mint(vault(t), 7);
        escrow.rescue{gas: 3_000_000}(t, address(token));
        vm.assertEq(token.balanceOf(buyer), 7);
    }

    function test_a_token_that_burns_its_gas_leaves_the_other_items_of_a_batch_theirs() public {
        Terms memory t = funded(terms());
        Burner token = new Burner();
        token.mint(vault(t), 1);
        token.deny(buyer, true);
        bytes[] memory items = new bytes[](2);
        items[0] = abi.encodeCall(escrow.rescue, (t, address(token)));
        items[1] = abi.encodeCall(escrow.pay, (t, AMOUNT, 0, AMOUNT));
        vm.prank(operator);
        bool[] memory done = escrow.batch{gas: 1_000_000}(items);
        vm.assertFalse(done[0]);
        vm.assertTrue(done[1]);
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

    /// What a leg burnt is missing when the debt is written down; a batch must not take that for the item's own fault.
    function test_legs_that_burn_their_gas_never_make_a_batch_fail_silently() public {
        Burner token = new Burner();
        Terms memory t = _with(address(token));
        token.deny(seller, true);
        token.deny(buyer, true);
        dispute(buyer, t, 0);
        Ruling memory r = ruling(t, AMOUNT / 2);
        bytes[] memory items = new bytes[](1);
        items[0] = abi.encodeCall(escrow.rule, (t, r, seats, 2, signed(t, r, 2)));
        bytes memory data = abi.encodeCall(escrow.batch, (items));
        for (uint256 gas_ = 340_000; gas_ < 900_000; gas_ += 2_000) {
            (bool ok, bytes memory answer) = address(escrow).call{gas: gas_}(data);
            if (!ok) continue;
            vm.assertTrue(abi.decode(answer, (bool[]))[0], "failed silently");
            vm.assertEq(escrow.owed(id(t), 0) + escrow.owed(id(t), 1), AMOUNT);
            return;
        }
        vm.assertTrue(false, "never enough");
    }

    /// Anyone can send a token of their own making to a vault and wait for it to be rescued among honest payouts.
    function test_a_token_that_hides_its_balances_does_not_take_a_batch_down() public {
        Terms memory t = funded(terms());
        Moody token = new Moody();
        token.mint(vault(t), 1);
        bytes[] memory items = new bytes[](2);
        items[0] = abi.encodeCall(escrow.rescue, (t, address(token)));
        items[1] = abi.encodeCall(escrow.pay, (t, 1, 0, AMOUNT));
        for (uint8 mood = 1; mood < 4; ++mood) {
            token.be(Moody.Mood(mood));
            items[1] = abi.encodeCall(escrow.pay, (t, 1, 0, left(t)));
            vm.prank(operator);
            bool[] memory done = escrow.batch{gas: 1_000_000}(items);
            vm.assertFalse(done[0]);
            vm.assertTrue(done[1]);
        }
        vm.assertEq(balance(seller), 3);
    }

    function test_a_token_that_hides_its_balances_stops_no_exit() public {
        Moody token = new Moody();
        Plan memory p = plan();
        p.token = address(token);
        p.feeBps = 100;
        Terms memory t = pack(p);
        token.mint(vault(t), AMOUNT);
        mark(t);
        vm.warp(START + 14 days + 1);
        token.be(Moody.Mood.Silent);
        escrow.claimDelivered(t);
        vm.assertTrue(settled(t));
        token.be(Moody.Mood.Fine);
        escrow.payLeg(t, 0);
        escrow.payLeg(t, 2);
        vm.assertEq(token.balanceOf(seller), AMOUNT - AMOUNT / 100);
        vm.assertEq(token.balanceOf(feeTo), AMOUNT / 100);
    }

    function test_nobody_decides_on_money_that_the_token_does_not_tell_of() public {
        Moody token = new Moody();
        Terms memory t = _with(address(token));
        token.be(Moody.Mood.Silent);
        vm.prank(operator);
        refuses(IEscrow.BalanceUnknown.selector);
        escrow.pay(t, 1, 1, AMOUNT);
        vm.prank(seller);
        refuses(IEscrow.BalanceUnknown.selector);
        escrow.markDelivered(t);
        vm.warp(START + 2 days);
        refuses(IEscrow.BalanceUnknown.selector);
        escrow.claimUnfunded(t);
        refuses(IEscrow.BalanceUnknown.selector);
        escrow.rescue(t, address(token));
    }

    /// The seller waits for the end of the inspection of an escrow whose money the token has taken away for now.
    function test_a_loss_takes_no_side_its_right_to_dispute() public {
        Terms memory t = funded(terms());
        mark(t);
        usdt.addBlackList(vault(t));
        usdt.destroyBlackFunds(vault(t));
        dispute(buyer, t, 0);
        vm.prank(buyer);
        escrow.withdrawDispute(t);
        vm.prank(buyer);
        escrow.reopenDelivery(t);
        dispute(seller, t, 1);
        vm.assertEq(state(t).status, 2);
    }

    function test_a_settlement_after_a_loss_decides_in_full() public {
        Terms memory t = funded(terms());
        mark(t);
        usdt.addBlackList(vault(t));
        usdt.destroyBlackFunds(vault(t));
        usdt.removeBlackList(vault(t));
        put(t, AMOUNT / 2);
        bytes32 d = settlementDigest(t, AMOUNT / 5, AMOUNT - AMOUNT / 5, START);
        escrow.settle(
            t, Settlement(AMOUNT / 5, AMOUNT - AMOUNT / 5, START), sign(BUYER_KEY, d), sign(SELLER_KEY, d)
        );
        vm.assertTrue(settled(t));
        escrow.payLeg(t, 0);
        escrow.payLeg(t, 1);
        vm.assertEq(balance(seller), AMOUNT / 10);
        vm.assertEq(balance(buyer), AMOUNT / 2 - AMOUNT / 10);
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
