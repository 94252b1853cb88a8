// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {DenyList} from "./HostileTokens.sol";
import {Act, Relayed, Ruling, Settlement} from "../src/Messages.sol";
import {CANCELLED} from "../src/Slots.sol";
import {Terms} from "../src/Terms.sol";

/// @notice Random people do random things, in any order, at any time, to three escrows that share one token which
/// sometimes refuses a receiver. The runner calls `act`; what must always hold stands in `invariant_` functions.
abstract contract Lives is Base {
    DenyList internal _token;
    Terms[3] internal _terms;
    bool[3] private _wasSettled;
    bool[3] private _wasCancelled;
    uint256[3] internal _deposited;
    uint256 private _destroyed;
    uint256 private _now = START;
    /// How often each kind of act was accepted.
    mapping(uint256 kind => uint256) internal _done;

    function setUp() public override {
        super.setUp();
        _token = new DenyList();
        _begin(1);
    }

    function _begin(uint256 first) internal {
        _now = START;
        vm.warp(START);
        for (uint256 i; i < 3; ++i) {
            Plan memory p = plan();
            p.token = address(_token);
            p.feeBps = i * 333;
            p.deal = bytes32(first + i);
            _terms[i] = pack(p);
            (_wasSettled[i], _wasCancelled[i]) = (false, false);
            if (i != 0) _deposit(i, 0);
        }
    }

    function targetContracts() public view returns (address[] memory out) {
        out = new address[](1);
        out[0] = address(this);
    }

    /// One step: who, what, on which escrow, with which number, after how long.
    function act(uint8 who, uint8 what, uint8 which, uint96 number, uint32 wait) external {
        uint256 n = which % 3;
        // now and then nobody does anything for long, or no clock would ever run out
        _now += wait % 16 == 1 ? wait % 60 days : wait % 12 hours;
        vm.warp(_now);
        Terms memory t = _terms[n];
        if (what % 23 == 0) _deposit(n, number);
        else if (what % 23 == 1) _token.deny(who % 2 == 0 ? seller : feeTo, number % 2 == 0);
        else if (_try(_sender(who), _call(t, what % 23, number))) ++_done[_kind(what % 23, number)];
        if (_lossy() && wait % 16 == 0) _destroy(t, number);
        _wasSettled[n] = _wasSettled[n] || settled(t);
        _wasCancelled[n] = _wasCancelled[n] || _cancelled(t);
    }

    function invariant_nobody_outside_the_terms_is_paid() public view {
        uint256 held;
        uint256 came;
        for (uint256 i; i < 3; ++i) {
            held += _token.balanceOf(vault(_terms[i]));
            came += _deposited[i];
        }
        uint256 paid = _token.balanceOf(buyer) + _token.balanceOf(seller) + _token.balanceOf(feeTo);
        vm.assertEq(held + paid + _destroyed, came);
    }

    function invariant_settled_is_for_ever_and_means_code_without_a_slot() public view {
        for (uint256 i; i < 3; ++i) {
            bool code = vault(_terms[i]).code.length != 0;
            bool slot = escrow.slotOf(id(_terms[i])) != 0;
            vm.assertTrue(settled(_terms[i]) == (code && !slot));
            if (_wasSettled[i]) vm.assertTrue(settled(_terms[i]), "came back");
        }
    }

    function invariant_cancelled_is_for_ever_and_leaves_nothing_undecided() public view {
        for (uint256 i; i < 3; ++i) {
            if (!_wasCancelled[i]) continue;
            vm.assertTrue(_cancelled(_terms[i]) && left(_terms[i]) == 0 && _owedAll(i) == 0, "came back");
        }
    }

    function invariant_the_remainder_never_exceeds_the_amount() public view {
        for (uint256 i; i < 3; ++i) {
            vm.assertTrue(left(_terms[i]) + _owedAll(i) <= AMOUNT);
        }
    }

    /// After the last deadline a stranger can always end an escrow that holds money, and nothing stays behind.
    function afterInvariant() public {
        vm.warp(_now + 1_000 days);
        _token.deny(seller, false);
        _token.deny(feeTo, false);
        for (uint256 i; i < 3; ++i) {
            Terms memory t = _terms[i];
            if (_token.balanceOf(vault(t)) == 0) continue;
            bytes[9] memory exits = [
                abi.encodeCall(escrow.claimDelivered, (t)),
                abi.encodeCall(escrow.claimUndelivered, (t)),
                abi.encodeCall(escrow.claimUnfunded, (t)),
                abi.encodeCall(escrow.claimFallback, (t)),
                abi.encodeCall(escrow.payLeg, (t, 0)),
                abi.encodeCall(escrow.payLeg, (t, 1)),
                abi.encodeCall(escrow.payLeg, (t, 2)),
                abi.encodeCall(escrow.rescue, (t, address(_token))),
                abi.encodeCall(escrow.payLeg, (t, 1))
            ];
            for (uint256 e; e < exits.length; ++e) {
                _try(stranger, exits[e]);
            }
            vm.assertTrue(settled(t) || _cancelled(t), "no way out");
            // shares of a loss are rounded down, leg by leg
            vm.assertTrue(_token.balanceOf(vault(t)) < 3, "money stays behind");
        }
    }

    function _lossy() internal pure virtual returns (bool);

    function _destroy(Terms memory t, uint96 number) private {
        uint256 held = _token.balanceOf(vault(t));
        uint256 gone = number % 3 == 0 ? held : uint256(number) % (held + 1);
        _token.burn(vault(t), gone);
        _destroyed += gone;
    }

    function _deposit(uint256 n, uint96 number) private {
        uint256 amount = number % 3 == 0 ? AMOUNT : uint256(number) % (AMOUNT * 2);
        _token.mint(vault(_terms[n]), amount);
        _deposited[n] += amount;
    }

    function _call(Terms memory t, uint256 what, uint96 number) private view returns (bytes memory) {
        uint256 rest = left(t);
        uint256 part = number % 8 == 0 ? rest : uint256(number) % (rest + 1);
        if (what == 2) return abi.encodeCall(escrow.pay, (t, part, 0, rest));
        if (what == 3) return abi.encodeCall(escrow.pay, (t, 0, part, rest));
        if (what == 4) return abi.encodeCall(escrow.pay, (t, part / 2, (rest - part) / 2, rest));
        if (what == 5 || what == 6) return abi.encodeCall(escrow.markDelivered, (t));
        if (what == 7) return abi.encodeCall(escrow.reopenDelivery, (t));
        if (what == 8 || what == 9) return abi.encodeCall(escrow.dispute, (t, uint8(number % 2), bytes32(0)));
        if (what == 10) return abi.encodeCall(escrow.withdrawDispute, (t));
        if (what == 11) return _ruling(t, part);
        if (what == 12) return abi.encodeCall(escrow.payLeg, (t, uint8(number % 3)));
        if (what == 13) return abi.encodeCall(escrow.rescue, (t, address(_token)));
        if (what == 14) return abi.encodeCall(escrow.claimUnfunded, (t));
        if (what == 15) return _settlement(t, part);
        if (what == 17) return abi.encodeCall(escrow.extend, (t, state(t).deliverBy + uint256(number) % 5 days));
        if (what == 18) return abi.encodeCall(escrow.appeal, (t, uint8(number % 2)));
        if (what == 19 && number % 4 == 0) return abi.encodeCall(escrow.cancel, (t));
        if (what > 19) return _relayed(t, number, part);
        if (number % 3 == 0) return abi.encodeCall(escrow.claimDelivered, (t));
        if (number % 3 == 1) return abi.encodeCall(escrow.claimUndelivered, (t));
        return abi.encodeCall(escrow.claimFallback, (t));
    }

    /// Signed acts count by themselves.
    function _kind(uint256 what, uint96 number) private pure returns (uint256) {
        return what > 19 ? 100 + number % 8 : what == 16 ? 16 + 200 * (number % 3) : what;
    }

    /// Any act, signed by whoever it names, who often may not.
    function _relayed(Terms memory t, uint96 number, uint256 part) private view returns (bytes memory) {
        bytes32[8] memory acts = [
            Relayed.PAY,
            Relayed.MARK,
            Relayed.REOPEN,
            Relayed.EXTEND,
            number % 3 == 0 ? Relayed.CANCEL : Relayed.PAY,
            Relayed.DISPUTE,
            Relayed.WITHDRAW,
            Relayed.APPEAL
        ];
        bytes32 which = acts[number % 8];
        uint256 signers = (number >> 8) % 3 + 1;
        (uint256 first, uint256 second) = (signers - 1, 0);
        if (which == Relayed.PAY) (first, second) = signers == 1 ? (part, uint256(0)) : (uint256(0), part);
        if (which == Relayed.EXTEND) first = block.timestamp + uint256(number >> 16) % 420 days;
        Act memory a = act(which, signers, first, second);
        bytes32 d = actDigest(t, a);
        return abi.encodeCall(escrow.relay, (t, a, sign(BUYER_KEY, d), sign(SELLER_KEY, d)));
    }

    function _cancelled(Terms memory t) private view returns (bool) {
        return state(t).status == CANCELLED;
    }

    function _ruling(Terms memory t, uint256 toSeller) private view returns (bytes memory) {
        Ruling memory r = ruling(t, toSeller);
        return abi.encodeCall(escrow.rule, (t, r, seats, 2, signed(t, r, 2)));
    }

    function _settlement(Terms memory t, uint256 toSeller) private view returns (bytes memory) {
        Settlement memory m = Settlement(toSeller, left(t) - toSeller, block.timestamp);
        bytes32 d = settlementDigest(t, m.toSeller, m.toBuyer, m.deadline);
        return abi.encodeCall(escrow.settle, (t, m, sign(BUYER_KEY, d), sign(SELLER_KEY, d)));
    }

    function _sender(uint8 who) private view returns (address) {
        address[5] memory cast = [buyer, seller, operator, stranger, feeTo];
        return cast[who % 5];
    }

    function _try(address by, bytes memory data) private returns (bool ok) {
        vm.prank(by);
        (ok,) = address(escrow).call(data);
    }

    function _owedAll(uint256 n) internal view returns (uint256 sum) {
        for (uint8 kind; kind < 3; ++kind) {
            sum += escrow.owed(id(_terms[n]), kind);
        }
    }
}

/// @notice The vaults keep what they are given.
contract InvariantTest is Lives {
    /// Legs that are owed are always covered by what the vault holds, where the whole amount ever came: of less, a part
    /// may have been paid, and the clock then decides the rest in full, whatever there is.
    function invariant_nothing_promised_is_missing() public view {
        for (uint256 i; i < 3; ++i) {
            if (_deposited[i] < AMOUNT) continue;
            vm.assertTrue(_token.balanceOf(vault(_terms[i])) >= _owedAll(i), "owed more than held");
        }
    }

    /// Invariants over acts that are all refused would say nothing.
    function test_random_acts_reach_every_action() public {
        uint256[27] memory kinds = [
            uint256(2), 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 216, 416, 17, 18, 19,
            100, 101, 102, 103, 105, 106, 107
        ];
        for (uint256 round; round < 300; ++round) {
            _begin(1_000 * round + 1_000);
            for (uint256 step; step < 45; ++step) {
                bytes32 dice = keccak256(abi.encode(round, step));
                uint32 wait = uint32(uint256(dice) >> 160);
                this.act(uint8(dice[0]), uint8(dice[1]), uint8(dice[2]), uint96(uint256(dice)), wait);
            }
        }
        for (uint256 i; i < kinds.length; ++i) {
            vm.assertTrue(_done[kinds[i]] != 0, vm.toString(kinds[i]));
        }
    }

    function _lossy() internal pure override returns (bool) {
        return false;
    }
}

/// @notice Money is destroyed in the vaults now and then, as Tether can.
contract LossInvariantTest is Lives {
    function _lossy() internal pure override returns (bool) {
        return true;
    }
}
