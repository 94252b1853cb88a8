// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {How} from "./Core.sol";
import {Recovery} from "./Recovery.sol";
import {BUYER, CANCELLED, DELIVERED, DISPUTED, OPEN, SELLER, Slot} from "./Slots.sol";
import {Terms, TermsLib} from "./Terms.sol";

/// @notice What the buyer, the seller and the operator can do. `by` is who does it: the caller, or whoever signed the
/// message that the caller submits. `both` says that buyer and seller signed; `by` is then the zero address, which no
/// role ever has.
abstract contract Actions is Recovery {
    using TermsLib for Terms;

    uint256 internal constant MAX_REOPENS = 3;
    uint256 internal constant MAX_DISPUTES = 2;
    uint256 internal constant MAX_OPERATOR_DAYS = 14;
    /// A side that withdraws its dispute gives the other at least this long to open its own.
    uint256 internal constant MIN_CLOCK = 1 days;
    /// An appeal voids signatures of the seats, so it must leave them this long before the fallback opens.
    uint256 internal constant APPEAL_MARGIN = 14 days;

    /// The buyer gives to the seller, the seller to the buyer, the operator either; the parties also while disputed.
    function _payPart(Terms calldata t, address by, uint256 toSeller, uint256 toBuyer, uint256 left) internal {
        (bytes32 id, address vault, Slot s) = _open(t);
        if (!_mayPay(t, by, toSeller, toBuyer, s.status())) revert NotAllowed();
        if (s.left() != left) revert LeftChanged(s.left());
        if (toSeller > left || toBuyer > left - toSeller || (toSeller | toBuyer) == 0) revert WrongAmount();
        _decide(t, id, vault, s, toSeller, toBuyer, How.by(How.PAY, by), true);
    }

    function _mayPay(Terms calldata t, address by, uint256 toSeller, uint256 toBuyer, uint256 status)
        private
        pure
        returns (bool)
    {
        if (by == t.buyer()) return toBuyer == 0;
        if (by == t.seller()) return toSeller == 0;
        return _isOperator(t, by) && status != DISPUTED;
    }

    function _markDelivered(Terms calldata t, address by) internal {
        (bytes32 id, address vault, Slot s) = _open(t);
        if (by != t.seller() && !_isOperator(t, by)) revert NotAllowed();
        if (s.status() != OPEN) revert WrongStatus();
        if (block.timestamp > s.deliverBy()) revert TooLate();
        _requireFunded(t, id, vault, s);
        _save(t, id, s.withStatus(DELIVERED).withStamp(block.timestamp).next());
        emit Delivered(id, by, block.timestamp + t.inspection());
    }

    function _reopenDelivery(Terms calldata t, address by) internal {
        (bytes32 id,, Slot s) = _open(t);
        if (by != t.buyer() && !_isOperator(t, by)) revert NotAllowed();
        if (s.status() != DELIVERED) revert WrongStatus();
        if (block.timestamp > s.stamp() + t.inspection()) revert TooLate();
        if (s.reopens() == MAX_REOPENS) revert TooMany();
        uint256 end = block.timestamp + t.inspection();
        if (end < s.deliverBy()) end = s.deliverBy();
        _save(t, id, s.withStatus(OPEN).withStamp(0).withDeliverBy(end).reopened().next());
        emit DeliveryReopened(id, by, end);
    }

    /// Moves the end of the running clock to `until`, which is later. Both parties up to 400 days from now, so that
    /// the escrow still ends; the operator alone by at most 14 days in all, each begun day counted whole.
    function _extend(Terms calldata t, address by, bool both, uint256 until) internal {
        (bytes32 id,, Slot s) = _open(t);
        if (!both && !_isOperator(t, by)) revert NotAllowed();
        uint256 end = _runningEnd(t, s);
        if (until <= end || until > block.timestamp + TermsLib.MAX_DELIVERY) revert OutOfRange();
        if (!both) {
            uint256 total = s.extended() + (until - end + 1 days - 1) / 1 days;
            if (total > MAX_OPERATOR_DAYS) revert TooMany();
            s = s.withExtended(total);
        }
        s = s.status() == OPEN ? s.withDeliverBy(until) : s.withStamp(until - t.inspection());
        _save(t, id, s.next());
        emit Extended(id, by, until);
    }

    /// The terms are dead from here on; all that is in the vault and all that ever comes is the buyer's. The operator
    /// can not while a dispute runs: that would decide it.
    function _cancel(Terms calldata t, address by, bool both) internal {
        (bytes32 id, address vault, Slot s) = _open(t);
        bool mayOperator = s.status() != DISPUTED && _isOperator(t, by);
        if (!both && by != t.seller() && !mayOperator) revert NotAllowed();
        if (s.left() != t.amount()) revert WrongStatus();
        if (gasleft() < DECIDE_GAS) revert NotEnoughGas();
        _save(t, id, s.withStatus(CANCELLED).withLeft(0).next());
        emit Cancelled(id, by);
        address token = t.token();
        uint256 balance = _held(t, vault, false);
        if (balance == 0) return;
        _deploy(id, vault, s);
        // a token that refuses the buyer now does not keep the terms alive: anyone rescues what is there later
        if (_pay(vault, token, t.buyer(), balance, balance)) emit Rescued(id, token, t.buyer(), balance);
    }

    function _dispute(Terms calldata t, address by, uint256 side, bytes32 evidenceHash) internal {
        (bytes32 id, address vault, Slot s) = _open(t);
        bool byOperator = _speaksFor(t, by, side);
        uint256 end = _runningEnd(t, s);
        if (s.disputes(side) == MAX_DISPUTES) revert TooMany();
        if (!s.wasFunded()) _requireFunded(t, id, vault, s);
        s = s.disputed(side, byOperator, end - block.timestamp).withStamp(block.timestamp).next();
        _save(t, id, s);
        emit Disputed(id, by, uint8(side), s.round(), block.timestamp + t.arbitration(), evidenceHash);
    }

    function _withdrawDispute(Terms calldata t, address by) internal {
        (bytes32 id,, Slot s) = _open(t);
        if (s.status() != DISPUTED) revert WrongStatus();
        bool mayOperator = s.byOperator() && _isOperator(t, by);
        if (!mayOperator && by != _party(t, s.opener())) revert NotAllowed();
        if (block.timestamp > s.stamp() + t.arbitration()) revert TooLate();
        uint256 until = block.timestamp + (s.frozen() > MIN_CLOCK ? s.frozen() : MIN_CLOCK);
        uint256 status = s.before();
        if (status == OPEN) {
            s = s.withDeliverBy(until).withStamp(0);
        } else {
            s = s.withStamp(until - t.inspection());
        }
        _save(t, id, s.withStatus(status).next());
        emit DisputeWithdrawn(id, by, uint8(status), until);
    }

    /// A new round: what the seats signed for an earlier one is void. Not in the last 14 days of the arbitration, or
    /// whoever loses could trade the ruling for the fallback.
    function _appeal(Terms calldata t, address by, uint256 side) internal {
        (bytes32 id,, Slot s) = _open(t);
        _speaksFor(t, by, side);
        if (s.status() != DISPUTED) revert WrongStatus();
        if (s.appealed(side)) revert TooMany();
        if (block.timestamp + APPEAL_MARGIN > s.stamp() + t.arbitration()) revert TooLate();
        s = s.withAppeal(side).next();
        _save(t, id, s);
        emit Appealed(id, by, uint8(side), s.round());
    }

    /// The end of the clock that runs; acting needs that it did not pass.
    function _runningEnd(Terms calldata t, Slot s) private view returns (uint256 end) {
        uint256 status = s.status();
        if (status == DISPUTED) revert WrongStatus();
        end = status == OPEN ? s.deliverBy() : s.stamp() + t.inspection();
        if (block.timestamp > end) revert TooLate();
    }

    /// `side` speaks for itself, or the operator for it.
    function _speaksFor(Terms calldata t, address by, uint256 side) private pure returns (bool asOperator) {
        asOperator = _isOperator(t, by);
        if (side > SELLER || !(asOperator || by == _party(t, side))) revert NotAllowed();
    }

    function _party(Terms calldata t, uint256 side) internal pure returns (address) {
        return side == BUYER ? t.buyer() : t.seller();
    }
}
