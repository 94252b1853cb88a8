// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Deployer, GateBase} from "./GateBase.sol";
import {GateKeys} from "../src/GateKeys.sol";
import {OperatorGate} from "../src/OperatorGate.sol";
import {Terms} from "../src/Terms.sol";

/// @notice The gate's keys and caps: what no other test noticed when the code was changed on purpose.
contract MutantsKeysTest is GateBase {
    function test_a_gate_is_not_made_without_a_cold_key() public {
        vm.assertTrue(_isMade(cold, GateKeys.Grant(hot, address(usdt), 1, 1)));
        vm.assertFalse(_isMade(address(0), GateKeys.Grant(hot, address(usdt), 1, 1)));
    }

    function test_a_gate_is_not_made_with_a_grant_that_says_nothing() public {
        vm.assertFalse(_isMade(cold, GateKeys.Grant(hot, address(usdt), 0, 1)));
        vm.assertFalse(_isMade(cold, GateKeys.Grant(hot, address(usdt), 1, 0)));
        vm.assertFalse(_isMade(cold, GateKeys.Grant(hot, address(0), 1, 1)));
        vm.assertFalse(_isMade(cold, GateKeys.Grant(address(0), address(usdt), 1, 1)));
        vm.assertFalse(_isMade(cold, GateKeys.Grant(cold, address(usdt), 1, 1)));
    }

    function test_an_escrow_of_exactly_the_cap_is_released_with_others() public {
        Terms[] memory terms = new Terms[](2);
        terms[0] = funded(sized(1, PER_ESCROW));
        terms[1] = funded(sized(2, PER_ESCROW + 1));
        vm.prank(hot);
        bool[] memory done = gate.releaseBatch(terms);
        vm.assertTrue(done[0]);
        vm.assertFalse(done[1]);
    }

    function test_an_appeal_counts_for_no_cap_even_one_that_is_overspent() public {
        GateKeys.Grant memory less = GateKeys.Grant(hot, address(usdt), PER_ESCROW, PER_ESCROW);
        vm.prank(cold);
        gate.propose(less);
        vm.warp(START + 3 days);
        passes(hot, releaseOf(funded(sized(1, PER_ESCROW))));
        passes(hot, releaseOf(funded(sized(2, PER_ESCROW))));
        vm.prank(cold);
        gate.grant(less);
        Terms memory t = funded(deal(3));
        dispute(buyer, t, 0);
        passes(hot, abi.encodeCall(escrow.appeal, (t, 0)));
        vm.assertEq(state(t).appealed, 1);
    }

    function test_whoever_watches_the_gate_sees_who_approved_what_for_whom() public {
        bytes memory item = releaseOf(funded(sized(1, PER_ESCROW + 1)));
        bytes memory signature = approval(hot, keccak256(item), START + 1);
        vm.expectEmit(true, true, true, true, address(gate));
        emit OperatorGate.Approved(hot, second, keccak256(item));
        vm.prank(hot);
        gate.actApproved(item, second, START + 1, signature);
    }

    function _isMade(address coldKey, GateKeys.Grant memory g) private returns (bool made) {
        GateKeys.Grant[] memory grants = new GateKeys.Grant[](1);
        grants[0] = g;
        bytes memory arguments = abi.encode(address(escrow), coldKey, grants);
        (made,) = address(vm).call(abi.encodeCall(Deployer.deployCode, ("OperatorGate.sol:OperatorGate", arguments)));
    }
}
