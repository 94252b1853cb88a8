// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Actions} from "./Actions.sol";
import {How} from "./Core.sol";
import {Act, Messages, Relayed, Ruling, Settlement} from "./Messages.sol";
import {Signatures} from "./Signatures.sol";
import {BUYER, DELIVERED, DISPUTED, OPEN, SELLER, Slot} from "./Slots.sol";
import {Terms, TermsLib} from "./Terms.sol";

/// @title Escrow
/// @notice All escrows of one version: logic, state and events. No owner, no upgrade, no pause; money goes only to
/// the buyer, the seller and the fee recipient that an escrow's own terms name.
///
/// Funding is a plain transfer to `vaultOf(idOf(terms))`. Every action takes the full terms, because only their hash
/// is known here. Clocks: acting in time means block time <= end; a claim needs block time > end.
contract Escrow is Actions {
    using TermsLib for Terms;

    /// Below this an item of a batch is not started: see `NotEnoughGas`.
    uint256 internal constant ITEM_GAS = 330_000;

    // ---- what buyer, seller and operator do: the caller's own, see `relay` for signed ones --------------------

    /// @notice Decides a part. The buyer gives to the seller, the seller to the buyer, the operator either; the
    /// parties also while disputed (they concede). `left` is the remainder that the caller saw.
    function pay(Terms calldata t, uint256 toSeller, uint256 toBuyer, uint256 left) external nonReentrant {
        _payPart(t, msg.sender, toSeller, toBuyer, left);
    }

    /// @notice Starts the inspection clock at this block's time. Seller or operator, funded, up to `deliverBy`.
    function markDelivered(Terms calldata t) external nonReentrant {
        _markDelivered(t, msg.sender);
    }

    /// @notice Stops the inspection: changes are wanted. Buyer or operator, at most three times.
    function reopenDelivery(Terms calldata t) external nonReentrant {
        _reopenDelivery(t, msg.sender);
    }

    /// @notice Moves the end of the running clock to `until`. The operator, at most 14 days in all; without that bound
    /// both parties, by `relay`.
    function extend(Terms calldata t, uint256 until) external nonReentrant {
        _extend(t, msg.sender, false, until);
    }

    /// @notice Ends it before anything was decided: everything to the buyer, now and later. The seller, the operator
    /// while nothing is disputed, or both parties by `relay`.
    function cancel(Terms calldata t) external nonReentrant {
        _cancel(t, msg.sender, false);
    }

    /// @notice Freezes the running clock on behalf of `side` (0 buyer, 1 seller), who must be the caller, or the
    /// caller is the operator. Funded, the clock not over, at most two per side.
    function dispute(Terms calldata t, uint8 side, bytes32 evidenceHash) external nonReentrant {
        _dispute(t, msg.sender, side, evidenceHash);
    }

    /// @notice Back to the state before, with the seconds that were left, but at least a day. The side that opened
    /// it; the operator only what the operator opened, or it could lift a dispute that protects a party from it.
    /// Not after the arbitration period: then the fallback is anyone's to claim, and nobody's to dodge.
    function withdrawDispute(Terms calldata t) external nonReentrant {
        _withdrawDispute(t, msg.sender);
    }

    /// @notice A new round on behalf of `side`, once per side: every earlier ruling signature is void. Up to 14 days
    /// before the end of the arbitration.
    function appeal(Terms calldata t, uint8 side) external nonReentrant {
        _appeal(t, msg.sender, side);
    }

    /// @notice Does what a party signed, or what both signed (extend, cancel); anyone submits. The message binds the
    /// escrow, its remainder and its `seq`, so it dies with the next change.
    function relay(Terms calldata t, Act calldata a, bytes calldata buyerSignature, bytes calldata sellerSignature)
        external
        nonReentrant
    {
        if (a.signers == 0 || a.signers > Relayed.BOTH) revert NotAllowed();
        if (block.timestamp > a.deadline) revert TooLate();
        bytes32 digest = _actDigest(t, a);
        if (a.signers & Relayed.BY_BUYER != 0) _requireSigned(t.buyer(), digest, buyerSignature, BUYER);
        if (a.signers & Relayed.BY_SELLER != 0) _requireSigned(t.seller(), digest, sellerSignature, SELLER);
        _perform(t, a);
    }

    /// A rescue binds neither remainder nor `seq`: done twice it still only gives the buyer what is the buyer's.
    function _actDigest(Terms calldata t, Act calldata a) private view returns (bytes32) {
        if (a.action == Relayed.RESCUE) return Messages.act(t.hash(), a, 0, 0);
        (bytes32 id,, Slot s) = _open(t);
        return Messages.act(id, a, s.left(), s.seq());
    }

    function _requireSigned(address signer, bytes32 digest, bytes calldata signature, uint256 side) private view {
        if (!Signatures.signedBy(signer, digest, signature)) revert Signatures.BadSignature(side);
    }

    function _perform(Terms calldata t, Act calldata a) private {
        bytes32 action = a.action;
        bool both = a.signers == Relayed.BOTH;
        address by = both ? address(0) : _party(t, a.signers == Relayed.BY_BUYER ? BUYER : SELLER);
        if (action == Relayed.PAY) _payPart(t, by, a.first, a.second, _leftOf(t));
        else if (action == Relayed.MARK) _markDelivered(t, by);
        else if (action == Relayed.REOPEN) _reopenDelivery(t, by);
        else if (action == Relayed.EXTEND) _extend(t, by, both, a.first);
        else if (action == Relayed.CANCEL) _cancel(t, by, both);
        else if (action == Relayed.DISPUTE) _dispute(t, by, a.first, bytes32(a.second));
        else if (action == Relayed.WITHDRAW) _withdrawDispute(t, by);
        else if (action == Relayed.APPEAL) _appeal(t, by, a.first);
        else if (action == Relayed.RESCUE) _rescue(t, address(uint160(a.first)), by);
        else revert NotAllowed();
    }

    /// The remainder that the signer saw: the digest bound it.
    function _leftOf(Terms calldata t) private view returns (uint256) {
        (,, Slot s,) = _load(t);
        return s.left();
    }

    // ---- claims: anyone, after a clock ---------------------------------------------------------------------

    /// @notice Marked, the inspection is over, not disputed: the remainder to the seller.
    function claimDelivered(Terms calldata t) external nonReentrant {
        (bytes32 id, address vault, Slot s) = _open(t);
        if (s.status() != DELIVERED) revert WrongStatus();
        if (block.timestamp <= s.stamp() + t.inspection()) revert TooEarly();
        _decide(t, id, vault, s, s.left(), 0, How.by(How.CLAIM_DELIVERED, msg.sender), false);
    }

    /// @notice Not marked, `deliverBy` is over, not disputed: the remainder to the buyer; of one that was perhaps never
    /// there, what is there (all that ever comes later is the buyer's too, see `rescue`).
    function claimUndelivered(Terms calldata t) external nonReentrant {
        (bytes32 id, address vault, Slot s) = _open(t);
        if (s.status() != OPEN) revert WrongStatus();
        if (block.timestamp <= s.deliverBy()) revert TooEarly();
        // untouched and too little in the vault: it was never funded, and claimUnfunded gives back what there is
        bool untouched = s.untouched(t.amount());
        if (!untouched && !s.wasFunded()) s = s.withLeft(_leftThere(t, id, vault, s));
        _decide(t, id, vault, s, 0, s.left(), How.by(How.CLAIM_UNDELIVERED, msg.sender), untouched);
    }

    /// What never came must not be owed: it would take its share of what a leg decided before still waits for.
    function _leftThere(Terms calldata t, bytes32 id, address vault, Slot s) private view returns (uint256 left) {
        left = s.left();
        uint256 there = _beyondDebt(id, s, _held(t, vault, false));
        if (there < left) left = there;
    }

    /// @notice `fundBy` is over, too little came and nothing ever happened: all that came to the buyer.
    function claimUnfunded(Terms calldata t) external nonReentrant {
        (bytes32 id, address vault, Slot s) = _open(t);
        if (!s.untouched(t.amount())) revert WrongStatus();
        if (block.timestamp <= t.fundBy()) revert TooEarly();
        uint256 balance = _balanceOf(t.token(), vault);
        if (balance >= s.left()) revert AlreadyFunded();
        if (balance == 0) revert NothingToPay();
        _decide(t, id, vault, s.withLeft(balance), 0, balance, How.by(How.CLAIM_UNFUNDED, msg.sender), true);
    }

    /// @notice The arbitration period is over without a ruling: the split that the terms named.
    function claimFallback(Terms calldata t) external nonReentrant {
        (bytes32 id, address vault, Slot s) = _open(t);
        if (s.status() != DISPUTED) revert WrongStatus();
        if (block.timestamp <= s.stamp() + t.arbitration()) revert TooEarly();
        uint256 left = s.left();
        uint256 toSeller = left * t.fallbackBps() / TermsLib.BPS;
        _decide(t, id, vault, s, toSeller, left - toSeller, How.by(How.FALLBACK, msg.sender), false);
    }

    // ---- what was signed: a ruling, a settlement ------------------------------------------------------------

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
        _decide(t, id, vault, s, toSeller, left - toSeller, How.by(How.RULING, msg.sender), false);
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
        _requireSigned(t.buyer(), digest, buyerSignature, BUYER);
        _requireSigned(t.seller(), digest, sellerSignature, SELLER);
        _decide(t, id, vault, s, m.toSeller, m.toBuyer, How.by(How.SETTLEMENT, msg.sender), !s.wasFunded());
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
        _announce(t, t.hash());
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

    /// @notice The packed state that the next action would find (also of an untouched escrow, which has no slot), and
    /// whether the escrow is settled.
    function stateOf(Terms calldata t) external view returns (uint256 packed, bool settled) {
        Slot slot;
        (,, slot, settled) = _load(t);
        packed = Slot.unwrap(slot);
    }

    /// @notice What leg `kind` (0 release, 1 refund, 2 fee) still waits for.
    function owed(bytes32 id, uint8 kind) external view returns (uint256) {
        return _owed(id, kind);
    }

    function domainSeparator() external view returns (bytes32) {
        return Messages.domainSeparator();
    }
}
