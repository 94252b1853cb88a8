// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Terms, TermsLib} from "./Terms.sol";

interface IReadable {
    function check(Terms calldata t) external view returns (uint8);
    function vaultOf(bytes32 id) external view returns (address);
    function slotOf(bytes32 id) external view returns (uint256);
    function stateOf(Terms calldata t) external view returns (uint256 packed, bool settled);
    function owed(bytes32 id, uint8 kind) external view returns (uint256);
}

/// @title Lens
/// @notice Many reads in one call. It writes nothing, holds nothing, and nothing trusts it: a server or a browser may as
/// well read each escrow by itself. A token that does not answer makes only its own balance unreadable.
contract Lens {
    using TermsLib for Terms;

    /// @notice One escrow. `state` is the packed slot, of an untouched escrow too. Owed legs in base units.
    struct View {
        bytes32 id;
        address vault;
        uint8 fault;
        bool settled;
        bool hasCode;
        bool readable;
        uint256 state;
        uint256 balance;
        uint256 coins;
        uint256 release;
        uint256 refund;
        uint256 fee;
    }

    /// @notice What is known of an escrow by its id alone.
    struct Brief {
        address vault;
        bool hasCode;
        bool readable;
        uint256 slot;
        uint256 balance;
    }

    IReadable public immutable escrow;

    constructor(address escrow_) {
        escrow = IReadable(escrow_);
    }

    /// @notice Everything about escrows whose terms the caller has.
    function look(Terms[] calldata terms) external view returns (View[] memory out) {
        out = new View[](terms.length);
        for (uint256 i; i < terms.length; ++i) {
            _look(terms[i], out[i]);
        }
    }

    /// @notice Slots and balances by id; `tokens[i]` is the token to read in vault i.
    function brief(bytes32[] calldata ids, address[] calldata tokens) external view returns (Brief[] memory out) {
        out = new Brief[](ids.length);
        for (uint256 i; i < ids.length; ++i) {
            Brief memory b = out[i];
            b.vault = escrow.vaultOf(ids[i]);
            b.hasCode = b.vault.code.length != 0;
            b.slot = escrow.slotOf(ids[i]);
            (b.readable, b.balance) = _balance(tokens[i], b.vault);
        }
    }

    function _look(Terms calldata t, View memory v) private view {
        v.id = t.hash();
        v.vault = escrow.vaultOf(v.id);
        v.fault = escrow.check(t);
        v.hasCode = v.vault.code.length != 0;
        (v.state, v.settled) = escrow.stateOf(t);
        (v.readable, v.balance) = _balance(t.token(), v.vault);
        v.coins = v.vault.balance;
        v.release = escrow.owed(v.id, 0);
        v.refund = escrow.owed(v.id, 1);
        v.fee = escrow.owed(v.id, 2);
    }

    function _balance(address token, address holder) private view returns (bool ok, uint256 amount) {
        bytes memory data = abi.encodeWithSignature("balanceOf(address)", holder);
        assembly ("memory-safe") {
            ok := staticcall(100000, token, add(data, 0x20), mload(data), 0, 0x20)
            ok := and(ok, gt(returndatasize(), 0x1f))
            if ok { amount := mload(0) }
        }
    }
}
