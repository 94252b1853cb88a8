// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPermit2} from "./IPermit2.sol";
import {Slot} from "../Slots.sol";
import {Fault, Terms, TermsLib} from "../Terms.sol";
import {IToken} from "../Vault.sol";

interface IFundable {
    function check(Terms calldata t) external view returns (uint8);
    function stateOf(Terms calldata t) external view returns (uint256 packed, bool settled);
    function vaultOf(bytes32 id) external view returns (address);
}

/// @title PermitFunder
/// @notice Funds an escrow with a Permit2 signature of the payer, submitted by anyone. Nobody can redirect the money:
/// the recipient is the vault that follows from the terms, the signature covers their hash (the escrow id) as its
/// witness, and Permit2 takes it from this contract alone. The nonce is the id, so a payer's signatures fund an escrow
/// once. It refuses what the payer would only have to get back: bad terms, an escrow that is over, funded or under way.
/// It holds nothing and nothing trusts it.
contract PermitFunder {
    using TermsLib for Terms;

    /// @notice Where Permit2 is on every network that has it.
    IPermit2 public constant PERMIT2 = IPermit2(0x000000000022D473030F116dDEE9F6B43aC78BA3);
    /// @notice How the payer's message goes on after Permit2's own fields.
    string public constant WITNESS_TYPE = "bytes32 escrowId)TokenPermissions(address token,uint256 amount)";

    IFundable public immutable escrow;

    /// @notice `payer` paid the whole amount of the terms into the vault.
    event Funded(bytes32 indexed id, address indexed payer, uint256 amount);

    error BadTerms(uint8 fault);
    error WrongChain();
    error NotOpen();
    error AlreadyFunded();
    error CameShort(uint256 balance);

    constructor(address escrow_) {
        escrow = IFundable(escrow_);
    }

    /// @notice Moves exactly the amount of the terms from `payer`, who signed that, to the vault. Reverts when less
    /// arrives, as with a token that takes a fee: then a plain transfer of more does it.
    function fund(Terms calldata t, address payer, uint256 deadline, bytes calldata signature) external {
        bytes32 id = t.hash();
        address vault = escrow.vaultOf(id);
        uint256 amount = t.amount();
        _requireAwaited(t, vault);
        PERMIT2.permitWitnessTransferFrom(
            IPermit2.PermitTransferFrom(IPermit2.TokenPermissions(t.token(), amount), uint256(id), deadline),
            IPermit2.SignatureTransferDetails(vault, amount),
            payer,
            id,
            WITNESS_TYPE,
            signature
        );
        uint256 balance = IToken(t.token()).balanceOf(vault);
        if (balance < amount) revert CameShort(balance);
        emit Funded(id, payer, amount);
    }

    function _requireAwaited(Terms calldata t, address vault) private view {
        uint8 fault = escrow.check(t);
        if (fault != Fault.NONE) revert BadTerms(fault);
        if (t.homeChain() != block.chainid) revert WrongChain();
        (uint256 packed, bool settled) = escrow.stateOf(t);
        if (settled || !Slot.wrap(packed).untouched(t.amount())) revert NotOpen();
        if (IToken(t.token()).balanceOf(vault) >= t.amount()) revert AlreadyFunded();
    }
}
