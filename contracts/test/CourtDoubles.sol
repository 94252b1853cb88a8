// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {CourtSeat} from "../src/court/CourtSeat.sol";
import {IArbitrable, IArbitrator} from "../src/court/IArbitration.sol";
import {Terms} from "../src/Terms.sol";

/// @notice A court that misbehaves as it is told to.
contract CrookedCourt is IArbitrator {
    enum Trick {
        NONE,
        RULE_WHILE_CREATING,
        RULE_WHILE_APPEALED,
        OPEN_AGAIN,
        SAME_NUMBER
    }

    Trick public trick;
    uint256 public next;
    CourtSeat private _seat;
    Terms private _terms;

    receive() external payable {}

    function play(Trick trick_) external {
        trick = trick_;
    }

    function aim(CourtSeat seat, Terms calldata t) external {
        (_seat, _terms) = (seat, t);
    }

    function say(IArbitrable to, uint256 number, uint256 ruling) external {
        to.rule(number, ruling);
    }

    function createDispute(uint256, bytes calldata) external payable returns (uint256 number) {
        number = next;
        if (trick != Trick.SAME_NUMBER) ++next;
        if (trick == Trick.RULE_WHILE_CREATING) IArbitrable(msg.sender).rule(number, 2);
        if (trick == Trick.OPEN_AGAIN) {
            address[] memory signers = new address[](1);
            signers[0] = address(_seat);
            _seat.open(_terms, signers, 1);
        }
    }

    function appeal(uint256 number, bytes calldata) external payable {
        if (trick == Trick.RULE_WHILE_APPEALED) IArbitrable(msg.sender).rule(number, 2);
    }

    function arbitrationCost(bytes calldata) external pure returns (uint256) {
        return 0;
    }

    function appealCost(uint256, bytes calldata) external pure returns (uint256) {
        return 0;
    }

    function appealPeriod(uint256) external pure returns (uint256, uint256) {
        return (0, 0);
    }

    function disputeStatus(uint256) external pure returns (DisputeStatus) {
        return DisputeStatus.Waiting;
    }

    function currentRuling(uint256) external pure returns (uint256) {
        return 0;
    }
}

/// @notice Opens a case and, when its change comes back, tries what `plot` says.
contract Conspirator {
    CourtSeat private _seat;
    bytes private _plot;
    bytes public answer;
    bool public closed;

    receive() external payable {
        require(!closed);
        (, answer) = address(_seat).call(_plot);
    }

    function close() external {
        closed = true;
    }

    function open(CourtSeat seat, Terms calldata t, address[] calldata signers, bytes calldata plot)
        external
        payable
    {
        (_seat, _plot) = (seat, plot);
        seat.open{value: msg.value}(t, signers, 1);
    }
}
