// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import "@openzeppelin/contracts/token/ERC20/IERC20.sol";

interface IMaster {
    function totalSupply() external view returns (uint256);
    function ownerOf(uint256 tokenId) external view returns (address);
    function mintedInBlock(uint256 tokenId) external view returns (uint256);
}

/// Distributes revenue among the tokens of a master, in the native coin (the zero address) or in any ERC-20.
contract Dividends {
    event RevenueDeposited(uint256 amount, address token, uint256 timestamp);
    event DividendsDistributed(uint256 amount, address token, uint256 perTokenAmount);
    event DividendClaimed(address indexed holder, uint256 tokenId, uint256 amount);

    error NothingToDistribute();
    error NothingToClaim();
    error NotTheOwner(uint256 tokenId);
    error PaymentFailed();

    struct Distribution {
        uint256 inBlock;
        uint256 perToken;
    }

    IMaster public immutable master;
    /// Revenue that was deposited and is not distributed yet, by currency.
    mapping(address => uint256) public pending;
    mapping(address => Distribution[]) private distributions;
    /// Number of distributions of a currency that a token has been paid.
    mapping(address => mapping(uint256 => uint256)) public paid;

    constructor(IMaster master_) {
        master = master_;
    }

    function depositRevenue() external payable {
        _deposited(msg.value, address(0));
    }

    function depositTokenRevenue(address token, uint256 amount) external {
        if (!IERC20(token).transferFrom(msg.sender, address(this), amount)) revert PaymentFailed();
        _deposited(amount, token);
    }

    /// Distributes the pending amount of a currency equally among the tokens that exist. The remainder stays pending.
    function distribute(address token) external {
        uint256 supply = master.totalSupply();
        uint256 perToken = supply == 0 ? 0 : pending[token] / supply;
        if (perToken == 0) revert NothingToDistribute();
        pending[token] -= perToken * supply;
        distributions[token].push(Distribution(block.number, perToken));
        emit DividendsDistributed(perToken * supply, token, perToken);
    }

    /// Pays the caller the native coin that the tokens have earned, with one event and one payment per token.
    function claim(uint256[] calldata tokenIds) external {
        _claim(address(0), tokenIds);
    }

    /// Pays the caller what the tokens have earned in an ERC-20, with one event and one payment per token.
    function claimToken(address token, uint256[] calldata tokenIds) external {
        _claim(token, tokenIds);
    }

    /// Returns the unpaid earnings of a token. A distribution does not pay tokens that were minted in its own block.
    function claimable(address token, uint256 tokenId) public view returns (uint256 amount) {
        Distribution[] storage past = distributions[token];
        uint256 minted = master.mintedInBlock(tokenId);
        for (uint256 i = paid[token][tokenId]; i < past.length; ++i) {
            if (minted < past[i].inBlock) amount += past[i].perToken;
        }
    }

    function _deposited(uint256 amount, address token) private {
        pending[token] += amount;
        emit RevenueDeposited(amount, token, block.timestamp);
    }

    function _claim(address token, uint256[] calldata tokenIds) private {
        bool any = false;
        for (uint256 i = 0; i < tokenIds.length; ++i) {
            uint256 tokenId = tokenIds[i];
            if (master.ownerOf(tokenId) != msg.sender) revert NotTheOwner(tokenId);
            uint256 amount = claimable(token, tokenId);
            paid[token][tokenId] = distributions[token].length;
            if (amount == 0) continue;
            any = true;
            _pay(token, amount);
            emit DividendClaimed(msg.sender, tokenId, amount);
        }
        if (!any) revert NothingToClaim();
    }

    function _pay(address token, uint256 amount) private {
        if (token == address(0)) {
            (bool sent,) = msg.sender.call{value: amount}("");
            if (!sent) revert PaymentFailed();
        } else if (!IERC20(token).transfer(msg.sender, amount)) {
            revert PaymentFailed();
        }
    }
}
