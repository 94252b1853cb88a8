// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Plan} from "./Base.sol";
import {GateBase} from "./GateBase.sol";
import {Plain} from "./HostileTokens.sol";
import {GateKeys} from "../src/GateKeys.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Settlement} from "../src/Messages.sol";
import {Terms} from "../src/Terms.sol";

/// @notice Needs nearly all the gas that a leg is given.
contract Costly is Plain {
    function transfer(address to, uint256 amount) public override returns (bool) {
        uint256 start = gasleft();
        while (start - gasleft() < 105_000) {}
        return super.transfer(to, amount);
    }
}

/// @notice Refuses at once when it is given less than a leg, or a look at a balance, is always given.
contract Shy {
    mapping(address => uint256) private _balances;

    function mint(address to, uint256 amount) external {
        _balances[to] += amount;
    }

    function balanceOf(address holder) external view returns (uint256) {
        require(gasleft() > 60_000);
        return _balances[holder];
    }

    function transfer(address to, uint256 amount) external {
        uint256 start = gasleft();
        require(start > 120_000);
        while (start - gasleft() < 30_000) {}
        _balances[msg.sender] -= amount;
        _balances[to] += amount;
    }
}

/// @notice Whoever submits with little gas gets nothing done, instead of half of it: what no other test noticed when
/// the code was changed on purpose. Each test gives more and more until something happens, and looks whether it is all.
contract MutantsGasTest is GateBase {
    uint256 private constant STEP = 1_000;
    Costly private _costlyToken;

    function setUp() public override {
        super.setUp();
        _costlyToken = new Costly();
        GateKeys.Grant memory g = GateKeys.Grant(hot, address(_costlyToken), PER_ESCROW, PER_DAY);
        vm.prank(cold);
        gate.propose(g);
        vm.warp(START + 48 hours);
        vm.prank(cold);
        gate.grant(g);
    }

    function test_a_decision_with_little_gas_leaves_no_leg_unpaid() public {
        Terms memory t = _costly(1, 100);
        uint256 deadline = block.timestamp;
        bytes32 d = settlementDigest(t, AMOUNT / 2, AMOUNT / 2, deadline);
        Settlement memory m = Settlement(AMOUNT / 2, AMOUNT / 2, deadline);
        bytes memory call = abi.encodeCall(escrow.settle, (t, m, sign(BUYER_KEY, d), sign(SELLER_KEY, d)));
        _untilItWorks(address(escrow), stranger, call);
        for (uint8 kind; kind < 3; ++kind) {
            vm.assertEq(escrow.owed(id(t), kind), 0);
        }
        vm.assertEq(_costlyToken.balanceOf(buyer), AMOUNT / 2);
    }

    function test_a_token_that_asks_for_its_gas_gets_it_for_every_leg() public {
        Terms memory t = _shy();
        dispute(buyer, t, 0);
        bytes32 d = settlementDigest(t, AMOUNT / 2, AMOUNT / 2, block.timestamp);
        Settlement memory m = Settlement(AMOUNT / 2, AMOUNT / 2, block.timestamp);
        bytes memory call = abi.encodeCall(escrow.settle, (t, m, sign(BUYER_KEY, d), sign(SELLER_KEY, d)));
        _untilItWorks(address(escrow), stranger, call);
        for (uint8 kind; kind < 3; ++kind) {
            vm.assertEq(escrow.owed(id(t), kind), 0);
        }
    }

    function test_a_token_that_asks_for_its_gas_gets_it_when_it_is_asked_for_a_balance() public {
        Terms memory t = _shy();
        bytes memory call = abi.encodeCall(escrow.rescue, (t, _token(t)));
        for (uint256 gas = 20_000; gas < 300_000; gas += STEP) {
            (bool ok, bytes memory answer) = address(escrow).call{gas: gas}(call);
            vm.assertFalse(ok);
            vm.assertFalse(bytes4(answer) == IEscrow.BalanceUnknown.selector);
        }
    }

    function test_a_batch_with_little_gas_leaves_no_item_out() public {
        bytes[] memory items = new bytes[](1);
        items[0] = abi.encodeCall(escrow.claimUndelivered, (_costly(1, 0)));
        vm.warp(START + 100 days);
        _allDone(_untilItWorks(address(escrow), stranger, abi.encodeCall(escrow.batch, (items))));
    }

    function test_the_gates_batch_with_little_gas_leaves_no_item_out() public {
        bytes[] memory items = new bytes[](1);
        items[0] = releaseOf(_costly(1, 100));
        _allDone(_untilItWorks(address(gate), hot, abi.encodeCall(gate.batch, (items))));
    }

    function test_releases_with_little_gas_leave_no_escrow_out() public {
        Terms[] memory one = new Terms[](1);
        one[0] = _costly(1, 100);
        _allDone(_untilItWorks(address(gate), hot, abi.encodeCall(gate.releaseBatch, (one))));
        vm.assertEq(_costlyToken.balanceOf(seller), AMOUNT * 99 / 100);
    }

    function _costly(uint256 number, uint256 feeBps) private returns (Terms memory t) {
        t = _of(address(_costlyToken), number, feeBps);
        _costlyToken.mint(vault(t), AMOUNT);
    }

    function _shy() private returns (Terms memory t) {
        Shy token = new Shy();
        t = _of(address(token), 1, 100);
        token.mint(vault(t), AMOUNT);
    }

    function _of(address token, uint256 number, uint256 feeBps) private view returns (Terms memory) {
        Plan memory p = plan();
        p.deal = keccak256(abi.encode(number));
        p.token = token;
        p.feeBps = feeBps;
        p.fundBy = START + 10 days;
        return pack(p);
    }

    function _token(Terms memory t) private pure returns (address) {
        return address(uint160(t.tokenAmount));
    }

    function _untilItWorks(address to, address by, bytes memory call) private returns (bytes memory answer) {
        bool ok;
        for (uint256 gas = 150_000; !ok; gas += STEP) {
            vm.assertTrue(gas < 3_000_000);
            vm.prank(by);
            (ok, answer) = to.call{gas: gas}(call);
        }
    }

    function _allDone(bytes memory answer) private pure {
        bool[] memory done = abi.decode(answer, (bool[]));
        vm.assertTrue(done[0]);
    }
}
