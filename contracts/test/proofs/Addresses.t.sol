// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ProofBase} from "./ProofBase.sol";
import {Act, Relayed, Ruling, Settlement} from "../../src/Messages.sol";
import {Terms} from "../../src/Terms.sol";

/// @notice No third address: whoever calls, whenever, in whatever state and with whatever arguments, what leaves leaves
/// this escrow's vault and reaches its seller, its buyer or its fee recipient. Both parties and the seat sign anything.
contract AddressesProof is ProofBase {
    uint256 private constant FEE = 250;

    function _charged() private view returns (Terms memory) {
        return terms(WHOLE, FEE, 5_000);
    }

    function check_pay_reaches_only_named(address by, uint256 word, uint40 time, uint256 a, uint256 b) public {
        begin(_charged(), anyState(word), time);
        if (!send(by, abi.encodeCall(escrow.pay, (_charged(), a, b, uint96(word))))) return;
        reached();
        assert(!token.strayed());
    }

    function check_claims_reach_only_named(address by, uint256 word, uint40 time, uint8 which) public {
        Terms memory t = plain();
        begin(t, anyState(word), time);
        bytes memory data;
        if (which == 0) data = abi.encodeCall(escrow.claimDelivered, (t));
        else if (which == 1) data = abi.encodeCall(escrow.claimUndelivered, (t));
        else data = abi.encodeCall(escrow.claimFallback, (t));
        if (!send(by, data)) return;
        reached();
        assert(!token.strayed());
    }

    function check_unfunded_reaches_only_named(address by, uint256 word, uint40 time, uint96 held) public {
        Terms memory t = plain();
        (, address vault) = begin(t, anyState(word), time);
        token.put(vault, held);
        if (!send(by, abi.encodeCall(escrow.claimUnfunded, (t)))) return;
        reached();
        assert(!token.strayed());
    }

    function check_cancel_reaches_only_named(address by, uint256 word, uint40 time) public {
        Terms memory t = plain();
        begin(t, anyState(word), time);
        if (!send(by, abi.encodeCall(escrow.cancel, (t)))) return;
        reached();
        assert(!token.strayed());
    }

    function check_rescue_reaches_only_named(address by, uint256 word, uint40 time) public {
        Terms memory t = plain();
        (, address vault) = begin(t, anyState(word), time);
        if (!send(by, abi.encodeCall(escrow.rescue, (t, address(token))))) return;
        reached();
        assert(!token.strayed());
        assert(token.balanceOf(vault) == uint96(word));
    }

    function check_owed_legs_reach_only_named(address by, uint96 owed, uint8 kind, bool refund, uint40 time) public {
        Terms memory t = plain();
        address to = refund ? buyer : seller;
        begin(t, uint256(owed) | STORED_BIT, time);
        token.refuse(to, true);
        if (!send(OPERATOR_, abi.encodeCall(escrow.pay, (t, refund ? 0 : owed, refund ? owed : 0, owed)))) return;
        token.refuse(to, false);
        if (!send(by, abi.encodeCall(escrow.payLeg, (t, kind)))) return;
        reached();
        assert(!token.strayed() && kind == (refund ? 1 : 0) && token.balanceOf(to) == owed);
    }

    function check_rulings_reach_only_named(address by, uint256 word, uint40 time, Ruling calldata r) public {
        Terms memory t = plain();
        begin(t, anyState(word), time);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = hex"00";
        if (!send(by, abi.encodeCall(escrow.rule, (t, r, seats, 1, signatures)))) return;
        reached();
        assert(!token.strayed());
    }

    function check_settlements_reach_only_named(address by, uint256 word, uint40 time, Settlement calldata m) public {
        Terms memory t = plain();
        begin(t, anyState(word), time);
        if (!send(by, abi.encodeCall(escrow.settle, (t, m, hex"00", hex"00")))) return;
        reached();
        assert(!token.strayed());
    }

    function check_relayed_payments_reach_only_named(address by, uint256 word, uint40 time, Act calldata a) public {
        Terms memory t = plain();
        vm.assume(a.action == Relayed.PAY || a.action == Relayed.CANCEL);
        begin(t, anyState(word), time);
        if (!send(by, abi.encodeCall(escrow.relay, (t, a, hex"00", hex"00")))) return;
        reached();
        assert(!token.strayed());
    }

    function check_false_nothing_ever_moves(address by, uint256 word, uint40 time) public {
        (, address vault) = begin(plain(), anyState(word), time);
        if (!send(by, abi.encodeCall(escrow.claimUndelivered, (plain())))) return;
        reached();
        assert(token.balanceOf(vault) == type(uint128).max);
    }
}
