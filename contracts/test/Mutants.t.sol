// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {DenyList} from "./HostileTokens.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Terms} from "../src/Terms.sol";

/// @notice What no other test noticed when the code was changed on purpose.
contract MutantsTest is Base {
    function test_only_the_leg_that_was_refused_is_owed() public {
        Plan memory p = plan();
        DenyList token = new DenyList();
        p.token = address(token);
        Terms memory t = pack(p);
        token.mint(vault(t), AMOUNT);
        token.deny(seller, true);
        pay(operator, t, AMOUNT - 100, 100);
        vm.assertEq(token.balanceOf(buyer), 100);
        vm.assertEq(escrow.owed(id(t), 0), AMOUNT - 100);
        vm.assertEq(escrow.owed(id(t), 1), 0);
        refuses(IEscrow.NothingToPay.selector);
        escrow.payLeg(t, 1);
    }
}
