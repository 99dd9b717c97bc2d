// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

interface IToken {
    function balanceOf(address owner) external view returns (uint256);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

interface IPair is IToken {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 blockTimestampLast);
    function mint(address to) external returns (uint256 liquidity);
    function burn(address to) external returns (uint256 amount0, uint256 amount1);
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external;
}

/// A minimal router for Uniswap V2 pairs. Callers approve it for both tokens and for the pair's own token.
contract Trader {
    function addLiquidity(IPair pair, uint256 amount0, uint256 amount1) external {
        IToken(pair.token0()).transferFrom(msg.sender, address(pair), amount0);
        IToken(pair.token1()).transferFrom(msg.sender, address(pair), amount1);
        pair.mint(msg.sender);
    }

    function removeLiquidity(IPair pair, uint256 liquidity) external {
        pair.transferFrom(msg.sender, address(pair), liquidity);
        pair.burn(msg.sender);
    }

    /// Swaps `amountIn` of token 0 for token 1, or of token 1 for token 0, `times` times in one transaction.
    function swap(IPair pair, bool zeroForOne, uint256 amountIn, uint256 times) external {
        IToken token = IToken(zeroForOne ? pair.token0() : pair.token1());
        for (uint256 i = 0; i < times; ++i) {
            (uint112 reserve0, uint112 reserve1,) = pair.getReserves();
            (uint256 reserveIn, uint256 reserveOut) = zeroForOne ? (reserve0, reserve1) : (reserve1, reserve0);
            token.transferFrom(msg.sender, address(pair), amountIn);
            uint256 paid = amountIn * 997;
            uint256 amountOut = (paid * reserveOut) / (reserveIn * 1000 + paid);
            pair.swap(zeroForOne ? 0 : amountOut, zeroForOne ? amountOut : 0, msg.sender, "");
        }
    }
}
