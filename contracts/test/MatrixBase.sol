// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {Replacement} from "./HostileTokens.sol";
import {Quirk, QuirkToken, RefusingCode, UpgradableToken} from "./QuirkTokens.sol";
import {Settlement} from "../src/Messages.sol";
import {TestUSDT} from "../src/mocks/TestUSDT.sol";
import {Terms} from "../src/Terms.sol";

/// @notice Every way by which money leaves, in the order of the columns of the matrix.
enum Exit {
    Release,
    Refund,
    Ruling,
    Delivered,
    Undelivered,
    Settle,
    Fallback,
    Cancel,
    Rescue,
    PayLeg
}

/// @notice What happens to the token between the deposit and the exit.
enum Trouble {
    None,
    Quirk, // the token starts to misbehave, see `Quirk`
    FeeBeforeDeposit,
    FeeAfterDeposit,
    VaultBlacklisted,
    Paused,
    Deprecated,
    DeprecatedWithoutBalances,
    DestroyedAll,
    DestroyedHalf,
    RebasedUp,
    CodeGone,
    Upgraded
}

/// @notice Runs one kind of token through every exit and tells what became of each leg, by a letter:
///   P  every leg was paid              W  every leg waits, owed        s  a part of the leg was paid, the rest waits
///   S  only the seller's leg waits     B  only the buyer's             F  only the fee's
///   1  only the seller's was paid      r  refused, nothing changed     -  it could never get that far
/// Whatever the letter: no unit went to anybody but the parties, and once the trouble is over everything leaves.
abstract contract MatrixBase is Base {
    string private constant EXITS = "release refund ruling delivered undelivered settle fallback cancel rescue payLeg";
    uint256 private constant SURPLUS = 7;
    uint256 private constant FEE_BPS = 100;

    Trouble internal _trouble;
    Quirk internal _quirk;
    address internal _victim;
    uint256 internal _amount = AMOUNT;

    address internal _token;
    uint256 private _lost;
    /// What the replacement of a deprecated token was given; it keeps no count.
    uint256 private _supply;
    bytes private _code;
    uint256 private _block;
    Terms internal _terms;

    /// One row of the matrix: a letter for each exit.
    function _row(string memory expected) internal {
        bytes memory got = new bytes(10);
        for (uint256 e; e < 10; ++e) {
            got[e] = _cell(Exit(e));
        }
        vm.assertEq(string(got), expected, EXITS);
    }

    function _quirkRow(Quirk quirk, string memory expected) internal {
        (_trouble, _quirk) = (Trouble.Quirk, quirk);
        _row(expected);
    }

    function _troubleRow(Trouble trouble, string memory expected) internal {
        _trouble = trouble;
        _row(expected);
    }

    // ---- one cell: fund, prepare, trouble, exit, judge, mend, empty ------------------------------------------

    function _cell(Exit e) private returns (bytes1 letter) {
        vm.warp(START);
        _lost = 0;
        _token = _make();
        _terms = _termsFor(e);
        if (_trouble == Trouble.FeeBeforeDeposit) TestUSDT(_token).setParams(10, 1);
        _give(e == Exit.Rescue ? _amount + SURPLUS : _amount);
        if (!_prepare(e)) {
            letter = "-";
        } else {
            _begin();
            _wait(e);
            letter = _go(e);
        }
        if (_trouble != Trouble.CodeGone) _requireConserved();
        if (_quirk == Quirk.CallsBackBefore || _quirk == Quirk.CallsBackAfter) _requireShut();
        _mend();
        _requireEmptied(e, letter);
        _requireConserved();
    }

    function _make() private returns (address) {
        if (_trouble == Trouble.Upgraded) return address(new UpgradableToken(address(new QuirkToken())));
        if (_trouble == Trouble.Quirk || _trouble == Trouble.RebasedUp || _trouble == Trouble.CodeGone) {
            return address(new QuirkToken());
        }
        return address(newToken());
    }

    function _termsFor(Exit e) private view returns (Terms memory) {
        Plan memory p = plan();
        p.token = _token;
        p.amount = _amount;
        p.feeBps = FEE_BPS;
        p.deal = keccak256(abi.encode(e, _token));
        return pack(p);
    }

    /// By a transfer, as a payer would: a token with a fee takes it.
    function _give(uint256 amount) private {
        address to = vault(_terms);
        QuirkToken(_token).mint(payer, amount);
        vm.prank(payer);
        TestUSDT(_token).transfer(to, amount);
    }

    /// What must have happened before the exit. False: the escrow refuses, for it was never funded.
    function _prepare(Exit e) private returns (bool ok) {
        if (e == Exit.Delivered) return _call(seller, abi.encodeCall(escrow.markDelivered, (_terms)));
        if (e == Exit.Ruling || e == Exit.Fallback) {
            return _call(buyer, abi.encodeCall(escrow.dispute, (_terms, 0, bytes32(0))));
        }
        if (e != Exit.PayLeg) return true;
        _halt(true);
        ok = _call(buyer, abi.encodeCall(escrow.pay, (_terms, _amount, 0, _amount)));
        _halt(false);
    }

    function _halt(bool yes) private {
        if (_isUsdt()) yes ? TestUSDT(_token).pause() : TestUSDT(_token).unpause();
        else QuirkToken(_token).halt(yes);
    }

    function _begin() private {
        address v = vault(_terms);
        TestUSDT u = TestUSDT(_token);
        if (_trouble == Trouble.Quirk) _beQuirky();
        else if (_trouble == Trouble.FeeAfterDeposit) u.setParams(10, 1);
        else if (_trouble == Trouble.VaultBlacklisted) u.addBlackList(v);
        else if (_trouble == Trouble.Paused) u.pause();
        else if (_trouble == Trouble.Deprecated) u.deprecate(_replacement(u.balanceOf(v)));
        else if (_trouble == Trouble.DeprecatedWithoutBalances) _forget(u);
        else if (_trouble == Trouble.DestroyedAll) _destroy(u.balanceOf(v));
        else if (_trouble == Trouble.DestroyedHalf) _destroy(u.balanceOf(v) / 2);
        else if (_trouble == Trouble.RebasedUp) QuirkToken(_token).mint(v, _amount / 10);
        else if (_trouble == Trouble.CodeGone) _code = _token.code;
        else if (_trouble == Trouble.Upgraded) UpgradableToken(_token).upgrade(address(new RefusingCode()));
        if (_trouble == Trouble.CodeGone) vm.etch(_token, "");
    }

    function _beQuirky() private {
        QuirkToken token = QuirkToken(_token);
        token.mean(_victim);
        bytes[] memory calls = new bytes[](8);
        calls[0] = abi.encodeCall(escrow.rescue, (_terms, _token));
        calls[1] = abi.encodeCall(escrow.payLeg, (_terms, 0));
        calls[2] = abi.encodeCall(escrow.payLeg, (_terms, 1));
        calls[3] = abi.encodeCall(escrow.claimDelivered, (_terms));
        calls[4] = abi.encodeCall(escrow.claimUndelivered, (_terms));
        calls[5] = abi.encodeCall(escrow.claimUnfunded, (_terms));
        calls[6] = abi.encodeCall(escrow.claimFallback, (_terms));
        calls[7] = abi.encodeCall(escrow.pay, (_terms, 1, 0, 1));
        token.attack(address(escrow), calls);
        token.be(_quirk);
    }

    function _replacement(uint256 held) private returns (address) {
        Replacement token = new Replacement(_token);
        token.mint(vault(_terms), held);
        _supply = held;
        return address(token);
    }

    function _forget(TestUSDT u) private {
        _lost = u.balanceOf(vault(_terms));
        u.deprecate(_replacement(0));
    }

    function _remember(TestUSDT u, address v) private {
        Replacement(u.upgradedAddress()).mint(v, _lost);
        _supply = _lost;
    }

    /// Tether destroys all or nothing; half comes back at once.
    function _destroy(uint256 amount) private {
        TestUSDT u = TestUSDT(_token);
        address v = vault(_terms);
        uint256 kept = u.balanceOf(v) - amount;
        u.addBlackList(v);
        u.destroyBlackFunds(v);
        u.removeBlackList(v);
        if (kept != 0) u.mint(v, kept);
        _lost = amount;
    }

    function _wait(Exit e) private {
        if (e == Exit.Delivered) vm.warp(START + 14 days + 1);
        if (e == Exit.Undelivered) vm.warp(START + 20 days + 1);
        if (e == Exit.Fallback) vm.warp(START + 120 days + 1);
    }

    // ---- the exits, and what became of the legs -------------------------------------------------------------

    function _go(Exit e) private returns (bytes1) {
        if (e == Exit.Rescue || e == Exit.PayLeg || e == Exit.Cancel) return _goOther(e);
        (uint256 toSeller,) = _split(e);
        (address by, bytes memory data) = _deciding(e, toSeller);
        uint256 before = _truth(vault(_terms));
        if (!_call(by, data)) {
            vm.assertEq(left(_terms), _amount, "refused, and yet changed");
            return "r";
        }
        vm.assertTrue(settled(_terms), "not settled");
        return _judge(toSeller, before);
    }

    function _deciding(Exit e, uint256 toSeller) private view returns (address, bytes memory) {
        if (e == Exit.Release) return (buyer, abi.encodeCall(escrow.pay, (_terms, _amount, 0, _amount)));
        if (e == Exit.Refund) return (seller, abi.encodeCall(escrow.pay, (_terms, 0, _amount, _amount)));
        if (e == Exit.Delivered) return (stranger, abi.encodeCall(escrow.claimDelivered, (_terms)));
        if (e == Exit.Undelivered) return (stranger, abi.encodeCall(escrow.claimUndelivered, (_terms)));
        if (e == Exit.Fallback) return (stranger, abi.encodeCall(escrow.claimFallback, (_terms)));
        if (e == Exit.Settle) return (stranger, _settlement(toSeller));
        return (stranger, _ruling(toSeller));
    }

    function _ruling(uint256 toSeller) private view returns (bytes memory) {
        return abi.encodeCall(
            escrow.rule, (_terms, ruling(_terms, toSeller), seats, 2, signed(_terms, ruling(_terms, toSeller), 2))
        );
    }

    function _settlement(uint256 toSeller) private view returns (bytes memory) {
        Settlement memory m = Settlement(toSeller, _amount - toSeller, block.timestamp);
        bytes32 d = settlementDigest(_terms, m.toSeller, m.toBuyer, m.deadline);
        return abi.encodeCall(escrow.settle, (_terms, m, sign(BUYER_KEY, d), sign(SELLER_KEY, d)));
    }

    /// What the exit decides for the seller (with the fee in it) and for the buyer.
    function _split(Exit e) private view returns (uint256 toSeller, uint256 toBuyer) {
        if (e == Exit.Release || e == Exit.Delivered || e == Exit.PayLeg) toSeller = _amount;
        else if (e == Exit.Ruling || e == Exit.Fallback) toSeller = _amount / 2;
        else if (e == Exit.Settle) toSeller = _amount / 4;
        toBuyer = _amount - toSeller;
    }

    function _goOther(Exit e) private returns (bytes1) {
        address v = vault(_terms);
        uint256 before = _truth(v);
        bytes memory data = e == Exit.Cancel
            ? abi.encodeCall(escrow.cancel, (_terms))
            : e == Exit.Rescue
                ? abi.encodeCall(escrow.rescue, (_terms, _token))
                : abi.encodeCall(escrow.payLeg, (_terms, 0));
        if (!_call(e == Exit.Cancel ? seller : stranger, data)) {
            vm.assertEq(_truth(v), before, "refused, and yet paid");
            return "r";
        }
        if (e == Exit.PayLeg) return escrow.owed(id(_terms), 0) == 0 ? bytes1("P") : bytes1("s");
        if (e == Exit.Cancel) return before == _truth(v) ? bytes1("W") : bytes1("P");
        vm.assertTrue(_truth(v) >= _amount, "rescued what was not surplus");
        return "P";
    }

    /// Each leg was paid to the unit or is owed to the unit, and the vault gave no more than the legs that were paid.
    function _judge(uint256 toSeller, uint256 before) private view returns (bytes1) {
        uint256 fee = toSeller * FEE_BPS / 10_000;
        uint256[3] memory legs = [toSeller - fee, _amount - toSeller, fee];
        uint256 all;
        uint256 waiting;
        uint256 paid;
        for (uint256 kind; kind < 3; ++kind) {
            uint256 owed = escrow.owed(id(_terms), uint8(kind));
            vm.assertTrue(owed == 0 || owed == legs[kind], "a leg is owed that was not decided");
            if (legs[kind] != 0) all |= 1 << kind;
            if (owed != 0) waiting |= 1 << kind;
            else paid += legs[kind];
        }
        vm.assertEq(_truth(vault(_terms)), before - paid, "the vault gave something else");
        if (waiting == 0) return "P";
        if (waiting == all) return "W";
        if (waiting == 1) return "S";
        if (waiting == 2) return "B";
        return waiting == 4 ? bytes1("F") : bytes1("1");
    }

    // ---- afterwards ----------------------------------------------------------------------------------------

    function _mend() private {
        address v = vault(_terms);
        TestUSDT u = TestUSDT(_token);
        if (_trouble == Trouble.Quirk && _quirk != Quirk.OncePerBlock) QuirkToken(_token).be(Quirk.None);
        else if (_trouble == Trouble.VaultBlacklisted) u.removeBlackList(v);
        else if (_trouble == Trouble.Paused && u.paused()) u.unpause();
        else if (_trouble == Trouble.DeprecatedWithoutBalances) _remember(u, v);
        else if (_lost != 0) u.mint(v, _lost);
        else if (_trouble == Trouble.CodeGone && _token.code.length == 0) vm.etch(_token, _code);
        else if (_trouble == Trouble.Upgraded) UpgradableToken(_token).upgrade(address(new QuirkToken()));
    }

    /// Nobody but strangers acts, after every deadline: each leg gets what was decided and nothing stays behind.
    function _requireEmptied(Exit e, bytes1 letter) private {
        vm.warp(START + 900 days);
        _call(stranger, abi.encodeCall(escrow.claimDelivered, (_terms)));
        _call(stranger, abi.encodeCall(escrow.claimUndelivered, (_terms)));
        _call(stranger, abi.encodeCall(escrow.claimUnfunded, (_terms)));
        _call(stranger, abi.encodeCall(escrow.claimFallback, (_terms)));
        for (uint8 kind; kind < 3; ++kind) {
            _call(stranger, abi.encodeCall(escrow.payLeg, (_terms, kind)));
            vm.assertEq(escrow.owed(id(_terms), kind), 0, "still owed");
        }
        _call(stranger, abi.encodeCall(escrow.rescue, (_terms, _token)));
        vm.assertEq(_truth(vault(_terms)), 0, "money stays behind");
        if (letter == "r" || letter == "-" || e == Exit.Cancel || e == Exit.Rescue || _takesFees()) return;
        (uint256 toSeller, uint256 toBuyer) = _split(e);
        uint256 fee = toSeller * FEE_BPS / 10_000;
        vm.assertEq(_truth(seller), toSeller - fee, "the seller's part");
        vm.assertEq(_truth(feeTo), fee, "the fee");
        uint256 risen = _trouble == Trouble.RebasedUp ? _amount / 10 : 0;
        vm.assertEq(_truth(buyer), toBuyer + risen, "the buyer's part");
    }

    /// The token came back while its money moved, and every door was shut.
    function _requireShut() private view {
        vm.assertEq(QuirkToken(_token).entered(), 0, "a call back was let in");
        vm.assertTrue(QuirkToken(_token).refused() != 0, "nothing called back");
    }

    /// Every unit that exists is with the vault, a party, or (its own fee) the token.
    function _requireConserved() private view {
        uint256 sum = _truth(vault(_terms)) + _truth(buyer) + _truth(seller) + _truth(feeTo);
        if (_isUsdt()) sum += _truth(address(this));
        bool renewed = _trouble == Trouble.Deprecated || _trouble == Trouble.DeprecatedWithoutBalances;
        vm.assertEq(sum, renewed ? _supply : QuirkToken(_token).totalSupply(), "somebody else has money");
    }

    function _truth(address who) private view returns (uint256) {
        if (_token.code.length == 0) return 0;
        return _isUsdt() ? TestUSDT(_token).balanceOf(who) : QuirkToken(_token).truth(who);
    }

    function _takesFees() private view returns (bool) {
        return _trouble == Trouble.FeeBeforeDeposit || _trouble == Trouble.FeeAfterDeposit;
    }

    function _isUsdt() internal view returns (bool) {
        return _trouble != Trouble.Quirk && _trouble != Trouble.RebasedUp && _trouble != Trouble.CodeGone
            && _trouble != Trouble.Upgraded;
    }

    /// A new block each time: some tokens move once a block.
    function _call(address by, bytes memory data) private returns (bool ok) {
        vm.roll(++_block + 1_000);
        vm.prank(by);
        (ok,) = address(escrow).call(data);
    }
}
