// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {DenyList} from "./HostileTokens.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Act, Relayed, Ruling, Settlement} from "../src/Messages.sol";
import {Fault, Terms} from "../src/Terms.sol";

/// @notice Amounts, shares and flags: what no other test noticed when the code was changed on purpose.
contract MutantsMoneyTest is Base {
    uint256 private constant HALF = AMOUNT / 2;
    uint256 private constant OWING = 246;
    uint256 private constant RELEASED = 247;

    function test_more_than_the_amount_is_enough_to_dispute() public {
        Terms memory t = funded(terms());
        put(t, 1);
        dispute(buyer, t, 0);
        vm.assertEq(state(t).status, 2);
    }

    function test_a_ruling_never_divides_more_than_the_amount() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        Ruling memory r = ruling(t, HALF);
        r.toBuyer = HALF + 1;
        bytes[] memory signatures = signed(t, r, 2);
        refuses(IEscrow.WrongAmount.selector);
        escrow.rule(t, r, seats, 2, signatures);
    }

    function test_an_action_that_has_no_name_is_refused() public {
        Terms memory t = funded(terms());
        bytes32[2] memory unknown = [bytes32(0), bytes32(type(uint256).max)];
        for (uint256 i; i < 2; ++i) {
            Act memory a = act(unknown[i], Relayed.BY_BUYER);
            bytes32 d = actDigest(t, a);
            refuses(IEscrow.NotAllowed.selector);
            escrow.relay(t, a, sign(BUYER_KEY, d), "");
        }
    }

    function test_a_claim_of_what_was_delivered_says_so() public {
        Terms memory t = funded(terms());
        mark(t);
        vm.warp(START + 15 days);
        _expectDecided(t, 2, AMOUNT, 0);
        vm.prank(stranger);
        escrow.claimDelivered(t);
    }

    function test_a_settlement_says_that_it_is_one() public {
        Terms memory t = funded(terms());
        bytes32 d = settlementDigest(t, 0, AMOUNT, START);
        _expectDecided(t, 6, 0, AMOUNT);
        vm.prank(stranger);
        escrow.settle(t, Settlement(0, AMOUNT, START), sign(BUYER_KEY, d), sign(SELLER_KEY, d));
    }

    function test_a_waiting_leg_needs_no_more_gas_than_a_leg_and_its_room() public {
        Terms memory t = _bothOwed();
        escrow.payLeg{gas: 400_000}(t, 0);
        vm.assertEq(balance(seller), HALF);
    }

    function test_too_little_gas_never_looks_like_a_token_that_does_not_answer() public {
        Terms memory t = funded(terms());
        bytes memory call = abi.encodeCall(escrow.rescue, (t, address(usdt)));
        for (uint256 gas = 20_000; gas < 300_000; gas += 500) {
            (bool ok, bytes memory answer) = address(escrow).call{gas: gas}(call);
            vm.assertFalse(ok);
            vm.assertFalse(bytes4(answer) == IEscrow.BalanceUnknown.selector);
        }
    }

    function test_a_vault_with_less_than_is_reserved_has_nothing_to_rescue() public {
        Terms memory t = funded(terms());
        _lose(t);
        put(t, HALF);
        refuses(IEscrow.NothingToPay.selector);
        escrow.rescue(t, address(usdt));
    }

    // ---- shares after a loss -------------------------------------------------------------------------------

    function test_what_legs_got_counts_in_every_later_share() public {
        Terms memory t = _bothOwed();
        _lose(t);
        put(t, HALF);
        _pays(t, 0, seller, HALF / 2);
        _pays(t, 1, buyer, HALF / 2);
        put(t, HALF / 2);
        _pays(t, 0, seller, HALF / 4);
        _pays(t, 1, buyer, HALF / 4);
        put(t, HALF / 2);
        _pays(t, 0, seller, HALF / 4);
        _pays(t, 1, buyer, HALF / 4);
        vm.assertEq(balance(seller) + balance(buyer), AMOUNT);
        vm.assertEq(escrow.owed(id(t), 0) + escrow.owed(id(t), 1), 0);
    }

    function test_a_leg_that_got_more_than_its_share_waits_for_the_others() public {
        Terms memory t = _bothOwed();
        _lose(t);
        put(t, HALF);
        _pays(t, 0, seller, HALF / 2);
        _lose(t);
        put(t, 10e6);
        refuses(IEscrow.NothingToPay.selector);
        escrow.payLeg(t, 0);
        _pays(t, 1, buyer, 10e6);
    }

    // ---- flags ---------------------------------------------------------------------------------------------

    function test_parts_that_wait_are_flagged_however_many_they_are() public {
        DenyList token = new DenyList();
        Plan memory p = plan();
        p.token = address(token);
        Terms memory t = pack(p);
        token.mint(vault(t), AMOUNT);
        token.deny(seller, true);
        for (uint256 part = 1; part <= 2; ++part) {
            pay(buyer, t, 1e6, 0);
            vm.assertEq(_flag(t, OWING), 1);
            vm.assertEq(_flag(t, RELEASED), 0);
        }
    }

    function test_only_what_the_seller_got_is_remembered_for_the_fee() public {
        Terms memory t = funded(withFee(100));
        pay(seller, t, 0, 1e6);
        vm.assertEq(_flag(t, RELEASED), 0);
        pay(buyer, t, 1e6, 0);
        vm.assertEq(_flag(t, RELEASED), 1);
        vm.assertEq(_flag(t, OWING), 0);
    }

    // ---- terms ---------------------------------------------------------------------------------------------

    function test_the_chain_is_all_64_bits_of_it() public {
        Plan memory p = plan();
        p.chain += 1 << 32;
        Terms memory t = pack(p);
        refuses(IEscrow.WrongChain.selector);
        escrow.announce(t);
    }

    function test_terms_have_a_day_to_pay_by() public view {
        Plan memory p = plan();
        (p.fundBy, p.deliverBy) = (0, 1);
        vm.assertEq(escrow.check(pack(p)), Fault.CLOCKS);
    }

    // ---- small things --------------------------------------------------------------------------------------

    /// Half to each side was ruled while the token stood still; both legs wait.
    function _bothOwed() private returns (Terms memory t) {
        t = funded(terms());
        dispute(buyer, t, 0);
        usdt.pause();
        rule(t, ruling(t, HALF));
        usdt.unpause();
        vm.assertEq(escrow.owed(id(t), 0), HALF);
        vm.assertEq(escrow.owed(id(t), 1), HALF);
    }

    function _lose(Terms memory t) private {
        address v = vault(t);
        usdt.addBlackList(v);
        usdt.destroyBlackFunds(v);
        usdt.removeBlackList(v);
    }

    function _pays(Terms memory t, uint8 kind, address to, uint256 amount) private {
        uint256 before = balance(to);
        escrow.payLeg(t, kind);
        vm.assertEq(balance(to) - before, amount);
    }

    function _flag(Terms memory t, uint256 bit) private view returns (uint256) {
        return escrow.slotOf(id(t)) >> bit & 1;
    }

    function _expectDecided(Terms memory t, uint8 how, uint256 toSeller, uint256 toBuyer) private {
        uint256 paid = (toSeller == 0 ? 0 : 1) | (toBuyer == 0 ? 0 : 2);
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Decided(id(t), stranger, how, toSeller, toBuyer, 0, 0, uint8(paid));
    }
}
