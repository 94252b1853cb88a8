// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Plan} from "./Base.sol";
import {GateBase} from "./GateBase.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {OperatorGate} from "../src/OperatorGate.sol";
import {CANCELLED, DELIVERED, DISPUTED, OPEN} from "../src/Slots.sol";
import {TestUSDT} from "../src/mocks/TestUSDT.sol";
import {Terms} from "../src/Terms.sol";

contract GateTest is GateBase {
    function test_a_hot_key_releases_with_the_calldata_of_the_escrow() public {
        Terms memory t = funded(deal(1));
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Decided(id(t), address(gate), 1, AMOUNT, 0, 0, 0, 1);
        passes(hot, releaseOf(t));
        vm.assertEq(balance(seller), AMOUNT);
        vm.assertEq(spent(hot), AMOUNT);
    }

    function test_a_hot_key_does_every_action_of_an_operator() public {
        Terms memory t = funded(deal(1));
        passes(hot, abi.encodeCall(escrow.extend, (t, START + 21 days)));
        passes(hot, abi.encodeCall(escrow.markDelivered, (t)));
        vm.assertEq(state(t).status, DELIVERED);
        passes(hot, abi.encodeCall(escrow.reopenDelivery, (t)));
        passes(hot, abi.encodeCall(escrow.dispute, (t, 0, bytes32(0))));
        vm.assertEq(state(t).status, DISPUTED);
        passes(hot, abi.encodeCall(escrow.appeal, (t, 0)));
        passes(hot, abi.encodeCall(escrow.withdrawDispute, (t)));
        vm.assertEq(state(t).status, OPEN);
        passes(hot, abi.encodeCall(escrow.cancel, (t)));
        vm.assertEq(state(t).status, CANCELLED);
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_nobody_but_a_hot_key_of_that_token_acts() public {
        Terms memory t = funded(deal(1));
        address[5] memory others = [stranger, buyer, seller, second, cold];
        for (uint256 i; i < 5; ++i) {
            stops(others[i], releaseOf(t), OperatorGate.NotHot.selector);
            stops(others[i], abi.encodeCall(escrow.dispute, (t, 0, 0)), OperatorGate.NotHot.selector);
        }
        Plan memory p = plan();
        p.token = address(newToken());
        stops(hot, releaseOf(pack(p)), OperatorGate.NotHot.selector);
    }

    function test_the_gate_does_only_what_operators_do() public {
        Terms memory t = funded(deal(1));
        bytes[6] memory others = [
            abi.encodeCall(escrow.claimUndelivered, (t)),
            abi.encodeCall(escrow.payLeg, (t, 0)),
            abi.encodeCall(escrow.announce, (t)),
            abi.encodeWithSelector(TestUSDT.transfer.selector, t, t),
            abi.encodePacked(escrow.pay.selector),
            bytes("")
        ];
        for (uint256 i; i < others.length; ++i) {
            stops(hot, others[i], OperatorGate.NotForOperators.selector);
        }
    }

    function test_an_operator_is_still_bound_by_the_escrow() public {
        Terms memory t = funded(deal(1));
        dispute(buyer, t, 0);
        stops(hot, releaseOf(t), IEscrow.NotAllowed.selector);
        stops(hot, abi.encodeCall(escrow.withdrawDispute, (t)), IEscrow.NotAllowed.selector);
        stops(hot, abi.encodeCall(escrow.cancel, (t)), IEscrow.NotAllowed.selector);
        vm.assertEq(spent(hot), 0);
    }

    function test_terms_that_name_another_operator_are_closed_to_the_gate() public {
        Plan memory p = plan();
        p.operator = address(0x0be4a704);
        stops(hot, releaseOf(funded(pack(p))), IEscrow.NotAllowed.selector);
    }

    function test_an_escrow_above_the_cap_is_not_decided_by_one_key() public {
        Terms memory exact = funded(sized(1, PER_ESCROW));
        Terms memory above = funded(sized(2, PER_ESCROW + 1));
        bytes4 no = OperatorGate.AboveCap.selector;
        stops(hot, releaseOf(above), no);
        stops(hot, abi.encodeCall(escrow.pay, (above, 1, 0, PER_ESCROW + 1)), no);
        stops(hot, abi.encodeCall(escrow.cancel, (above)), no);
        passes(hot, abi.encodeCall(escrow.dispute, (above, 0, bytes32(0))));
        stops(hot, abi.encodeCall(escrow.withdrawDispute, (above)), no);
        stops(hot, abi.encodeCall(escrow.appeal, (above, 0)), no);
        passes(hot, releaseOf(exact));
    }

    function test_a_hot_key_alone_never_recovers_on_another_network() public {
        Plan memory p = plan();
        p.chain = 1;
        Terms memory t = pack(p);
        put(t, 5);
        bytes memory item = abi.encodeCall(escrow.rescue, (t, address(usdt)));
        stops(hot, item, OperatorGate.AboveCap.selector);
        bytes memory signature = approval(hot, keccak256(item), START);
        vm.prank(hot);
        gate.actApproved(item, second, START, signature);
        vm.assertEq(balance(buyer), 5);
    }

    function test_a_day_holds_no_more_than_its_cap() public {
        passes(hot, releaseOf(funded(deal(1))));
        passes(hot, releaseOf(funded(deal(2))));
        Terms memory third = funded(deal(3));
        stops(hot, releaseOf(third), OperatorGate.AboveCap.selector);
        passes(hot, abi.encodeCall(escrow.pay, (third, 40e6, 60e6, AMOUNT)));
        vm.assertEq(spent(hot), PER_DAY);
        stops(hot, abi.encodeCall(escrow.pay, (third, 1, 0, AMOUNT - 100e6)), OperatorGate.AboveCap.selector);
        passes(small, releaseOf(funded(sized(4, 100e6))));
    }

    function test_a_new_day_begins_at_midnight() public {
        uint256 midnight = (START / 1 days + 1) * 1 days;
        vm.warp(midnight - 1);
        passes(hot, releaseOf(funded(deal(1))));
        passes(hot, releaseOf(funded(deal(2))));
        Terms memory third = funded(deal(3));
        stops(hot, releaseOf(third), OperatorGate.AboveCap.selector);
        vm.warp(midnight);
        passes(hot, releaseOf(third));
        vm.assertEq(spent(hot), AMOUNT);
    }

    function test_cancelling_and_withdrawing_count_as_the_whole_amount() public {
        passes(hot, abi.encodeCall(escrow.cancel, (funded(deal(1)))));
        vm.assertEq(spent(hot), AMOUNT);
        Terms memory t = funded(deal(2));
        passes(hot, abi.encodeCall(escrow.dispute, (t, 0, bytes32(0))));
        passes(hot, abi.encodeCall(escrow.withdrawDispute, (t)));
        vm.assertEq(spent(hot), 2 * AMOUNT);
        stops(hot, abi.encodeCall(escrow.cancel, (funded(deal(3)))), OperatorGate.AboveCap.selector);
    }

    function test_what_the_escrow_refuses_is_not_counted() public {
        Terms memory t = deal(1);
        stops(hot, releaseOf(t), IEscrow.NotFunded.selector);
        vm.assertEq(spent(hot), 0);
        stops(hot, abi.encodeCall(escrow.pay, (t, type(uint256).max, 2, 0)), IEscrow.LeftChanged.selector);
        stops(hot, abi.encodeWithSelector(escrow.pay.selector, t), bytes4(0));
        vm.assertEq(spent(hot), 0);
    }

    // ---- the second key ------------------------------------------------------------------------------------

    function test_above_the_cap_a_second_key_signs_for_that_very_call() public {
        Terms memory t = funded(sized(1, 10_000e6));
        bytes memory item = releaseOf(t);
        bytes memory signature = approval(hot, keccak256(item), START);
        vm.prank(hot);
        gate.actApproved(item, second, START, signature);
        vm.assertEq(balance(seller), 10_000e6);
        vm.assertEq(spent(hot), 0);
    }

    function test_an_approval_is_for_one_key_one_call_one_deadline_one_use() public {
        Terms memory t = funded(sized(1, 10_000e6));
        bytes memory item = abi.encodeCall(escrow.pay, (t, 1, 0, 10_000e6));
        bytes memory signature = approval(hot, keccak256(item), START);
        _approvedRefused(small, item, START, signature, OperatorGate.BadApproval.selector);
        _approvedRefused(hot, releaseOf(t), START, signature, OperatorGate.BadApproval.selector);
        _approvedRefused(hot, item, START + 1, signature, OperatorGate.BadApproval.selector);
        vm.warp(START + 1);
        _approvedRefused(hot, item, START, signature, OperatorGate.TooLate.selector);
        vm.warp(START);
        vm.prank(hot);
        gate.actApproved(item, second, START, signature);
        _approvedRefused(hot, item, START, signature, OperatorGate.BadApproval.selector);
    }

    function test_an_approval_does_not_make_its_bearer_hot() public {
        bytes memory item = releaseOf(funded(deal(1)));
        bytes memory signature = approval(stranger, keccak256(item), START);
        _approvedRefused(stranger, item, START, signature, OperatorGate.NotHot.selector);
    }

    function test_a_hot_key_does_not_approve_and_a_second_key_does_not_act() public {
        Terms memory t = funded(sized(1, 10_000e6));
        bytes memory item = releaseOf(t);
        bytes memory signature = approval(hot, keccak256(item), START);
        vm.prank(hot);
        refuses(OperatorGate.NotSecond.selector);
        gate.actApproved(item, small, START, signature);
        vm.prank(hot);
        refuses(OperatorGate.NotSecond.selector);
        gate.actApproved(item, address(0), START, signature);
        stops(second, item, OperatorGate.NotHot.selector);
    }

    function test_an_approved_batch_is_no_approved_call_nor_the_other_way() public {
        Terms memory t = funded(sized(1, 5_000e6));
        bytes[] memory items = new bytes[](1);
        items[0] = releaseOf(t);
        bytes memory single = approval(hot, keccak256(items[0]), START);
        bytes memory whole = approval(hot, keccak256(abi.encode(items)), START);
        vm.startPrank(hot);
        refuses(OperatorGate.BadApproval.selector);
        gate.batchApproved(items, second, START, single);
        refuses(OperatorGate.BadApproval.selector);
        gate.actApproved(items[0], second, START, whole);
        vm.expectRevert();
        gate.actApproved(abi.encode(items), second, START, whole);
        vm.stopPrank();
        vm.assertEq(balance(vault(t)), 5_000e6);
    }

    function test_calldata_that_is_cut_decides_nothing_and_padded_counts_no_less() public {
        Terms memory t = funded(deal(1));
        bytes memory data = releaseOf(t);
        for (uint256 length = data.length; length > 0; length -= 4) {
            bytes memory cut = new bytes(length - 4);
            for (uint256 i; i < cut.length; ++i) {
                cut[i] = data[i];
            }
            (bool ok,) = through(hot, cut);
            vm.assertFalse(ok);
        }
        vm.assertEq(spent(hot), 0);
        passes(hot, abi.encodePacked(data, uint256(0)));
        vm.assertEq(spent(hot), AMOUNT);
    }

    function test_parts_whose_sum_runs_over_decide_nothing() public {
        Terms memory t = funded(deal(1));
        bytes[] memory items = new bytes[](2);
        items[0] = abi.encodeCall(escrow.pay, (t, AMOUNT, type(uint256).max - AMOUNT + 1, AMOUNT));
        items[1] = abi.encodeCall(escrow.pay, (t, type(uint256).max, AMOUNT + 1, AMOUNT));
        vm.prank(hot);
        bool[] memory done = gate.batch(items);
        vm.assertFalse(done[0] || done[1]);
        vm.assertEq(left(t), AMOUNT);
        vm.assertEq(spent(hot), 0);
    }

    function test_an_escrow_named_twice_is_released_and_counted_once() public {
        Terms[] memory twice = new Terms[](2);
        (twice[0], twice[1]) = (funded(deal(1)), deal(1));
        vm.prank(hot);
        bool[] memory done = gate.releaseBatch(twice);
        vm.assertTrue(done[0] && !done[1]);
        vm.assertEq(spent(hot), AMOUNT);
    }

    function test_also_an_approved_call_does_only_what_operators_do() public {
        Terms memory t = funded(deal(1));
        bytes memory item = abi.encodeCall(escrow.announce, (t));
        bytes memory signature = approval(hot, keccak256(item), START);
        _approvedRefused(hot, item, START, signature, OperatorGate.NotForOperators.selector);
    }

    // ---- batches -------------------------------------------------------------------------------------------

    function test_one_bad_item_does_not_stop_the_rest() public {
        bytes[] memory items = new bytes[](5);
        items[0] = releaseOf(funded(sized(1, 10e6)));
        items[1] = releaseOf(sized(2, 10e6)); // not funded
        items[2] = releaseOf(funded(sized(3, PER_ESCROW + 1))); // above the cap
        items[3] = abi.encodeCall(escrow.announce, (deal(4))); // not for operators
        items[4] = releaseOf(funded(sized(5, 20e6)));
        vm.prank(hot);
        bool[] memory done = gate.batch(items);
        vm.assertTrue(done[0] && !done[1] && !done[2] && !done[3] && done[4]);
        vm.assertEq(spent(hot), 30e6);
    }

    function test_a_batch_stops_counting_where_the_day_is_full() public {
        bytes[] memory items = new bytes[](4);
        for (uint256 i; i < 3; ++i) {
            items[i] = releaseOf(funded(deal(i)));
        }
        items[3] = releaseOf(funded(sized(9, 100e6)));
        vm.prank(hot);
        bool[] memory done = gate.batch(items);
        vm.assertTrue(done[0] && done[1] && !done[2] && done[3]);
        vm.assertEq(spent(hot), PER_DAY);
    }

    function test_a_batch_of_a_stranger_does_nothing() public {
        bytes[] memory items = new bytes[](1);
        items[0] = releaseOf(funded(deal(1)));
        vm.prank(stranger);
        vm.assertFalse(gate.batch(items)[0]);
    }

    function test_a_second_key_approves_a_batch_as_a_whole() public {
        bytes[] memory items = new bytes[](2);
        items[0] = releaseOf(funded(sized(1, 10_000e6)));
        items[1] = releaseOf(sized(2, 10_000e6));
        bytes memory signature = approval(hot, keccak256(abi.encode(items)), START);
        vm.prank(hot);
        bool[] memory done = gate.batchApproved(items, second, START, signature);
        vm.assertTrue(done[0] && !done[1]);
        vm.prank(hot);
        refuses(OperatorGate.BadApproval.selector);
        gate.batchApproved(items, second, START, signature);
    }

    function test_too_little_gas_reverts_the_whole_batch_and_not_an_item() public {
        bytes[] memory items = new bytes[](2);
        items[0] = releaseOf(funded(deal(1)));
        items[1] = releaseOf(funded(deal(2)));
        vm.prank(hot);
        refuses(OperatorGate.NotEnoughGas.selector);
        gate.batch{gas: 430_000}(items);
        vm.assertEq(left(deal(1)), AMOUNT);
    }

    function test_whole_releases_together_do_what_single_ones_do() public {
        Terms[] memory many = new Terms[](5);
        many[0] = funded(sized(1, 10e6));
        many[1] = sized(2, 10e6); // not funded
        many[2] = funded(sized(3, PER_ESCROW + 1)); // above the cap
        Plan memory p = plan();
        p.token = address(0xdead);
        many[3] = pack(p); // another token
        many[4] = funded(sized(5, 20e6));
        vm.prank(hot);
        bool[] memory done = gate.releaseBatch(many);
        vm.assertTrue(done[0] && !done[1] && !done[2] && !done[3] && done[4]);
        vm.assertEq(balance(seller), 30e6);
        vm.assertEq(spent(hot), 30e6);
    }

    function test_whole_releases_together_keep_the_cap_of_the_day() public {
        Terms[] memory many = new Terms[](4);
        for (uint256 i; i < 3; ++i) {
            many[i] = funded(deal(i));
        }
        many[3] = funded(sized(9, 100e6));
        vm.prank(hot);
        bool[] memory done = gate.releaseBatch(many);
        vm.assertTrue(done[0] && done[1] && !done[2] && done[3]);
        vm.assertEq(spent(hot), PER_DAY);
        stops(hot, releaseOf(funded(sized(10, 1))), OperatorGate.AboveCap.selector);
    }

    function test_a_stranger_or_a_lack_of_gas_releases_nothing_together() public {
        Terms[] memory many = new Terms[](2);
        many[0] = funded(deal(1));
        many[1] = funded(deal(2));
        vm.prank(stranger);
        refuses(OperatorGate.NotHot.selector);
        gate.releaseBatch(many);
        vm.prank(hot);
        refuses(OperatorGate.NotEnoughGas.selector);
        gate.releaseBatch{gas: 430_000}(many);
        vm.prank(hot);
        vm.assertEq(gate.releaseBatch(new Terms[](0)).length, 0);
    }

    function testFuzz_no_order_of_payments_exceeds_the_cap_of_a_day(uint96[8] calldata parts, uint8 rest) public {
        uint256 decided;
        for (uint256 i; i < parts.length; ++i) {
            Terms memory t = funded(sized(i, uint256(parts[i]) % (2 * PER_ESCROW) + 1));
            uint256 amount = t.tokenAmount >> 160;
            uint256 part = rest % 2 == 0 ? amount : uint256(rest) * amount / 256;
            bytes memory item = abi.encodeCall(escrow.pay, (t, part, 0, amount));
            (bool ok,) = through(hot, item);
            if (ok) decided += part;
            vm.assertTrue(!ok || amount <= PER_ESCROW);
        }
        vm.assertTrue(decided <= PER_DAY);
        vm.assertEq(spent(hot), decided);
    }

    function _approvedRefused(
        address by,
        bytes memory item,
        uint256 deadline,
        bytes memory signature,
        bytes4 why
    ) private {
        vm.prank(by);
        refuses(why);
        gate.actApproved(item, second, deadline, signature);
    }
}
