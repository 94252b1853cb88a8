// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What the seats of a disputed escrow sign. `toSeller + toBuyer` is the remainder that they saw.
struct Ruling {
    uint256 toSeller;
    uint256 toBuyer;
    bytes32 rulingHash;
    uint256 round;
    uint256 notBefore;
    uint256 deadline;
}

/// @notice What both parties sign. `toSeller + toBuyer` is the remainder.
struct Settlement {
    uint256 toSeller;
    uint256 toBuyer;
    uint256 deadline;
}

/// @notice What a party signs to act without a transaction of its own, or both sign together. `action` is the keccak256
/// of the function's name, which is also how the signed message carries it; `first` and `second` are its arguments
/// after the terms, zero where there are fewer. `signers`: bit 0 the buyer, bit 1 the seller.
struct Act {
    bytes32 action;
    uint256 first;
    uint256 second;
    uint256 deadline;
    uint256 signers;
}

/// @notice The actions that can be signed, and who signs.
library Relayed {
    bytes32 internal constant PAY = keccak256("pay");
    bytes32 internal constant MARK = keccak256("markDelivered");
    bytes32 internal constant REOPEN = keccak256("reopenDelivery");
    bytes32 internal constant EXTEND = keccak256("extend");
    bytes32 internal constant CANCEL = keccak256("cancel");
    bytes32 internal constant DISPUTE = keccak256("dispute");
    bytes32 internal constant WITHDRAW = keccak256("withdrawDispute");
    bytes32 internal constant APPEAL = keccak256("appeal");
    bytes32 internal constant RESCUE = keccak256("rescue");

    uint256 internal constant BY_BUYER = 1;
    uint256 internal constant BY_SELLER = 2;
    uint256 internal constant BOTH = 3;
}

/// @notice EIP-712 messages. The domain binds this chain and this contract; every message binds its escrow id.
library Messages {
    bytes32 internal constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant NAME_HASH = keccak256("Holdfast Escrow");
    bytes32 internal constant VERSION_HASH = keccak256("1");
    bytes32 internal constant RULING_TYPEHASH = keccak256(
        "Ruling(bytes32 id,uint256 toSeller,uint256 toBuyer,bytes32 rulingHash,uint256 round,uint256 notBefore,uint256 deadline)"
    );
    bytes32 internal constant SETTLEMENT_TYPEHASH = keccak256(
        "Settlement(bytes32 id,uint256 toSeller,uint256 toBuyer,uint256 left,uint256 seq,uint256 deadline)"
    );

    bytes32 internal constant ACT_TYPEHASH = keccak256(
        "Act(bytes32 id,string action,uint256 first,uint256 second,uint256 left,uint256 seq,uint256 deadline)"
    );

    function act(bytes32 id, Act calldata a, uint256 left, uint256 seq) internal view returns (bytes32) {
        return _digest(
            keccak256(abi.encode(ACT_TYPEHASH, id, a.action, a.first, a.second, left, seq, a.deadline))
        );
    }

    function ruling(bytes32 id, Ruling calldata r) internal view returns (bytes32) {
        return _digest(
            keccak256(
                abi.encode(
                    RULING_TYPEHASH, id, r.toSeller, r.toBuyer, r.rulingHash, r.round, r.notBefore, r.deadline
                )
            )
        );
    }

    function settlement(bytes32 id, Settlement calldata m, uint256 seq) internal view returns (bytes32) {
        uint256 left = m.toSeller + m.toBuyer;
        return _digest(
            keccak256(abi.encode(SETTLEMENT_TYPEHASH, id, m.toSeller, m.toBuyer, left, seq, m.deadline))
        );
    }

    function domainSeparator() internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this)));
    }

    function _digest(bytes32 structHash) private view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domainSeparator(), structHash));
    }
}
