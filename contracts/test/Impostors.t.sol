// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import {Ruling} from "../src/Messages.sol";
import {Signatures} from "../src/Signatures.sol";
import {Terms} from "../src/Terms.sol";

/// @notice Seats that the terms do not name, each of whom signs correctly. Several lists, because a list's hash is
/// below that of the terms or above.
contract ImpostorsTest is Base {
    function test_no_other_list_of_seats_rules_however_well_it_signs() public {
        Terms memory t = funded(terms());
        dispute(buyer, t, 0);
        Ruling memory r = ruling(t, 0);
        for (uint256 n = 2; n < 10; ++n) {
            if (n == 3) continue;
            _makeSeats(n);
            bytes[] memory signatures = signed(t, r, 2);
            refuses(Signatures.BadSeats.selector);
            escrow.rule(t, r, seats, 2, signatures);
        }
    }
}
