// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import {ArbiterSeat} from "../src/ArbiterSeat.sol";

interface Watcher {
    function expectEmit(bool, bool, bool, bool) external;
}

/// @notice The seat: what no other test noticed when the code was changed on purpose.
contract MutantsSeatTest is Base {
    address private constant COLD = address(0xc01d);

    function test_whoever_watches_a_seat_sees_every_key_that_takes_it() public {
        Watcher(address(vm)).expectEmit(true, true, true, true);
        emit ArbiterSeat.Seated(vm.addr(7));
        ArbiterSeat chair = new ArbiterSeat(COLD, vm.addr(7));
        vm.prank(COLD);
        chair.propose(vm.addr(8));
        vm.warp(START + 7 days);
        vm.expectEmit(true, true, true, true, address(chair));
        emit ArbiterSeat.Seated(vm.addr(8));
        chair.replace();
    }
}
