import { sql } from 'kysely';
import {
  explainQueueError,
  isInRedis,
  openRedis,
  type QueueSettings,
  queueSettings,
} from '../backfill/queue-server.ts';
import type { Config } from '../config/resolve.ts';
import { openDatabase } from '../db/database.ts';
import { probeServer } from '../db/server.ts';
import { Examination, type Finding, failed, type Outcome, ok, warning } from './finding.ts';

/** The oldest version of Redis with which BullMQ works, and the oldest that BullMQ recommends (https://docs.bullmq.io). */
const REDIS_VERSION_MIN = 5;
const REDIS_VERSION_RECOMMENDED = 6.2;

/** Checks the queue for filling history. Changes nothing. */
export async function examineQueue(config: Config, signal: AbortSignal): Promise<readonly Finding[]> {
  const examination = new Examination('queue', signal);
  const settings = queueSettings(config);
  if (isInRedis(settings)) await examineRedis(examination, settings);
  else if (settings.url !== '') await examination.check('connection', 'failed', () => checkPostgres(settings));
  return examination.findings;
}

async function examineRedis(examination: Examination, settings: QueueSettings): Promise<void> {
  let info = '';
  const isReachable = await examination.check('connection', 'failed', async () => {
    const redis = openRedis(settings);
    let lost: unknown;
    redis.on('error', (error) => {
      lost ??= error;
    });
    try {
      await redis.connect();
      await redis.ping();
      // INFO may be forbidden.
      info = await redis.info().catch(() => '');
      return ok(`${settings.variable} leads to a Redis`);
    } catch (error) {
      throw explainQueueError(lost ?? error, settings);
    } finally {
      redis.disconnect();
    }
  });
  if (!isReachable) return;
  await examination.check('version', 'warning', async () => judgeRedisVersion(/^redis_version:(\S+)/m.exec(info)?.[1]));
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  await examination.check('eviction', 'warning', async () => judgeEviction(policy, settings.variable));
}

/** Judges the version of a Redis server. `version` is undefined if the server does not tell it. */
export function judgeRedisVersion(version: string | undefined): Outcome {
  if (version === undefined) return warning('the server does not tell its version', 'allow the command INFO');
  const number = Number.parseFloat(version);
  if (number < REDIS_VERSION_MIN)
    return failed(`Redis ${version} is too old`, `upgrade to ${REDIS_VERSION_RECOMMENDED} or newer`);
  if (number < REDIS_VERSION_RECOMMENDED)
    return warning(`Redis ${version} is old`, `upgrade to ${REDIS_VERSION_RECOMMENDED} or newer`);
  return ok(`Redis ${version}`);
}

function judgeEviction(policy: string | undefined, variable: string): Outcome {
  if (policy === 'noeviction') return ok('the policy is noeviction');
  if (policy === undefined)
    return warning('the server does not tell its maxmemory-policy', 'make sure that it is noeviction');
  return warning(
    `the maxmemory-policy ${policy} may evict jobs of the queue, which are then planned again`,
    `set it to noeviction; if ${variable} is the cache of another program, set QUEUE_URL to another server or to the database`,
  );
}

async function checkPostgres({ url, variable }: QueueSettings): Promise<Outcome> {
  const server = await probeServer(url, variable);
  const database = openDatabase({ ...server, maxConnections: 1 });
  try {
    const { rows } = await sql<{ exists: boolean; creates: boolean }>`
      select to_regnamespace('bullmq') is not null as exists,
        has_database_privilege(current_database(), 'create') as creates
    `.execute(database.kysely);
    if (rows[0]?.exists !== true && rows[0]?.creates !== true)
      return failed('the user may not create the schema bullmq', 'grant create on the database to the user');
    return ok(`in PostgreSQL, at ${variable}`);
  } finally {
    await database.close();
  }
}
