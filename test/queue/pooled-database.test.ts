import { describe, expect, test } from 'vitest';
import { busyBlocks } from '../kit/music.ts';
import { hasPgBouncer, transactionPooler } from '../kit/pgbouncer.ts';
import { createEmptyDatabase } from '../kit/postgres.ts';
import { Program } from '../kit/program.ts';
import { onEachQueue } from '../kit/redis.ts';
import { atHead } from '../kit/settled.ts';
import { until } from '../kit/until.ts';
import { longChain, scene } from './scene.ts';

const installed = await hasPgBouncer();
const title = `through PgBouncer in transaction mode${installed ? '' : ' (NOT INSTALLED HERE)'}`;

describe.skipIf(!installed)(title, async () => {
  await onEachQueue((place) => {
    for (const direct of [false, true]) {
      test(`${direct ? 'with' : 'without'} DATABASE_DIRECT_URL the daemon follows and fills, a worker and a backfill too`, async () => {
        const pooler = { url: await transactionPooler() };
        const { run, db, chain, settled } = await scene(place(), longChain(2_000), { databaseProxy: pooler, direct });
        const daemon = run('start');
        const worker = run('worker');
        await until('the head', () => atHead(db, chain.chainId, chain.head.hash));
        const backfill = run('backfill', '--from-block', '0');
        chain.append(...busyBlocks(3)(5));
        expect(await backfill.exited).toBe(0);
        await settled();
        expect(await run('status').exited).toBe(0);
        const warnings = daemon.logLines('DATABASE_URL leads to a pooler');
        expect(warnings).toHaveLength(direct ? 0 : 1);
        for (const program of [daemon, worker]) {
          expect(program.stderr).not.toMatch(/prepared statement|unsupported startup|search_path/);
          expect(await program.stop()).toBe(0);
        }
      });
    }
  });

  test('without sessions one daemon leads, and another takes over when it is killed', async () => {
    const pooler = { url: await transactionPooler() };
    const { run, db, chain, settled } = await scene({ url: undefined, redis: undefined }, longChain(200), {
      databaseProxy: pooler,
    });
    const first = run('start');
    await until('a leader', () => first.logLines('leading the chain').length > 0);
    const second = run('start');
    await until('a stand-by', () => second.logLines('standing by').length > 0);
    // A lock that outlived its transaction would belong to a connection that the pooler lends to anybody.
    await until('the lock to belong to a transaction that stays open', async () => {
      const { rows } = await db.query(
        `select from pg_locks join pg_stat_activity using (pid)
         where locktype = 'advisory' and granted and xact_start < now() - interval '5 seconds'
           and (classid::bigint << 32) | objid::bigint = hashtextextended('indexer:leader:' || $1, 0)`,
        [chain.chainId],
      );
      return rows.length === 1;
    });
    await first.kill();
    await until('another leader', () => second.logLines('leading the chain').length > 0);
    chain.append(...busyBlocks(3)(5));
    await until('the head', () => atHead(db, chain.chainId, chain.head.hash));
    await settled();
  });

  test('the schema is migrated up and down', async () => {
    const { url, drop } = await createEmptyDatabase();
    const env = { DATABASE_URL: (await transactionPooler())(url) };
    for (const command of [['migrate'], ['migrate', 'status'], ['digest'], ['migrate', 'down'], ['migrate', 'up']]) {
      const program = new Program(command, env);
      expect(await program.exited, program.stderr).toBe(0);
    }
    await drop();
  });
});
