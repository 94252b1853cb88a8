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
