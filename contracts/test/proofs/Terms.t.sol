// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ProofBase} from "./ProofBase.sol";
import {Terms} from "../../src/Terms.sol";

/// @notice What terms that are found good have in common: for every seven words.
contract TermsProof is ProofBase {
    function check_good_terms_keep_every_rule_on_addresses(Terms calldata t) public view {
        if (escrow.check(t) != 0) return;
        reached();
        address a = address(uint160(t.buyerClocks));
        address b = address(uint160(t.sellerChain));
        address o = address(uint160(t.operatorRest));
        address f = address(uint160(t.feeRecipient));
        address k = address(uint160(t.tokenAmount));
        assert(a != address(0) && b != address(0) && k != address(0) && a != b && o != a && o != b);
        assert(k != address(escrow) && k != a && k != b && k != o && k != f);
        assert(a != address(escrow) && b != address(escrow) && o != address(escrow) && f != address(escrow));
        assert(t.feeRecipient >> 160 == 0 && (t.buyerClocks >> 240 == 0 || f != address(0)));
    }

    function check_good_terms_keep_every_bound(Terms calldata t) public view {
        if (escrow.check(t) != 0) return;
        reached();
        uint256 fundBy = uint40(t.buyerClocks >> 160);
        uint256 deliverBy = uint40(t.buyerClocks >> 200);
        uint256 inspection = t.sellerChain >> 224;
        uint256 arbitration = uint32(t.operatorRest >> 160);
        assert(t.tokenAmount >> 160 != 0 && uint64(t.sellerChain >> 160) != 0 && t.operatorRest >> 208 == 1);
        assert(t.buyerClocks >> 240 <= 1_000 && uint16(t.operatorRest >> 192) <= 10_000);
        assert(fundBy != 0 && fundBy <= deliverBy && deliverBy <= fundBy + 400 days);
        assert(inspection >= 1 days && inspection <= 30 days);
        assert(arbitration >= 60 days && arbitration <= 365 days);
        assert(t.arbiters != 0 && t.dealHash != 0);
    }

    function check_bad_terms_open_no_action_that_decides(Terms calldata t, address by, uint256 a, uint256 b) public {
        vm.assume(escrow.check(t) != 0);
        assert(!send(by, abi.encodeCall(escrow.pay, (t, a, b, a))));
        assert(!send(by, abi.encodeCall(escrow.cancel, (t))));
        assert(!send(by, abi.encodeCall(escrow.claimUnfunded, (t))));
        assert(!send(by, abi.encodeCall(escrow.markDelivered, (t))));
    }

    function check_false_good_terms_have_a_fee(Terms calldata t) public view {
        if (escrow.check(t) == 0) assert(t.buyerClocks >> 240 != 0);
    }
}
