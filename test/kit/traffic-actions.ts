import { encodeFunctionData, parseEther } from 'viem';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import type { Anvil, Transaction } from './anvil-node.ts';
import type { Platform } from './deploy.ts';
import { BATCH_MASTER, CLASSIC_MASTER, DIVIDENDS, MASTER, PAIR, TOKEN, TRADER } from './interfaces.ts';
import type { Random } from './random.ts';

/** The inputs with which an action draws a transaction. */
export type TrafficContext = { readonly anvil: Anvil; readonly platform: Platform; readonly random: Random };

/**
 * Something that users of the platform do. `draw` reads the newest block and returns a transaction, or undefined if this action
 * is not possible now. The transaction reverts if the chain changes before it is mined.
 */
export type Action = {
  readonly name: string;
  /** The relative frequency of the action. */
  readonly weight: number;
  draw(scene: TrafficContext): Promise<Transaction | undefined>;
};

/** Upper bound (exclusive) of the token ids of `classicMaster`. */
export const CLASSIC_TOKENS = 60;
const MAX_BATCH = 40;
const CLAIM_CANDIDATES = 12;

/** Every action. */
export const ACTIONS: readonly Action[] = [
  { name: 'mint', weight: 8, draw: mint },
  { name: 'mint a token of any id', weight: 4, draw: mintClassic },
  { name: 'mint a batch', weight: 2, draw: mintBatch },
  { name: 'transfer a master', weight: 9, draw: transferMaster },
  { name: 'burn a master', weight: 3, draw: burnMaster },
  { name: 'change price, royalties or validator', weight: 2, draw: changeSettings },
  { name: 'transfer tokens', weight: 7, draw: transferTokens },
  { name: 'mint or burn tokens', weight: 2, draw: mintOrBurnTokens },
  { name: 'add liquidity', weight: 3, draw: addLiquidity },
  { name: 'remove liquidity', weight: 3, draw: removeLiquidity },
  { name: 'transfer liquidity', weight: 1, draw: transferLiquidity },
  { name: 'swap', weight: 8, draw: swap },
  { name: 'sync the pair', weight: 1, draw: syncPair },
  { name: 'deposit revenue', weight: 4, draw: depositRevenue },
  { name: 'distribute', weight: 4, draw: distribute },
  { name: 'claim', weight: 8, draw: claim },
];

async function mint({ anvil, platform, random }: TrafficContext): Promise<Transaction> {
  const from = random.pick(platform.actors);
  const quantity = BigInt(1 + random.below(4));
  const price = await anvil.client.readContract({
    address: platform.master.address,
    abi: MASTER,
    functionName: 'price',
  });
  const data = encodeFunctionData({ abi: MASTER, functionName: 'mint', args: [quantity] });
  return { from, to: platform.master.address, data, value: price * quantity };
}

async function mintClassic(scene: TrafficContext): Promise<Transaction | undefined> {
  const { platform, random } = scene;
  const [from, to] = [random.pick(platform.actors), random.pick(platform.actors)];
  const tokenId = BigInt(random.below(CLASSIC_TOKENS));
  if ((await ownerOf(scene, platform.classicMaster.address, tokenId)) !== undefined) return undefined;
  const data = encodeFunctionData({ abi: CLASSIC_MASTER, functionName: 'mint', args: [to, tokenId] });
  return { from, to: platform.classicMaster.address, data };
}

async function mintBatch({ platform, random }: TrafficContext): Promise<Transaction> {
  const functionName = random.onceIn(3) ? 'mint' : 'mintBatch';
  const quantity = BigInt(1 + random.below(functionName === 'mint' ? 5 : MAX_BATCH));
  const data = encodeFunctionData({ abi: BATCH_MASTER, functionName, args: [quantity] });
  return { from: random.pick(platform.actors), to: platform.batchMaster.address, data };
}

async function transferMaster(scene: TrafficContext): Promise<Transaction | undefined> {
  const token = await randomNft(scene);
  if (token === undefined) return undefined;
  const args = [token.owner, scene.random.pick(scene.platform.actors), token.tokenId] as const;
  const data = encodeFunctionData({ abi: MASTER, functionName: 'transferFrom', args });
  return { from: token.owner, to: token.contract, data };
}

async function burnMaster(scene: TrafficContext): Promise<Transaction | undefined> {
  const token = await randomNft(scene);
  if (token === undefined) return undefined;
  const data = encodeFunctionData({ abi: MASTER, functionName: 'burn', args: [token.tokenId] });
  return { from: token.owner, to: token.contract, data };
}

async function changeSettings({ platform, random }: TrafficContext): Promise<Transaction> {
  const { owner, master, validator } = platform;
  const fee = BigInt(random.below(1_000));
  const receiver = random.pick(platform.actors);
  const data = random.pick([
    encodeFunctionData({ abi: MASTER, functionName: 'setDefaultRoyalty', args: [receiver, fee] }),
    encodeFunctionData({
      abi: MASTER,
      functionName: 'setTokenRoyalty',
      args: [BigInt(random.below(20)), receiver, fee],
    }),
    encodeFunctionData({ abi: MASTER, functionName: 'setPrice', args: [random.amount(parseEther('0.05'))] }),
    encodeFunctionData({
      ...{
        abi: MASTER,
        functionName: 'setTransferValidator',
        args: [random.onceIn(2) ? validator.address : ZERO_ADDRESS],
      },
    }),
  ]);
  return { from: owner, to: master.address, data };
}

async function transferTokens(scene: TrafficContext): Promise<Transaction> {
  const { platform, random } = scene;
  const token = randomErc20(scene);
  const from = random.pick(platform.actors);
  // Some transfers move the whole balance, so that the wallet is no holder any more. Others move nothing, or go to the sender itself.
  const all = random.onceIn(20);
  const amount = all ? await balanceOf(scene, token, from) : random.onceIn(12) ? 0n : random.amount(parseEther('500'));
  const data = encodeFunctionData({
    abi: TOKEN,
    functionName: 'transfer',
    args: [random.pick(platform.actors), amount],
  });
  return { from, to: token, data };
}

async function mintOrBurnTokens(scene: TrafficContext): Promise<Transaction> {
  const { platform, random } = scene;
  const token = randomErc20(scene);
  const amount = random.amount(parseEther('1000'));
  if (random.onceIn(2)) {
    const data = encodeFunctionData({ abi: TOKEN, functionName: 'mint', args: [random.pick(platform.actors), amount] });
    return { from: platform.owner, to: token, data };
  }
  const data = encodeFunctionData({ abi: TOKEN, functionName: 'burn', args: [amount] });
  return { from: random.pick(platform.actors), to: token, data };
}

async function addLiquidity({ platform, random }: TrafficContext): Promise<Transaction> {
  const args = [
    platform.pair.address,
    1n + random.amount(parseEther('800')),
    1n + random.amount(parseEther('800')),
  ] as const;
  const data = encodeFunctionData({ abi: TRADER, functionName: 'addLiquidity', args });
  return { from: random.pick(platform.actors), to: platform.trader.address, data };
}

async function removeLiquidity(scene: TrafficContext): Promise<Transaction | undefined> {
  const { platform, random } = scene;
  const from = random.pick(platform.actors);
  const shares = await balanceOf(scene, platform.pair.address, from);
  if (shares === 0n) return undefined;
  const liquidity = random.onceIn(3) ? shares : random.amount(shares);
  const data = encodeFunctionData({
    abi: TRADER,
    functionName: 'removeLiquidity',
    args: [platform.pair.address, liquidity],
  });
  return { from, to: platform.trader.address, data };
}

async function transferLiquidity(scene: TrafficContext): Promise<Transaction | undefined> {
  const { platform, random } = scene;
  const from = random.pick(platform.actors);
  const shares = await balanceOf(scene, platform.pair.address, from);
  if (shares === 0n) return undefined;
  const args = [random.pick(platform.actors), random.amount(shares)] as const;
  const data = encodeFunctionData({ abi: PAIR, functionName: 'transfer', args });
  return { from, to: platform.pair.address, data };
}

async function swap({ platform, random }: TrafficContext): Promise<Transaction> {
  const times = random.onceIn(4) ? 1 + random.below(4) : 1;
  const amount = 1_000_000n + random.amount(parseEther('200'));
  const args = [platform.pair.address, random.onceIn(2), amount, BigInt(times)] as const;
  const data = encodeFunctionData({ abi: TRADER, functionName: 'swap', args });
  return { from: random.pick(platform.actors), to: platform.trader.address, data };
}

async function syncPair({ platform, random }: TrafficContext): Promise<Transaction> {
  const data = encodeFunctionData({ abi: PAIR, functionName: 'sync' });
  return { from: random.pick(platform.actors), to: platform.pair.address, data };
}

async function depositRevenue({ platform, random }: TrafficContext): Promise<Transaction> {
  const from = random.pick(platform.actors);
  const to = platform.dividends.address;
  if (!random.onceIn(3)) {
    const data = encodeFunctionData({ abi: DIVIDENDS, functionName: 'depositRevenue' });
    return { from, to, data, value: random.amount(parseEther('5')) };
  }
  const args = [platform.quoteToken.address, random.amount(parseEther('300'))] as const;
  return { from, to, data: encodeFunctionData({ abi: DIVIDENDS, functionName: 'depositTokenRevenue', args }) };
}

async function distribute({ platform, random }: TrafficContext): Promise<Transaction> {
  const currency = random.onceIn(3) ? platform.quoteToken.address : ZERO_ADDRESS;
  const data = encodeFunctionData({ abi: DIVIDENDS, functionName: 'distribute', args: [currency] });
  return { from: platform.owner, to: platform.dividends.address, data };
}

/** Draws a claim by one holder, for all tokens that it owns among some randomly drawn tokens. */
async function claim(scene: TrafficContext): Promise<Transaction | undefined> {
  const { anvil, platform, random } = scene;
  const currency = random.onceIn(3) ? platform.quoteToken.address : ZERO_ADDRESS;
  const supply = Number(await nextTokenId(scene, platform.master.address));
  const drawn = Array.from({ length: CLAIM_CANDIDATES }, () => BigInt(1 + random.below(supply)));
  const tokens = await Promise.all(
    [...new Set(drawn)].map(async (tokenId) => ({
      tokenId,
      owner: await ownerOf(scene, platform.master.address, tokenId),
      amount: await anvil.client.readContract({
        ...{
          address: platform.dividends.address,
          abi: DIVIDENDS,
          functionName: 'claimable',
          args: [currency, tokenId],
        },
      }),
    })),
  );
  const from = tokens.find(({ owner, amount }) => owner !== undefined && amount > 0n)?.owner;
  if (from === undefined) return undefined;
  const tokenIds = tokens.filter(({ owner }) => owner === from).map(({ tokenId }) => tokenId);
  const data =
    currency === ZERO_ADDRESS
      ? encodeFunctionData({ abi: DIVIDENDS, functionName: 'claim', args: [tokenIds] })
      : encodeFunctionData({ abi: DIVIDENDS, functionName: 'claimToken', args: [currency, tokenIds] });
  return { from, to: platform.dividends.address, data };
}

type OwnedNft = { readonly contract: Hex; readonly tokenId: bigint; readonly owner: Hex };

async function randomNft(scene: TrafficContext): Promise<OwnedNft | undefined> {
  const { platform, random } = scene;
  const { master, classicMaster, batchMaster } = platform;
  const contract = random.pick([master.address, master.address, classicMaster.address, batchMaster.address]);
  const bound = contract === classicMaster.address ? CLASSIC_TOKENS : Number(await nextTokenId(scene, contract));
  const tokenId = BigInt(random.below(bound));
  const owner = await ownerOf(scene, contract, tokenId);
  return owner === undefined ? undefined : { contract, tokenId, owner };
}

function randomErc20({ platform, random }: TrafficContext): Hex {
  return random.onceIn(4) ? platform.quoteToken.address : platform.artistToken.address;
}

async function nextTokenId({ anvil }: TrafficContext, address: Hex): Promise<bigint> {
  return anvil.client.readContract({ address, abi: MASTER, functionName: 'nextTokenId' });
}

/** Returns the owner of a token, or undefined if the token does not exist, since `ownerOf` then reverts. */
async function ownerOf({ anvil }: TrafficContext, address: Hex, tokenId: bigint): Promise<Hex | undefined> {
  const call = { address, abi: MASTER, functionName: 'ownerOf', args: [tokenId] } as const;
  return anvil.client.readContract(call).then(
    (owner) => owner.toLowerCase() as Hex,
    () => undefined,
  );
}

async function balanceOf({ anvil }: TrafficContext, address: Hex, wallet: Hex): Promise<bigint> {
  return anvil.client.readContract({ address, abi: TOKEN, functionName: 'balanceOf', args: [wallet] });
}
