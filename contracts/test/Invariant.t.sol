// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Deal} from "./World.sol";
import {Quirk, QuirkToken} from "./QuirkTokens.sol";
import {PartyWallet} from "./Wallets.sol";
import {WorldAttacks} from "./WorldAttacks.sol";
import {State} from "../src/Slots.sol";

/// @notice What holds after every act of the world: looked at in the deal that was touched last and in one more, and in
/// all of them at the end of every run, for nothing that goes wrong goes right again by itself.
abstract contract Rules is WorldAttacks {
    /// As the runner reads it.
    struct Selectors {
        address target;
        bytes4[] selectors;
    }

    function targetContracts() public view returns (address[] memory out) {
        out = new address[](1);
        out[0] = address(this);
    }

    function excludeSelectors() public view returns (Selectors[] memory out) {
        out = new Selectors[](1);
        out[0].target = address(this);
        out[0].selectors = new bytes4[](1);
        out[0].selectors[0] = this.attempt.selector;
    }

    function invariant_money_and_rules_hold() public view {
        vm.assertEq(_breach, "", "what must not happen");
        _requireAll(_deals[_touched]);
        _requireAll(_deals[_live[_tick % LIVE]]);
    }

    function _requireAll(Deal storage d) private view {
        _requireConserved(d);
        _requireNothingElseLeft(d);
        _requireShut(d.buyer);
        _requireShut(d.seller);
        if (!_isGood(d)) {
            vm.assertEq(d.paid[0] + d.paid[1] + d.paid[2], 0, "a deal that is none was decided");
            return;
        }
        _requireState(d);
        _requireParts(d);
    }

    /// What came is in the vault, with the three that the terms name, or was destroyed: nobody else was ever paid.
    function _requireConserved(Deal storage d) private view {
        uint256 paid = d.paid[0] + d.paid[1] + d.paid[2] + d.rescued;
        uint256 held = _truth(d.token, d.vault);
        vm.assertTrue(paid <= d.came, "more was paid than came");
        vm.assertEq(held + paid + d.destroyed, d.came, "the vault gave more, or less, than the events say");
        uint256[3] memory got = [_truth(d.token, d.seller), _truth(d.token, d.buyer), _truth(d.token, d.feeTo)];
        uint256[3] memory told = [d.paid[0], d.paid[1] + d.rescued, d.paid[2]];
        for (uint256 i; i < 3; ++i) {
            // the fee of USDT is the receiver's
            if (d.token == address(usdt)) vm.assertTrue(got[i] <= told[i], "somebody got more than was paid");
            else vm.assertEq(got[i], told[i], "somebody else was paid");
        }
    }

    function _requireNothingElseLeft(Deal storage d) private view {
        vm.assertEq(d.vault.balance + d.rescuedNative, d.native, "native coin went elsewhere");
    }

    function _requireShut(address party) private view {
        if (party.code.length != 0) vm.assertEq(PartyWallet(payable(party)).entered(), 0, "entered while it paid");
    }

    /// Settled is for ever and means code without a slot; cancelled is for ever.
    function _requireState(Deal storage d) private view {
        (uint256 packed, bool isSettled) = escrow.stateOf(d.terms);
        bool slot = escrow.slotOf(d.id) != 0;
        vm.assertTrue(isSettled == (d.vault.code.length != 0 && !slot), "settled is not code without a slot");
        vm.assertTrue(isSettled == d.settled, "settled without saying so, or undone");
        vm.assertTrue((slot && state(d.terms).status == 3) == d.cancelled, "cancelled without saying so, or undone");
        if (isSettled || d.cancelled) vm.assertEq(uint96(packed), 0, "over, and yet undecided");
    }

    /// Parts sum to the whole, the fee is that of the whole, what is owed is what was decided and not paid, and the
    /// vault covers it.
    function _requireParts(Deal storage d) private view {
        uint256 undecided = left(d.terms);
        uint256 decided = _decidedAll(d);
        if (d.short) vm.assertTrue(decided <= d.amount, "more than the whole");
        else if (!d.cancelled) vm.assertEq(decided + undecided, d.amount, "parts are not the whole");
        else vm.assertEq(decided, 0, "cancelled after a decision");
        vm.assertEq(d.decided[2], (d.decided[0] + d.decided[2]) * d.feeBps / 10_000, "the fee of the parts");
        for (uint256 kind; kind < 3; ++kind) {
            vm.assertEq(escrow.owed(d.id, uint8(kind)), d.decided[kind] - d.paid[kind], "what is owed");
        }
        // of less than the amount a part may be decided, and then a clock decides the rest, whatever there is
        uint256 lacking = d.came < d.amount ? d.amount - d.came : 0;
        vm.assertTrue(
            _truth(d.token, d.vault) + d.destroyed + lacking >= _owedAll(d) + undecided, "promised more than held"
        );
    }

    // ---- liveness ------------------------------------------------------------------------------------------------

    /// After the last deadline, with operators and seats silent and the token not paused, a stranger ends every escrow
    /// that holds its money, whoever a token refuses; and when it refuses nobody, nothing stays behind.
    function afterInvariant() public {
        for (uint256 i; i < _deals.length; ++i) {
            _requireAll(_deals[i]);
        }
        if (usdt.paused()) usdt.unpause();
        usdt.setParams(0, 0);
        if (_moody.quirk() != Quirk.RefusesReceiver) _moody.be(Quirk.None);
        vm.warp(_now + 2_000 days);
        for (uint256 i; i < _deals.length; ++i) {
            Deal storage d = _deals[i];
            _strangerEnds(d);
            if (_truth(d.token, d.vault) != 0 && _isGood(d)) vm.assertTrue(d.settled || d.cancelled, "no way out");
        }
        _moody.be(Quirk.None);
        for (uint256 i; i < _deals.length; ++i) {
            Deal storage d = _deals[i];
            _forgive(d);
            _strangerEmpties(d);
            // shares of a loss are rounded down, leg by leg
            vm.assertTrue(_truth(d.token, d.vault) < 3, "money stays behind");
            if (d.destroyed == 0 && d.came >= d.amount) vm.assertEq(_truth(d.token, d.vault), 0, "a unit stays behind");
            _requireAll(d);
        }
        _requireNobodyElse();
    }

    function _strangerEnds(Deal storage d) private {
        _attempt(abi.encodeCall(escrow.claimDelivered, (d.terms)), stranger);
        _attempt(abi.encodeCall(escrow.claimUndelivered, (d.terms)), stranger);
        _attempt(abi.encodeCall(escrow.claimUnfunded, (d.terms)), stranger);
        _attempt(abi.encodeCall(escrow.claimFallback, (d.terms)), stranger);
    }

    function _strangerEmpties(Deal storage d) private {
        for (uint256 round; round < 2; ++round) {
            for (uint8 kind; kind < 3; ++kind) {
                _attempt(abi.encodeCall(escrow.payLeg, (d.terms, kind)), stranger);
            }
        }
        _attempt(abi.encodeCall(escrow.rescue, (d.terms, d.token)), d.away ? d.buyer : stranger);
    }

    function _forgive(Deal storage d) private {
        usdt.removeBlackList(d.vault);
        if (d.buyer.code.length != 0) PartyWallet(payable(d.buyer)).be(PartyWallet.Mood.Fair);
        if (d.seller.code.length != 0) PartyWallet(payable(d.seller)).be(PartyWallet.Mood.Fair);
    }

    function _attempt(bytes memory data, address by) private {
        try this.attempt(by, data) {} catch {}
    }

    function attempt(address by, bytes calldata data) external {
        require(msg.sender == address(this));
        _do(by, address(escrow), data);
    }

    /// Of each token: what exists is with the vaults, the parties, or (its own fee) USDT.
    function _requireNobodyElse() private view {
        uint256[3] memory sums;
        for (uint256 i; i < _deals.length; ++i) {
            Deal storage d = _deals[i];
            uint256 k = d.token == _tokens[0] ? 0 : d.token == _tokens[1] ? 1 : 2;
            sums[k] += _truth(d.token, d.vault) + _truth(d.token, d.buyer) + _truth(d.token, d.seller);
            sums[k] += _truth(d.token, d.feeTo);
        }
        vm.assertEq(sums[0] + usdt.balanceOf(address(this)), usdt.totalSupply(), "USDT is with somebody else");
        vm.assertEq(sums[1], _moody.totalSupply(), "money is with somebody else");
        vm.assertEq(sums[2], _notifier.totalSupply(), "money is with somebody else");
    }
}

/// @notice The vaults keep what they are given.
contract InvariantTest is Rules {
    function _world() internal pure override returns (string memory) {
        return "kept";
    }
}

/// @notice Money is destroyed in the vaults now and then, as Tether can.
contract LossInvariantTest is Rules {
    function env_loss(uint256 n) external {
        n = _begin(n);
        require(n % 4 == 0, "not now");
        Deal storage d = _deals[_live[(n >> 240) % LIVE]];
        uint256 held = _truth(d.token, d.vault);
        uint256 gone = (n >> 8) % 3 == 0 ? held : (n >> 16) % (held + 1);
        d.destroyed += gone;
        if (d.token != address(usdt)) return QuirkToken(d.token).burn(d.vault, gone);
        // USDT destroys all or nothing; the rest comes back at once
        usdt.addBlackList(d.vault);
        usdt.destroyBlackFunds(d.vault);
        usdt.removeBlackList(d.vault);
        if (gone != held) usdt.mint(d.vault, held - gone);
    }

    function _world() internal pure override returns (string memory) {
        return "lossy";
    }
}
