// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {GateBase} from "./GateBase.sol";
import {Terms} from "../src/Terms.sol";

/// @notice What an item says: what no other test noticed when the code was changed on purpose.
contract MutantsItemsTest is GateBase {
    function test_what_stands_behind_the_arguments_of_an_action_is_not_its_amount() public {
        Terms memory t = funded(deal(1));
        passes(hot, abi.encodeCall(escrow.dispute, (t, 0, bytes32(0))));
        vm.assertEq(spent(hot), 0);
        bytes memory longer =
            bytes.concat(abi.encodeCall(escrow.withdrawDispute, (t)), bytes32(uint256(1)), bytes32(uint256(1)));
        passes(hot, longer);
        vm.assertEq(spent(hot), AMOUNT);
    }
}
