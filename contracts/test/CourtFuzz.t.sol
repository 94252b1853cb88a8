// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {CourtBase} from "./CourtBase.sol";
import {Plan} from "./Base.sol";
import {Ruling} from "../src/Messages.sol";
import {Terms} from "../src/Terms.sol";

contract CourtFuzzTest is CourtBase {
    /// Whatever the amount, the split, the fee, what was conceded before and after the case was opened, and the ruling:
    /// it is confirmed, executed, decides all that is left, and pays nobody but the parties and the fee recipient.
    function testFuzz_a_ruling_decides_all_that_is_left(
        uint96 amount,
        uint16 bps,
        uint16 feeBps,
        uint96 before,
        uint96 afterwards,
        uint8 choice
    ) public {
        Plan memory p = plan();
        p.amount = amount = uint96(2 + uint256(amount) % 1e24);
        p.fallbackBps = bps = bps % 10_001;
        p.feeBps = feeBps % 1_001;
        p.arbiters = arbitersOf(alone(seat), 1);
        Terms memory t = funded(pack(p));
        before = before % amount;
        if (before != 0) pay(buyer, t, before, 0);
        dispute(buyer, t, 0);
        uint256 number = opened(t);
        afterwards = afterwards % (amount - before);
        if (afterwards != 0) pay(seller, t, 0, afterwards);
        choice = choice % 3;
        judged(number, choice);
        uint256 rest = left(t);
        uint256 refunded = balance(buyer);
        execute(t, number);
        vm.assertTrue(settled(t));
        vm.assertEq(balance(buyer) + balance(seller) + balance(feeTo), amount);
        uint256 toBuyer = balance(buyer) - refunded;
        if (choice == 1) vm.assertEq(toBuyer, rest);
        if (choice == 2) vm.assertEq(toBuyer, 0);
        if (choice == 0) {
            uint256 exact = rest - rest * bps / 10_000;
            vm.assertTrue(toBuyer == exact || toBuyer == exact + 1, "more than the odd unit off the fallback");
        }
    }

    /// What the seat did not confirm by ruling it does not confirm at all, whatever the words of the message.
    function testFuzz_no_other_message_is_confirmed(Ruling memory r, uint8 choice, bytes32 other) public {
        Terms memory t = disputed();
        uint256 number = opened(t);
        judged(number, choice % 3);
        Ruling memory good = seat.rulingOf(number, block.timestamp);
        vm.assume(keccak256(abi.encode(r)) != keccak256(abi.encode(good)));
        vm.assertFalse(
            seat.isValidSignature(digest(t, r), word(number, block.timestamp)) == bytes4(0x1626ba7e)
        );
        vm.assertFalse(seat.isValidSignature(other, word(number, block.timestamp)) == bytes4(0x1626ba7e));
        vm.assertTrue(confirms(seat, t, good, number));
    }

    /// `Escrow` gives a signer 100,000 gas; whoever submits can not make the seat's answer run out of it.
    function test_confirming_takes_far_less_gas_than_a_signer_gets() public {
        Terms memory t = disputed();
        uint256 number = opened(t);
        judged(number, 2);
        bytes32 d = digest(t, seat.rulingOf(number, block.timestamp));
        (bool ok, bytes memory answer) = address(seat).staticcall{gas: 20_000}(
            abi.encodeCall(seat.isValidSignature, (d, word(number, block.timestamp)))
        );
        vm.assertTrue(ok && bytes4(answer) == bytes4(0x1626ba7e));
    }
}
