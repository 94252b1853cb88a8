// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {Moody, Plain} from "./HostileTokens.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Relayed, Settlement} from "../src/Messages.sol";
import {Terms} from "../src/Terms.sol";

/// @notice An operator that does whatever it is told.
contract Puppet {
    function act(address target, bytes calldata call) external returns (bool ok) {
        (ok,) = target.call(call);
    }
}

/// @notice A token that has the operator come back during every payment.
contract Returning is Plain {
    Puppet public immutable PUPPET = new Puppet();
    address private _target;
    bytes private _call;
    bool public refused;

    function attack(address target, bytes calldata call) external {
        _target = target;
        _call = call;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        refused = !PUPPET.act(_target, _call);
        return super.transfer(to, amount);
    }
}

/// @notice Losses, debts and parts: what no other test noticed when the code was changed on purpose.
contract MutantsLossTest is Base {
    uint256 private constant HALF = AMOUNT / 2;

    function test_what_is_undecided_shares_a_loss_with_what_is_owed() public {
        uint256 amount = 100e18; // more than 64 bits hold
        Plan memory p = plan();
        p.amount = amount;
        Terms memory t = funded(pack(p));
        mark(t);
        _payWhilePaused(t, amount / 2);
        _lose(t);
        put(t, amount / 2);
        escrow.payLeg(t, 0);
        vm.assertEq(balance(seller), amount / 4);
        vm.assertEq(escrow.owed(id(t), 0), amount / 4);
        put(t, amount / 2);
        escrow.payLeg(t, 0);
        vm.assertEq(balance(seller), amount / 2);
        vm.assertEq(escrow.owed(id(t), 0), 0);
    }

    function test_a_debt_counts_while_the_rest_is_disputed() public {
        Terms memory t = funded(terms());
        _payWhilePaused(t, HALF);
        dispute(buyer, t, 0);
        _lose(t);
        put(t, HALF);
        rule(t, ruling(t, HALF));
        vm.assertEq(balance(seller), 0);
        vm.assertEq(escrow.owed(id(t), 0), AMOUNT);
    }

    function test_a_fee_that_takes_a_whole_part_is_a_leg_like_any_other() public {
        Terms memory t = funded(withFee(1_000));
        pay(buyer, t, 9, 0);
        dispute(buyer, t, 0);
        _lose(t);
        put(t, 1e6);
        rule(t, ruling(t, 1));
        vm.assertEq(balance(feeTo), 0);
        vm.assertEq(escrow.owed(id(t), 2), 1);
        vm.assertEq(escrow.owed(id(t), 1), AMOUNT - 10);
    }

    function test_a_part_to_both_sides_is_not_taken_for_the_last_one() public {
        Plan memory p = plan();
        (p.feeBps, p.amount) = (1_000, AMOUNT + 1);
        Terms memory t = funded(pack(p));
        pay(buyer, t, 5, 0);
        uint256 rest = left(t);
        pay(operator, t, 4, rest / 4); // their product is the remainder
        uint256 last = left(t);
        pay(buyer, t, last, 0);
        vm.assertEq(balance(feeTo), (9 + last) / 10);
    }

    function test_a_fee_remembers_a_part_also_when_the_rest_is_delivered() public {
        Terms memory t = funded(withFee(1_000));
        pay(buyer, t, 9, 0);
        mark(t);
        pay(buyer, t, AMOUNT - 9, 0);
        vm.assertEq(balance(feeTo), AMOUNT / 10);
    }

    function test_what_came_on_top_is_no_part_of_a_claim() public {
        Terms memory t = funded(terms());
        pay(seller, t, 0, 1e6);
        put(t, 5e6);
        vm.warp(START + 21 days);
        escrow.claimUndelivered(t);
        vm.assertEq(balance(buyer), AMOUNT);
        vm.assertEq(balance(vault(t)), 5e6);
    }

    function test_changes_can_not_be_requested_to_lift_a_dispute() public {
        Terms memory t = funded(terms());
        mark(t);
        dispute(seller, t, 1);
        refuses(IEscrow.WrongStatus.selector);
        vm.prank(buyer);
        escrow.reopenDelivery(t);
    }

    function test_an_owed_leg_is_paid_on_no_other_chain() public {
        Terms memory t = funded(terms());
        _payWhilePaused(t, AMOUNT);
        uint256 home = block.chainid;
        for (uint256 other = home - 1; other <= home + 1; other += 2) {
            vm.chainId(other);
            refuses(IEscrow.WrongChain.selector);
            escrow.payLeg(t, 0);
        }
        vm.chainId(home);
        escrow.payLeg(t, 0);
        vm.assertEq(balance(seller), AMOUNT);
    }

    function test_a_token_that_tells_nothing_any_more_keeps_no_coins() public {
        Moody token = new Moody();
        Plan memory p = plan();
        p.token = address(token);
        Terms memory t = pack(p);
        token.mint(vault(t), AMOUNT);
        pay(buyer, t, AMOUNT, 0);
        token.be(Moody.Mood.Silent);
        vm.deal(vault(t), 9);
        escrow.rescue(t, address(0));
        vm.assertEq(buyer.balance, 9);
    }

    function test_a_token_that_is_not_there_keeps_no_other() public {
        Plan memory p = plan();
        p.token = address(0xdead);
        Terms memory t = pack(p);
        put(t, 77);
        escrow.rescue(t, address(usdt));
        vm.assertEq(balance(buyer), 77);
    }

    function test_a_settlement_may_come_before_its_last_second() public {
        Terms memory t = funded(terms());
        bytes32 d = settlementDigest(t, HALF, HALF, START + 5);
        escrow.settle(t, Settlement(HALF, HALF, START + 5), sign(BUYER_KEY, d), sign(SELLER_KEY, d));
        vm.assertEq(balance(seller), HALF);
    }

    function test_a_relayed_payment_lets_nobody_in_meanwhile() public {
        Returning token = new Returning();
        Plan memory p = plan();
        (p.token, p.operator) = (address(token), address(token.PUPPET()));
        Terms memory t = pack(p);
        token.mint(vault(t), AMOUNT);
        token.attack(address(escrow), abi.encodeCall(escrow.extend, (t, p.deliverBy + 1 days)));
        relay(t, act(Relayed.PAY, Relayed.BY_BUYER, HALF, 0));
        vm.assertEq(token.balanceOf(seller), HALF);
        vm.assertTrue(token.refused());
        vm.assertEq(state(t).deliverBy, p.deliverBy);
    }

    // ---- small things --------------------------------------------------------------------------------------

    function _payWhilePaused(Terms memory t, uint256 amount) private {
        usdt.pause();
        pay(buyer, t, amount, 0);
        usdt.unpause();
    }

    function _lose(Terms memory t) private {
        address v = vault(t);
        usdt.addBlackList(v);
        usdt.destroyBlackFunds(v);
        usdt.removeBlackList(v);
    }
}
