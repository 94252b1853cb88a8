// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Escrow} from "../../src/Escrow.sol";
import {Slot} from "../../src/Slots.sol";
import {Terms} from "../../src/Terms.sol";

interface Cheats {
    function assume(bool) external pure;
    function warp(uint256) external;
    function prank(address) external;
    function etch(address, bytes calldata) external;
}

/// @notice The deployed code with doors for a proof to put an escrow into any state.
contract OpenEscrow is Escrow {
    function put(bytes32 id, uint256 word) external {
        _slots[id] = Slot.wrap(word);
    }

    function putReleased(bytes32 id, uint256 amount) external {
        _released[id] = amount;
    }
}

/// @notice A plain token that remembers who got how much.
contract PlainToken {
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}

abstract contract ProofBase {
    Cheats internal constant vm = Cheats(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    address internal constant BUYER_ = address(0xb1);
    address internal constant SELLER_ = address(0x5e);
    address internal constant OPERATOR_ = address(0x09);
    address internal constant FEE_TO = address(0xfee);
    uint256 internal constant FUND_BY = 1_800_000_000;
    uint256 internal constant DELIVER_BY = 1_802_000_000;
    uint256 internal constant INSPECTION = 14 days;
    uint256 internal constant ARBITRATION = 120 days;

    OpenEscrow internal escrow;
    PlainToken internal token;

    function setUp() public virtual {
        escrow = new OpenEscrow();
        token = new PlainToken();
    }

    function terms(uint256 amount, uint256 feeBps, uint256 fallbackBps) internal view returns (Terms memory t) {
        t.tokenAmount = uint160(address(token)) | (amount << 160);
        t.buyerClocks = uint160(BUYER_) | (FUND_BY << 160) | (DELIVER_BY << 200) | (feeBps << 240);
        t.sellerChain = uint160(SELLER_) | (block.chainid << 160) | (INSPECTION << 224);
        t.operatorRest = uint160(OPERATOR_) | (ARBITRATION << 160) | (fallbackBps << 192) | (1 << 208);
        t.feeRecipient = uint160(FEE_TO);
        t.arbiters = bytes32(uint256(1));
        t.dealHash = bytes32(uint256(1));
    }
}
