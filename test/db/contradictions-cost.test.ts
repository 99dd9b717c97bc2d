import pg from 'pg';
import { expect, test } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { ZERO_ADDRESS } from '../../indexer/kernel/chain.ts';
import { addressOf } from '../kit/event-logs.ts';
import { ALICE, move, SweepScene } from '../kit/sweep-scene.ts';
import { until } from '../kit/until.ts';

const BLOCKS = 18;
const TRANSFERS_PER_BLOCK = 100;

test('each window of a wallet that takes part in every transfer reads its own facts only', async () => {
  const scene = await SweepScene.open();
  const url = scene.database.pool.options.connectionString ?? '';
  const sweeping = openDatabase({ url });
  try {
    const transfers = Array.from({ length: BLOCKS * TRANSFERS_PER_BLOCK }, (_, at) =>
      move(
        at === 0 ? ZERO_ADDRESS : ALICE,
        at === 0 ? ALICE : addressOf(0x1_0000 + at),
        at === 0 ? 10_000n : 1n,
        2 + Math.floor(at / TRANSFERS_PER_BLOCK),
        at % TRANSFERS_PER_BLOCK,
      ),
    );
    await scene.fill(transfers);
    await endConnections(url);
    const before = await readRows(url);
    const steps = await scene.sweep(TRANSFERS_PER_BLOCK, undefined, sweeping);
    expect(await scene.doubts()).toEqual([]);
    const { rows } = await scene.query('select value from indexer.sweep_values where key = $1', [ALICE]);
    expect(rows).toEqual([{ value: String(10_000 - transfers.length + 1) }]);
    // The artist token needs one window per block. Each rule of the other contracts needs one window up to the end.
    expect(steps).toBeLessThanOrEqual(BLOCKS + 6);
    await sweeping.close();
    // A window's facts are read twice: to find its end, and to check them. If each window read all facts, the sum would be far larger.
    expect((await readRows(url)) - before).toBeLessThanOrEqual(3 * transfers.length);
  } finally {
    await scene.drop();
  }
});

/** Terminates the connections to a database, so that they report now what they read. Otherwise they may report it at any later time. */
async function endConnections(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const others = 'from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()';
  try {
    await client.query(`select pg_terminate_backend(pid) ${others}`);
    await until('the connections to end', async () => (await client.query(`select ${others}`)).rows.length === 0);
  } finally {
    await client.end();
  }
}

/** Returns the number of rows of `token_transfers` that statements have read. Connections report it when they end. */
async function readRows(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query(
      `select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) as read from pg_stat_user_tables where relname = 'token_transfers'`,
    );
    return Number(rows[0].read);
  } finally {
    await client.end();
  }
}
