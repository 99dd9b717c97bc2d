import { encodeFunctionData, parseEther } from 'viem';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import type { Anvil, Transaction } from './anvil-node.ts';
import type { Platform } from './deploy.ts';
import { BATCH_MASTER, CLASSIC_MASTER, DIVIDENDS, MASTER, PAIR, TOKEN, TRADER } from './interfaces.ts';
import type { Random } from './random.ts';

/** What an action looks at. */
export type Scene = { readonly anvil: Anvil; readonly platform: Platform; readonly random: Random };

/**
 * Something that somebody does. `draw` looks at the newest block and gives the transaction, or `undefined` where there is
 * nothing to do. By the time it is mined the chain may look otherwise: then it reverts, as on any chain.
 */
export type Action = {
  readonly name: string;
  /** How often, against the sum of all. */
  readonly weight: number;
  draw(scene: Scene): Promise<Transaction | undefined>;
};

const CLASSIC_TOKENS = 60;
const MAX_BATCH = 40;
const CLAIM_CANDIDATES = 12;

/** Everything that happens on the platform. */
export const ACTIONS: readonly Action[] = [
  { name: 'mint', weight: 8, draw: mint },
  { name: 'mint any token', weight: 4, draw: mintClassic },
  { name: 'mint a batch', weight: 2, draw: mintBatch },
  { name: 'transfer a master', weight: 9, draw: transferMaster },
  { name: 'burn a master', weight: 3, draw: burnMaster },
  { name: 'change the terms', weight: 2, draw: changeTerms },
  { name: 'transfer coins', weight: 7, draw: transferCoins },
  { name: 'mint or burn coins', weight: 2, draw: mintOrBurnCoins },
  { name: 'add liquidity', weight: 3, draw: addLiquidity },
  { name: 'remove liquidity', weight: 3, draw: removeLiquidity },
  { name: 'give away liquidity', weight: 1, draw: transferLiquidity },
  { name: 'swap', weight: 8, draw: swap },
  { name: 'sync the pair', weight: 1, draw: syncPair },
  { name: 'deposit revenue', weight: 4, draw: depositRevenue },
  { name: 'distribute', weight: 4, draw: distribute },
  { name: 'claim', weight: 8, draw: claim },
];

async function mint({ anvil, platform, random }: Scene): Promise<Transaction> {
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

async function mintClassic(scene: Scene): Promise<Transaction | undefined> {
  const { platform, random } = scene;
  const [from, to] = [random.pick(platform.actors), random.pick(platform.actors)];
  const tokenId = BigInt(random.below(CLASSIC_TOKENS));
  if ((await ownerOf(scene, platform.classicMaster.address, tokenId)) !== undefined) return undefined;
  const data = encodeFunctionData({ abi: CLASSIC_MASTER, functionName: 'mint', args: [to, tokenId] });
  return { from, to: platform.classicMaster.address, data };
}

async function mintBatch({ platform, random }: Scene): Promise<Transaction> {
  const functionName = random.onceIn(3) ? 'mint' : 'mintBatch';
  const quantity = BigInt(1 + random.below(functionName === 'mint' ? 5 : MAX_BATCH));
  const data = encodeFunctionData({ abi: BATCH_MASTER, functionName, args: [quantity] });
  return { from: random.pick(platform.actors), to: platform.batchMaster.address, data };
}

async function transferMaster(scene: Scene): Promise<Transaction | undefined> {
  const token = await someToken(scene);
  if (token === undefined) return undefined;
  const args = [token.owner, scene.random.pick(scene.platform.actors), token.tokenId] as const;
  const data = encodeFunctionData({ abi: MASTER, functionName: 'transferFrom', args });
  return { from: token.owner, to: token.contract, data };
}

async function burnMaster(scene: Scene): Promise<Transaction | undefined> {
  const token = await someToken(scene);
  if (token === undefined) return undefined;
  const data = encodeFunctionData({ abi: MASTER, functionName: 'burn', args: [token.tokenId] });
  return { from: token.owner, to: token.contract, data };
}

async function changeTerms({ platform, random }: Scene): Promise<Transaction> {
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

async function transferCoins(scene: Scene): Promise<Transaction> {
  const { platform, random } = scene;
  const token = someCoin(scene);
  const from = random.pick(platform.actors);
  // Sometimes all of it, so that a holder leaves; sometimes to oneself, or nothing at all.
  const all = random.onceIn(20);
  const amount = all ? await balanceOf(scene, token, from) : random.onceIn(12) ? 0n : random.amount(parseEther('500'));
  const data = encodeFunctionData({
    abi: TOKEN,
    functionName: 'transfer',
    args: [random.pick(platform.actors), amount],
  });
  return { from, to: token, data };
}

async function mintOrBurnCoins(scene: Scene): Promise<Transaction> {
  const { platform, random } = scene;
  const token = someCoin(scene);
  const amount = random.amount(parseEther('1000'));
  if (random.onceIn(2)) {
    const data = encodeFunctionData({ abi: TOKEN, functionName: 'mint', args: [random.pick(platform.actors), amount] });
    return { from: platform.owner, to: token, data };
  }
  const data = encodeFunctionData({ abi: TOKEN, functionName: 'burn', args: [amount] });
  return { from: random.pick(platform.actors), to: token, data };
}

async function addLiquidity({ platform, random }: Scene): Promise<Transaction> {
  const args = [
    platform.pair.address,
    1n + random.amount(parseEther('800')),
    1n + random.amount(parseEther('800')),
  ] as const;
  const data = encodeFunctionData({ abi: TRADER, functionName: 'addLiquidity', args });
  return { from: random.pick(platform.actors), to: platform.trader.address, data };
}

async function removeLiquidity(scene: Scene): Promise<Transaction | undefined> {
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

async function transferLiquidity(scene: Scene): Promise<Transaction | undefined> {
  const { platform, random } = scene;
  const from = random.pick(platform.actors);
  const shares = await balanceOf(scene, platform.pair.address, from);
  if (shares === 0n) return undefined;
  const args = [random.pick(platform.actors), random.amount(shares)] as const;
  const data = encodeFunctionData({ abi: PAIR, functionName: 'transfer', args });
  return { from, to: platform.pair.address, data };
}

async function swap({ platform, random }: Scene): Promise<Transaction> {
  const times = random.onceIn(4) ? 1 + random.below(4) : 1;
  const amount = 1_000_000n + random.amount(parseEther('200'));
  const args = [platform.pair.address, random.onceIn(2), amount, BigInt(times)] as const;
  const data = encodeFunctionData({ abi: TRADER, functionName: 'swap', args });
  return { from: random.pick(platform.actors), to: platform.trader.address, data };
}

async function syncPair({ platform, random }: Scene): Promise<Transaction> {
  const data = encodeFunctionData({ abi: PAIR, functionName: 'sync' });
  return { from: random.pick(platform.actors), to: platform.pair.address, data };
}

async function depositRevenue({ platform, random }: Scene): Promise<Transaction> {
  const from = random.pick(platform.actors);
  const to = platform.dividends.address;
  if (!random.onceIn(3)) {
    const data = encodeFunctionData({ abi: DIVIDENDS, functionName: 'depositRevenue' });
    return { from, to, data, value: random.amount(parseEther('5')) };
  }
  const args = [platform.quoteToken.address, random.amount(parseEther('300'))] as const;
  return { from, to, data: encodeFunctionData({ abi: DIVIDENDS, functionName: 'depositTokenRevenue', args }) };
}

async function distribute({ platform, random }: Scene): Promise<Transaction> {
  const currency = random.onceIn(3) ? platform.quoteToken.address : ZERO_ADDRESS;
  const data = encodeFunctionData({ abi: DIVIDENDS, functionName: 'distribute', args: [currency] });
  return { from: platform.owner, to: platform.dividends.address, data };
}

/** One holder claims for as many of the candidates as are theirs. */
async function claim(scene: Scene): Promise<Transaction | undefined> {
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

type OwnedToken = { readonly contract: Hex; readonly tokenId: bigint; readonly owner: Hex };

async function someToken(scene: Scene): Promise<OwnedToken | undefined> {
  const { platform, random } = scene;
  const { master, classicMaster, batchMaster } = platform;
  const contract = random.pick([master.address, master.address, classicMaster.address, batchMaster.address]);
  const bound = contract === classicMaster.address ? CLASSIC_TOKENS : Number(await nextTokenId(scene, contract));
  const tokenId = BigInt(random.below(bound));
  const owner = await ownerOf(scene, contract, tokenId);
  return owner === undefined ? undefined : { contract, tokenId, owner };
}

function someCoin({ platform, random }: Scene): Hex {
  return random.onceIn(4) ? platform.quoteToken.address : platform.artistToken.address;
}

async function nextTokenId({ anvil }: Scene, address: Hex): Promise<bigint> {
  return anvil.client.readContract({ address, abi: MASTER, functionName: 'nextTokenId' });
}

/** Gives `undefined` for a token that is not there: then `ownerOf` reverts. */
async function ownerOf({ anvil }: Scene, address: Hex, tokenId: bigint): Promise<Hex | undefined> {
  const call = { address, abi: MASTER, functionName: 'ownerOf', args: [tokenId] } as const;
  return anvil.client.readContract(call).then(
    (owner) => owner.toLowerCase() as Hex,
    () => undefined,
  );
}

async function balanceOf({ anvil }: Scene, address: Hex, wallet: Hex): Promise<bigint> {
  return anvil.client.readContract({ address, abi: TOKEN, functionName: 'balanceOf', args: [wallet] });
}
