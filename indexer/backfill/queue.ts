import { createPostgresBackend, type Job, Queue, Worker } from 'bullmq';
import { Cluster } from 'ioredis';
import { type Kysely, sql } from 'kysely';
import type { RedisSettings } from '../config/define.ts';
import type { DB } from '../db/schema.ts';
import { IndexerError, messageOf } from '../kernel/errors.ts';
import type { BlockRange } from '../kernel/ranges.ts';
import { within } from '../kernel/sleep.ts';
import type { Setbacks } from './verdict.ts';

/** Where the queue lives: ioredis' options where the configuration gives them, else by URL in Redis or in PostgreSQL. */
export type QueueSettings = { readonly url: string; readonly redis?: RedisSettings | undefined };

/** All that a job says. What there is to do, the worker asks the database when it runs. */
export type FillJob = BlockRange & {
  readonly chainId: number;
  /** Whether everything since deployment is wanted, or just what requests ask for. */
  readonly standing: boolean;
  readonly setbacks?: Setbacks;
};

/** A job that is ours until it is done, put off or given back. */
export type TakenJob = {
  readonly job: FillJob;
  /** It leaves the queue. */
  done(): Promise<void>;
  /** It comes again after a while, and remembers what befell it. */
  putOff(delayMs: number, reason: string, setbacks: Setbacks): Promise<void>;
  /** Another worker may have it at once. */
  giveBack(): Promise<void>;
};

export type QueueCounts = { readonly waiting: number; readonly active: number; readonly putOff: number };

const SCHEMA = 'bullmq';
/** A worker that is silent for so long has lost its job. */
const LOCK_MS = 10_000;
const LOCK_RENEWAL_MS = 3_000;
const STALLED_CHECK_MS = 3_000;
/** A job may come back from killed workers for ever: coverage says when it is done, nobody else. */
const STALLED_COUNT_MAX = 1_000_000;
const ATTEMPTS_MAX = 1_000_000;
const OPEN_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 2_000;
const COMMAND_TIMEOUT_MS = 10_000;
/** Nobody listens to BullMQ's events. */
const EVENTS_KEPT = 100;
const CONNECTIONS_MAX = 2;
const PENDING_STATES = ['wait', 'active', 'delayed'] as const;

/** One name for each database: several may share a Redis. A physical copy of a whole server needs a Redis of its own. */
export async function queueNameOf(db: Kysely<DB>, chainId: number): Promise<string> {
  const { rows } = await sql<{ name: string }>`
    select left(md5(system_identifier || '-' || oid), 16) as name
    from pg_control_system(), pg_database where datname = current_database()
  `.execute(db);
  return `${rows[0]?.name}-${chainId}`;
}

/** The delay that a failed job is to wait is decided before BullMQ hears of the failure. */
class PutOff extends Error {
  readonly delayMs: number;

  constructor(reason: string, delayMs: number) {
    super(reason);
    this.delayMs = delayMs;
  }
}

/** The queue of one chain of one database, in Redis or in PostgreSQL. */
export class BackfillQueue {
  readonly #queue: Queue<FillJob>;
  readonly #worker: Worker<FillJob>;
  readonly #release: () => void;
  #tokens = 0;

  private constructor(queue: Queue<FillJob>, worker: Worker<FillJob>, release: () => void) {
    this.#queue = queue;
    this.#worker = worker;
    this.#release = release;
  }

  /**
   * Connects, and makes the schema where the queue lives in PostgreSQL.
   *
   * @param onError told of what goes wrong in the background
   * @throws {IndexerError} where the server does not answer in time.
   */
  static async open(
    settings: QueueSettings,
    name: string,
    onError: (error: Error) => void,
    signal: AbortSignal,
  ): Promise<BackfillQueue> {
    let trouble: Error | undefined;
    const hear = (error: Error) => {
      trouble = error;
      onError(error);
    };
    const queue = construct(settings, name, hear);
    const ready = Promise.all([queue.#queue.waitUntilReady(), queue.#worker.waitUntilReady()]);
    ready.catch(() => undefined);
    try {
      if ((await within(OPEN_TIMEOUT_MS, ready, signal)) === undefined) {
        throw trouble ?? new IndexerError(`no answer within ${OPEN_TIMEOUT_MS / 1_000} s`);
      }
      await queue.#worker.startStalledCheckTimer();
      return queue;
    } catch (error) {
      // BullMQ opens connections on its way to being ready, also once it was closed.
      await within(CLOSE_TIMEOUT_MS, Promise.allSettled([ready]));
      await queue.close();
      throw new IndexerError(`the queue at ${whereOf(settings)} cannot be used: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Adds jobs. One that is in the queue already, by its id, stays as it is. */
  async add(jobs: readonly { readonly id: string; readonly job: FillJob }[]): Promise<void> {
    if (jobs.length === 0) return;
    await this.#queue.addBulk(jobs.map(({ id, job }) => ({ name: 'fill', data: job, opts: { jobId: id } })));
  }

  /** The ranges of all jobs that wait, run or were put off. */
  async pending(): Promise<readonly BlockRange[]> {
    const ids = await this.#queue.getRanges([...PENDING_STATES]);
    return ids.flatMap((id) => rangeOf(id) ?? []);
  }

  /** How many jobs wait, run, and were put off. */
  async counts(): Promise<QueueCounts> {
    const { wait = 0, active = 0, delayed = 0 } = await this.#queue.getJobCounts(...PENDING_STATES);
    return { waiting: wait, active, putOff: delayed };
  }

  /** The oldest waiting job; undefined where there is none. */
  async take(): Promise<TakenJob | undefined> {
    const token = `${this.#worker.id}:${this.#tokens++}`;
    const job = await this.#worker.getNextJob(token, { block: false });
    return job === undefined ? undefined : taken(job, token);
  }

  /** Closes within seconds, also where the server is away. */
  async close(): Promise<void> {
    await within(CLOSE_TIMEOUT_MS, Promise.allSettled([this.#worker.close(true), this.#queue.close()]));
    await within(CLOSE_TIMEOUT_MS, Promise.allSettled([this.#worker.disconnect(), this.#queue.disconnect()]));
    this.#release();
  }

  static of(queue: Queue<FillJob>, worker: Worker<FillJob>, release: () => void): BackfillQueue {
    return new BackfillQueue(queue, worker, release);
  }
}

/** An id tells its range, is the same for the same range of the same plan, and has no colon, which BullMQ rejects. */
export function jobId({ chainId, from, to }: FillJob, epoch: number, attempt: number): string {
  return `${chainId}-${from}-${to}-${epoch}-${attempt}`;
}

function rangeOf(id: string): BlockRange | undefined {
  const match = /^\d+-(\d+)-(\d+)-/.exec(id);
  return match === null ? undefined : { from: Number(match[1]), to: Number(match[2]) };
}

function construct(settings: QueueSettings, name: string, onError: (error: Error) => void): BackfillQueue {
  const inRedis = settings.redis !== undefined || /^rediss?:/.test(settings.url);
  const { connection, release } = inRedis ? redisConnection(settings, onError) : postgresConnection(settings.url);
  const backend = (inRedis ? undefined : createPostgresBackend) as never;
  // The braces keep a queue's keys on one node of a cluster.
  const common = { connection: connection as never, prefix: `{indexer-${name}}` };
  const queue = new Queue<FillJob>(
    `backfill-${name}`,
    {
      ...common,
      streams: { events: { maxLen: EVENTS_KEPT } },
      defaultJobOptions: {
        attempts: ATTEMPTS_MAX,
        backoff: { type: 'decided' },
        removeOnComplete: true,
        removeOnFail: true,
        stackTraceLimit: 0,
      },
    },
    backend,
  );
  const worker = new Worker<FillJob>(
    `backfill-${name}`,
    null,
    {
      ...common,
      autorun: false,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      maxStalledCount: STALLED_COUNT_MAX,
      settings: { backoffStrategy: (_, __, error) => (error instanceof PutOff ? error.delayMs : LOCK_MS) },
    },
    backend,
  );
  queue.on('error', onError);
  worker.on('error', onError);
  return BackfillQueue.of(queue, worker, release);
}

function redisConnection({ url, redis }: QueueSettings, onError: (error: Error) => void) {
  // What cannot be said now fails now: the loops that asked come again.
  const options = { enableOfflineQueue: false, commandTimeout: COMMAND_TIMEOUT_MS, ...redis?.options };
  if (redis?.cluster === undefined) {
    return { connection: redis === undefined ? { url, ...options } : options, release: () => undefined };
  }
  const cluster = new Cluster([...redis.cluster], { redisOptions: options as never, enableOfflineQueue: false });
  cluster.on('error', onError);
  return { connection: cluster, release: () => cluster.disconnect() };
}

function postgresConnection(url: string) {
  const connection = {
    connectionString: url,
    schema: SCHEMA,
    migrate: true,
    max: CONNECTIONS_MAX,
    application_name: 'indexer-queue',
    connectionTimeoutMillis: COMMAND_TIMEOUT_MS / 2,
    query_timeout: COMMAND_TIMEOUT_MS,
    keepAlive: true,
    // What a crash takes from the queue is planned again.
    options: '-c synchronous_commit=off',
  };
  return { connection, release: () => undefined };
}

function taken(job: Job<FillJob>, token: string): TakenJob {
  const renewal = setInterval(() => void job.extendLock(token, LOCK_MS).catch(() => undefined), LOCK_RENEWAL_MS);
  const leave = async (move: () => Promise<unknown>) => {
    clearInterval(renewal);
    // Where the lock was lost meanwhile, another worker has the job: it finds nothing left to do.
    await move().catch((error: unknown) => {
      if (!isLost(error)) throw error;
    });
  };
  return {
    job: job.data,
    done: () => leave(() => job.moveToCompleted(undefined as never, token, false)),
    putOff: (delayMs, reason, setbacks) =>
      leave(async () => {
        await job.updateData({ ...job.data, setbacks });
        await job.moveToFailed(new PutOff(reason, Math.ceil(delayMs)), token, false);
      }),
    giveBack: () => leave(() => job.moveToWait(token)),
  };
}

/** BullMQ's own errors carry a negative number: the job is gone, or another worker's. */
function isLost(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'number' && code < 0;
}

/** For messages: without user, password and path. */
function whereOf({ url, redis }: QueueSettings): string {
  if (redis !== undefined) return 'the configured Redis';
  return `${new URL(url).protocol}//${new URL(url).host}`;
}
