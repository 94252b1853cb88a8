// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {Terms} from "../src/Terms.sol";

/// @notice Claims long before their time, not only at the last instant.
contract EarlyTest is Base {
    function test_no_claim_succeeds_while_its_clock_has_days_to_run() public {
        Terms memory t = terms();
        put(t, AMOUNT - 1);
        refuses(IEscrow.TooEarly.selector);
        escrow.claimUnfunded(t);
        put(t, 1);
        refuses(IEscrow.TooEarly.selector);
        escrow.claimUndelivered(t);
        mark(t);
        refuses(IEscrow.TooEarly.selector);
        escrow.claimDelivered(t);
        dispute(buyer, t, 0);
        refuses(IEscrow.TooEarly.selector);
        escrow.claimFallback(t);
    }
}
