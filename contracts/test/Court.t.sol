// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {CourtBase, VmAnyEmitter} from "./CourtBase.sol";
import {Conspirator} from "./CourtDoubles.sol";
import {Plan} from "./Base.sol";
import {CentralCourt} from "../src/court/CentralCourt.sol";
import {CourtSeat} from "../src/court/CourtSeat.sol";
import {IArbitrable, IArbitrator, IEvidence} from "../src/court/IArbitration.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Ruling} from "../src/Messages.sol";
import {Signatures} from "../src/Signatures.sol";
import {Terms} from "../src/Terms.sol";

/// @notice From a dispute on `Escrow` through an outside court to the payout, and everything that is refused on the way
/// to the ruling.
contract CourtTest is CourtBase {
    function test_a_court_alone_decides_from_dispute_to_payout() public {
        Terms memory t = disputed();
        vm.expectEmit(true, true, true, true, address(court));
        emit IArbitrator.DisputeCreation(0, IArbitrable(address(seat)));
        vm.expectEmit(true, true, true, true, address(seat));
        emit IEvidence.Dispute(court, 0, 0, uint256(id(t)));
        vm.expectEmit(true, true, true, true, address(seat));
        emit CourtSeat.CaseOpened(id(t), 0, stranger, 1, block.timestamp + 120 days);
        uint256 number = opened(t);
        vm.expectEmit(true, true, true, true, address(seat));
        emit IEvidence.Evidence(court, uint256(id(t)), seller, "ipfs://delivered");
        vm.prank(seller);
        seat.submitEvidence(t, "ipfs://delivered");
        vm.expectEmit(true, true, true, true, address(seat));
        emit IArbitrable.Ruling(court, number, 2);
        judged(number, 2);
        execute(t, number);
        vm.assertEq(balance(seller), AMOUNT);
        vm.assertTrue(settled(t));
        vm.assertEq(address(seat).balance, 0);
        vm.assertEq(address(court).balance, FEE);
    }

    function test_a_court_for_the_buyer_pays_the_buyer() public {
        Terms memory t = disputed();
        judged(opened(t), 1);
        execute(t, 0);
        vm.assertEq(balance(buyer), AMOUNT);
        vm.assertEq(balance(seller), 0);
    }

    function test_a_court_that_refuses_to_arbitrate_gives_the_fallback_split() public {
        Plan memory p = plan();
        p.amount = 1_000_001;
        p.fallbackBps = 3_333;
        p.arbiters = arbitersOf(alone(seat), 1);
        Terms memory t = funded(pack(p));
        dispute(seller, t, 1);
        judged(opened(t), 0);
        execute(t, 0);
        vm.assertEq(balance(seller), 333_300);
        vm.assertEq(balance(buyer), 666_701);
    }

    function test_a_court_and_a_key_rule_together_and_neither_alone() public {
        address[] memory signers = _besideKeys();
        Terms memory t = funded(naming(signers, 2));
        dispute(buyer, t, 0);
        uint256 number = seat.open{value: FEE}(t, signers, 2);
        judged(number, 2);
        Ruling memory r = seat.rulingOf(number, block.timestamp);
        bytes[] memory signatures = new bytes[](3);
        uint256 place = _placeOf(signers, address(seat));
        signatures[place] = word(number, r.notBefore);
        refuses(Signatures.TooFewSignatures.selector);
        escrow.rule(t, r, signers, 2, signatures);
        uint256 other = place == 0 ? 1 : 0;
        signatures[other] = sign(_keyOf(signers[other]), digest(t, r));
        escrow.rule(t, r, signers, 2, signatures);
        vm.assertEq(balance(seller), AMOUNT);
    }

    function test_two_courts_that_agree_confirm_one_message_although_they_ruled_at_different_times() public {
        CourtSeat second = seatOf(court, 5 days);
        (address a, address b) = (address(seat), address(second));
        address[] memory signers = new address[](2);
        (signers[0], signers[1]) = a < b ? (a, b) : (b, a);
        Terms memory t = funded(naming(signers, 2));
        dispute(buyer, t, 0);
        uint256 one = seat.open{value: FEE}(t, signers, 2);
        uint256 two = second.open{value: FEE}(t, signers, 2);
        judged(one, 1);
        vm.warp(START + 10 days);
        judged(two, 1);
        vm.warp(START + 15 days);
        Ruling memory r = second.rulingOf(two, block.timestamp);
        bytes[] memory signatures = new bytes[](2);
        signatures[a < b ? 0 : 1] = word(one, r.notBefore);
        signatures[a < b ? 1 : 0] = word(two, r.notBefore);
        escrow.rule(t, r, signers, 2, signatures);
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_a_part_conceded_meanwhile_stays_conceded_and_the_rest_follows_the_ruling() public {
        Terms memory t = disputed();
        uint256 number = opened(t);
        pay(buyer, t, 50e6, 0);
        judged(number, 0);
        pay(seller, t, 0, 100e6);
        execute(t, number);
        vm.assertEq(balance(seller), 50e6 + 50e6);
        vm.assertEq(balance(buyer), 100e6 + 50e6);
    }

    // ---- opening a case ------------------------------------------------------------------------------------

    function test_only_a_disputed_escrow_has_a_case() public {
        Terms memory t = funded(naming(alone(seat), 1));
        refuses(CourtSeat.NotDisputed.selector);
        seat.open{value: FEE}(t, alone(seat), 1);
        pay(buyer, t, AMOUNT, 0);
        refuses(CourtSeat.NotDisputed.selector);
        seat.open{value: FEE}(t, alone(seat), 1);
    }

    function test_nobody_pays_for_a_court_that_the_terms_do_not_name() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        refuses(CourtSeat.NotASeat.selector);
        seat.open{value: FEE}(t, seats, 2);
        refuses(CourtSeat.NotASeat.selector);
        seat.open{value: FEE}(t, alone(seat), 1);
        Terms memory own = disputed();
        refuses(CourtSeat.NotASeat.selector);
        seat.open{value: FEE}(own, alone(seat), 2);
    }

    function test_one_case_per_round_whoever_opens_it() public {
        Terms memory t = disputed();
        uint256 number = opened(t);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(CourtSeat.AlreadyOpened.selector, number));
        seat.open{value: FEE}(t, alone(seat), 1);
        (bool known, uint256 found) = seat.numberOf(id(t), 1);
        vm.assertTrue(known);
        vm.assertEq(found, number);
    }

    function test_two_escrows_have_two_cases() public {
        Terms memory t = disputed();
        Plan memory p = plan();
        p.deal = keccak256("another deal");
        p.arbiters = arbitersOf(alone(seat), 1);
        Terms memory u = funded(pack(p));
        dispute(buyer, u, 0);
        uint256 first = opened(t);
        uint256 second = opened(u);
        judged(second, 2);
        vm.assertFalse(confirms(seat, t, seat.rulingOf(second, block.timestamp), second));
        refuses(CourtSeat.NotRuled.selector);
        seat.rulingOf(first, block.timestamp);
        execute(u, second);
        vm.assertEq(balance(seller), AMOUNT);
        vm.assertFalse(settled(t));
    }

    function test_the_fee_is_asked_in_full_and_change_comes_back() public {
        Terms memory t = disputed();
        vm.expectRevert(abi.encodeWithSelector(CourtSeat.FeeTooLow.selector, FEE));
        seat.open{value: FEE - 1}(t, alone(seat), 1);
        vm.prank(stranger);
        seat.open{value: 3 ether}(t, alone(seat), 1);
        vm.assertEq(stranger.balance, 10 ether - FEE);
        vm.assertEq(address(court).balance, FEE);
        vm.assertEq(address(seat).balance, 0);
    }

    function test_who_refuses_the_change_opened_nothing() public {
        Terms memory t = disputed();
        Conspirator who = new Conspirator();
        who.close();
        refuses(CourtSeat.RefundFailed.selector);
        who.open{value: 1 ether}(seat, t, alone(seat), "");
        (bool known,) = seat.numberOf(id(t), 1);
        vm.assertFalse(known);
        who.open{value: FEE}(seat, t, alone(seat), "");
    }

    function test_no_case_is_opened_when_the_fallback_is_open() public {
        Terms memory t = disputed();
        vm.warp(START + 120 days);
        uint256 number = opened(t);
        vm.assertEq(seat.caseOf(number).deadline, block.timestamp);
        Plan memory p = plan();
        p.deal = keccak256("late");
        p.fundBy = block.timestamp + 1 days;
        p.deliverBy = block.timestamp + 2 days;
        p.arbiters = arbitersOf(alone(seat), 1);
        Terms memory u = funded(pack(p));
        dispute(buyer, u, 0);
        vm.warp(block.timestamp + 120 days + 1);
        refuses(CourtSeat.TooLate.selector);
        seat.open{value: FEE}(u, alone(seat), 1);
    }

    function test_a_court_needs_code_and_a_window_of_at_most_30_days() public {
        refuses(CourtSeat.BadCourt.selector);
        new CourtSeat(address(escrow), IArbitrator(stranger), 0, "", "");
        refuses(CourtSeat.BadCourt.selector);
        new CourtSeat(address(escrow), court, 30 days + 1, "", "");
        VmAnyEmitter(address(vm)).expectEmit();
        emit IEvidence.MetaEvidence(0, "ipfs://meta");
        CourtSeat made = new CourtSeat(address(escrow), court, 30 days, hex"02", "ipfs://meta");
        vm.assertTrue(keccak256(made.extraData()) == keccak256(hex"02"));
    }

    function test_the_seat_takes_no_coins_beside_fees() public {
        vm.prank(stranger);
        (bool ok,) = address(seat).call{value: 1}("");
        vm.assertFalse(ok);
    }

    // ---- evidence ------------------------------------------------------------------------------------------

    function test_buyer_seller_and_operator_submit_evidence_and_nobody_else() public {
        Terms memory t = disputed();
        address[3] memory who = [buyer, seller, operator];
        for (uint256 i; i < 3; ++i) {
            vm.expectEmit(true, true, true, true, address(seat));
            emit IEvidence.Evidence(court, uint256(id(t)), who[i], "ipfs://x");
            vm.prank(who[i]);
            seat.submitEvidence(t, "ipfs://x");
        }
        vm.prank(stranger);
        refuses(CourtSeat.NotAllowed.selector);
        seat.submitEvidence(t, "ipfs://x");
    }

    function test_no_operator_is_not_everybody() public {
        Plan memory p = plan();
        p.operator = address(0);
        p.arbiters = arbitersOf(alone(seat), 1);
        Terms memory t = funded(pack(p));
        dispute(buyer, t, 0);
        vm.prank(address(0));
        refuses(CourtSeat.NotAllowed.selector);
        seat.submitEvidence(t, "ipfs://x");
        vm.prank(stranger);
        refuses(CourtSeat.NotAllowed.selector);
        seat.submitEvidence(t, "ipfs://x");
    }

    function test_evidence_ends_with_the_dispute() public {
        Terms memory t = funded(naming(alone(seat), 1));
        vm.prank(buyer);
        refuses(CourtSeat.NotDisputed.selector);
        seat.submitEvidence(t, "ipfs://early");
        dispute(buyer, t, 0);
        judged(opened(t), 1);
        execute(t, 0);
        vm.prank(buyer);
        refuses(CourtSeat.NotDisputed.selector);
        seat.submitEvidence(t, "ipfs://late");
    }

    // ---- helpers -------------------------------------------------------------------------------------------

    function _besideKeys() private view returns (address[] memory signers) {
        signers = new address[](3);
        (signers[0], signers[1], signers[2]) = (seats[0], seats[1], address(seat));
        for (uint256 i = 2; i > 0 && signers[i] < signers[i - 1]; --i) {
            (signers[i], signers[i - 1]) = (signers[i - 1], signers[i]);
        }
    }

    function _placeOf(address[] memory signers, address who) private pure returns (uint256 i) {
        while (signers[i] != who) ++i;
    }

    function _keyOf(address who) private view returns (uint256) {
        return seatKeys[_placeOf(seats, who)];
    }
}
