// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {CoinToken} from "./HostileTokens.sol";
import {Closed} from "./Wallets.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {TestUSDT} from "../src/mocks/TestUSDT.sol";
import {Vault} from "../src/Vault.sol";
import {Terms} from "../src/Terms.sol";

contract RescueTest is Base {
    function test_surplus_goes_to_the_buyer_and_the_escrow_stays_whole() public {
        Terms memory t = funded(terms());
        put(t, 5);
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Rescued(id(t), address(usdt), buyer, 5);
        vm.prank(stranger);
        escrow.rescue(t, address(usdt));
        vm.assertEq(balance(buyer), 5);
        vm.assertFalse(settled(t));
        vm.assertEq(left(t), AMOUNT);
        pay(operator, t, AMOUNT, 0);
        vm.assertEq(balance(seller), AMOUNT);
    }

    function test_undecided_money_is_not_surplus() public {
        Terms memory t = funded(terms());
        refuses(IEscrow.NothingToPay.selector);
        escrow.rescue(t, address(usdt));
    }

    function test_money_after_settlement_goes_back() public {
        Terms memory t = funded(terms());
        pay(operator, t, AMOUNT, 0);
        put(t, 77);
        escrow.rescue(t, address(usdt));
        vm.assertEq(balance(buyer), 77);
        vm.assertTrue(settled(t));
    }

    function test_another_token_goes_to_the_buyer_and_leaves_a_slot() public {
        Terms memory t = funded(terms());
        TestUSDT other = newToken();
        other.mint(vault(t), 9);
        escrow.rescue(t, address(other));
        vm.assertEq(other.balanceOf(buyer), 9);
        vm.assertFalse(settled(t));
        vm.assertTrue(escrow.slotOf(id(t)) != 0);
        pay(operator, t, 0, AMOUNT);
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_an_address_without_code_is_not_a_token() public {
        Terms memory t = funded(terms());
        refuses(IEscrow.NoCode.selector);
        escrow.rescue(t, stranger);
    }

    function test_native_coin_goes_to_the_buyer() public {
        Terms memory t = funded(terms());
        vm.deal(vault(t), 1 ether);
        escrow.rescue(t, address(0));
        vm.assertEq(buyer.balance, 1 ether);
        vm.assertFalse(settled(t));
    }

    /// There are networks whose native coin is the dollar itself, with a token's face: one balance, seen twice.
    function test_native_coin_that_is_the_escrows_own_token_is_not_rescued() public {
        Plan memory p = plan();
        p.token = address(new CoinToken());
        Terms memory t = pack(p);
        vm.deal(vault(t), AMOUNT);
        refuses(IEscrow.ReservedMoved.selector);
        escrow.rescue(t, address(0));
        mark(t);
        refuses(IEscrow.ReservedMoved.selector);
        escrow.rescue(t, address(0));
        vm.assertEq(vault(t).balance, AMOUNT);
    }

    function test_native_coin_that_the_buyer_refuses_stays() public {
        Plan memory p = plan();
        p.buyer = address(new Closed());
        Terms memory t = pack(p);
        vm.deal(vault(t), 1 ether);
        refuses(IEscrow.LegFailed.selector);
        escrow.rescue(t, address(0));
    }

    function test_a_vault_takes_no_native_coin_by_itself() public {
        Terms memory t = funded(terms());
        pay(operator, t, AMOUNT, 0);
        vm.deal(address(this), 1 ether);
        (bool ok,) = vault(t).call{value: 1}("");
        vm.assertFalse(ok);
    }

    function test_nobody_but_the_escrow_commands_a_vault() public {
        Terms memory t = funded(terms());
        pay(operator, t, 1, 0);
        Vault v = Vault(vault(t));
        address[3] memory callers = [buyer, operator, escrow.vaultCode()];
        for (uint256 i; i < 3; ++i) {
            vm.prank(callers[i]);
            refuses(Vault.NotEscrow.selector);
            v.pay(address(usdt), stranger, 1, type(uint256).max);
            vm.prank(callers[i]);
            refuses(Vault.NotEscrow.selector);
            v.payNative(stranger, 1);
        }
        Vault code = Vault(escrow.vaultCode());
        refuses(Vault.NotEscrow.selector);
        code.pay(address(usdt), stranger, 1, type(uint256).max);
    }

    function test_invalid_terms_give_everything_to_the_buyer() public {
        Plan memory p = plan();
        p.inspection = 31 days;
        Terms memory t = funded(pack(p));
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.BadTerms.selector, 10));
        escrow.pay(t, AMOUNT, 0, AMOUNT);
        vm.prank(stranger);
        escrow.rescue(t, address(usdt));
        vm.assertEq(balance(buyer), AMOUNT);
        put(t, 3);
        escrow.rescue(t, address(usdt));
        vm.assertEq(balance(buyer), AMOUNT + 3);
    }

    function test_invalid_terms_without_a_buyer_pay_nobody() public {
        Plan memory p = plan();
        p.buyer = address(0);
        Terms memory t = funded(pack(p));
        refuses(IEscrow.NotAllowed.selector);
        escrow.rescue(t, address(usdt));
    }

    /// Bits that the terms do not use would make good terms look bad, if they were not part of the hash.
    function test_terms_with_stray_bits_are_another_escrow() public {
        Terms memory t = funded(terms());
        Terms memory strayed = terms();
        strayed.feeRecipient |= 1 << 200;
        vm.assertTrue(id(strayed) != id(t));
        refuses(IEscrow.NothingToPay.selector);
        escrow.rescue(strayed, address(usdt));
    }

    function test_on_another_chain_only_the_buyer_or_the_operator_recovers() public {
        Terms memory t = funded(terms());
        vm.chainId(10);
        vm.prank(operator);
        refuses(IEscrow.WrongChain.selector);
        escrow.pay(t, AMOUNT, 0, AMOUNT);
        vm.prank(seller);
        refuses(IEscrow.WrongChain.selector);
        escrow.rescue(t, address(usdt));
        refuses(IEscrow.WrongChain.selector);
        escrow.payLeg(t, 0);
        vm.prank(buyer);
        escrow.rescue(t, address(usdt));
        vm.assertEq(balance(buyer), AMOUNT);
        put(t, 4);
        vm.prank(operator);
        escrow.rescue(t, address(usdt));
        vm.assertEq(balance(buyer), AMOUNT + 4);
    }
}
