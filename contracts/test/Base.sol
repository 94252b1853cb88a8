// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Escrow} from "../src/Escrow.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Act, Messages, Relayed, Ruling} from "../src/Messages.sol";
import {TestUSDT} from "../src/mocks/TestUSDT.sol";
import {Signatures} from "../src/Signatures.sol";
import {Slot, State} from "../src/Slots.sol";
import {Terms} from "../src/Terms.sol";

/// @notice The cheats of the test machine that these tests use.
interface Vm {
    function deployCode(string calldata) external returns (address);
    function warp(uint256) external;
    function roll(uint256) external;
    function chainId(uint256) external;
    function prank(address) external;
    function startPrank(address) external;
    function stopPrank() external;
    function deal(address, uint256) external;
    function etch(address, bytes calldata) external;
    function addr(uint256) external pure returns (address);
    function sign(uint256, bytes32) external pure returns (uint8, bytes32, bytes32);
    function expectRevert() external;
    function expectRevert(bytes4) external;
    function expectRevert(bytes calldata) external;
    function expectEmit(bool, bool, bool, bool, address) external;
    function assume(bool) external pure;
    function assertEq(uint256, uint256) external pure;
    function assertEq(uint256, uint256, string calldata) external pure;
    function assertEq(address, address) external pure;
    function assertEq(string calldata, string calldata, string calldata) external pure;
    function assertEq(bool, bool, string calldata) external pure;
    function assertTrue(bool) external pure;
    function assertTrue(bool, string calldata) external pure;
    function assertFalse(bool) external pure;
    function toString(uint256) external pure returns (string memory);
}

/// @notice The terms of a test, before they are packed.
struct Plan {
    uint256 version;
    uint256 chain;
    address token;
    uint256 amount;
    address buyer;
    address seller;
    address operator;
    address feeTo;
    uint256 feeBps;
    uint256 fundBy;
    uint256 deliverBy;
    uint256 inspection;
    uint256 arbitration;
    uint256 fallbackBps;
    bytes32 arbiters;
    bytes32 deal;
}

/// @notice The cast, a token, an escrow contract and short words for what tests do.
abstract contract Base {
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    uint256 internal constant START = 1_700_000_000;
    uint256 internal constant AMOUNT = 250e6;
    uint256 internal constant BUYER_KEY = 0xb1;
    uint256 internal constant SELLER_KEY = 0x5e;

    Escrow internal escrow;
    TestUSDT internal usdt;
    address internal buyer;
    address internal seller;
    address internal operator = address(0x0be4a704);
    address internal feeTo = address(0xfee);
    address internal stranger = address(0x57a);
    address internal payer = address(0xa11);
    uint256[] internal seatKeys;
    address[] internal seats;

    function setUp() public virtual {
        vm.warp(START);
        // by name: embedding the code in every test would compile it as often
        escrow = Escrow(vm.deployCode("Escrow.sol:Escrow"));
        usdt = newToken();
        buyer = vm.addr(BUYER_KEY);
        seller = vm.addr(SELLER_KEY);
        _makeSeats(3);
    }

    /// The token belongs to whoever signed its deployment; here that is the runner.
    function newToken() internal returns (TestUSDT token) {
        token = TestUSDT(vm.deployCode("TestUSDT.sol:TestUSDT"));
        address was = token.owner();
        vm.prank(was);
        token.transferOwnership(address(this));
    }

    function _makeSeats(uint256 n) internal {
        delete seatKeys;
        delete seats;
        for (uint256 i; i < n; ++i) {
            _insert(0xa000 + i);
        }
    }

    function _insert(uint256 key) private {
        seatKeys.push(key);
        seats.push(vm.addr(key));
        for (uint256 i = seats.length - 1; i > 0 && seats[i] < seats[i - 1]; --i) {
            (seats[i], seats[i - 1]) = (seats[i - 1], seats[i]);
            (seatKeys[i], seatKeys[i - 1]) = (seatKeys[i - 1], seatKeys[i]);
        }
    }

    // ---- terms ---------------------------------------------------------------------------------------------

    function plan() internal view returns (Plan memory p) {
        p.version = 1;
        p.chain = block.chainid;
        p.token = address(usdt);
        p.amount = AMOUNT;
        p.buyer = buyer;
        p.seller = seller;
        p.operator = operator;
        p.feeTo = feeTo;
        p.fundBy = START + 1 days;
        p.deliverBy = START + 20 days;
        p.inspection = 14 days;
        p.arbitration = 120 days;
        p.fallbackBps = 5_000;
        p.arbiters = arbitersOf(seats, 2);
        p.deal = keccak256("deal");
    }

    function terms() internal view returns (Terms memory) {
        return pack(plan());
    }

    function withFee(uint256 bps) internal view returns (Terms memory) {
        Plan memory p = plan();
        p.feeBps = bps;
        return pack(p);
    }

    function pack(Plan memory p) internal pure returns (Terms memory t) {
        t.tokenAmount = uint160(p.token) | (p.amount << 160);
        t.buyerClocks = uint160(p.buyer) | (p.fundBy << 160) | (p.deliverBy << 200) | (p.feeBps << 240);
        t.sellerChain = uint160(p.seller) | (p.chain << 160) | (p.inspection << 224);
        t.operatorRest =
            uint160(p.operator) | (p.arbitration << 160) | (p.fallbackBps << 192) | (p.version << 208);
        t.feeRecipient = uint160(p.feeTo);
        t.arbiters = p.arbiters;
        t.dealHash = p.deal;
    }

    function arbitersOf(address[] memory signers, uint256 threshold) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(threshold, signers));
    }

    // ---- what tests do -------------------------------------------------------------------------------------

    function id(Terms memory t) internal view returns (bytes32) {
        return escrow.idOf(t);
    }

    function vault(Terms memory t) internal view returns (address) {
        return escrow.vaultOf(escrow.idOf(t));
    }

    function funded(Terms memory t) internal returns (Terms memory) {
        put(t, t.tokenAmount >> 160);
        return t;
    }

    function put(Terms memory t, uint256 amount) internal {
        usdt.mint(payer, amount);
        address to = vault(t);
        vm.prank(payer);
        usdt.transfer(to, amount);
    }

    function pay(address by, Terms memory t, uint256 toSeller, uint256 toBuyer) internal {
        uint256 expected = left(t);
        vm.prank(by);
        escrow.pay(t, toSeller, toBuyer, expected);
    }

    function mark(Terms memory t) internal {
        vm.prank(seller);
        escrow.markDelivered(t);
    }

    function dispute(address by, Terms memory t, uint8 side) internal {
        vm.prank(by);
        escrow.dispute(t, side, keccak256("evidence"));
    }

    function state(Terms memory t) internal view returns (State memory s) {
        (uint256 packed,) = escrow.stateOf(t);
        s = Slot.wrap(packed).unpack();
    }

    function left(Terms memory t) internal view returns (uint256) {
        return state(t).left;
    }

    function settled(Terms memory t) internal view returns (bool yes) {
        (, yes) = escrow.stateOf(t);
    }

    function balance(address who) internal view returns (uint256) {
        return usdt.balanceOf(who);
    }

    // ---- signing -------------------------------------------------------------------------------------------

    function ruling(Terms memory t, uint256 toSeller) internal view returns (Ruling memory r) {
        State memory s = state(t);
        r.toSeller = toSeller;
        r.toBuyer = s.left - toSeller;
        r.rulingHash = keccak256("reasons");
        r.round = s.round;
        r.notBefore = block.timestamp;
        r.deadline = block.timestamp + 30 days;
    }

    function digest(Terms memory t, Ruling memory r) internal view returns (bytes32) {
        bytes32 structHash = keccak256(
            abi.encode(
                Messages.RULING_TYPEHASH,
                id(t),
                r.toSeller,
                r.toBuyer,
                r.rulingHash,
                r.round,
                r.notBefore,
                r.deadline
            )
        );
        return keccak256(abi.encodePacked(hex"1901", escrow.domainSeparator(), structHash));
    }

    /// The first `count` seats sign.
    function signed(Terms memory t, Ruling memory r, uint256 count) internal view returns (bytes[] memory out) {
        out = new bytes[](seats.length);
        bytes32 d = digest(t, r);
        for (uint256 i; i < count; ++i) {
            out[i] = sign(seatKeys[i], d);
        }
    }

    function sign(uint256 key, bytes32 d) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, d);
        return abi.encodePacked(r, s, v);
    }

    function rule(Terms memory t, Ruling memory r) internal {
        bytes[] memory signatures = signed(t, r, 2);
        vm.prank(stranger);
        escrow.rule(t, r, seats, 2, signatures);
    }

    function settlementDigest(Terms memory t, uint256 toSeller, uint256 toBuyer, uint256 deadline)
        internal
        view
        returns (bytes32)
    {
        State memory s = state(t);
        bytes32 structHash = keccak256(
            abi.encode(Messages.SETTLEMENT_TYPEHASH, id(t), toSeller, toBuyer, s.left, s.seq, deadline)
        );
        return keccak256(abi.encodePacked(hex"1901", escrow.domainSeparator(), structHash));
    }

    // ---- acting by signature -------------------------------------------------------------------------------

    function act(bytes32 action, uint256 signers) internal view returns (Act memory) {
        return Act(action, 0, 0, block.timestamp, signers);
    }

    function act(bytes32 action, uint256 signers, uint256 first, uint256 second)
        internal
        view
        returns (Act memory)
    {
        return Act(action, first, second, block.timestamp, signers);
    }

    function actDigest(Terms memory t, Act memory a) internal view returns (bytes32) {
        State memory s = state(t);
        bool bare = a.action == Relayed.RESCUE;
        return actDigest(t, a, bare ? 0 : s.left, bare ? 0 : s.seq);
    }

    function actDigest(Terms memory t, Act memory a, uint256 rest, uint256 seq)
        internal
        view
        returns (bytes32)
    {
        bytes32 structHash = keccak256(
            abi.encode(Messages.ACT_TYPEHASH, id(t), a.action, a.first, a.second, rest, seq, a.deadline)
        );
        return keccak256(abi.encodePacked(hex"1901", escrow.domainSeparator(), structHash));
    }

    /// Whoever the message names signs it; a stranger submits.
    function relay(Terms memory t, Act memory a) internal {
        bytes32 d = actDigest(t, a);
        relay(t, a, sign(BUYER_KEY, d), sign(SELLER_KEY, d));
    }

    function relay(Terms memory t, Act memory a, bytes memory byBuyer, bytes memory bySeller) internal {
        vm.prank(stranger);
        escrow.relay(t, a, byBuyer, bySeller);
    }

    function refusesSignature(uint256 index) internal {
        vm.expectRevert(abi.encodeWithSelector(Signatures.BadSignature.selector, index));
    }

    function refuses(bytes4 selector) internal {
        vm.expectRevert(selector);
    }
}
