// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

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

/// @notice A party that is a contract: signs what it agreed to, unless its mood is bad, and strikes back at the escrow
/// when a token tells it that money came.
contract PartyWallet {
    enum Mood {
        Fair,
        RefusesToSign,
        BurnsGasToSign,
        RefusesMoney
    }

    address private immutable ESCROW;
    Mood public mood;
    mapping(bytes32 => bool) public agreed;
    bytes[] private _calls;
    /// How often the escrow let it in while it was being paid.
    uint256 public entered;

    constructor(address escrow) {
        ESCROW = escrow;
    }

    receive() external payable {
        require(mood != Mood.RefusesMoney);
    }

    function be(Mood mood_) external {
        mood = mood_;
    }

    function agree(bytes32 digest) external {
        agreed[digest] = true;
    }

    function arm(bytes[] calldata calls) external {
        for (uint256 i; i < calls.length; ++i) {
            _calls.push(calls[i]);
        }
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        if (mood == Mood.BurnsGasToSign) {
            assembly {
                invalid()
            }
        }
        return mood == Mood.Fair && agreed[digest] ? bytes4(0x1626ba7e) : bytes4(0);
    }

    function tokensReceived() external {
        require(mood != Mood.RefusesMoney);
        for (uint256 i; i < _calls.length; ++i) {
            (bool ok, bytes memory answer) = ESCROW.call{gas: 8_000}(_calls[i]);
            if (ok || bytes4(answer) != ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector) ++entered;
        }
    }
}

/// @notice A contract that accepts no native coin.
contract Closed {}
