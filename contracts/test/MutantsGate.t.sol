// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {GateBase} from "./GateBase.sol";
import {GateKeys} from "../src/GateKeys.sol";

/// @notice The gate: what no other test noticed when the code was changed on purpose.
contract MutantsGateTest is GateBase {
    function test_an_approval_is_the_message_that_wallets_show() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Holdfast OperatorGate"),
                keccak256("1"),
                block.chainid,
                address(gate)
            )
        );
        bytes32 message = keccak256(
            abi.encode(
                keccak256("Approval(address hot,bytes32 callHash,uint256 deadline)"), hot, keccak256("call"), START
            )
        );
        bytes32 wanted = keccak256(abi.encodePacked(hex"1901", domain, message));
        vm.assertTrue(gate.approvalDigest(hot, keccak256("call"), START) == wanted);
    }

    function test_whoever_watches_the_gate_sees_every_change_of_its_keys() public {
        GateKeys.Grant memory g = GateKeys.Grant(address(0x4e3), address(usdt), 1e6, 2e6);
        _sees();
        emit GateKeys.Proposed(g.key, g.token, g.perEscrow, g.perDay, START + 48 hours);
        gate.propose(g);
        _sees();
        emit GateKeys.Withdrawn(g.key, g.token, g.perEscrow, g.perDay);
        gate.withdraw(g);
        vm.prank(cold);
        gate.propose(g);
        vm.warp(START + 48 hours);
        _sees();
        emit GateKeys.Granted(g.key, g.token, g.perEscrow, g.perDay);
        gate.grant(g);
        _sees();
        emit GateKeys.Revoked(g.key);
        gate.revoke(g.key);
    }

    function _sees() private {
        vm.prank(cold);
        vm.expectEmit(true, true, true, true, address(gate));
    }
}
