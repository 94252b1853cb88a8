// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {Lens} from "../src/Lens.sol";
import {Terms} from "../src/Terms.sol";

contract LensTest is Base {
    Lens private _lens;

    function setUp() public override {
        super.setUp();
        _lens = new Lens(address(escrow));
    }

    function test_one_call_tells_what_many_reads_tell() public {
        Terms[] memory many = new Terms[](4);
        many[0] = funded(_numbered(0));
        many[1] = funded(_numbered(1));
        mark(many[1]);
        many[2] = funded(_numbered(2));
        pay(buyer, many[2], AMOUNT, 0);
        Plan memory p = plan();
        p.amount = 0;
        many[3] = pack(p);
        Lens.View[] memory seen = _lens.look(many);
        for (uint256 i; i < 4; ++i) {
            (uint256 packed, bool over) = escrow.stateOf(many[i]);
            vm.assertTrue(seen[i].id == id(many[i]));
            vm.assertEq(seen[i].vault, vault(many[i]));
            vm.assertEq(seen[i].fault, escrow.check(many[i]));
            vm.assertEq(seen[i].state, packed);
            vm.assertTrue(seen[i].settled == over && seen[i].hasCode == over && seen[i].readable);
            vm.assertEq(seen[i].balance, balance(vault(many[i])));
        }
    }

    function test_owed_legs_and_coins_are_told() public {
        Terms memory t = funded(withFee(100));
        usdt.addBlackList(vault(t));
        dispute(buyer, t, 0);
        rule(t, ruling(t, 100e6));
        vm.deal(vault(t), 9);
        Terms[] memory one = new Terms[](1);
        one[0] = t;
        Lens.View memory seen = _lens.look(one)[0];
        vm.assertEq(seen.release, 99e6);
        vm.assertEq(seen.refund, 150e6);
        vm.assertEq(seen.fee, 1e6);
        vm.assertEq(seen.coins, 9);
    }

    function test_a_token_that_does_not_answer_spoils_only_its_own_balance() public {
        Plan memory p = plan();
        p.token = address(this); // no balanceOf
        Terms[] memory two = new Terms[](2);
        two[0] = pack(p);
        two[1] = funded(terms());
        Lens.View[] memory seen = _lens.look(two);
        vm.assertFalse(seen[0].readable);
        vm.assertTrue(seen[1].readable);
        vm.assertEq(seen[1].balance, AMOUNT);
    }

    function test_ids_alone_give_slots_and_balances() public {
        Terms memory t = funded(terms());
        mark(t);
        bytes32[] memory ids = new bytes32[](2);
        address[] memory tokens = new address[](2);
        (ids[0], ids[1]) = (id(t), keccak256("nobody"));
        (tokens[0], tokens[1]) = (address(usdt), address(0xdead));
        Lens.Brief[] memory seen = _lens.brief(ids, tokens);
        vm.assertEq(seen[0].slot, escrow.slotOf(id(t)));
        vm.assertEq(seen[0].balance, AMOUNT);
        vm.assertFalse(seen[0].hasCode);
        vm.assertEq(seen[1].slot, 0);
        vm.assertFalse(seen[1].readable);
    }

    function _numbered(uint256 n) private view returns (Terms memory) {
        Plan memory p = plan();
        p.deal = bytes32(n + 1);
        return pack(p);
    }
}
