// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {How} from "./Core.sol";
import {Messages, Ruling} from "./Messages.sol";
import {Recovery} from "./Recovery.sol";
import {Signatures} from "./Signatures.sol";
import {BUYER, DELIVERED, DISPUTED, OPEN, SELLER, State} from "./Slots.sol";
import {Terms, TermsLib} from "./Terms.sol";
import {IToken} from "./Vault.sol";

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
        Case memory c = _open(t);
        if (!_mayPay(t, toSeller, toBuyer, c.s.status)) revert NotAllowed();
        if (c.s.left != left) revert LeftChanged(c.s.left);
        // each at most 2^96 before they are added
        if (toSeller > left || toBuyer > left - toSeller || toSeller + toBuyer == 0) revert WrongAmount();
        _decide(c, t, toSeller, toBuyer, How.PAY, true);
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
        Case memory c = _open(t);
        if (msg.sender != t.seller() && !_isOperator(t)) revert NotAllowed();
        if (c.s.status != OPEN) revert WrongStatus();
        if (block.timestamp > c.s.deliverBy) revert TooLate();
        _requireFunded(c, t);
        c.s.status = DELIVERED;
        c.s.stamp = block.timestamp;
        ++c.s.seq;
        _save(c, t);
        emit Delivered(c.id, msg.sender, block.timestamp + t.inspection());
    }

    /// @notice Stops the inspection: changes are wanted. Buyer or operator, at most three times.
    function reopenDelivery(Terms calldata t) external nonReentrant {
        Case memory c = _open(t);
        if (msg.sender != t.buyer() && !_isOperator(t)) revert NotAllowed();
        if (c.s.status != DELIVERED) revert WrongStatus();
        if (block.timestamp > c.s.stamp + t.inspection()) revert TooLate();
        if (c.s.reopens == MAX_REOPENS) revert TooMany();
        uint256 end = block.timestamp + t.inspection();
        if (end > c.s.deliverBy) c.s.deliverBy = end;
        c.s.status = OPEN;
        c.s.stamp = 0;
        ++c.s.reopens;
        ++c.s.seq;
        _save(c, t);
        emit DeliveryReopened(c.id, msg.sender, c.s.deliverBy);
    }

    // ---- claims: anyone, after a clock ---------------------------------------------------------------------

    /// @notice Marked, the inspection is over, not disputed: the remainder to the seller.
    function claimDelivered(Terms calldata t) external nonReentrant {
        Case memory c = _open(t);
        if (c.s.status != DELIVERED) revert WrongStatus();
        if (block.timestamp <= c.s.stamp + t.inspection()) revert TooEarly();
        _decide(c, t, c.s.left, 0, How.CLAIM_DELIVERED, false);
    }

    /// @notice Not marked, `deliverBy` is over, not disputed: the remainder to the buyer.
    function claimUndelivered(Terms calldata t) external nonReentrant {
        Case memory c = _open(t);
        if (c.s.status != OPEN) revert WrongStatus();
        if (block.timestamp <= c.s.deliverBy) revert TooEarly();
        // untouched and too little in the vault: it was never funded, and claimUnfunded gives back what there is
        _decide(c, t, 0, c.s.left, How.CLAIM_UNDELIVERED, _untouched(c, t));
    }

    /// @notice `fundBy` is over, too little came and nothing ever happened: all that came to the buyer.
    function claimUnfunded(Terms calldata t) external nonReentrant {
        Case memory c = _open(t);
        if (!_untouched(c, t)) revert WrongStatus();
        if (block.timestamp <= t.fundBy()) revert TooEarly();
        uint256 balance = IToken(t.token()).balanceOf(c.vault);
        if (balance >= c.s.left) revert AlreadyFunded();
        if (balance == 0) revert NothingToPay();
        c.s.left = balance;
        _decide(c, t, 0, balance, How.CLAIM_UNFUNDED, true);
    }

    /// @notice The arbitration period is over without a ruling: the split that the terms named.
    function claimFallback(Terms calldata t) external nonReentrant {
        Case memory c = _open(t);
        if (c.s.status != DISPUTED) revert WrongStatus();
        if (block.timestamp <= c.s.stamp + t.arbitration()) revert TooEarly();
        uint256 toSeller = c.s.left * t.fallbackBps() / TermsLib.BPS;
        _decide(c, t, toSeller, c.s.left - toSeller, How.FALLBACK, false);
    }

    // ---- disputes ------------------------------------------------------------------------------------------

    /// @notice Freezes the running clock on behalf of `side` (0 buyer, 1 seller), who must be the caller, or the
    /// caller is the operator. Funded, the clock not over, at most two per side.
    function dispute(Terms calldata t, uint8 side, bytes32 evidenceHash) external nonReentrant {
        Case memory c = _open(t);
        bool byOperator = _isOperator(t);
        if (side > SELLER || !(byOperator || msg.sender == _party(t, side))) revert NotAllowed();
        if (c.s.status != OPEN && c.s.status != DELIVERED) revert WrongStatus();
        uint256 end = c.s.status == OPEN ? c.s.deliverBy : c.s.stamp + t.inspection();
        if (block.timestamp > end) revert TooLate();
        _requireFunded(c, t);
        _countDispute(c.s, side);
        c.s.byOperator = byOperator;
        c.s.before = c.s.status;
        c.s.frozen = end - block.timestamp;
        c.s.status = DISPUTED;
        c.s.stamp = block.timestamp;
        _save(c, t);
        uint256 until = block.timestamp + t.arbitration();
        emit Disputed(c.id, msg.sender, side, c.s.round, until, evidenceHash);
    }

    /// Every dispute is a new round, so that no ruling signed for an earlier one lives on.
    function _countDispute(State memory s, uint8 side) private pure {
        if (side == BUYER) {
            if (s.buyerDisputes++ == MAX_DISPUTES) revert TooMany();
        } else {
            if (s.sellerDisputes++ == MAX_DISPUTES) revert TooMany();
        }
        s.opener = side;
        ++s.round;
        ++s.seq;
    }

    /// @notice Back to the state before, with the seconds that were left, but at least a day. The side that opened
    /// it; the operator only what the operator opened, or it could lift a dispute that protects a party from it.
    function withdrawDispute(Terms calldata t) external nonReentrant {
        Case memory c = _open(t);
        if (c.s.status != DISPUTED) revert WrongStatus();
        bool mayOperator = c.s.byOperator && _isOperator(t);
        if (!mayOperator && msg.sender != _party(t, c.s.opener)) revert NotAllowed();
        uint256 until = block.timestamp + (c.s.frozen > MIN_CLOCK ? c.s.frozen : MIN_CLOCK);
        c.s.status = c.s.before;
        if (c.s.status == OPEN) {
            c.s.deliverBy = until;
            c.s.stamp = 0;
        } else {
            c.s.stamp = until - t.inspection();
        }
        c.s.frozen = 0;
        c.s.byOperator = false;
        ++c.s.seq;
        _save(c, t);
        emit DisputeWithdrawn(c.id, msg.sender, uint8(c.s.status), until);
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
        Case memory c = _open(t);
        if (c.s.status != DISPUTED) revert WrongStatus();
        if (r.round != c.s.round) revert WrongRound(c.s.round);
        if (block.timestamp < r.notBefore) revert TooEarly();
        if (block.timestamp > r.deadline) revert TooLate();
        uint256 toSeller = _ruled(r, c.s.left, t.amount());
        Signatures.requireSeats(t, Messages.ruling(c.id, r), signers, threshold, signatures);
        emit Ruled(c.id, r.round, r.rulingHash);
        _decide(c, t, toSeller, c.s.left - toSeller, How.RULING, false);
    }

    function _ruled(Ruling calldata r, uint256 left, uint256 amount) private pure returns (uint256) {
        if (r.toSeller > amount || r.toBuyer > amount - r.toSeller) revert WrongAmount();
        uint256 signed = r.toSeller + r.toBuyer;
        if (signed < left) revert WrongAmount();
        return signed == left ? r.toSeller : r.toSeller * left / signed;
    }

    /// @notice Both parties signed how to divide the remainder. Anyone submits, at any time, funded.
    function settle(
        Terms calldata t,
        uint256 toSeller,
        uint256 toBuyer,
        uint256 deadline,
        bytes calldata buyerSignature,
        bytes calldata sellerSignature
    ) external nonReentrant {
        Case memory c = _open(t);
        if (block.timestamp > deadline) revert TooLate();
        uint256 left = c.s.left;
        if (toSeller > left || toBuyer != left - toSeller) revert WrongAmount();
        bytes32 digest = Messages.settlement(c.id, toSeller, toBuyer, left, c.s.seq, deadline);
        if (!Signatures.signedBy(t.buyer(), digest, buyerSignature)) revert Signatures.BadSignature(BUYER);
        if (!Signatures.signedBy(t.seller(), digest, sellerSignature)) revert Signatures.BadSignature(SELLER);
        _decide(c, t, toSeller, toBuyer, How.SETTLEMENT, true);
    }

    // ---- several at once, and reading ----------------------------------------------------------------------

    /// @notice Each item (calldata of one action) on its own: one that fails does not stop the others. Too little gas
    /// for an item reverts the whole instead, or an estimated gas limit would let items fail silently.
    function batch(bytes[] calldata items) external returns (bool[] memory done) {
        done = new bool[](items.length);
        for (uint256 i; i < items.length; ++i) {
            if (gasleft() < ITEM_GAS) revert NotEnoughGas();
            bytes memory answer;
            (done[i], answer) = address(this).delegatecall(items[i]);
            if (!done[i] && bytes4(answer) == NotEnoughGas.selector) revert NotEnoughGas();
        }
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
        return _slots[id];
    }

    /// @notice The state that the next action would find, and whether the escrow is settled.
    function stateOf(Terms calldata t) external view returns (State memory s, bool settled) {
        Case memory c = _load(t);
        return (c.s, c.slot == 0 && c.deployed);
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
