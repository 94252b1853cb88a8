// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

interface IReplacement {
    function transferByLegacy(address from, address to, uint256 value) external;
    function transferFromByLegacy(address sender, address from, address to, uint256 value) external;
    function approveByLegacy(address from, address spender, uint256 value) external;
    function balanceOf(address holder) external view returns (uint256);
    function allowance(address holder, address spender) external view returns (uint256);
    function totalSupply() external view returns (uint256);
}

/// @notice A token for test networks that behaves as mainnet USDT does: no return values, a fee that can be switched
/// on, a blacklist of senders, destroyed funds, pause, and a replacement that it forwards to. Storage is laid out and
/// read in the same order, so gas measured on it is close to the real token's.
contract TestUSDT {
    address public owner;
    uint256 private _totalSupply;
    mapping(address => uint256) private _balances;
    uint256 public basisPointsRate;
    uint256 public maximumFee;
    mapping(address => mapping(address => uint256)) private _allowed;
    bool public paused;
    mapping(address => bool) public isBlackListed;
    string public name = "Test Tether USD";
    string public symbol = "USDT";
    uint256 public decimals = 6;
    address public upgradedAddress;
    bool public deprecated;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event Issue(uint256 amount);
    event Redeem(uint256 amount);
    event Deprecate(address newAddress);
    event Params(uint256 feeBasisPoints, uint256 maxFee);
    event DestroyedBlackFunds(address _blackListedUser, uint256 _balance);
    event AddedBlackList(address _user);
    event RemovedBlackList(address _user);
    event Pause();
    event Unpause();

    modifier onlyOwner() {
        require(msg.sender == owner);
        _;
    }

    modifier whenNotPaused() {
        require(!paused);
        _;
    }

    /// Through the keyless deployer the sender would be that deployer: whoever signed the transaction owns it.
    constructor() {
        owner = tx.origin;
    }

    function transferOwnership(address newOwner) external onlyOwner {
        if (newOwner != address(0)) owner = newOwner;
    }

    function transfer(address to, uint256 value) external whenNotPaused {
        require(!isBlackListed[msg.sender]);
        if (deprecated) return IReplacement(upgradedAddress).transferByLegacy(msg.sender, to, value);
        _move(msg.sender, to, value);
    }

    function transferFrom(address from, address to, uint256 value) external whenNotPaused {
        require(!isBlackListed[from]);
        if (deprecated) return IReplacement(upgradedAddress).transferFromByLegacy(msg.sender, from, to, value);
        mapping(address => uint256) storage allowances = _allowed[from];
        uint256 allowed = allowances[msg.sender];
        if (allowed < type(uint256).max) allowances[msg.sender] = allowed - value;
        _move(from, to, value);
    }

    /// As on mainnet: an allowance can only be changed to or from zero.
    function approve(address spender, uint256 value) external {
        if (deprecated) return IReplacement(upgradedAddress).approveByLegacy(msg.sender, spender, value);
        require(!(value != 0 && _allowed[msg.sender][spender] != 0));
        _allowed[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
    }

    function balanceOf(address holder) external view returns (uint256) {
        if (deprecated) return IReplacement(upgradedAddress).balanceOf(holder);
        return _balances[holder];
    }

    function allowance(address holder, address spender) external view returns (uint256) {
        if (deprecated) return IReplacement(upgradedAddress).allowance(holder, spender);
        return _allowed[holder][spender];
    }

    function totalSupply() external view returns (uint256) {
        if (deprecated) return IReplacement(upgradedAddress).totalSupply();
        return _totalSupply;
    }

    function issue(uint256 amount) external onlyOwner {
        _balances[owner] += amount;
        _totalSupply += amount;
        emit Issue(amount);
    }

    /// Not on mainnet: a faucet for test networks, open to the owner only.
    function mint(address to, uint256 amount) external onlyOwner {
        _balances[to] += amount;
        _totalSupply += amount;
        emit Issue(amount);
        emit Transfer(address(0), to, amount);
    }

    function redeem(uint256 amount) external onlyOwner {
        _totalSupply -= amount;
        _balances[owner] -= amount;
        emit Redeem(amount);
    }

    function setParams(uint256 newBasisPoints, uint256 newMaxFee) external onlyOwner {
        require(newBasisPoints < 20 && newMaxFee < 50);
        basisPointsRate = newBasisPoints;
        maximumFee = newMaxFee * 10 ** decimals;
        emit Params(basisPointsRate, maximumFee);
    }

    function addBlackList(address user) external onlyOwner {
        isBlackListed[user] = true;
        emit AddedBlackList(user);
    }

    function removeBlackList(address user) external onlyOwner {
        isBlackListed[user] = false;
        emit RemovedBlackList(user);
    }

    function destroyBlackFunds(address user) external onlyOwner {
        require(isBlackListed[user]);
        uint256 funds = _balances[user];
        _balances[user] = 0;
        _totalSupply -= funds;
        emit DestroyedBlackFunds(user, funds);
    }

    function pause() external onlyOwner whenNotPaused {
        paused = true;
        emit Pause();
    }

    function unpause() external onlyOwner {
        require(paused);
        paused = false;
        emit Unpause();
    }

    function deprecate(address replacement) external onlyOwner {
        deprecated = true;
        upgradedAddress = replacement;
        emit Deprecate(replacement);
    }

    /// Arithmetic is checked where it can fail: more would cost more than the real token does.
    function _move(address from, address to, uint256 value) private {
        uint256 fee = value * basisPointsRate / 10_000;
        if (fee > maximumFee) fee = maximumFee;
        uint256 sent = value - fee;
        _balances[from] -= value;
        unchecked {
            _balances[to] += sent;
            if (fee > 0) {
                _balances[owner] += fee;
                emit Transfer(from, owner, fee);
            }
            emit Transfer(from, to, sent);
        }
    }
}
