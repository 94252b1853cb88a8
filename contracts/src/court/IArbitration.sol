// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice ERC-792, the side that asks: a contract that a court rules on.
interface IArbitrable {
    event Ruling(IArbitrator indexed arbitrator, uint256 indexed disputeID, uint256 ruling);

    /// @notice The court's final word, from the court alone. Zero: the court refused to arbitrate.
    function rule(uint256 disputeID, uint256 ruling) external;
}

/// @notice ERC-792, the side that answers: a court. Costs are in wei.
interface IArbitrator {
    enum DisputeStatus {
        Waiting,
        Appealable,
        Solved
    }

    event DisputeCreation(uint256 indexed disputeID, IArbitrable indexed arbitrable);
    event AppealPossible(uint256 indexed disputeID, IArbitrable indexed arbitrable);
    event AppealDecision(uint256 indexed disputeID, IArbitrable indexed arbitrable);

    function createDispute(uint256 choices, bytes calldata extraData) external payable returns (uint256 disputeID);
    function arbitrationCost(bytes calldata extraData) external view returns (uint256 cost);
    function appeal(uint256 disputeID, bytes calldata extraData) external payable;
    function appealCost(uint256 disputeID, bytes calldata extraData) external view returns (uint256 cost);
    function appealPeriod(uint256 disputeID) external view returns (uint256 start, uint256 end);
    function disputeStatus(uint256 disputeID) external view returns (DisputeStatus status);
    function currentRuling(uint256 disputeID) external view returns (uint256 ruling);
}

/// @notice ERC-1497: what a court's own pages show. The strings are addresses of JSON documents.
interface IEvidence {
    event MetaEvidence(uint256 indexed metaEvidenceID, string evidence);
    event Evidence(
        IArbitrator indexed arbitrator, uint256 indexed evidenceGroupID, address indexed party, string evidence
    );
    event Dispute(
        IArbitrator indexed arbitrator,
        uint256 indexed disputeID,
        uint256 metaEvidenceID,
        uint256 evidenceGroupID
    );
}
