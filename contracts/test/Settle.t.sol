// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {Agreeing} from "./Wallets.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Settlement} from "../src/Messages.sol";
import {Signatures} from "../src/Signatures.sol";
import {Terms} from "../src/Terms.sol";

contract SettleTest is Base {
    function test_both_signatures_divide_the_remainder() public {
        Terms memory t = funded(terms());
        _settle(t, 100e6, 150e6);
        vm.assertEq(balance(seller), 100e6);
        vm.assertEq(balance(buyer), 150e6);
        vm.assertTrue(settled(t));
    }

    function test_they_settle_also_when_disputed_or_after_every_clock() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        vm.warp(START + 300 days);
        _settle(t, AMOUNT, 0);
        vm.assertEq(balance(seller), AMOUNT);
    }

    function test_one_signature_is_not_enough() public {
        Terms memory t = funded(terms());
        bytes32 d = settlementDigest(t, 0, AMOUNT, START);
        vm.expectRevert(abi.encodeWithSelector(Signatures.BadSignature.selector, 1));
        escrow.settle(t, Settlement(0, AMOUNT, START), sign(BUYER_KEY, d), sign(BUYER_KEY, d));
        vm.expectRevert(abi.encodeWithSelector(Signatures.BadSignature.selector, 0));
        escrow.settle(t, Settlement(0, AMOUNT, START), "", sign(SELLER_KEY, d));
    }

    function test_amounts_must_be_the_remainder() public {
        Terms memory t = funded(terms());
        bytes32 d = settlementDigest(t, 1, AMOUNT, START);
        refuses(IEscrow.WrongAmount.selector);
        escrow.settle(t, Settlement(1, AMOUNT, START), sign(BUYER_KEY, d), sign(SELLER_KEY, d));
        refuses(IEscrow.WrongAmount.selector);
        escrow.settle(t, Settlement(1, AMOUNT - 2, START), sign(BUYER_KEY, d), sign(SELLER_KEY, d));
    }

    function test_a_settlement_dies_after_its_deadline() public {
        Terms memory t = funded(terms());
        bytes32 d = settlementDigest(t, 0, AMOUNT, START);
        vm.warp(START + 1);
        refuses(IEscrow.TooLate.selector);
        escrow.settle(t, Settlement(0, AMOUNT, START), sign(BUYER_KEY, d), sign(SELLER_KEY, d));
    }

    function test_any_change_of_the_escrow_voids_a_settlement() public {
        Terms memory t = funded(terms());
        bytes32 d = settlementDigest(t, 0, AMOUNT, START);
        mark(t);
        vm.expectRevert(abi.encodeWithSelector(Signatures.BadSignature.selector, 0));
        escrow.settle(t, Settlement(0, AMOUNT, START), sign(BUYER_KEY, d), sign(SELLER_KEY, d));
    }

    function test_an_unfunded_escrow_is_not_settled() public {
        Terms memory t = terms();
        put(t, AMOUNT - 1);
        bytes32 d = settlementDigest(t, 1, AMOUNT - 1, START);
        refuses(IEscrow.NotFunded.selector);
        escrow.settle(t, Settlement(1, AMOUNT - 1, START), sign(BUYER_KEY, d), sign(SELLER_KEY, d));
        d = settlementDigest(t, AMOUNT, 0, START);
        refuses(IEscrow.NotFunded.selector);
        escrow.settle(t, Settlement(AMOUNT, 0, START), sign(BUYER_KEY, d), sign(SELLER_KEY, d));
    }

    function test_a_contract_can_be_a_party_that_signs() public {
        Agreeing wallet = new Agreeing();
        Plan memory p = plan();
        p.buyer = address(wallet);
        Terms memory t = funded(pack(p));
        bytes32 d = settlementDigest(t, AMOUNT, 0, START);
        wallet.agree(d);
        escrow.settle(t, Settlement(AMOUNT, 0, START), "", sign(SELLER_KEY, d));
        vm.assertTrue(settled(t));
    }

    function _settle(Terms memory t, uint256 toSeller, uint256 toBuyer) private {
        bytes32 d = settlementDigest(t, toSeller, toBuyer, block.timestamp);
        vm.prank(stranger);
        escrow.settle(t, Settlement(toSeller, toBuyer, block.timestamp), sign(BUYER_KEY, d), sign(SELLER_KEY, d));
    }
}
