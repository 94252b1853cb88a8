// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A token that refuses receivers, and whose owner can destroy money. For the differential test.
contract DenyList {
    mapping(address => uint256) public balanceOf;
    mapping(address => bool) public denied;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function burn(address from, uint256 amount) external {
        balanceOf[from] -= amount;
    }

    function deny(address who, bool yes) external {
        denied[who] = yes;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        require(!denied[msg.sender] && !denied[to]);
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}
