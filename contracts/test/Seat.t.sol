// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import {ArbiterSeat} from "../src/ArbiterSeat.sol";
import {Ruling} from "../src/Messages.sol";
import {Terms} from "../src/Terms.sol";

contract SeatTest is Base {
    address private _cold = address(0xc01d);
    uint256 private constant NEXT_KEY = 0x4e37;
    ArbiterSeat[3] private _chairs;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 3; ++i) {
            _chairs[i] = new ArbiterSeat(_cold, seats[i]);
        }
    }

    function test_seats_rule_by_the_signatures_of_their_keys() public {
        Terms memory t = _disputed();
        rule(t, ruling(t, 100e6));
        vm.assertEq(balance(seller), 100e6);
    }

    function test_another_key_or_another_form_signs_nothing() public {
        ArbiterSeat chair = new ArbiterSeat(_cold, vm.addr(7));
        bytes32 d = keccak256("digest");
        vm.assertTrue(chair.isValidSignature(d, sign(7, d)) == 0x1626ba7e);
        vm.assertFalse(chair.isValidSignature(d, sign(8, d)) == 0x1626ba7e);
        vm.assertFalse(chair.isValidSignature(keccak256("other"), sign(7, d)) == 0x1626ba7e);
        vm.assertFalse(chair.isValidSignature(d, "") == 0x1626ba7e);
        vm.assertFalse(chair.isValidSignature(d, abi.encodePacked(sign(7, d), uint8(0))) == 0x1626ba7e);
        bytes memory zero = abi.encodePacked(bytes32(uint256(1)), bytes32(uint256(1)), uint8(29));
        vm.assertFalse(chair.isValidSignature(d, zero) == 0x1626ba7e);
    }

    function test_a_key_is_replaced_after_7_days_and_no_second_earlier() public {
        ArbiterSeat chair = new ArbiterSeat(_cold, vm.addr(7));
        bytes32 d = keccak256("digest");
        vm.prank(_cold);
        chair.propose(vm.addr(NEXT_KEY));
        vm.warp(START + 7 days - 1);
        refuses(ArbiterSeat.TooEarly.selector);
        chair.replace();
        vm.assertTrue(chair.isValidSignature(d, sign(7, d)) == 0x1626ba7e);
        vm.warp(START + 7 days);
        vm.prank(stranger);
        chair.replace();
        vm.assertFalse(chair.isValidSignature(d, sign(7, d)) == 0x1626ba7e);
        vm.assertTrue(chair.isValidSignature(d, sign(NEXT_KEY, d)) == 0x1626ba7e);
        refuses(ArbiterSeat.NotProposed.selector);
        chair.replace();
    }

    function test_terms_survive_a_new_key_of_their_seat() public {
        Terms memory t = _disputed();
        for (uint256 i; i < 3; ++i) {
            if (address(_chairs[i]) != seats[0]) continue;
            vm.prank(_cold);
            _chairs[i].propose(vm.addr(NEXT_KEY));
            vm.warp(START + 7 days);
            _chairs[i].replace();
        }
        seatKeys[0] = NEXT_KEY;
        rule(t, ruling(t, 0));
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_a_later_proposal_waits_its_own_7_days() public {
        ArbiterSeat chair = _chairs[0];
        vm.prank(_cold);
        chair.propose(vm.addr(NEXT_KEY));
        vm.warp(START + 6 days);
        vm.prank(_cold);
        chair.propose(vm.addr(9));
        vm.warp(START + 8 days);
        refuses(ArbiterSeat.TooEarly.selector);
        chair.replace();
    }

    function test_a_proposal_can_be_taken_back() public {
        ArbiterSeat chair = _chairs[0];
        vm.prank(_cold);
        refuses(ArbiterSeat.NotProposed.selector);
        chair.withdraw();
        vm.prank(_cold);
        chair.propose(vm.addr(NEXT_KEY));
        vm.prank(_cold);
        chair.withdraw();
        vm.warp(START + 8 days);
        refuses(ArbiterSeat.NotProposed.selector);
        chair.replace();
    }

    function test_only_the_cold_key_proposes_and_never_itself_or_nobody() public {
        ArbiterSeat chair = _chairs[0];
        address holder = chair.key();
        vm.prank(holder);
        refuses(ArbiterSeat.NotCold.selector);
        chair.propose(vm.addr(NEXT_KEY));
        vm.prank(holder);
        refuses(ArbiterSeat.NotCold.selector);
        chair.withdraw();
        address[3] memory bad = [address(0), _cold, holder];
        for (uint256 i; i < 3; ++i) {
            vm.prank(_cold);
            refuses(ArbiterSeat.BadKey.selector);
            chair.propose(bad[i]);
        }
        refuses(ArbiterSeat.BadKey.selector);
        new ArbiterSeat(address(0), holder);
        refuses(ArbiterSeat.BadKey.selector);
        new ArbiterSeat(_cold, address(0));
        refuses(ArbiterSeat.BadKey.selector);
        new ArbiterSeat(_cold, _cold);
    }

    /// The seats of the terms are the contracts, in ascending order; each signs with the key that it had.
    function _disputed() private returns (Terms memory t) {
        uint256[3] memory keys = [seatKeys[0], seatKeys[1], seatKeys[2]];
        address[3] memory order = [address(_chairs[0]), address(_chairs[1]), address(_chairs[2])];
        for (uint256 i; i < 3; ++i) {
            for (uint256 j = i; j > 0 && order[j] < order[j - 1]; --j) {
                (order[j], order[j - 1]) = (order[j - 1], order[j]);
                (keys[j], keys[j - 1]) = (keys[j - 1], keys[j]);
            }
        }
        for (uint256 i; i < 3; ++i) {
            (seats[i], seatKeys[i]) = (order[i], keys[i]);
        }
        t = funded(terms());
        dispute(buyer, t, 0);
    }
}
