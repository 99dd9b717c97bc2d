import { type Job, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { type Kysely, sql } from 'kysely';
import type { DB } from '../db/schema.ts';
import { IndexerError } from '../kernel/errors.ts';
import type { BlockRange } from '../kernel/ranges.ts';
import { within } from '../kernel/sleep.ts';
import type { FailureHistory } from './decide-retry.ts';
import { openQueuePool, postgresBackend } from './queue-postgres.ts';
import {
  COMMAND_TIMEOUT_MS,
  explainQueueError,
  isInRedis,
  type QueueSettings,
  redisConnection,
} from './queue-server.ts';

/** The payload of a job: a range. Only when the job runs, the database says which blocks of the range are missing. */
export type FillJob = BlockRange & {
  readonly chainId: number;
  /** Whether to fill all blocks since each contract's deployment, and not only the blocks of running requests. */
  readonly standing: boolean;
  readonly history?: FailureHistory;
};

/** A job that this worker has locked until it is completed, delayed or released. */
export type ClaimedJob = {
  readonly job: FillJob;
  /** Removes the job from the queue. */
  complete(): Promise<void>;
  /** Makes the job available again after a delay, and stores the history of its failures. */
  delay(delayMs: number, reason: string, history: FailureHistory): Promise<void>;
  /** Makes the job available to another worker at once. */
  release(): Promise<void>;
};

/** The number of jobs of a queue by state. */
export type QueueCounts = { readonly waiting: number; readonly active: number; readonly delayed: number };

/** A worker loses its job when it has not renewed the lock for this long. */
const LOCK_MS = 10_000;
const LOCK_RENEWAL_MS = 3_000;
const STALLED_CHECK_MS = 3_000;
/** A job may lose its worker (stall) any number of times, because workers may be killed. Only coverage decides whether a job is done. */
const STALLED_COUNT_MAX = 1_000_000;
const ATTEMPTS_MAX = 1_000_000;
const OPEN_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 1_000;
/** Number of events that BullMQ keeps. Nothing reads them. */
const EVENTS_KEPT = 100;
const PENDING_STATES = ['wait', 'active', 'delayed'] as const;

/**
 * Returns the name of a chain's queue. It is unique per database, because several databases may share a Redis. The queues of a physical
 * copy of a database server have the same names, so the copy needs its own Redis.
 */
export async function queueNameOf(db: Kysely<DB>, chainId: number): Promise<string> {
  const { rows } = await sql<{ name: string }>`
    select left(md5(system_identifier || '-' || oid), 16) as name
    from pg_control_system(), pg_database where datname = current_database()
  `.execute(db);
  return `${rows[0]?.name}-${chainId}`;
}

/** The error with which a job is delayed. BullMQ computes the delay of a failed job from its error, so the error carries the delay. */
class Delayed extends Error {
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
   * Connects to the queue. Creates its schema if it is in PostgreSQL.
   *
   * @param onError called with each error of a connection to the queue
   * @throws {IndexerError} if the server does not answer in time.
   */
  static async open(
    settings: QueueSettings,
    name: string,
    onError: (error: Error) => void,
    signal: AbortSignal,
  ): Promise<BackfillQueue> {
    let lastError: Error | undefined;
    const onConnectionError = (error: Error) => {
      lastError = error;
      onError(explainQueueError(error, settings));
    };
    const opening = connect(settings, onConnectionError).then((found) => construct(found, name, onConnectionError));
    const ready = opening.then(async (queue) => {
      await Promise.all([queue.#queue.waitUntilReady(), queue.#worker.waitUntilReady()]);
      await queue.#worker.startStalledCheckTimer();
      return queue;
    });
    try {
      const queue = await within(OPEN_TIMEOUT_MS, ready, signal);
      if (queue === undefined) throw lastError ?? new IndexerError(`no answer within ${OPEN_TIMEOUT_MS / 1_000} s`);
      return queue;
    } catch (error) {
      // Wait before closing: until BullMQ is ready, it continues to open connections even if it was closed.
      await within(CLOSE_TIMEOUT_MS, Promise.allSettled([ready]));
      await within(2 * CLOSE_TIMEOUT_MS, Promise.allSettled([opening.then((queue) => queue.close())]));
      throw explainQueueError(error, settings);
    }
  }

  /** Adds jobs. A job whose id is in the queue already stays as it is. */
  async add(jobs: readonly { readonly id: string; readonly job: FillJob }[]): Promise<void> {
    if (jobs.length === 0) return;
    await this.#queue.addBulk(jobs.map(({ id, job }) => ({ name: 'fill', data: job, opts: { jobId: id } })));
  }

  /** Returns the ranges of all jobs: waiting, active and delayed. */
  async pending(): Promise<readonly BlockRange[]> {
    // Without the last two arguments BullMQ returns two jobs of each state.
    const ids = await this.#queue.getRanges([...PENDING_STATES], 0, -1);
    return ids.flatMap((id) => rangeOf(id) ?? []);
  }

  /** Counts the jobs by state. */
  async counts(): Promise<QueueCounts> {
    const { wait = 0, active = 0, delayed = 0 } = await this.#queue.getJobCounts(...PENDING_STATES);
    return { waiting: wait, active, delayed };
  }

  /** Claims the oldest waiting job; undefined if there is none. */
  async claim(): Promise<ClaimedJob | undefined> {
    const token = `${this.#worker.id}:${this.#tokens++}`;
    const job = await this.#worker.getNextJob(token, { block: false });
    return job === undefined ? undefined : claimedJob(job, token);
  }

  /** The queue object of BullMQ, which the web page of Bull Board shows. */
  get board(): Queue {
    return this.#queue as Queue;
  }

  /** Returns the policy by which Redis evicts keys when its memory is full. Undefined in PostgreSQL, or if Redis does not report it. */
  async evictionPolicy(): Promise<string | undefined> {
    const { client } = this.#queue.getBackend() as unknown as { readonly client?: Promise<Pick<Redis, 'info'>> };
    // CONFIG is forbidden on many managed servers. INFO is not.
    const info = await (await client)?.info().catch(() => undefined);
    return /^maxmemory_policy:(\S+)/m.exec(info ?? '')?.[1];
  }

  /** Closes the connections within seconds, even if the server is unavailable. */
  async close(): Promise<void> {
    await within(CLOSE_TIMEOUT_MS, Promise.allSettled([this.#worker.close(true), this.#queue.close()]));
    await within(CLOSE_TIMEOUT_MS, Promise.allSettled([this.#worker.disconnect(), this.#queue.disconnect()]));
    this.#release();
  }

  /** Returns a `BackfillQueue` over a queue and a worker of BullMQ. */
  static of(queue: Queue<FillJob>, worker: Worker<FillJob>, release: () => void): BackfillQueue {
    return new BackfillQueue(queue, worker, release);
  }
}

/** Returns the id of a job. It contains the job's range, and no colon, because BullMQ rejects ids with a colon. */
export function jobId({ chainId, from, to }: FillJob, epoch: number, attempt: number): string {
  return `${chainId}-${from}-${to}-${epoch}-${attempt}`;
}

function rangeOf(id: string): BlockRange | undefined {
  const match = /^\d+-(\d+)-(\d+)-/.exec(id);
  return match === null ? undefined : { from: Number(match[1]), to: Number(match[2]) };
}

type QueueConnection = { readonly connection: unknown; readonly backend: unknown; readonly release: () => void };

async function connect(settings: QueueSettings, onError: (error: Error) => void): Promise<QueueConnection> {
  if (isInRedis(settings)) return { ...redisConnection(settings, onError), backend: undefined };
  const { connection, end } = await settings.pool.use(() => openQueuePool(settings, COMMAND_TIMEOUT_MS, onError));
  return { connection, backend: postgresBackend, release: () => void end().catch(() => undefined) };
}

function construct(
  { connection, backend, release }: QueueConnection,
  name: string,
  onError: (error: Error) => void,
): BackfillQueue {
  // The braces keep a queue's keys on one node of a cluster. Without `skipVersionCheck`, BullMQ would print warnings of its own about the
  // version and the settings of Redis.
  const common = { connection: connection as never, prefix: `{indexer-${name}}`, skipVersionCheck: true };
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
    backend as never,
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
      settings: { backoffStrategy: (_, __, error) => (error instanceof Delayed ? error.delayMs : LOCK_MS) },
    },
    backend as never,
  );
  queue.on('error', onError);
  worker.on('error', onError);
  return BackfillQueue.of(queue, worker, release);
}

/** Returns a claimed job, and renews its lock until the job is completed, delayed or released. */
function claimedJob(job: Job<FillJob>, token: string): ClaimedJob {
  const renewal = setInterval(() => void job.extendLock(token, LOCK_MS).catch(() => undefined), LOCK_RENEWAL_MS);
  const leave = async (move: () => Promise<unknown>) => {
    clearInterval(renewal);
    // If the lock was lost meanwhile, another worker has the job and will find nothing left to do.
    await move().catch((error: unknown) => {
      if (!isLost(error)) throw error;
    });
  };
  return {
    job: job.data,
    complete: () => leave(() => job.moveToCompleted(undefined as never, token, false)),
    delay: (delayMs, reason, history) =>
      leave(async () => {
        await job.updateData({ ...job.data, history });
        await job.moveToFailed(new Delayed(reason, Math.ceil(delayMs)), token, false);
      }),
    release: () => leave(() => job.moveToWait(token)),
  };
}

/** Returns whether the job is gone or belongs to another worker. BullMQ reports both with a negative code. */
function isLost(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'number' && code < 0;
}
