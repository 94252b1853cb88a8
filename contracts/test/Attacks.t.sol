// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Plan} from "./Base.sol";
import {GateBase} from "./GateBase.sol";
import {Burner, Hooked} from "./HostileTokens.sol";
import {Agreeing, Wasteful} from "./Wallets.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Act, Relayed, Ruling} from "../src/Messages.sol";
import {OperatorGate} from "../src/OperatorGate.sol";
import {CANCELLED, DISPUTED} from "../src/Slots.sol";
import {Terms} from "../src/Terms.sol";

/// @notice What somebody would try who holds one key, or stands in front of a transaction.
contract AttackTest is GateBase {
    // ---- in front of a transaction -------------------------------------------------------------------------

    function test_an_appeal_in_front_of_a_ruling_costs_a_round_and_no_more() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        Ruling memory seen = ruling(t, 0);
        bytes[] memory signatures = signed(t, seen, 2);
        vm.prank(seller);
        escrow.appeal(t, 1);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.WrongRound.selector, 2));
        escrow.rule(t, seen, seats, 2, signatures);
        vm.prank(seller);
        refuses(IEscrow.TooMany.selector);
        escrow.appeal(t, 1);
        rule(t, ruling(t, 0));
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_the_loser_can_not_trade_a_late_ruling_for_the_fallback() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        vm.warp(START + 107 days);
        vm.prank(seller);
        refuses(IEscrow.TooLate.selector);
        escrow.appeal(t, 1);
        rule(t, ruling(t, 0));
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_conceding_a_unit_voids_a_message_and_not_the_partys_own_call() public {
        Terms memory t = funded(terms());
        Act memory a = act(Relayed.DISPUTE, Relayed.BY_BUYER);
        bytes memory signature = sign(BUYER_KEY, actDigest(t, a));
        pay(seller, t, 0, 1);
        refusesSignature(0);
        relay(t, a, signature, "");
        dispute(buyer, t, 0);
        vm.assertEq(state(t).status, DISPUTED);
    }

    function test_a_cancelled_escrow_pays_the_seller_by_no_message_signed_before() public {
        Terms memory t = funded(terms());
        Act memory a = act(Relayed.PAY, Relayed.BY_BUYER, AMOUNT, 0);
        bytes memory signature = sign(BUYER_KEY, actDigest(t, a));
        vm.prank(seller);
        escrow.cancel(t);
        put(t, AMOUNT);
        refuses(IEscrow.WrongStatus.selector);
        relay(t, a, signature, "");
    }

    function test_a_loser_who_withdraws_in_front_of_a_ruling_gains_one_round_and_no_more() public {
        Terms memory t = funded(terms());
        mark(t);
        dispute(buyer, t, 0);
        Ruling memory seen = ruling(t, AMOUNT);
        bytes[] memory signatures = signed(t, seen, 2);
        vm.startPrank(buyer);
        escrow.withdrawDispute(t);
        escrow.dispute(t, 0, 0);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IEscrow.WrongRound.selector, 2));
        escrow.rule(t, seen, seats, 2, signatures);
        vm.startPrank(buyer);
        escrow.withdrawDispute(t);
        refuses(IEscrow.TooMany.selector);
        escrow.dispute(t, 0, 0);
        vm.stopPrank();
        vm.warp(START + 14 days + 1);
        escrow.claimDelivered(t);
        vm.assertEq(balance(seller), AMOUNT);
    }

    // ---- with a unit of dust -------------------------------------------------------------------------------

    function test_dust_closes_only_what_nobody_paid_in_time_and_later_money_comes_back() public {
        Terms memory t = terms();
        vm.warp(START + 1 days);
        put(t, 1);
        refuses(IEscrow.TooEarly.selector);
        escrow.claimUnfunded(t);
        vm.warp(START + 1 days + 1);
        escrow.claimUnfunded(t);
        put(t, AMOUNT);
        escrow.rescue(t, address(usdt));
        vm.assertEq(balance(buyer), AMOUNT + 1);
    }

    function test_dust_does_not_close_what_came_whole_but_late() public {
        Terms memory t = terms();
        vm.warp(START + 2 days);
        put(t, AMOUNT + 1);
        refuses(IEscrow.AlreadyFunded.selector);
        escrow.claimUnfunded(t);
        escrow.rescue(t, address(usdt));
        mark(t);
        vm.assertEq(left(t), AMOUNT);
    }

    /// A part was decided, so it is no longer unfunded; the buyer waits until deliver-by, or fills it up and disputes.
    function test_a_unit_given_back_keeps_too_small_a_deposit_no_longer_than_deliver_by() public {
        Terms memory t = terms();
        put(t, AMOUNT - 1e6);
        pay(seller, t, 0, 1);
        vm.warp(START + 2 days);
        refuses(IEscrow.WrongStatus.selector);
        escrow.claimUnfunded(t);
        vm.warp(START + 20 days + 1);
        escrow.claimUndelivered(t);
        vm.assertEq(balance(buyer), AMOUNT - 1e6);
    }

    function test_who_fills_up_too_small_a_deposit_has_its_dispute_whatever_was_given_back() public {
        Terms memory t = terms();
        put(t, AMOUNT - 1e6);
        pay(seller, t, 0, 1);
        put(t, 1e6);
        dispute(buyer, t, 0);
        rule(t, ruling(t, 0));
        vm.assertEq(balance(buyer), AMOUNT);
    }

    // ---- a hook --------------------------------------------------------------------------------------------

    function test_a_hook_can_not_enter_again_while_it_is_cancelled() public {
        Hooked token = new Hooked();
        Plan memory p = plan();
        p.token = address(token);
        Terms memory t = pack(p);
        token.mint(vault(t), AMOUNT);
        token.attack(
            buyer,
            address(escrow),
            abi.encodeCall(escrow.rescue, (t, address(token))),
            abi.encodeCall(escrow.cancel, (t))
        );
        vm.prank(seller);
        escrow.cancel(t);
        vm.assertEq(token.balanceOf(buyer), AMOUNT);
        vm.assertEq(token.refusals(), 2);
    }

    // ---- too little gas ------------------------------------------------------------------------------------

    function test_a_wallets_good_signature_can_not_be_starved_of_gas() public {
        Agreeing wallet = new Agreeing();
        Plan memory p = plan();
        p.buyer = address(wallet);
        Terms memory t = funded(pack(p));
        Act memory a = act(Relayed.PAY, Relayed.BY_BUYER, AMOUNT, 0);
        wallet.agree(actDigest(t, a));
        refuses(IEscrow.NotEnoughGas.selector);
        escrow.relay{gas: 100_000}(t, a, "", "");
    }

    /// Two wasteful wallets, then a token that burns what the leg gets.
    function test_a_signed_cancel_in_a_batch_never_fails_for_want_of_gas_alone() public {
        Burner token = new Burner();
        Plan memory p = plan();
        (p.token, p.buyer, p.seller) = (address(token), address(0xb0b), address(0x5e11e4));
        vm.etch(p.buyer, address(new Wasteful()).code);
        vm.etch(p.seller, address(new Wasteful()).code);
        Terms memory t = pack(p);
        token.mint(vault(t), AMOUNT);
        token.deny(p.buyer, true);
        bytes[] memory items = new bytes[](1);
        items[0] = abi.encodeCall(escrow.relay, (t, act(Relayed.CANCEL, Relayed.BOTH), "", ""));
        _neverSilent(address(escrow), stranger, abi.encodeCall(escrow.batch, (items)));
        vm.assertEq(state(t).status, CANCELLED);
    }

    function test_an_item_of_the_gate_never_fails_for_want_of_gas_alone() public {
        bytes[] memory items = new bytes[](1);
        items[0] = releaseOf(funded(deal(1)));
        _neverSilent(address(gate), hot, abi.encodeCall(gate.batch, (items)));
        Terms[] memory one = new Terms[](1);
        one[0] = funded(deal(2));
        _neverSilent(address(gate), hot, abi.encodeCall(gate.releaseBatch, (one)));
    }

    // ---- a stolen key --------------------------------------------------------------------------------------

    function test_a_stolen_hot_key_gives_a_seller_no_more_than_the_cap_of_a_day() public {
        for (uint256 i; i < 10; ++i) {
            through(hot, releaseOf(funded(sized(i, 300e6))));
            through(hot, releaseOf(funded(sized(100 + i, 5_000e6))));
        }
        vm.assertEq(balance(seller), PER_DAY);
    }

    function test_a_stolen_hot_key_can_not_use_up_the_disputes_that_protect_a_large_escrow() public {
        Terms memory t = funded(sized(1, 5_000e6));
        passes(hot, abi.encodeCall(escrow.markDelivered, (t)));
        passes(hot, abi.encodeCall(escrow.dispute, (t, 0, bytes32(0))));
        stops(hot, abi.encodeCall(escrow.withdrawDispute, (t)), OperatorGate.AboveCap.selector);
        stops(hot, abi.encodeCall(escrow.appeal, (t, 0)), OperatorGate.AboveCap.selector);
        stops(hot, abi.encodeCall(escrow.cancel, (t)), OperatorGate.AboveCap.selector);
    }

    function test_a_stolen_hot_key_that_marks_everything_is_undone_after_it_is_revoked() public {
        Terms memory t = funded(sized(1, 5_000e6));
        passes(small, abi.encodeCall(escrow.markDelivered, (t)));
        vm.prank(cold);
        gate.revoke(small);
        passes(hot, abi.encodeCall(escrow.reopenDelivery, (t)));
        vm.assertEq(state(t).deliverBy, START + 20 days);
    }

    /// The smallest cap does: no cap stops what starts or stops a clock.
    function test_a_stolen_hot_key_that_uses_up_the_reopenings_leaves_the_dispute() public {
        Terms memory t = funded(sized(1, 5_000e6));
        for (uint256 i; i < 3; ++i) {
            passes(small, abi.encodeCall(escrow.markDelivered, (t)));
            passes(small, abi.encodeCall(escrow.reopenDelivery, (t)));
        }
        passes(small, abi.encodeCall(escrow.markDelivered, (t)));
        vm.prank(buyer);
        refuses(IEscrow.TooMany.selector);
        escrow.reopenDelivery(t);
        dispute(buyer, t, 0);
        stops(small, abi.encodeCall(escrow.withdrawDispute, (t)), OperatorGate.AboveCap.selector);
        rule(t, ruling(t, 0));
        vm.assertEq(balance(buyer), 5_000e6);
    }

    function test_both_keys_of_the_gate_together_pay_nobody_but_the_parties() public {
        Terms memory t = funded(sized(1, 5_000e6));
        dispute(buyer, t, 0);
        bytes memory item = releaseOf(t);
        bytes memory signature = approval(hot, keccak256(item), START);
        vm.prank(hot);
        refuses(IEscrow.NotAllowed.selector);
        gate.actApproved(item, second, START, signature);
        vm.assertEq(balance(vault(t)), 5_000e6);
    }

    function test_a_stolen_cold_key_moves_nothing_and_adds_nobody_for_two_days() public {
        Terms memory t = funded(deal(1));
        stops(cold, releaseOf(t), OperatorGate.NotHot.selector);
        stops(cold, abi.encodeCall(escrow.dispute, (t, 0, bytes32(0))), OperatorGate.NotHot.selector);
    }

    /// Raises the gas until the whole goes through: then its one item must have.
    function _neverSilent(address to, address by, bytes memory data) private {
        for (uint256 gas_ = 300_000; gas_ < 1_200_000; gas_ += 2_000) {
            vm.prank(by);
            (bool ok, bytes memory answer) = to.call{gas: gas_}(data);
            if (!ok) continue;
            vm.assertTrue(abi.decode(answer, (bool[]))[0], "failed silently");
            return;
        }
        vm.assertTrue(false, "never enough");
    }
}
