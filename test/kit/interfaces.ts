import { parseAbi } from 'viem';

// The functions and events that the demo and the oracle use. They are not imported from `abis/` on purpose: the comparison with
// the chain must not share a mistake with the program that it checks.

/** The platform's master (`contracts/Master.sol`). */
export const MASTER = parseAbi([
  'function mint(uint256 quantity) payable',
  'function burn(uint256 tokenId)',
  'function transferFrom(address from, address to, uint256 tokenId)',
  'function setPrice(uint256 price)',
  'function setDefaultRoyalty(address receiver, uint96 feeNumerator)',
  'function setTokenRoyalty(uint256 tokenId, address receiver, uint96 feeNumerator)',
  'function setTransferValidator(address validator)',
  'function price() view returns (uint256)',
  'function nextTokenId() view returns (uint256)',
  'function totalSupply() view returns (uint256)',
  'function ownerOf(uint256 tokenId) view returns (address)',
  'event Transfer(address indexed from, address indexed to, uint256 indexed tokenId)',
  'event ConsecutiveTransfer(uint256 indexed fromTokenId, uint256 toTokenId, address indexed fromAddress, address indexed toAddress)',
  'event Minted(address indexed minter, uint256 indexed tokenId, uint256 price)',
  'event TransferValidatorUpdated(address oldValidator, address newValidator)',
  'event DefaultRoyaltySet(address indexed receiver, uint96 feeNumerator)',
  'event TokenRoyaltySet(uint256 indexed tokenId, address indexed receiver, uint96 feeNumerator)',
]);

/** `ERC721CWithBasicRoyalties` of the creator-token package. Anyone may mint and burn any of its tokens. */
export const CLASSIC_MASTER = parseAbi([
  'function mint(address to, uint256 tokenId)',
  'function burn(uint256 tokenId)',
  'function transferFrom(address from, address to, uint256 tokenId)',
  'function setDefaultRoyalty(address receiver, uint96 feeNumerator)',
  'function ownerOf(uint256 tokenId) view returns (address)',
]);

/** The master that mints batches by ERC-2309 (`contracts/BatchMaster.sol`). */
export const BATCH_MASTER = parseAbi([
  'function mintBatch(uint256 quantity)',
  'function mint(uint256 quantity)',
  'function burn(uint256 tokenId)',
  'function transferFrom(address from, address to, uint256 tokenId)',
  'function nextTokenId() view returns (uint256)',
  'function ownerOf(uint256 tokenId) view returns (address)',
]);

/** The dividend contract (`contracts/Dividends.sol`). */
export const DIVIDENDS = parseAbi([
  'function depositRevenue() payable',
  'function depositTokenRevenue(address token, uint256 amount)',
  'function distribute(address token)',
  'function claim(uint256[] tokenIds)',
  'function claimToken(address token, uint256[] tokenIds)',
  'function claimable(address token, uint256 tokenId) view returns (uint256)',
  'function pending(address token) view returns (uint256)',
  'event RevenueDeposited(uint256 amount, address token, uint256 timestamp)',
  'event DividendsDistributed(uint256 amount, address token, uint256 perTokenAmount)',
  'event DividendClaimed(address indexed holder, uint256 tokenId, uint256 amount)',
]);

/** The dividend contract that pays the owners at a distribution (`contracts/EpochDividends.sol`). */
export const EPOCH_DIVIDENDS = parseAbi([
  'function deposit() payable',
  'function distribute()',
  'function claim(uint256[] epochIds)',
  'function epochs() view returns (uint256)',
  'function claimable(uint256 epochId, address holder) view returns (uint256)',
  'function totalClaimable(address holder) view returns (uint256)',
]);

/** `ERC20PresetMinterPauser` of OpenZeppelin. */
export const TOKEN = parseAbi([
  'function mint(address to, uint256 amount)',
  'function burn(uint256 amount)',
  'function transfer(address to, uint256 amount) returns (bool)',
  'function approve(address spender, uint256 amount) returns (bool)',
  'function balanceOf(address owner) view returns (uint256)',
  'function totalSupply() view returns (uint256)',
  'event Transfer(address indexed from, address indexed to, uint256 value)',
]);

/** The factory of Uniswap V2. */
export const FACTORY = parseAbi([
  'function createPair(address tokenA, address tokenB) returns (address)',
  'function getPair(address tokenA, address tokenB) view returns (address)',
]);

/** The Uniswap V2 pair, which is also the ERC-20 token of its liquidity. */
export const PAIR = parseAbi([
  'function token0() view returns (address)',
  'function token1() view returns (address)',
  'function getReserves() view returns (uint112 reserve0, uint112 reserve1, uint32 blockTimestampLast)',
  'function balanceOf(address owner) view returns (uint256)',
  'function totalSupply() view returns (uint256)',
  'function approve(address spender, uint256 amount) returns (bool)',
  'function transfer(address to, uint256 amount) returns (bool)',
  'function skim(address to)',
  'function sync()',
  'event Mint(address indexed sender, uint256 amount0, uint256 amount1)',
  'event Burn(address indexed sender, uint256 amount0, uint256 amount1, address indexed to)',
  'event Swap(address indexed sender, uint256 amount0In, uint256 amount1In, uint256 amount0Out, uint256 amount1Out, address indexed to)',
  'event Sync(uint112 reserve0, uint112 reserve1)',
  'event Transfer(address indexed from, address indexed to, uint256 value)',
]);

/** A minimal router (`contracts/Trader.sol`). */
export const TRADER = parseAbi([
  'function addLiquidity(address pair, uint256 amount0, uint256 amount1)',
  'function removeLiquidity(address pair, uint256 liquidity)',
  'function swap(address pair, bool zeroForOne, uint256 amountIn, uint256 times)',
]);
