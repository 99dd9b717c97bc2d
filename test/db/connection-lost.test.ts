import { sql } from 'kysely';
import { expect, inject, test } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { TcpProxy } from '../kit/proxy.ts';
import { until } from '../kit/until.ts';

test('a connection that breaks during a statement fails only that statement', async () => {
  const proxy = await TcpProxy.before(inject('postgresUrl'));
  const database = openDatabase({ url: proxy.url(inject('postgresUrl')), maxConnections: 2 });
  const uncaught: Error[] = [];
  const recordError = (error: Error) => uncaught.push(error);
  process.on('uncaughtException', recordError);
  try {
    await sql`select 1`.execute(database.kysely);
    const sleeping = sql`select pg_sleep(3600)`.execute(database.kysely);
    sleeping.catch(() => undefined);
    const watcher = openDatabase({ url: inject('postgresUrl'), maxConnections: 1 });
    try {
      await until('the statement to run', async () => {
        const { rows } = await watcher.pool.query("select from pg_stat_activity where query = 'select pg_sleep(3600)'");
        return rows.length > 0;
      });
    } finally {
      await watcher.close();
    }
    proxy.refuse();
    await expect(sleeping).rejects.toThrow();
    proxy.heal();
    await until('the database to respond', () => sql`select 1`.execute(database.kysely));
    expect(uncaught).toEqual([]);
  } finally {
    process.off('uncaughtException', recordError);
    await database.close();
  }
});
