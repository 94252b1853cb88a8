// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Terms} from "./Terms.sol";

/// @notice The actions of `Escrow` that an operator may do.
interface IOperated {
    function pay(Terms calldata t, uint256 toSeller, uint256 toBuyer, uint256 left) external;
    function markDelivered(Terms calldata t) external;
    function reopenDelivery(Terms calldata t) external;
    function extend(Terms calldata t, uint256 until) external;
    function cancel(Terms calldata t) external;
    function dispute(Terms calldata t, uint8 side, bytes32 evidenceHash) external;
    function withdrawDispute(Terms calldata t) external;
    function appeal(Terms calldata t, uint8 side) external;
    function rescue(Terms calldata t, address token) external;
}
