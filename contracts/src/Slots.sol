// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

// Where an escrow stands. An escrow that nobody touched has no slot; a settled one has none either.
uint256 constant OPEN = 0;
uint256 constant DELIVERED = 1;
uint256 constant DISPUTED = 2;
uint256 constant CANCELLED = 3;

uint256 constant BUYER = 0;
uint256 constant SELLER = 1;

/// @notice One escrow's state in one word, from the lowest bit:
///   left 96        the part of the amount that nobody decided yet; while the slot exists zero only when cancelled
///   deliverBy 40   unix seconds
///   stamp 40       when it was marked delivered, or when the dispute was opened; unix seconds
///   frozen 32      seconds that the running clock had left when the dispute froze it
///   seq 24         grows with every change that does not settle; signed messages bind it
///   round 4        grows with every dispute (and appeal); rulings bind it
///   reopens 2      how often changes were requested
///   by operator 1  the dispute was opened by the operator on behalf of a side
///   stored 1       set in storage, clear in the state of an escrow that nobody touched
///   extended 4     days that the operator has extended the clocks
///   appealed 2     a bit per side that has appealed
///   owing 1        some leg of an earlier decision is still owed
///   released 1     storage holds what was decided for the seller so far (only when there is a fee)
///   status 2
///   opener 1       the side that opened the dispute
///   before 1       status before the dispute
///   disputes 2+2   how often the buyer, and the seller, disputed
type Slot is uint256;

/// @notice The same, unpacked for readers.
struct State {
    uint256 left;
    uint256 deliverBy;
    uint256 stamp;
    uint256 frozen;
    uint256 seq;
    uint256 round;
    uint256 reopens;
    bool byOperator;
    bool stored;
    uint256 extended;
    uint256 appealed;
    bool owing;
    bool released;
    uint256 status;
    uint256 opener;
    uint256 before;
    uint256 buyerDisputes;
    uint256 sellerDisputes;
}

using Slots for Slot global;

library Slots {
    uint256 private constant DELIVER_BY = 96;
    uint256 private constant STAMP = 136;
    uint256 private constant FROZEN = 176;
    uint256 private constant SEQ = 208;
    uint256 private constant ROUND = 232;
    uint256 private constant REOPENS = 236;
    uint256 private constant BY_OPERATOR = 238;
    uint256 private constant STORED = 239;
    uint256 private constant EXTENDED = 240;
    uint256 private constant APPEALED = 244;
    uint256 private constant OWING = 246;
    uint256 private constant RELEASED = 247;
    uint256 private constant STATUS = 248;
    uint256 private constant OPENER = 250;
    uint256 private constant BEFORE = 251;
    uint256 private constant DISPUTES = 252;

    error SlotOverflow();

    /// @notice The state of an escrow that nobody touched.
    function fresh(uint256 amount, uint256 deliverBy_) internal pure returns (Slot) {
        return Slot.wrap(amount | (deliverBy_ << DELIVER_BY));
    }

    function left(Slot s) internal pure returns (uint256) {
        return uint96(Slot.unwrap(s));
    }

    function deliverBy(Slot s) internal pure returns (uint256) {
        return uint40(Slot.unwrap(s) >> DELIVER_BY);
    }

    function stamp(Slot s) internal pure returns (uint256) {
        return uint40(Slot.unwrap(s) >> STAMP);
    }

    function frozen(Slot s) internal pure returns (uint256) {
        return uint32(Slot.unwrap(s) >> FROZEN);
    }

    function seq(Slot s) internal pure returns (uint256) {
        return uint24(Slot.unwrap(s) >> SEQ);
    }

    function round(Slot s) internal pure returns (uint256) {
        return (Slot.unwrap(s) >> ROUND) & 0xf;
    }

    function reopens(Slot s) internal pure returns (uint256) {
        return (Slot.unwrap(s) >> REOPENS) & 3;
    }

    function byOperator(Slot s) internal pure returns (bool) {
        return (Slot.unwrap(s) >> BY_OPERATOR) & 1 == 1;
    }

    function stored(Slot s) internal pure returns (bool) {
        return (Slot.unwrap(s) >> STORED) & 1 == 1;
    }

    function owing(Slot s) internal pure returns (bool) {
        return (Slot.unwrap(s) >> OWING) & 1 == 1;
    }

    function released(Slot s) internal pure returns (bool) {
        return (Slot.unwrap(s) >> RELEASED) & 1 == 1;
    }

    function status(Slot s) internal pure returns (uint256) {
        return (Slot.unwrap(s) >> STATUS) & 3;
    }

    function opener(Slot s) internal pure returns (uint256) {
        return (Slot.unwrap(s) >> OPENER) & 1;
    }

    function before(Slot s) internal pure returns (uint256) {
        return (Slot.unwrap(s) >> BEFORE) & 1;
    }

    function disputes(Slot s, uint256 side) internal pure returns (uint256) {
        return (Slot.unwrap(s) >> (DISPUTES + 2 * side)) & 3;
    }

    /// @notice Nothing was ever decided, marked or disputed. What a party extended does not count.
    function untouched(Slot s, uint256 amount) internal pure returns (bool) {
        return left(s) == amount && !wasFunded(s);
    }

    /// @notice It was marked or disputed, which needs the full money: a loss since must not take a side's recourse.
    function wasFunded(Slot s) internal pure returns (bool) {
        return Slot.unwrap(s) & ((0x3f << ROUND) | (3 << STATUS)) != 0; // round, reopens, status
    }

    /// @notice Whole days that the operator has extended the clocks.
    function extended(Slot s) internal pure returns (uint256) {
        return (Slot.unwrap(s) >> EXTENDED) & 0xf;
    }

    function appealed(Slot s, uint256 side) internal pure returns (bool) {
        return (Slot.unwrap(s) >> (APPEALED + side)) & 1 == 1;
    }

    function withLeft(Slot s, uint256 value) internal pure returns (Slot) {
        return _with(s, 0, type(uint96).max, value);
    }

    function withDeliverBy(Slot s, uint256 value) internal pure returns (Slot) {
        return _with(s, DELIVER_BY, type(uint40).max, value);
    }

    function withStamp(Slot s, uint256 value) internal pure returns (Slot) {
        return _with(s, STAMP, type(uint40).max, value);
    }

    function withStatus(Slot s, uint256 value) internal pure returns (Slot) {
        return _with(s, STATUS, 3, value);
    }

    function withOwing(Slot s) internal pure returns (Slot) {
        return Slot.wrap(Slot.unwrap(s) | (1 << OWING));
    }

    function withReleased(Slot s) internal pure returns (Slot) {
        return Slot.wrap(Slot.unwrap(s) | (1 << RELEASED));
    }

    function withStored(Slot s) internal pure returns (Slot) {
        return Slot.wrap(Slot.unwrap(s) | (1 << STORED));
    }

    /// @notice One more change. The only counter that no rule keeps within its bits: it must not run into the round.
    function next(Slot s) internal pure returns (Slot) {
        if (seq(s) == type(uint24).max) revert SlotOverflow();
        unchecked {
            return Slot.wrap(Slot.unwrap(s) + (1 << SEQ));
        }
    }

    /// @notice One more reopening; the caller keeps it at most three.
    function reopened(Slot s) internal pure returns (Slot) {
        unchecked {
            return Slot.wrap(Slot.unwrap(s) + (1 << REOPENS));
        }
    }

    /// @notice Disputed by `side`, a round later, with `secondsLeft` on the clock, of which at most 136 years are
    /// remembered. The caller disputes only what is open or delivered and keeps disputes at most two per side, so the
    /// round stays below sixteen.
    function disputed(Slot s, uint256 side, bool operator, uint256 secondsLeft) internal pure returns (Slot) {
        uint256 x = Slot.unwrap(s);
        uint256 was = (x >> STATUS) & 1; // open or delivered
        if (secondsLeft > type(uint32).max) secondsLeft = type(uint32).max;
        x &= ~((1 << BY_OPERATOR) | (3 << STATUS) | (1 << OPENER) | (1 << BEFORE) | (uint256(type(uint32).max) << FROZEN));
        x |= (DISPUTED << STATUS) | (side << OPENER) | (was << BEFORE) | (secondsLeft << FROZEN);
        if (operator) x |= 1 << BY_OPERATOR;
        unchecked {
            return Slot.wrap(x + (1 << ROUND) + (1 << (DISPUTES + 2 * side)));
        }
    }

    /// @notice `side` appealed: a round later. The caller keeps it at most once per side, so the round stays below
    /// sixteen.
    function withAppeal(Slot s, uint256 side) internal pure returns (Slot) {
        unchecked {
            return Slot.wrap((Slot.unwrap(s) | (1 << (APPEALED + side))) + (1 << ROUND));
        }
    }

    /// @notice The caller keeps the days within their four bits.
    function withExtended(Slot s, uint256 value) internal pure returns (Slot) {
        return _with(s, EXTENDED, 0xf, value);
    }

    function unpack(Slot s) internal pure returns (State memory u) {
        uint256 x = Slot.unwrap(s);
        (u.left, u.deliverBy, u.stamp, u.frozen) = (left(s), deliverBy(s), stamp(s), frozen(s));
        (u.seq, u.round, u.reopens) = (seq(s), round(s), reopens(s));
        (u.byOperator, u.stored, u.owing, u.released) = (byOperator(s), stored(s), owing(s), released(s));
        (u.extended, u.appealed) = (extended(s), (x >> APPEALED) & 3);
        (u.status, u.opener, u.before) = (status(s), opener(s), before(s));
        (u.buyerDisputes, u.sellerDisputes) = (disputes(s, BUYER), disputes(s, SELLER));
    }

    function _with(Slot s, uint256 offset, uint256 mask, uint256 value) private pure returns (Slot) {
        return Slot.wrap((Slot.unwrap(s) & ~(mask << offset)) | (value << offset));
    }
}
