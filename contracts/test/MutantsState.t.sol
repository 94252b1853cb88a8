// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Plan} from "./Base.sol";
import {GateBase} from "./GateBase.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Settlement} from "../src/Messages.sol";
import {Signatures} from "../src/Signatures.sol";
import {Terms} from "../src/Terms.sol";

interface Recorder {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
}

/// @notice A wallet that looks at nothing when it is given less than it is always given.
contract ShyWallet {
    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        require(gasleft() > 80_000);
        return 0x1626ba7e;
    }
}

/// @notice Needs all that a leg is given, or it refuses at once.
contract ShyToken {
    mapping(address => uint256) public balanceOf;
    bool public paused;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function pause(bool yes) external {
        paused = yes;
    }

    function transfer(address to, uint256 amount) external {
        require(!paused && gasleft() > 120_000);
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice What an escrow remembers, and forgets: what no other test noticed when the code was changed on purpose.
contract MutantsStateTest is GateBase {
    uint256 private constant HALF = AMOUNT / 2;

    function test_a_claim_of_what_was_not_funded_says_so() public {
        Terms memory t = terms();
        put(t, 1e6);
        vm.warp(START + 2 days);
        vm.expectEmit(true, true, true, true, address(escrow));
        emit IEscrow.Decided(id(t), stranger, 4, 0, 1e6, 0, 0, 2);
        vm.prank(stranger);
        escrow.claimUnfunded(t);
    }

    function test_an_escrow_that_is_decided_has_no_slot_though_legs_wait() public {
        Terms memory t = _owed(AMOUNT, 0);
        vm.assertEq(escrow.slotOf(id(t)), 0);
        vm.assertTrue(settled(t));
    }

    function test_a_vault_with_less_than_is_owed_is_as_good_as_empty() public {
        Terms memory t = funded(terms());
        mark(t);
        usdt.pause();
        pay(buyer, t, HALF, 0);
        usdt.unpause();
        _lose(t);
        vm.warp(START + 40 days);
        escrow.claimDelivered(t);
        vm.assertEq(escrow.owed(id(t), 0), AMOUNT);
    }

    function test_terms_are_announced_once() public {
        Terms memory t = funded(terms());
        mark(t);
        Recorder(address(vm)).recordLogs();
        vm.prank(buyer);
        escrow.reopenDelivery(t);
        Recorder.Log[] memory logs = Recorder(address(vm)).getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            vm.assertFalse(logs[i].topics[0] == IEscrow.Announced.selector);
        }
    }

    function test_changes_that_were_requested_are_no_dispute_of_the_operator() public {
        Terms memory t = funded(terms());
        for (uint256 times = 1; times <= 3; ++times) {
            mark(t);
            vm.prank(buyer);
            escrow.reopenDelivery(t);
            vm.assertEq(state(t).reopens, times);
            vm.assertFalse(state(t).byOperator);
        }
    }

    function test_nothing_was_released_before_a_part_was() public {
        Terms memory t = funded(withFee(100));
        vm.assertFalse(state(t).released);
        pay(buyer, t, 1e6, 0);
        vm.assertTrue(state(t).released);
        vm.assertEq(state(t).seq, 1);
    }

    function test_a_leg_that_was_paid_in_full_has_no_part_in_a_later_loss() public {
        Plan memory p = plan();
        p.feeBps = 100;
        Terms memory t = funded(pack(p));
        dispute(buyer, t, 0);
        usdt.pause();
        rule(t, ruling(t, HALF));
        usdt.unpause();
        escrow.payLeg(t, 0);
        _lose(t);
        uint256 fee = HALF / 100;
        put(t, (HALF + fee) / 2);
        escrow.payLeg(t, 1);
        vm.assertEq(balance(buyer), HALF / 2);
        escrow.payLeg(t, 2);
        vm.assertEq(balance(feeTo), fee / 2);
    }

    function test_a_waiting_leg_gets_a_legs_gas_even_from_little() public {
        ShyToken token = new ShyToken();
        Plan memory p = plan();
        p.token = address(token);
        Terms memory t = pack(p);
        token.mint(vault(t), AMOUNT);
        token.pause(true);
        pay(buyer, t, AMOUNT, 0);
        token.pause(false);
        escrow.payLeg{gas: 400_000}(t, 0);
        vm.assertEq(token.balanceOf(seller), AMOUNT);
    }

    function test_little_gas_never_makes_a_wallets_signature_look_bad() public {
        Plan memory p = plan();
        p.buyer = address(new ShyWallet());
        Terms memory t = funded(pack(p));
        bytes32 d = settlementDigest(t, 0, AMOUNT, START);
        bytes memory call =
            abi.encodeCall(escrow.settle, (t, Settlement(0, AMOUNT, START), hex"01", sign(SELLER_KEY, d)));
        bool ok;
        for (uint256 gas = 20_000; !ok; gas += 500) {
            bytes memory answer;
            (ok, answer) = address(escrow).call{gas: gas}(call);
            vm.assertFalse(bytes4(answer) == Signatures.BadSignature.selector);
        }
        vm.assertEq(balance(p.buyer), AMOUNT);
    }

    // ---- the gate ------------------------------------------------------------------------------------------

    function test_a_part_that_is_refunded_counts_as_that_part() public {
        passes(hot, abi.encodeCall(escrow.pay, (funded(deal(1)), 0, 1e6, AMOUNT)));
        vm.assertEq(spent(hot), 1e6);
    }

    function test_an_item_that_comes_too_late_stops_no_other() public {
        bytes[] memory items = new bytes[](2);
        items[0] = abi.encodeCall(escrow.markDelivered, (funded(deal(1))));
        items[1] = releaseOf(funded(deal(2)));
        vm.warp(START + 21 days);
        vm.prank(hot);
        bool[] memory done = gate.batch(items);
        vm.assertFalse(done[0]);
        vm.assertTrue(done[1]);
    }

    // ---- small things --------------------------------------------------------------------------------------

    function _owed(uint256 toSeller, uint256 toBuyer) private returns (Terms memory t) {
        t = funded(terms());
        usdt.pause();
        bytes32 d = settlementDigest(t, toSeller, toBuyer, START);
        escrow.settle(t, Settlement(toSeller, toBuyer, START), sign(BUYER_KEY, d), sign(SELLER_KEY, d));
        usdt.unpause();
    }

    function _lose(Terms memory t) private {
        address v = vault(t);
        usdt.addBlackList(v);
        usdt.destroyBlackFunds(v);
        usdt.removeBlackList(v);
    }
}
