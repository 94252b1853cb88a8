// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import {ArbiterSeat} from "../src/ArbiterSeat.sol";

/// @notice Who takes a seat: what no other test noticed when the code was changed on purpose.
contract MutantsSeatKeysTest is Base {
    address private constant COLD = address(0xc01d);

    function test_whoever_watches_a_seat_sees_a_proposal_and_when_it_may_be_seated() public {
        ArbiterSeat chair = new ArbiterSeat(COLD, vm.addr(7));
        vm.expectEmit(true, true, true, true, address(chair));
        emit ArbiterSeat.Proposed(vm.addr(8), START + 7 days);
        vm.prank(COLD);
        chair.propose(vm.addr(8));
    }

    function test_a_key_may_also_be_seated_later_than_it_could() public {
        ArbiterSeat chair = new ArbiterSeat(COLD, vm.addr(7));
        vm.prank(COLD);
        chair.propose(vm.addr(8));
        vm.warp(START + 9 days);
        chair.replace();
        vm.assertEq(chair.key(), vm.addr(8));
    }

    function test_whoever_watches_a_seat_sees_a_proposal_that_is_taken_back() public {
        ArbiterSeat chair = new ArbiterSeat(COLD, vm.addr(7));
        vm.prank(COLD);
        chair.propose(vm.addr(8));
        vm.expectEmit(true, true, true, true, address(chair));
        emit ArbiterSeat.Withdrawn(vm.addr(8));
        vm.prank(COLD);
        chair.withdraw();
    }
}
