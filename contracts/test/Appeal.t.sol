// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Relayed, Ruling} from "../src/Messages.sol";
import {Terms} from "../src/Terms.sol";

contract AppealTest is Base {
    function test_an_appeal_voids_what_the_seats_signed_before() public {
        Terms memory t = _disputed();
        Ruling memory old = ruling(t, AMOUNT);
        bytes[] memory signatures = signed(t, old, 2);
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Appealed(id(t), buyer, 0, 2);
        _appeal(buyer, t, 0);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.WrongRound.selector, 2));
        escrow.rule(t, old, seats, 2, signatures);
        old.round = 2;
        refusesSignature(0);
        escrow.rule(t, old, seats, 2, signatures);
        rule(t, ruling(t, 0));
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_each_side_appeals_once() public {
        Terms memory t = _disputed();
        _appeal(buyer, t, 0);
        refuses(IEscrow.TooMany.selector);
        _appeal(buyer, t, 0);
        _appeal(seller, t, 1);
        refuses(IEscrow.TooMany.selector);
        _appeal(operator, t, 1);
        vm.assertEq(state(t).round, 3);
        vm.assertEq(state(t).appealed, 3);
    }

    function test_once_means_once_also_in_a_later_dispute() public {
        Terms memory t = _disputed();
        _appeal(buyer, t, 0);
        vm.prank(buyer);
        escrow.withdrawDispute(t);
        dispute(buyer, t, 0);
        refuses(IEscrow.TooMany.selector);
        _appeal(buyer, t, 0);
    }

    function test_the_operator_appeals_for_a_side() public {
        Terms memory t = _disputed();
        _appeal(operator, t, 1);
        vm.assertEq(state(t).appealed, 2);
    }

    function test_a_side_appeals_for_itself_only_and_strangers_never() public {
        Terms memory t = _disputed();
        refuses(IEscrow.NotAllowed.selector);
        _appeal(buyer, t, 1);
        refuses(IEscrow.NotAllowed.selector);
        _appeal(stranger, t, 0);
        refuses(IEscrow.NotAllowed.selector);
        _appeal(operator, t, 2);
    }

    function test_only_what_is_disputed_is_appealed() public {
        Terms memory t = funded(terms());
        refuses(IEscrow.WrongStatus.selector);
        _appeal(buyer, t, 0);
    }

    function test_an_appeal_leaves_the_seats_at_least_fourteen_days() public {
        Terms memory t = _disputed();
        vm.warp(START + 106 days + 1);
        refuses(IEscrow.TooLate.selector);
        _appeal(buyer, t, 0);
        vm.warp(START + 106 days);
        _appeal(buyer, t, 0);
    }

    function test_an_appeal_does_not_move_the_fallback() public {
        Terms memory t = _disputed();
        vm.warp(START + 100 days);
        _appeal(buyer, t, 0);
        _appeal(seller, t, 1);
        vm.warp(START + 120 days + 1);
        escrow.claimFallback(t);
        vm.assertEq(balance(seller), AMOUNT / 2);
    }

    function test_a_side_appeals_by_signature() public {
        Terms memory t = _disputed();
        relay(t, act(Relayed.APPEAL, Relayed.BY_SELLER, 1, 0));
        vm.assertEq(state(t).round, 2);
    }

    function test_every_dispute_and_every_appeal_fit_the_round_counter() public {
        Terms memory t = funded(terms());
        for (uint8 i; i < 4; ++i) {
            address side = i % 2 == 0 ? buyer : seller;
            dispute(side, t, i % 2);
            if (i < 2) _appeal(side, t, i);
            vm.prank(side);
            escrow.withdrawDispute(t);
        }
        vm.assertEq(state(t).round, 6);
        vm.assertEq(left(t), AMOUNT);
    }

    function _disputed() private returns (Terms memory t) {
        t = funded(terms());
        dispute(buyer, t, 0);
    }

    function _appeal(address by, Terms memory t, uint8 side) private {
        vm.prank(by);
        escrow.appeal(t, side);
    }
}
