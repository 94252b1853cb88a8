// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Terms} from "./Terms.sol";

/// @notice What `Escrow` says and why it refuses. One address emits everything; topic 1 is always the escrow id.
interface IEscrow {
    /// @notice The full terms, at the first action that does not settle, or on request.
    event Announced(bytes32 indexed id, Terms terms);

    /// @notice A part (or all) of the amount was decided. `release`, `refund` and `fee` are the legs, in base units;
    /// bit k of `paid` says that leg k (0 release, 1 refund, 2 fee) was paid in this transaction. A leg above zero
    /// without its bit is owed, see `payLeg`. `left` is still undecided; zero means settled.
    event Decided(
        bytes32 indexed id,
        address by,
        uint8 how,
        uint256 release,
        uint256 refund,
        uint256 fee,
        uint256 left,
        uint256 paid
    );

    /// @notice An owed leg was paid, in full or (after a loss) its share; `owed` is what it still waits for.
    event LegPaid(bytes32 indexed id, uint8 kind, address to, uint256 amount, uint256 owed);

    /// @notice Marked delivered at this block's time; the seller may claim after `until`.
    event Delivered(bytes32 indexed id, address by, uint256 until);

    /// @notice Changes were requested; the buyer may take everything back after `deliverBy`.
    event DeliveryReopened(bytes32 indexed id, address by, uint256 deliverBy);

    /// @notice Disputed on behalf of `side` (0 buyer, 1 seller). Rulings must bind `round`. The fallback is open after
    /// `until`.
    event Disputed(
        bytes32 indexed id, address by, uint8 side, uint256 round, uint256 until, bytes32 evidenceHash
    );

    /// @notice Back to where it was: `status` 0 open, 1 delivered; the running clock now ends at `until`.
    event DisputeWithdrawn(bytes32 indexed id, address by, uint8 status, uint256 until);

    /// @notice `side` appealed, or the operator for it: rulings must bind `round` now.
    event Appealed(bytes32 indexed id, address by, uint8 side, uint256 round);

    /// @notice The running clock now ends at `until`. By zero: both parties signed.
    event Extended(bytes32 indexed id, address by, uint256 until);

    /// @notice The terms are dead. What the vault held, and whatever comes, goes to the buyer, see `Rescued`. By zero:
    /// both parties signed.
    event Cancelled(bytes32 indexed id, address by);

    /// @notice Which ruling the `Decided` of this transaction executed.
    event Ruled(bytes32 indexed id, uint256 round, bytes32 rulingHash);

    /// @notice Money that was not this escrow's went to the buyer. Token zero is the native coin.
    event Rescued(bytes32 indexed id, address token, address to, uint256 amount);

    error BadTerms(uint8 fault);
    error WrongChain();
    error AlreadySettled();
    error NotAllowed();
    error WrongStatus();
    error WrongAmount();
    error NotFunded();
    error AlreadyFunded();
    error TooEarly();
    error TooLate();
    error TooMany();
    error LeftChanged(uint256 left);
    error OutOfRange();
    error WrongRound(uint256 round);
    error NothingToPay();
    error NoCode();
    error LegFailed();
    error NotEnoughGas();
    error ReservedMoved();
    error BalanceUnknown();
}
