import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { findSessions, probeServer } from '../../indexer/db/server.ts';
import { batchTransaction, transaction } from '../../indexer/db/transaction.ts';
import { hasPgBouncer, transactionPooler } from '../kit/pgbouncer.ts';
import { createDatabase } from '../kit/postgres.ts';

const installed = await hasPgBouncer();

describe.skipIf(!installed)(`behind PgBouncer in transaction mode${installed ? '' : ' (NOT INSTALLED HERE)'}`, () => {
  for (const [behaviour, settings] of [
    ['refuses settings', []],
    ['ignores settings', ['ignore_startup_parameters = options,statement_timeout,lock_timeout,extra_float_digits']],
  ] as const) {
    test(`a pooler that ${behaviour} is recognised, and transactions have their timeouts and no named statement`, async () => {
      const { url, drop } = await createDatabase();
      const pooled = (await transactionPooler(...settings))(url);
      const server = await probeServer(pooled, 'DATABASE_URL');
      expect(server).toEqual({ url: pooled, pooled: true });
      expect(await findSessions(server, undefined)).toEqual({ url: pooled, lasting: false });
      expect(await findSessions(server, url)).toEqual({ url, lasting: true });
      await expect(findSessions(server, pooled)).rejects.toThrow(/^DATABASE_DIRECT_URL: a pooler answers there/);
      const database = openDatabase({ ...server, maxConnections: 4 });
      try {
        // There are more clients than server connections, so that statements of one client run on several server connections.
        const timeouts = await Promise.all(
          Array.from({ length: 30 }, () =>
            transaction(database, async (tx) => {
              const { rows } = await sql`select current_setting('statement_timeout') as timeout`.execute(tx);
              return rows[0];
            }),
          ),
        );
        expect(new Set(timeouts.map((row) => JSON.stringify(row)))).toEqual(new Set(['{"timeout":"2min"}']));
        await sql`create table marks (n int)`.execute(database.kysely);
        const insert = { statement: sql`insert into marks values (${1}::int)` };
        await Promise.all(Array.from({ length: 30 }, () => batchTransaction(database, [insert, insert])));
        const { rows } = await sql`select count(*)::int as n from marks`.execute(database.kysely);
        expect(rows).toEqual([{ n: 60 }]);
      } finally {
        await database.close();
        await drop();
      }
    });
  }

  test('without a pooler, sessions are kept', async () => {
    const { url, drop } = await createDatabase();
    expect(await probeServer(url, 'DATABASE_URL')).toEqual({ url, pooled: false });
    await drop();
  });
});
