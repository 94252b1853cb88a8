// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

// Where an escrow stands. An escrow that nobody touched has no slot; a settled one has none either.
uint256 constant OPEN = 0;
uint256 constant DELIVERED = 1;
uint256 constant DISPUTED = 2;
uint256 constant CANCELLED = 3;

uint256 constant BUYER = 0;
uint256 constant SELLER = 1;

/// @notice One escrow's state, unpacked. Amounts in base units, instants in unix seconds.
struct State {
    /// The part of the amount that nobody decided yet. Never zero while the slot exists.
    uint256 left;
    uint256 deliverBy;
    /// When it was marked delivered, or when the dispute was opened.
    uint256 stamp;
    /// Seconds that the running clock had left when the dispute froze it.
    uint256 frozen;
    /// Grows with every change that does not settle; signed messages bind it.
    uint256 seq;
    /// Grows with every dispute (and appeal); rulings bind it.
    uint256 round;
    uint256 reopens;
    /// The dispute was opened by the operator on behalf of a side.
    bool byOperator;
    /// Days that the operator has extended the clocks.
    uint256 extended;
    /// Bit per side that has appealed.
    uint256 appealed;
    /// Some leg of an earlier decision is still owed.
    bool owing;
    /// `released` holds what was decided for the seller so far (kept only when there is a fee).
    bool released;
    uint256 status;
    uint256 opener;
    /// Status before the dispute.
    uint256 before;
    uint256 buyerDisputes;
    uint256 sellerDisputes;
}

/// @notice The packed slot, from the lowest bit:
///   left 96 | deliverBy 40 | stamp 40 | frozen 32 | seq 24 | round 4
///   | reopens 2, by operator 1, zero 1 | extended days 4, appealed 2, owing 1, released 1
///   | status 2, opener 1, before 1, disputes of the buyer 2, disputes of the seller 2
library Slots {
    error SlotOverflow();

    function unpack(uint256 x) internal pure returns (State memory s) {
        s.left = uint96(x);
        s.deliverBy = uint40(x >> 96);
        s.stamp = uint40(x >> 136);
        s.frozen = uint32(x >> 176);
        s.seq = uint24(x >> 208);
        s.round = (x >> 232) & 0xf;
        s.reopens = (x >> 236) & 3;
        s.byOperator = (x >> 238) & 1 == 1;
        s.extended = (x >> 240) & 0xf;
        s.appealed = (x >> 244) & 3;
        s.owing = (x >> 246) & 1 == 1;
        s.released = (x >> 247) & 1 == 1;
        s.status = (x >> 248) & 3;
        s.opener = (x >> 250) & 1;
        s.before = (x >> 251) & 1;
        s.buyerDisputes = (x >> 252) & 3;
        s.sellerDisputes = x >> 254;
    }

    function pack(State memory s) internal pure returns (uint256 x) {
        // the only field that no rule keeps within its bits: it must not run into its neighbour
        if (s.seq > type(uint24).max) revert SlotOverflow();
        x = s.left | (s.deliverBy << 96) | (s.stamp << 136) | (s.frozen << 176) | (s.seq << 208) | (s.round << 232);
        x |= (s.reopens << 236) | (_bit(s.byOperator) << 238) | (s.extended << 240) | (s.appealed << 244);
        x |= (_bit(s.owing) << 246) | (_bit(s.released) << 247) | (s.status << 248) | (s.opener << 250);
        x |= (s.before << 251) | (s.buyerDisputes << 252) | (s.sellerDisputes << 254);
    }

    function _bit(bool b) private pure returns (uint256 x) {
        assembly ("memory-safe") {
            x := b
        }
    }
}
