// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {State} from "../src/Slots.sol";
import {Fault, Terms} from "../src/Terms.sol";

contract TermsTest is Base {
    function test_good_terms_have_no_fault() public view {
        _fault(plan(), Fault.NONE);
    }

    function test_good_terms_need_neither_operator_nor_fee_recipient() public view {
        Plan memory p = plan();
        p.operator = address(0);
        p.feeTo = address(0);
        _fault(p, Fault.NONE);
    }

    function test_every_rule_has_its_fault() public view {
        Plan memory p = plan();
        p.version = 2;
        _fault(p, Fault.VERSION);
        p = plan();
        p.chain = 0;
        _fault(p, Fault.CHAIN);
        p = plan();
        p.amount = 0;
        _fault(p, Fault.AMOUNT);
        p = plan();
        p.feeBps = 1_001;
        _fault(p, Fault.FEE);
        p = plan();
        (p.feeBps, p.feeTo) = (1, address(0));
        _fault(p, Fault.FEE_RECIPIENT);
        p = plan();
        p.fallbackBps = 10_001;
        _fault(p, Fault.FALLBACK);
        p = plan();
        p.arbiters = 0;
        _fault(p, Fault.ARBITERS);
        p = plan();
        p.deal = 0;
        _fault(p, Fault.DEAL);
    }

    function test_parties_are_two_and_none_is_zero() public view {
        Plan memory p = plan();
        p.buyer = address(0);
        _fault(p, Fault.PARTIES);
        p = plan();
        p.seller = address(0);
        _fault(p, Fault.PARTIES);
        p = plan();
        p.seller = p.buyer;
        _fault(p, Fault.PARTIES);
        p = plan();
        p.operator = p.buyer;
        _fault(p, Fault.OPERATOR);
        p.operator = p.seller;
        _fault(p, Fault.OPERATOR);
    }

    function test_nobody_is_the_token_or_the_escrow_contract() public view {
        address[2] memory bad = [address(usdt), address(escrow)];
        for (uint256 i; i < 2; ++i) {
            Plan memory p = plan();
            p.buyer = bad[i];
            _fault(p, Fault.ADDRESSES);
            p = plan();
            p.seller = bad[i];
            _fault(p, Fault.ADDRESSES);
            p = plan();
            p.operator = bad[i];
            _fault(p, Fault.ADDRESSES);
            p = plan();
            p.feeTo = bad[i];
            _fault(p, Fault.ADDRESSES);
        }
        Plan memory q = plan();
        q.token = address(0);
        _fault(q, Fault.ADDRESSES);
        q.token = address(escrow);
        _fault(q, Fault.ADDRESSES);
    }

    function test_clocks_have_bounds() public view {
        Plan memory p = plan();
        p.fundBy = 0;
        _fault(p, Fault.CLOCKS);
        p = plan();
        p.deliverBy = p.fundBy - 1;
        _fault(p, Fault.CLOCKS);
        p.deliverBy = p.fundBy;
        _fault(p, Fault.NONE);
        p.deliverBy = p.fundBy + 400 days;
        _fault(p, Fault.NONE);
        p.deliverBy += 1;
        _fault(p, Fault.CLOCKS);
        p = plan();
        p.inspection = 1 days;
        _fault(p, Fault.NONE);
        p.inspection = 1 days - 1;
        _fault(p, Fault.INSPECTION);
        p.inspection = 30 days + 1;
        _fault(p, Fault.INSPECTION);
        p = plan();
        p.arbitration = 60 days - 1;
        _fault(p, Fault.ARBITRATION);
        p.arbitration = 365 days;
        _fault(p, Fault.NONE);
        p.arbitration = 365 days + 1;
        _fault(p, Fault.ARBITRATION);
    }

    function test_every_action_refuses_bad_terms() public {
        Plan memory p = plan();
        p.deal = 0;
        Terms memory t = funded(pack(p));
        bytes[8] memory actions = [
            abi.encodeCall(escrow.pay, (t, AMOUNT, 0, AMOUNT)),
            abi.encodeCall(escrow.markDelivered, (t)),
            abi.encodeCall(escrow.reopenDelivery, (t)),
            abi.encodeCall(escrow.claimDelivered, (t)),
            abi.encodeCall(escrow.claimUndelivered, (t)),
            abi.encodeCall(escrow.claimUnfunded, (t)),
            abi.encodeCall(escrow.dispute, (t, 0, bytes32(0))),
            abi.encodeCall(escrow.announce, (t))
        ];
        for (uint256 i; i < actions.length; ++i) {
            vm.prank(operator);
            (bool ok, bytes memory answer) = address(escrow).call(actions[i]);
            vm.assertFalse(ok);
            vm.assertTrue(keccak256(answer) == keccak256(abi.encodeWithSelector(IEscrow.BadTerms.selector, Fault.DEAL)));
        }
    }

    function test_announcing_changes_nothing() public {
        Terms memory t = terms();
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Announced(id(t), t);
        vm.prank(stranger);
        escrow.announce(t);
        vm.assertEq(escrow.slotOf(id(t)), 0);
    }

    function test_a_batch_does_each_item_on_its_own() public {
        Terms memory good = funded(terms());
        Plan memory p = plan();
        p.deal = keccak256("second");
        Terms memory second = funded(pack(p));
        bytes[] memory items = new bytes[](3);
        items[0] = abi.encodeCall(escrow.pay, (good, AMOUNT, 0, AMOUNT));
        items[1] = abi.encodeCall(escrow.pay, (good, AMOUNT, 0, AMOUNT));
        items[2] = abi.encodeCall(escrow.pay, (second, 0, AMOUNT, AMOUNT));
        vm.prank(operator);
        bool[] memory done = escrow.batch(items);
        vm.assertTrue(done[0] && !done[1] && done[2]);
        vm.assertEq(balance(seller), AMOUNT);
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_a_batch_lends_nobody_its_rights() public {
        Terms memory t = funded(terms());
        bytes[] memory items = new bytes[](1);
        items[0] = abi.encodeCall(escrow.pay, (t, AMOUNT, 0, AMOUNT));
        vm.prank(stranger);
        bool[] memory done = escrow.batch(items);
        vm.assertFalse(done[0]);
        bytes[] memory outer = new bytes[](1);
        outer[0] = abi.encodeCall(escrow.batch, (items));
        vm.prank(stranger);
        escrow.batch(outer);
        vm.assertEq(left(t), AMOUNT);
    }

    /// An estimated gas limit finds the least gas with which the outer call succeeds; then items fail unseen.
    function test_a_batch_with_too_little_gas_reverts_instead_of_failing_items() public {
        bytes[] memory items = new bytes[](4);
        for (uint256 i; i < 4; ++i) {
            Plan memory p = plan();
            p.deal = bytes32(i + 1);
            items[i] = abi.encodeCall(escrow.pay, (funded(pack(p)), AMOUNT, 0, AMOUNT));
        }
        for (uint256 gas_ = 350_000; gas_ < 1_000_000; gas_ += 25_000) {
            vm.prank(operator);
            (bool ok, bytes memory answer) = address(escrow).call{gas: gas_}(abi.encodeCall(escrow.batch, (items)));
            if (!ok) continue;
            bool[] memory done = abi.decode(answer, (bool[]));
            for (uint256 i; i < 4; ++i) {
                vm.assertTrue(done[i], "an item failed silently");
            }
            return;
        }
        vm.assertTrue(false, "never enough");
    }

    function _fault(Plan memory p, uint8 expected) private view {
        vm.assertEq(escrow.check(pack(p)), expected);
    }
}
