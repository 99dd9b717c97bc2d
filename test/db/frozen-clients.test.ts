import { once } from 'node:events';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { expect, test } from 'vitest';
import { openDatabase } from '../../indexer/db/database.ts';
import { FrozenClients } from '../../indexer/db/frozen-clients.ts';
import { database } from '../kit/follow.ts';
import { until } from '../kit/until.ts';

test('who stops in the middle of a COPY is ended, and what it locked is free; who works is left alone', async () => {
  const { url, db } = await database();
  await db.query('create table line (number integer)');
  const open = openDatabase({ url });
  const frozen = new pg.Client({ connectionString: url, application_name: 'indexer', statement_timeout: 500 });
  const ended = once(frozen, 'error');
  await frozen.connect();
  try {
    await frozen.query('begin; select pg_advisory_xact_lock(7)');
    const copy = frozen.query(copyFrom('copy line from stdin'));
    copy.on('error', () => undefined);
    copy.write('1\n');
    await until('PostgreSQL to wait for the rest', async () => {
      const { rows } = await db.query(
        "select from pg_stat_activity where query like 'copy line%' and wait_event = 'ClientRead'",
      );
      return rows.length === 1;
    });
    const working = open.pool.query('select pg_sleep(1)');
    const patient = new FrozenClients(open, 60_000);
    for (let look = 0; look < 2; look++) expect(await patient.look()).toBe(0);
    const impatient = new FrozenClients(open, 1);
    expect(await impatient.look()).toBe(0);
    copy.write(`${'2\n'.repeat(100_000)}`);
    await until('it to have come', async () => {
      const { rows } = await db.query('select from pg_stat_progress_copy where bytes_processed > 100000');
      return rows.length === 1;
    });
    // Something came meanwhile.
    expect(await impatient.look()).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await impatient.look()).toBe(1);
    await ended;
    await db.query('select pg_advisory_lock(7)');
    await working;
  } finally {
    await open.close();
  }
});
