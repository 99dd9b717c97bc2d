import { afterEach, beforeEach, expect, test } from 'vitest';
import { transaction } from '../../indexer/db/transaction.ts';
import { unwindTo } from '../../indexer/ingest/unwind-to.ts';
import { ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { recordHistoryChange } from '../../indexer/progress/stage-rows.ts';
import { settleDoubt } from '../../indexer/proof/settle-doubts.ts';
import { removeContract } from '../../indexer/registry/remove.ts';
import { blockOf, CHAIN_ID, MASTER } from '../kit/stage-scene.ts';
import { ALICE, BOB, CAROL, moveNft, SweepScene } from '../kit/sweep-scene.ts';

let scene: SweepScene;

/** The burn in block 5 is missing, so that the mint in block 8 contradicts the mint in block 2. */
const LACKING = [moveNft(1n, ZERO_ADDRESS, ALICE, 2), moveNft(1n, ZERO_ADDRESS, BOB, 8), moveNft(1n, BOB, CAROL, 12)];
const COMPLETE = [...LACKING, moveNft(1n, ALICE, ZERO_ADDRESS, 5)];

beforeEach(async () => {
  scene = await SweepScene.open();
  await scene.fill(LACKING);
  await scene.sweep();
  expect(await scene.doubts()).toEqual(['owner 2-8']);
});

afterEach(() => scene.drop());

const sweptTo = async () =>
  (await scene.query(`select swept_to from indexer.sweeps where rule = 'owner'`)).rows.map(({ swept_to }) => swept_to);

test('an unwind below the swept block forgets what was found and remembered', async () => {
  await unwindTo(scene.database, { chainId: CHAIN_ID, to: blockOf(10), reason: 'command' });
  expect(await sweptTo()).toEqual([null]);
  await scene.sweep(undefined, 10);
  expect(await scene.doubts()).toEqual(['owner 2-8']);
  await unwindTo(scene.database, { chainId: CHAIN_ID, to: blockOf(4), reason: 'command' });
  await scene.sweep(undefined, 4);
  expect(await scene.doubts()).toEqual([]);
  expect(await sweptTo()).toEqual(['4']);
  const { rows } = await scene.query(`select key, value from indexer.sweep_values order by key`);
  expect(rows).toEqual([
    { key: '', value: '1' },
    { key: '1', value: ALICE },
  ]);
});

test('an unwind above the swept block changes nothing', async () => {
  await scene.query('update indexer.sweeps set swept_to = 10');
  await unwindTo(scene.database, { chainId: CHAIN_ID, to: blockOf(10), reason: 'command' });
  expect(await sweptTo()).toEqual(['10']);
});

test('a contract whose rows were deleted and filled again is swept again', async () => {
  await scene.query(`update indexer.doubts set status = 'property'`);
  await scene.query(`update indexer.sweeps set property = true where rule = 'owner'`);
  await removeContract(scene.database, { chainId: CHAIN_ID, address: MASTER, purge: true });
  await scene.query(`update indexer.contracts set status = 'active' where address = $1`, [MASTER]);
  await scene.fill(COMPLETE, 1, 20, [MASTER]);
  expect(await scene.sweep()).toBeGreaterThan(0);
  expect(await scene.doubts()).toEqual([]);
  expect(await sweptTo()).toEqual(['20']);
});

test('a contract whose history begins earlier than was thought is swept again', async () => {
  await scene.query(`update indexer.sweeps set first_block = 3 where rule = 'owner'`);
  expect(await scene.sweep()).toBeGreaterThan(0);
  expect(await scene.doubts()).toEqual(['owner 2-8']);
});

test('a repair makes the sweeps of its contract begin anew, but keeps what is so by nature', async () => {
  const repair = (fromBlock: number) =>
    transaction(scene.database, (tx) =>
      recordHistoryChange(tx, CHAIN_ID, fromBlock, { address: MASTER, kind: 'master' }),
    );
  await repair(21);
  expect(await sweptTo()).toEqual(['20']);
  await repair(5);
  expect(await sweptTo()).toEqual([null]);
  await scene.sweep();
  expect(await scene.doubts()).toEqual(['owner 2-8']);
  await scene.read();
  await scene.sweep();
  await repair(5);
  await scene.sweep();
  expect(await scene.doubts()).toEqual(['owner 2-8 property']);
});

test.each([
  [{}, { action: 'property' }],
  [{ hasChanged: true }, { action: 'restart' }],
  [{ hasChanged: true, hasRestarted: true }, { action: 'drop' }],
  [{ hasRestarted: true }, { action: 'drop' }],
  [{ mayBeOlder: true }, { action: 'widen', from: 990 - 3 * 16, to: 989 }],
  [
    { mayBeOlder: true, from: 5 },
    { action: 'widen', from: 0, to: 4 },
  ],
  [{ mayBeOlder: true, from: 0 }, { action: 'property' }],
  [{ mayBeOlder: true, mintsInSilence: true }, { action: 'property' }],
] as const)('a doubt that was read is settled: %o', (change, expected) => {
  const doubt = {
    ...{ from: 990, to: 992, hasChanged: false, hasRestarted: false, firstBlock: 0, mayBeOlder: false },
    mintsInSilence: false,
    ...change,
  };
  expect(settleDoubt(doubt)).toEqual(expected);
});
