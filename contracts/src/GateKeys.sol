// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What one hot key may do with one token, in one word because every call reads and writes it. From the lowest
/// bit, base units:
///   perEscrow 80   the largest escrow (its whole amount) that the key decides alone; zero: not hot for this token
///   perDay 80      what the key decides alone in one day (UTC)
///   spent 80       what it decided on `day`
///   day 16         days since 1970
type Limit is uint256;

using Limits for Limit global;

library Limits {
    function pack(uint256 perEscrow_, uint256 perDay_, Limit was) internal pure returns (Limit) {
        return Limit.wrap(perEscrow_ | (perDay_ << 80) | ((Limit.unwrap(was) >> 160) << 160));
    }

    function perEscrow(Limit x) internal pure returns (uint256) {
        return uint80(Limit.unwrap(x));
    }

    function perDay(Limit x) internal pure returns (uint256) {
        return uint80(Limit.unwrap(x) >> 80);
    }

    function spent(Limit x) internal pure returns (uint256) {
        return uint80(Limit.unwrap(x) >> 160);
    }

    function day(Limit x) internal pure returns (uint256) {
        return Limit.unwrap(x) >> 240;
    }

    function spentOn(Limit x, uint256 today) internal pure returns (uint256) {
        return day(x) == today ? spent(x) : 0;
    }

    /// @notice The caller keeps `spent_` within `perDay`.
    function withSpent(Limit x, uint256 spent_, uint256 today) internal pure returns (Limit) {
        return Limit.wrap(uint160(Limit.unwrap(x)) | (spent_ << 160) | (today << 240));
    }
}

/// @notice Who holds the gate's keys. The cold key takes a key away at once and adds one after 48 hours, which everyone
/// can watch; it can do nothing else, above all not act on an escrow.
abstract contract GateKeys {
    struct Grant {
        address key;
        address token; // zero: a second key, which has no limits of its own
        uint80 perEscrow;
        uint80 perDay;
    }

    uint256 public constant ADD_DELAY = 48 hours;
    /// Taking a key away walks through its tokens, so they are few.
    uint256 public constant MAX_TOKENS = 16;

    /// Never changes.
    address public cold;

    mapping(address key => mapping(address token => Limit)) internal _limits;
    mapping(address key => bool) public isSecond;
    /// When a proposed grant may be made; zero: not proposed.
    mapping(bytes32 grant => uint256) public readyAt;
    mapping(address key => address[]) private _tokens;

    event Proposed(address indexed key, address indexed token, uint256 perEscrow, uint256 perDay, uint256 readyAt);
    event Withdrawn(address indexed key, address indexed token, uint256 perEscrow, uint256 perDay);
    event Granted(address indexed key, address indexed token, uint256 perEscrow, uint256 perDay);
    event Revoked(address indexed key);

    error NotCold();
    error BadGrant();
    error NotProposed();
    error TooEarly();

    modifier onlyCold() {
        if (msg.sender != cold) revert NotCold();
        _;
    }

    constructor(address cold_, Grant[] memory grants) {
        if (cold_ == address(0)) revert BadGrant();
        cold = cold_;
        for (uint256 i; i < grants.length; ++i) {
            _grant(grants[i]);
        }
    }

    /// @notice The cold key announces a key, or other limits of one; `grant` makes it so after 48 hours.
    function propose(Grant calldata g) external onlyCold {
        _check(g);
        uint256 ready = block.timestamp + ADD_DELAY;
        readyAt[keccak256(abi.encode(g))] = ready;
        emit Proposed(g.key, g.token, g.perEscrow, g.perDay, ready);
    }

    /// @notice The cold key takes a proposal back.
    function withdraw(Grant calldata g) external onlyCold {
        bytes32 hash = keccak256(abi.encode(g));
        if (readyAt[hash] == 0) revert NotProposed();
        delete readyAt[hash];
        emit Withdrawn(g.key, g.token, g.perEscrow, g.perDay);
    }

    /// @notice Makes a proposal true that waited its 48 hours. The cold key.
    function grant(Grant calldata g) external onlyCold {
        bytes32 hash = keccak256(abi.encode(g));
        uint256 ready = readyAt[hash];
        if (ready == 0) revert NotProposed();
        if (block.timestamp < ready) revert TooEarly();
        delete readyAt[hash];
        _grant(g);
    }

    /// @notice The cold key takes everything from a key, at once. What was proposed for it stays until withdrawn.
    function revoke(address key) external onlyCold {
        address[] storage tokens = _tokens[key];
        for (uint256 i; i < tokens.length; ++i) {
            _limits[key][tokens[i]] = Limit.wrap(0);
        }
        delete _tokens[key];
        delete isSecond[key];
        emit Revoked(key);
    }

    /// @notice What a key may do with a token, and what it decided alone on `day`.
    function limits(address key, address token)
        external
        view
        returns (uint256 perEscrow, uint256 perDay, uint256 spent, uint256 day)
    {
        Limit x = _limits[key][token];
        return (x.perEscrow(), x.perDay(), x.spent(), x.day());
    }

    /// @notice The tokens that a key is hot for.
    function tokensOf(address key) external view returns (address[] memory) {
        return _tokens[key];
    }

    function _grant(Grant memory g) private {
        _check(g);
        bool hot = _tokens[g.key].length != 0;
        if (g.token == address(0)) {
            if (hot) revert BadGrant(); // one key is never both, or it would approve itself
            isSecond[g.key] = true;
        } else {
            if (isSecond[g.key]) revert BadGrant();
            Limit was = _limits[g.key][g.token];
            if (was.perEscrow() == 0) {
                if (_tokens[g.key].length == MAX_TOKENS) revert BadGrant();
                _tokens[g.key].push(g.token);
            }
            _limits[g.key][g.token] = Limits.pack(g.perEscrow, g.perDay, was);
        }
        emit Granted(g.key, g.token, g.perEscrow, g.perDay);
    }

    function _check(Grant memory g) private view {
        bool limited = g.perEscrow != 0 && g.perDay != 0;
        bool bare = g.perEscrow == 0 && g.perDay == 0;
        if (g.key == address(0) || g.key == cold || !(g.token == address(0) ? bare : limited)) revert BadGrant();
    }
}
