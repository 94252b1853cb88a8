// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {Agreeing, Greedy, Refusing} from "./Wallets.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Act, Relayed} from "../src/Messages.sol";
import {Signatures} from "../src/Signatures.sol";
import {Terms} from "../src/Terms.sol";

contract RelayTest is Base {
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function test_the_buyer_releases_by_signature_and_is_named() public {
        Terms memory t = funded(terms());
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Decided(id(t), buyer, 1, AMOUNT, 0, 0, 0, 1);
        relay(t, act(Relayed.PAY, Relayed.BY_BUYER, AMOUNT, 0));
        vm.assertEq(balance(seller), AMOUNT);
    }

    function test_the_seller_marks_and_the_buyer_reopens_by_signature() public {
        Terms memory t = funded(terms());
        relay(t, act(Relayed.MARK, Relayed.BY_SELLER));
        vm.assertEq(state(t).status, 1);
        relay(t, act(Relayed.REOPEN, Relayed.BY_BUYER));
        vm.assertEq(state(t).status, 0);
    }

    function test_a_side_disputes_concedes_and_withdraws_by_signature() public {
        Terms memory t = funded(terms());
        bytes32 evidence = keccak256("evidence");
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Disputed(id(t), seller, 1, 1, START + 120 days, evidence);
        relay(t, act(Relayed.DISPUTE, Relayed.BY_SELLER, 1, uint256(evidence)));
        relay(t, act(Relayed.PAY, Relayed.BY_SELLER, 0, 50e6));
        vm.assertEq(balance(buyer), 50e6);
        relay(t, act(Relayed.WITHDRAW, Relayed.BY_SELLER));
        vm.assertEq(state(t).status, 0);
        vm.assertFalse(state(t).byOperator);
    }

    function test_a_signature_gives_no_more_than_the_signer_may() public {
        Terms memory t = funded(terms());
        Act[6] memory acts = [
            act(Relayed.PAY, Relayed.BY_BUYER, 0, AMOUNT),
            act(Relayed.PAY, Relayed.BY_SELLER, AMOUNT, 0),
            act(Relayed.PAY, Relayed.BOTH, AMOUNT, 0),
            act(Relayed.MARK, Relayed.BY_BUYER),
            act(Relayed.DISPUTE, Relayed.BY_BUYER, 1, 0),
            act(Relayed.DISPUTE, Relayed.BOTH, 2, 0)
        ];
        for (uint256 i; i < acts.length; ++i) {
            _refused(t, acts[i], IEscrow.NotAllowed.selector);
        }
    }

    function test_an_unknown_action_or_nobodys_message_does_nothing() public {
        Terms memory t = funded(terms());
        _refused(t, act(keccak256("claimDelivered"), Relayed.BY_BUYER), IEscrow.NotAllowed.selector);
        _refused(t, act(Relayed.CANCEL, 0), IEscrow.NotAllowed.selector);
        _refused(t, act(Relayed.CANCEL, 4), IEscrow.NotAllowed.selector);
        _refused(t, act(Relayed.CANCEL, type(uint256).max), IEscrow.NotAllowed.selector);
    }

    function test_a_message_lives_until_its_deadline() public {
        Terms memory t = funded(terms());
        Act memory a = act(Relayed.CANCEL, Relayed.BY_SELLER);
        bytes32 d = actDigest(t, a);
        bytes memory signature = sign(SELLER_KEY, d);
        vm.warp(START + 1);
        refuses(IEscrow.TooLate.selector);
        relay(t, a, "", signature);
        vm.warp(START);
        relay(t, a, "", signature);
    }

    function test_a_message_serves_once() public {
        Terms memory t = funded(terms());
        Act memory a = act(Relayed.PAY, Relayed.BY_BUYER, 1, 0);
        bytes memory signature = sign(BUYER_KEY, actDigest(t, a));
        relay(t, a, signature, "");
        refusesSignature(0);
        relay(t, a, signature, "");
    }

    function test_any_change_voids_a_message() public {
        Terms memory t = funded(terms());
        Act memory a = act(Relayed.PAY, Relayed.BY_BUYER, AMOUNT, 0);
        bytes memory signature = sign(BUYER_KEY, actDigest(t, a));
        mark(t);
        refusesSignature(0);
        relay(t, a, signature, "");
    }

    function test_a_message_for_another_remainder_is_void() public {
        Terms memory t = funded(terms());
        Act memory a = act(Relayed.PAY, Relayed.BY_BUYER, 1, 0);
        bytes memory signature = sign(BUYER_KEY, actDigest(t, a, AMOUNT - 1, 0));
        refusesSignature(0);
        relay(t, a, signature, "");
    }

    function test_changed_arguments_void_a_message() public {
        Terms memory t = funded(terms());
        Act memory a = act(Relayed.PAY, Relayed.BY_BUYER, 1, 0);
        bytes memory signature = sign(BUYER_KEY, actDigest(t, a));
        a.first = 2;
        refusesSignature(0);
        relay(t, a, signature, "");
        (a.first, a.deadline) = (1, START + 1);
        refusesSignature(0);
        relay(t, a, signature, "");
        (a.deadline, a.action) = (START, Relayed.DISPUTE);
        refusesSignature(0);
        relay(t, a, signature, "");
    }

    function test_a_message_of_another_escrow_or_chain_is_void() public {
        Terms memory t = funded(terms());
        Act memory a = act(Relayed.PAY, Relayed.BY_BUYER, 1, 0);
        bytes memory signature = sign(BUYER_KEY, actDigest(t, a));
        Plan memory p = plan();
        p.deal = keccak256("another deal");
        Terms memory other = funded(pack(p));
        refusesSignature(0);
        relay(other, a, signature, "");
        vm.chainId(1);
        signature = sign(BUYER_KEY, actDigest(t, a));
        vm.chainId(31_337);
        refusesSignature(0);
        relay(t, a, signature, "");
    }

    function test_the_other_side_can_not_use_a_message() public {
        Terms memory t = funded(terms());
        Act memory a = act(Relayed.CANCEL, Relayed.BY_SELLER);
        bytes memory signature = sign(BUYER_KEY, actDigest(t, a));
        refusesSignature(1);
        relay(t, a, signature, signature);
    }

    function test_half_of_a_joint_message_gives_no_more_than_its_signer_may_alone() public {
        Terms memory t = funded(terms());
        Act memory a = act(Relayed.CANCEL, Relayed.BOTH);
        bytes32 d = actDigest(t, a);
        (bytes memory ofBuyer, bytes memory ofSeller) = (sign(BUYER_KEY, d), sign(SELLER_KEY, d));
        refusesSignature(1);
        relay(t, a, ofBuyer, ofBuyer);
        refusesSignature(0);
        relay(t, a, ofSeller, ofBuyer);
        a.signers = Relayed.BY_BUYER;
        refuses(IEscrow.NotAllowed.selector);
        relay(t, a, ofBuyer, ofSeller);
        a = act(Relayed.EXTEND, Relayed.BY_SELLER, START + 30 days, 0);
        ofSeller = sign(SELLER_KEY, actDigest(t, a));
        refuses(IEscrow.NotAllowed.selector);
        relay(t, a, "", ofSeller);
    }

    /// Both together act as nobody, which must not be taken for an operator that the terms do not name.
    function test_what_is_a_sides_own_is_not_done_in_the_name_of_both() public {
        Plan memory p = plan();
        p.operator = address(0);
        Terms[2] memory kinds = [funded(terms()), funded(pack(p))];
        bytes32[6] memory actions =
            [Relayed.PAY, Relayed.MARK, Relayed.REOPEN, Relayed.DISPUTE, Relayed.WITHDRAW, Relayed.APPEAL];
        for (uint256 k; k < 2; ++k) {
            for (uint256 i; i < 6; ++i) {
                if (actions[i] == Relayed.REOPEN) mark(kinds[k]);
                if (actions[i] == Relayed.WITHDRAW) dispute(buyer, kinds[k], 0);
                Act memory a = act(actions[i], Relayed.BOTH, i == 0 ? AMOUNT : 0, 0);
                bytes32 d = actDigest(kinds[k], a);
                refuses(IEscrow.NotAllowed.selector);
                relay(kinds[k], a, sign(BUYER_KEY, d), sign(SELLER_KEY, d));
            }
        }
    }

    function test_a_recovery_signed_once_sends_only_the_buyers_own_however_often() public {
        Terms memory t = funded(terms());
        Act memory a = act(Relayed.RESCUE, Relayed.BY_BUYER, uint160(address(usdt)), 0);
        bytes memory signature = sign(BUYER_KEY, actDigest(t, a));
        refuses(IEscrow.NothingToPay.selector);
        relay(t, a, signature, "");
        for (uint256 i; i < 2; ++i) {
            put(t, 5);
            relay(t, a, signature, "");
        }
        vm.assertEq(balance(buyer), 10);
        vm.assertEq(balance(vault(t)), AMOUNT);
    }

    function test_only_65_bytes_with_low_s_are_a_signature() public {
        Terms memory t = funded(terms());
        Act memory a = act(Relayed.PAY, Relayed.BY_BUYER, 1, 0);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(BUYER_KEY, actDigest(t, a));
        bytes[4] memory wrong = [
            abi.encodePacked(r, bytes32(ORDER - uint256(s)), v == 27 ? uint8(28) : uint8(27)),
            abi.encodePacked(r, s, v, uint8(0)),
            abi.encodePacked(r, bytes32(uint256(s) | (uint256(v - 27) << 255))),
            bytes("")
        ];
        for (uint256 i; i < wrong.length; ++i) {
            refusesSignature(0);
            relay(t, a, wrong[i], "");
        }
        relay(t, a, abi.encodePacked(r, s, v), "");
    }

    function test_a_contract_signs_also_with_an_empty_signature() public {
        Agreeing wallet = new Agreeing();
        Plan memory p = plan();
        p.buyer = address(wallet);
        Terms memory t = funded(pack(p));
        Act memory a = act(Relayed.PAY, Relayed.BY_BUYER, AMOUNT, 0);
        refusesSignature(0);
        relay(t, a, "", "");
        wallet.agree(actDigest(t, a));
        relay(t, a, "", "");
        vm.assertEq(balance(seller), AMOUNT);
    }

    function test_contracts_that_refuse_or_burn_gas_sign_nothing() public {
        address[2] memory wallets = [address(new Refusing()), address(new Greedy())];
        for (uint256 i; i < 2; ++i) {
            Plan memory p = plan();
            p.buyer = wallets[i];
            Terms memory t = funded(pack(p));
            refusesSignature(0);
            relay(t, act(Relayed.PAY, Relayed.BY_BUYER, AMOUNT, 0), "", "");
        }
    }

    function test_away_from_home_anyone_recovers_with_the_buyers_signature() public {
        Plan memory p = plan();
        p.chain = 1;
        Terms memory t = pack(p);
        put(t, 77);
        Act memory a = act(Relayed.RESCUE, Relayed.BY_BUYER, uint160(address(usdt)), 0);
        refuses(IEscrow.WrongChain.selector);
        vm.prank(stranger);
        escrow.rescue(t, address(usdt));
        relay(t, a);
        vm.assertEq(balance(buyer), 77);
        put(t, 5);
        relay(t, a);
        vm.assertEq(balance(buyer), 82);
    }

    function test_away_from_home_the_sellers_signature_recovers_nothing() public {
        Plan memory p = plan();
        p.chain = 1;
        Terms memory t = pack(p);
        put(t, 77);
        uint256 token = uint160(address(usdt));
        _refused(t, act(Relayed.RESCUE, Relayed.BY_SELLER, token, 0), IEscrow.WrongChain.selector);
        _refused(t, act(Relayed.RESCUE, Relayed.BOTH, token, 0), IEscrow.WrongChain.selector);
        _refused(t, act(Relayed.CANCEL, Relayed.BY_SELLER), IEscrow.WrongChain.selector);
    }

    function test_a_recovery_signed_for_another_chain_is_void() public {
        Plan memory p = plan();
        p.chain = 1;
        Terms memory t = pack(p);
        put(t, 77);
        Act memory a = act(Relayed.RESCUE, Relayed.BY_BUYER, uint160(address(usdt)), 0);
        vm.chainId(10);
        bytes memory signature = sign(BUYER_KEY, actDigest(t, a));
        vm.chainId(31_337);
        refusesSignature(0);
        relay(t, a, signature, "");
    }

    function test_terms_that_name_nobody_as_buyer_accept_nobodys_signature() public {
        Plan memory p = plan();
        p.buyer = address(0);
        Terms memory t = pack(p);
        put(t, 77);
        bytes memory zero = abi.encodePacked(bytes32(uint256(1)), bytes32(uint256(1)), uint8(29));
        refusesSignature(0);
        relay(t, act(Relayed.RESCUE, Relayed.BY_BUYER, uint160(address(usdt)), 0), zero, "");
    }

    function test_messages_go_in_a_batch_with_other_items() public {
        Terms memory t = funded(terms());
        Act memory a = act(Relayed.PAY, Relayed.BY_BUYER, 1, 0);
        bytes memory good = sign(BUYER_KEY, actDigest(t, a));
        bytes[] memory items = new bytes[](3);
        items[0] = abi.encodeCall(escrow.relay, (t, a, "", ""));
        items[1] = abi.encodeCall(escrow.relay, (t, a, good, ""));
        items[2] = abi.encodeCall(escrow.announce, (t));
        vm.prank(stranger);
        bool[] memory done = escrow.batch(items);
        vm.assertFalse(done[0]);
        vm.assertTrue(done[1] && done[2]);
        vm.assertEq(balance(seller), 1);
    }

    function testFuzz_a_relayed_payment_does_what_the_partys_own_does(uint96 part, bool bySeller) public {
        uint256 amount = uint256(part) % AMOUNT + 1;
        Terms memory t = funded(terms());
        if (bySeller) relay(t, act(Relayed.PAY, Relayed.BY_SELLER, 0, amount));
        else relay(t, act(Relayed.PAY, Relayed.BY_BUYER, amount, 0));
        vm.assertEq(balance(bySeller ? buyer : seller), amount);
        vm.assertEq(left(t), AMOUNT - amount);
    }

    function _refused(Terms memory t, Act memory a, bytes4 why) private {
        bytes32 d = actDigest(t, a);
        (bytes memory x, bytes memory y) = (sign(BUYER_KEY, d), sign(SELLER_KEY, d));
        refuses(why);
        relay(t, a, x, y);
    }
}
