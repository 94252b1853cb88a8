// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {How} from "./Core.sol";
import {Messages, Ruling, Settlement} from "./Messages.sol";
import {Recovery} from "./Recovery.sol";
import {Signatures} from "./Signatures.sol";
import {BUYER, DELIVERED, DISPUTED, OPEN, SELLER, Slot, State} from "./Slots.sol";
import {Terms, TermsLib} from "./Terms.sol";

/// @title Escrow
/// @notice All escrows of one version: logic, state and events. No owner, no upgrade, no pause; money goes only to
/// the buyer, the seller and the fee recipient that an escrow's own terms name.
///
/// Funding is a plain transfer to `vaultOf(idOf(terms))`. Every action takes the full terms, because only their hash
/// is known here. Clocks: acting in time means block time <= end; a claim needs block time > end.
contract Escrow is Recovery {
    using TermsLib for Terms;

    uint256 internal constant MAX_REOPENS = 3;
    uint256 internal constant MAX_DISPUTES = 2;
    /// A side that withdraws its dispute gives the other at least this long to open its own.
    uint256 internal constant MIN_CLOCK = 1 days;
    /// Below this an item of a batch is not started: see `NotEnoughGas`.
    uint256 internal constant ITEM_GAS = 330_000;

    // ---- paying --------------------------------------------------------------------------------------------

    /// @notice Decides a part. The buyer gives to the seller, the seller to the buyer, the operator either; the
    /// parties also while disputed (they concede). `left` is the remainder that the caller saw.
    function pay(Terms calldata t, uint256 toSeller, uint256 toBuyer, uint256 left) external nonReentrant {
        (bytes32 id, address vault, Slot s) = _open(t);
        if (!_mayPay(t, toSeller, toBuyer, s.status())) revert NotAllowed();
        if (s.left() != left) revert LeftChanged(s.left());
        if (toSeller > left || toBuyer > left - toSeller || (toSeller | toBuyer) == 0) revert WrongAmount();
        _decide(t, id, vault, s, toSeller, toBuyer, How.PAY, true);
    }

    function _mayPay(Terms calldata t, uint256 toSeller, uint256 toBuyer, uint256 status)
        private
        view
        returns (bool)
    {
        if (msg.sender == t.buyer()) return toBuyer == 0;
        if (msg.sender == t.seller()) return toSeller == 0;
        return _isOperator(t) && status != DISPUTED;
    }

    // ---- delivery ------------------------------------------------------------------------------------------

    /// @notice Starts the inspection clock at this block's time. Seller or operator, funded, up to `deliverBy`.
    function markDelivered(Terms calldata t) external nonReentrant {
        (bytes32 id, address vault, Slot s) = _open(t);
        if (msg.sender != t.seller() && !_isOperator(t)) revert NotAllowed();
        if (s.status() != OPEN) revert WrongStatus();
        if (block.timestamp > s.deliverBy()) revert TooLate();
        _requireFunded(t, id, vault, s);
        _save(t, id, s.withStatus(DELIVERED).withStamp(block.timestamp).next());
        emit Delivered(id, msg.sender, block.timestamp + t.inspection());
    }

    /// @notice Stops the inspection: changes are wanted. Buyer or operator, at most three times.
    function reopenDelivery(Terms calldata t) external nonReentrant {
        (bytes32 id,, Slot s) = _open(t);
        if (msg.sender != t.buyer() && !_isOperator(t)) revert NotAllowed();
        if (s.status() != DELIVERED) revert WrongStatus();
        if (block.timestamp > s.stamp() + t.inspection()) revert TooLate();
        if (s.reopens() == MAX_REOPENS) revert TooMany();
        uint256 end = block.timestamp + t.inspection();
        if (end < s.deliverBy()) end = s.deliverBy();
        _save(t, id, s.withStatus(OPEN).withStamp(0).withDeliverBy(end).reopened().next());
        emit DeliveryReopened(id, msg.sender, end);
    }

    // ---- claims: anyone, after a clock ---------------------------------------------------------------------

    /// @notice Marked, the inspection is over, not disputed: the remainder to the seller.
    function claimDelivered(Terms calldata t) external nonReentrant {
        (bytes32 id, address vault, Slot s) = _open(t);
        if (s.status() != DELIVERED) revert WrongStatus();
        if (block.timestamp <= s.stamp() + t.inspection()) revert TooEarly();
        _decide(t, id, vault, s, s.left(), 0, How.CLAIM_DELIVERED, false);
    }

    /// @notice Not marked, `deliverBy` is over, not disputed: the remainder to the buyer.
    function claimUndelivered(Terms calldata t) external nonReentrant {
        (bytes32 id, address vault, Slot s) = _open(t);
        if (s.status() != OPEN) revert WrongStatus();
        if (block.timestamp <= s.deliverBy()) revert TooEarly();
        // untouched and too little in the vault: it was never funded, and claimUnfunded gives back what there is
        _decide(t, id, vault, s, 0, s.left(), How.CLAIM_UNDELIVERED, _untouched(t, s));
    }

    /// @notice `fundBy` is over, too little came and nothing ever happened: all that came to the buyer.
    function claimUnfunded(Terms calldata t) external nonReentrant {
        (bytes32 id, address vault, Slot s) = _open(t);
        if (!_untouched(t, s)) revert WrongStatus();
        if (block.timestamp <= t.fundBy()) revert TooEarly();
        uint256 balance = _balanceOf(t.token(), vault);
        if (balance >= s.left()) revert AlreadyFunded();
        if (balance == 0) revert NothingToPay();
        _decide(t, id, vault, s.withLeft(balance), 0, balance, How.CLAIM_UNFUNDED, true);
    }

    /// @notice The arbitration period is over without a ruling: the split that the terms named.
    function claimFallback(Terms calldata t) external nonReentrant {
        (bytes32 id, address vault, Slot s) = _open(t);
        if (s.status() != DISPUTED) revert WrongStatus();
        if (block.timestamp <= s.stamp() + t.arbitration()) revert TooEarly();
        uint256 left = s.left();
        uint256 toSeller = left * t.fallbackBps() / TermsLib.BPS;
        _decide(t, id, vault, s, toSeller, left - toSeller, How.FALLBACK, false);
    }

    // ---- disputes ------------------------------------------------------------------------------------------

    /// @notice Freezes the running clock on behalf of `side` (0 buyer, 1 seller), who must be the caller, or the
    /// caller is the operator. Funded, the clock not over, at most two per side.
    function dispute(Terms calldata t, uint8 side, bytes32 evidenceHash) external nonReentrant {
        (bytes32 id, address vault, Slot s) = _open(t);
        bool byOperator = _isOperator(t);
        if (side > SELLER || !(byOperator || msg.sender == _party(t, side))) revert NotAllowed();
        if (s.status() == DISPUTED) revert WrongStatus();
        uint256 end = s.status() == OPEN ? s.deliverBy() : s.stamp() + t.inspection();
        if (block.timestamp > end) revert TooLate();
        if (s.disputes(side) == MAX_DISPUTES) revert TooMany();
        if (!_wasFunded(s)) _requireFunded(t, id, vault, s);
        s = s.disputed(side, byOperator, end - block.timestamp).withStamp(block.timestamp).next();
        _save(t, id, s);
        emit Disputed(id, msg.sender, side, s.round(), block.timestamp + t.arbitration(), evidenceHash);
    }

    /// Nothing is marked or disputed that was not funded then; a loss since must not leave a side without recourse.
    function _wasFunded(Slot s) private pure returns (bool) {
        return s.status() == DELIVERED || s.reopens() != 0 || s.round() != 0;
    }

    /// @notice Back to the state before, with the seconds that were left, but at least a day. The side that opened
    /// it; the operator only what the operator opened, or it could lift a dispute that protects a party from it.
    /// Not after the arbitration period: then the fallback is anyone's to claim, and nobody's to dodge.
    function withdrawDispute(Terms calldata t) external nonReentrant {
        (bytes32 id,, Slot s) = _open(t);
        if (s.status() != DISPUTED) revert WrongStatus();
        bool mayOperator = s.byOperator() && _isOperator(t);
        if (!mayOperator && msg.sender != _party(t, s.opener())) revert NotAllowed();
        if (block.timestamp > s.stamp() + t.arbitration()) revert TooLate();
        uint256 until = block.timestamp + (s.frozen() > MIN_CLOCK ? s.frozen() : MIN_CLOCK);
        uint256 status = s.before();
        if (status == OPEN) {
            s = s.withDeliverBy(until).withStamp(0);
        } else {
            s = s.withStamp(until - t.inspection());
        }
        _save(t, id, s.withStatus(status).next());
        emit DisputeWithdrawn(id, msg.sender, uint8(status), until);
    }

    /// @notice Executes a ruling that enough seats signed. Anyone. When a party conceded a part after the seats
    /// signed, the same proportion of what is left is decided: conceding a unit can not void a ruling, and only the
    /// one who conceded has less.
    function rule(
        Terms calldata t,
        Ruling calldata r,
        address[] calldata signers,
        uint256 threshold,
        bytes[] calldata signatures
    ) external nonReentrant {
        (bytes32 id, address vault, Slot s) = _open(t);
        if (s.status() != DISPUTED) revert WrongStatus();
        if (r.round != s.round()) revert WrongRound(s.round());
        if (block.timestamp < r.notBefore) revert TooEarly();
        if (block.timestamp > r.deadline) revert TooLate();
        uint256 left = s.left();
        uint256 toSeller = _ruled(r, left, t.amount());
        Signatures.requireSeats(t, Messages.ruling(id, r), signers, threshold, signatures);
        emit Ruled(id, r.round, r.rulingHash);
        _decide(t, id, vault, s, toSeller, left - toSeller, How.RULING, false);
    }

    function _ruled(Ruling calldata r, uint256 left, uint256 amount) private pure returns (uint256) {
        if (r.toSeller > amount || r.toBuyer > amount - r.toSeller) revert WrongAmount();
        uint256 signed = r.toSeller + r.toBuyer;
        if (signed < left) revert WrongAmount();
        return signed == left ? r.toSeller : r.toSeller * left / signed;
    }

    /// @notice Both parties signed how to divide the remainder. Anyone submits, at any time. Funded, or after a loss.
    function settle(
        Terms calldata t,
        Settlement calldata m,
        bytes calldata buyerSignature,
        bytes calldata sellerSignature
    ) external nonReentrant {
        (bytes32 id, address vault, Slot s) = _open(t);
        if (block.timestamp > m.deadline) revert TooLate();
        uint256 left = s.left();
        if (m.toSeller > left || m.toBuyer != left - m.toSeller) revert WrongAmount();
        bytes32 digest = Messages.settlement(id, m, s.seq());
        if (!Signatures.signedBy(t.buyer(), digest, buyerSignature)) revert Signatures.BadSignature(BUYER);
        if (!Signatures.signedBy(t.seller(), digest, sellerSignature)) revert Signatures.BadSignature(SELLER);
        _decide(t, id, vault, s, m.toSeller, m.toBuyer, How.SETTLEMENT, !_wasFunded(s));
    }

    // ---- several at once, and reading ----------------------------------------------------------------------

    /// @notice Each item (calldata of one action) on its own: one that fails does not stop the others. Too little gas
    /// for an item reverts the whole instead, or an estimated gas limit would let items fail silently.
    function batch(bytes[] calldata items) external returns (bool[] memory done) {
        done = new bool[](items.length);
        for (uint256 i; i < items.length; ++i) {
            uint256 before = gasleft();
            if (before < ITEM_GAS) revert NotEnoughGas();
            bytes memory answer;
            (done[i], answer) = address(this).delegatecall(items[i]);
            if (!done[i] && _starved(before, answer)) revert NotEnoughGas();
        }
    }

    /// An item that failed and left next to nothing of the gas that it could have may have failed for want of more.
    function _starved(uint256 before, bytes memory answer) private view returns (bool) {
        return gasleft() < before / 20 || bytes4(answer) == NotEnoughGas.selector;
    }

    /// @notice Emits the full terms, so that they can be found again. Anyone.
    function announce(Terms calldata t) external {
        _open(t);
        emit Announced(t.hash(), t);
    }

    /// @notice The first rule that these terms break, zero when they are good. See `Fault`.
    function check(Terms calldata t) external view returns (uint8) {
        return t.fault(address(this));
    }

    function idOf(Terms calldata t) external pure returns (bytes32) {
        return t.hash();
    }

    /// @notice The deposit address of an escrow, before and after it has code.
    function vaultOf(bytes32 id) external view returns (address) {
        return _vault(id);
    }

    /// @notice The code that every vault is a clone of.
    function vaultCode() external view returns (address) {
        return VAULT;
    }

    /// @notice The packed slot, see `Slots`. Zero: untouched, or settled if the vault has code.
    function slotOf(bytes32 id) external view returns (uint256) {
        return Slot.unwrap(_slots[id]);
    }

    /// @notice The state that the next action would find, and whether the escrow is settled.
    function stateOf(Terms calldata t) external view returns (State memory s, bool settled) {
        Slot slot;
        (,, slot, settled) = _load(t);
        return (slot.unpack(), settled);
    }

    /// @notice What leg `kind` (0 release, 1 refund, 2 fee) still waits for.
    function owed(bytes32 id, uint8 kind) external view returns (uint256) {
        return _owed(id, kind);
    }

    function domainSeparator() external view returns (bytes32) {
        return Messages.domainSeparator();
    }

    function _isOperator(Terms calldata t) private view returns (bool) {
        address operator = t.operator();
        return operator != address(0) && msg.sender == operator;
    }

    function _party(Terms calldata t, uint256 side) private pure returns (address) {
        return side == BUYER ? t.buyer() : t.seller();
    }
}
