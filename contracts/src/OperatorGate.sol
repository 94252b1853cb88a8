// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {GateKeys, Limit} from "./GateKeys.sol";
import {IOperated} from "./IOperated.sol";
import {Signatures} from "./Signatures.sol";
import {Terms, TermsLib} from "./Terms.sol";

/// @title OperatorGate
/// @notice The operator that managed terms name. A hot key sends it what an operator would send to `Escrow`: the same
/// calldata, to this address. It passes on only what an operator may do. Alone a hot key decides escrows up to its
/// cap, and up to a cap per day and token; above either, a second key signs for that very call. The gate holds no
/// money, and no key of it can do more than the operator that the terms name.
contract OperatorGate is GateKeys {
    using TermsLib for Terms;

    /// An item of a batch starts only with this much gas, as in `Escrow`; the 63/64 that a call passes on are in it.
    uint256 internal constant ITEM_GAS = 340_000;
    uint256 private constant ARGUMENTS = 4 + 7 * 32;

    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME_HASH = keccak256("Holdfast OperatorGate");
    bytes32 private constant VERSION_HASH = keccak256("1");
    bytes32 private constant APPROVAL_TYPEHASH =
        keccak256("Approval(address hot,bytes32 callHash,uint256 deadline)");

    address public immutable escrow;

    /// Approvals that were used: what `Escrow` does not itself refuse a second time must not happen twice.
    mapping(bytes32 digest => bool) public used;

    event Approved(address indexed hot, address indexed second, bytes32 callHash);

    error NotHot();
    error NotForOperators();
    error AboveCap();
    error NotSecond();
    error BadApproval();
    error TooLate();
    error NotEnoughGas();

    constructor(address escrow_, address cold_, Grant[] memory grants) GateKeys(cold_, grants) {
        escrow = escrow_;
    }

    /// @notice One action of `Escrow` for operators, its calldata unchanged. A hot key of the token.
    fallback() external {
        (bytes4 refusal,) = _admit(msg.data, false);
        if (refusal != 0) _revertWith(refusal);
        _forward(msg.data);
    }

    /// @notice Several actions, each on its own: what is refused here or fails there does not stop the others. Too
    /// little gas for an item reverts the whole.
    function batch(bytes[] calldata items) external returns (bool[] memory done) {
        return _batch(items, false);
    }

    /// @notice Releases whole escrows of one token that are all alike: nothing decided yet, everything to the seller. It
    /// does what `batch` does with as many `pay`, for less; other tokens than the first one's are left out.
    function releaseBatch(Terms[] calldata terms) external returns (bool[] memory done) {
        done = new bool[](terms.length);
        if (terms.length == 0) return done;
        address token = terms[0].token();
        uint256 counted = _countAll(terms, token, done);
        uint256 failed;
        for (uint256 i; i < terms.length; ++i) {
            if (!done[i]) continue;
            done[i] = _release(terms[i]);
            if (!done[i]) failed += terms[i].amount();
        }
        if (failed != 0 && counted != 0) _uncount(token, failed);
    }

    /// @notice One action that a second key approved by an EIP-712 signature, whatever the caps. The caller is hot.
    function actApproved(bytes calldata item, address second, uint256 deadline, bytes calldata signature) external {
        _useApproval(keccak256(item), second, deadline, signature);
        (bytes4 refusal,) = _admit(item, true);
        if (refusal != 0) _revertWith(refusal);
        _forward(item);
    }

    /// @notice Several actions that a second key approved together.
    function batchApproved(bytes[] calldata items, address second, uint256 deadline, bytes calldata signature)
        external
        returns (bool[] memory done)
    {
        _useApproval(keccak256(abi.encode(items)), second, deadline, signature);
        return _batch(items, true);
    }

    /// @notice What a second key signs: `callHash` is keccak256 of the item, or of abi.encode(items).
    function approvalDigest(address hot, bytes32 callHash, uint256 deadline) public view returns (bytes32) {
        bytes32 domain =
            keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this)));
        bytes32 message = keccak256(abi.encode(APPROVAL_TYPEHASH, hot, callHash, deadline));
        return keccak256(abi.encodePacked(hex"1901", domain, message));
    }

    function _batch(bytes[] calldata items, bool approved) private returns (bool[] memory done) {
        done = new bool[](items.length);
        for (uint256 i; i < items.length; ++i) {
            done[i] = _item(items[i], approved);
        }
    }

    function _item(bytes calldata item, bool approved) private returns (bool ok) {
        uint256 before = gasleft();
        if (before < ITEM_GAS) revert NotEnoughGas();
        (bytes4 refusal, uint256 counted) = _admit(item, approved);
        if (refusal != 0) return false;
        bytes4 why;
        (ok, why) = _call(item);
        if (ok) return true;
        _refuseStarved(before, why);
        if (counted != 0) _uncount(_terms(item).token(), counted);
    }

    /// Marks what the caller may release alone, as long as the day's cap lasts, and counts it in one go.
    function _countAll(Terms[] calldata terms, address token, bool[] memory marked) private returns (uint256 sum) {
        Limit limit = _limits[msg.sender][token];
        if (limit.perEscrow() == 0) revert NotHot();
        uint256 today = block.timestamp / 1 days;
        uint256 spent = limit.spentOn(today);
        for (uint256 i; i < terms.length; ++i) {
            Terms calldata t = terms[i];
            uint256 amount = t.amount();
            if (t.token() != token || amount > limit.perEscrow() || spent + sum + amount > limit.perDay()) continue;
            marked[i] = true;
            sum += amount;
        }
        if (sum != 0) _limits[msg.sender][token] = limit.withSpent(spent + sum, today);
    }

    function _release(Terms calldata t) private returns (bool ok) {
        uint256 before = gasleft();
        if (before < ITEM_GAS) revert NotEnoughGas();
        address target = escrow;
        bytes4 selector = IOperated.pay.selector;
        uint256 amount = t.amount();
        bytes4 why;
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, selector)
            calldatacopy(add(m, 0x04), t, 0xe0)
            mstore(add(m, 0xe4), amount)
            mstore(add(m, 0x104), 0)
            mstore(add(m, 0x124), amount)
            mstore(0, 0)
            ok := call(gas(), target, 0, m, 0x144, 0, 0x04)
            why := mload(0)
        }
        if (!ok) _refuseStarved(before, why);
    }

    /// An item that failed with next to nothing left may have failed for want of more.
    function _refuseStarved(uint256 before, bytes4 why) private view {
        if (gasleft() < before / 20 || why == NotEnoughGas.selector) revert NotEnoughGas();
    }

    /// Refuses, or counts what the caller decides alone. Nothing that is refused has changed anything.
    function _admit(bytes calldata item, bool approved) private returns (bytes4 refusal, uint256 counted) {
        if (item.length < ARGUMENTS) return (NotForOperators.selector, 0);
        Terms calldata t = _terms(item);
        Limit limit = _limits[msg.sender][t.token()];
        if (limit.perEscrow() == 0) return (NotHot.selector, 0);
        bytes4 action = bytes4(item);
        // the first test is not needed, but most calls pay
        bool pays = action == IOperated.pay.selector;
        if (!pays && _isFree(action)) return (0, 0);
        if (!pays && !_isCapped(action)) return (NotForOperators.selector, 0);
        if (approved) return (0, 0);
        if (action == IOperated.rescue.selector || t.amount() > limit.perEscrow()) return (AboveCap.selector, 0);
        counted = _amount(t, item, action);
        if (counted != 0 && !_count(t.token(), limit, counted)) return (AboveCap.selector, 0);
    }

    /// Counts before the call, so that whoever is called can not come back to an old count.
    function _count(address token, Limit limit, uint256 amount) private returns (bool within) {
        uint256 today = block.timestamp / 1 days;
        uint256 spent = limit.spentOn(today) + amount;
        within = spent <= limit.perDay();
        if (within) _limits[msg.sender][token] = limit.withSpent(spent, today);
    }

    /// What failed was not decided.
    function _uncount(address token, uint256 amount) private {
        Limit limit = _limits[msg.sender][token];
        _limits[msg.sender][token] = limit.withSpent(limit.spent() - amount, limit.day());
    }

    /// Protects or starts a clock that the parties and this gate can answer, so no cap applies.
    function _isFree(bytes4 action) private pure returns (bool) {
        return action == IOperated.markDelivered.selector || action == IOperated.reopenDelivery.selector
            || action == IOperated.extend.selector || action == IOperated.dispute.selector;
    }

    /// Moves money, or takes away what protects it.
    function _isCapped(bytes4 action) private pure returns (bool) {
        return action == IOperated.cancel.selector || action == IOperated.withdrawDispute.selector || action == IOperated.appeal.selector
            || action == IOperated.rescue.selector;
    }

    /// What an action decides, or (a dispute withdrawn) may lead to. `Escrow` refuses parts above the amount.
    function _amount(Terms calldata t, bytes calldata item, bytes4 action) private pure returns (uint256) {
        if (action == IOperated.appeal.selector) return 0;
        if (action != IOperated.pay.selector) return t.amount();
        if (item.length < ARGUMENTS + 64) return t.amount();
        uint256 toSeller = uint256(bytes32(item[ARGUMENTS:]));
        uint256 toBuyer = uint256(bytes32(item[ARGUMENTS + 32:]));
        if (toSeller > t.amount() || toBuyer > t.amount() - toSeller) return t.amount();
        return toSeller + toBuyer;
    }

    function _useApproval(bytes32 callHash, address second, uint256 deadline, bytes calldata signature) private {
        if (block.timestamp > deadline) revert TooLate();
        if (!isSecond[second]) revert NotSecond();
        bytes32 digest = approvalDigest(msg.sender, callHash, deadline);
        if (used[digest] || !Signatures.signedBy(second, digest, signature)) revert BadApproval();
        used[digest] = true;
        emit Approved(msg.sender, second, callHash);
    }

    function _terms(bytes calldata item) private pure returns (Terms calldata t) {
        assembly ("memory-safe") {
            t := add(item.offset, 4)
        }
    }

    /// Passes one action on; reverts with whatever `Escrow` says.
    function _forward(bytes calldata item) private {
        address target = escrow;
        assembly ("memory-safe") {
            let m := mload(0x40)
            calldatacopy(m, item.offset, item.length)
            if iszero(call(gas(), target, 0, m, item.length, 0, 0)) {
                returndatacopy(m, 0, returndatasize())
                revert(m, returndatasize())
            }
        }
    }

    function _call(bytes calldata item) private returns (bool ok, bytes4 why) {
        address target = escrow;
        assembly ("memory-safe") {
            let m := mload(0x40)
            calldatacopy(m, item.offset, item.length)
            mstore(0, 0)
            ok := call(gas(), target, 0, m, item.length, 0, 0x04)
            why := mload(0)
        }
    }

    function _revertWith(bytes4 selector) private pure {
        assembly ("memory-safe") {
            mstore(0, selector)
            revert(0, 4)
        }
    }
}
