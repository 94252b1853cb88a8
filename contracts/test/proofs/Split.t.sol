// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ProofBase} from "./ProofBase.sol";
import {Ruling} from "../../src/Messages.sol";
import {Terms} from "../../src/Terms.sol";

/// @notice How money is divided: for every amount that a slot holds.
contract SplitProof is ProofBase {
    function check_a_part_is_paid_whole_and_the_rest_stays(uint96 left, uint96 a, uint96 b) public {
        (bytes32 id, address vault) = begin(plain(), uint256(left) | STORED_BIT, uint40(FUND_BY));
        if (!send(OPERATOR_, abi.encodeCall(escrow.pay, (plain(), a, b, left)))) return;
        reached();
        assert(token.balanceOf(seller) == a && token.balanceOf(buyer) == b);
        assert(uint256(a) + b + slot(id).left() == left);
        assert(token.balanceOf(vault) == type(uint128).max - uint256(a) - b);
    }

    /// Amounts below 2^40 (a million whole tokens of six decimals): wider divisions take a solver hours.
    function check_fees_of_two_parts_are_the_fee_of_both(uint40 a, uint40 b, uint16 bps) public {
        vm.assume(bps != 0 && bps <= 1_000 && a != 0 && b != 0);
        Terms memory t = terms(WHOLE, bps, 5_000);
        begin(t, WHOLE | STORED_BIT, uint40(FUND_BY));
        if (!send(buyer, abi.encodeCall(escrow.pay, (t, a, 0, WHOLE)))) return;
        if (!send(buyer, abi.encodeCall(escrow.pay, (t, b, 0, WHOLE - a)))) return;
        reached();
        uint256 all = uint256(a) + b;
        assert(token.balanceOf(FEE_TO) == all * bps / 10_000);
        assert(token.balanceOf(FEE_TO) + token.balanceOf(seller) == all);
    }

    function check_a_fee_is_the_floor_of_its_share(uint96 a, uint16 bps) public {
        vm.assume(bps != 0 && bps <= 1_000);
        Terms memory t = terms(WHOLE, bps, 5_000);
        begin(t, WHOLE | STORED_BIT, uint40(FUND_BY));
        if (!send(buyer, abi.encodeCall(escrow.pay, (t, a, 0, WHOLE)))) return;
        reached();
        assert(token.balanceOf(FEE_TO) == uint256(a) * bps / 10_000);
    }

    function check_the_fallback_divides_all_and_the_odd_unit_is_the_buyers(uint96 left, uint16 bps) public {
        vm.assume(left != 0 && bps <= 10_000);
        Terms memory t = terms(WHOLE, 0, bps);
        begin(t, uint256(left) | STORED_BIT | (2 << 248), uint40(FUND_BY));
        if (!send(address(1), abi.encodeCall(escrow.claimFallback, (t)))) return;
        reached();
        uint256 floor = uint256(left) * bps / 10_000;
        assert(token.balanceOf(seller) == floor && token.balanceOf(buyer) == left - floor);
    }

    function check_a_ruling_divides_all_that_is_left(uint96 left, uint256 toSeller, uint256 toBuyer) public {
        Terms memory t = plain();
        vm.assume(left != 0);
        (bytes32 id,) = begin(t, uint256(left) | STORED_BIT | (2 << 248) | (1 << 232), uint40(FUND_BY));
        Ruling memory r = Ruling(toSeller, toBuyer, 0, 1, 0, FUND_BY);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = hex"00";
        if (!send(address(1), abi.encodeCall(escrow.rule, (t, r, seats, 1, signatures)))) return;
        reached();
        assert(token.balanceOf(seller) + token.balanceOf(buyer) == left);
        assert(toSeller + toBuyer != left || token.balanceOf(seller) == toSeller);
        assert(escrow.slotOf(id) == 0);
    }

    /// Legs that a token refuses are owed: nothing is lost, nothing is paid twice.
    function check_what_is_decided_is_paid_or_owed(uint96 left, uint96 a, bool first, bool second) public {
        Terms memory t = plain();
        vm.assume(a <= left && left != 0);
        (bytes32 id,) = begin(t, uint256(left) | STORED_BIT, uint40(FUND_BY));
        token.refuse(seller, first);
        token.refuse(buyer, second);
        if (!send(OPERATOR_, abi.encodeCall(escrow.pay, (t, a, left - a, left)))) return;
        reached();
        assert(token.balanceOf(seller) + escrow.owed(id, 0) == a);
        assert(token.balanceOf(buyer) + escrow.owed(id, 1) == left - a);
        assert(escrow.owedTotal(id) == escrow.owed(id, 0) + escrow.owed(id, 1));
        assert(escrow.slotOf(id) == 0);
    }

    function check_an_owed_leg_is_paid_once_and_to_its_own(uint96 owed, bool refund) public {
        Terms memory t = plain();
        address to = refund ? buyer : seller;
        (bytes32 id,) = begin(t, uint256(owed) | STORED_BIT, uint40(FUND_BY));
        token.refuse(to, true);
        if (!send(OPERATOR_, abi.encodeCall(escrow.pay, (t, refund ? 0 : owed, refund ? owed : 0, owed)))) return;
        token.refuse(to, false);
        uint8 kind = refund ? 1 : 0;
        if (!send(address(1), abi.encodeCall(escrow.payLeg, (t, kind)))) return;
        reached();
        assert(token.balanceOf(to) == owed && escrow.owed(id, kind) == 0 && escrow.owedTotal(id) == 0);
        assert(!send(address(1), abi.encodeCall(escrow.payLeg, (t, kind))));
    }

    function check_false_the_odd_unit_is_the_sellers(uint96 left) public {
        Terms memory t = plain();
        vm.assume(left != 0);
        begin(t, uint256(left) | STORED_BIT | (2 << 248), uint40(FUND_BY));
        if (!send(address(1), abi.encodeCall(escrow.claimFallback, (t)))) return;
        reached();
        assert(token.balanceOf(seller) >= token.balanceOf(buyer));
    }
}
