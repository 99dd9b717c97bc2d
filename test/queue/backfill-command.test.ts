import { expect, test } from 'vitest';
import { Chain } from '../kit/chain.ts';
import { announceAll, DIVIDENDS, MASTER } from '../kit/music.ts';
import { Program } from '../kit/program.ts';
import { serve } from '../kit/scene.ts';
import { slowDown } from '../kit/slow-down.ts';
import { until } from '../kit/until.ts';
import { filledBlocks, IN_POSTGRES, longChain, scene } from './scene.ts';

/** Parses the lines of JSON that a backfill writes without a terminal. */
function progressOf({ stderr }: Program): Record<string, unknown>[] {
  const lines = stderr.split('\n').filter((line) => line.startsWith('{"progress"') && line.endsWith('}}'));
  return lines.map((line) => JSON.parse(line).progress);
}

test('fills only the named chain, contracts and blocks, and asks for --chain when it is ambiguous', async () => {
  const { db, artist, env, chain } = await scene(IN_POSTGRES, longChain(200));
  const other = new Chain({ chainId: 31_338 });
  other.mine(4_000);
  other.finalized = 3_990;
  await announceAll(db, artist, other);
  const both = { ...env, [`RPC_URL_${other.chainId}`]: (await serve(other)).url };
  const unnamed = new Program(['backfill', '--from-block', '0'], both);
  expect(await unnamed.exited).toBe(2);
  expect(unnamed.stderr).toContain(
    `several chains are configured; name one: --chain ${chain.chainId} or --chain ${other.chainId}`,
  );
  const contracts = ['--contract', MASTER, '--contract', DIVIDENDS];
  const args = [
    'backfill',
    '--chain',
    String(other.chainId),
    '--from-block',
    '100',
    '--to-block',
    '2999',
    ...contracts,
  ];
  expect(await new Program(args, both).exited).toBe(0);
  const { rows } = await db.query('select chain_id, address, covered::text from indexer.contracts');
  expect(rows).toHaveLength(8);
  for (const { chain_id, address, covered } of rows) {
    const asked = Number(chain_id) === other.chainId && [MASTER, DIVIDENDS].includes(address);
    expect(covered).toBe(asked ? '{[100,3000)}' : '{}');
  }
});

test('a request recorded with --detach is filled by a daemon and a worker started later, and its status is finished', async () => {
  const { run, settled } = await scene(IN_POSTGRES);
  expect(await run('backfill', '--from-block', '0', '--detach').exited).toBe(0);
  run('worker');
  run('start');
  await settled();
  const state = async () => {
    const status = run('backfill', 'status', '--json');
    await status.exited;
    return JSON.parse(status.stdout).requests[0];
  };
  await until('the request to be finished', async () => (await state()).status === 'finished');
  expect(await state()).toMatchObject({ from: 0, to: 4_000, contracts: null, blocksLeft: 0, dead: [] });
});

test('without a terminal it writes its progress once a second, and when cancelled by id it exits 1 with a message', async () => {
  const { run, server, db } = await scene(IN_POSTGRES, longChain(8_000));
  slowDown(server, 500);
  const backfill = run('backfill', '--from-block', '0', '--concurrency', '1');
  await until('the first line', () => progressOf(backfill).length > 0);
  const since = performance.now();
  const first = progressOf(backfill).length;
  await until('three more lines', () => progressOf(backfill).length >= first + 3);
  // One line a second at most, on a machine of any speed.
  expect((performance.now() - since) / 1_000).toBeGreaterThan(2);
  await until('some history', async () => (await filledBlocks(db)) > 200);
  const fields = [
    'blocks',
    'blocksDone',
    'events',
    'eventsPerSecond',
    'blocksPerSecond',
    'secondsLeft',
    'rangeBlocks',
    'retries',
  ];
  await until('every field', () => Object.keys(progressOf(backfill).at(-1) ?? {}).length === fields.length);
  expect(Object.keys(progressOf(backfill).at(-1) ?? {})).toEqual(fields);
  const { rows } = await db.query('select id from indexer.backfills');
  const cancel = run('backfill', 'cancel', rows[0]?.id, '--json');
  expect(await cancel.exited).toBe(0);
  expect(JSON.parse(cancel.stdout)).toEqual({ cancelled: [rows[0]?.id] });
  expect(await backfill.exited).toBe(1);
  expect(backfill.stderr).toContain('was cancelled by `indexer backfill cancel`');
  expect(await filledBlocks(db)).toBeLessThan(7_900);
});

test('exits 1 with the reason when the chain is halted below the requested range', async () => {
  const { run, db, chain } = await scene(IN_POSTGRES, longChain(1_000));
  expect(await run('backfill', '--from-block', '900').exited).toBe(0);
  await db.query("update indexer.chains set status = 'halted', status_reason = 'a reorg of 2000 blocks'");
  chain.mine(10);
  const backfill = run('backfill', '--from-block', '0', '--json');
  expect(await backfill.exited).toBe(1);
  expect(backfill.stderr).toContain('is not complete, and the chain is halted: a reorg of 2000 blocks');
  const { ended, incomplete } = JSON.parse(backfill.stdout);
  expect(ended).toBe('halted');
  expect(incomplete[0].missing).toEqual([{ from: 1_001, to: 1_010 }]);
});

test('exits 1 when the chain is halted before the blocks at its head can be proved', async () => {
  const { run, db } = await scene(IN_POSTGRES, longChain(200));
  expect(await run('backfill', '--from-block', '0').exited).toBe(0);
  await db.query(
    "update indexer.chains set status = 'halted', status_reason = 'a reorg of 2000 blocks', verified = '{}'",
  );
  const backfill = run('backfill', '--from-block', '0', '--proved', '--json');
  expect(await backfill.exited).toBe(1);
  expect(backfill.stderr).toContain('the chain is halted: a reorg of 2000 blocks');
});
