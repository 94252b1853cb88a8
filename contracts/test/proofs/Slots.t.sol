// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Slot, State} from "../../src/Slots.sol";

/// @notice The packing of the state: for every word and every value.
contract SlotsProof {
    uint256 private constant LEFT = type(uint96).max;
    uint256 private constant DELIVER_BY = uint256(type(uint40).max) << 96;
    uint256 private constant STAMP = uint256(type(uint40).max) << 136;
    uint256 private constant FROZEN = uint256(type(uint32).max) << 176;
    uint256 private constant SEQ = uint256(type(uint24).max) << 208;
    uint256 private constant ROUND = 15 << 232;
    uint256 private constant REOPENS = 3 << 236;
    uint256 private constant BY_OPERATOR = 1 << 238;
    uint256 private constant STORED = 1 << 239;
    uint256 private constant EXTENDED = 15 << 240;
    uint256 private constant APPEALED = 3 << 244;
    uint256 private constant OWING = 1 << 246;
    uint256 private constant RELEASED = 1 << 247;
    uint256 private constant STATUS = 3 << 248;
    uint256 private constant OPENER = 1 << 250;
    uint256 private constant BEFORE = 1 << 251;

    function check_reading_all_fields_loses_nothing(uint256 word) public pure {
        State memory u = Slot.wrap(word).unpack();
        uint256 x = u.left | (u.deliverBy << 96) | (u.stamp << 136) | (u.frozen << 176) | (u.seq << 208);
        x |= (u.round << 232) | (u.reopens << 236) | (u.extended << 240) | (u.appealed << 244);
        x |= (u.status << 248) | (u.opener << 250) | (u.before << 251);
        x |= (u.buyerDisputes << 252) | (u.sellerDisputes << 254);
        if (u.byOperator) x |= BY_OPERATOR;
        if (u.stored) x |= STORED;
        if (u.owing) x |= OWING;
        if (u.released) x |= RELEASED;
        assert(x == word);
    }

    function check_a_written_field_reads_back_and_touches_no_other(
        uint256 word,
        uint96 amount,
        uint40 time,
        uint8 small
    ) public pure {
        Slot s = Slot.wrap(word);
        uint256 two = small & 3;
        uint256 four = small & 15;
        assert(s.withLeft(amount).left() == amount && _only(s, s.withLeft(amount), LEFT));
        assert(s.withDeliverBy(time).deliverBy() == time && _only(s, s.withDeliverBy(time), DELIVER_BY));
        assert(s.withStamp(time).stamp() == time && _only(s, s.withStamp(time), STAMP));
        assert(s.withStatus(two).status() == two && _only(s, s.withStatus(two), STATUS));
        assert(s.withExtended(four).extended() == four && _only(s, s.withExtended(four), EXTENDED));
        assert(s.withOwing().owing() && _only(s, s.withOwing(), OWING));
        assert(s.withReleased().released() && _only(s, s.withReleased(), RELEASED));
        assert(s.withStored().stored() && _only(s, s.withStored(), STORED));
    }

    function check_a_counter_grows_by_one_and_touches_no_other(uint256 word, bool second) public pure {
        Slot s = Slot.wrap(word);
        uint256 side = second ? 1 : 0;
        if (s.seq() != type(uint24).max) {
            assert(s.next().seq() == s.seq() + 1 && _only(s, s.next(), SEQ));
        }
        if (s.reopens() != 3) {
            assert(s.reopened().reopens() == s.reopens() + 1 && _only(s, s.reopened(), REOPENS));
        }
        if (s.round() != 15) {
            Slot a = s.withAppeal(side);
            assert(a.round() == s.round() + 1 && a.appealed(side) && a.appealed(1 - side) == s.appealed(1 - side));
            assert(_only(s, a, ROUND | APPEALED));
        }
    }

    function check_a_dispute_writes_what_it_says_and_touches_no_other(
        uint256 word,
        bool second,
        bool operator,
        uint256 rest
    ) public pure {
        Slot s = Slot.wrap(word);
        uint256 side = second ? 1 : 0;
        if (s.round() == 15 || s.disputes(side) == 3 || s.status() > 1) return;
        Slot d = s.disputed(side, operator, rest);
        assert(d.status() == 2 && d.opener() == side && d.byOperator() == operator && d.before() == s.status());
        assert(d.frozen() == (rest > type(uint32).max ? type(uint32).max : rest));
        assert(d.round() == s.round() + 1 && d.disputes(side) == s.disputes(side) + 1);
        uint256 written = STATUS | OPENER | BY_OPERATOR | BEFORE | FROZEN | ROUND | (3 << (252 + 2 * side));
        assert(_only(s, d, written));
    }

    /// The counters and the status, or nothing: what a loss may not take away.
    function check_untouched_means_no_counter_and_no_status(uint256 word, uint96 amount) public pure {
        Slot s = Slot.wrap(word);
        bool never = s.round() == 0 && s.reopens() == 0 && s.status() == 0;
        assert(s.wasFunded() == !never);
        assert(s.untouched(amount) == (never && s.left() == amount));
    }

    function check_false_a_status_is_only_one_bit(uint256 word) public pure {
        assert(Slot.wrap(word).status() < 2);
    }

    function _only(Slot a, Slot b, uint256 mask) private pure returns (bool) {
        return (Slot.unwrap(a) ^ Slot.unwrap(b)) & ~mask == 0;
    }
}
