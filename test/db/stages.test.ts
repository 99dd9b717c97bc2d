import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Transaction, transaction } from '../../indexer/db/transaction.ts';
import { ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import type { Stage } from '../../indexer/stages/stage.ts';
import { stages } from '../../indexer/stages/stages.ts';
import {
  ALICE,
  BOB,
  blockOf,
  CHAIN_ID,
  claim,
  deposit,
  distribute,
  MASTER,
  mint,
  START,
  StageScene,
  testedStages,
  transactionOf,
  transfer,
  transferCounts,
} from '../kit/stage-scene.ts';

/** The transaction of a deposit that the platform knows. */
const DEPOSIT = { block: 2, index: 4 };

/**
 * Claims before and after the mint of their token, for a token that is never minted, and twice in a block. Also a sale, a burn and a new
 * mint.
 */
const LOGS = [
  mint(MASTER, 1n, { block: 2 }),
  deposit(50n, DEPOSIT),
  distribute(10n, { block: 3, index: 0 }),
  claim(1n, { block: 3 }),
  transfer(MASTER, 1n, [ALICE, BOB], { block: 4, index: 0 }),
  claim(2n, { block: 4, index: 1 }),
  claim(2n, { block: 4, index: 2 }),
  distribute(7n, { block: 5, index: 3 }),
  mint(MASTER, 2n, { block: 6 }),
  claim(2n, { block: 6 }),
  claim(9n, { block: 7 }),
  claim(4n, { block: 8 }),
  mint(MASTER, 3n, { block: 9 }),
  transfer(MASTER, 1n, [BOB, ZERO_ADDRESS], { block: 10 }),
  distribute(3n, { block: 11 }),
  mint(MASTER, 4n, { block: 12, index: 3 }),
  claim(3n, { block: 12 }),
  mint(MASTER, 1n, { block: 12, index: 6 }),
  distribute(1n, { block: 12, index: 8 }),
];
const LINKS = [`3/1: 1 of ${MASTER}`, `6/1: 2 of ${MASTER}`, `12/1: 3 of ${MASTER}`];

let scene: StageScene;

beforeEach(async () => {
  scene = await StageScene.open();
  const tx = transactionOf(DEPOSIT).toUpperCase().replace('0X', '0x');
  await scene.insertRevenue({ tx, amount: '50' });
  await scene.requestSnapshot(MASTER, 4, 'airdrop');
});

afterEach(() => scene.drop());

test('the stages have distinct names', () => {
  expect(new Set(testedStages.map(({ name }) => name)).size).toBe(testedStages.length);
  expect(stages.map(({ name }) => name)).toEqual(['claim-links', 'revenue-links', 'dividends', 'snapshots']);
});

describe.each(testedStages)('$name', (stage) => {
  const advance = (from: number | undefined, to: number, within: Stage = stage) =>
    transaction(scene.database, (tx) => step(tx, within, from, to));
  const unwind = (to: number) => transaction(scene.database, (tx) => stage.unwind(tx, CHAIN_ID, to));
  /** Commits the logs, and runs the stages that come before the tested stage. They may be ahead of it. */
  const fill = async () => {
    await scene.fill(1, START, LOGS);
    await scene.run(testedStages.slice(0, testedStages.indexOf(stage)), START);
  };

  test('advancing and unwinding without facts changes nothing', async () => {
    const before = await scene.state();
    expect(await advance(undefined, 10)).toBe(0);
    expect(await advance(10, START)).toBe(0);
    await unwind(5);
    await unwind(-1);
    expect(await scene.state()).toEqual(before);
  });

  test('advancing again over the same blocks changes nothing', async () => {
    await fill();
    expect(await advance(undefined, START)).toBeGreaterThan(0);
    const once = await scene.state();
    expect(await advance(undefined, START)).toBe(0);
    expect(await advance(4, 12)).toBe(0);
    expect(await scene.state()).toEqual(once);
  });

  test('many small strides end in the same state as one', async () => {
    await fill();
    await advance(undefined, START);
    const once = await scene.state();
    await unwind(-1);
    for (let block = 0; block < START; block++) await advance(block === 0 ? undefined : block, block + 1);
    expect(await scene.state()).toEqual(once);
  });

  test('unwinding to any block restores every row', async () => {
    await fill();
    const asOf = [await scene.state()];
    for (let block = 1; block <= START; block++) {
      await advance(block === 1 ? undefined : block - 1, block);
      asOf.push(await scene.state());
    }
    await unwind(START);
    expect(await scene.state()).toEqual(asOf[START]);
    for (const block of [18, 12, 11, 9, 8, 6, 5, 4, 2, 0]) {
      await unwind(block);
      expect(await scene.state(), `as of ${block}`).toEqual(asOf[block]);
    }
    await advance(undefined, START);
    for (const block of [11, 5]) {
      await unwind(block);
      expect(await scene.state(), `in one unwind, as of ${block}`).toEqual(asOf[block]);
      await advance(block, START);
    }
    expect(await scene.state()).toEqual(asOf[START]);
  });

  test('a crash before the commit changes nothing, and the next attempt completes the work', async () => {
    await fill();
    await advance(undefined, 6);
    const before = await scene.state();
    const crash = transaction(scene.database, async (tx) => {
      await step(tx, stage, 6, START);
      throw new Error('crash');
    });
    await expect(crash).rejects.toThrow('crash');
    expect(await scene.state()).toEqual(before);
    await advance(6, START);
    const after = await scene.state();
    await unwind(-1);
    await advance(undefined, START);
    expect(await scene.state()).toEqual(after);
  });
});

test.each(['mirror_finalized', 'mirror_safe'])('%s shows what stages had written as of the block', async (schema) => {
  await scene.fill(1, START, LOGS);
  for (const block of [1, 3, 4, 5, 6, 9, 10, 11, 12, START]) {
    await scene.run(testedStages, block);
    const { links, balances, payments, snapshots, holders } = await scene.state();
    await scene.run(testedStages, START);
    await scene.database.pool.query('update indexer.chains set finalized_number = $1, safe_number = $1', [block]);
    expect(await scene.state(schema), `as of ${block}`).toMatchObject({
      links,
      balances,
      payments,
      snapshots,
      holders,
    });
    await transaction(scene.database, async (tx) => {
      for (const stage of testedStages.toReversed()) await stage.unwind(tx, CHAIN_ID, -1);
    });
  }
});

test('a claim is linked to its token if that was minted before', async () => {
  await scene.fill(1, START, LOGS);
  await scene.run(testedStages, START);
  const { links, counts, revenue, balances, payments, snapshots, holders } = await scene.state();
  expect(links).toEqual(LINKS);
  expect(counts).toEqual(['2: 1', '4: 1', '6: 1', '9: 1', '10: 1', '12: 2']);
  expect(revenue).toHaveLength(1);
  expect(balances.map((text) => text.replace(/, last .*/, ''))).toEqual([
    // Token 1 has 10 - 5 + 7 from before it was burnt and 1 since, tokens 2 and 3 have 3 + 1 - 5 each, and token 4 has 1.
    `${ALICE} ${ZERO_ADDRESS}: earned 47, claimed 35, claimable 12, tokens 4`,
    `${BOB} ${ZERO_ADDRESS}: earned 0, claimed 0, claimable 0, tokens 0`,
  ]);
  expect(payments.map((text) => text.split(' at ')[0])).toEqual(['1: 5', '2: 5', '3: 5']);
  const at = (block: number, logIndex: number | string, reason = 'dividend') =>
    snapshots
      .filter((text) => text.startsWith(`${block}/${logIndex} ${reason}: `))
      .map((text) => text.split(': ')[1]?.replace(` at ${1_700_000_000 + block}`, ''));
  // Token 1 is sold in block 4, burnt in block 10 and minted again in block 12.
  expect(at(3, 0)).toEqual([`1 of ${ALICE}`]);
  expect(at(4, 4_294_967_295, 'airdrop')).toEqual([`1 of ${BOB}`]);
  expect(at(5, 3)).toEqual([`1 of ${BOB}`]);
  expect(at(11, 1)).toEqual([`2 of ${ALICE}`, `3 of ${ALICE}`]);
  expect(at(12, 8)).toEqual([1, 2, 3, 4].map((token) => `${token} of ${ALICE}`));
  expect(snapshots).toHaveLength(9);
  expect(holders.map((text) => text.split(': ')[1])).toEqual(['1', '1', '1', '1']);
  expect(transferCounts.name).toBe(testedStages.at(-1)?.name);
});

async function step(tx: Transaction, stage: Stage, from: number | undefined, to: number): Promise<number> {
  return stage.advance(tx, {
    chainId: CHAIN_ID,
    from: from === undefined ? undefined : blockOf(from),
    to: blockOf(to),
  });
}
