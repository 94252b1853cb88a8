// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {Agreeing, Greedy, Refusing, Wasteful} from "./Wallets.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Ruling} from "../src/Messages.sol";
import {Signatures} from "../src/Signatures.sol";
import {Terms} from "../src/Terms.sol";

contract RuleTest is Base {
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function test_two_of_three_split_and_anyone_submits() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 100e6);
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Ruled(id(t), 1, r.rulingHash);
        rule(t, r);
        vm.assertEq(balance(seller), 100e6);
        vm.assertEq(balance(buyer), 150e6);
        vm.assertTrue(settled(t));
    }

    function test_any_two_of_the_three_are_enough() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        bytes[] memory signatures = signed(t, r, 3);
        signatures[1] = "";
        escrow.rule(t, r, seats, 2, signatures);
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_one_of_three_is_not_enough() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        bytes[] memory signatures = signed(t, r, 1);
        refuses(Signatures.TooFewSignatures.selector);
        escrow.rule(t, r, seats, 2, signatures);
    }

    function test_one_seat_does_not_count_twice() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        bytes[] memory signatures = signed(t, r, 1);
        signatures[1] = signatures[0];
        vm.expectRevert(abi.encodeWithSelector(Signatures.BadSignature.selector, 1));
        escrow.rule(t, r, seats, 2, signatures);
        address[] memory twice = new address[](3);
        (twice[0], twice[1], twice[2]) = (seats[0], seats[0], seats[2]);
        refuses(Signatures.BadSeats.selector);
        escrow.rule(t, r, twice, 2, signatures);
    }

    function test_terms_that_name_a_seat_twice_can_not_rule() public {
        seats[1] = seats[0];
        seatKeys[1] = seatKeys[0];
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        bytes[] memory signatures = signed(t, r, 3);
        refuses(Signatures.BadSeats.selector);
        escrow.rule(t, r, seats, 2, signatures);
    }

    function test_a_lower_threshold_than_the_terms_named_is_refused() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        bytes[] memory signatures = signed(t, r, 1);
        refuses(Signatures.BadSeats.selector);
        escrow.rule(t, r, seats, 1, signatures);
        refuses(Signatures.BadSeats.selector);
        escrow.rule(t, r, seats, 0, signatures);
    }

    function test_a_zero_threshold_in_the_terms_rules_nothing() public {
        Plan memory p = plan();
        p.arbiters = arbitersOf(seats, 0);
        Terms memory t = funded(pack(p));
        dispute(buyer, t, 0);
        Ruling memory r = ruling(t, 0);
        bytes[] memory signatures = new bytes[](3);
        refuses(Signatures.BadSeats.selector);
        escrow.rule(t, r, seats, 0, signatures);
    }

    function test_a_signer_of_zero_is_refused() public {
        seats[0] = address(0);
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        bytes[] memory signatures = signed(t, r, 2);
        // recovers to zero
        signatures[0] = abi.encodePacked(bytes32(uint256(1)), bytes32(uint256(1)), uint8(29));
        refuses(Signatures.BadSeats.selector);
        escrow.rule(t, r, seats, 2, signatures);
    }

    function test_a_party_is_never_a_seat() public {
        address[4] memory named = [buyer, seller, operator, feeTo];
        for (uint256 i; i < 4; ++i) {
            _makeSeats(3);
            Plan memory p = plan();
            address[] memory one = new address[](1);
            one[0] = named[i];
            p.arbiters = arbitersOf(one, 1);
            Terms memory t = funded(pack(p));
            dispute(buyer, t, 0);
            Ruling memory r = ruling(t, 0);
            bytes[] memory signatures = new bytes[](1);
            signatures[0] = sign(BUYER_KEY, digest(t, r));
            refuses(Signatures.BadSeats.selector);
            escrow.rule(t, r, one, 1, signatures);
        }
    }

    function test_more_than_nine_seats_rule_nothing_and_nine_do() public {
        _makeSeats(10);
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        bytes[] memory signatures = signed(t, r, 2);
        refuses(Signatures.BadSeats.selector);
        escrow.rule(t, r, seats, 2, signatures);
        _makeSeats(9);
        t = _disputed();
        r = ruling(t, 0);
        signatures = signed(t, r, 9);
        escrow.rule(t, r, seats, 2, signatures);
    }

    function test_the_other_form_of_a_signature_is_refused() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        bytes[] memory signatures = signed(t, r, 2);
        (uint8 v, bytes32 x, bytes32 s) = vm.sign(seatKeys[0], digest(t, r));
        signatures[0] = abi.encodePacked(x, bytes32(ORDER - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        vm.expectRevert(abi.encodeWithSelector(Signatures.BadSignature.selector, 0));
        escrow.rule(t, r, seats, 2, signatures);
    }

    function test_a_signature_of_another_length_is_refused() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        bytes[] memory signatures = signed(t, r, 2);
        signatures[0] = abi.encodePacked(signatures[0], uint8(0));
        vm.expectRevert(abi.encodeWithSelector(Signatures.BadSignature.selector, 0));
        escrow.rule(t, r, seats, 2, signatures);
    }

    function test_changed_amounts_or_reasons_void_the_signatures() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        bytes[] memory signatures = signed(t, r, 2);
        (r.toSeller, r.toBuyer) = (r.toBuyer, r.toSeller);
        vm.expectRevert(abi.encodeWithSelector(Signatures.BadSignature.selector, 0));
        escrow.rule(t, r, seats, 2, signatures);
        (r.toSeller, r.toBuyer) = (r.toBuyer, r.toSeller);
        r.rulingHash = 0;
        vm.expectRevert(abi.encodeWithSelector(Signatures.BadSignature.selector, 0));
        escrow.rule(t, r, seats, 2, signatures);
    }

    function test_a_ruling_of_another_escrow_does_not_serve() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        bytes[] memory signatures = signed(t, r, 2);
        Plan memory p = plan();
        p.deal = keccak256("another deal");
        Terms memory other = funded(pack(p));
        dispute(buyer, other, 0);
        vm.expectRevert(abi.encodeWithSelector(Signatures.BadSignature.selector, 0));
        escrow.rule(other, r, seats, 2, signatures);
    }

    function test_a_ruling_signed_for_another_chain_or_contract_does_not_serve() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        vm.chainId(1);
        bytes[] memory foreign = signed(t, r, 2);
        vm.chainId(31_337);
        vm.expectRevert(abi.encodeWithSelector(Signatures.BadSignature.selector, 0));
        escrow.rule(t, r, seats, 2, foreign);
    }

    function test_a_ruling_of_an_earlier_round_is_dead() public {
        Terms memory t = _disputed();
        Ruling memory old = ruling(t, AMOUNT);
        bytes[] memory signatures = signed(t, old, 2);
        vm.prank(buyer);
        escrow.withdrawDispute(t);
        refuses(IEscrow.WrongStatus.selector);
        escrow.rule(t, old, seats, 2, signatures);
        dispute(buyer, t, 0);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.WrongRound.selector, 2));
        escrow.rule(t, old, seats, 2, signatures);
    }

    function test_a_ruling_waits_for_not_before_and_dies_after_its_deadline() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        r.notBefore = START + 3 days;
        r.deadline = START + 4 days;
        bytes[] memory signatures = signed(t, r, 2);
        vm.warp(START + 3 days - 1);
        refuses(IEscrow.TooEarly.selector);
        escrow.rule(t, r, seats, 2, signatures);
        vm.warp(START + 4 days + 1);
        refuses(IEscrow.TooLate.selector);
        escrow.rule(t, r, seats, 2, signatures);
        vm.warp(START + 4 days);
        escrow.rule(t, r, seats, 2, signatures);
    }

    function test_a_ruling_is_executed_once() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, AMOUNT);
        rule(t, r);
        put(t, AMOUNT);
        bytes[] memory signatures = signed(t, r, 2);
        refuses(IEscrow.AlreadySettled.selector);
        escrow.rule(t, r, seats, 2, signatures);
    }

    function test_a_ruling_on_less_or_more_than_there_is_is_refused() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        r.toBuyer -= 1;
        bytes[] memory signatures = signed(t, r, 2);
        refuses(IEscrow.WrongAmount.selector);
        escrow.rule(t, r, seats, 2, signatures);
        r.toBuyer = AMOUNT + 1;
        signatures = signed(t, r, 2);
        refuses(IEscrow.WrongAmount.selector);
        escrow.rule(t, r, seats, 2, signatures);
        r.toSeller = type(uint256).max;
        r.toBuyer = 2;
        signatures = signed(t, r, 2);
        refuses(IEscrow.WrongAmount.selector);
        escrow.rule(t, r, seats, 2, signatures);
    }

    /// The loser gives away one unit just before the ruling arrives.
    function test_conceding_a_unit_does_not_void_a_ruling() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 0);
        bytes[] memory signatures = signed(t, r, 2);
        pay(seller, t, 0, 1);
        escrow.rule(t, r, seats, 2, signatures);
        vm.assertEq(balance(buyer), AMOUNT);
        vm.assertTrue(settled(t));
    }

    function test_conceding_costs_only_the_one_who_conceded() public {
        Terms memory t = _disputed();
        Ruling memory r = ruling(t, 100e6);
        bytes[] memory signatures = signed(t, r, 2);
        pay(seller, t, 0, 50e6);
        escrow.rule(t, r, seats, 2, signatures);
        vm.assertTrue(balance(buyer) >= 150e6);
        vm.assertEq(balance(seller), 80e6);
        vm.assertEq(balance(seller) + balance(buyer), AMOUNT);
    }

    function test_only_a_disputed_escrow_is_ruled() public {
        Terms memory t = funded(terms());
        Ruling memory r = ruling(t, 0);
        bytes[] memory signatures = signed(t, r, 2);
        refuses(IEscrow.WrongStatus.selector);
        escrow.rule(t, r, seats, 2, signatures);
    }

    function test_a_contract_can_hold_a_seat() public {
        Agreeing wallet = new Agreeing();
        (Terms memory t, address[] memory one) = _oneSeat(address(wallet));
        Ruling memory r = ruling(t, 0);
        wallet.agree(digest(t, r));
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = hex"01";
        escrow.rule(t, r, one, 1, signatures);
        vm.assertEq(balance(buyer), AMOUNT);
    }

    function test_a_contract_that_did_not_agree_does_not_rule() public {
        (Terms memory t, address[] memory one) = _oneSeat(address(new Refusing()));
        Ruling memory r = ruling(t, 0);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = hex"01";
        vm.expectRevert(abi.encodeWithSelector(Signatures.BadSignature.selector, 0));
        escrow.rule(t, r, one, 1, signatures);
    }

    function test_a_contract_seat_can_not_burn_more_than_its_gas() public {
        (Terms memory t, address[] memory one) = _oneSeat(address(new Greedy()));
        Ruling memory r = ruling(t, 0);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = hex"01";
        uint256 before = gasleft();
        vm.expectRevert(abi.encodeWithSelector(Signatures.BadSignature.selector, 0));
        escrow.rule(t, r, one, 1, signatures);
        vm.assertTrue(before - gasleft() < 250_000);
    }

    function test_a_good_contract_signature_can_not_be_starved_of_gas() public {
        Agreeing wallet = new Agreeing();
        (Terms memory t, address[] memory one) = _oneSeat(address(wallet));
        Ruling memory r = ruling(t, 0);
        wallet.agree(digest(t, r));
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = hex"01";
        refuses(IEscrow.NotEnoughGas.selector);
        escrow.rule{gas: 100_000}(t, r, one, 1, signatures);
    }

    /// Seats that are contracts burn gas; what is left after them may suffice for nothing.
    function test_a_ruling_in_a_batch_never_fails_for_want_of_gas_alone() public {
        Plan memory p = plan();
        address[] memory three = new address[](3);
        bytes[] memory signatures = new bytes[](3);
        for (uint256 i; i < 3; ++i) {
            three[i] = address(uint160(0x5ea700 + i));
            vm.etch(three[i], address(new Wasteful()).code);
            signatures[i] = hex"01";
        }
        p.arbiters = arbitersOf(three, 3);
        Terms memory t = funded(pack(p));
        dispute(buyer, t, 0);
        bytes[] memory items = new bytes[](1);
        items[0] = abi.encodeCall(escrow.rule, (t, ruling(t, AMOUNT / 2), three, 3, signatures));
        bytes memory data = abi.encodeCall(escrow.batch, (items));
        for (uint256 gas_ = 340_000; gas_ < 900_000; gas_ += 2_000) {
            (bool ok, bytes memory answer) = address(escrow).call{gas: gas_}(data);
            if (!ok) continue;
            vm.assertTrue(abi.decode(answer, (bool[]))[0], "failed silently");
            return;
        }
        vm.assertTrue(false, "never enough");
    }

    function _disputed() private returns (Terms memory t) {
        t = funded(terms());
        dispute(buyer, t, 0);
    }

    function _oneSeat(address seat) private returns (Terms memory t, address[] memory one) {
        Plan memory p = plan();
        one = new address[](1);
        one[0] = seat;
        p.arbiters = arbitersOf(one, 1);
        t = funded(pack(p));
        dispute(buyer, t, 0);
    }
}
