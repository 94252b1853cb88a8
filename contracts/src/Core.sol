// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IEscrow} from "./IEscrow.sol";
import {CANCELLED, Slots, State} from "./Slots.sol";
import {Fault, Terms, TermsLib} from "./Terms.sol";
import {IToken, Vault} from "./Vault.sol";

/// @notice How a part was decided.
library How {
    uint8 internal constant PAY = 1;
    uint8 internal constant CLAIM_DELIVERED = 2;
    uint8 internal constant CLAIM_UNDELIVERED = 3;
    uint8 internal constant CLAIM_UNFUNDED = 4;
    uint8 internal constant RULING = 5;
    uint8 internal constant SETTLEMENT = 6;
    uint8 internal constant FALLBACK = 7;
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

    /// @notice One escrow during one action.
    struct Case {
        bytes32 id;
        address vault;
        bool deployed;
        uint256 slot;
        State s;
    }

    /// @notice What one decision pays, and a bit per kind that was paid.
    struct Legs {
        uint256 release;
        uint256 refund;
        uint256 fee;
        uint256 paid;
    }

    /// Every leg runs with exactly this gas, so that nobody can make a leg fail by giving the transaction less.
    uint256 internal constant LEG_GAS = 150_000;

    address internal immutable VAULT = address(new Vault());

    mapping(bytes32 id => uint256) internal _slots;
    mapping(bytes32 id => mapping(uint256 kind => Debt)) internal _debts;
    /// Decided for the seller so far; kept only between parts of an escrow that pays a fee.
    mapping(bytes32 id => uint256) internal _released;

    // ---- reading -------------------------------------------------------------------------------------------

    /// Settled means: the slot is zero and the vault has code. Everything that is not settled can be acted on.
    /// Settled means: the slot is zero and the vault has code. Everything that is not settled can be acted on. A slot
    /// exists only under terms that were found good, so they are not judged again.
    function _open(Terms calldata t) internal view returns (Case memory c) {
        if (t.homeChain() != block.chainid) _refuse(t);
        c = _load(t);
        if (c.slot == 0) {
            uint8 fault = t.fault(address(this));
            if (fault != Fault.NONE) revert BadTerms(fault);
            if (c.deployed) revert AlreadySettled();
        } else if (c.s.status == CANCELLED) {
            revert WrongStatus();
        }
    }

    function _refuse(Terms calldata t) private view {
        uint8 fault = t.fault(address(this));
        if (fault != Fault.NONE) revert BadTerms(fault);
        revert WrongChain();
    }

    function _load(Terms calldata t) internal view returns (Case memory c) {
        c.id = t.hash();
        c.vault = _vault(c.id);
        c.deployed = c.vault.code.length != 0;
        c.slot = _slots[c.id];
        if (c.slot != 0) {
            c.s = Slots.unpack(c.slot);
        } else if (!c.deployed) {
            c.s.left = t.amount();
            c.s.deliverBy = t.deliverBy();
        }
    }

    function _vault(bytes32 id) internal view returns (address) {
        return Clones.predictDeterministicAddress(VAULT, id, address(this));
    }

    /// Nothing was ever decided, marked or disputed.
    function _untouched(Case memory c, Terms calldata t) internal pure returns (bool) {
        return c.s.seq == 0 && c.s.left == t.amount();
    }

    /// What the vault holds beyond legs that are still owed.
    function _free(Case memory c, Terms calldata t) internal view returns (uint256) {
        uint256 balance = IToken(t.token()).balanceOf(c.vault);
        if (!c.s.owing) return balance;
        uint256 debt = _owedTotal(c.id);
        return balance > debt ? balance - debt : 0;
    }

    function _requireFunded(Case memory c, Terms calldata t) internal view {
        if (_free(c, t) < c.s.left) revert NotFunded();
    }

    function _owed(bytes32 id, uint256 kind) internal view returns (uint256) {
        Debt storage d = _debts[id][kind];
        return d.due - d.paid;
    }

    function _owedTotal(bytes32 id) internal view returns (uint256 sum) {
        for (uint256 kind; kind < Leg.KINDS; ++kind) {
            sum += _owed(id, kind);
        }
    }

    // ---- writing -------------------------------------------------------------------------------------------

    /// Stores a change that does not settle. Whoever reads the events learns the terms from the first of them.
    function _save(Case memory c, Terms calldata t) internal {
        if (c.slot == 0) emit Announced(c.id, t);
        _slots[c.id] = Slots.pack(c.s);
    }

    /// Decides `toSeller` and `toBuyer` of the remainder and pays the legs. `strict`: the vault must hold the part, or
    /// NotFunded. Otherwise it is decided in full whatever the vault holds; when that is too little for several legs
    /// nothing is tried now and all is owed, so that they share the loss, whichever is asked for first.
    function _decide(Case memory c, Terms calldata t, uint256 toSeller, uint256 toBuyer, uint8 how, bool strict)
        internal
    {
        Legs memory legs;
        legs.fee = _takeFee(c, t, toSeller, toBuyer);
        legs.release = toSeller - legs.fee;
        legs.refund = toBuyer;
        bool direct = true;
        if (c.s.owing || (!strict && _several(legs))) {
            direct = _free(c, t) >= toSeller + toBuyer;
            if (strict && !direct) revert NotFunded();
        }
        c.s.left -= toSeller + toBuyer;
        if (c.s.left != 0) {
            ++c.s.seq;
            _save(c, t);
        } else if (c.slot != 0) {
            delete _slots[c.id];
        }
        if (!c.deployed) Clones.cloneDeterministic(VAULT, c.id);
        if (direct) _tryLegs(c, t, legs);
        uint256 unpaid = _owe(c, legs);
        // Legs that were paid prove that the money was there; only a leg that failed needs a look at the balance.
        if (strict && unpaid != 0 && IToken(t.token()).balanceOf(c.vault) < unpaid) revert NotFunded();
        emit Decided(c.id, msg.sender, how, legs.release, legs.refund, legs.fee, c.s.left, legs.paid);
    }

    /// Fee of a part = floor(fee of all that the seller got so far) - fee already taken: parts never add up to more,
    /// or less, than the whole.
    function _takeFee(Case memory c, Terms calldata t, uint256 toSeller, uint256 toBuyer)
        private
        returns (uint256 fee)
    {
        uint256 bps = t.feeBps();
        if (bps == 0) return 0;
        uint256 soFar = c.s.released ? _released[c.id] : 0;
        uint256 all = soFar + toSeller;
        fee = all * bps / TermsLib.BPS - soFar * bps / TermsLib.BPS;
        if (toSeller + toBuyer == c.s.left) {
            if (c.s.released) delete _released[c.id];
        } else if (toSeller != 0) {
            _released[c.id] = all;
            c.s.released = true;
        }
    }

    /// Pays each leg in its own call frame and answers a bit per kind that was paid. A leg that fails has moved
    /// nothing and does not stop the others.
    function _tryLegs(Case memory c, Terms calldata t, Legs memory legs) private {
        if (legs.release != 0 && _pay(c.vault, t.token(), t.seller(), legs.release)) legs.paid = 1 << Leg.RELEASE;
        if (legs.refund != 0 && _pay(c.vault, t.token(), t.buyer(), legs.refund)) legs.paid |= 1 << Leg.REFUND;
        if (legs.fee != 0 && _pay(c.vault, t.token(), t.feeTo(), legs.fee)) legs.paid |= 1 << Leg.FEE;
    }

    function _pay(address vault, address token, address to, uint256 amount) internal returns (bool ok) {
        bytes memory data = abi.encodeCall(Vault.pay, (token, to, amount));
        _requireLegGas();
        assembly ("memory-safe") {
            ok := call(LEG_GAS, vault, 0, add(data, 0x20), mload(data), 0, 0)
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

    /// Writes down the legs that were not paid; answers their sum.
    function _owe(Case memory c, Legs memory legs) private returns (uint256 unpaid) {
        unpaid = _oweLeg(c, Leg.RELEASE, legs.release, legs.paid);
        unpaid += _oweLeg(c, Leg.REFUND, legs.refund, legs.paid);
        unpaid += _oweLeg(c, Leg.FEE, legs.fee, legs.paid);
        if (unpaid != 0 && c.s.left != 0 && !c.s.owing) {
            c.s.owing = true;
            _slots[c.id] = Slots.pack(c.s);
        }
    }

    function _oweLeg(Case memory c, uint8 kind, uint256 amount, uint256 paid) private returns (uint256) {
        if (amount == 0 || paid & (1 << kind) != 0) return 0;
        _debts[c.id][kind].due += uint128(amount);
        return amount;
    }

    function _recipient(Terms calldata t, uint256 kind) internal pure returns (address) {
        if (kind == Leg.RELEASE) return t.seller();
        if (kind == Leg.REFUND) return t.buyer();
        return t.feeTo();
    }
}
