// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {DenyList} from "./HostileTokens.sol";
import {Ruling, Settlement} from "../src/Messages.sol";
import {State} from "../src/Slots.sol";
import {Terms} from "../src/Terms.sol";

/// @notice Random people do random things, in any order, at any time, to three escrows that share one token which
/// sometimes refuses a receiver. The runner calls `act`; what must always hold stands in `invariant_` functions.
abstract contract Lives is Base {
    DenyList internal _token;
    Terms[3] internal _terms;
    bool[3] private _wasSettled;
    uint256[3] private _deposited;
    uint256 private _destroyed;
    uint256 private _now = START;

    function setUp() public override {
        super.setUp();
        _token = new DenyList();
        for (uint256 i; i < 3; ++i) {
            Plan memory p = plan();
            p.token = address(_token);
            p.feeBps = i * 333;
            p.deal = bytes32(i + 1);
            _terms[i] = pack(p);
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
        _now += wait % 12 hours;
        vm.warp(_now);
        Terms memory t = _terms[n];
        if (what % 17 == 0) _deposit(n, number);
        else if (what % 17 == 1) _token.deny(who % 2 == 0 ? seller : feeTo, number % 2 == 0);
        else _try(_sender(who), _call(t, what % 17, number));
        if (_lossy() && wait % 16 == 0) _destroy(t, number);
        _wasSettled[n] = _wasSettled[n] || settled(t);
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
            vm.assertTrue(settled(t), "no way out");
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
        if (number % 3 == 0) return abi.encodeCall(escrow.claimDelivered, (t));
        if (number % 3 == 1) return abi.encodeCall(escrow.claimUndelivered, (t));
        return abi.encodeCall(escrow.claimFallback, (t));
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
    /// Legs that are owed are always covered by what the vault holds.
    function invariant_nothing_promised_is_missing() public view {
        for (uint256 i; i < 3; ++i) {
            vm.assertTrue(_token.balanceOf(vault(_terms[i])) >= _owedAll(i), "owed more than held");
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
