// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {GateKeys} from "../src/GateKeys.sol";
import {OperatorGate} from "../src/OperatorGate.sol";
import {TestUSDT} from "../src/mocks/TestUSDT.sol";
import {Terms} from "../src/Terms.sol";

interface Deployer {
    function deployCode(string calldata, bytes calldata) external returns (address);
}

/// @notice A gate with a hot key, another hot key of a smaller cap, a second key and a cold key.
abstract contract GateBase is Base {
    uint256 internal constant SECOND_KEY = 0x5ec0;
    uint80 internal constant PER_ESCROW = 300e6;
    uint80 internal constant PER_DAY = 600e6;

    OperatorGate internal gate;
    address internal cold = address(0xc01d);
    address internal hot = address(0x407);
    address internal small = address(0x5a11);
    address internal second;

    function setUp() public virtual override {
        super.setUp();
        second = vm.addr(SECOND_KEY);
        GateKeys.Grant[] memory grants = new GateKeys.Grant[](3);
        grants[0] = GateKeys.Grant(hot, address(usdt), PER_ESCROW, PER_DAY);
        grants[1] = GateKeys.Grant(small, address(usdt), 100e6, 100e6);
        grants[2] = GateKeys.Grant(second, address(0), 0, 0);
        bytes memory arguments = abi.encode(address(escrow), cold, grants);
        gate = OperatorGate(Deployer(address(vm)).deployCode("OperatorGate.sol:OperatorGate", arguments));
        operator = address(gate);
    }

    function deal(uint256 number) internal view returns (Terms memory) {
        return sized(number, AMOUNT);
    }

    function sized(uint256 number, uint256 amount) internal view returns (Terms memory) {
        Plan memory p = plan();
        p.deal = keccak256(abi.encode(number));
        p.amount = amount;
        return pack(p);
    }

    function releaseOf(Terms memory t) internal view returns (bytes memory) {
        uint256 amount = t.tokenAmount >> 160;
        return abi.encodeCall(escrow.pay, (t, amount, 0, amount));
    }

    function through(address by, bytes memory data) internal returns (bool ok, bytes4 why) {
        bytes memory answer;
        vm.prank(by);
        (ok, answer) = address(gate).call(data);
        why = bytes4(answer);
    }

    function passes(address by, bytes memory data) internal {
        (bool ok,) = through(by, data);
        vm.assertTrue(ok, "refused");
    }

    function stops(address by, bytes memory data, bytes4 expected) internal {
        (bool ok, bytes4 why) = through(by, data);
        vm.assertFalse(ok);
        vm.assertTrue(why == expected, "another reason");
    }

    function approval(address by, bytes32 callHash, uint256 deadline) internal view returns (bytes memory) {
        return sign(SECOND_KEY, gate.approvalDigest(by, callHash, deadline));
    }

    function spent(address key) internal view returns (uint256 amount) {
        (,, amount,) = gate.limits(key, address(usdt));
    }
}
