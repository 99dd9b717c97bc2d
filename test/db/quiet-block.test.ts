import { expect, test } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { encodeBatch } from '../../indexer/facts/encoded-batch.ts';
import { commitHead, commitStart } from '../../indexer/ingest/commit-head.ts';
import { contractIndex } from '../../indexer/ingest/contract-index.ts';
import { decodeRange } from '../../indexer/ingest/decode-range.ts';
import { readChain } from '../../indexer/progress/chains.ts';
import { factTables } from '../../indexer/protocols/protocols.ts';
import { headerOf } from '../kit/event-logs.ts';
import { createDatabase } from '../kit/postgres.ts';
import { withDatabase } from '../kit/with-database.ts';

/** Counts the rows by table that the commit of one block without logs writes when `contracts` contracts are followed. */
async function rowsWritten(contracts: number): Promise<unknown> {
  const created = await createDatabase();
  let written: unknown;
  await withDatabase(Promise.resolve(created), async (client) => {
    const database = openDatabase({ url: created.url, maxConnections: 1 });
    try {
      await client.query(`
        insert into indexer.contracts (chain_id, address, kind, platform_id, deployed_at_block, live_from, prepared_at)
        select 1, '0x' || lpad(to_hex(n), 40, '0'), 'artist_token', gen_random_uuid(), 1, 11, now() from generate_series(1, ${contracts}) n`);
      await commitStart(database, await readChain(database.kysely, 1), headerOf(10), 10);
      const seen = await readChain(database.kysely, 1);
      const range = { chainId: 1, from: 11, to: 11, headers: [headerOf(11)], logs: [] };
      const counts = async () => {
        for (const one of [client, database.pool, database.batchPool])
          await one.query('select pg_stat_force_next_flush()');
        const { rows } = await client.query(`
          select relname, n_tup_ins + n_tup_upd + n_tup_del as written from pg_stat_user_tables
          where n_tup_ins + n_tup_upd + n_tup_del > 0 order by relname`);
        return new Map(rows.map((row) => [row.relname, Number(row.written)]));
      };
      const before = await counts();
      const batch = encodeBatch(decodeRange(range, contractIndex([]), new Map()), factTables);
      await commitHead(database, { seen, range, batch, finalized: 10, joining: [] });
      const after = await counts();
      written = [...after]
        .map(([table, count]) => [table, count - (before.get(table) ?? 0)])
        .filter(([, count]) => count !== 0);
    } finally {
      await database.close();
    }
  });
  return written;
}

test('a block without logs writes the same two rows with one contract as with 10,000', async () => {
  const few = await rowsWritten(1);
  expect(few).toEqual([
    ['block_checkpoints', 1],
    ['chains', 1],
  ]);
  expect(await rowsWritten(10_000)).toEqual(few);
});
