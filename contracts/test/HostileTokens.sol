// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A plain token to build bad ones from.
contract Plain {
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function burn(address from, uint256 amount) external {
        balanceOf[from] -= amount;
    }

    function transfer(address to, uint256 amount) public virtual returns (bool) {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}

/// @notice Refuses receivers.
contract DenyList is Plain {
    mapping(address => bool) public denied;

    function deny(address who, bool yes) external {
        denied[who] = yes;
    }

    function transfer(address to, uint256 amount) public virtual override returns (bool) {
        require(!denied[to]);
        return super.transfer(to, amount);
    }
}

/// @notice Answers false instead of reverting.
contract Falsy is Plain {
    function transfer(address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// @notice Takes one unit more from the sender than it was asked to.
contract Lossy is Plain {
    function transfer(address to, uint256 amount) public override returns (bool) {
        balanceOf[msg.sender] -= 1;
        return super.transfer(to, amount - 1) && super.transfer(address(1), 2);
    }
}

/// @notice Burns all gas for one receiver.
contract Rude is Plain {
    address private immutable VICTIM;

    constructor(address victim) {
        VICTIM = victim;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (to == VICTIM) {
            assembly {
                revert(0, 1000000000)
            }
        }
        return super.transfer(to, amount);
    }
}

/// @notice Burns all gas for receivers that it refuses, as the checked arithmetic of old compilers does.
contract Burner is DenyList {
    function transfer(address to, uint256 amount) public override returns (bool) {
        if (denied[to]) {
            assembly {
                invalid()
            }
        }
        return super.transfer(to, amount);
    }
}

/// @notice Tells balances only when it likes to.
contract Moody {
    enum Mood {
        Fine,
        Silent,
        Burning,
        Lying
    }

    error NotEnoughGas();

    Mood private _mood;
    mapping(address => uint256) private _balances;

    function be(Mood mood) external {
        _mood = mood;
    }

    function mint(address to, uint256 amount) external {
        _balances[to] += amount;
    }

    function balanceOf(address holder) external view returns (uint256) {
        if (_mood == Mood.Silent) revert();
        if (_mood == Mood.Lying) revert NotEnoughGas();
        if (_mood == Mood.Burning) {
            assembly {
                invalid()
            }
        }
        return _balances[holder];
    }

    function transfer(address to, uint256 amount) external {
        _balances[msg.sender] -= amount;
        _balances[to] += amount;
    }
}

/// @notice Calls back into a target when a receiver gets money.
contract Hooked is Plain {
    address private _receiver;
    address private _target;
    bytes[2] private _calls;
    uint256 public refusals;

    function attack(address receiver, address target, bytes calldata first, bytes calldata second) external {
        _receiver = receiver;
        _target = target;
        _calls[0] = first;
        _calls[1] = second;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (to == _receiver) {
            for (uint256 i; i < 2; ++i) {
                (bool ok,) = _target.call{gas: 30_000}(_calls[i]);
                if (!ok) ++refusals;
            }
        }
        return super.transfer(to, amount);
    }
}

/// @notice What a deprecated USDT forwards to: one balance, two addresses.
contract Replacement is Plain {
    address private immutable LEGACY;

    constructor(address legacy) {
        LEGACY = legacy;
    }

    function copy(address holder, uint256 amount) external {
        balanceOf[holder] = amount;
    }

    function transferByLegacy(address from, address to, uint256 value) external {
        require(msg.sender == LEGACY);
        balanceOf[from] -= value;
        balanceOf[to] += value;
    }
}

/// @notice A token that is another face of the native coin, as on networks whose gas is paid in it: one balance, told
/// and moved here as well.
contract CoinToken {
    function balanceOf(address holder) external view returns (uint256) {
        return holder.balance;
    }
}

/// @notice Needs more gas for a transfer than a leg is given when it is decided.
contract Heavy is Plain {
    function transfer(address to, uint256 amount) public override returns (bool) {
        uint256 start = gasleft();
        while (start - gasleft() < 400_000) {}
        return super.transfer(to, amount);
    }
}
