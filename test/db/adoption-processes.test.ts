import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { createBackend, expectMigrated, holdLock } from '../kit/backend.ts';
import { createEmptyDatabase } from '../kit/postgres.ts';
import { Program } from '../kit/program.ts';
import { until } from '../kit/until.ts';
import { withDatabase } from '../kit/with-database.ts';

test('two processes that migrate at once do not wait for each other for ever when the tables need adoption', async () => {
  const { url, drop } = await createEmptyDatabase();
  await withDatabase(Promise.resolve({ url, drop }), async (client, db) => {
    await createBackend(client);
    // The first process repeats its first step while the reader holds its lock. So both processes are adopting when index builds begin.
    const reader = await holdLock(db, 'artists');
    const programs = [1, 2].map(() => new Program(['migrate'], { DATABASE_URL: url }));
    await until('both processes to ask for the lock of adoptions', async () => {
      const { rowCount } = await client.query(`
        select from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and query ~ 'advisory_xact_lock'`);
      return rowCount === 2;
    });
    await reader.release();
    await until('both processes to end', () => programs.every(({ isRunning }) => !isRunning));
    expect(await Promise.all(programs.map(({ exited }) => exited))).toEqual([0, 0]);
    const outputs = programs.map(({ stdout }) => stdout).sort();
    expect(outputs).toEqual([expect.stringContaining('applied 0001_identity'), 'up to date\n']);
    expect(
      programs.flatMap((program) => program.logLines('another session', 'adoption by another process')),
    ).toHaveLength(1);
    await expectMigrated(client);
  });
});

test('a process that was killed while it built an index is followed by one that completes the adoption', async () => {
  const { url, drop } = await createEmptyDatabase();
  await withDatabase(Promise.resolve({ url, drop }), async (client, db) => {
    await createBackend(client);
    // A concurrent index build waits until this snapshot is gone.
    const snapshot = await db.startTransaction().setIsolationLevel('repeatable read').execute();
    await sql`select from users`.execute(snapshot);
    const waiting = (query: string) =>
      until(`${query} to wait`, async () => {
        const { rowCount } = await client.query(
          `select from pg_stat_activity
           where datname = current_database() and wait_event_type = 'Lock' and query ilike $1 || '%'`,
          [query],
        );
        return rowCount === 1;
      });
    const killed = new Program(['migrate'], { DATABASE_URL: url });
    await waiting('create index concurrently');
    await killed.kill();
    const next = new Program(['migrate'], { DATABASE_URL: url });
    // The session of the killed process still waits and holds a lock on the table. So the next process waits for that lock.
    await waiting('drop index concurrently');
    await snapshot.commit().execute();
    expect(await next.exited).toBe(0);
    expect((await client.query('select from pg_index where not indisvalid')).rowCount).toBe(0);
    await expectMigrated(client);
  });
});
