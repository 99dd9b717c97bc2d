// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import "@openzeppelin/contracts/token/ERC721/extensions/ERC721URIStorage.sol";

/// A master whose token URIs can change. Emits the events of EIP-4906 when they do. Anyone may mint and update.
contract UpdatableMaster is ERC721URIStorage {
    string private baseURI = "ipfs://first/";

    constructor() ERC721("Remasters", "RE") {}

    function mint(address to, uint256 tokenId) external {
        _mint(to, tokenId);
    }

    /// Emits `MetadataUpdate`.
    function setTokenURI(uint256 tokenId, string calldata uri) external {
        _setTokenURI(tokenId, uri);
    }

    function setBaseURI(string calldata baseURI_) external {
        baseURI = baseURI_;
        emit BatchMetadataUpdate(0, type(uint256).max);
    }

    function _baseURI() internal view override returns (string memory) {
        return baseURI;
    }
}
