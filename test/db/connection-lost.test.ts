import { sql } from 'kysely';
import { expect, inject, test } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { longTransaction } from '../../indexer/db/transaction.ts';
import { createLogger } from '../../indexer/observability/log.ts';
import { createDatabase } from '../kit/postgres.ts';
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

test('a transaction whose connection is terminated before its commit runs again, with one effect', async () => {
  const { url, drop } = await createDatabase();
  const [database, other] = [openDatabase({ url, maxConnections: 2 }), openDatabase({ url, maxConnections: 1 })];
  try {
    await sql`create table counted (attempt int)`.execute(database.kysely);
    for (const when of ['in a statement', 'between statements']) {
      let attempts = 0;
      await longTransaction(database, async (tx) => {
        attempts += 1;
        await sql`insert into counted values (${attempts})`.execute(tx);
        if (attempts > 1) return;
        const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
        const end = () => sql`select pg_terminate_backend(${rows[0]?.pid}::int)`.execute(other.kysely);
        if (when === 'in a statement') await Promise.all([sql`select pg_sleep(3600)`.execute(tx), end()]);
        else await end().then(() => sql`select 1`.execute(tx));
      });
      expect(attempts).toBe(2);
    }
    const { rows } = await sql`select attempt from counted`.execute(database.kysely);
    expect(rows).toEqual([{ attempt: 2 }, { attempt: 2 }]);
  } finally {
    await Promise.all([database.close(), other.close()]);
    await drop();
  }
});

test('the log of a lost idle connection has the reason, without statements and keys of the connection', async () => {
  const lines: string[] = [];
  const sink = { write: (line: string) => lines.push(line) };
  const log = createLogger({ level: 'info', redact: (text) => text, sink, pretty: false });
  const url = inject('postgresUrl');
  const onConnectionLost = (err: Error) => log.warn({ err }, 'lost');
  const [database, other] = [openDatabase({ url, maxConnections: 1, onConnectionLost }), openDatabase({ url })];
  try {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(database.kysely);
    await sql`select pg_terminate_backend(${rows[0]?.pid}::int)`.execute(other.kysely);
    await until('the loss to be logged', () => lines.length > 0);
    const { err } = JSON.parse(lines[0] ?? '') as { err: Record<string, unknown> };
    expect(err.message).toContain('terminating connection');
    expect(err.code).toBe('57P01');
    expect(lines[0]).not.toMatch(/secretKey|pg_backend_pid/);
  } finally {
    await Promise.all([database.close(), other.close()]);
  }
});
