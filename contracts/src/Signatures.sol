// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {Terms, TermsLib} from "./Terms.sol";

/// @notice Who signed: a key (65 bytes, low s), or a contract by ERC-1271.
library Signatures {
    using TermsLib for Terms;

    uint256 internal constant ERC1271_GAS = 100_000;
    uint256 internal constant MAX_SEATS = 9;
    bytes4 private constant MAGIC = 0x1626ba7e;

    error BadSeats();
    error BadSignature(uint256 index);
    error TooFewSignatures();
    error NotEnoughGas();

    /// @notice True when `signer` signed `digest`. The zero address never did.
    function signedBy(address signer, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (signer == address(0)) return false;
        (address recovered, ECDSA.RecoverError e,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (e == ECDSA.RecoverError.NoError && recovered == signer) return true;
        return signer.code.length != 0 && _contractSigned(signer, digest, signature);
    }

    /// @notice Reverts unless `signers` and `threshold` are those of the terms and enough of them signed. Signature
    /// number i belongs to signer number i; an empty one means that this seat did not sign. The signers are strictly
    /// ascending, so none counts twice.
    function requireSeats(
        Terms calldata t,
        bytes32 digest,
        address[] calldata signers,
        uint256 threshold,
        bytes[] calldata signatures
    ) internal view {
        _checkSeats(t, signers, threshold);
        if (signatures.length != signers.length) revert BadSeats();
        uint256 valid;
        for (uint256 i; i < signers.length; ++i) {
            if (signatures[i].length == 0) continue;
            if (!signedBy(signers[i], digest, signatures[i])) revert BadSignature(i);
            ++valid;
        }
        if (valid < threshold) revert TooFewSignatures();
    }

    function _checkSeats(Terms calldata t, address[] calldata signers, uint256 threshold) private pure {
        uint256 n = signers.length;
        if (threshold == 0 || threshold > n || n > MAX_SEATS) revert BadSeats();
        if (_seatsHash(signers, threshold) != t.arbiters) revert BadSeats();
        (address buyer, address seller, address operator, address feeTo) =
            (t.buyer(), t.seller(), t.operator(), t.feeTo());
        address last;
        for (uint256 i; i < n; ++i) {
            address seat = signers[i];
            if (seat <= last || seat == buyer || seat == seller || seat == operator || seat == feeTo) {
                revert BadSeats();
            }
            last = seat;
        }
    }

    function _seatsHash(address[] calldata signers, uint256 threshold) private pure returns (bytes32 h) {
        assembly ("memory-safe") {
            let m := mload(0x40)
            let size := shl(5, signers.length)
            mstore(m, threshold)
            calldatacopy(add(m, 0x20), signers.offset, size)
            h := keccak256(m, add(size, 0x20))
        }
    }

    /// The gas is fixed so that whoever submits can not make a good signature look bad by giving less.
    function _contractSigned(address signer, bytes32 digest, bytes calldata signature) private view returns (bool ok) {
        bytes memory data = abi.encodeWithSelector(MAGIC, digest, signature);
        if (gasleft() < ERC1271_GAS + ERC1271_GAS / 32 + 5_000) revert NotEnoughGas();
        assembly ("memory-safe") {
            ok := staticcall(ERC1271_GAS, signer, add(data, 0x20), mload(data), 0x00, 0x20)
            ok := and(ok, and(gt(returndatasize(), 0x1f), eq(mload(0x00), MAGIC)))
        }
    }
}
