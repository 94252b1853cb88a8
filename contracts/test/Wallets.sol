// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A contract that signs what it was told to sign.
contract Agreeing {
    mapping(bytes32 => bool) public agreed;

    function agree(bytes32 digest) external {
        agreed[digest] = true;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return agreed[digest] ? bytes4(0x1626ba7e) : bytes4(0);
    }
}

/// @notice A contract that signs nothing.
contract Refusing {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0xffffffff;
    }
}

/// @notice A contract that burns all the gas it is given.
contract Greedy {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        while (true) {}
        return 0x1626ba7e;
    }
}

/// @notice A contract that agrees to everything after burning nearly all the gas that it may.
contract Wasteful {
    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        while (gasleft() > 1_000) {}
        return 0x1626ba7e;
    }
}

/// @notice A contract that accepts no native coin.
contract Closed {}
