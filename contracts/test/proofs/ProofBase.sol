// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Escrow} from "../../src/Escrow.sol";
import {Slot, Slots, State} from "../../src/Slots.sol";
import {Terms} from "../../src/Terms.sol";

/// @notice The cheats that proofs use.
interface Cheats {
    function assume(bool) external pure;
    function warp(uint256) external;
    function prank(address) external;
    function etch(address, bytes calldata) external;
}

/// @notice The code that is deployed, with doors through which a proof puts an escrow into any state.
contract OpenEscrow is Escrow {
    function put(bytes32 id, uint256 word) external {
        _slots[id] = Slot.wrap(word);
    }

    function putReleased(bytes32 id, uint256 amount) external {
        _released[id] = amount;
    }

    function owedTotal(bytes32 id) external view returns (uint256) {
        return _owedTotal[id];
    }
}

/// @notice A token that remembers who sent and who got money, and refuses the receivers that a proof names. It counts
/// without limits, so that no path ends for want of money: what is paid is what the escrow asked for.
contract WatchedToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => bool) private _refused;
    mapping(address => bool) private _named;
    address private _vault;

    /// Money left another holder than the vault, or reached somebody whom the terms do not name.
    bool public strayed;

    function watch(address vault, address[3] calldata named) external {
        _vault = vault;
        for (uint256 i; i < 3; ++i) {
            _named[named[i]] = true;
        }
    }

    function put(address holder, uint256 amount) external {
        balanceOf[holder] = amount;
    }

    function refuse(address to, bool yes) external {
        _refused[to] = yes;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        if (_refused[to]) return false;
        if (msg.sender != _vault || !_named[to]) strayed = true;
        unchecked {
            balanceOf[msg.sender] -= amount;
            balanceOf[to] += amount;
        }
        return true;
    }
}

/// @notice A party or a seat that has signed everything: what signatures can do is then bounded by the rest alone.
contract SignsAll {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0x1626ba7e;
    }
}

/// @notice One escrow with fixed parties whose state, caller and time are arbitrary.
abstract contract ProofBase {
    Cheats internal constant vm = Cheats(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    address internal constant OPERATOR_ = address(0x09e7a704);
    address internal constant FEE_TO = address(0xfee00000);
    uint256 internal constant FUND_BY = 1_800_000_000;
    uint256 internal constant DELIVER_BY = 1_802_000_000;
    uint256 internal constant INSPECTION = 14 days;
    uint256 internal constant ARBITRATION = 120 days;
    uint256 internal constant WHOLE = type(uint96).max;
    uint256 internal constant STORED_BIT = 1 << 239;
    uint256 internal constant OWING_BIT = 1 << 246;
    uint256 internal constant RELEASED_BIT = 1 << 247;

    OpenEscrow internal escrow;
    WatchedToken internal token;
    address internal buyer;
    address internal seller;
    address[] internal seats;

    function setUp() public virtual {
        escrow = new OpenEscrow();
        token = new WatchedToken();
        buyer = address(new SignsAll());
        seller = address(new SignsAll());
        seats.push(address(new SignsAll()));
    }

    function terms(uint256 amount, uint256 feeBps, uint256 fallbackBps) internal view returns (Terms memory t) {
        t.tokenAmount = uint160(address(token)) | (amount << 160);
        t.buyerClocks = uint160(buyer) | (FUND_BY << 160) | (DELIVER_BY << 200) | (feeBps << 240);
        t.sellerChain = uint160(seller) | (block.chainid << 160) | (INSPECTION << 224);
        t.operatorRest = uint160(OPERATOR_) | (ARBITRATION << 160) | (fallbackBps << 192) | (1 << 208);
        t.feeRecipient = uint160(FEE_TO);
        t.arbiters = keccak256(abi.encodePacked(uint256(1), seats));
        t.dealHash = bytes32(uint256(1));
    }

    /// Terms without a fee, or the paths of three legs multiply where they prove nothing.
    function plain() internal view returns (Terms memory) {
        return terms(WHOLE, 0, 5_000);
    }

    /// Any state under which an escrow can be stored and acted on. The bits that the actions keep: what is undecided
    /// is not zero, at most two disputes per side, fourteen days of extension. Debts are put by the proof itself.
    function anyState(uint256 word) internal pure returns (uint256) {
        Slot s = Slot.wrap(word);
        vm.assume(word & STORED_BIT != 0 && word & (OWING_BIT | RELEASED_BIT) == 0);
        vm.assume(s.left() != 0 && s.disputes(0) <= 2 && s.disputes(1) <= 2 && s.extended() <= 14);
        vm.assume(s.status() != 3 && s.round() <= 6 && s.seq() < type(uint24).max);
        return word;
    }

    /// The escrow of `t` in state `word`, its vault holding more than can be asked of it, and the clock at `time`.
    function begin(Terms memory t, uint256 word, uint40 time) internal returns (bytes32 id, address vault) {
        id = escrow.idOf(t);
        vault = escrow.vaultOf(id);
        escrow.put(id, word);
        token.put(vault, type(uint128).max);
        token.watch(vault, [buyer, seller, FEE_TO]);
        vm.warp(time);
    }

    function send(address by, bytes memory data) internal returns (bool ok) {
        vm.prank(by);
        (ok,) = address(escrow).call(data);
    }

    /// Stands before what a property asserts. A second run lets it fail: a property that then still holds never gets
    /// there, and proves nothing.
    function reached() internal pure {}

    function slot(bytes32 id) internal view returns (Slot) {
        return Slot.wrap(escrow.slotOf(id));
    }
}
