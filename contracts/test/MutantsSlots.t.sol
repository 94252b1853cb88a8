// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import {BUYER, SELLER, Slot, Slots} from "../src/Slots.sol";

/// @notice The slot as readers see it: what no other test noticed when the code was changed on purpose.
contract MutantsSlotsTest is Base {
    function test_a_slot_tells_who_appealed() public pure {
        Slot s = Slots.fresh(AMOUNT, START);
        vm.assertEq(s.unpack().appealed, 0);
        vm.assertEq(s.withAppeal(BUYER).unpack().appealed, 1);
        vm.assertEq(s.withAppeal(SELLER).unpack().appealed, 2);
        vm.assertEq(s.withAppeal(SELLER).withAppeal(BUYER).unpack().appealed, 3);
        vm.assertEq(s.withAppeal(BUYER).withReleased().unpack().appealed, 1);
    }
}
