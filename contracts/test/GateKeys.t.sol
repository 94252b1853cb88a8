// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {GateBase} from "./GateBase.sol";
import {GateKeys} from "../src/GateKeys.sol";
import {OperatorGate} from "../src/OperatorGate.sol";
import {Terms} from "../src/Terms.sol";

contract GateKeysTest is GateBase {
    address private _new = address(0x4e3);

    function test_a_key_is_added_after_48_hours_and_no_second_earlier() public {
        GateKeys.Grant memory g = _grant();
        _propose(g);
        bytes memory release = releaseOf(funded(deal(1)));
        vm.warp(START + 48 hours - 1);
        vm.prank(cold);
        refuses(GateKeys.TooEarly.selector);
        gate.grant(g);
        stops(_new, release, OperatorGate.NotHot.selector);
        vm.warp(START + 48 hours);
        vm.prank(cold);
        gate.grant(g);
        passes(_new, release);
    }

    function test_a_proposal_serves_once_and_exactly_as_proposed() public {
        GateKeys.Grant memory g = _grant();
        _propose(g);
        vm.warp(START + 48 hours);
        g.perDay += 1;
        vm.prank(cold);
        refuses(GateKeys.NotProposed.selector);
        gate.grant(g);
        g.perDay -= 1;
        vm.prank(cold);
        gate.grant(g);
        vm.prank(cold);
        refuses(GateKeys.NotProposed.selector);
        gate.grant(g);
    }

    function test_a_proposal_can_be_taken_back() public {
        GateKeys.Grant memory g = _grant();
        _propose(g);
        vm.prank(cold);
        gate.withdraw(g);
        vm.warp(START + 48 hours);
        vm.prank(cold);
        refuses(GateKeys.NotProposed.selector);
        gate.grant(g);
        vm.prank(cold);
        refuses(GateKeys.NotProposed.selector);
        gate.withdraw(g);
    }

    function test_the_cold_key_takes_a_key_away_at_once() public {
        bytes memory release = releaseOf(funded(deal(1)));
        vm.prank(cold);
        gate.revoke(hot);
        stops(hot, release, OperatorGate.NotHot.selector);
        stops(hot, abi.encodeCall(escrow.markDelivered, (deal(1))), OperatorGate.NotHot.selector);
        vm.assertEq(gate.tokensOf(hot).length, 0);
        passes(small, releaseOf(funded(sized(2, 1))));
    }

    function test_a_second_key_taken_away_approves_nothing_more() public {
        bytes memory item = releaseOf(funded(sized(1, 10_000e6)));
        bytes memory signature = approval(hot, keccak256(item), START);
        vm.prank(cold);
        gate.revoke(second);
        vm.prank(hot);
        refuses(OperatorGate.NotSecond.selector);
        gate.actApproved(item, second, START, signature);
    }

    function test_only_the_cold_key_changes_keys() public {
        GateKeys.Grant memory g = _grant();
        _propose(g);
        vm.warp(START + 48 hours);
        address[4] memory others = [hot, second, stranger, address(gate)];
        for (uint256 i; i < 4; ++i) {
            vm.startPrank(others[i]);
            refuses(GateKeys.NotCold.selector);
            gate.propose(g);
            refuses(GateKeys.NotCold.selector);
            gate.withdraw(g);
            refuses(GateKeys.NotCold.selector);
            gate.grant(g);
            refuses(GateKeys.NotCold.selector);
            gate.revoke(hot);
            vm.stopPrank();
        }
    }

    function test_no_key_is_hot_and_second_or_cold_too() public {
        _refusedGrant(GateKeys.Grant(hot, address(0), 0, 0));
        _refusedGrant(GateKeys.Grant(second, address(usdt), 1, 1));
        _refusedProposal(GateKeys.Grant(cold, address(usdt), 1, 1));
        _refusedProposal(GateKeys.Grant(cold, address(0), 0, 0));
        _refusedProposal(GateKeys.Grant(address(0), address(usdt), 1, 1));
    }

    function test_limits_are_both_given_or_neither() public {
        _refusedProposal(GateKeys.Grant(_new, address(usdt), 0, 1));
        _refusedProposal(GateKeys.Grant(_new, address(usdt), 1, 0));
        _refusedProposal(GateKeys.Grant(_new, address(usdt), 0, 0));
        _refusedProposal(GateKeys.Grant(_new, address(0), 1, 1));
    }

    function test_new_limits_keep_what_was_spent_today() public {
        GateKeys.Grant memory g = GateKeys.Grant(hot, address(usdt), 1_000e6, 700e6);
        _propose(g);
        vm.warp(START + 49 hours);
        passes(hot, releaseOf(funded(deal(1))));
        vm.prank(cold);
        gate.grant(g);
        vm.assertEq(spent(hot), AMOUNT);
        vm.assertEq(gate.tokensOf(hot).length, 1);
        stops(hot, releaseOf(funded(sized(2, 451e6))), OperatorGate.AboveCap.selector);
        passes(hot, releaseOf(funded(sized(3, 450e6))));
    }

    function test_a_key_has_at_most_sixteen_tokens_and_loses_all_at_once() public {
        for (uint160 i = 1; i < 16; ++i) {
            _make(GateKeys.Grant(hot, address(i), 1, 1));
        }
        _refusedGrant(GateKeys.Grant(hot, address(16), 1, 1));
        vm.prank(cold);
        gate.revoke(hot);
        for (uint160 i = 1; i < 16; ++i) {
            (uint256 perEscrow, uint256 perDay,,) = gate.limits(hot, address(i));
            vm.assertEq(perEscrow + perDay, 0);
        }
        (uint256 first,,,) = gate.limits(hot, address(usdt));
        vm.assertEq(first, 0);
    }

    function test_a_gate_needs_a_cold_key() public {
        GateKeys.Grant[] memory none = new GateKeys.Grant[](0);
        refuses(GateKeys.BadGrant.selector);
        new OperatorGate(address(escrow), address(0), none);
    }

    function testFuzz_limits_come_back_as_they_were_given(uint80 perEscrow, uint80 perDay) public {
        vm.assume(perEscrow != 0 && perDay != 0);
        _make(GateKeys.Grant(_new, address(usdt), perEscrow, perDay));
        (uint256 a, uint256 b, uint256 c, uint256 d) = gate.limits(_new, address(usdt));
        vm.assertEq(a, perEscrow);
        vm.assertEq(b, perDay);
        vm.assertEq(c + d, 0);
    }

    function _grant() private view returns (GateKeys.Grant memory) {
        return GateKeys.Grant(_new, address(usdt), 300e6, 600e6);
    }

    function _propose(GateKeys.Grant memory g) private {
        vm.prank(cold);
        gate.propose(g);
    }

    function _make(GateKeys.Grant memory g) private {
        _propose(g);
        vm.warp(block.timestamp + 48 hours);
        vm.prank(cold);
        gate.grant(g);
    }

    function _refusedProposal(GateKeys.Grant memory g) private {
        vm.prank(cold);
        refuses(GateKeys.BadGrant.selector);
        gate.propose(g);
    }

    function _refusedGrant(GateKeys.Grant memory g) private {
        _propose(g);
        vm.warp(block.timestamp + 48 hours);
        vm.prank(cold);
        refuses(GateKeys.BadGrant.selector);
        gate.grant(g);
    }
}
