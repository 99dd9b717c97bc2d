import { encodeDeployData, encodeFunctionData, maxUint256, parseEther } from 'viem';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { IndexerError } from '../../indexer/kernel/errors.ts';
import type { Anvil, Receipt, Transaction } from './anvil-node.ts';
import { type Artifact, ownArtifact, publishedArtifact } from './artifacts.ts';
import { FACTORY, MASTER, TOKEN, TRADER } from './interfaces.ts';
import type { Subject } from './oracle/check-database.ts';

/** A deployed contract. The address is in lower case. */
export type Deployed = { readonly address: Hex; readonly block: number; readonly transactionHash: Hex };

/** The contracts of a platform on one chain, and the wallets that use them. */
export type Platform = {
  readonly chainId: number;
  /** Owns every contract. */
  readonly owner: Hex;
  /** Wallets that hold tokens and have approved the trader and the dividend contract. */
  readonly actors: readonly [Hex, ...Hex[]];
  /** The platform's own ERC-721C, which emits `Minted`. */
  readonly master: Deployed;
  /** `ERC721CWithBasicRoyalties` from its published package. */
  readonly classicMaster: Deployed;
  /** A master that mints batches by ERC-2309. */
  readonly batchMaster: Deployed;
  /** Distributes the revenue of `master`. */
  readonly dividends: Deployed;
  readonly artistToken: Deployed;
  readonly quoteToken: Deployed;
  readonly factory: Deployed;
  /** The pair of artist token and quote token. The owner provided its liquidity. */
  readonly pair: Deployed;
  readonly token0: Hex;
  readonly token1: Hex;
  readonly trader: Deployed;
  /** A transfer validator that allows every transfer. */
  readonly validator: Deployed;
};

/** Returns the contracts of a platform that the indexer follows. The quote token is not among them, since no artist issued it. */
export function subjectsOf(platform: Platform): readonly Subject[] {
  return [
    { kind: 'master', address: platform.master.address },
    { kind: 'master', address: platform.classicMaster.address },
    { kind: 'master', address: platform.batchMaster.address },
    { kind: 'dividend', address: platform.dividends.address },
    { kind: 'artist_token', address: platform.artistToken.address },
    { kind: 'pool', address: platform.pair.address },
  ];
}

const DEPLOY_GAS = 12_000_000n;
const CALL_GAS = 3_000_000n;
const CREATOR_TOKENS = '@limitbreak/creator-token-contracts/build/contracts';

/**
 * Deploys a contract.
 *
 * @throws {IndexerError} if the constructor reverts
 */
export async function deploy(
  anvil: Anvil,
  artifact: Artifact,
  args: readonly unknown[] = [],
  from?: Hex,
): Promise<Deployed> {
  const data = encodeDeployData({ abi: artifact.abi, bytecode: artifact.bytecode, args });
  const receipt = await executeOrThrow(anvil, { from: from ?? firstAccount(anvil), data, gas: DEPLOY_GAS });
  if (!receipt.contractAddress) throw new IndexerError('the transaction deployed no contract');
  return deployed(receipt.contractAddress, receipt);
}

/**
 * Submits a transaction, mines it and returns its receipt.
 *
 * @throws {IndexerError} if it reverts
 */
export async function executeOrThrow(anvil: Anvil, transaction: Transaction): Promise<Receipt> {
  const receipt = await anvil.execute({ gas: CALL_GAS, ...transaction });
  if (receipt.status !== 'success') {
    throw new IndexerError(`transaction ${receipt.transactionHash} reverted`, { context: { transaction } });
  }
  return receipt;
}

/**
 * Deploys the contracts of a platform, and gives the wallets their tokens and approvals. Takes about a dozen blocks.
 *
 * @param actors how many of Anvil's accounts become actors. The first account is the owner.
 */
export async function deployPlatform(anvil: Anvil, { actors = 8 } = {}): Promise<Platform> {
  const owner = firstAccount(anvil);
  const erc20 = await publishedArtifact('@openzeppelin/contracts/build/contracts/ERC20PresetMinterPauser.json');
  const classic = await publishedArtifact(`${CREATOR_TOKENS}/ERC721CWithBasicRoyalties.json`);
  const validatorArtifact = await publishedArtifact(`${CREATOR_TOKENS}/CreatorTokenTransferValidator.json`);
  const factoryArtifact = await publishedArtifact('@uniswap/v2-core/build/UniswapV2Factory.json');
  const master = await deploy(anvil, await ownArtifact('Master'), [
    'First Light',
    'LIGHT',
    parseEther('0.01'),
    owner,
    500n,
  ]);
  const classicMaster = await deploy(anvil, classic, [owner, 250n, 'Old Songs', 'OLD']);
  const batchMaster = await deploy(anvil, await ownArtifact('BatchMaster'), ['Long Player', 'LP', 12n]);
  const dividends = await deploy(anvil, await ownArtifact('Dividends'), [master.address]);
  const artistToken = await deploy(anvil, erc20, ['Artist Coin', 'ARTI']);
  const quoteToken = await deploy(anvil, erc20, ['Demo Dollar', 'DUSD']);
  const factory = await deploy(anvil, factoryArtifact, [ZERO_ADDRESS]);
  const trader = await deploy(anvil, await ownArtifact('Trader'));
  const validator = await deploy(anvil, validatorArtifact, [owner]);
  const pair = await createPair(anvil, factory.address, artistToken.address, quoteToken.address);
  const [token0, token1] = [artistToken.address, quoteToken.address].sort() as [Hex, Hex];
  const platform: Platform = {
    ...{ chainId: anvil.chainId, owner, actors: anvil.accounts.slice(1, 1 + actors) as unknown as [Hex, ...Hex[]] },
    ...{ master, classicMaster, batchMaster, dividends, artistToken, quoteToken, factory, pair, trader, validator },
    ...{ token0, token1 },
  };
  await fundWallets(anvil, platform);
  return platform;
}

/** Creates the Uniswap V2 pair of two tokens. */
async function createPair(anvil: Anvil, factory: Hex, tokenA: Hex, tokenB: Hex): Promise<Deployed> {
  const data = encodeFunctionData({ abi: FACTORY, functionName: 'createPair', args: [tokenA, tokenB] });
  const receipt = await executeOrThrow(anvil, { from: firstAccount(anvil), to: factory, data, gas: DEPLOY_GAS });
  const pair = await anvil.client.readContract({
    ...{ address: factory, abi: FACTORY, functionName: 'getPair', args: [tokenA, tokenB] },
  });
  return deployed(pair, receipt);
}

/** Mints tokens to the wallets, approves the trader and the dividend contract, adds liquidity and mints the first masters. */
async function fundWallets(anvil: Anvil, platform: Platform): Promise<void> {
  const { owner, actors, artistToken, quoteToken, pair, trader, dividends } = platform;
  const wallets = [owner, ...actors];
  const sent: Hex[] = [];
  const send = async (from: Hex, to: Hex, data: Hex): Promise<void> => {
    sent.push(await anvil.send({ from, to, data, gas: CALL_GAS }));
  };
  const approve = (spender: Hex): Hex =>
    encodeFunctionData({ abi: TOKEN, functionName: 'approve', args: [spender, maxUint256] });
  for (const wallet of wallets) {
    const mint = encodeFunctionData({ abi: TOKEN, functionName: 'mint', args: [wallet, parseEther('100000')] });
    await send(owner, artistToken.address, mint);
    await send(owner, quoteToken.address, mint);
    await send(wallet, artistToken.address, approve(trader.address));
    await send(wallet, quoteToken.address, approve(trader.address));
    await send(wallet, quoteToken.address, approve(dividends.address));
    await send(wallet, pair.address, approve(trader.address));
  }
  await mineAll(anvil, sent);
  const liquidity = encodeFunctionData({
    ...{ abi: TRADER, functionName: 'addLiquidity', args: [pair.address, parseEther('20000'), parseEther('30000')] },
  });
  await executeOrThrow(anvil, { from: owner, to: trader.address, data: liquidity });
  const mint = encodeFunctionData({ abi: MASTER, functionName: 'mint', args: [3n] });
  await executeOrThrow(anvil, {
    from: wallets[1] ?? owner,
    to: platform.master.address,
    data: mint,
    value: parseEther('0.03'),
  });
}

/** Mines until every transaction has a receipt. Throws if one of them reverted. */
async function mineAll(anvil: Anvil, hashes: readonly Hex[]): Promise<void> {
  for (const hash of hashes) {
    let receipt = await anvil.client.getTransactionReceipt({ hash }).catch(() => undefined);
    if (receipt === undefined) {
      await anvil.mine();
      receipt = await anvil.client.waitForTransactionReceipt({ hash, pollingInterval: 20, timeout: 10_000 });
    }
    if (receipt.status !== 'success') throw new IndexerError(`transaction ${hash} reverted`);
  }
}

function firstAccount(anvil: Anvil): Hex {
  const account = anvil.accounts[0];
  if (account === undefined) throw new IndexerError('Anvil has no accounts');
  return account;
}

function deployed(address: string, receipt: Receipt): Deployed {
  return {
    address: address.toLowerCase() as Hex,
    block: Number(receipt.blockNumber),
    transactionHash: receipt.transactionHash,
  };
}
