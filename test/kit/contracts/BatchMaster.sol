// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import "erc721a/contracts/extensions/ERC721ABurnable.sol";

/// A master that mints by ERC-2309: one `ConsecutiveTransfer` for a whole batch. Anyone may mint.
contract BatchMaster is ERC721ABurnable {
    constructor(string memory name_, string memory symbol_, uint256 quantity) ERC721A(name_, symbol_) {
        if (quantity > 0) _mintERC2309(msg.sender, quantity);
    }

    /// Emits one `ConsecutiveTransfer`. ERC721A allows at most 5,000 tokens per batch.
    function mintBatch(uint256 quantity) external {
        _mintERC2309(msg.sender, quantity);
    }

    /// Emits one `Transfer` per token.
    function mint(uint256 quantity) external {
        _mint(msg.sender, quantity);
    }

    function nextTokenId() external view returns (uint256) {
        return _nextTokenId();
    }
}
