import { sql } from 'kysely';
import { expect, inject, test } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { TcpProxy } from '../kit/proxy.ts';
import { until } from '../kit/until.ts';

test('a connection that breaks under a statement fails the statement and nothing else', async () => {
  const proxy = await TcpProxy.before(inject('postgresUrl'));
  const database = openDatabase({ url: proxy.url(inject('postgresUrl')), maxConnections: 2 });
  const breaks: Error[] = [];
  const hear = (error: Error) => breaks.push(error);
  process.on('uncaughtException', hear);
  try {
    await sql`select 1`.execute(database.kysely);
    const asleep = sql`select pg_sleep(3600)`.execute(database.kysely);
    asleep.catch(() => undefined);
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
    await expect(asleep).rejects.toThrow();
    proxy.heal();
    await until('the database', () => sql`select 1`.execute(database.kysely));
    expect(breaks).toEqual([]);
  } finally {
    process.off('uncaughtException', hear);
    await database.close();
  }
});
