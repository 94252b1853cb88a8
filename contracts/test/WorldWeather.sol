// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Deal} from "./World.sol";
import {Quirk} from "./QuirkTokens.sol";
import {PartyWallet} from "./Wallets.sol";
import {WorldMessages} from "./WorldMessages.sol";

/// @notice What happens without the escrow: time, deposits, moods of tokens and of contracts, keys of seats.
abstract contract WorldWeather is WorldMessages {
    /// New deals where old ones are finished, three at most, so that some finished ones stay to be tried.
    function env_deals(uint256 n) external {
        n = _begin(n);
        uint256 opened;
        for (uint256 i; i < LIVE && opened < 3; ++i) {
            uint256 slot = ((n >> 240) + i) % LIVE;
            if (!_finished(_deals[_live[slot]])) continue;
            _open(uint256(keccak256(abi.encode(n, i))), slot);
            ++opened;
        }
        require(opened != 0, "all are played");
    }

    function env_more_deals(uint256 n) external {
        this.env_deals(n);
    }

    function env_yet_more_deals(uint256 n) external {
        this.env_deals(n);
    }

    function env_time(uint256 n) external {
        n = _begin(n);
        _now += n % 12 hours;
    }

    function env_long_time(uint256 n) external {
        n = _begin(n);
        require(n % 8 == 0, "not now");
        _now += (n >> 8) % 20 days;
    }

    function env_deposit(uint256 n) external {
        n = _begin(n);
        Deal storage d = _deals[_live[(n >> 240) % LIVE]];
        uint256 what = (n >> 80) % 4;
        uint256 held = _truth(d.token, d.vault);
        if (what == 0) _deposit(d, d.amount);
        else if (what == 1 && held < d.amount) _deposit(d, d.amount - held);
        else _deposit(d, 1 + (n >> 88) % d.amount);
    }

    function env_money_of_other_kinds(uint256 n) external {
        n = _begin(n);
        Deal storage d = _deals[_live[(n >> 240) % LIVE]];
        _foreign.mint(d.vault, 1 + (n >> 80) % 1e6);
        uint256 coins = 1 + (n >> 112) % 1e6;
        d.native += coins;
        vm.deal(d.vault, d.vault.balance + coins);
    }

    function env_mood_of_a_token(uint256 n) external {
        n = _begin(n);
        Quirk[12] memory moods = [
            Quirk.AnswersFalse,
            Quirk.AnswersFalseYetMoves,
            Quirk.AnswersTwo,
            Quirk.AnswersAtLength,
            Quirk.RefusesAtLength,
            Quirk.MovesLess,
            Quirk.MovesMore,
            Quirk.BurnsAllGas,
            Quirk.RefusesReceiver,
            Quirk.HidesBalances,
            Quirk.SaysNothing,
            Quirk.AtMost
        ];
        Deal storage d = _deals[_live[(n >> 240) % LIVE]];
        _moody.mean([d.seller, d.buyer, d.feeTo][(n >> 80) % 3]);
        _moody.be(n % 3 == 0 ? moods[(n >> 88) % 12] : Quirk.None);
    }

    function env_usdt_pause(uint256 n) external {
        n = _begin(n);
        if (usdt.paused()) return usdt.unpause();
        require(n % 3 == 0, "not now");
        usdt.pause();
    }

    function env_usdt_fee(uint256 n) external {
        n = _begin(n);
        bool on = n % 3 == 0;
        usdt.setParams(on ? 1 + (n >> 8) % 19 : 0, on ? 1 + (n >> 16) % 49 : 0);
    }

    function env_usdt_blacklist(uint256 n) external {
        n = _begin(n);
        Deal storage d = _deals[_live[(n >> 240) % LIVE]];
        if (n % 4 == 0) usdt.addBlackList(d.vault);
        else usdt.removeBlackList(d.vault);
    }

    function env_mood_of_a_wallet(uint256 n) external {
        n = _begin(n);
        Deal storage d = _deals[_live[(n >> 240) % LIVE]];
        address who = n % 5 == 0 ? address(_seatWallet) : n % 2 == 0 ? d.buyer : d.seller;
        require(who.code.length != 0, "a key has no moods");
        PartyWallet(payable(who)).be((n >> 80) % 3 == 0 ? PartyWallet.Mood((n >> 88) % 4) : PartyWallet.Mood.Fair);
    }

    /// The old key signs nothing from here on.
    function env_key_of_a_seat(uint256 n) external {
        n = _begin(n);
        require(n % 8 == 0, "not now");
        uint256 next = SEAT_KEY + 1 + (n >> 8) % 1_000;
        address key = vm.addr(next);
        vm.prank(_cold);
        _seat.propose(key);
        _now += 7 days;
        vm.warp(_now);
        _seat.replace();
        _seatKey = next;
    }
}
