// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import {Core} from "../src/Core.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Ruling} from "../src/Messages.sol";
import {Signatures} from "../src/Signatures.sol";
import {Terms} from "../src/Terms.sol";

/// @notice Rulings and decisions: what no other test noticed when the code was changed on purpose.
contract MutantsRulingsTest is Base {
    function test_a_ruling_of_a_round_that_has_not_begun_is_refused() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        r.round += 1;
        bytes[] memory signatures = signed(t, r, 2);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.WrongRound.selector, state(t).round));
        escrow.rule(t, r, seats, 2, signatures);
    }

    function test_there_are_as_many_signatures_as_signers() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        bytes[] memory three = signed(t, r, 2);
        bytes[] memory two = new bytes[](2);
        bytes[] memory four = new bytes[](4);
        (two[0], two[1], four[0], four[1]) = (three[0], three[1], three[0], three[1]);
        refuses(Signatures.BadSeats.selector);
        escrow.rule(t, r, seats, 2, two);
        refuses(Signatures.BadSeats.selector);
        escrow.rule(t, r, seats, 2, four);
    }

    function test_a_decision_says_how_it_came_about() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        _expectDecided(t, stranger, 5, 0, AMOUNT);
        rule(t, r);
    }

    function test_the_fallback_says_that_it_is_one() public {
        Terms memory t = _disputed();
        vm.warp(START + 500 days);
        _expectDecided(t, stranger, 7, AMOUNT / 2, AMOUNT / 2);
        vm.prank(stranger);
        escrow.claimFallback(t);
    }

    function test_a_claim_of_what_was_not_delivered_says_so() public {
        Terms memory t = funded(terms());
        vm.warp(START + 500 days);
        _expectDecided(t, stranger, 3, 0, AMOUNT);
        vm.prank(stranger);
        escrow.claimUndelivered(t);
    }

    function _disputed() private returns (Terms memory t) {
        t = funded(terms());
        dispute(buyer, t, 0);
    }

    function _expectDecided(Terms memory t, address by, uint8 how, uint256 toSeller, uint256 toBuyer) private {
        uint256 paid = (toSeller == 0 ? 0 : 1) | (toBuyer == 0 ? 0 : 2);
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Decided(id(t), by, how, toSeller, toBuyer, 0, 0, uint8(paid));
    }
}
