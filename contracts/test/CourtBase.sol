// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {CentralCourt} from "../src/court/CentralCourt.sol";
import {CourtSeat} from "../src/court/CourtSeat.sol";
import {IArbitrable, IArbitrator} from "../src/court/IArbitration.sol";
import {Ruling} from "../src/Messages.sol";
import {Terms} from "../src/Terms.sol";

/// @notice A cheat more than `Base` has: an event of whoever comes next.
interface VmAnyEmitter {
    function expectEmit() external;
}

/// @notice A court, its seat, and escrows whose terms name that seat alone or beside two keys.
abstract contract CourtBase is Base {
    uint256 internal constant FEE = 0.1 ether;
    uint256 internal constant APPEAL_FEE = 0.3 ether;
    uint256 internal constant APPEAL_TIME = 3 days;

    address internal judge = address(0x1d6e);
    CentralCourt internal court;
    CourtSeat internal seat;

    function setUp() public virtual override {
        super.setUp();
        court = new CentralCourt(judge, FEE, APPEAL_FEE, 0);
        seat = seatOf(court, 0);
        vm.deal(buyer, 10 ether);
        vm.deal(seller, 10 ether);
        vm.deal(stranger, 10 ether);
    }

    function seatOf(IArbitrator where, uint256 window) internal returns (CourtSeat) {
        return new CourtSeat(address(escrow), where, window, hex"01", "ipfs://meta");
    }

    function alone(CourtSeat who) internal pure returns (address[] memory signers) {
        signers = new address[](1);
        signers[0] = address(who);
    }

    function naming(address[] memory signers, uint256 threshold) internal view returns (Terms memory) {
        Plan memory p = plan();
        p.arbiters = arbitersOf(signers, threshold);
        return pack(p);
    }

    /// Funded and disputed by the buyer; the court's seat is the only one.
    function disputed() internal returns (Terms memory t) {
        t = funded(naming(alone(seat), 1));
        dispute(buyer, t, 0);
    }

    function opened(Terms memory t) internal returns (uint256 number) {
        vm.prank(stranger);
        number = seat.open{value: FEE}(t, alone(seat), 1);
    }

    function judged(uint256 number, uint256 choice) internal {
        vm.prank(judge);
        court.giveRuling(number, choice);
    }

    /// A stranger submits what the court's seat alone confirms.
    function execute(Terms memory t, uint256 number) internal {
        Ruling memory r = seat.rulingOf(number, block.timestamp);
        execute(t, r, number);
    }

    function execute(Terms memory t, Ruling memory r, uint256 number) internal {
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = word(number, r.notBefore);
        vm.prank(stranger);
        escrow.rule(t, r, alone(seat), 1, signatures);
    }

    /// What the seat takes for a signature.
    function word(uint256 number, uint256 notBefore) internal pure returns (bytes memory) {
        return abi.encode(number, notBefore);
    }

    function confirms(CourtSeat who, Terms memory t, Ruling memory r, uint256 number)
        internal
        view
        returns (bool)
    {
        return who.isValidSignature(digest(t, r), word(number, r.notBefore)) == bytes4(0x1626ba7e);
    }
}
