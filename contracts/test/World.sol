// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {Deployer} from "./GateBase.sol";
import {Quirk, QuirkToken} from "./QuirkTokens.sol";
import {PartyWallet} from "./Wallets.sol";
import {ArbiterSeat} from "../src/ArbiterSeat.sol";
import {How} from "../src/Core.sol";
import {GateKeys} from "../src/GateKeys.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {OperatorGate} from "../src/OperatorGate.sol";
import {TestUSDT} from "../src/mocks/TestUSDT.sol";
import {Terms} from "../src/Terms.sol";

/// @notice The cheats that read events.
interface Recorder {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
}

/// @notice One escrow of the world: who is in it, what came, and what the events said of it.
struct Deal {
    Terms terms;
    bytes32 id;
    address vault;
    address token;
    address buyer;
    address seller;
    address operator;
    address feeTo;
    uint256 key; // the buyer's; the seller's is one more
    uint256 amount;
    uint256 feeBps;
    bool invalid; // its terms break a rule
    bool away; // its home is another chain
    uint256 came;
    uint256 destroyed;
    uint256 native;
    uint256 rescuedNative;
    uint256 rescued;
    uint256[3] decided;
    uint256[3] paid;
    bool settled;
    bool short; // settled with what had come of the amount
    bool cancelled;
}

/// @notice Many escrows at once, each with people of its own, so that every unit can be followed. Three tokens: one like
/// USDT, one that misbehaves in turns, one that calls its receivers. Operators are a key, the gate, or nobody; seats are
/// a key, an `ArbiterSeat` and a contract; parties are keys or contracts that strike back when money reaches them.
abstract contract World is Base {
    uint256 internal constant LIVE = 12;
    uint256 internal constant SECOND_KEY = 0x5ec0;
    uint256 internal constant SEAT_KEY = 0x5ea7;
    uint80 internal constant CAP = 300e6;

    Recorder private constant RECORDER = Recorder(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    Deal[] internal _deals;
    /// The deals that are played; a finished one makes room for the next.
    uint256[LIVE] internal _live;
    mapping(bytes32 id => uint256) private _place;
    address[3] internal _tokens;
    QuirkToken internal _moody;
    QuirkToken internal _notifier;
    /// A token that no terms name.
    QuirkToken internal _foreign;
    OperatorGate internal _gate;
    ArbiterSeat internal _seat;
    uint256 internal _seatKey = SEAT_KEY;
    PartyWallet internal _seatWallet;
    address internal _hot = address(0x407);
    address internal _small = address(0x5a11);
    address internal _cold = address(0xc01d);
    uint256 internal _now = START;
    /// Counts what was done.
    uint256 internal _tick;
    /// The deal of which an event spoke last.
    uint256 internal _touched;
    /// What must never happen and did; empty as long as all is well.
    string internal _breach;

    function setUp() public virtual override {
        super.setUp();
        (_moody, _notifier, _foreign) = (new QuirkToken(), new QuirkToken(), new QuirkToken());
        _notifier.be(Quirk.NotifiesReceiver);
        _tokens = [address(usdt), address(_moody), address(_notifier)];
        _makeGate();
        _seatThree();
        for (uint256 i; i < LIVE; ++i) {
            _open(uint256(keccak256(abi.encode(_world(), i))), i);
        }
    }

    function _makeGate() private {
        GateKeys.Grant[] memory grants = new GateKeys.Grant[](5);
        for (uint256 i; i < 3; ++i) {
            grants[i] = GateKeys.Grant(_hot, _tokens[i], CAP, 40 * CAP);
        }
        grants[3] = GateKeys.Grant(_small, _tokens[0], 1, 1);
        grants[4] = GateKeys.Grant(vm.addr(SECOND_KEY), address(0), 0, 0);
        bytes memory arguments = abi.encode(address(escrow), _cold, grants);
        _gate = OperatorGate(Deployer(address(vm)).deployCode("OperatorGate.sol:OperatorGate", arguments));
    }

    function _seatThree() private {
        bytes memory arguments = abi.encode(_cold, vm.addr(SEAT_KEY));
        _seat = ArbiterSeat(Deployer(address(vm)).deployCode("ArbiterSeat.sol:ArbiterSeat", arguments));
        _seatWallet = new PartyWallet(address(escrow));
        seats = [vm.addr(0xa000), address(_seat), address(_seatWallet)];
        for (uint256 i = 1; i < 3; ++i) {
            for (uint256 k = i; k > 0 && seats[k] < seats[k - 1]; --k) {
                (seats[k], seats[k - 1]) = (seats[k - 1], seats[k]);
            }
        }
    }

    // ---- new deals -----------------------------------------------------------------------------------------

    /// A deal with terms drawn from `dice`, in the place `slot` of those that are played.
    function _open(uint256 dice, uint256 slot) internal {
        _live[slot] = _deals.length;
        Deal storage d = _deals.push();
        d.key = 0xb0000000 + 2 * _deals.length;
        d.token = _tokens[(dice >> 8) % 3];
        d.buyer = (dice >> 16) % 4 == 0 ? address(new PartyWallet(address(escrow))) : vm.addr(d.key);
        d.seller = (dice >> 24) % 4 == 0 ? address(new PartyWallet(address(escrow))) : vm.addr(d.key + 1);
        d.operator = [address(_gate), address(_gate), operator, operator, address(0)][(dice >> 32) % 5];
        d.feeTo = address(uint160(0xfee00000 + _deals.length));
        d.amount = (dice >> 40) % 4 == 0 ? uint256(CAP) + uint256(uint32(dice)) : 1 + uint256(uint32(dice)) % CAP;
        d.feeBps = [uint256(0), 0, 100, 333, 1_000][(dice >> 48) % 5];
        d.invalid = (dice >> 56) % 12 == 0;
        d.away = (dice >> 56) % 12 == 1;
        d.terms = _termsOf(d, dice);
        d.id = escrow.idOf(d.terms);
        d.vault = escrow.vaultOf(d.id);
        _place[d.id] = _deals.length;
        _arm(d, dice);
        uint256 funding = (dice >> 64) % 16;
        if (funding < 14) _deposit(d, d.amount);
        else if (funding == 14) _deposit(d, dice % d.amount);
    }

    function _termsOf(Deal storage d, uint256 dice) private view returns (Terms memory) {
        Plan memory p = plan();
        (p.token, p.amount, p.buyer, p.seller) = (d.token, d.amount, d.buyer, d.seller);
        (p.operator, p.feeTo, p.feeBps) = (d.operator, d.feeTo, d.invalid ? 5_000 : d.feeBps);
        if (d.away) p.chain = 1;
        p.fundBy = _now + 1 + (dice >> 72) % 4 days;
        p.deliverBy = p.fundBy + (dice >> 104) % 60 days;
        p.inspection = 1 days + (dice >> 136) % 29 days;
        p.arbitration = 60 days + (dice >> 168) % 30 days;
        p.fallbackBps = [uint256(0), 3_333, 5_000, 10_000][(dice >> 200) % 4];
        p.deal = keccak256(abi.encode(_deals.length));
        return pack(p);
    }

    /// Parties that are contracts try to take more whenever their token tells them that money came. Two attempts, for
    /// a leg that runs out of gas would prove nothing.
    function _arm(Deal storage d, uint256 dice) private {
        bytes[5] memory all = [
            abi.encodeCall(escrow.pay, (d.terms, 1, 0, d.amount)),
            abi.encodeCall(escrow.pay, (d.terms, 0, 1, d.amount)),
            abi.encodeCall(escrow.rescue, (d.terms, d.token)),
            abi.encodeCall(escrow.payLeg, (d.terms, 0)),
            abi.encodeCall(escrow.cancel, (d.terms))
        ];
        bytes[] memory calls = new bytes[](2);
        (calls[0], calls[1]) = (all[(dice >> 208) % 5], all[(dice >> 216) % 5]);
        if (d.buyer.code.length != 0) PartyWallet(payable(d.buyer)).arm(calls);
        if (d.seller.code.length != 0) PartyWallet(payable(d.seller)).arm(calls);
    }

    /// USDT by a transfer, because its fee may be on; the others appear.
    function _deposit(Deal storage d, uint256 amount) internal {
        uint256 before = _truth(d.token, d.vault);
        if (d.token == address(usdt)) {
            usdt.mint(payer, amount);
            vm.prank(payer);
            usdt.transfer(d.vault, amount);
        } else {
            QuirkToken(d.token).mint(d.vault, amount);
        }
        d.came += _truth(d.token, d.vault) - before;
    }

    function _truth(address token, address who) internal view returns (uint256) {
        return token == address(usdt) ? usdt.balanceOf(who) : QuirkToken(token).truth(who);
    }

    /// Every act begins with the time of the world, and with dice: the runner likes round numbers too much.
    function _begin(uint256 n) internal returns (uint256) {
        vm.warp(_now);
        return uint256(keccak256(abi.encode(_world(), n, ++_tick)));
    }

    /// The runner gives every suite the same numbers; worlds of different names make different things of them.
    function _world() internal pure virtual returns (string memory);

    // ---- acting ----------------------------------------------------------------------------------------------

    /// Somebody does something that may be refused: then the runner sees a revert and counts it.
    function _do(address by, address target, bytes memory data) internal returns (bytes memory answer) {
        RECORDER.recordLogs();
        vm.prank(by);
        bool ok;
        (ok, answer) = target.call(data);
        if (!ok) {
            assembly {
                revert(add(answer, 0x20), mload(answer))
            }
        }
        _read(RECORDER.getRecordedLogs());
    }

    /// Somebody tries what nobody may: a revert is what should happen, anything else is a breach.
    function _bad(address by, address target, bytes memory data, string memory what) internal {
        _do(by, target, data);
        _breach = what;
    }

    // ---- what the events say -----------------------------------------------------------------------------------

    function _read(Recorder.Log[] memory logs) private {
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != address(escrow)) continue;
            _touched = _place[logs[i].topics[1]] - 1;
            Deal storage d = _deals[_touched];
            bytes32 topic = logs[i].topics[0];
            if (topic == IEscrow.Decided.selector) _readDecided(d, logs[i].data);
            else if (topic == IEscrow.LegPaid.selector) _readLegPaid(d, logs[i].data);
            else if (topic == IEscrow.Rescued.selector) _readRescued(d, logs[i].data);
            else if (topic == IEscrow.Cancelled.selector) d.cancelled = true;
        }
    }

    function _readDecided(Deal storage d, bytes memory data) private {
        (, uint8 how, uint256 release, uint256 refund, uint256 fee, uint256 rest, uint256 paid) =
            abi.decode(data, (address, uint8, uint256, uint256, uint256, uint256, uint256));
        uint256[3] memory legs = [release, refund, fee];
        for (uint256 kind; kind < 3; ++kind) {
            d.decided[kind] += legs[kind];
            if (paid & (1 << kind) != 0) d.paid[kind] += legs[kind];
        }
        if (d.settled || d.cancelled) _breach = "decided after its end";
        if (rest == 0) d.settled = true;
        d.short = how == How.CLAIM_UNFUNDED || (how == How.CLAIM_UNDELIVERED && _decidedAll(d) < d.amount);
        if (d.short && _tells(d.token) && _truth(d.token, d.vault) > _owedAll(d)) _breach = "decided less than there was";
    }

    /// A balance that the token hides can not be decided; it is the buyer's to rescue later.
    function _tells(address token) private view returns (bool) {
        Quirk q = _moody.quirk();
        return token != address(_moody) || (q != Quirk.HidesBalances && q != Quirk.SaysNothing);
    }

    function _readLegPaid(Deal storage d, bytes memory data) private {
        (uint8 kind, address to, uint256 amount,) = abi.decode(data, (uint8, address, uint256, uint256));
        if (to != [d.seller, d.buyer, d.feeTo][kind]) _breach = "a leg was paid to somebody else";
        d.paid[kind] += amount;
    }

    function _readRescued(Deal storage d, bytes memory data) private {
        (address token, address to, uint256 amount) = abi.decode(data, (address, address, uint256));
        if (to != d.buyer) _breach = "rescued to somebody else";
        if (token == d.token) d.rescued += amount;
        if (token == address(0)) d.rescuedNative += amount;
    }

    // ---- choosing ----------------------------------------------------------------------------------------------

    function _isGood(Deal storage d) internal view returns (bool) {
        return !d.invalid && !d.away;
    }

    /// Nothing more can happen to it but late money.
    function _finished(Deal storage d) internal view returns (bool) {
        bool over = d.settled || d.cancelled || !_isGood(d);
        return over && _truth(d.token, d.vault) == 0 && _owedAll(d) == 0;
    }

    function _owedAll(Deal storage d) internal view returns (uint256) {
        return _decidedAll(d) - d.paid[0] - d.paid[1] - d.paid[2];
    }

    function _decidedAll(Deal storage d) internal view returns (uint256) {
        return d.decided[0] + d.decided[1] + d.decided[2];
    }
}
