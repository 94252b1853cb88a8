// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What the two parties agreed on, packed into seven words because calldata is paid on every call.
///
///   tokenAmount   amount (96) | token (160)
///   buyerClocks   fee in basis points (16) | deliverBy (40) | fundBy (40) | buyer (160)
///   sellerChain   inspection seconds (32) | home chain id (64) | seller (160)
///   operatorRest  zero (40) | version (8) | fallback split in basis points (16) | arbitration seconds (32) | operator (160)
///   feeRecipient  zero (96) | fee recipient (160)
///   arbiters      hash of the threshold and the sorted signers
///   dealHash      hash of the agreed deal; holds 256 random bits
///
/// The hash covers the packed words themselves, so two calldata forms of one escrow can not exist.
struct Terms {
    uint256 tokenAmount;
    uint256 buyerClocks;
    uint256 sellerChain;
    uint256 operatorRest;
    uint256 feeRecipient;
    bytes32 arbiters;
    bytes32 dealHash;
}

/// @notice Why terms are refused; zero means that they are good. The Python package returns the same numbers.
library Fault {
    uint8 internal constant NONE = 0;
    uint8 internal constant VERSION = 1;
    uint8 internal constant CHAIN = 2;
    uint8 internal constant AMOUNT = 3;
    uint8 internal constant PARTIES = 4;
    uint8 internal constant OPERATOR = 5;
    uint8 internal constant ADDRESSES = 6;
    uint8 internal constant FEE = 7;
    uint8 internal constant FEE_RECIPIENT = 8;
    uint8 internal constant CLOCKS = 9;
    uint8 internal constant INSPECTION = 10;
    uint8 internal constant ARBITRATION = 11;
    uint8 internal constant FALLBACK = 12;
    uint8 internal constant ARBITERS = 13;
    uint8 internal constant DEAL = 14;
}

library TermsLib {
    bytes32 internal constant TYPEHASH = keccak256(
        "Terms(uint256 tokenAmount,uint256 buyerClocks,uint256 sellerChain,uint256 operatorRest,uint256 feeRecipient,bytes32 arbiters,bytes32 dealHash)"
    );
    uint256 internal constant VERSION = 1;
    uint256 internal constant MAX_FEE_BPS = 1_000;
    uint256 internal constant BPS = 10_000;
    uint256 internal constant MAX_DELIVERY = 400 days;

    function token(Terms calldata t) internal pure returns (address) {
        return address(uint160(t.tokenAmount));
    }

    function amount(Terms calldata t) internal pure returns (uint256) {
        return t.tokenAmount >> 160;
    }

    function buyer(Terms calldata t) internal pure returns (address) {
        return address(uint160(t.buyerClocks));
    }

    function fundBy(Terms calldata t) internal pure returns (uint256) {
        return uint40(t.buyerClocks >> 160);
    }

    function deliverBy(Terms calldata t) internal pure returns (uint256) {
        return uint40(t.buyerClocks >> 200);
    }

    function feeBps(Terms calldata t) internal pure returns (uint256) {
        return t.buyerClocks >> 240;
    }

    function seller(Terms calldata t) internal pure returns (address) {
        return address(uint160(t.sellerChain));
    }

    function homeChain(Terms calldata t) internal pure returns (uint256) {
        return uint64(t.sellerChain >> 160);
    }

    function inspection(Terms calldata t) internal pure returns (uint256) {
        return t.sellerChain >> 224;
    }

    function operator(Terms calldata t) internal pure returns (address) {
        return address(uint160(t.operatorRest));
    }

    function arbitration(Terms calldata t) internal pure returns (uint256) {
        return uint32(t.operatorRest >> 160);
    }

    function fallbackBps(Terms calldata t) internal pure returns (uint256) {
        return uint16(t.operatorRest >> 192);
    }

    function feeTo(Terms calldata t) internal pure returns (address) {
        return address(uint160(t.feeRecipient));
    }

    /// @notice The escrow id, which is also the salt of its vault: the EIP-712 struct hash, without a domain.
    function hash(Terms calldata t) internal pure returns (bytes32 id) {
        bytes32 typehash = TYPEHASH;
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, typehash)
            calldatacopy(add(m, 0x20), t, 0xe0)
            id := keccak256(m, 0x100)
        }
    }

    /// @notice The first rule that these terms break, or zero. The fee recipient may be nobody when there is no fee.
    function fault(Terms calldata t, address escrow) internal pure returns (uint8) {
        if (t.operatorRest >> 208 != VERSION || t.feeRecipient >> 160 != 0) return Fault.VERSION;
        if (homeChain(t) == 0) return Fault.CHAIN;
        if (amount(t) == 0) return Fault.AMOUNT;
        uint8 named = _addressFault(t, escrow);
        if (named != Fault.NONE) return named;
        if (feeBps(t) > MAX_FEE_BPS) return Fault.FEE;
        if (feeBps(t) != 0 && feeTo(t) == address(0)) return Fault.FEE_RECIPIENT;
        return _boundsFault(t);
    }

    function _addressFault(Terms calldata t, address escrow) private pure returns (uint8) {
        address a = buyer(t);
        address b = seller(t);
        address o = operator(t);
        address f = feeTo(t);
        address k = token(t);
        if (a == address(0) || b == address(0) || a == b) return Fault.PARTIES;
        if (o == a || o == b) return Fault.OPERATOR;
        if (k == address(0) || k == escrow) return Fault.ADDRESSES;
        if (a == k || b == k || o == k || f == k) return Fault.ADDRESSES;
        if (a == escrow || b == escrow || o == escrow || f == escrow) return Fault.ADDRESSES;
        return Fault.NONE;
    }

    function _boundsFault(Terms calldata t) private pure returns (uint8) {
        uint256 start = fundBy(t);
        uint256 end = deliverBy(t);
        if (start == 0 || end < start || end > start + MAX_DELIVERY) return Fault.CLOCKS;
        if (inspection(t) < 1 days || inspection(t) > 30 days) return Fault.INSPECTION;
        if (arbitration(t) < 60 days || arbitration(t) > 365 days) return Fault.ARBITRATION;
        if (fallbackBps(t) > BPS) return Fault.FALLBACK;
        if (t.arbiters == 0) return Fault.ARBITERS;
        if (t.dealHash == 0) return Fault.DEAL;
        return Fault.NONE;
    }
}
