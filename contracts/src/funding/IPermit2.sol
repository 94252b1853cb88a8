// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice The one function of Permit2 that funding needs: a payer's signature moves a token that the payer approved
/// to Permit2, once, to whom the spender says, while the signature also covers a `witness` of the spender's choice.
interface IPermit2 {
    struct TokenPermissions {
        address token;
        uint256 amount;
    }

    struct PermitTransferFrom {
        TokenPermissions permitted;
        uint256 nonce;
        uint256 deadline;
    }

    struct SignatureTransferDetails {
        address to;
        uint256 requestedAmount;
    }

    function permitWitnessTransferFrom(
        PermitTransferFrom calldata permit,
        SignatureTransferDetails calldata transferDetails,
        address owner,
        bytes32 witness,
        string calldata witnessTypeString,
        bytes calldata signature
    ) external;
}
