// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import "@openzeppelin/contracts/token/ERC721/IERC721.sol";

/// Distributes the native coin among those who own the tokens of a master at a distribution. Each distribution is an epoch. A holder
/// who sells a token keeps what it earned before.
contract EpochDividends {
    event DividendDeposited(uint256 masterId, uint256 amount);
    event DividendsDistributed(uint256 amount, address token, uint256 perTokenAmount);
    event DividendClaimed(address indexed holder, uint256 epochId, uint256 amount);

    error NothingToDistribute();
    error NothingToClaim();
    error PaymentFailed();

    uint256 private constant MASTER_ID = 1;

    IERC721 public immutable master;
    /// Every token id of the master is lower than this.
    uint256 public immutable tokenIdLimit;
    /// Revenue that was deposited and is not distributed yet.
    uint256 public pending;
    /// Number of distributions so far. The first epoch is 1.
    uint256 public epochs;
    /// The amount that a holder may claim, by epoch.
    mapping(uint256 => mapping(address => uint256)) public claimable;
    /// The amount that a holder may claim, summed over all epochs.
    mapping(address => uint256) public totalClaimable;
    uint256 public totalRevenueReceived;
    uint256 public totalDividendsPaid;

    constructor(IERC721 master_, uint256 tokenIdLimit_) {
        master = master_;
        tokenIdLimit = tokenIdLimit_;
    }

    function deposit() external payable {
        pending += msg.value;
        totalRevenueReceived += msg.value;
        emit DividendDeposited(MASTER_ID, msg.value);
    }

    /// Distributes the pending amount equally among the tokens that exist. The remainder stays pending.
    function distribute() external {
        address[] memory owners = new address[](tokenIdLimit);
        uint256 supply = 0;
        for (uint256 tokenId = 0; tokenId < tokenIdLimit; ++tokenId) {
            try master.ownerOf(tokenId) returns (address owner) {
                owners[supply++] = owner;
            } catch {}
        }
        uint256 perToken = supply == 0 ? 0 : pending / supply;
        if (perToken == 0) revert NothingToDistribute();
        pending -= perToken * supply;
        epochs += 1;
        for (uint256 i = 0; i < supply; ++i) {
            claimable[epochs][owners[i]] += perToken;
            totalClaimable[owners[i]] += perToken;
        }
        emit DividendsDistributed(perToken * supply, address(0), perToken);
    }

    /// Pays the caller what it earned in some epochs, with one event and one payment per epoch.
    function claim(uint256[] calldata epochIds) external {
        bool any = false;
        for (uint256 i = 0; i < epochIds.length; ++i) {
            uint256 amount = claimable[epochIds[i]][msg.sender];
            if (amount == 0) continue;
            any = true;
            claimable[epochIds[i]][msg.sender] = 0;
            totalClaimable[msg.sender] -= amount;
            totalDividendsPaid += amount;
            (bool sent,) = msg.sender.call{value: amount}("");
            if (!sent) revert PaymentFailed();
            emit DividendClaimed(msg.sender, epochIds[i], amount);
        }
        if (!any) revert NothingToClaim();
    }
}
