// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IEscrow} from "./IEscrow.sol";
import {CANCELLED, Slot, Slots} from "./Slots.sol";
import {Fault, Terms, TermsLib} from "./Terms.sol";
import {Vault} from "./Vault.sol";

/// @notice How a part was decided. Travels with who did it, in one word: who << 8 | how.
library How {
    uint8 internal constant PAY = 1;
    uint8 internal constant CLAIM_DELIVERED = 2;
    uint8 internal constant CLAIM_UNDELIVERED = 3;
    uint8 internal constant CLAIM_UNFUNDED = 4;
    uint8 internal constant RULING = 5;
    uint8 internal constant SETTLEMENT = 6;
    uint8 internal constant FALLBACK = 7;

    function by(uint8 how, address who) internal pure returns (uint256) {
        return uint256(uint160(who)) << 8 | how;
    }
}

/// @notice Kinds of payout leg.
library Leg {
    uint8 internal constant RELEASE = 0;
    uint8 internal constant REFUND = 1;
    uint8 internal constant FEE = 2;
    uint256 internal constant KINDS = 3;
}

/// @notice State, reading it, and the one function that decides and pays.
abstract contract Core is IEscrow, ReentrancyGuardTransient {
    using TermsLib for Terms;

    /// @notice A leg that could not be paid: what was decided, and what of it was paid later.
    struct Debt {
        uint128 due;
        uint128 paid;
    }

    /// @notice What one decision pays, a bit per kind that was paid, and the vault's balance where it is known.
    struct Legs {
        uint256 release;
        uint256 refund;
        uint256 fee;
        uint256 paid;
        uint256 balance;
    }

    uint256 internal constant UNKNOWN = type(uint256).max;

    /// Every leg of a decision runs with exactly this gas, so that nobody can make a leg fail by giving the transaction
    /// less.
    uint256 internal constant LEG_GAS = 150_000;

    /// Deciding starts only with gas for the vault's code and a leg: running out in between would look, to a batch,
    /// like an item that failed for a reason of its own.
    uint256 internal constant DECIDE_GAS = 230_000;

    /// Balances are read with this much, or a token of anybody's making could take the gas of a whole batch.
    uint256 internal constant READ_GAS = 100_000;

    address internal immutable VAULT = address(new Vault());

    mapping(bytes32 id => Slot) internal _slots;
    mapping(bytes32 id => mapping(uint256 kind => Debt)) internal _debts;
    /// What all legs of an escrow still wait for.
    mapping(bytes32 id => uint256) internal _owedTotal;
    /// Decided for the seller so far; kept only between parts of an escrow that pays a fee.
    mapping(bytes32 id => uint256) internal _released;

    // ---- reading -------------------------------------------------------------------------------------------

    /// Settled means: the slot is zero and the vault has code. Everything that is not settled can be acted on. A slot
    /// exists only under terms that were found good, so they are not judged again.
    function _open(Terms calldata t) internal view returns (bytes32 id, address vault, Slot s) {
        bool settled;
        (id, vault, s, settled) = _load(t);
        if (!s.stored()) {
            uint8 fault = t.fault(address(this));
            if (fault != Fault.NONE) revert BadTerms(fault);
            if (settled) revert AlreadySettled();
        } else if (s.status() == CANCELLED) {
            revert WrongStatus();
        }
        if (t.homeChain() != block.chainid) revert WrongChain();
    }

    /// The slot, or for an escrow without one the state that it starts from; all zero when it is settled.
    function _load(Terms calldata t) internal view returns (bytes32 id, address vault, Slot s, bool settled) {
        id = t.hash();
        vault = _vault(id);
        s = _slots[id];
        if (!s.stored()) {
            settled = vault.code.length != 0;
            if (!settled) s = Slots.fresh(t.amount(), t.deliverBy());
        }
    }

    function _vault(bytes32 id) internal view returns (address) {
        return Clones.predictDeterministicAddress(VAULT, id, address(this));
    }

    /// What the vault holds beyond legs that are still owed.
    function _free(Terms calldata t, bytes32 id, address vault, Slot s) internal view returns (uint256) {
        return _beyondDebt(id, s, _balanceOf(t.token(), vault));
    }

    function _balanceOf(address token, address holder) internal view returns (uint256) {
        (bool known, uint256 balance) = _tryBalance(token, holder);
        if (!known) revert BalanceUnknown();
        return balance;
    }

    /// What a token says of a holder. It may as well refuse, answer nothing or burn all that it gets.
    function _tryBalance(address token, address holder) private view returns (bool known, uint256 held) {
        if (gasleft() < READ_GAS + READ_GAS / 32 + 5_000) revert NotEnoughGas();
        assembly ("memory-safe") {
            // balanceOf(address)
            mstore(0x00, shl(224, 0x70a08231))
            mstore(0x04, shr(96, shl(96, holder)))
            known := staticcall(READ_GAS, token, 0x00, 0x24, 0x00, 0x20)
            known := and(known, gt(returndatasize(), 0x1f))
            held := mload(0x00)
        }
    }

    /// What the vault holds. Where a decision stands whatever it holds, nothing is what the token does not tell.
    function _held(Terms calldata t, address vault, bool strict) internal view returns (uint256) {
        if (strict) return _balanceOf(t.token(), vault);
        (bool known, uint256 balance) = _tryBalance(t.token(), vault);
        return known ? balance : 0;
    }

    function _beyondDebt(bytes32 id, Slot s, uint256 balance) internal view returns (uint256) {
        if (!s.owing()) return balance;
        uint256 debt = _owedTotal[id];
        return balance > debt ? balance - debt : 0;
    }

    function _requireFunded(Terms calldata t, bytes32 id, address vault, Slot s) internal view {
        if (_free(t, id, vault, s) < s.left()) revert NotFunded();
    }

    function _owed(bytes32 id, uint256 kind) internal view returns (uint256) {
        Debt storage d = _debts[id][kind];
        return d.due - d.paid;
    }

    // ---- writing -------------------------------------------------------------------------------------------

    /// Stores a change that does not settle. Whoever reads the events learns the terms from the first of them.
    function _save(Terms calldata t, bytes32 id, Slot s) internal {
        if (!s.stored()) _announce(t, id);
        _slots[id] = s.withStored();
    }

    /// Emits `Announced(id, t)`: the words are copied as they are, which the compiler would do one by one.
    function _announce(Terms calldata t, bytes32 id) internal {
        bytes32 topic = Announced.selector;
        assembly ("memory-safe") {
            let m := mload(0x40)
            calldatacopy(m, t, 0xe0)
            log2(m, 0xe0, topic, id)
        }
    }

    /// Code is always read before CREATE2, which would burn all gas where there is some; for an escrow without a slot
    /// `_load` did.
    function _deploy(bytes32 id, address vault, Slot s) internal {
        if (!s.stored() || vault.code.length == 0) Clones.cloneDeterministic(VAULT, id);
    }

    /// Decides `toSeller` and `toBuyer` of the remainder and pays the legs. `strict`: the vault must hold the part, or
    /// NotFunded. Otherwise it is decided in full whatever the vault holds; when that is too little for several legs
    /// nothing is tried now and all is owed, so that they share the loss, whichever is asked for first.
    function _decide(
        Terms calldata t,
        bytes32 id,
        address vault,
        Slot s,
        uint256 toSeller,
        uint256 toBuyer,
        uint256 how,
        bool strict
    ) internal {
        if (gasleft() < DECIDE_GAS) revert NotEnoughGas();
        Legs memory legs;
        legs.fee = _takeFee(t, id, s, toSeller, toBuyer);
        legs.release = toSeller - legs.fee;
        legs.refund = toBuyer;
        legs.balance = UNKNOWN;
        bool direct = true;
        if (s.owing() || _several(legs)) {
            legs.balance = _held(t, vault, strict);
            direct = _beyondDebt(id, s, legs.balance) >= toSeller + toBuyer;
            if (strict && !direct) revert NotFunded();
        }
        uint256 left = s.left() - toSeller - toBuyer;
        if (left != 0) {
            _saveRest(t, id, s.withLeft(left), toSeller);
        } else if (s.stored()) {
            _slots[id] = Slot.wrap(0);
        }
        _deploy(id, vault, s);
        if (direct) _tryLegs(t, vault, legs);
        // Legs that were paid prove that the money was there; only a leg that failed needs a look at the balance.
        uint256 unpaid = _unpaid(legs);
        if (unpaid != 0) {
            if (strict && _balanceOf(t.token(), vault) < unpaid) revert NotFunded();
            _owe(id, legs, unpaid, left != 0);
        }
        emit Decided(id, address(uint160(how >> 8)), uint8(how), legs.release, legs.refund, legs.fee, left, legs.paid);
    }

    function _saveRest(Terms calldata t, bytes32 id, Slot s, uint256 toSeller) private {
        if (toSeller != 0 && t.feeBps() != 0) s = s.withReleased();
        _save(t, id, s.next());
    }

    /// Fee of a part = floor(fee of all that the seller got so far) - fee already taken: parts never add up to more,
    /// or less, than the whole.
    function _takeFee(Terms calldata t, bytes32 id, Slot s, uint256 toSeller, uint256 toBuyer)
        private
        returns (uint256 fee)
    {
        uint256 bps = t.feeBps();
        if (bps == 0) return 0;
        uint256 soFar = s.released() ? _released[id] : 0;
        uint256 all = soFar + toSeller;
        fee = all * bps / TermsLib.BPS - soFar * bps / TermsLib.BPS;
        if (toSeller + toBuyer == s.left()) {
            if (s.released()) delete _released[id];
        } else if (toSeller != 0) {
            _released[id] = all;
        }
    }

    /// Pays each leg in its own call frame and notes a bit per kind that was paid. A leg that fails has moved nothing
    /// and does not stop the others.
    function _tryLegs(Terms calldata t, address vault, Legs memory legs) private {
        _tryLeg(t, vault, legs, Leg.RELEASE, legs.release);
        _tryLeg(t, vault, legs, Leg.REFUND, legs.refund);
        _tryLeg(t, vault, legs, Leg.FEE, legs.fee);
    }

    function _tryLeg(Terms calldata t, address vault, Legs memory legs, uint8 kind, uint256 amount) private {
        if (amount == 0 || !_pay(vault, t.token(), _recipient(t, kind), amount, legs.balance)) return;
        legs.paid |= 1 << kind;
        if (legs.balance != UNKNOWN) legs.balance -= amount;
    }

    function _pay(address vault, address token, address to, uint256 amount, uint256 balance)
        internal
        returns (bool)
    {
        return _command(vault, abi.encodeCall(Vault.pay, (token, to, amount, balance)), LEG_GAS);
    }

    function _command(address vault, bytes memory data, uint256 allowance) internal returns (bool ok) {
        _requireLegGas();
        assembly ("memory-safe") {
            ok := call(allowance, vault, 0, add(data, 0x20), mload(data), 0, 0)
        }
    }

    /// A call gets at most 63/64 of what is left; below that the leg would run with less than its gas.
    function _requireLegGas() internal view {
        if (gasleft() < LEG_GAS + LEG_GAS / 32 + 5_000) revert NotEnoughGas();
    }

    function _several(Legs memory legs) private pure returns (bool) {
        if (legs.release == 0) return legs.refund != 0 && legs.fee != 0;
        return legs.refund != 0 || legs.fee != 0;
    }

    function _unpaid(Legs memory legs) private pure returns (uint256 sum) {
        if (legs.paid & (1 << Leg.RELEASE) == 0) sum = legs.release;
        if (legs.paid & (1 << Leg.REFUND) == 0) sum += legs.refund;
        if (legs.paid & (1 << Leg.FEE) == 0) sum += legs.fee;
    }

    /// Writes down the legs that were not paid.
    function _owe(bytes32 id, Legs memory legs, uint256 unpaid, bool open) private {
        _oweLeg(id, Leg.RELEASE, legs.release, legs.paid);
        _oweLeg(id, Leg.REFUND, legs.refund, legs.paid);
        _oweLeg(id, Leg.FEE, legs.fee, legs.paid);
        _owedTotal[id] += unpaid;
        if (open) _slots[id] = _slots[id].withOwing();
    }

    function _oweLeg(bytes32 id, uint8 kind, uint256 amount, uint256 paid) private {
        if (amount != 0 && paid & (1 << kind) == 0) _debts[id][kind].due += uint128(amount);
    }

    function _recipient(Terms calldata t, uint256 kind) internal pure returns (address) {
        if (kind == Leg.RELEASE) return t.seller();
        if (kind == Leg.REFUND) return t.buyer();
        return t.feeTo();
    }

    function _isOperator(Terms calldata t, address who) internal pure returns (bool) {
        address operator = t.operator();
        return operator != address(0) && who == operator;
    }
}
