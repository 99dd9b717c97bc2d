// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// The events and views of a pair of Solidly (Velodrome, Aerodrome), written for tests. It holds no tokens.
contract SolidlyPair {
    event Sync(uint256 reserve0, uint256 reserve1);
    event Fees(address indexed sender, uint256 amount0, uint256 amount1);
    event Swap(
        address indexed sender,
        address indexed to,
        uint256 amount0In,
        uint256 amount1In,
        uint256 amount0Out,
        uint256 amount1Out
    );

    address public immutable token0;
    address public immutable token1;
    bool public immutable stable;
    uint256 public reserve0 = 1000;
    uint256 public reserve1 = 2000;

    constructor(address first, address second, bool isStable) {
        (token0, token1, stable) = (first, second, isStable);
    }

    function metadata() external view returns (uint256, uint256, uint256, uint256, bool, address, address) {
        return (1e18, 1e18, reserve0, reserve1, stable, token0, token1);
    }

    function getReserves() external view returns (uint256, uint256, uint256) {
        return (reserve0, reserve1, block.timestamp);
    }

    function name() external pure returns (string memory) {
        return "Volatile AMM";
    }

    function symbol() external pure returns (string memory) {
        return "vAMM";
    }

    function decimals() external pure returns (uint8) {
        return 18;
    }

    function swap() external {
        reserve0 += 10;
        reserve1 -= 10;
        emit Sync(reserve0, reserve1);
        emit Fees(msg.sender, 1, 0);
        emit Swap(msg.sender, msg.sender, 10, 0, 0, 10);
    }
}
