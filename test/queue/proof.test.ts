import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import type { ProofSettings } from '../../indexer/config/define.ts';
import type { Hex } from '../../indexer/kernel/chain.ts';
import { Chain } from '../kit/chain.ts';
import { Daemon } from '../kit/daemon.ts';
import { announce, erc20Mint, erc20Transfer, TOKEN, WALLETS } from '../kit/music.ts';
import { createScene, type Scene } from '../kit/scene.ts';
import { until } from '../kit/until.ts';
import { longChain } from './scene.ts';

const CALLS_PER_SECOND = 2_000;
const BLOCKS = 600;
const FINALIZED = 560;
/** Busy blocks whose logs the node leaves out. */
const HIDDEN = new Set([103, 109, 205, 307, 403]);

/**
 * Sets up a chain whose node leaves the logs of some blocks out of its answers for ranges. While the node's blooms are zero, only the
 * receipts reveal that.
 */
async function lyingNode(proof: ProofSettings): Promise<Scene & { start(): Promise<Daemon> }> {
  const settings = { proof: { callsPerSecond: CALLS_PER_SECOND, ...proof } };
  const scene = await createScene({ chain: longChain(BLOCKS), settings });
  scene.server.view.hiddenLogs = HIDDEN;
  scene.server.view.zeroBlooms = true;
  return { ...scene, start: () => Daemon.start(scene.env, settings) };
}

async function provedTo(db: pg.Pool): Promise<number> {
  const { rows } = await db.query(`
    select min((select lower(int8multirange(int8range(0, null)) - (proved + verified)))) - 1 as block
    from indexer.contracts join indexer.chains using (chain_id)`);
  return Number(rows[0].block);
}

async function coveredTo(db: pg.Pool): Promise<number> {
  const { rows } = await db.query(`
    select min(lower(int8multirange(int8range(0, null))
      - (covered + case when live_from is null then '{}' else int8multirange(int8range(live_from, null)) end))) as block
    from indexer.contracts`);
  return rows[0].block === null ? Number.POSITIVE_INFINITY : Number(rows[0].block) - 1;
}

type Repair = { readonly from: number; readonly to: number; readonly cause: string; readonly endpoints: string[] };

async function repairs(db: pg.Pool): Promise<readonly Repair[]> {
  const { rows } = await db.query<Repair>(
    'select from_block::int as from, to_block::int as to, cause, endpoints from indexer.repairs order by id',
  );
  return rows;
}

describe('a node that leaves blocks out of its answers', () => {
  test('background: the blocks are found by the proof behind the fill and repaired', async () => {
    const { db, server, start, settled, run } = await lyingNode({});
    const daemon = await start();
    await until('history to be covered', async () => (await coveredTo(db)) >= BLOCKS);
    server.view.zeroBlooms = false;
    await until('history to be proved', async () => (await provedTo(db)) >= FINALIZED);
    await settled();
    const found = await repairs(db);
    const ends = found.flatMap(({ from, to }) => [from, to]);
    expect([Math.min(...ends), Math.max(...ends)]).toEqual([Math.min(...HIDDEN), Math.max(...HIDDEN)]);
    expect(ends.filter((block) => !HIDDEN.has(block))).toEqual([]);
    const liar = `${new URL(server.url).host}#0`;
    for (const { cause, endpoints } of found)
      expect({ cause, endpoints }).toEqual({ cause: 'proof', endpoints: [liar] });
    expect(daemon.logLines('facts repaired').length).toBeGreaterThan(0);
    const status = run('status', '--json');
    expect(await status.exited).toBe(0);
    const [chain] = JSON.parse(status.stdout).chains;
    expect(chain).toMatchObject({ failedProofs: [] });
    expect(chain.provedTo).toBe(chain.completeTo);
    expect(chain.repairs).toBeGreaterThan(0);
  });

  test('inline: the blocks count as covered only with their logs', async () => {
    const { db, start, settled } = await lyingNode({ level: 'inline' });
    await start();
    await settled();
    expect(await repairs(db)).toEqual([]);
    expect(await provedTo(db)).toBeGreaterThanOrEqual(FINALIZED);
  });

  test('off: nothing is proved', async () => {
    const { db, start } = await lyingNode({ level: 'off' });
    await start();
    await until('history to be covered', async () => (await coveredTo(db)) >= BLOCKS);
    expect(await provedTo(db)).toBeLessThan(FINALIZED);
    expect(await repairs(db)).toEqual([]);
  });

  test('blocks whose receipts are gone stay unproved, are named, and are proved once an endpoint serves them', async () => {
    const { db, server, run, settled } = await lyingNode({ level: 'off' });
    expect(await run('migrate', 'up').exited).toBe(0);
    const gone = server.misbehave({
      methods: ['eth_getBlockReceipts', 'eth_getTransactionReceipt'],
      do: { kind: 'result', result: () => null },
    });
    const first = run('backfill', '--from-block', '0', '--to-block', '200', '--proved');
    expect(await first.exited).toBe(1);
    expect(first.stderr).toContain('is complete but not proved');
    expect(first.stdout).toMatch(/unproved \d+-\d+: /);
    gone();
    const second = run('backfill', '--from-block', '0', '--to-block', '200', '--proved');
    expect(await second.exited).toBe(0);
    expect(second.stdout).toContain('complete and proved: chain');
    expect(second.stderr).toMatch(/"blocks":201,"blocksDone":201,.*"blocksProved":\d+/);
    expect(await provedTo(db)).toBeGreaterThanOrEqual(200);
    expect(await run('backfill', '--from-block', '0', '--proved').exited).toBe(0);
    await settled();
  });
});

test('a log that no bloom misses is found by a contradiction of the facts, read from receipts and repaired', async () => {
  const [alice, bob, carol] = WALLETS as unknown as [Hex, Hex, Hex];
  const chain = new Chain();
  chain.mine(9);
  chain.append({ logs: [erc20Mint(alice, 100n), erc20Transfer(alice, bob, 60n), erc20Transfer(bob, carol, 50n)] });
  chain.mine(30);
  chain.finalized = 30;
  const settings = { proof: { callsPerSecond: CALLS_PER_SECOND } };
  const scene = await createScene({ chain, settings, announce: false });
  scene.server.misbehave({
    methods: ['eth_getLogs'],
    do: {
      kind: 'result',
      result: (logs) => (logs as { logIndex: string }[]).filter(({ logIndex }) => logIndex !== '0x1'),
    },
  });
  await Daemon.start(scene.env, settings);
  await announce(scene.db, scene.artist, { kind: 'artist_token', chainId: chain.chainId, address: TOKEN, block: 1 });
  await until('the facts to be repaired', async () => (await repairs(scene.db)).length > 0);
  const liar = `${new URL(scene.server.url).host}#0`;
  expect(await repairs(scene.db)).toEqual([{ from: 10, to: 10, cause: 'balance', endpoints: [liar] }]);
  const { rows } = await scene.db.query(
    'select wallet_address as wallet, balance from token_holders where balance <> 0 order by balance',
  );
  expect(rows).toEqual([
    { wallet: bob, balance: '10' },
    { wallet: alice, balance: '40' },
    { wallet: carol, balance: '50' },
  ]);
  await until(
    'the doubt to be settled',
    async () => (await scene.db.query('select from indexer.doubts')).rowCount === 0,
  );
});
