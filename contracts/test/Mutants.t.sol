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

    function test_a_token_that_moves_money_and_answers_false_has_moved_none() public {
        Plan memory p = plan();
        Liar token = new Liar();
        p.token = address(token);
        Terms memory t = pack(p);
        token.mint(vault(t), AMOUNT);
        pay(operator, t, AMOUNT, 0);
        vm.assertEq(token.balanceOf(vault(t)), AMOUNT);
        vm.assertEq(escrow.owed(id(t), 0), AMOUNT);
    }

    function test_terms_at_each_bound_are_good() public view {
        Plan memory p = plan();
        (p.inspection, p.arbitration, p.fallbackBps, p.feeBps) = (1 days, 60 days, 0, 0);
        p.deliverBy = p.fundBy;
        vm.assertEq(escrow.check(pack(p)), 0);
        (p.inspection, p.arbitration, p.fallbackBps, p.feeBps) = (30 days, 365 days, 10_000, 1_000);
        p.deliverBy = p.fundBy + 400 days;
        p.amount = type(uint96).max;
        vm.assertEq(escrow.check(pack(p)), 0);
    }
}

/// @notice Moves the money, then says that it did not.
contract Liar is DenyList {
    function transfer(address to, uint256 amount) public override returns (bool) {
        super.transfer(to, amount);
        return false;
    }
}
