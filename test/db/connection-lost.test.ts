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
    const asleep = sql`select pg_sleep(30)`.execute(database.kysely);
    asleep.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 200));
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
