import { expect, onTestFinished, test } from 'vitest';
import { type Hex, ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { compareSupplies } from '../../indexer/proof/sweep-supply.ts';
import { createSource } from '../../indexer/source/source.ts';
import { Chain } from '../kit/chain.ts';
import { RpcFault } from '../kit/chain-rpc.ts';
import { hexOf } from '../kit/event-logs.ts';
import { serve } from '../kit/scene.ts';
import { CHAIN_ID, MASTER, START } from '../kit/stage-scene.ts';
import { ALICE, BOB, firstMint, move, moveNft, PAIR, SweepScene, TOKEN } from '../kit/sweep-scene.ts';

/** The true supply of each contract at a block. It changes with the mints and burns below. */
const TRUE_SUPPLIES: Readonly<Record<string, (block: number) => bigint>> = {
  [TOKEN]: (block) => (block < 2 ? 0n : block < 9 ? 100n : block < 12 ? 130n : 110n),
  [MASTER]: (block) => (block < 3 ? 0n : 1n),
  [PAIR]: (block) => (block < 2 ? 0n : 2_000n),
};
const MINTS = [
  move(ZERO_ADDRESS, ALICE, 100n, 2, 10),
  move(ZERO_ADDRESS, BOB, 30n, 9),
  move(BOB, ZERO_ADDRESS, 20n, 12),
];
const OTHERS = [moveNft(1n, ZERO_ADDRESS, ALICE, 3), ...firstMint(2)];

/** Creates a scene with a node that answers `totalSupply()`. `calls` lists the contract and the block of each call. */
async function supplyScene(answer: (to: Hex, block: number) => Hex) {
  const chain = new Chain({ chainId: CHAIN_ID });
  chain.mine(START + 5);
  const calls: [Hex, number][] = [];
  chain.call = (to, _, block) => {
    calls.push([to, block]);
    return answer(to, block);
  };
  const server = await serve(chain);
  const source = createSource({ chainId: CHAIN_ID, rpcUrls: [server.url] });
  const scene = await SweepScene.open();
  onTestFinished(async () => {
    source.close();
    await scene.drop();
  });
  const deps = { database: scene.database, chainId: CHAIN_ID, source, paced: <T>(work: () => Promise<T>) => work() };
  return {
    scene,
    calls,
    async compare() {
      await scene.sweep();
      await compareSupplies(deps, START, new AbortController().signal);
      return scene.doubts();
    },
    /** Makes every supply due to be requested again, as if an hour had passed. */
    hourLater: () => scene.query(`update indexer.sweeps set asks_at = asks_at - interval '61 minutes'`),
  };
}

const truth = (to: Hex, block: number) => hexOf(TRUE_SUPPLIES[to]?.(block) ?? 0n, 64);

test('supplies that equal the chain are asked once, and not again within the hour', async () => {
  const { scene, calls, compare, hourLater } = await supplyScene(truth);
  await scene.fill([...MINTS, ...OTHERS]);
  expect(await compare()).toEqual([]);
  expect(calls.toSorted()).toEqual([PAIR, TOKEN, MASTER].map((address) => [address, START]).toSorted());
  expect(await compare()).toEqual([]);
  await hourLater();
  // Nothing was swept since.
  expect(await compare()).toEqual([]);
  expect(calls).toHaveLength(3);
});

test('a supply is not compared before history is complete', async () => {
  const { scene, calls, compare } = await supplyScene(truth);
  await scene.fill(OTHERS, 1, 15);
  expect(await compare()).toEqual([]);
  expect(calls).toEqual([]);
});

test.each([
  { index: 0, block: 2 },
  { index: 1, block: 9 },
  { index: 2, block: 12 },
])('a withheld mint or burn is found in its block $block by asking at blocks between', async ({ index, block }) => {
  const { scene, calls, compare } = await supplyScene(truth);
  await scene.fill([...MINTS.toSpliced(index, 1), ...OTHERS]);
  expect(await compare()).toContain(`supply ${block}-${block}`);
  expect(calls.length).toBeLessThanOrEqual(3 + Math.ceil(Math.log2(START)));
});

test.each([
  ['in known words', new RpcFault(-32000, 'missing trie node 0xab (path )')],
  ['in unknown words', new RpcFault(-32602, `BlockOutOfRangeError: block height is ${START} but requested was 9`)],
  ['as if it lacked the block', new RpcFault(-32000, 'header not found')],
  ['as if it had failed', new RpcFault(-32000, 'some words of its own')],
  ['as if the call had reverted', new RpcFault(3, 'execution reverted')],
  ['as if the contract did not exist', '0x'],
] as const)(
  'without old state, which a node says %s, all blocks since the last agreement are doubted',
  async (_, refusal) => {
    const { scene, compare } = await supplyScene((to, block) => {
      if (block === START) return truth(to, block);
      if (refusal instanceof RpcFault) throw refusal;
      return refusal;
    });
    await scene.fill([...MINTS.toSpliced(1, 1), ...OTHERS]);
    expect(await compare()).toContain(`supply 1-${START}`);
  },
);

test('contracts without totalSupply() are left alone for a day', async () => {
  const { scene, calls, compare, hourLater } = await supplyScene(() => '0x');
  await scene.fill([...MINTS, ...OTHERS]);
  expect(await compare()).toEqual([]);
  await hourLater();
  expect(await compare()).toEqual([]);
  expect(calls).toHaveLength(3);
});

test('a token that mints in silence is shown once, and negative balances of it are explained by that', async () => {
  const { scene, calls, compare, hourLater } = await supplyScene(truth);
  await scene.fill([
    move(ZERO_ADDRESS, ALICE, 100n, 2, 10),
    move(BOB, ALICE, 10n, 11),
    move(BOB, ZERO_ADDRESS, 20n, 12),
    ...OTHERS,
  ]);
  expect(await compare()).toEqual(['balance 1-11', 'supply 9-9', 'balance 11-12']);
  await scene.query(`update indexer.doubts set status = 'read' where rule = 'supply'`);
  await scene.sweep();
  await scene.query(`update indexer.doubts set status = 'read' where to_block = 12`);
  expect(await compare()).toEqual(['supply 9-9 property', 'balance 11-12 property']);
  const asked = calls.length;
  await hourLater();
  expect(await compare()).toEqual(['supply 9-9 property', 'balance 11-12 property']);
  expect(calls.length).toBe(asked);
});

test('a repaired supply is compared again', async () => {
  const { scene, compare } = await supplyScene(truth);
  await scene.fill([...MINTS.toSpliced(2, 1), moveNft(1n, ZERO_ADDRESS, ALICE, 3), ...firstMint(2)]);
  expect(await compare()).toEqual(['supply 12-12']);
  await scene.query(
    `insert into token_transfers (id, artist_token_id, chain_id, contract_address, from_wallet, to_wallet, value, tx_hash, block_number,
       block_hash, log_index, block_timestamp)
     select gen_random_uuid(), artist_token_id, chain_id, contract_address, $1, $2, 20, tx_hash, 12, block_hash, 0, block_timestamp
     from token_transfers where block_number = 9`,
    [BOB, ZERO_ADDRESS],
  );
  await scene.read(1);
  expect(await compare()).toEqual([]);
});
