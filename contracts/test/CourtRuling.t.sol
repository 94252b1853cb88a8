// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {CourtBase} from "./CourtBase.sol";
import {Conspirator, CrookedCourt} from "./CourtDoubles.sol";
import {CentralCourt} from "../src/court/CentralCourt.sol";
import {CourtSeat} from "../src/court/CourtSeat.sol";
import {IArbitrator} from "../src/court/IArbitration.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Ruling} from "../src/Messages.sol";
import {Signatures} from "../src/Signatures.sol";
import {Terms} from "../src/Terms.sol";

/// @notice What the seat confirms of a court's ruling, who may rule, appeals, and what changes meanwhile.
contract CourtRulingTest is CourtBase {
    uint256 private constant REENTERED = uint256(uint32(bytes4(keccak256("ReentrancyGuardReentrantCall()"))));

    function test_only_the_message_that_the_ruling_implies_is_confirmed() public {
        Terms memory t = disputed();
        uint256 number = opened(t);
        judged(number, 1);
        Ruling memory good = seat.rulingOf(number, block.timestamp);
        vm.assertTrue(confirms(seat, t, good, number));
        for (uint256 field; field < 6; ++field) {
            Ruling memory r = seat.rulingOf(number, block.timestamp);
            if (field == 0) (r.toSeller, r.toBuyer) = (r.toBuyer, r.toSeller);
            if (field == 1) r.toBuyer -= 1;
            if (field == 2) r.rulingHash = keccak256("other reasons");
            if (field == 3) r.round += 1;
            if (field == 4) r.deadline += 1;
            if (field == 5) r.deadline -= 1;
            vm.assertFalse(confirms(seat, t, r, number));
        }
        vm.assertFalse(confirms(seat, t, good, number + 1));
    }

    function test_any_other_form_of_signature_is_refused_without_a_revert() public {
        Terms memory t = disputed();
        uint256 number = opened(t);
        judged(number, 1);
        bytes32 d = digest(t, seat.rulingOf(number, block.timestamp));
        bytes[4] memory forms =
            [bytes(""), abi.encode(number), abi.encode(number, block.timestamp, 0), sign(0xa000, d)];
        for (uint256 i; i < forms.length; ++i) {
            vm.assertTrue(seat.isValidSignature(d, forms[i]) == bytes4(0xffffffff));
        }
        vm.assertTrue(seat.isValidSignature(d, word(type(uint256).max, type(uint256).max)) == 0xffffffff);
        vm.assertTrue(seat.isValidSignature(d, word(number, block.timestamp)) == 0x1626ba7e);
    }

    function test_on_a_forked_chain_the_ruling_is_not_confirmed() public {
        Terms memory t = disputed();
        uint256 number = opened(t);
        judged(number, 1);
        bytes32 d = digest(t, seat.rulingOf(number, block.timestamp));
        vm.chainId(99);
        vm.assertTrue(seat.isValidSignature(d, word(number, block.timestamp)) == 0xffffffff);
    }

    function test_before_the_court_ruled_nothing_is_confirmed() public {
        Terms memory t = disputed();
        uint256 number = opened(t);
        Ruling memory r = ruling(t, 125e6);
        r.rulingHash = keccak256(abi.encode(keccak256("Holdfast court ruling"), 0));
        r.deadline = block.timestamp + 120 days;
        vm.assertFalse(confirms(seat, t, r, number));
        refuses(CourtSeat.NotRuled.selector);
        seat.rulingOf(number, block.timestamp);
        judged(number, 0);
        vm.assertTrue(confirms(seat, t, r, number));
        refuses(CourtSeat.NoCase.selector);
        seat.rulingOf(number + 1, block.timestamp);
    }

    function test_the_ruling_waits_for_the_appeal_window() public {
        seat = seatOf(court, 3 days);
        Terms memory t = disputed();
        uint256 number = opened(t);
        judged(number, 2);
        refuses(CourtSeat.TooEarly.selector);
        seat.rulingOf(number, START + 3 days - 1);
        Ruling memory r = seat.rulingOf(number, START + 3 days);
        Ruling memory early = r;
        early.notBefore -= 1;
        vm.assertFalse(confirms(seat, t, early, number));
        r = seat.rulingOf(number, START + 3 days);
        refuses(IEscrow.TooEarly.selector);
        execute(t, r, number);
        vm.warp(START + 3 days);
        execute(t, r, number);
        vm.assertEq(balance(seller), AMOUNT);
    }

    function test_a_ruling_dies_with_the_arbitration_period() public {
        Terms memory t = disputed();
        uint256 number = opened(t);
        vm.warp(START + 119 days);
        judged(number, 2);
        Ruling memory r = seat.rulingOf(number, START + 120 days);
        refuses(CourtSeat.TooLate.selector);
        seat.rulingOf(number, START + 120 days + 1);
        vm.warp(START + 120 days + 1);
        refuses(IEscrow.TooLate.selector);
        execute(t, r, number);
        Ruling memory late = r;
        late.notBefore = block.timestamp;
        vm.assertFalse(confirms(seat, t, late, number));
        escrow.claimFallback(t);
        vm.assertEq(balance(seller), AMOUNT / 2);
    }

    function test_a_court_that_rules_after_the_end_leaves_the_fallback() public {
        Terms memory t = disputed();
        uint256 number = opened(t);
        vm.warp(START + 130 days);
        judged(number, 2);
        refuses(CourtSeat.TooLate.selector);
        seat.rulingOf(number, block.timestamp);
        refuses(CourtSeat.TooEarly.selector);
        seat.rulingOf(number, START + 120 days);
        escrow.claimFallback(t);
        vm.assertTrue(settled(t));
    }

    // ---- who rules -----------------------------------------------------------------------------------------

    function test_another_court_or_a_person_can_not_rule() public {
        Terms memory t = disputed();
        uint256 number = opened(t);
        CrookedCourt other = new CrookedCourt();
        refuses(CourtSeat.NotArbitrator.selector);
        other.say(seat, number, 2);
        address[3] memory who = [judge, buyer, stranger];
        for (uint256 i; i < 3; ++i) {
            vm.prank(who[i]);
            refuses(CourtSeat.NotArbitrator.selector);
            seat.rule(number, 2);
        }
    }

    function test_the_court_rules_once_on_a_case_it_has_with_a_choice_it_was_given() public {
        Terms memory t = disputed();
        uint256 number = opened(t);
        vm.prank(address(court));
        refuses(CourtSeat.NoCase.selector);
        seat.rule(number + 1, 1);
        vm.prank(address(court));
        refuses(CourtSeat.WrongRuling.selector);
        seat.rule(number, 3);
        judged(number, 1);
        vm.prank(address(court));
        refuses(CourtSeat.AlreadyRuled.selector);
        seat.rule(number, 2);
        execute(t, number);
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_a_court_that_rules_while_it_is_being_asked_opens_nothing() public {
        (CrookedCourt crook, Terms memory t) = _crooked();
        crook.play(CrookedCourt.Trick.RULE_WHILE_CREATING);
        vm.expectRevert(abi.encodePacked(bytes4(uint32(REENTERED))));
        seat.open(t, alone(seat), 1);
    }

    function test_a_court_that_rules_while_it_hears_an_appeal_is_refused() public {
        (CrookedCourt crook, Terms memory t) = _crooked();
        seat.open(t, alone(seat), 1);
        crook.play(CrookedCourt.Trick.RULE_WHILE_APPEALED);
        vm.prank(buyer);
        vm.expectRevert(abi.encodePacked(bytes4(uint32(REENTERED))));
        seat.appeal(t, 0);
    }

    function test_a_court_can_not_open_the_case_again_from_inside() public {
        (CrookedCourt crook, Terms memory t) = _crooked();
        crook.aim(seat, t);
        crook.play(CrookedCourt.Trick.OPEN_AGAIN);
        vm.expectRevert(abi.encodePacked(bytes4(uint32(REENTERED))));
        seat.open(t, alone(seat), 1);
    }

    function test_a_court_that_gives_one_number_twice_gets_one_case() public {
        (CrookedCourt crook, Terms memory t) = _crooked();
        crook.play(CrookedCourt.Trick.SAME_NUMBER);
        seat.open(t, alone(seat), 1);
        vm.prank(seller);
        escrow.appeal(t, 1);
        vm.expectRevert(abi.encodeWithSelector(CourtSeat.AlreadyOpened.selector, 0));
        seat.open(t, alone(seat), 1);
    }

    function test_change_that_comes_back_can_not_be_used_to_get_in_again() public {
        Terms memory t = disputed();
        Conspirator who = new Conspirator();
        bytes memory plot = abi.encodeCall(CourtSeat.open, (t, alone(seat), 1));
        who.open{value: 1 ether}(seat, t, alone(seat), plot);
        vm.assertTrue(bytes4(who.answer()) == bytes4(uint32(REENTERED)));
        vm.assertEq(address(court).balance, FEE);
    }

    // ---- what changes meanwhile ----------------------------------------------------------------------------

    function test_a_ruling_on_an_escrow_that_was_settled_meanwhile_changes_nothing() public {
        Terms memory t = disputed();
        uint256 number = opened(t);
        pay(buyer, t, AMOUNT, 0);
        judged(number, 1);
        Ruling memory r = seat.rulingOf(number, block.timestamp);
        refuses(IEscrow.AlreadySettled.selector);
        execute(t, r, number);
        vm.assertEq(balance(seller), AMOUNT);
    }

    function test_a_ruling_on_a_withdrawn_dispute_changes_nothing() public {
        Terms memory t = disputed();
        uint256 number = opened(t);
        vm.prank(buyer);
        escrow.withdrawDispute(t);
        judged(number, 1);
        Ruling memory r = seat.rulingOf(number, block.timestamp);
        refuses(IEscrow.WrongStatus.selector);
        execute(t, r, number);
    }

    function test_a_dispute_opened_again_needs_a_case_of_its_own() public {
        Terms memory t = disputed();
        uint256 first = opened(t);
        vm.prank(buyer);
        escrow.withdrawDispute(t);
        dispute(buyer, t, 0);
        judged(first, 1);
        Ruling memory r = seat.rulingOf(first, block.timestamp);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.WrongRound.selector, 2));
        execute(t, r, first);
        uint256 second = opened(t);
        judged(second, 2);
        execute(t, second);
        vm.assertEq(balance(seller), AMOUNT);
    }

    function test_an_appeal_on_the_escrow_voids_the_ruling_and_needs_a_new_case() public {
        Terms memory t = disputed();
        uint256 first = opened(t);
        judged(first, 2);
        vm.prank(buyer);
        escrow.appeal(t, 0);
        Ruling memory r = seat.rulingOf(first, block.timestamp);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.WrongRound.selector, 2));
        execute(t, r, first);
        r.round = 2;
        refusesSignature(0);
        execute(t, r, first);
        uint256 second = opened(t);
        judged(second, 1);
        execute(t, second);
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_a_ruling_is_executed_once() public {
        Terms memory t = disputed();
        uint256 number = opened(t);
        judged(number, 1);
        Ruling memory r = seat.rulingOf(number, block.timestamp);
        execute(t, r, number);
        put(t, AMOUNT);
        refuses(IEscrow.AlreadySettled.selector);
        execute(t, r, number);
    }

    // ---- appeals to the court ------------------------------------------------------------------------------

    function test_a_side_appeals_to_the_court_which_rules_again() public {
        Terms memory t = _appealable();
        uint256 number = opened(t);
        judged(number, 2);
        vm.assertTrue(court.disputeStatus(number) == IArbitrator.DisputeStatus.Appealable);
        refuses(CourtSeat.NotRuled.selector);
        seat.rulingOf(number, block.timestamp);
        vm.expectEmit(true, true, true, true, address(seat));
        emit CourtSeat.CourtAppealed(id(t), number, buyer, 0);
        vm.prank(buyer);
        seat.appeal{value: 1 ether}(t, 0);
        vm.assertEq(buyer.balance, 10 ether - APPEAL_FEE);
        judged(number, 1);
        vm.warp(block.timestamp + APPEAL_TIME + 1);
        court.executeRuling(number);
        execute(t, number);
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_each_side_appeals_to_the_court_once() public {
        Terms memory t = _appealable();
        uint256 number = opened(t);
        judged(number, 2);
        vm.prank(buyer);
        seat.appeal{value: APPEAL_FEE}(t, 0);
        judged(number, 2);
        vm.prank(buyer);
        refuses(CourtSeat.TooMany.selector);
        seat.appeal{value: APPEAL_FEE}(t, 0);
        vm.prank(operator);
        vm.deal(operator, 1 ether);
        refuses(CourtSeat.TooMany.selector);
        seat.appeal{value: APPEAL_FEE}(t, 0);
        vm.prank(operator);
        seat.appeal{value: APPEAL_FEE}(t, 1);
    }

    function test_only_a_side_or_the_operator_for_it_appeals_to_the_court() public {
        Terms memory t = _appealable();
        uint256 number = opened(t);
        judged(number, 2);
        address[3] memory who = [stranger, seller, operator];
        uint8[3] memory sides = [0, 0, 2];
        vm.deal(operator, 1 ether);
        for (uint256 i; i < 3; ++i) {
            vm.prank(who[i]);
            refuses(CourtSeat.NotAllowed.selector);
            seat.appeal{value: APPEAL_FEE}(t, sides[i]);
        }
    }

    function test_an_appeal_needs_its_fee_a_case_and_a_court_that_takes_it() public {
        Terms memory t = _appealable();
        vm.prank(buyer);
        refuses(CourtSeat.NoCase.selector);
        seat.appeal{value: APPEAL_FEE}(t, 0);
        uint256 number = opened(t);
        vm.prank(buyer);
        refuses(CentralCourt.WrongStatus.selector);
        seat.appeal{value: APPEAL_FEE}(t, 0);
        judged(number, 2);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(CourtSeat.FeeTooLow.selector, APPEAL_FEE));
        seat.appeal{value: APPEAL_FEE - 1}(t, 0);
        vm.warp(block.timestamp + APPEAL_TIME + 1);
        vm.prank(buyer);
        refuses(CentralCourt.TooLate.selector);
        seat.appeal{value: APPEAL_FEE}(t, 0);
        court.executeRuling(number);
        vm.prank(buyer);
        refuses(CourtSeat.AlreadyRuled.selector);
        seat.appeal{value: APPEAL_FEE}(t, 0);
    }

    function test_no_appeal_to_the_court_in_the_last_14_days() public {
        Terms memory t = _appealable();
        uint256 number = opened(t);
        vm.warp(START + 106 days);
        judged(number, 2);
        vm.warp(START + 106 days + 1);
        vm.prank(buyer);
        refuses(CourtSeat.TooLate.selector);
        seat.appeal{value: APPEAL_FEE}(t, 0);
        vm.warp(START + 106 days);
        vm.prank(buyer);
        seat.appeal{value: APPEAL_FEE}(t, 0);
    }

    // ---- the example court ---------------------------------------------------------------------------------

    function test_the_example_court_obeys_its_judge_alone() public {
        Terms memory t = disputed();
        uint256 number = opened(t);
        refuses(CentralCourt.NotJudge.selector);
        court.giveRuling(number, 1);
        vm.prank(judge);
        refuses(CentralCourt.WrongRuling.selector);
        court.giveRuling(number, 3);
        judged(number, 1);
        vm.prank(judge);
        refuses(CentralCourt.WrongStatus.selector);
        court.giveRuling(number, 2);
        refuses(CentralCourt.WrongStatus.selector);
        court.executeRuling(number);
        vm.assertEq(court.currentRuling(number), 1);
    }

    function test_the_example_court_keeps_its_periods_and_its_fees() public {
        Terms memory t = _appealable();
        refuses(CentralCourt.FeeTooLow.selector);
        court.createDispute{value: FEE - 1}(2, "");
        uint256 number = opened(t);
        judged(number, 1);
        (uint256 start, uint256 end) = court.appealPeriod(number);
        vm.assertEq(start, START);
        vm.assertEq(end, START + APPEAL_TIME);
        vm.deal(address(this), 1 ether);
        refuses(CentralCourt.NotArbitrable.selector);
        court.appeal{value: APPEAL_FEE}(number, "");
        vm.prank(address(seat));
        refuses(CentralCourt.FeeTooLow.selector);
        court.appeal(number, "");
        vm.warp(end);
        refuses(CentralCourt.TooEarly.selector);
        court.executeRuling(number);
        vm.warp(end + 1);
        court.executeRuling(number);
        court.collect();
        vm.assertEq(judge.balance, FEE);
    }

    function _crooked() private returns (CrookedCourt crook, Terms memory t) {
        crook = new CrookedCourt();
        seat = seatOf(crook, 0);
        t = disputed();
    }

    /// The same with a court that takes appeals for three days.
    function _appealable() private returns (Terms memory) {
        court = new CentralCourt(judge, FEE, APPEAL_FEE, APPEAL_TIME);
        seat = seatOf(court, 0);
        return disputed();
    }
}
