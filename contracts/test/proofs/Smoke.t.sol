// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ProofBase} from "./ProofBase.sol";
import {Terms} from "../../src/Terms.sol";
import {Slot} from "../../src/Slots.sol";

contract SmokeProof is ProofBase {
    function check_pay_concrete(address by, uint256 a, uint256 b, uint256 left) public {
        Terms memory t = terms(250e6, 0, 5000);
        address v = escrow.vaultOf(escrow.idOf(t));
        token.mint(v, 250e6);
        vm.prank(by);
        (bool ok,) = address(escrow).call(abi.encodeCall(escrow.pay, (t, a, b, left)));
        if (!ok) return;
        assert(token.balanceOf(SELLER_) == a && token.balanceOf(BUYER_) == b);
        assert(token.balanceOf(v) == 250e6 - a - b);
    }

    function check_pay_fee(address by, uint96 held, uint96 a, uint96 b) public {
        Terms memory t = terms(type(uint96).max, 250, 5000);
        bytes32 id = escrow.idOf(t);
        address v = escrow.vaultOf(id);
        escrow.put(id, uint256(held) | (1 << 239));
        token.mint(v, held);
        vm.prank(by);
        (bool ok,) = address(escrow).call(abi.encodeCall(escrow.pay, (t, a, b, held)));
        if (!ok) return;
        assert(token.balanceOf(SELLER_) + token.balanceOf(FEE_TO) == a && token.balanceOf(BUYER_) == b);
        assert(token.balanceOf(FEE_TO) == uint256(a) * 250 / 10_000);
    }

    function check_pay_symbolic_terms(address by, uint96 amount, uint256 a, uint256 b) public {
        Terms memory t = terms(amount, 0, 5000);
        address v = escrow.vaultOf(escrow.idOf(t));
        token.mint(v, amount);
        vm.prank(by);
        (bool ok,) = address(escrow).call(abi.encodeCall(escrow.pay, (t, a, b, amount)));
        if (!ok) return;
        assert(token.balanceOf(SELLER_) == a && token.balanceOf(BUYER_) == b);
    }
}
