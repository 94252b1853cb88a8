// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @notice What a token can do to whoever holds it. The matrix of tokens runs every one through every exit.
enum Quirk {
    None,
    AnswersFalse,
    AnswersFalseYetMoves,
    AnswersTwo,
    AnswersShort,
    AnswersAtLength,
    RefusesAtLength,
    MovesLess,
    MovesMore,
    BurnsAllGas,
    BurnsSomeGas,
    BurnsMuchGas,
    RefusesReceiver,
    BurnsGasForReceiver,
    HidesBalances,
    BurnsGasForBalances,
    AnswersBalancesShort,
    SaysMuch,
    SaysNothing,
    OncePerBlock,
    AtMost,
    CallsBackBefore,
    CallsBackAfter,
    NotifiesReceiver,
    NoZeroAmount
}

/// @notice What tokens with hooks call when money came.
interface ITold {
    function tokensReceived() external;
}

/// @notice A token that behaves until it is told not to. `truth` is what a holder really has, whatever it says.
contract QuirkToken {
    mapping(address => uint256) public truth;
    uint256 public totalSupply;
    Quirk public quirk;
    bool public halted;
    uint256 private _lastTransfer;
    address private _receiver;
    address private _target;
    bytes[] private _calls;
    /// How often a call back was refused because the contract was busy, and how often it was not.
    uint256 public refused;
    uint256 public entered;

    function be(Quirk quirk_) external {
        quirk = quirk_;
    }

    function halt(bool yes) external {
        halted = yes;
    }

    /// Whom `RefusesReceiver` and `BurnsGasForReceiver` mean.
    function mean(address receiver) external {
        _receiver = receiver;
    }

    /// What `CallsBack...` sends to `target` while it moves money.
    function attack(address target, bytes[] calldata calls) external {
        _target = target;
        delete _calls;
        for (uint256 i; i < calls.length; ++i) {
            _calls.push(calls[i]);
        }
    }

    function mint(address to, uint256 amount) external {
        truth[to] += amount;
        totalSupply += amount;
    }

    function burn(address from, uint256 amount) external {
        truth[from] -= amount;
        totalSupply -= amount;
    }

    function balanceOf(address holder) external view returns (uint256) {
        Quirk q = quirk;
        if (q == Quirk.HidesBalances) revert("not for you");
        if (q == Quirk.BurnsGasForBalances) _burnGas();
        if (q == Quirk.AnswersBalancesShort) _answer(31, 1);
        if (q == Quirk.SaysMuch) return truth[holder] + 1e40;
        if (q == Quirk.SaysNothing) return 0;
        return truth[holder];
    }

    function transfer(address to, uint256 amount) external virtual returns (bool) {
        require(!halted, "halted");
        _before(to, amount);
        Quirk q = quirk;
        if (q == Quirk.CallsBackBefore) _callBack();
        if (q == Quirk.MovesLess) amount -= 1;
        _move(to, amount);
        if (q == Quirk.MovesMore) _move(address(0xdead), 1);
        if (q == Quirk.CallsBackAfter) _callBack();
        if (q == Quirk.NotifiesReceiver && to.code.length != 0) ITold(to).tokensReceived();
        if (q == Quirk.AnswersFalseYetMoves) return false;
        if (q == Quirk.AnswersTwo) _answer(32, 2);
        if (q == Quirk.AnswersShort) _answer(16, type(uint256).max);
        if (q == Quirk.AnswersAtLength) _answer(64_000, 1);
        return true;
    }

    function _before(address to, uint256 amount) private {
        Quirk q = quirk;
        if (q == Quirk.AnswersFalse) _answer(32, 0);
        if (q == Quirk.RefusesAtLength) _refuse(64_000);
        if (q == Quirk.BurnsAllGas) _burnGas();
        if (q == Quirk.BurnsSomeGas) _spend(60_000);
        if (q == Quirk.BurnsMuchGas) _spend(400_000);
        if (q == Quirk.RefusesReceiver) require(to != _receiver, "not to them");
        if (q == Quirk.BurnsGasForReceiver && to == _receiver) _burnGas();
        if (q == Quirk.AtMost) require(amount <= 1_000, "too much at once");
        if (q == Quirk.NoZeroAmount) require(amount != 0, "nothing");
        if (q == Quirk.OncePerBlock) {
            require(_lastTransfer != block.number, "one each block");
            _lastTransfer = block.number;
        }
    }

    function _move(address to, uint256 amount) private {
        truth[msg.sender] -= amount;
        truth[to] += amount;
    }

    function _callBack() private {
        for (uint256 i; i < _calls.length; ++i) {
            (bool ok, bytes memory answer) = _target.call{gas: 8_000}(_calls[i]);
            if (!ok && bytes4(answer) == ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector) ++refused;
            else ++entered;
        }
    }

    function _spend(uint256 gas_) private view {
        uint256 until = gasleft() - gas_;
        while (gasleft() > until) {}
    }

    function _burnGas() private pure {
        assembly {
            invalid()
        }
    }

    function _answer(uint256 size, uint256 word) private pure {
        assembly {
            mstore(0, word)
            return(0, size)
        }
    }

    function _refuse(uint256 size) private pure {
        assembly {
            revert(0, size)
        }
    }
}

/// @notice Code for `UpgradableToken` that moves nothing any more.
contract RefusingCode is QuirkToken {
    function transfer(address, uint256) external pure override returns (bool) {
        revert("moved to another token");
    }
}

/// @notice A token whose code its owner replaces: it keeps the balances and does what the code of the day says.
contract UpgradableToken {
    /// Far from the storage of the code that it runs.
    bytes32 private constant CODE = keccak256("code of the day");

    constructor(address code_) {
        upgrade(code_);
    }

    function upgrade(address code_) public {
        bytes32 place = CODE;
        assembly {
            sstore(place, code_)
        }
    }

    fallback() external {
        bytes32 place = CODE;
        assembly {
            calldatacopy(0, 0, calldatasize())
            let ok := delegatecall(gas(), sload(place), 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if iszero(ok) { revert(0, returndatasize()) }
            return(0, returndatasize())
        }
    }
}
