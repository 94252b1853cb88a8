// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IArbitrable, IArbitrator} from "./IArbitration.sol";

/// @title CentralCourt
/// @notice The simplest working court of ERC-792: one judge, fixed fees, and appeals to that judge within a period, or
/// none. An example to test with and to start from. It knows nothing of escrows. What is paid above a fee is the
/// judge's too: courts need not give change, so whoever asks pays exactly.
contract CentralCourt is IArbitrator {
    struct Dispute {
        IArbitrable arbitrable;
        uint96 choices;
        DisputeStatus status;
        uint40 ruledAt;
        uint256 ruling;
    }

    address public immutable judge;
    uint256 public immutable fee;
    uint256 public immutable appealFee;
    /// @notice Seconds after a ruling in which it can be appealed; zero: rulings are final at once.
    uint256 public immutable appealTime;

    Dispute[] private _disputes;

    error NotJudge();
    error NotArbitrable();
    error FeeTooLow();
    error WrongStatus();
    error WrongRuling();
    error TooEarly();
    error TooLate();
    error PaymentFailed();

    constructor(address judge_, uint256 fee_, uint256 appealFee_, uint256 appealTime_) {
        judge = judge_;
        fee = fee_;
        appealFee = appealFee_;
        appealTime = appealTime_;
    }

    /// @inheritdoc IArbitrator
    function createDispute(uint256 choices, bytes calldata) external payable returns (uint256 disputeID) {
        if (msg.value < fee) revert FeeTooLow();
        disputeID = _disputes.length;
        Dispute storage d = _disputes.push();
        d.arbitrable = IArbitrable(msg.sender);
        d.choices = uint96(choices);
        emit DisputeCreation(disputeID, d.arbitrable);
    }

    /// @notice The judge rules: finally where there are no appeals, else until the appeal period is over.
    function giveRuling(uint256 disputeID, uint256 ruling) external {
        if (msg.sender != judge) revert NotJudge();
        Dispute storage d = _disputes[disputeID];
        if (d.status != DisputeStatus.Waiting) revert WrongStatus();
        if (ruling > d.choices) revert WrongRuling();
        d.ruling = ruling;
        d.ruledAt = uint40(block.timestamp);
        if (appealTime == 0) return _execute(disputeID, d);
        d.status = DisputeStatus.Appealable;
        emit AppealPossible(disputeID, d.arbitrable);
    }

    /// @inheritdoc IArbitrator
    function appeal(uint256 disputeID, bytes calldata) external payable {
        Dispute storage d = _disputes[disputeID];
        if (msg.sender != address(d.arbitrable)) revert NotArbitrable();
        if (d.status != DisputeStatus.Appealable) revert WrongStatus();
        if (block.timestamp > d.ruledAt + appealTime) revert TooLate();
        if (msg.value < appealFee) revert FeeTooLow();
        d.status = DisputeStatus.Waiting;
        emit AppealDecision(disputeID, d.arbitrable);
    }

    /// @notice Makes a ruling final that nobody appealed in time. Anyone.
    function executeRuling(uint256 disputeID) external {
        Dispute storage d = _disputes[disputeID];
        if (d.status != DisputeStatus.Appealable) revert WrongStatus();
        if (block.timestamp <= d.ruledAt + appealTime) revert TooEarly();
        _execute(disputeID, d);
    }

    /// @notice The fees go to the judge. Anyone may ask.
    function collect() external {
        (bool ok,) = judge.call{value: address(this).balance}("");
        if (!ok) revert PaymentFailed();
    }

    /// @inheritdoc IArbitrator
    function arbitrationCost(bytes calldata) external view returns (uint256) {
        return fee;
    }

    /// @inheritdoc IArbitrator
    function appealCost(uint256, bytes calldata) external view returns (uint256) {
        return appealFee;
    }

    /// @inheritdoc IArbitrator
    function appealPeriod(uint256 disputeID) external view returns (uint256 start, uint256 end) {
        Dispute storage d = _disputes[disputeID];
        if (d.status == DisputeStatus.Appealable) (start, end) = (d.ruledAt, d.ruledAt + appealTime);
    }

    /// @inheritdoc IArbitrator
    function disputeStatus(uint256 disputeID) external view returns (DisputeStatus) {
        return _disputes[disputeID].status;
    }

    /// @inheritdoc IArbitrator
    function currentRuling(uint256 disputeID) external view returns (uint256) {
        return _disputes[disputeID].ruling;
    }

    function _execute(uint256 disputeID, Dispute storage d) private {
        d.status = DisputeStatus.Solved;
        d.arbitrable.rule(disputeID, d.ruling);
    }
}
