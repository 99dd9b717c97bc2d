// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import "@limitbreak/creator-token-contracts/contracts/access/OwnableBasic.sol";
import "@limitbreak/creator-token-contracts/contracts/erc721c/ERC721C.sol";
import "@limitbreak/creator-token-contracts/contracts/programmable-royalties/BasicRoyalties.sol";

/// The platform's master: an ERC-721C that emits `Minted` for every token that it sells.
contract Master is OwnableBasic, ERC721C, BasicRoyalties {
    event Minted(address indexed minter, uint256 indexed tokenId, uint256 price);

    error WrongPayment(uint256 expected);
    error NotTheOwner(uint256 tokenId);

    uint256 public price;
    uint256 public nextTokenId = 1;
    uint256 public totalSupply;
    /// The block of a token's mint. A distribution pays the tokens of earlier blocks.
    mapping(uint256 => uint256) public mintedInBlock;

    constructor(string memory name_, string memory symbol_, uint256 price_, address royaltyReceiver, uint96 royaltyBps)
        ERC721OpenZeppelin(name_, symbol_)
        BasicRoyalties(royaltyReceiver, royaltyBps)
    {
        price = price_;
    }

    /// Mints `quantity` tokens to the caller, who pays the price of each.
    function mint(uint256 quantity) external payable {
        if (msg.value != price * quantity) revert WrongPayment(price * quantity);
        for (uint256 i = 0; i < quantity; ++i) {
            uint256 tokenId = nextTokenId++;
            mintedInBlock[tokenId] = block.number;
            _mint(msg.sender, tokenId);
            emit Minted(msg.sender, tokenId, price);
        }
        totalSupply += quantity;
    }

    function burn(uint256 tokenId) external {
        if (ownerOf(tokenId) != msg.sender) revert NotTheOwner(tokenId);
        _burn(tokenId);
        totalSupply -= 1;
    }

    function setPrice(uint256 price_) external onlyOwner {
        price = price_;
    }

    function setDefaultRoyalty(address receiver, uint96 feeNumerator) external onlyOwner {
        _setDefaultRoyalty(receiver, feeNumerator);
    }

    function setTokenRoyalty(uint256 tokenId, address receiver, uint96 feeNumerator) external onlyOwner {
        _setTokenRoyalty(tokenId, receiver, feeNumerator);
    }

    function withdraw() external onlyOwner {
        payable(owner()).transfer(address(this).balance);
    }

    function supportsInterface(bytes4 interfaceId) public view override(ERC721C, ERC2981) returns (bool) {
        return super.supportsInterface(interfaceId);
    }
}
