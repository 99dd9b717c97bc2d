import { once } from 'node:events';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { expect, test } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { FrozenClients } from '../../indexer/db/frozen-clients.ts';
import { database } from '../kit/scene.ts';
import { until } from '../kit/until.ts';

const STATEMENT_TIMEOUT_MS = 500;
const FIRST = '1\n';
const REST = '2\n'.repeat(100_000);

test('a client frozen inside a COPY is terminated and its locks are released, and other clients are left alone', async () => {
  const { url, db } = await database();
  await db.query('create table line (number integer)');
  const open = openDatabase({ url });
  const connect = async (timeoutMs: number) => {
    const client = new pg.Client({ connectionString: url, application_name: 'indexer', statement_timeout: timeoutMs });
    const ended = once(client, 'error');
    await client.connect();
    return { client, ended };
  };
  const [frozen, sending, working] = [await connect(STATEMENT_TIMEOUT_MS), await connect(0), await connect(0)];
  /** Begins a COPY and leaves PostgreSQL waiting for the rest. */
  const beginCopy = ({ client }: typeof frozen) => {
    const copy = client.query(copyFrom('copy line from stdin'));
    copy.on('error', () => undefined);
    copy.write(FIRST);
    return copy;
  };
  /** Waits until PostgreSQL has processed exactly `bytes` of a COPY that began at least `silentMs` ago and waits for more. */
  const received = async (bytes: number, silentMs = 0) =>
    until(`${bytes} bytes to be processed`, async () => {
      const { rows } = await db.query(
        `select from pg_stat_activity join pg_stat_progress_copy using (pid)
         where query like 'copy line%' and wait_event = 'ClientRead' and bytes_processed = $1
           and clock_timestamp() - query_start > $2 * interval '1 millisecond'`,
        [bytes, silentMs],
      );
      return rows.length > 0;
    });
  try {
    await frozen.client.query('begin; select pg_advisory_xact_lock(7)');
    const waiting = working.client.query('select pg_advisory_lock(7)');
    beginCopy(frozen);
    // The statement timeout does not end the COPY.
    await received(FIRST.length, 2 * STATEMENT_TIMEOUT_MS);
    const patient = new FrozenClients(open, { silenceMs: 60_000, blockingSilenceMs: 60_000 });
    for (let look = 0; look < 2; look++) expect(await patient.terminate()).toBe(0);
    const copy = beginCopy(sending);
    await until('both COPY statements to wait for their clients', async () => {
      const { rows } = await db.query(
        "select from pg_stat_activity where query like 'copy line%' and wait_event = 'ClientRead'",
      );
      return rows.length === 2;
    });
    const impatient = new FrozenClients(open, { silenceMs: 1, blockingSilenceMs: 1 });
    expect(await impatient.terminate()).toBe(0);
    copy.write(REST);
    await received(FIRST.length + REST.length);
    // One of the two clients has sent data meanwhile.
    expect(await impatient.terminate()).toBe(1);
    await frozen.ended;
    await waiting;
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await impatient.terminate()).toBe(1);
    await sending.ended;
    expect((await working.client.query('select pg_advisory_unlock(7) as held')).rows).toEqual([{ held: true }]);
  } finally {
    await working.client.end();
    await open.close();
  }
});

test('a client frozen between two statements is terminated only if another one waits for a row that it locks', async () => {
  const { url, db } = await database();
  await db.query('create table line (number integer); insert into line values (1)');
  const open = openDatabase({ url });
  const clients = new FrozenClients(open, { silenceMs: 60_000, blockingSilenceMs: 1 });
  /** Calls `terminate` twice, with a pause that exceeds the limit. Returns how many clients are terminated. */
  const look = async () => {
    const first = await clients.terminate();
    await new Promise((resolve) => setTimeout(resolve, 5));
    return first + (await clients.terminate());
  };
  const frozen = new pg.Client({ connectionString: url, application_name: 'indexer' });
  const ended = once(frozen, 'error');
  frozen.on('error', () => undefined);
  const waitsForLock = async (count: number) =>
    until(`${count} clients to wait`, async () => {
      const { rows } = await db.query(
        "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      );
      return rows.length === count;
    });
  try {
    await frozen.connect();
    await frozen.query('begin; update line set number = 2');
    expect(await look()).toBe(0);
    // Maintenance waits for a lock on the table, which any long read holds.
    const maintenance = await db.connect();
    const { rows } = await maintenance.query('select pg_backend_pid() as pid');
    const altered = maintenance.query('alter table line add column other integer').catch(() => undefined);
    await waitsForLock(1);
    expect(await look()).toBe(0);
    await db.query('select pg_cancel_backend($1)', [rows[0]?.pid]);
    await altered;
    maintenance.release();
    const updated = db.query('update line set number = 3');
    await waitsForLock(1);
    expect(await look()).toBe(1);
    await ended;
    expect((await updated).rowCount).toBe(1);
  } finally {
    await open.close();
  }
});
