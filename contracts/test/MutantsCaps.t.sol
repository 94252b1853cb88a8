// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {GateBase} from "./GateBase.sol";
import {GateKeys} from "../src/GateKeys.sol";
import {Terms} from "../src/Terms.sol";

/// @notice What the gate counts: what no other test noticed when the code was changed on purpose.
contract MutantsCapsTest is GateBase {
    function test_the_days_cap_outlasts_one_batch_of_releases() public {
        Terms[] memory first = new Terms[](2);
        (first[0], first[1]) = (funded(deal(1)), funded(deal(2)));
        bool[] memory done = _release(first);
        vm.assertTrue(done[0] && done[1]);
        vm.assertEq(spent(hot), 2 * AMOUNT);
        Terms[] memory third = new Terms[](1);
        third[0] = funded(deal(3));
        vm.assertFalse(_release(third)[0]);
        vm.assertEq(balance(seller), 2 * AMOUNT);
    }

    function test_every_release_that_failed_is_given_back_to_the_days_cap() public {
        Terms[] memory unfunded = new Terms[](2);
        (unfunded[0], unfunded[1]) = (deal(1), sized(2, 100e6));
        bool[] memory done = _release(unfunded);
        vm.assertFalse(done[0] || done[1]);
        vm.assertEq(spent(hot), 0);
    }

    function test_a_payment_without_its_amounts_fails_alone() public {
        bytes memory whole = releaseOf(funded(deal(1)));
        for (uint256 words = 1; words <= 3; ++words) {
            bytes[] memory items = new bytes[](2);
            items[0] = _cut(whole, 32 * words);
            items[1] = releaseOf(funded(sized(1 + words, 1e6)));
            vm.prank(hot);
            bool[] memory done = gate.batch(items);
            vm.assertFalse(done[0]);
            vm.assertTrue(done[1]);
        }
        vm.assertEq(balance(seller), 3e6);
        vm.assertEq(spent(hot), 3e6);
    }

    function test_a_key_has_both_limits_or_none() public {
        _refusesGrant(GateKeys.Grant(address(0x4e3), address(usdt), 1, 0));
        _refusesGrant(GateKeys.Grant(address(0x4e3), address(usdt), 0, 1));
        _refusesGrant(GateKeys.Grant(address(0x4e3), address(0), 1, 0));
        _refusesGrant(GateKeys.Grant(address(0x4e3), address(0), 0, 1));
    }

    function _refusesGrant(GateKeys.Grant memory g) private {
        refuses(GateKeys.BadGrant.selector);
        vm.prank(cold);
        gate.propose(g);
    }

    function _release(Terms[] memory many) private returns (bool[] memory) {
        vm.prank(hot);
        return gate.releaseBatch(many);
    }

    function _cut(bytes memory whole, uint256 missing) private pure returns (bytes memory cut) {
        cut = new bytes(whole.length - missing);
        for (uint256 i; i < cut.length; ++i) {
            cut[i] = whole[i];
        }
    }
}
